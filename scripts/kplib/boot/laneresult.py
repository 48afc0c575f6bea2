# SPDX-License-Identifier: GPL-2.0
"""All that the guests of a lane gave, before it is judged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Callable

from kplib.boot import console
from kplib.boot.console import Console, Position, Report
from kplib.configure.lanes import Lane, user_suite


@dataclass(frozen=True)
class CaseId:
    """A case of a suite on a path, as results name it; empty strings for what does not apply."""

    suite: str = ""
    case: str = ""
    path: str = ""


@dataclass
class Loss:
    """A guest that was lost: in which case, how, and the stacks of that moment.

    `suspects` are pairs that may have done it although no case of theirs ran, the
    likeliest first; `right_behind`: nothing else ran after the first of them. `notes`
    are lines that say so.
    """

    at: CaseId
    what: str
    lines: list[str] = field(default_factory=list)
    suspects: tuple[str, ...] = ()
    right_behind: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """All that one pair gave in a guest: KTAP of its suite, its table of figures, and by
    side the status and the words of its user program."""

    ktap: str
    figures: str
    programs: dict[str, tuple[int, str]]


@dataclass
class LaneResult:
    """What a lane gave. Others read it; what changes it is below.

    `planned` has the cases of each pair's suites, `blind` checkers that did not look
    to the end, with the reason, `unasked` the same for one pair, `damaged` why what a
    pair said of itself cannot be read, `not_run` why a pair was given up, `kernel` what
    the kernel complains of without a part of ours in it. `lost` says why the lane was
    given up, if it was, and `console` what its guest said last.
    """

    lane: Lane
    seconds: float = 0.0
    boots: int = 0
    planned: dict[str, list[CaseId]] = field(default_factory=dict)
    answers: dict[str, Answers] = field(default_factory=dict)
    reports: list[Report[CaseId]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    blind: dict[str, str] = field(default_factory=dict)
    unasked: dict[tuple[str, str], str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    kernel: list[str] = field(default_factory=list)
    lost: str | None = None
    console: str = ""

    def case_id(self, at: Position) -> CaseId:
        """The name that results have for what the console names."""
        suite = "" if not at.pair else user_suite(at.pair) if at.user else self.lane.suite(at.pair)
        return CaseId(suite, at.case, at.path)

    def booted(self) -> None:
        """One guest more."""
        self.boots += 1

    def plan(self, pair: str, text: str) -> dict[str, str]:
        """Note which cases a pair has, on which paths; the speed of each.

        `text` is the engine's list, one line a case: suite, case, speed, paths.
        """
        planned, speeds = [], {}
        suite = self.lane.suite(pair)
        for number, line in enumerate(text.splitlines(), 1):
            name, *words = line.split("\t")
            if len(words) < 2 or not all((name, *words)):
                self.damaged[pair] = f"the list of its cases, line {number}: {line[:100]!r}"
            elif name == suite:
                planned += [CaseId(suite, words[0], path) for path in words[2:]]
                speeds[words[0]] = words[1]
        if not planned:
            self.damaged.setdefault(pair, f"the list of its cases has none of suite {suite}")
        self.planned[pair] = planned
        return speeds

    def take(self, pair: str, answers: Answers) -> None:
        """Keep what a pair gave, all or nothing: what a lost guest gave in part is run again."""
        self.answers[pair] = answers

    def report(self, report: Report[Position]) -> None:
        """Keep a complaint of the kernel; of one that concerns itself, that there was one."""
        if not report.at.pair or (report.checker == "kcsan" and console.foreign(report)):
            self.kernel.append(report.title)
            return
        console.add(self.reports, Report(report.checker, report.title, self.case_id(report.at),
                                         report.lines, report.times))

    def fatal(self, at: CaseId) -> list[str]:
        """The stack of the complaint that a guest died of; it is no further complaint then."""
        found = [r for r in self.reports if r.checker in console.FATAL and r.at == at]
        self.reports = [r for r in self.reports if not any(r is f for f in found)]
        # An oops comes first, then the panic that it leads to.
        return list(found[0].lines) if found else []

    def lose(self, loss: Loss) -> Loss:
        """Note a guest that was lost."""
        self.losses.append(loss)
        return loss

    def give_up(self, pair: str, why: str) -> None:
        """A pair gives no results."""
        self.not_run[pair] = why

    def give_up_all(self, why: str, words: str = "") -> None:
        """The lane gives no further results; `words` are the last of its guest."""
        self.lost, self.console = why, words

    def turned_off(self, checker: str, why: str) -> None:
        """A checker did not look to the end."""
        self.blind[checker] = why

    def not_asked(self, checker: str, pair: str, why: str) -> None:
        """A checker was not asked what it knows of a pair."""
        self.unasked[checker, pair] = why

    def so_far(self, running: Console) -> LaneResult:
        """The same with what a guest that still runs has complained of."""
        found = replace(self, reports=[replace(report) for report in self.reports],
                        kernel=list(self.kernel))
        for report in running.reports:
            found.report(report)
        return found

    def decode(self, decoder: Callable[[list[list[str]]], list[list[str]]]) -> None:
        """Give every report and loss its stack in source lines."""
        items: list[Report[CaseId] | Loss] = [*self.reports, *self.losses]
        if not items:
            return
        for item, lines in zip(items, decoder([item.lines for item in items])):
            item.lines = lines

    def took(self, seconds: float) -> None:
        """How long it all took."""
        self.seconds = seconds
