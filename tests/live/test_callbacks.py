# SPDX-License-Identifier: GPL-2.0
"""A pair whose object is made with a callback, or refused: who then ends the callback."""

import unittest

from .live import PairsTest, cases, needs_kernel

#: Code in which C refuses an errand and ends its callback, which a C side can forget.
ENDS = "refuse:\n\trelease(data);\n"


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


if __name__ == "__main__":
    unittest.main()
