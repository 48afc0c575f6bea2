# SPDX-License-Identifier: GPL-2.0
"""The card of a pair: a page, on paper as well, for who reviews its port."""

from __future__ import annotations

from typing import Any

from kplib.configure.lanes import PATHS
from kplib.judge import ktap
from kplib.report import told
from kplib.report.page import contracts, costs, tried
from kplib.report.page.markup import Markup, block, element, folded, joined, link, row, table
from kplib.report.page.view import (ORDER, View, cell_of, number, number_heads, word)


def coverage(view: View, pairs: list[str]) -> Markup:
    """What make coverage has found of some pairs."""
    rows = []
    for pair in pairs:
        for one in view.beside.coverage.get(pair, ()):
            rows.append(row([
                link(pair, f"#{view.pair_ids[pair]}"), one.arch, one.side,
                number(f"{one.ran} of {one.lines}"), number(f"{one.both} of {one.jumps}"),
                element("td", link("both sides, line by line", one.page),
                        element("div", "older than the sources", class_="warn")
                        if one.old else None)]))
    return table([["pair", "arch", "side", *number_heads(("lines that ran", "jumps both ways")),
                   "page"]], rows)


def _verdict(view: View, pair: str) -> Markup:
    """How many results of each status the pair has on each kernel."""
    parts: list[str] = []
    for document, found in view.of_pair(pair):
        statuses = [case["status"] for case in found["cases"]]
        worst = next((status for status in ORDER if status in statuses), ktap.ERROR)
        good, skipped = statuses.count(ktap.PASS), statuses.count(ktap.SKIP)
        said = f", {skipped} skipped" if skipped else ""
        status = ktap.PASS if worst == ktap.SKIP and good else worst
        parts.append(element("div", f"{told.name_of(document)}: ",
                             word(status, "PASS" if status == ktap.PASS else status.upper()),
                             f", {good} of {len(statuses)} results passed{said}"))
    return joined(parts)


def _status(cases: list[dict[str, Any]]) -> Markup:
    """A case on a path; tests of a program are counted."""
    if not cases:
        return element("td", "")
    statuses = [case["status"] for case in cases]
    worst = next((status for status in ORDER if status in statuses), ktap.ERROR)
    said = "" if len(cases) == 1 else f"{statuses.count(ktap.PASS)} of {len(cases)} ok"
    return element("td", word(worst, said), class_="s bad" if worst in (ktap.FAIL, ktap.ERROR)
                   else "s")


def _cases(document: dict[str, Any], pair: str, found: dict[str, Any]) -> Markup:
    """Each case of a pair on each path of one kernel."""
    by_case: dict[str, list[dict[str, Any]]] = {}
    for case in found["cases"]:
        by_case.setdefault(told.case_name(pair, case), []).append(case)
    others = any(case["path"] not in PATHS for case in found["cases"])
    rows = [row([name, *(_status([case for case in cases if case["path"] == path])
                         for path in PATHS),
                 *([_status([case for case in cases if case["path"] not in PATHS])]
                   if others else [])])
            for name, cases in by_case.items()]
    return element("div", table([["case", *PATHS, *(["other"] if others else [])]], rows,
                                told.name_of(document)))


def logs(view: View, pair: str) -> Markup:
    """What the suites of a pair said, to unfold."""
    parts = []
    for document, _ in view.of_pair(pair):
        for log in view.beside.logs.get((*cell_of(document), pair), ()):
            name = f"{told.name_of(document)}: {log.name}"
            file = element("p", link("the file", log.link))
            parts.append(folded(f"{name}, {len(log.lines)} lines", file, block(log.lines))
                         if log.lines else element("p", f"{name}: ", link("the file", log.link)))
    return joined(parts)


def _part(ident: str, title: str, tables: list[Markup], none: str = "") -> Markup:
    """A part of a card, or what is said where it has nothing."""
    if not tables and not none:
        return Markup("")
    return joined([element("h4", title, id=ident),
                   *(tables or [element("p", none, class_="quiet")])])


def _pictures(view: View, document: dict[str, Any], ident: str) -> Markup:
    """What leads to a pair's part of the page of costs."""
    to = view.beside.costs.get(cell_of(document))
    if to is None:
        return Markup("")
    return element("p", link(f"{told.name_of(document)}: costs in pictures", f"{to}#{ident}"),
                   class_="screen")


def _one(view: View, pair: str) -> Markup:
    ident = view.pair_ids[pair]
    mine = list(view.of_pair(pair))
    failures = view.failures_of(pair)
    found = view.beside.unsafe.get(pair, ())
    invariants = contracts.ledger(view, pair)
    said = logs(view, pair)
    return element(
        "article", element("h3", pair), _verdict(view, pair),
        element("p", "What failed: ", view.failure_links(pair)) if failures else None,
        _part(f"{ident}.cases", "Cases", [element("div", [
            _cases(document, pair, one) for document, one in mine], class_="cells")]),
        _part(f"{ident}.contract", "Contract",
              [contracts.of_pair(view, pair)] if invariants else [], "It has no invariants."),
        _part(f"{ident}.differences", "Declared differences",
              [contracts.differences(view, [pair])]
              if any(one.get("accepted") for _, one in mine) else [], "None."),
        _part(f"{ident}.costs", "Costs",
              [joined([costs.of_pair(one, told.name_of(document)),
                       _pictures(view, document, ident)])
               for document, one in mine if one.get("outcomes")], "No lane counted instructions."),
        _part(f"{ident}.growth", "Growth of costs",
              [costs.growth(one, told.name_of(document)) for document, one in mine
               if one.get("growth")]),
        _part(f"{ident}.syscalls", "System calls",
              [costs.syscalls(one, told.name_of(document)) for document, one in mine
               if one.get("syscalls")]),
        _part(f"{ident}.stack", "Stack",
              [costs.stack(one, told.name_of(document)) for document, one in mine
               if one.get("stack")]),
        _part(f"{ident}.text", "Code",
              [costs.text(one, told.name_of(document)) for document, one in mine
               if one.get("text", {}).get("together")]),
        _part(f"{ident}.masked", "Interrupts off",
              [costs.masked(one, told.name_of(document)) for document, one in mine
               if one.get("masked")]),
        _part(f"{ident}.allocations", "Allocations",
              [costs.allocations(one, told.name_of(document)) for document, one in mine
               if one.get("allocations")]),
        _part(f"{ident}.tried", "Interleavings tried",
              [tried.of_pair(one, told.name_of(document)) for document, one in mine
               if one["histories"] or one["interruptions"]],
              "Lanes history and irq have given nothing."),
        _part(f"{ident}.orderings", "Orderings",
              [folded(f"{told.name_of(document)}", tried.orderings(one, told.name_of(document)))
               for document, one in mine if one.get("orderings")]),
        _part(f"{ident}.coverage", "Coverage",
              [coverage(view, [pair])] if view.beside.coverage.get(pair) else []),
        _part(f"{ident}.unsafe", "Unsafe, for review",
              [contracts.uses(view, found)] if found else [],
              "No unsafe in the port's own file."),
        _part(f"{ident}.logs", "Logs", [element("div", said, class_="screen")] if said else []),
        class_="card", id=ident)


def section(view: View) -> Markup:
    """A card for each pair."""
    return joined(_one(view, pair) for pair in view.pairs)
