# SPDX-License-Identifier: GPL-2.0
"""Whether two objects have the same code and data: all but debug information.

Of each section that the kernel would load, its bytes and its relocations, by what they
name. Fields are those of <linux/elf.h>.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_ALLOC, _EXEC = 0x2, 0x4
_NOBITS, _RELA, _NOTE, _SYMTAB = 8, 4, 7, 2
#: A symbol that stands for its section.
_SECTION = 3


@dataclass(frozen=True)
class Part:
    """One section: its name, what it holds, and its relocations (offset, type, of what, addend).
    """

    name: str
    data: bytes
    code: bool
    relocations: tuple[tuple[int, int, str, int], ...]


def _text(data: bytes, at: int) -> str:
    return data[at:data.index(b"\0", at)].decode(errors="replace")


def parts(data: bytes) -> tuple[Part, ...]:
    """What an object holds; raises ValueError for what is none."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF file")
    offset, = struct.unpack_from("<Q", data, 0x28)
    size, count, strings = struct.unpack_from("<HHH", data, 0x3a)
    heads = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size) for i in range(count)]
    names = [_text(data, heads[strings][4] + head[0]) for head in heads]
    symbols: list[str] = []
    for head in heads:
        if head[1] == _SYMTAB:
            table = heads[head[6]][4]
            for at in range(head[4], head[4] + head[5], 24):
                name, info, _, where, value = struct.unpack_from("<IBBHQ", data, at)
                symbols.append(names[where] if info & 15 == _SECTION and where < count else
                               _text(data, table + name) or f"{where}+{value}")
    moved: dict[int, list[tuple[int, int, str, int]]] = {}
    for head in heads:
        if head[1] == _RELA:
            for at in range(head[4], head[4] + head[5], 24):
                place, info, addend = struct.unpack_from("<QQq", data, at)
                moved.setdefault(head[7], []).append(
                    (place, info & 0xffffffff, symbols[info >> 32], addend))
    return tuple(sorted(
        # Of one without bits its size alone is there.
        (Part(name, b"%d" % head[5] if head[1] == _NOBITS else data[head[4]:head[4] + head[5]],
              bool(head[2] & _EXEC), tuple(moved.get(i, ())))
         for i, (name, head) in enumerate(zip(names, heads))
         if head[2] & _ALLOC and head[1] != _NOTE),
        key=lambda part: (part.name, part.data, part.relocations)))


def read(path: Path) -> tuple[Part, ...]:
    """The parts of an object file."""
    return parts(path.read_bytes())


def code(all_: tuple[Part, ...]) -> list[bytes]:
    """The instructions alone."""
    return [part.data for part in all_ if part.code]
