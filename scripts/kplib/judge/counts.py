# SPDX-License-Identifier: GPL-2.0
"""What QEMU's plugin has recorded of the cost of operations (qemu/counts.c)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Iterable

from kplib.configure.lanes import PATHS
from kplib.judge.tables import DamagedTable, outcome_name


@dataclass(frozen=True)
class Place:
    """An instruction at an address. Another one that came there later is another place."""

    pc: int
    code: bytes


@dataclass(frozen=True)
class Ran:
    """How often an instruction was executed, and the accesses to memory that it made."""

    times: int
    reads: int
    writes: int


@dataclass(frozen=True)
class Touched:
    """Lines of the data cache that calls touched, each once a call, and misses in the model of one
    (qemu/data-cache.h); without the harness. `read` are those that the call did not write."""

    read: int = 0
    written: int = 0
    misses: int = 0


@dataclass(frozen=True)
class Sum:
    """All calls of an operation: how many, what they have cost by the CPU's counter, how many
    instructions were executed, which, and how often one went elsewhere than to the next."""

    calls: int
    cost: int
    executed: int
    ran: dict[Place, Ran]
    went: dict[tuple[Place, Place], int]
    touched: Touched = Touched()


def together(sums: Iterable[Sum]) -> Sum:
    """Several sums as one."""
    calls = cost = executed = 0
    ran: dict[Place, Ran] = {}
    went: dict[tuple[Place, Place], int] = {}
    touched = Touched()
    for one in sums:
        calls, cost, executed = calls + one.calls, cost + one.cost, executed + one.executed
        for place, more in one.ran.items():
            have = ran.get(place, Ran(0, 0, 0))
            ran[place] = Ran(have.times + more.times, have.reads + more.reads,
                             have.writes + more.writes)
        for ends, times in one.went.items():
            went[ends] = went.get(ends, 0) + times
        touched = Touched(touched.read + one.touched.read, touched.written + one.touched.written,
                          touched.misses + one.touched.misses)
    return Sum(calls, cost, executed, ran, went, touched)


@dataclass
class Counted:
    """One path's record, by the names of operations: of all calls, and `ends`, of those with each
    outcome. `too_long` are operations and outcomes of which a call had more instructions than the
    plugin records."""

    sums: dict[str, Sum] = field(default_factory=dict)
    ends: dict[str, dict[str, Sum]] = field(default_factory=dict)
    too_long: set[tuple[str, str]] = field(default_factory=set)

    def is_too_long(self, op: str) -> bool:
        """Whether a call of an operation was longer than what is recorded."""
        return any(op == one for one, _ in self.too_long)

    def of_outcome(self, op: str, end: str) -> Counted:
        """The same, but of an operation the calls with an outcome alone."""
        sums = {name: one for name, one in self.sums.items() if name != op}
        if end in self.ends.get(op, {}):
            sums[op] = self.ends[op][end]
        return Counted(sums, {}, {one for one in self.too_long if one[0] != op or one[1] == end})


class _Parser:
    """One case, line by line."""

    def __init__(self) -> None:
        self.counted = Counted()
        self.closed = False
        self._names: dict[int, str] = {}
        self._places: dict[int, Place] = {}
        self._sum: Sum | None = None
        self._at = ("", "")

    def _take(self, one: Sum) -> None:
        """The sum that further lines are of."""
        op, end = self._at
        self._sum = self.counted.ends.setdefault(op, {})[end] = one

    def line(self, text: str) -> None:
        """Take one line; ValueError or KeyError if it is none of the plugin's."""
        what, *words = text.split(" ")
        if what == "op":
            number, name = words
            self._names[int(number)] = name
        elif what == "code":
            number, pc, code = words
            self._places[int(number)] = Place(int(pc, 16), bytes.fromhex(code))
        elif what == "long":
            op, came_to = map(int, words)
            self.counted.too_long.add((self._names[op], outcome_name(came_to)))
        elif what == "sum":
            op, came_to, calls, cost, executed = map(int, words)
            self._at = self._names[op], outcome_name(came_to)
            self._take(Sum(calls, cost, executed, {}, {}))
        elif what == "data" and self._sum:
            read, written, misses = map(int, words)
            self._take(replace(self._sum, touched=Touched(read, written, misses)))
        elif what == "ran" and self._sum:
            number, *counts = words
            times, reads, writes = map(int, counts)
            self._sum.ran[self._places[int(number)]] = Ran(times, reads, writes)
        elif what == "went" and self._sum:
            begin, end, times_ = map(int, words)
            self._sum.went[self._places[begin], self._places[end]] = times_
        elif what == "close" and not words:
            self.closed = True
        else:
            raise ValueError


def parse(text: str, pair: str) -> dict[str, Counted]:
    """What was recorded of a pair, by path; a case that did not come to its end is none.

    The last run of a case counts. Each sum is that of its instructions.
    """
    found = {}
    for case in re.split(r"(?m)^(?=case )", text):
        head, *lines = case.splitlines() or [""]
        if not case:
            continue
        parser = _Parser()
        for number, line in enumerate([head, *lines], 1):
            try:
                if number > 1:
                    parser.line(line)
                    continue
                word, name, path = line.split(" ")
                where = PATHS[int(path)]
                if word != "case":
                    raise ValueError
            except (ValueError, KeyError, IndexError):
                raise DamagedTable(f"the record of counts, line {number} of {head!r}: "
                                   f"{line[:100]!r}") from None
        if not parser.closed or name != pair:
            continue
        for op, ends in parser.counted.ends.items():
            one = parser.counted.sums[op] = together(ends.values())
            if any(some.executed != sum(ran.times for ran in some.ran.values())
                   for some in ends.values()):
                raise DamagedTable(f"the record of counts: {op} on {where} has "
                                   f"{one.executed} instructions, and they are others")
        found[where] = parser.counted
    return found
