# SPDX-License-Identifier: GPL-2.0
"""Pages and annotations for a CI, also of results that mean no good."""

import contextlib
import html
import io
import json
import re
import tempfile
import unittest
from pathlib import Path
from typing import Any

from kplib import verbs
from kplib.configure import request
from kplib.configure.lanes import PATHS
from kplib.judge import results
from kplib.report import files, github, markdown, told
from kplib.selftest import schema

#: What a test's name, a console or a compiler could say.
HOSTILE = ("</code></details><script>x</script>", "a | b |\n| --- |", "```\n# up\n```", "~~~",
           "`x` **b** _i_ [l](http://x) ![i](http://x) <!-- ", "::error file=a::b",
           "\n::set-output name=a::b", "\r::stop-commands::x", "%0A::error::x", "@everyone #1",
           "\x1b[31mred\x1b[0m\x07", "\ud800 \u202e \u2028::error::x", "&lt; &#96;", "-", "1. x",
           "    code", "===", "\\|", "````````",
           "a\0b", "x" * 5000, "../" * 2000)


#: An operation that Rust has in a trait of the kernel crate's.
CONTRACT = "kmod/contract/registry.h", "KP_FUNCTION(registry_put,"


def failure(**change: Any) -> dict[str, Any]:
    """A failure of results.json."""
    return {"stage": "run", "what": "return", "message": "step 1, push: 1 on c->rust, 0 on c->c",
            "pairs": [], "count": 2, "source": None, "program": ["ring capacity=1", "push 0"],
            "program_file": f"{request.TOP}/out/programs/ring-1", "step": 1,
            "operation": "push", "results": [
                {"path": path, "created": 0, "made": "created", "steps": [str(number)]}
                for number, path in enumerate(PATHS[:2])],
            "broken": [], "errnos": [], "checker": None, "stack": [], "diagnostics": [],
            "output": [],
            "replay": f"make run PAIR=ring PROGRAM={request.TOP}/out/programs/ring-1", **change}


def case(path: str = "c->c", status: str = "pass", *failures: dict[str, Any],
         **change: Any) -> dict[str, Any]:
    """A case of results.json."""
    return {"suite": "ring", "case": "lockstep", "path": path, "status": status,
            "log": ["a reason"] if status != "pass" else [], "seconds": 0.1,
            "failures": list(failures), **change}


def document(*cases: dict[str, Any], **change: Any) -> dict[str, Any]:
    """Contents of results.json, as the schema has them."""
    statuses = {one["status"] for one in cases}
    lane = {"accelerator": "tcg", "why": "x", "qemu": "10.0.7", "cpu": "max",
            "vulnerabilities": {}, "seconds": 1.5, "boots": 1, "losses": [],
            "kernel": [], "lost": None, "console": []}
    return {**results.empty("x86_64", "base", 1, "ARCH=x86_64 SEED=1",
                            "fail" if "fail" in statuses else "pass"),
            "kernel": {"release": "7.3.4", "config": {}, "added": {}}, "lanes": {"check": lane},
            "pairs": {"ring": {"cases": list(cases), "instructions": {}, "interruptions": {},
                               "histories": {}, "contract": [], "accepted": []}}, **change}


def failed(*paths: str, **change: Any) -> dict[str, Any]:
    """A document in which case lockstep failed in one way."""
    return document(*(case(path, "fail", failure(
        message=f"step 1, push: 1 on {path}, 0 on c->c", **change)) for path in paths))


def decoded(text: str, *marks: str) -> str:
    """Text whose marks, as %0A, are turned back one after the other."""
    for mark in marks:
        text = text.replace(f"%{mark}", chr(int(mark, 16)))
    return text


class TestMarkdown(unittest.TestCase):
    """report/markdown.py"""

    def outside(self, page: str) -> list[str]:
        """Lines of a page that are in no block; blocks end as they begin."""
        lines, fence = [], ""
        for line in page.split("\n"):
            marks = re.match(" {0,3}(`{3,}|~{3,})([^`]*)$", line)
            if fence:
                # What ends it is as long or longer, and has nothing behind it.
                fence = "" if marks and marks[1].startswith(fence) and not marks[2].strip() \
                    else fence
            elif marks:
                fence = marks[1]
            else:
                lines.append(line)
        self.assertEqual(fence, "", "a block that does not end")
        return lines

    def test_pass(self) -> None:
        """The verdict is the first line, and each cell has a row."""
        page = markdown.page([document(case())], {}).split("\n")
        self.assertEqual(page[0], "## kparity: PASS, 1 of 1 cells passed")
        self.assertEqual(page[4], "| <code>x86&#95;64 base</code> | PASS | 1 | 0 | 0 | 0 | "
                                  "check (tcg) | 1.5 s |")
        self.assertEqual(len(page), 5)

    def test_failure(self) -> None:
        """Paths that failed alike are one failure: program, results and command."""
        page = markdown.page([failed("c->rust", "rust->rust")], {})
        self.assertTrue(page.startswith("## kparity: FAIL, 0 of 1 cells passed"))
        heads = [html.unescape(line) for line in page.split("\n") if line.startswith("###")]
        self.assertEqual(heads, ["### FAIL <code>x86_64 base: ring lockstep c->rust, rust->rust"
                                 "</code>"])
        for text in ("found, met 2 times:\n\n```\nring capacity=1\npush 0\n```",
                     "```\nmade: created\nstep 1: 1\n```",
                     "```\nmake run PAIR=ring PROGRAM=out/programs/ring-1\n```"):
            self.assertIn(text, page)

    def test_other_checkout(self) -> None:
        """Programs are named as they lie here, whatever machine the results are of."""
        for path in (f"{request.TOP}/out", "/__w/x/x/out", "/builds/x/out"):
            one, = told.failures(failed("c->rust", replay=f"make run X={path}/programs/ring-1"))
            self.assertEqual(one.again, "make run X=out/programs/ring-1")
        for other in ("make run PROGRAM=/tmp/elsewhere/ring-1", "make run X=a/b/out/programs/r"):
            one, = told.failures(failed("c->rust", replay=other))
            self.assertEqual(one.again, other)

    def test_two_kinds(self) -> None:
        """Failures that differ in more than the path are told one by one."""
        found = document(case("c->rust", "fail", failure(), failure(program=["ring", "pop"])),
                         case("rust->rust", "fail", failure(what="state")))
        self.assertEqual(len(told.failures(found)), 3)

    def test_long_program(self) -> None:
        """It is folded, and of its steps the one that differs is shown."""
        program = ["ring", *(f"push {n}" for n in range(50))]
        many = [{"path": path, "created": 0, "made": None, "steps": [f"r{n}" for n in range(50)]}
                for path in PATHS[:2]]
        page = markdown.page([failed("c->rust", program=program, results=many, step=40)], {})
        self.assertIn("<details><summary>The smallest program found, met 2 times: 51 lines"
                      "</summary>", page)
        self.assertIn("\n```\nstep 40: r39\n```\n", page)
        self.assertNotIn("step 39", page)

    def test_skips(self) -> None:
        """They are folded, with their reasons."""
        page = markdown.page([document(case(status="skip"), case("c->rust", "skip"))], {})
        self.assertIn("<details><summary><code>x86&#95;64 base</code>: 2 skipped, and why", page)
        self.assertIn("| <code>ring</code> | <code>lockstep</code> | c&#45;&#62;c, "
                      "c&#45;&#62;rust | a reason |", page)

    def test_missing(self) -> None:
        """A cell without results is no pass."""
        for found in ([document(case())], []):
            page = markdown.page(found, {"arm64 base": "no | file"})
            self.assertTrue(page.startswith("## kparity: ERROR, "), page)
            self.assertIn("**NO RESULTS** | | | | | no &#124; file | |", page)
        self.assertIn("FAIL", markdown.page([failed("c->rust")], {"x": "y"}).split("\n")[0])
        self.assertIn("ERROR", markdown.page([document(case(), verdict="error")],
                                             {}).split("\n")[0])

    def test_without_kernel(self) -> None:
        """Results that a run has left before it had a kernel."""
        self.assertEqual(len(told.failures({**failed("c->rust"), "kernel": None})), 1)

    def test_verdict_without_a_failure(self) -> None:
        """Whatever is not a pass is told of, if only in a line."""
        one, = told.failures(document(case(), verdict="error"))
        self.assertEqual(one.message, "no case tells what went wrong")
        lost = document(case(), verdict="error")
        lost["lanes"]["check"]["lost"] = "given up"
        lost["lanes"]["check"]["console"] = ["last words"]
        page = markdown.page([lost], {})
        self.assertIn("lane check", page)
        self.assertIn("```\nlast words\n```", page)

    def test_hostile(self) -> None:
        """Nothing that a name or a console says changes the page around it."""
        plain = self.outside(markdown.page([self.saying("x")], {"x": "x"}))
        for text in HOSTILE:
            with self.subTest(text[:40]):
                page = markdown.page([self.saying(text)], {text: text})
                page.encode()
                self.assertNotRegex(page, "[\x00-\x09\x0b-\x1f\x7f]")
                lines = self.outside(page)
                self.assertEqual(len(lines), len(plain))
                for line, usual in zip(lines, plain):
                    # The marks of the page itself, and its cells, are where they usually are.
                    self.assertEqual(re.sub("[^|<>*#`]", "", re.sub("&#[0-9]+;", "", line)),
                                     re.sub("[^|<>*#`]", "", re.sub("&#[0-9]+;", "", usual)))
                    self.assertNotRegex(re.sub("&#[0-9]+;", "", line), r"[][@\\~&]|://|^- |^=")

    @staticmethod
    def saying(text: str) -> dict[str, Any]:
        """A document in which everybody says the same."""
        found = document(
            case(text, "fail", failure(message=text, program=[text, text], replay=text), case=text,
                 suite=text, log=[text]),
            case("c->rust", "fail", case=text, log=[text, text]),
            case("c->c", "skip", case=text, log=[text]), only=[text])
        found["lanes"]["check"]["lost"] = text
        found["lanes"]["check"]["console"] = [text]
        return found

    def test_size(self) -> None:
        """A page that nobody would be shown is cut, and says so."""
        cases = [case("c->rust", "fail", failure(program=["x" * 400] * 300), case=f"case{n}")
                 for n in range(60)]
        cases += [case("c->c", "skip", case=f"skip{n}", log=["y" * 300]) for n in range(2000)]
        page = markdown.page([document(*cases)], {})
        self.assertLess(len(page.encode()), 1 << 20)
        self.assertRegex(page, r"\n[0-9]+ failures more are in results.json\.")
        self.assertIn("1 lists of skips more", page)
        self.outside(page)


class TestGithub(unittest.TestCase):
    """report/github.py"""

    def place(self, *paths: str, **change: Any) -> str:
        """File and line of the one annotation of a document."""
        line, = github.commands(failed(*paths, **change))
        found = re.match(r"::error (?:file=([^,]*),line=(\d+),)?title=", line)
        assert found
        return f"{found[1]}:{found[2]}"

    def line_of(self, file: str, text: str) -> str:
        """The place of the first line of a file that has a text."""
        lines = (request.TOP / file).read_text().splitlines()
        return f"{file}:{1 + next(n for n, line in enumerate(lines) if text in line)}"

    def test_message(self) -> None:
        """Message, program, command; one line."""
        line, = github.commands(failed("c->rust", "rust->rust"))
        self.assertTrue(line.endswith(
            "title=x86_64 base%3A ring lockstep c->rust%2C rust->rust::"
            "step 1, push: 1 on c->rust, 0 on c->c%0A%0AThe smallest program found:%0A"
            "ring capacity=1%0Apush 0%0A%0AAgain: make run PAIR=ring PROGRAM=out/programs/ring-1"),
            line)
        line, = github.commands(failed("c->rust", program=["push 0"] * 99))
        self.assertIn("%0A... 79 lines more in results.json%0A%0AAgain: make", line)
        self.assertEqual(github.commands(document(case())), [])

    def test_implementation(self) -> None:
        """A difference is told of where the side that the path calls has the operation."""
        self.assertEqual(self.place("c->rust"), self.line_of("rust-stub/ring.rs", "fn push("))
        self.assertEqual(self.place("rust->c", operation="ring_push"),
                         self.line_of("kmod/ring.c", "ring_push("))
        self.assertEqual(self.place("c->rust", operation="nope"), "rust-stub/ring.rs:1")
        found = failed("c->rust", operation="put")
        found["pairs"] = {"registry": found["pairs"]["ring"]}
        self.assertIn(f"file={self.line_of(*CONTRACT).replace(':', ',line=')},",
                      github.commands(found)[0])
        self.assertEqual(self.place("c->rust", operation=None), "rust-stub/ring.rs:1")

    def test_same_line(self) -> None:
        """Failures of a case at one line are one annotation; of two lines, two."""
        found = document(case("c->rust", "fail", failure(), failure(program=["ring", "x"]),
                              failure(operation="pop")),
                         case("rust->rust", "fail", failure(what="state")))
        lines = github.commands(found)
        self.assertEqual(len(lines), 2)
        self.assertIn("lockstep c->rust%2C rust->rust::", lines[0])
        self.assertIn("%0A2 more of this case are in the summary.%0AAgain: ", lines[0])
        self.assertNotIn("more of this case", lines[1])

    def test_stack(self) -> None:
        """The pair's own lines come before those of others, and the engine's are not told."""
        stack = ["kp_make (kmod/engine/calls.c:4) kparity", "x (mm/slub.c:9)",
                 "main (tests/kunit/ring_kunit.c:7)", "push (rust-stub/ring.rs:12) kparity_ring"]
        self.assertEqual(self.place("c->rust", stack=stack), "rust-stub/ring.rs:12")
        self.assertEqual(self.place("c->rust", stack=stack[:3]), "tests/kunit/ring_kunit.c:7")
        self.assertEqual(self.place("c->rust", stack=stack[:2]),
                         self.line_of("rust-stub/ring.rs", "fn push("))

    def test_case(self) -> None:
        """An expectation of a case's own is told of where it is."""
        self.assertEqual(self.place("c->rust", what="case", operation=None, program=None,
                                    stack=["(tests/kunit/ring_kunit.c:144)"]),
                         "tests/kunit/ring_kunit.c:144")

    def test_diagnostics(self) -> None:
        """Each error of a compiler is one; files outside of the checkout are none of its."""
        said = [{"level": level, "message": "no", "code": None, "file": file, "line": 3,
                 "column": 1, "text": ["no", "  at"]}
                for level, file in (("error", f"{request.TOP}/rust-stub/ring.rs"),
                                    ("warning", "rust-stub/ring.rs"), ("error", "/etc/passwd"),
                                    ("error", "../../etc/passwd"), ("fatal error", None))]
        found = document(failures=[failure(stage="build", what="tools", diagnostics=said,
                                           pairs=["ring"])], verdict="fail")
        lines = github.commands(found)
        self.assertEqual([line.partition("title=")[0] for line in lines],
                         ["::error file=rust-stub/ring.rs,line=3,", *["::error "] * 3])
        self.assertIn("::no%0Ano%0A  at%0A%0AAgain: ", lines[0])

    @staticmethod
    def runner(line: str) -> tuple[dict[str, str], str]:
        """What GitHub's runner reads from a command: properties and message."""
        head, _, message = line.removeprefix("::error ").partition("::")
        properties = (one.partition("=") for one in head.split(","))
        return ({name: decoded(value, "0D", "0A", "3A", "2C", "25")
                 for name, _, value in properties}, decoded(message, "0D", "0A", "25"))

    def test_as_read(self) -> None:
        """The runner gets what was said, with the characters that a terminal shows."""
        for text in HOSTILE:
            if len(text) > 200:
                continue
            with self.subTest(text[:40]):
                clean = re.sub("[\ud800-\udfff\x00-\x08\x0a-\x1f\u2028\u202e]", "?", text)
                said, message = self.runner(github.command(text, [text, "%2C"], None))
                self.assertEqual((said, message), ({"title": clean}, f"{clean}\n%2C"))

    def test_hostile(self) -> None:
        """Each line is one command, with its own properties alone."""
        for text in HOSTILE:
            with self.subTest(text[:40]):
                found = TestMarkdown.saying(text)
                found["failures"] = [failure(diagnostics=[
                    {"level": "error", "message": text, "code": None, "file": text, "line": 1,
                     "column": 1, "text": [text]}], message=text, pairs=[text])]
                found["pairs"][text] = found["pairs"].pop("ring")
                lines = [*github.commands(found), github.missing(text, text)]
                self.assertEqual(len(lines), 4)
                for line in lines:
                    line.encode()
                    self.assertNotRegex(line, "[\x00-\x1f\x7f\u2028]")
                    self.assertRegex(line, r"^::error (file=[^,:]+,line=[0-9]+,)?title=[^,:]*::")
                    self.assertNotRegex(line, "%(?!25|0A|3A|2C)")


class TestReport(unittest.TestCase):
    """make report FORMAT=..."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name)

    def report(self, form: str) -> tuple[int, str, str]:
        """Exit status, standard output and error of a report on two cells."""
        req = request.parse([f"OUT={self.out}", "ARCH=all", "VARIANT=base", f"FORMAT={form}"], {})
        with contextlib.redirect_stdout(io.StringIO()) as said, \
                contextlib.redirect_stderr(io.StringIO()) as notes:
            status = verbs.carry_out("report", req)
        return status, said.getvalue(), notes.getvalue()

    def write(self, text: str, arch: str = "x86_64") -> None:
        """The results of a cell."""
        where = self.out / arch / "base" / files.RESULTS
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)

    def test_two(self) -> None:
        """Both cells are told; a failure that is told is no error of the report."""
        self.assertEqual(list(schema.unlike(failed("c->rust"))), [])
        self.write(json.dumps(failed("c->rust")))
        self.write(json.dumps(document(case(), arch="arm64")), "arm64")
        status, page, notes = self.report("markdown")
        self.assertEqual((status, notes), (0, ""))
        self.assertIn("1 of 2 cells passed", page)
        status, lines, _ = self.report("github")
        self.assertEqual((status, lines.count("::error ")), (0, 1))

    def test_newer(self) -> None:
        """A field more is no damage: it does not change what the others mean."""
        self.write(json.dumps({**document(case()), "more": {"x": 1}}))
        self.write(json.dumps(document(case(), arch="arm64")), "arm64")
        status, page, _ = self.report("markdown")
        self.assertEqual(status, 0)
        self.assertIn("2 of 2 cells passed", page)

    def test_missing(self) -> None:
        """A cell without results is told with the others, and the status says so."""
        self.write(json.dumps(document(case())))
        status, page, notes = self.report("markdown")
        self.assertEqual(status, 2)
        self.assertIn("kparity: ", notes)
        self.assertIn("1 of 2 cells passed, 1 gave no results", page)
        status, lines, _ = self.report("github")
        self.assertEqual(status, 2)
        self.assertIn("::error title=arm64 base::no results: ", lines)

    def test_damaged(self) -> None:
        """Results that are none: one line each, status 3, and the page is whole."""
        good = document(case())
        lists: list[Any] = [[], {}, 7, None, "x", {**good, "pairs": []}, {**good, "verdict": "x"},
                            {**good, "lanes": {"check": None}}, {**good, "schema": 1},
                            {**good, "arch": "arm64"}, {**good, "kernel": {"release": 7}},
                            failed("c->rust", program="x"), failed("c->rust", step=-1),
                            document(case(status="fine")), document(case(log="abc"))]
        for text in ("", "{", "\x00", "[" * 100000, *(json.dumps(one) for one in lists)):
            with self.subTest(text[:60]):
                self.write(text)
                self.write(json.dumps(document(case(), arch="arm64")), "arm64")
                status, page, notes = self.report("markdown")
                self.assertEqual(status, 3)
                self.assertEqual(len(notes.splitlines()), 1, notes)
                self.assertIn("1 of 2 cells passed, 1 gave no results", page)
                self.assertEqual(self.report("github")[0], 3)


if __name__ == "__main__":
    unittest.main()
