# SPDX-License-Identifier: GPL-2.0
"""Case cost: budgets of rows, what is over them, and what is told of that."""

import unittest
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from kplib.boot import lanes
from kplib.build import modules
from kplib.common.errors import EnvironmentFailed
from kplib.configure.lanes import PATHS, REFERENCE
from kplib.contract import model, rows
from kplib.judge import budgets, ktap
from kplib.judge import costs as judge_costs
from kplib.judge.budgets import USUAL, Excess
from kplib.judge.explain import Explained, Row
from kplib.judge.results import ArchResult, PairResult
from kplib.judge.tables import parse_outcomes
from kplib.report.page import costs as page_costs
from kplib.tools import costly, explain

OBJECT = """KP_OBJECT(struct x, struct x_view, x_view)
KP_CREATE(x_create, SLEEPS, KP_RESULT(struct x *, -ENOMEM){})
KP_DESTROY(x_destroy, SLEEPS{})
KP_METHOD(x_do, ANY, KP_VOID)
KP_TYPE(struct x_view, one)
"""
ROW = "KP_FUNCTION(f, ANY, KP_BOOL, KP_NUMBER(int, i){})\n"


def changed(what: Any, **fields: Any) -> Any:
    """dataclasses.replace(), which leaves a mock as it is."""
    return what if isinstance(what, mock.Mock) else replace(what, **fields)


def costs(**by_path: int) -> budgets.Outcomes:
    """Costs of one operation, `f`, with one outcome, each path's no-op being 30."""
    names = dict(zip(("cc", "cr", "rc", "rr"), PATHS))
    return parse_outcomes("".join(f"{names[name]} noop 30 4\n{names[name]} f {30 + cost} 10\n"
                                  for name, cost in by_path.items()))


class TestBudgets(unittest.TestCase):
    """judge/budgets.py"""

    def test_rows(self) -> None:
        """A row's budget; a reason belongs to it."""
        for said, wanted in (
                ("", None),
                (', .budget = "35 %: it walks"', model.Budget(35, 4, "it walks")),
                (', .budget = "35 %, 20 instructions: it "\n "walks"',
                 model.Budget(35, 20, "it walks"))):
            self.assertEqual(rows.read(ROW.format(said)).functions[0].budget, wanted)
        for said in '"35 %"', '"35: why"', '"much: why"', '"35 %: "':
            with self.assertRaises(rows.BadRow) as caught:
                rows.read(ROW.format(f", .budget = {said}"))
            self.assertIn("is no budget; write what", str(caught.exception))

    def test_waits(self) -> None:
        """What waits is judged by its caller's part; without that it is not, and that is told."""
        for said in ("", ', .budget = "50 %: why"'):
            contract = rows.read(ROW.format(said + ", .waits = true"))
            self.assertEqual(budgets.over(budgets.of_contract(contract, ()),
                                          costs(cc=20, cr=900)), [])
            self.assertEqual(budgets.used(contract, costs(cc=20, cr=900), ())["f"][0],
                             budgets.WAITS)
            known = budgets.of_contract(contract, ("f",))
            self.assertEqual([one.op for one in budgets.over(known, costs(cc=20, cr=900))], ["f"])
            self.assertEqual(budgets.over(known, costs(cc=20, cr=22)), [])
            self.assertEqual(budgets.used(contract, costs(cc=20, cr=900), ("f",)).keys(),
                             {"f"} if said else set())

    def test_over(self) -> None:
        """Both the share and the instructions have to be exceeded."""
        for reference, cost, wrong in ((100, 110, False), (100, 111, True), (10, 14, False),
                                       (10, 15, True), (1000, 1100, False), (0, 5, True),
                                       (0, 4, False), (100, 50, False)):
            with self.subTest(f"{reference} {cost}"):
                self.assertEqual(bool(budgets.over({}, costs(cc=reference, cr=cost))), wrong)
        told = budgets.over({}, costs(cc=20, rr=30))[0].tell(USUAL)
        self.assertEqual(told, "f: 30.0 instructions, 20.0 on c->c: 10.0 more, 50 %; its budget "
                               "is 10 % and 4 instructions")

    def test_row_allows(self) -> None:
        """What a row allows is no fault, and more than that is one."""
        known = budgets.of_contract(rows.read(ROW.format(', .budget = "50 %: why"'), "x"), ())
        self.assertEqual(known, {"f": model.Budget(50, 4, "why")})
        self.assertEqual(budgets.over(known, costs(cc=20, cr=30)), [])
        self.assertEqual(len(budgets.over(known, costs(cc=20, cr=31))), 1)

    def test_used(self) -> None:
        """A budget that nothing needs is told of as such."""
        known = rows.read(ROW.format(', .budget = "50 %: why"'), "x")
        need = budgets.used(known, costs(cc=20, cr=28, rr=30), ())["f"][1]
        self.assertEqual(need, Excess("f", "success", "rust->rust", 30, 20))
        self.assertIsNone(budgets.used(known, costs(cc=20, cr=22), ())["f"][1])
        self.assertEqual(budgets.used(rows.read(ROW.format("")), costs(cc=20, cr=30), ()), {})

    def test_of_all(self) -> None:
        """KP_BUDGET is of operations whose rows have none."""
        both = ROW.format("") + ROW.replace("(f,", "(g,").format(', .budget = "50 %: why"')
        known = rows.read(both + 'KP_BUDGET("80 %: new")\n', "x")
        self.assertEqual(budgets.of_contract(known, ()), {"f": model.Budget(80, 4, "new"),
                                                          "g": model.Budget(50, 4, "why")})
        self.assertEqual(budgets.used(known, costs(cc=20, cr=36), ()), {
            budgets.ALL: (model.Budget(80, 4, "new"),
                          Excess("f", "success", "c->rust", 36, 20))})
        for said, why in (("KP_BUDGET(80)", "write text in quotes"),
                          ('KP_BUDGET("80 %")', "is no budget"),
                          ('KP_BUDGET("1 %: a", "b")', "wants one text"),
                          ('KP_BUDGET("1 %: a")\nKP_BUDGET("1 %: a")', "KP_BUDGET")):
            with self.assertRaises(rows.BadRow) as caught:
                rows.read(both + said + "\n")
            self.assertIn(why, str(caught.exception))

    def test_making(self) -> None:
        """How an object is made and ends is judged where those rows have a budget, whatever the
        budget of all others is."""
        table = "".join(f"{path} {op} {cost} 16\n" for op in ("noop", "create", "destroy")
                        for path, cost in ((REFERENCE, 100),
                                           ("c->rust", 30 if op == "noop" else 170)))
        outcomes = parse_outcomes(table)
        self.assertEqual(outcomes["create"]["success"]["c->rust"].mean, 170)
        for more in ("", 'KP_BUDGET("20 %: why")\n'):
            plain = rows.read(more + OBJECT.format("", ""), "x")
            known = budgets.of_contract(plain, ())
            self.assertEqual([known[op] for op in ("create", "destroy")], [budgets.UNJUDGED] * 2)
            self.assertEqual(budgets.over(known, outcomes), [])
            self.assertEqual(budgets.used(plain, outcomes, ()), {})
            # The page and the verdicts, which may not know the contract, say the same.
            self.assertEqual(budgets.over({}, outcomes), [])
            self.assertFalse(page_costs.is_over({"budgets": {budgets.ALL: {
                "percent": 20, "instructions": 4, "why": "why"}}}, "create", "success", "c->rust",
                outcomes["create"]["success"]))
        said = ', .budget = "{} %: why"'
        judged = rows.read(OBJECT.format(said.format(60), said.format(80)), "x")
        over = budgets.over(budgets.of_contract(judged, ()), outcomes)
        self.assertEqual([(one.op, one.path) for one in over], [("create", "c->rust")])
        self.assertEqual({op: budget.percent for op, (budget, need) in budgets.used(
            judged, outcomes, ()).items() if need}, {"create": 60, "destroy": 80})
        self.assertNotIn("create", budgets.of_contract(rows.read(ROW.format(""), "x"), ()))

    def test_making_waits(self) -> None:
        """Nothing tells the caller's part of how an object is made and ends, and the end is not
        counted where an operation waits: options that would say nothing are refused."""
        said, budget = ", .waits = true", ', .budget = "20 %: why"'
        for contract, why in (
                (OBJECT.format(said, ""), "x_create: .waits is of operations alone"),
                (OBJECT.format("", said), "x_destroy: .waits is of operations alone"),
                (OBJECT.replace("KP_VOID", "KP_VOID" + said).format("", budget),
                 "the end of an object is not counted where an operation waits")):
            with self.assertRaises(rows.BadRow) as caught:
                rows.read(contract, "x")
            self.assertIn(why, str(caught.exception))
        waits = rows.read(OBJECT.replace("KP_VOID", "KP_VOID" + said).format(budget, ""), "x")
        self.assertEqual(list(waits.costed), ["do", "create"])
        self.assertEqual(list(rows.read(OBJECT.format("", ""), "x").costed),
                         ["do", "create", "destroy"])

    def test_verdicts(self) -> None:
        """A verdict for each path that has figures; one without a figure beside it is no pass."""
        found = budgets.verdicts("x_insn", set(PATHS), {}, costs(cc=20, cr=30, rc=20))
        self.assertEqual([(v.path, v.status) for v in found],
                         [(REFERENCE, ktap.PASS), ("c->rust", ktap.FAIL), ("rust->c", ktap.PASS),
                          ("rust->rust", ktap.ERROR)])
        self.assertEqual([v.path for v in budgets.verdicts("x_insn", {"c->c"}, {}, costs(cc=20))],
                         ["c->c"])


class TestCostly(unittest.TestCase):
    """tools/costly.py"""

    def setUp(self) -> None:
        mine = PairResult()
        outcomes = costs(cc=20, cr=30, rc=20, rr=33)
        mine.over = budgets.over({}, outcomes)
        mine.verdicts = budgets.verdicts("x_insn", set(PATHS), {}, outcomes)
        self.pair = mine
        self.result = ArchResult(mock.Mock(), mock.Mock(), 1, [], {"x": mine})
        self.setup: Any = mock.Mock(results=Path("out"))
        self.built = modules.Modules(Path("m"), {"x": Path("x.ko")}, {})

    def explained(self) -> Explained:
        """An operation of three lines."""
        lines = tuple(Row("", "rust-stub/x.rs", number, False, {path: 10 * times})
                      for number, path, times in ((7, "c->rust", 9), (8, "c->rust", 21),
                                                  (9, "rust->rust", 33)))
        calls = dict.fromkeys(PATHS, 10)
        # What all calls cost most for is another line.
        other = (Row("", "rust-stub/x.rs", 1, False, dict.fromkeys(PATHS, 990)),)
        failed = Explained("f", calls, other, other, {}, {}, {}, {}, {}, {}, outcome="-EIO")
        return replace(failed, outcome="", outcomes={
            "-EIO": failed, "success": replace(failed, lines=lines, outcome="success")})

    def test_lines(self) -> None:
        """The lines that cost most stand behind what is over, in the log and in fields."""
        with mock.patch.object(lanes, "run"), \
                mock.patch.object(costly, "replace", changed), \
                mock.patch.object(explain, "read", lambda *_: [self.explained()]), \
                mock.patch.object(explain, "keep") as keep, \
                mock.patch.object(explain, "source", lambda *_: "x + 1"):
            costly.explain_all(self.setup, self.built, self.result)
        log = next(v for v in self.pair.verdicts if v.path == "c->rust").log
        self.assertEqual(log[1:], ("  21.0 of them: rust-stub/x.rs:8  x + 1",
                                   "  9.0 of them: rust-stub/x.rs:7  x + 1"))
        self.assertEqual(self.pair.costly["c->rust"], [("f", list(log))])
        self.assertEqual(set(self.pair.costly), {"c->rust", "rust->rust"})
        # The page of costs has all of it.
        self.assertEqual([call.args[1] for call in keep.call_args_list], [self.explained()])

    def test_not_known(self) -> None:
        """Where they cannot be looked at, the failure stands, with the reason. What failed of
        system calls is told elsewhere, and keeps its lines."""
        call = ktap.Verdict("x_user_costs", budgets.CASE, "read", ktap.FAIL, ("read: 9 more",))
        self.pair.verdicts.append(call)
        with mock.patch.object(costly, "_look", side_effect=EnvironmentFailed("no plugin")):
            costly.explain_all(self.setup, self.built, self.result)
        verdict = next(v for v in self.pair.verdicts if v.path == "c->rust")
        self.assertEqual((verdict.status, verdict.log[1]),
                         (ktap.FAIL, "  where they are is not known: no plugin"))
        self.assertEqual(self.pair.verdicts[-1], call)

    def test_told_once(self) -> None:
        """Results that are gathered again tell of the lines, and no second guest looks."""
        again = PairResult()
        again.verdicts = [ktap.Verdict("x_insn", "insn", "c->rust", ktap.PASS, ()),
                          *budgets.verdicts("x_insn", set(PATHS), {},
                                            costs(cc=20, cr=30, rc=20, rr=33))]
        with mock.patch.object(costly, "_look", side_effect=EnvironmentFailed("no plugin")):
            costly.explain_all(self.setup, self.built, self.result)
        later = ArchResult(mock.Mock(), mock.Mock(), 1, [], {"x": again})
        judge_costs.take_over(self.result, later)
        self.assertEqual(again.costly, self.pair.costly)
        self.assertEqual(again.verdicts[1:], self.pair.verdicts)
        self.assertEqual(again.verdicts[0].case, "insn")

    def test_nothing_over(self) -> None:
        """No guest runs where nothing is over."""
        self.pair.over = []
        with mock.patch.object(costly, "_look") as look:
            costly.explain_all(self.setup, self.built, self.result)
        look.assert_not_called()


if __name__ == "__main__":
    unittest.main()
