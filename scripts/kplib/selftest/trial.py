# SPDX-License-Identifier: GPL-2.0
"""One mechanical mutant: built in a copy of the project, and run until something sees it.

As with a planted bug, the copy and its modules are mounted over the checkout and the folder
for results, seen by this job alone. Lanes run one after the other, the quickest first, and a
guest ends at the first case that fails.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

from kplib.boot import accel, lanes
from kplib.boot.guest import Guest
from kplib.boot.laneresult import LaneResult
from kplib.build import modules
from kplib.build.setup import Setup
from kplib.common.errors import EnvironmentFailed, Failed
from kplib.configure.lanes import LANES, PATHS, USUAL, user_kind
from kplib.configure.request import TOP
from kplib.judge import ktap, results
from kplib.mutate import candidate, find, objcode
from kplib.mutate.candidate import Candidate
from kplib.mutate.record import EQUIVALENT, KILLED, SURVIVED, UNCOMPILED, Record
from kplib.selftest import processes

#: The variants that look for a mutant, in turn: the first is told of all, the others of survivors.
VARIANTS = ("base", "fault", "debug")
#: Words of a lost guest's reason that is no doing of what ran in it.
OUTSIDE = ("got no CPU", "from outside", "told to kill", "QEMU failed")
#: DEPTH of lane irq: 5 s of interruptions on a quiet machine.
DEPTH = "long"


class FirstFailure:
    """Ends a guest at the first failure (boot.lanes.Keeper)."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def failures(self, so_far: LaneResult, pairs: tuple[str, ...]) -> list[str]:
        """Failed cases of pairs that have run."""
        found = results.gather(self._setup, pairs, [so_far]).pairs
        return [verdict.case for result in found.values() for verdict in result.verdicts
                if verdict.status in (ktap.FAIL, ktap.ERROR)]

    def hold(self, vm: Guest, why: list[str], healthy: bool) -> None:
        """Let it end."""
        del vm, why, healthy


def _only(pair: str, others: tuple[str, ...]) -> list[str]:
    """Names in a build folder that belong to other pairs, as patterns."""
    return [pattern for name in others if name != pair
            for pattern in (name, f"{name}_*", f".{name}_*", f"kparity_{name}.*",
                            f".kparity_{name}.*")]


def place(setup: Setup, copy: Path, seeds: dict[str, Path], folder: Path, pair: str,
          others: tuple[str, ...]) -> None:
    """Mount a copy of the project and of its modules over the checkout and the results."""
    if os.geteuid() != 0:
        processes.own_mounts()
    mine, out = folder / "project", folder / "out"
    shutil.copytree(copy, mine, symlinks=True)
    for variant, seed in seeds.items():
        shutil.copytree(seed, out / setup.kernel.arch.name / variant / "build", symlinks=True,
                        ignore=shutil.ignore_patterns(*_only(pair, others)))
    place_ = setup.request.out
    if place_.is_relative_to(TOP):
        (mine / place_.relative_to(TOP)).mkdir(parents=True, exist_ok=True)
    processes.bind(mine, TOP)
    processes.bind(out, place_)
    os.chdir(TOP)


def _object(one: Candidate) -> str:
    return find.c_object(one.pair) if one.language == "c" else find.rust_object(one.pair)


def same_code(setup: Setup, one: Candidate, original: bytes, seed: Path) -> bool:
    """Whether a mutant that was built has the object code of what it was made from.

    Rust's has places in it, as line and column. If they alone may be what differs, the
    file is built once more, with spaces where the mutant is longer.
    """
    path = setup.modules / _object(one)
    now, before = objcode.read(path), objcode.read(seed / _object(one))
    if now == before:
        return True
    control = candidate.apply(original, one.edits, control=True)
    if objcode.code(now) != objcode.code(before) or control == original:
        return False
    file = TOP / one.file
    mutated = file.read_bytes()
    file.write_bytes(control)
    modules.build(setup)
    same = objcode.read(path) == now
    file.write_bytes(mutated)
    modules.build(setup)
    return same


def _first(result: LaneResult, verdicts: list[ktap.Verdict]) -> ktap.Verdict | None:
    """The verdict that says that something is wrong: a lost guest's case before all others."""
    bad = [v for v in verdicts if v.status in (ktap.FAIL, ktap.ERROR)]
    lost = {(loss.at.suite, loss.at.case, loss.at.path) for loss in result.losses}
    # One that only sums up, and one that did not run, say less than a case that failed.
    return next((v for v in bad if (v.suite, v.case, v.path) in lost and v.case), None) or next(
        (v for v in bad if v.status == ktap.FAIL), None) or (bad[0] if bad else None)


def seen(result: LaneResult, verdicts: list[ktap.Verdict]) -> ktap.Verdict | None:
    """The verdict that shows a mutant: a case that failed, or one that a guest was lost in.

    Whatever else is wrong shows that nothing is known of it, and raises an error: a guest that was
    lost by something outside it, or before any module was loaded; results that are missing, or
    that kparity could not judge.
    """
    for loss in result.losses:
        if any(words in loss.what for words in OUTSIDE) or "another guest was booted" in loss.notes:
            raise EnvironmentFailed(loss.what)
    if result.lost and not result.losses:
        raise EnvironmentFailed(result.lost)
    bad = _first(result, verdicts)
    if bad is None and result.losses:
        bad = ktap.Verdict("", "guest", "", ktap.ERROR,
                           tuple(loss.what for loss in result.losses))
    if bad is not None and bad.status != ktap.FAIL and not result.losses:
        name = " ".join(filter(None, (bad.suite, bad.case, bad.path)))
        raise EnvironmentFailed(f"{name}: {bad.log[0] if bad.log else 'an error without a reason'}")
    return bad


def look(setup: Setup, lane: str) -> tuple[LaneResult, ktap.Verdict | None]:
    """Run one lane until something fails; the verdict that does."""
    built = lanes.ready(modules.build(setup))
    setup.results.mkdir(parents=True, exist_ok=True)
    result = lanes.run(setup, accel.choose(setup, LANES[lane]), built, setup.results,
                       keeper=FirstFailure(setup))
    found = results.gather(setup, setup.request.pairs, [result])
    return result, seen(result, [v for pair in found.pairs.values() for v in pair.verdicts])


def run(setups: dict[str, Setup], one: Candidate, seeds: dict[str, Path]) -> Record:
    """What becomes of a mutant in some variants, in their order.

    `setups` are of its pair alone, by variant, as are `seeds`. Without the first of VARIANTS
    it is one that has survived there.
    """
    begun = time.monotonic()
    file = TOP / one.file
    original = file.read_bytes()
    file.write_bytes(candidate.apply(original, one.edits))
    base = setups.get(VARIANTS[0])

    def took() -> float:
        return round(time.monotonic() - begun, 2)

    if base is not None:
        try:
            modules.build(base)
        except Failed as err:
            return Record(UNCOMPILED, seconds=took(), why=str(err))
        if same_code(base, one, original, seeds[VARIANTS[0]]):
            return Record(EQUIVALENT, seconds=took())
    kill = 0.0
    for variant, setup in setups.items():
        modules.build(setup)
        for lane in setup.request.lanes:
            start = time.monotonic()
            result, bad = look(setup, lane)
            kill += time.monotonic() - start
            if bad is not None:
                # A pair's user program has its sides for cases.
                case = user_kind(one.pair, bad.suite) or bad.case or "suite"
                return Record(KILLED, case, bad.path if bad.path in PATHS else "",
                              variant, lane, bool(result.losses), round(kill, 2), took(),
                              bad.log[0] if bad.log else "", looked=tuple(setups))
    return Record(SURVIVED, kill=round(kill, 2), seconds=took(), looked=tuple(setups))


def setups_of(setups: dict[str, Setup], pair: str) -> dict[str, Setup]:
    """The same set-ups for one pair alone, with what a mutant is run with."""
    found = {}
    for name, setup in setups.items():
        variant = setup.kernel.variant
        found[name] = replace(setup, request=replace(
            setup.request, pairs=(pair,), archs=(setup.kernel.arch,), variants=(variant,),
            lanes=tuple(lane for lane in variant.lanes
                        if lane in USUAL and setup.kernel.arch.has(LANES[lane])),
            depth=DEPTH, cases=(), program=None, keep=False, seed=1))
    return found
