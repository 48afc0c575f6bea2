# SPDX-License-Identifier: GPL-2.0
"""Other figures of operations than what they execute, for the terminal."""

from __future__ import annotations

from kplib.configure.lanes import PATHS
from kplib.judge.sizes import Sizes
from kplib.judge.tables import SUCCESS

STACK, TEXT, MASKED = "bytes of stack", "bytes of text", "interrupts off"
LEGEND = (f"  {STACK}: the most of any call, its caller on the path included; {TEXT}: of all "
          "operations,",
          "  and what they call of the pair's; V=1: of each operation")
MASKED_LEGEND = (f"  {MASKED}: instructions, the most at a time of those that were looked at; V=1: "
                 "of each operation",)
Rows = dict[str, dict[str, int]]


def _table(title: str, whole: dict[str, int], rows: Rows, verbose: bool) -> list[str]:
    return [f"    {name:<16}" + "".join(f"{row.get(path, '-'):>16}" for path in PATHS)
            for name, row in {title: whole, **(rows if verbose else {})}.items()]


def _most(rows: Rows) -> dict[str, int]:
    """The most of any row on each path."""
    return {path: max(row[path] for row in rows.values() if path in row)
            for path in PATHS if any(path in row for row in rows.values())}


def stack(found: dict[str, dict[str, dict[str, int]]], verbose: bool) -> list[str]:
    """The deepest of all operations on each path; `verbose`: each of them."""
    rows = {op if end == SUCCESS else f"{op} {end}": row
            for op, ends in found.items() for end, row in ends.items()}
    return _table(STACK, _most(rows), rows, verbose) if rows else []


def text(found: Sizes, verbose: bool) -> list[str]:
    """The code of all operations on each path; `verbose`: of each of them."""
    return _table(TEXT, found.together, found.operations, verbose) if found.together else []


def masked(found: Rows, verbose: bool) -> list[str]:
    """For how long any operation has had interrupts off; `verbose`: each of them."""
    return _table(MASKED, _most(found), found, verbose) if found else []
