# SPDX-License-Identifier: GPL-2.0
"""What became of each mutant, kept in a file that is whole at any time.

A record holds for the files that it was made from: one of other files is not used, and its
mutant runs again.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kplib.common import cache
from kplib.configure import pairs
from kplib.configure.request import TOP

#: What becomes of a mutant. `equivalent`: the same object code; `uncompiled`: the compiler
#: refuses it; `error`: nothing is known of it.
KILLED, SURVIVED, EQUIVALENT, UNCOMPILED, ERROR = (
    "killed", "survived", "equivalent", "uncompiled", "error")
#: Files that decide what becomes of a mutant.
INPUTS = ("Kbuild", "kmod/**/*", "rust-stub/*.rs", "tests/kunit/*.[ch]", "tests/user/*.[ch]",
          "tests/regress/**/*", "scripts/contract-glue", "scripts/mutate-*",
          "scripts/kplib/**/*.py", "qemu/**/*")
#: The file's version: with another one nothing in it is used.
VERSION = 1


@dataclass(frozen=True)
class Record:
    """What became of one mutant: who saw it, and after how many seconds of guests.

    `oracle` is the case, or the checker's row, `lost`: it took the guest with it. `seconds` is
    all that it took, its build as well; `kill` the part of it in which guests ran. `looked` are
    the variants in which it has run.
    """

    outcome: str
    oracle: str = ""
    path: str = ""
    variant: str = ""
    lane: str = ""
    lost: bool = False
    kill: float = 0.0
    seconds: float = 0.0
    why: str = ""
    bound: str = ""
    looked: tuple[str, ...] = ()

    def to_json(self) -> str:
        """As a job hands it over."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> Record:
        """The record that a job has handed over."""
        return Record.of(json.loads(text))

    @staticmethod
    def of(row: dict[str, Any]) -> Record:
        """The record that was kept as fields."""
        return Record(**{**row, "looked": tuple(row["looked"])})


def bound(pair: str, *more: str, top: Path = TOP) -> str:
    """A digest of the files that decide what becomes of a pair's mutants, and of more.

    Those that belong to another pair do not.
    """
    others = "|".join(name for name in pairs.shipped(top) if name != pair)
    foreign = re.compile(rf"(kmod/|kmod/contract/|rust-stub/|tests/user/|tests/kunit/|"
                         rf"tests/regress/)({others})([._/].*)?$")
    names = sorted({str(path.relative_to(top)) for glob in INPUTS for path in top.glob(glob)
                    if path.is_file()})
    words: list[str | bytes] = [*more]
    for name in names:
        if not foreign.match(name):
            words += [name, (top / name).read_bytes()]
    return cache.digest(*words)


@dataclass
class State:
    """All records, by the mutants' names. `path` is where they are kept."""

    path: Path
    mechanical: dict[str, Record] = field(default_factory=dict)
    planted: dict[str, Record] = field(default_factory=dict)

    @staticmethod
    def read(path: Path) -> State:
        """The records that were kept; none of a file that cannot be read."""
        state = State(path)
        try:
            data = json.loads(path.read_text())
            if data["version"] == VERSION:
                state.mechanical, state.planted = (
                    {str(name): Record.of(row) for name, row in data[kind].items()}
                    for kind in ("mechanical", "planted"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return state

    def write(self) -> None:
        """Keep them."""
        cache.write(self.path, json.dumps({"version": VERSION, **{
            kind: {name: dataclasses.asdict(row) for name, row in sorted(rows.items())}
            for kind, rows in (("mechanical", self.mechanical), ("planted", self.planted))}},
            indent=1) + "\n")


def fresh(records: dict[str, Record], name: str, now: str) -> Record | None:
    """The record of a mutant, if it is of the files as they are now, and says something."""
    found = records.get(name)
    return found if found and found.bound == now and found.outcome != ERROR else None
