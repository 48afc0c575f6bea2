# SPDX-License-Identifier: GPL-2.0
"""make explain: what the cost of one operation is made of."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Sequence

from kplib.boot import lanes
from kplib.boot.laneresult import Answers, LaneResult
from kplib.build import kernel, modules
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.common import cache, ui
from kplib.common.errors import BROKEN, FAILED, OK, EnvironmentFailed, Failed, Refused
from kplib.configure import pairs
from kplib.configure.lanes import INSN
from kplib.configure.request import TOP, Request, replay
from kplib.contract import rows
from kplib.contract.model import Contract
from kplib.judge import counts, explain, kinds, ktap, places, verdicts
from kplib.judge.counts import Counted, Place
from kplib.judge.explain import Explained
from kplib.judge.tables import (NOOP, Cost, DamagedTable, parse_costs, parse_meanwhile,
                                parse_outcomes)
from kplib.report import explained
from kplib.report.page.cost import gather

#: Lane insn with the plugin that records what is executed.
LANE = replace(INSN, plugin="counts", program="")
#: In place of an operation's name: each that the program of lane insn calls.
ALL = "all"


def check_counted(req: Request, lane: str, programs: str) -> None:
    """Refuse what is not counted; `lane` and `programs` say what a verb has to do with these."""
    variant = req.variants[0]
    if req.accel == "kvm":
        raise Refused("ACCEL=kvm: instructions are counted by an emulated CPU; leave ACCEL out")
    if INSN.name not in variant.lanes:
        raise Refused(f"VARIANT={variant.name}: it has no lane insn, as its figures would "
                      "mislead; leave VARIANT out")
    if INSN.name not in req.lanes:
        raise Refused(f"LANE={req.lanes[0]}: {lane}; leave LANE out")
    for name, given in (("PROGRAM", req.program), ("KEEP", req.keep)):
        if given:
            raise Refused(f"{name}: {programs}; leave it out")


def check(req: Request) -> None:
    """Refuse what cannot be explained."""
    if len(req.pairs) != 1:
        raise Refused("make explain is for one pair; give PAIR=x")
    pair, known = req.pairs[0], operations(req)
    if not req.op:
        raise Refused(f"make explain wants an operation; give OP= one of {', '.join(known)}, or "
                      f"OP={ALL}")
    if req.op not in (*known, ALL):
        raise Refused(f"OP={ui.clean(req.op)}: {pair} has no such operation; there are "
                      f"{', '.join(known)}")
    if req.outcome and req.op in (NOOP, ALL):
        raise Refused(f"OUTCOME={req.outcome}: for one operation that has outcomes; with "
                      f"OP={req.op} leave it out")
    check_counted(req, "make explain runs lane insn",
                  "make explain counts the program of lane insn")


def operations(req: Request) -> list[str]:
    """The names of what lane insn counts of a pair, and of the no-op that calibrates its driver."""
    return [*contract(req).costed, NOOP]


def contract(req: Request) -> Contract:
    """The pair's contract."""
    pair = pairs.files(req.pairs[0], req.pairs_dir)
    return rows.read(pair.read(), pair.name)


def run(req: Request, tools: Toolchain) -> int:
    """Run lane insn with the plugin, tell, and keep it for the page of costs."""
    setup = Setup(req, tools, kernel.get(req, tools, req.archs[0], req.variants[0]))
    with cache.locked(setup.results):
        built = lanes.ready(modules.build(setup))
        ktap.load(setup.kernel.tree)
        with ui.step(f"counting {req.pairs[0]} on {setup.kernel.name}"):
            result = lanes.run(setup, LANE, built, setup.results / explained.FOLDER)
        with ui.step("reading the code"):
            found = read(setup, result, asked(req))
        for one in found:
            # All outcomes are kept, whichever is asked for.
            keep(setup, one)
        found = [with_outcome(one, req.outcome) for one in found]
        gather.renew(req, (setup.kernel.arch.name, setup.kernel.variant.name))
    look = functools.partial(source, setup)
    if req.machine_readable:
        said = {one.op: _told(setup, one) for one in found}
        print(json.dumps(said if req.op == ALL else said[found[0].op], indent=1), flush=True)
    else:
        print("\n\n".join([head(setup), *(
            explained.text(one, req.pairs[0], look, req.verbose) for one in found)]), flush=True)
    return _status(setup, result, found)


def asked(req: Request) -> tuple[str, ...]:
    """The operation that is asked for; none where each is."""
    # A pair may have an operation of that name.
    return () if not req.op or req.op == ALL and ALL not in operations(req) else (req.op,)


def with_outcome(found: Explained, end: str | None) -> Explained:
    """What is found of an operation, or of its calls with the outcome that is asked for."""
    if end is None:
        return found
    if end not in found.outcomes:
        raise Refused(f"OUTCOME={end}: no call of {found.op} that lane insn counts comes to that; "
                      f"there are {', '.join(found.outcomes)}")
    return found.outcomes[end]


def _told(setup: Setup, found: Explained) -> dict[str, Any]:
    """What is found of an operation, for a program."""
    return explained.to_json(found, functools.partial(source, setup),
                             pair=setup.request.pairs[0], arch=setup.kernel.arch.name,
                             variant=setup.kernel.variant.name, seed=setup.request.seed)


def keep(setup: Setup, found: Explained) -> None:
    """Keep what is found of an operation beside the results."""
    cache.write(explained.path_of(setup.results, setup.request.pairs[0], found.op),
                json.dumps(_told(setup, found)) + "\n")


def head(setup: Setup) -> str:
    """What figures are of, in a line."""
    versions, target = setup.tools.versions, setup.kernel
    return (f"{target.arch.name} {target.variant.name}, linux {target.release}, clang "
            f"{versions.get('clang', '?')}, rustc {versions.get('rustc', '?')}, seed "
            f"{setup.request.seed}")


def _status(setup: Setup, result: LaneResult, found: list[Explained]) -> int:
    """The exit status, and a line for each path that is not told of."""
    pair, broken = setup.request.pairs[0], OK
    for one in verdicts.of_suite(setup.kernel.tree, result, pair, LANE.suite(pair), True):
        if one.status == ktap.PASS and (
                not one.path or all(one.path in some.calls for some in found)):
            continue
        broken = FAILED if one.status == ktap.FAIL else broken or BROKEN
        said = f": {one.log[0].strip()}" if one.log else ""
        ui.note(f"kparity: {pair} {one.case} {one.path}: {one.status}{said}; make run "
                f"PAIR={pair} {_again(setup)} tells all of it")
    return broken


def _again(setup: Setup) -> str:
    """The words of make run, but for PAIR, that run the same."""
    return replay(replace(setup.request, lanes=(INSN.name,)), setup.kernel.arch,
                  setup.kernel.variant)


def _answers(result: LaneResult, pair: str) -> Answers:
    """What the guest gave, or why it did not."""
    if result.lost or pair not in result.answers:
        raise EnvironmentFailed(result.lost or result.not_run.get(pair) or
                                f"{pair} gave no results; see its console")
    return result.answers[pair]


def read(setup: Setup, result: LaneResult, ops: Sequence[str] = ()) -> list[Explained]:
    """What the guest's figures of operations are made of; without any, of each that was called."""
    pair = setup.request.pairs[0]
    answers = _answers(result, pair)
    try:
        costs = parse_costs(answers.figures)
        counted = counts.parse(result.record, pair)
    except DamagedTable as err:
        raise EnvironmentFailed(str(err)) from err
    if not costs:
        raise Failed(f"{pair} fails in lane insn on every path; make run PAIR={pair} "
                     f"{_again(setup)} tells why")
    for op in ops:
        if op not in costs:
            raise Refused(f"OP={op}: the program of lane insn does not call it; it calls "
                          f"{', '.join(costs)}")
    ops = ops or [op for op in costs if op != NOOP]
    known = places.read(setup, answers.modules, explain.places_of(
        one.sums[op] for one in counted.values() for op in ops if op in one.sums))
    names = {f.name for f in contract(setup.request).costed.values()}
    exported = [code.file for code in known.values()
                if code.image == places.KERNEL and code.function in names]
    checks = _checks(setup, answers.modules, counted, ops)
    rank = explain.ranks(pair, [*own(setup), *exported])
    waits = parse_meanwhile(answers.figures, answers.more["alone"])
    ends = parse_outcomes(answers.figures)

    def of_outcome(op: str, end: str, row: dict[str, Cost]) -> Explained:
        return explain.explain(op, {**costs, op: row}, {
            path: one.of_outcome(op, end) for path, one in counted.items()}, known, checks, rank)

    return [explain.with_outcomes(
        replace(explain.explain(op, costs, counted, known, checks, rank), waits=op in waits),
        ends.get(op, {}), functools.partial(of_outcome, op)) for op in ops]


def _checks(setup: Setup, loaded: str, counted: dict[str, Counted],
            ops: Sequence[str]) -> dict[Place, bool]:
    """The instructions of the pair's module that jump to a panic, or past one."""
    name = f"kparity_{setup.request.pairs[0]}"
    base = places.base_of(loaded, name)
    jumps = kinds.checks(kinds.code_of(setup.tools, setup.modules / f"{name}.ko"))
    return {place: place.pc - base in jumps for one in counted.values() for op in ops
            if op in one.sums for place in one.sums[op].ran if place.pc >= base}


def own(setup: Setup) -> list[str]:
    """The pair's files, as they are named in its code: its port, its C files and its contract."""
    pair, folders = pairs.files(setup.request.pairs[0], setup.request.pairs_dir), \
        places.shorter(setup)
    return [places.shortened(str(path), folders)
            for path in (pair.port, pair.contract, *pair.sources(setup.kernel.tree))]


@functools.lru_cache(maxsize=None)
def _lines(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(errors="replace").splitlines())
    except OSError:
        return ()


def file_lines(setup: Setup, file: str) -> tuple[str, ...]:
    """The lines of a file, as the compilers name it; none if it is not there."""
    for folder in (setup.modules, TOP, setup.kernel.tree, setup.kernel.build):
        if lines := _lines(folder / file):
            return lines
    return ()


def source(setup: Setup, file: str, line: int) -> str:
    """The text of a line of a file."""
    lines = file_lines(setup, file)
    return ui.clean(lines[line - 1].strip()) if 0 < line <= len(lines) else ""
