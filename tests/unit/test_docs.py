# SPDX-License-Identifier: GPL-2.0
"""The documentation: commands that kparity takes, links that lead somewhere, files that exist."""

import re
import shlex
import tempfile
import unittest
from pathlib import Path
from typing import Iterator

from kplib import verbs
from kplib.common.errors import KparityError, Refused
from kplib.configure import request
from kplib.configure.request import TOP
from ..docs import blocks, printed
from ..docs.blocks import (EDIT, NOT_RUN, OUTPUT, PAGES, PLANT, REFUSED, REMOVE, SAID, SHOW,
                           Step)
from ..live.test_docs import GROUPS

COMMAND = re.compile(r"(?:\bmake|scripts/kparity) ([a-z][a-z-]+)"
                     r"((?: +[A-Z_]+=(?:'[^'\n]*'|[^\s`'\"),;]+))*)")
LINK = re.compile(r"\[[^]\n]+\]\(([^)\s]+)\)")
#: A path of the repository, in backticks.
FILE = re.compile(r"`((?:kmod|rust-stub|qemu|scripts|tests|Documentation)/[\w./-]*[\w-])`")
#: Pairs of the reader's own in examples.
OWN = ("bits", "pot", "width")


def code(page: Path) -> Iterator[str]:
    """What stands in backticks, or in an indented block, but for requests that are refused."""
    refused = {number for block in blocks.blocks(page) if block.mark == REFUSED
               for number in range(block.line, block.line + len(block.lines))}
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("    "):
            if number not in refused and not line.strip().startswith("kparity: "):
                yield line
        else:
            yield from re.findall(r"`([^`]+)`", line)


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in found}


class TestDocs(unittest.TestCase):
    """README.md and Documentation/"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "program").write_text("ring capacity=1\n")
        (self.folder / "Kconfig").touch()
        own = self.folder / "own"
        for name in OWN:
            (own / name).mkdir(parents=True)
            (own / name / f"{name}.contract.h").write_text("")

    def word(self, word: str) -> str:
        """A variable of an example, with what is there in place of files of the reader's own."""
        name, _, value = word.partition("=")
        if name == "PROGRAM":
            return f"PROGRAM={self.folder / 'program'}"
        if name in ("DIRS", "KERNEL_SRC"):
            return f"{name}={self.folder}"
        if name == "SHARD" and not re.fullmatch(r"\d+/\d+", value):
            return "SHARD=1/3"
        return word

    def test_commands(self) -> None:
        """Each command is one: kparity takes its verb and all its variables."""
        seen = 0
        for page in PAGES:
            for piece in code(page):
                for verb, words in COMMAND.findall(piece):
                    with self.subTest(page=page.name, command=f"{verb}{words}"):
                        seen += 1
                        self.check(verb, [self.word(word) for word in shlex.split(words)])
        self.assertGreater(seen, 150)

    def test_links(self) -> None:
        """Each link leads to a file of the repository, and to a heading in it."""
        seen = 0
        for page in PAGES:
            for target in LINK.findall(page.read_text()):
                if "://" in target:
                    continue
                with self.subTest(page=page.name, link=target):
                    seen += 1
                    file, _, anchor = target.partition("#")
                    other = (page.parent / file).resolve() if file else page
                    self.assertTrue(other.exists())
                    if anchor and other.suffix == ".md":
                        self.assertIn(anchor, anchors(other))
        self.assertGreater(seen, 50)

    def test_files(self) -> None:
        """Each file of the repository that is named is there."""
        seen = 0
        for page in PAGES:
            for name in FILE.findall(page.read_text()):
                # X is any pair.
                if re.match(r"[xX][._]", Path(name).name):
                    continue
                with self.subTest(page=page.name, file=name):
                    seen += 1
                    self.assertTrue((TOP / name).exists())
        self.assertGreater(seen, 40)

    def test_refused(self) -> None:
        """A wrong request is refused, by the line that the page has."""
        seen = 0
        for shown in blocks.all_shown(REFUSED):
            with self.subTest(shown.where):
                seen += 1
                verb, words = shown.steps[0].verb, list(shown.steps[0].words)
                with self.assertRaises(Refused) as refused:
                    verbs.check_words(verb, request.parse(words, {}, new=verb == "new"))
                self.assertEqual(printed.differs(shown.lines, f"kparity: {refused.exception}",
                                                 True), "")
        self.assertGreater(seen, 10)

    def test_said(self) -> None:
        """A message that no test brings about is one of the file that says it."""
        seen = 0
        for block in blocks.every():
            if block.mark == SAID:
                known = printed.messages((TOP / block.text).read_text())
                for line in printed.sentences(block.lines):
                    with self.subTest(block.where, line=line):
                        seen += 1
                        self.assertTrue(printed.says(known, line),
                                        f"{block.text} does not say that")
        self.assertGreater(seen, 5)

    def check(self, verb: str, given: list[str]) -> None:
        """Refuse what kparity refuses, of a verb and its variables."""
        # Pairs of the reader's own are not there; their names are all that is.
        if any(word.startswith("PAIRS_DIR=") for word in given) or any(
                word == f"PAIR={name}" for word in given for name in OWN):
            given = [word for word in given if not word.startswith(("PAIRS_DIR=", "PAIR="))]
        self.assertIn(verb, verbs.VERBS)
        try:
            req = request.parse(given, {}, new=verb == "new", whole=verb in ("matrix", "merge"))
            verbs.check_words(verb, req)
        except KparityError as err:
            self.fail(str(err))

    def step(self, step: Step) -> None:
        """A step of a mark is one, and the files of the project that it names are there."""
        if step.verb == PLANT:
            self.assertTrue((TOP / step.words[0]).is_file(), f"{step.words[0]}: no such file")
        count = {PLANT: 1, EDIT: 3, REMOVE: 1, SHOW: 1}.get(step.verb)
        if count is None:
            self.check(step.verb, [self.word(word) for word in step.words])
        else:
            self.assertEqual(len(step.words), count, f"words of {step.verb}")

    def test_marked(self) -> None:
        """A block that is more than commands says what it is held against, or why not."""
        seen = {OUTPUT: 0, NOT_RUN: 0}
        known: set[Step] = set()
        for block in blocks.every():
            with self.subTest(block.where):
                if not block.mark:
                    self.assertTrue(block.commands_alone,
                                    "a block without a mark; tests/docs/blocks.py has them")
                    continue
                seen[block.mark] = seen.get(block.mark, 0) + 1
                if block.mark in (REFUSED, SAID):
                    continue
                if block.mark != OUTPUT:
                    self.assertRegex(block.text, r"\w+ \w+", "what is it, or why is it not run?")
                    continue
                for shown in block.shown():
                    self.assertTrue(shown.steps, "no command prints it")
                    self.assertTrue(set(shown.lines) - {"", "..."}, "nothing is shown")
                    self.assertIn(shown.kernels, GROUPS, "no class of tests/live has these kernels")
                    for step in shown.steps:
                        if step not in known:
                            self.step(step)
                        known.add(step)
        self.assertGreater(seen[OUTPUT], 50)

    def test_unfenced(self) -> None:
        """No page has a fenced block, of which a mark says nothing."""
        for page in PAGES:
            self.assertNotRegex(page.read_text(), r"(?m)^ {0,3}```", page.name)

    def test_quoted(self) -> None:
        """What is quoted of a file of the project is in it."""
        seen = 0
        for shown in blocks.all_shown():
            if shown.at_rest:
                with self.subTest(shown.where):
                    seen += 1
                    text = (TOP / shown.steps[0].words[0]).read_text()
                    self.assertEqual(printed.unquoted(shown.lines, text), "")
        self.assertGreater(seen, 10)


if __name__ == "__main__":
    unittest.main()
