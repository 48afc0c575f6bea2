# SPDX-License-Identifier: GPL-2.0
"""Running the suites of a lane, in as many guests as it takes.

A case that takes its guest with it is recorded as an error, and a fresh guest
runs what is left: the same suite without that case on that path, then the
others. So every planned case ends with exactly one verdict, whatever the code
under test does, and however often it does it.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable

from kplib.boot import console, guest, qemu, stacks, unwind
from kplib.boot.console import Position
from kplib.build import busybox
from kplib.build.kernel import Kernel
from kplib.build.modules import Modules, in_guest
from kplib.build.toolchain import Toolchain
from kplib.common.errors import GuestLost
from kplib.configure.request import Request
from kplib.judge import ktap, results
from kplib.tools import keep

DEBUG = "/sys/kernel/debug"
#: The implementations, as the device nodes of a pair with a user program name them.
SIDES = ("c", "rust")
#: How often a lane may lose its guest before the rest is given up; a guest that
#: was stuck counts for more, as each one is a long wait.
LIVES = 12
STUCK_COSTS = 3
#: kmemleak says nothing of objects younger than 5 s (MSECS_MIN_AGE in mm/kmemleak.c),
#: nor of those whose content changed since the scan before.
LEAK_AGE = 5.1
_LEAK = re.compile(r"^unreferenced object 0x[0-9a-f]+ \(size (\d+)\):$")


@dataclass
class _Work:
    """What is left to do for one pair."""

    pair: str
    skip: list[Position] = field(default_factory=list)
    #: A guest was lost with it loaded, but not in a case of it.
    lost_between: bool = False


class LaneRun:
    """One lane's run, over all its guests."""

    def __init__(self, request: Request, tools: Toolchain, kernel: Kernel, lane: guest.Lane,
                 built: Future[Modules], path: Path,
                 cancelled: threading.Event | None = None) -> None:
        self.request, self.tools, self.kernel, self._built = request, tools, kernel, built
        self.path = path
        self.cancelled = cancelled
        self.result = results.LaneResult(lane)
        self.work = [_Work(pair) for pair in request.pairs]
        self.lives = LIVES
        self.modules = ""
        self.token = secrets.token_hex(4)
        self.keep = request.keep and lane.name == "check"
        self.options = {c.option for c in kernel.variant.checkers}

    @property
    def built(self) -> Modules:
        """The modules, once they are built."""
        return self._built.result()

    @property
    def name(self) -> str:
        """The lane's name."""
        return self.result.lane.name

    def suite(self, pair: str) -> str:
        """The suite of a pair in this lane; a user program's suite is its own."""
        return pair if pair not in self.request.pairs else results.suite_name(pair, self.name)

    def mark(self, vm: guest.Guest, pair: str = "-", case: str = "-") -> None:
        """Say on the console what comes next."""
        vm.say(f"kparity[{self.token}]: at {pair} {case} -")

    def ask_engine(self, vm: guest.Guest) -> None:
        """Queue the engine, which says what is left out."""
        engine = in_guest(self.built.engine).read_bytes()
        skip = ",".join(f"{work.pair}.{at.case}.{at.path}"
                        for work in self.work for at in work.skip if at.path)
        vm.send(f"load {len(engine)} seed={self.request.seed} programs={self.request.programs} "
                f"mark={self.token} skip={skip}", engine)

    def ask(self, vm: guest.Guest) -> None:
        """Queue all that is left to do; the guest works through it."""
        self.ask_engine(vm)
        self.ask_suites(vm)

    def ask_suites(self, vm: guest.Guest) -> None:
        """Queue all that comes after the engine."""
        for work in self.work:
            self.ask_pair(vm, work.pair)
        if "DEBUG_KMEMLEAK" not in self.options:
            self.ask_end(vm)

    def ask_end(self, vm: guest.Guest) -> None:
        """Queue what takes everything back, and ends the guest."""
        for work in self.work:
            self._ask_unload(vm, work.pair)
        vm.send("unload kparity")
        vm.send("off")

    def ask_pair(self, vm: guest.Guest, pair: str) -> None:
        """Queue a pair's module, its suite, its user programs, and what they found."""
        suite = results.suite_name(pair, self.name)
        module = in_guest(self.built.pairs[pair]).read_bytes()
        self.mark(vm, pair)
        vm.send(f"load {len(module)} ", module)
        vm.send("read /proc/modules")
        vm.send(f"read {DEBUG}/kparity/{pair}/cases")
        vm.send(f"write 1 {DEBUG}/clear_warn_once", b"1")
        vm.send(f"write 1 {DEBUG}/kunit/{suite}/run", b"1")
        vm.send(f"read {DEBUG}/kunit/{suite}/results")
        vm.send(f"read {DEBUG}/kparity/{pair}/{'cost' if self.name == 'insn' else 'invariants'}")
        for side in self.sides(pair):
            program = self.built.programs[pair].read_bytes()
            self.mark(vm, results.user_suite(pair), side)
            vm.send(f"exec {len(program)} /dev/kparity-{pair}-{side}", program)
        self.mark(vm)

    def _ask_unload(self, vm: guest.Guest, pair: str) -> None:
        self.mark(vm, pair)
        vm.send(f"unload kparity_{pair}")
        self.mark(vm)

    def sides(self, pair: str) -> tuple[str, ...]:
        """The sides that a pair's user program is to run on."""
        if self.name != "check" or pair not in self.built.programs:
            return ()
        skip = {at.case for work in self.work if work.pair == pair for at in work.skip
                if at.suite == results.user_suite(pair)}
        return tuple(side for side in SIDES if side not in skip)

    def collect(self, vm: guest.Guest) -> None:
        """Take the answers, in the order of the requests."""
        self.collect_engine(vm)
        self.collect_suites(vm)

    def collect_engine(self, vm: guest.Guest) -> None:
        """The answer to ask_engine()."""
        vm.ok("loading the engine")

    def collect_suites(self, vm: guest.Guest) -> None:
        """The answers to ask_suites(), to the guest's end."""
        for work in self.work:
            self.collect_pair(vm, work.pair)
        self.collect_end(vm)

    def collect_end(self, vm: guest.Guest) -> None:
        """What can only be said once all pairs have run, and the guest's end."""
        self._look(vm)
        if "DEBUG_KMEMLEAK" in self.options:
            self.ask_end(vm)
        self._take_end(vm)

    def _look(self, vm: guest.Guest) -> None:
        """Ask checkers that say nothing by themselves."""
        if "DEBUG_KMEMLEAK" in self.options:
            self._leaks(vm)
        if "PROVE_LOCKING" in self.options:
            vm.send("read /proc/lockdep_stats")
            found = re.search(rb"debug_locks: +(\d)", vm.ok("asking lockdep"))
            if not found or found.group(1) != b"1":
                self.result.blind["lockdep"] = "lockdep turns itself off at a first report"

    def _take_end(self, vm: guest.Guest) -> None:
        """The answers to ask_end()."""
        for work in self.work:
            vm.ok("marking")
            vm.ok(f"unloading {work.pair}")
            vm.ok("marking")
        vm.ok("unloading the engine")
        vm.ok("powering off")
        vm.wait()

    def judge(self, vm: guest.Guest, pairs: tuple[str, ...]) -> dict[str, results.PairResult]:
        """What is found so far, of pairs that have run."""
        seen = [replace(report) for report in self.result.reports]
        for report in vm.console.reports:
            if self._ours(report):
                console.add(seen, self._named(report))
        return results.gather(self.kernel, self.tools, self.request.seed, pairs,
                              [replace(self.result, reports=seen)]).pairs

    def _run_kept(self, vm: guest.Guest) -> None:
        """One pair after the other. At the first failure the guest is left up."""
        vm.stay()
        vm.ends_at_panic = True
        try:
            self.ask_engine(vm)
            self.collect_engine(vm)
            for work in self.work:
                self.ask_pair(vm, work.pair)
                self.collect_pair(vm, work.pair)
                if self._failed(vm, (work.pair,)):
                    return
            self._look(vm)
            if not self._failed(vm, self.request.pairs):
                self.ask_end(vm)
                self._take_end(vm)
        except GuestLost as err:
            if vm.alive:
                vm.ends_at_panic = False
                self._hold(vm, [str(err)], healthy=not err.stuck)
            raise

    def _failed(self, vm: guest.Guest, pairs: tuple[str, ...]) -> bool:
        """Leave the guest up if one of these pairs has failed; whether it was."""
        why = [f"{v.status.upper()} {pair} {v.case} {v.path}"
               for pair, found in self.judge(vm, pairs).items()
               for v in found.verdicts if v.status in (ktap.FAIL, ktap.ERROR)]
        if why:
            vm.ends_at_panic = False
            self._hold(vm, why, healthy=True)
        return bool(why)

    def _hold(self, vm: guest.Guest, why: list[str], healthy: bool) -> None:
        if any(results.suite_name(w.pair, self.name) not in self.result.ktap for w in self.work):
            self.result.lost = "KEEP=1 ends a run at its first failure"
        keep.hold(self.request, self.tools, self.kernel, vm, self.built.engine.parent, why, healthy)

    def collect_pair(self, vm: guest.Guest, pair: str) -> None:
        """The answers to ask_pair()."""
        suite = results.suite_name(pair, self.name)
        vm.ok("marking")
        vm.ok(f"loading {pair}")
        self.modules = vm.ok("reading /proc/modules").decode(errors="replace")
        self._plan(vm, pair, vm.ok(f"reading the plan of {pair}").decode(errors="replace"))
        vm.answer("clearing what was warned of once")
        vm.ok(f"running {suite}")
        text = vm.ok(f"reading the results of {suite}").decode(errors="replace")
        table = vm.ok(f"reading the figures of {pair}").decode(errors="replace")
        said = {}
        for side in self.sides(pair):
            vm.ok("marking")
            status, out = vm.answer(f"running the program of {pair} on {side}")
            said[side] = status, out.decode(errors="replace")
        vm.ok("marking")
        # All or nothing: what a lost guest gave in part is run again.
        self.result.ktap[suite] = text
        (self.result.cost if self.name == "insn" else self.result.invariants)[pair] = table
        if said:
            name = results.user_suite(pair)
            self.result.ktap[name] = ktap.wrap(name, said)

    def _plan(self, vm: guest.Guest, pair: str, text: str) -> None:
        """Note which cases there are, on which paths, and how slow they may be."""
        planned = []
        suite = results.suite_name(pair, self.name)
        for line in text.splitlines():
            name, case, speed, *paths = line.split("\t")
            if name == suite:
                planned += [Position(suite, case, path) for path in paths]
                # The console names a pair, whichever of its suites runs.
                vm.speeds[pair, case] = guest.SPEEDS.get(speed, 1.0)
        self.result.planned[pair] = planned

    def _leaks(self, vm: guest.Guest) -> None:
        """Have the kernel look for memory that nothing points to."""
        scan = f"write 4 {DEBUG}/kmemleak", b"scan"
        end = time.monotonic() + LEAK_AGE
        vm.send(*scan)
        vm.ok("scanning for leaks")
        vm.idle(end - time.monotonic())
        vm.send(*scan)
        vm.ok("scanning for leaks")
        vm.send(f"read {DEBUG}/kmemleak")
        text = vm.ok("reading the leaks").decode(errors="replace")
        # What was allocated in one place on one path is one leak, however often.
        found: dict[tuple[Position, str], tuple[list[int], list[str]]] = {}
        for block in re.split(r"(?m)^(?=unreferenced object)", text):
            lines = block.splitlines()
            when = re.search(r"jiffies (\d+)", block)
            if not lines or not when or not (size := _LEAK.match(lines[0])):
                continue
            at = vm.console.at(int(when.group(1)))
            stack = block.partition("backtrace")[2].partition("\n")[2]
            sizes, _ = found.setdefault((at, stack), ([], lines))
            sizes.append(int(size.group(1)))
        for (at, _), (sizes, lines) in found.items():
            self._note(console.Report(
                "kmemleak", f"kmemleak: nothing points to what was allocated here: "
                f"{sum(sizes)} bytes in {len(sizes)} object{'s' * (len(sizes) > 1)}", at, lines))

    def once(self) -> bool:
        """Run what is left in one guest; whether there is still something left."""
        self.result.boots += 1
        console_: console.Console | None = None
        lost: GuestLost | None = None
        try:
            with qemu.boot(self.tools, self.kernel, self.result.lane, self.path, self.token,
                           self.request.append, read_only=not self.keep,
                           cancelled=self.cancelled) as vm:
                console_ = vm.console
                if not self._built.done():
                    with qemu.standing_still(vm, self.result.lane):
                        while not self._built.done():
                            vm.idle(60, self._built.done)
                if self.keep:
                    self._run_kept(vm)
                else:
                    self.ask(vm)
                    self.collect(vm)
        except GuestLost as err:
            lost = err
        if console_ is None:
            assert lost is not None
            self.result.lost, self.result.console = str(lost), lost.console
            return False
        for report in console_.reports:
            self._note(report)
        if lost is not None:
            return self._resume(console_, lost) and not self.keep
        return False

    def _ours(self, report: console.Report) -> bool:
        """Whether a report concerns a suite, and not the kernel alone."""
        return bool(report.at.suite) and not (
            report.checker == "kcsan" and console.foreign(report))

    def _named(self, report: console.Report) -> console.Report:
        """The report with the suite where the console names the pair."""
        at = report.at
        return replace(report, at=Position(self.suite(at.suite), at.case, at.path))

    def _note(self, report: console.Report) -> None:
        """Keep a report of ours; of one of the kernel alone, that there was one."""
        if self._ours(report):
            console.add(self.result.reports, self._named(report))
        else:
            self.result.kernel.append(report.title)

    def _resume(self, console_: console.Console, lost: GuestLost) -> bool:
        """Record what the guest was lost to, and leave it out from now on."""
        pair, at = console_.position.suite, console_.position
        at = Position(self.suite(at.suite), at.case, at.path)
        self.lives -= STUCK_COSTS if lost.stuck else 1
        # An oops comes first, then the panic that it leads to.
        fatal = [r for r in self.result.reports if r.checker in console.FATAL and r.at == at]
        said = fatal[0] if fatal else None
        lines = list(said.lines if said else lost.stacks)
        if lost.walks and not said:
            lines[:0] = unwind.lines(lost.walks, self.modules, self.built.engine.parent,
                                     self.kernel.build / "vmlinux", self.tools)
        self.result.losses.append(results.Loss(at, str(lost), lines))
        self.result.reports = [r for r in self.result.reports if not any(r is f for f in fatal)]
        done = [w for w in self.work if results.suite_name(w.pair, self.name) in self.result.ktap]
        self.work = [w for w in self.work if w not in done]
        work = next((w for w in self.work
                     if pair in (w.pair, results.user_suite(w.pair))), None)
        if not at.suite:
            # Nothing of a pair ran: the next guest would be lost the same way.
            # With all results there, no pair answers for the loss, but the lane does.
            if not done or not self.work:
                self.result.lost, self.result.console = str(lost), lost.console
                return False
        elif work is not None and at.case:
            work.skip.append(at)
        elif work is not None and not work.lost_between:
            work.lost_between = True  # between two cases; the next guest may get further
        elif work is not None:
            self.work.remove(work)  # loading it is what does it
        if self.lives <= 0 and self.work:
            self.result.lost = (f"given up after {self.result.boots} guests were lost; "
                                f"the last one: {lost}")
            return False
        return bool(self.work)

    def decode(self) -> None:
        """Give every report and loss its stack in source lines."""
        items: list[console.Report | results.Loss] = [*self.result.reports, *self.result.losses]
        decoded = stacks.decode(self.tools, self.kernel, self.built.engine.parent,
                                [item.lines for item in items])
        for item, lines in zip(items, decoded):
            item.lines = lines


def run(request: Request, tools: Toolchain, kernel: Kernel, lane: guest.Lane,
        built: Future[Modules], folder: Path,
        cancelled: threading.Event) -> results.LaneResult:
    """Boot a guest, and once the modules are built, run them in it; again where it is lost."""
    with guest.slot(cancelled):
        start_ = time.monotonic()
        path = folder / f"{lane.name}.console"
        path.unlink(missing_ok=True)
        work = LaneRun(request, tools, kernel, lane, built, path, cancelled)
        if work.keep:
            busybox.get(request, tools, kernel.arch)  # not at the failure, but now
        while work.once():
            pass
        if work.result.reports or work.result.losses:
            work.decode()
        work.result.seconds = time.monotonic() - start_
    return work.result


def start(work: Callable[[], results.LaneResult], name: str) -> Future[results.LaneResult]:
    """Run a lane in a thread of its own, which owns the guest's process."""
    future: Future[results.LaneResult] = Future()

    def body() -> None:
        try:
            future.set_result(work())
        except (guest.Cancelled, CancelledError):
            future.cancel()
        except BaseException as err:  # pylint: disable=broad-except
            future.set_exception(err)

    threading.Thread(target=body, name=name).start()
    return future
