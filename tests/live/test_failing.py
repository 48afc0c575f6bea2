# SPDX-License-Identifier: GPL-2.0
"""Allocations that fail: a copy of the project with bugs on ways out, in variant fault.

That case fault finds such bugs is shown by tests/mutants; this is about what is made of
what it finds: programs that say which allocation fails, also where the guest is lost.
"""

import tempfile
import unittest
from pathlib import Path
from typing import Any

from kplib.configure.lanes import PATHS
from kplib.judge import ktap
from kplib.selftest import selftest

from .live import Ended, Run, cases, in_place, needs, needs_kernel, take_modules

#: File, a text that it has once, and its replacement.
BUGS = (
    ("kmod/idalloc.c", "\tif (!ida->map) {\n\t\tkfree(ida);\n", "\tif (!ida->map) {\n"),
    # What is no ERR_PTR() is taken for an object.
    ("kmod/tlv.c", "\tif (!tlv)\n\t\treturn ERR_PTR(-ENOMEM);\n",
     "\tif (!tlv)\n\t\treturn NULL;\n"),
)


@needs("base", "fault", seconds=40)
@needs_kernel
class TestFailing(unittest.TestCase):
    """scripts/kparity run VARIANT=fault of such a copy"""

    out: Path
    top: Path
    ended: Ended
    #: The verdicts of results.json by suite, case and path.
    rows: dict[tuple[str, str, str], dict[str, Any]]

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.top = selftest.copy_of_project(Path(folder.name))
        for name, where, what in BUGS:
            text = (cls.top / name).read_text()
            assert text.count(where) == 1, f"{name} has not one '{where}'"
            (cls.top / name).write_text(text.replace(where, what))
        cls.out = take_modules(Path(folder.name) / "out", "VARIANT=fault")
        cls.ended = cls.kparity("PAIR=idalloc tlv", "VARIANT=fault", "CASE=fault", "PROGRAMS=4")
        if cls.ended.status != 1:
            raise AssertionError(cls.ended.show())
        cls.rows = cases(cls.ended.results())

    @classmethod
    def kparity(cls, *words: str) -> Ended:
        """A run of the copy, to its end."""
        run = Run(cls.out, *words, "ACCEL=tcg", before=in_place(cls.top))
        try:
            return run.end(300)
        finally:
            run.close()

    def failure(self, pair: str, path: str, status: str) -> dict[str, Any]:
        """The first failure of case fault of a pair on a path."""
        row = self.rows[pair, "fault", path]
        self.assertEqual(row["status"], status, self.ended.show())
        found: dict[str, Any] = row["failures"][0]
        return found

    def test_told(self) -> None:
        """The smallest program, which allocation of it fails, and what is not given back."""
        for path in ("c->c", "rust->c"):
            found = self.failure("idalloc", path, ktap.FAIL)
            self.assertEqual(found["program"], ["fail=2 idalloc limit=1"])
            self.assertEqual([of["what"] for of in found["broken"]], ["memory is not given back"])
            log = "\n".join(self.rows["idalloc", "fault", path]["log"])
            self.assertRegex(log, "fault: 2nd allocation of the object's creation, in bitmap_zallo")
            self.assertRegex(log, r"not given back: \d+ bytes of idalloc_create")
        for path in ("c->rust", "rust->rust"):
            self.assertEqual(self.rows["idalloc", "fault", path]["status"], ktap.PASS)

    def test_lost(self) -> None:
        """A guest that is lost on a way out says with which allocation."""
        found = self.failure("tlv", "c->c", ktap.ERROR)
        self.assertEqual(found["what"], "lost", found)
        self.assertRegex(found["program"][0], r"^fail=1 tlv limit=\d+$")

    def test_again(self) -> None:
        """Such a program runs again, there alone, and without its failure passes."""
        program = self.failure("idalloc", "c->c", ktap.FAIL)["program_file"]
        again = self.kparity("PAIR=idalloc", "VARIANT=fault", f"PROGRAM={program}")
        self.assertEqual(again.status, 1, again.show())
        rows = cases(again.results())
        self.assertEqual([rows["idalloc", "regress", path]["status"] for path in PATHS],
                         [ktap.FAIL, ktap.PASS] * 2)
        refused = self.kparity("PAIR=idalloc", f"PROGRAM={program}", "LANE=check")
        self.assertEqual(refused.status, 2, refused.show())
        self.assertIn("fail= wants a kernel like that of VARIANT=fault", refused.noted)
        text = Path(program).read_text()
        for word, why in (("fail=0 ", "no number of an allocation"), ("fail=x ", "no number"),
                          ("", "")):
            file = self.out / "other"
            file.write_text(text.replace("fail=2 ", word))
            ended = self.kparity("PAIR=idalloc", "VARIANT=fault", f"PROGRAM={file}")
            self.assertEqual(ended.status, 2 if why else 0, ended.show())
            self.assertIn(why, ended.noted)


if __name__ == "__main__":
    unittest.main()
