# SPDX-License-Identifier: GPL-2.0
"""Results of a run on one arch: what was found, and results.json.

results.json holds, with "schema": 1,

arch, variant             what it ran on
seed, verdict             verdict is "pass", "fail" or "error"
replay                    the words of make run, but PAIR, that run it again
kernel                    release, and the options that change figures
tools                     version of each tool
lanes                     for each lane: accelerator, why, seconds, boots, losses
                          (each guest that was lost: suite, case and path, empty where
                          no case answers for it, what, suspects: pairs, notes, told:
                          whether a case below tells of it; a complaint that came
                          while no case ran, and is no pair's, is among them), kernel
                          (complaints of the kernel about itself), lost (why the
                          lane was given up, else null), console (its last lines then)
pairs                     for each pair:
  cases                   suite, case, path, status (pass fail skip error), log,
                          seconds (of the guest's clock, see ktap.TIME_IS; null where
                          there is no time); a variant's checkers are cases as well
  contract                one row an invariant: id, category, statement, c (how
                          C keeps it), when and then (its condition in C), rust
                          (id, how, text, where), compile_fail, judged (times
                          by path), cases (that judged it)
  instructions            for each operation and path: n, min, p50, p99, max,
                          total, mean, ratio; executed instructions, the p50
                          of the path's no-op subtracted. ratio is mean over
                          that of c->c: the same program ran on both, so means
                          compare like with like where a p50 can fall on
                          another branch.
"""

from __future__ import annotations

import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kplib.boot.laneresult import LaneResult
from kplib.build.kernel import Kernel
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.configure.lanes import Lane, user_suite
from kplib.configure import pairs as places
from kplib.judge import ktap, verdicts
from kplib.judge.tables import NOOP, Cost, DamagedTable, Invariant, parse_costs, parse_invariants

#: Options that change what an operation costs: shown with every figure.
FACTS = ("CC_OPTIMIZE_FOR_PERFORMANCE", "RUST_OVERFLOW_CHECKS", "RUST_INLINE_HELPERS",
         "RUST_DEBUG_ASSERTIONS", "LTO_CLANG", "CPU_MITIGATIONS", "PREEMPT", "SMP", "KASAN")


@dataclass
class PairResult:
    """All that one run says of a pair."""

    verdicts: list[ktap.Verdict] = field(default_factory=list)
    invariants: list[Invariant] = field(default_factory=list)
    costs: dict[str, dict[str, Cost]] = field(default_factory=dict)


@dataclass
class ArchResult:
    """A run on one arch."""

    kernel: Kernel
    tools: Toolchain
    seed: int
    lanes: list[LaneResult]
    pairs: dict[str, PairResult]
    replay: str = ""

    @property
    def verdict(self) -> str:
        """ "pass", "fail", or "error" if a guest was lost."""
        statuses = {v.status for pair in self.pairs.values() for v in pair.verdicts}
        if ktap.FAIL in statuses:
            return "fail"
        if ktap.ERROR in statuses or any(lane.lost or lane.losses for lane in self.lanes):
            return "error"
        return "pass" if statuses else "error"

    def facts(self) -> dict[str, str]:
        """The options that change figures."""
        return {name: self.kernel.config.get(f"CONFIG_{name}", "n") for name in FACTS}

    def to_json(self) -> dict[str, Any]:
        """What results.json holds."""
        return {
            "schema": 1,
            "arch": self.kernel.arch.name,
            "variant": self.kernel.variant.name,
            "seed": self.seed,
            "verdict": self.verdict,
            "replay": self.replay,
            "kernel": {"release": self.kernel.release, "config": self.facts()},
            "tools": self.tools.versions,
            "lanes": {
                lane.lane.name: {"accelerator": lane.lane.accel, "why": lane.lane.why,
                                 "seconds": round(lane.seconds, 3), "boots": lane.boots,
                                 "losses": [{**asdict(loss.at), "what": loss.what,
                                             "suspects": loss.suspects, "notes": loss.notes,
                                             "told": loss not in verdicts.untold(lane)}
                                            for loss in lane.losses],
                                 "kernel": lane.kernel, "lost": lane.lost,
                                 "console": lane.console.splitlines() if lane.lost else []}
                for lane in self.lanes},
            "pairs": {
                name: {
                    "cases": [asdict(v) for v in pair.verdicts],
                    "instructions": {op: {path: asdict(cost) for path, cost in row.items()}
                                     for op, row in pair.costs.items()},
                } for name, pair in self.pairs.items()},
        }


def logs(result: ArchResult) -> dict[str, str]:
    """All that each suite and user program said, by suite, as KTAP."""
    return {suite: text for lane in result.lanes for pair in result.pairs
            for suite, text in verdicts.given(lane, pair).items()}


def _error(mine: list[ktap.Verdict], suite: str, why: tuple[str, ...]) -> list[ktap.Verdict]:
    """Verdicts with an error of the suite as a whole, which has one row at most."""
    said = next((v.log for v in mine if (v.suite, v.case, v.path) == (suite, "", "")), ())
    return [*(v for v in mine if (v.suite, v.case, v.path) != (suite, "", "")),
            ktap.Verdict(suite, "", "", ktap.ERROR, (*said, *why))]


def _judge_pair(setup: Setup, lane: LaneResult, pair: str, result: PairResult) -> None:
    """Judge what one lane gave of a pair."""
    kernel = setup.kernel
    mine: list[ktap.Verdict] = []
    for suite in planned_suites(pair, lane.lane, setup.request.pairs_dir):
        mine += verdicts.of_suite(kernel.tree, lane, pair, suite)
    damaged = [lane.damaged[pair]] if pair in lane.damaged else []
    passed = {v.path for v in mine if v.status == ktap.PASS}
    figures = lane.answers[pair].figures if pair in lane.answers else ""
    try:
        if lane.lane.counts:
            result.costs = parse_costs(figures)
            if bare := passed - set(result.costs.get(NOOP, {})):
                raise DamagedTable(f"the table of costs has nothing of {', '.join(sorted(bare))}")
        else:
            result.invariants = parse_invariants(figures)
    except DamagedTable as err:
        damaged.append(str(err))
    if damaged:
        mine = _error(mine, lane.lane.suite(pair),
                      tuple(f"the guest's output cannot be read: {why}" for why in damaged))
    result.verdicts += mine
    if not lane.lane.counts:
        result.verdicts += verdicts.of_checkers(kernel, lane, pair, mine)


def _not_judged(lane: LaneResult, pair: str, err: Exception) -> list[ktap.Verdict]:
    """Verdicts of a pair that an exception has kept from being judged."""
    frame = traceback.extract_tb(err.__traceback__)[-1]
    why = (f"kparity could not judge it: {type(err).__name__}: {err}, in "
           f"{Path(frame.filename).name}:{frame.lineno}; this is a bug of kparity",)
    return [*(ktap.Verdict(at.suite, at.case, at.path, ktap.ERROR, ("not judged",))
              for at in dict.fromkeys(lane.planned.get(pair, []))),
            ktap.Verdict(lane.lane.suite(pair), "", "", ktap.ERROR, why)]


def gather(setup: Setup, pairs: tuple[str, ...], lanes: list[LaneResult]) -> ArchResult:
    """Judge what the lanes of one arch and variant gave of some pairs."""
    found = {pair: PairResult() for pair in pairs}
    for lane in lanes:
        for pair in pairs:
            before = list(found[pair].verdicts)
            try:
                _judge_pair(setup, lane, pair, found[pair])
            except Exception as err:  # pylint: disable=broad-except
                # Whatever it is, the other pairs keep their results.
                found[pair].verdicts = before + _not_judged(lane, pair, err)
    return ArchResult(setup.kernel, setup.tools, setup.request.seed, lanes, found)


def planned_suites(pair: str, lane: Lane, folder: Path | None) -> list[str]:
    """The suites of a pair in a lane. `folder` is PAIRS_DIR."""
    suites = [lane.suite(pair)]
    if lane.programs and places.files(pair, folder).user.exists():
        suites.append(user_suite(pair))
    return suites
