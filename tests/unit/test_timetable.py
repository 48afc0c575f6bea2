# SPDX-License-Identifier: GPL-2.0
"""The tables of case time: reading, damage, and what is made of several boots."""

from __future__ import annotations

import json
import random
import unittest
from dataclasses import replace
from typing import Any
from unittest import mock

from kplib.boot import lanes
from kplib.boot.laneresult import Answers, CaseId, LaneResult, Loss
from kplib.configure import request
from kplib.configure.lanes import PATHS, TIME
from kplib.judge import ktap, timetable, timing
from kplib.judge.tables import DamagedTable
from kplib.report import timed
from kplib.selftest import schema

BLOCKS = 12


def side(mean: float, rng: random.Random) -> str:
    """One side of a line: 10 calls in each block, of about so many units."""
    blocks = [max(10, round(10 * mean * rng.gauss(1, 0.01))) for _ in range(BLOCKS)]
    return (f"{max(blocks)} " + ",".join(f"10:{total}" for total in blocks)
            + f" 40:{10 * BLOCKS - 1},90:1")


def table(rng: random.Random, slower: float = 1.0, noop: float = 20) -> str:
    """A boot's table, in which Rust's push takes so much longer; units are ns."""
    lines = ["clock 1000000"]
    for path in PATHS:
        more = slower if path in ("c->rust", "rust->rust") else 1.0
        lines += [f"{path} noop 0 warm {side(noop, rng)} {side(noop, rng)}",
                  f"{path} push 0 warm {side(200, rng)} {side(200 * more, rng)}",
                  f"{path} push -28 warm {side(100, rng)} {side(100, rng)}"]
    return "\n".join(lines) + "\n"


def tables(slower: float = 1.0, boots: int = 6) -> list[str]:
    """The tables of some boots."""
    rng = random.Random(1)
    return [table(rng, slower) for _ in range(boots)]


class ParseTest(unittest.TestCase):
    """Reading a table."""

    def test_damaged(self) -> None:
        """Nothing that is cut off, or does not add up, is read as figures."""
        good = table(random.Random(1))
        self.assertEqual(len(timetable.parse(good).rows), 12)
        lines = good.splitlines()
        for bad in ("", "clock 0\n", good.partition("\n")[2], good[:-9], good + "c->c po",
                    good.replace("10:", "11:", 1), good.replace("push -28", "push 28"),
                    good.replace("c->rust push", "c->go push"), good + lines[2] + "\n",
                    good.replace("warm", "hot"), good.replace("90:1", "90:x", 1),
                    good.replace("90:1", "90:2", 1),
                    good.replace(lines[1] + "\n", ""), good.replace("40:119", "40:119,", 1)):
            with self.subTest(bad=bad[-60:]), self.assertRaises(DamagedTable):
                timetable.parse(bad)

    def test_every_cut(self) -> None:
        """A table that ends anywhere but at a line's end is damaged."""
        good = table(random.Random(1))
        for at in range(20, len(good) - 1, 97):
            if good[at - 1] != "\n" and good[at] != "\n":
                with self.subTest(at=at), self.assertRaises(DamagedTable):
                    timetable.judge([good[:at]], True, 1)

    def test_nothing(self) -> None:
        """No boot, or one that has timed nothing, is no result."""
        for some in ([], ["clock 1000000\n"]):
            with self.assertRaises(DamagedTable):
                timetable.judge(some, True, 1)


class JudgeTest(unittest.TestCase):
    """Verdicts on some boots."""

    def test_same(self) -> None:
        """Where nothing differs, all is equivalent, and what is injected is found."""
        times = timetable.judge(tables(), False, 1)
        self.assertEqual({row.verdict for row in times.rows}, {timing.EQUIVALENT})
        self.assertEqual((times.checked.compared, times.checked.told), (2, 0))
        self.assertEqual((times.checked.found["10"], times.checked.found_own["10"]), (2, 2))
        own = {row.name: row.own for row in times.rows}
        self.assertAlmostEqual(own["push"], 0.9, 1)
        self.assertAlmostEqual(own["push -ENOSPC"], 0.8, 1)
        found = timetable.verdicts("ring_time", set(PATHS), times, "")
        self.assertEqual([one.status for one in found], [ktap.PASS] * 4)

    def test_slower(self) -> None:
        """A slower path fails where it binds, and is advisory elsewhere."""
        times = timetable.judge(tables(1.2), False, 1)
        slower = {(row.path, row.name) for row in times.rows if row.verdict == timing.SLOWER}
        self.assertEqual(slower, {("c->rust", "push"), ("rust->rust", "push")})
        found = {one.path: one for one in
                 timetable.verdicts("ring_time", set(PATHS), times, "")}
        self.assertEqual({path: one.status for path, one in found.items()}, {
            "c->c": ktap.PASS, "c->rust": ktap.FAIL, "rust->c": ktap.PASS,
            "rust->rust": ktap.FAIL})
        self.assertRegex(found["c->rust"].log[0], r"^push, warm: slower, 1\.\d+ times c->c \(1\.")
        found = {one.path: one for one in timetable.verdicts(
            "ring_time", {"c->rust"}, replace(times, advisory=True), "emulated")}
        self.assertEqual({path: one.status for path, one in found.items()},
                         {"c->rust": ktap.SKIP})

    def test_few_boots(self) -> None:
        """One boot settles nothing; what is inconclusive is no pass."""
        times = timetable.judge(tables(1.2, boots=1), False, 1)
        self.assertEqual({row.verdict for row in times.rows}, {timing.INCONCLUSIVE})
        self.assertEqual({row.low for row in times.rows}, {None})
        self.assertEqual({one.status for one in timetable.verdicts(
            "ring_time", set(PATHS), times, "")}, {ktap.SKIP})

    def test_disturbed(self) -> None:
        """Where c->c differs from itself, the measurement is the error."""
        times = timetable.judge(tables(), False, 1)
        times = replace(times, checked=replace(times.checked, told=1))
        found = timetable.verdicts("ring_time", {"c->c"}, times, "")
        self.assertEqual(found[0].status, ktap.ERROR)

    def test_share(self) -> None:
        """What the no-op takes most of must differ by less to be equivalent."""
        rng = random.Random(2)
        times = timetable.judge([table(rng, noop=98) for _ in range(6)], False, 1)
        full = {row.verdict for row in times.rows if row.name == "push -ENOSPC"}
        self.assertEqual(full, {timing.INCONCLUSIVE})
        self.assertEqual({row.own for row in times.rows if row.name == "push -ENOSPC"}, {0.05})

    def test_margin(self) -> None:
        """What is the same by one margin is not by a smaller one."""
        for margin, verdict in ((0.10, timing.EQUIVALENT), (0.02, timing.SLOWER)):
            times = timetable.judge(tables(1.05), False, 1, margin)
            self.assertEqual({row.verdict for row in times.rows
                              if (row.path, row.name) == ("c->rust", "push")}, {verdict})

    def test_told(self) -> None:
        """Through results.json and onto the terminal."""
        times = timetable.judge(tables(1.2), True, 1)
        again = timetable.from_json(json.loads(json.dumps(times.to_json())))
        self.assertEqual(again, times)
        rule = schema.SCHEMA["$defs"]["pair"]["properties"]["times"]
        self.assertEqual(list(schema.unlike(json.loads(json.dumps(times.to_json())), rule)), [])
        text = "\n".join(timed.table(again, True))
        self.assertIn("advisory", text)
        self.assertRegex(text, r"c->rust +1\.\d+ +1\.\d+ to 1\.\d+ +\d+%  slower")
        self.assertIn("calls; p50", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 110)


class SeriesTest(unittest.TestCase):
    """The boots of the lane."""

    def run_boots(self, wrong: int | None = None,
                  how: str = "") -> tuple[LaneResult, list[tuple[str, ...]]]:
        """Six boots of three pairs, one of which goes wrong; the lane, and pairs of each boot."""
        req = request.parse(["PAIR=ring tlv glob", "LANE=time", "BOOTS=6"], {})
        ran: list[tuple[str, ...]] = []

        def run_of(setup: Any, number: int) -> mock.Mock:
            ran.append(setup.request.pairs)
            result = LaneResult(TIME, boots=1, number=number)
            for pair in setup.request.pairs:
                bad = number == wrong and pair == "tlv"
                if bad and how == "lost":
                    result.lose(Loss(CaseId("tlv_time"), "the guest was lost"))
                    continue
                status = "not ok" if bad else "ok"
                result.take(pair, Answers(f"KTAP version 1\n    {status} 1 time\n",
                                          f"{pair} {number}", {}))
            return mock.Mock(result=result)

        setup = mock.Mock(request=req)
        with mock.patch.object(lanes, "replace", lambda one, **more: mock.Mock(
                request=more["request"]) if one is setup else replace(one, **more)):
            return lanes._series(  # pylint: disable=protected-access
                setup, run_of(setup, 0).result, run_of), ran

    def test_all(self) -> None:
        """Each boot has all pairs, in an order of its own, and its table is kept."""
        result, ran = self.run_boots()
        self.assertEqual((result.boots, len(ran)), (6, 6))
        self.assertEqual({tuple(sorted(pairs)) for pairs in ran}, {("glob", "ring", "tlv")})
        self.assertGreater(len(set(ran)), 2)
        self.assertEqual(result.series["tlv"], [f"tlv {number}" for number in range(6)])

    def test_trouble(self) -> None:
        """A boot that goes wrong is the last one, and its results are the lane's."""
        for wrong in (0, 2, 5):
            for how in ("lost", "fails"):
                with self.subTest(wrong=wrong, how=how):
                    result, ran = self.run_boots(wrong, how)
                    self.assertEqual((len(ran), result.boots), (wrong + 1, wrong + 1))
                    self.assertFalse(result.clean())
                    self.assertEqual(bool(result.losses), how == "lost")
                    self.assertEqual(len(result.series["ring"]), wrong + 1)


if __name__ == "__main__":
    unittest.main()
