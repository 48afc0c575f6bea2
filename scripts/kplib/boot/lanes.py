# SPDX-License-Identifier: GPL-2.0
"""Running the suites of a lane, in as many guests as it takes.

A case that takes its guest with it is recorded as an error, and a fresh guest
runs what is left: the same suite without that case on that path, then the
others. So every planned case ends with exactly one verdict, whatever the code
under test does, and however often it does it.
"""

from __future__ import annotations

import contextlib
import functools
import random
import secrets
import tempfile
import threading
import time
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from pathlib import Path
from typing import Callable, Protocol

from kplib.boot import agenda, guest, programs, qemu, reduce, stacks, unwind
from kplib.boot.agenda import Agenda
from kplib.boot.console import CHECKERS, FATAL, Position, Report
from kplib.boot.laneresult import CaseId, LaneResult
from kplib.boot.session import Session
from kplib.build.modules import Modules
from kplib.build.setup import Setup
from kplib.common.errors import EnvironmentFailed, GuestLost
from kplib.configure.lanes import PATHS, Lane


#: Cases whose programs PROGRAM= runs in the same way, and how many losses are made small.
REPLAYED, REDUCED_MAX = ("lockstep", "regress", "fault", "history", "interrupt"), 3


class Keeper(Protocol):
    """KEEP=1: whoever wants a guest that has failed to stay up."""

    def failures(self, so_far: LaneResult, pairs: tuple[str, ...]) -> list[str]:
        """Failed cases of pairs that have run, a line each."""

    def hold(self, vm: guest.Guest, why: list[str], healthy: bool) -> None:
        """Leave a guest up, and return once it is no longer wanted."""


class _Run:
    """One lane's run, over all its guests."""

    def __init__(self, setup: Setup, lane: Lane, built: Future[Modules], path: Path,
                 cancelled: threading.Event | None, keeper: Keeper | None,
                 number: int = 0) -> None:
        self.result = LaneResult(lane, number=number)
        self._setup, self._built, self._path = setup, built, path
        self._cancelled, self._keeper = cancelled, keeper
        looks = any(c.option == "KASAN" for c in setup.kernel.variant.checkers)
        self._agenda = Agenda(setup.request.pairs, self.result, "" if looks else agenda.ADVICE)
        self._booted = False
        self._token = secrets.token_hex(4)
        #: Seconds for which a guest waited for the modules.
        self.waited = 0.0

    def all(self) -> None:
        """Boot guests until nothing is left to do."""
        while works := self._agenda.next():
            self.result.booted()
            self._one(works)
            if self._keeper is not None:
                break
        self._agenda.settle()
        self.result.ended()
        if self._keeper is None and not self.result.lane.case and not self.result.lost:
            self._reduce()

    def _reduce(self) -> None:
        """Make the programs small that took guests with them, the first few."""
        found = [loss for loss in self.result.losses
                 if loss.program and loss.at.case in REPLAYED and not loss.suspects]
        # Losses are told even where their programs cannot be reduced.
        with contextlib.suppress(EnvironmentFailed):
            for loss in found[:REDUCED_MAX]:
                loss.reduced = reduce.reduce(
                    loss.program, functools.partial(self._loses, loss.at))

    def _loses(self, at: CaseId, program: tuple[str, ...]) -> bool:
        """Whether a guest that runs a program on a case's path, and nothing else, is lost."""
        pair = programs.called(program[0])
        others = [Position(pair, "regress", path) for path in PATHS if path != at.path]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "program"
            path.write_text("\n".join(program) + "\n", encoding="utf-8")
            request = replace(self._setup.request, pairs=(pair,), program=path,
                              cases=())
            setup = replace(self._setup, request=request)
            vm: guest.Guest | None = None
            try:
                with qemu.boot(setup, self.result.lane, self._path, self._token,
                               cancelled=self._cancelled) as vm:
                    Session(vm, setup, LaneResult(self.result.lane), self._built.result(),
                            self._token, [agenda.Work(pair, others)]).run()
            except GuestLost as err:
                # Lost anywhere else, it says nothing of the program.
                return not err.external and vm is not None and \
                    vm.console.position == Position(pair, "regress", at.path)
        return False

    def _one(self, works: list[agenda.Work]) -> None:
        """Run works in one guest."""
        vm: guest.Guest | None = None
        session: Session | None = None
        try:
            with qemu.boot(self._setup, self.result.lane, self._path, self._token,
                           read_only=self._keeper is None, cancelled=self._cancelled) as vm:
                self._booted = True
                if not self._built.done():
                    since = time.monotonic()
                    with qemu.standing_still(vm, self.result.lane):
                        while not self._built.done():
                            vm.idle(60, self._built.done)
                    self.waited += time.monotonic() - since
                session = Session(vm, self._setup, self.result, self._built.result(),
                                  self._token, works)
                if self._keeper is None:
                    session.run()
                else:
                    self._run_kept(session, self._keeper)
        except GuestLost as err:
            if vm is None:
                # Where none has booted yet, the next would not either.
                self._agenda.lose_boot(
                    err, again=self._keeper is None and (err.external or self._booted))
                return
            self._lose(vm, session, err)
        else:
            self._close(vm, session, [vm.console.blamed(r) for r in vm.console.reports])

    def _close(self, vm: guest.Guest, session: Session | None,
               reports: list[Report[Position]]) -> None:
        """Keep the complaints of a guest that is gone, all but the one it died of."""
        for report in reports:
            self.result.report(report)
        if session is not None:
            session.ended()
            for pair in session.ran:
                if pair not in vm.console.named:
                    self.result.unmarked(pair)

    def _lose(self, vm: guest.Guest, session: Session | None, lost: GuestLost) -> None:
        at = vm.console.position
        # Between an oops on one CPU and the panic that it leads to, the other may have begun
        # the next case: what is fatal is what the guest died of, wherever it was said.
        panicked = "panic" in vm.console.last_words
        died = [r for r in vm.console.reports
                if r.checker in FATAL and (r.at == at or panicked)]
        said = [vm.console.blamed(r) for r in vm.console.reports
                if not any(r is d for d in died)]
        # Damage that a neighbour did shows in complaints before the guest dies of it. A
        # checker that names the pair's own code is no such sign.
        before = [r for r in said if at.pair and r.at.pair == at.pair
                  and not (r.checker in CHECKERS and r.named == at.pair)]
        self._close(vm, session, [r for r in said if not any(r is b for b in before)])
        # An oops comes first, then the panic that it leads to.
        lines = list(died[0].lines) if died else []
        if not lines:
            lines = list(lost.stacks)
            if lost.walks and session is not None:
                lines[:0] = unwind.lines(lost.walks, session.modules, self._setup)
        self._agenda.lose(at, session.ran if session else [], lost, lines,
                          any(p.pair == at.pair and p.case for _, p in vm.console.history),
                          session is not None and session.unloading, before,
                          vm.console.program)

    def _run_kept(self, session: Session, keeper: Keeper) -> None:
        """One pair after the other. At the first failure the guest is left up."""
        vm = session.vm
        vm.stay(until_panic=True)
        try:
            flaws = session.ask_flaws()
            session.load_engine().ok()
            flaws()
            for work in session.works:
                session.take(session.ask(work))
                if self._failed(session, keeper, (work.pair,)):
                    return
            session.ask_checkers()
            if not self._failed(session, keeper, self._setup.request.pairs):
                session.ask_end()()
        except GuestLost as err:
            if vm.alive:
                self._hold(session, keeper, [str(err)], healthy=not err.stuck)
            raise

    def _failed(self, session: Session, keeper: Keeper, pairs: tuple[str, ...]) -> bool:
        """Leave the guest up if one of these pairs has failed; whether it was."""
        why = keeper.failures(self.result.so_far(session.vm.console), pairs)
        if why:
            self._hold(session, keeper, why, healthy=True)
        return bool(why)

    def _hold(self, session: Session, keeper: Keeper, why: list[str], healthy: bool) -> None:
        if any(work.pair not in self.result.answers for work in session.works):
            self.result.give_up_all("KEEP=1 ends a run at its first failure")
        session.vm.hold()
        keeper.hold(session.vm, why, healthy)


def run(setup: Setup, lane: Lane, built: Future[Modules], folder: Path,
        cancelled: threading.Event | None = None, keeper: Keeper | None = None) -> LaneResult:
    """Boot a guest, and once the modules are built, run them in it; again where it is lost."""
    with guest.slot(cancelled):
        begun = time.monotonic()
        path = folder / f"{lane.name}.console"
        path.unlink(missing_ok=True)
        qemu.record_of(path).unlink(missing_ok=True)
        work = _Run(setup, lane, built, path, cancelled, keeper)
        work.all()
        result = work.result
        if lane.asked:
            result = _series(setup, result, functools.partial(
                _Run, lane=lane, built=built, path=path, cancelled=cancelled, keeper=keeper))
        if lane.plugin and qemu.record_of(path).exists():
            result.recorded(qemu.record_of(path).read_text(errors="replace"))
        result.decode(lambda said: stacks.decode(setup, said))
        # What compilers take is no time of the lane.
        result.took(time.monotonic() - begun - work.waited)
    return result


def _series(setup: Setup, result: LaneResult, run_of: Callable[..., _Run]) -> LaneResult:
    """Go on behind a first boot, to as many as are wanted, or to the first with any trouble.

    That one's results are the lane's: no later boot hides what has happened once. Pairs come in
    another order in each boot, so that each one's memory lies behind that of others.
    """
    order = random.Random(setup.request.seed)
    result.behind(LaneResult(result.lane))
    while result.clean() and result.number + 1 < setup.request.boots:
        pairs = order.sample(setup.request.pairs, len(setup.request.pairs))
        # Progress is of suites, which the first boot has told of.
        mine = replace(setup, request=replace(setup.request, pairs=tuple(pairs)),
                       progress=lambda: None)
        work = run_of(mine, number=result.number + 1)
        work.all()
        work.result.behind(result)
        result = work.result
    return result


def ready(built: Modules) -> Future[Modules]:
    """Modules that are built already, as run() waits for them."""
    done: Future[Modules] = Future()
    done.set_result(built)
    return done


def start(work: Callable[[], LaneResult], name: str) -> Future[LaneResult]:
    """Run a lane in a thread of its own, which owns the guest's process."""
    future: Future[LaneResult] = Future()

    def body() -> None:
        try:
            future.set_result(work())
        except (guest.Cancelled, CancelledError):
            future.cancel()
        except BaseException as err:  # pylint: disable=broad-except
            future.set_exception(err)

    threading.Thread(target=body, name=name).start()
    return future
