# SPDX-License-Identifier: GPL-2.0
"""Failures as commands of GitHub's workflows: annotations at source lines.

A line of standard output is a command where it begins with `::`. What failures say is
escaped as the runner wants it, so that none of it is taken for a command or a property.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator

from kplib.common import ui
from kplib.configure import pairs
from kplib.configure.request import TOP
from kplib.report import told

#: Places in what the kernel and KUnit say, as file:line.
_PLACE = re.compile(r"(?<![\w./+-])(/?[\w./+-]+\.(?:c|h|rs|S)):([1-9]\d{0,6})\b")
#: Lines of a message; the page of a run shows some of them.
LINES, WIDTH = 30, 300
#: Lines of a program, so that there is room for the command behind it.
PROGRAM = 20
#: The engine judges for all pairs: its own lines say nothing of what is wrong.
_ENGINE = "kmod/engine/"


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


def _in_checkout(file: str) -> str | None:
    """A file's path in the checkout, or None if it is not there."""
    try:
        path = (TOP / file).resolve()
        inside = path.is_relative_to(TOP) and path.is_file()
    except (OSError, ValueError):
        return None
    return str(path.relative_to(TOP)) if inside else None


def _places(lines: list[str]) -> Iterator[tuple[str, int]]:
    """Lines of the checkout that a text names, but for the engine's."""
    for line in lines:
        for file, number in _PLACE.findall(line):
            path = _in_checkout(file)
            if path is not None and not path.startswith(_ENGINE):
                yield path, int(number)


def _line_of(path: Path, pattern: str) -> tuple[str, int] | None:
    """Where a pattern first matches in a file of the checkout."""
    short = _in_checkout(str(path))
    if short is None:
        return None
    text = path.read_text(errors="replace")
    found = re.search(pattern, text, re.M)
    return (short, text.count("\n", 0, found.start()) + 1) if found else None


def _implementation(one: told.Told, folder: Path | None) -> tuple[str, int] | None:
    """Where the operation that differs is implemented, on the side that the path calls."""
    if not pairs.NAME.fullmatch(one.pair):
        return None
    files = pairs.files(one.pair, folder)
    rust = any(path.endswith("->rust") for path in one.paths)
    file = files.port if rust else files.c
    operation = one.fields.get("operation")
    if operation:
        bare = re.escape(operation.removeprefix(f"{one.pair}_"))
        name = rf"(?:{re.escape(one.pair)}_)?{bare}\b"
        pattern = rf"^.*\bfn {name}" if rust else rf"^[a-z][^;#]*?\b{name}\s*\("
        # Rust may have it in a trait of the kernel crate's: then the contract tells of it.
        if place := _line_of(file, pattern) or _line_of(files.contract, rf"^KP_\w+\({name}"):
            return place
    return _line_of(file, r"\A") or _line_of(files.contract, r"\A")


def _place(one: told.Told, folder: Path | None) -> tuple[str, int] | None:
    """The line of the checkout that tells most of a failure."""
    fields = one.fields
    broken = [str(said["invariant"]["place"]) for said in fields.get("broken", ())
              if said["invariant"] and said["invariant"]["place"]]
    steps = [step for result in fields.get("results", ()) for step in result["steps"]]
    files = pairs.files(one.pair, folder) if pairs.NAME.fullmatch(one.pair) else None
    own = {_in_checkout(str(path)) for path in (files.port, files.c)} if files else set()
    said = list(_places([*fields.get("stack", ()), *steps]))
    for place in said:
        if place[0] in own:
            return place
    if fields.get("what") == "case":
        said += _places([one.message, *one.log])
    if said:
        return said[0]
    if fields.get("operation") or not broken:
        return _implementation(one, folder)
    return next(_places(broken), None) or _implementation(one, folder)


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
        program = ["", "The smallest program found:", *program]
    return [one.message, *program, "", *more, f"Again: {one.again}"]


def commands(document: dict[str, Any], folder: Path | None = None) -> list[str]:
    """The commands of one results.json; `folder` is PAIRS_DIR.

    What one case says of one line is one command, as a run shows ten of a step alone.
    """
    lines = []
    same: dict[tuple[Any, ...], list[told.Told]] = {}
    for one in told.failures(document):
        errors = [said for said in one.fields.get("diagnostics", ())
                  if said["level"] != "warning"]
        for said in errors:
            path = _in_checkout(said["file"]) if said["file"] else None
            place = (path, said["line"] or 1) if path else None
            lines.append(command(one.title, [said["message"], *said["text"], "",
                                             f"Again: {one.again}"], place))
        if not errors:
            same.setdefault((one.pair, one.case, _place(one, folder)), []).append(one)
    return lines + [command(_title(some), _body(some), place)
                    for (*_, place), some in same.items()]


def missing(name: str, why: str) -> str:
    """The command for a cell without results."""
    return command(name, [f"no results: {why}"], None)
