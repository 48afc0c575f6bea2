# SPDX-License-Identifier: GPL-2.0
"""Reads what make explain has left of operations, and writes the page of costs."""

from __future__ import annotations

import os
import re
import shlex
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kplib.common import cache
from kplib.common.errors import KparityError
from kplib.configure import pairs as places
from kplib.configure.request import Request
from kplib.judge.explain import Explained
from kplib.report import explained, files
from kplib.report.page.cost import document
from kplib.report.page.cost.made import Made
from kplib.report.page.view import Cell, cell_of

#: Names that lead nowhere else; results can come from other machines.
_NAME = re.compile(r"\w+", re.A)


def path_of(req: Request, found: dict[str, Any]) -> Path | None:
    """Where the page of results is; None where they have no costs."""
    counted = any(map(document.has_figures, found["pairs"].values()))
    if not counted or not all(map(_NAME.fullmatch, cell_of(found))):
        return None
    return files.folder(req, *cell_of(found)) / files.COSTS


def older(made: float, pair: str, pairs_dir: Path | None) -> bool:
    """Whether a source of a pair is newer than what was made at a time."""
    own = places.files(pair, pairs_dir)
    return any(path.stat().st_mtime > made for path in (own.c, own.port, own.contract)
               if path.is_file())


def _again(req: Request, found: dict[str, Any], pair: str, op: str) -> str:
    """The command that explains an operation of results."""
    words = [f"PAIR={pair}", f"OP={op}", f"ARCH={found['arch']}", f"VARIANT={found['variant']}",
             f"SEED={found['seed']}"]
    words += [f"PAIRS_DIR={shlex.quote(str(req.pairs_dir))}"] if req.pairs_dir else []
    return f"make explain {' '.join(words)}"


def _is_of(kept: explained.Kept, found: dict[str, Any], pair: str, op: str) -> bool:
    """Whether what was kept adds up to the figures of results. What runs while an operation waits
    is in the one, not in the others, and differs from boot to boot: the calls are the same then."""
    mine, one = found["pairs"][pair], kept.found
    ends = mine.get("outcomes", {}).get(op, {})
    return (kept.pair, one.op, kept.seed) == (pair, op, found["seed"]) and \
        _has_figures(one, mine["instructions"].get(op, {})) and \
        one.outcomes.keys() == ends.keys() and \
        all(_has_figures(some, ends[end]) for end, some in one.outcomes.items())


def _has_figures(one: Explained, figures: dict[str, Any]) -> bool:
    return {path: (one.calls[path], one.waits or one.figure.get(path)) for path in one.calls} == \
        {path: (cost["n"], one.waits or cost["total"]) for path, cost in figures.items()}


def _made(req: Request, found: dict[str, Any], pair: str, op: str) -> Made:
    """What make explain has left of an operation."""
    again = _again(req, found, pair, op)
    path = explained.path_of(files.folder(req, *cell_of(found)), pair, op)
    try:
        kept = explained.from_json(path.read_text())
    except FileNotFoundError:
        return Made(again, why="What it is made of, function by function and line by line:")
    except (OSError, ValueError) as err:
        return Made(again, why=f"What make explain has left cannot be read ({err}); anew:")
    if not _is_of(kept, found, pair, op):
        return Made(again, why="What make explain has left is of other figures than these; anew:")
    return Made(again, kept, old=older(path.stat().st_mtime, pair, req.pairs_dir))


def view(req: Request, found: dict[str, Any], path: Path) -> document.View:
    """All that the page is made from."""
    written = path.parent / files.RESULTS
    return document.View(
        found, {(pair, op): _made(req, found, pair, op) for pair, one in found["pairs"].items()
                if places.NAME.fullmatch(pair) for op in one.get("outcomes", {})
                if _NAME.fullmatch(op)},
        time.strftime("%Y-%m-%d %H:%M", time.localtime(written.stat().st_mtime))
        if written.is_file() else "",
        quote(os.path.relpath(req.out / files.PAGE, path.parent)))


def write(req: Request, found: dict[str, Any]) -> Path | None:
    """Write the page of results; none where they have no costs."""
    path = path_of(req, found)
    if path is not None:
        cache.write(path, document.page(view(req, found, path)))
    return path


def renew(req: Request, cell: Cell) -> None:
    """Write the page of the last run's results once more, where there is one."""
    if not (files.folder(req, *cell) / files.COSTS).is_file():
        return
    try:
        found = files.load(req, *cell)
    except KparityError:
        # Whoever asks for these results is told.
        return
    write(req, found)
