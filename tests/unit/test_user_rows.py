# SPDX-License-Identifier: GPL-2.0
"""Rows with user memory, and with pieces that bytes are made of."""

import unittest

from kplib.configure.request import TOP
from kplib.contract import emit_c, emit_rust, rows

GOOD = """\
#define PIECE "\\0\\0"
KP_FUNCTION(parcel, SLEEPS, KP_RESULT(int, -EFAULT),
	    KP_USER_BYTES(from, u32, .max = 8, .beyond = true, .once = true,
			  .parts = KP_PARTS("a,\\0" "b", PIECE)),
	    KP_USER_BUFFER(to, size_t, .min = 1))
"""


class TestUserRows(unittest.TestCase):
    """rows.read() and what is made of it."""

    def test_good(self) -> None:
        """The words of a row, and what C, the engine and Rust get of them."""
        contract = rows.read(GOOD, "x")
        source, target = contract.functions[0].parameters
        self.assertEqual((source.name, source.size_type, source.line), ("from", "u32", 3))
        self.assertEqual((target.name, target.size_type, target.line), ("to", "size_t", 5))
        glue = emit_c.glue(contract, "x.h", "x_glue.c")
        self.assertIn("(const void __user *from, u32 from_size, void __user *to, size_t to_size)",
                      glue)
        self.assertIn("kp_user_ptr(&slot[0]), slot[0].n, kp_user_ptr(&slot[1]), slot[1].n", glue)
        self.assertIn('{ { "a,\\0" "b", sizeof("a,\\0" "b") - 1 }, { PIECE, sizeof(PIECE) - 1 }, '
                      '{} }', glue)
        self.assertIn("\t.user = true,\n", glue)
        root = emit_rust.root(contract, TOP / "rust-stub", TOP / "x.rs")
        self.assertIn("fn parcel(from: glue::UserMemory, to: glue::UserMemory) -> Result<c_int>",
                      root)
        self.assertIn("let (from, from_size) = from.into_parts(Key(()));", root)
        self.assertIn("bindings::parcel(from.as_const_ptr(), from_size as u32, "
                      "to.as_mut_ptr(), to_size as usize)", root)

    def test_without(self) -> None:
        """A pair without user memory needs no address space."""
        self.assertNotIn(".user", emit_c.glue(rows.read("KP_FUNCTION(f, ANY, KP_VOID)", "x"),
                                              "x.h", "x_glue.c"))

    def test_bad(self) -> None:
        """Each mistake is told with its line."""
        for text, line, word in (
                ("KP_FUNCTION(f, ANY, KP_VOID,\n KP_USER_BYTES(p, u32))", 2, "SLEEPS"),
                ("KP_FUNCTION(f, SLEEPS, KP_VOID,\n KP_USER_BYTES(p))", 2, "wants 2 words"),
                ("KP_FUNCTION(f, SLEEPS, KP_VOID,\n KP_USER_BUFFER(p, u32, .once = true))", 2,
                 "no option"),
                ("KP_FUNCTION(f, ANY, KP_VOID,\n KP_TEXT(s, .parts = \"a\"))", 2, "KP_PARTS"),
                ("KP_FUNCTION(f, ANY, KP_VOID,\n KP_TEXT(s, .parts = KP_PARTS()))", 2,
                 "KP_PARTS")):
            with self.subTest(text), self.assertRaises(rows.BadRow) as caught:
                rows.read(text)
            self.assertEqual(caught.exception.line, line, caught.exception)
            self.assertIn(word, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
