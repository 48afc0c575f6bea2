# SPDX-License-Identifier: GPL-2.0
"""Failures as commands of GitHub's workflows: annotations at source lines.

A line of standard output is a command where it begins with `::`. What failures say is
escaped as the runner wants it, so that none of it is taken for a command or a property.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from kplib.common import ui
from kplib.report import told
from kplib.report.where import Where

#: Lines of a message; the page of a run shows some of them.
LINES, WIDTH = 30, 300
#: Lines of a program, so that there is room for the command behind it.
PROGRAM = 20


def data(text: str) -> str:
    """A command's message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def value(text: str) -> str:
    """A command's property."""
    return data(text).replace(":", "%3A").replace(",", "%2C")


def _one_line(text: str) -> str:
    """Text without what some readers take for the end of a line."""
    return re.sub("[\u2028\u2029]", "?", ui.clean(text))


def command(title: str, lines: list[str], place: tuple[str, int] | None) -> str:
    """One annotation."""
    said = [_one_line(line)[:WIDTH] for line in lines]
    if len(said) > LINES:
        said[LINES:] = [f"... {len(said) - LINES} lines more in results.json"]
    at = "" if place is None else f"file={value(place[0])},line={place[1]},"
    return f"::error {at}title={value(_one_line(title)[:WIDTH])}::{data(chr(10).join(said))}"


def _title(some: list[told.Told]) -> str:
    """All paths of a case that failed."""
    paths = tuple(dict.fromkeys(path for one in some for path in one.paths))
    return replace(some[0], paths=paths).title


def _body(some: list[told.Told]) -> list[str]:
    """The first of some failures, and how many there are."""
    one = some[0]
    more = [f"{len(some) - 1} more of this case are in the summary."] if some[1:] else []
    program = list(one.program[:PROGRAM])
    if len(one.program) > PROGRAM:
        program.append(f"... {len(one.program) - PROGRAM} lines more in results.json")
    if program:
        program = ["", f"{one.heading}:", *program]
    return [one.message, *program, "", *more, f"Again: {one.again}"]


def commands(document: dict[str, Any], folder: Path | None = None) -> list[str]:
    """The commands of one results.json; `folder` is PAIRS_DIR.

    What one case says of one line is one command, as a run shows ten of a step alone.
    """
    lines = []
    same: dict[tuple[Any, ...], list[told.Told]] = {}
    where = Where(folder)
    for one in told.failures(document):
        errors = [said for said in one.fields.get("diagnostics", ())
                  if said["level"] != "warning"]
        for said in errors:
            path = where.known(said["file"]) if said["file"] else None
            place = (path, said["line"] or 1) if path else None
            lines.append(command(one.title, [said["message"], *said["text"], "",
                                             f"Again: {one.again}"], place))
        if not errors:
            same.setdefault((one.pair, one.case, where.place(one)), []).append(one)
    return lines + [command(_title(some), _body(some), place)
                    for (*_, place), some in same.items()]


def missing(name: str, why: str) -> str:
    """The command for a cell without results."""
    return command(name, [f"no results: {why}"], None)
