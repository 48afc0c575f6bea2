# SPDX-License-Identifier: GPL-2.0
"""What system calls on a pair's nodes cost, on the terminal."""

from __future__ import annotations

from kplib.configure.lanes import SIDES
from kplib.judge.syscalls import Syscalls, label, ratio
from kplib.judge.tables import NOOP

#: What the table means.
LEGEND = ("  system calls: from user space, on the pair's nodes; the least of a call with one "
          "outcome, an empty",
          "  one (personality, the noop) subtracted; in brackets the ratio to the C node")


def table(found: Syscalls, verbose: bool) -> list[str]:
    """A row for each call and outcome, and the budgets that are needed; with `verbose` all."""
    rows = {label(call, end): (row, call == NOOP) for call, ends in found.calls.items()
            for end, row in ends.items()}
    width = max(16, *(len(name) + 1 for name in rows))
    lines = [f"    {'system calls':<{width}}" + "".join(f"{side:>16}" for side in SIDES)]
    for name, (row, bare) in rows.items():
        cells = []
        for side in SIDES:
            share = None if bare else ratio(row, side)
            beside = f"({share:.2f})" if share is not None else "(  - )"
            cells.append(f"{row[side]} {beside}" if side in row else "-")
        lines.append(f"    {name:<{width}}" + "".join(f"{cell:>16}" for cell in cells))
    lines += [f"    {call} may cost {budget.tell()} more: {budget.why}"
              + ("" if need else " (not needed here)")
              for call, (budget, need) in found.budgets.items() if need or verbose]
    return lines
