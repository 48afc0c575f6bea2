# SPDX-License-Identifier: GPL-2.0
"""Results of a run on one arch: what was found, and results.json.

results.json holds, with "schema": 1,

arch, variant             what it ran on
seed, verdict             verdict is "pass", "fail" or "error"
kernel                    release, and the options that change figures
tools                     version of each tool
lanes                     for each lane: accelerator, why, seconds, boots, losses
                          (suite, case, path and how a guest was lost there), kernel
                          (complaints of the kernel about itself), lost (why the
                          lane was given up, else null)
pairs                     for each pair:
  cases                   suite, case, path, status (pass fail skip error), log;
                          a variant's checkers are cases as well
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

import collections
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kplib.boot import guest, stacks
from kplib.boot.console import Position, Report
from kplib.build.kernel import Kernel
from kplib.build.toolchain import Toolchain
from kplib.configure.request import TOP
from kplib.judge import ktap

PATHS = ("c->c", "c->rust", "rust->c", "rust->rust")
REFERENCE = PATHS[0]
NOOP = "noop"

#: How many reports of the kernel a case and path shows.
REPORTS = 4

#: Options that change what an operation costs: shown with every figure.
FACTS = ("CC_OPTIMIZE_FOR_PERFORMANCE", "RUST_OVERFLOW_CHECKS", "RUST_INLINE_HELPERS",
         "RUST_DEBUG_ASSERTIONS", "LTO_CLANG", "CPU_MITIGATIONS", "PREEMPT", "SMP", "KASAN")


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
class Invariant:
    """How often an invariant was put to the test on each path."""

    id: str
    category: str
    judged: dict[str, int]
    cases: list[str]


@dataclass
class PairResult:
    """All that one run says of a pair."""

    verdicts: list[ktap.Verdict] = field(default_factory=list)
    invariants: list[Invariant] = field(default_factory=list)
    costs: dict[str, dict[str, Cost]] = field(default_factory=dict)


@dataclass
class Loss:
    """A guest that was lost: to what, how, and what it said then."""

    at: Position
    what: str
    lines: list[str]


@dataclass
class LaneResult:
    """All that the boots of a lane gave. `lost` says why it was given up, if it was.

    `planned` has the cases of each pair's suite, `blind` checkers that did not look
    to the end, with the reason, `kernel` what the kernel complains of without a part of ours in it.
    """

    lane: guest.Lane
    seconds: float = 0.0
    boots: int = 0
    planned: dict[str, list[Position]] = field(default_factory=dict)
    ktap: dict[str, str] = field(default_factory=dict)
    cost: dict[str, str] = field(default_factory=dict)
    invariants: dict[str, str] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    blind: dict[str, str] = field(default_factory=dict)
    kernel: list[str] = field(default_factory=list)
    lost: str | None = None
    console: str = ""


def percentile(counts: dict[int, int], share: float) -> int:
    """The smallest value that at least `share` of all samples do not exceed."""
    need = math.ceil(share * sum(counts.values()))
    for value in sorted(counts):
        need -= counts[value]
        if need <= 0:
            return value
    raise ValueError("no samples")


def parse_costs(text: str) -> dict[str, dict[str, Cost]]:
    """Costs by operation and path, from the engine's cost table."""
    raw: dict[tuple[str, str], dict[int, int]] = {}
    for line in text.splitlines():
        path, op, value, times = line.split()
        raw.setdefault((op, path), {})[int(value)] = int(times)
    table: dict[str, dict[str, Cost]] = {}
    for (op, path), counts in raw.items():
        own = percentile(raw[(NOOP, path)], 0.5) if op != NOOP else 0
        net = {value - own: times for value, times in counts.items()}
        n, total = sum(net.values()), sum(v * t for v, t in net.items())
        # c->c comes first in the engine's table.
        reference = table.get(op, {}).get(REFERENCE)
        mean = total / n
        ratio = 1.0 if path == REFERENCE else mean / reference.mean if reference else None
        if op == NOOP or mean <= 0 or (reference and reference.mean <= 0):
            ratio = None
        table.setdefault(op, {})[path] = Cost(
            n=n, min=min(net), p50=percentile(net, 0.5), p99=percentile(net, 0.99), max=max(net),
            total=total, mean=round(mean, 3), ratio=ratio and round(ratio, 4))
    return table


def geometric_mean(table: dict[str, dict[str, Cost]], path: str) -> float | None:
    """Geometric mean of a path's ratios over all operations."""
    ratios = [row[path].ratio for row in table.values() if path in row and row[path].ratio]
    return math.exp(math.fsum(math.log(r or 1) for r in ratios) / len(ratios)) if ratios else None


def parse_invariants(text: str) -> list[Invariant]:
    """Invariants from the engine's table."""
    found = []
    for line in text.splitlines():
        ident, category, *judged, cases = line.split("\t")
        found.append(Invariant(ident, category, dict(zip(PATHS, map(int, judged))),
                               cases.split()))
    return found


@dataclass
class ArchResult:
    """A run on one arch."""

    kernel: Kernel
    tools: Toolchain
    seed: int
    lanes: list[LaneResult]
    pairs: dict[str, PairResult]

    @property
    def verdict(self) -> str:
        """ "pass", "fail", or "error" if a guest was lost."""
        statuses = {v.status for pair in self.pairs.values() for v in pair.verdicts}
        if ktap.FAIL in statuses:
            return "fail"
        if ktap.ERROR in statuses or any(lane.lost for lane in self.lanes):
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
            "kernel": {"release": self.kernel.release, "config": self.facts()},
            "tools": self.tools.versions,
            "lanes": {
                lane.lane.name: {"accelerator": lane.lane.accel, "why": lane.lane.why,
                                 "seconds": round(lane.seconds, 3), "boots": lane.boots,
                                 "losses": [{**asdict(loss.at), "what": loss.what}
                                            for loss in lane.losses],
                                 "kernel": lane.kernel, "lost": lane.lost}
                for lane in self.lanes},
            "pairs": {
                name: {
                    "cases": [asdict(v) for v in pair.verdicts],
                    "instructions": {op: {path: asdict(cost) for path, cost in row.items()}
                                     for op, row in pair.costs.items()},
                } for name, pair in self.pairs.items()},
        }


def _judge(tree: Path, lane: LaneResult, pair: str, suite: str) -> list[ktap.Verdict]:
    """One verdict for each planned case and path of a suite, in their order."""
    planned = [at for at in lane.planned.get(pair, []) if at.suite == suite]
    found: dict[tuple[str, str], ktap.Verdict] = {(at.case, at.path): ktap.Verdict(
        suite, at.case, at.path, ktap.ERROR,
        ("its result is missing" if suite in lane.ktap else
         f"not run: {lane.lost or 'its guests were lost'}",))
        for at in planned}
    cases = {at.case for at in planned}
    if suite in lane.ktap:
        text = ktap.settle(lane.ktap[suite], suite, [(at.case, at.path) for at in planned])
        for v in ktap.verdicts(tree, [suite], ktap.merge({suite: text})):
            # A case that was left out on all paths has a line, but no verdict.
            if v.path or v.status != ktap.SKIP or v.case not in cases:
                found[v.case, v.path] = v
    elif not planned and not any(loss.at.suite == suite for loss in lane.losses):
        found["", ""] = ktap.Verdict(suite, "", "", ktap.ERROR,
                                     (lane.lost or "the guest gave no results",))
    for loss in lane.losses:
        after = found.get(("invariants", loss.at.path))
        if loss.at.suite == suite and after and after.status == ktap.FAIL:
            found["invariants", loss.at.path] = ktap.Verdict(
                suite, "invariants", loss.at.path, ktap.ERROR,
                (f"it looks at what the cases before it have judged, and {loss.at.case} was lost",))
    for loss in lane.losses:
        if loss.at.suite == suite:
            found[loss.at.case, loss.at.path] = ktap.Verdict(
                suite, loss.at.case, loss.at.path, ktap.ERROR,
                (loss.what, *stacks.summary(loss.lines)))
    several: collections.Counter[tuple[str, str]] = collections.Counter()
    for report in lane.reports:
        key = report.at.case, report.at.path
        if report.at.suite != suite:
            continue
        log = (report.heading(), *stacks.summary(report.lines[1:]))
        have = found.get(key)
        several[key] += 1
        if several[key] > REPORTS:
            continue
        if several[key] == REPORTS:
            more = sum(r.at == report.at for r in lane.reports) - REPORTS + 1
            log = (f"... {more} reports more, in the console's file",)
        if have is None or have.status in (ktap.PASS, ktap.SKIP):
            found[key] = ktap.Verdict(suite, *key, ktap.FAIL, log)
        elif log[0] not in have.log:
            found[key] = ktap.Verdict(suite, *key, have.status, have.log + log)
    return list(found.values())


def _first(lane: LaneResult, *checkers: str) -> Report | None:
    """The first report of any of these checkers."""
    return next((r for r in lane.reports if r.checker in checkers), None)


def _where(report: Report) -> str:
    return f"{report.at.case} {report.at.path} of {report.at.suite}"


def _blind(lane: LaneResult, checker: str) -> tuple[str, str]:
    """Status and reason of a checker that did not look to the end.

    A report of its own or one that taints the kernel, as KASAN's do, ends lockdep's
    work: that is to be mended first, and is a failure already.
    """
    first = _first(lane, checker, "kasan")
    if first is None:
        return ktap.ERROR, f"{lane.blind[checker]}, but there is none"
    return ktap.SKIP, f"{lane.blind[checker]}: {_where(first)}"


def _checkers(kernel: Kernel, lane: LaneResult, pair: str,
              verdicts: list[ktap.Verdict]) -> list[ktap.Verdict]:
    """What each of the variant's checkers saw of a pair, on each path."""
    found = []
    ran = {v.path for v in verdicts if v.status in (ktap.PASS, ktap.FAIL)}
    for checker in kernel.variant.checkers:
        for path in PATHS:
            hits = [r for r in lane.reports if r.checker == checker.name
                    and r.at.suite == pair and r.at.path == path]
            status, why = ktap.PASS, ""
            if hits:
                status, why = ktap.FAIL, (
                    f"{sum(r.times for r in hits)} of its reports, the first in "
                    f"{hits[0].at.case}")
            elif checker.name in lane.blind:
                status, why = _blind(lane, checker.name)
            elif checker.limit and (first := _first(lane, checker.name)):
                status, why = ktap.SKIP, f"{checker.limit}: {_where(first)}"
            elif path not in ran:
                status, why = ktap.ERROR, "nothing ran to the end"
            elif checker.sees == "c" and path != REFERENCE:
                status, why = ktap.SKIP, (f"{checker.option} does not instrument Rust; "
                                          f"only what C does is looked at for {checker.looks_for}")
            found.append(ktap.Verdict(pair, checker.name, path, status, (why,) if why else ()))
    return found


def gather(kernel: Kernel, tools: Toolchain, seed: int, pairs: tuple[str, ...],
           lanes: list[LaneResult]) -> ArchResult:
    """Judge what the lanes of one arch and variant gave."""
    found = {pair: PairResult() for pair in pairs}
    for lane in lanes:
        for pair in pairs:
            result = found[pair]
            mine: list[ktap.Verdict] = []
            for suite in planned_suites(pair, lane.lane.name):
                mine += _judge(kernel.tree, lane, pair, suite)
            result.verdicts += mine
            if lane.lane.name == "check":
                result.verdicts += _checkers(kernel, lane, pair, mine)
            if lane.cost.get(pair):
                result.costs = parse_costs(lane.cost[pair])
            if lane.lane.name == "check" and lane.invariants.get(pair):
                result.invariants = parse_invariants(lane.invariants[pair])
    return ArchResult(kernel, tools, seed, lanes, found)


def user_suite(pair: str) -> str:
    """Name under which the results of a pair's user program appear."""
    return f"{pair}_user"


def planned_suites(pair: str, lane: str) -> list[str]:
    """The suites of a pair in a lane."""
    suites = [suite_name(pair, lane)]
    if lane == "check" and (TOP / f"tests/user/{pair}.c").exists():
        suites.append(user_suite(pair))
    return suites


def suite_name(pair: str, lane: str) -> str:
    """Name of the KUnit suite of a pair for a lane; see KP_SUITES() in engine.h."""
    return f"{pair}_insn" if lane == "insn" else pair
