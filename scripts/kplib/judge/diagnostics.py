# SPDX-License-Identifier: GPL-2.0
"""Messages of compilers in a build that failed, in fields where these can be told apart.

All lines of the build are kept as they are beside them: none is lost that is no message here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Iterator

from kplib.common import ui

#: rustc: the message, and in a line soon behind it the place.
_RUSTC = re.compile(r"(?P<level>error|warning)(?:\[(?P<code>\w+)\])?: (?P<message>.*)")
_RUSTC_AT = re.compile(r" *--> (?P<file>.+?):(?P<line>\d+):(?P<column>\d+)$")
#: clang, also through bindgen; and kparity's messages on a contract.
_CLANG = re.compile(r"(?P<file>[^\s:][^:]*):(?P<line>\d+):(?:(?P<column>\d+):)? "
                    r"(?P<level>fatal error|error|warning): (?P<message>.*)")
_MODPOST = re.compile(r"(?P<level>ERROR|WARNING): modpost: (?P<message>.*)")
#: rustc says how many there were.
_COUNTED = re.compile(r"aborting due to |\d+ warnings? emitted|could not compile ")
#: Behind clang's first line: the source, notes, and notes' source.
_CLANG_MORE = re.compile(r" *\d* *\|| *[\^~]|[^\s:][^:]*:\d+:\d+: note: |In file included from ")
#: A target that make gave up.
_GAVE_UP = re.compile(r"^make\S*: \*\*\* \[(?:.*?:\d+: )?(\S+)\] Error \d+$", re.M)


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning; `text` has all lines that belong to it."""

    level: str
    message: str
    code: str | None
    file: str | None
    line: int | None
    column: int | None
    text: tuple[str, ...]


def _diagnostic(found: re.Match[str], text: list[str],
                at: re.Match[str] | None = None) -> Diagnostic:
    named = {"code": None, "file": None, "line": None, "column": None, **found.groupdict(),
             **(at.groupdict() if at else {})}
    return Diagnostic(
        str(named["level"]).lower(), str(named["message"]), named["code"],
        named["file"] and os.path.normpath(named["file"]),
        int(named["line"]) if named["line"] else None,
        int(named["column"]) if named["column"] else None, tuple(text))


def lines(log: str) -> list[str]:
    """A build's log, as a terminal may show it."""
    return [ui.clean(line.rstrip()) for line in log.split("\n")][:-1] if log else []


def parse(said: list[str]) -> Iterator[Diagnostic]:
    """Errors and warnings of the tools, in their order."""
    at = 0
    while at < len(said):
        line = said[at]
        end = at + 1
        if found := _CLANG.fullmatch(line):
            while end < len(said) and _CLANG_MORE.match(said[end]):
                end += 1
            yield _diagnostic(found, said[at:end])
        elif found := _MODPOST.fullmatch(line):
            yield _diagnostic(found, said[at:end])
        elif found := _RUSTC.fullmatch(line):
            while end < len(said) and said[end]:
                end += 1
            where = next(filter(None, map(_RUSTC_AT.fullmatch, said[at:end])), None)
            if where or not _COUNTED.match(found["message"]):
                yield _diagnostic(found, said[at:end], where)
        at = end


def gave_up(log: str) -> list[str]:
    """The targets that make could not make; those that only wait for them are not among them."""
    return [target for target in _GAVE_UP.findall(log) if "." in target.rpartition("/")[2][1:]]


def stage(log: str) -> str:
    """Where a build failed: bindgen could not read a contract, or anything else."""
    return "bindgen" if any(target.endswith("_bindings.rs") for target in gave_up(log)) else "build"


#: A line in which kbuild says what it makes now.
_MAKES = re.compile(r"  [A-Z][A-Z_]+ +(?:\[M\] +)?\S")


def by_target(log: str) -> Iterator[tuple[str, list[str]]]:
    """The targets that make gave up, each with what was said of it.

    The lines of a target must stand together, as with make -j1.
    """
    said: list[str] = []
    for line in lines(log):
        if found := gave_up(f"{line}\n"):
            yield found[0], said
            said = []
        elif _MAKES.match(line):
            said = []
        else:
            said.append(line)


def of_pair(pair: str, text: str) -> bool:
    """Whether targets, or lines of modpost's, name a file of a pair's."""
    return bool(re.search(
        rf"rust-stub/{pair}[._]|(?:^|/)pairs/{pair}/|kmod/{pair}\.|tests/kunit/{pair}_kunit\."
        rf"|kparity_{pair}\.", text, re.M))


def pairs(log: str, known: tuple[str, ...]) -> list[str]:
    """The pairs whose part of a build failed, where the targets say so."""
    named = "\n".join(gave_up(log)) + "\n" + "\n".join(
        line for line in log.splitlines() if _MODPOST.match(line))
    return [pair for pair in known if of_pair(pair, named)]
