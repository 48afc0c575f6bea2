# SPDX-License-Identifier: GPL-2.0
"""What programs give on a path, as text: a guest in which case results runs alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from kplib.boot import lanes
from kplib.boot.laneresult import LaneResult
from kplib.build.modules import Modules
from kplib.build.setup import Setup
from kplib.common import ui
from kplib.common.errors import EnvironmentFailed, Refused
from kplib.configure.lanes import CHECK
from kplib.configure.request import Printing, Request
from kplib.judge import frozen, ktap, verdicts
from kplib.judge.frozen import BadFrozen, Difference, Program


def check_request(req: Request, what: str) -> None:
    """Refuse what says which programs or cases run: `what` says why."""
    if len(req.archs) != 1 or len(req.variants) != 1:
        raise Refused(f"{what} one guest; give ARCH=x86_64 or ARCH=arm64, and one VARIANT")
    for name, given in (("PROGRAM", req.program), ("CASE", req.cases), ("KEEP", req.keep),
                        ("SHARD", req.shard), ("LANE", "LANE" in req.given)):
        if given:
            raise Refused(f"{name}: {what} programs of its own, in one lane; leave {name} out")


@dataclass(frozen=True)
class Told:
    """What programs of some pairs gave, by pair and path, and what failed beside that."""

    programs: dict[str, dict[str, tuple[Program, ...]]]
    verdicts: dict[str, dict[str, ktap.Verdict]]

    def of(self, pair: str, path: str) -> tuple[Program, ...]:
        """What programs gave on a path; refuses where nothing has come."""
        found = self.programs[pair].get(path)
        verdict = self.verdicts[pair].get(path)
        if found is None or verdict is None or verdict.status == ktap.ERROR:
            why = verdict.log[0].strip() if verdict and verdict.log else "it gave no results"
            raise EnvironmentFailed(f"{pair} {path}: {ui.clean(why)}")
        return found


def reasons(verdict: ktap.Verdict) -> list[str]:
    """The lines that say why a case did not pass, without KUnit's own."""
    said = [ui.clean(line.strip()) for line in verdict.log]
    return [line for line in said
            if not line.startswith("EXPECTATION FAILED")]


def compared(due: tuple[Program, ...], got: tuple[Program, ...],
             path: str) -> tuple[list[Difference], str]:
    """What differs; and why it cannot be told, where not all programs have run."""
    try:
        return frozen.differences(due, got, path), ""
    except BadFrozen as err:
        return [], ui.clean(str(err))


def run(setup: Setup, built: Modules, folder: Path, printing: Printing, what: str) -> Told:
    """Boot a guest, and take what programs give on the paths asked for."""
    mine = replace(setup, request=replace(setup.request, printing=printing))
    ktap.load(setup.kernel.tree)
    with ui.step(what):
        result = lanes.run(mine, CHECK, lanes.ready(built), folder)
    return Told({pair: _programs(result, pair) for pair in mine.request.pairs},
                {pair: _verdicts(mine, result, pair) for pair in mine.request.pairs})


def _programs(result: LaneResult, pair: str) -> dict[str, tuple[Program, ...]]:
    if pair not in result.answers:
        return {}
    try:
        return frozen.told(result.answers[pair].told)
    except BadFrozen as err:
        raise EnvironmentFailed(f"{pair}: {ui.clean(str(err))}") from err


def _verdicts(setup: Setup, result: LaneResult, pair: str) -> dict[str, ktap.Verdict]:
    """The verdicts of the paths; one that is of none, as of a suite that did not run, is an
    error of all."""
    found = verdicts.of_suite(setup.kernel.tree, result, pair, CHECK.suite(pair), True)
    for one in found:
        if not one.path and one.status in (ktap.FAIL, ktap.ERROR):
            raise EnvironmentFailed(f"{pair}: {ui.clean(' '.join(one.log[:1]))}")
    return {one.path: one for one in found}
