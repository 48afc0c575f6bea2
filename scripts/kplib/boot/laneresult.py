# SPDX-License-Identifier: GPL-2.0
"""The results of a lane, as its guests gave them: not judged yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Callable

from kplib.boot import console
from kplib.boot.console import Console, Position, Report
from kplib.boot.reduce import Reduced
from kplib.configure.lanes import Lane


#: A case, or a suite, that has failed.
_NOT_OK = re.compile(r"^\s*not ok\b", re.M)


@dataclass(frozen=True)
class CaseId:
    """A case of a suite on a path, as results name it; a field that does not apply is empty."""

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
    #: The program that ran, up to the call that did not return; see reduce.py for `reduced`.
    program: tuple[str, ...] = ()
    reduced: Reduced | None = None

    @property
    def smallest(self) -> tuple[str, ...]:
        """The program, as small as it could be made."""
        return self.reduced.program if self.reduced else self.program


@dataclass(frozen=True)
class Answers:
    """One pair's results: KTAP of its suite, if a case of it was to run, its table of figures,
    by side the exit status and the output of its user program, the failures that the
    engine tells in fields, its table of allocations, the guest's /proc/modules, how many
    operations it has called, what case results has told, and the lane's further tables
    by name."""

    ktap: str | None
    figures: str
    programs: dict[str, tuple[int, str]]
    failures: str = ""
    allocations: str = ""
    modules: str = ""
    calls: str = ""
    told: str = ""
    more: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TurnedOff:
    """Why a checker did not look to the end of a guest, and the pairs that ran in it."""

    why: str
    pairs: tuple[str, ...]


@dataclass
class LaneResult:
    """The results of a lane. Fields are for reading; methods change them.

    By pair: `planned` cases, `answers`, `damaged` (why the list of cases cannot be read)
    and `not_run` (why the pair was given up). By checker and pair: `disabled` (the checker
    did not look to the end of the guest), and `unasked` (why it was not asked about the pair).
    `flaws` are the CPU's, by the kernel's names for them, and what it does about each; lanes that
    tell costs ask for it. `kernel` has complaints of the kernel without a part of ours in them,
    and `outside` those that are no one's, but came once cases had run. `record` is what a plugin
    of QEMU's has written. Of a lane of several boots, `number` is that of this one, from 0, and
    `series` has each boot's answers by pair. `lost` says why the lane was given up, if it
    was, and `console` has the last lines of its guest then.
    """

    lane: Lane
    seconds: float = 0.0
    boots: int = 0
    planned: dict[str, list[CaseId]] = field(default_factory=dict)
    answers: dict[str, Answers] = field(default_factory=dict)
    reports: list[Report[CaseId]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    disabled: dict[tuple[str, str], TurnedOff] = field(default_factory=dict)
    unasked: dict[tuple[str, str], str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    kernel: list[str] = field(default_factory=list)
    outside: list[Report[CaseId]] = field(default_factory=list)
    record: str = ""
    flaws: dict[str, str] = field(default_factory=dict)
    number: int = 0
    series: dict[str, list[Answers]] = field(default_factory=dict)
    lost: str | None = None
    console: str = ""

    def case_id(self, at: Position) -> CaseId:
        """The case that the console names, as results name it."""
        named = self.lane.user_suite if at.user else self.lane.suite
        suite = named(at.pair) if at.pair else ""
        return CaseId(suite, at.case, at.path)

    def booted(self) -> None:
        """One guest more."""
        self.boots += 1

    def told_flaws(self, text: str) -> None:
        """Keep what the kernel does about flaws of the CPU, of a line each."""
        self.flaws = {name: said.strip() for name, colon, said in
                      (line.partition(":") for line in text.splitlines()) if colon}

    def plan(self, pair: str, text: str,
             named: tuple[str, ...] | None = None) -> dict[str, str]:
        """Note the cases of a pair and their paths. Returns the speed of each case.

        `text` is the engine's list, one line a case: suite, case, speed, paths. If cases are
        `named`, these alone are to run, and must be there.
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
        if named != () and not planned:
            self.damaged.setdefault(pair, f"the list of its cases has none of suite {suite}")
        if lost := set(named or ()) - speeds.keys():
            self.damaged.setdefault(pair, f"its suite has no case {', '.join(sorted(lost))}")
        self.planned[pair] = planned
        return speeds

    def take(self, pair: str, answers: Answers) -> None:
        """Keep a pair's results. They are whole: a suite that a guest was lost in runs again."""
        self.answers[pair] = answers

    def report(self, report: Report[Position]) -> None:
        """Keep a complaint of the kernel; of one without a part of ours, the title alone.

        While no pair runs, a timer or work of one that ran before may: the module in the
        stack says whose. Without any, a checker's complaint can still be of damage that
        a case has done, and a run in which it came has not passed.
        """
        at = report.at if report.at.pair else Position(report.named)
        if report.checker == "kcsan" and console.foreign(report):
            self.kernel.append(report.title)
            return
        kept = Report(report.checker, report.title, self.case_id(at), report.lines, report.times)
        if at.pair:
            console.add(self.reports, kept)
        elif report.since and report.checker in console.CHECKERS | console.FATAL:
            console.add(self.outside, kept)
        else:
            self.kernel.append(report.title)

    def unmarked(self, pair: str) -> None:
        """The console has said nothing of a pair that ran."""
        self.damaged.setdefault(pair, (
            "its markers did not reach the console, and complaints of the kernel cannot be "
            "laid on it; take quiet and loglevel= out of APPEND"))

    def ended(self) -> None:
        """No guest comes any more: what nobody answers for is an error of the lane."""
        for report in self.outside:
            self.lose(Loss(CaseId(), f"the kernel complained while no case ran: "
                                     f"{report.heading()}", report.lines,
                           notes=(f"a case that ran before may be the cause; all that was "
                                  f"said is in {self.lane.name}.console",)))
        self.outside = []

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

    def turned_off(self, checker: str, why: str, pairs: list[str]) -> None:
        """A checker did not look to the end of the guest that these pairs ran in."""
        for pair in pairs:
            self.disabled[checker, pair] = TurnedOff(why, tuple(pairs))

    def not_asked(self, checker: str, pair: str, why: str) -> None:
        """A checker was not asked for its findings on a pair."""
        self.unasked[checker, pair] = why

    def clean(self) -> bool:
        """Whether nothing has gone wrong: no guest was lost, no case failed, nobody complained."""
        return not (self.lost or self.losses or self.not_run or self.damaged or self.reports
                    or any(_NOT_OK.search(answers.ktap or "")
                           or any(status or _NOT_OK.search(said)
                                  for status, said in answers.programs.values())
                           for answers in self.answers.values()))

    def behind(self, earlier: LaneResult) -> None:
        """Go on from a boot that was clean: its figures come before this one's."""
        self.boots += earlier.boots
        self.series = {pair: list(some) for pair, some in earlier.series.items()}
        self.kernel[:0] = earlier.kernel
        for pair, answers in self.answers.items():
            self.series.setdefault(pair, []).append(answers)

    def so_far(self, running: Console) -> LaneResult:
        """A copy with the complaints of a guest that still runs."""
        found = replace(self, reports=[replace(report) for report in self.reports],
                        kernel=list(self.kernel),
                        outside=[replace(report) for report in self.outside])
        for report in running.reports:
            found.report(running.blamed(report))
        return found

    def decode(self, decoder: Callable[[list[list[str]]], list[list[str]]]) -> None:
        """Give every report and loss its stack in source lines."""
        items: list[Report[CaseId] | Loss] = [*self.reports, *self.losses]
        if not items:
            return
        for item, lines in zip(items, decoder([item.lines for item in items])):
            first = item.lines[0].strip() if item.lines else ""
            item.lines = lines
            # Functions in it have their names in Rust now; an address stays for what it is, and a
            # title that is no line of the kernel's, as that of a leak.
            if isinstance(item, Report) and lines and item.title == first and "+0x" not in first:
                item.title = lines[0].strip()

    def recorded(self, text: str) -> None:
        """Keep what a plugin of QEMU's has written in all guests of the lane."""
        self.record = text

    def took(self, seconds: float) -> None:
        """Note how long the lane took."""
        self.seconds = seconds
