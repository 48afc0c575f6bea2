# SPDX-License-Identifier: GPL-2.0
"""Reads what the page shows beside results.json, and writes the page; those of costs as well."""

from __future__ import annotations

import os
import re
import time
from functools import cached_property
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import quote

from kplib.common import cache
from kplib.common.errors import KparityError
from kplib.configure import pairs as places
from kplib.configure.request import Request
from kplib.judge import ktap, unsafety
from kplib.report import files, told
from kplib.report.page import document
from kplib.report.page.cost import gather as cost
from kplib.report.page.view import Beside, Cell, Covered, Log, View, cell_of
from kplib.report.where import PLACE, Place, Where

#: Bytes of the logs that a page holds; behind them, there are links to the files.
LOGS = 4 << 20
#: The folder that make coverage writes to, in that of an arch.
COVERAGE = "coverage"


class Reader:
    """Reads for one page, each file once."""

    def __init__(self, req: Request, found: list[dict[str, Any]], lacking: dict[str, str]) -> None:
        self._req = req
        self._plain = View(found, lacking, Beside())
        self._where = Where(req.pairs_dir, outside=True)
        self._sources: dict[str, tuple[str, ...]] = {}
        self._room = LOGS

    def view(self) -> View:
        """All that the page is made from."""
        named = self._places()
        unsafe = self._unsafe()
        self._read(self._named(named))
        uses = (use.where.rpartition(":")[0] for some in unsafe.values() for use in some)
        named_files = {name: self._where.path(name) for name in dict.fromkeys(
            (*self._sources, *self._rust(), *uses))}
        links = {name: self._link(path) for name, path in named_files.items() if path is not None}
        return View(self._plain.documents, self._plain.lacking, Beside(
            named, self._sources, links, unsafe,
            {pair: covered for pair in self._known if (covered := tuple(self._coverage(pair)))},
            {(*cell_of(one), pair): tuple(self._logs(one, pair))
             for one in self._plain.documents for pair in one["pairs"]},
            {cell_of(one): self._when(cell_of(one)) for one in self._plain.documents},
            {cell_of(one): self._link(path) for one in self._plain.documents
             if (path := cost.path_of(self._req, one)) is not None}))

    @cached_property
    def _known(self) -> list[str]:
        """Pairs by names that a pair can have; those of a damaged file have no files."""
        return [pair for pair in self._plain.pairs if places.NAME.fullmatch(pair)]

    def _link(self, path: Path) -> str:
        """From the page to a file."""
        return quote(os.path.relpath(path, self._req.out.resolve()))

    def _places(self) -> dict[int, Place]:
        """The line that tells most of each failure; a build's is its first error's."""
        found = {}
        for number, one in enumerate(self._plain.failures, 1):
            errors = [(name, said["line"]) for said in one.fields.get("diagnostics", ())
                      if said["file"] and said["line"] and said["level"] != "warning"
                      and (name := self._where.known(said["file"]))]
            place = errors[0] if errors else self._where.place(one)
            if place is not None:
                found[number] = place
        return found

    def _named(self, named: dict[int, Place]) -> Iterator[str]:
        """Files that failures name."""
        yield from (file for file, _ in named.values())
        for one in self._plain.failures:
            for line in (*one.log, *one.fields.get("stack", ()), *one.fields.get("output", ())):
                for file, _ in PLACE.findall(line):
                    yield told.relative(file)
            for said in one.fields.get("broken", ()):
                yield str((said["invariant"] or {}).get("place") or "").rpartition(":")[0]

    def _rust(self) -> Iterator[str]:
        """Files in which invariants are encoded."""
        for one in self._plain.documents:
            for pair in one["pairs"].values():
                for kept in pair["contract"]:
                    yield from (how["where"].rpartition(":")[0] for how in kept["rust"])

    def _read(self, names: Iterator[str]) -> None:
        for name in dict.fromkeys(names):
            path = self._where.path(name) if name else None
            if path is not None:
                try:
                    self._sources[name] = tuple(
                        path.read_text(errors="replace").split("\n"))
                except OSError:
                    continue

    def _unsafe(self) -> dict[str, tuple[unsafety.Unsafe, ...]]:
        """Uses of unsafe by pair; those that pairs share under no name."""
        found = {"": unsafety.review(())}
        for pair in self._known:
            port = places.files(pair, self._req.pairs_dir).port
            found[pair] = unsafety.scan(port) if port.is_file() else []
        return {pair: tuple(uses) for pair, uses in found.items()}

    def _when(self, cell: Cell) -> str:
        """When results were written."""
        try:
            written = (files.folder(self._req, *cell) / files.RESULTS).stat().st_mtime
        except OSError:
            return ""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(written))

    def _logs(self, one: dict[str, Any], pair: str) -> Iterator[Log]:
        """The logs of a pair's suites on one kernel."""
        where = files.folder(self._req, *cell_of(one))
        for suite in dict.fromkeys(case["suite"] for case in one["pairs"][pair]["cases"]):
            # Names of a damaged file lead nowhere else.
            if not re.fullmatch(r"\w+", suite, re.A):
                continue
            path = where / ktap.log_file(suite)
            try:
                size = path.stat().st_size
                if size <= self._room:
                    self._room -= size
                    lines = path.read_text(errors="replace").splitlines()
                else:
                    lines = []
            except OSError:
                continue
            yield Log(suite, self._link(path), tuple(lines))

    def _coverage(self, pair: str) -> Iterator[Covered]:
        """What make coverage has left of a pair."""
        for arch in dict.fromkeys(one["arch"] for one in self._plain.documents):
            folder = self._req.out / arch / COVERAGE
            try:
                text = (folder / f"{pair}.info").read_text(errors="replace")
                made = (folder / f"{pair}.html").stat().st_mtime
            except OSError:
                continue
            old = cost.older(made, pair, self._req.pairs_dir)
            sides: dict[str, list[int]] = {}
            for record in text.split("end_of_record"):
                if file := re.search(r"^SF:(.*)$", record, re.M):
                    side = "Rust side" if file[1].endswith(".rs") else "C side"
                    sums = sides.setdefault(side, [0] * 4)
                    for at, number in enumerate(_sums(record)):
                        sums[at] += number
            for side, (ran, lines, both, jumps) in sides.items():
                yield Covered(arch, side, ran, lines, both, jumps,
                              self._link(folder / f"{pair}.html"), old)


def _sums(record: str) -> tuple[int, int, int, int]:
    """Of a record of a tracefile: lines that ran, lines, jumps both ways, jumps."""
    lines = re.findall(r"^DA:\d+,(\d+)", record, re.M)
    jumps: dict[tuple[str, str], list[str]] = {}
    for line, jump, times in re.findall(r"^BRDA:(\d+),(\d+),\d+,(\S+)", record, re.M):
        jumps.setdefault((line, jump), []).append(times)
    both = sum(all(one not in ("-", "0") for one in times) for times in jumps.values())
    return sum(one != "0" for one in lines), len(lines), both, len(jumps)


def path_of(req: Request) -> Path:
    """Where the page is written."""
    return req.out / files.PAGE


def write(req: Request, found: list[dict[str, Any]], lacking: dict[str, str]) -> Path:
    """Write the page of some results, and a page of costs of each; the path of the first."""
    path = path_of(req)
    for one in found:
        cost.write(req, one)
    cache.write(path, document.page(Reader(req, found, lacking).view()))
    return path


def write_last(req: Request, cells: list[Cell], why: str) -> None:
    """Write the page of what a run has left; `why` it has left none, if that is known."""
    found, lacking = [], {}
    for cell in cells:
        try:
            found.append(files.load(req, *cell))
        except KparityError as err:
            lacking[" ".join(cell)] = told.relative(why or str(err))
    write(req, found, lacking)
