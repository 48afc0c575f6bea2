# SPDX-License-Identifier: GPL-2.0
"""How much code operations are, on each path: bytes of a pair's module.

An operation's code is that of the function which the engine calls, and of all functions of the
module that can be reached from there by calls. What is called through a pointer, and what the
kernel has, is none of it. Of the engine's function itself only what exceeds the no-op's counts:
both lay out arguments, and a Rust caller's part of an operation is inlined there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kplib.build.toolchain import Toolchain
from kplib.common import cache, proc
from kplib.configure.lanes import PATHS
from kplib.judge import kinds
from kplib.judge.kinds import Line

#: llvm-objdump's line of a function in the section that kinds.code_of() reads: address, size, name.
_SYMBOL = re.compile(r"([0-9a-f]+) .{6}F \.text\s+([0-9a-f]+) (?:\.hidden )?(.+)")
#: What the engine calls for an operation on each path; of a pair without objects, the last ones.
_ENTRIES = {
    "c->c": ("c_call_{op}",),
    "c->rust": ("rust_call_{op}",),
    "rust->c": ("{pair}_root::engine::{op}::<{pair}_root::c::Object>",
                "{pair}_root::over_c::{op}"),
    "rust->rust": ("{pair}_root::engine::{op}::<{pair}_root::rust::Object>",
                   "{pair}_root::over_rust::{op}"),
}
_NOOPS = {"c->c": "c_call_noop", "c->rust": "rust_call_noop",
          "rust->c": "{pair}_root::glue::nothing_over_c",
          "rust->rust": "{pair}_root::glue::nothing_over_rust"}


@dataclass(frozen=True)
class Sizes:
    """Bytes of code: of all operations of a path together, and of each."""

    together: dict[str, int] = field(default_factory=dict)
    operations: dict[str, dict[str, int]] = field(default_factory=dict)


class Functions:
    """The functions in a module's .text, and which of them call which."""

    def __init__(self, plain: str, readable: str, code: dict[int, Line]) -> None:
        self._length: dict[int, int] = {}
        self._at: dict[str, int] = {}
        for names in (plain, readable):
            for match in filter(None, map(_SYMBOL.fullmatch, names.splitlines())):
                at, length = int(match.group(1), 16), int(match.group(2), 16)
                self._length[at] = max(length, self._length.get(at, 0))
                self._at.setdefault(match.group(3), at)
        self._calls: dict[int, set[int]] = {at: set() for at in self._length}
        self._read(code)

    def _read(self, code: dict[int, Line]) -> None:
        begins = sorted(self._length)
        inside, last = -1, -1
        for at in sorted(code):
            while last + 1 < len(begins) and begins[last + 1] <= at:
                last += 1
                inside = begins[last]
            if inside < 0 or at >= inside + self._length[inside]:
                continue
            line = code[at]
            if (kinds.is_call(line.text) or kinds.is_jump(line.text)) and line.symbol in self._at:
                self._calls[inside].add(self._at[line.symbol])

    def find(self, *names: str) -> int | None:
        """The address of the first of these functions that there is."""
        return next((self._at[name] for name in names if name in self._at), None)

    def length(self, at: int) -> int:
        """Bytes of one function."""
        return self._length[at]

    def reached(self, begin: int) -> set[int]:
        """All functions that can be reached from one by calls, itself included."""
        found, left = set(), [begin]
        while left:
            at = left.pop()
            if at not in found:
                found.add(at)
                left += self._calls[at]
        return found


def of_functions(functions: Functions, pair: str, ops: Iterable[str]) -> Sizes:
    """The code of a pair's operations on each path."""
    ops = list(ops)
    sizes = Sizes()
    for path in PATHS:
        nothing = functions.find(_NOOPS[path].format(pair=pair))
        spared = functions.length(nothing) if nothing is not None else 0
        whole: set[int] = set()
        own = 0
        for op in ops:
            entry = functions.find(*(name.format(pair=pair, op=op) for name in _ENTRIES[path]))
            if entry is None:
                continue
            behind = functions.reached(entry) - {entry}
            caller = max(0, functions.length(entry) - spared)
            sizes.operations.setdefault(op, {})[path] = caller + sum(map(functions.length, behind))
            whole |= behind
            own += caller
        if whole or own:
            sizes.together[path] = own + sum(map(functions.length, whole))
    return sizes


#: KO: symbols, the same with readable names, and the code, each behind a line of its own.
_LISTS = """
llvm-objdump -t "$1"; echo "=====";
llvm-objdump -t -C "$1"; echo "=====";
llvm-objdump -dr --no-show-raw-insn --section=.text "$1"
"""


def read(tools: Toolchain, folder: Path, pair: str, ops: Iterable[str]) -> Sizes:
    """The code of a pair's operations in its module, which is in `folder`; kept beside it until it
    is another one."""
    ko, ops = folder / f"kparity_{pair}.ko", sorted(ops)
    kept = ko.with_suffix(".sizes.json")
    ident = cache.digest(ko.read_bytes(), *ops)
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found.pop("of") == ident:
            return Sizes(**found)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    plain, readable, code = proc.output(tools.argv("sh", "-ec", _LISTS, "lists", ko)).split(
        "=====\n")
    sizes = of_functions(Functions(plain, readable, kinds.disassembly(code)), pair, ops)
    cache.write(kept, json.dumps({"of": ident, **asdict(sizes)}))
    return sizes
