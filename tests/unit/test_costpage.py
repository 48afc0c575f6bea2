# SPDX-License-Identifier: GPL-2.0
"""The page of costs, of results made up, and of what make explain has left."""

import copy
import json
import os
import re
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from typing import Any

from kplib.common import cache
from kplib.configure import request
from kplib.configure.lanes import PATHS, REFERENCE
from kplib.contract.model import Budget
from kplib.judge.explain import Explained, Row
from kplib.judge.tables import Cost
from kplib.report import explained, files
from kplib.report.page import gather as report
from kplib.report.page.cost import document, draw, gather, growth, ratio, spread
from kplib.selftest import schema

from . import test_pages, test_webpage

#: What the page of costs is made of, beside what each page is.
TAGS = test_webpage.TAGS | set("strong figure figcaption svg g path rect text desc".split())
#: What elements of the page have; none of it is fetched or executed.
ATTRIBUTES = test_webpage.ATTRIBUTES | set(
    "viewbox role aria-hidden d x y width height text-anchor".split())
#: Costs of calls by path: two of one, many of another, one that is far away.
MET = {"c->c": {14: 300, 15: 100}, "c->rust": {18: 400}, "rust->c": {20: 399, 900: 1},
       "rust->rust": {number: 4 for number in range(20, 120)}}


def cost(counts: dict[int, int], reference: float) -> dict[str, Any]:
    """The figures of a distribution."""
    values = sorted(value for value, times in counts.items() for _ in range(times))
    total, n = sum(values), len(values)
    return {"n": n, "min": values[0], "p50": values[n // 2 - 1], "p99": values[n * 99 // 100 - 1],
            "max": values[-1], "total": total, "mean": total / n, "ratio": total / n / reference}


COSTS = {path: cost(counts, 14.25) for path, counts in MET.items()}
GROWN = {path: {"by": "length", "constant": 10, "each": number,
                "points": [{"size": 2 ** at, "calls": 40, "min": 10 + at,
                            "mean": 10 + number * 2 ** at} for at in range(8)]}
         for number, path in enumerate(PATHS)}


def time(path: str, op: str, state: str, **change: Any) -> dict[str, Any]:
    """A row of lane time."""
    return {"path": path, "op": op, "outcome": "success", "state": state, "verdict": "slower",
            "calls": 1000, "ratio": 1.1, "low": 1.04, "high": 1.17, "own": 0.5, "boots": None,
            "mean": 33.0, "quantiles": {name: [30.0, 29.0, 31.0]
                                        for name in ("p50", "p99", "p99.9", "max")}, **change}


def results(operations: int, full: bool = True) -> dict[str, Any]:
    """Results of a pair with some operations of two outcomes; with all that there can be."""
    names = [f"operation{number}" for number in range(operations)]
    ends = ("success", "-EINVAL")
    found = test_pages.document(test_pages.case())
    pair = found["pairs"]["ring"]
    pair |= {"instructions": {"noop": COSTS, **dict.fromkeys(names, COSTS)},
             "outcomes": {name: dict.fromkeys(ends, COSTS) for name in names},
             "budgets": {"operation1": {"percent": 60, "instructions": 1, "why": "a crossing",
                                        "needed": None}}}
    if full:
        said = {path: {str(value): times for value, times in counts.items()}
                for path, counts in MET.items()}
        pair |= {"distributions": {name: dict.fromkeys(ends, said) for name in names},
                 "growth": {name: {"success": GROWN} for name in names},
                 "times": {"advisory": True, "boots": 10, "margin": 0.05, "level": 0.05,
                           "noop": dict.fromkeys(PATHS, 30.0),
                           "checked": {"compared": 4, "alarms": 0, "told": 0, "found": {},
                                       "found_own": {}},
                           "contention": {path: {"blocks": 240, "of": 240, "ran": 9999,
                                                 "calls": [1000, 1000], "beside": [900, 800]}
                                          for path in PATHS},
                           "apart": [],
                           "rows": [time(path, name, state) for name in names
                                    for state in ("warm", "cold", "contended")
                                    for path in PATHS]}}
    return found


def kept(seed: int = 1, failed: int = 0, **change: Any) -> str:
    """What make explain has left of the first operation; `failed` more in an outcome's figure."""
    calls = {path: one["n"] for path, one in COSTS.items()}
    figure = {path: one["total"] for path, one in COSTS.items()} | change
    rows = (Row("", "rust-stub/ring.rs", 7, False, figure), Row("ring_push", "kmod/ring.c", 0,
                                                                False, figure))
    none = dict.fromkeys(calls, 0)
    found = Explained("operation0", calls, rows[1:], rows[:1], none, none, none, figure,
                      {"crossings of languages": calls}, {}, {"written": calls})
    ends = {"success": replace(found, outcome="success"),
            "-EINVAL": replace(found, outcome="-EINVAL", lines=(replace(rows[0], line=8),),
                               figure={path: of + failed for path, of in figure.items()})}
    return json.dumps(explained.to_json(
        replace(found, outcomes=ends),
        lambda file, line: f"{file} says <b>", pair="ring", arch="x86_64", variant="base",
        seed=seed))


def page(found: dict[str, Any], **more: Any) -> test_webpage.Page:
    """The page of some results, read back."""
    text = document.page(document.View(found, **more))
    text.encode()
    return test_webpage.Page(text)


class TestPage(unittest.TestCase):
    """cost.document"""

    def test_all(self) -> None:
        """Every operation has its part, and each outcome its drawings and their numbers."""
        found = page(results(6))
        for number in range(6):
            self.assertIn(f"pair-ring.op-operation{number}", found.ids)
        self.assertEqual(len(found.ids), len(set(found.ids)))
        self.assertLessEqual({one[1:] for one in found.links if one[0] == "#"}, set(found.ids))
        self.assertLessEqual(set(found.tags), TAGS)
        self.assertEqual(found.tags.count("svg"), 4 + 1 + 12 + 12 * 2 + 6)
        self.assertEqual(found.tags.count("figure"), 12 * 2 + 6)
        self.assertEqual(found.tags.count("desc"), found.tags.count("figure"))
        # In the overview, and in the drawing.
        self.assertEqual(found.said.count("1.26"), 2 * 12)
        for said in ("1 at 900", "300 at 14; 100 at 15", "4 at 119", "1.04 to 1.17", "budget 1.60",
                     "May cost 60 % and 1 instructions more than on c->c: a crossing.",
                     "10.0 + 3.00", "length", "time, warm, advisory", "time, cold, advisory",
                     "time, contended, advisory"):
            self.assertIn(said, found.text)

    def test_less(self) -> None:
        """Without distributions ranges are drawn; without times and growth nothing of them."""
        found = page(results(1, full=False))
        self.assertIn("Least to greatest cost", found.text)
        self.assertIn("make run LANE=time", found.said)
        self.assertNotIn("Growth", found.text)
        self.assertNotIn("95 %", found.text)
        self.assertEqual(found.tags.count("figure"), 4)

    def test_timed(self) -> None:
        """What was timed alone has its ratios of times."""
        some = results(2)
        pair = some["pairs"]["ring"]
        pair |= {"outcomes": {}, "instructions": {}, "distributions": {}, "growth": {}}
        found = page(some)
        self.assertIn("This run has timed calls", found.text)
        for word in ("instructions", "May cost", "budget"):
            self.assertNotIn(word, found.text.replace("counted no instructions", ""))
        self.assertEqual(found.tags.count("figure"), 2)
        self.assertEqual(found.said.count("1.10"), 2 * 3 + 3 * 6)
        self.assertIn("1.04 to 1.17", found.text)

    def test_order(self) -> None:
        """Success comes before other outcomes, also of what was timed alone."""
        some = results(1)
        pair = some["pairs"]["ring"]
        pair |= {"outcomes": {}, "instructions": {}}
        pair["times"]["rows"].insert(0, time("c->rust", "operation0", "warm", outcome="-EINVAL"))
        self.assertEqual([one.end for one in document.outcomes(pair)], ["success", "-EINVAL"])

    def test_over(self) -> None:
        """What is over its budget is told, in the overview and in the drawing."""
        found = page(results(2, full=False))
        self.assertEqual(found.said.count("4.88 over"), 8)
        self.assertEqual(found.said.count("1.56 over"), 4)
        self.assertEqual(found.said.count("1.26 over"), 0)

    def test_one_path(self) -> None:
        """Of what ran on one path alone there is what there is."""
        for path in (REFERENCE, "c->rust"):
            with self.subTest(path):
                some = results(1)
                pair = some["pairs"]["ring"]
                for rows in pair["outcomes"].values():
                    for end in rows:
                        rows[end] = {path: {**COSTS[path], "ratio": None}}
                found = page(some)
                self.assertIn(f"no ratio: {REFERENCE} costs nothing", found.said)
                self.assertEqual(found.tags.count("figure"), 5)

    def test_free(self) -> None:
        """Costs of nothing, or below, are drawn as others are."""
        nothing = cost({-1: 2, 0: 3}, 1)
        some = results(1, full=False)
        some["pairs"]["ring"]["outcomes"] = {"len": {"success": {
            path: {**nothing, "ratio": None} for path in PATHS}}}
        self.assertIn(f"no ratio: {REFERENCE} costs nothing", page(some).said)

    def test_hostile(self) -> None:
        """Whatever results say is text."""
        short = [text for text in test_webpage.HOSTILE if len(text) < 80]
        for text in ("", "../../../etc/passwd:1", *map("".join, zip(short[::2], short[1::2]))):
            with self.subTest(text[:20]):
                found = page(test_webpage.filled(schema.SCHEMA, text))
                self.assertLessEqual(set(found.tags), TAGS)
                self.assertLessEqual(found.attributes, ATTRIBUTES)

    def test_nothing(self) -> None:
        """Results without costs have no page."""
        req = request.parse(["OUT=/nowhere"], {})
        found = test_pages.document(test_pages.case())
        self.assertIsNone(gather.write(req, found))
        self.assertIsNone(gather.path_of(req, {**results(1), "arch": "../x"}))


class TestDrawing(unittest.TestCase):
    """Where marks are"""

    def test_ticks(self) -> None:
        """Ticks are round, some, and within the axis."""
        for low, high, log in ((14, 20, False), (0.8, 1.25, True), (1, 9000, True),
                               (1, 1e9, True), (-2, 1, False), (0.5, 2.1, True),
                               (0, 0.003, False), (2.1, 8.9, True)):
            with self.subTest(f"{low} {high}"):
                found = draw.Scale(low, high, log=log).ticks()
                self.assertTrue(2 <= len(found) <= draw.TICKS + 1, found)
                self.assertTrue(low - 1e-9 <= found[0] and found[-1] <= high + 1e-9, found)
        self.assertEqual(draw.Scale(14, 20).ticks(), [14, 16, 18, 20])
        self.assertEqual([draw.said(value) for value in (0.8, 14.0, 12.3456, 1448, 1448.6, 2e6)],
                         ["0.8", "14", "12.35", "1,448", "1,449", "2e+06"])
        self.assertEqual(draw.Scale(1, 9000, log=True).ticks(), [1, 10, 100, 1000])

    def test_scale(self) -> None:
        """Values beyond the ends are at these."""
        scale = draw.Scale(1, 100, 0, 200, True)
        self.assertEqual([round(scale.at(value)) for value in (0, 1, 10, 100, 1e9)],
                         [0, 0, 100, 200, 200])

    def test_met(self) -> None:
        """A distribution that is not of the figures' calls is none, and nor is a damaged one."""
        costs = {path: Cost(**one) for path, one in COSTS.items()}
        good = results(1)["pairs"]["ring"]
        self.assertEqual(spread.met(good, "operation0", "success", costs), MET)
        for wrong in ({"14": 1}, {"x": 400}, {"14": 300, "": 100}, {"1" * 20: 400}):
            good["distributions"]["operation0"]["success"] = {"c->c": wrong}
            self.assertEqual(spread.met(good, "operation0", "success", costs), {}, wrong)

    def test_bars(self) -> None:
        """Each bar is as high as its share; what came once has one."""
        costs = {path: Cost(**one) for path, one in COSTS.items()}
        found = re.findall(r'd="([^"]*)" class="p(\d) bars"',
                           spread.drawing("x", costs, {path: MET[path] for path in PATHS}))
        tall = {number: [float(one) for one in re.findall(r"v-([0-9.]+)", shape)]
                for shape, number in found}
        self.assertEqual(sum(len(one) > 0 for one in tall.values()), 4)
        self.assertEqual(tall["1"], [spread.TALL])
        self.assertEqual(tall["2"][-1], spread.LEAST)

    def test_limit(self) -> None:
        """The limit of a budget is where budgets begin to be exceeded."""
        costs = {path: Cost(**one) for path, one in COSTS.items()}
        self.assertEqual(ratio.limit_of(costs, Budget(50, 1, "")), 1.5)
        self.assertAlmostEqual(ratio.limit_of(costs, Budget(1, 14.25, "")) or 0, 2.0)
        self.assertIsNone(ratio.limit_of({}, Budget(1, 1, "")))

    def test_interval(self) -> None:
        """An interval that has no end leaves the axis readable, and ends in an arrow."""
        some = results(1)["pairs"]["ring"]
        rows = some["times"]["rows"]
        rows[:] = [time("c->rust", "operation0", "warm", low=1e-300, high=1e300)]
        one = document.outcomes(some)[0].ratios
        scale = ratio.scale_of([one])
        self.assertTrue(0.3 < scale.low < scale.high < 15, scale)
        self.assertIn("interval 0.000 to", ratio.words(one))

    def test_growth(self) -> None:
        """Growth that is constant has no part for each; what cannot be read is left out."""
        some = copy.deepcopy(results(1)["pairs"]["ring"])
        found = growth.of(some, "operation0", "success")
        self.assertEqual([one.text for one in found.values()][:2], ["constant", "10.0 + 1.00"])
        self.assertEqual(growth.of(some, "operation0", "-EINVAL"), {})
        for wrong in ({"by": "x"}, {**GROWN["c->c"], "points": [[1]]},
                      {**GROWN["c->c"], "points": []}, {**GROWN["c->c"], "each": "x"}):
            some["growth"]["operation0"]["success"] = {"c->c": wrong}
            self.assertEqual(growth.of(some, "operation0", "success"), {}, wrong)


class TestWritten(unittest.TestCase):
    """cost.gather"""

    def setUp(self) -> None:
        self.out = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.req = request.parse([f"OUT={self.out}"], {})
        self.where = files.folder(self.req, "x86_64", "base")
        self.found = results(2)

    def written(self) -> test_webpage.Page:
        """The page as make run writes it."""
        report.write(self.req, [self.found], {})
        return test_webpage.read(self.where / files.COSTS)

    def test_links(self) -> None:
        """The report leads to the page, and the page to the report."""
        found = self.written()
        self.assertIn("../../report.html", found.links)
        links = test_webpage.read(self.out / files.PAGE).links
        self.assertIn("x86_64/base/cost.html", links)
        self.assertIn("x86_64/base/cost.html#pair-ring", links)
        self.assertIn("pair-ring", found.ids)

    def test_explained(self) -> None:
        """What make explain has left of these figures can be unfolded; of others, it is said."""
        path = explained.path_of(self.where, "ring", "operation0")
        again = "make explain PAIR=ring OP=operation0 ARCH=x86_64 VARIANT=base SEED=1"
        self.assertIn(again, self.written().said)
        cache.write(path, kept())
        found = self.written()
        self.assertNotIn(again, found.said)
        self.assertIn("ring.rs:7  rust-stub/ring.rs says <b>", found.said)
        # Each outcome has its own.
        self.assertIn("ring operation0 -EINVAL: executed instructions of one call, mean of 400 "
                      "calls", found.said)
        self.assertIn("ring.rs:8  rust-stub/ring.rs says <b>", found.said)
        self.assertIn(again.replace("operation0", "operation1"), found.said)
        for text, said in ((kept(seed=2), "is of other figures"), ("{}", "cannot be read"),
                           (kept(**{"c->c": 1}), "is of other figures"),
                           (kept(failed=1), "is of other figures")):
            with self.subTest(said):
                cache.write(path, text)
                found = self.written()
                self.assertIn(again, found.said)
                self.assertIn(said, found.text)
                self.assertNotIn("ring.rs:7  rust-stub/ring.rs says <b>", found.said)

    def test_old(self) -> None:
        """Where a source of the pair is newer, that is said."""
        path = explained.path_of(self.where, "ring", "operation0")
        cache.write(path, kept())
        self.assertNotIn("Sources are newer", self.written().text)
        os.utime(path, (1, 1))
        self.assertIn("Sources are newer", self.written().text)

    def test_renew(self) -> None:
        """make explain writes the page anew where a run has left one."""
        gather.renew(self.req, ("x86_64", "base"))
        self.assertFalse((self.where / files.COSTS).exists())
        self.written()
        cache.write(self.where / files.RESULTS, json.dumps(self.found))
        cache.write(explained.path_of(self.where, "ring", "operation0"), kept())
        gather.renew(self.req, ("x86_64", "base"))
        self.assertIn("ring.rs:7  rust-stub/ring.rs says <b>",
                      test_webpage.read(self.where / files.COSTS).said)

    def test_begin(self) -> None:
        """A run that begins takes away the page of the one before."""
        self.written()
        with self.assertRaises(KeyboardInterrupt), files.recorded_run(self.req):
            self.assertFalse((self.where / files.COSTS).exists())
            raise KeyboardInterrupt


if __name__ == "__main__":
    unittest.main()
