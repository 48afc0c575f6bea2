# SPDX-License-Identifier: GPL-2.0
"""make run AGAINST=rev: a pair's files as they are, against those of a revision of git.

The engine and the kernel are the same for both. Both revisions of the files are laid out alike,
in folders of their own, so that nothing but their contents differs.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from kplib.boot import lanes, programs
from kplib.build import kernel, modules
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.common import cache, git, ui
from kplib.common.errors import BROKEN, FAILED, OK, EnvironmentFailed, Failed, Refused
from kplib.configure import pairs
from kplib.configure.lanes import INSN, PATHS
from kplib.configure.request import Printing, Request
from kplib.contract import model, rows
from kplib.judge import baseline, frozen, ktap
from kplib.judge.baseline import Figure, Key
from kplib.judge.frozen import Difference, Program
from kplib.judge.tables import DamagedTable
from kplib.tools import compare, printing

#: The folder of both revisions and of their guests' consoles, in that of the results.
FOLDER = "against"


def check(req: Request) -> None:
    """Refuse what cannot be compared."""
    printing.check_request(req, "AGAINST runs")
    if len(req.pairs) != 1:
        raise Refused("AGAINST compares the files of one pair; give PAIR=x")


@dataclass(frozen=True)
class Files:
    """A pair's files by their names in a folder of PAIRS_DIR."""

    files: dict[str, bytes]

    def lay_out(self, folder: Path) -> None:
        """Write them."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)


def _places(pair: pairs.Pair, contract: bytes) -> dict[str, Path]:
    """Where the files of a pair are, by the names that they have in a folder of their own."""
    found = {"contract.h": pair.contract, f"{pair.name}.rs": pair.port, f"{pair.name}.c": pair.c,
             "suite.c": pair.suite, "config": pair.config}
    try:
        listed = rows.sources(contract.decode(errors="replace"))
    except rows.BadRow:
        return found  # who reads the contract tells of it
    return {**found, **{one.name: pair.c.parent / one.name for one in listed
                        if one.own and not one.name.startswith(model.SRCTREE)}}


class Revision:
    """A revision of git, in the repository that a pair is in."""

    def __init__(self, name: str, pair: pairs.Pair) -> None:
        self.name, self._said = name, f"AGAINST={ui.clean(name)}"
        if name.startswith("-"):
            raise Refused(f"{self._said}: git knows no such revision")
        self._top = Path(self._git(pair.contract.parent, "rev-parse", "--show-toplevel")
                         .decode().rstrip("\n"))
        self.commit = self._git(self._top, "rev-parse", "--verify", "--quiet",
                                f"{name}^{{commit}}").decode().strip()

    def _git(self, folder: Path, *words: str) -> bytes:
        return git.output(self._said, folder, *words)

    def read(self, path: Path) -> bytes | None:
        """A file there; None if it has none."""
        place = path.resolve()
        if not place.is_relative_to(self._top):
            return None
        name = str(place.relative_to(self._top))
        if not self._git(self._top, "ls-tree", "-z", self.commit, "--", name):
            return None
        return self._git(self._top, "show", f"{self.commit}:{name}")


def _now(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _interface(name: str, text: bytes, where: str) -> tuple[str, ...]:
    try:
        return frozen.interface(rows.read(text.decode(errors="replace"), name))
    except rows.BadRow as err:
        raise Refused(f"{where}, line {err.line}: {err}") from err


def both(req: Request) -> tuple[Files, Files, Revision]:
    """The files as they are and those of the revision; refuses a pair that it does not have, and
    another contract."""
    pair = pairs.files(req.pairs[0], req.pairs_dir)
    rev = Revision(req.against or "", pair)
    said = f"AGAINST={ui.clean(rev.name)}"
    then, now = rev.read(pair.contract), _now(pair.contract)
    if then is None or rev.read(pair.port) is None:
        raise Refused(f"{said}: it has no pair {pair.name}")
    if now is None:
        raise Refused(f"{pairs.short(pair.contract)}: no such file")
    was = _interface(pair.name, then, f"{said}: the contract of {pair.name}")
    is_ = _interface(pair.name, now, pairs.short(pair.contract))
    if other := frozen.other(frozen.Frozen(pair.name, 0, 0, was, ()), is_):
        raise Refused(f"{said}: {pair.name} has another contract there: {ui.clean(other)}")
    mine = {name: text for name, path in _places(pair, now).items()
            if (text := _now(path)) is not None}
    theirs = {name: text for name, path in _places(pair, then).items()
              if (text := rev.read(path)) is not None}
    # The programs are the same for both.
    given = {f"regress/{path.name}": path.read_bytes() for path in programs.files(req, pair.name)}
    return Files(mine | given), Files(theirs | given), rev


@dataclass(frozen=True)
class Ran:
    """What a revision gave: results by path, costs of operations, and what went wrong."""

    told: dict[str, tuple[Program, ...]]
    costs: dict[Key, Figure]
    notes: tuple[str, ...]


class _Work:
    """Runs of one pair, in one kernel, from files that come and go."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.setup, self.pair, self._folder = setup, setup.request.pairs[0], folder

    def build(self, files: Files) -> modules.Modules:
        """Build the pair of some files, in place of those that were built before."""
        shutil.rmtree(self._folder / self.pair, ignore_errors=True)
        files.lay_out(self._folder / self.pair)
        return modules.build(self.setup)

    def draw(self, built: modules.Modules) -> bytes:
        """The programs of the seed, as C over C is given them."""
        path = PATHS[0]
        told = printing.run(self.setup, built, self.setup.results / FOLDER,
                            Printing((path,), True), f"drawing programs of {self.pair}")
        return frozen.given(told.of(self.pair, path))

    def run(self, built: modules.Modules, given: bytes, name: str) -> Ran:
        """What one revision gives."""
        folder = self.setup.results / FOLDER
        told = printing.run(self.setup, built, folder,
                            Printing(PATHS, False, {self.pair: given}),
                            f"running {self.pair} of {name} on {self.setup.kernel.name}")
        notes = [f"{name} {path}: {one.status}: {next(iter(printing.reasons(one)), '')}"
                 for path, one in told.verdicts[self.pair].items()
                 if one.status in (ktap.FAIL, ktap.ERROR)]
        found = {path: mine for path, mine in told.programs[self.pair].items()
                 if told.verdicts[self.pair][path].status != ktap.ERROR}
        return Ran(found, self._costs(built, name), tuple(notes))

    def _costs(self, built: modules.Modules, name: str) -> dict[Key, Figure]:
        """The figures of lane insn; none in a variant without it."""
        setup = self.setup
        if INSN.name not in setup.kernel.variant.lanes:
            return {}
        with ui.step(f"counting {self.pair} of {name} on {setup.kernel.name}"):
            result = lanes.run(setup, INSN, lanes.ready(built), setup.results / FOLDER)
        if self.pair not in result.answers:
            raise EnvironmentFailed(result.lost or f"{self.pair} of {name} gave no figures")
        try:
            return baseline.of_answers(self.pair, result.answers[self.pair])
        except DamagedTable as err:
            raise EnvironmentFailed(str(err)) from err


def run(req: Request, tools: Toolchain, now: Files, then: Files, rev: Revision) -> int:
    """make run AGAINST=rev, of what both() has found."""
    target = kernel.get(req, tools, req.archs[0], req.variants[0])
    results = Setup(req, tools, target).results
    results.mkdir(parents=True, exist_ok=True)
    with cache.locked(results), \
            tempfile.TemporaryDirectory(prefix=f"{FOLDER}.", dir=results) as name:
        work = _Work(Setup(replace(req, pairs_dir=Path(name)), tools, target), Path(name))
        old = _build(work, then, rev.name)
        given = work.draw(old)
        was = work.run(old, given, rev.name)
        is_ = work.run(work.build(now), given, "now")
    return _tell(req, rev, was, is_)


def _build(work: _Work, files: Files, name: str) -> modules.Modules:
    try:
        return work.build(files)
    except Failed as err:
        raise Failed(f"{work.pair} of {name}: {err}") from err


def _tell(req: Request, rev: Revision, was: Ran, is_: Ran) -> int:
    """Say what differs; FAILED if any results do."""
    pair = req.pairs[0]
    found: dict[str, list[Difference]] = {}
    wrong: dict[str, str] = {}
    for path in PATHS:
        found[path], wrong[path] = printing.compared(was.told[path], is_.told[path], path) \
            if path in was.told and path in is_.told else ([], "it gave no results")
    changes = baseline.compare(was.costs, is_.costs, (pair,))
    status = FAILED if any(found.values()) else BROKEN if any(wrong.values()) else OK
    if req.machine_readable:
        print(json.dumps({"against": rev.commit, "verdict": {OK: "pass", FAILED: "fail"}.get(
            status, "error"), "notes": [
                *was.notes, *is_.notes, *(f"{path}: {why}" for path, why in wrong.items() if why)],
            "paths": {path: [one.fields() for one in mine] for path, mine in found.items()},
            "costs": compare.changes_of(changes)}, indent=1), flush=True)
        return status
    for path in PATHS:
        if wrong[path]:
            print(f"ERROR   {pair} {path}: {wrong[path]}")
            continue
        count, mine = len(was.told[path]), found[path]
        print(f"{'DIFFERS' if mine else 'same':<8}{pair} {path}: "
              + (f"{len(mine)} of {count} programs" if mine else f"{count} programs"))
        if mine:
            print("\n".join(frozen.shown(found, path, rev.name, "now", req.verbose)))
    for note in (*was.notes, *is_.notes):
        print(f"  {note}")
    if was.costs or is_.costs:
        print(f"\n{len(changes)} of {len({*was.costs, *is_.costs})} costs have changed")
    # Case insn counts nothing where results are not those of C over C.
    lacking = [(path, name) for name, costs in ((rev.name, was.costs), ("now", is_.costs))
               for path in PATHS if (was.costs or is_.costs)
               and all(key[3] != path for key in costs)]
    for path, name in lacking:
        print(f"  {path}: no costs of {ui.clean(name)}, as it does not pass in lane insn")
    rows_ = [one for one in changes if one.key[3] not in dict(lacking)]
    if rows_:
        print(f"\n  {'instructions of a call':<46}{ui.clean(rev.name)[:10]:>10}   {'now':>10}")
        print("\n".join(compare.row(one, False) for one in rows_), flush=True)
    return status
