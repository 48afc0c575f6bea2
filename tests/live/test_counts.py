# SPDX-License-Identifier: GPL-2.0
"""qemu/counts.c without QEMU: outcomes are apart, and lines of the data cache are those of what the
engine calls."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from kplib.build import kernel, plugin
from kplib.common import proc
from kplib.configure import request
from kplib.judge import counts
from kplib.judge.counts import Counted, Touched

from .live import TOP, needs, needs_kernel

#: Numbers of what the engine says, as its header has them.
SAID = re.findall(r"^\tKP_SAY_(\w+)(?: = 0x70)?,$", (TOP / "kmod/engine/say.h").read_text(), re.M)
#: The engine's code, with its two readings of the counter, and another function that reads it.
ENGINE, FIRST, CALLS, LAST = 0x1000, 0x1000, 0x1002, 0x1010
READER = 0x9000
#: Code that is called, and a line of memory, of 64 bytes.
CALLED, LINE, PAGE = 0x5000, 64, 4096


def say(what: str, word: int) -> str:
    """The engine says a word."""
    return f"s {0x70 + SAID.index(what):x} {word:x}\n"


def name(text: str) -> str:
    """It says a name, eight letters at a time."""
    letters = text.encode() + bytes(8 - len(text) % 8)
    return "".join(say("NAME", int.from_bytes(letters[i:i + 8], "little"))
                   for i in range(0, len(letters), 8))


def read(at: int, shift: int = 3) -> str:
    """The code that is called reads."""
    return f"x {CALLED:x}\nr {at:x} {shift:x}\n"


def write(at: int, shift: int = 3) -> str:
    """It writes."""
    return f"x {CALLED:x}\nw {at:x} {shift:x}\n"


def call(at: int, *does: str) -> str:
    """The engine calls the operation at a place of the program. Its own accesses are to lines of
    their own."""
    inside = "".join(does)
    cost = 2 + inside.count("x ")
    return (say("BEGIN", at << 32) + f"x {ENGINE:x}\nw 70000 3\nt {FIRST:x}\n"
            f"x {CALLS:x}\nw 71000 3\n" + inside
            + f"t {LAST:x}\nx {LAST + 2:x}\nw 72000 3\n" + say("COST", cost))


def keep(at: int, end: int = 0) -> str:
    """A call is in the table of costs, with what it came to."""
    return say("KEEP", (end & 0xffffffff) << 32 | at)


def case(*parts: str) -> str:
    """A program of a case, and what is kept of it."""
    return (say("ENGINE", ENGINE) + say("ENGINE", ENGINE + 0x100) + name("q") + say("PATH", 0)
            + name("put") + say("OP", 0) + say("PROGRAM", 0) + "".join(parts) + say("CLOSE", 0))


@needs_kernel
@needs(seconds=3)
class TestCounts(unittest.TestCase):
    """qemu/counts.c, qemu/data-cache.h"""

    argv: list[str]

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(dir=TOP)
        cls.addClassCleanup(folder.cleanup)
        program = Path(folder.name) / "counts"
        tools = kernel.tools_for(request.parse([], {}))
        flags = [flag for flag in plugin.FLAGS if flag != "-shared"]
        proc.output(tools.argv("clang", *flags, "-fsanitize=undefined", "-fsanitize-trap=all",
                               "-o", program, TOP / "tests/live/counts_host.c"))
        cls.argv = tools.argv(program)

    def counted(self, *parts: str) -> Counted:
        """What is recorded of a program."""
        done = subprocess.run(self.argv, input=case(*parts).encode(), stdout=subprocess.PIPE,
                              check=True)
        return counts.parse(done.stdout.decode(), "q")["c->c"]

    def touched(self, *does: str) -> Touched:
        """What one call touches."""
        return self.counted(call(0, *does), keep(0)).sums["put"].touched

    def test_lines(self) -> None:
        """Each line once a call, written if any access writes it; one access can be in two."""
        self.assertEqual(self.touched(), Touched(0, 0, 0))
        self.assertEqual(self.touched(read(0x80), read(0x88), read(0xb8)), Touched(1, 0, 1))
        self.assertEqual(self.touched(read(0x80), write(0x88), read(0x90)), Touched(0, 1, 1))
        self.assertEqual(self.touched(write(0x80), read(0xc0)), Touched(1, 1, 2))
        self.assertEqual(self.touched(read(0xbc)), Touched(2, 0, 2))
        self.assertEqual(self.touched(write(0xbf, 0)), Touched(0, 1, 1))
        self.assertEqual(self.touched(write(0xb8, 4)), Touched(0, 2, 2))

    def test_copy(self) -> None:
        """An object that is copied by way of another buffer touches its lines as well."""
        def copied(*places: int) -> str:
            return "".join(read(a + at) + write(b + at) for a, b in zip(places, places[1:])
                           for at in range(0, 4 * LINE, 8))
        self.assertEqual(self.touched(copied(0x10000, 0x20000)), Touched(4, 4, 8))
        self.assertEqual(self.touched(copied(0x10000, 0x30000, 0x20000)), Touched(4, 8, 12))

    def test_model(self) -> None:
        """Eight lines of a set stay, and the one that was used longest ago goes; other sets are
        not concerned. A write brings a line in as a read does."""
        full = [write(way * PAGE) for way in range(8)]
        for more, misses in ((full, 8), ([read(LINE), read(8 * PAGE - LINE)], 10),
                             ([read(8 * PAGE)], 9), ([read(8 * PAGE), read(PAGE)], 9),
                             ([read(8 * PAGE), read(0)], 10),
                             ([read(0), read(8 * PAGE), read(0)], 9),
                             ([read(0), read(8 * PAGE), read(PAGE)], 10)):
            with self.subTest(more=len(more)):
                self.assertEqual(self.touched(*full, *more).misses, misses)
        # 32 KiB stay, all of them.
        every = [read(at) for at in range(0, 8 * PAGE, LINE)]
        self.assertEqual(self.touched(*every, *every), Touched(512, 0, 512))

    def test_calls(self) -> None:
        """Lines are of each call; the model stays between calls, and is empty when the program runs
        anew."""
        one = "".join((call(0, read(0)), call(1, read(0), read(LINE)), call(2, write(0)),
                       call(3, write(0))))
        kept = "".join(map(keep, range(4)))
        self.assertEqual(self.counted(one, kept).sums["put"].touched, Touched(3, 2, 2))
        # The same cost: the first run of each stays, though nothing is in the model.
        self.assertEqual(self.counted(one, one, kept).sums["put"].touched, Touched(3, 2, 2))
        # The second run is cheaper.
        again = one.replace(read(0), f"x {CALLED:x}\n" + read(0)).replace(
            say("COST", 3), say("COST", 4), 1)
        self.assertEqual(self.counted(again, one, kept).sums["put"].touched, Touched(3, 2, 2))

    def test_harness(self) -> None:
        """Neither the engine's accesses count, nor those of a function that reads the counter."""
        there = f"x {READER:x}\nr 73000 3\n"
        reads = (say("BEGIN", 0) + f"x {ENGINE:x}\n{there}k {READER + 8:x}\n{there}x {CALLS:x}\n"
                 f"w 74000 3\n{read(0)}x {CALLS + 8:x}\nr 75000 3\n{there}k {READER + 8:x}\n{there}"
                 + say("COST", 5))
        self.assertEqual(self.counted(reads, keep(0)).sums["put"].touched, Touched(1, 0, 1))

    def test_interrupt(self) -> None:
        """An interrupt between a reading and what the engine says reads the counter as well."""
        clock = f"t {READER:x}\nx {READER + 2:x}\n"
        one = call(0, read(0)).replace(f"t {FIRST:x}\n", clock + f"t {FIRST:x}\n").replace(
            f"t {LAST:x}\n", f"t {LAST:x}\n" + clock)
        found = self.counted(one, keep(0)).sums["put"]
        self.assertEqual((found.cost, found.executed, found.touched), (3, 3, Touched(1, 0, 1)))

    def test_outcomes(self) -> None:
        """Calls are apart by what they came to; what is not kept is nowhere."""
        found = self.counted(call(0, read(0)), call(1, read(0), write(0)), call(2, read(LINE)),
                             call(3, read(2 * LINE)), keep(0), keep(1, -28), keep(2))
        self.assertEqual({end: (one.calls, one.cost, one.executed, one.touched)
                          for end, one in found.ends["put"].items()},
                         {"success": (2, 6, 6, Touched(2, 0, 2)),
                          "-ENOSPC": (1, 4, 4, Touched(0, 1, 0))})
        self.assertEqual(found.sums["put"].calls, 3)


if __name__ == "__main__":
    unittest.main()
