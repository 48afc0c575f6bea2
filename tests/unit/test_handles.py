# SPDX-License-Identifier: GPL-2.0
"""Rows of handles: how they are parsed, and which are refused in which line."""

import unittest

from kplib.contract import emit_c, emit_rust, rows, rust_over_rust

OBJECT = """\
KP_OBJECT(struct desk, struct desk_view, desk_view)
KP_CREATE(desk_create, SLEEPS, KP_RESULT(struct desk *, -ENOMEM))
KP_DESTROY(desk_destroy, SLEEPS)
"""
HANDLE = """\
KP_HANDLE(struct seat, struct seat_view, desk_seat, desk_leave, seats)
"""
TAKE = """\
KP_METHOD(desk_take, ANY, KP_NEW(struct seat *, -EBUSY), KP_NUMBER(u32, row))
KP_FUNCTION(desk_swap, ANY, KP_NEW(struct seat *),
	    KP_GIVEN(struct seat, mine), KP_BORROWED(struct seat, other))
"""
TYPES = """
KP_TYPE(struct desk_view, seats)
KP_TYPE(struct seat_view, row)
"""


class TestHandles(unittest.TestCase):
    """rows.read(), and what follows from the rows"""

    def refused(self, text: str, line: int, word: str) -> None:
        """A contract is refused, for a line, with a word."""
        with self.assertRaises(rows.BadRow) as caught:
            rows.read(text + TYPES, "desk")
        self.assertEqual(caught.exception.line, line, caught.exception)
        self.assertIn(word, str(caught.exception))

    def test_read(self) -> None:
        """The function that gives a handle back may have a row, and is an operation then."""
        contract = rows.read(OBJECT + HANDLE + TAKE + TYPES, "desk")
        assert contract.handle
        self.assertFalse(contract.handle.outlives)
        self.assertEqual([f.operation("desk") for f in contract.functions], ["take", "swap"])
        self.assertEqual(emit_c.handle_functions(contract),
                         (contract.handle.shows, contract.handle.puts))
        self.assertEqual([contract.guarded(f) for f in contract.functions], [True, True])
        contract = rows.read(
            OBJECT + HANDLE.replace("seats)", "seats, .outlives = true)") + TAKE
            + "KP_FUNCTION(desk_leave, ANY, KP_VOID, KP_GIVEN(struct seat, seat))" + TYPES, "desk")
        assert contract.handle
        self.assertTrue(contract.handle.outlives)
        self.assertEqual([f.puts for f in contract.functions], [False, False, True])
        self.assertEqual(emit_c.handle_functions(contract), (contract.handle.shows,))
        self.assertFalse(any(map(contract.guarded, contract.functions)))

    def test_refused(self) -> None:
        """Each mistake is told with its line."""
        for text, line, word in (
                (HANDLE + "KP_FUNCTION(f, ANY, KP_VOID)", 1, "without KP_OBJECT"),
                (OBJECT + TAKE, 4, "of the struct that a row KP_HANDLE names"),
                (OBJECT + "KP_FUNCTION(f, ANY, KP_VOID,\n KP_GIVEN(struct seat, s))", 5,
                 "KP_HANDLE is missing"),
                (OBJECT + HANDLE + "KP_FUNCTION(f, ANY, KP_VOID,\n KP_GIVEN(struct desk, s))", 6,
                 "KP_HANDLE is of struct seat"),
                (OBJECT + HANDLE + HANDLE + TAKE, 5, "a second KP_HANDLE"),
                (OBJECT + HANDLE.replace(", seats", "") + TAKE, 4,
                 "the member of struct desk_view"),
                (OBJECT + HANDLE.replace("seats", "seats, .lasts = true") + TAKE, 4,
                 ".outlives = true"),
                (OBJECT + HANDLE + TAKE + "KP_FUNCTION(desk_leave, ANY, KP_SIGNED(int),\n"
                 "\t    KP_GIVEN(struct seat, seat))", 8, "returns KP_VOID"),
                (OBJECT + HANDLE + TAKE + "KP_METHOD(desk_seat, ANY, KP_VOID)", 4, "is taken"),
                (OBJECT + HANDLE + TAKE + "KP_METHOD(desk_x, ANY, KP_NEW(struct seat *), "
                 + ", ".join(f"KP_NUMBER(u8, a{i})" for i in range(6)) + ")", 8,
                 "with where its handle goes"),
                (OBJECT + HANDLE + "KP_METHOD(desk_x, ANY, KP_NEW(struct seat *), "
                 "KP_OUTPUT(u8, a))", 5, "around it")):
            with self.subTest(text):
                self.refused(text, line, word)

    def test_types(self) -> None:
        """A handle's view is compared by its bytes, so both languages must agree on its type."""
        with self.assertRaises(rows.BadRow) as caught:
            rows.read(OBJECT + HANDLE + TAKE + "KP_TYPE(struct desk_view, seats)\n", "desk")
        self.assertIn("there is no KP_TYPE(struct seat_view", str(caught.exception))
        self.assertEqual(caught.exception.line, 4)

    def test_written(self) -> None:
        """Where a handle goes is the last argument; without .outlives its maker is unsafe."""
        contract = rows.read(OBJECT + HANDLE + TAKE + TYPES, "desk")
        c = emit_c.glue(contract, "contract.h", "glue.c")
        self.assertIn("res->ret = kp_new(desk_take(obj, (u32)slot[0].n), slot[1].p);", c)
        self.assertIn("kp_new(desk_swap(slot[0].p, slot[1].p), slot[2].p)", c)
        self.assertNotIn("handles_outlive", c)
        rust = emit_rust._interface(contract)  # pylint: disable=protected-access
        self.assertIn("unsafe fn take(&self, row: u32) -> Result<Self::Handle>;", rust)
        self.assertIn("unsafe fn swap(mine: Self::Handle, other: glue::Lent<'_, Self::Handle>) "
                      "-> Self::Handle;", rust)
        self.assertIn("The handle must be dropped before the object is.", rust)
        # A handle that may not be is two words where the port returns it; one that is, is one.
        over_rust = rust_over_rust.object_over_rust(contract)
        self.assertIn("fn desk_port_take(__object: &port::Object, row: u32) "
                      "-> glue::HandleWords<PortHandle> {", over_rust)
        self.assertEqual(over_rust.count("glue::handle_of("), 1)


if __name__ == "__main__":
    unittest.main()
