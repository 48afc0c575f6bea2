# SPDX-License-Identifier: GPL-2.0
"""make soak with real guests: a planted bug is found once, and Ctrl-C keeps what there is."""

import json
import signal
import unittest
from pathlib import Path
from typing import Any

from kplib.common.errors import FAILED, REFUSED

from .live import PairsTest, Run, cases, needs, needs_kernel

#: What slate_write() takes, and one that refuses what just fits.
FITS, SMALLER = "if (len <= slate->size - slate->used) {", "if (len < slate->size - slate->used) {"


@needs_kernel
@needs("base", seconds=40)
class TestSoak(PairsTest):
    """scripts/kparity soak PAIR=slate"""

    def soak(self) -> tuple[Path, dict[str, Any]]:
        """The folder of the last soak, and its results."""
        folder = max((self.out / "soak").iterdir())
        found: dict[str, Any] = json.loads((folder / "results.json").read_text())
        return folder, found

    def test_planted(self) -> None:
        """A bug that each seed shows is one kind, saved once, and its program shows it again."""
        self.edit("slate/slate.c", FITS, SMALLER)
        ended = self.kparity("slate", "SEEDS=3", "LANE=check", "CASE=lockstep", verb="soak")
        self.assertEqual(ended.status, FAILED, ended.show())
        folder, found = self.soak()
        self.assertEqual(sorted((run["seed"], run["verdict"]) for run in found["runs"]),
                         [(seed, "fail") for seed in (1, 2, 3)])
        self.assertEqual(found["kinds"], [json.loads(path.read_text()) for path in sorted(
            folder.glob("failures/*.json"), key=lambda path: int(path.name.split("-")[0]))])
        every = [kind for kind in found["kinds"] if len(kind["seeds"]) == 3]
        self.assertTrue(every, ended.show())
        (program, *_) = [one["program_file"] for one in every[0]["failures"]]
        self.assertIn(f"again: {every[0]['failures'][0]['replay']}", ended.said)
        again = self.kparity("slate", f"PROGRAM={program}")
        self.assertEqual(again.status, FAILED, again.show())
        self.assertIn("fail", {row["status"] for row in cases(again.results()).values()})

    @needs("arm64 base", seconds=40)
    def test_order(self) -> None:
        """Lane order reads types from objects, which a soak has beside its copied modules."""
        ended = self.kparity("slate", "ARCH=arm64", "SEEDS=1", "LANE=order", verb="soak")
        self.assertEqual(ended.status, 0, ended.show())
        _, found = self.soak()
        self.assertEqual([(run["lane"], run["verdict"]) for run in found["runs"]],
                         [("order", "pass")])
        self.assertEqual(found["kinds"], [])

    def test_interrupted(self) -> None:
        """Fresh seeds run until Ctrl-C; what has ended is in the results, and nothing is left."""
        run = Run(self.out, "PAIR=slate", f"PAIRS_DIR={self.pairs}", "MINUTES=60", "LANE=check",
                  verb="soak")
        self.addCleanup(run.close)
        run.until("two runs have ended", lambda: run.noted.count(": ok, ") >= 2)
        run.qemu()
        run.signal(signal.SIGINT)
        ended = run.end(20)
        self.assertEqual(ended.status, 130, ended.show())
        folder, found = self.soak()
        self.assertEqual((found["verdict"], found["ended"]), ("interrupted", "interrupted"))
        self.assertGreaterEqual(len(found["runs"]), 2)
        seeds = [one["seed"] for one in found["runs"]]
        self.assertEqual(len(set(seeds)), len(seeds))
        self.assertGreater(found["totals"]["calls"], 1000)
        self.assertEqual([path.name for path in folder.iterdir()], ["results.json"])
        self.assertIn("soak: INTERRUPTED", ended.said)

    def test_refused(self) -> None:
        """No time at all, and more guests than there are cores: one line."""
        for words, why in (((), "give MINUTES=30"), (("SEEDS=1", "JOBS=999"), "at most")):
            run = Run(self.out, "PAIR=slate", f"PAIRS_DIR={self.pairs}", *words, verb="soak")
            self.addCleanup(run.close)
            ended = run.end()
            self.assertEqual(ended.status, REFUSED, ended.show())
            self.assertRegex(ended.noted, why)
            self.assertEqual(ended.noted.count("\n"), 1, ended.show())


if __name__ == "__main__":
    unittest.main()
