# SPDX-License-Identifier: GPL-2.0
"""make merge DIRS='a b c': the results of all shards as one verdict, in OUT.

Nothing is taken for whole that is not: a shard that is missing or there twice, or that is of
another tree, kernel, toolchain, request or number of shards, is an error, and OUT then has no
results.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from kplib.common import cache, ui
from kplib.common.errors import BROKEN, FAILED, OK, EnvironmentFailed, Refused
from kplib.configure.request import Request
from kplib.judge import failures, ktap
from kplib.report import files, terminal
from kplib.report.terminal import shown
from kplib.report.page import gather
from kplib.shard import join, parts, scores, soaks
from kplib.shard.parts import Cell, Part

#: Times of what has run, for TIMES= of later shards.
TIMES = "times.json"
_STATUS = {"pass": OK, "fail": FAILED}
#: Names of files that a run leaves, and that are copied.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}\.(ktap|console)")


def merge(req: Request) -> tuple[int, dict[str, Any]]:
    """Join what the folders have: the exit status, and for FORMAT=json the results of runs."""
    if not req.dirs:
        raise Refused("make merge wants the folders of all shards: give DIRS='a b c', what OUT was "
                      "for each")
    if req.out in req.dirs:
        raise Refused(f"OUT {shown(req.out)} is one of DIRS, and a merge removes what is in it; "
                      "give another OUT")
    cache.writable_folder("OUT", req.out)
    kinds = {"run": parts.of_runs, "soak": soaks.parts_of, "mutants": scores.parts_of}
    found: dict[str, list[Part]] = {}
    for kind, read in kinds.items():
        some = [part for folder in req.dirs for part in read(folder)]
        if some:
            found[kind] = some
    have = {part.folder for some in found.values() for part in some}
    lacking = [f"{ui.clean(shown(folder))} has no results of a shard: {parts.ended(folder)}"
               for folder in req.dirs if folder not in have]
    if not found:
        raise EnvironmentFailed(lacking[0])
    statuses: list[int] = []
    told: dict[str, Any] = {}
    if "run" in found:
        status, told = _runs(req, found["run"], "; ".join(lacking))
        statuses.append(status)
    if "soak" in found:
        statuses.append(soaks.merge(req, found["soak"], "; ".join(lacking)))
    if "mutants" in found:
        statuses.append(scores.merge(req, found["mutants"], "; ".join(lacking)))
    return FAILED if FAILED in statuses else max(statuses), told


def _wanted(req: Request, found: list[Part], lacking: str) -> list[Cell]:
    """The arches and variants that must be there, in the order of a whole run: those that are
    named, else those of the shards' own requests."""
    own = {(arch, variant) for part in found for arch, variant in part.shard["cells"]}
    named = {(arch.name, variant.name) for arch in req.archs for variant in req.variants}
    wanted = named if {"ARCH", "VARIANT"} & set(req.given) else own
    for part in found:
        if _cell_of(part) not in wanted:
            raise EnvironmentFailed(f"{part.name} has results of {part.what}, which is not among "
                                    "the arches and variants asked for")
    have = {_cell_of(part) for part in found}
    for arch, variant in parts.every_cell():
        if (arch, variant) in wanted - have:
            raise EnvironmentFailed(f"all shards of {arch} {variant} are missing"
                                    + (f"; {lacking}" if lacking else ""))
    return [cell for cell in parts.every_cell() if cell in wanted]


def _cell_of(part: Part) -> Cell:
    return part.document["arch"], part.document["variant"]


def _checked(req: Request, found: list[Part], lacking: str) -> dict[Cell, list[Part]]:
    """The parts of each arch and variant, once nothing speaks against joining them."""
    parts.check_same(found)
    by_cell: dict[Cell, list[Part]] = {}
    for cell in _wanted(req, found, lacking):
        mine = [part for part in found if _cell_of(part) == cell]
        parts.check_whole(mine, lacking or _absent(mine, req))
        parts.check_tools(mine)
        parts.check_units(mine)
        by_cell[cell] = mine
    if lacking:
        raise EnvironmentFailed(lacking)
    return by_cell


def _absent(mine: list[Part], req: Request) -> str:
    """What folders without results of one arch and variant say of it."""
    arch, variant = _cell_of(mine[0])
    said = []
    for folder in req.dirs:
        if all(part.folder != folder for part in mine):
            try:
                state = json.loads((folder / arch / variant / files.STATE).read_text())
                said.append(f"{ui.clean(shown(folder))}: its run gave none: "
                            f"{ui.clean(str(state['why'])) or 'it still runs, or was killed'}")
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return "; ".join(said)


def _runs(req: Request, found: list[Part], lacking: str) -> tuple[int, dict[str, Any]]:
    """Join runs, in the files that a whole run would have left."""
    cells = [cell for cell in parts.every_cell() if any(_cell_of(part) == cell for part in found)]
    folders = {cell: req.out / cell[0] / cell[1] for cell in cells}
    documents: dict[Cell, dict[str, Any]] = {}
    with files.recorded(*folders.values()):
        cache.write(req.out / files.LAST, json.dumps({"cells": cells}) + "\n")
        (req.out / TIMES).unlink(missing_ok=True)
        for cell, mine in _checked(req, found, lacking).items():
            documents[cell] = join.document(mine, req.out / files.PROGRAMS)
        times: dict[str, dict[str, float]] = {}
        for cell, one in documents.items():
            _save(one, [part for part in found if _cell_of(part) == cell], folders[cell])
            times |= join.times(one)
        cache.write(req.out / TIMES, json.dumps(times, indent=1, sort_keys=True) + "\n")
        gather.write(req, list(documents.values()), {})
    if not req.machine_readable:
        for cell, one in documents.items():
            print(terminal.text(one, req.verbose, req.verbose or len(one["pairs"]) == 1,
                                shown(folders[cell])), flush=True)
        print(_sum(documents, found), flush=True)
    statuses = [_STATUS.get(one["verdict"], BROKEN) for one in documents.values()]
    return (FAILED if FAILED in statuses else max(statuses),
            {f"{arch}-{variant}": one for (arch, variant), one in documents.items()})


def _sum(documents: dict[Cell, dict[str, Any]], found: list[Part]) -> str:
    """One line on all of it."""
    verdicts = [one["verdict"] for one in documents.values()]
    word = "FAIL" if "fail" in verdicts else "ERROR" if "error" in verdicts else "PASS"
    count = found[0].shard["of"]
    return (f"\nmerged: {word}, {count} shard{'s' * (count > 1)} of "
            f"{', '.join(' '.join(cell) for cell in documents)}")


def _save(found: dict[str, Any], mine: list[Part], where: Path) -> None:
    """Write what a run leaves: programs, logs, consoles, KTAP, JUnit, and results.json last."""
    for pair in found["pairs"].values():
        for case in pair["cases"]:
            for path, text in failures.programs(case["failures"]).items():
                cache.write(path, text)
    for path in where.glob("*.console"):
        path.unlink()
    mine = sorted(mine, key=lambda part: part.index)
    for part in mine:
        for path in (part.where / "logs").glob("*.ktap"):
            _copy(path, where / "logs" / path.name)
        for path in part.where.glob("*.console"):
            _copy(path, where / f"{path.stem}.shard-{part.index}.console")
    cache.write(where / "results.ktap", ktap.render(join.verdicts(found)))
    texts = []
    for part in mine:
        # A part in which nothing has run has none.
        try:
            texts.append((part.where / "junit.xml").read_text())
        except OSError as err:
            if part.document["pairs"]:
                raise EnvironmentFailed(f"{ui.clean(shown(part.where))}/junit.xml: "
                                        f"{err.strerror}") from err
        except ValueError as err:
            raise EnvironmentFailed(f"{ui.clean(shown(part.where))}/junit.xml is damaged: "
                                    f"{err}") from err
    (where / "junit.xml").unlink(missing_ok=True)
    if texts:
        cache.write(where / "junit.xml", join.junit(texts))
    cache.write(where / files.RESULTS, json.dumps(found, indent=1) + "\n")
    (where / files.STATE).unlink(missing_ok=True)


def _copy(path: Path, to: Path) -> None:
    """Copy a file that another machine has left, if it is one of a run's."""
    if path.is_symlink() or not path.is_file() or not _NAME.fullmatch(path.name):
        return
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
    except OSError as err:
        raise EnvironmentFailed(f"cannot copy {ui.clean(shown(path))}: {err.strerror}") from err
