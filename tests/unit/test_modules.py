# SPDX-License-Identifier: GPL-2.0
"""Builds of modules and user programs: which of them are out of date."""

import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from kplib.build import modules, nolibc, objects

MODULES = ("kparity", "kparity_device", "kparity_ring")


class TestBuild(unittest.TestCase):
    """kplib.build.modules, without kbuild"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top, self.out = Path(folder.name) / "top", Path(folder.name) / "out/build"
        for name in ("Kbuild", "kmod/device.c", "kmod/device.h", "tests/user/device.c"):
            self.put(name)
        for name in (*(f"{place}{module}.ko" for module in MODULES for place in ("", "guest/")),
                     "kmod/device.o", "user/device"):
            (self.out / name).parent.mkdir(parents=True, exist_ok=True)
            (self.out / name).write_text("")
        patch = mock.patch.object(modules, "TOP", self.top)
        patch.start()
        self.addCleanup(patch.stop)
        self.ident = "linux 7.3"
        self.kernel_src: Path | None = None

    def put(self, name: str) -> None:
        """Write a file of the checkout."""
        (self.top / name).parent.mkdir(parents=True, exist_ok=True)
        (self.top / name).write_text(name)

    def work(self, *pairs: str) -> Any:
        """A build of some pairs' modules, which has not begun."""
        built = modules.Modules(self.out / "kparity.ko",
                                {pair: self.out / f"kparity_{pair}.ko" for pair in pairs},
                                {"device": self.out / "user/device"} if "device" in pairs else {})
        setup = mock.Mock(**{"request.kernel_src": self.kernel_src, "request.kdir": None,
                             "request.pairs": pairs, "request.pairs_dir": None,
                             "kernel.tree": Path("/linux"), "kernel.ident": self.ident})
        return modules._Build(setup, built)  # pylint: disable=protected-access

    def built(self, *pairs: str) -> None:
        """Leave what a build of some pairs leaves."""
        work = self.work(*pairs)
        work.state.modules |= {module: ["kmod/device.o"] if "device" in module else []
                               for module in work.modules}
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
        """It is compiled again for another kernel, other rules, and other headers of its own."""
        self.built("device")
        self.assertEqual(self.programs(), [])
        self.ident = "linux 7.4"
        self.assertEqual(self.programs(), ["device"])
        self.built("device")
        (self.top / "Kbuild").write_text("ccflags-y += -DX")
        self.assertEqual(self.programs(), ["device"])
        for header in ("kmod/device.h", "tests/user/device.h"):
            self.put(header)
            self.built("device")
            self.assertEqual(self.programs(), [])
            (self.top / header).write_text("edited")
            self.assertEqual(self.programs(), ["device"])
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
            self.assertEqual(self.programs(), ["device"] if own else [])
            (self.out / "kmod/device.o").write_text("")

    def test_other_pair(self) -> None:
        """A build of one pair for another kernel does not vouch for the modules of others."""
        self.built("device", "ring")
        self.ident = "linux 7.4"
        self.built("ring")
        self.assertTrue(self.work("ring").nothing_to_do())
        self.assertIn("kparity_device.ko", self.work("device").stale)
        self.assertIn("kmod/device.o", self.work("device").stale)
        self.assertEqual(self.programs(), ["device"])


if __name__ == "__main__":
    unittest.main()
