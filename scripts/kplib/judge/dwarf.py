# SPDX-License-Identifier: GPL-2.0
"""Layouts of shared types as the compilers wrote them, read with pahole."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kplib.build.toolchain import Toolchain

_MEMBER = re.compile(r"^\s+\S.*?(\w+)(?:\[\d+\])*(?: __attribute__\(\(.*\)\))?;"
                     r"\s*/\*\s*(\d+)\s+(\d+) \*/$")
_SIZE = re.compile(r"/\* size: (\d+),")


@dataclass(frozen=True)
class Layout:
    """Size of a type, and name, offset and size of each member, in bytes."""

    size: int
    members: tuple[tuple[str, int, int], ...]


def parse(text: str) -> Layout | None:
    """pahole's output for one type."""
    size = _SIZE.search(text)
    if not size:
        return None
    members = [(m.group(1), int(m.group(2)), int(m.group(3)))
               for m in map(_MEMBER.match, text.splitlines()) if m]
    return Layout(int(size.group(1)), tuple(members))


def layout(tools: Toolchain, obj: Path, name: str) -> Layout | None:
    """The layout of a type in an object file; None if it is not there."""
    done = subprocess.run(tools.argv("pahole", "-F", "dwarf", "-C", name, obj), check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    return parse(done.stdout.decode(errors="replace"))


def differ(tools: Toolchain, build: Path, pair: str, name: str) -> str | None:
    """Why C's object and Rust's object disagree on a type, or None if they agree."""
    c = layout(tools, build / "rust-stub" / f"{pair}_glue.o", name) or \
        next(filter(None, (layout(tools, obj, name)
                           for obj in sorted((build / "pairs" / pair).glob("*.o")))), None)
    rust = layout(tools, build / "rust-stub" / f"{pair}_root.o", name)
    for language, found in (("C", c), ("Rust", rust)):
        if found is None or not found.members:
            return f"struct {name} is not in the DWARF of the {language} object"
    assert c and rust
    if c.size != rust.size:
        return f"struct {name} has {c.size} bytes in C and {rust.size} in Rust"
    ours = {name: (at, size) for name, at, size in c.members}
    theirs = {name: (at, size) for name, at, size in rust.members}
    # bindgen escapes names that are keywords in Rust with an underscore.
    theirs = {name.rstrip("_") if name not in ours else name: v for name, v in theirs.items()}
    for member in sorted(ours.keys() | theirs.keys()):
        if ours.get(member) != theirs.get(member):
            return (f"struct {name}: {member} is at {ours.get(member)} in C and at "
                    f"{theirs.get(member)} in Rust (offset, size)")
    return None
