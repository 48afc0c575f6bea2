# SPDX-License-Identifier: GPL-2.0
"""Running the suites of a lane in one guest."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Callable

from kplib import guest, ktap, results
from kplib.errors import GuestLost
from kplib.kernel import Kernel
from kplib.modules import Modules, in_guest
from kplib.request import Request
from kplib.toolchain import Toolchain

DEBUG = "/sys/kernel/debug"
#: The implementations, as the device nodes of a pair with a user program name them.
SIDES = ("c", "rust")


def _ask(vm: guest.Guest, built: Modules, request: Request, lane: str) -> None:
    """Queue all requests of a lane at once; the guest works through them."""
    engine = in_guest(built.engine).read_bytes()
    vm.send(f"load {len(engine)} seed={request.seed} programs={request.programs}", engine)
    for pair in request.pairs:
        suite = results.suite_name(pair, lane)
        module = in_guest(built.pairs[pair]).read_bytes()
        vm.send(f"load {len(module)} ", module)
        vm.send(f"write 1 {DEBUG}/kunit/{suite}/run", b"1")
        vm.send(f"read {DEBUG}/kunit/{suite}/results")
        vm.send(f"read {DEBUG}/kparity/{pair}/{'cost' if lane == 'insn' else 'invariants'}")
        if lane == "check" and pair in built.programs:
            program = built.programs[pair].read_bytes()
            for side in SIDES:
                vm.send(f"exec {len(program)} /dev/kparity-{pair}-{side}", program)
        vm.send(f"unload kparity_{pair}")
    vm.send("unload kparity")
    vm.send("off")


def _collect(vm: guest.Guest, built: Modules, result: results.LaneResult) -> None:
    lane = result.lane.name
    vm.ok("loading the engine")
    for pair in built.pairs:
        suite = results.suite_name(pair, lane)
        vm.ok(f"loading {pair}")
        vm.ok(f"running {suite}")
        result.ktap[suite] = vm.ok(f"reading the results of {suite}").decode(errors="replace")
        table = vm.ok(f"reading the figures of {pair}").decode(errors="replace")
        (result.cost if lane == "insn" else result.invariants)[pair] = table
        if lane == "check" and pair in built.programs:
            said = {side: vm.answer(f"running the program of {pair} on {side}") for side in SIDES}
            name = results.user_suite(pair)
            result.ktap[name] = ktap.wrap(name, {
                side: (status, out.decode(errors="replace"))
                for side, (status, out) in said.items()})
        vm.ok(f"unloading {pair}")
    vm.ok("unloading the engine")
    vm.ok("powering off")
    vm.wait()


def run(request: Request, tools: Toolchain, kernel: Kernel, lane: guest.Lane,
        built: Future[Modules], folder: Path) -> results.LaneResult:
    """Boot a guest, and once the modules are built, run them in it."""
    result = results.LaneResult(lane)
    start = time.monotonic()
    try:
        with guest.boot(tools, kernel, lane, folder) as vm:
            while not built.done():
                if guest.cancelled.wait(0.01):
                    raise guest.Cancelled
            _ask(vm, built.result(), request, lane.name)
            _collect(vm, built.result(), result)
    except GuestLost as err:
        result.lost = str(err)
        result.console = err.console
    result.seconds = time.monotonic() - start
    return result


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
