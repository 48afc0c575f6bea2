# SPDX-License-Identifier: GPL-2.0
"""Figures from the engine's tables."""

import unittest
from pathlib import Path
from unittest import mock

from kplib.boot import console, stacks
from kplib.boot.laneresult import Answers, CaseId, LaneResult, Loss
from kplib.configure import lanes, request, variants
from kplib.contract import rows
from kplib.judge import ktap, results, tables


class TestCalls(unittest.TestCase):
    """tables.parse_calls()"""

    def test_table(self) -> None:
        """A number a path; anything else is told."""
        self.assertEqual(tables.parse_calls("c->c 8\nc->rust 18446744073709551615\n"),
                         {"c->c": 8, "c->rust": 2**64 - 1})
        for line in ("c->d 1", "c->c", "c->c -1", "c->c 1 2", "c->c x"):
            with self.assertRaisesRegex(tables.DamagedTable, "calls, line 2"):
                tables.parse_calls(f"c->c 1\n{line}\n")


class TestInterruptions(unittest.TestCase):
    """tables.parse_interruptions()"""

    def test_rows(self) -> None:
        """A line a path."""
        found = tables.parse_interruptions("c->c 8 9 1 2 3 4 5 6 7 8 9 1 2\n"
                                           "rust->rust 0 0 0 0 0 0 0 0 0 0 0 0 0\n")
        self.assertEqual(found["c->c"],
                         tables.Interruptions(8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2))
        self.assertEqual(set(found), {"c->c", "rust->rust"})

    def test_damaged(self) -> None:
        """A line that is cut, of no path, or of no numbers is named."""
        for line in ("c->c 8 9 1 2 3 4 5 6 7 8 9 1", "c->go 8 9 1 2 3 4 5 6 7 8 9 1 2",
                     "c->c 8 9 1 2 3 4 5 6 7 8 9 1 x"):
            with self.subTest(line), self.assertRaisesRegex(tables.DamagedTable, "line 2"):
                tables.parse_interruptions(f"rust->c 1 1 0 1 1 1 1 0 0 0 0 1 1\n{line}\n")


class TestPlaces(unittest.TestCase):
    """results._with_lines()"""

    def test_both(self) -> None:
        """Where an interruption came, and the pair's call that led there, get their lines."""
        names = {"_raw_unlock+0x4/0x9": "_raw_unlock (spinlock.c:221)",
                 "ring_push+0x1f/0x40 [kparity_ring]": "ring_push (kmod/ring.c:68) kparity_ring"}

        def decode(_: object, said: list[list[str]]) -> list[list[str]]:
            return [[f"pc : {names[line.removeprefix('pc : ')]}"] for line, in said]

        log = ("interrupted at _raw_unlock+0x4/0x9, called at ring_push+0x1f/0x40 [kparity_ring]: "
               "push: 0", "interrupted at ring_push+0x1f/0x40 [kparity_ring]: pop: 0")
        with mock.patch.object(stacks, "decode", decode):
            found = results._with_lines(
                mock.Mock(), [ktap.Verdict("ring_irq", "interrupt", "c->c", ktap.FAIL, log)],
                results.PairResult())
        self.assertEqual(found[0].log, (
            "interrupted at _raw_unlock (spinlock.c:221), called at "
            "ring_push (kmod/ring.c:68) kparity_ring: push: 0",
            "interrupted at ring_push (kmod/ring.c:68) kparity_ring: pop: 0"))


class TestMargin(unittest.TestCase):
    """results._margin(), and KP_MARGIN"""

    ROW = "KP_FUNCTION(f, ANY, KP_UNSIGNED(u32), KP_NUMBER(u32, n))\n"

    def test_default(self) -> None:
        """What is asked for, else what the contract says, else 5 %."""
        usual = rows.read(self.ROW, "x")
        known = rows.read(self.ROW + 'KP_MARGIN("8.5 %: it is called once a second")\n', "x")
        self.assertEqual(results._margin(None, usual), 0.05)
        self.assertEqual(results._margin(None, known), 0.085)
        self.assertEqual(results._margin(2.5, known), 0.025)

    def test_refused(self) -> None:
        """A margin has a number between 0 and 100, and a reason; there is one at most."""
        for said, why in (('KP_MARGIN("8 %")', "KP_MARGIN wants one text"),
                          ('KP_MARGIN("0 %: a")', "KP_MARGIN wants one text"),
                          ('KP_MARGIN("100 %: a")', "KP_MARGIN wants one text"),
                          ('KP_MARGIN("1 %: a", "b")', "KP_MARGIN wants one text"),
                          ("KP_MARGIN(8)", "write text in quotes"),
                          ('KP_MARGIN("1 %: a")\nKP_MARGIN("1 %: a")', "KP_MARGIN")):
            with self.subTest(said), self.assertRaises(rows.BadRow) as caught:
                rows.read(f"{self.ROW}{said}\n", "x")
            self.assertIn(why, str(caught.exception))


class TestMasked(unittest.TestCase):
    """tables.parse_masked()"""

    def test_rows(self) -> None:
        """By operation and path."""
        self.assertEqual(tables.parse_masked("c->c push 4 1\nc->rust push 0 1\nc->c pop 7 1\n"),
                         {"push": {"c->c": 4, "c->rust": 0}, "pop": {"c->c": 7}})
        with self.assertRaisesRegex(tables.DamagedTable, "line 2"):
            tables.parse_masked("c->c push 4 1\nc->c push\n")


class TestHistories(unittest.TestCase):
    """tables.parse_histories()"""

    def test_rows(self) -> None:
        """A line a path; one that is cut or of no numbers is named."""
        found = tables.parse_histories("c->c 8 9 1 2 3 4 5 6\n")
        self.assertEqual(found, {"c->c": tables.Histories(8, 9, 1, 2, 3, 4, 5, 6)})
        self.assertIsNone(found["c->c"].inside)
        for line in ("c->c 8 9 1 2 3 4 5", "c->c 8 9 1 2 3 4 5 6 7 8",
                     "c->go 8 9 1 2 3 4 5 6", "c->c 8 9 1 2 3 4 5 x"):
            with self.subTest(line), self.assertRaisesRegex(tables.DamagedTable, "line 2"):
                tables.parse_histories(f"rust->c 1 1 0 1 1 1 1 1\n{line}\n")

    def test_callbacks(self) -> None:
        """A pair that has a callback run has a number more."""
        found = tables.parse_histories("c->rust 8 9 1 2 3 4 5 6 7\n")
        self.assertEqual(found, {"c->rust": tables.Histories(8, 9, 1, 2, 3, 4, 5, 6, 7)})


class TestCosts(unittest.TestCase):
    """tables.parse_costs()"""

    TABLE = """\
c->c noop 20 50
c->c push 50 98
c->c push 60 2
c->rust noop 20 50
c->rust push 53 100
rust->c noop 30 50
rust->c push 90 100
"""

    def test_net_of_noop(self) -> None:
        """The path's own no-op is subtracted, not that of c->c."""
        push = tables.parse_costs(self.TABLE)["push"]
        self.assertEqual((push["c->c"].min, push["c->c"].p50, push["c->c"].max), (30, 30, 40))
        self.assertEqual(push["rust->c"].p50, 60)

    def test_percentiles(self) -> None:
        """p99 of 98 and 2 samples is among the 2; n and total count all."""
        push = tables.parse_costs(self.TABLE)["push"]["c->c"]
        self.assertEqual((push.p99, push.n, push.total), (40, 100, 98 * 30 + 2 * 40))
        self.assertEqual(tables.percentile({1: 99, 7: 1}, 0.99), 1)
        self.assertEqual(tables.percentile({1: 98, 7: 2}, 0.99), 7)
        self.assertEqual(tables.percentile({5: 1}, 0.5), 5)

    def test_ratio(self) -> None:
        """Ratios are to c->c; a path that did not run has none."""
        push = tables.parse_costs(self.TABLE)["push"]
        self.assertEqual(push["c->c"].ratio, 1.0)
        self.assertAlmostEqual(push["c->rust"].ratio or 0, 33 / 30.2, 3)
        self.assertNotIn("rust->rust", push)

    def test_noop_has_no_ratio(self) -> None:
        """The no-op is what others are measured against."""
        self.assertIsNone(tables.parse_costs(self.TABLE)["noop"]["c->c"].ratio)

    def test_branches(self) -> None:
        """A p50 on another branch does not make a ratio; the means do."""
        table = ("c->c noop 20 9\nc->c used 40 51\nc->c used 70 49\n"
                 "c->rust noop 20 9\nc->rust used 30 49\nc->rust used 79 51\n")
        used = tables.parse_costs(table)["used"]
        self.assertAlmostEqual(used["c->rust"].ratio or 0, 34.99 / 34.7, 2)
        self.assertGreater(used["c->rust"].p50 / used["c->c"].p50, 2)

    def test_geometric_mean(self) -> None:
        """Over operations; the no-op does not count, nor what making an object costs."""
        made = "c->c create 50 1\nc->rust create 5000 1\n"
        got = tables.geometric_mean(tables.parse_costs(self.TABLE + made).items(), "c->rust")
        self.assertAlmostEqual(got or 0, 33 / 30.2, 3)
        self.assertIsNone(tables.geometric_mean([], "c->rust"))

    WAITED = "c->c noop 20 5\nc->c flush 100 3\nc->c flush 400 1\nc->c push 50 2\n"

    def test_waits(self) -> None:
        """An operation that waits has its caller's figures, and beside them what ran meanwhile."""
        alone = "c->c flush 60 4\n"
        figures = tables.of_callers(self.WAITED, alone)
        self.assertEqual(list(tables.parse_costs(figures)), ["noop", "flush", "push"])
        flush = tables.parse_costs(figures)["flush"]["c->c"]
        self.assertEqual((flush.n, flush.mean), (4, 40))
        self.assertEqual(tables.parse_meanwhile(self.WAITED, alone),
                         {"flush": {"success": {"c->c": 175 - 60}}})
        self.assertEqual(tables.of_callers(self.WAITED, ""), self.WAITED)
        self.assertEqual(tables.parse_meanwhile(self.WAITED, ""), {})

    def test_waits_elsewhere(self) -> None:
        """Both tables are of the same operations and paths."""
        for alone in ("c->rust flush 60 4\n", "c->c flush 60 4\nc->rust flush 60 4\n",
                      "c->c flush 60 3\nc->c flush 9 1 -11\n", "c->c flush 60 3\n"):
            with self.assertRaisesRegex(tables.DamagedTable, "have not the same calls of flush"):
                tables.of_callers(self.WAITED, alone)

    OUTCOMES = """\
c->c noop 20 50
c->c push 50 90
c->c push 30 10 -28
c->c take 40 5
c->c take 30 5 1
c->rust noop 30 50
c->rust push 60 90
c->rust push 50 10 -28
c->rust take 51 5
c->rust take 40 5 1
"""

    def test_outcomes(self) -> None:
        """Success, false and each errno have their own cost, and the operation that of all."""
        found = tables.parse_outcomes(self.OUTCOMES)
        self.assertEqual({op: list(rows) for op, rows in found.items()},
                         {"push": ["success", "-ENOSPC"], "take": ["success", "false"]})
        failed = found["push"]["-ENOSPC"]
        self.assertEqual((failed["c->c"].n, failed["c->c"].mean, failed["c->rust"].mean),
                         (10, 10, 20))
        self.assertEqual([row["c->rust"].ratio for rows in found.values() for row in rows.values()],
                         [1.0, 2.0, 1.05, 1.0])
        self.assertEqual(tables.parse_costs(self.OUTCOMES)["push"]["c->c"].mean, 28)

    def test_distributions(self) -> None:
        """Each cost of an outcome and its calls, the no-op subtracted, from the least on."""
        found = tables.parse_distributions(self.OUTCOMES + "c->rust push 45 2\n")
        self.assertEqual(found["push"]["success"], {"c->c": {30: 90}, "c->rust": {15: 2, 30: 90}})
        self.assertEqual(list(found["push"]["success"]["c->rust"]), [15, 30])
        self.assertEqual(found["take"]["false"]["c->rust"], {10: 5})
        self.assertNotIn("noop", found)

    def test_first(self) -> None:
        """The first call of each outcome, the no-op's median subtracted but of creation and end;
        of a path without figures nothing; and one call each."""
        first = ("c->c take 90 1\nc->c take 70 1 -11\nc->c create 400 1\nc->c destroy 300 1\n"
                 "rust->c take 500 1\n")
        self.assertEqual(tables.parse_first(first, self.OUTCOMES), {
            "take": {"success": {"c->c": 70}, "-EAGAIN": {"c->c": 50}},
            "create": {"success": {"c->c": 400}}, "destroy": {"success": {"c->c": 300}}})
        for more in ("c->c take 91 1\n", "c->c put 91 2\n"):
            with self.assertRaisesRegex(tables.DamagedTable, "several of (take|put) on c->c"):
                tables.parse_first(first + more, self.OUTCOMES)

    def test_outcomes_weigh_the_same(self) -> None:
        """A rare errno counts as much as success in the geometric mean."""
        rows = [(op, row) for op, rows in tables.parse_outcomes(self.OUTCOMES).items()
                for row in rows.values()]
        self.assertAlmostEqual(tables.geometric_mean(rows, "c->rust") or 0, 2.1 ** 0.25, 6)

    def test_no_outcome(self) -> None:
        """An end is 1 or an errno."""
        for end in ("0", "2", "x", "-", "28"):
            with self.subTest(end), self.assertRaisesRegex(tables.DamagedTable, "line 2"):
                tables.parse_outcomes(f"c->c noop 20 5\nc->c push 30 5 {end}\n")

    def test_stack(self) -> None:
        """The most bytes of any call, by outcome; the no-op's are a row, and not subtracted."""
        found = tables.parse_stack("c->c noop 32 8\nc->c push 64 7\nc->c push 112 1\n"
                                   "c->c push 48 2 -28\nc->rust noop 40 8\nc->rust push 96 8\n")
        self.assertEqual(found, {
            "noop": {"success": {"c->c": 32, "c->rust": 40}},
            "push": {"success": {"c->c": 112, "c->rust": 96}, "-ENOSPC": {"c->c": 48}}})
        with self.assertRaisesRegex(tables.DamagedTable, "line 2"):
            tables.parse_stack("c->c noop 32 8\nc->c push\n")

    def test_free_operation(self) -> None:
        """An operation that costs no more than the no-op gives no ratio, and no division by 0."""
        table = "c->c noop 20 5\nc->c len 20 5\n"
        self.assertIsNone(tables.parse_costs(table)["len"]["c->c"].ratio)


def at(case: str = "", path: str = "", suite: str = "ring") -> CaseId:
    """A case of a suite on a path."""
    return CaseId(suite, case, path)


class TestJudging(unittest.TestCase):
    """results.gather(), of lanes whose guests were lost"""

    def setUp(self) -> None:
        kinds = variants.load_all(request.TOP / "qemu/variant")
        self.kernel = mock.Mock(tree=Path("/nonexistent"), variant=kinds["debug"])
        self.setup = mock.Mock(kernel=self.kernel, request=request.parse([], {}))
        self.lane = LaneResult(lanes.CHECK)
        self.lane.planned["ring"] = [at(case, path) for case in ("lockstep", "spsc")
                                     for path in lanes.PATHS]
        self.lane.take("ring", Answers("given", "", {}))

    def judge(self, passed: dict[tuple[str, str], str]) -> dict[tuple[str, str], ktap.Verdict]:
        """Verdicts by case and path, where the guests gave `passed`."""
        given = tuple(ktap.Verdict("ring", case, path, status, ())
                      for (case, path), status in passed.items())
        with mock.patch.object(ktap, "verdicts", return_value=given):
            pairs = results.gather(self.setup, ("ring",), [self.lane]).pairs
        found = pairs["ring"].verdicts
        self.assertEqual(len(found), len({(v.case, v.path) for v in found}), "one verdict each")
        return {(v.case, v.path): v for v in found}

    def all_passed(self, *but: CaseId) -> dict[tuple[str, str], str]:
        """Results of guests that passed all cases but some."""
        return {(p.case, p.path): ktap.PASS for p in self.lane.planned["ring"] if p not in but}

    def test_sees_rust(self) -> None:
        """KCSAN is silent on Rust where the kernel lets no one instrument it: those paths skip."""
        self.kernel.variant = variants.load_all(request.TOP / "qemu/variant")["kcsan"]
        for config, status in (({"CONFIG_RUST_INLINE_HELPERS": "y"}, ktap.PASS),
                               ({"CONFIG_RUST_INLINE_HELPERS": "n"}, ktap.SKIP), ({}, ktap.SKIP)):
            with self.subTest(config):
                self.kernel.config = config
                got = self.judge(self.all_passed())
                self.assertEqual({path: got["kcsan", path].status for path in lanes.PATHS},
                                 {**dict.fromkeys(lanes.PATHS, status), "c->c": ktap.PASS})
                said = "KCSAN does not instrument Rust without RUST_INLINE_HELPERS; "
                self.assertEqual(any(said in line for line in got["kcsan", "rust->c"].log),
                                 status == ktap.SKIP)

    def test_lost(self) -> None:
        """The case that took its guest with it is an error that says how; others are kept."""
        lost = at("spsc", "c->rust")
        self.lane.losses.append(Loss(lost, "the guest panicked", ["Kernel panic - x"]))
        got = self.judge(self.all_passed(lost))
        self.assertEqual(got["spsc", "c->rust"].status, ktap.ERROR)
        self.assertIn("the guest panicked", got["spsc", "c->rust"].log)
        self.assertEqual({v.status for key, v in got.items()
                          if key[0] == "spsc" and key[1] != "c->rust"}, {ktap.PASS})

    def test_program_alone(self) -> None:
        """Where the user program alone was to run, the suite has no rows but of what goes wrong."""
        self.setup.request = request.parse(["CASE=user"], {})
        self.lane.planned["device"] = []
        self.lane.take("device", Answers(None, "", {"c": (0, "TAP version 13\n1..1\nok 1 x\n")}))
        row = ktap.Verdict("device_user", "x", "c", ktap.PASS, ())
        with mock.patch.object(ktap, "verdicts", return_value=(row,)):
            found = results.gather(self.setup, ("device",), [self.lane])
            self.lane.reports.append(console.Report("warn", "WARNING: x", at(suite="device"), []))
            worse = results.gather(self.setup, ("device",), [self.lane])
        self.assertEqual({(v.suite, v.status) for v in found.pairs["device"].verdicts},
                         {("device_user", ktap.PASS), ("device", ktap.SKIP)})
        self.assertEqual({v.case for v in found.pairs["device"].verdicts if v.suite == "device"},
                         {checker.name for checker in self.kernel.variant.checkers})
        self.assertEqual(found.only, ("user",))
        self.assertEqual([v.suite for v in worse.pairs["device"].verdicts
                          if v.status == ktap.FAIL], ["device"])

    def test_histories_of_calls(self) -> None:
        """A program of lane history passes without the engine's case, whose table is empty then."""
        self.setup.request = request.parse(["CASE=user_history"], {})
        self.lane = LaneResult(lanes.HISTORY)
        self.lane.planned["device"] = []
        table = "".join(f"{path} 0 0 0 0 0 0 0 0\n" for path in lanes.PATHS)
        self.lane.take("device", Answers(None, table, {"c": (0, "KTAP version 1\n1..1\nok 1 x\n")},
                                         calls="".join(f"{path} 0\n" for path in lanes.PATHS)))
        row = ktap.Verdict("device_user_history", "c", "x", ktap.PASS, ())
        with mock.patch.object(ktap, "verdicts", return_value=(row,)):
            found = results.gather(self.setup, ("device",), [self.lane]).pairs["device"]
        self.assertEqual([v for v in found.verdicts if v.status not in (ktap.PASS, ktap.SKIP)], [])
        self.assertEqual(found.histories, {})

    def test_all_skipped(self) -> None:
        """Checkers have nothing to say of a path on which each case had a reason not to run."""
        got = self.judge({(p.case, p.path): ktap.SKIP if p.path == "c->rust" else ktap.PASS
                          for p in self.lane.planned["ring"]})
        self.assertEqual(got["kasan", "c->rust"].log, ("no case ran on this path",))
        self.assertEqual((got["kasan", "c->rust"].status, got["kasan", "c->c"].status),
                         (ktap.SKIP, ktap.PASS))

    def test_given_up(self) -> None:
        """Nothing planned is without a verdict when the lane is given up."""
        del self.lane.answers["ring"]
        self.lane.lost = "given up"
        got = self.judge({})
        self.assertEqual({v.status for key, v in got.items() if key[0] in ("lockstep", "spsc")},
                         {ktap.ERROR})
        self.assertIn("given up", got["spsc", "c->c"].log[0])
        self.assertEqual(got["kasan", "c->c"].status, ktap.ERROR)

    def test_missing(self) -> None:
        """A result that is not there is an error, although the suite ended."""
        got = self.judge(self.all_passed(at("spsc", "c->c")))
        self.assertEqual(got["spsc", "c->c"].status, ktap.ERROR)

    def test_report(self) -> None:
        """A complaint of the kernel fails the case it concerns, and its checker's row."""
        self.lane.reports.append(console.Report("kasan", "BUG: KASAN: x", at("spsc", "c->c"), []))
        got = self.judge(self.all_passed())
        self.assertEqual(got["spsc", "c->c"].status, ktap.FAIL)
        self.assertEqual(got["spsc", "c->c"].log[0], "BUG: KASAN: x")
        self.assertEqual(got["kasan", "c->c"].status, ktap.FAIL)
        self.assertEqual(got["kasan", "c->rust"].status, ktap.PASS)
        self.assertEqual(got["lockdep", "c->c"].status, ktap.PASS)

    def test_report_between_cases(self) -> None:
        """One that concerns no case fails the suite."""
        self.lane.reports.append(console.Report("warn", "WARNING: x", at(), []))
        self.assertEqual(self.judge(self.all_passed())["", ""].status, ktap.FAIL)

    def test_disabled(self) -> None:
        """A path that a checker did not see is no pass."""
        got = self.judge(self.all_passed())
        self.assertEqual(got["ubsan", "c->c"].status, ktap.PASS)
        self.assertEqual(got["ubsan", "rust->c"].status, ktap.SKIP)
        self.assertIn("does not instrument Rust", got["ubsan", "rust->c"].log[0])
        self.lane.turned_off("lockdep", "lockdep turns itself off", ["ring"])
        self.assertEqual(self.judge(self.all_passed())["lockdep", "c->c"].status, ktap.ERROR)
        self.lane.reports.append(console.Report("lockdep", "WARNING", at("spsc", "c->c"), []))
        got = self.judge(self.all_passed())
        self.assertEqual(got["lockdep", "c->c"].status, ktap.FAIL)
        self.assertEqual(got["lockdep", "c->rust"].status, ktap.SKIP)
        self.assertIn("spsc c->c", got["lockdep", "c->rust"].log[0])

    def test_disabled_by_damage(self) -> None:
        """A bad page turns lockdep off in its guest, for all pairs that ran in it, and no other."""
        for pairs, status in (["ring", "tlv"], ktap.SKIP), (["ring"], ktap.ERROR), ([], ktap.PASS):
            with self.subTest(pairs):
                self.lane.reports.clear()
                self.lane.disabled.clear()
                self.lane.turned_off("lockdep", "lockdep turns itself off", pairs)
                self.lane.reports += [
                    console.Report("kmemleak", "kmemleak: x", at("spsc", "c->c"), []),
                    console.Report("bug", "BUG: Bad page state", at("lockstep", "c->c", "tlv"))]
                got = self.judge(self.all_passed())
                self.assertEqual(got["lockdep", "c->rust"].status, status)
                if status == ktap.SKIP:
                    self.assertIn("lockstep c->c of tlv", got["lockdep", "c->rust"].log[0])

    def test_limit(self) -> None:
        """A checker that the kernel keeps quiet after a report has not seen the other paths."""
        self.lane.reports.append(
            console.Report("sleep", "BUG: sleeping", at("spsc", "c->rust"), []))
        got = self.judge(self.all_passed())
        self.assertEqual(got["sleep", "c->rust"].status, ktap.FAIL)
        self.assertEqual(got["sleep", "rust->rust"].status, ktap.SKIP)
        self.assertIn("once a second: spsc c->rust", got["sleep", "rust->rust"].log[0])
        self.assertEqual(got["odebug", "rust->rust"].status, ktap.PASS)


class TestInvariants(unittest.TestCase):
    """tables.parse_invariants()"""

    def test_columns(self) -> None:
        """id, category, one number a path, cases."""
        row = tables.parse_invariants("full\terrors\t1\t2\t3\t4\tlockstep spsc \n")[0]
        self.assertEqual((row.id, row.category), ("full", "errors"))
        self.assertEqual(row.cases, ["lockstep", "spsc"])
        self.assertEqual(row.judged, {"c->c": 1, "c->rust": 2, "rust->c": 3, "rust->rust": 4})


class TestAllocations(unittest.TestCase):
    """tables.parse_allocations()"""

    def test_columns(self) -> None:
        """An operation, and seven numbers a path."""
        cell = "\t10 20 3 96 8 7 1"
        found = tables.parse_allocations(f"create{cell * 4}\npush{cell * 3}\t1 0 0 0 0 0 0\n")
        self.assertEqual(list(found), ["create", "push"])
        self.assertEqual(found["create"]["rust->c"], tables.Allocations(10, 20, 3, 96, 8, 7, 1))
        self.assertEqual(found["push"]["rust->rust"].calls, 1)
        self.assertEqual(tables.parse_allocations(""), {})

    def test_damaged(self) -> None:
        """A line that is cut off, or has something else in it, is named."""
        for line in ("push\t1 2 3 4 5 6 7", "push" + "\t1 2 3 4 5 6" * 4,
                     "push" + "\t1 2 3 4 5 6 x" * 4):
            with self.assertRaisesRegex(tables.DamagedTable, "line 2: "):
                tables.parse_allocations("create" + "\t1 2 3 4 5 6 7" * 4 + f"\n{line}\n")


if __name__ == "__main__":
    unittest.main()
