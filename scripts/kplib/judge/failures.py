# SPDX-License-Identifier: GPL-2.0
"""Failures in fields, as results.json has them.

Each case that did not pass has one for each kind of difference, for each complaint of the
kernel and for each lost guest, and where it has none of these, one of its own; a build
that failed has one. scripts/results.schema.json describes the fields.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Iterable

from kplib.boot import programs as programs_text
from kplib.boot.console import Report
from kplib.boot.laneresult import CaseId, LaneResult, Loss
from kplib.boot.lanes import REPLAYED
from kplib.build import kernel, told
from kplib.build.setup import Setup
from kplib.common import cache, ui
from kplib.configure import pairs as places
from kplib.configure.lanes import ORDER, REFERENCE
from kplib.configure.request import pair_word
from kplib.judge import budgets, diagnostics, ktap, records, verdicts
from kplib.judge.ledger import Ledger
from kplib.judge.results import ArchResult
from kplib.judge.tables import Difference

#: The line of KUnit's that an expectation's begin with, and its place.
_EXPECTED = re.compile(r"\s*(?:EXPECTATION|ASSERTION) FAILED at (\S+)\s*$")
#: The case that tells of a contract's records; no guest runs it.
LEDGER = "contract"


def _failure(stage: str, what: str, message: str, again: str, count: int = 1,
             **fields: Any) -> dict[str, Any]:
    """A failure; fields that say nothing of it are null or empty."""
    return {
        "stage": stage, "what": what, "message": message, "pairs": [], "count": count,
        "source": None, "program": None, "program_file": None, "step": None, "operation": None,
        "results": [], "broken": [], "errnos": None, "checker": None, "stack": [],
        "diagnostics": [], "output": [], "replay": f"make run {again}", **fields}


def _lines(said: Iterable[str]) -> list[str]:
    """Lines of the kernel's, as many as a log has."""
    return [ui.clean(line)[:ktap.LOG_WIDTH] for line in said][:ktap.LOG_LINES]


@dataclass(frozen=True)
class Teller:
    """Tells of one pair's cases.

    `folder` is PAIRS_DIR, and `programs` the folder for programs.
    """

    pair: str
    result: ArchResult
    book: Ledger
    folder: Path | None
    programs: Path

    @property
    def _word(self) -> str:
        return pair_word(self.pair, kernel.wanting(self.result.kernel))

    @property
    def _again(self) -> str:
        return f"{self._word} {self.result.replay}"

    def _place(self, ident: str) -> str | None:
        """Where the contract has an invariant, as file:line."""
        source = places.files(self.pair, self.folder)
        text = source.read()
        found = re.search(rf"^[ \t]*KP_(?:INVARIANT|PROMISE)\(\s*{re.escape(ident)}\b", text, re.M)
        if found is None:
            return None
        line = text.count("\n", 0, found.start()) + 1
        return f"{places.short(source.contract)}:{line}"

    def _broken(self, path: str, what: str | None) -> list[dict[str, Any]]:
        """Breach of contract by a path, with the invariant if it is one."""
        if what is None:
            return []
        promise = next((row.promise for row in self.book.rows
                        if (row.pair, row.promise.id) == (self.pair, what)), None)
        return [{"path": path, "what": what, "invariant": promise and {
            "id": promise.id, "category": promise.category, "statement": promise.text,
            "c": promise.keeps, "when": promise.when, "then": promise.then,
            "place": self._place(promise.id)}}]

    def _operation(self, name: str | None) -> records.Operation | None:
        return next((op for op in self.book.operations.get(self.pair, ()) if op.name == name), None)

    def _file(self, program: tuple[str, ...]) -> Path:
        """Where a program is saved."""
        text = "\n".join(program) + "\n"
        return self.programs / f"{self.pair}-{cache.digest(text)}"

    def _difference(self, stage: str, found: Difference) -> dict[str, Any]:
        if found.too_long:
            return _failure(stage, found.what, "the program is too long for its fields; it is in "
                            "the log", self._again, found.times, source=found.whence)
        operation = self._operation(found.operation)
        again, file = self._again, None
        if found.case in REPLAYED:
            file = self._file(found.program)
            again = f"{self._word} {self.result.of_program(file)}"
        return _failure(
            stage, found.what, _message(found), again, found.times,
            source=found.whence, program=list(found.program), step=found.step or None,
            program_file=file and str(file), operation=found.operation,
            results=[{"path": path, "created": created, "made": made, "steps": list(steps)} for
                     path, created, made, steps in
                     ((REFERENCE, found.created[0], found.made[0], found.expected),
                      (found.path, found.created[1], found.made[1], found.got))],
            broken=self._broken(found.path, found.broken)
            + self._broken(REFERENCE, found.reference_broken),
            errnos=None if operation is None else list(operation.errnos))

    def _report(self, report: Report[CaseId]) -> dict[str, Any]:
        return _failure("run", "report", ui.clean(report.title), self._again, report.times,
                        checker=report.checker, stack=_lines(report.lines))

    def _loss(self, stage: str, loss: Loss) -> dict[str, Any]:
        program, again, file = list(loss.smallest), self._again, None
        if program and loss.at.case in REPLAYED:
            file = self._file(loss.smallest)
            again = f"{self._word} {self.result.of_program(file)}"
        return _failure(stage, "lost", ui.clean("; ".join((loss.what, *loss.notes))), again,
                        stack=_lines(loss.lines), program=program or None,
                        program_file=file and str(file), step=len(program) - 1 or None
                        if program else None,
                        operation=programs_text.called(program[-1]) if program[1:] else None)

    def _promise(self, verdict: ktap.Verdict) -> list[dict[str, Any]]:
        """The promise that a case looked at, if the expectation that failed first is of one."""
        first = next((n for n, line in enumerate(verdict.log) if _EXPECTED.match(line)), None)
        if first is None or not verdict.path:
            return []
        for line in verdict.log[first + 1:]:
            if _EXPECTED.match(line):
                break
            if found := re.match(r"\s*broken: (\w+): ", line):
                return self._broken(verdict.path, found[1])
        return []

    def _lane(self, suite: str) -> LaneResult | None:
        return next((lane for lane in self.result.lanes if suite and suite in (
            lane.lane.suite(self.pair), lane.lane.user_suite(self.pair))), None)

    def _stage(self, lane: LaneResult | None, verdict: ktap.Verdict) -> str:
        if lane is None:
            return "run"
        if not verdict.case and self.pair not in lane.planned:
            return "load"
        return "cost" if lane.lane.figures == "cost" else "run"

    def tell(self, verdict: ktap.Verdict) -> list[dict[str, Any]]:
        """All failures of a case on a path; none if it passed or was skipped."""
        if verdict.status not in (ktap.FAIL, ktap.ERROR):
            return []
        at = verdict.suite, verdict.case, verdict.path
        if verdict.case == LEDGER and not verdict.path:
            return [_failure("build", "ledger", ui.clean(line), self._again)
                    for line in verdict.log]
        if unbuilt := self.result.pairs[self.pair].unbuilt:
            return [_failure("build", "tools", ui.clean(unbuilt.message), self._again,
                             pairs=[self.pair], output=list(unbuilt.broken.lines),
                             diagnostics=[{**asdict(one), "text": list(one.text)}
                                          for one in unbuilt.broken.errors])]
        lane = self._lane(verdict.suite)
        stage = self._stage(lane, verdict)
        found = [self._difference(stage, one)
                 for one in self.result.pairs[self.pair].differences.get(at, [])]
        if verdict.case == budgets.CASE:
            found += [_failure(stage, "cost", lines[0], self._again, operation=op,
                               stack=[line.strip() for line in lines[1:]]) for op, lines
                      in self.result.pairs[self.pair].costly.get(verdict.path, [])]
        if lane is not None and lane.lane is ORDER and verdict.case:
            weaker = self.result.pairs[self.pair].weaker.get(verdict.path, [])
            found += [_failure(stage, "ordering", lines[0], self._again, operation=op,
                               stack=[line.strip() for line in lines[1:]])
                      for op, lines in weaker]
        if lane is not None:
            found += [self._report(report) for report in lane.reports
                      if report.at == CaseId(*at) or (verdict.case, report.at.suite, report.at.path)
                      == (report.checker, verdict.suite, verdict.path)]
            found += [self._loss(stage, loss) for loss in lane.losses if verdicts.answers_for(
                lane, loss, self.pair, verdict.suite) == CaseId(*at)]
        return found or [_failure(stage, "case", _said(verdict.log), self._again,
                                  broken=self._promise(verdict))]


def of_lane(result: ArchResult, lane: LaneResult) -> list[dict[str, Any]]:
    """What went wrong in a lane and is told of no case: lost guests, and a lane given up."""
    pairs = list(result.pairs)
    again = (f"{pair_word(pairs[0], [*pairs[1:], *kernel.wanting(result.kernel)])} "
             f"{result.replay}")
    found = [_failure("run", "lost", ui.clean("; ".join((loss.what, *loss.notes))), again,
                      stack=_lines(loss.lines)) for loss in verdicts.untold(lane)]
    if lane.lost:
        found.append(_failure("run", "lost", ui.clean(lane.lost), again,
                              output=_lines(lane.console.splitlines())))
    return found


def programs(found: list[dict[str, Any]]) -> dict[Path, str]:
    """The text of each program that a failure names a file of."""
    return {Path(failure["program_file"]): "\n".join(failure["program"]) + "\n"
            for failure in found if failure["program_file"]}


def _said(log: ktap.Log) -> str:
    """One line on a case from its log: the first that is no heading of KUnit's."""
    lines = [ui.clean(line.strip()) for line in log] or ["it failed"]
    place = _EXPECTED.match(lines[0])
    return f"{lines[1]} ({place.group(1)})" if place and lines[1:] else lines[0]


def _message(found: Difference) -> str:
    """One line on a difference."""
    if found.what == "create" and found.broken:
        return f"creating the object: {found.path} breaks its contract: {found.broken}"
    if found.what == "create":
        return (f"creating the object: {found.made[1]} on {found.path}, {found.made[0]} on "
                f"{REFERENCE}")
    if found.what == "history":
        return f"operations of two threads on {found.path}: {found.broken}"
    if not found.step:
        return f"{found.path} differs from {REFERENCE}" + (
            f": {found.broken}" if found.broken else "")
    where = f"step {found.step}, {found.operation}"
    if found.what == "interrupt":
        by = found.program[-1].split()[0]
        return f"{where}, interrupted by {by} on {found.path}: {found.broken}"
    if found.what == "contract" and found.broken:
        return f"{where}: {found.path} breaks its contract: {found.broken}"
    got, expected = (of[found.step - 1] if found.step <= len(of) else "not run"
                     for of in (found.got, found.expected))
    return f"{where}: {got} on {found.path}, {expected} on {REFERENCE}"


def of_build(setup: Setup, why: str, again: str) -> dict[str, Any]:
    """The failure of a build. Its lines are those of its log, if `why` names that."""
    request, log = setup.request, setup.modules / "build.log"
    try:
        text = log.read_text(errors="replace") if str(log) in why else ""
    except OSError:
        text = ""
    said = diagnostics.lines(text)
    pairs = [places.files(pair, request.pairs_dir) for pair in request.pairs]
    # Messages that point at the user's own line come first.
    own = told.own_lines(setup.modules, pairs, text, setup.kernel)
    return _failure(
        diagnostics.stage(text), "tools", why,
        f"{pair_word(request.pairs[0], [*request.pairs, *kernel.wanting(setup.kernel)])} {again}",
        pairs=diagnostics.pairs(text, request.pairs),
        diagnostics=[{**asdict(one), "text": list(one.text)}
                     for one in diagnostics.parse([*own, *said])], output=[*said, *own])
