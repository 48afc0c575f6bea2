# SPDX-License-Identifier: GPL-2.0
"""What is refused, and that the line says what to do."""

import tempfile
import unittest
from pathlib import Path

from kplib.common.errors import Refused
from kplib.configure import request


class TestRequest(unittest.TestCase):
    """request.parse()"""

    def refused(self, *words: str, env: dict[str, str] | None = None) -> str:
        """The line that a request is refused with."""
        with self.assertRaises(Refused) as caught:
            request.parse(list(words), env or {})
        self.assertEqual(caught.exception.status, 2)
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    def test_defaults(self) -> None:
        """No words: all pairs, both lanes, seed 1, a cache below home."""
        got = request.parse([], {"HOME": "/nonexistent"})
        self.assertEqual(got.pairs, request.all_pairs())
        self.assertEqual(got.lanes, ("check", "insn"))
        self.assertEqual(got.seed, 1)
        self.assertEqual(len(got.archs), 1)

    def test_cache_variables(self) -> None:
        """KPARITY_CACHE wins over XDG_CACHE_HOME."""
        env = {"XDG_CACHE_HOME": "/xdg"}
        self.assertEqual(request.parse([], env).cache, Path("/xdg/kparity"))
        env["KPARITY_CACHE"] = "/own"
        self.assertEqual(request.parse([], env).cache, Path("/own"))

    def test_words_win_over_environment(self) -> None:
        """make exports what was on its command line; words are more explicit still."""
        got = request.parse(["SEED=3"], {"SEED": "2", "PAIR": "ring"})
        self.assertEqual((got.seed, got.pairs), (3, ("ring",)))

    def test_arch(self) -> None:
        """An unknown arch names those there are."""
        said = self.refused("ARCH=mips")
        self.assertIn("x86_64", said)
        self.assertIn("arm64", said)
        self.assertEqual([a.name for a in request.parse(["ARCH=all"], {}).archs],
                         ["x86_64", "arm64"])

    def test_variant(self) -> None:
        """An unknown variant names those there are; one without the lane is refused."""
        for name in ("base", "debug", "kcsan"):
            self.assertIn(name, self.refused("VARIANT=asan"))
        self.assertEqual([v.name for v in request.parse(["VARIANT=all"], {}).variants],
                         ["base", "debug", "kcsan"])
        self.assertIn("LANE=insn", self.refused("VARIANT=debug", "LANE=insn"))
        self.assertEqual(request.parse(["VARIANT=all", "LANE=insn"], {}).lanes, ("insn",))

    def test_append(self) -> None:
        """Words for the kernel are one printable line."""
        self.assertEqual(request.parse(["APPEND=a=b c"], {}).append, "a=b c")
        self.refused("APPEND=a\nb")
        self.refused("APPEND=" + "x" * 1001)

    def test_pair(self) -> None:
        """An unknown pair names those there are, also beside a known one."""
        self.assertIn("ring", self.refused("PAIR=nope"))
        self.refused("PAIR=ring nope")
        self.assertEqual(request.parse(["PAIR=ring,idalloc"], {}).pairs, ("ring", "idalloc"))

    def test_seed(self) -> None:
        """A seed is a 64-bit number in any base, or random."""
        for bad in ("x", "-1", str(2**64), "1.5"):
            self.assertIn("SEED", self.refused(f"SEED={bad}"))
        self.assertEqual(request.parse(["SEED=0x10"], {}).seed, 16)
        drawn = {request.parse(["SEED=random"], {}).seed for _ in range(4)}
        self.assertGreater(len(drawn), 1)

    def test_kernel(self) -> None:
        """A kernel is a series, a tree or a build folder, and only one of them."""
        self.assertIn("series", self.refused("KERNEL=newest"))
        self.assertIn("no such folder", self.refused("KERNEL_SRC=/nowhere"))
        self.assertIn("no such folder", self.refused("KDIR=/nowhere"))
        with tempfile.TemporaryDirectory() as empty:
            self.assertIn("Kconfig", self.refused(f"KERNEL_SRC={empty}"))
            self.assertIn(".config", self.refused(f"KDIR={empty}"))
            Path(empty, "Kconfig").touch()
            Path(empty, ".config").touch()
            self.assertIn("exclude", self.refused(f"KERNEL_SRC={empty}", f"KDIR={empty}"))
            self.assertIn("ARCH", self.refused(f"KDIR={empty}", "ARCH=all"))

    def test_choices(self) -> None:
        """Words from a list."""
        for word in ("LANE=fast", "TOOLCHAIN=docker", "ACCEL=hax"):
            self.assertIn("choose one of", self.refused(word))

    def test_unknown_variable(self) -> None:
        """A misspelt variable must not be passed over in silence."""
        self.assertIn("make help", self.refused("PAIRS=ring"))
        self.assertIn("make help", self.refused("ring"))


if __name__ == "__main__":
    unittest.main()
