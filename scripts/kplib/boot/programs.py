# SPDX-License-Identifier: GPL-2.0
"""Programs as text that case regress is to run: those of a pair's folder, or PROGRAM=.

The engine reads them (kmod/engine/parse.c), each behind a line "@ NAME".
"""

from __future__ import annotations

import re
from pathlib import Path

from kplib.common import ui
from kplib.common.errors import Refused
from kplib.configure import pairs
from kplib.configure.request import PROGRAM_MAX, Request, read_program


def called(line: str) -> str:
    """The operation, or the pair, that a line of a program names; fail=N may stand before it."""
    return next(word for word in line.split() if not word.startswith("fail="))


def files(req: Request, pair: str) -> list[Path]:
    """The files of a pair's programs. Those of editors, whose names begin with a dot, are not."""
    if req.program:
        return [req.program]
    folder = pairs.files(pair, req.pairs_dir).regress
    return sorted(path for path in folder.glob("*") if not path.name.startswith("."))


def _read(path: Path) -> bytes:
    """A program's text; refuses a file that cannot be one."""
    name = ui.clean(pairs.short(path))
    if not re.fullmatch(r"[\w.,+=-]+", path.name, re.A):
        raise Refused(f"{name}: give the program a name of letters, digits and . , + = - _")
    if not path.is_file():
        raise Refused(f"{name}: no file with a program; move it out of the folder")
    return read_program(name, path)


def text(req: Request, pair: str) -> bytes:
    """All programs of a pair, as the engine takes them; empty for none."""
    if req.printing and not req.printing.drawn:
        return req.printing.programs.get(pair, b"")
    found = b""
    for path in files(req, pair):
        said = _read(path)
        # In a file that is kept, no folder of this machine's.
        name = f"regress/{path.name}" if req.printing else pairs.short(path)
        found += f"@ {name}\n".encode() + said.rstrip(b"\n") + b"\n"
    if len(found) > 2 * PROGRAM_MAX - 1:
        raise Refused(f"{pair} has {len(found) >> 10} KiB of programs in its regress folder; it "
                      f"can have {2 * PROGRAM_MAX >> 10}")
    return found


def check(req: Request) -> None:
    """Refuse programs that cannot be handed over, before anything is built."""
    for pair in req.pairs:
        text(req, pair)
