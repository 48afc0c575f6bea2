# SPDX-License-Identifier: GPL-2.0
"""Verdicts from saved KTAP logs, through the kernel tree's own parser.

Each log in data/ktap/ is what debugfs gave for one suite, or what was left of it;
program*.ktap are what a user program printed.
"""

import os
import re
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

from kplib.judge import ktap

DATA = Path(__file__).parent / "data/ktap"
TREE = os.environ.get("KPARITY_TREE")


@unittest.skipUnless(TREE, "KPARITY_TREE names no kernel tree; 'make test' sets it")
class TestVerdicts(unittest.TestCase):
    """ktap.verdicts()"""

    tree = Path(TREE or "")

    def judge(self, log: str, suite: str = "ring") -> dict[tuple[str, str], str]:
        """Status by case and path."""
        text = ktap.merge({suite: (DATA / log).read_text(errors="replace")})
        return {(v.case, v.path): v.status for v in ktap.verdicts(self.tree, [suite], text)}

    def test_pass(self) -> None:
        """Every path of every case, and nothing else."""
        got = self.judge("pass.ktap")
        self.assertEqual(set(got.values()), {ktap.PASS})
        self.assertEqual(len(got), 8)
        self.assertIn(("lockstep", "rust->c"), got)

    def test_fail(self) -> None:
        """One path failed: that path, and its log."""
        got = self.judge("fail.ktap")
        self.assertEqual(got[("lockstep", "c->rust")], ktap.FAIL)
        self.assertEqual(got[("lockstep", "c->c")], ktap.PASS)
        text = ktap.merge({"ring": (DATA / "fail.ktap").read_text()})
        said = [v.log for v in ktap.verdicts(self.tree, ["ring"], text) if v.path == "c->rust"
                and v.status == ktap.FAIL]
        self.assertTrue(any("replay: make run" in line for line in said[0]))

    def test_slow(self) -> None:
        """That a case took long makes its log no other one."""
        text = (DATA / "fail.ktap").read_text()
        end = "    # lockstep: EXPECTATION FAILED at kmod/engine/cases.c:60\n"
        said = "    # lockstep: Test should be marked slow (runtime: 2.6s)\n"
        slow = text.replace(end, end + said)
        self.assertNotEqual(slow, text)
        self.assertEqual(*(ktap.verdicts(self.tree, ["ring"], ktap.merge({"ring": each}))
                           for each in (text, slow)))

    def test_skip(self) -> None:
        """A skip is no failure and keeps its reason."""
        got = self.judge("skip.ktap")
        self.assertEqual(got[("lockstep", "c->c")], ktap.SKIP)
        self.assertNotIn(ktap.FAIL, got.values())
        self.assertNotIn(ktap.ERROR, got.values())
        text = ktap.merge({"ring": (DATA / "skip.ktap").read_text()})
        skipped = [v for v in ktap.verdicts(self.tree, ["ring"], text) if v.status == ktap.SKIP]
        self.assertEqual([v.log for v in skipped], [("no such lane",)])

    def test_crash(self) -> None:
        """The guest died inside a case: paths that ran keep their verdicts, others are errors."""
        got = self.judge("crash.ktap")
        self.assertEqual(got[("lockstep", "c->c")], ktap.PASS)
        self.assertIn(ktap.ERROR, got.values())

    def test_truncated(self) -> None:
        """A plan that is not filled never passes, wherever the log ends."""
        whole = (DATA / "pass.ktap").read_text().splitlines(keepends=True)
        for end in range(len(whole) - 1):
            text = ktap.merge({"ring": "".join(whole[:end])})
            statuses = {v.status for v in ktap.verdicts(self.tree, ["ring"], text)}
            self.assertIn(ktap.ERROR, statuses, f"cut after line {end}")

    def test_garbage(self) -> None:
        """Noise is an error, not a pass and not a traceback."""
        self.assertEqual(set(self.judge("garbage.ktap").values()), {ktap.ERROR})

    def test_absent(self) -> None:
        """A suite that was planned and is not there."""
        text = ktap.merge({"ring": (DATA / "pass.ktap").read_text()})
        got = ktap.verdicts(self.tree, ["ring", "idalloc"], text)
        self.assertEqual([v.suite for v in got if v.status == ktap.ERROR], ["idalloc"])

    def test_settled_without_a_plan(self) -> None:
        """A suite of which no plan is known, as that of a user program, stays as it is."""
        text = (DATA / "pass.ktap").read_text()
        self.assertEqual(ktap.settle(text, "ring", []), text)

    def test_settled(self) -> None:
        """Lines that a case prints or takes away harm its own paths alone."""
        def case(number: int, name: str, said: str) -> str:
            return ("        KTAP version 1\n        # Subtest: {1}\n        1..2\n{2}"
                    "    ok {0} {1}\n").format(number, name, said)

        def judged(said: str) -> dict[tuple[str, str], str]:
            text = ("KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n"
                    + case(1, "a", said) + case(2, "b", good) + "ok 1 s\n")
            text = ktap.settle(text, "s", [(c, p) for c in "ab" for p in ("x", "y")])
            return {(v.case, v.path): v.status
                    for v in ktap.verdicts(self.tree, ["s"], ktap.merge({"s": text}))}

        good = "        ok 1 x\n        ok 2 y\n"
        passed = {(c, p): "pass" for c in "ab" for p in ("x", "y")}
        self.assertEqual(judged(good), passed)
        for said in ("ok 1 s\n", "1..0\n", "Bail out!\n", "    ok 1 c\n", "KTAP version 1\n",
                     "        ok 3 z\n", "    # Subtest: b\n        1..9\n"):
            self.assertEqual(judged(said + good), passed, said)
        # A second result, and one that is gone; nobody believes, or misses, another's.
        self.assertEqual(judged("        ok 2 y\n" + good), {**passed, ("a", "y"): "fail"})
        gone = judged("        ok 2 y\n")
        self.assertEqual(gone, {k: v for k, v in passed.items() if k != ("a", "x")})
        # Where the cases' own lines are in doubt, nothing is mended.
        self.assertNotEqual(judged("    ok 2 b\n" + good), passed)

    def program(self, status: int, log: str, other: str = "program.ktap") -> \
            dict[str, ktap.Verdict]:
        """Verdicts on a program that ended like that on side rust, and well on side c."""
        said = {"c": (0, (DATA / other).read_text()), "rust": (status, (DATA / log).read_text())}
        doc = ktap.merge({"dev": ktap.wrap("dev", said)})
        found = ktap.verdicts(self.tree, ["dev"], doc)
        self.assertEqual(len(found), len({(v.case, v.path) for v in found}), "one verdict each")
        self.assertFalse([v for v in found if "more than one result" in v.log], found)
        return {v.path: v for v in found if v.case == "rust"}

    def test_program(self) -> None:
        """Each line a result, and the exit status counts."""
        got = self.program(0, "program.ktap")
        self.assertEqual({path: v.status for path, v in got.items()},
                         {"open": ktap.PASS, "ioctl": ktap.PASS, "close": ktap.PASS})
        got = self.program(1, "program-fail.ktap")
        self.assertEqual({path: v.status for path, v in got.items()},
                         {"open": ktap.PASS, "ioctl": ktap.FAIL, "close": ktap.PASS})
        self.assertEqual(got["ioctl"].log, ("line 57: ioctl(fd) == 0 (errno 22)",))
        got = self.program(1, "program.ktap")
        self.assertEqual((got[""].status, got[""].log),
                         (ktap.FAIL, ("exit status 1, 3 of 3 results",)))

    def test_program_incomplete(self) -> None:
        """How it ended, and how many results it should have had, as the other side had them."""
        for status, log, why in (
                (139, "program-cut.ktap", "killed by signal 11 (SIGSEGV), 1 of 3 results"),
                (0, "program-cut.ktap", "exit status 0, 1 of 3 results"),
                (139, "program-empty.ktap",
                 "killed by signal 11 (SIGSEGV), 0 of 3 results (as c announced)"),
                (0, "program-empty.ktap", "exit status 0, 0 of 3 results (as c announced)"),
                (7, "program-noise.ktap", "exit status 7, 0 of 3 results (as c announced)"),
                (0, "program-short.ktap", "exit status 0, 1 of 3 results (as c announced)")):
            with self.subTest(log, status=status):
                got = self.program(status, log)[""]
                self.assertEqual(got.status, ktap.ERROR)
                self.assertIn(why, got.log)
        self.assertIn("Segmentation fault", self.program(7, "program-noise.ktap")[""].log)

    def test_programs_all_silent(self) -> None:
        """Nobody knows then how many results there should be."""
        got = self.program(139, "program-empty.ktap", other="program-empty.ktap")[""]
        self.assertIn("killed by signal 11 (SIGSEGV), it announced no results", got.log)
        self.assertEqual(ktap.ended(200), "killed by signal 72 (unknown)")

    def test_headers(self) -> None:
        """The header that KUnit prints is no part of a case's log; a copy of it is."""
        text = ktap.settle((DATA / "headers.ktap").read_text(), "ring", [
            (case, path) for case in ("lockstep", "invariants")
            for path in ("c->c", "c->rust", "rust->c", "rust->rust")])
        got = {(v.case, v.path): v for v in
               ktap.verdicts(self.tree, ["ring"], ktap.merge({"ring": text}))}
        self.assertEqual(got["lockstep", "c->c"].log,
                         ("EXPECTATION FAILED at kmod/engine/cases.c:60",
                          "    ring: c->c differs from itself"))
        self.assertEqual(got["lockstep", "rust->c"].log[0], "KTAP version 1")
        self.assertEqual(got["invariants", "c->c"].log, ())
        xml = ktap.junit(self.tree, ktap.render(list(got.values())))
        self.assertEqual(xml.count("KTAP version"), 1)
        self.assertNotIn("Subtest", xml)

    def test_forged(self) -> None:
        """A case that prints a result of its own cannot replace the real one."""
        log = (DATA / "fail.ktap").read_text()
        forged = re.sub(r"(?m)^( *)not ok (\d+) c->rust$",
                        r"\1not ok \2 c->rust\n\1ok \2 c->rust", log)
        self.assertNotEqual(forged, log)
        got = ktap.verdicts(self.tree, ["ring"], ktap.merge({"ring": forged}))
        self.assertEqual({v.status for v in got if v.path == "c->rust" and v.case == "lockstep"},
                         {ktap.ERROR})

    def test_case_line(self) -> None:
        """A case whose own line fails has failed, whatever its paths say."""
        log = (DATA / "fail.ktap").read_text()
        got = ktap.verdicts(self.tree, ["ring"], ktap.merge(
            {"ring": re.sub(r"(?m)^( {8})not ok ", r"\1ok ", log)}))
        self.assertIn(("lockstep", "", ktap.FAIL), {(v.case, v.path, v.status) for v in got})

    def test_nested(self) -> None:
        """Levels without end are an error, not the end of the parser."""
        log = (DATA / "pass.ktap").read_text()
        nested = "".join(" " * (4 * n) + "KTAP version 1\n" for n in range(2000))
        got = ktap.verdicts(self.tree, ["ring"], ktap.merge({"ring": log + nested}))
        self.assertEqual({v.status for v in got}, {ktap.ERROR})

    def test_long_log(self) -> None:
        """The part of a log that is shown is bounded."""
        lines = "".join(f"        # lockstep: {n} {'x' * 5000}\n" for n in range(5000))
        first = "        not ok"
        log = (DATA / "fail.ktap").read_text().replace(first, lines + first, 1)
        got = ktap.verdicts(self.tree, ["ring"], ktap.merge({"ring": log}))
        self.assertLess(sum(len(line) for v in got for line in v.log), 1300000)
        more = [v.log[-1] for v in got if v.log and v.log[-1].startswith("...")]
        self.assertEqual(more, ["... 4421 lines more in logs/ring.ktap"])

    def test_render(self) -> None:
        """Verdicts written as KTAP read back the same, and make valid XML."""
        found = [ktap.Verdict("ring", "lockstep", path, status, log) for path, status, log in (
            ("c->c", ktap.PASS, ()), ("c->rust", ktap.FAIL, ("\x1b[2J <&]]> \ufffe", "ok 1 x")),
            ("rust->c", ktap.SKIP, ("no # reason",)), ("rust->rust", ktap.ERROR, ("lost",)))]
        found += [ktap.Verdict("ring", "", "", ktap.ERROR, ("unloading it",)),
                  ktap.Verdict("ring", "all", "c->c", ktap.PASS, ()),
                  ktap.Verdict("ring", "all", "", ktap.ERROR, ("incomplete",)),
                  ktap.Verdict("ring_insn", "insn", "c->c", ktap.PASS, ())]
        text = ktap.render(found)
        suites = ktap.parse(self.tree, text).subtests
        self.assertEqual([s.name for s in suites], ["ring", "ring_insn"])
        self.assertEqual([c.name for c in suites[0].subtests], ["lockstep", "suite", "all"])
        self.assertEqual([p.status.name for p in suites[0].subtests[0].subtests],
                         ["SUCCESS", "FAILURE", "SKIPPED", "FAILURE"])
        self.assertEqual(ktap.parse(self.tree, text).counts.errors, 0)
        root = ET.fromstring(ktap.junit(self.tree, text))
        self.assertEqual(len(root.findall(".//failure")), 4)

    def test_junit(self) -> None:
        """JUnit counts what KTAP says, and names class and time of each result."""
        text = ktap.merge({"ring": (DATA / "fail.ktap").read_text()})
        times: ktap.Seconds = {("ring", "lockstep", "c->c"): 0.25,
                               ("ring", "lockstep", "c->rust"): 0.5}
        root = ET.fromstring(ktap.junit(self.tree, text, "x86_64.base", times))
        self.assertEqual(len(root.findall(".//failure")), 2)
        cases = root.findall(".//testcase")
        self.assertEqual(len(cases), 8)
        self.assertEqual((cases[1].get("name"), cases[1].get("classname"), cases[1].get("time")),
                         ("c->rust", "x86_64.base.ring.lockstep", "0.500000"))
        self.assertEqual(cases[2].get("time"), "0.000000")
        self.assertEqual([root.get("name"), root.get("time")], ["x86_64.base", "0.750000"])
        self.assertIn("guest's clock", root.findall(".//property")[0].get("value") or "")
        self.assertNotIn("# c->rust:", ET.tostring(root, encoding="unicode"))

    def test_junit_of_programs(self) -> None:
        """Tests of a program have its class, and it has their time."""
        good = (DATA / "program.ktap").read_text()
        text = ktap.merge({"dev_user": ktap.wrap("dev_user", {"c": (0, good)})})
        root = ET.fromstring(ktap.junit(self.tree, text, "p", {("dev_user", "c", ""): 0.5}))
        self.assertEqual({case.get("classname") for case in root.iter("testcase")},
                         {"p.dev_user.c"})
        self.assertEqual([s.get("time") for s in root.iter("testsuite") if s.get("name") == "c"],
                         ["0.500000"])


if __name__ == "__main__":
    unittest.main()
