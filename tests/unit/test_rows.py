# SPDX-License-Identifier: GPL-2.0
"""Rows of a contract: what is understood of them, and what is refused in which line."""

import unittest

from kplib.contract import emit_c, emit_rust, rows
from kplib.configure.request import TOP

GOOD = """\
/* KP_FUNCTION(in_a_comment, ANY, KP_VOID) */
KP_FUNCTION(find, ATOMIC, KP_RESULT(int, -EINVAL, -ERANGE),
	    KP_TEXT(pat, .of = "a,)\\"", .max = 12), // KP_TEXT(no)
	    KP_BYTES(u8, data, size_t, .max = 64),
	    KP_FLAGS(unsigned int, how, FNM_A, FNM_B),
	    KP_OUTPUT(u32, where))

KP_FUNCTION(kind, SLEEPS, KP_VOID)
"""


class TestRows(unittest.TestCase):
    """rows.read()"""

    def refused(self, text: str, line: int, word: str) -> None:
        """A contract is refused, for a line, with a word."""
        with self.assertRaises(rows.BadRow) as caught:
            rows.read(text)
        self.assertEqual(caught.exception.line, line, caught.exception)
        self.assertIn(word, str(caught.exception))

    def test_good(self) -> None:
        """Words, options and lines; strings and comments may hold anything."""
        find, kind = rows.read(GOOD)
        self.assertEqual((find.name, find.context, find.line), ("find", "ATOMIC", 2))
        self.assertEqual(find.returns, rows.Returns("KP_RESULT", "int", ("-EINVAL", "-ERANGE")))
        self.assertEqual([p.name for p in find.parameters], ["pat", "data", "how", "where"])
        self.assertEqual([p.line for p in find.parameters], [3, 4, 5, 6])
        self.assertEqual(find.parameters[0].options, (("of", '"a,)\\""'), ("max", "12")))
        self.assertEqual(find.parameters[1].size_type, "size_t")
        self.assertEqual(find.parameters[2].names, ("FNM_A", "FNM_B"))
        self.assertEqual(find.outputs, find.parameters[3:])
        self.assertEqual((kind.name, kind.parameters, kind.line), ("kind", (), 8))

    def test_bad(self) -> None:
        """Each mistake is told with its line."""
        for text, line, word in (
                ("\nKP_FUNCTION(f, ANY, KP_VOID", 2, "not closed"),
                ("KP_FUNCTION(f, ANY)", 1, "wants a name"),
                ("KP_FUNCTION(f, SOMETIMES, KP_VOID)", 1, "no context"),
                ("KP_FUNCTION(f, ANY, int)", 1, "no kind of return"),
                ("KP_FUNCTION(f, ANY, KP_SIGNED)", 1, "C type"),
                ("KP_FUNCTION(f, ANY, KP_VOID,\n KP_STRING(s))", 2, "no kind of parameter"),
                ("KP_FUNCTION(f, ANY, KP_VOID,\n KP_TEXT(2s))", 2, "no name"),
                ("KP_FUNCTION(f, ANY, KP_VOID,\n KP_TEXT(s, .most = 2))", 2, "no option"),
                ("KP_FUNCTION(f, ANY, KP_VOID,\n KP_TEXT(s, s))", 2, "no option"),
                ("KP_FUNCTION(f, ANY, KP_VOID, KP_TEXT(s),\n KP_TEXT(s))", 2, "called s"),
                ("KP_FUNCTION(f, ANY, KP_VOID, KP_CHOICE(int, a))", 1, "names of its values"),
                ("KP_FUNCTION(f, ANY, KP_VOID, KP_TEXT(s) x)", 1, "behind"),
                ("KP_FUNCTION(f, ANY, KP_VOID, KP_TEXT(\"s))", 1, "not closed"),
                ("KP_FUNCTION(f, ANY, KP_OFFSET(char *, t), KP_TEXT(s))", 1, "point into"),
                ("KP_FUNCTION(f, ANY, KP_SIGNED(int), KP_OUTPUT(int, o))", 1, "around it"),
                ("KP_FUNCTION(f, ANY, KP_VOID)\nKP_FUNCTION(f, ANY, KP_VOID)", 2, "taken"),
                ("\nKP_FUNCTON(f, ANY, KP_VOID)", 2, "is KP_FUNCTION meant?"),
                ("KP_FUNCTION (f, ANY, KP_VOID)", 1, "stand together"),
                ("KP_FUNCTION(f, ANY, KP_VOID)\n  KP_DIVERGES(a, f, c)", 2, "beginning"),
                ("KP_WHATEVER(f)", 1, "no row; there are KP_FUNCTION, KP_DIVERGES, KP_SOURCES"),
                ("int f(void);\n", 1, "no row of a function"),
                ("KP_FUNCTION(f, ANY, KP_VOID)\nKP_SOURCES(a.c)", 2, "no name of a C file"),
                ("KP_FUNCTION(f, ANY, KP_VOID, " + ", ".join(
                    f"KP_TEXT(s{i})" for i in range(7)) + ")", 1, "more than 6")):
            with self.subTest(text):
                self.refused(text, line, word)


class TestSources(unittest.TestCase):
    """rows.sources()"""

    def test_good(self) -> None:
        """Names beside the pair, of the kernel's source, and whole paths."""
        found = rows.sources('\nKP_SOURCES("a.c", "$(srctree)/lib/glob.c", "/x/b-c.c")\n')
        self.assertEqual([(s.name, s.line, s.own) for s in found],
                         [("a.c", 2, True), ("$(srctree)/lib/glob.c", 2, False),
                          ("/x/b-c.c", 2, False)])
        self.assertEqual(rows.sources('/* KP_SOURCES("a.c") */'), ())

    def test_bad(self) -> None:
        """make reads the names as well: one line, and nothing in them that it could expand."""
        for text, word in (('KP_SOURCES("a.c",\n "b.c")', "in one line"),
                           ('KP_SOURCES("a.h")', "no name of a C file"),
                           ('KP_SOURCES("a b.c")', "no name of a C file"),
                           ('KP_SOURCES("$(shell x).c")', "no name of a C file"),
                           ('KP_SOURCES()', "nothing is no name"),
                           ('KP_SOURCES("a.c", "/x/a.c")', "two files are called a.c"),
                           ('KP_SOURCES("a.c")\nKP_SOURCES("b.c")', "a second")):
            with self.subTest(text), self.assertRaisesRegex(rows.BadRow, word):
                rows.sources(text)

    def test_diverges(self) -> None:
        """A declared difference names a function of the contract, and says why."""
        row = 'KP_DIVERGES({}, {}, a, b > 1,\n "why", "where")\n'
        good = GOOD + 'KP_DIVERGES(odd_one, find, data[0] == \',\' && c > rust, "wh\\"y", "at")\n'
        self.assertEqual(rows.diverges(good), (rows.Diverges(
            "odd_one", "find", "data[0] == ',' && c > rust", '"wh\\"y"', '"at"', 9),))
        self.assertIn("return data[0] == ',' && c > rust;",
                      emit_c.glue("x", "c.h", "x_glue.c", rows.read(good), rows.diverges(good)))
        for text, word in ((row.format("id", "find"), "wants an id"),
                           ('KP_DIVERGES(Id, find, c, "why", "where")', "no new id"),
                           ('KP_DIVERGES(id, fond, c, "why", "where")', "no row of a function"),
                           ('KP_DIVERGES(id, find, c, why, "where")', "in quotes"),
                           ('KP_DIVERGES(id, find, c, "why", )', "in quotes")):
            with self.subTest(text), self.assertRaises(rows.BadRow) as caught:
                rows.diverges(GOOD + text)
            self.assertEqual(caught.exception.line, 9)
            self.assertIn(word, str(caught.exception))


class TestEmit(unittest.TestCase):
    """What follows from the rows."""

    def test_lines(self) -> None:
        """A line marker behind a row gives the number of the line that follows it."""
        text = emit_c.glue("x", "c.h", "x_glue.c", rows.read(GOOD))
        for number, line in enumerate(text.split("\n"), 1):
            if line.endswith(' "x_glue.c"'):
                self.assertEqual(line, f'# {number + 1} "x_glue.c"')

    def test_types(self) -> None:
        """The port has the signature that a Rust developer would give it."""
        text = emit_rust.root("x", TOP, TOP / "x.rs", rows.read(GOOD))
        self.assertIn("pub(super) fn find(pat: &CStr, data: &[u8], how: c_uint) -> Result<u32> {",
                      text)
        self.assertIn("pub(super) fn kind() -> () {", text)

    def test_words_of_rust(self) -> None:
        """A word of Rust's is a name like any other, but for those that cannot be one."""
        text = emit_rust.root("x", TOP, TOP / "x.rs",
                              rows.read("KP_FUNCTION(match, ANY, KP_BOOL, KP_TEXT(type))"))
        self.assertIn("fn r#match(r#type: &CStr) -> bool", text)
        with self.assertRaises(rows.BadRow):
            emit_rust.root("x", TOP, TOP / "x.rs",
                           rows.read("KP_FUNCTION(f, ANY, KP_BOOL, KP_TEXT(self))"))


if __name__ == "__main__":
    unittest.main()
