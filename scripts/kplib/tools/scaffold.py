# SPDX-License-Identifier: GPL-2.0
"""A new pair that builds and passes from the first moment.

Starting from something that runs, one changes one thing at a time and sees at
each step what broke; an empty frame would show nothing until all of it is
written. A function pair is the smallest there is, and what is to be changed in it
is marked; an object pair is made from one of this repository.
"""

from __future__ import annotations

import re
from pathlib import Path

from kplib.common import cache, ui
from kplib.common.errors import Refused
from kplib.configure import pairs

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


#: Marks what 'make new' wrote for its user to change.
MARK = "CHANGE:"

CONTRACT = """\
/* SPDX-License-Identifier: GPL-2.0 */
/* CHANGE: {name}: counts the bits of a number. */
#include <linux/types.h>
#include "contract/kparity.h"

/* CHANGE: the C side's prototype, or the header that has it in place of this line. */
unsigned int {name}(u32 value);

/* CHANGE: a row for each function; Documentation/contract.md has the words. */
KP_FUNCTION({name}, ANY, KP_UNSIGNED(unsigned int),
\t    KP_NUMBER(u32, value))
"""
C_SIDE = """\
// SPDX-License-Identifier: GPL-2.0
/* CHANGE: the C side; remove the file if the kernel exports the function. */
#include <linux/bitops.h>
#include "{include}"

unsigned int {name}(u32 value)
{{
\treturn hweight32(value);
}}
"""
PORT = """\
// SPDX-License-Identifier: GPL-2.0

//! CHANGE: `{name}()` in Rust.

/// Counts the bits that are set.
pub(crate) fn {name}(value: u32) -> u32 {{
    value.count_ones()
}}
"""


def function(name: str, folder: Path | None) -> list[Path]:
    """Write a function pair, into a folder of its own below `folder` if that is given."""
    files = pairs.files(name) if folder is None else pairs.in_folder(name, folder)
    include = f"contract/{name}.h" if folder is None else "contract.h"
    if folder is not None:
        cache.writable_folder("DIR", folder)
    own = (files.contract, files.c, files.port) if folder is None else (folder / name,)
    for path in own:
        if path.exists() and not (path.is_dir() and not list(path.iterdir())):
            raise Refused(f"PAIR={name}: {pairs.short(path)} exists; remove it, or choose "
                          "another name")
    for path, text in ((files.contract, CONTRACT), (files.c, C_SIDE), (files.port, PORT)):
        path.parent.mkdir(parents=True, exist_ok=True)
        cache.write(path, text.format(name=name, include=include))
    return [files.contract, files.c, files.port]


def unchanged(name: str, folder: Path | None) -> list[str]:
    """The places in a pair's files that are still as 'make new' wrote them."""
    files = pairs.files(name, folder)
    found = []
    for path in (files.contract, files.c, files.port):
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        found += [f"{pairs.short(path)}:{number}" for number, line in enumerate(lines, 1)
                  if MARK in line]
    return found


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


def create(top: Path, name: str, existing: tuple[str, ...], kind: str = "function",
           folder: Path | None = None) -> list[Path]:
    """Add a pair called `name`; refuses a name that will not do.

    Below `folder`, if that is given, and this repository is left as it is.
    """
    if not pairs.NAME.fullmatch(name):
        raise Refused(f"PAIR={ui.clean(name)}: give one word of 2 to 15 letters and digits, "
                      "in lower case")
    if name in TAKEN:
        raise Refused(f"PAIR={name}: C, Rust or the kernel has that word; give another name")
    if name in existing:
        raise Refused(f"PAIR={name}: there is such a pair already")
    if kind == "object" and folder is not None:
        raise Refused("KIND=object: a pair with an object of its own lives in this repository; "
                      "leave DIR out, or make a pair of functions")
    if folder is None and any((top / pattern.format(name)).exists() for pattern in FILES):
        raise Refused(f"PAIR={name}: some of its files exist; remove them or add it to Kbuild")
    made = function(name, folder) if kind == "function" else clone(top, TEMPLATE, name)
    if folder is None:
        set_pairs(top, [*existing, name])
    return made
