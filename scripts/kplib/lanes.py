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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from kplib import boot, console, guest, ktap, results, stacks
from kplib.console import Position
from kplib.errors import GuestLost
from kplib.kernel import Kernel
from kplib.modules import Modules, in_guest
from kplib.request import Request
from kplib.toolchain import Toolchain

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


class _Lane:
    """One lane's run, over all its guests."""

    def __init__(self, request: Request, tools: Toolchain, kernel: Kernel, lane: guest.Lane,
                 built: Future[Modules], path: Path) -> None:
        self.request, self.tools, self.kernel, self._built = request, tools, kernel, built
        self.path = path
        self.result = results.LaneResult(lane)
        self.work = [_Work(pair) for pair in request.pairs]
        self.lives = LIVES
        self.modules = ""
        self.token = secrets.token_hex(4)
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

    def ask(self, vm: guest.Guest) -> None:
        """Queue all that is left to do; the guest works through it."""
        engine = in_guest(self.built.engine).read_bytes()
        skip = ",".join(f"{work.pair}.{at.case}.{at.path}"
                        for work in self.work for at in work.skip if at.path)
        vm.send(f"load {len(engine)} seed={self.request.seed} programs={self.request.programs} "
                f"mark={self.token} skip={skip}", engine)
        for work in self.work:
            self._ask_pair(vm, work.pair)
        if "DEBUG_KMEMLEAK" not in self.options:
            for work in self.work:
                self._ask_unload(vm, work.pair)
            vm.send("unload kparity")
            vm.send("off")

    def _ask_pair(self, vm: guest.Guest, pair: str) -> None:
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
        vm.ok("loading the engine")
        for work in self.work:
            self._collect_pair(vm, work.pair)
        if "DEBUG_KMEMLEAK" in self.options:
            self._leaks(vm)
        if "PROVE_LOCKING" in self.options:
            vm.send("read /proc/lockdep_stats")
            found = re.search(rb"debug_locks: +(\d)", vm.ok("asking lockdep"))
            if not found or found.group(1) != b"1":
                self.result.blind["lockdep"] = "lockdep had turned itself off"
        if "DEBUG_KMEMLEAK" in self.options:
            for work in self.work:
                self._ask_unload(vm, work.pair)
            vm.send("unload kparity")
            vm.send("off")
        for work in self.work:
            vm.ok("marking")
            vm.ok(f"unloading {work.pair}")
            vm.ok("marking")
        vm.ok("unloading the engine")
        vm.ok("powering off")
        vm.wait()

    def _collect_pair(self, vm: guest.Guest, pair: str) -> None:
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
        for block in re.split(r"(?m)^(?=unreferenced object)", text):
            lines = block.splitlines()
            when = re.search(r"jiffies (\d+)", block)
            if not lines or not when or not (size := _LEAK.match(lines[0])):
                continue
            at = vm.console.at(int(when.group(1)))
            if at.suite:
                self.result.reports.append(console.Report(
                    "kmemleak", f"kmemleak: {size.group(1)} bytes that nothing points to", at,
                    lines))

    def once(self) -> bool:
        """Run what is left in one guest; whether there is still something left."""
        self.result.boots += 1
        console_: console.Console | None = None
        lost: GuestLost | None = None
        try:
            with boot.boot(self.tools, self.kernel, self.result.lane, self.path, self.token,
                           self.request.append) as vm:
                console_ = vm.console
                while not self._built.done():
                    vm.idle(60, self._built.done)
                self.ask(vm)
                self.collect(vm)
        except GuestLost as err:
            lost = err
        if console_ is None:
            assert lost is not None
            self.result.lost, self.result.console = str(lost), lost.console
            return False
        blind = next((r for r in console_.reports if r.checker in console.BLINDING
                      and r.at.case), None)
        self.result.reports += [self._named(r) for r in console_.reports]
        if lost is not None:
            return self._resume(console_, lost)
        if blind is not None:
            return self._see_again(self._named(blind).at)
        return False

    def _named(self, report: console.Report) -> console.Report:
        """A report whose position names the suite where the console named the pair."""
        at = report.at
        report.at = Position(self.suite(at.suite), at.case, at.path)
        return report

    def _resume(self, console_: console.Console, lost: GuestLost) -> bool:
        """Record what the guest was lost to, and leave it out from now on."""
        pair, at = console_.position.suite, console_.position
        at = Position(self.suite(at.suite), at.case, at.path)
        self.lives -= STUCK_COSTS if lost.stuck else 1
        said = next((r for r in reversed(console_.reports) if r.checker in console.FATAL), None)
        lines = list(said.lines if said else lost.stacks) or stacks.of_registers(
            lost.registers, self.modules, self.built.engine.parent,
            self.kernel.build / "vmlinux", self.tools)
        self.result.losses.append(results.Loss(at, str(lost), lines))
        if said:
            self.result.reports.remove(said)
        done = [w for w in self.work if results.suite_name(w.pair, self.name) in self.result.ktap]
        self.work = [w for w in self.work if w not in done]
        work = next((w for w in self.work
                     if pair in (w.pair, results.user_suite(w.pair))), None)
        if not at.suite:
            # Nothing of a pair ran: the next guest would be lost the same way.
            if not any(w for w in done):
                self.result.lost, self.result.console = str(lost), lost.console
                return False
        elif work is not None and at.case:
            work.skip.append(at)
        elif work is not None:
            self.work.remove(work)  # loading it is what does it
        if self.lives <= 0 and self.work:
            self.result.lost = (f"given up after {self.result.boots} guests were lost; "
                                f"the last one: {lost}")
            return False
        return bool(self.work)

    def _see_again(self, at: Position) -> bool:
        """Run again what came after a report that blinded its checker."""
        names = [results.suite_name(w.pair, self.name) for w in self.work]
        users = [results.user_suite(w.pair) for w in self.work]
        which = names.index(at.suite) if at.suite in names else users.index(at.suite)
        self.work = self.work[which:]
        for name in (*names[which:], *users[which:]):
            self.result.ktap.pop(name, None)
        self.work[0].skip.append(at)
        self.result.blinded.append(at)
        self.result.blind.pop("lockdep", None)
        self.lives -= 1
        if self.lives <= 0:
            self.result.lost = "given up: every guest ended with lockdep off"
        return self.lives > 0

    def decode(self) -> None:
        """Give every report and loss its stack in source lines."""
        items: list[console.Report | results.Loss] = [*self.result.reports, *self.result.losses]
        decoded = stacks.decode(self.tools, self.kernel, self.built.engine.parent,
                                [item.lines for item in items])
        for item, lines in zip(items, decoded):
            item.lines = lines


def run(request: Request, tools: Toolchain, kernel: Kernel, lane: guest.Lane,
        built: Future[Modules], folder: Path) -> results.LaneResult:
    """Boot a guest, and once the modules are built, run them in it; again where it is lost."""
    with guest.slot():
        start_ = time.monotonic()
        path = folder / f"{lane.name}.console"
        path.unlink(missing_ok=True)
        work = _Lane(request, tools, kernel, lane, built, path)
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
