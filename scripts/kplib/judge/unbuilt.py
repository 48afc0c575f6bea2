# SPDX-License-Identifier: GPL-2.0
"""Pairs that do not build in a kernel in which others do: which, and what the compiler says.

Such a pair has one case, `build`, in place of all others. It is skipped on a series of
KERNEL= that is older than the newest, and there alone: the pair's Rust is written for the
newest, and nobody adds to the kernel crate of an old one. It is only skipped if the same files
build on the newest. In any other kernel, and where that is not known, it fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from kplib.build import told
from kplib.build.kernel import Kernel
from kplib.configure.pairs import TOP, Pair, short
from kplib.judge import diagnostics, ktap
from kplib.judge.diagnostics import Diagnostic

#: The one case of a pair that does not build.
CASE = "build"
#: Files of rust-stub that are part of each pair's crate, and objects of the engine.
SHARED, ENGINE = ("rust-stub/kparity.rs", "rust-stub/glue.rs"), "kmod/engine/"


@dataclass(frozen=True)
class Broken:
    """A pair that does not build. `errors` are the tools' messages on it, the first of them the
    one to name; `lines` is all that they said of it."""

    pair: str
    errors: tuple[Diagnostic, ...]
    lines: tuple[str, ...]

    @property
    def first(self) -> str:
        """Its first error, in a line."""
        return line_of(self.errors[0])


@dataclass(frozen=True)
class Unbuilt:
    """A pair that has no results but that it does not build, with its verdict and the reason.

    `changed` says what changed in a tree of the user's own.
    """

    broken: Broken
    status: str
    why: str
    changed: str = ""

    @property
    def message(self) -> str:
        """All of it in a line."""
        return "; ".join(filter(None, (self.why, self.changed)))

    @property
    def verdict(self) -> ktap.Verdict:
        """Its only one. A failure has the tools' lines as well."""
        lines = self.broken.lines if self.status == ktap.FAIL else ()
        return ktap.Verdict(self.broken.pair, CASE, "", self.status,
                            (*filter(None, (self.why, self.changed)), *lines))


def line_of(error: Diagnostic) -> str:
    """An error as file:line: message, or without a place where it has none."""
    if error.file is None:
        return error.message
    return f"{short(Path(error.file))}:{error.line}: {error.message}"


def _ours(error: Diagnostic, pair: Pair) -> bool:
    """Whether an error points into a file that somebody has written."""
    return error.file is not None and any(
        Path(error.file).is_relative_to(folder)
        for folder in (TOP, pair.contract.parent) if folder is not None)


def _errors(found: Sequence[Diagnostic], pair: Pair, build: Path) -> tuple[Diagnostic, ...]:
    """Errors, the first of them in a file that somebody has written, where there is one."""
    errors = [one for one in found if one.level.endswith("error")]
    ours = [one for one in errors if _ours(one, pair)
            and not Path(one.file or "").is_relative_to(build)]
    return (*ours, *(one for one in errors if one not in ours))


def of_log(log: str, pairs: Sequence[Pair], build: Path,
           kernel: Kernel | None = None) -> tuple[dict[str, Broken], str]:
    """The pairs that a log of make -k -j1 blames; and the first error of what all share.

    That is the engine, or the shared Rust where all pairs fail in it.
    """
    said: dict[str, list[str]] = {}
    shared = ""
    for target, lines in diagnostics.by_target(log):
        errors = [one for one in diagnostics.parse(lines) if one.level.endswith("error")]
        if target.startswith(ENGINE):
            shared = shared or (line_of(errors[0]) if errors else f"{target} is not made")
        for pair in pairs:
            if diagnostics.of_pair(pair.name, target):
                said.setdefault(pair.name, []).extend(lines)
    for line in diagnostics.lines(log):
        if line.startswith("ERROR: modpost: "):
            for pair in pairs:
                if diagnostics.of_pair(pair.name, line):
                    said.setdefault(pair.name, []).append(line)
    found: dict[str, Broken] = {}
    for pair in pairs:
        if lines := said.get(pair.name, []):
            own = told.own_lines(build, [pair], "\n".join(lines) + "\n", kernel)
            told_of = _errors([*diagnostics.parse(own), *diagnostics.parse(lines)], pair, build)
            found[pair.name] = Broken(pair.name, told_of or (Diagnostic(
                "error", lines[0], None, None, None, None, (lines[0],)),), tuple([*lines, *own]))
    firsts = [one.errors[0] for one in found.values()]
    if not shared and len(found) == len(pairs) > 1 and all(
            one.file and short(Path(one.file)) in SHARED for one in firsts):
        shared = line_of(firsts[0])
    return found, shared


def on_older(broken: Broken, series: str, newest: str, builds: bool | None,
             there: str = "") -> Unbuilt:
    """A pair that does not build on an older series.

    `builds` says whether it does on the newest, None where that is not known; `there` is its
    first error on the newest, if it does not.
    """
    if builds:
        return Unbuilt(broken, ktap.SKIP,
                       f"linux {series} has not what it needs, {newest} has: {broken.first}")
    if builds is None:
        return Unbuilt(broken, ktap.FAIL, (
            f"{broken.first} (on linux {series}; whether it builds on {newest} is not known, as "
            f"that kernel is not built: 'make run PAIR={broken.pair}' builds it)"))
    return Unbuilt(broken, ktap.FAIL,
                   f"{broken.first} (on linux {series}); it does not build on {newest} either: "
                   f"{there}")


def in_tree(broken: Broken, changed: str) -> Unbuilt:
    """A pair that does not build in a tree of the user's own; `changed` says what changed there."""
    return Unbuilt(broken, ktap.FAIL, broken.first, changed)
