# SPDX-License-Identifier: GPL-2.0
"""kbuild's saved commands, read and run again; objects that are kept."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from kplib.build import objects, saved

C = """\
savedcmd_kmod/x.o := printf '%s\\n' "$$0 it's $(pound)1" > kmod/x.o   ; true kmod/x.o

source_kmod/x.o := /top/./kmod/x.c

deps_kmod/x.o := \\
  /kernel/include/linux/types.h \\
    $(wildcard include/config/64BIT) \\
  /top/./kmod/contract/x.h \\
  ./rust-stub/x_bindings.rs \\

kmod/x.o: $(deps_kmod/x.o)

$(deps_kmod/x.o):

kmod/x.o: $(wildcard /kernel/tools/objtool/objtool)
"""
#: Prints what the kernel's fixdep does: depfile, target, command.
FIXDEP = """#!/bin/sh
printf 'savedcmd_%s := %s\\n\\nsource_%s := /top/x.c\\n\\ndeps_%s := \\\\\\n\\n' "$2" "$3" "$2" "$2"
printf '%s: $(deps_%s)\\n\\n$(deps_%s):\\n' "$2" "$2" "$2"
"""


class Folder(unittest.TestCase):
    """A build folder of nothing but what a test puts there."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.build = self.folder / "build"
        self.put("build/kmod/.x.o.cmd", C)

    def put(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


class TestSaved(Folder):
    """kplib.build.saved"""

    def test_load(self) -> None:
        """A command in make's escaping, all files read, what stands behind them."""
        found = saved.load(self.build, "kmod/x.o")
        self.assertTrue(found.text.startswith("printf ") and found.text.endswith("kmod/x.o"))
        self.assertIn("$$0", found.text)
        self.assertEqual(found.reads, (
            "/top/./kmod/x.c", "/kernel/include/linux/types.h", "/top/./kmod/contract/x.h",
            "./rust-stub/x_bindings.rs"))
        self.assertEqual(found.rest.strip(),
                         "kmod/x.o: $(wildcard /kernel/tools/objtool/objtool)")
        self.assertEqual(found.depfile, "kmod/.x.o.d")

    def test_link(self) -> None:
        """A link names no source."""
        self.put("build/.kparity_x.ko.cmd", "savedcmd_kparity_x.ko := ld -o kparity_x.ko x.o\n")
        self.assertEqual(saved.load(self.build, "kparity_x.ko").reads, ())

    def test_not_saved(self) -> None:
        """Anything else than what kbuild writes is left to kbuild."""
        for text in ("", "savedcmd_kmod/y.o := true\n", "savedcmd_kmod/x.o := \n",
                     "savedcmd_kmod/x.o := true\n\nsource_kmod/x.o := /top/x.c\n"):
            with self.subTest(text):
                self.put("build/kmod/.x.o.cmd", text)
                with self.assertRaises(saved.NotSaved):
                    saved.load(self.build, "kmod/x.o")
        with self.assertRaises(saved.NotSaved):
            saved.load(self.build, "kmod/z.o")
        with self.assertRaises(saved.NotSaved):
            saved.parts(self.build, "kparity_x")

    @unittest.skipUnless(shutil.which("make"), "no make on this host")
    def test_run(self) -> None:
        """A command runs as kbuild ran it, and is saved again as it was."""
        self.put("kernel/scripts/basic/fixdep", FIXDEP).chmod(0o755)
        self.put("build/.Module.symvers.cmd", "savedcmd_Module.symvers := true\n")
        before = saved.load(self.build, "kmod/x.o")
        self.put(f"build/{saved.MAKEFILE}", saved.makefile(
            self.build, self.folder / "kernel", {}, frozenset(["kmod/x.o"])))
        said = subprocess.run(["make", "-s", "-C", self.build, "-f", saved.MAKEFILE, "kmod/x.o"],
                              check=True, stdout=subprocess.PIPE).stdout.decode()
        self.assertEqual(said, "  CC [M]  kmod/x.o\n")
        self.assertEqual((self.build / "kmod/x.o").read_text(), "/bin/sh it's #1\n")
        saved.complete(self.build, [before])
        after = saved.load(self.build, "kmod/x.o")
        self.assertEqual((after.text, after.rest), (before.text, before.rest))
        # Twice is as good as once.
        saved.complete(self.build, [before])
        self.assertEqual(saved.load(self.build, "kmod/x.o"), after)

    @unittest.skipUnless(shutil.which("make"), "no make on this host")
    def test_fails(self) -> None:
        """A command that fails ends the build."""
        self.put("build/kmod/.x.o.cmd", C.replace("; true", "; false"))
        self.put("build/.Module.symvers.cmd", "savedcmd_Module.symvers := true\n")
        self.put(f"build/{saved.MAKEFILE}", saved.makefile(
            self.build, self.folder / "kernel", {}, frozenset(["kmod/x.o"])))
        done = subprocess.run(["make", "-C", self.build, "-f", saved.MAKEFILE, "kmod/x.o"],
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"x.o] Error 1", done.stderr)


class TestObjects(Folder):
    """kplib.build.objects"""

    def setUp(self) -> None:
        super().setUp()
        self.put("top/kmod/x.c", "one")
        self.put("build/kmod/x.o", "object of one")
        self.store = objects.Store(self.folder / "objects", "recipe")

    def now(self) -> objects.Digests:
        """The checkout's files as they are."""
        return objects.Digests(self.folder / "top")

    def made_from(self, *names: str) -> objects.Contents:
        """Some files, as they are."""
        now = self.now()
        return {name: now.of(name) for name in names}

    def test_contents(self) -> None:
        """Files of the checkout alone, also those behind a generated one."""
        top = self.folder / "top"
        self.put("build/kmod/.x.o.cmd", C.replace("/top/", f"{top}/"))
        bindings = C.replace("kmod/x.o", "rust-stub/x_bindings.rs").replace(
            "  ./rust-stub/x_bindings.rs \\\n", "")
        self.put("build/rust-stub/.x_bindings.rs.cmd",
                 bindings.replace("/top/./kmod/x.c", f"{top}/kmod/y.h"))
        self.put("top/kmod/y.h", "")
        found = objects.contents(self.build, (top,), "kmod/x.o", self.now())
        self.assertEqual(set(found), {"kmod/x.c", "kmod/contract/x.h", "kmod/y.h"})
        self.assertEqual(found["kmod/contract/x.h"], "")

    def test_stale(self) -> None:
        """By content, not by time; a file or an object that is gone is stale."""
        state = objects.State(made={"kmod/x.o": self.made_from("kmod/x.c"), "kparity_x.ko": {}},
                              modules={"kparity_x": ["kmod/x.o"]})
        self.put("build/kparity_x.ko", "")

        def stale() -> frozenset[str]:
            return state.stale(self.build, ("kparity_x",), self.now())

        self.assertEqual(stale(), frozenset())
        os.utime(self.folder / "top/kmod/x.c")
        self.assertEqual(stale(), frozenset())
        self.put("top/kmod/x.c", "two")
        os.utime(self.folder / "top/kmod/x.c", (1, 1))
        self.assertEqual(stale(), {"kmod/x.o"})
        (self.folder / "top/kmod/x.c").unlink()
        self.assertEqual(stale(), {"kmod/x.o"})
        self.put("top/kmod/x.c", "one")
        (self.build / "kmod/x.o").unlink()
        self.assertEqual(stale(), {"kmod/x.o"})
        state.forget(frozenset(["kmod/x.o"]))
        self.assertEqual(state.made, {})

    def test_state_file(self) -> None:
        """A state file that cannot be read is as good as none."""
        path = self.folder / "state"
        self.assertEqual(objects.State.read(path), objects.State())
        state = objects.State("r", "f", {"a": {"b": "c"}}, {"m": ["a"]})
        state.write(path)
        self.assertEqual(objects.State.read(path), state)
        for text in ("{", "[]", '{"other": 1}'):
            path.write_text(text)
            self.assertEqual(objects.State.read(path), objects.State())

    def test_store(self) -> None:
        """An object comes back for the content that it was made from, newer than all."""
        self.store.keep(self.build, "kmod/x.o", self.made_from("kmod/x.c"))
        self.put("build/kmod/x.o", "object of two")
        self.put("top/kmod/x.c", "two")
        self.assertIsNone(self.store.fetch(self.build, "kmod/x.o", self.now()))
        source = self.put("top/kmod/x.c", "one")
        self.assertEqual(self.store.fetch(self.build, "kmod/x.o", self.now()),
                         self.made_from("kmod/x.c"))
        made = self.build / "kmod/x.o"
        self.assertEqual(made.read_text(), "object of one")
        self.assertGreaterEqual(made.stat().st_mtime_ns, source.stat().st_mtime_ns)
        self.assertEqual(sorted(p.name for p in made.parent.iterdir()), [".x.o.cmd", "x.o"])

    def test_other_recipe(self) -> None:
        """Objects that one Kbuild file made are not for another."""
        self.store.keep(self.build, "kmod/x.o", self.made_from("kmod/x.c"))
        other = objects.Store(self.folder / "objects", "another")
        self.assertIsNone(other.fetch(self.build, "kmod/x.o", self.now()))

    def test_damaged_entry(self) -> None:
        """An entry without its object or marker is not used."""
        self.store.keep(self.build, "kmod/x.o", self.made_from("kmod/x.c"))
        for name in ("object", ".complete"):
            with self.subTest(name):
                next((self.folder / "objects").rglob(name)).unlink()
                self.assertIsNone(self.store.fetch(self.build, "kmod/x.o", self.now()))

    def test_bounded(self) -> None:
        """Of each object the last few are kept."""
        for number in range(objects.KEPT + 3):
            self.put("top/kmod/x.c", str(number))
            self.put("build/kmod/x.o", f"object of {number}")
            self.store.keep(self.build, "kmod/x.o", self.made_from("kmod/x.c"))
            entry = max((self.folder / "objects/kmod_x.o").iterdir(),
                        key=lambda path: path.stat().st_mtime_ns)
            os.utime(entry, (number, number))
        kept = list((self.folder / "objects/kmod_x.o").iterdir())
        self.assertLessEqual(len(kept), objects.KEPT + 1)
        self.assertIsNotNone(self.store.fetch(self.build, "kmod/x.o", self.now()))
        self.put("top/kmod/x.c", "0")
        self.assertIsNone(self.store.fetch(self.build, "kmod/x.o", self.now()))


if __name__ == "__main__":
    unittest.main()
