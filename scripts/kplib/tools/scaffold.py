# SPDX-License-Identifier: GPL-2.0
"""A new pair that builds and passes from the first moment.

Starting from something that runs, one changes one thing at a time and sees at
each step what broke; an empty frame would show nothing until all of it is
written. It is the smallest pair of its kind, and what is to be changed is marked.
"""

from __future__ import annotations

import re
from pathlib import Path

from kplib.common import cache, ui
from kplib.common.errors import Refused
from kplib.configure import pairs

FILES = ("kmod/contract/{}.h", "kmod/{}.c", "rust-stub/{}.rs", "tests/kunit/{}_kunit.c")

#: Names that are taken in C, in Rust or in the kernel: a struct called if, a crate called
#: core, or anything called as the macros current and linux does not build. Nor does a function
#: that a header of the kernel, which the glue includes, has as a macro or with another type.
TAKEN = frozenset("""
    asm auto break case char const continue default do double else enum extern float for goto
    if inline int long register restrict return short signed sizeof static struct switch
    typedef typeof union unsigned void volatile while bool true false null

    abstract as async await become box crate dyn final fn gen impl in let loop macro match mod
    move mut override priv pub ref self super trait try type union unsafe unsized use virtual
    where yield str u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64
    alloc bindings core ffi kernel macros std test uapi

    current linux unix i386 s8 s16 s32 s64 kparity engine noop amount err left stock

    abs clamp max memchr memcmp memcpy memmove memset min panic printk strcmp strlen strncmp
    swap
""".split()) | pairs.RESERVED


#: Marks lines that 'make new' wrote for its user to change.
MARK = "CHANGE:"

CONTRACT = """\
/* SPDX-License-Identifier: GPL-2.0 */
/* CHANGE: {name}: counts the bits of a number. */
#include <linux/types.h>
#include "contract/kparity.h"

/* CHANGE: the C side's prototype, or the header that has it in place of this line. */
unsigned int {name}(u32 value);

/* CHANGE: a row for each function, and what Rust may cost more; see Documentation/contract.md. */
KP_FUNCTION({name}, ANY, KP_UNSIGNED(unsigned int),
\t    KP_NUMBER(u32, value), .budget = "400 %, 40 instructions: nobody has looked yet")
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


OBJECT_CONTRACT = """\
/* SPDX-License-Identifier: GPL-2.0 */
/* CHANGE: {name}: a stock, from which one takes until nothing is left. */
#include <linux/types.h>
#include "contract/kparity.h"

/* CHANGE: the object; each side has its own definition. */
struct {name};

/* CHANGE: its state, which both sides show, to be compared and judged. */
struct {name}_view {{
\tu32 left;
}};

/* CHANGE: the C side's prototypes, or the header that has them in place of these lines. */
struct {name} *{name}_create(u32 stock);
void {name}_destroy(struct {name} *{name});
int {name}_take(struct {name} *{name}, u32 amount);
u32 {name}_left(struct {name} *{name});
void {name}_view(struct {name} *{name}, struct {name}_view *view);

/* CHANGE: how it is made, a row for each operation, and what Rust may cost more than C. */
KP_BUDGET("400 %, 40 instructions: nobody has looked yet")
KP_OBJECT(struct {name}, struct {name}_view, {name}_view)
KP_CREATE({name}_create, SLEEPS, KP_RESULT(struct {name} *, -EINVAL, -ENOMEM),
\t  KP_NUMBER(u32, stock, .lo = 1, .hi = 100, .beyond = true))
KP_DESTROY({name}_destroy, SLEEPS)
KP_METHOD({name}_take, PROCESS, KP_ERRNO(-ENOSPC),
\t  KP_NUMBER(u32, amount, .hi = 30, .beyond = true), .locks = "spinlock")
KP_METHOD({name}_left, PROCESS, KP_UNSIGNED(u32), .locks = "spinlock")

/* CHANGE: types that both languages touch, and their members. */
KP_TYPE(struct {name}_view, left)

/* CHANGE: what holds after each operation, and how the C side sees to it. */
KP_INVARIANT(all_or_nothing, errors,
\t     "take takes all that it is asked for, or fails and takes nothing",
\t     "what is left is looked at and changed under the lock",
\t     op == {upper}_TAKE, now->left == was->left - (ret ? 0 : arg[0]))
"""
OBJECT_C_SIDE = """\
// SPDX-License-Identifier: GPL-2.0
/* CHANGE: the C side. */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "{include}"

struct {name} {{
\tspinlock_t lock; /* protects left */
\tu32 left;
}};

struct {name} *{name}_create(u32 stock)
{{
\tstruct {name} *{name};

\tif (!stock)
\t\treturn ERR_PTR(-EINVAL);
\t{name} = kzalloc_obj(*{name});
\tif (!{name})
\t\treturn ERR_PTR(-ENOMEM);
\tspin_lock_init(&{name}->lock);
\t{name}->left = stock;
\treturn {name};
}}

void {name}_destroy(struct {name} *{name})
{{
\tkfree({name});
}}

int {name}_take(struct {name} *{name}, u32 amount)
{{
\tint err = -ENOSPC;

\tspin_lock(&{name}->lock);
\tif (amount <= {name}->left) {{
\t\t{name}->left -= amount;
\t\terr = 0;
\t}}
\tspin_unlock(&{name}->lock);
\treturn err;
}}

u32 {name}_left(struct {name} *{name})
{{
\tu32 left;

\tspin_lock(&{name}->lock);
\tleft = {name}->left;
\tspin_unlock(&{name}->lock);
\treturn left;
}}

void {name}_view(struct {name} *{name}, struct {name}_view *view)
{{
\tview->left = {name}_left({name});
}}
"""
OBJECT_PORT = """\
// SPDX-License-Identifier: GPL-2.0

//! CHANGE: {name} in Rust.

use super::{{
    bindings,
    kparity,
    Interface, //
}};
use kernel::{{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
}};

/// CHANGE: the object. Any thread may use it, and several at once.
#[pin_data]
pub(crate) struct Object {{
    #[pin]
    left: SpinLock<u32>,
}}

// CHANGE: how each invariant of the contract is kept here.
encodes!(
    all_or_nothing,
    checked,
    "the subtraction is checked, and left is changed in one place"
);
impl Interface for Object {{
    fn create(stock: u32) -> Result<impl PinInit<Self>> {{
        if stock == 0 {{
            return Err(EINVAL);
        }}
        Ok(pin_init!(Self {{
            left <- new_spinlock!(stock, "{name}"),
        }}))
    }}

    fn take(&self, amount: u32) -> Result {{
        let mut left = self.left.lock();

        *left = left.checked_sub(amount).ok_or(ENOSPC)?;
        Ok(())
    }}

    fn left(&self) -> u32 {{
        *self.left.lock()
    }}

    unsafe fn view(&self) -> bindings::{name}_view {{
        bindings::{name}_view {{ left: self.left() }}
    }}
}}
"""
#: The contract, the C side and the port of each kind of pair.
KINDS = {"function": (CONTRACT, C_SIDE, PORT),
         "object": (OBJECT_CONTRACT, OBJECT_C_SIDE, OBJECT_PORT)}


def write(top: Path, name: str, folder: Path | None, kind: str) -> list[Path]:
    """Write a pair, into a folder of its own below `folder` if that is given."""
    made = [top / pattern.format(name) for pattern in FILES[:3]]
    include, own = f"contract/{name}.h", made
    if folder is not None:
        cache.writable_folder("DIR", folder)
        files = pairs.in_folder(name, folder)
        made = [files.contract, files.c, files.port]
        include, own = "contract.h", [folder / name]
    for path in own:
        if path.exists() and not (path.is_dir() and not list(path.iterdir())):
            raise Refused(f"PAIR={name}: {pairs.short(path)} exists; remove it, or choose "
                          "another name")
    for path, text in zip(made, KINDS[kind]):
        path.parent.mkdir(parents=True, exist_ok=True)
        cache.write(path, text.format(name=name, upper=name.upper(), include=include))
    return made


def unchanged(name: str, folder: Path | None) -> list[str]:
    """The places in a pair's files that are still as 'make new' wrote them."""
    files = pairs.files(name, folder)
    found = []
    for path in (files.contract, files.c, files.port):
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        found += [f"{pairs.short(path)}:{number}" for number, line in enumerate(lines, 1)
                  if MARK in line]
    return found


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
    if folder is None and any((top / pattern.format(name)).exists() for pattern in FILES):
        raise Refused(f"PAIR={name}: some of its files exist; remove them or add it to Kbuild")
    made = write(top, name, folder, kind)
    if folder is None:
        set_pairs(top, [*existing, name])
    return made
