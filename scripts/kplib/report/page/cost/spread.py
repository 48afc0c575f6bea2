# SPDX-License-Identifier: GPL-2.0
"""How the costs of an operation's calls are distributed: the paths over each other, on one axis."""

from __future__ import annotations

import re
from typing import Any

from kplib.configure.lanes import PATHS
from kplib.judge.tables import Cost
from kplib.report.page.cost import draw
from kplib.report.page.cost.draw import LEFT, RIGHT, Scale
from kplib.report.page.markup import Markup, element, joined, row, table
from kplib.report.page.view import number, number_heads

#: Height of a path's part of the drawing, and of its largest bar.
ROW, TALL = 32.0, 25.0
#: The width of a bar, at least and at most, and the height of the smallest.
NARROW, WIDE, LEAST = 3.0, 12.0, 1.5
#: From this ratio of the greatest cost to the least one on the axis is logarithmic, and begins
#: at a share of the least cost.
FAR, LESS = 8, 0.85
#: Costs in a part of the table's list: a text has a limit.
TOGETHER = 40

#: How many calls have cost how much, by path.
Met = dict[str, dict[int, int]]


def met(pair: dict[str, Any], op: str, end: str, costs: dict[str, Cost]) -> Met:
    """The distributions of an outcome; a path that has none, or not of its calls, is left out."""
    found: Met = {}
    for path, said in pair.get("distributions", {}).get(op, {}).get(end, {}).items():
        if path in costs and all(re.fullmatch("-?[0-9]{1,19}", value) for value in said):
            if sum(said.values()) == costs[path].n:
                found[path] = {int(value): times for value, times in said.items()}
    return found


def scale_of(costs: dict[str, Cost]) -> Scale:
    """The axis of all paths."""
    low, high = min(one.min for one in costs.values()), max(one.max for one in costs.values())
    if high > FAR * max(low, 1):
        return Scale(max(low, 1) * LESS, high / LESS, log=True)
    room = max(1.0, (high - low) * 0.04)
    return Scale(low - room, high + room)


def _places(found: dict[int, int], scale: Scale, width: float) -> dict[float, float]:
    """Where bars begin, and the share of calls in each: a bar for each cost, or where there is no
    room, for those so near that one bar holds them."""
    near = width == NARROW
    places: dict[float, float] = {}
    calls = sum(found.values())
    for value, times in found.items():
        x = scale.at(value)
        x = scale.begin + (x - scale.begin) // width * width if near else x - width / 2
        places[x] = places.get(x, 0) + times / calls
    return places


def _bars(places: dict[float, float], width: float, base: float, most: float,
          kind: str) -> Markup:
    """The bars of a path; that of the share `most` is the highest of all paths."""
    side = draw.at(width)
    shape = []
    for x, share in places.items():
        tall = draw.at(max(LEAST, TALL * share / most))
        shape.append(f"M{draw.at(x)} {draw.at(base)}v-{tall}h{side}v{tall}z")
    return element("path", d="".join(shape), class_=f"{kind} bars")


def _range(cost: Cost, scale: Scale, base: float, kind: str) -> list[Markup]:
    """From the least to the greatest cost, the median, and where 99 % end: for want of more."""
    y = base - TALL / 2
    low, high, middle, most = (scale.at(value) for value in (cost.min, cost.max, cost.p50,
                                                             cost.p99))
    return [draw.line(low, y, high, y, f"{kind} whisker"),
            draw.area(low, y - 5, max(low + 2, most), y + 5, f"{kind} bars"),
            draw.line(middle, y - 8, middle, y + 8, f"{kind} whisker")]


def _words(path: str, cost: Cost) -> str:
    return (f"{path}: {cost.n:,} calls, least {cost.min:,}, median {cost.p50:,}, mean "
            f"{cost.mean:,.2f}, 99 % up to {cost.p99:,}, most {cost.max:,}")


def drawing(name: str, costs: dict[str, Cost], found: Met) -> Markup:
    """The drawing: a part for each path."""
    scale = scale_of(costs)
    paths = [path for path in PATHS if path in costs]
    unit = (scale.end - scale.begin) / (scale.high - scale.low) * 0.8
    width = NARROW if scale.log else min(WIDE, max(NARROW, unit))
    places = {path: _places(one, scale, width) for path, one in found.items()}
    most = max((share for one in places.values() for share in one.values()), default=1.0)
    bottom = 6 + ROW * len(paths)
    parts = [draw.axis(scale, 4, bottom, "1 or less" if scale.log and scale.low < 1 else "")]
    for at, path in enumerate(paths):
        base, kind = 6 + ROW * (at + 1), f"p{PATHS.index(path)}"
        cost = costs[path]
        x = scale.at(cost.mean)
        parts.append(draw.hint(
            _words(path, cost), draw.name(path, base - TALL / 2),
            draw.line(LEFT, base, RIGHT, base, "axis"),
            _bars(places[path], width, base, most, kind) if path in places else
            _range(cost, scale, base, kind),
            draw.line(x, base - TALL - 2, x, base, "mean"),
            draw.text(f"{cost.mean:,.1f}", draw.WIDTH - 2, base - TALL / 2 + 4, "end")))
    parts.append(draw.text("instructions of a call" + (", logarithmic" if scale.log else ""),
                           LEFT, bottom + 27, class_="quiet"))
    return draw.figure(
        "Calls by what they cost; line and number: the mean" if found else
        "Least to greatest cost, the box to 99 % of calls, tick: the median; line, number: the "
        "mean",
        draw.drawing(f"{name}: distribution of costs", "; ".join(
            _words(path, costs[path]) for path in paths), bottom + 32, parts))


def numbers(costs: dict[str, Cost], found: Met) -> Markup:
    """The same as tables."""
    paths = [path for path in PATHS if path in costs]
    first = table([["instructions", *number_heads(("calls", "least", "median", "mean", "99 %",
                                                   "most", "ratio"))]],
                  [row([path, *(number(value) for value in (
                      one.n, one.min, one.p50, f"{one.mean:,.2f}", one.p99, one.max,
                      "-" if one.ratio is None else f"{one.ratio:.3f}"))])
                   for path, one in ((path, costs[path]) for path in paths)])
    if not found:
        return first
    return joined([first, table(
        [["", "calls at so many instructions"]],
        [row([path, element("td", _listed(found[path]), class_="prose")])
         for path in paths if path in found])])


def _listed(found: dict[int, int]) -> list[str]:
    """Each cost, and how many calls had it."""
    said = [f"{times:,} at {value:,}" for value, times in found.items()]
    return ["; ".join(said[at:at + TOGETHER]) + ("; " if at + TOGETHER < len(said) else "")
            for at in range(0, len(said), TOGETHER)]
