# SPDX-License-Identifier: GPL-2.0
"""What a choice of the kernel's build does to what operations cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kplib.configure.lanes import PATHS, REFERENCE
from kplib.judge.baseline import Figure, Key
from kplib.judge.tables import MAKING, mean_of_ratios

#: Figures of one kernel.
Figures = dict[Key, Figure]


@dataclass(frozen=True)
class Largest:
    """The operation and outcome that a choice changes most, in instructions of a call."""

    key: Key
    was: float
    now: float


@dataclass(frozen=True)
class Effect:
    """What a kernel with a choice gives.

    `change`: by path, what an operation costs in it, as a multiple of what it costs in base;
    `against_c`: by path, the same as a multiple of c->c in this very kernel. Both are geometric
    means over operations and outcomes. `rows`: how many figures there are behind `change`.
    """

    change: dict[str, float]
    against_c: dict[str, float]
    rows: int
    largest: Largest | None


def steady(boots: Figures) -> Figures:
    """Figures that boots agree on, and that a ratio can be made of."""
    return {key: one for key, one in boots.items() if not one.varies and one.total > 0}


def effect(base: Figures, figures: Figures) -> Effect:
    """A kernel's figures against those of base; the same operations are in both."""
    both = [key for key in base if key in figures and figures[key].total > 0
            and key[1] not in MAKING and key[3] in PATHS]
    change, against_c = {}, {}
    for path in PATHS:
        mine = [key for key in both if key[3] == path]
        if (mean := mean_of_ratios(figures[key].mean / base[key].mean for key in mine)) is not None:
            change[path] = mean
        pairs = [(figures[key], figures[(*key[:3], REFERENCE)]) for key in mine
                 if (*key[:3], REFERENCE) in both]
        if path != REFERENCE and \
                (mean := mean_of_ratios(one.mean / c.mean for one, c in pairs)) is not None:
            against_c[path] = mean
    apart = sorted(both, key=lambda key: -abs(math.log(figures[key].mean / base[key].mean)))
    largest = None
    if apart and figures[apart[0]].mean != base[apart[0]].mean:
        largest = Largest(apart[0], base[apart[0]].mean, figures[apart[0]].mean)
    return Effect(change, against_c, len(both), largest)
