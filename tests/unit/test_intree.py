# SPDX-License-Identifier: GPL-2.0
"""make in-tree: what it writes into a kernel tree, and that it takes away just that."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from kplib import verbs
from kplib.common import cache
from kplib.common.errors import Refused
from kplib.configure import pairs, request
from kplib.configure.request import TOP
from kplib.tools import intree, scaffold

TREE = os.environ.get("KPARITY_TREE")

MAKEFILE = """\
obj-$(CONFIG_TEST_FPU) += test_fpu.o

obj-y += kunit/

ifeq ($(CONFIG_DEBUG_KOBJECT),y)
endif
"""
KCONFIG = """\
menu "Kernel Testing and Coverage"

source "lib/kunit/Kconfig"

endmenu
"""


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder below one, with its rights and bytes."""
    return {str(path.relative_to(folder)): (path.stat().st_mode,
                                            b"" if path.is_dir() else path.read_bytes())
            for path in sorted(folder.rglob("*")) if ".git/" not in f"{path}/"}


class Case(unittest.TestCase):
    """A small kernel tree."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.tree = self.folder / "linux"
        for name in intree.NEEDED:
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text("")
        (self.tree / "lib").mkdir()
        (self.tree / "lib/Makefile").write_text(MAKEFILE)
        (self.tree / "lib/Kconfig.debug").write_text(KCONFIG)
        (self.tree / "lib/Kconfig.debug").chmod(0o664)
        self.before = snapshot(self.tree)

    def run_(self, *words: str) -> str:
        """Run make in-tree; returns its output."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            req = request.parse([f"DEST={self.tree}", *words], {})
            self.assertEqual(verbs.carry_out("in-tree", req), 0)
        return said.getvalue()

    def refused(self, *words: str) -> str:
        """The line of make in-tree, which is to change nothing."""
        before = snapshot(self.folder)
        with self.assertRaises(Refused) as caught:
            self.run_(*words)
        self.assertEqual(snapshot(self.folder), before)
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)


class TestWrite(Case):
    """What is in the tree"""

    def test_there_and_back(self) -> None:
        """A line behind the line of KUnit's own in two files; and the tree as it was."""
        self.run_()
        self.assertEqual((self.tree / "lib/Makefile").read_text(), MAKEFILE.replace(
            "obj-y += kunit/\n", "obj-y += kunit/\nobj-$(CONFIG_KPARITY) += kparity/\n"))
        self.assertEqual((self.tree / "lib/Kconfig.debug").read_text(), KCONFIG.replace(
            "kunit/Kconfig\"\n", "kunit/Kconfig\"\nsource \"lib/kparity/Kconfig\"\n"))
        after = snapshot(self.tree)
        self.assertEqual({name for name in after if not name.startswith("lib/kparity")},
                         set(self.before))
        self.assertEqual(after["lib/Kconfig.debug"][0], self.before["lib/Kconfig.debug"][0])
        self.assertIn("removed", self.run_("REMOVE=1"))
        self.assertEqual(snapshot(self.tree), self.before)
        self.assertIn("has nothing from 'make in-tree'", self.refused("REMOVE=1"))

    def test_files(self) -> None:
        """All that kbuild needs of the pairs that are asked for, and no other pair's."""
        self.run_("PAIR=ring glob")
        folder = self.tree / "lib/kparity"
        for name in ("kmod/engine/main.c", "kmod/engine/escape.S", "kmod/contract/kparity.h",
                     "kmod/contract/ring.h", "kmod/ring.c", "rust-stub/ring.rs",
                     "rust-stub/kparity.rs", "tests/kunit/ring_kunit.c", "rust-stub/glob.rs",
                     "scripts/contract-glue"):
            self.assertEqual((folder / name).read_bytes(), (TOP / name).read_bytes())
        self.assertEqual((folder / intree.RULES).read_bytes(), (TOP / "Kbuild").read_bytes())
        # kbuild takes Kbuild where both are there.
        self.assertFalse((folder / "Kbuild").exists())
        self.assertFalse(list(folder.rglob("*idalloc*")))
        for file, line in (("Kconfig", "config KPARITY_GLOB"),
                           ("Makefile", "kparity-pairs-$(CONFIG_KPARITY_GLOB) += glob"),
                           (".kunitconfig", "CONFIG_KPARITY_GLOB=y"),
                           (".kunitconfig", "CONFIG_KPARITY=y")):
            self.assertIn(line, (folder / file).read_text().splitlines())

    def test_includes(self) -> None:
        """Each file of the repository's that one of the copies includes is copied as well."""
        self.run_()
        at = self.tree / "lib/kparity"
        seen = 0
        for path in (*at.rglob("*.[chS]"),):
            for name in re.findall(r'^#include "([^"]+)"', path.read_text(), re.M):
                # Glue is made while it is built.
                if name.endswith("_glue.h"):
                    continue
                seen += 1
                self.assertTrue((at / "kmod" / name).exists() or (path.parent / name).exists(),
                                f"{path} includes {name}")
        self.assertGreater(seen, 100)

    def test_glue(self) -> None:
        """The copy of contract-glue needs nothing of the checkout that is not copied."""
        self.run_("PAIR=ring")
        at = self.tree / "lib/kparity"
        done = subprocess.run(
            [sys.executable, "-I", at / "scripts/contract-glue", "ring_root.rs", "ring",
             at / "kmod/contract/ring.h", "lib/kparity/rust-stub/ring.rs", "-", "-"], check=False,
            cwd=self.tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        # rustc takes a relative path for one beside the root of the crate.
        self.assertIn(f'"{at}/rust-stub/ring.rs"', done.stdout)
        self.assertNotIn(str(TOP), done.stdout)

    def test_own_pairs(self) -> None:
        """A pair of the user's own, and what it wants of the kernel."""
        scaffold.create(TOP, "width", pairs.shipped(), folder=self.folder / "pairs")
        own = self.folder / "pairs/width"
        (own / "config").write_text("CONFIG_CRC7=y\nCONFIG_LOG_BUF_SHIFT=18\n")
        self.run_("PAIR=width", f"PAIRS_DIR={self.folder}/pairs")
        at = self.tree / "lib/kparity"
        self.assertEqual(sorted(path.name for path in (at / "pairs/width").iterdir()),
                         ["contract.h", "width.c", "width.rs"])
        self.assertIn("\tdepends on CRC7\n", (at / "Kconfig").read_text())
        wanted = (at / ".kunitconfig").read_text().splitlines()
        self.assertEqual(wanted[-2:], ["CONFIG_CRC7=y", "CONFIG_LOG_BUF_SHIFT=18"])

    def test_again(self) -> None:
        """From the same checkout what has changed is written, and what is not wanted goes."""
        self.run_("PAIR=ring glob")
        folder = self.tree / "lib/kparity"
        same, times = folder / "kmod/engine/main.c", {}
        times[same] = same.stat().st_mtime_ns
        self.assertIn(" 0 of them written", self.run_("PAIR=ring glob"))
        self.run_("PAIR=ring")
        self.assertFalse((folder / "rust-stub/glob.rs").exists())
        self.assertTrue((folder / "rust-stub/ring.rs").exists())
        self.assertEqual(same.stat().st_mtime_ns, times[same])
        # A file that is lost is written again.
        same.unlink()
        self.assertIn(" 1 of them written", self.run_("PAIR=ring"))
        for line in intree.LINES:
            self.assertEqual((self.tree / line.file).read_text().count(line.text), 1)
        self.run_("REMOVE=1")
        self.assertEqual(snapshot(self.tree), self.before)


class TestChanged(Case):
    """What is somebody else's stays"""

    def interrupted(self, last: int, *words: str) -> None:
        """Run make in-tree, which is interrupted when it has written so many files."""
        real, left = cache.write, [last]

        def write(path: Path, data: str | bytes) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            real(path, data)

        with mock.patch.object(cache, "write", write), self.assertRaises(KeyboardInterrupt):
            self.run_(*words)

    def test_changed(self) -> None:
        """A file that somebody changed is not written over, and is kept and named."""
        self.run_("PAIR=ring")
        file = self.tree / "lib/kparity/kmod/ring.c"
        file.write_text(file.read_text() + "/* mine */\n")
        self.assertIn("kmod/ring.c", self.refused("PAIR=ring"))
        (self.tree / "lib/kparity/notes").write_text("mine\n")
        said = self.run_("REMOVE=1")
        self.assertIn("kept: lib/kparity/kmod/ring.c,", said)
        self.assertIn("kept: lib/kparity/notes,", said)
        after = snapshot(self.tree)
        self.assertEqual(after.keys() - self.before.keys(), {
            "lib/kparity", "lib/kparity/kmod", "lib/kparity/kmod/ring.c", "lib/kparity/notes"})
        self.assertEqual({name: after[name] for name in self.before}, self.before)
        self.assertIn("not from 'make in-tree'", self.refused("PAIR=ring"))

    def test_lines(self) -> None:
        """Changes of the kernel's files beside the lines stay; a line that is gone is no matter."""
        self.run_("PAIR=ring")
        for name in ("lib/Makefile", "lib/Kconfig.debug"):
            path = self.tree / name
            path.write_text("# mine\n" + path.read_text())
        path.write_text(path.read_text().replace(intree.LINES[1].text + "\n", ""))
        self.run_("REMOVE=1")
        self.assertEqual((self.tree / "lib/Makefile").read_text(), "# mine\n" + MAKEFILE)
        self.assertEqual((self.tree / "lib/Kconfig.debug").read_text(), "# mine\n" + KCONFIG)

    def test_half_written(self) -> None:
        """Interrupted after any file, what is there is removed, or written to its end."""
        for last in (1, 2, 5, 40):
            with self.subTest(last=last):
                self.interrupted(last, "PAIR=ring")
                shutil.copytree(self.tree, self.folder / "copy")
                self.run_("REMOVE=1")
                self.assertEqual(snapshot(self.tree), self.before)
                shutil.rmtree(self.tree)
                (self.folder / "copy").rename(self.tree)
                self.run_("PAIR=ring")
                self.run_("REMOVE=1")
                self.assertEqual(snapshot(self.tree), self.before)

    def test_half_replaced(self) -> None:
        """Interrupted while it was brought up to date, no file counts as somebody else's."""
        self.run_("PAIR=ring")
        manifest = intree.read_manifest(self.tree)
        assert manifest is not None
        # As an earlier state of the checkout would have left it.
        folder = self.tree / "lib/kparity"
        (folder / "kmod/ring.c").write_text("earlier\n")
        files = {**manifest.files, "kmod/ring.c": (cache.digest("earlier\n"),)}
        (folder / intree.MANIFEST).write_text(intree.Manifest(manifest.source, files).text())
        self.interrupted(1, "PAIR=ring")
        self.assertEqual((folder / "kmod/ring.c").read_text(), "earlier\n")
        shutil.copytree(self.tree, self.folder / "copy")
        self.assertIn(" 1 of them written", self.run_("PAIR=ring"))
        shutil.rmtree(self.tree)
        (self.folder / "copy").rename(self.tree)
        self.run_("REMOVE=1")
        self.assertEqual(snapshot(self.tree), self.before)


class TestRefused(Case):
    """Where nothing is written"""

    def test_words(self) -> None:
        """DEST is needed, and is for this verb alone."""
        with self.assertRaisesRegex(Refused, "DEST=linux/"):
            verbs.carry_out("in-tree", request.parse([], {}))
        with self.assertRaisesRegex(Refused, "no such folder"):
            verbs.carry_out("in-tree", request.parse([f"DEST={self.folder}/none"], {}))
        for words in ([f"DEST={self.tree}"], ["REMOVE=1"]):
            with self.assertRaisesRegex(Refused, "for make in-tree"):
                verbs.check_words("run", request.parse(words, {}))

    def test_no_tree(self) -> None:
        """Something else, or a kernel without what is needed."""
        for name in (*intree.NEEDED, "lib/Makefile", "lib/Kconfig.debug"):
            with self.subTest(name):
                (self.tree / name).rename(self.folder / "away")
                self.assertIn(f"no {name}", self.refused())
                (self.folder / "away").rename(self.tree / name)

    def test_no_place(self) -> None:
        """A kernel whose files have no line to put another one behind."""
        for name in ("lib/Makefile", "lib/Kconfig.debug"):
            with self.subTest(name):
                path = self.tree / name
                text = path.read_text()
                path.write_text(text.replace("kunit", "other"))
                self.assertIn(f"{path} has no line", self.refused())
                path.write_text(text)

    def test_there_already(self) -> None:
        """A folder of that name, or one from another checkout."""
        (self.tree / "lib/kparity").mkdir()
        self.assertIn("not from 'make in-tree'", self.refused())
        (self.tree / "lib/kparity").rmdir()
        self.run_("PAIR=ring")
        path = self.tree / "lib/kparity" / intree.MANIFEST
        path.write_text(path.read_text().replace(f'"{TOP}"', '"/other/checkout"'))
        self.assertIn("from another checkout, /other/checkout", self.refused("PAIR=ring"))

    def test_damaged(self) -> None:
        """A manifest that nothing can be told from: nothing is guessed."""
        self.run_("PAIR=ring")
        path = self.tree / "lib/kparity" / intree.MANIFEST
        for text in ("", "[]", '{"from": "x"}', '{"from": "x", "files": []}'):
            path.write_text(text)
            self.assertIn("cannot be read", self.refused("REMOVE=1"))
            self.assertIn("cannot be read", self.refused())

    def test_dirty(self) -> None:
        """A tree of git's with changes in these places; elsewhere they are no matter."""
        def git(*words: str) -> None:
            subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *words],
                           cwd=self.tree, check=True, stdout=subprocess.DEVNULL)

        git("init", "-q")
        git("add", ".")
        git("commit", "-qm", "x")
        (self.tree / "Kbuild").write_text("# changed\n")
        (self.tree / "lib/Makefile").write_text(MAKEFILE + "# mine\n")
        self.assertIn("changes of its own in lib/Makefile", self.refused("PAIR=ring"))
        (self.tree / "lib/Makefile").write_text(MAKEFILE)
        self.run_("PAIR=ring")
        # What was written there is no change of the user's.
        self.run_("PAIR=ring glob")
        self.run_("REMOVE=1")
        self.assertEqual((self.tree / "lib/Makefile").read_text(), MAKEFILE)


@unittest.skipUnless(TREE, "KPARITY_TREE names no kernel tree; 'make test' sets it")
class TestRealTree(Case):
    """The kernel that suites run in has a place for each line"""

    def test_lines(self) -> None:
        """Its files take the lines where KUnit's own are, in a menu and at the top level."""
        for line in intree.LINES:
            shutil.copyfile(Path(str(TREE)) / line.file, self.tree / line.file)
        for name in intree.NEEDED:
            self.assertTrue((Path(str(TREE)) / name).is_file(), name)
        before = snapshot(self.tree)
        self.run_()
        makefile = (self.tree / "lib/Makefile").read_text()
        above = makefile[:makefile.index(intree.LINES[0].text)]
        self.assertEqual(len(re.findall("^ifn?(?:eq|def)\\b", above, re.M)),
                         len(re.findall("^endif\\b", above, re.M)))
        kconfig = (self.tree / "lib/Kconfig.debug").read_text()
        above = kconfig[:kconfig.index(intree.LINES[1].text)]
        self.assertEqual(len(re.findall("^if\\b", above, re.M)),
                         len(re.findall("^endif\\b", above, re.M)))
        self.run_("REMOVE=1")
        self.assertEqual(snapshot(self.tree), before)


if __name__ == "__main__":
    unittest.main()
