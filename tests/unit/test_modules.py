# SPDX-License-Identifier: GPL-2.0
"""Builds of modules and user programs: which of them are out of date."""

import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from kplib.build import modules, nolibc, objects, told
from kplib.common import proc
from kplib.configure import pairs as places

MODULES = ("kparity", "kparity_device", "kparity_ring")
PROGRAMS = ["device_user", "device_user_history", "device_user_costs"]


class TestBuild(unittest.TestCase):
    """kplib.build.modules, without kbuild"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top, self.out = Path(folder.name) / "top", Path(folder.name) / "out/build"
        for name in ("Kbuild", "kmod/device.c", "kmod/device.h", "tests/user/device.c",
                     "tests/user/device_history.c", "tests/user/device_costs.c"):
            self.put(name)
        for name in (*(f"{place}{module}.ko" for module in MODULES for place in ("", "guest/")),
                     "kmod/device.o", *(f"user/{name}" for name in PROGRAMS)):
            (self.out / name).parent.mkdir(parents=True, exist_ok=True)
            (self.out / name).write_text("")
        patch = mock.patch.object(modules, "TOP", self.top)
        patch.start()
        self.addCleanup(patch.stop)
        self.ident = "linux 7.3"
        self.kernel_src: Path | None = None
        self.pairs_dir: Path | None = None

    def put(self, name: str) -> None:
        """Write a file of the checkout."""
        (self.top / name).parent.mkdir(parents=True, exist_ok=True)
        (self.top / name).write_text(name)

    def work(self, *pairs: str) -> Any:
        """A build of some pairs' modules, which has not begun."""
        built = modules.Modules(self.out / "kparity.ko",
                                {pair: self.out / f"kparity_{pair}.ko" for pair in pairs},
                                {name: self.out / "user" / name for name in PROGRAMS
                                 if "device" in pairs})
        setup = mock.Mock(**{"request.kernel_src": self.kernel_src, "request.kdir": None,
                             "request.pairs": pairs, "request.pairs_dir": self.pairs_dir,
                             "request.frozen": False,
                             "kernel.tree": Path("/linux"), "kernel.ident": self.ident,
                             "kernel.config": {}})
        return modules._Build(setup, built)  # pylint: disable=protected-access

    def built(self, *pairs: str) -> None:
        """Leave the files that a build of some pairs leaves."""
        work = self.work(*pairs)
        work.state.modules |= {module: ["kmod/device.o"] if "device" in module else []
                               for module in work.modules}
        work.state.shapes |= work.shapes
        work.state.made |= {ko.name: {} for ko in work.built.files()}
        if "device" in pairs:
            work.state.made["kmod/device.o"] = {"kmod/device.c": work.now.of("kmod/device.c")}
        with mock.patch.object(nolibc, "compile_program"):
            work._programs()  # pylint: disable=protected-access
        work.state.recipe, work.state.folder = work.recipe, str(self.out)
        work.state.write(work.path)

    def programs(self) -> list[str]:
        """User programs that are to be compiled."""
        found: list[str] = self.work("device")._stale_programs()
        return found

    def test_nothing_to_do(self) -> None:
        """All is as the checkout's files want it, until one of them changes."""
        self.built("device")
        self.assertTrue(self.work("device").nothing_to_do())
        (self.top / "kmod/device.c").write_text("edited")
        self.assertEqual(self.work("device").stale, {"kmod/device.o"})

    def test_user_program(self) -> None:
        """A user program is compiled again for another kernel, other rules, and other headers."""
        self.built("device")
        self.assertEqual(self.programs(), [])
        self.ident = "linux 7.4"
        self.assertEqual(self.programs(), PROGRAMS)
        self.built("device")
        (self.top / "Kbuild").write_text("ccflags-y += -DX")
        self.assertEqual(self.programs(), PROGRAMS)
        for header in ("kmod/device.h", "tests/user/device.h"):
            self.put(header)
            self.built("device")
            self.assertEqual(self.programs(), [])
            (self.top / header).write_text("edited")
            self.assertEqual(self.programs(), PROGRAMS)
        self.built("device")
        (self.top / "tests/user/device_history.c").write_text("edited")
        self.assertEqual(self.programs(), ["device_user_history"])
        self.assertIn(self.top / "tests/user/device.h",
                      [path for glob in modules.INPUTS for path in self.top.glob(glob)])

    def test_own_kernel(self) -> None:
        """Of a kernel tree of the user's own nothing tells whether its headers changed.

        Then no object of an earlier build is put back, and the program is compiled each time.
        """
        command = ("savedcmd_kmod/device.o := cc\n\nsource_kmod/device.o := "
                   f"{self.top}/kmod/device.c\n\ndeps_kmod/device.o := \\\n\n"
                   "kmod/device.o: $(deps_kmod/device.o)\n\n$(deps_kmod/device.o):\n")
        for own in (Path("/linux"), None):
            self.kernel_src = own
            self.built("device")
            work = self.work("device")
            (self.out / "kmod/.device.o.cmd").write_text(command)
            work.state.made.pop("kmod/device.o")
            with mock.patch.object(objects, "targets", lambda *_: ["kmod/device.o"]):
                work._record()  # pylint: disable=protected-access
            (self.top / "kmod/device.c").write_text("edited")
            self.work("device")._fetch()  # pylint: disable=protected-access
            self.assertFalse((self.out / "kmod/device.o").exists())
            self.put("kmod/device.c")
            (work := self.work("device")).state.made.pop("kmod/device.o", None)
            work.stale |= {"kmod/device.o"}
            missing = work._fetch()  # pylint: disable=protected-access
            self.assertEqual("kmod/device.o" in missing, own is not None)
            self.assertEqual(self.programs(), PROGRAMS if own else [])
            (self.out / "kmod/device.o").write_text("")

    def test_failed(self) -> None:
        """A kbuild that fails takes nothing from what was up to date, and leaves no commands."""
        self.built("device", "ring")
        for meanwhile in ("kmod/device.c", "kmod/ring.c"):
            (self.top / "kmod/ring.c").write_text("wrong")
            state = (work := self.work("ring")).state
            state.folder = "another"
            state.made["kmod/ring.o"] = {"kmod/ring.c": work.now.of("kmod/ring.c")}

            def failing(*_: Any, name: str = meanwhile) -> tuple[int, list[str]]:
                self.put(name)
                return 1, []

            with mock.patch.object(proc, "logged", failing):
                self.assertEqual(work.run(mock.Mock())[0], 1)
            now = self.work("ring", "device")
            self.assertEqual((now.state.recipe, now.state.folder), (now.recipe, ""))
            self.assertFalse(now._replayable())  # pylint: disable=protected-access
            self.assertNotIn("kmod/device.o", now.stale)
            # Written while it was compiled: it may be made from either.
            self.assertEqual("kmod/ring.o" in now.state.made, meanwhile == "kmod/device.c")

    def test_other_pair(self) -> None:
        """A build of one pair for another kernel does not vouch for the modules of others."""
        self.built("device", "ring")
        self.ident = "linux 7.4"
        self.built("ring")
        self.assertTrue(self.work("ring").nothing_to_do())
        self.assertIn("kparity_device.ko", self.work("device").stale)
        self.assertIn("kmod/device.o", self.work("device").stale)
        self.assertEqual(self.programs(), PROGRAMS)

    def test_other_commands(self) -> None:
        """Nor does it for their saved commands, which name the former kernel's headers."""
        self.built("device", "ring")
        self.assertTrue(self.work("device")._replayable())  # pylint: disable=protected-access
        self.ident = "linux 7.4"
        self.built("ring")
        self.assertTrue(self.work("ring")._replayable())  # pylint: disable=protected-access
        self.assertFalse(self.work("device")._replayable())  # pylint: disable=protected-access

    def test_shape(self) -> None:
        """Another folder with the same pair, and another list of C files, ask kbuild.

        What was made for the one is not put back for the other, though its files are still
        there as they were.
        """
        one, two = self.out / "one", self.out / "two"
        for folder in (one, two):
            (folder / "bits").mkdir(parents=True)
            (folder / "bits/contract.h").write_text("KP_FUNCTION(f, ANY, KP_VOID)\n")
            (folder / "bits/bits.c").write_text("")
        self.pairs_dir = one
        for place in ("", "guest/"):
            (self.out / f"{place}kparity_bits.ko").write_text("")

        def leave() -> None:
            work = self.work("bits")
            made_from = {str(path): work.now.of(str(path))
                         for path in (self.pairs_dir / "bits").iterdir()}  # type: ignore[operator]
            (self.out / "bits.o").write_text("")
            (self.out / ".bits.o.cmd").write_text("")
            work.state.made |= {ko.name: {} for ko in work.built.files()} | {"bits.o": made_from}
            work.state.modules |= {"kparity": [], "kparity_bits": ["bits.o"]}
            work.state.shapes |= work.shapes
            work.store.keep(self.out, "bits.o", made_from, work.shapes["kparity_bits"])
            work.state.recipe, work.state.folder = work.recipe, str(self.out)
            work.state.write(work.path)

        def asks_kbuild() -> bool:
            work = self.work("bits")
            asks = not work.nothing_to_do() and not work._replayable()  # pylint: disable=W0212
            if asks:
                work._fetch()  # pylint: disable=protected-access
                self.assertFalse((self.out / "bits.o").exists())
            return asks

        leave()
        self.assertFalse(asks_kbuild())
        self.pairs_dir = two
        self.assertTrue(asks_kbuild())
        leave()
        (two / "bits/bits.c").write_text("edited")
        self.assertEqual(self.work("bits")._fetch(), {"bits.o"})  # pylint: disable=W0212
        leave()
        (two / "bits/contract.h").write_text(
            'KP_SOURCES("more.c")\nKP_FUNCTION(f, ANY, KP_VOID)\n')
        self.assertTrue(asks_kbuild())
        leave()
        (two / "bits/more.c").write_text("")
        self.assertTrue(asks_kbuild())
        leave()
        (two / "bits/bits.c").unlink()
        self.assertTrue(asks_kbuild())


class TestTold(unittest.TestCase):
    """kplib.build.told"""

    def test_not_ours(self) -> None:
        """A full disk, and a tool that was killed, are no fault of a source."""
        wrong = "x.c:1:1: error: expected ';'\nmake[2]: *** [Makefile:1: x.o] Error 1\n"
        self.assertEqual(told.not_ours(2, wrong), "")
        self.assertEqual(told.not_ours(2, wrong.replace("';'", "'Killed'")), "")
        for log, why in (
                ("error: failed to write to `lib.rmeta`: No space left on device (os error 28)\n",
                 "No space left on device"),
                ("clang: error: unable to execute command: Killed\n", "a tool was killed"),
                ("Killed\nmake[3]: *** [Kbuild:9: x.o] Error 137\n", "a tool was killed")):
            self.assertEqual(told.not_ours(2, log), why)
        self.assertEqual(told.not_ours(-9, ""), "make was ended by signal 9")
        self.assertEqual(told.not_ours(137, ""), "make was ended by signal 9")

    ROOT = ("mod c {\n    pub(super) fn bits(value: u32) -> c_uint {\n"
            "        unsafe { bindings::bits(value) }\n    }\n}\nx(port::bits(value))\n")

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.pair = places.in_folder("bits", self.folder)
        (self.folder / "rust-stub").mkdir()
        (self.folder / "rust-stub/bits_root.rs").write_text(self.ROOT)
        self.pair.contract.parent.mkdir()
        self.pair.contract.write_text(
            "\nKP_FUNCTION(bits, ANY, KP_UNSIGNED(unsigned int), KP_NUMBER(u32, value))\n")

    def said(self, log: str, port: str = "") -> list[str]:
        """The lines for a log, with the folder's name taken off."""
        self.pair.port.write_text(port)
        return [line.replace(f"{self.folder}/bits/", "")
                for line in told.own_lines(self.folder, [self.pair], log)]

    def test_port(self) -> None:
        """One line, at the port, with what the row wants."""
        log = "error[E0308]: x\n   --> rust-stub/bits_root.rs:6:3\n" * 2
        wants = "contract.h:2 wants pub(crate) fn bits(value: u32) -> c_uint"
        self.assertEqual(self.said(log, "fn bitz() {}"),
                         [f"bits.rs:1: error: no function bits; the row in {wants}"])
        self.assertEqual(self.said(log, "\n\nfn bits() {}"),
                         [f"bits.rs:3: error: bits is private; the row in {wants}"])
        for port in ("\npub(crate) fn bits() {}", "\n    pub const unsafe fn r#bits() {}"):
            self.assertEqual(self.said(log, port), [
                "bits.rs:2: error: bits is not as the row in contract.h:2 wants it: "
                "pub(crate) fn bits(value: u32) -> c_uint"])
        self.assertEqual(self.said("error: x\n --> /x/bits.rs:6:3\n", "fn bits() {}"), [])

    def test_row(self) -> None:
        """A row that fits neither side is wrong itself."""
        log = "".join(f"error: x\n  --> rust-stub/bits_root.rs:{n}:1\n" for n in (6, 3))
        self.assertEqual(self.said(log), [
            "contract.h:2: error: the row of bits does not fit its C prototype"])

    def test_names(self) -> None:
        """A function that the kernel has too, otherwise, is told once for both compilers."""
        at = f"{self.pair.contract}:1:14"
        for what, log in (
                ("function", f"{at}: error: conflicting types for 'bits'\n    7 | unsigned int "
                 "bits(u32 value);\n      |              ^\n/k/include/linux/a.h:9:24: note: "
                 "previous declaration is here\n"),
                ("function", f"{at}: error: conflicting types for \u2018bits\u2019; have \u2018u32"
                 "\u2019\n/k/include/linux/a.h:9:24: note: previous declaration of "
                 "\u2018bits\u2019\n"),
                ("macro", f"{at}: error: expected identifier or '('\n    7 | unsigned int bits\n"
                 "      |              ^\n/k/include/linux/a.h:9:26: note: expanded from macro "
                 "'bits'\n  511 | #define bits(a)\n")):
            self.assertEqual(self.said(log + log), [
                f"contract.h:2: error: the kernel has a {what} bits that is not this one "
                "(/k/include/linux/a.h:9); call this one otherwise"])
            self.assertEqual(self.said(log.replace("bits", "odds")), [])
            self.assertEqual(self.said(log.replace(str(self.pair.contract), "/k/b.h")), [])
            # Where both are the pair's own, the compiler has said it.
            self.assertEqual(self.said(log.replace("/k/include/linux/a.h",
                                                   str(self.pair.contract))), [])

    def test_modpost(self) -> None:
        """Both of its forms; other pairs' symbols are not this one's."""
        for log in ("ERROR: modpost: kparity_bits.ko: symbol 'bits' undefined!\n",
                    'ERROR: modpost: "bits" [/x/kparity_bits.ko] undefined!\n'):
            line, = self.said(log)
            self.assertRegex(line, r"^contract.h:2: error: this kernel does not export bits; write "
                                   r"it in bits.c, or .*KP_SOURCES")
        self.assertEqual(self.said("ERROR: modpost: kparity_ring.ko: symbol 'bits' undefined!"), [])
        # A comment is no use of it.
        text = self.pair.contract.read_text()
        self.pair.contract.write_text(f"/* CHANGE: bits: counts */\n{text}")
        line, = self.said(log)
        self.assertRegex(line, r"^contract.h:3: ")

    def test_lacking(self) -> None:
        """A function of a file that an option would have built names the option."""
        tree = self.folder / "linux"
        files = {
            "lib/hash/bits.c": "int bits(void);\nEXPORT_SYMBOL_GPL(bits);\n",
            "lib/hash/Makefile": "obj-$(CONFIG_HASHES) += all.o\nall-y := a.o \\\n\tbits.o\n",
            "lib/Makefile": "obj-y += a.o\nobj-$(CONFIG_LIBRARY) += hash/ b/\n",
            "Kbuild": "obj-y += lib/ kernel/\n",
            "kernel/Makefile": "obj-y += plain.o\n",
            "kernel/plain.c": "EXPORT_SYMBOL_NS(plain, \"X\");\n// EXPORT_SYMBOL(bits)\n",
            "lib/other/s390/far.c": "EXPORT_SYMBOL(far);\nEXPORT_SYMBOL(bits);\n",
            "lib/other/s390/Makefile": "obj-$(CONFIG_FAR) += far.o\n",
            "arch/s390/far.c": "EXPORT_SYMBOL(far);\n",
            "arch/x86/near.c": "EXPORT_SYMBOL(near);\n", "arch/arm64/near.c":
            "EXPORT_SYMBOL(near);\n", "arch/x86/Makefile": "obj-$(CONFIG_NEAR) += near.o\n",
            "arch/arm64/Makefile": "obj-$(CONFIG_ARM_NEAR) += near.o\n",
            "mm/one.c": "EXPORT_SYMBOL(twice);\n", "mm/two.c": "EXPORT_SYMBOL(twice);\n",
            "mm/Makefile": "obj-$(CONFIG_ONE) += one.o\nobj-$(CONFIG_TWO) += two.o\n",
        }
        for name, text in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)

        arch = "x86_64"

        def said(name: str, **config: str) -> str:
            kernel = mock.Mock(tree=tree, config={f"CONFIG_{k}": v for k, v in config.items()},
                               **{"arch.kernel_arch": arch})
            line, = told.own_lines(self.folder, [self.pair], "ERROR: modpost: kparity_bits.ko: "
                                   f"symbol '{name}' undefined!\n", kernel)
            return line.replace(f"{self.folder}/bits/", "")

        self.assertEqual(said("bits"), (
            "contract.h:2: error: this kernel does not export bits: lib/hash/bits.c, which does, "
            "wants CONFIG_HASHES, CONFIG_LIBRARY; write CONFIG_HASHES=y and CONFIG_LIBRARY=y in "
            "config"))
        self.assertIn("; write CONFIG_HASHES=y in config", said("bits", LIBRARY="y", HASHES="m"))
        for name in ("plain", "gone"):
            self.assertIn(f"export {name}; write it in bits.c, or have ", said(name))
        self.assertIn("write it in bits.c", said("bits", LIBRARY="y", HASHES="y"))
        # Another arch's file is no help, and an option is none where a file lacks nothing.
        self.assertIn("write it in bits.c", said("far"))
        self.assertIn("write CONFIG_ONE=y in config", said("twice"))
        for name in ("ONE", "TWO"):
            self.assertIn("write it in bits.c", said("twice", **{name: "y"}))
        for arch, name in (("x86", "NEAR"), ("x86_64", "NEAR"), ("arm64", "ARM_NEAR")):
            self.assertIn(f"; write CONFIG_{name}=y in config", said("near"))

    def test_make(self) -> None:
        """make's own words are left out, where it is not the one that failed."""
        own = ["make[3]: *** [/x/Kbuild:1: y.o] Error 1", "make[1]: Leaving directory '/x'"]
        self.assertEqual(told.without_make(["x.c:1: error: y", *own]), ["x.c:1: error: y"])
        self.assertEqual(told.without_make(own), own)
        missing = "make[3]: *** No rule to make target 'x.c', needed by 'x.o'.  Stop."
        self.assertEqual(told.without_make([missing, *own]), [missing])


if __name__ == "__main__":
    unittest.main()
