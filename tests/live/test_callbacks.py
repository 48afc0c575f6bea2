# SPDX-License-Identifier: GPL-2.0
"""A pair whose object is made with a callback, or refused: who then ends the callback."""

import shutil
import tempfile
import unittest
from pathlib import Path

from .live import Run, cases, needs_kernel

PAIRS = Path(__file__).resolve().parent / "pairs"

#: Code in which C refuses an errand and ends its callback, which a C side can forget.
ENDS = "refuse:\n\trelease(data);\n"


@needs_kernel
class TestCallbacks(unittest.TestCase):
    """scripts/kparity run PAIR=errand PAIRS_DIR=..."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        shutil.copytree(PAIRS / "errand", self.folder / "pairs/errand")
        self.words = ("PAIR=errand", f"PAIRS_DIR={self.folder / 'pairs'}", "ACCEL=tcg")

    def test_right(self) -> None:
        """A callback is ended once by both sides, for callers in both languages."""
        ended = Run(self.folder / "out", *self.words).end()
        self.assertEqual(ended.status, 0, ended.show())

    def test_refused(self) -> None:
        """A C side that fails and leaves the callback to nobody is told of; Rust leaks nothing."""
        c = self.folder / "pairs/errand/errand.c"
        text = c.read_text()
        self.assertEqual(text.count(ENDS), 1)
        c.write_text(text.replace(ENDS, "refuse:\n"))
        ended = Run(self.folder / "out", *self.words, "LANE=check").end()
        self.assertEqual(ended.status, 1, ended.show())
        rows = cases(ended.results())
        self.assertEqual({path for (_, case, path), row in rows.items()
                          if case == "lockstep" and row["status"] == "fail"}, {"c->c"},
                         ended.show())
        self.assertIn("this path broke its contract: released_once",
                      "\n".join(rows["errand", "lockstep", "c->c"]["log"]))


if __name__ == "__main__":
    unittest.main()
