# SPDX-License-Identifier: GPL-2.0
"""What the cost of an operation is made of, on each path, adding up to lane insn's figure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Iterable

from kplib.common.errors import EnvironmentFailed
from kplib.configure.lanes import PATHS
from kplib.judge import kinds
from kplib.judge.counts import Counted, Place, Ran, Sum
from kplib.judge.places import KERNEL, Code
from kplib.judge.tables import MAKING, NOOP, Cost

#: The engine's module: its instructions between the two readings are the harness, and so are those
#: of the kernel that the no-op executes as well, as the counter may be read by a function of it.
ENGINE = "kparity"
#: Instructions with which a CPU waits for an interrupt; the clock goes on, and nothing is executed.
_WAITS = ("hlt", "wfi", "mwait")

#: What is told of lines of the data cache, 64 bytes each.
LINES_READ, LINES_WRITTEN = "only read", "written"
MISSES, MODEL = "misses in a model", "32 KiB, 8-way LRU, begun empty"

#: Instructions, or what else is counted, of all calls of an operation, by path.
Counts = dict[str, int]


@dataclass(frozen=True)
class Row:
    """Instructions of a function or a line. `file` and `line` are where that is; `kernel`: it is
    a function of the kernel's own."""

    name: str
    file: str
    line: int
    kernel: bool
    counts: Counts


@dataclass(frozen=True)
class Explained:
    """An operation's cost, in instructions of all its calls.

    `functions` add up with `harness`, `idle` (what the clock went on while nothing was executed)
    and `noop` (the driver's no-op, below zero) to `figure`, which is lane insn's; so do `lines`.
    `kinds` overlap, and are without the harness. `helpers` has calls of Rust's helpers that are
    functions. `data` has lines of the data cache that calls touch, and misses in the model of one,
    also without the harness.

    All calls are together, whatever they came to, with those of each outcome in `outcomes`; or it
    is of those that came to `outcome` alone.
    """

    op: str
    calls: Counts
    functions: tuple[Row, ...]
    lines: tuple[Row, ...]
    harness: Counts
    idle: Counts
    noop: Counts
    figure: Counts
    kinds: dict[str, Counts]
    helpers: dict[str, Counts]
    data: dict[str, Counts] = field(default_factory=dict)
    #: It waits: what ran meanwhile is in all of it, and in a row of its own in lane insn.
    waits: bool = False
    outcome: str = ""
    outcomes: dict[str, Explained] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The operation, with the outcome that this is of."""
        return f"{self.op} {self.outcome}".rstrip()

    @property
    def what(self) -> str:
        """What `figure` is."""
        return "figure of lane insn" + (", with meanwhile" if self.waits else "")

    @property
    def between(self) -> Counts:
        """What was executed between the two readings of the counter."""
        return {path: self.figure[path] - self.noop[path] - self.idle[path] for path in self.calls}


def places_of(sums: Iterable[Sum]) -> set[Place]:
    """All instructions of sums."""
    return {place for one in sums for place in (
        *one.ran, *(end for ends in one.went for end in ends))}


@dataclass
class _Table:
    """Rows in the making, by name and place."""

    rows: dict[tuple[str, str, int, bool], Counts] = field(default_factory=dict)

    def add(self, key: tuple[str, str, int, bool], path: str, times: int) -> None:
        """Add to a row."""
        counts = self.rows.setdefault(key, {})
        counts[path] = counts.get(path, 0) + times

    def sorted(self) -> tuple[Row, ...]:
        """The rows, those first that cost most on some path."""
        return tuple(sorted((Row(*key, counts) for key, counts in self.rows.items()),
                            key=lambda row: (-max(row.counts.values()), row.file, row.line,
                                             row.name)))


#: How much a file says of the pair: the lowest is shown for an instruction.
Rank = Callable[[str], int]


def ranks(pair: str, own: Iterable[str]) -> Rank:
    """Files of the pair come before those that are made for it, and these before all others."""
    known = frozenset(own)
    made = (f"rust-stub/{pair}_glue.c", f"rust-stub/{pair}_glue.h", f"rust-stub/{pair}_root.rs")

    def rank(file: str) -> int:
        if file in known:
            return 0
        return 1 if file in made else 2 if not Path(file).is_absolute() and file.startswith(
            ("kmod/", "rust-stub/", "tests/")) else 3

    return rank


def _line_of(code: Code, rank: Rank) -> tuple[str, str, int, bool]:
    """Where an instruction is shown: the line of the pair's that it was inlined into, or else its
    own; the kernel's own functions are a row each, but for one that is the pair's C side."""
    if not code.frames or code.image == KERNEL and rank(code.file):
        return code.function, code.file, 0, code.image == KERNEL
    frame = min(code.frames, key=lambda one: (rank(one.file), not one.line))
    return "", frame.file, frame.line, False


def without_faults(one: Sum, known: dict[Place, Code]) -> Sum:
    """What was executed: an instruction that a fault came of was begun, and is begun again or
    given up. Its only trace is that the kernel's entry for faults came next."""
    faults: dict[Place, int] = {}
    for (begin, end), times in one.went.items():
        if kinds.is_fault(end.pc, known[end]):
            faults[begin] = faults.get(begin, 0) + times
    ran = {place: replace(ran, times=ran.times - faults.get(place, 0))
           for place, ran in one.ran.items()}
    return replace(one, executed=one.executed - sum(faults.values()), ran=ran)


def without_harness(one: Sum, noop: Sum, known: dict[Place, Code]) -> Sum:
    """What is executed in calls of an operation that is not the harness; `noop` is the no-op's."""

    def left(place: Place, ran: Ran) -> Ran:
        if known[place].image != KERNEL or place not in noop.ran:
            return ran
        own = noop.ran[place]
        return Ran(*(max(0, have - one.calls * (each // noop.calls)) for have, each in (
            (ran.times, own.times), (ran.reads, own.reads), (ran.writes, own.writes))))

    ran = {place: left(place, ran) for place, ran in one.ran.items()
           if known[place].image != ENGINE}
    went = {ends: times - one.calls * (noop.went.get(ends, 0) // noop.calls
                                       if known[ends[0]].image == KERNEL else 0)
            for ends, times in one.went.items()
            if ENGINE not in (known[ends[0]].image, known[ends[1]].image)}
    return Sum(one.calls, one.cost, sum(some.times for some in ran.values()),
               {place: some for place, some in ran.items() if some.times},
               {ends: times for ends, times in went.items() if times > 0})


def _by_harness(one: Sum, known: dict[Place, Code], path: str) -> dict[str, Counter[str]]:
    """The engine's own calls of a path's driver, by the thunk that they go through and the
    driver's language, in a sum that has the harness."""
    found: dict[str, Counter[str]] = {}
    for (begin, end), times in one.went.items():
        if known[begin].image == ENGINE and kinds.calls_indirectly("", known[end].function):
            found.setdefault(known[end].function, Counter())[path.partition("->")[0]] += times
    return found


def _kinds(one: Sum, known: dict[Place, Code], checks: dict[Place, bool],
           harness: dict[str, Counter[str]]) -> dict[str, int]:
    """How many instructions of each kind there are, without the harness; `harness` has its calls
    through thunks."""
    found = dict.fromkeys(kinds.KINDS, 0)
    for place, ran in one.ran.items():
        code = known[place]
        if kinds.is_thunk(code.function):
            continue
        found[kinds.CALLS] += ran.times * kinds.is_call(code.text)
        found[kinds.INDIRECT] += ran.times * (kinds.is_call(code.text)
                                              and kinds.calls_indirectly(code.text, ""))
        found[kinds.CHECKS] += ran.times * (kinds.is_conditional(code.text) and
                                            (checks.get(place, False) or kinds.looks(code)))
        found[kinds.REFCOUNT] += ran.times * kinds.is_refcount(code)
        found[kinds.ORDERED] += ran.times * kinds.is_ordered(place.code, code.text, ran)
        found[kinds.READS] += ran.reads
        found[kinds.WRITES] += ran.writes
    for (begin, end), times in one.went.items():
        a, b = known[begin], known[end]
        calls, jumps = kinds.is_call(a.text), kinds.is_jump(a.text)
        if not (calls or jumps) or kinds.is_thunk(a.function) \
                or (a.image, a.begin) == (b.image, b.begin):
            continue
        if kinds.is_thunk(b.function):
            indirect = kinds.calls_indirectly("", b.function)
            found[kinds.INDIRECT] += times * indirect
            found[kinds.CALLS] += times * (jumps and indirect)
            continue
        found[kinds.CROSSINGS] += times * (a.language != b.language)
        # A jump into another function is a call in place of a return.
        found[kinds.CALLS] += times * jumps
        found[kinds.INDIRECT] += times * (jumps and kinds.calls_indirectly(a.text, ""))
    found[kinds.CROSSINGS] += _through_thunks(one, known, harness)
    return found


def _through_thunks(one: Sum, known: dict[Place, Code],
                    harness: dict[str, Counter[str]]) -> int:
    """How many calls through the kernel's thunks went from one language to the other.

    Of a thunk it is known who jumped to it and where it led, and not which of these belong
    together: what is told is the least that can be, and exact where all callers, or all that is
    called, are of one language.
    """
    into: dict[str, Counter[str]] = {}
    out: dict[str, Counter[str]] = {}
    for (begin, end), times in one.went.items():
        a, b = known[begin], known[end]
        if kinds.calls_indirectly("", b.function) and not kinds.is_thunk(a.function):
            into.setdefault(b.function, Counter())[a.language] += times
        elif kinds.calls_indirectly("", a.function) and not kinds.is_thunk(b.function):
            out.setdefault(a.function, Counter())[b.language] += times
    for thunk, own in harness.items():
        if thunk in out:
            out[thunk].subtract(own)
    return sum(max(0, times - max(0, led[language])) for thunk, led in out.items()
               for language, times in into.get(thunk, Counter()).items())


def _idle(op: str, path: str, one: Sum, known: dict[Place, Code]) -> int:
    """What the clock went on while no instruction was executed."""
    left = one.cost - one.executed
    waits = any(known[place].text.split(" ")[0] in _WAITS for place in one.ran)
    if left and not (left > 0 and waits):
        raise EnvironmentFailed(
            f"{op} on {path}: the counter went on by {one.cost} between its readings, and QEMU's "
            f"plugin saw {one.executed} instructions")
    return left


def explain(op: str, costs: dict[str, dict[str, Cost]], counted: dict[str, Counted],
            known: dict[Place, Code], checks: dict[Place, bool], rank: Rank) -> Explained:
    """What an operation's cost is made of, on the paths that were recorded.

    `costs` is lane insn's table, `known` the code of all instructions, and `checks` those that
    jump to a panic or past one. Raises EnvironmentFailed if it does not add up.
    """
    functions, lines = _Table(), _Table()
    calls, harness, idle, noop, figure = {}, {}, {}, {}, {}
    by_kind: dict[str, Counts] = {kind: {} for kind in kinds.KINDS}
    helpers: dict[str, Counts] = {}
    data: dict[str, Counts] = {kind: {} for kind in (LINES_READ, LINES_WRITTEN, MISSES)}
    for path in PATHS:
        raw = counted[path].sums.get(op) if path in counted else None
        one = raw and without_faults(raw, known)
        cost = costs.get(op, {}).get(path)
        if path in counted and counted[path].is_too_long(op):
            raise EnvironmentFailed(f"{op} on {path}: a call has more instructions than QEMU's "
                                    "plugin records")
        if one is None or cost is None:
            if (one is None) != (cost is None):
                raise EnvironmentFailed(f"{op} on {path}: lane insn and QEMU's plugin have not "
                                        "seen the same calls")
            continue
        own = costs[NOOP][path].p50 if op not in (NOOP, *MAKING) else 0
        calls[path], figure[path], noop[path] = one.calls, cost.total, -one.calls * own
        total = cost.total + cost.n * own
        if (one.calls, one.cost) != (cost.n, total):
            raise EnvironmentFailed(
                f"{op} on {path}: lane insn tells of {total} instructions in {cost.n} calls, and "
                f"QEMU's plugin of {one.cost} in {one.calls}")
        idle[path] = _idle(op, path, one, known)
        its = without_harness(one, counted[path].sums.get(NOOP, one), known)
        harness[path] = one.executed - its.executed
        for place, ran in its.ran.items():
            code = known[place]
            functions.add((code.function, code.file, 0, code.image == KERNEL), path, ran.times)
            lines.add(_line_of(code, rank), path, ran.times)
            if code.function.startswith("rust_helper_") and place.pc == code.begin:
                row = helpers.setdefault(code.function, {})
                row[path] = row.get(path, 0) + ran.times
        for kind, times in _kinds(its, known, checks, _by_harness(one, known, path)).items():
            by_kind[kind][path] = times
        for kind, times in zip(data, (one.touched.read, one.touched.written, one.touched.misses)):
            data[kind][path] = times
    found = Explained(op, calls, functions.sorted(), lines.sorted(), harness, idle, noop, figure,
                      by_kind, helpers, data)
    check(found)
    return found


def with_outcomes(found: Explained, ends: dict[str, dict[str, Cost]],
                  of: Callable[[str, dict[str, Cost]], Explained]) -> Explained:
    """An operation with each of its outcomes: `ends` has their rows in lane insn's table, and `of`
    explains one."""
    return replace(found, outcomes={
        end: replace(of(end, row), waits=found.waits, outcome=end) for end, row in ends.items()})


def check(found: Explained) -> None:
    """Refuse to tell what does not add up."""
    for rows in (found.functions, found.lines):
        for path in found.calls:
            total = sum(row.counts.get(path, 0) for row in rows) + found.harness[path] \
                + found.idle[path] + found.noop[path]
            if total != found.figure[path]:
                raise EnvironmentFailed(
                    f"{found.op} on {path}: {total} instructions are explained, and lane insn's "
                    f"figure is {found.figure[path]}")
