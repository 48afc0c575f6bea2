# SPDX-License-Identifier: GPL-2.0
"""Case interrupt: operations that another one comes into, on the tests' pair slate."""

import unittest

from kplib.selftest import schema

from .live import PairsTest, cases, needs, needs_kernel

#: slate_put() with its lock, and without it.
LOCKED = """\
	spin_lock(&slate->lock);
	if (slate->used < slate->size) {
		slate_put_locked(slate, c);
		err = 0;
	}
	spin_unlock(&slate->lock);
"""
UNLOCKED = """\
	if (slate->used < slate->size) {
		slate_put_locked(slate, c);
		err = 0;
	}
"""
#: A port that never ends where another one holds its lock, and how that is told.
SPINS = "        let mut text = loop {\n            if let Some(text) = self.text.try_lock() " \
    "{\n                break text;\n            }\n        };\n"


@needs_kernel
@needs("base", seconds=60)
class TestInterrupt(PairsTest):
    """scripts/kparity run PAIR=slate LANE=irq"""

    def test_unlocked(self) -> None:
        """A lock that one operation does not take shows, as a program that runs again."""
        self.edit("slate/slate.c", LOCKED, UNLOCKED)
        ended = self.kparity("slate", "LANE=irq")
        self.assertEqual(ended.status, 1, ended.show())
        self.assertEqual(list(schema.unlike(ended.results())), [])
        rows = cases(ended.results())
        for path in ("c->c", "rust->c"):
            row = rows["slate_irq", "interrupt", path]
            self.assertEqual(row["status"], "fail")
            found = {(f["operation"], f["program"][-1].split()[0]) for f in row["failures"]}
            self.assertIn(("put", "put"), found)
            for failure in row["failures"]:
                self.assertEqual((failure["what"], failure["stage"]), ("interrupt", "run"))
                self.assertTrue(failure["program"][-2].startswith("during "), failure["program"])
                self.assertLessEqual(len(failure["program"]), 4, failure["program"])
                self.assertIn("slate.c:", failure["results"][1]["steps"][0])
        for path in ("c->rust", "rust->rust"):
            self.assertEqual(rows["slate_irq", "interrupt", path]["status"], "pass")
        file = rows["slate_irq", "interrupt", "c->c"]["failures"][0]["program_file"]
        again = self.kparity("slate", f"PROGRAM={file}")
        self.assertEqual(again.status, 1, again.show())
        self.assertEqual({path for (_, _, path), row in cases(again.results()).items()
                          if row["status"] == "fail"}, {"c->c", "rust->c"})

    def test_context(self) -> None:
        """A lock that an interrupt may want is told where it is held with interrupts on."""
        self.edit("slate/contract.h", "slate_cut, PROCESS", "slate_cut, ANY")
        ended = self.kparity("slate", "LANE=irq", "DEPTH=usual")
        self.assertEqual(ended.status, 1, ended.show())
        for (_, _, path), row in cases(ended.results()).items():
            broken = {f["broken"][0]["what"] for f in row["failures"]}
            self.assertEqual(broken, {"waits for a spinlock of what it has interrupted, for ever"},
                             f"{path}: {ended.show()}")
        self.assertEqual(ended.results()["lanes"]["irq"]["boots"], 1)

    def test_spin(self) -> None:
        """A loop of the port's own that never ends is told within seconds, with its program."""
        self.edit("slate/contract.h", "slate_cut, PROCESS", "slate_cut, ANY")
        self.edit("slate/slate.rs", "        let mut text = self.text.lock();\n\n        *nr",
                  f"{SPINS}\n        *nr")
        ended = self.kparity("slate", "LANE=irq", "SILENCE=20")
        rows = cases(ended.results())
        row = rows["slate_irq", "interrupt", "rust->rust"]
        self.assertEqual(row["status"], "error", ended.show())
        self.assertIn("the guest hung: nothing for 2 s", row["log"][0])
        (failure,) = row["failures"]
        self.assertTrue(failure["program"][-2].startswith("during "), failure["program"])
        self.assertTrue(failure["program"][-1].startswith("cut "), failure["program"])

    def test_refused(self) -> None:
        """Programs that are none, or that no contract allows, are told in one line."""
        for text, told in (
                ("slate size=1 kind=SLATE_PLAIN\nduring put 65\ncut 1\ncut 1\n",
                 "one operation, the last one, follows the one behind 'during'"),
                ("slate size=1 kind=SLATE_PLAIN\nput 65\nduring\ncut 1\n",
                 "has no operation|word is missing")):
            program = self.folder / "program"
            program.write_text(text)
            ended = self.kparity("slate", f"PROGRAM={program}")
            self.assertEqual(ended.status, 2, ended.show())
            self.assertRegex(ended.noted, told)


if __name__ == "__main__":
    unittest.main()
