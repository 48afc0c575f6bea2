# SPDX-License-Identifier: GPL-2.0
"""The documentation: commands that kparity takes, links that lead somewhere, files that exist."""

import re
import shlex
import tempfile
import unittest
from pathlib import Path
from typing import Iterator

from kplib import verbs
from kplib.common.errors import KparityError
from kplib.configure import request
from kplib.configure.request import TOP

PAGES = (TOP / "README.md", *sorted((TOP / "Documentation").rglob("*.md")))
COMMAND = re.compile(r"(?:\bmake|scripts/kparity) ([a-z][a-z-]+)"
                     r"((?: +[A-Z_]+=(?:'[^'\n]*'|[^\s`'\"),;]+))*)")
LINK = re.compile(r"\[[^]\n]+\]\(([^)\s]+)\)")
#: A path of the repository, in backticks.
FILE = re.compile(r"`((?:kmod|rust-stub|qemu|scripts|tests|Documentation)/[\w./-]*[\w-])`")
#: Pairs of the reader's own in examples.
OWN = ("bits", "pot", "width")


def code(text: str) -> Iterator[str]:
    """What stands in backticks, or in an indented or a fenced block."""
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
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
            for piece in code(page.read_text()):
                for verb, words in COMMAND.findall(piece):
                    with self.subTest(page=page.name, command=f"{verb}{words}"):
                        seen += 1
                        self.assertIn(verb, verbs.VERBS)
                        given = [self.word(word) for word in shlex.split(words)]
                        # Pairs of the reader's own are not there; their names are all that is.
                        if any(word.startswith("PAIRS_DIR=") for word in given) or any(
                                word == f"PAIR={name}" for word in given for name in OWN):
                            given = [word for word in given
                                     if not word.startswith(("PAIRS_DIR=", "PAIR="))]
                        try:
                            req = request.parse(given, {}, new=verb == "new",
                                                whole=verb in ("matrix", "merge"))
                            verbs.check_words(verb, req)
                        except KparityError as err:
                            self.fail(str(err))
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


if __name__ == "__main__":
    unittest.main()
