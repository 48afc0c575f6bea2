# SPDX-License-Identifier: GPL-2.0
"""What QEMU's plugin has recorded of the cost of operations (qemu/counts.c)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kplib.configure.lanes import PATHS
from kplib.judge.tables import DamagedTable


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
class Sum:
    """All calls of an operation: how many, what they have cost by the CPU's counter, how many
    instructions were executed, which, and how often one went elsewhere than to the next."""

    calls: int
    cost: int
    executed: int
    ran: dict[Place, Ran]
    went: dict[tuple[Place, Place], int]


@dataclass
class Counted:
    """One path's record, by the names of operations. `too_long` are those of which a call had more
    instructions than the plugin records."""

    sums: dict[str, Sum] = field(default_factory=dict)
    too_long: set[str] = field(default_factory=set)


class _Parser:
    """One case, line by line."""

    def __init__(self) -> None:
        self.counted = Counted()
        self.closed = False
        self._names: dict[int, str] = {}
        self._places: dict[int, Place] = {}
        self._sum: Sum | None = None

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
            number, = words
            self.counted.too_long.add(self._names[int(number)])
        elif what == "sum":
            number, calls, cost, executed = words
            self._sum = Sum(int(calls), int(cost), int(executed), {}, {})
            self.counted.sums[self._names[int(number)]] = self._sum
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
        for op, one in parser.counted.sums.items():
            if one.executed != sum(ran.times for ran in one.ran.values()):
                raise DamagedTable(f"the record of counts: {op} on {where} has "
                                   f"{one.executed} instructions, and they are others")
        found[where] = parser.counted
    return found
