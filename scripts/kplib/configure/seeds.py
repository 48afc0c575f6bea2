# SPDX-License-Identifier: GPL-2.0
"""SEEDS=: the seeds of a soak that are not drawn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping

from kplib.common import ui
from kplib.common.errors import Refused

#: Seeds of one range, at most.
MOST = 1000000


@dataclass(frozen=True)
class Seeds:
    """Seeds for everything, and other ones for some variants and lanes, by name."""

    usual: range
    named: Mapping[str, range]

    def of(self, variant: str, lane: str) -> range:
        """Those for a lane of a variant. A word for the lane says more than one for the variant."""
        return self.named.get(lane, self.named.get(variant, self.usual))


def _range(text: str) -> range | None:
    """N or A..B; None for anything else."""
    found = re.fullmatch(r"([0-9]{1,20})(?:\.\.([0-9]{1,20}))?", text, re.A)
    if not found:
        return None
    first, last = (1, int(found[1])) if found[2] is None else (int(found[1]), int(found[2]))
    return range(first, last + 1) if first <= last < 2**64 and last - first < MOST else None


def parse(value: str | None, names: tuple[str, ...]) -> Seeds | None:
    """Read SEEDS=. `names` are the variants and lanes that there are."""
    if not value:
        return None
    said = f"SEEDS={ui.clean(value)}"
    found: dict[str, range] = {}
    for word in value.replace(",", " ").split():
        name, _, text = word.rpartition("=")
        seeds = _range(text)
        if seeds is None:
            raise Refused(f"{said}: {ui.clean(text)!r} is no number of seeds above 0, and no range "
                          "such as 7..9")
        if name not in names and (name or "=" in word):
            raise Refused(f"{said}: {ui.clean(name)!r} is no variant and no lane; there are "
                          f"{', '.join(names)}")
        if name in found:
            raise Refused(f"{said}: {name or 'all'} is named twice; give one number for it")
        found[name] = seeds
    if "" not in found:
        raise Refused(f"{said}: give a number for all first, such as SEEDS='50 debug=5'")
    return Seeds(found.pop(""), found)
