# SPDX-License-Identifier: GPL-2.0
"""The statistics of lane time: on data whose truth is known.

KPARITY_SIMULATED=1000 has test_simulated take a thousand data sets of each kind.
"""

from __future__ import annotations

import math
import os
import random
import statistics
import unittest
from typing import Mapping

from kplib.judge import timing
from kplib.judge.timing import Estimate, Judged

#: Data sets of each kind.
SIMULATED = int(os.environ.get("KPARITY_SIMULATED") or 100)
BOOTS, BLOCKS = 10, 24
#: Standard deviations of a boot and of a block, as shares; one block in twenty is hit by something
#: that makes one of its two sides up to several times as long.
BOOT, BLOCK, TAIL = 0.02, 0.05, 0.05


def simulated(truth: float, rng: random.Random) -> list[list[float]]:
    """The logarithms of all blocks of a run in which the true ratio is `truth`."""
    boots = []
    for _ in range(BOOTS):
        own = math.log(truth) + rng.gauss(0, BOOT)
        boots.append([own + rng.gauss(0, BLOCK)
                      + (rng.choice((-1, 1)) * rng.expovariate(2) if rng.random() < TAIL else 0)
                      for _ in range(BLOCKS)])
    return boots


def judge(rows: Mapping[str, Estimate]) -> dict[str, Judged]:
    """A family with the usual margin."""
    return timing.judge(rows, {key: timing.MARGIN for key in rows})


class StudentTest(unittest.TestCase):
    """Student's distribution: against tables."""

    def test_quantiles(self) -> None:
        """The quantiles that every book has."""
        for share, freedom, value in ((0.975, 1, 12.706), (0.975, 2, 4.303), (0.95, 4, 2.132),
                                      (0.975, 9, 2.262), (0.995, 10, 3.169), (0.95, 30, 1.697)):
            with self.subTest(share=share, freedom=freedom):
                self.assertAlmostEqual(timing.t_quantile(share, freedom), value, 3)

    def test_both_sides(self) -> None:
        """The two tails and the middle are all there is; many boots give a normal one."""
        self.assertAlmostEqual(timing.t_above(1.3, 7) + timing.t_above(-1.3, 7), 1)
        self.assertAlmostEqual(timing.t_within(1.96, 5000),
                               2 * statistics.NormalDist().cdf(1.96) - 1, 3)


class JudgeTest(unittest.TestCase):
    """Verdicts."""

    def test_simulated(self) -> None:
        """A/A is told as a difference in at most 6.5 %, a true 10 % found in at least 95 %."""
        rng = random.Random(1)
        alarms = found = 0
        for _ in range(SIMULATED):
            alarms += timing.estimate(simulated(1.0, rng), rng).differs <= timing.LEVEL
            one = timing.estimate(simulated(1.10, rng), rng)
            found += judge({"op": one})["op"].verdict == timing.SLOWER
        if SIMULATED > 100:
            print(f"\n{SIMULATED} data sets of each kind: {alarms} false alarms, a true 10 % found "
                  f"{found} times")
        self.assertLessEqual(alarms, 0.065 * SIMULATED)
        self.assertGreaterEqual(found, 0.95 * SIMULATED)

    def test_intervals_cover(self) -> None:
        """The interval has the truth in it about as often as it says: it is not wide for nothing.

        Blocks' own spread counts twice in a hierarchical bootstrap, so 99 % is no surprise.
        """
        rng = random.Random(2)
        widths, covered = [], 0
        for _ in range(60):
            low, high = timing.estimate(simulated(1.03, rng), rng).interval() or (0, 0)
            covered += low <= 1.03 <= high
            widths.append(high - low)
        self.assertGreaterEqual(covered, 54)
        # 2.26 standard errors of ten boots' means either way, by the truth.
        error = math.sqrt((BOOT ** 2 + BLOCK ** 2 / BLOCKS) / BOOTS)
        self.assertLess(statistics.fmean(widths), 1.5 * 2 * 2.262 * error)

    def test_boots_count(self) -> None:
        """Many blocks in few boots do not pass for many boots."""
        rng = random.Random(3)
        alarms = 0
        for _ in range(60):
            boots = [[own + rng.gauss(0, 0.001) for _ in range(BLOCKS)]
                     for own in (rng.gauss(0, 0.05) for _ in range(5))]
            alarms += timing.estimate(boots, rng).differs <= timing.LEVEL
        self.assertLessEqual(alarms, 8)

    def test_tail(self) -> None:
        """One block that the host has held up does not move a boot."""
        blocks = [0.0] * 23 + [3.0]
        self.assertEqual(timing.estimate([blocks] * 3, random.Random(1)).log, 0)

    def test_verdicts(self) -> None:
        """Each verdict, in a family of its own."""
        for one, verdict in ((Estimate(0.001, 0.005, 10), timing.EQUIVALENT),
                             (Estimate(0.03, 0.004, 10), timing.EQUIVALENT),
                             (Estimate(0.09, 0.01, 10), timing.SLOWER),
                             (Estimate(-0.09, 0.01, 10), timing.FASTER),
                             (Estimate(0.02, 0.03, 10), timing.INCONCLUSIVE),
                             (Estimate(0.5, 0.0, 1), timing.INCONCLUSIVE)):
            with self.subTest(one=one):
                self.assertEqual(judge({"op": one})["op"].verdict, verdict)

    def test_exact(self) -> None:
        """Boots without any spread are judged by what they say."""
        for log, verdict in ((0.0, timing.EQUIVALENT), (0.2, timing.SLOWER),
                             (-0.2, timing.FASTER)):
            one = timing.estimate([[log] * 4] * 3, random.Random(1))
            self.assertEqual(judge({"op": one})["op"].verdict, verdict)
        self.assertIsNone(timing.estimate([[0.1, 0.2]], random.Random(1)).interval())

    def test_holm(self) -> None:
        """The textbook's example; among many operations one difference must be clearer."""
        self.assertEqual({key: round(p, 3) for key, p in timing.holm(
            {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}).items()},
            {"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
        slow, none = Estimate(0.09, 0.035, 10), Estimate(0.0, 0.035, 10)
        self.assertEqual(judge({"slow": slow})["slow"].verdict, timing.SLOWER)
        rows = {"slow": slow, **{f"{at}": none for at in range(20)}}
        self.assertEqual(judge(rows)["slow"].verdict, timing.INCONCLUSIVE)

    def test_needed(self) -> None:
        """As many boots as are recommended do settle it, mostly."""
        rng = random.Random(4)

        def run(boots: int) -> Estimate:
            return timing.estimate([[own + rng.gauss(0, 0.02) for _ in range(BLOCKS)]
                                    for own in (rng.gauss(0.03, 0.08) for _ in range(boots))], rng)

        one = Estimate(0.03, 0.08 / math.sqrt(10), 10)
        more = judge({"op": one})["op"].boots
        assert more is not None
        self.assertTrue(10 < more < 200, more)
        settled = sum(judge({"op": run(more)})["op"].verdict != timing.INCONCLUSIVE
                      for _ in range(12))
        self.assertGreaterEqual(settled, 7)
        self.assertIsNone(timing.needed(Estimate(0.0487, 0.4, 10), 0.05, 0.05, 1))


class QuantileTest(unittest.TestCase):
    """Histograms."""

    def test_buckets(self) -> None:
        """A bucket's value is within 1/64 of all that it counts, as the engine counts."""
        for value in [*range(300), 12345, 1 << 20, (1 << 35) + 77777]:
            shift = max(0, value.bit_length() - 6)
            index = timing.EACH * shift + (value >> shift)
            self.assertLessEqual(abs(timing.bucket_value(index) - value), value / 64)

    def test_quantiles(self) -> None:
        """Quantiles of all calls; the interval spans what boots differ by."""
        boots = [{10: 990, 20: 9, 30: 1}, {11: 990, 20: 9, 31: 1}]
        found = timing.quantiles(boots, [30, 31], random.Random(1))
        self.assertEqual(found["p50"], timing.Quantile(11, 10, 11))
        self.assertEqual((found["p99"].value, found["p99.9"].value), (11, 20))
        self.assertEqual(found["max"], timing.Quantile(31, 30, 31))


if __name__ == "__main__":
    unittest.main()
