# SPDX-License-Identifier: GPL-2.0
"""Programs as text: what may lie in a regress folder, and what is refused before a guest boots."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from kplib.boot import programs
from kplib.common.errors import Refused
from kplib.configure import pairs, request


class TestPrograms(unittest.TestCase):
    """programs.text() of one pair"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "tests/regress/ring"
        self.folder.mkdir(parents=True)
        patch = mock.patch.object(pairs, "TOP", Path(folder.name))
        patch.start()
        self.addCleanup(patch.stop)
        self.req = request.parse(["PAIR=ring"], {})

    def refused(self, word: str) -> None:
        """All of it is refused, with a word."""
        with self.assertRaises(Refused) as caught:
            programs.check(self.req)
        self.assertIn(word, str(caught.exception))

    def test_called(self) -> None:
        """A line's operation; an allocation that fails stands before it."""
        for line, name in (("ring capacity=1", "ring"), ("push 4", "push"), ("len", "len"),
                           ("fail=1 ring capacity=1", "ring"), ("fail=12 push 4", "push")):
            self.assertEqual(programs.called(line), name)

    def test_good(self) -> None:
        """Each behind a line with its name, in order; an editor's own file is none."""
        (self.folder / "b").write_text("ring capacity=1\npush 1")
        (self.folder / "a.1").write_text("ring capacity=2\n\n")
        (self.folder / ".a.1.swp").write_bytes(b"\0")
        self.assertEqual(programs.text(self.req, "ring"),
                         b"@ tests/regress/ring/a.1\nring capacity=2\n"
                         b"@ tests/regress/ring/b\nring capacity=1\npush 1\n")
        self.assertEqual(programs.text(self.req, "tlv"), b"")

    def test_no_text(self) -> None:
        """A NUL would hide all that follows; a line with an @ begins another program."""
        for bad in (b"ring\0", b"ring\n@ x\n", b"#" * (request.PROGRAM_MAX + 1)):
            (self.folder / "a").write_bytes(bad)
            self.refused("no program")

    def test_no_file(self) -> None:
        """A fifo, a dangling link and a folder are refused; none is read."""
        os.mkfifo(self.folder / "fifo")
        self.refused("fifo: no file with a program")
        (self.folder / "fifo").unlink()
        (self.folder / "x").symlink_to("nowhere")
        self.refused("x: no file with a program")
        (self.folder / "x").unlink()
        (self.folder / "sub").mkdir()
        self.refused("sub: no file with a program")

    def test_names(self) -> None:
        """A name is shown, and is a line of its own to the engine."""
        for name in (b"\xff", b"a\nb", b"a b"):
            path = os.fsencode(self.folder) + b"/" + name
            with open(path, "wb"):
                pass
            self.refused("give the program a name")
            os.unlink(path)

    def test_too_many(self) -> None:
        """As many as the engine takes at once."""
        for name in "abc":
            (self.folder / name).write_bytes(b"#" * (request.PROGRAM_MAX - 100))
        self.refused("it can have 1024")


if __name__ == "__main__":
    unittest.main()
