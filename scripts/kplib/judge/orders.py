# SPDX-License-Identifier: GPL-2.0
"""Case ordering: what the paths of a pair do to the order of memory accesses, side by side.

qemu/orders.c has recorded each access to the object's memory as executed, with what its
instruction orders. A field that both sides have is compared by the strongest load and the
strongest store of an execution, in that execution of an operation with one outcome in which they
are the weakest. What this does not tell, as two sides seldom have the same fields, the numbers of
accesses and barriers do that order anything: the fewest and the most of one execution.

What the kernel's own functions do to memory that is not the object's, as the allocator does, is
left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Iterable, Protocol

from kplib.configure.lanes import PATHS, REFERENCE
from kplib.contract.model import Contract, Order
from kplib.judge.tables import DamagedTable, outcome_name

#: How strongly an access orders others, and what that is called.
PLAIN, ORDERED, FULL = 0, 1, 2
KINDS = ("load", "store")
_DONE = {"load": "loaded", "store": "stored"}
_WORDS = {("load", PLAIN): "relaxed", ("load", ORDERED): "acquire", ("load", FULL): "full",
          ("store", PLAIN): "relaxed", ("store", ORDERED): "release", ("store", FULL): "full"}
#: Modules are at most so far below the kernel.
_MODULES = 2 << 30

_ACCESS = re.compile(r"([rwm])([aqlxu]*) ([0-9a-f]+) ([0-9]+) ([0-9a-f]+)")
_BARRIER = re.compile(r"b(r?w?) 0 0 ([0-9a-f]+)")


def word(kind: str, strength: int) -> str:
    """The name of a strength: acquire for a load, release for a store."""
    return _WORDS[kind, strength]


@dataclass(frozen=True)
class Access:
    """An access of one execution: its kind, its strength with the barriers around it, the
    field that it is in, or nothing, and its instruction."""

    kind: str
    strength: int
    field: str
    pc: int


#: The row of a table for an outcome that was met, and of which no execution could be kept.
MISSED = "recorded"
#: What is counted: loads and stores that order others, with barriers for them, and what orders all.
CLASSES = ("acquire", "release", "full")


#: "store", the field that is stored, another one, and how that was accessed before; or "load",
#: the field that is loaded, and what was accessed behind it.
Beside = tuple[str, str, str, str]


@dataclass(frozen=True)
class Kept:
    """Whether two accesses are kept in order by what stands at or between them: `apart`, or
    `barely` if an atomic that orders all counts as well; and both instructions."""

    apart: bool
    barely: bool
    pcs: tuple[int, int]


@dataclass(frozen=True)
class Run:
    """An execution of an operation, by its number, and the outcome: an errno, 1 for false or
    none, else 0. `ordering` has the instructions of each of CLASSES, with the
    fields that they access; `kept` is of two fields each."""

    op: int
    outcome: int
    accesses: tuple[Access, ...]
    ordering: dict[str, tuple[tuple[int, str], ...]]
    kept: dict[Beside, Kept] = field(default_factory=dict)


@dataclass
class Record:
    """What was recorded on one path. By operation and outcome: `times` it was called, and how
    often something came in between (`disturbed`) or it was one way too many (`dropped`)."""

    runs: list[Run] = field(default_factory=list)
    times: dict[tuple[int, int], int] = field(default_factory=dict)
    disturbed: dict[tuple[int, int], int] = field(default_factory=dict)
    dropped: dict[tuple[int, int], int] = field(default_factory=dict)


class Memory(Protocol):
    """The memory of an object."""

    def find(self, address: int) -> str:
        """The field of an address; empty for none."""

    def holds(self, address: int) -> bool:
        """Whether an address is of the object."""


#: A path, the object, handles, and the contents of memory before: what tells of addresses then.
Finder = Callable[[str, int, list[int], dict[int, int]], Memory]

#: Begin and end of each rust_helper_*() that is a function of the kernel's, and not inlined.
Helpers = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Event:
    """A line of the record: kind r, w, m or b, what it orders, where, and its instruction."""

    kind: str
    flags: str
    at: int
    pc: int


def _orders(event: _Event) -> bool:
    """Whether an access or a barrier orders others."""
    return event.kind == "b" or bool(set(event.flags) & set("aql"))


def _beside(events: list[_Event]) -> tuple[list[int], list[int]]:
    """The strengths that barriers give to the loads before them and to the stores behind them.

    A barrier counts for those up to the next access or barrier that orders anything, and for
    that one.
    """
    loads, stores = [PLAIN] * len(events), [PLAIN] * len(events)
    for i, event in enumerate(events):
        if event.kind != "b":
            continue
        strength = FULL if event.flags == "rw" else ORDERED
        for kind, strengths, step in (("r", loads, -1), ("w", stores, 1)):
            at = i + step
            while kind in event.flags and 0 <= at < len(events):
                # A barrier of loads alone does not keep a read that is dropped.
                if event.flags != "r" or "u" not in events[at].flags:
                    strengths[at] = max(strengths[at], strength)
                # A pair of exclusives is one access.
                if _orders(events[at]) and "x" not in events[at].flags:
                    break
                at += step
    return loads, stores


def _accesses(events: list[_Event], find: Callable[[int], str]) -> tuple[Access, ...]:
    """The accesses of an execution, with what barriers around them do."""
    found = []
    loads, stores = _beside(events)
    for event, load, store in zip(events, loads, stores):
        flags = set(event.flags)
        own = FULL if {"a", "l"} <= flags else ORDERED
        if event.kind in "rm":
            found.append(Access("load", max(load, own if flags & set("aq") else PLAIN),
                                find(event.at), event.pc))
        if event.kind in "wm":
            found.append(Access("store", max(store, own if "l" in flags else PLAIN),
                                find(event.at), event.pc))
    return tuple(found)


def _is_of(what: str, event: _Event) -> bool:
    """Whether an access or a barrier is of one of CLASSES."""
    flags = set(event.flags)
    if event.kind == "b":
        return {"acquire": "r" in flags, "release": "w" in flags}.get(what, len(flags) == 2)
    return {"acquire": event.kind in "rm" and bool(flags & set("aq")),
            "release": event.kind in "wm" and "l" in flags}.get(
                what, event.kind == "m" and {"a", "l"} <= flags)


def _ordering(events: list[_Event],
              find: Callable[[int], str]) -> dict[str, tuple[tuple[int, str], ...]]:
    """The instructions that order others, by what they order."""
    return {what: tuple((e.pc, find(e.at)) for e in events if _is_of(what, e))
            for what in CLASSES}


def _is_apart(events: list[_Event], i: int, j: int, kinds: tuple[str, str], barely: bool) -> bool:
    """Whether an access, as a load or a store, comes before a later one for other CPUs."""
    before, behind = events[i], events[j]
    if kinds[0] == "load" and set(before.flags) & set("aq") \
            or kinds[1] == "store" and "l" in behind.flags:
        return True
    for one in events[i + 1:j]:
        if one.kind == "b":
            if one.flags == "rw" or one.flags == "w" and kinds == ("store", "store") \
                    or one.flags == "r" and kinds[0] == "load" and "u" not in before.flags:
                return True
        elif barely and _is_of("full", one):
            return True
    return False


def _kept(events: list[_Event], find: Callable[[int], str]) -> dict[Beside, Kept]:
    """What is kept in order of each two fields: all accesses to the one, each with some store of
    the other behind it, and with some load of the other before it."""
    named = [(i, name, tuple(kind for kind, letters in (("load", "rm"), ("store", "wm"))
                             if one.kind in letters))
             for i, one in enumerate(events) if one.kind != "b" and (name := find(one.at))]
    found: dict[Beside, Kept] = {}
    for i, name, kinds in named:
        for kind in kinds:
            here: dict[Beside, Kept] = {}
            for j, other, others in named:
                if other == name or i == j or ("store" if i < j else "load") not in others:
                    continue
                key = ("store" if i < j else "load"), other, name, kind
                ends = (i, j, (kind, "store")) if i < j else (j, i, ("load", kind))
                have = here.get(key)
                one = Kept(_is_apart(events, *ends, False), _is_apart(events, *ends, True),
                           (events[i].pc, events[j].pc))
                if have is None or have.barely < one.barely or have.apart < one.apart:
                    here[key] = one
            for key, one in here.items():
                have = found.get(key)
                if have is None or one.barely < have.barely or one.apart < have.apart:
                    found[key] = one
    return found


def _number(text: str) -> int:
    return int(text, 16)


def _event(text: str) -> _Event:
    """A line of an execution."""
    if found := _ACCESS.fullmatch(text):
        kind, flags, at, _, pc = found.groups()
        return _Event(kind, flags, _number(at), _number(pc))
    if found := _BARRIER.fullmatch(text):
        return _Event("b", found.group(1), 0, _number(found.group(2)))
    raise ValueError


class _Parser:
    """The plugin's text, line by line."""

    def __init__(self, find: Finder, kernel: tuple[int, int], helpers: Helpers) -> None:
        self._find, self._kernel, self._helpers = find, kernel, helpers
        self.found: dict[str, dict[str, Record]] = {}
        self._record: Record | None = None
        self._path = ""
        self._run: tuple[int, int, int, list[int]] | None = None
        self._memory: dict[int, int] = {}
        self._events: list[_Event] = []
        self._case: tuple[str, Record] | None = None

    def _end_run(self) -> None:
        if self._run and self._record:
            op, outcome, obj, handles = self._run
            memory = self._find(self._path, obj, handles, self._memory)
            events = [one for one in self._events if self._counts(one, memory)]
            self._record.runs.append(Run(op, outcome, _accesses(events, memory.find),
                                         _ordering(events, memory.find),
                                         _kept(events, memory.find)))
        self._run = None

    def _counts(self, event: _Event, memory: Memory) -> bool:
        """Whether an access is of the pair's code, inlined functions and Rust's helpers included,
        or touches the object's memory or a variable of a module."""
        begin, end = self._kernel
        if not begin <= event.pc < end or any(one <= event.pc < to for one, to in self._helpers):
            return True
        return memory.holds(event.at) or begin - _MODULES <= event.at < begin

    def line(self, text: str) -> None:
        """Take one line; ValueError if it is none of the plugin's."""
        first, *words = text.split(" ")
        if first == "case":
            pair, number = words
            self._path = PATHS[int(number)]
            self._record = Record()
            self._case = pair, self._record
        elif self._record is None or self._case is None:
            raise ValueError
        elif first == "run":
            self._end_run()
            op, outcome, obj, *handles = words
            self._run = int(op), int(outcome), _number(obj), [_number(h) for h in handles]
            self._memory, self._events = {}, []
        elif first == "block":
            start = _number(words[0])
            self._memory |= {start + 8 * i: _number(w) for i, w in enumerate(words[1:])}
        elif first == "count":
            self._end_run()
            number, outcome, times, disturbed, dropped = words
            key = int(number), int(outcome)
            self._record.times[key] = int(times)
            self._record.disturbed[key] = int(disturbed)
            self._record.dropped[key] = int(dropped)
        elif first == "close":
            # A case that a lost guest was in has no such line, and nothing of it counts.
            self.found.setdefault(self._case[0], {})[self._path] = self._record
            self._record = self._case = None
        else:
            self._events.append(_event(text))


def of_pair(text: str, pair: str) -> str:
    """The lines of a record that are of one pair."""
    return "".join(part for part in re.split(r"(?m)^(?=case )", text)
                   if part.startswith(f"case {pair} "))


def parse(text: str, pair: str, find: Finder, kernel: tuple[int, int],
          helpers: Helpers = ()) -> dict[str, Record]:
    """What was recorded of a pair, by path. The last run of a case counts.

    `kernel` is where the kernel's own code and data begin and end; what `helpers` in it do is of
    the Rust code that calls them.
    """
    parser = _Parser(find, kernel, helpers)
    for number, line in enumerate(of_pair(text, pair).splitlines(), 1):
        try:
            parser.line(line)
        except (ValueError, IndexError):
            raise DamagedTable(f"the record of orderings, line {number} of {pair}: "
                               f"{line[:100]!r}") from None
    return parser.found.get(pair, {})


@dataclass(frozen=True)
class Ends:
    """How often operations came to an outcome, by path, number and outcome, as the engine tells;
    and the operations' names."""

    names: dict[int, str]
    times: dict[str, dict[tuple[int, int], int]]


def parse_ends(text: str) -> Ends:
    """The engine's table."""
    names: dict[int, str] = {}
    times: dict[str, dict[tuple[int, int], int]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        found = re.fullmatch(r"(\S+) (\w+) ([0-9]{1,4}) (-?[0-9]{1,5}) ([0-9]{1,10})", line)
        if not found or found.group(1) not in PATHS:
            raise DamagedTable(f"the table of orderings, line {number}: {line[:100]!r}")
        path, name, op, outcome, count = found.groups()
        names[int(op)] = name
        times.setdefault(path, {})[int(op), int(outcome)] = int(count)
    return Ends(names, times)


@dataclass(frozen=True)
class Seen:
    """An access that counts: its strength, and its instruction."""

    strength: int
    pc: int


def _strongest(run: Run, kind: str, name: str) -> Seen | None:
    """The strongest access of an execution to a field."""
    found = [a for a in run.accesses if a.kind == kind and a.field == name]
    best = max(found, key=lambda a: a.strength, default=None)
    return Seen(best.strength, best.pc) if best else None


def _weakest(runs: Iterable[Run], kind: str, name: str) -> Seen | None:
    """What all executions have at least; None if none accesses the field so."""
    found: Seen | None = None
    for run in runs:
        seen = _strongest(run, kind, name)
        if seen and (found is None or seen.strength < found.strength):
            found = seen
    return found


@dataclass(frozen=True)
class Weaker:
    """A fault: an operation with an outcome orders less than it is to.

    `what` is what orders less, for a person; `row`: than the row says, else than c->c. `here` and
    `there` are the instructions that order, or should, on the path and on c->c; `field` is C's.
    """

    op: str
    outcome: str
    what: str
    row: bool
    here: tuple[int, ...] = ()
    there: tuple[int, ...] = ()
    field: str = ""


@dataclass(frozen=True)
class Verdict:
    """What is wrong on a path, and how often each declared difference was met, by its id."""

    faults: list[Weaker]
    met: dict[str, int]


def _extreme(runs: list[Run], what: str, most: bool,
             without: frozenset[str] = frozenset()) -> tuple[int, ...]:
    """The instructions that order others in the execution that has the fewest of them, or the
    most; but for those that access some fields."""
    return (max if most else min)((tuple(pc for pc, name in run.ordering[what]
                                         if name not in without) for run in runs), key=len)


def _fields(runs: Iterable[Run], kind: str) -> frozenset[str]:
    return frozenset(a.field for run in runs for a in run.accesses if a.kind == kind and a.field)


def _pairs(runs: list[Run], key: Beside, common: frozenset[str],
           stored: frozenset[str]) -> list[tuple[str, Kept]]:
    """What executions keep in order of two fields; where the other one of `key` is empty, of a
    field and all that are not `common`. What is not `stored` may be loaded at any time."""
    kind, name, other, did = key
    return [(beside, kept) for run in runs
            for (one, of, beside, does), kept in run.kept.items()
            if (one, of, does) == (kind, name, did)
            and (beside == other if other else beside not in common)
            and (does == "store" or beside in stored)]


def _crossed(op: str, outcome: str, reference: list[Run], runs: list[Run],
             renamed: dict[str, str], names: frozenset[str],
             stored: tuple[frozenset[str], frozenset[str]]) -> list[Weaker]:
    """Barriers that stand where they do not separate what c->c separates.

    An instruction that is acquire or release separates all; so this is of barriers alone. Fields
    of the one side alone, as that with the elements may be, are held against each other. `stored`
    are those that some operation stores to, on c->c and here.
    """
    found = []
    common = names | set(renamed)
    ours = frozenset(renamed.get(name, name) for name in common)
    for kind, name, other, did in sorted({
            (kind, name, other if other in common else "", did) for run in reference
            for kind, name, other, did in run.kept if name in common}):
        asked = _weakest(reference, kind, name)
        due = _pairs(reference, (kind, name, other, did), common, stored[0])
        if not asked or asked.strength == PLAIN or not due \
                or not all(kept.apart for _, kept in due):
            continue
        own = renamed.get(name, name)
        for beside, kept in _pairs(runs, (kind, own, renamed.get(other, other), did), ours,
                                   stored[1]):
            if not kept.barely:
                found.append(Weaker(
                    op, outcome, f"{beside} is {_DONE[did]} "
                    f"{'before' if kind == 'store' else 'after'} {own} is {_DONE[kind]}, and "
                    f"nothing keeps that order, as it is kept on {REFERENCE}",
                    False, kept.pcs, due[0][1].pcs, name))
                break
    return found


def _against(op: str, outcome: str, reference: list[Run], runs: list[Run],
             renamed: dict[str, str], names: frozenset[str], accepted: frozenset[str],
             stored: tuple[frozenset[str], frozenset[str]]) -> list[Weaker]:
    """How executions on a path are weaker than those on c->c.

    `renamed` has Rust's name of a field by C's, `names` the fields that both have, and `accepted`
    those that Rust may order less; `stored` is as in _crossed().
    """
    found = []
    for kind in KINDS:
        for name in sorted(_fields(reference, kind)):
            own = renamed.get(name, name)
            due, got = _weakest(reference, kind, name), _weakest(runs, kind, own)
            if (name in renamed or name in names) and due and got \
                    and got.strength < due.strength:
                found.append(Weaker(
                    op, outcome, f"{own} is {_DONE[kind]} {word(kind, got.strength)}, and on "
                    f"{REFERENCE} {word(kind, due.strength)}", False, (got.pc,), (due.pc,), name))
    if not found:
        found = _crossed(op, outcome, reference, runs, renamed, names, stored)
    # A field that is weaker is one less: that is not told twice.
    told = [one for one in found if one.field not in accepted]
    ours = frozenset(renamed.get(name, name) for name in accepted)
    for what in CLASSES if not told else ():
        for most in (False, True):
            there = _extreme(reference, what, most, accepted)
            here = _extreme(runs, what, most, ours)
            if len(here) < len(there):
                found.append(Weaker(
                    op, outcome, f"{len(here)} of {what}{' at most' if most else ''}, and on "
                    f"{REFERENCE} {len(there)}", False, here, there))
                return found
    return found


def _row(op: str, order: Order, runs: dict[int, list[Run]], in_rust: bool,
         names: frozenset[str], reference: dict[int, list[Run]]) -> list[Weaker]:
    """How executions on a path are weaker than a word of the row, by outcome. `reference` has
    those of c->c, to tell what that does; none on c->c itself."""
    name = order.rust if in_rust and order.rust else order.field
    wanted = FULL if order.strength == "full" else ORDERED
    asked = f"its row says {order.strength} {name}"
    if name not in names:
        return [Weaker(op, "", f"{asked}, and {'Rust' if in_rust else 'C'} has no field {name}",
                       True)]
    found, met = [], False
    for outcome, some in sorted(runs.items(), reverse=True):
        for kind in {"acquire": ("load",), "release": ("store",), "full": KINDS}[order.strength]:
            got = _weakest(some, kind, name)
            met = met or got is not None
            if not got or got.strength >= wanted:
                continue
            due = _weakest(reference.get(outcome, []), kind, order.field)
            found.append(Weaker(
                op, outcome_name(outcome), f"{name} is {_DONE[kind]} {word(kind, got.strength)}, "
                f"and {asked}" + (f"; on {REFERENCE} it is {word(kind, due.strength)}"
                                  if due else ""),
                True, (got.pc,), (due.pc,) if due else ()))
    if not met:
        found.append(Weaker(op, "", f"{asked}, and nothing was seen to do so", True))
    return found


def by_outcome(record: Record, op: int) -> dict[int, list[Run]]:
    """The executions of an operation that were kept, by outcome."""
    found: dict[int, list[Run]] = {}
    for run in record.runs:
        if run.op == op:
            found.setdefault(run.outcome, []).append(run)
    return found


def judge(contract: Contract, ends: Ends, records: dict[str, Record], path: str,
          names: tuple[frozenset[str], frozenset[str]]) -> Verdict:
    """How a path is weaker than c->c, and than the rows. `names` are the fields of C and Rust."""
    in_rust = path.endswith("rust")
    rows = {f.operation(contract.pair): f for f in contract.functions}
    stored = _fields(records[REFERENCE].runs, "store"), _fields(records[path].runs, "store")
    found: list[Weaker] = []
    met: dict[str, int] = {}
    for number, op in sorted(ends.names.items()):
        mine = by_outcome(records[path], number)
        theirs = by_outcome(records[REFERENCE], number)
        row = rows.get(op)
        orders = row.orders if row else ()
        renamed = {o.field: o.rust for o in orders if o.rust} if in_rust else {}
        accepted = {d.when: d for d in contract.diverges
                    if in_rust and row and d.of_orders and d.function == row.name}
        for order in orders:
            found += _row(op, order, mine, in_rust, names[in_rust],
                          theirs if path != REFERENCE else {})
        told = {one.outcome for one in found if one.op == op}
        for outcome in sorted(set(mine) & set(theirs), reverse=True):
            if path == REFERENCE:
                continue
            for fault in _against(op, outcome_name(outcome), theirs[outcome], mine[outcome],
                                  renamed, names[0] & names[1] if in_rust else names[0],
                                  frozenset(accepted), stored):
                if fault.field in accepted:
                    ident = accepted[fault.field].id
                    met[ident] = met.get(ident, 0) + 1
                elif fault.outcome not in told:
                    # What the row has been told of need not be told against c->c as well.
                    found.append(fault)
        found += [Weaker(op, "", f"the contract accepts that Rust orders {d.when} less "
                         f"(KP_DIVERGES {d.id}), and it does not; take the row out", True)
                  for d in accepted.values() if not met.get(d.id)]
    # What names a field says most.
    return Verdict(sorted(found, key=lambda one: (not one.row, not one.field)), met)


def gaps(contract: Contract, ends: Ends, records: dict[str, Record], path: str) -> list[str]:
    """What cannot be compared on a path, of the operations that it and c->c have called.

    An operation that may sleep, and did so in each call on both, is none of it: unrecorded() has
    that.
    """
    may_sleep = {f.operation(contract.pair) for f in contract.functions
                 if f.context not in ("ANY", "ATOMIC")}
    both = path, REFERENCE
    found = []
    for number, op in sorted(ends.names.items()):
        # By path, of which there is one on c->c itself: calls and disturbed ones, by outcome.
        calls = {p: {end: n for end, n in ends.times.get(p, {}).items() if end[0] == number}
                 for p in both}
        between = {p: {end: records[p].disturbed.get(end, 0) for end in calls[p]} for p in both}
        if not all(calls.values()):
            continue
        found += [f"{op}, {outcome_name(end[1])}: {n} executions on {p} are more than the plugin "
                  "keeps, and were not compared"
                  for end in sorted(set(calls[path]) & set(calls[REFERENCE]), reverse=True)
                  for p in calls if (n := records[p].dropped.get(end, 0))]
        have = {p: set(by_outcome(records[p], number)) for p in both}
        if have[path] & have[REFERENCE] or op in may_sleep and between == calls:
            continue
        if all(have.values()):
            found.append(f"{op}: no outcome was recorded both here and on {REFERENCE}")
        found += [f"{op}: nothing of it was recorded on {p}: something came in between in "
                  f"{sum(between[p].values())} of {sum(calls[p].values())} calls"
                  for p in calls if not have[p]]
    return found


def nothing(contract: Contract, records: dict[str, Record], known: bool) -> str:
    """Why there is nothing to compare on any path, or empty. `known`: the compilers say what the
    object is in C."""
    if any(f.orders for f in contract.functions):
        return ""
    if contract.object is None:
        return "" if any(any(run.ordering.values()) for one in records.values()
                         for run in one.runs) else \
            "its functions share no object, and order nothing"
    if any(run.accesses or any(run.ordering.values()) for run in records[REFERENCE].runs):
        return ""
    return (f"nothing that {REFERENCE} does to {contract.object.type} was seen"
            + ("" if known else ": no debug information of the pair's C files has its members"))


def unrecorded(ends: Ends, records: dict[str, Record], path: str) -> list[tuple[str, str]]:
    """Operations and outcomes of which no execution was recorded: something always came between."""
    have = {(run.op, run.outcome) for run in records[path].runs}
    return [(ends.names[op], outcome_name(outcome))
            for op, outcome in sorted(ends.times.get(path, {})) if (op, outcome) not in have]


def incomplete(ends: Ends, record: Record | None, path: str) -> str:
    """Why a path's record is not all that the engine had recorded, or empty."""
    if record is None:
        return "QEMU's plugin has recorded nothing of it"
    if record.times != ends.times.get(path, {}):
        return (f"QEMU's plugin has recorded {sum(record.times.values())} calls, and the engine "
                f"made {sum(ends.times.get(path, {}).values())}")
    if not record.runs:
        return "not one call was recorded without something in between"
    return ""


def table(ends: Ends, records: dict[str, Record]) -> dict[str, dict[str, dict[str, dict[
        str, str]]]]:
    """What is ordered, for people and programs: by operation, outcome, and "load tail" or the
    like, the strength on each path; and how many accesses order something, by CLASSES. Only what
    some path orders is in it, and what was met but never without something in between."""
    found: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
    for path, record in records.items():
        for number, op in ends.names.items():
            for outcome, runs in by_outcome(record, number).items():
                for kind in KINDS:
                    for name in _fields(runs, kind):
                        seen = _weakest(runs, kind, name)
                        assert seen
                        found.setdefault(op, {}).setdefault(outcome_name(outcome), {}).setdefault(
                            f"{kind} {name}", {})[path] = word(kind, seen.strength)
                for what in CLASSES:
                    fewest, most = (len(_extreme(runs, what, m)) for m in (False, True))
                    if most:
                        found.setdefault(op, {}).setdefault(outcome_name(outcome), {}).setdefault(
                            what, {})[path] = str(most) if fewest == most else f"{fewest}-{most}"
        for called, missed in unrecorded(ends, records, path):
            found.setdefault(called, {}).setdefault(missed, {}).setdefault(
                MISSED, {})[path] = "none"
    return {op: {outcome: kept for outcome, rows in sorted(outcomes.items(), reverse=True)
                 if (kept := {what: row for what, row in sorted(rows.items())
                              if any(strength != "relaxed" for strength in row.values())})}
            for op, outcomes in sorted(found.items())}


def tell(fault: Weaker, places: dict[int, str]) -> list[str]:
    """A fault for a person. `places` has function and source line by instruction."""
    ends = f", {fault.outcome}: " if fault.outcome else ": "
    lines = [f"{fault.op}{ends}{fault.what}"]
    for who, where in (("here", fault.here), (REFERENCE, fault.there)):
        lines += [f"  {who}: {places[pc]}" for pc in dict.fromkeys(where) if pc in places]
    return lines
