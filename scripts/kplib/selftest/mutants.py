# SPDX-License-Identifier: GPL-2.0
"""Planted bugs: tests/mutants/*.patch, each of which must be caught as its head says.

Those of a pair in PAIRS_DIR are x/mutants/*.patch, and apply to its folder.

Each one is a job: a copy of the project and of its modules is mounted over the
checkout and the folder for results, seen by that job alone. kbuild then finds what
it has built, under the names that it built it with, and makes anew what the patch
changes. No two bugs share a build or a guest, so none can hide another.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from kplib.common.errors import BROKEN, FAILED, EnvironmentFailed
from kplib.configure import cases, variants
from kplib.configure import pairs as known
from kplib.configure.archs import Arch
from kplib.configure.lanes import LANES, Lane
from kplib.configure.request import TOP, Request
from kplib.judge import ktap
from kplib.mutate import objcode
from kplib.selftest import processes
from kplib.selftest.copies import run_in

FOLDER = TOP / "tests/mutants"
#: Folders of the project that a run reads nothing of, and half of all its files.
UNREAD = ("Documentation", "tests/mutants", "tests/unit", "tests/live")
#: What bugs are about; tests/mutants/README.md says what each means.
CATEGORIES = ("functional", "errors", "allocation", "lifetime", "concurrency", "context",
              "ordering", "layout", "narrowing", "user memory", "cost")


@dataclass(frozen=True)
class Mutant:
    """A patch and its head: the pair, and the verdict, case, path and kernel that catch it.

    `programs` are as many of a whole run's, the first ones, as are enough for that; None is all.
    `runs` is the case that brings about the row `case` of a checker, or of cost; empty runs all.
    """

    patch: Path
    pair: str
    case: str
    path: str
    variant: str
    verdict: str
    #: Whether it is for a pair in PAIRS_DIR.
    outside: bool = False
    programs: int | None = None
    runs: str = ""
    #: DEPTH of the run; empty is the usual one.
    depth: str = ""
    #: What the bug is about, one of CATEGORIES, or nothing.
    category: str = ""

    @property
    def lane(self) -> Lane:
        """The lane that has the case which catches it."""
        return LANES[cases.lanes_with(self.runs or self.case)[0]]

    @property
    def oracle(self) -> str:
        """The case that it is told of as caught by; a user program's has its sides for cases."""
        return self.runs if self.runs in cases.PROGRAMS.values() else self.case

    @property
    def kind(self) -> tuple[str, ...]:
        """What bugs have in common that the same check sees: kernel, case, category, language."""
        files = re.findall(r"^\+\+\+ b/\S+\.(\w+)", self.patch.read_text(), re.M)
        return (self.variant, self.oracle, self.case, self.category,
                "rust" if "rs" in files else "c")

    @property
    def name(self) -> str:
        """The patch's name."""
        return f"{self.pair}-{self.patch.stem}" if self.outside else self.patch.stem

    @property
    def status(self) -> int:
        """The exit status of a run that catches it."""
        return FAILED if self.verdict == ktap.FAIL else BROKEN


def load(patch: Path) -> Mutant:
    """Read a patch's head."""
    head = dict(re.findall(r"^(Pair|Category|Caught-by|Variant|Verdict|Programs|Case|Depth): (.*)$",
                           patch.read_text(), re.M))
    try:
        pair, (case, path) = head["Pair"], head["Caught-by"].split()
        programs = int(head["Programs"]) if "Programs" in head else None
    except (KeyError, ValueError) as err:
        raise EnvironmentFailed(f"{patch}: needs the lines 'Pair: <pair>' and "
                                "'Caught-by: <case> <path>'; Programs is a number") from err
    if programs is not None and programs < 1:
        raise EnvironmentFailed(f"{patch}: 'Programs: {programs}': at least 1 of them runs")
    if programs and case in cases.SUM_UP:
        # It would fail without the bug as well, of what so few programs do not come to.
        raise EnvironmentFailed(f"{patch}: 'Programs:' is not for what {case} catches")
    category = head.get("Category", "")
    if category and category not in CATEGORIES:
        raise EnvironmentFailed(f"{patch}: 'Category: {category}': write one of "
                                f"{', '.join(CATEGORIES)}")
    return Mutant(patch, pair, case, path, head.get("Variant", variants.BASE),
                  head.get("Verdict", ktap.FAIL), programs=programs, runs=head.get("Case", ""),
                  depth=head.get("Depth", ""), category=category)


def _outside(pairs: tuple[str, ...], pairs_dir: Path | None) -> list[Mutant]:
    """The planted bugs of pairs in PAIRS_DIR."""
    found = []
    for name in pairs:
        own = known.files(name, pairs_dir).own
        for path in sorted(own.glob("mutants/*.patch")) if own else ():
            mutant = replace(load(path), outside=True)
            if mutant.pair != name:
                raise EnvironmentFailed(f"{path}: 'Pair: {mutant.pair}': it is {name}'s")
            found.append(mutant)
    return found


def load_all(pairs: tuple[str, ...], folder: Path = FOLDER,
             pairs_dir: Path | None = None) -> list[Mutant]:
    """The planted bugs of some pairs. One of a pair that there is not would never be planted."""
    found = [load(path) for path in sorted(folder.glob("*.patch"))]
    for mutant in found:
        if mutant.pair not in known.shipped():
            raise EnvironmentFailed(f"{mutant.patch}: 'Pair: {mutant.pair}': no such pair; there "
                                    f"are {', '.join(known.shipped())}")
    return [mutant for mutant in found if mutant.pair in pairs] + _outside(pairs, pairs_dir)


def of_each_kind(every: list[Mutant]) -> list[Mutant]:
    """One planted bug of each kind, and all of pairs in PAIRS_DIR.

    Of a kind's bugs it is one of the pair that has the fewest so far, so that all pairs have some.
    """
    kinds: dict[tuple[str, ...], list[Mutant]] = {}
    for mutant in every:
        if not mutant.outside:
            kinds.setdefault(mutant.kind, []).append(mutant)
    taken: dict[str, int] = {}
    found = []
    # The kinds with the least choice come first.
    for _, bugs in sorted(kinds.items(), key=lambda kind: (len(kind[1]), kind[0])):
        one = min(bugs, key=lambda mutant: (taken.get(mutant.pair, 0), mutant.name))
        taken[one.pair] = taken.get(one.pair, 0) + 1
        found.append(one)
    return [mutant for mutant in every if mutant.outside or mutant in found]


def seed(built: Path, folder: Path) -> None:
    """Keep a copy of built modules as they are now, with the times that kbuild goes by."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.copytree(built, partial, symlinks=True)
    os.replace(partial, folder)


def doubtful(mutant: Mutant, control: dict[str, list[list[str]]]) -> str | None:
    """Why a run with a bug would show nothing, or None if its case passes without the bug.

    `control` has case, path and status of each verdict without it, by pair.
    """
    found = {status for case, path, status in control.get(mutant.pair, [])
             if case == mutant.case and mutant.path in ("any", path)}
    if ktap.PASS in found and not found & {ktap.FAIL, ktap.ERROR}:
        return None
    return (f"{mutant.case} on {mutant.path} does not pass without the bug either: "
            f"{', '.join(sorted(found)) or 'there is no such case'}")


def judge(mutant: Mutant, arch: str, status: int, said: str, results: Path) -> str | None:
    """Why a run did not catch a bug as its patch says, or None if it did."""
    if status != mutant.status:
        return f"exit status {status}, not {mutant.status}:\n{said}"
    if not results.exists():
        return f"no results:\n{said}"
    # Of modules that do not build there is nothing in it.
    cases = json.loads(results.read_text())["pairs"].get(mutant.pair, {}).get("cases", [])
    if not any(c["case"] == mutant.case and mutant.path in ("any", c["path"])
               and c["status"] == mutant.verdict for c in cases):
        return f"no {mutant.verdict} in {mutant.case} on {mutant.path}:\n{said}"
    if not re.search(rf"again: make run PAIR='?{mutant.pair}\b[^']*'? ARCH={arch} .*SEED=", said):
        return f"no command to run it again:\n{said}"
    return None


def unchanged(before: Path, now: Path, pair: str) -> bool:
    """Whether a build folder has the engine's and a pair's modules as another one has them."""
    names = ("kparity.ko", f"kparity_{pair}.ko")
    return all((now / name).exists() for name in names) and all(
        objcode.read(before / name) == objcode.read(now / name) for name in names)


def words(req: Request, arch: Arch, mutant: Mutant, wanting: tuple[str, ...]) -> list[str]:
    """The words that run a bug's case in the kernel in which it has passed without the bug.

    Pairs whose options that kernel has run with it; `wanting` are all such.
    """
    named = tuple(dict.fromkeys((mutant.pair, *wanting)))
    only = mutant.runs or mutant.case
    # What sums up needs the other cases, and of a checker only its patch knows which ones.
    alone = set(cases.of_pair(known.files(mutant.pair, req.pairs_dir))) - set(cases.SUM_UP)
    if mutant.runs and mutant.runs not in alone:
        raise EnvironmentFailed(f"{mutant.patch}: 'Case: {mutant.runs}': {mutant.pair} has "
                                f"{', '.join(sorted(alone))}")
    outside = any(known.files(name, req.pairs_dir).own for name in named)
    return ["run", f"PAIR={' '.join(named)}", f"LANE={mutant.lane.name}", f"ARCH={arch.name}",
            f"VARIANT={mutant.variant}",
            *([f"CASE={only}"] if only in alone else []),
            *([f"PROGRAMS={mutant.programs}"] if mutant.programs else []),
            *([f"DEPTH={mutant.depth}"] if mutant.depth else []),
            *([f"PAIRS_DIR={req.pairs_dir}"] if outside else [])]


def plant(req: Request, arch: Arch, mutant: Mutant, copy: Path, built: Path,
          folder: Path, wanting: tuple[str, ...] = ()) -> str | None:
    """Plant a bug in a copy of the project and run its pair; why it was not caught, or None.

    `built` has the modules of `copy` as they were built in the checkout, for a kernel with
    the options of the pairs `wanting`.
    """
    if os.geteuid() != 0:
        processes.own_mounts()
    mine, out = folder / "project", folder / "out"
    patch = mutant.patch.read_bytes()
    unread = {copy / name for name in UNREAD}
    shutil.copytree(copy, mine, symlinks=True, ignore=lambda folder, names: {
        name for name in names if Path(folder, name) in unread})
    shutil.copytree(built, out / arch.name / mutant.variant / "build", symlinks=True)
    inside = req.out.relative_to(TOP) if req.out.is_relative_to(TOP) else None
    if inside is not None:
        (mine / inside).mkdir(parents=True, exist_ok=True)
    processes.bind(mine, TOP)
    processes.bind(out, req.out)
    os.chdir(TOP)  # where it was is below the mount
    where = TOP
    if mutant.outside:
        assert req.pairs_dir is not None
        shutil.copytree(req.pairs_dir, folder / "pairs", symlinks=True)
        processes.bind(folder / "pairs", req.pairs_dir)
        where = req.pairs_dir / mutant.pair
    # git must take the copy for what it is, not for a part of a checkout around it.
    applied = subprocess.run(
        ["git", "apply", "-p1"], cwd=where, check=False, input=patch, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(where.parent)})
    if applied.returncode:
        return f"does not apply: {applied.stdout.decode(errors='replace').strip()}"
    done = run_in(TOP, req, *words(req, arch, mutant, wanting), out=req.out)
    said = done.stdout.decode(errors="replace")
    results = req.out / arch.name / mutant.variant
    # Modules that do not build are those that were there.
    if "do not build" not in said and unchanged(built, results / "build", mutant.pair):
        return f"leaves the object code as it was:\n{said}"
    return judge(mutant, arch.name, done.returncode, said, results / "results.json")
