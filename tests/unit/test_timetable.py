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
    lines = ["clock 1000000", *(f"{path} beside 0 of 0 ran 0 0:0 0:0" for path in PATHS)]
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


def busy(calls: list[int], mean: float, rng: random.Random) -> str:
    """One side of a line: so many calls in each block, of about so many units."""
    if not any(calls):
        return "-"
    blocks = ",".join(f"{nr}:{round(nr * mean * rng.gauss(1, 0.01))}" for nr in calls)
    return f"{round(2 * mean)} {blocks} 40:{sum(calls)}"


def contended(rng: random.Random, full: tuple[int, int] = (10, 10), slower: float = 1.0,
              blocks: int = BLOCKS) -> str:
    """A boot's table with contended blocks of one path: of 100 pushes of each block so many are
    refused, on c->c and on the path. They take a tenth of what those take that are not."""
    sides = [("c->c", 1.0, full[0]), ("c->rust", slower, full[1])]
    done = f"{200 * blocks}:{150 * blocks} {200 * blocks}:{160 * blocks}"
    lines = [f"c->rust beside {blocks} of {BLOCKS} ran {400 * blocks} {done}"]
    for op, mean, calls in (("noop 0", 20, (100, 100)),
                            ("push 0", 300, (100 - full[0], 100 - full[1])),
                            ("push -28", 30, full)):
        if not blocks:
            continue
        one, other = (busy([nr] * BLOCKS, mean * (more if op != "noop 0" else 1), rng)
                      for (_, more, _), nr in zip(sides, calls))
        lines.append(f"c->rust {op} contended {one} {other}")
    for op, mean in (("noop 0", 20), ("push 0", 99)):
        one, other = (busy([100] * BLOCKS, mean, rng) for _ in sides)
        lines.append(f"c->rust {op} warm {one} {other}")
    return "\n".join(["clock 1000000", *lines]) + "\n"


class ParseTest(unittest.TestCase):
    """Reading a table."""

    def test_damaged(self) -> None:
        """Nothing that is cut off, or does not add up, is read as figures."""
        good = table(random.Random(1))
        self.assertEqual(len(timetable.parse(good).rows), 12)
        lines = good.splitlines()
        for bad in ("", "clock 0\n", good.partition("\n")[2], good[:-9], good + "c->c po",
                    good.replace("10:", "11:", 1), good.replace("push -28", "push 28"),
                    good.replace("c->rust push", "c->go push"), good + lines[6] + "\n",
                    good.replace("warm", "hot"), good.replace("90:1", "90:x", 1),
                    good.replace("90:1", "90:2", 1),
                    good.replace(lines[5] + "\n", ""), good.replace(lines[1] + "\n", ""),
                    good.replace("0 of 0", "1 of 0", 1), good.replace("0 of 0", "1 of 1", 1),
                    good.replace("ran 0 0:0", "ran 9 5:0", 1), lines[0] + "\n" + good,
                    good.replace(lines[1], lines[1] + "\n" + lines[1]),
                    good.replace(lines[6].split()[4], "-", 1),
                    good.replace("40:119", "40:119,", 1)):
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


class ContendedTest(unittest.TestCase):
    """Blocks in which another CPU uses the object."""

    def judged(self, **how: Any) -> timetable.Times:
        """Six boots."""
        rng = random.Random(3)
        return timetable.judge([contended(rng, **how) for _ in range(6)], False, 1)

    def verdicts(self, times: timetable.Times) -> dict[str, str]:
        """Those of contended calls."""
        return {row.name: row.verdict for row in times.rows if row.state == timetable.CONTENDED}

    def test_judged(self) -> None:
        """By operation and outcome, and in a family of their own."""
        self.assertEqual(self.verdicts(self.judged()), dict.fromkeys(
            ("push", "push -ENOSPC"), timing.EQUIVALENT))
        times = self.judged(slower=1.3)
        self.assertEqual(self.verdicts(times), dict.fromkeys(
            ("push", "push -ENOSPC"), timing.SLOWER))
        self.assertEqual(times.rows[0].state, "warm")
        self.assertEqual(times.rows[0].verdict, timing.EQUIVALENT)
        found = timetable.verdicts("ring_time", {"c->rust"}, times, "")
        self.assertEqual(found[0].status, ktap.FAIL)
        self.assertRegex(found[0].log[0], "^push, contended: slower, 1[.]3")

    def test_mix(self) -> None:
        """Where a path comes to other outcomes, none of its calls is held against c->c."""
        times = self.judged(full=(10, 15))
        self.assertEqual(set(self.verdicts(times)), {"push", "push -ENOSPC"})
        times = self.judged(full=(10, 40))
        self.assertEqual(self.verdicts(times), {})
        self.assertEqual([(one.op, one.outcome, one.shares) for one in times.apart],
                         [("push", "success", (0.9, 0.6)), ("push", "-ENOSPC", (0.1, 0.4))])
        self.assertIn("      push -ENOSPC: c->rust 40.0 (10.0)", timed.table(times, False))
        found = timetable.verdicts("ring_time", {"c->rust"}, times, "")
        self.assertEqual(found[0].status, ktap.SKIP)
        self.assertRegex(found[0].log[0], "^nothing contended is compared: too few boots")
        # Few points, and yet a multiple.
        times = self.judged(full=(9, 18))
        self.assertEqual(set(self.verdicts(times)), {"push"})

    def test_not_chosen(self) -> None:
        """An outcome that some blocks have often enough and others not is not compared by the ones
        alone: they are those in which the other CPU was busy."""
        key = ("c->rust", "push", -28, timetable.CONTENDED)
        for calls, steady in (([9] * 12, True), ([9] * 11 + [7], True), ([9] * 11 + [0], True),
                              ([7] * 8 + [12] * 4, False), ([9] * 2, False)):
            with self.subTest(calls):
                one = timetable.Side(0, tuple((nr, 30 * nr) for nr in calls), {})
                nine = timetable.Side(0, ((9, 270),) * len(calls), {})
                boot = timetable.Boot(1000, {}, {key: (nine, one)})
                self.assertEqual(timetable._is_steady(boot, key), steady)

    def test_rare(self) -> None:
        """What is rare is not compared, nor what one side alone comes to."""
        for full in ((7, 8), (3, 0), (0, 3)):
            with self.subTest(full=full):
                times = self.judged(full=full)
                self.assertEqual(set(self.verdicts(times)), {"push"})
                self.assertEqual([one.outcome for one in times.apart], ["-ENOSPC"])

    def test_no_other_cpu(self) -> None:
        """A host that did not run the other CPU has no rows, and no pass."""
        times = self.judged(blocks=0)
        self.assertEqual(self.verdicts(times), {})
        text = "\n".join(timed.table(times, False))
        self.assertIn("of 72 contended blocks the host ran both CPUs in: c->rust 0", text)
        found = timetable.verdicts("ring_time", {"c->rust"}, times, "")
        self.assertEqual(found[0].status, ktap.SKIP)

    def test_busy(self) -> None:
        """Boots in which the host did not run the other CPU are left out, if they are not most."""
        rng = random.Random(4)
        for idle, there in ((3, 2), (4, 0)):
            times = timetable.judge([contended(rng, blocks=0 if boot < idle else BLOCKS)
                                     for boot in range(6)], False, 1)
            self.assertEqual(len(self.verdicts(times)), there)
            self.assertEqual({row.calls for row in times.rows if row.name == "push"
                              and row.state == timetable.CONTENDED},
                             {90 * BLOCKS * (6 - idle)} if there else set())
        # One of two boots would leave no interval.
        times = timetable.judge([contended(rng), contended(rng, blocks=0)], False, 1)
        self.assertEqual(self.verdicts(times), {})

    def test_none(self) -> None:
        """Where nothing may run beside an operation, that is said, and is no skip."""
        times = timetable.judge(tables(), False, 1)
        self.assertIn("no contended blocks", "\n".join(timed.table(times, False)))

    def test_told(self) -> None:
        """Through results.json and onto the terminal."""
        times = self.judged(full=(10, 40))
        found = json.loads(json.dumps(times.to_json()))
        self.assertEqual(timetable.from_json(found), times)
        rule = schema.SCHEMA["$defs"]["pair"]["properties"]["times"]
        self.assertEqual(list(schema.unlike(found, rule)), [])
        lines = timed.table(self.judged(), False)
        self.assertIn("    contended, operations beside each call: c->rust 0.80",
                      lines)
        self.assertIn("    push, contended", lines)
        self.assertLessEqual(max(map(len, lines)), 110)

    def test_damaged(self) -> None:
        """Blocks without calls, and calls without blocks, are none."""
        good = contended(random.Random(1))
        self.assertEqual(timetable.parse(good).contention["c->rust"].blocks, BLOCKS)
        for bad in (good.replace("beside 12", "beside 0"), contended(random.Random(1)).replace(
                "contended", "warmed"), good.replace(f"beside {BLOCKS}", "beside 13"),
                good.replace("ran 4800", "ran 3000"),
                contended(random.Random(1), blocks=0).replace("beside 0", "beside 5")):
            with self.subTest(bad=bad[:60]), self.assertRaises(DamagedTable):
                timetable.parse(bad)


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
                status = "not ok" if bad and how == "fails" else "ok"
                program = "not ok" if bad and how == "program" else "ok"
                result.take(pair, Answers(f"KTAP version 1\n    {status} 1 time\n",
                                          f"{pair} {number}", {"c": (0, f"{program} 1 calls")}))
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
        self.assertEqual([one.figures for one in result.series["tlv"]],
                         [f"tlv {number}" for number in range(6)])

    def test_trouble(self) -> None:
        """A boot that goes wrong is the last one, and its results are the lane's."""
        for wrong in (0, 2, 5):
            for how in ("lost", "fails", "program"):
                with self.subTest(wrong=wrong, how=how):
                    result, ran = self.run_boots(wrong, how)
                    self.assertEqual((len(ran), result.boots), (wrong + 1, wrong + 1))
                    self.assertFalse(result.clean())
                    self.assertEqual(bool(result.losses), how == "lost")
                    self.assertEqual(len(result.series["ring"]), wrong + 1)


if __name__ == "__main__":
    unittest.main()
