# SPDX-License-Identifier: GPL-2.0
"""What the cost of an operation is made of: what make explain has left, to unfold."""

from __future__ import annotations

from dataclasses import dataclass

from kplib.configure.lanes import PATHS
from kplib.report import explained
from kplib.report.page.markup import Markup, code, element, folded, joined, row, table
from kplib.report.page.view import number, number_heads


@dataclass(frozen=True)
class Made:
    """What there is of an operation: `kept` where it is of the figures of this page, else `why`
    there is none; `again` is the command that finds it. `old`: sources are newer."""

    again: str
    kept: explained.Kept | None = None
    why: str = ""
    old: bool = False


def _table(one: explained.Table) -> Markup:
    if not one.lines:
        return element("p", one.title, class_="quiet")
    return table([[one.title, *number_heads(PATHS)]],
                 [row([line.name, *map(number, line.cells)]) for line in one.lines],
                 class_="made")


def section(made: Made) -> Markup:
    """The tables, or the command that gives them."""
    if made.kept is None:
        return element("p", f"{made.why} ", code(made.again), class_="quiet")
    found = made.kept
    head = [element("p", explained.heading(found.found, found.pair), class_="quiet")]
    if made.old:
        head.append(element("p", "Sources are newer than this; ", code(made.again),
                            " makes it again.", class_="warn"))
    of = f"all {len(found.found.outcomes)} outcomes: " if len(found.found.outcomes) > 1 else ""
    return folded(f"What it is made of: {of}functions, lines, kinds",
                  *head, joined(map(_table, found.tables())))


def of_outcome(made: Made, end: str) -> Markup | None:
    """The tables of one outcome, of an operation that has several."""
    if made.kept is None or len(made.kept.found.outcomes) < 2 or \
            end not in made.kept.found.outcomes:
        return None
    return folded("What it is made of",
                  element("p", explained.heading(made.kept.found.outcomes[end], made.kept.pair),
                          class_="quiet"),
                  joined(map(_table, made.kept.tables(end))))
