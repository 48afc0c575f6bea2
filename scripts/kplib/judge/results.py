# SPDX-License-Identifier: GPL-2.0
"""Results of a run on one arch: what was found, and results.json.

scripts/results.schema.json describes each field of it, and Documentation/results.md how
to use them.
"""

from __future__ import annotations

import re
import traceback
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Callable

from kplib.boot import stacks, unwind
from kplib.boot.laneresult import LaneResult
from kplib.build.kernel import Kernel
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.configure.request import Request
from kplib.configure.lanes import REFERENCE, SIDES, USER_COSTS
from kplib.configure import cases
from kplib.configure import pairs as places, shards
from kplib.contract import rows
from kplib.contract.model import Budget, Contract
from kplib.judge import (budgets, fields, growth, ktap, orders, sizes, syscalls, timetable, timing,
                         verdicts)
from kplib.judge.budgets import Excess
from kplib.judge.growth import Table as Growths
from kplib.judge.sizes import Sizes
from kplib.judge.syscalls import Syscalls
from kplib.judge.tables import (ACCEPTED, MAKING, NOOP, Allocations, Cost, DamagedTable, Difference,
                                Distributions, Histories, Interruptions, Invariant, of_callers,
                                parse_allocations, parse_calls, parse_costs, parse_distributions,
                                parse_failures, parse_histories, parse_outcomes,
                                parse_interruptions, parse_invariants, parse_masked,
                                parse_first, parse_meanwhile, parse_stack)
from kplib.judge.unbuilt import Unbuilt

#: The version of scripts/results.schema.json. It goes up with each change of a field's
#: meaning; a field more is none.
SCHEMA = 5
#: Lines of the engine's failures that cannot be read, of which each is told.
DAMAGED_MAX = 4
#: Options that change what an operation costs: shown with every figure.
FACTS = ("CC_OPTIMIZE_FOR_PERFORMANCE", "RUST_OVERFLOW_CHECKS", "RUST_INLINE_HELPERS",
         "RUST_DEBUG_ASSERTIONS", "LTO_CLANG", "CPU_MITIGATIONS", "STACKPROTECTOR_STRONG",
         "FORTIFY_SOURCE", "HARDENED_USERCOPY", "LIST_HARDENED", "INIT_ON_ALLOC_DEFAULT_ON",
         "INIT_STACK_ALL_ZERO", "CFI", "PREEMPT", "SMP", "KASAN")
#: Those of one arch; the other has no word of them.
OF_ARCH = {"x86_64": ("MITIGATION_RETPOLINE", "MITIGATION_RETHUNK", "X86_KERNEL_IBT"),
           "arm64": ("ARM64_PTR_AUTH_KERNEL", "ARM64_BTI_KERNEL")}


def options(kernel: Kernel) -> dict[str, str]:
    """The options that change figures."""
    return {name: kernel.config.get(f"CONFIG_{name}", "n")
            for name in (*FACTS, *OF_ARCH.get(kernel.arch.name, ()))}


def _kernel(kernel: Kernel) -> dict[str, Any]:
    """Facts on a kernel for results.json."""
    return {"release": kernel.release, "config": options(kernel),
            "added": {one.name.removeprefix("CONFIG_"): {"value": one.value,
                                                         "pairs": list(one.pairs)}
                      for one in kernel.added}}


@dataclass
class PairResult:
    """All that one run says of a pair."""

    verdicts: list[ktap.Verdict] = field(default_factory=list)
    invariants: list[Invariant] = field(default_factory=list)
    costs: dict[str, dict[str, Cost]] = field(default_factory=dict)
    #: Costs by operation, outcome and path.
    outcomes: dict[str, dict[str, dict[str, Cost]]] = field(default_factory=dict)
    #: What other threads execute while operations wait; by operation, outcome and path.
    meanwhile: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    #: The first call of each outcome; by operation, outcome and path.
    first: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    distributions: Distributions = field(default_factory=dict)
    #: How costs grow with what an object holds, or with bytes.
    growth: Growths = field(default_factory=dict)
    #: Bytes of stack by operation, outcome and path.
    stack: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    #: Bytes of code.
    text: Sizes = field(default_factory=Sizes)
    #: The budgets that rows have, and the excess that needs each.
    budgets: dict[str, tuple[Budget, Excess | None]] = field(default_factory=dict)
    #: What is over its budget, the worst first; and by path the operations, with lines that tell.
    over: list[Excess] = field(default_factory=list)
    costly: dict[str, list[tuple[str, list[str]]]] = field(default_factory=dict)
    allocations: dict[str, dict[str, Allocations]] = field(default_factory=dict)
    interruptions: dict[str, Interruptions] = field(default_factory=dict)
    #: Instructions for which interrupts were off, by operation and path, the most at a time.
    masked: dict[str, dict[str, int]] = field(default_factory=dict)
    #: What case ordering has seen: see orders.table().
    orderings: dict[str, dict[str, dict[str, dict[str, str]]]] = field(default_factory=dict)
    #: What case ordering has found wrong, by path: the operation, and lines that tell.
    weaker: dict[str, list[tuple[str, list[str]]]] = field(default_factory=dict)
    #: Operations that programs have called, by path.
    calls: dict[str, int] = field(default_factory=dict)
    histories: dict[str, Histories] = field(default_factory=dict)
    #: What system calls on its nodes cost, where its program counts them.
    syscalls: Syscalls | None = None
    #: What lane time says of them.
    syscall_times: timetable.Times | None = None
    #: What lane time says of it.
    times: timetable.Times | None = None
    #: Why it does not build, where others do.
    unbuilt: Unbuilt | None = None
    #: By suite, case and path.
    differences: dict[tuple[str, str, str], list[Difference]] = field(default_factory=dict)


def _of_program(path: Path) -> str:
    return f"PROGRAM={path}"


@dataclass
class ArchResult:
    """A run on one arch. `replay` has the words of make run, but for PAIR, that run it again,
    and `of_program` those that run a program, in a file, on the same arch and variant."""

    kernel: Kernel
    tools: Toolchain
    seed: int
    lanes: list[LaneResult]
    pairs: dict[str, PairResult]
    replay: str = ""
    of_program: Callable[[Path], str] = _of_program
    #: The cases that alone have run; all without any.
    only: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """ "pass", "fail", or "error" if a guest was lost."""
        statuses = {v.status for pair in self.pairs.values() for v in pair.verdicts}
        if ktap.FAIL in statuses:
            return "fail"
        if ktap.ERROR in statuses or any(lane.lost or lane.losses for lane in self.lanes):
            return "error"
        return "pass" if statuses else "error"

    def to_json(self) -> dict[str, Any]:
        """Contents of results.json that come from the guests."""
        return {
            **empty(self.kernel.arch.name, self.kernel.variant.name, self.seed, self.replay,
                    self.verdict, only=self.only),
            "kernel": _kernel(self.kernel),
            "tools": self.tools.versions,
            "lanes": {
                lane.lane.name: {"accelerator": lane.lane.accel, "why": lane.lane.why,
                                 "qemu": self.tools.versions.get(self.kernel.arch.qemu, "?"),
                                 "cpu": self.kernel.arch.cpu[lane.lane.mode],
                                 "vulnerabilities": lane.flaws,
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
                    "outcomes": {op: {end: {path: asdict(cost) for path, cost in row.items()}
                                      for end, row in rows.items()}
                                 for op, rows in pair.outcomes.items()},
                    "meanwhile": pair.meanwhile,
                    "first": pair.first,
                    "distributions": pair.distributions,
                    "growth": {op: {end: {path: one.to_json() for path, one in row.items()}
                                    for end, row in rows.items()}
                               for op, rows in pair.growth.items()},
                    "stack": pair.stack,
                    "text": asdict(pair.text),
                    "budgets": {op: {**asdict(budget), "needed": need and asdict(need)}
                                for op, (budget, need) in pair.budgets.items()},
                    "allocations": {op: {path: asdict(one) for path, one in row.items()}
                                    for op, row in pair.allocations.items()},
                    "interruptions": {path: asdict(one)
                                      for path, one in pair.interruptions.items()},
                    "masked": pair.masked,
                    "orderings": pair.orderings,
                    "calls": pair.calls,
                    "histories": {path: asdict(one) for path, one in pair.histories.items()},
                    "syscalls": pair.syscalls and pair.syscalls.to_json(),
                    "syscall_times": pair.syscall_times and pair.syscall_times.to_json(),
                    "times": pair.times and pair.times.to_json(),
                } for name, pair in self.pairs.items()},
        }


def empty(arch: str, variant: str, seed: int, replay: str, verdict: str,
          why: str | None = None, only: tuple[str, ...] = ()) -> dict[str, Any]:
    """A results.json in which nothing has run; `why` says why not, `only` names CASE=."""
    return {"schema": SCHEMA, "arch": arch, "variant": variant, "seed": seed,
            "verdict": verdict, "why": why, "replay": replay, "only": list(only), "kernel": None,
            "tools": {},
            "failures": [], "lanes": {}, "pairs": {}, "shard": None, "merged": None}


def unbuilt(setup: Setup, replay: str, why: str, failure: dict[str, Any]) -> dict[str, Any]:
    """The results.json of modules that do not build."""
    kernel = setup.kernel
    return {**empty(kernel.arch.name, kernel.variant.name, setup.request.seed, replay, "fail", why,
                    setup.request.cases),
            "kernel": _kernel(kernel),
            "tools": setup.tools.versions, "failures": [failure]}


def logs(result: ArchResult) -> dict[str, str]:
    """All that each suite and user program said, by suite, as KTAP."""
    return {suite: text for lane in result.lanes for pair in result.pairs
            for suite, text in verdicts.given(lane, pair).items()}


def _error(mine: list[ktap.Verdict], suite: str, why: tuple[str, ...]) -> list[ktap.Verdict]:
    """Verdicts with an error of the suite as a whole, which has one row at most."""
    said = next((v.log for v in mine if (v.suite, v.case, v.path) == (suite, "", "")), ())
    return [*(v for v in mine if (v.suite, v.case, v.path) != (suite, "", "")),
            ktap.Verdict(suite, "", "", ktap.ERROR, (*said, *why))]


def _take_differences(text: str, mine: list[ktap.Verdict], suite: str,
                      result: PairResult) -> list[str]:
    """Keep the failures that the engine tells in fields, with the cases that they are of.

    Returns what is said of those that cannot be read, or that are of no case that failed.
    """
    found, damaged = parse_failures(text)
    failed = {(v.suite, v.case, v.path) for v in mine if v.status in (ktap.FAIL, ktap.ERROR)}
    for difference in found:
        at = suite, difference.case, difference.path
        if at in failed:
            result.differences.setdefault(at, []).append(difference)
        else:
            damaged.append(f"the failures have {difference.case} on {difference.path}, "
                           "which did not fail")
    more = len(damaged) - DAMAGED_MAX
    return damaged[:DAMAGED_MAX] + ([f"the failures, {more} lines more"] if more > 0 else [])


def _margin(asked: float | None, contract: Contract) -> float:
    """Within what share of an operation's own time two paths take the same: as it is asked for in
    percent, else what the contract says."""
    percent = asked or (contract.margin.percent if contract.margin else None)
    return percent / 100 if percent else timing.MARGIN


#: Where an interruption came, and the pair's call that led there, as the engine tells them.
_AT = re.compile(r"(?P<how>(?:interrupted|, called) at )"
                 r"(?P<where>\S+\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[\w+\])?)")


def _with_lines(setup: Setup, mine: list[ktap.Verdict],
                result: PairResult) -> list[ktap.Verdict]:
    """The same verdicts, with function and source line where an interruption came."""
    said = [line for v in mine for line in v.log]
    addresses = list(dict.fromkeys(at["where"] for line in said for at in _AT.finditer(line)))
    if not addresses:
        return mine
    found = stacks.decode(setup, [[f"pc : {one}"] for one in addresses])
    names = {one: lines[0].removeprefix("pc : ") for one, lines in zip(addresses, found)}

    def named(line: str) -> str:
        return _AT.sub(lambda at: at["how"] + names[at["where"]], line)

    for kind in result.differences.values():
        kind[:] = [replace(one, got=tuple(map(named, one.got))) for one in kind]
    return [replace(v, log=tuple(map(named, v.log))) for v in mine]


def _judge_orders(setup: Setup, lane: LaneResult, pair: str, mine: list[ktap.Verdict],
                  result: PairResult) -> list[ktap.Verdict]:
    """The verdicts of case ordering, once the paths are compared with one another."""
    answers = lane.answers[pair]
    files = places.files(pair, setup.request.pairs_dir)
    contract = rows.read(files.read(), pair)
    sides = fields.read(setup.tools, setup.modules, contract, files.contract.parent)

    def find(path: str, obj: int, handles: list[int], memory: dict[int, int]) -> fields.Map:
        return fields.Map(sides, path, obj, handles, memory)

    ends = orders.parse_ends(answers.figures)
    build = setup.kernel.build
    records = orders.parse(lane.record, pair, find, unwind.kernel_at(build),
                           unwind.helpers_at(build))
    passed = {v.path for v in mine if v.status == ktap.PASS}
    partial = {path: why for path in passed
               if (why := orders.incomplete(ends, records.get(path), path))}
    result.orderings = orders.table(ends, records)
    if not partial and REFERENCE in passed:
        known = sides.c_struct(sides.object) is not None
        if why := orders.nothing(contract, records, known):
            return [replace(v, status=ktap.SKIP, log=(why,)) if v.path in passed else v
                    for v in mine]
    judged = {path: orders.judge(contract, ends, records, path, sides.names)
              for path in passed - partial.keys()
              if REFERENCE in passed - partial.keys()}
    faults = {path: one.faults for path, one in judged.items()}
    result.invariants += [Invariant(d.id, ACCEPTED, {path: one.met.get(d.id, 0)
                                                     for path, one in judged.items()}, [])
                          for d in contract.diverges if d.of_orders]
    named = _places(setup, answers.modules, faults)
    result.weaker = {path: [(one.op, orders.tell(one, named)) for one in some]
                     for path, some in faults.items()}
    gaps = {path: orders.gaps(contract, ends, records, path) for path in judged}
    found = []
    for v in mine:
        if v.path in partial:
            v = replace(v, status=ktap.ERROR, log=(*v.log, partial[v.path]))
        elif v.path in passed and v.path not in faults:
            v = replace(v, status=ktap.ERROR, log=(*v.log, f"{REFERENCE} was not recorded, and "
                                                   "there is nothing to compare with"))
        elif result.weaker.get(v.path):
            v = replace(v, status=ktap.FAIL, log=(*v.log, *(
                line for _, lines in result.weaker[v.path] for line in lines), *gaps[v.path]))
        elif gaps.get(v.path):
            v = replace(v, status=ktap.ERROR, log=(*v.log, *gaps[v.path]))
        found.append(v)
    return found


def _ran_on_both(suite: str, mine: list[ktap.Verdict]) -> bool:
    """Whether a pair's program has passed on both nodes."""
    own = {v.case: [one for one in mine if (one.suite, one.case) == (suite, v.case)]
           for v in mine if v.suite == suite}
    return all(own.get(side) and all(one.status == ktap.PASS for one in own[side])
               for side in SIDES)


def _judge_times(lane: LaneResult, files: places.Pair, mine: list[ktap.Verdict],
                 passed: set[str], req: Request, result: PairResult) -> list[ktap.Verdict]:
    """The verdicts on what operations take, and on system calls, if the pair's program has timed
    them on both nodes."""
    boots, advisory = lane.series.get(files.name, []), lane.lane.accel != "kvm"
    margin = _margin(req.margin, rows.read(files.read(), files.name))

    def judged(tables: list[str], suite: str, paths: set[str]) -> timetable.Times:
        times = timetable.judge(tables, advisory, req.seed, margin)
        if bare := paths - {row.path for row in times.rows}:
            raise DamagedTable(f"the table of times has nothing of {', '.join(sorted(bare))}")
        found.extend(timetable.verdicts(suite, paths, times, lane.lane.why))
        return times

    found: list[ktap.Verdict] = []
    suite, nodes = lane.lane.user_suite(files.name), set(syscalls.NODES.values())
    ran = bool(boots) and _ran_on_both(suite, mine)
    if any(one.figures.startswith("clock 0\n") for one in boots):
        # In a boot before the last one, or behind the case, which says so itself.
        return [ktap.Verdict(name, timetable.CASE, path, ktap.SKIP, (
            "the CPU's counter is not fit to time with in each boot",))
            for name, paths in ((lane.lane.suite(files.name), passed),
                                (suite, nodes if ran else set())) for path in sorted(paths)]
    if passed:
        result.times = judged([one.figures for one in boots], lane.lane.suite(files.name), passed)
    if ran:
        try:
            result.syscall_times = judged([syscalls.times(one.figures, {
                side: text for side, (_, text) in one.programs.items()}) for one in boots],
                suite, nodes)
        except DamagedTable as err:
            found.append(ktap.Verdict(suite, timetable.CASE, "", ktap.ERROR, (
                f"system calls: {err}",)))
    return found


def _judge_syscalls(lane: LaneResult, files: places.Pair, mine: list[ktap.Verdict],
                    contract: Contract, result: PairResult) -> list[ktap.Verdict]:
    """The verdicts on what system calls cost, if the pair's program has counted them on both
    nodes; why it has not, its own verdicts in `mine` tell."""
    suite, program = lane.lane.user_suite(files.name), files.programs[USER_COSTS]
    if contract.syscalls and not program.exists():
        return [ktap.Verdict(suite, budgets.CASE, "", ktap.ERROR, (
            f"KP_SYSCALL names {', '.join(contract.syscalls)}, and {program.name}, which would "
            "count them, is not there",))]
    if not _ran_on_both(suite, mine):
        return []
    said = {side: text for side, (_, text) in lane.answers[files.name].programs.items()}
    calls = syscalls.parse(said)
    result.syscalls = Syscalls(calls, syscalls.used(contract.syscalls, calls))
    return syscalls.verdicts(suite, contract.syscalls, calls)


def _places(setup: Setup, modules: str,
            faults: dict[str, list[orders.Weaker]]) -> dict[int, str]:
    """Function and source line of each instruction that faults name."""
    wanted = {pc for some in faults.values() for one in some for pc in (*one.here, *one.there)}
    known = unwind.names(sorted(wanted), modules, setup) if wanted else {}
    decoded = stacks.decode(setup, [[f"pc : {name}"] for name in known.values()])
    return {pc: stacks.shortened(lines[0].removeprefix("pc : "))
            for pc, lines in zip(known, decoded)}


def _judge_pair(setup: Setup, lane: LaneResult, pair: str, result: PairResult) -> None:
    """Judge the results of one lane for a pair."""
    kernel = setup.kernel
    mine: list[ktap.Verdict] = []
    req = setup.request
    files = places.files(pair, req.pairs_dir)
    any_case = cases.in_suite(req.cases, files, lane.lane)
    mine += verdicts.of_suite(kernel.tree, lane, pair, lane.lane.suite(pair), any_case)
    passed = {v.path for v in mine if v.status == ktap.PASS}
    if cases.in_program(req.cases, files, lane.lane):
        mine += verdicts.of_suite(kernel.tree, lane, pair, lane.lane.user_suite(pair))
    damaged = [lane.damaged[pair]] if pair in lane.damaged else []
    figures = lane.answers[pair].figures if pair in lane.answers else ""
    if pair in lane.answers:
        damaged += _take_differences(lane.answers[pair].failures, mine, lane.lane.suite(pair),
                                     result)
    mine = _with_lines(setup, mine, result)
    try:
        if pair in lane.answers:
            for path, count in parse_calls(lane.answers[pair].calls).items():
                result.calls[path] = result.calls.get(path, 0) + count
        if lane.lane.figures == "interruptions":
            result.interruptions = parse_interruptions(figures)
            swept = result.interruptions
            if pair in lane.answers:
                result.masked = parse_masked(lane.answers[pair].more["masked"])
            if none := [p for p in sorted(passed) if p not in swept or not swept[p].scenes]:
                raise DamagedTable(f"the table of interruptions has nothing of {', '.join(none)}")
        elif lane.lane.figures == "orderings":
            if pair in lane.answers:
                mine = _judge_orders(setup, lane, pair, mine, result)
        elif lane.lane.figures == "histories":
            result.histories = parse_histories(figures) if any_case else {}
            if none := [p for p in sorted(passed) if p not in result.histories
                        or not result.histories[p].tried]:
                raise DamagedTable(f"the table of histories has nothing of {', '.join(none)}")
        elif lane.lane.figures == "times":
            mine += _judge_times(lane, files, mine, passed, req, result)
        elif lane.lane.figures == "cost":
            alone = lane.answers[pair].more["alone"] if pair in lane.answers else ""
            result.meanwhile = parse_meanwhile(figures, alone)
            figures = of_callers(figures, alone)
            result.costs, result.outcomes = parse_costs(figures), parse_outcomes(figures)
            result.distributions = parse_distributions(figures)
            if bare := passed - set(result.costs.get(NOOP, {})):
                raise DamagedTable(f"the table of costs has nothing of {', '.join(sorted(bare))}")
            contract = rows.read(files.read(), pair)
            known = budgets.of_contract(contract, result.meanwhile)
            if pair in lane.answers and any_case:
                result.first = parse_first(lane.answers[pair].more["first"], figures)
                result.growth = growth.parse(lane.answers[pair].more["growth"], result.costs,
                                             contract.holds.unit if contract.holds else "")
                stack = parse_stack(lane.answers[pair].more["depth"])
                result.stack = {op: stack[op] for op in result.costs if op in stack}
                result.text = sizes.read(setup.tools, setup.modules, pair,
                                         (op for op in result.costs if op not in (NOOP, *MAKING)))
            result.budgets = budgets.used(contract, result.outcomes, result.meanwhile)
            result.over = budgets.over(known, result.outcomes)
            mine += budgets.verdicts(lane.lane.suite(pair), passed, known, result.outcomes)
            mine += _judge_syscalls(lane, files, mine, contract, result)
        else:
            result.invariants = parse_invariants(figures)
            if pair in lane.answers:
                result.allocations = parse_allocations(lane.answers[pair].allocations)
    except DamagedTable as err:
        damaged.append(str(err))
    if damaged:
        mine = _error(mine, lane.lane.suite(pair),
                      tuple(f"the guest's output cannot be read: {why}" for why in damaged))
    result.verdicts += mine
    result.verdicts += verdicts.of_checkers(kernel, lane, pair, mine, any_case)


def _not_judged(lane: LaneResult, pair: str, err: Exception) -> list[ktap.Verdict]:
    """Verdicts of a pair that an exception has kept from being judged."""
    frame = traceback.extract_tb(err.__traceback__)[-1]
    why = (f"kparity could not judge it: {type(err).__name__}: {err}, in "
           f"{Path(frame.filename).name}:{frame.lineno}; this is a bug of kparity",)
    return [*(ktap.Verdict(at.suite, at.case, at.path, ktap.ERROR, ("not judged",))
              for at in dict.fromkeys(lane.planned.get(pair, []))),
            ktap.Verdict(lane.lane.suite(pair), "", "", ktap.ERROR, why)]


def gather(setup: Setup, pairs: tuple[str, ...], lanes: list[LaneResult]) -> ArchResult:
    """Judge the results of the lanes of one arch and variant for some pairs."""
    found = {pair: PairResult() for pair in pairs}
    for lane in lanes:
        for pair in pairs:
            if not shards.in_lane(setup.request, setup.kernel.arch.name,
                                  setup.kernel.variant.name, lane.lane.name, [pair]):
                continue
            before = list(found[pair].verdicts)
            try:
                _judge_pair(setup, lane, pair, found[pair])
            except Exception as err:  # pylint: disable=broad-except
                # Whatever it is, the other pairs keep their results.
                found[pair].verdicts = before + _not_judged(lane, pair, err)
    return ArchResult(setup.kernel, setup.tools, setup.request.seed, lanes, found,
                      only=setup.request.cases)
