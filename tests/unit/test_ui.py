# SPDX-License-Identifier: GPL-2.0
"""Progress of several steps at once, on a terminal and off it."""

import io
import threading
import unittest
from unittest import mock

from kplib.common import ui


class TestSteps(unittest.TestCase):
    """kplib.common.ui"""

    def drawn(self, live: bool) -> str:
        """Text written while two steps run for a while, one within the other's time."""
        out = io.StringIO()
        with mock.patch("sys.stderr", out), mock.patch.object(ui, "live", lambda: live):
            with ui.step("first") as first:
                first.detail = "one"
                with ui.step("second") as second:
                    second.detail = "two"
                    threading.Event().wait(0.5)
                threading.Event().wait(0.3)
        return out.getvalue()

    def test_terminal(self) -> None:
        """One line, which is the first step's, and says that there are others."""
        said = self.drawn(True)
        self.assertRegex(said, r"\] first \(and 1 more\)  one")
        self.assertRegex(said, r"\] first  one")
        self.assertNotIn("] second", said)

    def test_log(self) -> None:
        """Whole lines, one for the beginning of each step, one for its end."""
        self.assertRegex(self.drawn(False), r"\A  first\n  second\n  second: 0\.5 s\n"
                                            r"  first: 0\.8 s\n\Z")

    def test_threads(self) -> None:
        """Lines of many threads do not run into each other."""
        out = io.StringIO()

        def work(number: int) -> None:
            for _ in range(50):
                ui.note(f"<{number}>" * 20)

        with mock.patch("sys.stderr", out), mock.patch.object(ui, "live", lambda: False):
            threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        lines = out.getvalue().splitlines()
        self.assertEqual(len(lines), 200)
        self.assertEqual(set(lines), {f"<{n}>" * 20 for n in range(4)})


if __name__ == "__main__":
    unittest.main()
