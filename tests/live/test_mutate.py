# SPDX-License-Identifier: GPL-2.0
"""The two programs that find mutants, with the tools and the syn that they are built with."""

import os
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from kplib import matrix
from kplib.build import kernel
from kplib.build.setup import Setup
from kplib.configure import request
from kplib.mutate import candidate, find
from kplib.mutate.candidate import Candidate

from .live import needs, needs_kernel

C = """#define TWICE(x) ((x) + (x))
#define EIO 5
#define EBUSY 16
int put(int from, int to);

static int f(int a, int b)
{
\tint c = TWICE(a - 1);

\tif (!a || a > 3)
\t\treturn -EIO;
\tput(a, b);
\tfor (c = 0; c < 7; c++)
\t\ta += TWICE(b);
\tif (a)
\t\treturn -EBUSY;
\treturn c;
}
"""
RUST = """// An umlaut would move what is behind it.
use x::{EIO, EBUSY};

impl Ring {
    fn push(&self, a: u32, b: u32) -> Result {
        if a.wrapping_sub(b) >= self.mask && !self.full {
            return Err(EIO);
        }
        self.put(a, b)?;
        self.tail.store(1, Release);
        pin_init!(a + b);
        for i in 0..a {
            self.x += i;
        }
        match a {
            0 if b == 1 => Err(EBUSY),
            _ => Ok(()),
        }
    }

    #[cfg(CONFIG_KUNIT)]
    fn for_tests() -> u32 {
        1 + 2
    }
}

const N: u32 = 1 + 2;
"""


@needs_kernel
@needs("base", cores=1.5, seconds=4)
class TestFinders(unittest.TestCase):
    """scripts/mutate-c.c, scripts/mutate-rust.rs"""

    setup: Setup

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        req = replace(request.parse(["ARCH=" + os.uname().machine.replace("aarch64", "arm64")],
                                    os.environ), out=Path(folder.name))
        tools = matrix.choose_tools(req)
        cls.setup = Setup(req, tools, kernel.get(req, tools, req.archs[0], req.variants[0]))
        cls.setup.modules.mkdir(parents=True)

    def found(self, text: str, name: str, program: str) -> list[Candidate]:
        """The candidates of a file."""
        path = self.setup.request.out / name
        path.write_text(text)
        return find._of_file("ring", "c" if name.endswith(".c") else "rust", path,
                             find._run(self.setup, program, [str(path)]))

    def check(self, text: str, found: list[Candidate], changes: str) -> None:
        """All changes of the file, by operator and change, none else; each changes one line."""
        self.assertEqual(sorted(f"{c.function} {c.operator}: {c.change}" for c in found),
                         sorted(changes.strip().splitlines()))
        for one in found:
            with self.subTest(one.name):
                after = candidate.apply(text.encode(), one.edits)
                self.assertEqual(after.count(b"\n"), text.count("\n"))
                self.assertEqual(len(candidate.diff(text.encode(), one)), 2)

    def test_c(self) -> None:
        """What the file spells, and no part of what a macro expands to."""
        self.check(C, self.found(C, "x.c", "mutate-c"), """\
f arithmetic: - -> +
f constant: 1 -> 2
f constant: 1 -> 0
f condition: !a || a > 3 -> !(!a || a > 3)
f logical: || -> &&
f logical: ! ->
f relational: > -> >=
f relational: > -> <=
f constant: 3 -> 4
f errno: -EIO -> 0
f errno: -EIO -> -EBUSY
f statement: put(a, b) -> (void)0
f arguments: a -> b / b -> a
f constant: 0 -> 1
f relational: < -> <=
f relational: < -> >=
f constant: 7 -> 8
f arithmetic: ++ -> --
f statement: a += TWICE(b) -> (void)0
f arithmetic: += -> -=
f arithmetic: += -> =
f condition: a -> !(a)
f errno: -EBUSY -> 0
f errno: -EBUSY -> -EIO
""")

    def test_rust(self) -> None:
        """What functions spell, but for macros, constants, and what is there for tests alone."""
        self.check(RUST, self.found(RUST, "x.rs", "mutate-rust"), """\
Ring::push condition: a.wrapping_sub(b) >= self.mask && !self.full -> \
!(a.wrapping_sub(b) >= self.mask && !self.full)
Ring::push logical: && -> ||
Ring::push relational: >= -> >
Ring::push relational: >= -> <
Ring::push arithmetic: wrapping_sub -> wrapping_add
Ring::push arithmetic: wrapping_sub -> saturating_sub
Ring::push logical: ! ->
Ring::push errno: Err(EIO) -> Ok(Default::default())
Ring::push errno: EIO -> EBUSY
Ring::push question: self.put(a, b)?; -> let _ = self.put(a, b);
Ring::push statement: self.put(a, b)?; ->
Ring::push arguments: a -> b / b -> a
Ring::push statement: self.tail.store(1, Release); ->
Ring::push constant: 1 -> 2
Ring::push constant: 1 -> 0
Ring::push ordering: Release -> Relaxed
Ring::push constant: 0 -> 1
Ring::push constant: 0 -> 1
Ring::push relational: .. -> ..=
Ring::push statement: self.x += i; ->
Ring::push arithmetic: += -> -=
Ring::push arithmetic: += -> =
Ring::push relational: == -> !=
Ring::push constant: 1 -> 2
Ring::push constant: 1 -> 0
Ring::push errno: Err(EBUSY) -> Ok(Default::default())
Ring::push errno: EBUSY -> EIO
""")

    def test_unreadable(self) -> None:
        """A file with errors gives no mutants, but an error."""
        for name, program in (("bad.c", "mutate-c"), ("bad.rs", "mutate-rust")):
            with self.subTest(name), self.assertRaises(Exception):
                self.found("int f(void) { return", name, program)


if __name__ == "__main__":
    unittest.main()
