# SPDX-License-Identifier: GPL-2.0
"""Making a program small that takes its guest with it."""

import unittest

from kplib.boot import plain, reduce
from kplib.boot.console import Console

CALLS = tuple(f"call {number}" for number in range(100))


class TestReduce(unittest.TestCase):
    """reduce.reduce()"""

    def reduced(self, *needed: str, calls: tuple[str, ...] = CALLS) -> reduce.Reduced:
        """The reduced form of a program that needs some of its calls, in their order."""
        def loses(program: tuple[str, ...]) -> bool:
            self.assertEqual(program[0], "pair")
            return set(needed) <= set(program[1:])
        return reduce.reduce(("pair", *calls), loses)

    def test_one_call(self) -> None:
        """A call that needs no other is found with one guest."""
        self.assertEqual(self.reduced("call 99"),
                         reduce.Reduced(("pair", "call 99"), 1, True))

    def test_several(self) -> None:
        """Calls that are needed stay, in their order, and no other."""
        found = self.reduced("call 96", "call 99")
        self.assertEqual(found.program, ("pair", "call 96", "call 99"))
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
                         reduce.Reduced(("pair", *CALLS), 8, False))

    def test_creation(self) -> None:
        """The program of an object that cannot be made is its first line alone."""
        self.assertEqual(self.reduced(calls=()), reduce.Reduced(("pair",), 1, True))

    def made(self, first: str, *needed: str) -> reduce.Reduced:
        """The reduced form of an object whose first line has these parts to take a guest with it,
        and is refused with a size of 0."""
        def loses(program: tuple[str, ...]) -> bool:
            self.assertEqual(program[1:], ("call 1",))
            return all(part in program[0] for part in needed) and " size=0" not in program[0]
        return reduce.reduce((first, "call 1"), loses)

    def test_arguments(self) -> None:
        """What an object is made of becomes plain, but for what it takes."""
        line = 'pair text="a b\\"c" data="xyz"@split+2 size=1000 flags=A|B left=-77 @3'
        found = self.made(line)
        self.assertEqual(found.program, ('pair text="" data="" size=1 flags=0 left=0', "call 1"))
        self.assertLess(found.guests, 14)
        found = self.made(line, 'z"@split')
        self.assertEqual(found.program,
                         ('pair text="" data="z"@split+1 size=1 flags=0 left=0', "call 1"))
        found = self.made(line, "B")
        self.assertEqual(found.program[0], 'pair text="" data="" size=1 flags=B left=0')

    def test_arguments_bounded(self) -> None:
        """They are made plain with the guests that are left, and it still does it then."""
        line = "pair text=" + '"' + "abcdefgh" * 8 + '"' + " size=1000"
        found = self.made(line, "h" * 1 + "a", "gh")
        self.assertEqual(found.guests, reduce.GUESTS_MAX)
        self.assertTrue(found.again)
        self.assertIn("gh", found.program[0])
        self.assertIn("ha", found.program[0])


class TestPlain(unittest.TestCase):
    """plain.plainest() and plain.plainer()"""

    def test_words(self) -> None:
        """Blanks within text, quotes in it among them, separate no words."""
        self.assertEqual(plain.words('pair a="b \\" c"@end b=1  @3'),
                         ["pair", 'a="b \\" c"@end', "b=1", "@3"])

    def test_plainest(self) -> None:
        """Each kind of argument, and where text and bytes lie."""
        for word, wanted in (('a="b"*30+"\\x00"@end+2', 'a=""'), ("a=-5", "a=0"),
                             ("a=8@huge", "a=0"), ("a=X|Y", "a=0"), ("@3", "")):
            self.assertEqual(plain.plainest(word), wanted)

    def test_plainer(self) -> None:
        """Every form is another one; runs are written as the engine does."""
        for word, some in (('a="b"*47', ['a=""', 'a="b"*24']),
                           ('a="b"*25', ['a="' + "b" * 13 + '"']),
                           ('a="xy"@end+2', ['a="xy"', 'a=""@end', 'a="y"@end+1',
                                             'a="aa"@end+2']),
                           ("a=-9", ["a=0", "a=1", "a=-4", "a=-8"]),
                           ("a=8@end+2", ["a=8"]),
                           ("a=X|Y|Z", ["a=X|Y"]), ("a=X", []), ("@3", [])):
            found = list(plain.plainer(word))
            self.assertNotIn(word, found)
            self.assertLessEqual(set(some), set(found))


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
