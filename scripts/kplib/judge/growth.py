# SPDX-License-Identifier: GPL-2.0
"""How the cost of an operation grows: with what the object holds, or with bytes that it is given.

The engine hands out what calls of lane insn have cost by size, for each measure of size that there
is. Of these the one is told that explains most of what calls cost, on all paths together, and on
each path the straight line that most sizes agree in: so much, and so much for each.

A line's rise is from the smallest size that calls had to the largest. What is no more than an
operation may cost more than on c->c without a word (budgets.USUAL) counts as none: of random
programs no two sizes have quite the same calls.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from kplib.configure.lanes import PATHS, REFERENCE
from kplib.judge.budgets import USUAL
from kplib.judge.tables import NOOP, Cost, DamagedTable, outcome_name

#: The measure that is what the object holds, in the engine's table.
HOLDS = "-"
#: Fewer calls than this, or fewer sizes, show no growth.
CALLS = 8
SIZES = 3
#: A line that leaves more of the distance of mean costs from their middle shows none either.
LEFT = 0.75


@dataclass(frozen=True)
class Point:
    """Calls alike in size: their mean size, how many, the least that one has cost, and the mean,
    in instructions without the path's no-op."""

    size: float
    calls: int
    min: int
    mean: float


@dataclass(frozen=True)
class Growth:
    """How the cost of an operation with one outcome grows on a path.

    `by` is a measure: elements or whatever else the contract calls what an object holds, or "bytes
    of" an argument. A call costs `constant` instructions, and `each` for each; None where too few
    calls or sizes show it.
    """

    by: str
    points: tuple[Point, ...]
    constant: float | None
    each: float | None

    @property
    def span(self) -> float:
        """From the smallest size that calls had to the largest."""
        return self.points[-1].size - self.points[0].size

    @property
    def rises(self) -> bool:
        """Whether the largest size costs more than the smallest by the line, or less."""
        if self.constant is None or self.each is None:
            return False
        return beyond(self.each * self.span, self.constant + self.each * self.points[0].size)

    @property
    def varies(self) -> bool:
        """Whether mean costs of sizes differ, and do not lie along the line."""
        if self.constant is None or self.each is None:
            return False
        middle = _middle([(p.mean, p.calls) for p in self.points])
        left = sum(p.calls * abs(p.mean - self.constant - self.each * p.size)
                   for p in self.points)
        if left <= LEFT * sum(p.calls * abs(p.mean - middle) for p in self.points):
            return False
        return self.rises or beyond(left / sum(p.calls for p in self.points), middle)

    @property
    def grows(self) -> bool:
        """Whether the cost grows with the size, or shrinks."""
        return self.rises and not self.varies

    @property
    def text(self) -> str:
        """For a person."""
        if self.constant is None or self.each is None:
            return "-"
        if self.varies:
            return "varies"
        if not self.rises:
            return "constant"
        return f"{self.constant:.1f} {'-' if self.each < 0 else '+'} {abs(self.each):.2f}"

    def to_json(self) -> dict[str, Any]:
        """As results.json has it."""
        return {"by": self.by, "constant": self.constant, "each": self.each,
                "points": [asdict(point) for point in self.points]}

    @staticmethod
    def from_json(found: dict[str, Any]) -> Growth:
        """The same from results.json."""
        return Growth(found["by"], tuple(Point(**point) for point in found["points"]),
                      found["constant"], found["each"])


#: By operation, outcome and path.
Table = dict[str, dict[str, dict[str, Growth]]]


def beyond(more: float, cost: float) -> bool:
    """Whether instructions are more than what is usual beside a cost."""
    return abs(more) > USUAL.instructions and abs(more) * 100 > USUAL.percent * max(0.0, cost)


def differs(growth: Growth, reference: Growth) -> bool:
    """Whether a path grows otherwise than c->c, by what that makes at the largest size."""
    if growth.each is None or reference.each is None or reference.constant is None or \
            growth.varies or reference.varies:
        return False
    largest = reference.points[-1].size
    return beyond((growth.each - reference.each) * reference.span,
                  reference.constant + reference.each * largest)


def told(row: dict[str, Growth]) -> bool:
    """Whether an operation's growth is worth a line in a report."""
    return any(one.grows for one in row.values()) or REFERENCE in row and any(
        differs(one, row[REFERENCE]) for path, one in row.items() if path != REFERENCE)


@dataclass
class _Sum:
    """Calls alike in size."""

    calls: int = 0
    sizes: int = 0
    least: int | None = None
    costs: int = 0

    def add(self, calls: int, sizes: int, least: int, costs: int) -> None:
        """Further calls."""
        self.calls += calls
        self.sizes += sizes
        self.least = least if self.least is None else min(self.least, least)
        self.costs += costs

    def point(self, own: int) -> Point:
        """Without the no-op's cost."""
        assert self.least is not None
        return Point(round(self.sizes / self.calls, 3), self.calls, self.least - own,
                     round(self.costs / self.calls - own, 3))


#: Rows of the engine by operation, end, measure and path, then by the least size of the row.
_Rows = dict[tuple[str, int, str], dict[str, dict[int, _Sum]]]


def row_of(size: int) -> int:
    """The least size of the row that a size is in, as kmod/engine/growth.c has it."""
    return size if size < 16 else size & (3 << (size.bit_length() - 2))


def _rows(text: str) -> _Rows:
    found: _Rows = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = re.fullmatch(r"(\S+) (\S+) (0|1|-[0-9]{1,4}) (\S+)((?: [0-9]{1,19}){4})", line)
        calls, *numbers = map(int, words.group(5).split()) if words else (0,)
        if not words or words.group(1) not in PATHS or not calls:
            raise DamagedTable(f"the table of growth, line {number}: {line[:100]!r}")
        path, op, end, measure = words.groups()[:4]
        rows = found.setdefault((op, int(end), measure), {}).setdefault(path, {})
        rows.setdefault(row_of(numbers[0] // calls), _Sum()).add(calls, *numbers)
    return found


def _explained(points: tuple[Point, ...]) -> float:
    """How much of the calls' squared distance from their mean cost a straight line explains."""
    calls = sum(p.calls for p in points)
    size = sum(p.calls * p.size for p in points) / calls
    mean = sum(p.calls * p.mean for p in points) / calls
    spread = sum(p.calls * (p.size - size) ** 2 for p in points)
    both = sum(p.calls * (p.size - size) * (p.mean - mean) for p in points)
    return both * both / spread if spread else 0.0


def _middle(weighted: list[tuple[float, int]]) -> float:
    """The value in the middle, by weight."""
    half = sum(weight for _, weight in weighted) / 2
    for value, weight in sorted(weighted):
        half -= weight
        if half <= 0:
            return value
    raise ValueError("no values")


def _growth(by: str, points: tuple[Point, ...]) -> Growth:
    """The slope in the middle of those between any two points, and the cost in the middle of those
    that it leaves (Theil and Sen): what happens at one size alone, as at the last one where an
    object is full, is not spread over all."""
    if len(points) < SIZES or sum(p.calls for p in points) < CALLS:
        return Growth(by, points, None, None)
    each = _middle([((b.mean - a.mean) / (b.size - a.size), a.calls * b.calls)
                    for i, b in enumerate(points) for a in points[:i]])
    constant = _middle([(p.mean - each * p.size, p.calls) for p in points])
    return Growth(by, points, round(constant, 2), round(each, 3))


def parse(text: str, costs: dict[str, dict[str, Cost]], holds: str) -> Table:
    """The engine's table. `costs` has the no-op of each path, `holds` is the word for what an
    object holds; success comes first."""
    rows = _rows(text)
    found: Table = {}
    order = {op: number for number, op in enumerate(costs)}
    for op, end in sorted({key[:2] for key in rows},
                          key=lambda at: (order.get(at[0], len(order)), at[1] != 0, -at[1])):
        best: tuple[float, dict[str, Growth]] | None = None
        for measure in sorted((key[2] for key in rows if key[:2] == (op, end)),
                              key=lambda name: (name != HOLDS, name)):
            points = {}
            for path, sums in rows[op, end, measure].items():
                if path not in costs.get(NOOP, {}):
                    raise DamagedTable(f"the table of growth has {op} on {path}, and that of costs "
                                       f"no {NOOP} there")
                own = costs[NOOP][path].p50
                points[path] = tuple(sums[size].point(own) for size in sorted(sums))
            explained = sum(_explained(of) for of in points.values())
            by = holds if measure == HOLDS else f"bytes of {measure}"
            if best is None or explained > best[0]:
                best = explained, {path: _growth(by, of) for path, of in points.items()}
        assert best is not None
        found.setdefault(op, {})[outcome_name(end)] = best[1]
    return found
