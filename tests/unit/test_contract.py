# SPDX-License-Identifier: GPL-2.0
"""The ledger: records, gaps, and the review list."""

import struct
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from kplib.common.errors import EnvironmentFailed
from kplib.configure import pairs
from kplib.configure.lanes import PATHS
from kplib.judge import compile_fail, dwarf, ledger, records, unsafety

RAW = ("operation=push\x1fANY\x1fnone\x1fKP_ERRNOS(-ENOSPC, -ENOMEM)\x1fcopied\x1funchanged"
       "\x1fring\0"
       "\0\0invariant=full\x1ferrors\x1fa push fails\x1flooks first\x1fop == 1\x1fret < 0\x1fring\0"
       "rust=full\x1fchecked\x1freturns Err\x1f/somewhere/rust-stub/ring.rs:7\0"
       "type=struct ring_view\x1fring\0").encode()


def elf(section: bytes) -> bytes:
    """A 64-bit ELF file with one section .kparity and its table of names."""
    names = b"\0.kparity\0.shstrtab\0"
    body = section + names
    table = 64 + len(body)
    head = bytearray(64)
    head[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", head, 0x28, table)
    struct.pack_into("<HHH", head, 0x3a, 64, 3, 2)
    rows = [(0, 0, 0, 0, 0, 0), (1, 1, 0, 0, 64, len(section)),
            (10, 3, 0, 0, 64 + len(section), len(names))]
    return bytes(head) + body + b"".join(
        struct.pack("<IIQQQQ", *row).ljust(64, b"\0") for row in rows)


class TestRecords(unittest.TestCase):
    """records.parse() and records.section()"""

    def test_parse(self) -> None:
        """Every kind of record; padding between them is passed over."""
        got = records.parse(RAW)
        self.assertEqual(got.operations[0].errnos, ("ENOSPC", "ENOMEM"))
        self.assertEqual((got.promises[0].id, got.promises[0].keeps), ("full", "looks first"))
        self.assertEqual(got.encodings[0].where, "rust-stub/ring.rs:7")
        self.assertEqual(got.types, ("ring_view",))

    def test_section(self) -> None:
        """The section is found by name; another name gives nothing."""
        self.assertEqual(records.section(elf(RAW)), RAW)
        self.assertEqual(records.section(elf(RAW), b".text"), b"")

    def test_damaged(self) -> None:
        """A module that is none is said to be so, whatever is wrong with it."""
        with tempfile.TemporaryDirectory() as folder:
            for data in (b"", b"not ELF", elf(RAW)[:70], elf(b"operation=x\0")):
                path = Path(folder, "x.ko")
                path.write_bytes(data)
                with self.assertRaises(EnvironmentFailed):
                    records.read(path)


class TestLedger(unittest.TestCase):
    """ledger.Row.gaps()"""

    @staticmethod
    def row(**change: object) -> ledger.Row:
        """A complete row, with something changed."""
        contract = records.parse(RAW)
        fields: dict[str, object] = {
            "pair": "ring", "promise": contract.promises[0], "encodings": contract.encodings,
            "misuse": (), "judged": {path: 1 for path in PATHS}, "cases": ("lockstep",)}
        return ledger.Row(**{**fields, **change})  # type: ignore[arg-type]

    def test_complete(self) -> None:
        """Nothing is missing."""
        self.assertEqual(self.row().gaps(), [])

    def test_each_gap(self) -> None:
        """Each cell that can be empty is missed."""
        self.assertIn("no case judged it", self.row(cases=()).gaps())
        self.assertIn("never judged on rust->c",
                      self.row(judged={p: int(p != "rust->c") for p in PATHS}).gaps())
        self.assertIn("not said how Rust encodes it", self.row(encodings=()).gaps())
        as_type = records.Encoding("full", "type", "cannot be written", "ring.rs:1")
        self.assertIn("compile-fail", " ".join(self.row(encodings=(as_type,)).gaps()))
        self.assertEqual(self.row(encodings=(as_type,), misuse=("x",)).gaps(), [])
        odd = records.Encoding("full", "magic", "", "ring.rs:1")
        self.assertEqual(len(self.row(encodings=(odd,)).gaps()), 2)
        empty = records.Promise("full", "odd", "", "", "", "")
        self.assertEqual(len(self.row(promise=empty).gaps()), 3)


class TestUnsafety(unittest.TestCase):
    """unsafety.scan()"""

    def test_reasons(self) -> None:
        """A reason counts only where it stands above the unsafe."""
        found = unsafety.review(("ring", "idalloc"))
        self.assertGreater(len(found), 20)
        self.assertEqual([u.where for u in found if not u.reason], [])

    def test_bare(self) -> None:
        """A block without a reason is found."""
        with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
            path = Path(folder, "x.rs")
            path.write_text("fn f() {\n    // Nothing here.\n    let a = 1;\n"
                            "    unsafe { g() };\n}\n\n"
                            "// SAFETY: Held, see [two_ends].\nunsafe impl Send for X {\n"
                            "    #[inline]\n    fn safe() {}\n\n    unsafe fn put(x: X) {}\n}\n\n"
                            "impl X {\n    fn safe() {}\n\n    unsafe fn own() {}\n}\n")
            found = unsafety.scan(path)
        self.assertEqual([(u.kind, bool(u.reason)) for u in found],
                         [("block", False), ("impl", True), ("fn", True), ("fn", False)])
        self.assertIn("Send", found[2].reason)
        self.assertEqual(found[1].invariants, ("two_ends",))


class TestCompileFail(unittest.TestCase):
    """kplib.judge.compile_fail"""

    def test_head(self) -> None:
        """A test that names no invariant or no code is refused."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "x.rs")
            ring = replace(pairs.files("ring"), misuse=Path(folder))
            path.write_text("//! invariant: full empty\n//! error: E0599\n")
            test = compile_fail.find(ring)[0]
            self.assertEqual((test.invariants, test.error),
                             (("full", "empty"), "E0599"))
            for text in ("//! error: E0599\n", "//! invariant: x\n//! error: any\n"):
                path.write_text(text)
                with self.assertRaises(EnvironmentFailed):
                    compile_fail.find(ring)

    def test_alone(self) -> None:
        """What holds in a whole crate is not compiled with twins that may lack it."""
        cut = "#[cfg(misuse)]\nfn f() {}\n"
        with tempfile.TemporaryDirectory() as folder:
            ring = replace(pairs.files("ring"), misuse=Path(folder))
            for text, alone in (
                    (cut, False), ("fn f() { if cfg!(misuse) {} }\n", False),
                    (f"// an impl\n{cut}fn g(_: impl Fn()) {{}}\n", False), ("fn f() {}\n", True),
                    (f"{cut}impl T for S {{}}\n", True),
                    (f"{cut}unsafe impl<S> T for S {{}}", True),
                    (f"fn f() {{\n    impl T for S {{}}\n}}\n{cut}", True),
                    (f"#[macro_export]\nmacro_rules! m {{ () => {{}} }}\n{cut}", True),
                    (f"#[macro_use]\nmod m {{}}\n{cut}", True)):
                Path(folder, "x.rs").write_text(f"//! invariant: x\n//! error: E0599\n{text}")
                self.assertEqual(compile_fail.find(ring)[0].alone, alone, text)

    def test_compiled(self) -> None:
        """Twins are one crate, unless it is not good; each misuse is one of its own."""
        tests = [compile_fail.Misuse("ring", name, Path(f"/{name}.rs"), (), "E0599",
                                     name == "alone")
                 for name in ("good", "alone", "bad", "other", "accepted")]
        crates: list[str] = []

        def compiled(_tools: Any, _build: Path, these: list[compile_fail.Misuse],
                     *extra: str) -> tuple[int, list[str], str]:
            crates.append(" ".join([*extra[1:], *(test.name for test in these)]))
            if extra:
                (test,) = these
                codes = ["E0308"] if test.name == "other" else ["E0599"]
                return (0, [], "") if test.name == "accepted" else (1, codes, "said")
            return int(broken and any(test.name == "bad" for test in these)), [], "said"

        for broken in (False, True):
            crates.clear()
            with mock.patch.object(compile_fail, "find",
                                   lambda pair: tests if pair.name == "ring" else []), \
                    mock.patch.object(compile_fail, "_compile", compiled):
                found = compile_fail.run(mock.Mock(), Path(), ("ring", "glob"))
            self.assertEqual([outcome.test for outcome in found], tests)
            self.assertEqual([(outcome.why or "").splitlines()[:1] for outcome in found], [
                [], [], ["the corrected twin does not compile:"] if broken else [],
                ["rejected with E0308, but E0599 is meant:"],
                ["compiles, but must be rejected with E0599"]])
            self.assertEqual(sorted(crates), sorted([
                "good bad other accepted", *(f"misuse {test.name}" for test in tests),
                *(test.name for test in tests if broken or test.alone)]))

    def test_functions(self) -> None:
        """A pair of functions may have no invariant to name."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "x.rs")
            glob = replace(pairs.files("glob"), misuse=Path(folder))
            path.write_text("//! error: E0599\n")
            test = compile_fail.find(glob)[0]
            self.assertEqual((test.invariants, test.error), ((), "E0599"))
            path.write_text("//! error: any\n")
            with self.assertRaisesRegex(EnvironmentFailed, "needs the line '//! error"):
                compile_fail.find(glob)


class TestDwarf(unittest.TestCase):
    """dwarf.parse()"""

    C = """struct v {
\tu32                        a;                    /*     0     4 */
\tu8                         pad[4];               /*     4     4 */

\t/* size: 8, cachelines: 1, members: 2 */
};
"""
    RUST = """struct v {
public:

\tu32                        a __attribute__((__aligned__(4))); /*     0     4 */
\tu8                         pad[4] __attribute__((__aligned__(1))); /*     4     4 */

\t/* size: 8, cachelines: 1, members: 2 */
} __attribute__((__aligned__(4)));
"""

    def test_both_languages(self) -> None:
        """Both languages give one layout, however pahole prints it."""
        got = dwarf.parse(self.C)
        assert got is not None
        self.assertEqual((got.size, got.members), (8, (("a", 0, 4), ("pad", 4, 4))))
        self.assertEqual(got, dwarf.parse(self.RUST))

    def test_absent(self) -> None:
        """No output, no layout."""
        self.assertIsNone(dwarf.parse(""))


if __name__ == "__main__":
    unittest.main()
