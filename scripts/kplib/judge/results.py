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
                          whether a case below tells of it), kernel
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

import collections
import math
import re
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kplib.boot import stacks
from kplib.boot.console import Report
from kplib.boot.laneresult import CaseId, LaneResult, Loss
from kplib.build.kernel import Kernel
from kplib.build.toolchain import Toolchain
from kplib.configure.lanes import Lane, user_suite
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


class DamagedTable(ValueError):
    """A table from the guest cannot be read. The message names the line."""


def percentile(counts: dict[int, int], share: float) -> int:
    """The smallest value that at least `share` of all samples do not exceed."""
    need = math.ceil(share * sum(counts.values()))
    for value in sorted(counts):
        need -= counts[value]
        if need <= 0:
            return value
    raise ValueError("no samples")


def _cost_rows(text: str) -> dict[tuple[str, str], dict[int, int]]:
    """How often an operation on a path cost how much."""
    raw: dict[tuple[str, str], dict[int, int]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        found = re.fullmatch(r"(\S+) (\S+) ([0-9]{1,19}) ([0-9]{1,19})", line)
        if not found or found.group(1) not in PATHS or not int(found.group(4)):
            raise DamagedTable(f"the table of costs, line {number}: {line[:100]!r}")
        path, op, value, times = found.groups()
        raw.setdefault((op, path), {})[int(value)] = int(times)
    for op, path in raw:
        if (NOOP, path) not in raw:
            raise DamagedTable(f"the table of costs has {op} and no {NOOP} on {path}")
    return raw


def parse_costs(text: str) -> dict[str, dict[str, Cost]]:
    """Costs by operation and path, from the engine's cost table."""
    raw = _cost_rows(text)
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
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("\t")
        if len(words) != len(PATHS) + 3 or not all(words[:2]) or \
                not all(re.fullmatch("[0-9]{1,20}", word) for word in words[2:-1]):
            raise DamagedTable(f"the table of invariants, line {number}: {line[:100]!r}")
        ident, category, *judged, cases = words
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
                                             "told": loss not in untold(lane)}
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
            for suite, text in _given(lane, pair).items()}


def _given(lane: LaneResult, pair: str) -> dict[str, str]:
    """KTAP of each suite of a pair that a guest gave."""
    if pair not in lane.answers:
        return {}
    answers = lane.answers[pair]
    found = {lane.lane.suite(pair): answers.ktap}
    if answers.programs:
        name = user_suite(pair)
        found[name] = ktap.wrap(name, answers.programs)
    return found


def _answers_for(lane: LaneResult, loss: Loss, pair: str, suite: str) -> CaseId | None:
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


def _judge(tree: Path, lane: LaneResult, pair: str, suite: str) -> list[ktap.Verdict]:
    """One verdict for each planned case and path of a suite, in their order."""
    planned = [at for at in lane.planned.get(pair, []) if at.suite == suite]
    given = _given(lane, pair)
    rest = f"{lane.lane.name}.console"  # beside results.json
    absent = lane.not_run.get(pair) or lane.lost or "its guests were lost"
    found: dict[tuple[str, str], ktap.Verdict] = {(at.case, at.path): ktap.Verdict(
        suite, at.case, at.path, ktap.ERROR,
        ("its result is missing" if suite in given else f"not run: {absent}",))
        for at in planned}
    cases = {at.case for at in planned}
    losses = [(loss, at) for loss in lane.losses if (at := _answers_for(lane, loss, pair, suite))]
    if suite in given:
        text = ktap.settle(given[suite], suite, [(at.case, at.path) for at in planned])
        for v in ktap.verdicts(tree, [suite], ktap.merge({suite: text})):
            # A case that was left out on all paths has a line, but no verdict.
            if v.path or v.status != ktap.SKIP or v.case not in cases:
                found[v.case, v.path] = v
    elif not planned and not losses:
        found["", ""] = ktap.Verdict(
            suite, "", "", ktap.ERROR,
            (lane.not_run.get(pair) or lane.lost or "the guest gave no results",))
    for _, at in losses:
        after = found.get(("invariants", at.path))
        if after and after.status == ktap.FAIL:
            found["invariants", at.path] = ktap.Verdict(
                suite, "invariants", at.path, ktap.ERROR,
                (f"it looks at what the cases before it have judged, and {at.case} was lost",))
    for loss, at in losses:
        found[at.case, at.path] = ktap.Verdict(
            suite, at.case, at.path, ktap.ERROR,
            (loss.what, *loss.notes, *stacks.summary(loss.lines, rest)))
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


def _disabled(lane: LaneResult, checker: str) -> tuple[str, str]:
    """Status and reason of a checker that did not look to the end.

    A report of its own or one that taints the kernel, as KASAN's do, ends lockdep's
    work: that is to be mended first, and is a failure already.
    """
    first = _first(lane, checker, "kasan")
    if first is None:
        return ktap.ERROR, f"{lane.disabled[checker]}, but there is none"
    return ktap.SKIP, f"{lane.disabled[checker]}: {_where(first)}"


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
            elif why := lane.unasked.get((checker.name, pair), ""):
                status = ktap.SKIP
            elif checker.name in lane.disabled:
                status, why = _disabled(lane, checker.name)
            elif checker.limit and (first := _first(lane, checker.name)):
                status, why = ktap.SKIP, f"{checker.limit}: {_where(first)}"
            elif path not in ran:
                status, why = ktap.ERROR, "nothing ran to the end"
            elif checker.sees == "c" and path != REFERENCE:
                status, why = ktap.SKIP, (f"{checker.option} does not instrument Rust; "
                                          f"only what C does is looked at for {checker.looks_for}")
            found.append(ktap.Verdict(pair, checker.name, path, status, (why,) if why else ()))
    return found


def _error(mine: list[ktap.Verdict], suite: str, why: tuple[str, ...]) -> list[ktap.Verdict]:
    """Verdicts with an error of the suite as a whole, which has one row at most."""
    said = next((v.log for v in mine if (v.suite, v.case, v.path) == (suite, "", "")), ())
    return [*(v for v in mine if (v.suite, v.case, v.path) != (suite, "", "")),
            ktap.Verdict(suite, "", "", ktap.ERROR, (*said, *why))]


def _judge_pair(kernel: Kernel, lane: LaneResult, pair: str, result: PairResult) -> None:
    """Judge what one lane gave of a pair."""
    mine: list[ktap.Verdict] = []
    for suite in planned_suites(pair, lane.lane):
        mine += _judge(kernel.tree, lane, pair, suite)
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
        result.verdicts += _checkers(kernel, lane, pair, mine)


def _not_judged(lane: LaneResult, pair: str, err: Exception) -> list[ktap.Verdict]:
    """Verdicts of a pair that an exception has kept from being judged."""
    frame = traceback.extract_tb(err.__traceback__)[-1]
    why = (f"kparity could not judge it: {type(err).__name__}: {err}, in "
           f"{Path(frame.filename).name}:{frame.lineno}; this is a bug of kparity",)
    return [*(ktap.Verdict(at.suite, at.case, at.path, ktap.ERROR, ("not judged",))
              for at in dict.fromkeys(lane.planned.get(pair, []))),
            ktap.Verdict(lane.lane.suite(pair), "", "", ktap.ERROR, why)]


def gather(kernel: Kernel, tools: Toolchain, seed: int, pairs: tuple[str, ...],
           lanes: list[LaneResult]) -> ArchResult:
    """Judge what the lanes of one arch and variant gave."""
    found = {pair: PairResult() for pair in pairs}
    for lane in lanes:
        for pair in pairs:
            before = list(found[pair].verdicts)
            try:
                _judge_pair(kernel, lane, pair, found[pair])
            except Exception as err:  # pylint: disable=broad-except
                # Whatever it is, the other pairs keep their results.
                found[pair].verdicts = before + _not_judged(lane, pair, err)
    return ArchResult(kernel, tools, seed, lanes, found)


def planned_suites(pair: str, lane: Lane) -> list[str]:
    """The suites of a pair in a lane."""
    suites = [lane.suite(pair)]
    if lane.programs and (TOP / f"tests/user/{pair}.c").exists():
        suites.append(user_suite(pair))
    return suites
