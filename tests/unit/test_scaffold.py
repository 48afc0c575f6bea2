# SPDX-License-Identifier: GPL-2.0
"""make new: what is written, and what is refused."""

import contextlib
import io
import os
import shutil
import tempfile
import unittest
from pathlib import Path

from kplib import verbs
from kplib.common.errors import Refused
from kplib.configure import pairs as known
from kplib.configure import request
from kplib.contract import rows
from kplib.tools import scaffold

TOP = Path(__file__).resolve().parents[2]


def lines(path: Path) -> list[str]:
    """The lines of a file that are neither blank nor comment."""
    found = [line.strip() for line in path.read_text().splitlines()]
    return [line for line in found if line and not line.startswith(("/*", "*", "//"))]


class TestFunctions(unittest.TestCase):
    """A pair of functions, in a folder of the user's own"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def new(self, *words: str) -> str:
        """Run make new; returns its output."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            self.assertEqual(verbs.new(request.parse(list(words), {}, new=True)), 0)
        return said.getvalue()

    def refused(self, *words: str) -> str:
        """The one line of make new, which is to make nothing."""
        before = sorted(self.folder.rglob("*"))
        with self.assertRaises(Refused) as caught:
            self.new(*words)
        self.assertEqual(sorted(self.folder.rglob("*")), before)
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    def test_smallest(self) -> None:
        """Three files, of which the contract is what is beside the implementations."""
        kbuild = (TOP / "Kbuild").read_bytes()
        said = self.new("PAIR=bits", f"DIR={self.folder}/pairs")
        own = self.folder / "pairs/bits"
        self.assertEqual(sorted(path.name for path in own.iterdir()),
                         ["bits.c", "bits.rs", "contract.h"])
        self.assertIn(f"make run PAIR=bits PAIRS_DIR={self.folder}/pairs", said)
        self.assertLessEqual(len(lines(own / "contract.h")), 5)
        contract = rows.read((own / "contract.h").read_text(), "bits")
        self.assertEqual([f.name for f in contract.functions], ["bits"])
        self.assertLessEqual(max(len(line) for path in own.iterdir()
                                 for line in path.read_text().splitlines()), 100)
        self.assertEqual((TOP / "Kbuild").read_bytes(), kbuild)

    def test_object(self) -> None:
        """make new KIND=object: all beside the implementations fits a page."""
        said = self.new("PAIR=pot", f"DIR={self.folder}/pairs", "KIND=object")
        own = self.folder / "pairs/pot"
        self.assertEqual(sorted(path.name for path in own.iterdir()),
                         ["contract.h", "pot.c", "pot.rs"])
        self.assertIn(f"make run PAIR=pot PAIRS_DIR={self.folder}/pairs", said)
        self.assertLessEqual(len(lines(own / "contract.h")), 25)
        contract = rows.read((own / "contract.h").read_text(), "pot")
        assert contract.object
        self.assertEqual([f.operation("pot") for f in contract.functions], ["take", "left"])
        text = (own / "pot.rs").read_text()
        for invariant in contract.invariants:
            self.assertIn(f"encodes!(\n    {invariant.id},", text)
        self.assertLessEqual(max(len(line) for path in own.iterdir()
                                 for line in path.read_text().splitlines()), 100)
        left = scaffold.unchanged("pot", self.folder / "pairs")
        self.assertEqual({at.partition(":")[0] for at in left}, set(map(str, own.iterdir())))

    def test_unchanged(self) -> None:
        """Lines still as they were written are told by file and line, until they are changed."""
        self.new("PAIR=bits", f"DIR={self.folder}")
        own = self.folder / "bits"
        left = scaffold.unchanged("bits", self.folder)
        self.assertEqual([at.partition(":")[0] for at in left],
                         [str(own / name) for name in ("contract.h",) * 3 + ("bits.c", "bits.rs")])
        for path in own.iterdir():
            path.write_text("".join(line for line in path.read_text().splitlines(True)
                                    if scaffold.MARK not in line))
        self.assertEqual(scaffold.unchanged("bits", self.folder), [])

    def test_pairs_dir(self) -> None:
        """Without DIR the pair goes to PAIRS_DIR, which may still be empty."""
        self.new("PAIR=bits", f"PAIRS_DIR={self.folder}")
        self.assertTrue((self.folder / "bits/contract.h").exists())
        self.assertIn("bits", request.parse([f"PAIRS_DIR={self.folder}"], {}).pairs)

    def test_refused(self) -> None:
        """Names, folders and kinds that will not do."""
        where = f"DIR={self.folder}"
        for name in ("Bits", "a-b", "x", "if", "ring", "../x"):
            self.assertIn("PAIR=", self.refused(f"PAIR={name}", where))
        self.assertIn("one pair", self.refused("PAIR=bits fifo", where))
        self.assertIn("one pair", self.refused(where))
        self.assertIn("choose one of function, object", self.refused(
            "PAIR=bits", where, "KIND=nonsense"))
        for name in ("a b", "a:b", "a%b"):
            self.assertIn(f"{name[1]!r} in its path", self.refused(
                "PAIR=bits", f"DIR={self.folder}/{name}"))
        (self.folder / "file").write_text("mine")
        self.assertIn("cannot be written", self.refused("PAIR=bits", f"DIR={self.folder}/file"))
        (self.folder / "bits").mkdir()
        (self.folder / "bits/notes").write_text("mine")
        self.assertIn("bits exists", self.refused("PAIR=bits", where))

    @unittest.skipIf(os.geteuid() == 0, "root writes anywhere")
    def test_read_only(self) -> None:
        """A folder that is another's."""
        self.folder.chmod(0o555)
        self.addCleanup(self.folder.chmod, 0o755)
        self.assertIn("cannot be written", self.refused("PAIR=bits", f"DIR={self.folder}"))


class TestScaffold(unittest.TestCase):
    """scaffold.create(), in this repository"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = Path(folder.name)
        shutil.copy(TOP / "Kbuild", self.top / "Kbuild")

    def test_create(self) -> None:
        """Three files, and one word in Kbuild."""
        for name, kind in (("fifo", "object"), ("bits", "function")):
            pairs = known.shipped(self.top)
            made = scaffold.create(self.top, name, pairs, kind)
            self.assertEqual([str(path.relative_to(self.top)) for path in made],
                             [f"kmod/contract/{name}.h", f"kmod/{name}.c", f"rust-stub/{name}.rs"])
            self.assertEqual(known.shipped(self.top), (*pairs, name))
            for path in made:
                self.assertIn(name, path.read_text())
            self.assertIn(f'#include "contract/{name}.h"', made[1].read_text())

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
                     "current", "linux", "kparity", "x\n", "user", "suite", "main", "max", "memcpy",
                     "printk"):
            with self.assertRaises(Refused):
                scaffold.create(self.top, name, pairs)
        (self.top / "kmod").mkdir()
        (self.top / "kmod/fifo.c").write_text("mine")
        with self.assertRaises(Refused):
            scaffold.create(self.top, "fifo", pairs)
        self.assertEqual((self.top / "kmod/fifo.c").read_text(), "mine")


if __name__ == "__main__":
    unittest.main()
