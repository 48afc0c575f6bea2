# SPDX-License-Identifier: GPL-2.0
"""What the documentation shows as printed, printed again: a copy of the project, with the
changes that a page's mark names, and the commands of the page in it.

tests/docs/blocks.py says what marks are, and tests/docs/printed.py what is compared.
"""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Iterable

from kplib.common import proc
from kplib.selftest.copies import copy_of_project, environment
from ..docs import blocks
from ..docs.blocks import EDIT, PLANT, REMOVE, SHOW, Shown, Step
from ..docs.printed import differs, unquoted

from .live import TOP, in_place, needs, needs_kernel, take_modules

#: Seconds that a step may take, however busy the machine is.
BOUND = 600
#: Verbs that print what is there, and change nothing that a later one goes by.
READING = ("report", SHOW)


def git(copy: Path, *words: str, text: bytes = b"") -> None:
    """A command of git in a copy of the project, which is a repository of its own."""
    done = subprocess.run(
        ["git", "-c", "user.name=kparity", "-c", "user.email=kparity@example.org", *words],
        cwd=copy, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)})
    if done.returncode:
        raise AssertionError(f"git {' '.join(words)}: {done.stdout.decode(errors='replace')}")


class Reader:
    """Carries out steps in a copy of the project that stands where the checkout is."""

    def __init__(self, folder: Path, kernels: Iterable[str]) -> None:
        self._copy = copy_of_project(folder)
        git(self._copy, "init", "-q")
        git(self._copy, "add", "-A")
        git(self._copy, "commit", "-qm", "as it is")
        for kernel in kernels:
            arch, variant = kernel.split()
            take_modules(self._copy / "out", f"ARCH={arch}", f"VARIANT={variant}")
        self._done: list[Step] = []
        #: What each of the steps that were carried out has printed, all steps before it included.
        self._said: dict[tuple[Step, ...], tuple[str, str]] = {}

    def after(self, steps: tuple[Step, ...]) -> tuple[str, str]:
        """What the last step prints on standard output and on standard error."""
        if steps not in self._said:
            if list(steps[:len(self._done)]) != self._done:
                git(self._copy, "checkout", "-q", ".")
                git(self._copy, "clean", "-qfd")
                self._done = []
            for number, step in enumerate(steps[len(self._done):], len(self._done) + 1):
                self._said[steps[:number]] = self._carry_out(step)
                if step.verb not in READING:
                    self._done.append(step)
        return self._said[steps]

    def _carry_out(self, step: Step) -> tuple[str, str]:
        if step.verb == PLANT:
            git(self._copy, "apply", "-p1", text=(TOP / step.words[0]).read_bytes())
        elif step.verb == EDIT:
            name, old, new = step.words
            text = (self._copy / name).read_text()
            if text.count(old) != 1:
                raise AssertionError(f"{name} has not one '{old}'")
            (self._copy / name).write_text(text.replace(old, new))
        elif step.verb == REMOVE:
            (self._copy / step.words[0]).unlink()
        elif step.verb == SHOW:
            return (self._copy / step.words[0]).read_text(), ""
        else:
            return self._kparity(step)
        return "", ""

    def _kparity(self, step: Step) -> tuple[str, str]:
        # Under KVM threads meet otherwise, and rows of lane history are others.
        words = ["ACCEL=tcg"] if step.kernels else []
        if step.kernels and not any(word.startswith("ARCH=") for word in step.words):
            words.append(f"ARCH={blocks.ARCH}")
        done = subprocess.run(
            [*in_place(self._copy), sys.executable, "scripts/kparity", step.verb, *step.words,
             *words],
            env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, check=False, timeout=BOUND,
            preexec_fn=proc.dying_with_parent())
        return done.stdout.decode(), done.stderr.decode()


class DocsTest(unittest.TestCase):
    """What takes no other kernels than these is compared."""

    kernels: frozenset[str]
    scratch: Path
    reader: Reader

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.reader = Reader(Path(folder.name), sorted(cls.kernels))

    @classmethod
    def mine(cls) -> list[Shown]:
        """The blocks of this class; those with the same steps before them come together.

        What only reads comes before what goes on from there. KPARITY_DOCS names a page.
        """
        only = os.environ.get("KPARITY_DOCS", "")
        return sorted((shown for shown in blocks.all_shown() if not shown.at_rest
                       and only in shown.where
                       and GROUPS[shown.kernels] is cls),
                      key=lambda shown: [(step.verb not in READING, str(step))
                                         for step in shown.steps])

    def compare(self) -> None:
        """Each block is what its last step prints."""
        mine = self.mine()
        self.assertTrue(mine, "no page shows what these kernels give")
        for shown in mine:
            with self.subTest(shown.where):
                said, noted = self.reader.after(shown.steps)
                why = differs(shown.lines, said, shown.whole)
                if why and not differs(shown.lines, noted, shown.whole):
                    why = ""
                if why and shown.steps[-1].verb == SHOW:
                    why = unquoted(shown.lines, said)
                if why:
                    self.fail(f"{shown.where}: {why}\nprinted:\n{said}\n{noted}")


@needs_kernel
@needs("x86_64 base", seconds=110)
class TestBase(DocsTest):
    """Pages that show what variant base gives"""

    kernels = frozenset({"x86_64 base"})

    def test_printed(self) -> None:
        """What is printed with it."""
        self.compare()


@needs_kernel
@needs("x86_64 base", "x86_64 fault", seconds=25)
class TestFault(DocsTest):
    """Pages that show allocations that fail, and coverage"""

    kernels = frozenset({"x86_64 base", "x86_64 fault"})

    def test_printed(self) -> None:
        """What is printed with them."""
        self.compare()


@needs_kernel
@needs("arm64 base", seconds=15)
class TestOrders(DocsTest):
    """Pages that show orderings"""

    kernels = frozenset({"arm64 base"})

    def test_printed(self) -> None:
        """What is printed with it."""
        self.compare()


#: The class that compares what takes these kernels; tests/unit/test_docs.py sees that each has one.
GROUPS: dict[frozenset[str], type[DocsTest]] = {
    frozenset(): TestBase,
    frozenset({"x86_64 base"}): TestBase,
    frozenset({"x86_64 fault"}): TestFault,
    frozenset({"x86_64 base", "x86_64 fault"}): TestFault,
    frozenset({"arm64 base"}): TestOrders,
}

if __name__ == "__main__":
    unittest.main()
