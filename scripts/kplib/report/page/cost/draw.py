# SPDX-License-Identifier: GPL-2.0
"""What drawings are made of: scales, axes, marks of paths, rows with a path's name."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Iterable, Sequence

from kplib.configure.lanes import PATHS
from kplib.report.page.markup import Child, Markup, element, joined

#: The width of a drawing, and where what is drawn in it begins and ends; beyond, there is text.
WIDTH, LEFT, RIGHT = 360, 88, 294
#: Ticks of an axis, at most.
TICKS = 6
#: With fewer round ticks than this a logarithmic axis has them at equal steps.
FEWEST = 3


def said(value: float) -> str:
    """A number as short as it can be read."""
    if abs(value) >= 1e6:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"


@functools.lru_cache(maxsize=1 << 13)
def at(value: float) -> str:
    """A coordinate."""
    return f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True)
class Scale:
    """From values to places of an axis: those beyond its ends are at these."""

    low: float
    high: float
    begin: float = LEFT
    end: float = RIGHT
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value is."""
        value = min(max(value, self.low), self.high)
        share = math.log(value / self.low) / math.log(self.high / self.low) if self.log else \
            (value - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def _powers(self) -> list[float]:
        """Ticks at powers of ten, and between them where there is room."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            found = [step * 10.0 ** power for power in powers for step in steps
                     if self.low <= step * 10.0 ** power <= self.high]
            if len(found) <= TICKS:
                return found
        return found[::math.ceil(len(found) / TICKS)]

    def ticks(self) -> list[float]:
        """Round values from one end to the other."""
        if self.log and len(found := self._powers()) >= FEWEST:
            return found
        rough = (self.high - self.low) / (TICKS - 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [round(number * step, 12) for number in
                range(first, math.floor(self.high / step + 1e-9) + 1)]


@functools.lru_cache(maxsize=1 << 11)
def text(words: str, x: float, y: float, anchor: str = "start", class_: str = "") -> Markup:
    """Words in a drawing."""
    return element("text", words, x=at(x), y=at(y), class_=class_ or None,
                   text_anchor=None if anchor == "start" else anchor)


@functools.lru_cache(maxsize=1 << 11)
def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("path", d=f"M{at(x1)} {at(y1)}L{at(x2)} {at(y2)}", class_=class_)


def grid(lines: Iterable[tuple[float, float, float, float]]) -> Markup:
    """Lines behind a drawing, from x and y to x and y each."""
    return element("path", class_="grid", d="".join(
        f"M{at(x1)} {at(y1)}L{at(x2)} {at(y2)}" for x1, y1, x2, y2 in lines))


def curve(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """Straight lines from point to point."""
    return element("path", d="M" + "L".join(f"{at(x)} {at(y)}" for x, y in points), class_=class_)


def area(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A rectangle."""
    return element("rect", x=at(x1), y=at(y1), width=at(max(0, x2 - x1)), height=at(y2 - y1),
                   class_=class_)


#: The mark of each path around a point: a circle, a square, a diamond, a triangle.
_MARKS = ("m-{r} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z", "m-{s} -{s}h{t}v{t}h-{t}z",
          "m0 -{e}l{e} {e}l-{e} {e}l-{e} -{e}z", "m0 -{e}l{e} {u}h-{v}z")


def mark(path: str, x: float, y: float, size: float = 4, hollow: bool = False) -> Markup:
    """The mark of a path at a point."""
    number = PATHS.index(path)
    shape = _MARKS[number].format(r=at(size), d=at(2 * size), s=at(size * .9), t=at(size * 1.8),
                                  e=at(size * 1.25), u=at(size * 2.1), v=at(size * 2.5))
    return element("path", d=f"M{at(x)} {at(y)}{shape}",
                   class_=f"p{number} {'hollow' if hollow else 'full'}")


@functools.lru_cache(maxsize=256)
def name(path: str, y: float) -> Markup:
    """A path's mark and name, at the left of a row whose middle is at y."""
    return element("g", mark(path, 7, y), text(path, 17, y + 4))


def hint(words: str, *parts: Child) -> Markup:
    """Parts of a drawing; words about them are shown where a mouse rests on these."""
    return element("g", element("title", words), *parts)


def axis(scale: Scale, top: float, bottom: float, first: str = "") -> Markup:
    """Ticks below, with lines from top to bottom; the first one is called `first`, if at all."""
    ticks = scale.ticks()
    parts = [grid([(scale.at(value), top, scale.at(value), bottom) for value in ticks])]
    for at_, value in enumerate(ticks):
        words = first if first and not at_ else said(value)
        parts.append(text(words, scale.at(value), bottom + 13, "middle", "quiet"))
    return joined([*parts, line(scale.begin, bottom, scale.end, bottom, "axis")])


def drawing(title: str, words: str, height: float, parts: Iterable[Child],
            width: float = WIDTH) -> Markup:
    """A drawing that says in words what it shows."""
    return element("svg", element("title", title), element("desc", words),
                   [one for one in parts if isinstance(one, str)],
                   viewBox=f"0 0 {at(width)} {at(height)}", role="img", class_="drawing")


def figure(caption: Child, content: Child) -> Markup:
    """A drawing with what is said above it."""
    return element("figure", element("figcaption", caption), content)
