# SPDX-License-Identifier: GPL-2.0
"""A new pair, made from one that is there: it builds and passes from the first moment.

Starting from something that runs, one changes one thing at a time and sees at
each step what broke; an empty frame would show nothing until all of it is
written.
"""

from __future__ import annotations

import re
from pathlib import Path

from kplib.common import cache, ui
from kplib.common.errors import Refused
from kplib.configure import request

FILES = ("kmod/contract/{}.h", "kmod/{}.c", "rust-stub/{}.rs", "tests/kunit/{}_kunit.c")
TEMPLATE = "idalloc"

#: Names that are taken in C, in Rust or in the kernel: a struct called if, a crate called
#: core, or anything called as the macros current and linux does not build.
TAKEN = frozenset("""
    asm auto break case char const continue default do double else enum extern float for goto
    if inline int long register restrict return short signed sizeof static struct switch
    typedef typeof union unsigned void volatile while bool true false null

    abstract as async await become box crate dyn final fn gen impl in let loop macro match mod
    move mut override priv pub ref self super trait try type union unsafe unsized use virtual
    where yield str u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64
    alloc bindings core ffi kernel macros std test uapi

    current linux unix i386 s8 s16 s32 s64 kparity engine noop
""".split())


def clone(top: Path, old: str, new: str) -> list[Path]:
    """Write the files of a pair anew under another name; the old name must be one word."""
    made = []
    for pattern in FILES:
        text = (top / pattern.format(old)).read_text()
        text = re.sub(rf"(?<![a-z]){old}(?![a-z])", new, text)
        text = re.sub(rf"(?<![A-Z]){old.upper()}(?![A-Z])", new.upper(), text)
        made.append(top / pattern.format(new))
        cache.write(made[-1], text)
    return made


def set_pairs(top: Path, names: list[str]) -> None:
    """Write the list of pairs into Kbuild."""
    kbuild = (top / "Kbuild").read_text()
    cache.write(top / "Kbuild", re.sub(r"^PAIRS \?=.*$", f"PAIRS ?= {' '.join(names)}", kbuild,
                                       flags=re.M))


def create(top: Path, name: str, existing: tuple[str, ...]) -> list[Path]:
    """Add a pair called `name`; refuses a name that will not do."""
    if not request.PAIR_NAME.fullmatch(name):
        raise Refused(f"PAIR={ui.clean(name)}: give one word of 2 to 15 letters and digits, "
                      "in lower case")
    if name in TAKEN:
        raise Refused(f"PAIR={name}: C, Rust or the kernel has that word; give another name")
    if name in existing:
        raise Refused(f"PAIR={name}: there is such a pair already")
    if any((top / pattern.format(name)).exists() for pattern in FILES):
        raise Refused(f"PAIR={name}: some of its files exist; remove them or add it to Kbuild")
    made = clone(top, TEMPLATE, name)
    set_pairs(top, [*existing, name])
    return made
