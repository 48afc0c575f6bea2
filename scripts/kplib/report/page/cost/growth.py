# SPDX-License-Identifier: GPL-2.0
"""How the cost of an operation grows with the size of what it works on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from kplib.configure.lanes import PATHS
from kplib.judge.growth import Growth
from kplib.report.page.cost import draw
from kplib.report.page.cost.draw import WIDTH, Scale
from kplib.report.page.markup import Markup, row, table
from kplib.report.page.view import number, number_heads

#: Where the names of the paths, and what is drawn, begin and end.
HEAD, BOTTOM, BEGIN, END = 20.0, 150.0, 44.0, 346.0


def of(pair: dict[str, Any], op: str, end: str) -> dict[str, Growth]:
    """Growth by path; of what cannot be read, none."""
    found = {}
    rows = pair.get("growth", {})
    for path, one in rows.get(op, {}).get(end, {}).items():
        try:
            grown = Growth.from_json(one)
            values = [value for point in grown.points
                      for value in (point.size, point.calls, point.min, point.mean)]
            values += [value for value in (grown.constant, grown.each) if value is not None]
            if path in PATHS and grown.points and all(map(math.isfinite, values)):
                found[path] = replace(grown, points=tuple(sorted(
                    grown.points, key=lambda point: point.size)))
        except (KeyError, TypeError, ValueError):
            continue
    return found


def _sizes(found: dict[str, Growth]) -> list[float]:
    return sorted({point.size for one in found.values() for point in one.points})


def _wide(size: float, low: float) -> float:
    """Sizes double from one step of the axis to the next."""
    return math.log2(1 + size - low)


def drawing(name: str, found: dict[str, Growth]) -> Markup:
    """The drawing: a line for each path."""
    sizes = _sizes(found)
    by = next(iter(found.values())).by
    far = _wide(sizes[-1], sizes[0]) or 1.0
    across = Scale(0, far, BEGIN, END)
    most = max(point.mean for one in found.values() for point in one.points)
    up = Scale(0, max(1.0, most * 1.08), BOTTOM, HEAD)
    parts = []
    ticks = [(value, up.at(value)) for value in up.ticks()]
    parts.append(draw.grid((BEGIN, y, END, y) for _, y in ticks))
    parts += [draw.text(draw.said(value), BEGIN - 5, y + 4, "end", "quiet")
              for value, y in ticks]
    last = -40.0
    for size in sizes:
        x = across.at(_wide(size, sizes[0]))
        if x - last >= 34:
            parts.append(draw.text(draw.said(size), x, BOTTOM + 14, "middle", "quiet"))
            last = x
    parts.append(draw.line(BEGIN, BOTTOM, END, BOTTOM, "axis"))
    # The reference comes last, over the others.
    for path in reversed([path for path in PATHS if path in found]):
        one = found[path]
        places = [(across.at(_wide(point.size, sizes[0])), up.at(point.mean))
                  for point in one.points]
        parts.append(draw.hint(
            f"{path}: {one.text}", draw.curve(places, f"p{PATHS.index(path)} line"),
            *(draw.mark(path, x, y, 3) for x, y in places)))
    for at, path in enumerate(path for path in PATHS if path in found):
        x = at * WIDTH / 4 + 2
        parts += [draw.mark(path, x + 5, 7), draw.text(path, x + 14, 11)]
    parts.append(draw.text(f"{by} (steps double)", BEGIN, BOTTOM + 28, class_="quiet"))
    return draw.figure(
        f"Growth with {by}: mean instructions of a call",
        draw.drawing(f"{name}: growth with {by}", "; ".join(
            f"{path}: {one.text}" for path, one in found.items()), BOTTOM + 33, parts))


def numbers(found: dict[str, Growth]) -> Markup:
    """The same as a table."""
    if not found:
        return Markup("")
    paths = [path for path in PATHS if path in found]
    means = {path: {point.size: f"{point.mean:,.1f} (least {draw.said(point.min)}, "
                                f"{point.calls:,} calls)" for point in found[path].points}
             for path in paths}
    rows = [row([draw.said(size), *(number(means[path].get(size, "")) for path in paths)])
            for size in _sizes(found)]
    rows.append(row(["about", *(number(found[path].text) for path in paths)]))
    return table([[found[paths[0]].by, *number_heads(paths)]], rows,
                 "mean instructions of calls by size")
