# SPDX-License-Identifier: GPL-2.0
"""Results of a run on one arch: what was found, and results.json.

results.json holds, with "schema": 1,

arch, seed, verdict       verdict is "pass", "fail" or "error"
kernel                    release, and the options that change figures
tools                     version of each tool
lanes                     for each lane: accelerator, why, seconds, lost
                          ("lost" says how the guest was lost, else null)
pairs                     for each pair:
  cases                   suite, case, path, status (pass fail skip error), log
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

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from kplib import guest, ktap
from kplib.kernel import Kernel
from kplib.request import TOP
from kplib.toolchain import Toolchain

PATHS = ("c->c", "c->rust", "rust->c", "rust->rust")
REFERENCE = PATHS[0]
NOOP = "noop"

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
class LaneResult:
    """All that one boot gave. `lost` is set if the guest did not live to the end."""

    lane: guest.Lane
    seconds: float = 0.0
    ktap: dict[str, str] = field(default_factory=dict)
    cost: dict[str, str] = field(default_factory=dict)
    invariants: dict[str, str] = field(default_factory=dict)
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

    def suites(self) -> dict[str, str]:
        """KTAP of every planned suite; one line that says so for a lost one."""
        found = {}
        for lane in self.lanes:
            why = " ".join((lane.lost or "no results").split()).replace("#", "")
            for pair in self.pairs:
                for suite in planned_suites(pair, lane.lane.name):
                    found[suite] = lane.ktap.get(
                        suite, f"KTAP version 1\n1..1\nnot ok 1 {suite} # {why}\n")
        return found

    def facts(self) -> dict[str, str]:
        """The options that change figures."""
        return {name: self.kernel.config.get(f"CONFIG_{name}", "n") for name in FACTS}

    def to_json(self) -> dict[str, Any]:
        """What results.json holds."""
        return {
            "schema": 1,
            "arch": self.kernel.arch.name,
            "seed": self.seed,
            "verdict": self.verdict,
            "kernel": {"release": self.kernel.release, "config": self.facts()},
            "tools": self.tools.versions,
            "lanes": {
                lane.lane.name: {"accelerator": lane.lane.accel, "why": lane.lane.why,
                                 "seconds": round(lane.seconds, 3), "lost": lane.lost}
                for lane in self.lanes},
            "pairs": {
                name: {
                    "cases": [asdict(v) for v in pair.verdicts],
                    "instructions": {op: {path: asdict(cost) for path, cost in row.items()}
                                     for op, row in pair.costs.items()},
                } for name, pair in self.pairs.items()},
        }


def gather(kernel: Kernel, tools: Toolchain, seed: int, pairs: tuple[str, ...],
           lanes: list[LaneResult]) -> ArchResult:
    """Judge what the lanes of one arch gave."""
    found = {pair: PairResult() for pair in pairs}
    for lane in lanes:
        for pair in pairs:
            result = found[pair]
            for suite in planned_suites(pair, lane.lane.name):
                if suite in lane.ktap:
                    text = ktap.merge({suite: lane.ktap[suite]})
                    result.verdicts += ktap.verdicts(kernel.tree, [suite], text)
                else:
                    why = lane.lost or "the guest gave no results"
                    result.verdicts.append(ktap.Verdict(suite, "", "", ktap.ERROR, (why,)))
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
