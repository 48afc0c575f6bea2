# SPDX-License-Identifier: GPL-2.0
"""Which mutants are run: some of all, by seed, spread over pairs, languages, operators, lines."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path
from typing import Iterable, Sequence

from kplib.common import git, ui
from kplib.common.errors import Refused
from kplib.configure.request import TOP
from kplib.mutate.candidate import Candidate

_HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")


def _group(found: Sequence[Candidate], random_: random.Random) -> list[Candidate]:
    """One pair's side, in the order in which mutants are taken: an operator after the other,
    of each the lines that have none yet first."""
    by_operator: dict[str, list[Candidate]] = {}
    for one in found:
        by_operator.setdefault(one.operator, []).append(one)
    for row in by_operator.values():
        random_.shuffle(row)
    order: list[Candidate] = []
    lines: set[int] = set()
    while any(by_operator.values()):
        for row in by_operator.values():
            if row:
                one = next((c for c in row if c.line not in lines), row[0])
                row.remove(one)
                lines.add(one.line)
                order.append(one)
    return order


def choose(found: Sequence[Candidate], count: int, seed: int) -> list[Candidate]:
    """`count` of the candidates that an oracle can see, or all."""
    random_ = random.Random(seed)
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for one in found:
        if one.seen:
            groups.setdefault((one.pair, one.language), []).append(one)
    rows = [_group(mine, random_) for mine in groups.values()]
    chosen: list[Candidate] = []
    while len(chosen) < count and any(rows):
        for row in rows:
            if row and len(chosen) < count:
                chosen.append(row.pop(0))
    return chosen


def changed_lines(diff: str) -> dict[str, set[int]]:
    """The lines that a diff without context adds, by file."""
    found: dict[str, set[int]] = {}
    name = ""
    for line in diff.splitlines():
        if line.startswith("+++ "):
            name = line[4:].removeprefix("b/")
        elif hunk := _HUNK.match(line):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            found.setdefault(name, set()).update(range(first, first + count))
    return found


def since(revision: str, top: Path = TOP) -> dict[str, set[int]]:
    """The lines that have changed since a revision, by file; all lines of files that are new."""
    name = ui.clean(f"IN_DIFF={revision}")
    if revision.startswith("-"):
        raise Refused(f"{name}: give a revision of git, such as HEAD~")
    # Whatever the user has git show of a diff, and wherever in a repository this project is.
    said = git.output(name, top, "diff", "-U0", "--no-color", "--no-ext-diff", "--no-textconv",
                      "--relative", "--src-prefix=a/", "--dst-prefix=b/", "--end-of-options",
                      revision, "--")
    found = changed_lines(said.decode(errors="replace"))
    # git tells nothing of files that it does not know yet, all of which is new.
    for raw in git.output(name, top, "ls-files", "-oz", "--exclude-standard").split(b"\0"):
        path = os.fsdecode(raw)
        if path and (top / path).is_file():
            found[path] = set(range(1, (top / path).read_bytes().count(b"\n") + 2))
    return found


def within(found: Iterable[Candidate], lines: dict[str, set[int]]) -> list[Candidate]:
    """Candidates that change some of these lines."""
    return [one for one in found if lines.get(one.file, set()).intersection(one.lines)]
