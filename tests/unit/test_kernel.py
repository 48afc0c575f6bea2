# SPDX-License-Identifier: GPL-2.0
"""Configuring a kernel: how often Kconfig is run, and what an interrupted build keeps."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from kplib.build import config, kernel, source, toolchain
from kplib.common import cache, proc, ui
from kplib.common.errors import EnvironmentFailed, Refused
from kplib.configure import options

TINY = "# CONFIG_A is not set\n"
#: Kconfig file of a kernel: options with a prompt, one that something must select, one that
#: depends on it, one that depends on what nobody has.
KCONFIG = """\
config A
	bool "a"
config THERE
	def_bool y
config MORE
	bool "more"
config LIBRARY
	tristate
config LATER
	bool
	depends on LIBRARY
config NEVER
	bool "never"
	depends on GONE
"""


class TestConfigure(unittest.TestCase):
    """kplib.build.config, with make's part played by a function"""

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
                                    (config, "fragments", lambda arch, variant: arch.kconfig)):
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
        src = source.Source(self.folder / "tree", "source")
        with mock.patch("sys.stderr"), ui.step("configuring") as step:
            config.configure(self.request, self.tools, src, build, self.arch, self.variant, step)
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
        (self.folder / "one" / config.BUILD_LOG).write_text("")
        self.assertEqual(self.configure("one"), "of the build")


class TestPairsOptions(unittest.TestCase):
    """A kernel with more options, as pairs want them; make's part is played by a function"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.tree = self.folder / "tree"
        self.tree.mkdir()
        (self.tree / "Kconfig").write_text(KCONFIG)
        self.made: list[str] = []
        self.arch: Any = SimpleNamespace(name="x", kernel_arch="x", kconfig="", image="vmlinux")
        self.variant: Any = SimpleNamespace(name="base", checkers=(),
                                            kconfig="CONFIG_A=y\n# CONFIG_OFF is not set\n")
        self.request: Any = SimpleNamespace(
            cache=self.folder / "cache", kernel_src=None, kdir=None, verbose=False, pairs=(),
            pairs_dir=self.folder / "pairs", archs=(self.arch,), variants=(self.variant,))
        self.tools: Any = SimpleNamespace(name=lambda: "tools", versions={},
                                          argv=lambda *words: list(map(str, words)))
        self.said: list[str] = []
        for module, name, value in (
                (proc, "logged", self.make), (kernel, "_finish", self.finish),
                (source, "get", lambda req, tools: source.Source(self.tree, "source")),
                (config, "fragments", lambda arch, variant: arch.kconfig + variant.kconfig),
                (ui, "note", self.said.append), (cache, "need_space", mock.Mock())):
            patch = mock.patch.object(module, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    @staticmethod
    def finish(*given: Any) -> Any:
        """Facts that a kernel is known by afterwards."""
        return SimpleNamespace(build=given[2], entry=given[6], ident=given[7], added=given[8])

    def make(self, argv: list[str], log: Path, *_: object, **__: object) -> tuple[int, list[str]]:
        """Kconfig's rules for the options above; a build leaves an object."""
        build = Path(next(word for word in argv if word.startswith("O="))[2:])
        self.made.append(argv[-1])
        if argv[-1] == "tinyconfig":
            (build / ".config").write_text("")
        elif argv[-1] == "olddefconfig":
            asked = options.read(mock.Mock(config=build / ".config"))
            prompts = re.findall(r'config (\w+)\n\t\w+ "', (self.tree / "Kconfig").read_text())
            have = {one.name[7:]: one.value for one in asked
                    if one.name[7:] in prompts and one.name != "CONFIG_NEVER"} | {"THERE": "y"}
            first = [word for word in argv if word.startswith("KBUILD_KCONFIG=")]
            text = Path(first[0].partition("=")[2]).read_text() if first else ""
            have |= {name: "y" for name in ("LIBRARY", "LATER") if f"\tselect {name}\n" in text}
            (build / ".config").write_text("".join(
                options.line(f"CONFIG_{name}", value) + "\n" for name, value in have.items()))
            log.write_text("")
        else:
            log.write_text("built")
            (build / "object").write_text("")
            (build / ".object.cmd").write_text(f"cmd := cc -o {build}/object")
            (build / ".config").touch()
        return 0, []

    def get(self, **configs: str) -> Any:
        """The kernel for pairs with some files `config`."""
        for name, text in configs.items():
            (self.folder / "pairs" / name).mkdir(parents=True, exist_ok=True)
            (self.folder / "pairs" / name / "contract.h").write_text("")
            (self.folder / "pairs" / name / "config").write_text(text)
        self.request.pairs = tuple(configs)
        self.made.clear()
        self.said.clear()
        with mock.patch("sys.stderr"):
            return kernel.get(self.request, self.tools, self.arch, self.variant)

    def setting(self, built: Any) -> set[str]:
        """The lines of a kernel's .config."""
        return set((built.build / ".config").read_text().splitlines())

    def test_no_more(self) -> None:
        """Options that the variant has cost no kernel, whether the variant's is built or not."""
        there = self.get(a="CONFIG_THERE=y\n# CONFIG_OFF is not set\n# CONFIG_MORE is not set\n")
        self.assertEqual(self.made.count("headers"), 1)
        self.assertEqual(there.added, ())
        self.assertEqual(self.get(a="").ident, there.ident)
        self.assertEqual(self.get(a="CONFIG_THERE=y\n").ident, there.ident)
        self.assertEqual((self.made, self.said), ([], []))

    def test_more(self) -> None:
        """Another kernel beside the variant's, told of first, and built once for all pairs."""
        plain = self.get(a="")
        more = self.get(a="CONFIG_MORE=y\nCONFIG_THERE=y\n")
        self.assertEqual(self.made, ["olddefconfig", "headers"])
        self.assertRegex(self.said[0],
                         "^the x base kernel lacks CONFIG_MORE=y for a: .*once.*minute")
        self.assertEqual([one.words for one in more.added], ["CONFIG_MORE=y"])
        self.assertNotEqual(more.ident, plain.ident)
        self.assertFalse(more.entry.match("x-base-*"))
        self.assertIn("CONFIG_MORE=y", self.setting(more))
        self.assertNotIn("CONFIG_MORE=y", self.setting(plain))
        self.assertEqual(self.get(b="CONFIG_MORE=y\n").ident, more.ident)
        self.assertEqual(self.get(a="").ident, plain.ident)
        self.assertEqual((self.made, self.said), ([], []))

    def test_begins_as_copy(self) -> None:
        """Objects of the variant's kernel are kept: same times, commands that hold in the copy."""
        plain = self.get(a="")
        os.utime(plain.build / "object", (1, 1))
        with mock.patch.object(kernel, "_compile"):
            more = self.get(a="CONFIG_MORE=y\n")
        self.assertEqual((more.build / "object").stat().st_mtime, 1)
        self.assertIn(f"{more.build}/object", (more.build / ".object.cmd").read_text())
        self.assertIn(f"{plain.build}/object", (plain.build / ".object.cmd").read_text())
        self.assertTrue((more.build / config.BUILD_LOG).exists())

    def test_alone(self) -> None:
        """Without the variant's kernel it is not built; what it would have is looked at once."""
        more = self.get(a="CONFIG_MORE=y\n")
        self.assertEqual(self.made, ["tinyconfig", "olddefconfig", "olddefconfig", "headers"])
        self.assertIn(kernel.HOW_LONG, self.said[0])
        self.get(a="CONFIG_MORE=y\n# CONFIG_LATER is not set\n")
        self.assertEqual(self.made, [])
        self.assertIn("CONFIG_A=y", self.setting(more))

    def test_selected(self) -> None:
        """Options that nobody is asked about are selected, also one that another one opens."""
        for built_first in (False, True):
            if built_first:
                self.variant.name = "other"
                self.get(a="")
            both = self.get(a="CONFIG_LATER=y\nCONFIG_LIBRARY=y\nCONFIG_MORE=y\n")
            self.assertLessEqual({"CONFIG_LATER=y", "CONFIG_LIBRARY=y", "CONFIG_MORE=y"},
                                 self.setting(both))
            self.assertEqual((both.build / config.SELECTS).read_text(), KCONFIG
                             + "\nconfig KPARITY_PAIRS\n\tdef_bool y\n"
                               "\tselect LIBRARY\n\tselect LATER\n")

    def test_union(self) -> None:
        """Pairs of one run share a kernel that has what each wants."""
        both = self.get(a="CONFIG_MORE=y\n", b="CONFIG_LIBRARY=y\nCONFIG_MORE=y\n")
        self.assertEqual([(one.words, one.pairs) for one in both.added],
                         [("CONFIG_LIBRARY=y", ("b",)), ("CONFIG_MORE=y", ("a", "b"))])
        self.assertIn("CONFIG_LIBRARY=y for b; CONFIG_MORE=y for a, b", self.said[0])

    def test_dropped(self) -> None:
        """An option that cannot be is named at its own line, and leaves no kernel."""
        with self.assertRaises(Refused) as caught:
            self.get(a="CONFIG_MORE=y\nCONFIG_NEVER=y\nCONFIG_NONE=y\n")
        self.assertIn("cannot have CONFIG_NEVER, CONFIG_NONE", str(caught.exception))
        where = f"{self.folder}/pairs/a/config"
        self.assertIn(f"  {where}:2: CONFIG_NEVER=y became n: Kconfig:12 depends on GONE",
                      self.said)
        self.assertIn(f"  {where}:3: CONFIG_NONE=y became n: this kernel has no such option",
                      self.said)
        self.assertEqual(len(self.said), 2)  # no word of a build
        self.assertEqual([path for path in self.request.cache.glob("kernel/*.pairs-*")
                          if path.is_dir()], [])

    def test_dropped_of_ours(self) -> None:
        """An option of kparity's own that a kernel drops is not the request's fault."""
        self.variant.kconfig += "CONFIG_NEVER=y\n"
        with self.assertRaises(EnvironmentFailed) as caught:
            self.get(a="CONFIG_MORE=y\n")
        self.assertIn("dropped 1 of the options", str(caught.exception))

    def test_taken_away(self) -> None:
        """A pair cannot change a variant's option; it is refused before anything is done."""
        with self.assertRaises(Refused) as caught:
            self.get(a="\n# CONFIG_A is not set\n")
        self.assertIn("pairs/a/config:2: CONFIG_A=n: CONFIG_A is y in every x base kernel",
                      str(caught.exception))
        self.assertEqual(self.made, [])

    def test_own_tree(self) -> None:
        """A tree of the user's own is asked each time, and built with them too."""
        self.request.kernel_src = self.tree
        more = self.get(a="CONFIG_MORE=y\n")
        again = self.get(a="CONFIG_MORE=y\n")
        self.assertEqual(more.ident, again.ident)
        self.assertEqual(self.made, ["tinyconfig", "olddefconfig"] * 2 + ["headers"])
        self.assertIn("CONFIG_MORE=y", self.setting(again))
        self.assertEqual(self.said, [])

    def test_no_longer_selected(self) -> None:
        """An option of such a tree that gets a prompt is not selected, nor with the old Kconfig."""
        self.request.kernel_src = self.tree
        more = self.get(a="CONFIG_LIBRARY=y\n")
        self.assertIn("\tselect LIBRARY\n", (more.build / config.SELECTS).read_text())
        (self.tree / "Kconfig").write_text(KCONFIG.replace("\ttristate\n", '\ttristate "l"\n'))
        more = self.get(a="CONFIG_LIBRARY=y\n")
        self.assertFalse((more.build / config.SELECTS).exists())
        self.assertIn("CONFIG_LIBRARY=y", self.setting(more))

    def test_kdir(self) -> None:
        """A kernel of the user's own is only looked at; one line says what it lacks."""
        kdir = self.request.kdir = self.folder / "kdir"
        (kdir / "usr").mkdir(parents=True)
        for name in ("vmlinux", "usr/gen_init_cpio"):
            (kdir / name).write_text("")
        text = "".join(f"CONFIG_{name}=y\n" for name in kernel.NEEDED) + "CONFIG_LIBRARY=m\n"
        (kdir / ".config").write_text(text)
        with self.assertRaises(Refused) as caught:
            self.get(a="CONFIG_LIBRARY=y\n", b="CONFIG_KUNIT=y\nCONFIG_MORE=y\n")
        where = self.folder / "pairs"
        self.assertIn(f"lacks CONFIG_LIBRARY=y ({where}/a/config:1, it is a module), "
                      f"CONFIG_MORE=y ({where}/b/config:2); ", str(caught.exception))
        self.assertEqual((kdir / ".config").read_text(), text)


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
                mock.patch.object(source, "get", side_effect=lambda req, _: req.src), \
                mock.patch.object(kernel, "rust_refused",
                                  side_effect=lambda _, src: src.ident == "new" and "old"):
            req: Any = mock.Mock(cache=Path(folder), kdir=None, kernel_src=None, toolchain=None,
                                 out=Path(folder), pairs=(), pairs_dir=None)
            for ident, tools in (("debian 7.3", host), ("new", root), ("debian 7.3", host)):
                req.src = source.Source(Path(folder), ident)
                self.assertIs(kernel.tools_for(req), tools)


if __name__ == "__main__":
    unittest.main()
