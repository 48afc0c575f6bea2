# SPDX-License-Identifier: GPL-2.0
"""The engine on pairs that try its limits: a copy of the project with bugs in two.

One run shows all of them. These tests read the messages of a case; that it fails is shown by
the planted bugs in tests/mutants.
"""

import re
import tempfile
import unittest
from pathlib import Path
from typing import Any

from kplib.configure.lanes import PATHS
from kplib.judge import ktap
from kplib.selftest import selftest

from .live import Ended, Run, cases, in_place, needs_kernel, take_modules

#: File, a text that it has once, and its replacement.
BUGS = (
    # An object that cannot be made on two paths: nearly nothing is judged there.
    ("rust-stub/idalloc.rs", "    fn create(limit: u32) -> Result<impl PinInit<Self>> {\n",
     "    fn create(limit: u32) -> Result<impl PinInit<Self>> {\n"
     "        if core::hint::black_box(limit) != u32::MAX {\n"
     "            return Err(ENOMEM);\n        }\n"),
    # Rust leaves out a member: all that follow it differ as well.
    ("scripts/kplib/contract/rust_drivers.py", "for m in shared.members)",
     "for m in shared.members if m != 'used')"),
    ("scripts/kplib/contract/rust_drivers.py", "sum(1 + len(shared.members) for",
     "sum(1 + len(shared.members) - ('used' in shared.members) for"),
    # A thousand costs and more, on the paths to C: far beyond 64 KiB of text.
    ("kmod/ring.c", "int ring_push(struct ring *ring, u64 value)\n{\n",
     "int ring_push(struct ring *ring, u64 value)\n{\n"
     "\tfor (u32 spin = value % 2003; spin; spin--)\n\t\tbarrier();\n"),
    ("kmod/ring.c", "int ring_pop(struct ring *ring, u64 *value)\n{\n",
     "int ring_pop(struct ring *ring, u64 *value)\n{\n"
     "\tfor (u32 spin = ring->head * 7 % 2003; spin; spin--)\n\t\tbarrier();\n"),
    # One that takes half a KiB of stack, on the paths to C.
    ("kmod/ring.c", "int ring_peek(struct ring *ring, u64 *value)\n{\n",
     "int ring_peek(struct ring *ring, u64 *value)\n{\n\tu8 room[512];\n\n\tbarrier_data(room);\n"),
    # An operation that takes longer with each element, on the paths to C.
    ("kmod/ring.c", "\treturn smp_load_acquire(&ring->tail) - head;\n",
     "\tfor (u32 spin = smp_load_acquire(&ring->tail) - head; spin; spin--)\n\t\tbarrier();\n"
     "\treturn smp_load_acquire(&ring->tail) - head;\n"),
)


@needs_kernel
class TestEngine(unittest.TestCase):
    """scripts/kparity run PAIR=ring,idalloc of such a copy"""

    ended: Ended
    #: results.json, and its verdicts by suite, case and path.
    found: dict[str, Any]
    rows: dict[tuple[str, str, str], dict[str, Any]]

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        top = selftest.copy_of_project(Path(folder.name))
        for name, where, what in BUGS:
            text = (top / name).read_text()
            assert text.count(where) == 1, f"{name} has not one '{where}'"
            (top / name).write_text(text.replace(where, what))
        run = Run(take_modules(Path(folder.name) / "out"), "PAIR=ring idalloc", "ACCEL=tcg",
                  before=in_place(top))
        try:
            cls.ended = run.end(300)
            cls.found = cls.ended.results()
        finally:
            run.close()
        cls.rows = cases(cls.found)

    def lines(self, suite: str, case: str, path: str, pattern: str) -> list[str]:
        """The lines of a case's log that match a pattern; the case has failed."""
        row = self.rows[suite, case, path]
        self.assertEqual(row["status"], ktap.FAIL, self.ended.show())
        return [line for line in row["log"] if re.search(pattern, line)]

    def test_never_judged(self) -> None:
        """All that was not judged on a path is one line."""
        said = self.lines("idalloc", "invariants", "c->rust", "never judged")
        self.assertEqual(len(said), 1, said)
        self.assertRegex(said[0], r"idalloc: never judged on c->rust, in \d+ programs of \d+ "
                         r"steps:( \w+){5,}$")
        self.assertEqual(self.rows["idalloc", "invariants", "rust->c"]["status"], ktap.PASS)

    def test_layout(self) -> None:
        """The first difference is told, by type and member, and no other."""
        for path in ("rust->c", "rust->rust"):
            said = self.lines("idalloc", "layout", path, "layout: ")
            self.assertEqual(len(said), 1, said)
            self.assertRegex(said[0], r"layout: struct idalloc_view\.used is \d+ in C, "
                             rf"struct idalloc_view\.lowest is \d+ on {path}$")

    def test_costs(self) -> None:
        """Thousands of distinct costs are a table as any other."""
        for path in PATHS:
            self.assertEqual(self.rows["ring_insn", "insn", path]["status"], ktap.PASS,
                             self.ended.show())
        push = self.found["pairs"]["ring"]["instructions"]["push"]
        self.assertEqual({push[path]["n"] for path in PATHS}, {push["c->c"]["n"]})
        self.assertGreater(push["c->c"]["max"] - push["c->c"]["min"], 2000)
        outcomes = self.found["pairs"]["ring"]["outcomes"]["push"]
        self.assertEqual(list(outcomes), ["success", "-ENOSPC"])
        for path in PATHS:
            self.assertEqual(sum(row[path]["n"] for row in outcomes.values()), push[path]["n"])

    def test_growth(self) -> None:
        """What grows by element is told, with its slope; what does not is constant."""
        row = self.found["pairs"]["ring"]["growth"]["len"]["success"]
        for path, one in row.items():
            with self.subTest(path):
                self.assertEqual(one["by"], "elements")
                self.assertGreater(one["points"][-1]["size"], 200)
                self.assertGreater(len(one["points"]), 8)
                if path.endswith("->c"):
                    self.assertTrue(1 <= one["each"] <= 4, one)
                else:
                    self.assertEqual(one["each"], 0, one)
        self.assertEqual(len({sum(point["calls"] for point in one["points"])
                              for one in row.values()}), 1, row)

    def test_stack(self) -> None:
        """Half a KiB is told of the paths that take it, and of no other operation."""
        stack = self.found["pairs"]["ring"]["stack"]
        self.assertEqual(set(stack), {"noop", "push", "pop", "peek", "len"})
        for op, outcomes in stack.items():
            for path in PATHS:
                with self.subTest(op, path=path):
                    most = max(row[path] for row in outcomes.values())
                    deep = op == "peek" and path.endswith("->c")
                    self.assertTrue(512 < most < 1024 if deep else 8 < most < 256, most)

    def test_status(self) -> None:
        """The run ends as one with failures does."""
        self.assertEqual(self.ended.status, 1, self.ended.show())


if __name__ == "__main__":
    unittest.main()
