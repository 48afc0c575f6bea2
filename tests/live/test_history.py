# SPDX-License-Identifier: GPL-2.0
"""Case history: operations of two threads at the same time, on the tests' pair slate."""

import unittest

from kplib.selftest import schema

from .live import PairsTest, cases, needs, needs_kernel
from .test_interrupt import LOCKED, UNLOCKED

#: A lock that keeps threads of its own CPU away alone.
ONE_CPU = LOCKED.replace("spin_lock(&slate->lock)", "preempt_disable()").replace(
    "spin_unlock(&slate->lock)", "preempt_enable()")


@needs_kernel
@needs("base", seconds=30)
class TestHistory(PairsTest):
    """scripts/kparity run PAIR=slate LANE=history"""

    def test_unlocked(self) -> None:
        """A lock that one operation does not take shows, as a program that runs again."""
        self.edit("slate/slate.c", LOCKED, UNLOCKED)
        ended = self.kparity("slate", "LANE=history")
        self.assertEqual(ended.status, 1, ended.show())
        self.assertEqual(list(schema.unlike(ended.results())), [])
        rows = cases(ended.results())
        for path in ("c->c", "rust->c"):
            row = rows["slate_history", "history", path]
            self.assertEqual(row["status"], "fail", ended.show())
            for failure in row["failures"]:
                self.assertEqual((failure["what"], failure["stage"]), ("history", "run"))
                threads = {line[:3] for line in failure["program"] if line[1:3] == ": "}
                self.assertEqual(threads, {"1: ", "2: "}, failure["program"])
        for path in ("c->rust", "rust->rust"):
            self.assertEqual(rows["slate_history", "history", path]["status"], "pass")
        file = rows["slate_history", "history", "c->c"]["failures"][0]["program_file"]
        again = self.kparity("slate", f"PROGRAM={file}")
        self.assertEqual(again.status, 1, again.show())
        self.assertEqual({path for (suite, _, path), row in cases(again.results()).items()
                          if row["status"] == "fail" and suite == "slate_history"},
                         {"c->c", "rust->c"})

    def test_two_cpus(self) -> None:
        """What is right on one CPU is told where it is not on two."""
        self.edit("slate/slate.c", LOCKED, ONE_CPU)
        ended = self.kparity("slate", "LANE=history")
        failed = {path for (_, _, path), row in cases(ended.results()).items()
                  if row["status"] == "fail"}
        self.assertEqual(failed, {"c->c", "rust->c"}, ended.show())

    def test_place_by_place(self) -> None:
        """A program of two operations goes wrong at one of their places, none of which is drawn."""
        self.edit("slate/slate.c", LOCKED, ONE_CPU)
        program = self.folder / "program"
        program.write_text("slate size=4 kind=SLATE_PLAIN\n1: put 65\n2: put 66\n")
        ended = self.kparity("slate", "LANE=history", f"PROGRAM={program}")
        found = ended.results()
        rows, done = cases(found), found["pairs"]["slate"]["histories"]
        for path in ("c->c", "rust->c"):
            self.assertEqual(rows["slate_history", "history", path]["status"], "fail", ended.show())
            self.assertEqual(done[path]["tried"], 0, ended.show())
            self.assertGreater(done[path]["places"], 0)
        for path in ("c->rust", "rust->rust"):
            self.assertEqual(rows["slate_history", "history", path]["status"], "pass", ended.show())
            self.assertEqual(done[path]["meetings"], 16, ended.show())

    def test_refused(self) -> None:
        """Programs that are none, or that no contract allows, are told in one line."""
        for text, told in (
                ("slate size=1 kind=SLATE_PLAIN\n1: put 65\nput 65\n",
                 "operations of threads, such as '1: ...', come last"),
                ("slate size=1 kind=SLATE_PLAIN\n1: put 65\n4: put 65\n2: put 66\n",
                 "threads are 1 and 2, and what their callback does is 3"),
                ("slate size=1 kind=SLATE_PLAIN\n1: during put 65\n2: cut 1\n1: cut 1\n",
                 "'during' is for a program without threads")):
            program = self.folder / "program"
            program.write_text(text)
            ended = self.kparity("slate", f"PROGRAM={program}")
            self.assertEqual(ended.status, 2, ended.show())
            self.assertRegex(ended.noted, told)


if __name__ == "__main__":
    unittest.main()
