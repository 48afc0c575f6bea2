# SPDX-License-Identifier: GPL-2.0
"""Types as the compilers wrote them into an object's DWARF, read with llvm-dwarfdump.

Enough of it to say which field an address is in: structures with members at offsets,
pointers, arrays. What Rust lays out by variants of an enum is one field.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from kplib.build.toolchain import Toolchain
from kplib.common.errors import EnvironmentFailed

_DIE = re.compile(r"0x([0-9a-f]+):( +)DW_TAG_(\w+)")
_ATTRIBUTE = re.compile(r" +DW_AT_(name|type|byte_size|data_member_location|count|upper_bound"
                        r"|decl_file|declaration)\t\((?:\"(.*)\"|(\w+).*)\)")
_KEPT = frozenset(("namespace", "structure_type", "union_type", "member", "pointer_type",
                   "array_type", "subrange_type", "base_type", "enumeration_type", "typedef",
                   "const_type", "volatile_type", "atomic_type", "variable",
                   "template_type_parameter"))
#: Types that are another one under a name, or with a qualifier.
_ALIASES = ("typedef", "const_type", "volatile_type", "atomic_type")


@dataclass
class Type:
    """One entry of DWARF. `path` is its name with those of namespaces; `count` is of an array."""

    tag: str
    name: str = ""
    path: str = ""
    of: int = 0
    size: int = 0
    at: int = 0
    count: int = 0
    file: str = ""
    declared: bool = False
    members: list["Type"] = field(default_factory=list)


@dataclass
class Types:
    """The types of an object file, by where they stand in it."""

    known: dict[int, Type]
    #: Structures that are defined, by name.
    structures: dict[str, int]
    #: The types of variables.
    variables: dict[str, int]

    def get(self, ref: int) -> Type | None:
        """A type, without qualifiers and other names."""
        found = self.known.get(ref)
        for _ in range(16):
            if found is None or found.tag not in _ALIASES:
                break
            found = self.known.get(found.of)
        return found

    def size(self, ref: int) -> int:
        """Bytes of a type; 0 where that is not known."""
        found = self.get(ref)
        if found is None:
            return 0
        if found.tag == "array_type":
            return found.count * self.size(found.of)
        return 8 if found.tag == "pointer_type" else found.size


def parse(text: str) -> Types:
    """The types in what llvm-dwarfdump says of an object."""
    known: dict[int, Type] = {}
    structures: dict[str, int] = {}
    variables: dict[str, int] = {}
    #: Entries around the one that is read, each with its depth; None is for one that is not kept.
    around: list[tuple[int, Type | None]] = []
    now: Type | None = None
    done: list[tuple[int, Type]] = []
    for line in text.splitlines():
        if line.startswith("0x"):
            found = _DIE.match(line)
            if not found:
                continue
            depth, tag = len(found.group(2)), found.group(3)
            while around and around[-1][0] >= depth:
                around.pop()
            now = Type(tag) if tag in _KEPT else None
            if now is not None:
                above = around[-1][1] if around else None
                now.path = above.path if above else ""
                if above is not None and tag in ("member", "template_type_parameter"):
                    above.members.append(now)
                if above is not None and tag == "subrange_type" and above.tag == "array_type":
                    above.members.append(now)
                done.append((int(found.group(1), 16), now))
            around.append((depth, now))
        elif now is not None and (found := _ATTRIBUTE.match(line)):
            what, words, word = found.groups()
            if what == "name":
                now.name = words or ""
                if now.tag in ("namespace", "structure_type", "union_type"):
                    now.path = f"{now.path}::{now.name}" if now.path else now.name
            elif what == "decl_file":
                now.file = words or ""
            elif what == "declaration":
                now.declared = True
            elif word is not None and word.startswith("0x"):
                value = int(word, 16)
                if what == "type":
                    now.of = value
                elif what == "byte_size":
                    now.size = value
                elif what == "data_member_location":
                    now.at = value
                elif what == "count":
                    now.count = value
                elif what == "upper_bound":
                    now.count = value + 1
    for ref, one in done:
        known[ref] = one
        if one.tag == "structure_type" and not one.declared:
            structures.setdefault(one.path, ref)
        elif one.tag == "variable" and one.name:
            variables.setdefault(one.name, one.of)
        elif one.tag == "array_type":
            one.count = 1
            for dimension in one.members:
                one.count *= dimension.count
            one.members = []
    return Types(known, structures, variables)


def read(tools: Toolchain, obj: Path) -> Types:
    """The types of an object file."""
    done = subprocess.run(tools.argv("llvm-dwarfdump", "--debug-info", obj), check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if done.returncode:
        raise EnvironmentFailed(f"{obj}: llvm-dwarfdump cannot read it: "
                                f"{done.stderr.decode(errors='replace').strip()[:200]}")
    return parse(done.stdout.decode(errors="replace"))
