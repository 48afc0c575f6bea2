# SPDX-License-Identifier: GPL-2.0
"""The engine's tables, as the guest gives them: costs of operations, invariants judged,
and programs on which a path differs."""

from __future__ import annotations

import errno
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Iterable

from kplib.common import ui
from kplib.configure.lanes import PATHS, REFERENCE

NOOP = "noop"
#: In place of an operation's name: how an object is made, and ends.
MAKING = ("create", "destroy")
#: Parts in which a path can differ from c->c (kmod/engine/failures.c).
DIFFERS = ("create", "return", "output", "state", "contract", "end", "interrupt", "history")


@dataclass(frozen=True)
class Cost:
    """Instructions of an operation on a path, the driver's own subtracted."""

    n: int
    min: int
    p50: int
    p99: int
    max: int
    total: int
    mean: float
    ratio: float | None


@dataclass(frozen=True)
class Allocations:
    """Allocations of an operation's calls on a path, by the task that made the calls.

    Of `calls` they were counted, `most` of one call, and one asked for `bytes` at most; these are
    0 in a kernel that does not tell sizes. In `failed` other ones one allocation was
    made to fail, and `refused` of these returned -ENOMEM. `unknown` further ones show nothing: each
    time the kernel allocated as well, and which allocation failed is not known.
    """

    calls: int
    allocations: int
    most: int
    bytes: int
    failed: int
    refused: int
    unknown: int


@dataclass(frozen=True)
class Invariant:
    """How often an invariant was put to the test on each path; or, of category ACCEPTED, a
    difference that the contract accepts was met."""

    id: str
    category: str
    judged: dict[str, int]
    cases: list[str]


#: Category of a difference that the contract accepts, in the engine's table.
ACCEPTED = "accepted"


@dataclass(frozen=True)
class Difference:
    """A program on which a path differs from c->c, or breaks the contract.

    `whence` names the program unless it was made from the seed; `step` counts from 1, and is
    0 where no step differs. `created` has what creating the object returned, on c->c and on
    the path, and `made` that in words, with what it stored; `expected` and `got` the results of
    each step there; of an interruption, what c->c gives in either order, and what the path
    gave. Of a program that is too long for its line there is `what` alone.
    """

    case: str
    path: str
    times: int
    whence: str | None
    what: str
    step: int = 0
    operation: str | None = None
    program: tuple[str, ...] = ()
    created: tuple[int, int] = (0, 0)
    made: tuple[str | None, str | None] = (None, None)
    expected: tuple[str, ...] = ()
    got: tuple[str, ...] = ()
    broken: str | None = None
    reference_broken: str | None = None

    @property
    def too_long(self) -> bool:
        """Whether the program is in the log alone."""
        return not self.program


@dataclass(frozen=True)
class Interruptions:
    """The work of case interrupt on a path.

    `tried` of the `of` positions in the scenes that were begun, `scenes` of `scenes_of`; at
    `unreached` positions no interruption came. `pairs` of `pairs_of`: two operations of which one
    was interrupted by the other. `allowed`: results that were of no order, and may
    be by the contract: snapshots, and transient errnos. `whole` of the `whole_of` scenes with the
    first arguments, one of each state and what interrupts there, were tried at each position.
    `sequences` of two operations, one after
    the other, have interrupted one at `sequences_tried` positions.
    """

    tried: int
    of: int
    unreached: int
    scenes: int
    scenes_of: int
    pairs: int
    pairs_of: int
    allowed: int
    sequences: int
    sequences_tried: int
    sequences_allowed: int
    whole: int
    whole_of: int


@dataclass(frozen=True)
class Histories:
    """The work of case history on a path.

    `tried` histories, `operations` in all. In `together` of them, of the `of` that are to be, two
    operations of different threads ran at the same time. `undecided`: no order that was tried
    explains the results, and there are more. `allowed`: what the contract excuses explains them
    alone. `meetings`: two operations of which one was stopped at one place behind the other,
    `places` in all. `inside`: operations that the object's callback has carried out; None for a
    pair of which no operation has one run.
    """

    tried: int
    together: int
    of: int
    operations: int
    undecided: int
    allowed: int
    meetings: int
    places: int
    inside: int | None = None


class DamagedTable(ValueError):
    """A table from the guest cannot be read. The message names the line."""


def percentile(counts: dict[int, int], share: float) -> int:
    """The smallest value that at least `share` of all samples do not exceed."""
    need = math.ceil(share * sum(counts.values()))
    for value in sorted(counts):
        need -= counts[value]
        if need <= 0:
            return value
    raise ValueError("no samples")


#: The kernel's name of each errno for which Python has another one.
_ALIKE = {errno.EAGAIN: "EAGAIN", errno.EDEADLK: "EDEADLK", errno.EOPNOTSUPP: "EOPNOTSUPP"}
#: The outcome of an operation that did what it is for.
SUCCESS = "success"


def outcome_name(end: int) -> str:
    """An outcome, for a person: of the engine's 0, 1 for false or none, or an errno."""
    if end < 0:
        return f"-{_ALIKE.get(-end) or errno.errorcode.get(-end, str(-end))}"
    return "false" if end else SUCCESS


#: How often an operation on a path cost how much, by the end that it came to.
_Counts = dict[int, dict[int, int]]


def _rows(text: str) -> dict[tuple[str, str], _Counts]:
    """A table of the engine's by operation and path; its lines have an end where it is not 0."""
    raw: dict[tuple[str, str], _Counts] = {}
    for number, line in enumerate(text.splitlines(), 1):
        found = re.fullmatch(r"(\S+) (\S+) ([0-9]{1,19}) ([0-9]{1,19})(?: (1|-[0-9]{1,4}))?", line)
        if not found or found.group(1) not in PATHS or not int(found.group(4)):
            raise DamagedTable(f"the table of costs, line {number}: {line[:100]!r}")
        path, op, value, times, end = found.groups()
        counts = raw.setdefault((op, path), {}).setdefault(int(end or 0), {})
        counts[int(value)] = counts.get(int(value), 0) + int(times)
    return raw


def _cost_rows(text: str) -> dict[tuple[str, str], _Counts]:
    """The engine's cost table. A path that has figures has its no-op's."""
    raw = _rows(text)
    for op, path in raw:
        if (NOOP, path) not in raw:
            raise DamagedTable(f"the table of costs has {op} and no {NOOP} on {path}")
    return raw


def _own(raw: dict[tuple[str, str], _Counts], op: str, path: str) -> int:
    """The driver's own, to be subtracted: the no-op's. It is called as operations are, and not as
    objects are made and released: of these nothing is subtracted."""
    return 0 if op in (NOOP, *MAKING) else percentile(_together(raw[(NOOP, path)]), 0.5)


def _together(counts: _Counts) -> dict[int, int]:
    """Costs of an operation, whatever it came to."""
    found: dict[int, int] = {}
    for one in counts.values():
        for value, times in one.items():
            found[value] = found.get(value, 0) + times
    return found


def _cost(net: dict[int, int], reference: Cost | None, path: str, has_ratio: bool) -> Cost:
    """The cost of calls, from how often they cost how much; `reference` is that on c->c."""
    n, total = sum(net.values()), sum(v * t for v, t in net.items())
    mean = total / n
    ratio = 1.0 if path == REFERENCE else mean / reference.mean \
        if reference and reference.mean > 0 else None
    if not has_ratio or mean <= 0:
        ratio = None
    return Cost(n=n, min=min(net), p50=percentile(net, 0.5), p99=percentile(net, 0.99),
                max=max(net), total=total, mean=round(mean, 3), ratio=ratio and round(ratio, 4))


def _net(counts: dict[int, int], own: int) -> dict[int, int]:
    """Costs without the driver's own."""
    return {value - own: times for value, times in counts.items()}


def of_callers(figures: str, alone: str) -> str:
    """The engine's cost table in which operations that wait have what their callers execute.

    `figures` is that table as it is, with all that ran until a call returned; `alone` has the rows
    of operations that wait once more, without what other threads did meanwhile.
    """
    own: dict[tuple[str, ...], list[str]] = {}
    for line in alone.splitlines():
        own.setdefault(tuple(line.split(" ")[:2]), []).append(line)
    waiting = {op for op, _ in _rows(alone)}
    ends = [{(op, path, end, sum(counts[end].values())) for (op, path), counts
             in _rows(table).items() if op in waiting for end in counts}
            for table in (figures, alone)]
    if missing := ends[0] ^ ends[1]:
        raise DamagedTable(f"the tables of costs have not the same calls of {min(missing)[0]}")
    lines: list[str] = []
    for line in figures.splitlines():
        key = tuple(line.split(" ")[:2])
        lines += own.pop(key, []) if key[1] in waiting else [line]
    return "".join(f"{line}\n" for line in lines)


def parse_meanwhile(figures: str, alone: str) -> dict[str, dict[str, dict[str, float]]]:
    """What other threads and the scheduler execute while an operation waits: the mean of its calls
    by operation, outcome and path, from the same two tables as of_callers()."""
    whole, found = _rows(figures), dict[str, dict[str, dict[str, float]]]()
    for (op, path), counts in _rows(alone).items():
        for end in sorted(counts, key=lambda end: (end != 0, -end)):
            own, both = (_mean(one.get(end, {})) for one in (counts, whole.get((op, path), {})))
            found.setdefault(op, {}).setdefault(outcome_name(end), {})[path] = round(both - own, 6)
    return found


def _mean(counts: dict[int, int]) -> float:
    """The mean of costs; 0 without any."""
    return sum(v * t for v, t in counts.items()) / max(1, sum(counts.values()))


def parse_costs(text: str) -> dict[str, dict[str, Cost]]:
    """Costs by operation and path, from the engine's cost table."""
    raw = _cost_rows(text)
    table: dict[str, dict[str, Cost]] = {}
    for (op, path), counts in raw.items():
        own = _own(raw, op, path)
        # c->c comes first in the engine's table.
        reference = table.get(op, {}).get(REFERENCE)
        table.setdefault(op, {})[path] = _cost(_net(_together(counts), own), reference, path,
                                               op != NOOP)
    return table


#: Costs that were met, and of how many calls each; by operation, outcome and path.
Distributions = dict[str, dict[str, dict[str, dict[int, int]]]]


def parse_distributions(text: str) -> Distributions:
    """The distribution of the costs of each outcome, without the path's no-op, from the engine's
    cost table; success comes first."""
    raw = _cost_rows(text)
    table: Distributions = {}
    for (op, path), counts in raw.items():
        if op == NOOP:
            continue
        own = _own(raw, op, path)
        rows = table.setdefault(op, {})
        for end in sorted(counts, key=lambda end: (end != 0, -end)):
            net = _net(counts[end], own)
            rows.setdefault(outcome_name(end), {})[path] = {
                value: net[value] for value in sorted(net)}
    return table


def parse_outcomes(text: str) -> dict[str, dict[str, dict[str, Cost]]]:
    """Costs by operation, outcome and path, from the engine's cost table; success comes first."""
    table: dict[str, dict[str, dict[str, Cost]]] = {}
    for op, rows in parse_distributions(text).items():
        for end, paths in rows.items():
            row = table.setdefault(op, {}).setdefault(end, {})
            for path, net in paths.items():
                row[path] = _cost(net, row.get(REFERENCE), path, True)
    return table


def parse_first(text: str, figures: str) -> dict[str, dict[str, dict[str, int]]]:
    """The first call of each outcome, by operation, outcome and path, without the path's no-op,
    which is in the engine's cost table; a path that has none there, as it failed, is left out."""
    raw = _cost_rows(figures)
    found: dict[str, dict[str, dict[str, int]]] = {}
    for (op, path), counts in _rows(text).items():
        if (NOOP, path) not in raw:
            continue
        for end in sorted(counts, key=lambda end: (end != 0, -end)):
            (value, times), *more = counts[end].items()
            if more or times != 1:
                raise DamagedTable(f"the table of first calls has several of {op} on {path}")
            found.setdefault(op, {}).setdefault(outcome_name(end), {})[path] = \
                value - _own(raw, op, path)
    return found


def parse_stack(text: str) -> dict[str, dict[str, dict[str, int]]]:
    """Bytes of stack by operation, outcome and path, the most of any call; success comes first.

    The no-op's are a row as well, where the part of the program that is looked at calls it, and
    not subtracted.
    """
    found: dict[str, dict[str, dict[str, int]]] = {}
    for (op, path), counts in _rows(text).items():
        for end in sorted(counts, key=lambda end: (end != 0, -end)):
            found.setdefault(op, {}).setdefault(outcome_name(end), {})[path] = max(counts[end])
    return found


def parse_allocations(text: str) -> dict[str, dict[str, Allocations]]:
    """Allocations by operation and path, from the engine's table; "create" comes first."""
    found: dict[str, dict[str, Allocations]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not re.fullmatch(r"\S+(\t[0-9]{1,10}( [0-9]{1,10}){6}){%d}" % len(PATHS), line):
            raise DamagedTable(f"the table of allocations, line {number}: {line[:100]!r}")
        op, *words = line.split("\t")
        found[op] = {path: Allocations(*map(int, word.split()))
                     for path, word in zip(PATHS, words)}
    return found


def mean_of_ratios(ratios: Iterable[float]) -> float | None:
    """Geometric mean; None without any."""
    logs = [math.log(one) for one in ratios]
    return math.exp(math.fsum(logs) / len(logs)) if logs else None


def geometric_mean(rows: Iterable[tuple[str, dict[str, Cost]]], path: str) -> float | None:
    """Geometric mean of a path's ratios over all rows, an operation and outcome each; without how
    objects are made and end."""
    return mean_of_ratios(ratio for op, row in rows if op not in MAKING and path in row
                          and (ratio := row[path].ratio))


def met(counts: dict[str, int]) -> str:
    """How often a difference was met, on the paths where it was."""
    return ", ".join(f"{path} {count} times" for path, count in counts.items() if count) \
        or "no path"


def _by_path(text: str, what: str, *numbers: int) -> dict[str, list[int]]:
    """The numbers in each line of a table, by the path that it begins with: so many, or so many."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(" ")
        if len(words) - 1 not in numbers or words[0] not in PATHS or \
                not all(re.fullmatch("[0-9]{1,20}", word) for word in words[1:]):
            raise DamagedTable(f"the table of {what}, line {number}: {line[:100]!r}")
        found[words[0]] = [int(word) for word in words[1:]]
    return found


def parse_interruptions(text: str) -> dict[str, Interruptions]:
    """The work of case interrupt by path, from the engine's table."""
    return {path: Interruptions(*of) for path, of in _by_path(text, "interruptions", 13).items()}


def parse_masked(text: str) -> dict[str, dict[str, int]]:
    """Instructions for which interrupts were off, by operation and path, the most at a time."""
    found: dict[str, dict[str, int]] = {}
    for (op, path), counts in _rows(text).items():
        found.setdefault(op, {})[path] = max(counts[0])
    return found


def parse_histories(text: str) -> dict[str, Histories]:
    """The work of case history by path, from the engine's table."""
    return {path: Histories(*of) for path, of in _by_path(text, "histories", 8, 9).items()}


def parse_calls(text: str) -> dict[str, int]:
    """Operations that programs have called, by path."""
    return {path: count for path, (count,) in _by_path(text, "calls", 1).items()}


def parse_invariants(text: str) -> list[Invariant]:
    """Invariants from the engine's table."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("\t")
        if len(words) != len(PATHS) + 3 or not all(words[:2]) or \
                not all(re.fullmatch("[0-9]{1,20}", word) for word in words[2:-1]):
            raise DamagedTable(f"the table of invariants, line {number}: {line[:100]!r}")
        ident, category, *judged, cases = words
        found.append(Invariant(ident, category, dict(zip(PATHS, map(int, judged))),
                               cases.split()))
    return found


def _number(row: dict[str, Any], name: str) -> int:
    value = row[name]
    if type(value) is not int:  # pylint: disable=unidiomatic-typecheck
        raise TypeError(name)
    return value


def _text(row: dict[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return ui.clean(value)


def _text_or_none(row: dict[str, Any], name: str) -> str | None:
    return None if row[name] is None else _text(row, name)


def _texts(row: dict[str, Any], name: str) -> tuple[str, ...]:
    value = row[name]
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise TypeError(name)
    return tuple(ui.clean(line) for line in value)


def _difference(row: dict[str, Any]) -> Difference:
    """One line of the engine's."""
    case, path, what = _text(row, "case"), _text(row, "path"), _text(row, "what")
    times, whence = _number(row, "times"), _text_or_none(row, "source")
    if not case or path not in PATHS or what not in DIFFERS or times < 1:
        raise ValueError("no such case, path or difference")
    if row.get("too_long") is True:
        return Difference(case, path, times, whence, what)
    found = Difference(
        case, path, times, whence, what, _number(row, "step"), _text_or_none(row, "operation"),
        _texts(row, "program"),
        (_number(row["created"], "expected"), _number(row["created"], "got")),
        (_text_or_none(row, "made_expected"), _text_or_none(row, "made_got")),
        _texts(row, "expected"), _texts(row, "got"), _text_or_none(row, "broken"),
        _text_or_none(row, "reference_broken"))
    if not 0 <= found.step < max(1, len(found.program)) or not found.program:
        raise ValueError("no such step")
    return found


def parse_failures(text: str) -> tuple[list[Difference], list[str]]:
    """Differences, a line of JSON each; and what is said of each line that cannot be read."""
    found, damaged = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        try:
            found.append(_difference(json.loads(line)))
        except (ValueError, KeyError, TypeError, RecursionError):
            damaged.append(f"the failures, line {number}: {ui.clean(line[:100])!r}")
    return found, damaged
