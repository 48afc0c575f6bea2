# SPDX-License-Identifier: GPL-2.0
"""Verdicts of one pair in one lane: of its suites, and of the kernel's checkers."""

from __future__ import annotations

import collections
from pathlib import Path

from kplib.boot import stacks
from kplib.boot.console import Report
from kplib.boot.laneresult import CaseId, LaneResult, Loss
from kplib.boot.reduce import GUESTS_MAX
from kplib.build.kernel import Kernel
from kplib.configure.cases import SUM_UP
from kplib.configure.lanes import PATHS, REFERENCE
from kplib.judge import ktap

#: How many reports of the kernel a case and path shows.
REPORTS = 4
#: Calls at the end of a program that a person is shown.
SHOWN = 8


def given(lane: LaneResult, pair: str) -> dict[str, str]:
    """KTAP of each suite of a pair that a guest gave."""
    if pair not in lane.answers:
        return {}
    answers = lane.answers[pair]
    found = {lane.lane.suite(pair): answers.ktap} if answers.ktap is not None else {}
    if answers.programs:
        name = lane.lane.user_suite(pair)
        found[name] = ktap.wrap(name, answers.programs)
    return found


def answers_for(lane: LaneResult, loss: Loss, pair: str, suite: str) -> CaseId | None:
    """The row of a suite that a lost guest is an error of, if it is one of it.

    A suspect answers for it if there is no other, or if it was lost right behind it.
    """
    if loss.at.suite:
        return loss.at if loss.at.suite == suite else None
    alone = len(loss.suspects) == 1 or loss.right_behind
    if loss.suspects[:1] == (pair,) and alone and suite == lane.lane.suite(pair):
        return CaseId(suite)
    return None


def untold(lane: LaneResult) -> list[Loss]:
    """Lost guests that no row of a pair tells of."""
    return [loss for loss in lane.losses if not loss.at.suite and not (
        loss.suspects and (len(loss.suspects) == 1 or loss.right_behind))]


def program(loss: Loss) -> list[str]:
    """The program that a guest was lost with, for a person."""
    if not loss.program:
        return []
    calls = len(loss.program) - 1
    if loss.reduced is None or not loss.reduced.again:
        head = f"it was at call {calls} of this program" if calls else "it made this object"
        head += "; run alone, the program does not do it again" if loss.reduced else ""
        lines = [*loss.program[:1], *(["  ..."] if calls > SHOWN else []),
                 *loss.program[1:][-SHOWN:]]
    else:
        guests = f"{loss.reduced.guests} guest{'s' * (loss.reduced.guests != 1)}"
        head = f"the smallest program that does it, found with {guests}:"
        if loss.reduced.guests >= GUESTS_MAX:
            head = f"a smaller program that does it, as far as {guests} went:"
        lines = list(loss.reduced.program)
    return [head, *(f"    {line}" for line in lines)]


def of_suite(tree: Path, lane: LaneResult, pair: str, suite: str,
             any_case: bool = True) -> list[ktap.Verdict]:
    """One verdict for each planned case and path of a suite, in their order.

    Without `any_case` none of its cases was to run: there is a row only of what went wrong.
    """
    planned = [at for at in lane.planned.get(pair, []) if at.suite == suite]
    texts = given(lane, pair)
    rest = f"{lane.lane.name}.console"  # beside results.json
    absent = lane.not_run.get(pair) or lane.lost or "its guests were lost"
    found: dict[tuple[str, str], ktap.Verdict] = {(at.case, at.path): ktap.Verdict(
        suite, at.case, at.path, ktap.ERROR,
        ("its result is missing" if suite in texts else f"not run: {absent}",))
        for at in planned}
    cases = {at.case for at in planned}
    losses = [(loss, at) for loss in lane.losses if (at := answers_for(lane, loss, pair, suite))]
    if suite in texts:
        text = ktap.settle(texts[suite], suite, [(at.case, at.path) for at in planned])
        for v in ktap.verdicts(tree, [suite], ktap.merge({suite: text})):
            # A case that was left out on all paths has a line, but no verdict.
            if v.path or v.status != ktap.SKIP or v.case not in cases:
                found[v.case, v.path] = v
    elif not planned and not losses and any_case:
        found["", ""] = ktap.Verdict(
            suite, "", "", ktap.ERROR,
            (lane.not_run.get(pair) or lane.lost or "the guest gave no results",))
    for at, case in ((at, case) for _, at in losses for case in SUM_UP):
        after = found.get((case, at.path))
        if after and after.status == ktap.FAIL:
            found[case, at.path] = ktap.Verdict(
                suite, case, at.path, ktap.ERROR,
                (f"it looks at what the cases before it have met, and {at.case} was lost",))
    for loss, at in losses:
        found[at.case, at.path] = ktap.Verdict(
            suite, at.case, at.path, ktap.ERROR,
            (loss.what, *loss.notes, *program(loss), *stacks.summary(loss.lines, rest)))
    several: collections.Counter[tuple[str, str]] = collections.Counter()
    for report in lane.reports:
        key = report.at.case, report.at.path
        if report.at.suite != suite:
            continue
        log = (report.heading(), *stacks.summary(report.lines[1:], rest))
        have = found.get(key)
        several[key] += 1
        if several[key] > REPORTS:
            continue
        if several[key] == REPORTS:
            more = sum(r.at == report.at for r in lane.reports) - REPORTS + 1
            log = (f"... {more} reports more in {rest}",)
        if have is None or have.status in (ktap.PASS, ktap.SKIP):
            found[key] = ktap.Verdict(suite, *key, ktap.FAIL, log)
        elif log[0] not in have.log:
            found[key] = ktap.Verdict(suite, *key, have.status, have.log + log)
    return list(found.values())


def _first(lane: LaneResult, *checkers: str) -> Report[CaseId] | None:
    """The first report of any of these checkers."""
    return next((r for r in lane.reports if r.checker in checkers), None)


def _where(report: Report[CaseId]) -> str:
    return f"{report.at.case} {report.at.path} of {report.at.suite}"


def _disabled(lane: LaneResult, checker: str, pair: str) -> tuple[str, str]:
    """Status and reason of a checker that did not look to the end of a pair's guest.

    A report of its own or one that taints the kernel, as those of KASAN, of bad pages and
    of damaged slabs do, ends lockdep's work: that is to be mended first, and is a failure
    already. What kmemleak says is found afterwards.
    """
    off = lane.disabled[checker, pair]
    suites = {name for mate in off.pairs
              for name in (lane.lane.suite(mate), lane.lane.user_suite(mate))}
    reports = [r for r in lane.reports if r.at.suite in suites and r.checker != "kmemleak"]
    likely = [r for r in reports if r.checker in (checker, "kasan", "bug")]
    if not reports:
        return ktap.ERROR, f"{off.why}, but there is none"
    return ktap.SKIP, f"{off.why}: {_where((likely or reports)[0])}"


def of_checkers(kernel: Kernel, lane: LaneResult, pair: str,
                verdicts: list[ktap.Verdict], any_case: bool = True) -> list[ktap.Verdict]:
    """Verdicts of the variant's checkers on a pair, on each path; `any_case` as in of_suite()."""
    found = []
    suite = lane.lane.suite(pair)
    ran = {v.path for v in verdicts if v.status in (ktap.PASS, ktap.FAIL)}
    # Where no case was to run, or all had a reason not to, there was nothing to look at.
    wrong = {v.path for v in verdicts if v.status == ktap.ERROR}
    idle = {path for path in PATHS if path not in ran | wrong and "" not in wrong
            and (not any_case or any(v.path == path for v in verdicts))}
    for checker in kernel.variant.checkers:
        for path in PATHS:
            hits = [r for r in lane.reports if r.checker == checker.name
                    and r.at.suite == suite and r.at.path == path]
            status, why = ktap.PASS, ""
            if hits:
                status, why = ktap.FAIL, (
                    f"{sum(r.times for r in hits)} of its reports, the first in "
                    f"{hits[0].at.case}")
            elif why := lane.unasked.get((checker.name, pair), ""):
                status = ktap.SKIP
            elif (checker.name, pair) in lane.disabled:
                status, why = _disabled(lane, checker.name, pair)
            elif checker.limit and (first := _first(lane, checker.name)):
                status, why = ktap.SKIP, f"{checker.limit}: {_where(first)}"
            elif path in idle:
                status, why = ktap.SKIP, "no case ran on this path"
            elif path not in ran:
                status, why = ktap.ERROR, "nothing ran to the end"
            elif path != REFERENCE and (blind := checker.blind(kernel.config)):
                status, why = ktap.SKIP, (f"{blind}; only what C does is looked at for "
                                          f"{checker.looks_for}")
            found.append(ktap.Verdict(suite, checker.name, path, status, (why,) if why else ()))
    return found
