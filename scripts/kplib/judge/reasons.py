# SPDX-License-Identifier: GPL-2.0
"""Why places are not reached, as the contract says it: which of them has a reason, and which reason
has no such place any more.

A place is named by its text or its function, and not by its number, which an edit above it changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Iterable

from kplib.contract.model import Reason
from kplib.judge.covers import LineSeen, Side

#: A line, by file and number; and all lines of a file.
Key = tuple[str, int]
Lines = Callable[[str], tuple[str, ...]]


@dataclass(frozen=True)
class Places:
    """Lines of both sides: those that no program reaches and those with a jump that goes one way
    alone, each with why that is so, or None; and reasons that nothing needs, with how that is."""

    unreached: dict[Key, Reason | None]
    one_way: dict[Key, Reason | None]
    needless: tuple[tuple[Reason, str], ...] = ()

    @property
    def unexplained(self) -> bool:
        """Whether a place that no program reaches has no reason."""
        return None in self.unreached.values()

    def why(self, key: Key) -> str:
        """The reason of a line, empty without one."""
        found = self.unreached.get(key) or self.one_way.get(key)
        return found.why if found else ""


@dataclass(frozen=True)
class _Files:
    """All lines with code, and the text of their files."""

    code: dict[Key, LineSeen]
    lines: Lines

    def names(self, reason: Reason) -> list[str]:
        """The files that a reason is for."""
        return sorted({file for file, _ in self.code if file.rpartition("/")[2] == reason.file})

    def text(self, key: Key) -> str:
        """A line."""
        lines = self.lines(key[0])
        return lines[key[1] - 1] if 0 < key[1] <= len(lines) else ""

    def of(self, reason: Reason) -> list[Key]:
        """The lines with code that a reason names."""
        return [key for key, one in self.code.items()
                if key[0].rpartition("/")[2] == reason.file
                and (not reason.function or reason.function in one.functions)
                and (not reason.text or reason.says(self.text(key)))]

    def written(self, reason: Reason) -> bool:
        """Whether the files have such a line at all, with code or without."""
        named = re.compile(rf"\b{reason.function}[<(]")
        return any(reason.says(line) if reason.text else named.search(line)
                   for file in self.names(reason) for line in self.lines(file))


def _unneeded(reason: Reason, files: _Files, archs: Iterable[str]) -> str:
    """How it is that nothing needs a reason; empty where this kernel's code cannot tell."""
    if reason.arch and reason.arch not in archs:
        return f"there is no arch {reason.arch}"
    if not files.names(reason):
        return f"the pair has no code of a file {reason.file}"
    if not files.written(reason):
        return f"{reason.file} has no such {'line' if reason.text else 'function'}"
    seen = [files.code[key] for key in files.of(reason)]
    if reason.chance:
        return ""
    if not reason.one_way:
        return "a program reaches it" if any(one.ran for one in seen) else ""
    jumps = [jump for one in seen for jump in one.own]
    if any(jump.both for jump in jumps):
        return "its jump goes both ways"
    return "no program reaches it, which is KP_UNREACHED's" if seen and not any(
        one.ran for one in seen) else ""


def judge(sides: Iterable[Side], reasons: Iterable[Reason], lines: Lines, arch: str,
          archs: Iterable[str]) -> Places:
    """What each place has as a reason, on an arch; `archs` are all that there are.

    A reason of a line that has no code here, or no conditional jump, is not told of: another arch
    or variant may have one.
    """
    sides, archs = tuple(sides), tuple(archs)
    files = _Files({key: one for side in sides for key, one in side.lines.items()}, lines)
    unreached: dict[Key, Reason | None] = {key: None for s in sides for key in s.unreached()}
    one_way: dict[Key, Reason | None] = {key: None for s in sides for key in s.one_way()}
    needless: list[tuple[Reason, str]] = []
    for reason in reasons:
        if reason.arch in archs and reason.arch != arch:
            continue
        places = one_way if reason.one_way else unreached
        named = files.of(reason)
        whole = bool(reason.text) or not any(files.code[key].ran for key in named)
        mine = [key for key in named if key in places] if whole else []
        for key in mine:
            places[key] = places[key] or reason
        if not mine and (how := _unneeded(reason, files, archs)):
            needless.append((reason, how))
    return Places(unreached, one_way, tuple(needless))
