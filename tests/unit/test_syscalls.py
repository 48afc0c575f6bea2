# SPDX-License-Identifier: GPL-2.0
"""Costs of system calls: reading them, judging them, and the table of them."""

import json
import random
import unittest
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from kplib.boot.laneresult import Answers, LaneResult
from kplib.configure import lanes, pairs, request
from kplib.contract import rows
from kplib.contract.model import Budget
from kplib.judge import baseline, ktap, results, syscalls, tables, timetable
from kplib.report import called, terminal, timed as timedtable

from . import test_report

HEAD = "KTAP version 1\n1..2\nok 1 counter\n"
TAIL = "ok 2 calls\n"
C = f"{HEAD}# cost noop 0 100 16\n# cost read -11 180 16\n# cost read 0 300 32\n{TAIL}"
RUST = f"{HEAD}# cost noop 0 110 16\n# cost read -11 190 16\n# cost read 0 334 32\n{TAIL}"
TABLE = {"noop": {"success": {"c": 100, "rust": 110}},
         "read": {"success": {"c": 200, "rust": 224}, "-EAGAIN": {"c": 80, "rust": 80}}}


class ParseTest(unittest.TestCase):
    """syscalls.parse()"""

    def test_rows(self) -> None:
        """Without the empty call's part, which stands first as it is; success comes first."""
        found = syscalls.parse({"c": C, "rust": RUST})
        self.assertEqual(found, TABLE)
        self.assertEqual([*found, *found["read"]], ["noop", "read", "success", "-EAGAIN"])

    def test_damaged(self) -> None:
        """A row that is cut, twice there or of no calls is named, and none may lack the noop."""
        for line in ("# cost read", "# cost read 0 12", "# cost read 5 12 1", "# cost read 0 x 1",
                     "# cost read 0 12 0", "# cost two words 0 12 1", "# cost noop 0 12 1",
                     "# cost read 0 12 1 "):
            with self.subTest(line), self.assertRaisesRegex(tables.DamagedTable, "on rust: "):
                syscalls.parse({"c": C, "rust": f"# cost noop 0 9 1\n{line}\n"})
        with self.assertRaisesRegex(tables.DamagedTable, "on c have no noop"):
            syscalls.parse({"c": HEAD + TAIL, "rust": RUST})

    def test_nothing_succeeds(self) -> None:
        """A node that cannot be opened is no node with cheap calls."""
        failed = f"{HEAD}# cost noop 0 100 16\n# cost open -2 180 16\n# cost read -9 130 16\n{TAIL}"
        with self.assertRaisesRegex(tables.DamagedTable, "on c: no call succeeded"):
            syscalls.parse({"c": failed, "rust": failed})


class JudgeTest(unittest.TestCase):
    """syscalls.verdicts() and used()"""

    def judge(self, calls: syscalls.Calls, **known: Budget) -> dict[str, tuple[str, ktap.Log]]:
        """Status and log by call."""
        found = syscalls.verdicts("x_user_costs", known, calls)
        self.assertEqual({(v.suite, v.case) for v in found}, {("x_user_costs", "cost")})
        return {v.path: (v.status, v.log) for v in found}

    def test_usual(self) -> None:
        """Over 10 % and over 4 instructions; either alone is within the budget."""
        self.assertEqual(self.judge(TABLE), {"read": (ktap.FAIL, (
            "read: 224 instructions on the Rust node, 200 on the C node: 24 more, 12 %; its budget "
            "is 10 % and 4 instructions",))})
        for c, port, status in ((200, 220, ktap.PASS), (200, 221, ktap.FAIL), (10, 14, ktap.PASS),
                                (10, 15, ktap.FAIL), (300, 100, ktap.PASS), (-5, 1, ktap.FAIL)):
            with self.subTest(c=c, port=port):
                one = {"read": {"-EFAULT": {"c": c, "rust": port}}}
                self.assertEqual(self.judge(one)["read"][0], status)

    def test_never_succeeds(self) -> None:
        """A call with a budget has to succeed; others may be there for their errnos."""
        one = {"read": {"-EFAULT": {"c": 100, "rust": 100}}}
        self.assertEqual(self.judge(one)["read"][0], ktap.PASS)
        status, log = self.judge(one, read=Budget(10, 30, "why"))["read"]
        self.assertEqual(status, ktap.FAIL)
        self.assertIn("it never succeeded: -EFAULT", log[0])

    def test_own(self) -> None:
        """The contract's budget of a call is its own; one of a call that is not there fails."""
        wide = Budget(10, 30, "why")
        self.assertEqual(self.judge(TABLE, read=wide), {"read": (ktap.PASS, ())})
        self.assertEqual(syscalls.used({"read": wide}, TABLE), {"read": (wide, 24)})
        even = {"read": {"success": {"c": 9, "rust": 9}}}
        self.assertEqual(syscalls.used({"read": wide}, even), {"read": (wide, None)})
        status, log = self.judge(TABLE, read=wide, write=wide)["write"]
        self.assertEqual(status, ktap.FAIL)
        self.assertIn("KP_SYSCALL names write", log[0])

    def test_one_side(self) -> None:
        """An outcome that one node alone has is a failure, not a row that is left out."""
        one = {"read": {"success": {"c": 9, "rust": 9}, "-EIO": {"rust": 4}}}
        self.assertEqual(self.judge(one)["read"],
                         (ktap.FAIL, ("read -EIO: on the node of rust alone",)))


class ContractTest(unittest.TestCase):
    """KP_SYSCALL"""

    ROW = "KP_FUNCTION(f, ANY, KP_UNSIGNED(u32), KP_NUMBER(u32, n))\n"

    def test_row(self) -> None:
        """A budget for each call; without any, none."""
        self.assertEqual(rows.read(self.ROW, "x").syscalls, {})
        said = 'KP_SYSCALL(open, "25 %: one allocation "\n\t"more")\n' \
            'KP_SYSCALL(read, "10 %, 60 instructions: why")\n'
        self.assertEqual(rows.read(self.ROW + said, "x").syscalls,
                         {"open": Budget(25, 4, "one allocation more"),
                          "read": Budget(10, 60, "why")})

    def test_refused(self) -> None:
        """A name of one word, and a budget with its reason; one for each call."""
        for said, why in (("KP_SYSCALL(open)", "KP_SYSCALL wants a call"),
                          ('KP_SYSCALL("open", "1 %: a")', "KP_SYSCALL wants a call"),
                          ('KP_SYSCALL(open, "1 %: a", 2)', "KP_SYSCALL wants a call"),
                          ('KP_SYSCALL(open, "1 %")', "is no budget"),
                          ("KP_SYSCALL(open, 1)", "write text in quotes"),
                          ('KP_SYSCALL(open, "1 %: a")\nKP_SYSCALL(open, "1 %: a")',
                           "a second KP_SYSCALL of open")):
            with self.subTest(said), self.assertRaises(rows.BadRow) as caught:
                rows.read(f"{self.ROW}{said}\n", "x")
            self.assertIn(why, str(caught.exception))

    def test_device(self) -> None:
        """The names of ours are those of calls that the program makes."""
        files = pairs.files("device")
        made = files.programs[lanes.USER_COSTS].read_text()
        for call in rows.read(files.read(), "device").syscalls:
            self.assertIn(f"COUNT({call}, ", made)


class RunTest(unittest.TestCase):
    """What a run makes of it."""

    def gather(self, c: str, rust: str, status: int = 0) -> results.PairResult:
        """The results of CASE=user_costs, in which the program gave these texts."""
        setup = mock.Mock(**{"kernel.variant.checkers": ()})
        setup.request = request.parse(["CASE=user_costs"], {})
        self.assertEqual(setup.request.pairs, ("device",))
        lane = LaneResult(lanes.INSN)
        lane.planned["device"] = []
        lane.take("device", Answers(
            None, "", {"c": (0, c), "rust": (status, rust)},
            calls="".join(f"{path} 0\n" for path in lanes.PATHS),
            more={"growth": "", "depth": "", "alone": ""}))
        suite = lanes.user_suite("device", lanes.USER_COSTS)
        given = [ktap.Verdict(suite, side, test, ktap.FAIL if status and side == "rust"
                              else ktap.PASS, ())
                 for side in lanes.SIDES for test in ("counter", "calls")]
        with mock.patch.object(ktap, "verdicts", return_value=given), \
                mock.patch.object(rows, "read", return_value=rows.read(ContractTest.ROW, "x")):
            return results.gather(setup, ("device",), [lane]).pairs["device"]

    def test_judged(self) -> None:
        """Each call is a result of the run, and its figures are in results.json."""
        found = self.gather(C, RUST)
        self.assertEqual([(v.case, v.path, v.status) for v in found.verdicts
                          if v.case not in lanes.SIDES], [("cost", "read", ktap.FAIL)])
        assert found.syscalls
        again = syscalls.Syscalls.from_json(json.loads(json.dumps(found.syscalls.to_json())))
        self.assertEqual((again, again.calls), (found.syscalls, TABLE))

    def test_no_program(self) -> None:
        """A contract with budgets of calls that nothing makes is no pass."""
        known = rows.read(f'{ContractTest.ROW}KP_SYSCALL(read, "10 %: why")\n', "x")
        files = replace(pairs.files("device"), programs={
            kind: Path(f"/nowhere/device_{kind}.c") for kind in lanes.KINDS})
        found = results._judge_syscalls(LaneResult(lanes.INSN), files, [], known,
                                        results.PairResult())
        self.assertEqual([(v.status, v.log) for v in found], [
            (ktap.ERROR, ("KP_SYSCALL names read, and device_user_costs.c, which would count them, "
                          "is not there",))])

    def test_failed_program(self) -> None:
        """A program that did not pass on both nodes gives no figures, and fails by itself."""
        found = self.gather(C, RUST, status=1)
        self.assertIsNone(found.syscalls)
        self.assertEqual({v.status for v in found.verdicts if v.case == "rust"}, {ktap.FAIL})
        self.assertEqual([v for v in found.verdicts if v.case == "cost"], [])

    def test_damaged(self) -> None:
        """Figures that cannot be read are an error of the suite."""
        found = self.gather(C, "# cost noop 0 9 1\n# cost read\n")
        self.assertIn(ktap.ERROR, [v.status for v in found.verdicts])
        self.assertTrue(any("the costs of system calls on rust" in line
                            for v in found.verdicts for line in v.log))


def node(rng: random.Random, mean: float) -> str:
    """What calls took on a node, in six blocks of ten calls."""
    return f"{4 * mean:.0f} " + ",".join(
        f"10:{round(10 * mean * rng.gauss(1, 0.001))}" for _ in range(6)) + " 40:59,90:1"


def timed(side: str, slower: float, seed: int) -> str:
    """What the program prints when it times the C node beside another one."""
    rng = random.Random(f"{side} {seed}")
    more = slower if side == "rust" else 1
    return "KTAP version 1\n1..1\n" + "".join(
        f"# time {name} warm {node(rng, mean)} {node(rng, mean * more)}\n"
        for name, mean, more in (("noop 0", 100, 1), ("read 0", 900, more),
                                 ("read -11", 400, 1))) + "ok 1 calls\n"


class TimesTest(unittest.TestCase):
    """What a run of lane time makes of it."""

    def gather(self, slower: float, boots: int = 6, accel: str = "kvm", clock: int = 1000000,
               **more: str) -> results.PairResult:
        """The results of CASE=user_costs in so many boots."""
        setup = mock.Mock(**{"kernel.variant.checkers": ()})
        setup.request = request.parse(["CASE=user_costs", "LANE=time"], {})
        before = LaneResult(lanes.TIME)
        for boot in range(boots):
            lane = LaneResult(lanes.TIME.on(accel, "a test"))
            lane.planned["device"] = []
            said = {side: (0, more.get(side, timed(side, slower, boot))) for side in lanes.SIDES}
            lane.take("device", Answers(None, f"clock {clock}\n", said,
                                        calls="".join(f"{path} 0\n" for path in lanes.PATHS)))
            lane.behind(before)
            before = lane
        suite = lanes.user_suite("device", lanes.USER_COSTS)
        given = [ktap.Verdict(suite, side, "calls", ktap.PASS, ()) for side in lanes.SIDES]
        with mock.patch.object(ktap, "verdicts", return_value=given):
            return results.gather(setup, ("device",), [lane]).pairs["device"]

    def judged(self, found: results.PairResult) -> dict[str, str]:
        """The verdicts on times, by path."""
        return {v.path: v.status for v in found.verdicts if v.case == timetable.CASE}

    def test_judged(self) -> None:
        """The Rust node is held against the C node, and that one against itself."""
        for slower, status in ((1.0, ktap.PASS), (1.3, ktap.FAIL)):
            found = self.gather(slower)
            self.assertEqual(self.judged(found), {"c->c": ktap.PASS, "c->rust": status})
            assert found.syscall_times
            self.assertEqual(found.syscall_times.boots, 6)
            ratios = {(row.path, row.name): row.ratio for row in found.syscall_times.rows}
            self.assertAlmostEqual(ratios["c->rust", "read"], slower, delta=0.02)
            self.assertAlmostEqual(ratios["c->rust", "read -EAGAIN"], 1, delta=0.02)
            self.assertAlmostEqual(ratios["c->c", "read"], 1, delta=0.02)
            again = timetable.from_json(json.loads(json.dumps(found.syscall_times.to_json())))
            self.assertEqual(again, found.syscall_times)
            self.assertTrue(any("the C node (c->c)" in line
                                for line in timedtable.of_calls(again, True)))

    def test_advisory(self) -> None:
        """Under emulation it fails nothing."""
        self.assertEqual(set(self.judged(self.gather(1.3, accel="tcg")).values()), {ktap.SKIP})

    def test_unfit(self) -> None:
        """A counter that is not fit to time with gives no figures."""
        found = self.gather(1.3, clock=0)
        self.assertIsNone(found.syscall_times)
        self.assertEqual(set(self.judged(found).values()), {ktap.SKIP})

    def test_damaged(self) -> None:
        """A table that cannot be read, or that has nothing of a node, is an error."""
        for bad in ("# time read 0 warm\n", "", "1..2\n# cost read 0 9 1\n",
                    timed("rust", 1, 1).replace("# time noop", "#")):
            found = self.gather(1, rust=bad)
            self.assertIn(("device_user_costs", ktap.ERROR),
                          [(v.suite, v.status) for v in found.verdicts], bad)
            self.assertTrue(any("system calls: " in line for v in found.verdicts
                                for line in v.log), bad)


class BaselineTest(unittest.TestCase):
    """Baselines have system calls as well."""

    def figures(self, **programs: str) -> dict[baseline.Key, baseline.Figure]:
        """Those of a pair's answers."""
        return baseline.of_answers("x", Answers(
            "", "c->c noop 5 1\nc->c read 9 1\n", {side: (0, text) for side, text
                                                   in programs.items()}, more={"alone": ""}))

    def test_kept(self) -> None:
        """They are written, read again, and seen when they change; the empty call's are not."""
        old = self.figures(c=C, rust=RUST)
        self.assertEqual({key[1:]: one.total for key, one in old.items()},
                         {("read", "success", "c->c"): 4, ("read", "success", "c"): 200,
                          ("read", "success", "rust"): 224, ("read", "-EAGAIN", "c"): 80,
                          ("read", "-EAGAIN", "rust"): 80})
        text = baseline.write(baseline.Baseline({"arch": "x"}, old))
        self.assertEqual(baseline.read(text).figures, old)
        new = self.figures(c=C, rust=RUST.replace("0 334 32", "0 344 32"))
        changed = baseline.compare(old, new, ["x"])
        self.assertEqual([(one.key, one.means) for one in changed],
                         [(("x", "read", "success", "rust"), (224.0, 234.0))])
        self.assertTrue(changed[0].over(baseline.Limits(2, None)))

    def test_without(self) -> None:
        """A pair without such a program has the figures of its operations alone."""
        self.assertEqual(list(self.figures()), [("x", "read", "success", "c->c")])


class TableTest(unittest.TestCase):
    """called.table()"""

    def table(self, verbose: bool, **known: Any) -> list[str]:
        """Its lines, of the table above."""
        return called.table(syscalls.Syscalls(TABLE, known), verbose)

    def test_lines(self) -> None:
        """A row for each outcome, with the ratio; the empty call has none."""
        self.assertEqual(self.table(False), [
            "    system calls                   c            rust",
            "    noop                  100 (  - )      110 (  - )",
            "    read                  200 (1.00)      224 (1.12)",
            "    read -EAGAIN           80 (1.00)       80 (1.00)"])

    def test_budgets(self) -> None:
        """Budgets that are needed, and with V=1 the others."""
        need, spare = Budget(20, 0, "a"), Budget(30, 5, "b")
        lines = ["    read may cost 20 % and 0 instructions more: a"]
        self.assertEqual(self.table(False, read=(need, 24), open=(spare, None))[4:], lines)
        self.assertEqual(self.table(True, read=(need, 24), open=(spare, None))[4:], [
            *lines, "    open may cost 30 % and 5 instructions more: b (not needed here)"])

    def test_report(self) -> None:
        """The report of results.json has the table and what it means; without figures neither."""
        for mine in (None, syscalls.Syscalls(TABLE).to_json()):
            found = test_report.document(x={**test_report.pair(), "syscalls": mine})
            said = terminal.text(found, False, True, "out")
            for line in ("    read                  200 (1.00)      224 (1.12)", called.LEGEND[0]):
                self.assertEqual(line in said.splitlines(), mine is not None)


if __name__ == "__main__":
    unittest.main()
