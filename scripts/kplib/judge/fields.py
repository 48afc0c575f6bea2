# SPDX-License-Identifier: GPL-2.0
"""The fields of a pair's object that addresses of a guest are in.

The engine names an object and its memory, and the compilers have told in DWARF what an object
is: from there pointers are followed. A field is a member of a structure that the pair itself
defines, whatever that member is made of.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path

from kplib.build.toolchain import Toolchain
from kplib.configure.request import TOP
from kplib.contract.model import Contract
from kplib.judge import types
from kplib.judge.types import Type, Types

#: How far pointers are followed, and elements of what they point to that are looked at.
STEPS, ELEMENTS = 6, 16
#: Elements larger than that are not taken for those of an array.
ELEMENT_MAX = 16
#: Members within members.
DEPTH = 24
#: Where the pointers to the object and to handles are kept for following them: no address.
_POINTERS = 0x1000

Reference = tuple[Types, int]


@dataclass
class Block:
    """A piece of memory, and its fields: begin, end and name of each, the inner ones last."""

    begin: int = 0
    end: int = 0
    fields: list[tuple[int, int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Sides:
    """What the compilers say of a pair: of C's files, and of the crate."""

    c: tuple[Types, ...]
    rust: Types
    pair: str
    folder: Path
    object: str
    handle: str

    def c_struct(self, name: str) -> Reference | None:
        """A structure of the pair's own in C."""
        for one in self.c:
            ref = one.structures.get(name)
            if ref is not None and self.owns(one, one.known[ref]):
                return one, ref
        return None

    def owns(self, known: Types, one: Type) -> bool:
        """Whether the pair itself defines a structure, or has it for its object or handle."""
        if known is self.rust:
            return one.path.startswith(f"{self.pair}_root::port::")
        if one.name and one.name in (self.object, self.handle):
            return True
        return any(one.file.startswith(f"{folder}/") for folder in (TOP / "kmod", self.folder))

    @functools.cached_property
    def names(self) -> tuple[frozenset[str], frozenset[str]]:
        """Members of all structures of the pair's own, in C and in Rust."""
        return (frozenset(m.name for one in self.c for m in self._members(one)),
                frozenset(m.name for m in self._members(self.rust)))

    def _members(self, known: Types) -> list[Type]:
        return [m for ref in known.structures.values() if self.owns(known, known.known[ref])
                for m in known.known[ref].members if m.tag == "member"]

    def pointed(self, nth: int) -> Reference | None:
        """What an object or a handle is in Rust, in the order of type Pointed (emit_rust.py)."""
        found = self.rust.get(self.rust.variables.get(f"{self.pair}_rust_pointed", 0))
        given = [m for m in found.members if m.tag == "template_type_parameter"] if found else []
        of = self.rust.get(given[0].of) if given else None
        members = [m for m in of.members if m.tag == "member"] if of else []
        ref = next((m.of for m in members if m.name == f"__{nth}"), 0)
        to = self.rust.get(ref)
        # The C side's object, of which Rust knows the name.
        if to is not None and "::bindings::" in to.path:
            return self.c_struct(to.name)
        return (self.rust, ref) if to is not None else None


def objects(build: Path, pair: str) -> tuple[list[Path], Path]:
    """The objects that types are read from: those of a pair's C files, and its crate's."""
    of_c = sorted(path for path in (build / "pairs" / pair).glob("*.o")
                  if path.stem not in (f"{pair}_kunit", "suite"))
    return of_c, build / "rust-stub" / f"{pair}_root.o"


def read(tools: Toolchain, build: Path, contract: Contract, folder: Path) -> Sides:
    """What the compilers say of a pair's C files and of its crate; `folder` is that of the pair."""
    pair = contract.pair
    of_c, crate = objects(build, pair)
    return Sides(tuple(types.read(tools, path) for path in of_c),
                 types.read(tools, crate), pair, folder,
                 contract.object.type.removeprefix("struct ") if contract.object else "",
                 contract.handle.type.removeprefix("struct ") if contract.handle else "")


class Map:
    """The fields of an object's memory, at one moment on one path."""

    def __init__(self, sides: Sides, path: str, obj: int, handles: list[int],
                 memory: dict[int, int]) -> None:
        self._sides, self._memory = sides, dict(memory)
        self._blocks: list[Block] = []
        self._seen: set[tuple[int, int, int]] = set()
        self._next: list[tuple[Reference, int, str]] = []
        in_rust, by_rust = path.endswith("rust"), path.startswith("rust")
        root = sides.pointed(1 + in_rust) if by_rust else sides.pointed(0) if in_rust \
            else sides.c_struct(sides.object)
        if root and obj:
            self._next.append((root, obj, ""))
        kind = sides.pointed(3) if in_rust else sides.c_struct(sides.handle)
        for i, handle in enumerate(handles if kind else []):
            assert kind is not None
            if in_rust:
                # A handle is passed as the one word that it is made of.
                self._memory[_POINTERS + 8 * i] = handle
                self._place(kind, _POINTERS + 8 * i, "", Block(), 0)
            else:
                self._next.append((kind, handle, ""))
        for _ in range(STEPS):
            now, self._next = self._next, []
            for ref, at, name in now:
                self._follow(ref, at, name)

    def find(self, address: int) -> str:
        """The field that an address is in; empty for none."""
        for block in self._blocks:
            for begin, end, name in reversed(block.fields):
                if begin <= address < end:
                    return name
        return ""

    def holds(self, address: int) -> bool:
        """Whether an address is in this memory, in a field of the pair's own or not."""
        return any(block.begin <= address < block.end for block in self._blocks) \
            or bool(self.find(address))

    def _follow(self, ref: Reference, at: int, name: str) -> None:
        known, number = ref
        if at % 4 or (id(known), number, at) in self._seen:
            return
        self._seen.add((id(known), number, at))
        size = known.size(number)
        block = Block(at, at + size)
        self._blocks.append(block)
        self._place(ref, at, name, block, 0)
        if name and 0 < size <= ELEMENT_MAX:
            for i in range(1, ELEMENTS):
                if at + i * size & ~7 not in self._memory:
                    break
                self._place(ref, at + i * size, name, block, 0)

    def _place(self, ref: Reference, at: int, name: str, block: Block, depth: int) -> None:
        """Note the fields of a type at an address, and the pointers in it."""
        known, number = ref
        one = known.get(number)
        if one is None or depth > DEPTH:
            return
        size = known.size(number)
        if name:
            block.fields.append((at, at + size, name))
        if one.tag == "pointer_type":
            self._point(known, one, at, name)
        elif one.tag == "array_type":
            each = known.size(one.of)
            # One that ends a structure has no length of its own.
            if name and not one.count:
                block.fields.append((at, at + ELEMENTS * each, name))
            for i in range(min(one.count, ELEMENTS)):
                self._place((known, one.of), at + i * each, name, block, depth + 1)
        elif one.tag in ("structure_type", "union_type"):
            own = self._sides.owns(known, one)
            for member in one.members:
                if member.tag == "member":
                    self._place((known, member.of), at + member.at,
                                member.name if own and member.name else name, block, depth + 1)

    def _point(self, known: Types, pointer: Type, at: int, name: str) -> None:
        """Follow a pointer, unless it is to something of the kernel's own."""
        value, to = self._memory.get(at, 0), known.get(pointer.of)
        if not value or to is None:
            return
        ref: Reference | None = known, pointer.of
        if to.tag == "structure_type" and known is self._sides.rust:
            if "::bindings::" in to.path or to.path.startswith("bindings::"):
                ref = self._sides.c_struct(to.name)
        elif to.tag == "structure_type" and not self._sides.owns(known, to):
            ref = self._sides.c_struct(to.name)
        if ref is not None:
            # What has fields of its own is not a part of the field that leads there.
            target = ref[0].get(ref[1])
            own = target is not None and self._sides.owns(ref[0], target)
            self._next.append((ref, value, "" if own else name))
