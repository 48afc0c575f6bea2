# SPDX-License-Identifier: GPL-2.0
"""A pair of the user's own whose operations return handles, and which of them are the same."""

import unittest

from .live import PairsTest, cases, needs_kernel

#: A port that makes an object for whoever asks: all that it shows is as it was.
SHARED = ".ok_or(EINVAL)?.clone();"
FRESH = ".ok_or(EINVAL)?.key;\n        let found = Arc::new(Interned { key: found }, GFP_ATOMIC)?;"

#: Two handles of one object, one of two, one given away and borrowed at once, none.
PROGRAM = """\
intern
get 3 #0
get 3 #2 # the same object
get 4 #1
larger #0 #1 #3
larger #1 #1 #0
key #0
put #3
key #3
"""


@needs_kernel
class TestHandles(PairsTest):
    """scripts/kparity run PAIR=intern PAIRS_DIR=..."""

    def test_right(self) -> None:
        """Both lanes pass, and so does a program that a person has written."""
        (self.pairs / "intern/regress").mkdir()
        (self.pairs / "intern/regress/all").write_text(PROGRAM)
        ended = self.kparity("intern", "ACCEL=tcg")
        self.assertEqual(ended.status, 0, ended.show())
        self.assertEqual({row["status"] for (_, case, _), row in cases(ended.results()).items()
                          if case == "regress"}, {"pass"})

    def test_identity(self) -> None:
        """Which handle is of the same object as another one is compared, and nothing else tells."""
        self.edit("intern/intern.rs", SHARED, FRESH)
        ended = self.kparity("intern", "ACCEL=tcg", "LANE=check")
        self.assertEqual(ended.status, 1, ended.show())
        rows = cases(ended.results())
        for path in ("c->c", "rust->c"):
            self.assertEqual(rows["intern", "lockstep", path]["status"], "pass")
        for path in ("c->rust", "rust->rust"):
            failures = rows["intern", "lockstep", path]["failures"]
            self.assertEqual([failure["what"] for failure in failures], ["output"])
            self.assertEqual(failures[0]["program"], ["intern", "get 0 #0", "get 0 #0"])
            reference, got = (result["steps"][1] for result in failures[0]["results"])
            self.assertEqual(reference.replace("#0 is what #0 was", "#0 is new"), got)

    def test_misspelt(self) -> None:
        """A word that is no handle is told with its line."""
        for line, told in (("get 3", "to: a handle, such as #0, is missing"),
                           ("key #4", "interned: not between #0 and #3"),
                           ("key #x", "interned: '#x' is no handle; one is #0")):
            program = self.folder / "program"
            program.write_text(f"intern\n{line}\n")
            ended = self.kparity("intern", "ACCEL=tcg", f"PROGRAM={program}")
            self.assertEqual(ended.status, 2, ended.show())
            self.assertIn(f"line 2: {told}", ended.noted)


if __name__ == "__main__":
    unittest.main()
