# SPDX-License-Identifier: GPL-2.0
"""make coverage: the record of QEMU's plugin, lines and jumps, and how runs are merged."""

import unittest

from kplib import verbs
from kplib.common.errors import Refused
from kplib.configure import request
from kplib.contract import rows
from kplib.contract.model import Reason
from kplib.judge import covers, kinds, reasons
from kplib.judge.covers import Jump, LineSeen, Side, Went
from kplib.judge.places import Code, Frame
from kplib.judge.tables import DamagedTable
from kplib.report import covered
from kplib.tools import coverage

FILES = frozenset(("kmod/q.c",))
#: A function of two lines: a jump that is taken or not, one to a panic, and one inlined.
TEXT = """\
0000000000000010 <f>:
      10:      \tcmpq\t%rax, %rcx
      13:      \tjae\t0x30 <f+0x20>
      15:      \tjb\t0x28 <f+0x18>
      17:      \tretq
      18:      \tint3
      28:      \tmovl\t$5, %esi
      2a:      \tretq
      30:      \tcallq\t0x35 <f+0x25>
\t\t0000000000000031:  R_X86_64_PLT32\t_RNvNtCs2l_4core9panicking18panic_bounds_check-0x4
"""
CODE = kinds.disassembly(TEXT)


def at(line: int, column: int = 1, *inner: Frame) -> Code:
    """An instruction of a line, with what is inlined there."""
    return Code("kparity_q", "f", "kmod/q.c", 0x10,
                (*inner, Frame("f", "kmod/q.c", line, column)), "")


KNOWN = {0x10: at(1), 0x13: at(1, 5), 0x15: at(2, 7, Frame("g", "include/linux/x.h", 9)),
         0x17: at(2), 0x18: at(8), 0x28: at(3), 0x2a: at(3), 0x30: at(4)}


def seen(**ways: tuple[bool, bool]) -> covers.Seen:
    """What became of the lines where both jumps went these ways, and all but line 3 and 4 ran."""
    ran = {pc: Went(False, False) for pc in (0x10, 0x17)}
    ran |= {int(name[1:], 16): Went(*way) for name, way in ways.items()}
    return covers.seen(CODE, KNOWN, ran, FILES)


class TestCovers(unittest.TestCase):
    """covers.py"""

    def test_parse(self) -> None:
        """Guests are added up; a record that is cut short or changed is told of."""
        self.assertEqual(covers.parse("guest\nran ff 10\nran 10 00\nend\nguest\nran ff 01\nend\n"),
                         {0xff: Went(True, True), 0x10: Went(False, False)})
        self.assertEqual(covers.parse(""), {})
        for text in ("guest\nran ff 10\n", "ran ff 12\nend\n", "ran xx 10\nend\n", "run\nend\n"):
            with self.subTest(text), self.assertRaisesRegex(DamagedTable, "record of coverage"):
                covers.parse(text)

    def test_seen(self) -> None:
        """Lines and jumps; a jump to a panic is a class of its own, and padding is no code."""
        found = seen(x13=(True, False), x15=(True, False))
        self.assertEqual({line: one.ran for (_, line), one in found.items()},
                         {1: True, 2: True, 3: False, 4: False})
        self.assertEqual(found["kmod/q.c", 1].jumps, {5: Jump(False, True, True)})
        self.assertEqual(found["kmod/q.c", 2].jumps, {7: Jump(False, True, False)})
        self.assertEqual([found["kmod/q.c", line].one_way for line in (1, 2, 3)],
                         [False, True, False])
        self.assertFalse(seen(x15=(True, True))["kmod/q.c", 2].one_way)

    def test_merged(self) -> None:
        """What one run has reached is reached; a jump that no run saw go both ways is not."""
        fell, taken, both = ({"x15": way} for way in ((True, False), (False, True), (True, True)))
        one = covers.merged([seen(**fell), seen(**taken)])
        self.assertTrue(one["kmod/q.c", 2].one_way)
        self.assertFalse(covers.merged([seen(**fell), seen(**both)])["kmod/q.c", 2].one_way)
        self.assertTrue(covers.merged([seen(), seen(x28=(False, False))])["kmod/q.c", 3].ran)
        self.assertFalse(covers.merged([seen(), seen()])["kmod/q.c", 3].ran)

    def test_copies(self) -> None:
        """A function that is inlined twice has two jumps: it is enough if one goes both ways."""
        known = {**KNOWN, 0x13: at(2, 7)}
        code = kinds.disassembly(TEXT.replace("jae\t0x30", "jae\t0x28"))
        for ways, one_way in (((True, True), False), ((True, False), True)):
            found = covers.seen(code, known, {0x13: Went(*ways), 0x15: Went(True, False)}, FILES)
            self.assertEqual(found["kmod/q.c", 2].one_way, one_way)

    def test_sides(self) -> None:
        """What is listed, for a person and for lcov."""
        c = Side("C side", seen(x13=(True, False), x15=(True, False)))
        rust = Side("Rust side", {("rust-stub/q.rs", 4): LineSeen(True)})
        self.assertEqual(c.unreached(), [("kmod/q.c", 3), ("kmod/q.c", 4)])
        self.assertEqual(c.one_way(), [("kmod/q.c", 2)])
        self.assertEqual(covers.lcov("q", [c, rust]).splitlines(), [
            "TN:q", "SF:kmod/q.c", "BRDA:2,0,0,1", "BRDA:2,0,1,0", "BRF:2", "BRH:1", "DA:1,1",
            "DA:2,1", "DA:3,0", "DA:4,0", "LF:4", "LH:2", "end_of_record", "SF:rust-stub/q.rs",
            "BRF:0", "BRH:0", "DA:4,1", "LF:1", "LH:1", "end_of_record"])
        places = reasons.judge((c, rust), (), lambda file: (), "x86_64", ("x86_64",))
        text = covered.text("q", "head", (c, rust), lambda file, line: f"text {line}", places, "")
        self.assertRegex(text, r"(?m)^  lines with code +4 +1$")
        self.assertRegex(text, r"(?m)^  that ran +2 \(50 %\) +1 \(100 %\)$")
        self.assertRegex(text, r"(?m)^  only ever went one way +1 +0$")
        self.assertRegex(text, r"(?m)^  jumps to a panic, or past one +1 +0$")
        self.assertIn("no program reaches:\n    kmod/q.c:3  text 3\n    kmod/q.c:4  text 4\n", text)
        self.assertIn("one way:\n    kmod/q.c:2  text 2", text)
        page = covered.page("q", "a < b", (c, rust), lambda file: ("a < b", "two", "three"),
                            places)
        self.assertIn('<pre class="ran">   1 a &lt; b</pre>', page)
        self.assertIn('<pre class="one">   2 two</pre>', page)
        self.assertIn('<pre class="not">   3 three</pre>', page)
        self.assertNotIn("http", page)


ROW = "KP_FUNCTION(f, ANY, KP_UNSIGNED(u32), KP_NUMBER(u32, n))\n"


def said(*given: str) -> tuple[Reason, ...]:
    """The reasons of a contract with some rows."""
    return rows.read(ROW + "\n".join(given) + "\n", "q").reasons


class TestRows(unittest.TestCase):
    """KP_UNREACHED and KP_ONE_WAY"""

    def test_read(self) -> None:
        """A row is of one place or several; text is as the source has it, but for blanks."""
        self.assertEqual(
            said(r'KP_UNREACHED("q.c: f(): {", "q.c: pr_info(\"a\",  b);",',
                 ' "it is "  "so")',
                 'KP_ONE_WAY("q.rs: a()?;", "why", .arch = arm64, .chance = true)',
                 'KP_UNREACHED("q.c: g()", "w")'),
            (Reason(False, "q.c", "f", "{", "it is so", "", False, 2),
             Reason(False, "q.c", "", 'pr_info("a", b);', "it is so", "", False, 2),
             Reason(True, "q.rs", "", "a()?;", "why", "arm64", True, 4),
             Reason(False, "q.c", "g", "", "w", "", False, 5)))

    def test_refused(self) -> None:
        """A row that names no place, or has no reason, is told of."""
        for row, why in (('KP_UNREACHED("q.c: x")', "wants a place or several, and behind them"),
                         ('KP_UNREACHED("q.c: x", "q.c: y")', "wants a place or several"),
                         ("KP_UNREACHED()", "write text in quotes"),
                         ('KP_UNREACHED(q, "why")', "write text in quotes"),
                         ('KP_UNREACHED("q.c:12", "why")', "is no place"),
                         ('KP_UNREACHED("if (x)", "why")', "is no place"),
                         ('KP_ONE_WAY("q.c: f()", "why")', "KP_ONE_WAY is of a line"),
                         ('KP_ONE_WAY("q.c: x", "why", .archs = x)', "there are .arch = NAME"),
                         ('KP_ONE_WAY("q.c: x", "a")\nKP_ONE_WAY("q.c: x", "b")',
                          "a second KP_ONE_WAY of")):
            with self.subTest(row), self.assertRaises(rows.BadRow) as caught:
                said(row)
            self.assertIn(why, str(caught.exception))
        self.assertEqual(len(said('KP_ONE_WAY("q.c: x", "a", .arch = x86_64)',
                                  'KP_ONE_WAY("q.c: x", "b", .arch = arm64)')), 2)


class TestReasons(unittest.TestCase):
    """reasons.py: lines 3 and 4 of q.c do not run, line 2 has a jump that goes one way."""

    TEXT = ("f(void)", "\tif  (a)", "\t\tg();", "}", "h(void)", "no code", "}", "}")

    def judged(self, *given: str, arch: str = "x86_64",
               way: tuple[bool, bool] = (True, False)) -> reasons.Places:
        """What rows say of them; lines 5 and 7 are of another function, and
        do not run either; 8 does, with the text of 7."""
        lines = seen(x13=(True, False), x15=way) | {
            ("kmod/q.c", 5): LineSeen(False, {}, frozenset("h")),
            ("kmod/q.c", 7): LineSeen(False, {}, frozenset("h")),
            ("kmod/q.c", 8): LineSeen(True, {}, frozenset("k"))}
        return reasons.judge((Side("C side", lines),), said(*given), lambda file: self.TEXT, arch,
                             ("x86_64", "arm64"))

    def needless(self, *given: str, arch: str = "x86_64",
                 way: tuple[bool, bool] = (True, False)) -> list[str]:
        """How it is that nothing needs rows."""
        return [how for _, how in self.judged(*given, arch=arch, way=way).needless]

    def test_none(self) -> None:
        """Without reasons each place is without; nothing is where all ran."""
        found = self.judged()
        self.assertEqual([line for _, line in found.unreached], [3, 4, 5, 7])
        self.assertTrue(found.unexplained)
        self.assertFalse(reasons.Places({}, {("kmod/q.c", 2): None}).unexplained)

    def test_matched(self) -> None:
        """By text, by text in a function, and by a function of which nothing ran."""
        found = self.judged('KP_UNREACHED("q.c: g();", "q.c: f(): }", "one")',
                            'KP_UNREACHED("q.c: h()", "two")', 'KP_ONE_WAY("q.c: if (a)", "three")')
        self.assertEqual({line: one.why if one else "" for (_, line), one in
                          found.unreached.items()}, {3: "one", 4: "one", 5: "two", 7: "two"})
        self.assertEqual([found.why(("kmod/q.c", line)) for line in (1, 2)], ["", "three"])
        self.assertEqual((found.unexplained, found.needless), (False, ()))

    def test_begin(self) -> None:
        """Of a long line its beginning will do, and a line's end is not enough."""
        self.assertEqual(self.judged('KP_ONE_WAY("q.c: if (...", "w")').why(("kmod/q.c", 2)), "w")
        self.assertEqual(self.needless('KP_ONE_WAY("q.c: (a)...", "w")'), ["q.c has no such line"])
        self.assertEqual(self.needless('KP_ONE_WAY("q.c: if (", "w")'), ["q.c has no such line"])

    def test_partly(self) -> None:
        """A reason of a function as a whole is none for a part of one that runs, one of a jump none
        for a line that no program reaches."""
        found = self.judged('KP_UNREACHED("q.c: f()", "one")', 'KP_ONE_WAY("q.c: g();", "two")')
        self.assertEqual(set(found.unreached.values()), {None})
        self.assertEqual([how for _, how in found.needless],
                         ["a program reaches it",
                          "no program reaches it, which is KP_UNREACHED's"])

    def test_needless(self) -> None:
        """Reasons that nothing needs, and those that another arch may need."""
        for row, how in (('KP_UNREACHED("q.c: f(void)", "w")', ["a program reaches it"]),
                         ('KP_UNREACHED("q.c: x();", "w")', ["q.c has no such line"]),
                         ('KP_UNREACHED("q.c: x()", "w")', ["q.c has no such function"]),
                         ('KP_UNREACHED("r.c: g();", "w")', ["the pair has no code of a file r.c"]),
                         ('KP_ONE_WAY("q.c: g();", "w", .arch = mips)', ["there is no arch mips"]),
                         ('KP_ONE_WAY("q.c: no code", "w")', []),
                         ('KP_UNREACHED("q.c: no code", "w")', []),
                         ('KP_ONE_WAY("q.c: f(void)", "w")', []),
                         ('KP_UNREACHED("q.c: }", "w")', [])):
            with self.subTest(row):
                self.assertEqual(self.needless(row), how)
        row = 'KP_ONE_WAY("q.c: if (a)", "w")'
        self.assertEqual(self.needless(row, way=(True, True)), ["its jump goes both ways"])
        luck = row.replace('"w")', '"w", .chance = true)')
        self.assertEqual(self.needless(luck, way=(True, True)), [])
        self.assertEqual(self.needless(luck.replace("if (a)", "if (b)")), ["q.c has no such line"])
        other = row.replace('"w")', '"w", .arch = arm64)')
        self.assertEqual(self.needless(other, way=(True, True)), [])
        self.assertEqual(self.needless(other, way=(True, True), arch="arm64"),
                         ["its jump goes both ways"])
        self.assertIsNone(self.judged(other).one_way["kmod/q.c", 2])

    def test_functions(self) -> None:
        """The names that Rust's functions have in a row."""
        for name, short in (("ring_push", "ring_push"), ("<ring::Ring>::push", "push"),
                            ("<A<B> as C>::f::<D<E>>", "f"), ("a::b::{closure#0}", "b"),
                            ("<a::R as i::I>::go::{closure#1}::<u8>", "go"), ("", "")):
            self.assertEqual(covers.function_of(name), short)

    def test_told(self) -> None:
        """What a person sees: bare places, those with a reason, and reasons that nothing needs."""
        side = Side("C side", seen(x13=(True, False), x15=(True, False)))
        places = reasons.judge((side,), said('KP_UNREACHED("q.c: g();", "one < two")',
                                             'KP_UNREACHED("q.c: x();", "gone")',
                                             'KP_ONE_WAY("q.c: if (a)", "three")'),
                               lambda file: self.TEXT, "x86_64", ("x86_64",))
        text = covered.text("q", "head", (side,), lambda file, line: "x", places,
                            "kmod/contract/q.h")
        self.assertTrue(text.endswith(
            "\n  no program reaches:\n    kmod/q.c:4  x\n"
            "\n  no program reaches, and the contract says why:\n    kmod/q.c:3  x\n"
            "        one < two\n"
            "\n  a jump only ever went one way, and the contract says why:\n    kmod/q.c:2  x\n"
            "        three\n"
            "\n  reasons that nothing needs any more:\n    kmod/contract/q.h:3  q.c: x();\n"
            "        q.c has no such line"), text)
        page = covered.page("q", "head", (side,), lambda file: self.TEXT, places)
        self.assertIn('3         g();</pre>\n<p class="why">one &lt; two</p>', page)
        self.assertNotIn("gone", page)


class TestRequests(unittest.TestCase):
    """What make coverage refuses, and where it looks"""

    def test_refused(self) -> None:
        """Each wrong request has a line that says what to do."""
        for words, why in ((("PAIR=ring tlv",), "is for one pair; give PAIR=x"),
                           (("PAIR=ring", "ARCH=all"), "is for one arch"),
                           (("PAIR=ring", "ACCEL=kvm"), "ACCEL=kvm: what is executed"),
                           (("PAIR=ring", "LANE=insn"), "make coverage runs lane check"),
                           (("PAIR=ring", "KEEP=1"), "KEEP: not for make coverage"),
                           (("PAIR=ring", "FORMAT=json"), "FORMAT: not for make coverage"),
                           (("PAIR=ring", "OP=push"), "OP: for make explain")):
            with self.subTest(words), self.assertRaises(Refused) as caught:
                verbs.carry_out("coverage", request.parse(["ARCH=x86_64", *words], {}))
            self.assertIn(why, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))

    def test_variants(self) -> None:
        """Base and fault count, unless a variant is given."""
        for words, wanted in (((), ["base", "fault"]), (("VARIANT=debug",), ["debug"])):
            req = coverage.check(request.parse(["PAIR=ring", "ARCH=x86_64", *words], {}))
            self.assertEqual([variant.name for variant in req.variants], wanted)


if __name__ == "__main__":
    unittest.main()
