# SPDX-License-Identifier: GPL-2.0
"""The order of a soak's work: each lane of each arch and variant in turn, with one seed each."""

from __future__ import annotations

import itertools
import secrets
import time
from dataclasses import dataclass
from typing import Callable, Iterator, Sequence

from kplib.configure.seeds import Seeds


@dataclass(frozen=True)
class Target:
    """What a guest is booted for: a lane of an arch and variant."""

    arch: str
    variant: str
    lane: str

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.arch} {self.variant} {self.lane}"


@dataclass(frozen=True)
class Item:
    """One piece of work: all pairs' cases of a lane, with one seed."""

    number: int
    target: Target
    seed: int

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.target.name} seed {self.seed}"


def fresh_seed() -> int:
    """A seed that nobody has chosen: 32 bits of the system's."""
    return secrets.randbits(32)


def _fixed(targets: Sequence[Target], seeds: Seeds) -> Iterator[tuple[Target, int]]:
    """Each target with each of its seeds, the first seed of all of them first."""
    rows = [[(target, seed) for seed in seeds.of(target.variant, target.lane)]
            for target in targets]
    for column in itertools.zip_longest(*rows):
        yield from (one for one in column if one is not None)


def count(targets: Sequence[Target], seeds: Seeds) -> int:
    """How many pieces there are with seeds that are not drawn."""
    return sum(len(seeds.of(target.variant, target.lane)) for target in targets)


class Work:
    """The pieces that are left. Without `seeds` there is no end to them but `minutes`.

    `mine` are those of a shard, in place of all.
    """

    def __init__(self, targets: Sequence[Target], seeds: Seeds | None, minutes: float | None,
                 draw: Callable[[], int] = fresh_seed,
                 clock: Callable[[], float] = time.monotonic,
                 mine: Sequence[tuple[Target, int]] | None = None) -> None:
        assert mine is not None or targets and (seeds is not None or minutes is not None)
        self._order = iter(mine) if mine is not None else \
            _fixed(targets, seeds) if seeds is not None else \
            ((target, draw()) for target in itertools.cycle(targets))
        #: How many pieces there are; None where seeds are drawn.
        self.of = len(mine) if mine is not None else \
            None if seeds is None else count(targets, seeds)
        self.given = 0
        self._clock = clock
        self._end = None if minutes is None else clock() + 60 * minutes

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return self._end is not None and self._clock() >= self._end

    def next(self) -> Item | None:
        """The next piece; None if there is none, or the time is up."""
        if self.late:
            return None
        one = next(self._order, None)
        if one is None:
            return None
        self.given += 1
        return Item(self.given, *one)
