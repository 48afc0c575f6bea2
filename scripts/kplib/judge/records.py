# SPDX-License-Identifier: GPL-2.0
"""Records of a built module on its contract, read from its ELF section .kparity.

C leaves the rows of the contract there (x_glue.c, which emit_c.py writes), Rust what it
encodes (encodes! in rust-stub/kparity.rs): text of the form tag=field\\x1ffield...
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from kplib.common.errors import EnvironmentFailed

SECTION = b".kparity"
HOWS = ("type", "checked", "unsafe")


@dataclass(frozen=True)
class Operation:
    """One operation of a contract."""

    name: str
    context: str
    locks: str
    errnos: tuple[str, ...]
    owns: str
    on_error: str


@dataclass(frozen=True)
class Promise:
    """One invariant of a contract. `when` and `then` are empty where a case judges it."""

    id: str
    category: str
    text: str
    keeps: str
    when: str
    then: str


@dataclass(frozen=True)
class Encoding:
    """How Rust encodes an invariant, and where it says so."""

    id: str
    how: str
    text: str
    where: str


@dataclass(frozen=True)
class Accepted:
    """A difference that the contract accepts: in C when, why, where that was decided, and in
    what results may differ."""

    id: str
    operation: str
    when: str
    reason: str
    link: str
    differs_in: str


@dataclass(frozen=True)
class Contract:
    """All records of one module."""

    operations: tuple[Operation, ...]
    promises: tuple[Promise, ...]
    encodings: tuple[Encoding, ...]
    types: tuple[str, ...]
    #: "function" where there is no object whose state could be promised anything.
    kind: str = "object"
    accepted: tuple[Accepted, ...] = ()


def section(data: bytes, name: bytes = SECTION) -> bytes:
    """A section of a 64-bit little-endian ELF file; empty if it is not there.

    The fields are those of Elf64_Ehdr and Elf64_Shdr in <linux/elf.h>.
    """
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF file")
    offset, = struct.unpack_from("<Q", data, 0x28)
    size, count, strings = struct.unpack_from("<HHH", data, 0x3a)
    headers = [struct.unpack_from("<IIQQQQ", data, offset + i * size) for i in range(count)]
    names = headers[strings][4]
    for header in headers:
        start = names + header[0]
        if data[start:data.index(b"\0", start)] == name:
            return data[header[4]:header[4] + header[5]]
    return b""


def _errnos(text: str) -> tuple[str, ...]:
    return tuple(word.strip(" -") for word in text.partition("(")[2].rstrip(")").split(",")
                 if word.strip())


def parse(raw: bytes) -> Contract:
    """The records in a section."""
    operations, promises, encodings, types, accepted = [], [], [], [], []
    kind = "object"
    for text in raw.decode(errors="replace").split("\0"):
        if not text:
            continue
        tag, _, rest = text.partition("=")
        field = rest.split("\x1f")
        if tag == "operation":
            name, context, locks, errnos, owns, on_error = field[:6]
            operations.append(Operation(name, context, locks, _errnos(errnos), owns, on_error))
        elif tag == "invariant":
            promises.append(Promise(*field[:6]))
        elif tag == "rust":
            # rustc writes the path it was given; the checkout's own part is what matters.
            at = field[3].rfind("rust-stub/")
            encodings.append(Encoding(field[0], field[1], field[2], field[3][max(at, 0):]))
        elif tag == "diverges":
            accepted.append(Accepted(*field[:6]))
        elif tag == "kind":
            kind = field[0]
        elif tag == "type":
            types.append(field[0].removeprefix("struct "))
    return Contract(tuple(operations), tuple(promises), tuple(encodings), tuple(types),
                    kind, tuple(accepted))


def read(module: Path) -> Contract:
    """The records of a module."""
    try:
        return parse(section(module.read_bytes()))
    except (OSError, ValueError, struct.error, TypeError, IndexError) as err:
        raise EnvironmentFailed(f"{module}: cannot read its contract: {err}; "
                                "'make clean' and run again") from err
