# SPDX-License-Identifier: GPL-2.0
"""How much stack operations take, for the terminal."""

from __future__ import annotations

from kplib.configure.lanes import PATHS
from kplib.judge.tables import SUCCESS

LEGEND = ("  bytes of stack: the most of any call, its caller on the path included; V=1: of each "
          "operation",)


def table(found: dict[str, dict[str, dict[str, int]]], verbose: bool) -> list[str]:
    """The deepest of all operations on each path; `verbose`: each of them."""
    if not found:
        return []
    rows = {op if end == SUCCESS else f"{op} {end}": row
            for op, ends in found.items() for end, row in ends.items()}
    deepest = {path: max(row[path] for row in rows.values() if path in row)
               for path in PATHS if any(path in row for row in rows.values())}
    return [f"    {name:<16}" + "".join(f"{row.get(path, '-'):>16}" for path in PATHS)
            for name, row in {"bytes of stack": deepest, **(rows if verbose else {})}.items()]
