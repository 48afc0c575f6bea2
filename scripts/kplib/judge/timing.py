# SPDX-License-Identifier: GPL-2.0
"""The statistics of lane time: pure functions, from ratios of blocks to verdicts.

A boot has blocks, and a block gives one figure: the logarithm of what the calls of a path took,
through what the same calls took on c->c beside them. Blocks of one boot share what that boot has
drawn, such as where its memory lies, so that boots count, and blocks within them much less.

The interval of a ratio comes from a hierarchical bootstrap: boots are drawn from those that there
are, and of each its blocks. It gives the standard error. For few boots that is too small by a
known factor, and Student's distribution stands for the rest. See Documentation/time.md.
"""

from __future__ import annotations

import functools
import math
import random
import statistics
from dataclasses import dataclass
from typing import Hashable, Mapping, Sequence, TypeVar

#: What may be told as the same, as a share, and the chance of a wrong verdict.
MARGIN, LEVEL = 0.05, 0.05
#: Blocks at either end of a boot's that do not count, as a share: those that something else hit.
TRIMMED = 0.2
#: How often a boot's blocks are drawn, and boots.
BLOCK_DRAWS, BOOT_DRAWS = 32, 300
#: The chance that so many boots as are said to be enough are enough.
POWER = 0.8
#: More boots than this are not recommended to anybody.
BOOTS_MAX = 1000

EQUIVALENT, FASTER, SLOWER, INCONCLUSIVE = "equivalent", "faster", "slower", "inconclusive"

Key = TypeVar("Key", bound=Hashable)


def t_within(t: float, freedom: int) -> float:
    """The probability that Student's t lies between -t and t: the closed form, a finite sum."""
    angle = math.atan(abs(t) / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for k in range((freedom - odd) // 2):
        total += term
        term *= cosine * cosine * (2 * k + 1 + odd) / (2 * k + 2 + odd)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def t_above(t: float, freedom: int) -> float:
    """The probability that Student's t is above `t`."""
    half = t_within(t, freedom) / 2
    return 0.5 - half if t >= 0 else 0.5 + half


@functools.lru_cache(maxsize=4096)
def t_quantile(share: float, freedom: int) -> float:
    """The value that Student's t exceeds with a probability of 1 - `share`; `share` is >= 0.5."""
    high = 1.0
    while t_above(high, freedom) > 1 - share:
        high *= 2
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_above(middle, freedom) > 1 - share else (low, middle)
    return high


@dataclass(frozen=True)
class Estimate:
    """A logarithm of a ratio, from so many boots. `error` is its standard error."""

    log: float
    error: float
    boots: int

    def beyond(self, limit: float) -> float:
        """The probability of an estimate so high if the truth were `limit`."""
        if self.boots < 2:
            return 1.0
        if not self.error:
            return 0.0 if self.log > limit else 1.0
        return t_above((self.log - limit) / self.error, self.boots - 1)

    @property
    def mirrored(self) -> Estimate:
        """That of the inverse ratio."""
        return Estimate(-self.log, self.error, self.boots)

    @property
    def differs(self) -> float:
        """The p-value of: the ratio is 1. Two-sided."""
        return min(1.0, 2 * min(self.beyond(0.0), self.mirrored.beyond(0.0)))

    def same(self, margin: float) -> float:
        """The p-value of: the ratio is beyond the margin. Two one-sided tests (TOST)."""
        limit = math.log1p(margin)
        return max(self.mirrored.beyond(-limit), self.beyond(-limit))

    def interval(self, level: float = LEVEL) -> tuple[float, float] | None:
        """The ratio's interval; None of fewer than two boots."""
        if self.boots < 2:
            return None
        half = t_quantile(1 - level / 2, self.boots - 1) * self.error
        # Of two boots it may have no end that a float can hold.
        return math.exp(max(self.log - half, -700)), math.exp(min(self.log + half, 700))

    @property
    def ratio(self) -> float:
        """The ratio itself."""
        return math.exp(self.log)


def trimmed(values: Sequence[float]) -> float:
    """The mean without the ends."""
    cut = int(len(values) * TRIMMED)
    # Called ten thousand times for each operation: fmean() takes twice as long.
    return sum(sorted(values)[cut:len(values) - cut]) / (len(values) - 2 * cut)


def estimate(boots: Sequence[Sequence[float]], rng: random.Random) -> Estimate:
    """A ratio from the logarithms of each block, by boot; each boot has some."""
    nr = len(boots)
    middle = statistics.fmean(trimmed(blocks) for blocks in boots)
    if nr < 2:
        return Estimate(middle, 0.0, nr)
    drawn = [[trimmed(rng.choices(blocks, k=len(blocks))) for _ in range(BLOCK_DRAWS)]
             for blocks in boots]
    means = [sum(map(rng.choice, rng.choices(drawn, k=nr))) / nr for _ in range(BOOT_DRAWS)]
    # Boots that are drawn from n differ by (n - 1) / n of what boots do.
    return Estimate(middle, statistics.pstdev(means) * math.sqrt(nr / (nr - 1)), nr)


def holm(found: Mapping[Key, float]) -> dict[Key, float]:
    """The p-values for all of a family at once."""
    adjusted: dict[Key, float] = {}
    least = 0.0
    for at, (key, p) in enumerate(sorted(found.items(), key=lambda item: item[1])):
        least = max(least, min(1.0, p * (len(found) - at)))
        adjusted[key] = least
    return adjusted


@dataclass(frozen=True)
class Judged:
    """A ratio with its verdict, and how many boots would settle one that is inconclusive.

    `boots`: None where there is nothing to settle, or no number up to BOOTS_MAX would do.
    """

    verdict: str
    estimate: Estimate
    boots: int | None = None


def needed(one: Estimate, margin: float, level: float, family: int) -> int | None:
    """How many boots would settle it, if they differ as these do and the ratio is what it seems.

    With a chance of POWER, and the level of the first of a family in Holm's order.
    """
    if one.boots < 2 or not one.error:
        return None
    spread = one.error * math.sqrt(one.boots)
    limit, away = math.log1p(margin), abs(one.log)
    boots = one.boots + 1
    while boots <= BOOTS_MAX:
        error, free = spread / math.sqrt(boots), boots - 1
        power = t_quantile(POWER, free)
        if away + (t_quantile(1 - level / family, free) + power) * error <= limit or \
                (t_quantile(1 - level / family / 2, free) + power) * error <= away:
            return boots
        boots += 1 + boots // 20
    return None


def judge(rows: Mapping[Key, Estimate], margins: Mapping[Key, float],
          level: float = LEVEL) -> dict[Key, Judged]:
    """Verdicts on a family of ratios, such as all operations on one path, each with its margin.

    What is within the margin is equivalent, even where it differs by a little for certain.
    """
    same = holm({key: one.same(margins[key]) for key, one in rows.items()})
    differs = holm({key: one.differs for key, one in rows.items()})
    found = {}
    for key, one in rows.items():
        if same[key] <= level:
            found[key] = Judged(EQUIVALENT, one)
        elif differs[key] <= level:
            found[key] = Judged(SLOWER if one.log > 0 else FASTER, one)
        else:
            found[key] = Judged(INCONCLUSIVE, one, needed(one, margins[key], level, len(rows)))
    return found


#: A histogram of kmod/engine/time.c has this many buckets to each power of two.
EACH = 32


def bucket_value(index: int) -> float:
    """The middle of what a bucket counts."""
    shift = max(0, index // EACH - 1)
    return ((index - EACH * shift) << shift) + ((1 << shift) - 1) / 2


@dataclass(frozen=True)
class Quantile:
    """A quantile of single calls, and the interval that boots leave it."""

    value: float
    low: float
    high: float


#: The quantiles that are told.
SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
#: How often boots are drawn for them.
QUANTILE_DRAWS = 200


def _at(counts: Mapping[int, int], shares: Sequence[float]) -> list[float]:
    """The buckets' values that so many calls do not exceed; shares ascend."""
    total, seen, found = sum(counts.values()), 0, []
    left = list(shares)
    for index in sorted(counts):
        seen += counts[index]
        while left and seen >= math.ceil(left[0] * total):
            found.append(bucket_value(index))
            left.pop(0)
    return found


def _together(boots: Sequence[Mapping[int, int]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for counts in boots:
        for index, times in counts.items():
            found[index] = found.get(index, 0) + times
    return found


def quantiles(boots: Sequence[Mapping[int, int]], most: Sequence[int], rng: random.Random,
              level: float = LEVEL) -> dict[str, Quantile]:
    """p50, p99, p99.9 and max of calls, from each boot's histogram and its longest call.

    The interval is that of boots drawn again. A maximum has none: there it is the least and the
    greatest of the boots' own.
    """
    shares = list(SHARES.values())
    drawn = [_at(_together(rng.choices(boots, k=len(boots))), shares)
             for _ in range(QUANTILE_DRAWS if len(boots) > 1 else 1)]
    whole = _at(_together(boots), shares)
    cut = int(len(drawn) * level / 2)
    found = {}
    for at, name in enumerate(SHARES):
        ordered = sorted(one[at] for one in drawn)
        found[name] = Quantile(whole[at], ordered[cut], ordered[len(ordered) - 1 - cut])
    found["max"] = Quantile(max(most), min(most), max(most))
    return found
