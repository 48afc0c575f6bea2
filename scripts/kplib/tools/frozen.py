# SPDX-License-Identifier: GPL-2.0
"""make freeze keeps what the C side gives for its programs, and make run FROZEN=1 holds the port
against that: also once the C side is no longer there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from kplib.build import kernel, modules
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.common import cache, ui
from kplib.common.errors import BROKEN, FAILED, OK, EnvironmentFailed, Failed, Refused
from kplib.configure import pairs
from kplib.configure.request import PROGRAM_MAX, TOP, Printing, Request
from kplib.contract import rows
from kplib.contract.model import Contract
from kplib.judge import frozen, ktap
from kplib.judge.frozen import BadFrozen, Difference, Frozen
from kplib.tools import printing

#: The folder for these guests' consoles, in that of the results.
FOLDER = "frozen"
#: The path that is kept, the one of which accepted differences are, and those that are judged.
KEPT, ACCEPTED = "c->c", "c->rust"
JUDGED = ("c->rust", "rust->rust")
#: Lines of a failed case that are shown.
REASONS = 3
#: Lines that are shown of C over C where that fails.
SAID = 40


def file_of(req: Request, pair: str) -> Path:
    """Where a pair's frozen file is."""
    own = pairs.files(pair, req.pairs_dir).own
    path = own / "frozen.txt" if own else TOP / "tests/frozen" / f"{pair}.txt"
    if path.is_dir():
        raise Refused(f"{pairs.short(path)}: a folder is where the frozen file would be")
    return path


def contract_of(req: Request, pair: str) -> Contract:
    """The pair's contract."""
    files = pairs.files(pair, req.pairs_dir)
    try:
        return rows.read(files.read(), pair)
    except rows.BadRow as err:
        raise Refused(f"{pairs.short(files.contract)}:{err.line}: {err}") from err


def check_freeze(req: Request) -> None:
    """Refuse what cannot be frozen."""
    if "PAIR" not in req.given:
        raise Refused("make freeze wants the pairs by their names: make freeze PAIR=x")
    printing.check_request(req, "make freeze runs")


def freeze(req: Request, tools: Toolchain) -> int:
    """make freeze: write the files of some pairs, once a second guest gives the same for them."""
    setup = Setup(req, tools, kernel.get(req, tools, req.archs[0], req.variants[0]))
    contracts = {pair: contract_of(req, pair) for pair in req.pairs}
    accepts = any(one.differences for one in contracts.values())
    folder, names = setup.results / FOLDER, ", ".join(req.pairs)
    with cache.locked(setup.results):
        built = modules.build(setup)
        told = printing.run(setup, built, folder,
                            Printing((KEPT, ACCEPTED) if accepts else (KEPT,), True),
                            f"running the programs of {names} on {setup.kernel.name}")
        found = {pair: _frozen(req, contracts[pair], told) for pair in req.pairs}
        again = printing.run(setup, built, folder,
                             Printing((KEPT,), False, _handed(found)),
                             f"running them once more on {setup.kernel.name}")
    for pair, mine in found.items():
        _passed(again, pair, KEPT)
        found_now, why = printing.compared(mine.programs, again.of(pair, KEPT), KEPT)
        for one in found_now[:1]:
            print("\n".join(one.show("first", "then")))
        if found_now or why:
            raise Failed(f"{pair}: C over C does not give the same in a second guest; nothing is "
                         f"kept{f': {why}' if why else ''}")
    for pair, mine in found.items():
        path = file_of(req, pair)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = frozen.write(mine)
        cache.write(path, text)
        print(f"{pairs.short(path)}: {len(mine.programs)} programs of {pair}, "
              f"{sum(len(one.lines) - 1 for one in mine.programs)} operations, "
              f"{len(text) >> 10} KiB", flush=True)
    return OK


def _passed(told: printing.Told, pair: str, path: str) -> None:
    """Refuse to keep what fails."""
    verdict = told.verdicts[pair].get(path)
    if verdict is not None and verdict.status == ktap.FAIL:
        print("\n".join(verdict.log[:SAID]), flush=True)
        raise Failed(f"{pair} fails on {path}; nothing is kept; make run PAIR={pair} CASE=lockstep "
                     "tells all of it")


def _frozen(req: Request, contract: Contract, told: printing.Told) -> Frozen:
    pair = contract.pair
    _passed(told, pair, KEPT)
    programs = told.of(pair, KEPT)
    if contract.differences:
        _passed(told, pair, ACCEPTED)
        try:
            programs = frozen.merged(programs, told.of(pair, ACCEPTED))
        except BadFrozen as err:
            raise EnvironmentFailed(f"{pair}: {ui.clean(str(err))}") from err
    return Frozen(pair, req.seed, req.programs, frozen.interface(contract), programs)


def _handed(found: dict[str, Frozen]) -> dict[str, bytes]:
    handed = {pair: mine.given() for pair, mine in found.items()}
    for pair, text in handed.items():
        if len(text) > 2 * PROGRAM_MAX - 1:
            raise Refused(f"{pair}: its programs have {len(text) >> 10} KiB, and the engine reads "
                          f"{2 * PROGRAM_MAX >> 10}; give a smaller PROGRAMS=")
    return handed


def read(req: Request, pair: str) -> Frozen:
    """A pair's frozen file; refuses one of another pair or contract."""
    path = file_of(req, pair)
    name = pairs.short(path)
    try:
        found = frozen.read(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as err:
        raise Refused(f"{name}: it is damaged: it is no text") from err
    except BadFrozen as err:
        raise Refused(f"{name}: {ui.clean(str(err))}") from err
    except OSError as err:
        raise Refused(f"{name}: {err.strerror}; 'make freeze PAIR={pair}' writes it while the C "
                      "side is there") from err
    if found.pair != pair:
        raise Refused(f"{name}: it is of pair {found.pair}")
    if other := frozen.other(found, frozen.interface(contract_of(req, pair))):
        raise Refused(f"{name}: it is of another contract: {ui.clean(other)}")
    return found


def check_run(req: Request) -> Request:
    """The request for the pairs to judge: those named, or all that have a file."""
    if not req.frozen:
        return req
    printing.check_request(req, "FROZEN=1 runs")
    if req.against:
        raise Refused("FROZEN and AGAINST exclude each other; give one")
    for name in ("SEED", "PROGRAMS"):
        if name in req.given:
            raise Refused(f"{name}: a frozen file has its programs; leave {name} out")
    if "PAIR" not in req.given:
        there = tuple(pair for pair in req.pairs if file_of(req, pair).exists())
        if not there:
            raise Refused("FROZEN=1: no pair has a frozen file; 'make freeze PAIR=x' writes one")
        req = replace(req, pairs=there)
    return req


def run(req: Request, tools: Toolchain, files: dict[str, Frozen]) -> int:
    """make run FROZEN=1: the port of each pair, against its file."""
    setup = Setup(req, tools, kernel.get(req, tools, req.archs[0], req.variants[0]))
    with cache.locked(setup.results):
        built = modules.build(setup)
        told = printing.run(setup, built, setup.results / FOLDER,
                            Printing(JUDGED, False, _handed(files)),
                            f"running frozen programs of {', '.join(req.pairs)} on "
                            f"{setup.kernel.name}")
    status, rows_ = OK, []
    for pair in req.pairs:
        differ: dict[str, list[Difference]] = {}
        for path in JUDGED:
            verdict = told.verdicts[pair].get(path)
            failed = verdict is not None and verdict.status == ktap.FAIL
            broken = verdict is None or verdict.status not in (ktap.PASS, ktap.FAIL)
            log = printing.reasons(verdict) if verdict and (failed or broken) else []
            found: list[Difference] = []
            if not broken:
                found, why = printing.compared(files[pair].programs, told.of(pair, path), path)
                log += [why] if why else []
                broken = bool(why) and not failed
            differ[path] = found
            said = "error" if broken else "fail" if failed or found else "pass"
            status = FAILED if said == "fail" else status if said == "pass" else status or BROKEN
            rows_.append({"pair": pair, "path": path, "verdict": said,
                          "programs": len(files[pair].programs), "log": log,
                          "differences": [one.fields() for one in found]})
            if not req.machine_readable:
                _show(req, files[pair], path, said, log, differ)
    if req.machine_readable:
        print(json.dumps({"verdict": {OK: "pass", FAILED: "fail"}.get(status, "error"),
                          "frozen": rows_}, indent=1), flush=True)
    return status


def _show(req: Request, file: Frozen, path: str, said: str, log: list[str],
          differ: dict[str, list[Difference]]) -> None:
    """A path's verdict, and what differs, for a person; `differ` has the paths before as well."""
    count, found = len(file.programs), differ[path]
    what = f"{len(found)} of {count} programs differ" if found else f"{count} programs" + (
        " give what the C side gave" if said == "pass" else "")
    print(f"{said.upper():<5} {file.pair} {path}: {what}", flush=True)
    # Mostly the same promise, in one program after the other.
    for line in log[:None if req.verbose or said == "error" else REASONS]:
        print(f"  {line}")
    if len(log) > REASONS and not req.verbose and said != "error":
        print(f"  ... and {len(log) - REASONS} lines more; V=1 shows them")
    if differ[path]:
        print("\n".join(frozen.shown(differ, path, "frozen", "this path", req.verbose)))
