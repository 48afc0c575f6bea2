# SPDX-License-Identifier: GPL-2.0
"""Which lines of a pair ran, and which conditional jumps only ever went one way.

From the very modules: qemu/covers.c has noted what was executed, and llvm-objdump and
llvm-symbolizer tell what could have been. Several runs, of modules for other kernels too, are
merged by line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterable

from kplib.judge import kinds
from kplib.judge.kinds import Line
from kplib.judge.places import Code, Frame
from kplib.judge.tables import DamagedTable


@dataclass(frozen=True)
class Went:
    """Whether a conditional jump was seen to go on behind it, and elsewhere."""

    fell: bool
    taken: bool


def parse(text: str) -> dict[int, Went]:
    """What all guests of a run have executed, by address."""
    found: dict[int, Went] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line in ("guest", "end"):
            continue
        match = re.fullmatch(r"ran ([0-9a-f]+) ([01])([01])", line)
        if not match:
            raise DamagedTable(f"the record of coverage, line {number}: {line[:100]!r}")
        at, fell, taken = match.groups()
        before = found.get(int(at, 16), Went(False, False))
        found[int(at, 16)] = Went(before.fell or fell == "1", before.taken or taken == "1")
    if text and not text.endswith("end\n"):
        raise DamagedTable("the record of coverage has no end")
    return found


@dataclass(frozen=True)
class Jump:
    """The conditional jumps of one place in a line, as functions that are inlined have several:
    some went both ways, some only one; or all of them jump to a panic, or past one."""

    both: bool = False
    one: bool = False
    panic: bool = True

    def __or__(self, other: Jump) -> Jump:
        return Jump(self.both or other.both, self.one or other.one, self.panic and other.panic)


@dataclass(frozen=True)
class LineSeen:
    """A line of source: whether any of it ran, its jumps, by the column, and its functions."""

    ran: bool = False
    jumps: dict[int, Jump] = field(default_factory=dict)
    #: The functions that it is of, without what their names are qualified by.
    functions: frozenset[str] = frozenset()

    def __or__(self, other: LineSeen) -> LineSeen:
        return LineSeen(self.ran or other.ran,
                        {column: self.jumps.get(column, Jump()) | other.jumps.get(column, Jump())
                         for column in sorted({*self.jumps, *other.jumps})},
                        self.functions | other.functions)

    @property
    def own(self) -> list[Jump]:
        """The jumps that are of no panic."""
        return [jump for jump in self.jumps.values() if not jump.panic]

    @property
    def one_way(self) -> bool:
        """Whether a jump, of no panic, only ever went one way."""
        return any(jump.one and not jump.both for jump in self.own)


#: Lines by file and number.
Seen = dict[tuple[str, int], LineSeen]


def function_of(name: str) -> str:
    """A function's name as its source has it; a closure is of the function that it is in."""
    return re.sub(r"(::(\{[^}]*\}|<.*>))+$", "", name).rpartition("::")[2]


def frame_of(code: Code, files: frozenset[str]) -> Frame | None:
    """The innermost line of some files that an instruction is of."""
    return next((one for one in code.frames if one.file in files and one.line), None)


def seen(code: dict[int, Line], known: dict[int, Code], ran: dict[int, Went],
         files: frozenset[str]) -> Seen:
    """What became of each line of some files, in one run.

    `code` are the instructions of the module, and `known` where they are from.
    """
    found: Seen = {}
    checks = kinds.checks(code)
    for at, line in code.items():
        if line.text.startswith(("int3", "brk")) or at not in known:
            continue
        frame = frame_of(known[at], files)
        if frame is None:
            continue
        one = LineSeen(at in ran, {}, frozenset((function_of(frame.function),)))
        if kinds.is_conditional(line.text):
            went = ran.get(at, Went(False, False))
            one.jumps[frame.column] = Jump(went.fell and went.taken, went.fell != went.taken,
                                           at in checks)
        key = frame.file, frame.line
        found[key] = found.get(key, LineSeen()) | one
    return found


def merged(runs: Iterable[Seen]) -> Seen:
    """Runs together: what any of them has reached is reached."""
    found: Seen = {}
    for run in runs:
        for key, one in run.items():
            found[key] = found.get(key, LineSeen()) | one
    return found


@dataclass(frozen=True)
class Side:
    """One side of a pair: its files with their lines."""

    name: str
    lines: Seen = field(default_factory=dict)

    @property
    def jumps(self) -> list[Jump]:
        """All its jumps."""
        return [jump for one in self.lines.values() for jump in one.jumps.values()]

    def unreached(self) -> list[tuple[str, int]]:
        """Lines of which nothing ran."""
        return sorted(key for key, one in self.lines.items() if not one.ran)

    def one_way(self) -> list[tuple[str, int]]:
        """Lines with a jump that only ever went one way, and is of no panic."""
        return sorted(key for key, one in self.lines.items() if one.one_way)


def lcov(pair: str, sides: Iterable[Side]) -> str:
    """The same as a tracefile of lcov. 1 stands for any number of times."""
    text = [f"TN:{pair}"]
    for side in sides:
        for file in sorted({file for file, _ in side.lines}):
            mine = sorted((line, one) for (name, line), one in side.lines.items() if name == file)
            text.append(f"SF:{file}")
            ways = []
            for line, one in mine:
                for i, jump in enumerate(one.own):
                    ways.append(2 if jump.both else 1 if jump.one else 0)
                    text += [f"BRDA:{line},{i},0,{1 if ways[-1] else '-'}",
                             f"BRDA:{line},{i},1,{'-' if not ways[-1] else ways[-1] - 1}"]
            text += [f"BRF:{2 * len(ways)}", f"BRH:{sum(ways)}"]
            text += [f"DA:{line},{int(one.ran)}" for line, one in mine]
            text += [f"LF:{len(mine)}", f"LH:{sum(one.ran for _, one in mine)}",
                     "end_of_record"]
    return "\n".join(text) + "\n"
