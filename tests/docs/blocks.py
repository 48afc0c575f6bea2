# SPDX-License-Identifier: GPL-2.0
"""The indented blocks of README.md and Documentation/, and what each is held against.

A block of commands alone needs no mark. Any other has a comment before it:

    <!-- output: STEP; STEP -->     what the last step prints
    <!-- refused -->                wrong requests, and the line that each is refused by
    <!-- said: FILE -->             messages for which no test brings about what they are about:
                                    their words are in that file of the project
    <!-- not run: REASON -->        what a program has printed, or takes, and no test does
    <!-- example: WHAT -->          what a reader would write, or a form

The steps of an output are carried out in a copy of the project. They are the verbs of
scripts/kparity with their variables, and

    plant FILE          apply a patch
    edit FILE OLD NEW   a text that the file has once, by another one
    remove FILE
    show FILE           print a file; of one of the project itself nothing has to run

Where the block has lines `$ scripts/kparity ...` or `$ make ...`, these are further steps, and
what stands behind each is all that it prints. Without such lines a block is some part of it. A
line `...` stands for any lines that are left out, and `...` in a line for any text.
"""

from __future__ import annotations

import functools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from kplib.configure.request import TOP

PAGES = (TOP / "README.md", *sorted((TOP / "Documentation").rglob("*.md")))
OUTPUT, REFUSED, SAID, NOT_RUN, EXAMPLE = "output", "refused", "said", "not run", "example"
MARK = re.compile(rf"<!-- ({'|'.join((OUTPUT, REFUSED, SAID, NOT_RUN, EXAMPLE))})"
                  r"(?::((?:(?!-->).)*))?\s*-->", re.DOTALL)
COMMAND = re.compile(r"(?:\$ )?(?:make|scripts/kparity) [a-z].*")
PROMPT = re.compile(r"\$ (?:make|scripts/kparity) ([a-z].*)")
#: Steps that are no verbs.
PLANT, EDIT, REMOVE, SHOW = "plant", "edit", "remove", "show"
#: The arch of what the pages show where they name none.
ARCH = "x86_64"


@dataclass(frozen=True)
class Step:
    """One step: a verb and its words."""

    verb: str
    words: tuple[str, ...]

    @property
    def kernels(self) -> frozenset[str]:
        """The kernels that it boots, as "arch variant"."""
        if self.verb not in ("run", "soak", "explain", "coverage", "baseline", "compare", "freeze"):
            return frozenset()
        given = dict(word.split("=", 1) for word in self.words)
        usual = "base fault" if self.verb == "coverage" else "base"
        return frozenset(f"{given.get('ARCH', ARCH)} {kind}"
                         for kind in given.get("VARIANT", usual).split())


@dataclass(frozen=True)
class Shown:
    """What a page says that the last of some steps prints; `whole` if that is all of it."""

    where: str
    steps: tuple[Step, ...]
    lines: tuple[str, ...]
    whole: bool

    @property
    def kernels(self) -> frozenset[str]:
        """The kernels that it takes."""
        return frozenset().union(*(step.kernels for step in self.steps))

    @property
    def at_rest(self) -> bool:
        """Whether it is a part of a file of the project, for which nothing has to run."""
        return len(self.steps) == 1 and self.steps[0].verb == SHOW


@dataclass(frozen=True)
class Block:
    """An indented block of a page, from a line on, with its mark."""

    page: Path
    line: int
    lines: tuple[str, ...]
    mark: str
    text: str

    @property
    def where(self) -> str:
        """The page and the line, for a person."""
        return f"{self.page.relative_to(TOP)}:{self.line}"

    @property
    def commands_alone(self) -> bool:
        """Whether it has commands of kparity and nothing else."""
        return all(COMMAND.fullmatch(line) for line in self.lines)

    def shown(self) -> Iterator[Shown]:
        """What it says that programs print; nothing where it has no such mark."""
        if self.mark not in (OUTPUT, REFUSED):
            return
        done = steps(self.text)
        lines: list[str] = []
        line = self.line
        prompted = False
        for number, text in enumerate(self.lines):
            found = PROMPT.fullmatch(text)
            if not found:
                lines.append(text)
                continue
            if lines:
                yield Shown(f"{self.where.rpartition(':')[0]}:{line}", tuple(done), tuple(lines),
                            prompted)
            done = [*(done if self.mark == OUTPUT else []), step(found.group(1))]
            lines, line, prompted = [], self.line + number, True
        yield Shown(f"{self.where.rpartition(':')[0]}:{line}", tuple(done), tuple(lines), prompted)


def steps(text: str) -> list[Step]:
    """The steps of a mark, with semicolons between them."""
    words = shlex.shlex(text, posix=True, punctuation_chars=";")
    words.whitespace_split, words.commenters = True, ""
    found: list[list[str]] = [[]]
    for word in words:
        if word == ";":
            found.append([])
        else:
            found[-1].append(word)
    return [Step(verb, tuple(rest)) for verb, *rest in filter(None, found)]


def step(text: str) -> Step:
    """The step of a line that shows a command."""
    verb, *words = shlex.split(text, comments=True)
    return Step(verb, tuple(words))


def _marked(line: str) -> re.Match[str] | None:
    """The mark that a line is, which is no block of its own."""
    return None if line.startswith("    ") else MARK.fullmatch(line.strip())


def blocks(page: Path) -> Iterator[Block]:
    """The indented blocks of a page."""
    text = page.read_text()
    # A mark of several lines becomes one line and empty ones, so that lines keep their numbers.
    lines = MARK.sub(lambda found: " ".join(found.group().split())
                     + "\n" * found.group().count("\n"), text).splitlines()
    mark, said = "", ""
    at = 0
    while at < len(lines):
        line = lines[at]
        if found := _marked(line):
            mark, said = found.group(1), (found.group(2) or "").strip()
        elif line.startswith("    ") and (at == 0 or not lines[at - 1].strip()
                                          or _marked(lines[at - 1])):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            inside = "\n".join(lines[at:end]).rstrip().splitlines()
            yield Block(page, at + 1, tuple(one[4:] for one in inside), mark, said)
            mark, said = "", ""
            at = end
            continue
        elif line.strip():
            mark, said = "", ""
        at += 1


@functools.cache
def every() -> list[Block]:
    """The blocks of all pages."""
    return [block for page in PAGES for block in blocks(page)]


def all_shown(mark: str = OUTPUT) -> list[Shown]:
    """All that the pages say of what programs print, with such a mark."""
    return [shown for block in every() if block.mark == mark for shown in block.shown()]
