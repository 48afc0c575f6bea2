# SPDX-License-Identifier: GPL-2.0
"""Kinds of failures: what many seeds show is told once, and counted.

Two failures of a pair's case are of one kind if the same operation differs in the same
way: what differs, what each side returned and which promise was broken, whatever the numbers
are. Complaints of the kernel and lost guests are of one kind if they say the same but for
numbers, a lost guest's in the same operation and function. An expectation is of one kind with
itself: its place is kept. Paths are no part of it: one bug of the Rust side shows on two.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kplib.judge import failures
from kplib.judge.tables import DIFFERS
from kplib.soak.work import Item

#: Programs of a kind that are kept, the shortest; a kind can be more than one bug.
EXAMPLES = 3
#: Seeds of a kind that are named.
SEEDS = 20


@dataclass(frozen=True)
class Found:
    """A failure in the form of results.json, and the case that it is of, with its status."""

    pair: str
    suite: str
    case: str
    path: str
    status: str
    failure: dict[str, Any]


def shape(text: str) -> str:
    """A message without its numbers; names of errnos stay."""
    return re.sub(r"0x[0-9a-fA-F]+|(?<!\w)[0-9]+", "N", text)


#: A frame of a stack with a place of ours, or in a module of ours: the function.
_OURS = re.compile(r"\s*(?:RIP: \w+:|pc : )?(\S.*?)(?:\+0x[0-9a-f]+/0x[0-9a-f]+ \[kparity"
                   r"| \((?:\S+ )*(?:kmod/|rust-stub/|tests/|/))")
#: The place of an expectation, behind its message.
_PLACE = re.compile(r" \((\S+:\d+)\)$")


def _function(stack: list[str]) -> str:
    """The first function of ours in a stack."""
    return next((found[1] for line in stack if (found := _OURS.match(line))), "")


def _outcome(result: dict[str, Any], step: int | None) -> str:
    """What a path returned at the step that differs, or for the object's creation."""
    steps = result["steps"]
    if not step:
        return shape(str(result["made"] if result["made"] is not None else result["created"]))
    said = steps[step - 1] if step <= len(steps) else "not run"
    return shape(said.partition(",")[0])


def key(found: Found) -> tuple[str, ...]:
    """Equal for failures of one kind."""
    failure = found.failure
    head = found.pair, found.case, str(failure["what"])
    program = failure["program"]
    # Where C over C breaks it as well, that has a failure of its own.
    broken = sorted({shape(one["what"]) for one in failure["broken"]
                     if one["path"] == found.path})
    if failure["what"] not in DIFFERS or not program:
        said = *head, str(failure["checker"] or ""), shape(failure["message"])
        if failure["what"] == "lost":
            return (*said, str(failure["operation"] or ""), _function(failure["stack"]))
        if failure["what"] == "case" and (place := _PLACE.search(failure["message"])):
            return (*said, place[1], *broken)
        return said
    if failure["what"] == "interrupt":
        # What its results were says more of the moment than of the bug.
        return (*head, str(failure["operation"]), program[-1].split()[0], *broken)
    return (*head, str(failure["operation"]),
            *(_outcome(result, failure["step"]) for result in failure["results"]), *broken)


def _length(failure: dict[str, Any]) -> tuple[int, int]:
    program = failure["program"] or []
    return len(program), sum(map(len, program))


@dataclass
class Kind:
    """One kind: where and how often it was met, and its shortest programs.

    `runs` counts pieces of work, `times` what the engine counted in them; `paths` and
    `targets` count runs.
    """

    number: int
    pair: str
    suite: str
    case: str
    status: str
    runs: int = 0
    times: int = 0
    paths: Counter[str] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    seeds: list[int] = field(default_factory=list)
    examples: list[dict[str, Any]] = field(default_factory=list)
    _last: int = -1

    @property
    def failure(self) -> dict[str, Any]:
        """The shortest of its failures."""
        return self.examples[0]

    @property
    def name(self) -> str:
        """For a file: the number, the pair and the case."""
        words = [str(self.number), self.pair or "guest", self.case]
        return "-".join(re.sub(r"\W", "_", word) for word in words if word)

    def take(self, item: Item, found: Found) -> bool:
        """Count one more failure; whether it is kept, as its program is among the shortest."""
        failure = found.failure
        self.times += failure["count"]
        if self._last != item.number:
            self._last = item.number
            self.runs += 1
            self.targets[item.target.name] += 1
            if item.seed not in self.seeds and len(self.seeds) < SEEDS:
                self.seeds.append(item.seed)
        self.paths[found.path] += 1
        if any(one["program"] == failure["program"] for one in self.examples):
            return False
        self.examples.append(failure)
        self.examples.sort(key=_length)
        dropped = self.examples[EXAMPLES:]
        del self.examples[EXAMPLES:]
        return not any(one is failure for one in dropped)

    def join(self, row: dict[str, Any]) -> None:
        """Count what another soak has met of it; `row` is to_json() of that."""
        self.runs += row["runs"]
        self.times += row["times"]
        self.paths.update(row["paths"])
        self.targets.update(row["targets"])
        self.seeds = sorted({*self.seeds, *row["seeds"]})[:SEEDS]
        known = [one["program"] for one in self.examples]
        self.examples += [one for one in row["failures"] if one["program"] not in known]
        self.examples.sort(key=_length)
        del self.examples[EXAMPLES:]

    def programs(self) -> dict[Path, str]:
        """The text of each program that it names a file of."""
        return failures.programs(self.examples)

    def to_json(self) -> dict[str, Any]:
        """For results.json."""
        return {"number": self.number, "pair": self.pair, "suite": self.suite,
                "case": self.case, "status": self.status, "paths": dict(self.paths),
                "runs": self.runs,
                "times": self.times, "targets": dict(self.targets), "seeds": self.seeds,
                "failures": self.examples}


class Kinds:
    """All kinds, in the order in which they were met."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, ...], Kind] = {}

    @property
    def all(self) -> list[Kind]:
        """Every kind."""
        return list(self._by_key.values())

    def of(self, found: Found) -> Kind:
        """The kind of a failure."""
        return self._by_key.setdefault(key(found), Kind(
            len(self._by_key) + 1, found.pair, found.suite, found.case, found.status))

    def take(self, item: Item, found: Found) -> tuple[Kind, bool]:
        """Count a failure; its kind, and whether that has something new to be saved."""
        kind = self.of(found)
        return kind, kind.take(item, found)
