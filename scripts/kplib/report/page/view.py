# SPDX-License-Identifier: GPL-2.0
"""What the page is made from: the results, what was read beside them, and names of places in it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Iterator

from kplib.judge import ktap
from kplib.judge.unsafety import Unsafe
from kplib.report import told
from kplib.report.page.markup import Markup, code, element, joined, link
from kplib.report.where import PLACE, Place

#: Arch and variant.
Cell = tuple[str, str]
#: Lines of source around one that is named.
AROUND = 12


@dataclass(frozen=True)
class Covered:
    """What make coverage found of one side of a pair. `page` leads to its own page; `old` where
    the pair's sources are newer."""

    arch: str
    side: str
    ran: int
    lines: int
    both: int
    jumps: int
    page: str
    old: bool


@dataclass(frozen=True)
class Log:
    """What a suite said, and where the file of it is; no lines where there was no room."""

    name: str
    link: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Beside:
    """What is not in results.json. All of it may be empty.

    `places` has the line that tells most of each failure, by the failure's number from 1;
    `sources` the lines of each file that is named, `links` what leads from the page to a file,
    `unsafe` uses by pair, those that all share under "", `when` the time of each cell's
    results, and `costs` what leads to its page of costs.
    """

    places: dict[int, Place] = field(default_factory=dict)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    unsafe: dict[str, tuple[Unsafe, ...]] = field(default_factory=dict)
    coverage: dict[str, tuple[Covered, ...]] = field(default_factory=dict)
    logs: dict[tuple[str, str, str], tuple[Log, ...]] = field(default_factory=dict)
    when: dict[Cell, str] = field(default_factory=dict)
    costs: dict[Cell, str] = field(default_factory=dict)


def cell_of(document: dict[str, Any]) -> Cell:
    """Arch and variant of results."""
    return document["arch"], document["variant"]


def _slug(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", name.lower())[:40].strip("-") or "x"


def unique(names: list[str], prefix: str) -> dict[str, str]:
    """An id for each name, like it and unlike all others."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = ident = f"{prefix}-{_slug(name)}"
        number = 1
        while ident in taken:
            number += 1
            ident = f"{base}_{number}"
        taken.add(ident)
        found[name] = ident
    return found


#: How a status is written, and the class of its style.
WORDS = {ktap.PASS: ("ok", "ok"), ktap.FAIL: ("FAIL", "bad"), ktap.ERROR: ("ERROR", "bad"),
         ktap.SKIP: ("skip", "skip")}
#: The worst first.
ORDER = (ktap.FAIL, ktap.ERROR, ktap.SKIP, ktap.PASS)


@dataclass(frozen=True)
class View:
    """All that the page tells of. `lacking` says of cells without results why."""

    documents: list[dict[str, Any]]
    lacking: dict[str, str]
    beside: Beside

    @cached_property
    def pairs(self) -> list[str]:
        """Every pair of any cell."""
        return list(dict.fromkeys(pair for one in self.documents for pair in one["pairs"]))

    @cached_property
    def failures(self) -> list[told.Told]:
        """All that failed."""
        return [one for document in self.documents for one in told.failures(document)]

    @cached_property
    def pair_ids(self) -> dict[str, str]:
        """The id of each pair's card."""
        return unique(self.pairs, "pair")

    @cached_property
    def by_place(self) -> dict[tuple[str, str, str], int]:
        """The first failure of a cell, pair and path, by number from 1."""
        found: dict[tuple[str, str, str], int] = {}
        for number, one in enumerate(self.failures, 1):
            for path in one.paths or ("",):
                found.setdefault((one.name, one.pair, path), number)
        return found

    def failures_of(self, pair: str) -> list[int]:
        """Numbers of the failures of a pair; of a build, the pairs are named together."""
        return [number for number, one in enumerate(self.failures, 1)
                if pair in one.pair.split(", ")]

    def of_pair(self, pair: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """The results of a pair, with those that they are in."""
        for document in self.documents:
            if pair in document["pairs"]:
                yield document, document["pairs"][pair]

    # Source lines.

    @cached_property
    def wanted(self) -> dict[str, set[int]]:
        """The lines that failures name, by file, of files that are there."""
        found: dict[str, set[int]] = {}
        for at, one in enumerate(self.failures, 1):
            said = [*one.log, *one.fields.get("stack", ()), *one.fields.get("output", ())]
            places = [self.beside.places[at]] if at in self.beside.places else []
            places += [(file, int(line)) for text in said for file, line in PLACE.findall(text)]
            for file, line in places:
                name = told.relative(file)
                if line <= len(self.beside.sources.get(name, ())):
                    found.setdefault(name, set()).add(line)
        return found

    @cached_property
    def shown_lines(self) -> dict[str, list[int]]:
        """The lines of each file that the page shows."""
        return {file: sorted({near for line in lines
                              for near in range(max(1, line - AROUND), line + AROUND + 1)
                              if near <= len(self.beside.sources[file])})
                for file, lines in sorted(self.wanted.items())}

    @cached_property
    def source_ids(self) -> dict[str, str]:
        """The id of each file whose lines the page shows."""
        return unique(list(self.shown_lines), "source")

    def line_link(self, file: str, line: int) -> str | None:
        """What leads to a line within the page, if it is there."""
        if line in self.wanted.get(file, ()):
            return f"#{self.source_ids[file]}.{line}"
        return None

    def place(self, said: str) -> Markup:
        """A place, file:line, with what leads to it: within the page, else the file."""
        file, _, line = said.rpartition(":")
        if not line.isdigit():
            return code(said)
        return link(code(said), self.line_link(file, int(line)) or self.beside.links.get(file))

    def file(self, name: str) -> Markup:
        """A file, with what leads to it."""
        return link(code(name), self.beside.links.get(name))

    def failure_link(self, number: int, said: str) -> Markup:
        """What leads to a failure."""
        return link(said, f"#failure-{number}")

    def failure_links(self, pair: str) -> Markup:
        """What leads to all failures of a pair."""
        return joined((self.failure_link(number, f"failure {number}")
                       for number in self.failures_of(pair)), ", ")


def word(status: str, said: str = "") -> Markup:
    """A status, in its colour and in words."""
    name, kind = WORDS.get(status, (status, "bad"))
    return element("span", said or name, class_=kind)


@functools.lru_cache(maxsize=1 << 12, typed=True)
def number(value: Any, kind: str = "") -> Markup:
    """A cell of a table that holds a figure; many hold the same."""
    return element("td", f"{value:,}" if isinstance(value, int) else str(value),
                   class_=f"n {kind}".strip())


def number_heads(names: Any) -> list[Markup]:
    """Heads of columns that hold figures."""
    return [element("th", name, scope="col", class_="n") for name in names]
