# SPDX-License-Identifier: GPL-2.0
"""make explain: the tables of an operation's cost, the paths side by side; on the terminal, and
kept for the page of costs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Callable

from kplib.configure.lanes import PATHS
from kplib.judge.explain import MISSES, MODEL, Counts, Explained, Row

#: Characters of a row's name, and of each number.
WIDTH, NUMBER = 54, 11
#: Functions of the kernel's own that are shown.
KERNEL_ROWS = 12
#: The folder for what make explain leaves, in that of an arch and variant.
FOLDER = "explain"

#: The text of a source line, by file and line; empty where it is not known.
Source = Callable[[str, int], str]


@dataclass(frozen=True)
class Line:
    """A row of a table: what it is of, and a cell for each path."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table, or a sentence in place of one without rows."""

    title: str
    lines: tuple[Line, ...]


def _line(found: Explained, name: str, counts: Counts) -> Line:
    """Means of one call."""
    return Line(name, tuple(
        "-" if path not in found.calls else
        f"{counts[path] / found.calls[path]:.2f}" if counts.get(path) else "" for path in PATHS))


def _exact(name: str, counts: Counts) -> Line:
    return Line(name, tuple(str(counts.get(path, "-")) for path in PATHS))


def _sum(found: Explained) -> list[Line]:
    """The rows that both tables end with."""
    lines = [_line(found, "harness: the engine, between the two readings", found.harness)]
    if any(found.idle.values()):
        lines.append(_line(found, "the clock went on, and nothing was executed", found.idle))
    if any(found.noop.values()):
        lines.append(_line(found, "the driver's no-op, subtracted", found.noop))
    return [*lines, _line(found, found.what, found.figure)]


def _function(row: Row, pair: str) -> str:
    name = row.name.replace(f"{pair}_root::", "")
    return f"{name}  {row.file}" if row.file else name


def _folded(rows: tuple[Row, ...], most: int) -> tuple[list[Row], list[Row]]:
    """The rows to show, and those of the kernel's functions that come behind the first `most`."""
    kernel = [row for row in rows if row.kernel]
    rest = frozenset(id(row) for row in kernel[most:])
    return [row for row in rows if id(row) not in rest], kernel[most:]


def _rest(found: Explained, name: str, rows: list[Row]) -> list[Line]:
    """One row in place of several."""
    counts = {path: sum(row.counts.get(path, 0) for row in rows) for path in found.calls}
    return [_line(found, name, counts)] if rows else []


def _place(row: Row, source: Source) -> str:
    """A line of a file with its text; of the kernel's functions the name."""
    if row.name:
        return f"{row.name}  {row.file}".rstrip()
    name = Path(row.file).name if row.file.startswith(("/", "kmod/", "rust-stub/", "tests/")) \
        else row.file
    if not row.line:
        return f"{name}: no line of its own"
    return f"{name}:{row.line}  {source(row.file, row.line)}".rstrip()


def tables(found: Explained, pair: str, source: Source, verbose: bool = False) -> list[Table]:
    """All of it; but for the kernel's functions that cost little, unless `verbose`."""
    functions, others = _folded(found.functions, len(found.functions) if verbose else KERNEL_ROWS)
    places, theirs = _folded(found.lines, 0)

    def counted(title: str, rows: dict[str, Counts]) -> Table:
        return Table(title, tuple(_line(found, name, counts) for name, counts in rows.items()))

    return [
        Table("by function, as it was linked", (
            *(_line(found, _function(row, pair), row.counts) for row in functions),
            *_rest(found, f"{len(others)} further functions of the kernel (V=1: each)", others),
            *_sum(found))),
        Table("by source line", (
            *(_line(found, _place(row, source), row.counts) for row in places),
            *_rest(found, "functions of the kernel, as above", theirs), *_sum(found))),
        counted("of these, without the harness", found.kinds),
        counted("calls of helpers of Rust, not inlined", found.helpers) if found.helpers else
        Table("no helper of Rust was called out of line", ()),
        counted("data-cache lines of 64 bytes, without the harness",
                {f"{name}: {MODEL}" if name == MISSES else name: counts
                 for name, counts in found.data.items()}),
        Table("in all calls, exact", (_exact("calls", found.calls),
                                      _exact(found.what, found.figure),
                                      _exact(MISSES, found.data.get(MISSES, {}))))]


def heading(found: Explained, pair: str) -> str:
    """What the tables are of."""
    calls = list(found.calls.values())
    of = f"{next(iter(calls), 0)} calls" if len(set(calls)) <= 1 else \
        ", ".join(f"{count} on {path}" for path, count in found.calls.items())
    return f"{pair} {found.name}: executed instructions of one call, mean of {of}"


def _cut(said: str) -> str:
    return said if len(said) <= WIDTH else f"{said[:WIDTH - 3]}..."


def text(found: Explained, pair: str, source: Source, verbose: bool = False) -> str:
    """The tables for a terminal."""
    lines = [heading(found, pair)]
    heads = "".join(f"{path:>{NUMBER}}" for path in PATHS)
    for table in tables(found, pair, source, verbose):
        lines += ["", f"  {table.title:<{WIDTH}}{heads}" if table.lines else f"  {table.title}"]
        lines += [f"  {_cut(line.name):<{WIDTH}}".ljust(WIDTH + 2) + "".join(
            f"{cell:>{NUMBER}}" for cell in line.cells).rstrip() for line in table.lines]
    return "\n".join(line.rstrip() for line in lines)


def to_json(found: Explained, source: Source, **facts: Any) -> dict[str, Any]:
    """The same for a program; counts are of all calls, and lines have their text."""
    told = asdict(found)
    for row in told["lines"]:
        row["text"] = source(row["file"], row["line"]) if row["line"] else ""
    told["outcomes"] = {end: to_json(one, source) for end, one in found.outcomes.items()}
    if found.outcome:
        # A row of an operation's; its own are none.
        del told["outcomes"]
    return {**facts, **told}


@dataclass(frozen=True)
class Kept:
    """What make explain has left of an operation. `seed` is that of its program, and `sources`
    has the text of its lines."""

    pair: str
    seed: int
    found: Explained
    sources: dict[tuple[str, int], str]

    def tables(self, end: str = "") -> list[Table]:
        """All of it, or of an outcome; but for the kernel's functions that cost little."""
        return tables(self.found.outcomes[end] if end else self.found, self.pair,
                      lambda *place: self.sources.get(place, ""))


def path_of(results: Path, pair: str, op: str) -> Path:
    """Where what make explain finds is kept, in the folder of the results."""
    return results / FOLDER / f"{pair}.{op}.json"


def _row(found: dict[str, Any]) -> Row:
    return Row(**{one.name: found[one.name] for one in fields(Row)})


def _found(told: dict[str, Any]) -> Explained:
    rows = {name: tuple(map(_row, told[name])) for name in ("functions", "lines")}
    ends = {end: _found(one) for end, one in told.get("outcomes", {}).items()}
    return Explained(**{**{one.name: told[one.name] for one in fields(Explained)
                           if one.name != "outcomes"}, **rows, "outcomes": ends})


def from_json(text_: str) -> Kept:
    """What was kept; raises ValueError where it is no such text."""
    try:
        told = json.loads(text_)
        return Kept(told["pair"], told["seed"], _found(told),
                    {(row["file"], row["line"]): row["text"]
                     for one in (told, *told["outcomes"].values()) for row in one["lines"]})
    except (KeyError, TypeError, AttributeError) as err:
        raise ValueError(f"no {err}") from err
