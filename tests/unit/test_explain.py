# SPDX-License-Identifier: GPL-2.0
"""make explain: the record of QEMU's plugin, kinds of instructions, and adding up."""

import json
import unittest
from dataclasses import replace

from kplib import verbs
from kplib.common.errors import EnvironmentFailed, Refused
from kplib.configure import request
from kplib.configure.lanes import PATHS
from kplib.judge import counts, explain, kinds, places
from kplib.judge.counts import Counted, Place, Ran, Sum, Touched
from kplib.judge.places import KERNEL, Code, Frame
from kplib.judge.tables import NOOP, Cost, DamagedTable, parse_costs
from kplib.report import explained
from kplib.tools import explain as told

RECORD = """\
case ring 1
op 0 noop
op 1 push
sum 0 0 2 44 44
code 7 ffffffffa0000010 0f31
ran 7 44 0 0
sum 1 0 3 90 90
data 5 6 1
ran 7 60 0 0
code 9 ffffffffa0001000 f0ff07
ran 9 30 30 30
went 7 9 3
sum 1 -28 1 9 9
data 2 1 0
ran 7 8 0 0
ran 9 1 1 1
went 7 9 1
close
"""
CLOCK = Place(0xffffffffa0000010, b"\x0f\x31")
LOCKED = Place(0xffffffffa0001000, b"\xf0\xff\x07")


class TestCounts(unittest.TestCase):
    """counts.parse()"""

    def test_parse(self) -> None:
        """Sums, places and where instructions went, by the names of operations."""
        found = counts.parse(RECORD, "ring")
        self.assertEqual(list(found), ["c->rust"])
        one = found["c->rust"].sums["push"]
        self.assertEqual((one.calls, one.cost, one.executed), (4, 99, 99))
        self.assertEqual(one.ran, {CLOCK: Ran(68, 0, 0), LOCKED: Ran(31, 31, 31)})
        self.assertEqual(one.went, {(CLOCK, LOCKED): 4})
        self.assertEqual(one.touched, Touched(7, 7, 1))
        self.assertEqual(found["c->rust"].sums[NOOP].calls, 2)

    def test_outcomes(self) -> None:
        """The calls with an outcome alone; those of other operations stay."""
        found = counts.parse(RECORD, "ring")["c->rust"]
        self.assertEqual(list(found.ends["push"]), ["success", "-ENOSPC"])
        failed = found.of_outcome("push", "-ENOSPC")
        self.assertEqual(failed.sums["push"], Sum(
            1, 9, 9, {CLOCK: Ran(8, 0, 0), LOCKED: Ran(1, 1, 1)}, {(CLOCK, LOCKED): 1},
            Touched(2, 1, 0)))
        self.assertEqual(failed.sums[NOOP], found.sums[NOOP])
        self.assertEqual(found.of_outcome("push", "success").sums["push"].calls, 3)
        self.assertNotIn("push", found.of_outcome("push", "false").sums)

    def test_cases(self) -> None:
        """Of a case that ran twice the last counts, of other pairs none, nor one cut short."""
        last = RECORD.replace("sum 1 0 3 90", "sum 1 0 5 90")
        found = counts.parse(RECORD + last + RECORD.replace("ring 1", "tlv 2")
                             + RECORD.replace("ring 1", "ring 3").removesuffix("close\n"), "ring")
        self.assertEqual({path: one.sums["push"].calls for path, one in found.items()},
                         {"c->rust": 6})

    def test_too_long(self) -> None:
        """A call that is longer than the plugin records is named, with what it came to."""
        found = counts.parse(RECORD.replace("close", "long 1 -28\nclose"), "ring")["c->rust"]
        self.assertEqual(found.too_long, {("push", "-ENOSPC")})
        self.assertEqual([found.is_too_long("push"), found.is_too_long(NOOP),
                          found.of_outcome("push", "success").is_too_long("push"),
                          found.of_outcome("push", "-ENOSPC").is_too_long("push")],
                         [True, False, False, True])

    def test_damaged(self) -> None:
        """A line that is none of the plugin's is named, and so is a sum that is not one."""
        for old, new in (("ran 7 60 0 0", "ran 7 60 0"), ("ran 7 60 0 0", "ran 8 60 0 0"),
                         ("case ring 1", "case ring 4"), ("op 1 push", "op one push"),
                         ("op 0 noop", "ran 7 1 1 1"), ("code 7", "code x"), ("close", "closed"),
                         ("sum 1 0 3 90 90", "sum 2 0 3 90 90"), ("case ring", "a ring"),
                         ("sum 1 0 3", "sum 1 3"), ("data 5 6 1", "data 5 6"),
                         ("sum 0 0 2 44 44\n", "data 1 1 1\n")):
            with self.subTest(new), self.assertRaisesRegex(DamagedTable, "the record of counts"):
                counts.parse(RECORD.replace(old, new), "ring")
        with self.assertRaisesRegex(DamagedTable, "push on c->rust has 100 instructions"):
            counts.parse(RECORD.replace("90 90", "90 91"), "ring")


class TestPlaces(unittest.TestCase):
    """places.py"""

    def test_layout(self) -> None:
        """Code is linked as the kernel lays it out: what stays, in its order, from the base on."""
        table = """\
  [ 1] .text             PROGBITS        0000000000000000 000040 00187c 00  AX  0   0 16
  [ 5] .rela.text        RELA            0000000000000000 005d58 000c48 18   I 44   1  8
  [23] .init.text        PROGBITS        0000000000000000 004470 000019 00  AX  0   0 16
  [24] .data             PROGBITS        0000000000000000 0018c0 001060 00  WA  0   0 16
  [25] .exit.text        PROGBITS        0000000000000000 004490 000012 00  AX  0   0 16
"""
        self.assertEqual(places.code_sections(table), [".text", ".exit.text"])
        self.assertEqual(places.layout([".text", ".exit.text"], 0x1000).split(),
                         "SECTIONS { .text 0x1000 : { *(.text) } .exit.text : { *(.exit.text) } }"
                         .split())

    def test_frames(self) -> None:
        """The frames of an address, with paths as they are shown."""
        line = ('{"Address":"0x1010","ModuleName":"x","Symbol":['
                '{"FileName":"/tree/rust/kernel/a.rs","FunctionName":"load","Line":3},'
                '{"FileName":"/top/kmod/x.c","FunctionName":"f","Line":9,'
                '"StartAddress":"0x1000","StartFileName":"/top/kmod/y.h"}]}')
        self.assertEqual(
            places.frames_of(line, {"/tree/": "", "/top/": ""}),
            (0x1010, (Frame("load", "rust/kernel/a.rs", 3), Frame("f", "kmod/x.c", 9)),
             "kmod/y.h", 0x1000))
        self.assertEqual(places.frames_of('{"Address":"0x1","ModuleName":"x"}', {}),
                         (1, (), "", 0))


class TestKinds(unittest.TestCase):
    """kinds.py"""

    def test_text(self) -> None:
        """Calls, jumps and those that may not be taken, on both arches."""
        for text, call, jump, conditional in (
                ("callq 61", True, False, False), ("callq *%rax", True, False, False),
                ("bl #16", True, False, False), ("blr x8", True, False, False),
                ("jmp 5", False, True, False), ("jmpq *%rax", False, True, False),
                ("b #4", False, True, False), ("br x1", False, True, False),
                ("ja 14", False, True, True), ("b.hs #8", False, True, True),
                ("cbz x0, #8", False, True, True), ("tbnz w0, #31, #8", False, True, True),
                ("retq", False, False, False), ("ret", False, False, False),
                ("bic x0, x1, x2", False, False, False), ("btq %rax, %rcx", False, False, False)):
            with self.subTest(text):
                self.assertEqual((kinds.is_call(text), kinds.is_jump(text),
                                  kinds.is_conditional(text)), (call, jump, conditional))

    def test_indirect(self) -> None:
        """Where a register says where to go, or a thunk of the kernel's does."""
        for text in ("callq *%rax", "callq *8(%rdi)", "jmpq *%rax", "blr x8", "br x1", "braa x1",
                     "blraaz x1"):
            self.assertTrue(kinds.calls_indirectly(text, ""), text)
        for text in ("callq 61", "jmp 5", "bl #16", "b #4", "b.eq #4", "brk #1"):
            self.assertFalse(kinds.calls_indirectly(text, "ring_push"), text)
        self.assertTrue(kinds.calls_indirectly("callq 61", "__x86_indirect_thunk_rax"))

    def test_ordered(self) -> None:
        """Atomic instructions and barriers; with one CPU x86's lock is a prefix of no meaning."""
        both, one = Ran(1, 1, 1), Ran(1, 1, 0)
        for text in ("lock incl (%rdi)", "mfence", "xchgl %eax, (%rdi)", "dmb ish", "isb",
                     "ldar w0, [x1]", "ldapr x0, [x1]", "stlr x0, [x1]", "stlrb w0, [x1]",
                     "ldaxr w0, [x1]", "ldxr x0, [x1]", "stlxr w0, w1, [x2]", "stxr w0, x1, [x2]",
                     "ldaddal x0, x1, [x2]", "ldadd w0, w1, [x2]", "casal w0, w1, [x2]",
                     "swpa w0, wzr, [x1]", "stadd w0, [x1]", "ldapur w0, [x1, #8]"):
            self.assertTrue(kinds.is_ordered(b"\0", text, one), text)
        for text in ("movl (%rdi), %eax", "xchgl %eax, %ecx", "ldr x0, [x1]", "str x0, [x1]",
                     "ldp x0, x1, [x2]", "ldrb w0, [x1]", "stp x0, x1, [sp]", "lea (%rdi), %rax",
                     "ldurb w0, [x1]", "strh w0, [x1]", "sturb w0, [x1]"):
            self.assertFalse(kinds.is_ordered(b"\0", text, both), text)
        self.assertTrue(kinds.is_ordered(b"\x3e\xff\x07", "incl %ds:(%rdi)", both))
        self.assertFalse(kinds.is_ordered(b"\x3e\x8b\x07", "movl %ds:(%rdi), %eax", one))
        self.assertFalse(kinds.is_ordered(b"\x3e\xff\xd0", "callq *%rax", both))

    X86 = """\
0000000000000010 <f>:
      10:      \tcmpq\t%rax, %rcx
      13:      \tjae\t0x30 <f+0x20>
      15:      \tjo\t0x20 <f+0x10>
      17:      \tjb\t0x28 <f+0x18>
      19:      \tretq
      20:      \tleaq\t(%rip), %rdi
      27:      \tcallq\t0x2c <f+0x1c>
\t\t0000000000000028:  R_X86_64_PLT32\t_RNvNtNtCs2l_4core9panicking11panic_const24add_overflow-0x4
      2c:      \tud2
      30:      \tmovl\t$5, %esi
      35:      \tjmp\t0x40 <f+0x30>
      40:      \tcallq\t0x45 <f+0x35>
\t\t0000000000000041:  R_X86_64_PLT32\t_RNvNtCs2l_4core9panicking18panic_bounds_check-0x4
"""
    ARM = """\
0000000000000000 <f>:
       0:      \tcmp\tx0, x1
       4:      \tb.lo\t0x10 <f+0x10>
       8:      \tbl\t0x8 <f+0x8>
\t\t0000000000000008:  R_AARCH64_CALL26\t_RNvNtCs2l_4core9panicking18panic_bounds_check
      10:      \tcbz\tx0, 0x18 <f+0x18>
      14:      \tret
      18:      \tbl\t0x18 <f+0x18>
\t\t0000000000000018:  R_AARCH64_CALL26\tring_push
"""

    def test_checks(self) -> None:
        """Jumps to a panic, directly or by way of a jump, and past one; and no others."""
        self.assertEqual(kinds.checks(kinds.disassembly(self.X86)), {0x13, 0x15})
        self.assertEqual(kinds.checks(kinds.disassembly(self.ARM)), {0x4})

    #: As clang makes returns for x86's mitigations: of the jump the relocation alone tells where.
    THUNKS = """\
0000000000000010 <f>:
      10:      \tcmpq\t%rax, %rcx
      13:      \tjae\t0x1d <f+0xd>
      15:      \tjo\t0x22 <f+0x12>
      17:      \tjb\t0x24 <f+0x14>
      1d:      \tjmp\t0x22 <f+0x12>
\t\t000000000000001e:  R_X86_64_PLT32\t__x86_return_thunk-0x4
      22:      \tcallq\t0x27 <f+0x17>
\t\t0000000000000023:  R_X86_64_PLT32\t_RNvNtNtCs2l_4core9panicking11panic_const24add_overflow-0x4
      24:      \tjmp\t0x22 <f+0x12>
\t\t0000000000000025:  R_X86_64_PLT32\t__x86_indirect_thunk_r11-0x4
"""

    def test_behind_return(self) -> None:
        """What is behind a return by a thunk, or a jump by one, is no other way of the jump."""
        self.assertEqual(kinds.checks(kinds.disassembly(self.THUNKS)), {0x15})


def code(image: str, function: str, file: str, begin: int, text: str, line: int = 1) -> Code:
    """An instruction of a function, with nothing inlined."""
    return Code(image, function, file, begin, (Frame(function, file, line),), text)


def place(pc: int) -> Place:
    """An instruction."""
    return Place(pc, b"\x90")


#: The engine's call, the kernel's function that reads the counter, the driver and its call, two
#: instructions of Rust's side, a helper of Rust's, and one that waits.
TIMED, READ, DRIVER, CALL, SIDE, TAIL, HELPER, WAIT = (place(pc) for pc in (
    0x10, 0x9000, 0x100, 0x101, 0x200, 0x201, 0x8000, 0x8100))
KNOWN = {
    TIMED: code("kparity", "kp_run", "kmod/engine/calls.c", 0x10, "callq *%rax"),
    READ: code(KERNEL, "read_counter", "drivers/x.c", 0x9000, "nop"),
    DRIVER: code("kparity_q", "c_call_put", "rust-stub/q_glue.c", 0x100, "movq %rax, %rbx"),
    CALL: code("kparity_q", "c_call_put", "rust-stub/q_glue.c", 0x100, "callq 61"),
    SIDE: Code("kparity_q", "q_rust_put", "rust-stub/q_root.rs", 0x200,
               (Frame("load", "rust/kernel/sync/atomic.rs", 7),
                Frame("put", "rust-stub/q.rs", 40), Frame("q_rust_put", "q_root.rs", 3)), "ja 4"),
    TAIL: code("kparity_q", "q_rust_put", "rust-stub/q_root.rs", 0x200, "jmp 99"),
    HELPER: code(KERNEL, "rust_helper_refcount_inc", "rust/helpers/refcount.c", 0x8000, "retq"),
    WAIT: code(KERNEL, "idle", "kernel/idle.c", 0x8100, "hlt"),
}
CALLS = 10


def sums(extra: dict[Place, Ran] | None = None, cost: int | None = None) -> dict[str, Sum]:
    """The no-op and put, called CALLS times, each instruction once a call but for C's function."""
    noop = {TIMED: Ran(CALLS, 0, CALLS), READ: Ran(CALLS, 0, 0), DRIVER: Ran(CALLS, 0, 0)}
    put = noop | {CALL: Ran(CALLS, 0, CALLS), SIDE: Ran(3 * CALLS, 7, 0), TAIL: Ran(4, 0, 0),
                  HELPER: Ran(4, 4, 0)} | (extra or {})
    went = {(TIMED, DRIVER): CALLS, (CALL, SIDE): CALLS, (TAIL, HELPER): 4, (HELPER, DRIVER): 4}
    total = sum(ran.times for ran in put.values())
    return {NOOP: Sum(CALLS, 3 * CALLS, 3 * CALLS, noop, {(TIMED, DRIVER): CALLS}),
            "put": Sum(CALLS, cost or total, total, put, went, Touched(20, 15, 3))}


def costs(of: dict[str, Sum], path: str = "c->rust") -> dict[str, dict[str, Cost]]:
    """Lane insn's table of the same."""
    each, left = divmod(of["put"].cost, CALLS)
    return parse_costs(f"{path} noop 3 {CALLS}\n{path} put {each} {CALLS - left}\n"
                       + (f"{path} put {each + 1} {left}\n" if left else ""))


class TestThunks(unittest.TestCase):
    """explain.py: calls by the kernel's thunks"""

    THUNK = code(KERNEL, "__x86_indirect_thunk_r11", "arch/x86/lib/retpoline.S", 0x7000, "retq")

    def found(self, callers: dict[str, int], called: dict[str, int], jump: bool = False,
              driver: str = "") -> dict[str, int]:
        """The kinds of calls through one thunk, by the languages at both ends."""
        known, ran, went = {place(0x7000): self.THUNK}, {}, {}
        for at, ends in ((0x100, callers), (0x200, called)):
            for number, (language, times) in enumerate(ends.items()):
                one = place(at + number)
                known[one] = code("kparity_q", f"f{at + number}", f"q.{language}", at + number,
                                  "jmp 61" if jump else "callq 61")
                ran[one] = Ran(times, 0, 0)
                went[(one, place(0x7000)) if at == 0x100 else (place(0x7000), one)] = times
        ran[place(0x7000)] = Ran(sum(callers.values()), 0, 0)
        of = Sum(1, 9, 9, {one: how for one, how in ran.items() if one.pc < 0x200}, went)
        raw = Sum(1, 9, 9, {}, {(TIMED, place(0x7000)): 1}) if driver else of
        return explain._kinds(of, known, {}, explain._by_harness(raw, known | KNOWN, driver))

    def test_crossings(self) -> None:
        """A callback of the other language is a crossing, where the thunk's ends tell so."""
        for callers, called, wanted in (({"rs": 4}, {"c": 4}, 4), ({"c": 4}, {"c": 4}, 0),
                                        ({"c": 4}, {"rs": 3, "c": 1}, 3),
                                        ({"c": 3, "rs": 2}, {"c": 5}, 2),
                                        ({"c": 3, "rs": 2}, {"c": 3, "rs": 2}, 0)):
            with self.subTest(callers=callers, called=called):
                self.assertEqual(self.found(callers, called)[kinds.CROSSINGS], wanted)
        # The engine calls the path's driver through the same one.
        self.assertEqual(self.found({"c": 1}, {"rs": 1, "c": 1}, driver="c->rust")[
            kinds.CROSSINGS], 1)
        self.assertEqual(self.found({"c": 1}, {"rs": 1, "c": 1}, driver="rust->c")[
            kinds.CROSSINGS], 0)

    def test_calls(self) -> None:
        """A call, or a jump in place of one and of a return, is one call out of line."""
        for jump in (False, True):
            found = self.found({"rs": 4}, {"c": 4}, jump)
            self.assertEqual((found[kinds.CALLS], found[kinds.INDIRECT]), (4, 4))


RANK = explain.ranks("q", ["rust-stub/q.rs", "kmod/q.c"])


def explained_of(of: dict[str, Sum]) -> explain.Explained:
    """What put's cost is made of."""
    return explain.explain("put", costs(of), {"c->rust": Counted(of)}, KNOWN, {}, RANK)


class TestExplain(unittest.TestCase):
    """explain.explain()"""

    def test_adds_up(self) -> None:
        """Functions and lines add up to the figure, the harness and the no-op being rows."""
        found = explained_of(sums())
        path = "c->rust"
        self.assertEqual(found.figure, {path: 48})
        # The engine, and the kernel's function that reads the counter.
        self.assertEqual((found.harness, found.noop), ({path: 20}, {path: -30}))
        self.assertEqual([(row.name, row.counts[path], row.kernel) for row in found.functions],
                         [("q_rust_put", 34, False), ("c_call_put", 20, False),
                          ("rust_helper_refcount_inc", 4, True)])
        self.assertEqual([(row.name, row.file, row.line, row.counts[path]) for row in found.lines],
                         [("", "rust-stub/q.rs", 40, 30), ("", "rust-stub/q_glue.c", 1, 20),
                          ("", "rust-stub/q_root.rs", 1, 4),
                          ("rust_helper_refcount_inc", "rust/helpers/refcount.c", 0, 4)])
        self.assertEqual(found.between, {path: 78})

    def test_lines(self) -> None:
        """The line is the pair's own, where there is one; a function of the kernel's that is the
        pair's C side has lines."""
        kernel = code(KERNEL, "glob_match", "lib/glob.c", 0x9000, "nop", 7)
        noline = Code("kparity_q", "f", "rust-stub/q_root.rs", 0x200,
                      (Frame("a", "rust-stub/q.rs", 0), Frame("b", "rust-stub/q.rs", 5),
                       Frame("f", "rust-stub/q_root.rs", 3)), "nop")
        for one, own, wanted in ((kernel, [], ("glob_match", "lib/glob.c", 0)),
                                 (kernel, ["lib/glob.c"], ("", "lib/glob.c", 7)),
                                 (noline, ["rust-stub/q.rs"], ("", "rust-stub/q.rs", 5)),
                                 (noline, [], ("", "rust-stub/q_root.rs", 3))):
            known = KNOWN | {SIDE: one}
            of = sums()
            found = explain.explain("put", costs(of), {"c->rust": Counted(of)}, known, {},
                                    explain.ranks("q", own))
            self.assertIn(wanted, [(row.name, row.file, row.line) for row in found.lines])

    def test_kinds(self) -> None:
        """A jump into another function is a call; the harness has no part in any kind."""
        found = explained_of(sums())
        self.assertEqual({kind: by["c->rust"] for kind, by in found.kinds.items()},
                         {kinds.CROSSINGS: 14, kinds.CALLS: 14, kinds.INDIRECT: 0,
                          kinds.CHECKS: 0, kinds.REFCOUNT: 4, kinds.ORDERED: 0,
                          kinds.READS: 11, kinds.WRITES: 10})
        self.assertEqual(found.helpers, {"rust_helper_refcount_inc": {"c->rust": 4}})
        of = sums()
        again = explain.explain("put", costs(of), {"c->rust": Counted(of)}, KNOWN, {SIDE: True},
                                RANK)
        self.assertEqual(again.kinds[kinds.CHECKS], {"c->rust": 30})

    def test_idle(self) -> None:
        """Where the CPU waited the clock may go on by itself, and nowhere else."""
        waited = sums({WAIT: Ran(2, 0, 0)}, cost=1000)
        self.assertEqual(explained_of(waited).idle, {"c->rust": 1000 - 80})
        for cost in (79, 77):
            with self.assertRaisesRegex(EnvironmentFailed, "put on c->rust: the counter went on "
                                        f"by {cost} .* saw 78 instructions"):
                explained_of(sums(cost=cost))

    def test_faults(self) -> None:
        """An instruction that a fault came of was not executed; one before an interrupt was."""
        for name, entry, counts_less in (
                ("asm_exc_page_fault", 0xa000, True), ("asm_sysvec_apic_timer_interrupt", 0xa000,
                                                       False),
                ("vectors", 0xa200, True), ("vectors", 0xa280, False)):
            with self.subTest(name, at=hex(entry)):
                at = place(entry)
                known = KNOWN | {at: code(KERNEL, name, "entry.S", 0xa000, "nop")}
                of = sums({at: Ran(2, 0, 0)}, cost=78 if counts_less else 80)
                of["put"].went[SIDE, at] = 2
                # The way back into it from what it calls is no fault.
                behind = place(entry + 8)
                known[behind] = known[at]
                of["put"].went[WAIT, behind] = 2
                found = explain.explain("put", costs(of), {"c->rust": Counted(of)}, known, {},
                                        RANK)
                self.assertEqual(found.lines[0].counts, {"c->rust": 28 if counts_less else 30})

    def test_other_calls(self) -> None:
        """What lane insn and the plugin do not agree on is no explanation."""
        of = sums()
        fewer = {**of, "put": replace(of["put"], calls=CALLS - 1)}
        with self.assertRaisesRegex(EnvironmentFailed, "78 instructions in 10 calls, and QEMU's "
                                    "plugin of 78 in 9"):
            explain.explain("put", costs(of), {"c->rust": Counted(fewer)}, KNOWN, {}, RANK)
        with self.assertRaisesRegex(EnvironmentFailed, "have not seen the same calls"):
            explain.explain("put", costs(of), {}, KNOWN, {}, RANK)
        with self.assertRaisesRegex(EnvironmentFailed, "more instructions than"):
            explain.explain("put", costs(of), {"c->rust": Counted(of, {}, {("put", "false")})},
                            KNOWN, {}, RANK)

    def test_data(self) -> None:
        """Lines of the data cache, and misses in the model, which is named as one."""
        found = explained_of(sums())
        self.assertEqual(found.data, {
            explain.LINES_READ: {"c->rust": 20}, explain.LINES_WRITTEN: {"c->rust": 15},
            explain.MISSES: {"c->rust": 3}})
        text = explained.text(found, "q", lambda file, line: "")
        self.assertRegex(text, r"(?m)^  only read +- +2\.00 +- +-$")
        self.assertRegex(text, r"(?m)^  written +- +1\.50 +- +-$")
        self.assertRegex(text, r"(?m)^  misses in a model: 32 KiB, .* +- +0\.30 +- +-$")
        self.assertRegex(text, r"(?m)^  misses in a model +- +3 +- +-$")

    def test_check(self) -> None:
        """A row that is lost is told of."""
        found = explained_of(sums())
        for lost in (replace(found, lines=found.lines[1:]),
                     replace(found, functions=found.functions[1:]),
                     replace(found, noop={"c->rust": -29})):
            with self.assertRaisesRegex(EnvironmentFailed, "instructions are explained"):
                explain.check(lost)

    def test_text(self) -> None:
        """Means by path; of the kernel's functions those that cost most, or all of them."""
        found = explained_of(sums())
        rows = tuple(replace(found.functions[-1], name=f"k{i}") for i in range(20))
        found = replace(found, functions=found.functions[:-1] + rows)
        text = explained.text(found, "q", lambda file, line: f"text of {line}")
        self.assertIn("q put: executed instructions of one call, mean of 10 calls", text)
        self.assertRegex(text, r"(?m)^  q\.rs:40  text of 40 +- +3\.00 +- +-$")
        self.assertRegex(text, r"(?m)^  8 further functions of the kernel \(V=1: each\) .* 3\.20 ")
        self.assertRegex(text, r"(?m)^  figure of lane insn +- +48 +- +-$")
        self.assertEqual(text.count("k19"), 0)
        self.assertTrue(all(len(line) <= 100 for line in text.splitlines()))
        self.assertIn("k19", explained.text(found, "q", lambda file, line: "", True))

    def test_kept(self) -> None:
        """What is kept as text gives the same tables, with the text of lines."""
        found = explained_of(sums())
        failed = replace(found, outcome="-EIO",
                         functions=(replace(found.functions[0], counts={"c->rust": 4}),))
        found = replace(found, waits=True, outcomes={"-EIO": failed})
        text = json.dumps(explained.to_json(found, lambda file, line: f"text of {line}",
                                            pair="q", arch="x86_64", variant="base", seed=3))
        kept = explained.from_json(text)
        self.assertEqual((kept.pair, kept.seed, kept.found), ("q", 3, found))
        self.assertEqual(kept.tables(),
                         explained.tables(found, "q", lambda file, line: f"text of {line}"))
        self.assertEqual(kept.tables("-EIO")[0].lines[0].cells[1], "0.40")
        for wrong in ("", "[]", "{}", text.replace('"figure"', '"figures"'),
                      text.replace('"outcomes": {', '"outcomes": "", "o": {'),
                      text.replace('"kernel"', '"core"'), text.replace('"text"', '"said"')):
            with self.subTest(wrong[:20]), self.assertRaises(ValueError):
                explained.from_json(wrong)


class TestRequests(unittest.TestCase):
    """What make explain refuses"""

    def refused(self, *words: str) -> str:
        """The line that a request is refused with."""
        with self.assertRaises(Refused) as caught:
            verbs.carry_out("explain", request.parse(["ARCH=x86_64", *words], {}))
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    def test_refused(self) -> None:
        """Each wrong request has a line that says what to do."""
        ring = "PAIR=ring"
        for words, why in (
                ((ring,), "wants an operation; give OP= one of push, pop, peek, len, create, "
                          "destroy, noop, or OP=all"),
                ((ring, "OP=shove"), "OP=shove: ring has no such operation; there are push, pop"),
                (("PAIR=ring tlv", "OP=push"), "is for one pair; give PAIR=x"),
                (("OP=push",), "is for one pair; give PAIR=x"),
                ((ring, "OP=push", "ARCH=all"), "is for one guest"),
                ((ring, "OP=push", "VARIANT=all"), "is for one guest"),
                ((ring, "OP=push", "VARIANT=debug"), "VARIANT=debug: it has no lane insn"),
                ((ring, "OP=push", "LANE=check"), "LANE=check: make explain runs lane insn"),
                ((ring, "OP=push", "ACCEL=kvm"), "ACCEL=kvm: instructions are counted by an emu"),
                ((ring, "OP=push", "KEEP=1"), "KEEP: make explain counts the program of lane"),
                ((ring, "OP=push", "OUTCOME=ok"), "OUTCOME=ok: no outcome; give success, false or"),
                ((ring, "OP=all", "OUTCOME=false"), "OUTCOME=false: for one operation that has"),
                ((ring, "OP=noop", "OUTCOME=success"), "with OP=noop leave it out"),
                ((ring, "OP=push", "CASE=insn"), "CASE is for make run")):
            with self.subTest(words):
                self.assertIn(why, self.refused(*words))

    def test_all(self) -> None:
        """OP=all is each operation."""
        req = request.parse(["PAIR=ring", "OP=all"], {})
        told.check(req)
        self.assertEqual(told.asked(req), ())
        self.assertEqual(told.asked(request.parse(["PAIR=ring", "OP=pop"], {})), ("pop",))

    def test_outcome(self) -> None:
        """The calls with one outcome; one that no call has is refused with those there are."""
        for word, end in (("success", "success"), ("ENOSPC", "-ENOSPC"), ("-ENOSPC", "-ENOSPC"),
                          ("false", "false"), ("-28", "-ENOSPC"), ("-512", "-512"), ("", None)):
            self.assertEqual(request.parse(["PAIR=ring", f"OUTCOME={word}"], {}).outcome, end)
        found = explained_of(sums())
        failed = replace(found, outcome="-EIO")
        found = replace(found, outcomes={"success": found, "-EIO": failed})
        self.assertEqual(told.with_outcome(found, None), found)
        self.assertEqual(told.with_outcome(found, "-EIO"), failed)
        self.assertIn("q put -EIO: executed", explained.heading(failed, "q"))
        self.assertNotIn("outcomes", explained.to_json(failed, lambda file, line: ""))
        with self.assertRaisesRegex(Refused, "OUTCOME=-ENOMEM: no call of put that lane insn "
                                    "counts comes to that; there are success, -EIO$") as caught:
            told.with_outcome(found, "-ENOMEM")
        self.assertEqual(caught.exception.status, 2)

    def test_each_outcome(self) -> None:
        """Each outcome is explained by its own row of lane insn's table."""
        cost = costs(sums())["put"]["c->rust"]
        ends = {end: {"c->rust": replace(cost, total=total)}
                for end, total in (("success", 5), ("-EIO", 7))}
        found = explain.with_outcomes(
            replace(explained_of(sums()), waits=True), ends,
            lambda end, row: replace(explained_of(sums()), figure={end: row["c->rust"].total}))
        self.assertEqual([(end, one.figure, one.outcome, one.waits)
                          for end, one in found.outcomes.items()],
                         [("success", {"success": 5}, "success", True),
                          ("-EIO", {"-EIO": 7}, "-EIO", True)])

    def test_elsewhere(self) -> None:
        """OP is of no other verb."""
        with self.assertRaisesRegex(Refused, "OP: for make explain; leave it out"):
            verbs.carry_out("run", request.parse(["OP=push"], {}))
        with self.assertRaisesRegex(Refused, "OUTCOME: for make explain; leave it out"):
            verbs.carry_out("choices", request.parse(["OUTCOME=success"], {}))

    def test_lane(self) -> None:
        """The lane is lane insn in all that a guest sees."""
        self.assertEqual((told.LANE.name, told.LANE.mode, told.LANE.plugin),
                         ("insn", "insn", "counts"))
        self.assertEqual(PATHS[0], "c->c")


if __name__ == "__main__":
    unittest.main()
