# SPDX-License-Identifier: GPL-2.0
"""How costs grow, for the terminal."""

from __future__ import annotations

from kplib.configure.lanes import PATHS
from kplib.judge import growth
from kplib.judge.growth import Growth, Table
from kplib.judge.tables import SUCCESS

LEGEND = ("  growth: instructions of a call, and those for each more of what it grows by; V=1 also "
          "has what is constant",)


def name_of(op: str, end: str, row: dict[str, Growth]) -> str:
    """A row's name: the operation, its outcome, and what it grows with."""
    by = next(iter(row.values())).by
    return f"{op if end == SUCCESS else f'{op} {end}'}, by {by}"


def table(found: Table, verbose: bool) -> list[str]:
    """The operations whose costs grow, or grow otherwise than on c->c; `verbose`: all."""
    rows = [(name_of(op, end, row), row) for op, rows in found.items()
            for end, row in rows.items() if verbose or growth.told(row)]
    if not rows:
        return []
    lines = [f"    {'growth':<16}" + "".join(f"{path:>16}" for path in PATHS)]
    for name, row in rows:
        lines.append(f"    {name}")
        lines.append(f"    {'':<16}" + "".join(
            f"{row[path].text if path in row else '-':>16}" for path in PATHS).rstrip())
    return lines
