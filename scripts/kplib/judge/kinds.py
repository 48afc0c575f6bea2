# SPDX-License-Identifier: GPL-2.0
"""Kinds of instructions, as far as their text, their place and the symbols around it decide it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kplib.build.toolchain import Toolchain
from kplib.common import proc
from kplib.judge.counts import Ran
from kplib.judge.places import Code

_JUMP = re.compile(r"j[a-z]+ |b(\.[a-z]+)? |c?bn?z |tbn?z |br(a[ab]z?)? ")
_ALWAYS = re.compile(r"(jmp[a-z]*|b|br(a[ab]z?)?) ")
_CALL = re.compile(r"(callq?|bl|blr(a[ab]z?)?) ")
_INDIRECT = re.compile(r"(callq?|jmpq?) \*|bl?r(a[ab]z?)? ")
#: A return, and what mitigations have in its place.
_END = re.compile(r"(ret[a-z]*|ud2|brk|int3|udf)\b")
#: The kernel's own code in place of an indirect call or a return.
_INDIRECT_THUNK = re.compile(r"__x86_indirect_")
_THUNK = re.compile(r"__x86_(indirect_|return_thunk)|srso_|retbleed_|its_return|call_depth_return")
_ORDERED = re.compile(
    r"lock |[mls]fence|xchg[bwlq] .*\(|"
    r"dmb|dsb|isb|ld(a|la)p?u?r(b|h|sb|sh|sw)? |ldax|ldx|st(l|ll)u?r[bh]? |stlx|stx|"
    r"(cas|swp|ld(add|clr|eor|set|smax|smin|umax|umin))[abhlp]* |st(add|clr|eor|set)[bhl]* ")
#: Functions of these files change a number of references.
_REFCOUNT = re.compile(r"(^|/)(linux/(refcount|kref)\.h|lib/refcount\.c|kernel/sync/"
                       r"(refcount|arc|aref)\.rs|kernel/types\.rs|helpers/(refcount|kref)\.c)$")
_COUNTS = re.compile(r"refcount|kref|Refcount|inc_ref|dec_ref|Clone>::clone|Drop>::drop")
#: Rust's functions that look at an index or at an overflow, and give an error where it is bad.
_LOOKS = re.compile(r"core/src/slice/index\.rs$")
_CHECKED = re.compile(r"::checked_\w+$")
#: Symbols that only a panic calls.
_PANIC = re.compile(r"4core9panicking|4core.*(_fail|_failed)\b|4core\S*(unwrap|expect)_failed|"
                    r"slice_\w+_fail|rust_begin_unwind|rust_helper_BUG")

#: What is counted; each has a row.
CROSSINGS, CALLS, INDIRECT = "crossings of languages", "calls out of line", "indirect calls"
CHECKS, REFCOUNT = "bounds, overflow checks", "reference counts"
ORDERED, READS, WRITES = "locked, ordered, barriers", "memory reads", "memory writes"
KINDS = (CROSSINGS, CALLS, INDIRECT, CHECKS, REFCOUNT, ORDERED, READS, WRITES)


def is_call(text: str) -> bool:
    """Whether an instruction calls."""
    return bool(_CALL.match(f"{text} "))


def is_jump(text: str) -> bool:
    """Whether an instruction jumps, and does not call or return."""
    return bool(_JUMP.match(f"{text} "))


def is_conditional(text: str) -> bool:
    """Whether an instruction jumps or not."""
    return is_jump(text) and not _ALWAYS.match(f"{text} ")


def is_ordered(code: bytes, text: str, ran: Ran) -> bool:
    """Whether an instruction is atomic, or orders accesses of others.

    Where it has one CPU the kernel makes a prefix that means nothing of x86's lock.
    """
    unlocked = code[:1] == b"\x3e" and not is_call(text) and not is_jump(text) \
        and ran.reads > 0 and ran.writes > 0
    return unlocked or bool(_ORDERED.match(text))


def is_refcount(code: Code) -> bool:
    """Whether an instruction was inlined from, or is of, a function that counts references."""
    return any(_REFCOUNT.search(frame.file) and _COUNTS.search(frame.function)
               for frame in code.frames)


def is_fault(at: int, code: Code) -> bool:
    """Whether an address is where the kernel is entered because of a fault.

    arm64 has a table of entries, of which each fourth one is for what instructions bring about.
    """
    return code.function.startswith("asm_exc_") and at == code.begin or \
        code.function == "vectors" and not at & 0x1ff


def is_thunk(function: str) -> bool:
    """Whether a function is of the kernel's mitigations, and stands for a call or a return."""
    return bool(_THUNK.match(function))


def calls_indirectly(text: str, target: str) -> bool:
    """Whether a call or a jump elsewhere goes where a register says."""
    return bool(_INDIRECT.match(f"{text} ")) or bool(_INDIRECT_THUNK.match(target))


def looks(code: Code) -> bool:
    """Whether an instruction was inlined from a function that looks at an index or an overflow."""
    return any(_LOOKS.search(frame.file) or _CHECKED.search(frame.function)
               for frame in code.frames)


@dataclass(frozen=True)
class Line:
    """A line of a disassembly: the text, and what it calls or where it jumps."""

    text: str
    symbol: str
    target: int


#: How far the code behind a jump is followed to a panic: what makes its arguments is short.
_FOLLOWED = 24
_LINE = re.compile(r"^ *([0-9a-f]+):\s+(\S.*)$")
_RELOCATION = re.compile(r"^\s+[0-9a-f]{8,}:\s+R_\w+\s+([^\s+-]+)")
_TARGET = re.compile(r"\b0x([0-9a-f]+)(?: <([^>+]+)[^>]*>)?$")


def disassembly(text: str) -> dict[int, Line]:
    """The instructions in what llvm-objdump says of an object, by address, in their order."""
    found: dict[int, Line] = {}
    last = 0
    for line in text.splitlines():
        if match := _RELOCATION.match(line):
            if last in found:
                found[last] = Line(found[last].text, match.group(1), found[last].target)
        elif match := _LINE.match(line):
            last, said = int(match.group(1), 16), re.sub(r"\s+", " ", match.group(2))
            target = _TARGET.search(said)
            found[last] = Line(said, target.group(2) or "" if target else "",
                               int(target.group(1), 16) if target else 0)
    return found


def _panics(code: dict[int, Line], order: list[int], place: dict[int, int], at: int) -> bool:
    """Whether the code from an address on calls a panic, without another way."""
    for _ in range(_FOLLOWED):
        line = code.get(at)
        if line is None or _END.match(line.text) or is_conditional(line.text):
            return False
        if is_call(line.text):
            return bool(_PANIC.search(line.symbol))
        if is_thunk(line.symbol):
            # A return, or a jump that a register leads. Nothing may follow it in its function.
            return False
        if is_jump(line.text):
            at = line.target
            continue
        following = place[at] + 1
        if following >= len(order):
            return False
        at = order[following]
    return False


def checks(code: dict[int, Line]) -> set[int]:
    """Addresses of conditional jumps of which one way leads to a panic."""
    order = list(code)
    place = {at: i for i, at in enumerate(order)}
    return {at for i, at in enumerate(order) if is_conditional(code[at].text)
            and (_panics(code, order, place, code[at].target)
                 or i + 1 < len(order) and _panics(code, order, place, order[i + 1]))}


def code_of(tools: Toolchain, ko: Path) -> dict[int, Line]:
    """The instructions in the .text of a module, from its begin."""
    return disassembly(proc.output(tools.argv(
        "llvm-objdump", "-dr", "--no-show-raw-insn", "--section=.text", ko)))
