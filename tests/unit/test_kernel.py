# SPDX-License-Identifier: GPL-2.0
"""Configuring a kernel: how often Kconfig is run, and what an interrupted build keeps."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from kplib.build import kernel, toolchain
from kplib.common import proc, ui

TINY = "# CONFIG_A is not set\n"


class TestConfigure(unittest.TestCase):
    """kplib.build.kernel, with make's part played by a function"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.asked: list[str] = []
        self.request: Any = SimpleNamespace(cache=self.folder / "cache", kernel_src=None)
        self.tools: Any = SimpleNamespace(name=lambda: "tools",
                                          argv=lambda *words: list(map(str, words)))
        self.arch: Any = SimpleNamespace(name="x", kernel_arch="x", kconfig="CONFIG_A=y\n")
        self.variant: Any = SimpleNamespace(kconfig="")
        for module, name, value in ((proc, "logged", self.make),
                                    (kernel, "fragments", lambda arch, variant: arch.kconfig)):
            patch = mock.patch.object(module, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def make(self, argv: list[str], *_: object, **__: object) -> tuple[int, list[str]]:
        """tinyconfig and olddefconfig, as Kconfig does them."""
        build = Path(next(word for word in argv if word.startswith("O="))[2:])
        self.asked.append(argv[-1])
        if argv[-1] == "tinyconfig":
            (build / ".config").write_text(TINY)
        else:
            (build / ".config").write_text("CONFIG_A=y\n")
        auto = build / "include/config/auto.conf"
        if not auto.exists():
            auto.parent.mkdir(parents=True, exist_ok=True)
            auto.write_text(argv[-1])
        return 0, []

    def configure(self, name: str) -> str:
        """Configure in a folder; who wrote its auto.conf."""
        build = self.folder / name
        build.mkdir(exist_ok=True)
        src = kernel.Source(self.folder / "tree", "source")
        with mock.patch("sys.stderr"), ui.step("configuring") as step:
            kernel._configure(self.request, self.tools, src, build, self.arch, self.variant, step)
        return (build / "include/config/auto.conf").read_text()

    def test_once(self) -> None:
        """tinyconfig is made once for an arch; each kernel's auto.conf is its own."""
        self.assertEqual([self.configure("one"), self.configure("two")], ["olddefconfig"] * 2)
        self.assertEqual(self.asked, ["tinyconfig", "olddefconfig", "olddefconfig"])

    def test_own_tree(self) -> None:
        """A tree of the user's own is asked each time."""
        self.request.kernel_src = self.folder / "tree"
        self.configure("one")
        self.configure("one")
        self.assertEqual(self.asked, ["tinyconfig", "olddefconfig"] * 2)

    def test_goes_on(self) -> None:
        """A build that was interrupted keeps its auto.conf, or all would be built anew."""
        self.configure("one")
        (self.folder / "one/include/config/auto.conf").write_text("of the build")
        (self.folder / "one" / kernel.BUILD_LOG).write_text("")
        self.assertEqual(self.configure("one"), "of the build")


class TestHostTools(unittest.TestCase):
    """Tools of the host, which have its environment"""

    def test_environment(self) -> None:
        """Nothing that changes what kbuild builds reaches it; all else does."""
        tools = toolchain.Toolchain(None, {}, "", ())
        ours = {"KCFLAGS": "-O0", "KRUSTFLAGS": "-g", "KBUILD_CFLAGS_KERNEL": "x", "PATH": "/bin",
                "CFLAGS_MODULE": "-g", "HOSTCFLAGS": "-g", "KPARITY_CACHE": "/c"}
        with mock.patch.dict(os.environ, ours, clear=True):
            said = subprocess.run(tools.argv("env"), check=True, stdout=subprocess.PIPE).stdout
        self.assertEqual(set(said.decode().split()), {"PATH=/bin", "KPARITY_CACHE=/c"})
        with mock.patch.dict(os.environ, {"PATH": "/bin"}, clear=True):
            self.assertEqual(tools.argv("env"), ["env"])

    def test_asked_of_each_kernel(self) -> None:
        """Whether a kernel accepts this Rust is another question for another kernel."""
        host = toolchain.Toolchain(None, {"rustc": "1.85"}, "", ())
        root = toolchain.Toolchain(Path("/r"), {}, "", ())
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(toolchain, "choose", return_value=host), \
                mock.patch.object(toolchain, "use_root", return_value=root), \
                mock.patch.object(kernel, "source", side_effect=lambda req, _: req.src), \
                mock.patch.object(kernel, "rust_refused",
                                  side_effect=lambda _, src: src.ident == "new" and "old"):
            req: Any = mock.Mock(cache=Path(folder), kdir=None, kernel_src=None, toolchain=None,
                                 out=Path(folder), pairs=(), pairs_dir=None)
            for ident, tools in (("debian 7.3", host), ("new", root), ("debian 7.3", host)):
                req.src = kernel.Source(Path(folder), ident)
                self.assertIs(kernel.tools_for(req), tools)


if __name__ == "__main__":
    unittest.main()
