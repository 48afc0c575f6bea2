# SPDX-License-Identifier: GPL-2.0
"""The page for a browser, also of results that mean no good."""

import ast
import contextlib
import html.parser
import io
import json
import os
import re
import tempfile
import time
import unittest
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import unquote

from kplib import verbs
from kplib.common import ui
from kplib.configure import request
from kplib.configure.lanes import PATHS
from kplib.judge import ktap
from kplib.report import files
from kplib.report.page import document, gather, markup
from kplib.report.page.view import Beside, View
from kplib.selftest import schema

from . import test_pages, test_report

HOSTILE = (*test_pages.HOSTILE, "<script>alert(1)</script>", "\" onload=\"x", "' a='b", "]]>-->",
           "</style><img src=http://x/y>", "</pre></table></details></main>", "\n", "&amp;lt;",
           "javascript:x", "//x/y", "\udcff\udcfe", "y" * 10240, " ", "")
#: All that the page is made of. Nothing of it is executed, or fetched from anywhere.
TAGS = set("html head meta title style body header h1 h2 h3 h4 div strong span nav a main section "
           "article p table caption thead tbody tr th td dl dt dd details summary pre code small "
           "i".split())
ATTRIBUTES = set("lang charset http-equiv content name class id href scope colspan tabindex open "
                 "rel aria-label".split())


class Page(html.parser.HTMLParser):
    """What a page is made of. Elements must end in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.said: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(str(value))
            if name == "href":
                self.links.append(str(value))
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.said.append(data)

    @property
    def text(self) -> str:
        """All that one reads."""
        return "\n".join(self.said)


def read(path: Path) -> Page:
    """A page that was written."""
    return Page(path.read_text())


def page(*documents: dict[str, Any], lacking: dict[str, str] | None = None,
         beside: Beside = Beside()) -> Page:
    """The page of some results, read back."""
    text = document.page(View(list(documents), lacking or {}, beside))
    text.encode()
    return Page(text)


def filled(rule: dict[str, Any], text: str) -> Any:
    """A document in which each text that the schema knows is this one, and no list is empty."""
    if "$ref" in rule:
        return filled(schema.SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]], text)
    if "anyOf" in rule:
        return filled(rule["anyOf"][0], text)
    if "enum" in rule:
        return "fail" if "fail" in rule["enum"] else rule["enum"][0]
    if "const" in rule:
        return rule["const"]
    kind = rule["type"] if isinstance(rule["type"], str) else rule["type"][0]
    if kind == "object":
        found = {name: filled(one, text) for name, one in rule.get("properties", {}).items()}
        if isinstance(rest := rule.get("additionalProperties"), dict):
            found |= {name: filled(rest, text) for name in (text, PATHS[0], PATHS[3])}
        return found
    if kind == "array":
        return [filled(rule["items"], text)]
    return {"string": text, "integer": 1, "number": 1.5, "boolean": False}[kind]


def many(pairs: int, failed: int = 0) -> dict[str, Any]:
    """Results of some pairs, as those of a run; the first ones failed in case lockstep."""
    kept = [{"id": f"kept{number}", "category": "errors", "statement": "it holds",
             "c": "under the lock", "when": "ret", "then": "!now->x", "compile_fail": [],
             "rust": [{"id": f"kept{number}", "how": "checked", "text": "an error",
                       "where": "rust-stub/ring.rs:12"}],
             "judged": dict.fromkeys(PATHS, 1000), "cases": ["lockstep"]} for number in range(12)]
    costs = test_report.pair()["outcomes"]["push"]["success"]
    met = filled(schema.SCHEMA["$defs"]["pair"]["properties"]["histories"], "x")["x"]
    hit = filled(schema.SCHEMA["$defs"]["pair"]["properties"]["interruptions"], "x")["x"]
    found = test_pages.document()
    found["pairs"] = {f"pair{number}": {
        "cases": [test_pages.case(path, "fail", test_pages.failure(message=f"wrong: pair{number}"),
                                  suite=f"pair{number}")
                  if case == 0 and path == "c->rust" and number < failed else
                  test_pages.case(path, suite=f"pair{number}", case=f"case{case}")
                  for case in range(10) for path in PATHS],
        "instructions": {"noop": costs}, "outcomes": {
            f"op{op}": {"success": costs, "-EINVAL": costs} for op in range(6)},
        "interruptions": dict.fromkeys(PATHS, hit), "accepted": [],
        "histories": dict.fromkeys(PATHS, met), "contract": kept}
        for number in range(pairs)}
    return {**found, "verdict": "fail" if failed else "pass"}


class TestPage(unittest.TestCase):
    """page.document, from results alone"""

    def check(self, found: Page) -> None:
        """What holds of each page."""
        self.assertLessEqual(set(found.tags), TAGS)
        self.assertLessEqual(found.attributes, ATTRIBUTES)
        self.assertEqual([ident for ident, times in Counter(found.ids).items() if times > 1], [])
        self.assertLessEqual({one[1:] for one in found.links if one.startswith("#")},
                             set(found.ids))

    def test_pass(self) -> None:
        """The verdict is the first thing said."""
        found = page(test_pages.document(test_pages.case()))
        self.check(found)
        main = found.said[found.said.index("PASS"):]
        self.assertIn("default-src 'none'; ", html.unescape(document.page(
            View([test_pages.document()], {}, Beside()))))
        self.assertEqual(main[:2], ["PASS", "1 of 1 results passed, 1 pair; 1 of 1 kernel passed"])
        self.assertIn("Nothing failed.", main)

    def test_failure(self) -> None:
        """Message, program with what each step gave, and command; told once for two paths."""
        found = page(test_pages.failed("c->rust", "rust->rust"))
        self.check(found)
        self.assertEqual([one for one in found.ids if one.startswith("failure-")], ["failure-1"])
        for text in ("step 1, push: 1 on c->rust, 0 on c->c", "ring capacity=1", "push 0",
                     "c->rust gave", "2 times", " 1. ring lockstep c->rust, rust->rust"):
            self.assertIn(text, found.said)
        self.assertIn("\nmake run PAIR=ring PROGRAM=out/programs/ring-1", found.said)
        self.assertIn("FAIL 1 of 1", found.said)

    def test_verdicts(self) -> None:
        """A kernel without results is no pass; a failure says more than that."""
        good, bad = test_pages.document(test_pages.case()), test_pages.failed("c->rust")
        for documents, lacking, verdict in (
                ([good], {}, "PASS"), ([bad, good], {}, "FAIL"), ([good], {"a": "why"}, "ERROR"),
                ([bad], {"a": "why"}, "FAIL"), ([], {"a": "why"}, "ERROR"), ([], {}, "ERROR"),
                ([{**good, "verdict": "error"}], {}, "ERROR")):
            found = page(*documents, lacking=lacking)
            self.check(found)
            self.assertEqual(found.said[found.said.index("kparity: C and Rust, compared in a "
                                                         "real kernel") + 1], verdict)
            for name, why in lacking.items():
                self.assertLessEqual({name, why, "NO RESULTS"}, set(found.said))

    def test_unbuilt(self) -> None:
        """Errors of compilers, with their lines."""
        said = {"level": "error", "message": "no such function", "code": None,
                "file": "rust-stub/ring.rs", "line": 3, "column": 1, "text": ["at swop()"]}
        found = page(test_pages.document(
            failures=[test_pages.failure(stage="build", what="tools", diagnostics=[said],
                                         program=None, results=[], pairs=["ring"])],
            verdict="fail", why="it does not build", lanes={}))
        self.check(found)
        self.assertIn("no such function - ", found.said)
        self.assertIn("\nat swop()", found.said)

    def test_merged(self) -> None:
        """Results that were joined say so."""
        merged = {"of": 3, "tree": {"commit": "f" * 40, "content": "x"}, "times": "",
                  "request": {}, "kernel": None}
        self.assertIn("joined from 3 shards, commit ffffffffffff",
                      page(test_pages.document(test_pages.case(), merged=merged)).text)

    def test_cells(self) -> None:
        """A pair has one card for all kernels, and a place in the matrix of each."""
        one = test_pages.document(test_pages.case())
        found = page(one, {**one, "arch": "arm64"}, {**test_pages.failed("c->c"),
                                                     "variant": "debug"})
        self.check(found)
        self.assertEqual(found.ids.count("pair-ring"), 1)
        self.assertEqual(found.said.count("ok 1"), 2)
        self.assertIn("#failure-1", found.links)

    def test_like_names(self) -> None:
        """Pairs whose names differ in signs alone, and those like parts of a page."""
        found = test_pages.document(test_pages.case())
        found["pairs"] = {name: found["pairs"]["ring"] for name in (
            "ring", "RING", "ring.costs", "ring costs", "ring_2", "ring-cases", "failures",
            "<ring>", "", " ")}
        self.check(page(found))

    def test_hostile(self) -> None:
        """Whatever any field holds, the page is made of the same elements, and shows it."""
        plain = page(filled(schema.SCHEMA, "x"), lacking={"x": "x"})
        self.check(plain)
        for text in HOSTILE:
            with self.subTest(text[:40]):
                results = filled(schema.SCHEMA, text)
                self.assertEqual(list(schema.unlike(results)), [])
                found = page(results, lacking={text: text})
                self.check(found)
                self.assertNotRegex(found.text, "[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
                if text.strip() and "\n" not in text:
                    # Texts of nothing leave out what would be said of them.
                    self.assertEqual(Counter(found.tags), Counter(plain.tags))
                    self.assertIn(ui.clean(text[:markup.WIDTH]), found.text)

    def test_wide(self) -> None:
        """Of a long line the page says how much of it is left out."""
        found = page(test_pages.document(test_pages.case("c->c", "fail", log=["z" * 10240])))
        self.assertIn(f"{'z' * markup.WIDTH} ... {10240 - markup.WIDTH} characters more",
                      found.text)

    def test_hundred(self) -> None:
        """A hundred pairs: each is there, each failure is, and it takes no second."""
        results = many(100, failed=10)
        start = time.process_time()
        text = document.page(View([results], {}, Beside()))
        self.assertLess(time.process_time() - start, 1.0)
        found = Page(text)
        self.check(found)
        self.assertEqual({one for one in found.ids if re.fullmatch(r"pair-pair\d+", one)},
                         {f"pair-pair{number}" for number in range(100)})
        for number in range(10):
            self.assertIn(f"failure-{number + 1}", found.ids)
            self.assertIn(f"wrong: pair{number}", found.said)

    def test_gaps(self) -> None:
        """An invariant that nobody judged on a path is counted, and shown where it is."""
        results = many(1)
        results["pairs"]["pair0"]["contract"][0]["judged"]["rust->c"] = 0
        self.assertIn("never judged on rust->c", page(results).said)
        # What another kernel has judged is judged.
        self.assertNotIn("never judged on rust->c", page(results, many(1)).said)

    def test_over_budget(self) -> None:
        """What costs more than its budget is marked; a row's budget is the row's."""
        results = many(1)
        self.assertIn("15.0 (1.50) over", page(results).said)
        results["pairs"]["pair0"]["budgets"] = {"each": {
            "percent": 60.0, "instructions": 1.0, "why": "a crossing", "needed": None}}
        found = page(results)
        self.assertIn("15.0 (1.50)", found.said)
        self.assertNotIn("15.0 (1.50) over", found.said)
        self.assertIn("60 % and 1: a crossing", found.said)


class TestMarkup(unittest.TestCase):
    """page.markup, through which all text goes"""

    def test_one_place(self) -> None:
        """No other module writes a tag, or says of a text that it is markup."""
        for path in sorted(Path(markup.__file__).parent.rglob("*.py")):
            if path.name == "markup.py":
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                with self.subTest(f"{path.name}:{getattr(node, 'lineno', 0)}"):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        self.assertNotRegex(node.value, r"<[a-zA-Z!/]|&[a-z#]")
                    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Markup":
                        self.assertIn(ast.unparse(node.args[0]), ("''", "STYLE"))

    def test_text(self) -> None:
        """Elements escape text and values, and not what elements have made."""
        self.assertEqual(markup.element("p", "<b>", markup.element("i", "&"), id="\"'<"),
                         '<p id="&quot;&#x27;&lt;">&lt;b&gt;<i>&amp;</i></p>')

    def test_outside(self) -> None:
        """Addresses of sites alone are links to one."""
        self.assertIn("href", markup.outside("https://lore.kernel.org/x"))
        for text in ("javascript:x", "data:text/html,x", "//x", "file:///etc/passwd", "x", ""):
            self.assertNotIn("href", markup.outside(text))


class TestGather(unittest.TestCase):
    """page.gather: what is read beside results, and where the page is written"""

    def setUp(self) -> None:
        self.out = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.req = request.parse([f"OUT={self.out}", "ARCH=x86_64"], {})

    def save(self, results: dict[str, Any]) -> Path:
        """Leave results as a run does."""
        where = files.folder(self.req, results["arch"], results["variant"])
        (where / "logs").mkdir(parents=True)
        (where / files.RESULTS).write_text(json.dumps(results))
        return where

    def written(self, *documents: dict[str, Any]) -> Page:
        """The page, with each of its links to a file leading to one."""
        path = gather.write(self.req, list(documents), {})
        self.assertEqual([one.name for one in self.out.iterdir() if one.is_file()],
                         [files.PAGE])
        found = read(path)
        for link in found.links:
            if not link.startswith(("#", "http")):
                self.assertTrue((self.out / unquote(link)).is_file(), link)
        return found

    def test_place(self) -> None:
        """A failure shows the line of the source, in the page, and leads to the file."""
        found = self.written(test_pages.failed("c->rust"))
        line = next(number for number, text in enumerate(
            (request.TOP / "rust-stub/ring.rs").read_text().splitlines(), 1) if "fn push(" in text)
        self.assertIn(f"#source-rust-stub-ring-rs.{line}", found.links)
        self.assertIn(f"source-rust-stub-ring-rs.{line}", found.ids)
        self.assertTrue(any(link.endswith("rust-stub/ring.rs") for link in found.links))
        self.assertIn("rust-stub/ring.rs:1", self.written(
            test_pages.failed("c->rust", operation="nope")).said)

    def test_named_lines(self) -> None:
        """Lines that a log names are in the page; those of other files of the machine are not."""
        found = self.written(test_pages.document(test_pages.case("c->c", "fail", log=[
            "EXPECTATION FAILED at tests/kunit/ring_kunit.c:7", "at /etc/hosts.c:1",
            "at ../../etc/passwd.h:1", "at kmod/ring.c:999999"])))
        self.assertIn("#source-tests-kunit-ring-kunit-c.7", found.links)
        # A line of the log is a line of the page.
        self.assertIn("\nEXPECTATION FAILED at tests/kunit/ring_kunit.c:7\nat /etc/hosts.c:1\n",
                      "".join(found.said))
        self.assertEqual([one for one in found.ids if "etc" in one or "999999" in one], [])

    def test_own_pairs(self) -> None:
        """A pair in PAIRS_DIR has its source lines as well."""
        folder = self.out / "pairs"
        (folder / "mine").mkdir(parents=True)
        (folder / "mine/contract.h").write_text("KP_FUNCTION(mine_do, ANY, KP_BOOL)\n")
        (folder / "mine/mine.rs").write_text("// one\nfn mine_do() -> bool {\n")
        self.req = request.parse([f"OUT={self.out}", f"PAIRS_DIR={folder}", "PAIR=mine"], {})
        results = test_pages.failed("c->rust", operation="mine_do")
        results["pairs"] = {"mine": results["pairs"]["ring"]}
        text = self.written(results).text
        self.assertIn(f"{folder}/mine/mine.rs:2", text)
        self.assertIn("fn mine_do() -> bool {", text)

    def test_logs(self) -> None:
        """What suites said is in the page, as far as there is room, and leads to the file."""
        results = test_pages.document(test_pages.case(), test_pages.case(suite="../x"),
                                      test_pages.case(suite="ring_insn"))
        where = self.save(results)
        (where / ktap.log_file("ring")).write_bytes(b"ok 1 <lockstep> \xff\n")
        (where / ktap.log_file("ring_insn")).write_text("z" * 50)
        with mock.patch.object(gather, "LOGS", 60):
            text = self.written(results).text
        self.assertIn("ok 1 <lockstep> \ufffd", text)
        self.assertNotIn("zzzz", text)
        self.assertIn("x86_64 base: ring_insn: ", text)

    def test_unsafe(self) -> None:
        """The review list of the port, and of what all ports share."""
        text = self.written(test_pages.document(test_pages.case())).text
        self.assertIn("rust-stub/glue.rs:", text)
        self.assertIn("rust-stub/ring.rs:", text)
        self.assertIn("There is one `Producer` of a ring", text)

    def test_coverage(self) -> None:
        """Where make coverage has left something, its sums; and whether sources are newer."""
        results = test_pages.document(test_pages.case())
        self.assertNotIn("Coverage", self.written(results).said)
        folder = self.out / "x86_64/coverage"
        folder.mkdir(parents=True)
        (folder / "ring.html").write_text("")
        (folder / "ring.info").write_text(
            "TN:ring\nSF:kmod/ring.c\nBRDA:3,0,0,1\nBRDA:3,0,1,1\nBRDA:4,0,0,1\nBRDA:4,0,1,0\n"
            "BRDA:5,0,0,-\nBRDA:5,0,1,-\nDA:3,1\nDA:4,1\nDA:5,0\nend_of_record\n"
            "SF:rust-stub/ring.rs\nDA:9,1\nend_of_record\n")
        found = self.written(results)
        self.assertLessEqual({"Coverage", "2 of 3", "1 of 3", "1 of 1", "0 of 0"},
                             set(found.said))
        self.assertNotIn("older than the sources", found.said)
        os.utime(folder / "ring.html", (1, 1))
        self.assertIn("older than the sources", self.written(results).said)

    def test_report(self) -> None:
        """make report FORMAT=html writes the page, prints its path, and ends as others do."""
        self.save(test_pages.failed("c->rust"))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(verbs.report(request.parse(
                [f"OUT={self.out}", "ARCH=x86_64", "FORMAT=html"], {})), 0)
        self.assertEqual(out.getvalue(), f"{self.out}/report.html\n")
        self.assertIn("FAIL", read(self.out / files.PAGE).said)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(verbs.report(request.parse(
                [f"OUT={self.out}", "ARCH=arm64", "FORMAT=html"], {})), 2)
        self.assertIn("is not there", err.getvalue())
        # What there was to tell of before stays, where nothing else is.
        self.assertIn("FAIL", read(self.out / files.PAGE).said)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.assertEqual(verbs.report(request.parse(
                [f"OUT={self.out}", "ARCH=all", "VARIANT=base", "FORMAT=html"], {})), 2)
        self.assertIn("NO RESULTS", read(self.out / files.PAGE).said)

    def test_begin(self) -> None:
        """A run that begins takes away the page of the one before."""
        (self.out / files.PAGE).write_text("old")
        with self.assertRaises(KeyboardInterrupt), files.recorded_run(self.req):
            self.assertFalse((self.out / files.PAGE).exists())
            raise KeyboardInterrupt

    def test_last(self) -> None:
        """Of a cell that a run has left nothing of, the page says why."""
        self.save(test_pages.failed("c->rust"))
        gather.write_last(self.req, [("x86_64", "base"), ("x86_64", "debug")], "the disk is full")
        found = read(self.out / files.PAGE)
        self.assertLessEqual({"x86_64 debug", "the disk is full", "failure-1"},
                             {*found.said, *found.ids})

    def test_no_names(self) -> None:
        """Results of a damaged file name no file."""
        found = self.written(filled(schema.SCHEMA, "../../../etc/passwd:1"))
        self.assertEqual([link for link in found.links if "etc" in link and link[0] != "#"], [])


if __name__ == "__main__":
    unittest.main()
