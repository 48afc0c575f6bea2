# SPDX-License-Identifier: GPL-2.0
"""What the operations that are over their budgets are made of: the lines that cost most.

A guest more, with QEMU's plugin that counts, and only for pairs in which case cost has failed.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import replace

from kplib.boot import lanes
from kplib.build import modules
from kplib.build.setup import Setup
from kplib.common import ui
from kplib.common.errors import EnvironmentFailed, KparityError
from kplib.configure.lanes import INSN
from kplib.judge import budgets, ktap
from kplib.judge.explain import Explained, Row
from kplib.judge.results import ArchResult, PairResult
from kplib.report import explained
from kplib.tools import explain

#: Lines that are shown of an operation.
SHOWN = 4
#: Operations of a pair that are looked at, those first that exceed their budgets most.
LOOKED_AT = 3


def _line(setup: Setup, found: Explained, row: Row, path: str) -> str:
    """One of the lines that cost most on a path."""
    mean = row.counts[path] / found.calls[path]
    where = f"{row.name} {row.file}".strip() if row.name else f"{row.file}:{row.line}"
    text = "" if row.name or not row.line else explain.source(setup, row.file, row.line)
    return f"  {mean:.1f} of them: {where}  {text}".rstrip()


def lines(setup: Setup, found: Explained, path: str) -> list[str]:
    """The lines that cost most on a path, for a person.

    Of an operation that waits none of the kernel's: other threads execute these as well, and the
    figure that is over the budget is without them.
    """
    most = sorted((row for row in found.lines
                   if row.counts.get(path) and not (found.waits and row.kernel)),
                  key=lambda row: -row.counts[path])
    return [_line(setup, found, row, path) for row in most[:SHOWN]]


def _look(setup: Setup, built: modules.Modules, pair: str,
          result: PairResult) -> dict[tuple[str, str, str], list[str]]:
    """Lines for a pair's operations, outcomes and paths that are over their budgets."""
    req = replace(setup.request, pairs=(pair,), lanes=(INSN.name,), cases=())
    mine = replace(setup, request=req, progress=lambda: None)
    done = lanes.ready(replace(built, pairs={pair: built.pairs[pair]}))
    told: dict[tuple[str, str, str], list[str]] = {}
    with ui.step(f"looking what {pair} costs so much for"):
        ran = lanes.run(mine, explain.LANE, done, mine.results / explained.FOLDER)
        ops = list(dict.fromkeys(one.op for one in result.over))[:LOOKED_AT]
        for known in explain.read(mine, ran, ops):
            # A disk that is full is told of by whoever needs it next.
            with contextlib.suppress(EnvironmentFailed):
                explain.keep(mine, known)
            for end, one in known.outcomes.items():
                for path in one.calls:
                    told[known.op, end, path] = lines(mine, one, path)
    return told


def explain_all(setup: Setup, built: modules.Modules, result: ArchResult) -> None:
    """Add to what failed in case cost, of each pair, where the instructions are."""
    for pair, mine in result.pairs.items():
        if not mine.over:
            continue
        try:
            told = _look(setup, built, pair, mine)
        except KparityError as err:
            why = [f"  where they are is not known: {ui.clean(str(err))}"]
            told = {(one.op, one.end, one.path): why for one in mine.over}
        add = functools.partial(_added, mine, told)
        # What system calls cost has verdicts of that name as well, with lines of their own.
        mine.verdicts[:] = [add(v) if (v.suite, v.case, v.status) ==
                            (INSN.suite(pair), budgets.CASE, ktap.FAIL) else v
                            for v in mine.verdicts]


def _added(result: PairResult, told: dict[tuple[str, str, str], list[str]],
           verdict: ktap.Verdict) -> ktap.Verdict:
    """A verdict with the lines behind what it says of an operation and outcome."""
    log: list[str] = []
    for one, said in zip((one for one in result.over if one.path == verdict.path), verdict.log):
        more = told.get((one.op, one.end, one.path), [])
        log += [said, *more]
        result.costly.setdefault(verdict.path, []).append((one.op, [said, *more]))
    return replace(verdict, log=tuple(log))
