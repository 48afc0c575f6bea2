# SPDX-License-Identifier: GPL-2.0
"""Function pairs: every kind of parameter and return value, and bugs in a port of each.

One run has all the bugs: it must tell each of them, made small, and how often it was met.
"""

import re
import unittest
from pathlib import Path
from typing import Any

from kplib.selftest import schema

from .live import PairsTest, cases, needs_kernel

#: A text that the port has once, its replacement, and the smallest program that shows it.
BUGS = (
    ("    a + i32::from(b)", "    if a == -1000 {\n        return 0;\n    }\n    a + i32::from(b)",
     "kinds_add -1000 "),
    ("    if c {\n        a ^", "    if b == usize::MAX {\n        return 1;\n    }\n"
     "    if c {\n        a ^", "kinds_mix 0 18446744073709551615 0"),
    ("if let [head @ .., b'\\n'] = rest {", "if let [head @ .., b'\\r'] = rest {",
     'kinds_parse "0\\n" 0'),
    ("    i32::try_from(value).map_err(|_| ERANGE)",
     "    i32::try_from(-value).map(|v| v.wrapping_neg()).map_err(|_| ERANGE)", "kinds_parse "),
    ("data.iter().position(|c| *c == what)\n}\n\npub(crate) fn kinds_skip",
     "data.iter()\n        .take(4095)\n        .position(|c| *c == what)\n}\n\n"
     "pub(crate) fn kinds_skip", 'kinds_find "a"*4095+'),
    ("    text.iter()\n", "    if text.is_empty() {\n        return Some(0);\n    }\n"
     "    text.iter()\n", 'kinds_skip ""'),
    ("    *end = 0;", "    let _ = end;", "kinds_fill 5 0"),
    ("    core::mem::swap(a, b);", "    *a = *b;", "kinds_swap 0 1"),
    ("    if flags & !(", "    if flags & !(1 << 31 | ", "kinds_mode KINDS_OFF 2147483648"),
    ("whole as u32)", "whole as u16 as u32)", "kinds_halves 65536"),
    # A look at where the bytes lie, as code that goes a word at a time takes.
    ("    p.iter().fold(seed,", "    let seed = seed ^ u32::from(p.as_ptr().addr() % 8 == 3);\n"
     "    p.iter().fold(seed,", 'kinds_sum 0 "a" @3'),
    ("    if base & 1 != 0 {\n        return Err(EINVAL)",
     "    if base & 1 != 0 {\n        return Err(ENOENT)", "kinds_ret 1"),
    ("    *at.get_mut(given)", "    at[0] = 0;\n    *at.get_mut(given)", "kinds_trim 4 "),
    ("    if point.pad != [0; 3] {", "    if point.pad[..2] != [0; 2] {",
     "kinds_weigh 0 1 0 0 1 1"),
)


#: One difference that the contract accepts, and one that is no longer there.
ACCEPTED = """
KP_DIVERGES(first_of_none, kinds_first, data_size == 0 && c == -1 && rust == 0,
	    "the port has a first byte of \\"nothing\\"", "decided for this test")
KP_DIVERGES(gone, kinds_first, c == 5 && rust == 6, "it was mended", "decided for this test")
"""
PORT = ("pub(crate) fn kinds_first(data: &[u8], what: u8) -> Option<usize> {\n",
        "    if data.is_empty() {\n        return Some(0);\n    }\n")

#: A port that finds a byte right behind where it is, if it is a 7.
FIND = ("    data.iter().position(|c| *c == what)\n}\n\npub(crate) fn kinds_skip",
        "    data.iter()\n        .position(|c| *c == what)\n"
        "        .map(|at| at + usize::from(what == 7))\n}\n\npub(crate) fn kinds_skip")


def broken(folder: Path) -> None:
    """Put all the bugs into a folder of pairs."""
    port = folder / "kinds/kinds.rs"
    text = port.read_text()
    for where, what, _ in BUGS:
        assert text.count(where) == 1, f"{port} has not one {where!r}"
        text = text.replace(where, what)
    port.write_text(text.replace(PORT[0], "".join(PORT)))
    with open(folder / "kinds/contract.h", "a", encoding="utf-8") as contract:
        contract.write(ACCEPTED)
    (folder / "kinds/regress").mkdir()
    for name in ("first_of_none", "gone"):
        (folder / "kinds/regress" / name).write_text('kinds\nkinds_first "" 7\n')


@needs_kernel
class TestFunctions(PairsTest):
    """scripts/kparity run PAIR=kinds PAIRS_DIR=..."""

    def test_right(self) -> None:
        """A right port of every kind passes, in both lanes, from a folder that is not written."""
        before = sorted((path, path.stat().st_mtime_ns) for path in self.pairs.rglob("*"))
        ended = self.kparity("kinds", "ACCEL=tcg")
        self.assertEqual(ended.status, 0, ended.show())
        self.assertEqual(before, sorted((path, path.stat().st_mtime_ns)
                                        for path in self.pairs.rglob("*")))

    def assert_told(self, row: dict[str, Any]) -> None:
        """A case's failures in fields have each bug, with results of both paths."""
        programs = {failure["program"][1] for failure in row["failures"] if failure["program"]}
        for _, _, program in BUGS:
            self.assertTrue([line for line in programs if line.startswith(program)],
                            f"{program} is not in {programs}")
        for failure in row["failures"]:
            reference, got = failure["results"]
            self.assertEqual((reference["path"], got["path"]), ("c->c", row["path"]))
            self.assertNotEqual(reference["steps"], got["steps"])
            self.assertEqual(Path(failure["program_file"]).read_text().splitlines(),
                             failure["program"])
            self.assertIn(f" PROGRAM={failure['program_file']}", failure["replay"])

    def test_bitmaps(self) -> None:
        """Bytes are tried of which all bits are set but one, and all clear but one."""
        sum_of = "    p.iter().fold(seed,"
        self.edit("kinds/kinds.rs", sum_of,
                  "    let ones: u32 = p.iter().map(|c| c.count_ones()).sum();\n"
                  "    let seed = seed ^ u32::from(p.len() == 64 && ones == 1)\n"
                  f"        ^ (u32::from(p.len() == 64 && ones == 511) << 1);\n{sum_of}")
        ended = self.kparity("kinds", "ACCEL=tcg", "LANE=check", "CASE=lockstep")
        self.assertEqual(ended.status, 1, ended.show())
        programs = "\n".join(failure["program"][1] for failure in cases(
            ended.results())["kinds", "lockstep", "c->rust"]["failures"])
        self.assertRegex(programs, r'kinds_sum 0 "\\x00"\*\d+')
        self.assertRegex(programs, r'kinds_sum 0 "\\xff"\*\d+')

    def test_lost(self) -> None:
        """A call that takes its guest with it is told as a program, which does it again."""
        self.edit("kinds/kinds.rs", PORT[0], f"{PORT[0]}    let room = [0u8; 4];\n"
                  "    let _ = core::hint::black_box("
                  "room[core::hint::black_box(data.len() / 8)]);\n")
        ended = self.kparity("kinds", "ACCEL=tcg", "LANE=check")
        self.assertEqual(list(schema.unlike(ended.results())), [])
        for path in ("c->rust", "rust->rust"):
            row = cases(ended.results())["kinds", "lockstep", path]
            self.assertEqual(row["status"], "error")
            (failure,) = row["failures"]
            self.assertEqual((failure["what"], failure["operation"], failure["step"]),
                             ("lost", "kinds_first", 1))
            self.assertEqual(failure["program"][0], "kinds")
            self.assertRegex(failure["program"][1], "kinds_first ")
            self.assertIn("the smallest program that does it, found with 1 guest:", row["log"])
        again = self.kparity("kinds", "ACCEL=tcg", "LANE=check",
                             f"PROGRAM={failure['program_file']}")
        row = cases(again.results())["kinds", "regress", "rust->rust"]
        self.assertEqual(row["failures"][0]["program"], failure["program"], again.show())

    def test_limits(self) -> None:
        """Safe Rust that calls C with what its row does not allow ends there, not in C."""
        self.edit("kinds/kinds.rs", PORT[0],
                  f"{PORT[0]}    let _ = super::c::kinds_add(1001, what as i8);\n")
        ended = self.kparity("kinds", "ACCEL=tcg", "LANE=check")
        row = cases(ended.results())["kinds", "lockstep", "rust->rust"]
        self.assertEqual(row["status"], "error", ended.show())
        self.assertEqual(cases(ended.results())["kinds", "outcomes", "rust->rust"]["log"],
                         ["it looks at what the cases before it have met, and lockstep was lost"])
        self.assertRegex("\n".join(row["log"]), r"panicked at \S*rust-stub/kinds_root.rs:")
        self.assertIn("kinds_add: a is not what its row allows",
                      (ended.folder() / "check.console").read_text(errors="replace"))

    def test_accepted(self) -> None:
        """A declared difference is accepted in what its row says, and in nothing else."""
        self.edit("kinds/kinds.rs", *FIND)
        contract = self.pairs / "kinds/contract.h"
        (self.pairs / "kinds/regress").mkdir()
        (self.pairs / "kinds/regress/later").write_text('kinds\nkinds_find "\\x07" 7\n')
        text = contract.read_text()
        for when, option, status in (("what == 7", "", "fail"),
                                     ("what == 7 && rust_out == c_out + 2",
                                      ", .outputs = true", "fail"),
                                     ("what == 7 && rust_out == c_out + 1",
                                      ", .outputs = true", "pass")):
            with self.subTest(when):
                contract.write_text(f"{text}\nKP_DIVERGES(later, kinds_find, {when},\n"
                                    f'\t    "so be it", "here"{option})\n')
                ended = self.kparity("kinds", "ACCEL=tcg", "LANE=check")
                rows = cases(ended.results())
                self.assertEqual({rows["kinds", case, path]["status"] for case in
                                  ("lockstep", "regress") for path in ("c->rust", "rust->rust")},
                                 {status}, ended.show())
                self.assertEqual(rows["kinds", "lockstep", "rust->c"]["status"], "pass")
        (row,) = ended.results()["pairs"]["kinds"]["accepted"]
        self.assertEqual(row["differs_in"], "outputs")

    def test_beside(self) -> None:
        """A declared difference in what C stores beside false: a caller in Rust sees none."""
        self.edit("kinds/kinds.c", "\t\t*at = found - data;\n\treturn found;",
                  "\t\t*at = found - data;\n\telse\n\t\t*at = size;\n\treturn found;")
        (self.pairs / "kinds/regress").mkdir()
        (self.pairs / "kinds/regress/beside").write_text('kinds\nkinds_find "a" 7\n')
        with open(self.pairs / "kinds/contract.h", "a", encoding="utf-8") as contract:
            contract.write("\nKP_DIVERGES(beside, kinds_find, !c && !rust,\n"
                           '\t    "so be it", "here", .outputs = true)\n')
        ended = self.kparity("kinds", "ACCEL=tcg", "LANE=check")
        self.assertEqual(ended.status, 0, ended.show())

    def test_wrong(self) -> None:
        """All bugs are told by one run, each as its smallest program; and such a program runs."""
        broken(self.pairs)
        ended = self.kparity("kinds", "ACCEL=tcg", "LANE=check")
        self.assertEqual(ended.status, 1, ended.show())
        self.assertEqual(list(schema.unlike(ended.results())), [])
        accepted = {row["id"]: row for row in ended.results()["pairs"]["kinds"]["accepted"]}
        self.assertEqual(accepted["first_of_none"]["reason"],
                         'the port has a first byte of "nothing"')
        for path, least in (("c->rust", 1), ("rust->rust", 1), ("rust->c", 0)):
            self.assertGreaterEqual(accepted["first_of_none"]["met"][path], least)
        self.assertEqual(set(accepted["gone"]["met"].values()), {0})
        self.assertIn("accepted difference first_of_none of kinds_first, met on c->rust ",
                      ended.show())
        rows = cases(ended.results())
        for path in ("c->c", "rust->c"):
            self.assertEqual(rows["kinds", "lockstep", path]["status"], "pass")
        for path in ("c->rust", "rust->rust"):
            self.assertEqual(rows["kinds", "lockstep", path]["status"], "fail")
            said = [line.strip() for line in rows["kinds", "lockstep", path]["log"]]
            self.assertRegex(said[0], r"kinds: \d+ kinds of difference in \d+ calls")
            for _, _, program in BUGS:
                found = [line for line in said if line.startswith(program)]
                self.assertTrue(found, f"{program} is not in\n" + "\n".join(said))
            self.assert_told(rows["kinds", "lockstep", path])
            self.assertFalse([line for line in said if line.startswith("kinds_first")])
            self.assertEqual([line for line in rows["kinds", "regress", path]["log"]
                              if "declared" in line],
                             [f"{self.folder}/pairs/kinds/regress/gone: the declared difference "
                              "gone is no longer there"])
        self.assertTrue(re.search(r"^ *\d+: \d+ times?$", "\n".join(said), re.M))
        alone = self.folder / "program"
        alone.write_text("kinds # as it was printed\nkinds_sum 0 \"a\" @3\n")
        ended = self.kparity("kinds", "ACCEL=tcg", f"PROGRAM={alone}")
        self.assertEqual(ended.status, 1, ended.show())
        self.assertIn('kinds_sum 0 "a" @3', ended.said)
        self.assertNotIn("lockstep", ended.said)


if __name__ == "__main__":
    unittest.main()
