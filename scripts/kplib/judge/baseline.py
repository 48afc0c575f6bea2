# SPDX-License-Identifier: GPL-2.0
"""Baselines: what operations cost, kept as text beside the code, and what has changed since.

A figure is the sum of an operation's calls with one outcome on a path, so a single instruction in
a single call is seen. Between boots a few figures vary, as those of operations that wait for a
worker: a baseline is made of several boots, and of such a figure the least call is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, Sequence

from kplib.boot.laneresult import Answers
from kplib.configure.lanes import PATHS, SIDES
from kplib.judge import syscalls
from kplib.judge.budgets import Outcomes
from kplib.judge.syscalls import Calls
from kplib.judge.tables import NOOP, of_callers, parse_outcomes

#: The first line of a baseline; its number goes up with the form.
HEAD = "# SPDX-License-Identifier: GPL-2.0\n# Instructions of operations, for make compare; " \
    "written by make baseline. Form 3.\n"

#: Before how many figures there are: a file that was cut off is none.
COUNT = "figures"

#: Where figures are of: operations on paths, and system calls on nodes.
PLACES = (*PATHS, *SIDES)
#: An operation of a pair, its outcome, and a path; or a system call, and a side.
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Figure:
    """What calls cost, the path's no-op subtracted: `calls` of them `total` instructions, and the
    cheapest one `least`. `varies`: two boots differ, and `least` alone is compared."""

    calls: int
    total: int
    least: int
    varies: bool

    @property
    def mean(self) -> float:
        """What is compared: the mean of a call, or the least of those that vary."""
        return float(self.least) if self.varies else self.total / self.calls


@dataclass(frozen=True)
class Baseline:
    """Figures, and what they are of: facts by name, such as arch, kernel and tools."""

    facts: dict[str, str]
    figures: dict[Key, Figure]


class BadBaseline(ValueError):
    """A baseline that cannot be read. The message names the line."""


def figures(pair: str, outcomes: Outcomes) -> dict[Key, Figure]:
    """The figures of one boot."""
    return {(pair, op, end, path): Figure(cost.n, cost.total, cost.min, False)
            for op, rows in outcomes.items() for end, row in rows.items()
            for path, cost in row.items()}


def of_calls(pair: str, calls: Calls) -> dict[Key, Figure]:
    """Those of system calls, each the least of several calls; not of the empty one."""
    return {(pair, call, end, side): Figure(1, cost, cost, False)
            for call, rows in calls.items() if call != NOOP for end, row in rows.items()
            for side, cost in row.items()}


def of_answers(pair: str, answers: Answers) -> dict[Key, Figure]:
    """All figures of one boot of lane insn."""
    found = figures(pair, parse_outcomes(of_callers(answers.figures, answers.more["alone"])))
    if answers.programs:
        found |= of_calls(pair, syscalls.parse(
            {side: said for side, (_, said) in answers.programs.items()}))
    return found


def together(boots: Sequence[dict[Key, Figure]]) -> dict[Key, Figure]:
    """The figures of several boots; one that a boot lacks is left out."""
    found = {}
    for key, first in boots[0].items():
        if any(key not in boot for boot in boots):
            continue
        every = [boot[key] for boot in boots]
        found[key] = Figure(first.calls, first.total, min(one.least for one in every),
                            any((one.calls, one.total) != (first.calls, first.total)
                                for one in every))
    return found


def write(baseline: Baseline) -> str:
    """The text of a baseline."""
    lines = [f"{name}: {value}" for name, value in baseline.facts.items()]
    lines.append(f"{COUNT}: {len(baseline.figures)}")
    for (pair, op, end, path), one in sorted(
            baseline.figures.items(), key=lambda item: (item[0][:3], PLACES.index(item[0][3]))):
        lines.append(f"{pair} {op} {end} {path} {one.calls} {one.total} {one.least}"
                     + (" varies" if one.varies else ""))
    return HEAD + "\n".join(lines) + "\n"


_FIGURE = re.compile(r"(\w+) (\w+) (\S+) (\S+) (\d{1,12}) (-?\d{1,18}) (-?\d{1,18})( varies)?",
                     re.A)


def read(text: str) -> Baseline:
    """A baseline from its text."""
    facts: dict[str, str] = {}
    found: dict[Key, Figure] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        name, colon, value = line.partition(": ")
        if colon and re.fullmatch(r"[a-z]+", name):
            facts[name] = value
            continue
        row = _FIGURE.fullmatch(line)
        if row is None or row.group(4) not in PLACES or not int(row.group(5)):
            raise BadBaseline(f"line {number}: {line[:100]!r}")
        key = row.group(1), row.group(2), row.group(3), row.group(4)
        if key in found:
            raise BadBaseline(f"line {number}: {' '.join(key)} is there twice")
        found[key] = Figure(int(row.group(5)), int(row.group(6)), int(row.group(7)),
                            bool(row.group(8)))
    if HEAD not in text:
        raise BadBaseline("line 1: no baseline that this version writes")
    if (count := facts.pop(COUNT, "")) != str(len(found)):
        raise BadBaseline(f"it has {len(found)} figures, and says {count or 'not how many'}")
    return Baseline(facts, found)


def other(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """In what two baselines are of different things, for a person."""
    return [f"{name} {old.get(name, 'not said')}, and this is {new.get(name, 'not known')}"
            for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]


@dataclass(frozen=True)
class Limits:
    """How much more an operation may cost than in a baseline: `soft` percent of that, and in no
    case more than `hard` instructions a call, if that is set."""

    soft: float
    hard: float | None


@dataclass(frozen=True)
class Change:
    """A figure that is not that of the baseline; None where it is not there."""

    key: Key
    old: Figure | None
    new: Figure | None

    @property
    def varies(self) -> bool:
        """Whether the least calls are compared."""
        return bool(self.old and self.old.varies or self.new and self.new.varies)

    @property
    def means(self) -> tuple[float, float]:
        """What is compared, of the baseline and now."""
        assert self.old and self.new
        if self.varies:
            return float(self.old.least), float(self.new.least)
        return self.old.mean, self.new.mean

    def over(self, limits: Limits) -> bool:
        """Whether it costs more than the limits allow."""
        if self.old is None or self.new is None:
            return False
        old, new = self.means
        more = new - old
        return more > 0 and (more * 100 > limits.soft * max(0.0, old)
                             or limits.hard is not None and more > limits.hard)


def compare(old: dict[Key, Figure], new: dict[Key, Figure],
            pairs: Iterable[str]) -> list[Change]:
    """What has changed, of some pairs."""
    wanted = set(pairs)
    found = [Change(key, old.get(key), new.get(key)) for key in dict.fromkeys((*old, *new))
             if key[0] in wanted]
    return [one for one in found if one.old is None or one.new is None
            or one.means[0] != one.means[1]]
