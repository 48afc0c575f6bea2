# SPDX-License-Identifier: GPL-2.0
"""A pair whose object is made with a callback, or refused: who then ends the callback."""

import unittest

from kplib.selftest import schema

from .live import PairsTest, cases, needs, needs_kernel

#: Code in which C refuses an errand and ends its callback, which a C side can forget.
ENDS = "refuse:\n\trelease(data);\n"
#: The lock goes before C calls back; or behind that, or what was read before counts then.
UNLOCKED = """\
	goes = errand->left;
	errand->left -= goes;
	errand->done += goes;
	spin_unlock(&errand->lock);
	if (goes)
		errand->fn(errand->data);
"""
LOCKED = """\
	goes = errand->left;
	errand->left -= goes;
	errand->done += goes;
	if (goes)
		errand->fn(errand->data);
	spin_unlock(&errand->lock);
"""


@needs_kernel
class TestCallbacks(PairsTest):
    """scripts/kparity run PAIR=errand PAIRS_DIR=..."""

    def test_right(self) -> None:
        """A callback is ended once by both sides, for callers in both languages."""
        ended = self.kparity("errand", "ACCEL=tcg")
        self.assertEqual(ended.status, 0, ended.show())

    def test_refused(self) -> None:
        """A C side that fails and leaves the callback to nobody is told of; Rust leaks nothing."""
        self.edit("errand/errand.c", ENDS, "refuse:\n")
        ended = self.kparity("errand", "ACCEL=tcg", "LANE=check")
        self.assertEqual(ended.status, 1, ended.show())
        rows = cases(ended.results())
        self.assertEqual({path for (_, case, path), row in rows.items()
                          if case == "lockstep" and row["status"] == "fail"}, {"c->c"},
                         ended.show())
        self.assertIn("this path broke its contract: released_once",
                      "\n".join(rows["errand", "lockstep", "c->c"]["log"]))


@needs_kernel
@needs("base", seconds=60)
class TestInside(PairsTest):
    """scripts/kparity run PAIR=errand LANE=history"""

    def given(self, text: str, pair: str = "errand") -> tuple[int, str]:
        """Run a program of the lane: the exit status, and all that was said."""
        program = self.folder / "program"
        program.write_text(text)
        ended = self.kparity(pair, f"PROGRAM={program}", "ACCEL=tcg")
        return ended.status, ended.show()

    def test_right(self) -> None:
        """Callbacks carry operations out on all paths, and these are counted."""
        ended = self.kparity("errand", "LANE=history", "ACCEL=tcg")
        self.assertEqual(ended.status, 0, ended.show())
        self.assertEqual(list(schema.unlike(ended.results())), [])
        for path, done in ended.results()["pairs"]["errand"]["histories"].items():
            self.assertGreater(done["inside"], 50, path)
        self.assertIn("in callbacks", ended.said)

    def test_locked(self) -> None:
        """A lock that is held across the callback takes the guest with it; a program is named."""
        self.edit("errand/errand.c", UNLOCKED, LOCKED)
        ended = self.kparity("errand", "LANE=history", "ACCEL=tcg")
        self.assertEqual(ended.status, 3, ended.show())
        rows = cases(ended.results())
        row = rows["errand_history", "history", "c->c"]
        self.assertEqual(row["status"], "error", ended.show())
        lost = [failure for failure in row["failures"] if failure["program"]]
        self.assertTrue(lost, ended.show())
        self.assertTrue([line for line in lost[0]["program"] if line.startswith("3: ")], lost)
        self.assertIn("an operation that a callback carries out does not return", ended.show())
        self.assertEqual(rows["errand_history", "history", "rust->rust"]["status"], "error",
                         "C over C is its reference")

    def test_written_back(self) -> None:
        """What C has read before the callback, and writes back behind it, is of no order."""
        self.edit("errand/errand.c", UNLOCKED, UNLOCKED.replace(
            "errand->left -= goes;\n", "left = errand->left - goes;\n") +
            "\terrand->left = left;\n")
        self.edit("errand/errand.c", "\tbool goes;\n", "\tbool goes;\n\tu32 left;\n")
        ended = self.kparity("errand", "LANE=history", "ACCEL=tcg")
        self.assertEqual(ended.status, 1, ended.show())
        rows = cases(ended.results())
        failures = rows["errand_history", "history", "c->rust"]["failures"]
        self.assertTrue(failures, ended.show())
        self.assertTrue([line for line in failures[0]["program"] if line.startswith("3: ")])
        self.assertIn("(it is entered)", ended.said)

    def test_given(self) -> None:
        """A program's third column; one whose callback never runs ends all the same."""
        for text in ("errand times=3 task=0\n1: go\n2: left\n3: go\n3: left\n",
                     "errand times=1 task=0\ngo\n1: go\n2: left\n3: left\n"):
            with self.subTest(text):
                status, shown = self.given(text)
                self.assertEqual(status, 0, shown)

    def test_unfit(self) -> None:
        """A third column that nothing can carry out is told in one line."""
        for pair, text, told in (
                ("errand", "errand times=3 task=0\n1: left\n2: left\n3: left\n",
                 "none of its threads has an operation that has the callback run"),
                ("slate", "slate size=1 kind=SLATE_PLAIN\n1: put 65\n2: put 66\n3: put 67\n",
                 "no operation of the pair has a callback run"),
                ("deferred", "deferred task=0\n1: flush\n2: runs\n3: cancel_sync\n",
                 "by its contract no callback calls one of its operations")):
            with self.subTest(text):
                status, shown = self.given(text, pair)
                self.assertEqual(status, 1, shown)
                self.assertIn(told, shown)


if __name__ == "__main__":
    unittest.main()
