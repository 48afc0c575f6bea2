# SPDX-License-Identifier: GPL-2.0
"""make soak: all oracles in turn, with fresh seeds or with given ones, until it is ended."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from kplib import matrix
from kplib.boot import lanes
from kplib.boot.laneresult import LaneResult
from kplib.build import config, sharded
from kplib.common import ui
from kplib.common.errors import EnvironmentFailed, Failed, KparityError, Refused
from kplib.configure import identity
from kplib.configure.archs import Arch
from kplib.configure.request import Request
from kplib.configure.variants import Variant
from kplib.report.terminal import shown
from kplib.soak import cells, pieces, told
from kplib.soak.cells import Cell
from kplib.soak.journal import BROKE, DONE, RESULTS, STOPPED, TIME, Journal
from kplib.soak.kinds import Kind
from kplib.soak.work import Item, Target, Work

#: Variables that a soak has no use for, and why.
REFUSED = {"SEED": "it draws its seeds; SEEDS=7..9 gives some", "PROGRAM": "it makes programs",
           "KEEP": "it does not wait for anybody", "FORMAT": "results.json has all for a program",
           "PART": "it is for make test"}
#: Pieces of work in a row without any result, after which going on is of no use.
FAULTS = 3
#: Seconds in which a further Ctrl-C, or make's own signal, is taken for the same one.
SAME = 2.0
#: Seconds between two looks at the guests, and between two status lines.
LOOK, DRAW = 0.05, 0.2


def check(req: Request) -> None:
    """Refuse a request that a soak cannot carry out."""
    for name, why in REFUSED.items():
        if name in req.given and not (name == "FORMAT" and not req.machine_readable):
            raise Refused(f"{name} is not for make soak: {why}; leave it out")
    if req.minutes is None and req.seeds is None:
        raise Refused("make soak wants to know how long: give MINUTES=30 for fresh seeds, or "
                      "SEEDS=50 for seeds 1 to 50")
    if req.shard is not None and req.seeds is None:
        raise Refused("SHARD with fresh seeds: each machine draws its own already; give SEEDS=50 "
                      "to have these split, or leave SHARD out")
    most = max(2, os.cpu_count() or 1)
    if req.jobs > most:
        raise Refused(f"JOBS={req.jobs}: this machine can run {most} guests at once; give at most "
                      "that")
    cases = [(arch, variant) for arch in req.archs for variant in req.variants]
    known = {name for target in cells.targets(req, cases)
             for name in (target.variant, target.lane)}
    for name in req.seeds.named if req.seeds else ():
        if name not in known:
            raise Refused(f"SEEDS names {name}, and nothing of it is to run; leave {name}=... "
                          "out, or give VARIANT=all and LANE=all")


class Stopper:
    """Ctrl-C or SIGTERM ends a soak, which is then summed up; a further one ends that as well.

    A handler that raised would lose what was just being judged.
    """

    def __init__(self) -> None:
        self.asked = False
        self._at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stopper":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            # nohup has SIGHUP ignored, and means it.
            if before not in (signal.SIG_IGN, None):
                self._before[number] = before
                signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _take(self, number: int, *_: object) -> None:
        if self.asked and time.monotonic() - self._at > SAME:
            raise KeyboardInterrupt
        if not self.asked:
            self.asked, self._at = True, time.monotonic()


def new_folder(out: Path) -> Path:
    """A new folder for this soak, named after the time."""
    name = time.strftime("%Y-%m-%d-%H.%M.%S")
    for number in range(1, 1000):
        path = out / "soak" / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            continue
        except OSError as err:
            raise Refused(f"OUT {out} cannot be written: {err.strerror}; choose another "
                          "folder") from err
    raise EnvironmentFailed(f"{out / 'soak'} has a thousand folders of this second")


class _Soak:
    """A soak that runs. `cells` are by arch and variant."""

    def __init__(self, req: Request, journal: Journal, work: Work,
                 found: dict[tuple[str, str], Cell]) -> None:
        self._req, self._journal, self._work, self._cells = req, journal, work, found
        self._running: dict[Future[LaneResult], Item] = {}
        self._cancelled = threading.Event()
        self._faults = 0
        #: Of the environment: the next ones would have the same, whatever passes between them.
        self._broken = 0
        self._drawn = 0.0

    def _cell(self, target: Target) -> Cell:
        return self._cells[target.arch, target.variant]

    def _consoles(self, item: Item) -> Path:
        return self._journal.folder / "guests" / str(item.number)

    def _start(self) -> None:
        """Begin as many pieces of work as there are guests to be had."""
        while len(self._running) < self._req.jobs:
            item = self._work.next()
            if item is None:
                return
            cell, folder = self._cell(item.target), self._consoles(item)
            future = lanes.start(
                lambda cell=cell, item=item, folder=folder: cells.run(  # type: ignore[misc]
                    cell, item, folder, self._cancelled), item.name)
            self._running[future] = item

    def _take(self, future: Future[LaneResult], item: Item) -> None:
        """Keep what a piece of work gave."""
        new: list[Kind] = []
        try:
            judged = cells.judge(self._cell(item.target), item, future.result(),
                                 self._journal.programs)
        except CancelledError:
            self._journal.given_up.append(item)
            return
        except Exception as err:  # pylint: disable=broad-except
            # Whatever it is, it is told, and what the others find is worth having.
            why = str(err) if isinstance(err, KparityError) else f"{type(err).__name__}: {err}"
            self._broken += isinstance(err, EnvironmentFailed)
            run = self._journal.broken(item, why)
        else:
            run, new = self._journal.take(item, judged, self._consoles(item))
        finally:
            shutil.rmtree(self._consoles(item), ignore_errors=True)
        self._faults = self._faults + 1 if run.verdict == "error" and not run.passed else 0
        if not ui.live() or self._req.verbose:
            ui.note(told.ended(run))
        for kind in new:
            _print("\n".join(["", *told.kind(kind, f"failures/{kind.name}.json")]))

    def _give_up(self) -> None:
        """End the guests, and keep what has come to its end by itself; none is left then."""
        self._cancelled.set()
        for future in self._running:
            try:
                future.exception()
            except CancelledError:
                pass

    def go(self, stopper: Stopper, step: ui.Step) -> tuple[str, str]:
        """Run until there is no more work, or somebody ends it: how it ended, and why."""
        try:
            while True:
                if stopper.asked:
                    self._give_up()
                elif not self._useless:
                    self._start()
                for future in [one for one in self._running if one.done()]:
                    self._take(future, self._running.pop(future))
                if not self._running and (stopper.asked or self._useless or not self._more()):
                    break
                if time.monotonic() - self._drawn > DRAW:
                    self._drawn = time.monotonic()
                    step.what = told.status(self._journal, self._req.minutes,
                                            self._running.values())
                time.sleep(LOOK)
        except KeyboardInterrupt:
            # Somebody does not want to wait: guests die with this process.
            self._cancelled.set()
            self._journal.given_up += self._running.values()
            raise
        except BaseException:
            self._journal.given_up += self._running.values()
            self._give_up()
            raise
        if stopper.asked:
            return STOPPED, "it was interrupted"
        if self._useless:
            which = f"the last {FAULTS}" if self._faults >= FAULTS else f"{FAULTS}"
            why = [run.why for run in self._journal.runs if run.verdict == "error"][-1]
            return BROKE, f"{which} runs gave no result at all: {why or 'no case came to its end'}"
        return (TIME, "") if self._work.late else (DONE, "")

    @property
    def _useless(self) -> bool:
        """Whether going on is of no use."""
        return max(self._faults, self._broken) >= FAULTS

    def _more(self) -> bool:
        """Whether there is work left, which is then begun."""
        self._start()
        return bool(self._running)


def _print(text: str) -> None:
    """Lines of the report, behind the status line if there is one."""
    if ui.live():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
    print(text, flush=True)


def _prepare(req: Request, journal: Journal,
             part: pieces.Pieces | None) -> dict[tuple[str, str], Cell]:
    """Build every arch and variant, of a shard those of its part; one that cannot be costs the
    others nothing."""
    tools = matrix.choose_tools(req)
    found: dict[tuple[str, str], Cell] = {}
    wanted: list[tuple[Arch, Variant]] = [(arch, variant) for arch in req.archs
                                          for variant in req.variants
                                          if part is None or (arch.name, variant.name)
                                          in part.cells]
    for arch, variant in wanted:
        try:
            found[arch.name, variant.name] = cells.prepare(req, tools, arch, variant,
                                                           journal.folder)
        except (Failed, EnvironmentFailed, config.CannotHave) as err:
            if len(wanted) == 1:
                raise
            ui.note(f"{arch.name} {variant.name}: {err}")
            journal.unbuilt[f"{arch.name} {variant.name}"] = str(err), err.status
    return found


def _part(req: Request) -> pieces.Pieces | None:
    """What a shard runs of a soak; None without SHARD."""
    req = identity.settle(req)
    targets = cells.targets(req, [(arch, kind) for arch in req.archs for kind in req.variants])
    return pieces.split(req, targets, {one: cells.pairs_in(req, one) for one in targets})


def _nothing(journal: Journal) -> int:
    """A shard with nothing to run passes, and says so where make merge looks."""
    journal.of, journal.ended = 0, DONE
    journal.close()
    assert journal.shard is not None
    _print(f"shard {journal.shard['index']} of {journal.shard['of']}: nothing to run")
    return journal.status


def soak(req: Request) -> int:
    """Run pieces of work until there is no more, the time is up, or Ctrl-C; the exit status."""
    check(req)
    matrix.check_folders(req)
    part = _part(req)
    # From here on lanes are whole: a piece is all pairs' cases of one.
    req = replace(req, shard=None)
    journal = Journal(new_folder(req.out), req.pairs, None)
    if part is not None:
        journal.shard = part.told
        if not part.mine:
            return _nothing(journal)
    try:
        found = _prepare(req, journal, part)
        if not found:
            raise EnvironmentFailed("nothing could be built: " + "; ".join(
                f"{name}: {why}" for name, (why, _) in journal.unbuilt.items()))
    except BaseException:
        # Nothing has run.
        shutil.rmtree(journal.folder, ignore_errors=True)
        raise
    targets = [target for target in cells.targets(
        req, [(arch, variant) for arch in req.archs for variant in req.variants])
        if (target.arch, target.variant) in found]
    if part is not None:
        part.told.update(kernels={" ".join(name): sharded.ident(req, cell.setup.kernel)
                                  for name, cell in found.items()},
                         tools=next(iter(found.values())).setup.tools.versions)
        work = Work(targets, req.seeds, req.minutes,
                    mine=[one for one in part.mine if one[0] in targets])
    else:
        work = Work(targets, req.seeds, req.minutes)
    journal.of = work.of
    journal.started = time.monotonic()
    try:
        with Stopper() as stopper:
            with ui.step(told.status(journal, req.minutes, ())) as step:
                journal.ended, journal.why = _Soak(req, journal, work, found).go(stopper, step)
    except EnvironmentFailed as err:
        # A disk that is full: what was found is told all the same.
        journal.ended, journal.why = BROKE, str(err)
    except BaseException as err:
        # Nobody is there to read a sum, or wants to wait for one.
        journal.ended, journal.why = (STOPPED, "it was interrupted twice") \
            if isinstance(err, KeyboardInterrupt) else (BROKE, _why(err))
        _keep(journal, found)
        _where(journal, f"the soak ended early: {journal.why}")
        raise
    _keep(journal, found)
    try:
        _print(told.summary(journal))
    except OSError as err:
        _where(journal, f"the sum was not printed: {_why(err)}")
        raise
    return journal.status


def _where(journal: Journal, why: str) -> None:
    """Say where all is that a soak has found, as no sum does."""
    ui.note(f"kparity: {why}; the verdict is {journal.verdict}, and all that it found is in "
            f"{shown(journal.folder)}/{RESULTS}")


def _why(err: BaseException) -> str:
    """Why a soak has ended, from what ended it."""
    if isinstance(err, BrokenPipeError):
        return "nobody reads its standard output any more"
    return f"{type(err).__name__}: {err}"


def _keep(journal: Journal, found: dict[tuple[str, str], Cell]) -> None:
    """Write what a soak has found, and remove what nobody needs any more."""
    journal.clock()
    shutil.rmtree(journal.folder / "guests", ignore_errors=True)
    if not journal.kinds.all:
        # The modules are for whoever looks into a failure.
        for arch, _ in found:
            shutil.rmtree(journal.folder / arch, ignore_errors=True)
    try:
        journal.close()
    except EnvironmentFailed as err:
        ui.note(f"kparity: {err}")
        journal.ended, journal.why = BROKE, str(err)
