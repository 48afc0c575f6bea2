# SPDX-License-Identifier: GPL-2.0
"""The files of a run: out/<arch>/<variant>/results.json and those beside it.

They are of the last run, or absent. Of two runs for one arch and variant in one OUT the
second waits for the first. A run removes those of the one before it as its
first act; run.json says in their place that it has begun, and in the end why it gave
none. out/last-run.json says which arches and variants the last `make run` was for, and
out/report.html tells of them. Where the modules did not build, results.json has what the
tools said of it.

Programs that failed are kept in out/programs/, each under a name that is made of its
text, until `make clean`: to run one again removes the results, and not the others.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any, Iterator

from kplib.common import cache
from kplib.common.errors import EnvironmentFailed, KparityError, Refused
from kplib.configure import identity, request, shards
from kplib.configure.archs import Arch
from kplib.configure.request import Request
from kplib.configure.variants import Variant
from kplib.judge import failures, ktap, results, times
from kplib.judge.ledger import Ledger
from kplib.judge.results import ArchResult

RESULTS = "results.json"
STATE = "run.json"
LAST = "last-run.json"
PROGRAMS = "programs"
#: The results of all arches and variants, for a browser.
PAGE = "report.html"
#: What operations cost on an arch and variant, for a browser.
COSTS = "cost.html"
#: All that a run leaves for its reader; consoles are the guests' own.
_OF_A_RUN = (RESULTS, "results.ktap", "junit.xml", COSTS)


def folder(req: Request, arch: str, variant: str) -> Path:
    """Where the results of an arch and variant go."""
    return req.out / arch / variant


def begin(where: Path) -> None:
    """Remove the results of the run before, and say that one has begun."""
    for name in _OF_A_RUN:
        (where / name).unlink(missing_ok=True)
    (where.parent.parent / PAGE).unlink(missing_ok=True)
    shutil.rmtree(where / "logs", ignore_errors=True)
    _state(where, "running", "")


def failed(where: Path, why: str) -> None:
    """Say why a run gives no results."""
    if not (where / RESULTS).exists():
        _state(where, "failed", why)


def _state(where: Path, state: str, why: str) -> None:
    # A disk that is full is told of by whoever needs it next.
    with contextlib.suppress(EnvironmentFailed):
        cache.write(where / STATE, json.dumps(
            {"state": state, "why": why, "at": time.strftime("%Y-%m-%d %H:%M:%S")}) + "\n")


@contextlib.contextmanager
def recorded(*folders: Path) -> Iterator[None]:
    """A run that leaves its results in some folders, or the reason why there are none.

    The folders are its own until it ends: a second run waits, which would else swap the
    modules and cut off the consoles of the first. Not to be nested.
    """
    with contextlib.ExitStack() as locks:
        for where in folders:
            locks.enter_context(cache.locked(where))
        for where in folders:
            begin(where)
        try:
            yield
        except BaseException as err:
            why = str(err) if isinstance(err, KparityError) else \
                "it was interrupted" if isinstance(err, KeyboardInterrupt) else \
                f"{type(err).__name__}: {err}"
            for where in folders:
                failed(where, why)
            raise


@contextlib.contextmanager
def recorded_run(req: Request, *more: Request) -> Iterator[None]:
    """Record a run of all arches and variants of requests, of which `make report` tells then."""
    cells = [(arch.name, variant.name) for one in (req, *more)
             for arch in one.archs for variant in one.variants]
    with recorded(*(folder(req, *cell) for cell in cells)):
        with contextlib.suppress(EnvironmentFailed):
            cache.write(req.out / LAST, json.dumps({"cells": cells}) + "\n")
        yield


def document(result: ArchResult) -> dict[str, Any]:
    """Contents of results.json, but for contracts, times and failures."""
    # Through text and back: what is shown now is what is read from the file later.
    found: dict[str, Any] = json.loads(json.dumps(result.to_json()))
    return found


def complete(result: ArchResult, book: Ledger, where: Path,
             pairs_dir: Path | None) -> dict[str, Any]:
    """All that results.json holds, in the folder `where`."""
    seconds = times.of_lanes(where, [lane.lane.name for lane in result.lanes])
    found = document(result)
    for name, pair in found["pairs"].items():
        teller = failures.Teller(name, result, book, pairs_dir, _programs(where))
        pair["contract"] = book.to_json(name)
        pair["accepted"] = book.accepted_to_json(name)
        for case, verdict in zip(pair["cases"], result.pairs[name].verdicts):
            case["seconds"] = seconds.get((case["suite"], case["case"], case["path"]))
            case["failures"] = teller.tell(verdict)
    return found


def _programs(where: Path) -> Path:
    """The folder for programs, of all arches and variants."""
    return where.parent.parent / PROGRAMS


def save(result: ArchResult, found: dict[str, Any], where: Path) -> None:
    """Write results.json, junit.xml, the KTAP of all verdicts, the log of each suite, and
    the programs that failed. `found` is complete() of the results.

    results.json comes last: where it is, all is.
    """
    seconds = times.of_lanes(where, [lane.lane.name for lane in result.lanes])
    for pair in found["pairs"].values():
        for case in pair["cases"]:
            for path, text in failures.programs(case["failures"]).items():
                cache.write(path, text)
    for suite, text in results.logs(result).items():
        cache.write(where / ktap.log_file(suite), text)
    text = ktap.render([v for pair in result.pairs.values() for v in pair.verdicts])
    package = f"{result.kernel.arch.name}.{result.kernel.variant.name}"
    cache.write(where / "results.ktap", text)
    cache.write(where / "junit.xml", ktap.junit(result.kernel.tree, text, package, seconds))
    cache.write(where / RESULTS, json.dumps(found, indent=1) + "\n")
    (where / STATE).unlink(missing_ok=True)


def save_unbuilt(found: dict[str, Any], where: Path) -> None:
    """Write results.json of a run whose modules did not build."""
    # A disk that is full is told of by whoever needs it next.
    with contextlib.suppress(EnvironmentFailed):
        cache.write(where / RESULTS, json.dumps(found, indent=1) + "\n")
        (where / STATE).unlink(missing_ok=True)


def save_idle(req: Request) -> list[tuple[Arch, Variant]]:
    """Write results.json of each arch and variant of which a shard has nothing to run; these.

    `make merge` knows by it that the shard is not lost.
    """
    idle = [(arch, variant) for arch in req.archs for variant in req.variants
            if not shards.here(req, arch.name, variant.name)]
    for arch, variant in idle:
        where = folder(req, arch.name, variant.name)
        assert req.shard is not None
        cache.write(where / RESULTS, json.dumps({
            **results.empty(arch.name, variant.name, req.seed,
                            request.replay(req, arch, variant), "pass",
                            f"{req.shard.name} has nothing to run here", req.cases),
            "shard": identity.of_cell(req, arch.name, variant.name, None)}, indent=1) + "\n")
        (where / STATE).unlink(missing_ok=True)
    return idle


def asked(req: Request) -> list[tuple[str, str]]:
    """Arches and variants that a report is wanted of: those named, else the last run's."""
    named = [(arch.name, variant.name) for arch in req.archs for variant in req.variants]
    if {"ARCH", "VARIANT"} & set(req.given):
        return named
    try:
        return [(str(arch), str(variant))
                for arch, variant in json.loads((req.out / LAST).read_text())["cells"]]
    except (OSError, ValueError, KeyError, TypeError):
        return named


def without(req: Request, arch: str, variant: str, why: str) -> dict[str, Any]:
    """In place of results that there are none of: those that were saved all the same, else
    a reason."""
    try:
        found: dict[str, Any] = json.loads((folder(req, arch, variant) / RESULTS).read_text())
        return found
    except (OSError, ValueError):
        return results.empty(arch, variant, req.seed, "", "error", why, req.cases)


def load(req: Request, arch: str, variant: str) -> dict[str, Any]:
    """The results of the last run on an arch and variant."""
    where = folder(req, arch, variant)
    again = f"'make run ARCH={arch} VARIANT={variant}'"
    try:
        found: dict[str, Any] = json.loads((where / RESULTS).read_text())
        if not isinstance(found, dict):
            raise ValueError("it is no object")
        if found.get("schema") != results.SCHEMA:
            raise EnvironmentFailed(
                f"{where / RESULTS} is of another version of kparity (schema "
                f"{found.get('schema')}, and {results.SCHEMA} is read); {again} writes it anew")
        return found
    except ValueError as err:
        raise EnvironmentFailed(f"{where / RESULTS} is damaged: {err}; {again} writes it") from err
    except OSError:
        pass
    try:
        state = json.loads((where / STATE).read_text())
        began, why = state["at"], state["why"]
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused(f"{where / RESULTS} is not there; {again} writes it") from None
    if state["state"] == "running":
        raise EnvironmentFailed(f"the last run on {arch} {variant}, begun {began}, has given no "
                                "results: it still runs, or was killed")
    raise EnvironmentFailed(f"the last run on {arch} {variant} gave no results: {why}")
