# SPDX-License-Identifier: GPL-2.0
"""Cells: runs of one arch and variant each, one at a time or a matrix of them."""

from __future__ import annotations

import contextlib
import functools
import threading
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Iterator

from kplib import served
from kplib.boot import accel, lanes, programs
from kplib.boot.laneresult import LaneResult
from kplib.build import config, kernel, modules, sharded, toolchain
from kplib.build.setup import Setup
from kplib.common import cache, host, ui
from kplib.common.errors import EnvironmentFailed, Failed, KparityError, Refused
from kplib.configure import archs, cases, pairs, request, shards, variants
from kplib.configure.archs import Arch
from kplib.configure.lanes import LANES, LATE
from kplib.configure.request import TOP, Request
from kplib.configure.variants import Variant
from kplib.judge import costs, failures, ktap, ledger, results
from kplib.judge.unbuilt import Unbuilt
from kplib.report import files, terminal


def check_folders(req: Request) -> None:
    """Refuse folders that nothing can be built in."""
    request.check_paths(req)
    request.check_pairs(req)
    config.check_options(req)
    programs.check(req)
    cache.writable_folder("OUT", req.out)
    cache.writable_folder("KPARITY_CACHE", req.cache)


def prepare(req: Request) -> toolchain.Toolchain:
    """Check the folders and choose the tools."""
    check_folders(req)
    return choose_tools(req)


def choose_tools(req: Request) -> toolchain.Toolchain:
    """The tools, once this machine has what they need."""
    host.need_memory()
    tools = kernel.tools_for(req)
    if tools.root is not None:
        host.need_programs(*host.ENTER_ROOT)
        pairs.check_links(req.pairs, req.pairs_dir, tools.folders)
    return tools


@dataclass(frozen=True)
class CellRun:
    """One arch and variant's results, the modules that gave them, and the ledger of both.

    `found` is what results.json holds, or nothing where that could not even be made;
    `unsaved` says why the files of these results are not there, if they are not.
    """

    result: results.ArchResult
    built: modules.Modules
    book: ledger.Ledger
    found: dict[str, Any] | None
    unsaved: str = ""


def _check_parsed(req: Request, result: results.ArchResult) -> None:
    """Refuse a program that the engine could not read: no path has run anything then.

    It says so of each path: "FILE: line 3: ...", under the place in its own source.
    """
    if req.program is None:
        return
    found = [verdict for pair in result.pairs.values() for verdict in pair.verdicts
             if verdict.case in (cases.REGRESS, *cases.LONE.values())]
    begin = f"{pairs.short(req.program)}: line "
    if found and all(verdict.status == ktap.FAIL and len(verdict.log) == 2
                     and verdict.log[1].startswith(begin) for verdict in found):
        raise Refused(f"PROGRAM={found[0].log[1]}")


def ledger_of(built: modules.Modules, found: dict[str, results.PairResult],
              folder: Path | None = None) -> ledger.Ledger:
    """The ledger; a pair of which there can be none has an error among its verdicts.

    `folder` is PAIRS_DIR.
    """
    book = ledger.Ledger((), (), {})
    for pair, path in built.pairs.items():
        try:
            mine = ledger.build(replace(built, pairs={pair: path}), found, folder)
        except Exception as err:  # pylint: disable=broad-except
            # Whatever it is, what the guests gave is told.
            found[pair].verdicts.append(
                ktap.Verdict(pair, "contract", "", ktap.ERROR, (f"no ledger: {_why(err)}",)))
            continue
        book = ledger.Ledger(book.rows + mine.rows, book.dangling + mine.dangling,
                             {**book.operations, **mine.operations},
                             {**book.accepted, **mine.accepted})
    return book


def _why(err: Exception) -> str:
    return str(err) if isinstance(err, KparityError) else f"{type(err).__name__}: {err}"


#: Looks further into what a cell's guests gave, before that is saved.
Look = Callable[[Setup, modules.Modules, results.ArchResult], None]


class Cell:
    """One arch and variant, from the start of its guests to its saved results.

    The guests boot while the modules are built, and wait for a core (guest.slot())
    where there are more of them than cores. Where some pairs need not build (served.py), the
    modules are built first.
    """

    def __init__(self, req: Request, tools: toolchain.Toolchain, arch: Arch,
                 variant: Variant, keeper: Callable[[Setup], lanes.Keeper] | None = None,
                 look: Look | None = None) -> None:
        self._look = look
        #: What was told before the late lanes, if anything was.
        self._early: results.ArchResult | None = None
        self.kernel = kernel.get(req, tools, arch, variant)
        # What others want of the kernel, that has.
        chosen, every = shards.work(req, arch, variant)
        in_lane = {name: shards.in_lane(req, arch.name, variant.name, name, chosen)
                   for name in every}
        names = [name for name in every if in_lane[name]]
        req = replace(req, cases=cases.in_variant(req.cases, variant), pairs=tuple(
            pair for pair in chosen if any(pair in mine for mine in in_lane.values())))
        self._req = req
        self._built: Future[modules.Modules] = Future()
        #: The pairs that were asked for, and those of them that do not build.
        self._asked, self._unbuilt = req.pairs, dict[str, Unbuilt]()
        #: Suites that have given their results, and how many there are.
        self._done, self._of, self._lock = 0, 0, threading.Lock()
        #: Its place among the cells of a run, in words.
        self.place = ""
        self._step: ui.Step | None = None
        self._setup = Setup(req, tools, self.kernel, self._advance)
        self.folder = self._setup.results
        if served.in_parts(req):
            self._build()
            in_lane = {name: tuple(pair for pair in in_lane[name] if pair not in self._unbuilt)
                       for name in names}
            names = [name for name in names if in_lane[name]]
        req, setup = self._req, self._setup
        self._names = names
        wanted = [accel.choose(setup, LANES[name]) for name in names]
        self._of = sum(map(len, in_lane.values()))
        #: Set to have this cell's guests given up, and no other's.
        self._cancelled = threading.Event()
        self._running: list[Future[LaneResult]] = []
        with self._stopping():
            for name, lane in zip(names, wanted):
                mine = replace(setup, request=replace(req, pairs=in_lane[name]))
                self._running.append(lanes.start(
                    lambda lane=lane, mine=mine: lanes.run(  # type: ignore[misc]
                        mine, lane,
                        self._built, self.folder, self._cancelled,
                        keeper(setup) if keeper and (lane.turns or not lane.counts) else None),
                    f"{self.kernel.name} {lane.name}"))
            if not self._built.done():
                self._build()
            ktap.load(self.kernel.tree)

    def _build(self) -> None:
        """Build the modules, or leave results that say why they do not build.

        What is run then is of the pairs that build.
        """
        try:
            found = served.build(self._setup)
        except Failed as err:
            again = request.replay(self._req, self.kernel.arch, self.kernel.variant)
            files.save_unbuilt({**results.unbuilt(
                self._setup, again, str(err), failures.of_build(self._setup, str(err), again)),
                "shard": sharded.of_cell(self._req, self.kernel)}, self.folder)
            raise
        self._unbuilt = found.others
        if found.others:
            self._req = replace(self._req, pairs=tuple(found.built.pairs))
            self._setup = replace(self._setup, request=self._req)
        self._built.set_result(found.built)

    def _gather(self, done: list[LaneResult]) -> results.ArchResult:
        """The results of some lanes, and of the pairs that do not build."""
        result = results.gather(self._setup, self._req.pairs, done)
        result.pairs |= {pair: results.PairResult([one.verdict], unbuilt=one)
                         for pair, one in self._unbuilt.items()}
        result.pairs = {pair: result.pairs[pair] for pair in self._asked}
        result.replay = request.replay(self._req, self.kernel.arch, self.kernel.variant)
        return result

    @contextlib.contextmanager
    def _stopping(self) -> Iterator[None]:
        """End the guests too if anything ends the body early."""
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def _doing(self) -> str:
        """Activity of this cell, and how far it has come."""
        return (f"running {', '.join(self._req.pairs)} on {self.kernel.name}{self.place}, "
                f"{self._done} of {self._of} suites done")

    def _advance(self) -> None:
        """One suite more has given its results."""
        with self._lock:
            self._done += 1
            if self._step is not None:
                self._step.what = self._doing()

    def give_up(self) -> None:
        """Have the guests end, and none start."""
        self._cancelled.set()
        self._built.cancel()

    def stop(self) -> None:
        """End the guests; none is left when this returns. Ctrl-C ends the waiting for them."""
        self.give_up()
        for future in self._running:
            # Its own error is not raised here: the first one matters, which goes on from here.
            with contextlib.suppress(CancelledError):
                future.exception()

    def done(self) -> bool:
        """Whether all guests have ended."""
        return all(future.done() for future in self._running)

    def so_far(self) -> results.ArchResult | None:
        """The results of the other lanes while the late ones go on; None where none does."""
        early = [future for name, future in zip(self._names, self._running) if name not in LATE]
        if not early or len(early) == len(self._running):
            return None
        with self._stopping(), ui.step(self._doing()) as self._step:
            done = [future.result() for future in early]
        if self.done():
            return None
        result = self._gather(done)
        if self._look is not None:
            self._look(self._setup, self._built.result(), result)
            self._early = result
        return result

    def finish(self) -> CellRun:
        """Wait for the guests, judge, and save the results, if there is room for them."""
        req = self._req
        with self._stopping(), ui.step(self._doing()) as self._step:
            done = [future.result() for future in self._running]
        result = self._gather(done)
        _check_parsed(req, result)
        # Not a closure: the suite hands results from process to process.
        result.of_program = functools.partial(replay_of, req, self.kernel.arch,
                                              self.kernel.variant)
        built = self._built.result()
        if self._early is not None:
            costs.take_over(self._early, result)
        elif self._look is not None:
            self._look(self._setup, built, result)
        book = ledger_of(built, result.pairs, self._req.pairs_dir)
        for pair, verdict in book.verdicts():
            result.pairs[pair].verdicts.append(verdict)
        unsaved, found = "", None
        try:
            found = {**files.complete(result, book, self.folder, req.pairs_dir),
                     "shard": sharded.of_cell(req, self.kernel)}
            files.save(result, found, self.folder)
        except Exception as err:  # pylint: disable=broad-except
            # The verdict is told all the same.
            unsaved = f"the results are not saved: {_why(err)}"
            files.failed(self.folder, unsaved)
        return CellRun(result, built, book, found, unsaved)


def replay_of(req: Request, arch: Arch, variant: Variant, path: Path) -> str:
    """The words that run one program of a run again."""
    return request.replay(replace(req, program=path, cases=(), lanes=("check",)), arch, variant)


def run_cell(req: Request, tools: toolchain.Toolchain, arch: Arch, variant: Variant) -> CellRun:
    """One arch and variant, from start to saved results."""
    with files.recorded(files.folder(req, arch.name, variant.name)):
        return Cell(req, tools, arch, variant).finish()


def elsewhere(req: Request) -> tuple[Request | None, str]:
    """What another arch tells of a request that names none: the lane that this machine's lacks.

    Its kernel has to be there, as nothing is built for that. Returns the request for it, or the
    reason why there is none; neither where nothing is lacking, or the user has chosen.
    """
    lacking = [name for name in req.lanes if LANES[name].plugin
               and not any(arch.has(LANES[name]) for arch in req.archs)]
    plain = tuple(kind for kind in req.variants if kind.name == variants.BASE)
    if not lacking or not plain or {"ARCH", "KDIR", "KERNEL_SRC", "KEEP", "SHARD"} & set(req.given):
        return None, ""
    for arch in archs.load_all(TOP / "qemu" / "arch").values():
        names = tuple(name for name in lacking if arch.has(LANES[name]))
        entry = kernel.known(req, arch, plain[0]) if names else None
        if entry is not None and cache.marker(entry) is not None:
            return replace(req, archs=(arch,), variants=plain, lanes=names), ""
        if names:
            here = ", ".join(one.name for one in req.archs)
            return None, (f"skip lane {', '.join(names)}: {here} does not have it, and the "
                          f"{arch.name} kernel is not built; 'make run ARCH={arch.name} "
                          f"LANE={names[0]}' builds it, and it is used from then on")
    return None, ""


def run_all(req: Request, tools: toolchain.Toolchain,
            keeper: Callable[[Setup], lanes.Keeper] | None = None,
            look: Look | None = None) -> list[terminal.Row]:
    """Every cell that was asked for; each one's report is printed as soon as it may be, but
    with FORMAT=json.

    Within files.recorded_run(), which tells of a cell that ends without results.

    Rows come in the order asked for. A cell that fails to build costs the others nothing.
    """
    waiting: list[Cell] = []
    rows: list[terminal.Row] = []

    def broken(arch: str, variant: str, err: KparityError) -> None:
        ui.note(f"{arch} {variant}: {err}")
        files.failed(files.folder(req, arch, variant), str(err))
        rows.append(terminal.Row(arch, variant, err))

    def emit() -> None:
        cell = waiting[0]
        cell.place = f" ({len(rows) + 1} of {len(cells)})" if len(cells) > 1 else ""
        names = cell.kernel.arch.name, cell.kernel.variant.name
        so_far = None
        try:
            # Of a shard some lanes may be all there is.
            if len(cells) == 1 and not req.machine_readable and not req.keep \
                    and req.shard is None:
                so_far = cell.so_far()
            if so_far is not None:
                print(terminal.show_so_far(so_far, req.verbose, cell.folder), flush=True)
            found = cell.finish()
        except (Failed, EnvironmentFailed) as err:
            if len(cells) == 1:
                raise
            broken(*names, err)
            return
        finally:
            del waiting[0]
        if so_far is not None and found.found is not None:
            print(terminal.show_rest(found.result, req.verbose, cell.folder, found.found, so_far),
                  flush=True)
        elif not req.machine_readable:
            print(terminal.show(found.result, req.verbose, cell.folder, found.found),
                  flush=True)
        if found.unsaved:
            ui.note(f"{' '.join(names)}: {found.unsaved}")
        rows.append(terminal.Row(*names, found.result, found.unsaved, found.found))

    cells = [(arch, variant) for arch in req.archs for variant in req.variants
             if shards.here(req, arch.name, variant.name)]
    try:
        for arch, variant in cells:
            try:
                waiting.append(Cell(req, tools, arch, variant, keeper, look))
            except (Failed, EnvironmentFailed, config.CannotHave) as err:
                if len(cells) == 1:
                    raise
                broken(arch.name, variant.name, err)
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
