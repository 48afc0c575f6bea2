# SPDX-License-Identifier: GPL-2.0
"""SHARD=i/n of make soak: each lane of an arch and variant with each seed runs in one shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from kplib.configure import identity, shards
from kplib.configure.request import Request
from kplib.configure.seeds import Seeds
from kplib.configure.shards import Unit
from kplib.soak.work import Target

#: Pieces that are split at most; where there are more, some seeds in a row are one.
MOST = 5000


@dataclass(frozen=True)
class Pieces:
    """The part of one shard, and how many pieces all shards have. `told` identifies the whole."""

    mine: tuple[tuple[Target, int], ...]
    of: int
    told: dict[str, Any]

    @property
    def cells(self) -> set[tuple[str, str]]:
        """Arches and variants that are needed for it."""
        return {(target.arch, target.variant) for target, _ in self.mine}


def _words(req: Request, targets: list[Target], seeds: Seeds) -> tuple[tuple[str, str], ...]:
    """What is said of a soak beyond what is said of a run."""
    found = [("LANES", " ".join(target.name for target in targets)),
             ("SEEDS", " ".join([str(seeds.usual), *(f"{name}={seeds.named[name]}"
                                                     for name in sorted(seeds.named))]))]
    if req.minutes is not None:
        found.append(("MINUTES", f"{req.minutes:g}"))
    return tuple(found)


def split(req: Request, targets: list[Target], pairs_of: dict[Target, tuple[str, ...]]) -> \
        Pieces | None:
    """The pieces of a settled request's shard; None without SHARD.

    `pairs_of` has the pairs with a case in a target.
    """
    if req.shard is None or req.seeds is None:
        return None
    seeds = req.seeds
    weigh = shards.weigher(req, shards.load(req.times or shards.TIMES))
    patience = {variant.name: variant.patience for variant in req.variants}
    # A seed is a guest of its own.
    cost = {target: shards.BOOT * patience[target.variant] + sum(
        weigh(Unit(target.arch, target.variant, pair, target.lane)) for pair in pairs_of[target])
        for target in targets}
    # All of an arch and variant together: it is prepared once.
    cells = [(arch, variant) for arch, variant, _ in req.shard.cells]
    order = sorted(targets, key=lambda target: cells.index((target.arch, target.variant)))
    every = sum(len(seeds.of(target.variant, target.lane)) for target in targets)
    step = 1 + every // MOST
    blocks: list[tuple[Target, range]] = []
    for target in order:
        mine = seeds.of(target.variant, target.lane)
        blocks += [(target, mine[at:at + step]) for at in range(0, len(mine), step)]

    def needs(block: tuple[Target, range]) -> Iterable[tuple[object, int]]:
        target, _ = block
        return (((target.arch, target.variant), shards.CELL),)

    part = shards.split(blocks, req.shard.of, lambda block: cost[block[0]] * len(block[1]),
                        needs)[req.shard.index - 1]
    return Pieces(tuple((target, seed) for target, some in part for seed in some), every,
                  {**(identity.told(req, _words(req, targets, seeds)) or {}),
                   "runs_of": every, "kernels": {}, "tools": {}})
