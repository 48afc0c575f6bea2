# SPDX-License-Identifier: GPL-2.0
"""A pair in a folder of the user's own: made, run, broken, mended; real guests."""

import re
import shutil
import subprocess
import unittest
from pathlib import Path

from .live import TOP, LiveTest, Run, needs, needs_kernel, privately


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a folder, with when it was written."""
    return {str(path): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
            for path in [folder, *folder.rglob("*")]}


@needs_kernel
@needs("base", seconds=35)
class TestPairsDir(LiveTest):
    """PAIRS_DIR=, and make new DIR=; all runs build in one folder, as a user's do"""

    folder_of_pairs: Path

    @classmethod
    def checkout(cls) -> Path:
        cls.folder_of_pairs = cls.scratch / "my-pairs"
        cls.words = ("PAIR=bits", f"PAIRS_DIR={cls.folder_of_pairs}", "LANE=check")
        made = subprocess.run([str(TOP / "scripts/kparity"), "new", "PAIR=bits",
                               f"DIR={cls.folder_of_pairs}"], check=True, stdout=subprocess.PIPE)
        assert f"PAIRS_DIR={cls.folder_of_pairs}" in made.stdout.decode()
        return TOP

    def setUp(self) -> None:
        super().setUp()
        # Undone in the end, whatever a test writes.
        self.pair = self.folder_of_pairs / "bits"
        kept = self.folder / "kept"
        shutil.copytree(self.pair, kept)

        def undo() -> None:
            shutil.rmtree(self.pair)
            shutil.copytree(kept, self.pair)
        self.addCleanup(undo)

    def edit(self, name: str, old: str, new: str) -> int:
        """Change one of the pair's files; the number of the first line with the new text."""
        path = self.pair / name
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new, 1))
        lines = path.read_text().splitlines()
        return next(n for n, line in enumerate(lines, 1) if new.splitlines()[0] in line)

    def log(self, out: Path) -> str:
        """Output of the tools in the last build."""
        return next(out.glob("*/*/build/build.log")).read_text()

    def test_run(self) -> None:
        """Nothing is written there, not even where it cannot be; what was not changed is told."""
        self.edit("bits.rs", "value.count_ones()", "(!value).count_zeros()")
        before = content(self.folder_of_pairs)
        sealed = privately('mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"',
                           self.folder_of_pairs)
        ended = self.start(out=self.built, before=sealed).end()
        self.assertEqual(ended.status, 0, ended.show())
        self.assertEqual(content(self.folder_of_pairs), before)
        self.assertIn("bits is still as 'make new' wrote it, at "
                      f"{self.pair}/contract.h:2, ", ended.said)

    def test_broken(self) -> None:
        """A port that is wrong ends in a program of one call; the fault is found, and mended."""
        out = self.built
        self.edit("bits.rs", "value.count_ones()",
                  "value.count_ones() - (value == u32::MAX) as u32")
        ended = self.start(out=out).end()
        self.assertEqual(ended.status, 1, ended.show())
        self.assertNotIn("Entering directory", self.log(out))
        self.assertRegex(ended.said, r"\n +bits (4294967295|0xffffffff)\n")
        again = re.search("again: make run (PAIR=bits .*)", ended.said)
        assert again, ended.show()
        self.assertIn(f"PAIRS_DIR={self.folder_of_pairs} ", again.group(1))
        program = self.folder / "program"
        program.write_text("bits\nbits 7\nbits 4294967295\n")
        self.assertEqual(self.start(f"PROGRAM={program}", out=out).end().status, 1)
        # A file of the regress folder runs from then on.
        (self.pair / "regress").mkdir()
        program.rename(self.pair / "regress/most")
        self.edit("bits.rs", ".count_ones() - (value == u32::MAX) as u32", ".count_ones()")
        ended = self.start(out=out).end()
        self.assertEqual(ended.status, 0, ended.show())
        self.assertRegex(ended.said, r"\n +regress +ok +ok +ok +ok\n")
        self.assertNotRegex(self.log(out), "Entering directory|RUSTC")

    def assert_points(self, out: Path, at: str, what: str) -> None:
        """The build fails, and a line of it points at the pair's own file."""
        ended = self.start(out=out).end()
        self.assertEqual(ended.status, 1, ended.show())
        self.assertRegex(ended.noted, f"(?m)^{re.escape(str(self.pair))}/{at}:.*error: .*{what}")
        self.assertNotIn("Traceback", ended.noted)

    def test_rows(self) -> None:
        """A mistake in a row, or in what it stands for, is told at the user's own line."""
        out = self.built
        at = self.edit("contract.h", "KP_NUMBER(", "KP_NUMBR(")
        self.assert_points(out, f"contract.h:{at}", "no kind of parameter")
        self.edit("contract.h", "KP_NUMBR(u32", "KP_NUMBER(u64")
        self.assert_points(out, f"contract.h:{at - 1}", "does not fit its C prototype")
        self.edit("contract.h", "KP_NUMBER(u64", "KP_NUMBER(u32")
        at = self.edit("bits.rs", "value: u32", "value: u64")
        self.assert_points(out, f"bits.rs:{at}", r"wants it: pub\(crate\) fn bits\(value: u32\)")

    def test_sources(self) -> None:
        """A C file of the kernel's tree is compiled into the pair, without exports and init."""
        out = self.built
        at = self.edit("contract.h", "KP_FUNCTION(bits,",
                       'KP_SOURCES("$(srctree)/lib/glob.c", "init.c")\n\nKP_FUNCTION(bits,')
        self.assert_points(out, f"contract.h:{at}", "init.c: no such file beside bits.c")
        (self.pair / "init.c").write_text(
            "// SPDX-License-Identifier: GPL-2.0\n#define pr_fmt(fmt) \"bits: \" fmt\n"
            "#include <linux/module.h>\n\nstatic int __init start(void)\n{\n"
            "\treturn -ENODEV;\n}\nmodule_init(start);\nMODULE_LICENSE(\"GPL\");\n")
        ended = self.start(out=out).end()
        self.assertEqual(ended.status, 0, ended.show())
        self.assertIn("CC [M]  pairs/bits/glob.o", self.log(out))

    def test_exported(self) -> None:
        """A function that the kernel exports is called there; one that it lacks names an option."""
        (self.pair / "bits.c").unlink()
        self.edit("contract.h", "#include <linux/types.h>", "#include <linux/math.h>")
        self.edit("contract.h", "unsigned int bits(u32 value);", "/* Declared there. */")
        at = self.edit("contract.h", "KP_FUNCTION(bits, ANY, KP_UNSIGNED(unsigned int),",
                       "KP_FUNCTION(int_sqrt, ANY, KP_UNSIGNED(unsigned long),")
        self.edit("contract.h", "KP_NUMBER(u32, value)", "KP_NUMBER(unsigned long, value)")
        self.edit("bits.rs", "bits(value: u32) -> u32", "int_sqrt(value: usize) -> usize")
        self.edit("bits.rs", "value.count_ones()", "value.isqrt()")
        out = self.built
        ended = self.start(out=out).end()
        self.assertEqual(ended.status, 0, ended.show())
        self.assertNotIn("sqrt.o", self.log(out))
        # Off in every variant; the build stops before anything says what a kernel with it costs.
        self.edit("contract.h", "<linux/math.h>", "<linux/crc7.h>")
        self.edit("contract.h", "int_sqrt, ANY, KP_UNSIGNED(unsigned long)",
                  "crc7_be, ANY, KP_UNSIGNED(u8)")
        self.edit("contract.h", "KP_NUMBER(unsigned long, value)",
                  "KP_NUMBER(u8, crc), KP_BYTES(u8, buffer, size_t)")
        self.edit("bits.rs", "int_sqrt(value: usize) -> usize",
                  "crc7_be(crc: u8, _buffer: &[u8]) -> u8")
        self.edit("bits.rs", "value.isqrt()", "crc")
        self.assert_points(out, f"contract.h:{at}",
                           "does not export crc7_be: lib/crc/crc7.c, which does, wants "
                           f"CONFIG_CRC7; write CONFIG_CRC7=y in {self.pair}/config")

    def test_config(self) -> None:
        """A kernel that has what a pair wants is the variant's own; a wrong line is told."""
        (self.pair / "config").write_text("CONFIG_GLOB=y\nCONFIG_KUNIT=y\n")
        ended = self.start(out=self.built).end()
        self.assertEqual(ended.status, 0, ended.show())
        self.assertEqual(ended.results()["kernel"]["added"], {})
        (self.pair / "config").write_text("\n# CONFIG_KUNIT is not set\n")
        ended = self.start(out=self.built).end()
        self.assertEqual(ended.status, 2, ended.show())
        self.assertIn(f"{self.pair}/config:2: CONFIG_KUNIT=n: CONFIG_KUNIT is y in every ",
                      ended.noted)

    def test_misuse(self) -> None:
        """Rust that must not compile, beside the pair."""
        (self.pair / "compile-fail").mkdir()
        test = self.pair / "compile-fail/signed.rs"
        test.write_text("//! error: E0308\n\nuse super::port;\n\nfn misuse(n: i32) -> u32 {\n"
                        "    #[cfg(misuse)]\n    let bits = port::bits(n);\n"
                        "    #[cfg(not(misuse))]\n    let bits = port::bits(n as u32);\n\n"
                        "    bits\n}\n")
        out = self.built
        for status, verdict in ((0, "ok   bits/signed: E0308"), (1, "FAIL bits/signed: ")):
            run = Run(out, *self.words, verb="compile-fail")
            self.addCleanup(run.close)
            ended = run.end()
            self.assertEqual(ended.status, status, ended.show())
            self.assertIn(verdict, ended.said)
            test.write_text(test.read_text().replace("E0308", "E0309"))

    def test_contract(self) -> None:
        """The ledger has its functions, and the list for review the port's unsafe."""
        at = self.edit("bits.rs", "    value.count_ones()",
                       "    // SAFETY: As asked of hweight32().\n"
                       "    unsafe { core::intrinsics::abort() };\n    value.count_ones()") + 1
        self.edit("bits.rs", "core::intrinsics::abort()", "core::hint::assert_unchecked(true)")
        run = Run(self.built, *self.words, verb="contract")
        self.addCleanup(run.close)
        ended = run.end()
        self.assertEqual(ended.status, 0, ended.show())
        self.assertIn("\n  bits: context ANY; ", ended.said)
        self.assertIn(f"{self.pair}/bits.rs:{at}: block: unsafe {{ core::hint", ended.said)


if __name__ == "__main__":
    unittest.main()
