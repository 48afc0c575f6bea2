# SPDX-License-Identifier: GPL-2.0
"""The machine that figures come from: QEMU, its CPU, and what the kernel does about its flaws."""

from __future__ import annotations

from typing import Any

#: How the kernel begins what it says of a flaw that the CPU has (Documentation/ABI/testing/
#: sysfs-devices-system-cpu), and a word for it.
_KINDS = {"Mitigation": "mitigated", "Vulnerable": "not mitigated"}


def lines(document: dict[str, Any]) -> list[str]:
    """A line for each lane that has told costs."""
    found = []
    for name, lane in document["lanes"].items():
        if flaws := lane.get("vulnerabilities"):
            kinds = {word: [flaw for flaw, said in sorted(flaws.items()) if said.startswith(start)]
                     for start, word in _KINDS.items()}
            said = "; ".join(f"{', '.join(some)} {word}" for word, some in kinds.items() if some)
            found.append(f"lane {name} on QEMU {lane['qemu']}, -cpu {lane['cpu']}; flaws of the "
                         f"CPU: {said or 'none'}")
    return found
