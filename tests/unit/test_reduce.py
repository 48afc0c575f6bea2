# SPDX-License-Identifier: GPL-2.0
"""Making a program small that takes its guest with it."""

import unittest

from kplib.boot import reduce
from kplib.boot.console import Console

CALLS = tuple(f"call {number}" for number in range(100))


class TestReduce(unittest.TestCase):
    """reduce.reduce()"""

    def reduced(self, *needed: str, calls: tuple[str, ...] = CALLS) -> reduce.Reduced:
        """The reduced form of a program that needs some of its calls, in their order."""
        def loses(program: tuple[str, ...]) -> bool:
            self.assertEqual(program[0], "pair size=4")
            return set(needed) <= set(program[1:])
        return reduce.reduce(("pair size=4", *calls), loses)

    def test_one_call(self) -> None:
        """A call that needs no other is found with one guest."""
        self.assertEqual(self.reduced("call 99"),
                         reduce.Reduced(("pair size=4", "call 99"), 1, True))

    def test_several(self) -> None:
        """Calls that are needed stay, in their order, and no other."""
        found = self.reduced("call 96", "call 99")
        self.assertEqual(found.program, ("pair size=4", "call 96", "call 99"))
        self.assertTrue(found.again)

    def test_bounded(self) -> None:
        """The number of guests is bounded; what is left then still takes a guest with it."""
        found = self.reduced(*CALLS[::2], "call 99")
        self.assertEqual(found.guests, reduce.GUESTS_MAX)
        self.assertTrue(found.again)
        self.assertLessEqual({*CALLS[::2], "call 99"}, set(found.program))

    def test_not_again(self) -> None:
        """A program that does nothing by itself stays as it is."""
        self.assertEqual(self.reduced("elsewhere"),
                         reduce.Reduced(("pair size=4", *CALLS), 8, False))

    def test_creation(self) -> None:
        """The program of an object that cannot be made is its first line alone."""
        self.assertEqual(self.reduced(calls=()), reduce.Reduced(("pair size=4",), 1, True))


class TestTold(unittest.TestCase):
    """Console.program"""

    def test_lines(self) -> None:
        """Lines of this boot's word, once all have come; also in the midst of a report."""
        found = Console("abcd")
        found.feed(b"[    1.0] Kernel panic - not syncing: Fatal exception\n"
                   b"kparity[abcd]: | ring capacity=4\n[    1.1] kparity[other]: | no\n"
                   b"[    1.2] kparity[abcd]: | push 1\n[    1.2] kparity[abcd]: |+2\n")
        self.assertEqual(found.program, ())
        found.freeze()
        found.feed(b"[    1.3] kparity[abcd]: |.\n")
        self.assertEqual(found.program, ("ring capacity=4", "push 12"))
