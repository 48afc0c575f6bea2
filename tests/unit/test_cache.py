# SPDX-License-Identifier: GPL-2.0
"""Cache entries are whole or absent."""

import os
import stat
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

from kplib.common import cache
from kplib.common.errors import EnvironmentFailed, Refused


class TestInterrupt(unittest.TestCase):
    """Ctrl-C while a file is written."""

    def test_behind_the_rename(self) -> None:
        """It is told as that, and not as a file that cannot be written."""
        def replace(name: str, path: Path) -> None:
            os.rename(name, path)
            raise KeyboardInterrupt

        with tempfile.TemporaryDirectory() as folder, \
                mock.patch("kplib.common.cache.os.replace", replace):
            with self.assertRaises(KeyboardInterrupt):
                cache.write(Path(folder) / "x", "text")
            self.assertEqual([p.name for p in Path(folder).iterdir()], ["x"])


class TestCache(unittest.TestCase):
    """kplib.cache"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_write(self) -> None:
        """By rename, readable by others, nothing left beside it."""
        path = self.folder / "a" / "b"
        cache.write(path, "one")
        cache.write(path, b"two")
        self.assertEqual(path.read_text(), "two")
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o644)
        self.assertEqual([p.name for p in path.parent.iterdir()], ["b"])

    def test_write_fails_whole(self) -> None:
        """A full disk leaves the old content and no half file."""
        path = self.folder / "f"
        cache.write(path, "old")
        with mock.patch("os.replace", side_effect=OSError(28, "No space left on device")):
            with self.assertRaises(EnvironmentFailed) as caught:
                cache.write(path, "new")
        self.assertIn("No space left", str(caught.exception))
        self.assertEqual(path.read_text(), "old")
        self.assertEqual(len(list(self.folder.iterdir())), 1)

    def test_marker(self) -> None:
        """An entry without a readable marker is not there."""
        entry = self.folder / "e"
        self.assertIsNone(cache.marker(entry))
        cache.complete(entry, {"x": 1})
        self.assertEqual(cache.marker(entry), {"x": 1})
        (entry / ".complete").write_text("{")
        self.assertIsNone(cache.marker(entry))

    def test_fresh(self) -> None:
        """An entry whose making fails leaves nothing, and does not touch the one before."""
        entry = self.folder / "e"
        with cache.fresh(entry) as partial:
            (partial / "f").write_text("1")
        with self.assertRaises(KeyboardInterrupt):
            with cache.fresh(entry) as partial:
                (partial / "f").write_text("2")
                raise KeyboardInterrupt
        self.assertEqual((entry / "f").read_text(), "1")
        self.assertEqual([p.name for p in self.folder.iterdir()], ["e"])

    def test_lock(self) -> None:
        """The second one waits for the first."""
        order: list[str] = []
        inside, leave = threading.Event(), threading.Event()

        def first() -> None:
            with cache.locked(self.folder / "e"):
                inside.set()
                leave.wait(10)
                order.append("first")

        def second() -> None:
            with cache.locked(self.folder / "e"):
                order.append("second")

        threads = [threading.Thread(target=first), threading.Thread(target=second)]
        threads[0].start()
        inside.wait(10)
        threads[1].start()
        threads[1].join(0.3)
        self.assertTrue(threads[1].is_alive())
        leave.set()
        for thread in threads:
            thread.join(10)
        self.assertEqual(order, ["first", "second"])

    def test_space(self) -> None:
        """Too little room is said before the work, with the amounts."""
        with self.assertRaises(EnvironmentFailed) as caught:
            cache.need_space(self.folder, 1 << 40, "a kernel")
        self.assertIn("MiB are free", str(caught.exception))

    def test_unwritable(self) -> None:
        """A folder that cannot be made is refused."""
        (self.folder / "file").write_text("")
        with self.assertRaises(Refused):
            cache.writable_folder("OUT", self.folder / "file" / "out")


if __name__ == "__main__":
    unittest.main()
