# SPDX-License-Identifier: GPL-2.0
"""make choices, with kernels and boots that are played."""

import contextlib
import io
import json
import tempfile
import unittest
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from kplib import matrix, verbs
from kplib.build import choices as known
from kplib.build import kernel
from kplib.build.choices import AS_IT_IS, Choice
from kplib.build.config import CannotHave
from kplib.common.errors import BROKEN, OK, EnvironmentFailed, Refused
from kplib.configure import request
from kplib.configure.lanes import PATHS
from kplib.judge import chosen
from kplib.judge.baseline import Figure, Key
from kplib.judge.explain import Explained, Row
from kplib.tools import choices, explain


def figures(*costs: int, op: str = "push", varies: bool = False) -> chosen.Figures:
    """Figures of one operation, by path: instructions of each of ten calls."""
    return {("ring", op, "success", path): Figure(10, 10 * cost, cost, varies)
            for path, cost in zip(PATHS, costs)}


def explained(cost: int) -> Explained:
    """What an operation consists of: one function."""
    row = Row("ring_push", "ring.rs", 0, False, {path: 10 * cost for path in PATHS})
    empty: dict[str, int] = {}
    return Explained("push", {path: 10 for path in PATHS}, (row,), (row,), empty, empty, empty,
                     empty, {}, {})


@dataclass
class Played:
    """A kernel whose figures, or failure, are known beforehand."""

    cost: int = 0
    gives: chosen.Figures = field(default_factory=dict)
    fails: Exception | None = None
    setup: mock.Mock = field(default_factory=mock.Mock)

    def figures(self, boots: int) -> chosen.Figures:
        """What boots agree on."""
        assert boots in (1, choices.BOOTS)
        if self.fails:
            raise self.fails
        return self.gives

    def explained(self, pair: str, op: str) -> Explained:
        """What an operation is made of."""
        assert (pair, op) == ("ring", "push")
        return explained(self.cost)


class TestEffect(unittest.TestCase):
    """judge/chosen.py"""

    def test_means(self) -> None:
        """Ratios are geometric means, against base and against C in the same kernel."""
        base = {**figures(10, 10, 20, 20), **figures(10, 20, 20, 40, op="pop")}
        now = {**figures(10, 20, 20, 20), **figures(10, 40, 20, 40, op="pop")}
        found = chosen.effect(base, now)
        self.assertEqual(found.rows, 8)
        for path, change in zip(PATHS, (1, 2, 1, 1)):
            self.assertAlmostEqual(found.change[path], change)
        self.assertAlmostEqual(found.against_c["c->rust"], (2 * 4) ** 0.5)
        self.assertAlmostEqual(found.against_c["rust->rust"], (2 * 4) ** 0.5)
        self.assertNotIn("c->c", found.against_c)

    def test_largest(self) -> None:
        """The largest change is by ratio, up or down; none is none."""
        base = {**figures(10, 10, 10, 10), **figures(100, 100, 100, 100, op="pop")}
        now = {**figures(10, 4, 10, 10), **figures(100, 100, 100, 150, op="pop")}
        largest = chosen.effect(base, now).largest
        assert largest is not None
        self.assertEqual((largest.key[1], largest.key[3], largest.was, largest.now),
                         ("push", "c->rust", 10, 4))
        self.assertIsNone(chosen.effect(base, base).largest)

    def test_steady(self) -> None:
        """What varies has no ratio, nor has what costs nothing."""
        key: Key = ("ring", "len", "success", "c->c")
        every = {**figures(10, 10, 10, 10, varies=True), key: Figure(10, 0, 0, False)}
        self.assertEqual(chosen.steady(every), {})
        one = figures(10, 10, 10, 10)
        self.assertEqual(chosen.steady({**every, **one}), one)


class TestChoices(unittest.TestCase):
    """tools/choices.py"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name)
        self.kernels = {AS_IT_IS: Played(10, figures(10, 10, 20, 20))}

    def run_verb(self, *words: str) -> tuple[int, str]:
        """Status and output."""
        req = request.parse([f"OUT={self.out}", "ARCH=x86_64", "PAIR=ring", *words], {})
        said = io.StringIO()

        def work(_req: object, _tools: object, name: str, choice: Choice | None) -> Played:
            assert (name == AS_IT_IS) == (choice is None)
            one = self.kernels[name]
            one.setup.kernel.arch.name = "x86_64"
            one.setup.kernel.release = "7.3.4"
            return one

        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), \
                mock.patch.object(choices, "_Work", work), \
                mock.patch.object(explain, "head", lambda _: "x86_64 base"), \
                mock.patch.object(kernel, "is_built", lambda *_: False), \
                mock.patch.object(matrix, "prepare", lambda _: mock.Mock()):
            return verbs.carry_out("choices", req), said.getvalue()

    def test_row(self) -> None:
        """A choice has its change by path, ratios of its own kernel, and what changed most."""
        self.kernels["wrapping"] = Played(7, figures(10, 7, 20, 20))
        status, said = self.run_verb("CHOICE=wrapping")
        self.assertEqual(status, OK, said)
        self.assertRegex(said, r"1 of 1 kernels are to be built first, once: wrapping;")
        self.assertRegex(said, r"\n  base +1\.00 +2\.00 +2\.00\n")
        self.assertRegex(said, r"\n  wrapping +\+0\.0 % +-30\.0 % +\+0\.0 % +\+0\.0 % +0\.70 +2\.00"
                               r" +2\.00\n")
        self.assertIn("most: ring push, c->rust: 10.0 -> 7.0 instructions\n      -3.0 ring_push",
                      said)

    def test_skip(self) -> None:
        """A kernel that cannot be configured is a SKIP that names the option; others are told."""
        self.kernels["lto"] = Played(fails=CannotHave("no", ("CONFIG_LTO_CLANG_THIN=y became n: "
                                                             "arch/Kconfig:1 depends on X",)))
        self.kernels["cfi"] = Played(10, figures(10, 10, 20, 20))
        status, said = self.run_verb("CHOICE=lto cfi")
        self.assertEqual(status, OK, said)
        self.assertIn("lto               SKIP: CONFIG_LTO_CLANG_THIN=y became n: arch/Kconfig:1",
                      said)
        self.assertIn("    no figure differs", said)

    def test_error(self) -> None:
        """A guest that is lost is an error, status 3; the other rows are there."""
        self.kernels["cfi"] = Played(fails=EnvironmentFailed("the guest was lost"))
        status, said = self.run_verb("CHOICE=cfi", "FORMAT=json")
        self.assertEqual(status, BROKEN, said)
        found = json.loads(said[said.index("{"):])
        self.assertEqual([(row["name"], row["error"]) for row in found["choices"]],
                         [(AS_IT_IS, ""), ("cfi", "the guest was lost")])
        self.assertEqual(found["choices"][0]["effect"]["against_c"]["c->rust"], 1)

    def test_base_alone(self) -> None:
        """CHOICE=base builds nothing."""
        status, said = self.run_verb("CHOICE=base")
        self.assertEqual(status, OK, said)
        self.assertNotIn("to be built", said)

    def test_refused(self) -> None:
        """Choices that there are not, and kernels that are not kparity's to build."""
        for words, why in ((("CHOICE=nothing",), "no such choice; there are base, wrapping"),
                           (("VARIANT=debug",), "it has no lane insn"),
                           (("VARIANT=fault",), "lane insn"),
                           (("ACCEL=kvm",), "leave ACCEL out")):
            with self.subTest(words), self.assertRaises(Refused) as caught:
                self.run_verb(*words)
            self.assertIn(why, str(caught.exception))
        with self.assertRaises(Refused) as caught:
            verbs.carry_out("run", request.parse(["CHOICE=cfi"], {}))
        self.assertIn("CHOICE: for make choices", str(caught.exception))

    def test_file(self) -> None:
        """Each choice says what it is and has an option; none has the name of base."""
        found = known.load_all(choices.FILE)
        self.assertNotIn(AS_IT_IS, found)
        for one in found.values():
            self.assertTrue(one.about and one.options, one.name)
        every = {option.words for name in ("no-stack-protector", "no-checks", "not-zeroed",
                                           "no-mitigations") for option in found[name].options}
        more = {option.words for option in found["plain"].options} - every
        self.assertEqual(len(more), 4, more)
        self.assertLessEqual(every, {option.words for option in found["plain"].options})
