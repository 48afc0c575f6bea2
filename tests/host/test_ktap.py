# SPDX-License-Identifier: GPL-2.0
"""Verdicts from saved KTAP logs, through the kernel tree's own parser.

Each log in data/ is what debugfs gave for one suite, or what was left of it.
"""

import os
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

from kplib import ktap

DATA = Path(__file__).parent / "data"
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
        """One path failed: that path, and what it said."""
        got = self.judge("fail.ktap")
        self.assertEqual(got[("lockstep", "c->rust")], ktap.FAIL)
        self.assertEqual(got[("lockstep", "c->c")], ktap.PASS)
        text = ktap.merge({"ring": (DATA / "fail.ktap").read_text()})
        said = [v.log for v in ktap.verdicts(self.tree, ["ring"], text) if v.path == "c->rust"
                and v.status == ktap.FAIL]
        self.assertTrue(any("replay: make run" in line for line in said[0]))

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
        """The guest died inside a case: what ran keeps its verdict, the rest is an error."""
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

    def test_user_programs(self) -> None:
        """Programs in the guest: each line a result, and the exit status counts."""
        good = "KTAP version 1\n1..2\nok 1 open\nok 2 close\n"

        def judge(status: int, text: str) -> set[str]:
            doc = ktap.merge({"dev": ktap.wrap("dev", {"c": (0, good), "rust": (status, text)})})
            return {v.status for v in ktap.verdicts(self.tree, ["dev"], doc)}

        self.assertEqual(judge(0, good), {ktap.PASS})
        self.assertIn(ktap.FAIL, judge(1, good.replace("ok 2", "not ok 2")))
        self.assertNotEqual(judge(139, good), {ktap.PASS})
        for bad in ("", "nonsense\n", good.replace("ok 2 close\n", "")):
            self.assertIn(ktap.ERROR, judge(0, bad))

    def test_junit(self) -> None:
        """JUnit counts what KTAP says."""
        text = ktap.merge({"ring": (DATA / "fail.ktap").read_text()})
        root = ET.fromstring(ktap.junit(self.tree, text))
        self.assertEqual(len(root.findall(".//failure")), 2)
        self.assertGreaterEqual(len(root.findall(".//testcase")), 8)


if __name__ == "__main__":
    unittest.main()
