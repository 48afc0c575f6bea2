# SPDX-License-Identifier: GPL-2.0
"""One lane of an arch and variant with one seed: its guests, and what did not pass."""

from __future__ import annotations

import functools
import shutil
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from kplib import matrix
from kplib.boot import accel, lanes
from kplib.boot.laneresult import LaneResult
from kplib.build import kernel, modules
from kplib.build.modules import Modules, in_guest
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.common import cache
from kplib.common.errors import EnvironmentFailed
from kplib.configure import cases, pairs, request
from kplib.configure.archs import Arch
from kplib.configure.lanes import LANES
from kplib.configure.request import Request
from kplib.configure.variants import Variant
from kplib.judge import failures, fields, ktap, results
from kplib.judge.ledger import Ledger
from kplib.judge.results import ArchResult, PairResult
from kplib.soak.kinds import Found
from kplib.soak.work import Item, Target


@dataclass(frozen=True)
class Cell:
    """An arch and variant, ready to run: its kernel, its modules and their records."""

    setup: Setup
    built: Modules
    book: Ledger

    @staticmethod
    def ready(setup: Setup, built: Modules) -> Cell:
        """The cell of modules that have been built."""
        ktap.load(setup.kernel.tree)
        req = setup.request
        return Cell(setup, built, matrix.ledger_of(
            built, {pair: PairResult() for pair in req.pairs}, req.pairs_dir))

    def of(self, item: Item) -> Setup:
        """The set-up for one piece of work."""
        req, lane = self.setup.request, item.target.lane
        return replace(self.setup, request=replace(
            req, seed=item.seed, lanes=(lane,), pairs=_pairs(req, lane)))


def _pairs(req: Request, lane: str) -> tuple[str, ...]:
    """The pairs that have a case in a lane."""
    return tuple(name for name in req.pairs if cases.any_of(
        req.cases, pairs.files(name, req.pairs_dir), [LANES[lane]]))


def _in(req: Request, arch: Arch, variant: Variant) -> Request:
    """A request for one arch and variant."""
    return replace(req, archs=(arch,), variants=(variant,),
                   cases=cases.in_variant(req.cases, variant))


def pairs_in(req: Request, target: Target) -> tuple[str, ...]:
    """The pairs that run in a target."""
    kind = next(one for one in req.variants if one.name == target.variant)
    arch = next(one for one in req.archs if one.name == target.arch)
    return _pairs(_in(req, arch, kind), target.lane)


def targets(req: Request, cells: list[tuple[Arch, Variant]]) -> list[Target]:
    """Every lane of these arches and variants in which something is to run.

    The same lane of all cells comes before the next lane: one guest of each kind is tried soon.
    """
    return [Target(arch.name, variant.name, lane) for lane in req.lanes for arch, variant in cells
            if lane in variant.lanes and arch.has(LANES[lane])
            and _pairs(_in(req, arch, variant), lane)]


def prepare(req: Request, tools: Toolchain, arch: Arch, variant: Variant,
            own: Path | None = None) -> Cell:
    """Build what is missing for an arch and variant.

    With `own` the modules are copied to that folder: those of a checkout that is worked in
    meanwhile are built anew.
    """
    req = _in(req, arch, variant)
    setup = Setup(req, tools, kernel.get(req, tools, arch, variant))
    # Not under a run whose guests are still to load what is there.
    with cache.locked(setup.results):
        built = modules.build(setup)
        if own is not None:
            setup = replace(setup, request=replace(req, out=own))
            built = _copied(built, setup.modules)
    return Cell.ready(setup, built)


def _copied(built: Modules, folder: Path) -> Modules:
    """The same modules in another folder, with the objects that lane order reads types from."""
    at = built.engine.parent
    copies = {module: folder / module.name for module in built.files()}
    copies |= {in_guest(module): in_guest(copy) for module, copy in copies.items()}
    programs = {suite: folder / "user" / path.name for suite, path in built.programs.items()}
    copies |= {path: programs[suite] for suite, path in built.programs.items()}
    for pair in built.pairs:
        of_c, crate = fields.objects(at, pair)
        copies |= {path: folder / path.relative_to(at) for path in (*of_c, crate)}
    try:
        for path, copy in copies.items():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    except OSError as err:
        raise EnvironmentFailed(f"cannot copy {err.filename}: {err.strerror}") from err
    return Modules(copies[built.engine],
                   {pair: copies[path] for pair, path in built.pairs.items()}, programs)


def run(cell: Cell, item: Item, folder: Path,
        cancelled: threading.Event | None = None) -> LaneResult:
    """Run one piece of work in guests whose consoles are in a folder; from a thread of its own."""
    setup = cell.of(item)
    folder.mkdir(parents=True, exist_ok=True)
    lane = accel.choose(setup, LANES[item.target.lane])
    return lanes.run(setup, lane, lanes.ready(cell.built), folder, cancelled)


@dataclass(frozen=True)
class Judged:
    """The results of one piece of work, and all that did not pass."""

    result: ArchResult
    found: tuple[Found, ...]

    @property
    def calls(self) -> int:
        """Operations that programs have called."""
        return sum(sum(pair.calls.values()) for pair in self.result.pairs.values())

    @property
    def interruptions(self) -> int:
        """Interruptions that were tried."""
        return sum(one.tried for pair in self.result.pairs.values()
                   for one in pair.interruptions.values())

    def count(self, status: str) -> int:
        """Cases with a status, on all paths."""
        return sum(v.status == status for pair in self.result.pairs.values()
                   for v in pair.verdicts)


def judge(cell: Cell, item: Item, lane: LaneResult, programs: Path) -> Judged:
    """Judge what the guests gave. `programs` is the folder for programs that failed."""
    setup = cell.of(item)
    req, arch, variant = setup.request, setup.kernel.arch, setup.kernel.variant
    result = results.gather(setup, req.pairs, [lane])
    result.replay = request.replay(req, arch, variant)
    result.of_program = functools.partial(matrix.replay_of, req, arch, variant)
    checkers = {checker.name for checker in variant.checkers}
    found = []
    for name, pair in result.pairs.items():
        teller = failures.Teller(name, result, cell.book, req.pairs_dir, programs)
        # A checker's row that failed tells once more of reports that cases have told of.
        found += [Found(name, v.suite, v.case, v.path, v.status, failure) for v in pair.verdicts
                  if (v.status, v.case in checkers) != (ktap.FAIL, True)
                  for failure in teller.tell(v)]
    found += [Found("", "", "", "", ktap.ERROR, failure)
              for failure in failures.of_lane(result, lane)]
    return Judged(result, tuple(found))
