# SPDX-License-Identifier: GPL-2.0
"""Progress of several steps at once, on a terminal and off it."""

import io
import threading
import time
import unittest
from unittest import mock

from kplib.common import ui


class TestSteps(unittest.TestCase):
    """kplib.common.ui"""

    def test_terminal(self) -> None:
        """One line, which is the first step's, and says that there are others."""
        out = io.StringIO()

        def drawn(text: str) -> None:
            end = time.monotonic() + 60
            while text not in out.getvalue() and time.monotonic() < end:
                time.sleep(0.01)
            self.assertIn(text, out.getvalue())

        with mock.patch("sys.stderr", out), mock.patch.object(ui, "live", lambda: True):
            with ui.step("first") as first:
                first.detail = "one"
                with ui.step("second") as second:
                    second.detail = "two"
                    drawn("] first (and 1 more)  one")
                drawn("] first  one")
        self.assertNotIn("] second", out.getvalue())

    def test_log(self) -> None:
        """Whole lines, one for the beginning of each step, one for the end of a long one."""
        out, clock = io.StringIO(), mock.Mock()
        clock.monotonic.return_value = 100.0
        with mock.patch("sys.stderr", out), mock.patch.object(ui, "live", lambda: False), \
                mock.patch.object(ui, "time", clock):
            with ui.step("first"):
                with ui.step("second"):
                    clock.monotonic.return_value += 0.5
                with ui.step("third"):
                    clock.monotonic.return_value += 0.4
        self.assertEqual(out.getvalue(),
                         "  first\n  second\n  second: 0.5 s\n  third\n  first: 0.9 s\n")

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
