# SPDX-License-Identifier: GPL-2.0
"""What was tried of operations that meet: histories, places, interruptions; orderings seen."""

from __future__ import annotations

from typing import Any, Callable

from kplib.configure.lanes import PATHS
from kplib.judge import orders
from kplib.report import told
from kplib.report.page.markup import Markup, element, joined, link, row, table
from kplib.report.page.view import View, number, number_heads

Found = dict[str, Any]

#: Rows of a table of one pair, each from what there is of a path.
_HISTORIES: dict[str, Callable[[Found], str]] = {
    "histories of two threads": lambda one: f"{one['tried']:,}",
    "of these, operations at the same time in": lambda one: f"{one['together']:,} of {one['of']:,}",
    "places at which one operation was stopped": lambda one: f"{one['places']:,}",
    "two operations that met so": lambda one: f"{one['meetings']:,}",
    "operations": lambda one: f"{one['operations']:,}",
    "not decided": lambda one: f"{one['undecided']:,}",
    "excused by the contract": lambda one: f"{one['allowed']:,}",
    "operations in callbacks": lambda one: "-" if one["inside"] is None else f"{one['inside']:,}",
}
_INTERRUPTIONS: dict[str, Callable[[Found], str]] = {
    "interruptions, of positions": lambda one: f"{one['tried']:,} of {one['of']:,}",
    "operations interrupted by one another": lambda one: f"{one['pairs']:,} of "
                                                         f"{one['pairs_of']:,}",
    "scenes": lambda one: f"{one['scenes']:,} of {one['scenes_of']:,}",
    "first scenes, as a whole": lambda one: f"{one['whole']:,} of {one['whole_of']:,}",
    "positions not reached": lambda one: f"{one['unreached']:,}",
    "by two operations": lambda one: f"{one['sequences_tried']:,} in {one['sequences']:,}",
    "allowed by the contract": lambda one: f"{one['allowed'] + one['sequences_allowed']:,}",
}


def _rows(kinds: dict[str, Callable[[Found], str]], found: dict[str, Found]) -> list[Markup]:
    return [row([name, *(number(show(found[path]) if path in found else "-") for path in PATHS)])
            for name, show in kinds.items()]


def of_pair(pair: dict[str, Any], name: str) -> Markup:
    """What was tried of a pair on one kernel."""
    rows = _rows(_HISTORIES, pair["histories"]) if pair["histories"] else []
    rows += _rows(_INTERRUPTIONS, pair["interruptions"]) if pair["interruptions"] else []
    return table([["", *number_heads(PATHS)]], rows, name)


def orderings(pair: dict[str, Any], name: str) -> Markup:
    """What operations order, as executed."""
    rows = [row([f"{op}, {outcome}", what, *(row_.get(path, "-") for path in PATHS)])
            for op, outcomes in pair.get("orderings", {}).items()
            for outcome, kinds in outcomes.items() for what, row_ in kinds.items()]
    return table([["operation", "access", *PATHS]], rows,
                 f"{name}: orderings of executed accesses; {orders.MISSED}: something came in "
                 "between in each call")


def _sum(found: dict[str, Found], name: str) -> int:
    return sum(one[name] for one in found.values())


def _of(found: dict[str, Found], part: str, whole: str) -> Markup:
    return number(f"{_sum(found, part):,} of {_sum(found, whole):,}" if found else "-")


def section(view: View) -> Markup:
    """A row for each pair and kernel, all paths together."""
    rows = []
    for pair in view.pairs:
        for document, found in view.of_pair(pair):
            met, broken = found["histories"], found["interruptions"]
            if not met and not broken:
                continue
            undecided = _sum(met, "undecided")
            rows.append(row([
                link(pair, f"#{view.pair_ids[pair]}.tried"), told.name_of(document),
                number(_sum(met, "tried") if met else "-"), _of(met, "together", "of"),
                number(_sum(met, "places") if met else "-"),
                number(undecided if met else "-", "warn" if undecided else ""),
                _of(broken, "tried", "of"), _of(broken, "pairs", "pairs_of"),
                number(_sum(broken, "unreached") if broken else "-"),
                number(_sum(met, "allowed") + _sum(broken, "allowed")
                       + _sum(broken, "sequences_allowed"))]))
    if not rows:
        return element("p", "Lanes history and irq have given nothing in this run.",
                       class_="quiet")
    return joined([
        element("p", "Two threads on one object, and operations interrupted at each instruction; "
                "sums over the paths.", class_="quiet"),
        table([["pair", "kernel", *number_heads((
            "histories", "at the same time", "places", "not decided", "interruptions",
            "operations", "not reached", "excused"))]], rows)])
