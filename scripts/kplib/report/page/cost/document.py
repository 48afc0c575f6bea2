# SPDX-License-Identifier: GPL-2.0
"""The page of costs of one arch and variant."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kplib.configure.lanes import PATHS, REFERENCE
from kplib.judge import timetable
from kplib.judge.budgets import UNJUDGED
from kplib.judge.tables import NOOP, SUCCESS, Cost
from kplib.report import machine, told
from kplib.report.page import costs, shell, top
from kplib.report.page.cost import draw, growth, made, ratio, spread
from kplib.report.page.cost.made import Made
from kplib.report.page.cost.ratio import Ratios
from kplib.report.page.cost.style import STYLE
from kplib.report.page.markup import Markup, code, element, folded, joined, link, row, table
from kplib.report.page.view import number, number_heads, unique


def has_figures(pair: dict[str, Any]) -> bool:
    """Whether anything was counted or timed of a pair."""
    return bool(pair.get("outcomes") or pair.get("times"))


def _names(pair: dict[str, Any]) -> list[tuple[str, str]]:
    """Operations, each with an outcome: those that were counted, and those that were timed alone.

    """
    timed = ((row_["op"], row_["outcome"]) for row_ in (pair.get("times") or {"rows": []})["rows"])
    found = dict.fromkeys((*costs.rows_of(pair), *timed))
    ops = list(dict.fromkeys(op for op, _ in found))
    return sorted(found, key=lambda one: (ops.index(one[0]), one[1] != SUCCESS))


@dataclass(frozen=True)
class View:
    """What the page is made from: results, what make explain has left by pair and operation, when
    results were written, and what leads to the report."""

    document: dict[str, Any]
    made: dict[tuple[str, str], Made] = field(default_factory=dict)
    when: str = ""
    report: str | None = None

    @cached_property
    def pairs(self) -> dict[str, dict[str, Any]]:
        """The pairs that have figures."""
        return {name: pair for name, pair in self.document["pairs"].items()
                if has_figures(pair)}

    @cached_property
    def pair_ids(self) -> dict[str, str]:
        """The id of each pair's part, as in the report."""
        return unique(list(self.document["pairs"]), "pair")

    @cached_property
    def ids(self) -> dict[tuple[str, str], str]:
        """The id of each operation's part."""
        return {(pair, op): f"{self.pair_ids[pair]}.{ident}" for pair, found in self.pairs.items()
                for op, ident in unique(list(dict(_names(found))), "op").items()}


@dataclass(frozen=True)
class Outcome:
    """One outcome of an operation."""

    op: str
    end: str
    costs: dict[str, Cost]
    ratios: Ratios

    @property
    def name(self) -> str:
        """The operation; success needs no word."""
        return self.op if self.end == SUCCESS else f"{self.op} {self.end}"


def outcomes(pair: dict[str, Any]) -> list[Outcome]:
    """Every operation and outcome of a pair."""
    times = timetable.from_json(pair["times"]) if pair.get("times") else None
    counted = costs.rows_of(pair)
    found = []
    for op, end in _names(pair):
        row_, budget = counted.get((op, end), {}), costs.budget_of(pair, op)
        found.append(Outcome(op, end, row_, Ratios(
            row_, ratio.limit_of(row_, budget), budget,
            tuple(path for path in PATHS if costs.is_over(pair, op, end, path, row_)),
            tuple(one for one in times.rows if (one.op, one.outcome) == (op, end)
                  and one.path in PATHS) if times else (), times.margin if times else 0.0)))
    return found


def _outcome(pair: dict[str, Any], name: str, one: Outcome, of: Made | None) -> Markup:
    """The drawings of an outcome, their numbers, and what it is made of."""
    advisory = bool(pair.get("times") and pair["times"]["advisory"])
    met = spread.met(pair, one.op, one.end, one.costs)
    grown = growth.of(pair, one.op, one.end)
    title = f"{name} {one.name}"
    return element("div", element("h4", one.end), element("div", [
        spread.drawing(title, one.costs, met) if one.costs else Markup(""),
        ratio.drawing(title, one.ratios, advisory),
        growth.drawing(title, grown) if grown else Markup("")], class_="figures"),
        folded("The same in numbers",
               spread.numbers(one.costs, met) if one.costs else "", ratio.numbers(one.ratios),
               growth.numbers(grown)),
        made.of_outcome(of, one.end) if of else None, class_="outcome")


def _operation(view: View, name: str, op: str, ends: list[Outcome]) -> Markup:
    budget = ends[0].ratios.budget
    pair = view.pairs[name]
    of = view.made.get((name, op))
    return element(
        "article", element("h3", op),
        element("p", f"Not judged: {budget.why}." if budget == UNJUDGED else
                f"May cost {budget.tell()} more than on {REFERENCE}"
                + (f": {budget.why}." if budget.why else "."), class_="quiet")
        if any(one.costs for one in ends) else None,
        [_outcome(pair, name, one, of) for one in ends], made.section(of) if of else None,
        class_="operation", id=view.ids[name, op])


def _ratio(one: Ratios, path: str) -> Markup:
    """A ratio in the overview; where nothing was counted, that of times."""
    if row_ := one.warm(path):
        return number(f"{row_.ratio:.2f}")
    if path not in one.paths:
        return number("-")
    over = path in one.over
    return number(f"{one.costs[path].ratio:.2f}{' over' if over else ''}", "bad" if over else "")


def _overview(view: View, name: str, all_: list[Outcome]) -> Markup:
    """A line for each operation and outcome, all on one axis."""
    own = ratio.scale_of([one.ratios for one in all_])
    scale = draw.Scale(own.low, own.high, 6, 214, True)
    ticks = element("svg", [draw.text(draw.said(value), scale.at(value), 12, "middle", "quiet")
                            for value in scale.ticks()], viewBox="0 0 220 14", class_="strip",
                    role="img", aria_label="ratio")
    rows = [row([link(one.name, f"#{view.ids[name, one.op]}"),
                 element("td", ratio.strip(one.ratios, scale)),
                 *(_ratio(one.ratios, path) for path in PATHS[1:]),
                 number("-" if one.ratios.limit is None else f"{one.ratios.limit:.2f}")])
            for one in all_]
    return table([["operation", element("th", ticks, scope="col"),
                   *number_heads((*PATHS[1:], "up to"))]], rows,
                 f"ratio to {REFERENCE}; up to: within the budget" if any(
                     one.costs for one in all_) else f"ratio to {REFERENCE} of times, warm",
                 class_="overview")


def _pair(view: View, name: str) -> Markup:
    pair = view.pairs[name]
    all_ = outcomes(pair)
    noop = {path: Cost(**cost) for path, cost in pair["instructions"].get(NOOP, {}).items()}
    said = ", ".join(f"{noop[path].p50:,} on {path}" for path in PATHS if path in noop)
    ops: dict[str, list[Outcome]] = {}
    for one in all_:
        ops.setdefault(one.op, []).append(one)
    return element(
        "section", element("h2", name),
        element("p", f"The driver's no-op is subtracted from each call of an operation: "
                f"{said}.", class_="quiet")
        if said else None,
        _overview(view, name, all_),
        joined(_operation(view, name, op, ends) for op, ends in ops.items()),
        id=view.pair_ids[name])


def _legend() -> Markup:
    return element("p", [element("span", element("svg", draw.mark(path, 8, 8, 5),
                                                 viewBox="0 0 16 16", aria_hidden="true"), path)
                         for path in PATHS], class_="legend")


def _lanes(view: View) -> Markup:
    """What the figures are, and what is not there."""
    ran = [pair for pair in view.pairs.values() if pair.get("times")]
    counted = any(pair.get("outcomes") for pair in view.pairs.values())
    parts = ["Paths: the calling language, then the one that is called; "
             f"{REFERENCE} is the measure of the others. ",
             "Executed instructions of single calls, counted by lane insn: exact numbers, not "
             "times. " if counted else "This run has timed calls, and counted no instructions. "]
    if not ran:
        parts += ["Counts are exact, so that their ratios have no interval. ",
                  code("make run LANE=time"), " gives ratios of times, with theirs. "]
    elif any(pair["times"]["advisory"] for pair in ran):
        parts += ["Lane time ran on an emulated CPU: its times are advisory. "]
    return element("p", parts)


def page(view: View) -> str:
    """HTML that needs no other file, and no network."""
    found = view.document
    name = told.name_of(found)
    built = (found["kernel"] or {}).get("config") or {}
    return shell.whole(
        f"kparity: costs, {name}",
        element("header", element("h1", "kparity: what operations cost"),
                element("p", element("strong", name), f": {top.versions(found)}"
                        + (f"; results of {view.when}" if view.when else "")),
                element("p", "Built with ", ", ".join(
                    f"{option.lower()}={value}" for option, value in built.items()),
                    class_="quiet") if built else None,
                [element("p", one[:1].upper() + one[1:], class_="quiet")
                 for one in machine.lines(found)],
                _lanes(view), _legend(),
                element("nav", [link("the report of the run", view.report)] if view.report else [],
                        [link(pair, f"#{view.pair_ids[pair]}") for pair in view.pairs],
                        aria_label="Pairs")),
        element("main", joined(_pair(view, pair) for pair in view.pairs)), Markup(STYLE))
