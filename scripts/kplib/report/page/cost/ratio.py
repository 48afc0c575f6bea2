# SPDX-License-Identifier: GPL-2.0
"""Ratios to c->c: of instructions against the budget; of times, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass

from kplib.configure.lanes import PATHS, REFERENCE
from kplib.contract.model import UNLIMITED, Budget
from kplib.judge import timetable
from kplib.judge.tables import Cost
from kplib.report.page.cost import draw
from kplib.report.page.cost.draw import LEFT, WIDTH, Scale
from kplib.report.page.markup import Markup, element, row, table
from kplib.report.page.view import number, number_heads

#: Height of a row, and of what is above a group of rows.
ROW, HEAD = 20.0, 18.0
#: The least axis, and how far beyond all ratios intervals are drawn.
LEAST, BEYOND = (0.8, 1.25), 2.0


@dataclass(frozen=True)
class Ratios:
    """All ratios of one outcome. `limit` is the ratio up to which the mean is within its budget;
    None where c->c costs nothing. `over`: the paths that are beyond it."""

    costs: dict[str, Cost]
    limit: float | None
    budget: Budget
    over: tuple[str, ...]
    times: tuple[timetable.Row, ...]
    margin: float

    def warm(self, path: str) -> timetable.Row | None:
        """The times of a path, where nothing was counted."""
        return next((row_ for row_ in self.times if not self.costs
                     and (row_.path, row_.state) == (path, timetable.STATES[0])), None)

    @property
    def paths(self) -> list[str]:
        """The paths that have a ratio of instructions."""
        return [path for path in PATHS[1:] if path in self.costs
                and self.costs[path].ratio is not None]


def limit_of(costs: dict[str, Cost], budget: Budget) -> float | None:
    """The ratio of a mean that is just within the budget."""
    reference = costs[REFERENCE].mean if REFERENCE in costs else 0
    if reference <= 0 or budget.percent >= UNLIMITED:
        return None
    return 1 + max(budget.instructions / reference, budget.percent / 100)


def scale_of(all_: list[Ratios]) -> Scale:
    """An axis for all of some outcomes."""
    ratios = [float(one.costs[path].ratio or 1) for one in all_ for path in one.paths]
    ratios += [row_.ratio for one in all_ for row_ in one.times]
    low, high = min([*LEAST, *ratios]), max([*LEAST, *ratios])
    ends = [end for one in all_ for row_ in one.times for end in (row_.low, row_.high) if end]
    # An interval of two boots can be without end, and a budget far from all that is there.
    reach = [*ends, *(one.limit for one in all_ if one.limit)]
    low = max(low / BEYOND, min([low, *reach]))
    high = min(high * BEYOND, max([high, *reach]))
    return Scale(low / 1.05, high * 1.05, log=True)


def _budget(one: Ratios, scale: Scale, top: float, bottom: float) -> list[Markup]:
    """What is within the budget, and its limit."""
    if one.limit is None:
        return []
    x = scale.at(one.limit)
    beyond = one.limit > scale.high
    words = f"budget {one.limit:.2f}" + (" \N{RIGHTWARDS ARROW}" if beyond else "")
    # Its name stands where it has room.
    left = x - LEFT > 80
    return [draw.area(LEFT, top, x, bottom, "within"),
            element("g", *([] if beyond else [draw.line(x, top, x, bottom, "limit")])),
            draw.text(words, x - 4 if left else x + 4, top - 5, "end" if left else "start",
                      "quiet")]


def _interval(row_: timetable.Row, scale: Scale, y: float) -> list[Markup]:
    """The interval of a ratio of times; an arrow where it goes on."""
    if row_.low is None or row_.high is None:
        return []
    kind = f"p{PATHS.index(row_.path)}"
    x1, x2 = scale.at(row_.low), scale.at(row_.high)
    parts = [draw.line(x1, y, x2, y, f"{kind} whisker")]
    for x, inside, way in ((x1, row_.low >= scale.low, 5), (x2, row_.high <= scale.high, -5)):
        parts.append(draw.line(x, y - 4, x, y + 4, f"{kind} whisker") if inside else
                     draw.curve(((x + way, y - 4), (x, y), (x + way, y + 4)), f"{kind} whisker"))
    return parts


def _time_words(row_: timetable.Row) -> str:
    interval = "" if row_.low is None else f", interval {row_.low:.3f} to {row_.high:.3f}"
    return f"time, {row_.state}, {row_.path}: {row_.ratio:.3f}{interval}, {row_.verdict}"


def words(one: Ratios) -> str:
    """All of it in words."""
    parts = [f"{path}: {one.costs[path].ratio:.3f}" + (", over" if path in one.over else "")
             for path in one.paths]
    parts += [f"budget up to {one.limit:.3f}"] if one.limit is not None else []
    return "; ".join([*parts, *map(_time_words, one.times)])


def drawing(name: str, one: Ratios, advisory: bool) -> Markup:
    """The drawing: instructions, and below them what lane time says."""
    scale, y, top = scale_of([one]), HEAD if one.costs else 0.0, HEAD
    bottom = y + ROW * max(1, len(one.paths))
    behind, parts = _budget(one, scale, y, bottom), []
    if one.costs:
        parts.append(draw.text("instructions", 2, y - 5, class_="quiet"))
    if one.costs and not one.paths:
        parts.append(draw.text(f"no ratio: {REFERENCE} costs nothing", LEFT + 4, y + 14))
        y = bottom
    for path in one.paths:
        cost, over = one.costs[path], path in one.over
        parts.append(draw.hint(
            f"{path}: {cost.mean:,.2f} instructions, {one.costs[REFERENCE].mean:,.2f} on "
            f"{REFERENCE}", draw.name(path, y + ROW / 2),
            draw.mark(path, scale.at(cost.ratio or 1), y + ROW / 2),
            draw.text(f"{cost.ratio:.2f}{' over' if over else ''}", WIDTH - 2, y + ROW / 2 + 4,
                      "end", "bad" if over else "")))
        y += ROW
    for state in timetable.STATES:
        rows = [row_ for row_ in one.times if row_.state == state and row_.path != REFERENCE]
        if not rows:
            continue
        y += HEAD
        parts.append(draw.text(f"time, {state}{', advisory' if advisory else ''}", 2, y - 5,
                               class_="quiet"))
        for row_ in rows:
            margin = one.margin * row_.own
            behind.append(draw.area(scale.at(1 - margin), y + 1, scale.at(1 + margin),
                                    y + ROW - 1, "margin"))
            parts.append(draw.hint(
                _time_words(row_),
                draw.name(row_.path, y + ROW / 2), *_interval(row_, scale, y + ROW / 2),
                draw.mark(row_.path, scale.at(row_.ratio), y + ROW / 2, hollow=True),
                draw.text(f"{row_.ratio:.2f}", WIDTH - 2, y + ROW / 2 + 4, "end")))
            y += ROW
        bottom = y
    x = scale.at(1)
    return draw.figure(
        f"Ratio to {REFERENCE}" + ("; green: within the budget" if one.costs else "")
        + ("; times with their 95 % interval, the band counts as the same" if one.times else ""),
        draw.drawing(f"{name}: ratio to {REFERENCE}", words(one), bottom + 18,
                     [*behind, draw.axis(scale, top, bottom),
                      draw.line(x, top, x, bottom, "one"), *parts]))


#: Heights of the paths in an overview: what is at the same ratio is seen.
_STRIP = dict(zip(PATHS[1:], (4.0, 9.0, 14.0)))


def strip(one: Ratios, scale: Scale) -> Markup:
    """One line of an overview; without instructions, of warm times. Numbers stand beside it."""
    parts = []
    if one.limit is not None:
        x = scale.at(one.limit)
        parts.append(draw.area(scale.begin, 1, x, 17, "within"))
        if one.limit <= scale.high:
            parts.append(draw.line(x, 1, x, 17, "limit"))
    parts.append(draw.line(scale.at(1), 0, scale.at(1), 18, "one"))
    for path, y in _STRIP.items():
        if row_ := one.warm(path):
            parts += [*_interval(row_, scale, y),
                      draw.mark(path, scale.at(row_.ratio), y, 2.6, hollow=True)]
    parts += [draw.mark(path, scale.at(one.costs[path].ratio or 1), _STRIP[path], 2.6)
              for path in one.paths]
    return element("svg", parts, viewBox=f"0 0 {draw.at(scale.end + scale.begin)} 18",
                   class_="strip", aria_hidden="true")


def numbers(one: Ratios) -> Markup:
    """What lane time says, as a table."""
    if not one.times:
        return Markup("")
    rows = [row([row_.path, row_.state, *(number(value) for value in (
        f"{row_.ratio:.3f}", "-" if row_.low is None else f"{row_.low:.3g} to {row_.high:.3g}",
        f"{row_.own:.0%}", f"{row_.mean:,.1f}",
        *(f"{some[0]:,.0f}" for some in row_.quantiles.values()))), row_.verdict])
        for row_ in one.times]
    names = list(one.times[0].quantiles)
    return table([["time", "object", *number_heads(("ratio", "95 % interval", "own", "mean, ns",
                                                    *names)), "verdict"]], rows,
                 "own: the share of a call that is not the driver's no-op")
