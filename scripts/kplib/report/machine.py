# SPDX-License-Identifier: GPL-2.0
"""The machine that figures come from: QEMU, its CPU, and what the kernel does about its flaws."""

from __future__ import annotations

from typing import Any

from kplib.configure.lanes import LANES

#: How the kernel begins what it says of a flaw (Documentation/ABI/testing/
#: sysfs-devices-system-cpu), and a word for it; of what begins otherwise it does not know.
_KINDS = {"Mitigation": "mitigated", "KVM: Mitigation": "mitigated", "Vulnerable": "not mitigated",
          "KVM: Vulnerable": "not mitigated", "Processor vulnerable": "not mitigated"}
_NONE, _UNKNOWN = "Not affected", "not known"
#: The lanes that have figures.
COSTS = tuple(name for name, lane in LANES.items() if lane.costs)


def _word(said: str) -> str:
    return next((word for start, word in _KINDS.items() if said.startswith(start)), _UNKNOWN)


def _flaws(flaws: dict[str, str]) -> str:
    if not flaws:
        return "not told"
    kinds: dict[str, list[str]] = {word: [] for word in (*_KINDS.values(), _UNKNOWN)}
    for flaw, said in sorted(flaws.items()):
        if said != _NONE:
            kinds[_word(said)].append(flaw)
    return "; ".join(f"{', '.join(some)} {word}" for word, some in kinds.items() if some) or "none"


def lines(document: dict[str, Any]) -> list[str]:
    """A line for each lane that tells costs."""
    return [f"lane {name} on QEMU {lane['qemu']}, -cpu {lane['cpu']}; flaws of the CPU: "
            f"{_flaws(lane['vulnerabilities'])}"
            for name, lane in document["lanes"].items() if name in COSTS]
