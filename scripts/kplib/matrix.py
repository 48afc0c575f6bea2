# SPDX-License-Identifier: GPL-2.0
"""Cells: runs of one arch and variant each, one at a time or a matrix of them."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Iterator

from kplib.boot import accel, lanes
from kplib.build import kernel, modules, toolchain
from kplib.common import cache, ui
from kplib.common.errors import EnvironmentFailed, Failed
from kplib.configure import request
from kplib.configure.archs import Arch
from kplib.configure.request import Request
from kplib.configure.variants import Variant
from kplib.judge import ktap, ledger, results
from kplib.report import terminal


def prepare(req: Request) -> toolchain.Toolchain:
    """Check the folders and choose the tools."""
    request.check_paths(req)
    cache.writable_folder("OUT", req.out)
    cache.writable_folder("KPARITY_CACHE", req.cache)
    return kernel.tools_for(req)


@dataclass(frozen=True)
class CellRun:
    """One arch and variant's results, the modules that gave them, and the ledger of both."""

    result: results.ArchResult
    built: modules.Modules
    book: ledger.Ledger


class Cell:
    """One arch and variant, from the start of its guests to its saved results.

    The guests boot while the modules are built, and wait for a core (guest.slot())
    where there are more of them than cores.
    """

    def __init__(self, req: Request, tools: toolchain.Toolchain, arch: Arch,
                 variant: Variant) -> None:
        self._req = req
        self._tools = tools
        self.kernel = kernel.get(req, tools, arch, variant)
        self._built: Future[modules.Modules] = Future()
        wanted = [accel.choose(req, tools, self.kernel) if name == "check" else accel.INSN_LANE
                  for name in req.lanes if name in variant.lanes]
        #: Set to have this cell's guests given up, and no other's.
        self._cancelled = threading.Event()
        self._folder = modules.results_folder(req, self.kernel)
        self._running = [
            lanes.start(lambda lane=lane: lanes.run(  # type: ignore[misc]
                req, tools, self.kernel, lane, self._built, self._folder, self._cancelled),
                f"{self.kernel.name} {lane.name}")
            for lane in wanted]
        with self._stopping():
            self._built.set_result(modules.build(req, tools, self.kernel))
            ktap.load(self.kernel.tree)

    @contextlib.contextmanager
    def _stopping(self) -> Iterator[None]:
        """Whatever ends the body early ends the guests too."""
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def give_up(self) -> None:
        """Have the guests end, and none start."""
        self._cancelled.set()
        self._built.cancel()

    def stop(self) -> None:
        """End the guests; none is left when this returns."""
        self.give_up()
        for future in self._running:
            try:
                future.exception()
            except BaseException:  # pylint: disable=broad-except
                pass  # what matters is the first error, which goes on from here

    def done(self) -> bool:
        """Whether all guests have ended."""
        return all(future.done() for future in self._running)

    def finish(self) -> CellRun:
        """Wait for the guests, judge, and save the results."""
        req = self._req
        with self._stopping(), ui.step(f"running {', '.join(req.pairs)} on {self.kernel.name}"):
            done = [future.result() for future in self._running]
        result = results.gather(self.kernel, self._tools, req.seed, req.pairs, done)
        built = self._built.result()
        found = CellRun(result, built, ledger.build(built, result.pairs))
        terminal.save(result, found.book, self._folder)
        return found


def run_cell(req: Request, tools: toolchain.Toolchain, arch: Arch, variant: Variant) -> CellRun:
    """One arch and variant, from start to saved results."""
    return Cell(req, tools, arch, variant).finish()


def run_all(req: Request, tools: toolchain.Toolchain) -> list[terminal.Row]:
    """Every cell that was asked for; each one's report is printed as soon as it may be.

    Rows come in the order asked for. A cell that fails to build costs the others nothing.
    """
    waiting: list[Cell] = []
    rows: list[terminal.Row] = []

    def emit() -> None:
        result = waiting[0].finish().result
        del waiting[0]
        print(terminal.show(result, req.verbose), flush=True)
        rows.append(terminal.Row(result.kernel.arch.name, result.kernel.variant.name, result))

    cells = [(arch, variant) for arch in req.archs for variant in req.variants]
    try:
        for arch, variant in cells:
            try:
                waiting.append(Cell(req, tools, arch, variant))
            except (Failed, EnvironmentFailed) as err:
                if len(cells) == 1:
                    raise
                ui.note(f"{arch.name} {variant.name}: {err}")
                rows.append(terminal.Row(arch.name, variant.name, err))
            while waiting and waiting[0].done():
                emit()
        while waiting:
            emit()
    except BaseException:
        # All at once: a core that one gives back must not go to the next.
        for cell in waiting:
            cell.give_up()
        for cell in waiting:
            cell.stop()
        raise
    order = [(arch.name, variant.name) for arch, variant in cells]
    return sorted(rows, key=lambda row: order.index((row.arch, row.variant)))
