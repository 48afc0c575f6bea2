# SPDX-License-Identifier: GPL-2.0
"""Pairs in folders of the user's own: where they are found, and what is refused."""

import functools
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from kplib import matrix
from kplib.build import kernel, toolchain
from kplib.common import host
from kplib.common.errors import Refused
from kplib.configure import archs, options, pairs, request, variants

CONTRACT = """\
#include "contract/kparity.h"
KP_SOURCES("help.c", "$(srctree)/lib/glob.c", "/other/tree/a.c")
KP_FUNCTION(f, ANY, KP_VOID)
"""


class TestPairs(unittest.TestCase):
    """kplib.configure.pairs, and what request makes of it"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()

    def put(self, name: str, text: str = "") -> Path:
        """Write a file below PAIRS_DIR."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def refused(self, *words: str) -> str:
        """The one line with which a request is refused."""
        with self.assertRaises(Refused) as caught:
            req = request.parse(list(words), {})
            request.check_paths(req)
            request.check_pairs(req)
        self.assertEqual(caught.exception.status, 2)
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    def test_found(self) -> None:
        """Pairs of PAIRS_DIR come after this repository's; each is built from its folder alone."""
        self.put("bits/contract.h", CONTRACT)
        self.put("bits/bits.rs")
        self.put("notes/readme")
        req = request.parse([f"PAIRS_DIR={self.folder}"], {})
        request.check_pairs(req)
        self.assertEqual(req.pairs, (*pairs.shipped(), "bits"))
        found = pairs.files("bits", self.folder)
        self.assertEqual({path.relative_to(self.folder / "bits").as_posix() for path in (
            found.contract, found.port, found.c, *found.programs.values(), found.regress,
            found.misuse)},
            {"contract.h", "bits.rs", "bits.c", "user.c", "user_history.c", "user_costs.c",
             "regress", "compile-fail"})
        self.assertEqual(found.sources(Path("/linux")), (
            found.c, self.folder / "bits/help.c", Path("/linux/lib/glob.c"),
            Path("/other/tree/a.c")))
        self.assertEqual(pairs.files("ring", self.folder), pairs.files("ring"))
        self.assertEqual([pairs.files(name).has_object for name in ("ring", "glob")],
                         [True, False])

    def test_shown(self) -> None:
        """Folders of a pair's sources are shown in a root, if they exist."""
        other = self.put("tree/a.c")
        self.put("mine/bits/contract.h", CONTRACT.replace("/other/tree/a.c", str(other)))
        mine = self.folder / "mine"
        self.assertEqual(pairs.folders(("bits",), mine), (mine, other.parent))
        self.assertEqual(pairs.folders(("ring",), None), ())
        req = request.parse([f"PAIRS_DIR={mine}", "PAIR=bits", "TOOLCHAIN=root"], {})
        with mock.patch.object(toolchain, "choose") as choose:
            kernel.tools_for(req)
        self.assertLessEqual({mine, other.parent}, set(choose.call_args.args[3]))

    def test_replay(self) -> None:
        """The line that runs a failure again says where the pair is."""
        self.put("bits/contract.h", CONTRACT)
        req = request.parse([f"PAIRS_DIR={self.folder}", "PAIR=bits", "ARCH=arm64"], {})
        words = request.replay(req, archs.load_all(pairs.TOP / "qemu/arch")["arm64"],
                               variants.load_all(pairs.TOP / "qemu/variant")["base"])
        self.assertIn(f"PAIRS_DIR={self.folder} ", words)

    def test_refused(self) -> None:
        """Folders that are not there, have no pair, or in which make cannot build."""
        self.assertIn("no such folder", self.refused("PAIRS_DIR=/nowhere"))
        self.assertIn("has no pair", self.refused(f"PAIRS_DIR={self.folder}"))
        for odd in ("a b", "a:b", "a%b", "a=b", "a{b", "a}b"):
            self.put(f"{odd}/bits/contract.h", CONTRACT)
            self.assertIn(f"{odd[1]!r} in its path", self.refused(f"PAIRS_DIR={self.folder}/{odd}"))
        self.put("one/Bits/contract.h", CONTRACT)
        self.assertIn("2 to 15 letters", self.refused(f"PAIRS_DIR={self.folder}/one"))
        self.put("two/ring/contract.h", CONTRACT)
        self.assertIn("so has this repository", self.refused(f"PAIRS_DIR={self.folder}/two"))
        for name in ("main", "suite", "user"):
            self.put(f"for-{name}/{name}/contract.h", CONTRACT)
            self.assertIn(f"has a pair {name}: no pair can have that name",
                          self.refused(f"PAIRS_DIR={self.folder}/for-{name}"))

    def test_pair(self) -> None:
        """A pair that lacks what nothing replaces, or is not there."""
        where = f"PAIRS_DIR={self.folder}"
        self.put("bits/contract.h", CONTRACT)
        self.assertIn(f"{self.folder}/bits/bits.rs: no such file", self.refused(where, "PAIR=bits"))
        self.put("half/half.rs")
        self.assertIn(f"{self.folder}/half has no contract.h", self.refused(where, "PAIR=half"))
        self.assertIn("no such pair; there are ring", self.refused(where, "PAIR=nope"))
        self.assertIn("give PAIRS_DIR", self.refused("PAIR=bits"))

    def test_links(self) -> None:
        """A link that leads to what a toolchain root does not show is named; others may be."""
        self.put("mine/bits/contract.h", CONTRACT)
        real = self.put("real/bits/bits.rs").parent
        self.put("real/bits/contract.h", CONTRACT)
        mine = self.folder / "mine"
        check = functools.partial(pairs.check_links, shown=(pairs.TOP, mine))
        (mine / "bits/notes").symlink_to(real / "bits.rs")
        (mine / "bits/bits.rs").symlink_to(pairs.TOP / "rust-stub/glob.rs")
        (mine / "bits/bits.c").symlink_to(mine / "common.c")
        check(("ring", "bits"), mine)
        (mine / "linked").symlink_to(real)
        for name, link in (("bits", "bits/contract.h"), ("bits", "bits/help.h"),
                           ("linked", "linked")):
            (mine / link).unlink(missing_ok=True)
            (mine / link).symlink_to(real if name == link else real / "contract.h")
            with self.subTest(link), self.assertRaises(Refused) as caught:
                check((name,), mine)
            self.assertIn(f"{mine / link} is a link to {real}", str(caught.exception))
            if name != link:
                (mine / link).unlink()
                self.put(f"mine/{link}", CONTRACT)
        with mock.patch.object(kernel, "tools_for") as tools, \
                mock.patch.object(host, "need_programs"), self.assertRaises(Refused):
            tools.return_value.folders = (pairs.TOP, mine)
            matrix.choose_tools(request.parse([f"PAIRS_DIR={mine}", "PAIR=linked"], {}))

    def test_of_new(self) -> None:
        """Words of make new are refused with other verbs, not ignored."""
        self.assertIn(f"found with PAIRS_DIR={self.folder}", self.refused(f"DIR={self.folder}"))
        self.assertIn("for make new", self.refused("KIND=function"))

    def config(self, **texts: str) -> dict[str, options.Option]:
        """Options that some pairs with files `config` want together."""
        for name, text in texts.items():
            self.put(f"{name}/contract.h", CONTRACT)
            self.put(f"{name}/config", text)
        return options.union([pairs.in_folder(name, self.folder) for name in texts])

    def test_config(self) -> None:
        """Lines of a .config, each with the pairs that want it; most pairs have none."""
        found = self.config(
            one='# Why.\n\n CONFIG_A=y \nCONFIG_S="a b"\nCONFIG_N=0x1f\n# CONFIG_B is not set\n',
            two="CONFIG_C=n\nCONFIG_A=y\n", none="")
        self.assertEqual(
            {one.name: (one.value, one.pairs, Path(one.where).name) for one in found.values()}, {
                "CONFIG_A": ("y", ("one", "two"), "config:3"),
                "CONFIG_S": ('"a b"', ("one",), "config:4"),
                "CONFIG_N": ("0x1f", ("one",), "config:5"),
                "CONFIG_B": ("n", ("one",), "config:6"),
                "CONFIG_C": ("n", ("two",), "config:1")})
        self.assertEqual([options.line(name, value) for name, value in (
            ("CONFIG_A", "y"), ("CONFIG_B", "n"))], ["CONFIG_A=y", "# CONFIG_B is not set"])
        self.assertEqual(options.union([pairs.files(name) for name in pairs.shipped()]), {})

    def test_config_refused(self) -> None:
        """One line, which says where and what to write."""
        for text, said in (("\nA=y\n", "config:2: 'A=y' is no line"),
                           ("CONFIG_A=m", "write CONFIG_A=y"),
                           ("CONFIG_A = y", "no line"), ("CONFIG_A=y # why", "no line"),
                           ("#CONFIG_A is not set", "no line"),
                           ("#  CONFIG_A  is not set", "no line"),
                           ("# CONFIG_A is not set: it is slow", "no line"),
                           ("## CONFIG_A is not set", "no line"),
                           ("CONFIG_A=y\n# CONFIG_A is not set", "leave one out")):
            with self.assertRaises(Refused) as caught:
                self.config(one=text)
            self.assertIn(said, str(caught.exception))
            self.assertIn(f"{self.folder}/one/config:", str(caught.exception))
        for comment in ("# Where CONFIG_A is not set it waits.", "# CONFIG_A is not settled"):
            self.assertEqual(self.config(one=comment), {})

    def test_config_gone(self) -> None:
        """A link that leads nowhere is a file that cannot be read, and not none."""
        self.config(one="")
        (self.folder / "one/config").unlink()
        self.assertEqual(options.read(pairs.in_folder("one", self.folder)), ())
        (self.folder / "one/config").symlink_to(self.folder / "gone")
        with self.assertRaisesRegex(Refused, "one/config: .*No such file"):
            options.read(pairs.in_folder("one", self.folder))

    def test_config_no_text(self) -> None:
        """What is no file with text is told of in plain words."""
        self.config(one="")
        config = self.folder / "one/config"
        config.write_bytes(b"# one\n# caf\xe9\n")
        with self.assertRaises(Refused) as caught:
            options.read(pairs.in_folder("one", self.folder))
        self.assertEqual(str(caught.exception),
                         f"{config}:2: this line is no UTF-8; write it as such")
        config.unlink()
        config.mkdir()
        with self.assertRaises(Refused) as caught:
            options.read(pairs.in_folder("one", self.folder))
        self.assertEqual(str(caught.exception), f"{config}: Is a directory")

    def test_config_conflict(self) -> None:
        """Pairs that exclude each other are both named, and what each wants."""
        with self.assertRaises(Refused) as caught:
            self.config(one="CONFIG_A=y\n", two="CONFIG_A=y\n", six="\n# CONFIG_A is not set\n")
        for said in ("pairs one and six ", "one/config:1 wants CONFIG_A=y",
                     "six/config:2 CONFIG_A=n", "PAIR=six"):
            self.assertIn(said, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
