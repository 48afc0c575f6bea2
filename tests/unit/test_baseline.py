# SPDX-License-Identifier: GPL-2.0
"""Baselines: their text, what varies between boots, and what has changed."""

import unittest
from typing import Any

from kplib.judge import baseline
from kplib.judge.baseline import Baseline, Change, Figure, Limits

KEY = "ring", "push", "-ENOSPC", "c->rust"


def figure(total: int, calls: int = 10, least: int = 1, varies: bool = False) -> Figure:
    """A figure."""
    return Figure(calls, total, least, varies)


class TestText(unittest.TestCase):
    """read() and write()"""

    def test_there_and_back(self) -> None:
        """What is written is read as it was."""
        whole = Baseline({"arch": "x86_64", "tools": "clang 19.1.7, rustc 1.85.1"},
                         {KEY: figure(150), (*KEY[:3], "c->c"): figure(-7, varies=True)})
        self.assertEqual(baseline.read(baseline.write(whole)), whole)

    def test_damaged(self) -> None:
        """A line that is none is named."""
        good = baseline.write(Baseline({"arch": "x"}, {KEY: figure(150)}))
        for text, why in ((good + "ring push c->c 1 1 1\n", "line 6: 'ring push c->c 1 1 1'"),
                          (good + good.splitlines()[-1] + "\n", "line 6: .* twice"),
                          (good.replace("c->rust", "c->x"), "line 5: "),
                          (good.replace(" 10 ", " 0 "), "line 5: "),
                          (good.replace("figures: 1", "figures: 2"), "it has 1 .*, and says 2"),
                          (good.replace("figures: 1\n", ""), "says not how many"),
                          (good.replace("Form 3", "Form 9"), "line 1: "), ("", "line 1: ")):
            with self.subTest(why), self.assertRaisesRegex(baseline.BadBaseline, why):
                baseline.read(text)

    def test_other(self) -> None:
        """What differs is named."""
        self.assertEqual(baseline.other({"arch": "x", "cpu": "max"}, {"arch": "x", "seed": "1"}),
                         ["cpu max, and this is not known", "seed not said, and this is 1"])
        self.assertEqual(baseline.other({"arch": "x"}, {"arch": "x"}), [])


class TestCompare(unittest.TestCase):
    """together() and compare()"""

    def change(self, old: Figure, new: Figure) -> list[Change]:
        """Changes of one figure."""
        return baseline.compare({KEY: old}, {KEY: new}, ["ring"])

    def test_boots(self) -> None:
        """A figure that two boots differ in varies, and its least call is kept."""
        found = baseline.together([{KEY: figure(150, least=12)}, {KEY: figure(151, least=11)}])
        self.assertEqual(found, {KEY: figure(150, least=11, varies=True)})
        self.assertEqual(baseline.together([{KEY: figure(150)}] * 3), {KEY: figure(150)})
        self.assertEqual(baseline.together([{KEY: figure(1)}, {}]), {})

    def test_one_instruction(self) -> None:
        """One instruction in one call is seen."""
        self.assertEqual(self.change(figure(150), figure(150)), [])
        (one,) = self.change(figure(150), figure(151))
        self.assertEqual(one.means, (15.0, 15.1))

    def test_varies(self) -> None:
        """Of what varies the least call is compared, whatever the others cost."""
        self.assertEqual(self.change(figure(150, varies=True), figure(199)), [])
        self.assertEqual(self.change(figure(150), figure(199, varies=True)), [])
        (one,) = self.change(figure(150, varies=True), figure(199, least=2))
        self.assertEqual(one.means, (1.0, 2.0))

    def test_limits(self) -> None:
        """Soft is a share, hard a number; what costs less, is new or gone is over none."""
        for old, new, limits, wanted in (
                (1000, 1020, (2, None), False), (1000, 1021, (2, None), True),
                (1000, 1020, (2, 1.0), True), (1000, 1010, (2, 1.0), False),
                (1000, 500, (0, 0.0), False), (0, 1, (50, None), True)):
            with self.subTest(f"{old} {new} {limits}"):
                (one,) = self.change(figure(old), figure(new))
                self.assertEqual(one.over(Limits(*limits)), wanted)
        there, nothing = {KEY: figure(1)}, dict[baseline.Key, Figure]()
        for old_ones, new_ones in (there, nothing), (nothing, there):
            (gone,) = baseline.compare(old_ones, new_ones, ["ring"])
            self.assertFalse(gone.over(Limits(0, 0)))

    def test_pairs(self) -> None:
        """Other pairs' figures are not looked at."""
        both: Any = {KEY: figure(1), ("tlv", *KEY[1:]): figure(1)}
        self.assertEqual(baseline.compare(both, {KEY: figure(1)}, ["ring"]), [])
        self.assertEqual(len(baseline.compare(both, {KEY: figure(1)}, ["ring", "tlv"])), 1)


if __name__ == "__main__":
    unittest.main()
