# SPDX-License-Identifier: GPL-2.0
"""What is compared of the documentation's output, and what its marks say."""

import tempfile
import unittest
from pathlib import Path

from kplib.configure.request import TOP
from ..docs import blocks, printed
from ..docs.blocks import EXAMPLE, NOT_RUN, OUTPUT, REFUSED

SAID = """
x86_64 base, linux 7.3.4, seed 1
  lane check: TCG, 33.2 s
  FAIL ring lockstep c->rust, rust->rust
    ring: 1 kind of difference in 16656 calls, seed 1
      1: 26 times
        push 0
              this path: 0, capacity 1, state 0945efc9
    at kmod/engine/groups.c:447

x86_64 base: FAIL, 20 of 28 results passed
"""


class TestDiffers(unittest.TestCase):
    """printed.differs()"""

    def test_same(self) -> None:
        """Another run on another machine; a part, and lines and text left out."""
        other = SAID
        for old, new in (("7.3.4", "7.10.1"), ("TCG, 33.2", "KVM, 3.25"), ("16656", "512"),
                         ("26 times", "1,300 times"), ("0945efc9", "12345678"), (":447", ":9")):
            other = other.replace(old, new)
        shown = SAID.splitlines()
        self.assertEqual(printed.differs(shown, other, True), "")
        self.assertEqual(printed.differs(shown[3:6], other, False), "")
        self.assertEqual(printed.differs([*shown[:3], "...", shown[-1]], other, True), "")
        self.assertEqual(printed.differs(["push ...", "this ... capacity 1, ..."], other, False),
                         "")
        self.assertEqual(printed.differs(["..."], "", True), "")

    def test_other(self) -> None:
        """A word, a small number of a program, a line more or less, and another order are told."""
        shown = SAID.strip().splitlines()
        for old, new, why in (("push 0", "push 1", "'push 0'"), ("capacity 1", "capacity 2", "cap"),
                              ("FAIL ring", "FAIL tlv", "FAIL ring"), (" kind", " kinds", "kind"),
                              ("c->rust, ", "", "c->rust"), ("        push 0\n", "", "push 0")):
            self.assertIn(why, printed.differs(shown, SAID.replace(old, new), True), new)
        self.assertIn("goes on with 'more'", printed.differs(shown, f"{SAID}more\n", True))
        self.assertIn("its end", printed.differs([*shown, "more"], SAID, True))
        self.assertNotEqual(printed.differs(shown[1:], SAID, True), "")
        self.assertNotEqual(printed.differs([shown[4], "...", shown[1]], SAID, False), "")

    def test_unquoted(self) -> None:
        """Lines may be broken elsewhere; what is not there, or in another order, is named."""
        text = "KP_X(a,\n\t  b, .c = 1,\n\t  .d = 2)\nKP_Y(z)\n"
        self.assertEqual(printed.unquoted(["KP_X(a, b,", "     ...", "     .d = 2)"], text), "")
        self.assertIn("'KP_X(a, c'", printed.unquoted(["KP_X(a, c"], text))
        self.assertIn("'KP_X(a,'", printed.unquoted(["KP_Y(z)", "...", "KP_X(a,"], text))

    def test_messages(self) -> None:
        """What a message is about may be anything; its words may not."""
        known = printed.messages('x = (f"{a}: no such pair here; there "\n'
                                 '     f"are {b}")\ny = "no"')
        self.assertEqual(len(known), 1)
        for line, said in (("PAIR=x: no such pair here; there are ring, tlv", True),
                           ("line 2: PAIR=x: no such pair here; there are ring, tlv", True),
                           ("PAIR=x: no such pair; there are ring, tlv", False),
                           ("no such pair here", False)):
            self.assertEqual(printed.says(known, line), said, line)
        self.assertEqual(printed.sentences(["kparity: a", "    b", "c"]), ["a b", "c"])


class TestBlocks(unittest.TestCase):
    """blocks.blocks()"""

    TEXT = """\
# A page

    make run PAIR=ring    # one pair

<!-- output: edit x.c 'a; b' "c"; run PAIR='ring tlv' -->
    $ scripts/kparity report FORMAT=github
    ::error
    $ make report
    ...

<!-- refused -->
    $ scripts/kparity run X=1
    kparity: no
    $ scripts/kparity run Y=1
    kparity: no

- a list

  <!-- not run: it takes
  long -->
        indented more

text

    unmarked
    <!-- example: no mark -->
"""

    def test_marks(self) -> None:
        """Blocks with their lines, marks and steps."""
        with tempfile.TemporaryDirectory(dir=TOP / "tests") as folder:
            page = Path(folder) / "page.md"
            page.write_text(self.TEXT)
            found = list(blocks.blocks(page))
        self.assertEqual([(block.line, block.mark, len(block.lines)) for block in found],
                         [(3, "", 1), (6, OUTPUT, 4), (12, REFUSED, 4), (21, NOT_RUN, 1),
                          (25, "", 2)])
        self.assertEqual([block.commands_alone for block in found], [True] + [False] * 4)
        self.assertEqual(found[3].text, "it takes long")
        self.assertNotIn(EXAMPLE, [block.mark for block in found])
        first, second = found[1].shown()
        self.assertEqual([(step.verb, *step.words) for step in first.steps],
                         [("edit", "x.c", "a; b", "c"), ("run", "PAIR=ring tlv"),
                          ("report", "FORMAT=github")])
        self.assertEqual((first.lines, first.whole), (("::error",), True))
        self.assertEqual((len(second.steps), second.lines), (4, ("...",)))
        self.assertEqual([(len(shown.steps), shown.steps[0].words) for shown in found[2].shown()],
                         [(1, ("X=1",)), (1, ("Y=1",))])

    def test_kernels(self) -> None:
        """The kernels that steps boot."""
        for text, kernels in (("new PAIR=x; show x", set()), ("run PAIR=x", {"x86_64 base"}),
                              ("run ARCH=arm64 VARIANT=debug", {"arm64 debug"}),
                              ("coverage PAIR=x; run", {"x86_64 base", "x86_64 fault"})):
            shown = blocks.Shown("", tuple(blocks.steps(text)), (), False)
            self.assertEqual(shown.kernels, kernels, text)


if __name__ == "__main__":
    unittest.main()
