# SPDX-License-Identifier: GPL-2.0
"""make explain, on the terminal: the paths side by side."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable

from kplib.configure.lanes import PATHS
from kplib.judge.explain import Counts, Explained, Row

#: Characters of a row's name, and of each number.
WIDTH, NUMBER = 54, 11
#: Functions of the kernel's own that are shown.
KERNEL_ROWS = 12

#: The text of a source line, by file and line; empty where it is not known.
Source = Callable[[str, int], str]


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[:WIDTH - 3]}..."


def _numbers(found: Explained, counts: Counts) -> str:
    """Means of one call."""
    cells = []
    for path in PATHS:
        if path not in found.calls:
            cells.append(f"{'-':>{NUMBER}}")
        elif counts.get(path):
            cells.append(f"{counts[path] / found.calls[path]:>{NUMBER}.2f}")
        else:
            cells.append(f"{'':>{NUMBER}}")
    return "".join(cells)


def _line(found: Explained, name: str, counts: Counts) -> str:
    return f"  {_cut(name):<{WIDTH}}{_numbers(found, counts)}".rstrip()


def _exact(name: str, counts: Counts) -> str:
    cells = "".join(f"{counts.get(path, '-'):>{NUMBER}}" for path in PATHS)
    return f"  {name:<{WIDTH}}{cells}"


def _sum(found: Explained) -> list[str]:
    """The rows that both tables end with."""
    lines = [_line(found, "harness: the engine, between the two readings", found.harness)]
    if any(found.idle.values()):
        lines.append(_line(found, "the clock went on, and nothing was executed", found.idle))
    if any(found.noop.values()):
        lines.append(_line(found, "the driver's no-op, subtracted", found.noop))
    return [*lines, _line(found, "figure of lane insn", found.figure)]


def _function(row: Row, pair: str) -> str:
    name = row.name.replace(f"{pair}_root::", "")
    return f"{name}  {row.file}" if row.file else name


def _folded(rows: tuple[Row, ...], most: int) -> tuple[list[Row], list[Row]]:
    """The rows to show, and those of the kernel's functions that come behind the first `most`."""
    kernel = [row for row in rows if row.kernel]
    rest = frozenset(id(row) for row in kernel[most:])
    return [row for row in rows if id(row) not in rest], kernel[most:]


def _rest(found: Explained, name: str, rows: list[Row]) -> list[str]:
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


def text(found: Explained, pair: str, head: str, source: Source, verbose: bool = False) -> str:
    """All of it; but for the kernel's functions that cost little, unless `verbose`."""
    functions, others = _folded(found.functions, len(found.functions) if verbose else KERNEL_ROWS)
    places, theirs = _folded(found.lines, 0)
    lines = [head, "", f"{pair} {found.op}: executed instructions of one call, mean of "
             + ", ".join(f"{count} on {path}" for path, count in found.calls.items())
             if len(set(found.calls.values())) > 1 else
             f"{pair} {found.op}: executed instructions of one call, mean of "
             f"{next(iter(found.calls.values()), 0)} calls"]
    heads = "".join(f"{path:>{NUMBER}}" for path in PATHS)
    lines += ["", f"  {'by function, as it was linked':<{WIDTH}}{heads}"]
    lines += [_line(found, _function(row, pair), row.counts) for row in functions]
    lines += _rest(found, f"{len(others)} further functions of the kernel (V=1: each)", others)
    lines += _sum(found)
    lines += ["", f"  {'by source line':<{WIDTH}}{heads}"]
    lines += [_line(found, _place(row, source), row.counts) for row in places]
    lines += _rest(found, "functions of the kernel, as above", theirs)
    lines += _sum(found)
    lines += ["", f"  {'of these, without the harness':<{WIDTH}}{heads}"]
    lines += [_line(found, kind, counts) for kind, counts in found.kinds.items()]
    if found.helpers:
        lines += ["", f"  {'calls of helpers of Rust, not inlined':<{WIDTH}}{heads}"]
        lines += [_line(found, name, counts) for name, counts in found.helpers.items()]
    else:
        lines += ["", "  no helper of Rust was called out of line"]
    lines += ["", f"  {'in all calls, exact':<{WIDTH}}{heads}",
              _exact("calls", found.calls), _exact("figure of lane insn", found.figure)]
    return "\n".join(lines)


def to_json(found: Explained, **facts: Any) -> dict[str, Any]:
    """The same for a program; counts are of all calls."""
    return {**facts, **asdict(found)}
