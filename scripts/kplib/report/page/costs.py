# SPDX-License-Identifier: GPL-2.0
"""What operations cost, against their budgets; what they allocate."""

from __future__ import annotations

from typing import Any

from kplib.configure.lanes import PATHS, REFERENCE, SIDES
from kplib.contract.model import UNLIMITED, Budget
from kplib.judge import budgets
from kplib.judge.growth import Growth
from kplib.judge.syscalls import Syscalls, label, ratio, wrong
from kplib.judge.tables import MAKING, NOOP, SUCCESS, Cost, geometric_mean
from kplib.report import told
from kplib.report.page.markup import Markup, element, joined, link, row, table
from kplib.report.page.view import View, cell_of, number, number_heads


def rows_of(pair: dict[str, Any]) -> dict[tuple[str, str], dict[str, Cost]]:
    """Costs by operation and outcome, then by path."""
    return {(op, end): {path: Cost(**cost) for path, cost in paths.items()}
            for op, ends in pair.get("outcomes", {}).items() for end, paths in ends.items()}


def budget_of(pair: dict[str, Any], op: str) -> Budget:
    """What an operation may cost more."""
    known = pair.get("budgets", {})
    found = known.get(op) or (None if op in MAKING else known.get(budgets.ALL))
    return Budget(found["percent"], found["instructions"], found["why"]) if found else \
        budgets.usual(op)


def is_over(pair: dict[str, Any], op: str, end: str, path: str,
            row_: dict[str, Cost]) -> bool:
    """Whether a path is over the budget."""
    if path not in row_ or REFERENCE not in row_ or path == REFERENCE:
        return False
    return budgets.Excess(op, end, path, row_[path].mean, row_[REFERENCE].mean).exceeds(
        budget_of(pair, op))


def _cell(cost: Cost | None, over: bool) -> Markup:
    if cost is None:
        return number("-", "quiet")
    ratio = "" if cost.ratio is None else f" ({cost.ratio:.2f})"
    return number(f"{cost.mean:,.1f}{ratio}{' over' if over else ''}", "bad" if over else "")


def of_pair(pair: dict[str, Any], name: str) -> Markup:
    """Each operation and outcome of a pair on one kernel."""
    noop = {path: Cost(**cost) for path, cost in pair["instructions"].get(NOOP, {}).items()}
    rows = [row([NOOP, *(number(f"{noop[path].mean:,.1f}" if path in noop else "-", "quiet")
                         for path in PATHS), element("td", "subtracted from each operation",
                                                     class_="quiet")])] if noop else []
    for (op, end), found in rows_of(pair).items():
        budget = budget_of(pair, op)
        said = f"{budget.percent:g} % and {budget.instructions:g}" \
            if budget.percent < UNLIMITED else "not judged"
        rows.append(row([op if end == SUCCESS else f"{op} {end}",
                         *(_cell(found.get(path), is_over(pair, op, end, path, found))
                           for path in PATHS),
                         element("td", f"{said}: {budget.why}" if budget.why else said,
                                 class_="prose")]))
        if beside := pair.get("meanwhile", {}).get(op, {}).get(end):
            rows.append(row([f"{op if end == SUCCESS else f'{op} {end}'}, meanwhile", *(
                number(f"{beside[path]:,.1f}" if path in beside else "-", "quiet")
                for path in PATHS), element("td", "other threads and the scheduler, while its "
                                            "caller waits", class_="quiet")]))
    return table([["operation", *number_heads(PATHS), "may cost more"]], rows,
                 f"{name}: executed instructions, mean of an operation with one outcome; the ratio "
                 f"to {REFERENCE}")


def growth(pair: dict[str, Any], name: str) -> Markup:
    """How costs of a pair on one kernel grow."""
    rows = [row([op if end == SUCCESS else f"{op} {end}", next(iter(found.values()))["by"],
                 *(number(Growth.from_json(found[path]).text if path in found else "-")
                   for path in PATHS)])
            for op, ends in pair.get("growth", {}).items() for end, found in ends.items()]
    return table([["operation", "by", *number_heads(PATHS)]], rows,
                 f"{name}: executed instructions of an operation with one outcome, and those for "
                 "each more; -: too few calls or sizes")


def _plain(found: dict[str, dict[str, int]], caption: str) -> Markup:
    return table([["operation", *number_heads(PATHS)]],
                 [row([op, *(number(str(of.get(path, "-"))) for path in PATHS)])
                  for op, of in found.items()], caption)


def stack(pair: dict[str, Any], name: str) -> Markup:
    """How much stack operations of a pair take on one kernel."""
    return _plain({op if end == SUCCESS else f"{op} {end}": found
                   for op, ends in pair.get("stack", {}).items() for end, found in ends.items()},
                  f"{name}: bytes of stack that a call takes with its caller, the most of any call")


def text(pair: dict[str, Any], name: str) -> Markup:
    """How much code operations of a pair are on one kernel."""
    return _plain({**pair["text"]["operations"], "all together": pair["text"]["together"]},
                  f"{name}: bytes of code, with what it calls of the pair's")


def syscalls(pair: dict[str, Any], name: str) -> Markup:
    """What system calls on the nodes of a pair cost on one kernel."""
    found = Syscalls.from_json(pair["syscalls"])
    rows = []
    for call, ends in found.calls.items():
        budget, _ = found.budgets.get(call, (budgets.USUAL, None))
        said = f"{budget.percent:g} % and {budget.instructions:g}"
        for end, of in ends.items():
            over = call != NOOP and bool(wrong(call, {end: of}, budget))
            share = ratio(of, SIDES[1]) if call != NOOP else None
            rows.append(row([
                label(call, end), *(number(str(of.get(side, "-"))) for side in SIDES),
                number("-" if share is None else f"{share:.2f}{' over' if over else ''}",
                       "bad" if over else ""),
                element("td", "subtracted from each other row", class_="quiet") if call == NOOP
                else element("td", f"{said}: {budget.why}" if budget.why else said,
                             class_="prose")]))
    return table([["system call", *number_heads(SIDES), *number_heads(("ratio",)),
                   "may cost more"]], rows,
                 f"{name}: executed instructions of a system call on the C node and the Rust node, "
                 "the least of a call with one outcome")


def masked(pair: dict[str, Any], name: str) -> Markup:
    """For how long operations of a pair have interrupts off on one kernel."""
    return _plain(pair["masked"], f"{name}: instructions for which interrupts were off, the most "
                                  "at a time of those that were looked at")


def allocations(pair: dict[str, Any], name: str) -> Markup:
    """What operations allocate on one kernel whose allocations can fail."""
    rows = [row([op, *(number(f"{found[path]['most']}, {found[path]['bytes'] or '-'} "
                              f"({found[path]['failed']}, {found[path]['refused']})"
                              if path in found else "-") for path in PATHS)])
            for op, found in pair.get("allocations", {}).items()]
    return table([["operation", *number_heads(PATHS)]], rows,
                 f"{name}: allocations and bytes, the most of one call; how often one was made to "
                 "fail, and how often that gave -ENOMEM")


def section(view: View) -> Markup:
    """A row for each pair and kernel that counted instructions."""
    rows = []
    for pair in view.pairs:
        for document, found in view.of_pair(pair):
            costs = rows_of(found)
            if not costs:
                continue
            means = [geometric_mean([(op, paths) for (op, _), paths in costs.items()], path)
                     for path in PATHS[1:]]
            over = [(op, end, path) for (op, end), paths in costs.items() for path in PATHS[1:]
                    if is_over(found, op, end, path, paths)]
            needed = sum(one["needed"] is not None for one in found.get("budgets", {}).values())
            rows.append(row([
                link(pair, f"#{view.pair_ids[pair]}.costs"), told.name_of(document),
                number(len(costs)),
                *(number("-" if mean is None else f"{mean:.2f}") for mean in means),
                number(len(over), "bad" if over else ""), number(needed)]))
    if not rows:
        return element("p", "No lane counted instructions in this run.", class_="quiet")
    pages = [link(told.name_of(one), view.beside.costs[cell_of(one)]) for one in view.documents
             if cell_of(one) in view.beside.costs]
    return joined([
        element("p", "How costs are distributed, ratios against budgets, growth, and what costs "
                "are made of, in pictures: ", joined(pages, ", ")) if pages else "",
        element("p", f"Executed instructions, not times. Under a path: the ratio to {REFERENCE}, "
                "geometric mean over operations and outcomes. Over: operations with an outcome "
                "that cost more on a path than their budget allows; needed: budgets of rows that "
                "were needed.", class_="quiet"),
        table([["pair", "kernel", *number_heads(("rows", *PATHS[1:], "over", "needed"))]], rows)])
