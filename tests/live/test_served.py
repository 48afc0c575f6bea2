# SPDX-License-Identifier: GPL-2.0
"""Pairs that do not build beside others that do, with kbuild's own words."""

import contextlib
import io
from unittest import mock

from kplib import served
from kplib.build import modules
from kplib.configure import pairs
from kplib.judge import unbuilt

from .live import needs_kernel
from .test_rebuild import Rebuilt


@needs_kernel
class TestServed(Rebuilt):
    """kplib.served"""

    pairs = "latch glob"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        for module in (pairs, unbuilt):
            patch = mock.patch.object(module, "TOP", cls.top)
            patch.start()
            cls.addClassCleanup(patch.stop)

    def add(self, name: str, text: str) -> int:
        """Add to a file, which is undone after the test; returns the line."""
        path = self.top / name
        before = path.read_text()
        self.addCleanup(path.write_text, before)
        path.write_text(before + text)
        return before.count("\n") + 1

    def those_that_build(self) -> tuple[modules.Modules | None, dict[str, unbuilt.Broken]]:
        """What the verb sees."""
        with contextlib.redirect_stderr(io.StringIO()):
            return served._those_that_build(self.setup)  # pylint: disable=protected-access

    def test_pairs(self) -> None:
        """The others are built, and each that fails is told with its own first line."""
        line = self.add("rust-stub/latch.rs", "const WRONG: u32 = NOT_THERE;\n")
        built, broken = self.those_that_build()
        assert built is not None
        self.assertEqual(list(built.pairs), ["glob"])
        self.assertEqual({pair: one.first for pair, one in broken.items()}, {
            "latch": f"rust-stub/latch.rs:{line}: cannot find value `NOT_THERE` in this scope"})
        line = self.add("rust-stub/glob.rs", "const WRONG: u32 = NOR_THIS;\n")
        built, broken = self.those_that_build()
        self.assertIsNone(built)
        self.assertEqual(sorted(broken), ["glob", "latch"])
        self.assertEqual(broken["glob"].first,
                         f"rust-stub/glob.rs:{line}: cannot find value `NOR_THIS` in this scope")
        self.assertNotIn("NOT_THERE", "\n".join(broken["glob"].lines))

    def test_shared(self) -> None:
        """What all share is no pair's fault, in either language."""
        for name, text, said in (
                ("rust-stub/kparity.rs", "const WRONG: u32 = NOT_THERE;\n",
                 "cannot find value `NOT_THERE` in this scope"),
                ("kmod/engine/stats.c", "int wrong(void) { return nothing; }\n",
                 "use of undeclared identifier 'nothing'")):
            with self.subTest(name):
                line = self.add(name, text)
                with self.assertRaises(modules.DoesNotBuild) as raised:
                    self.those_that_build()
                self.assertIn(f"what all pairs share does not build for {self.setup.kernel.name}",
                              str(raised.exception))
                self.assertIn(f"{name}:{line}: {said}", str(raised.exception))
                self.doCleanups()
