# SPDX-License-Identifier: GPL-2.0
"""Modules after an edit: what is built, from what, and that kbuild would build the same."""

import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from kplib import matrix
from kplib.build import kernel, modules, objects, saved, toolchain
from kplib.build.setup import Setup
from kplib.common import proc
from kplib.common.errors import Failed
from kplib.configure import request
from kplib.selftest import selftest

from .live import needs, needs_kernel

#: An edit of each kind of file that a pair is made of, and of the engine: file, what to
#: replace (or nothing, to add at the end), and with what.
EDITS = {
    "C": ("kmod/ring.c", "", "\nint kparity_edited_c(void);\nint kparity_edited_c(void)\n"
          "{\n\treturn 1;\n}\n"),
    "Rust": ("rust-stub/ring.rs", "", "\n#[used]\nstatic EDITED: u64 = 1;\n"),
    "suite": ("tests/kunit/ring_kunit.c", "", "\nint kparity_edited_suite = 1;\n"),
    "contract": ("kmod/contract/ring.h", "RING_MAX_CAPACITY\t1024", "RING_MAX_CAPACITY\t2048"),
    "shared Rust": ("rust-stub/kparity.rs", "", "\n#[used]\nstatic SHARED: u64 = 2;\n"),
    "engine": ("kmod/engine/stats.c", "", "\nint kparity_edited_engine = 1;\n"),
}


class Rebuilt(unittest.TestCase):
    """Modules that are built in a copy of the project"""

    variant = "base"
    pairs = "ring"
    scratch: Path
    top: Path
    out: Path
    request: request.Request
    tools: toolchain.Toolchain
    setup: Setup
    built: modules.Modules
    #: The modules without an edit.
    plain: dict[str, bytes]

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.scratch = Path(folder.name)
        cls.top = selftest.copy_of_project(cls.scratch)
        cls.out = cls.scratch / "out"
        cls.out.mkdir()
        for module in (kernel, modules, request):
            patch = mock.patch.object(module, "TOP", cls.top)
            patch.start()
            cls.addClassCleanup(patch.stop)
        cls.request = request.parse(
            [f"OUT={cls.out}", f"PAIR={cls.pairs}", f"VARIANT={cls.variant}"], os.environ)
        cls.tools = matrix.prepare(cls.request)
        cls.setup = Setup(cls.request, cls.tools, kernel.get(
            cls.request, cls.tools, cls.request.archs[0], cls.request.variants[0]))
        cls.build_all()
        cls.plain = cls.content()

    @classmethod
    def build_all(cls) -> str:
        """Build; returns the tools' output."""
        (cls.folder() / "build.log").unlink(missing_ok=True)
        with contextlib.redirect_stderr(io.StringIO()):
            cls.built = modules.build(cls.setup)
        log = cls.folder() / "build.log"
        return log.read_text() if log.exists() else ""

    @classmethod
    def folder(cls) -> Path:
        """The build folder."""
        return cls.setup.modules

    @classmethod
    def content(cls) -> dict[str, bytes]:
        """Every module, as linked and as the guest gets it."""
        return {f"{path.parent.name}/{path.name}": path.read_bytes()
                for ko in cls.built.files() for path in (ko, modules.in_guest(ko))}

    def build_anew(self) -> str:
        """Build all by kbuild: nothing looks at what this Kbuild defines. Returns the output."""
        path = self.top / "Kbuild"
        text = path.read_text()
        self.addCleanup(path.write_text, text)
        path.write_text(text + "\nccflags-y += -DEDITED\n")
        log = self.build_all()
        self.assertIn("Entering directory", log)
        return log

    def edit(self, kind: str) -> None:
        """Make an edit, which is undone after the test."""
        name, old, new = EDITS[kind]
        path = self.top / name
        text = path.read_text()
        self.addCleanup(path.write_text, text)
        head, _, tail = text.rpartition(old) if old else (text, "", "")
        path.write_text(head + new + tail)

    def tearDown(self) -> None:
        self.doCleanups()
        self.build_all()
        self.assertEqual(self.content(), self.plain)

    def assert_no_kbuild(self, log: str) -> None:
        """The saved commands were enough."""
        self.assertNotIn("Entering directory", log)


@needs_kernel
class TestRebuild(Rebuilt):
    """kplib.build.modules"""

    def test_same_as_kbuild(self) -> None:
        """Saved commands give what kbuild gives, byte for byte, whatever was edited.

        Another Kbuild asks kbuild, for all: objects made by one are not used for the other.
        """
        seen = [self.plain]
        for kind in EDITS:
            with self.subTest(kind):
                self.edit(kind)
                self.assert_no_kbuild(self.build_all())
                self.assertNotIn(self.content(), seen)
                seen.append(self.content())
        # All edits together, by kbuild alone.
        log = self.build_anew()
        state = objects.State.read(self.folder() / modules.STATE)
        self.assertEqual([target for module in ("kparity", "kparity_ring")
                          for target in state.modules[module] if f" {target}\n" not in log], [])
        self.assertEqual(self.content(), seen[-1])

    def test_undone(self) -> None:
        """After an edit is undone no compiler runs, and the modules are those of before."""
        self.edit("contract")
        self.build_all()
        self.doCleanups()
        log = self.build_all()
        self.assertRegex(log, r"LD \[M\]  kparity_ring.ko")
        self.assertNotRegex(log, r"CC \[M\]|RUSTC|BINDGEN|Entering")
        self.assertEqual(self.content(), self.plain)

    def test_nothing_changed(self) -> None:
        """A file that was only touched costs nothing, nor does one of another pair."""
        os.utime(self.top / "kmod/ring.c")
        self.assertEqual(self.build_all(), "")
        other = self.top / "kmod/tlv.c"
        text = other.read_text()
        other.write_text(text + "#error\n")
        self.addCleanup(other.write_text, text)
        self.assertEqual(self.build_all(), "")

    def test_old_time(self) -> None:
        """An edit whose file is older than its object is seen, by kbuild too."""
        for kbuild in (False, True):
            with self.subTest(kbuild=kbuild):
                self.edit("C")
                os.utime(self.top / "kmod/ring.c", (1, 1))
                with mock.patch.object(saved, "UNSAVED", ("RUST",) if kbuild else ()):
                    self.assertEqual("Entering" in self.build_all(), kbuild)
                self.assertNotEqual(self.content(), self.plain)
                self.doCleanups()
                self.build_all()

    def test_error(self) -> None:
        """An edit that does not compile is told as kbuild tells it; the next build is right."""
        path = self.top / "kmod/ring.c"
        text = path.read_text()
        self.addCleanup(path.write_text, text)
        path.write_text(text + "int wrong(void) { return nothing; }\n")
        said = []
        for kbuild in (False, True):
            with mock.patch.object(saved, "UNSAVED", ("RUST",) if kbuild else ()), \
                    contextlib.redirect_stderr(io.StringIO()) as notes, \
                    self.assertRaises(Failed):
                modules.build(self.setup)
            said.append([line for line in notes.getvalue().splitlines()
                         if not line.startswith(("make", "  "))])
        self.assertTrue(any("use of undeclared identifier 'nothing'" in x for x in said[0]))
        self.assertEqual(said[0], said[1])

    def test_kbuild_is_content(self) -> None:
        """After objects were put back, kbuild finds nothing to do, and its own links right."""
        self.edit("C")
        self.build_all()
        self.doCleanups()
        self.build_all()
        with mock.patch.object(saved, "UNSAVED", ("RUST",)):
            (self.folder() / "guest/kparity_ring.ko").unlink()
            log = self.build_all()
        self.assertIn("Entering directory", log)
        self.assertNotRegex(log, r"CC|LD|RUSTC|BINDGEN")


@needs("kcsan", seconds=40)
class TestWatched(Rebuilt):
    """Rust of pairs in variant kcsan"""

    variant = "kcsan"

    def calls(self) -> str:
        """Functions that the Rust object calls."""
        return proc.output(self.tools.argv(
            "llvm-nm", "--undefined-only", self.folder() / "rust-stub/ring_root.o"))

    def test_watched(self) -> None:
        """Accesses, and where functions begin and end, are told to KCSAN by kbuild and after it."""
        wanted = {f"__tsan_{what}" for what in ("write8", "func_entry", "func_exit")}
        self.assertLessEqual(wanted, set(self.calls().split()))
        self.edit("Rust")
        self.assert_no_kbuild(self.build_all())
        self.assertLessEqual(wanted, set(self.calls().split()))
        edited = self.content()
        self.assertNotEqual(edited, self.plain)
        self.assertIn("RUSTC [M] rust-stub/ring_root.o", self.build_anew())
        self.assertEqual(self.content(), edited)


if __name__ == "__main__":
    unittest.main()
