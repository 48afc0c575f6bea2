# SPDX-License-Identifier: GPL-2.0
"""Times of cases from saved consoles."""

import tempfile
import unittest
from pathlib import Path

from kplib.judge import times

DATA = Path(__file__).parent / "data/ktap"


class TestTimes(unittest.TestCase):
    """times.parse()"""

    def test_cases(self) -> None:
        """From a case's line to the next; a program's is that of all its tests."""
        got = times.parse((DATA / "check.console").read_bytes())
        self.assertEqual(got["ring", "lockstep", "c->c"], 0.053106)
        self.assertEqual(got["device_user", "c", ""], 0.342852)
        self.assertEqual(got["device_user", "rust", ""], 0.364785)

    def test_forged(self) -> None:
        """A line with another boot's word is somebody's words."""
        got = times.parse((DATA / "check.console").read_bytes())
        self.assertEqual(got["ring", "lockstep", "rust->c"], 0.076074)

    def test_lost_guest(self) -> None:
        """A case that ended its guest has no end, and the clock of the next guest starts again."""
        got = times.parse((DATA / "check.console").read_bytes())
        self.assertNotIn(("ring", "atomic", "rust->c"), got)
        self.assertEqual(got["ring", "atomic", "rust->rust"], 0.5)

    def test_lanes(self) -> None:
        """Suites of lane insn have names of their own; a lane without a console has no times."""
        got = times.of_lanes(DATA, ["insn"])
        self.assertEqual(got["ring_insn", "insn", "c->c"], 0.009393)
        self.assertGreater(len(times.of_lanes(DATA, ["check", "insn"])), len(got))
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(times.of_lanes(Path(folder), ["check"]), {})

    def test_noise(self) -> None:
        """Whatever a guest prints, nothing comes of it but numbers."""
        noise = b"\xff[ 1.0] kparity[]: at \n[    1.5] kparity[ab]: at a b c"
        self.assertEqual(times.parse(noise), {})


if __name__ == "__main__":
    unittest.main()
