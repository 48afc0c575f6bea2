# SPDX-License-Identifier: GPL-2.0
"""make new: what is written, and what is refused."""

import shutil
import tempfile
import unittest
from pathlib import Path

from kplib.common.errors import Refused
from kplib.configure import pairs as known
from kplib.tools import scaffold

TOP = Path(__file__).resolve().parents[2]


class TestScaffold(unittest.TestCase):
    """scaffold.create()"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = Path(folder.name)
        for name in ("Kbuild", *(f.format("idalloc") for f in scaffold.FILES)):
            (self.top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, self.top / name)

    def test_create(self) -> None:
        """Four files, one word in Kbuild, and nothing of the old name in them."""
        pairs = known.shipped(self.top)
        made = scaffold.create(self.top, "lru", pairs)
        self.assertEqual(len(made), 4)
        self.assertEqual(known.shipped(self.top), (*pairs, "lru"))
        for path in made:
            text = path.read_text()
            self.assertNotIn("idalloc", text.lower())
            self.assertIn("lru", text)
        old = (self.top / "kmod/idalloc.c").read_text()
        self.assertEqual((self.top / "kmod/lru.c").read_text(),
                         old.replace("idalloc", "lru").replace("IDALLOC", "LRU"))

    def test_listed_by_hand(self) -> None:
        """A name in Kbuild that no console marker can name is refused, as is one listed twice."""
        for names in ("ring my_ring", "ring Tlv", "ring x", "ring tlv ring"):
            scaffold.set_pairs(self.top, names.split())
            with self.subTest(names), self.assertRaisesRegex(Refused, "^Kbuild lists .*pair"):
                known.shipped(self.top)

    def test_refused(self) -> None:
        """Names that exist, cannot be identifiers, or would overwrite something."""
        pairs = known.shipped(self.top)
        for name in ("idalloc", "Lru", "a-b", "x", "", "../x", "if", "fn", "int", "core",
                     "current", "linux", "kparity", "x\n"):
            with self.assertRaises(Refused):
                scaffold.create(self.top, name, pairs)
        (self.top / "kmod/lru.c").write_text("mine")
        with self.assertRaises(Refused):
            scaffold.create(self.top, "lru", pairs)
        self.assertEqual((self.top / "kmod/lru.c").read_text(), "mine")


if __name__ == "__main__":
    unittest.main()
