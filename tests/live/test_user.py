# SPDX-License-Identifier: GPL-2.0
"""Functions that take user memory, and bugs in a port of each: one run must tell each of them."""

import unittest

from .live import Ended, PairsTest, cases, needs_kernel

#: A text that the port has once, its replacement, and the begin of a program that shows it.
BUGS = (
    # Reads by words, and so beyond the end.
    ("    let bytes = room.get_mut(..from.len()).ok_or(EMSGSIZE)?;\n\n"
     "    from.into_slice().reader().read_slice(bytes)?;\n    Ok(bytes)",
     "    // SAFETY: It has one value. But it is not this side's: it goes around the types.\n"
     "    let key: super::c::Key = unsafe { core::mem::zeroed() };\n"
     "    let (ptr, len) = from.into_parts(key);\n"
     "    let words = room.get_mut(..(len + 3) & !3).ok_or(EMSGSIZE)?;\n\n"
     "    UserMemory::new(ptr, words.len())\n        .into_slice()\n        .reader()\n"
     "        .read_slice(words)?;\n    Ok(&room[..len])", 'parcel_sum "a"@end'),
    # Copies less than it says.
    ("write_slice(&[byte; 32][..size])?;", "write_slice(&[byte; 32][..size.min(31)])?;",
     "parcel_fill 32 0"),
    # Fills a buffer that it refuses.
    ("    if from.len() > to.len() {\n",
     "    if from.len() > to.len() {\n        to.into_slice().writer().write_slice(&[0])?;\n",
     'parcel_move 1 "aa"'),
)
#: A bug for a test of its own: bytes that have been read are read again.
TWICE = ("    from.into_slice().reader().read_slice(bytes)?;",
         "    let mut reader = from.into_slice().reader();\n\n"
         "    reader.clone_reader().read_slice(bytes)?;\n    reader.read_slice(bytes)?;")
#: Room for more bytes than two sizes that are drawn by themselves would be alike in, and a bug
#: that shows where a buffer is as long as what goes into it, but for one byte.
LONGER = ("#define PARCEL_MAX\t64", "#define PARCEL_MAX\t900")
SAME = ("    if from.len() > to.len() {\n",
        "    let near = to.len() < 800 && to.len() == from.len() + 1;\n\n"
        "    if from.len() > to.len() || (near && from.len() > 99) {\n")


@needs_kernel
class TestUserMemory(PairsTest):
    """scripts/kparity run PAIR=parcel PAIRS_DIR=..."""

    def with_bugs(self, *bugs: tuple[str, str]) -> Ended:
        """A run of lane check with bugs in the port."""
        for where, what in bugs:
            self.edit("parcel/parcel.rs", where, what)
        return self.kparity("parcel", "ACCEL=tcg", "LANE=check")

    def test_right(self) -> None:
        """A right port passes, in both lanes, and so does a program with all places."""
        ended = self.kparity("parcel", "ACCEL=tcg")
        self.assertEqual(ended.status, 0, ended.show())
        self.assertEqual(cases(ended.results())["parcel", "regress", "rust->c"]["status"], "pass")

    def assert_told(self, ended: Ended, programs: list[str]) -> None:
        """Lockstep with the port fails, and tells these programs."""
        self.assertEqual(ended.status, 1, ended.show())
        rows = cases(ended.results())
        for path in ("c->c", "rust->c"):
            self.assertEqual(rows["parcel", "lockstep", path]["status"], "pass")
        for path in ("c->rust", "rust->rust"):
            told = [failure["program"][1] for failure in
                    rows["parcel", "lockstep", path]["failures"] if failure["program"]]
            for program in programs:
                self.assertTrue([line for line in told if line.startswith(program)],
                                f"{program} is not in {told}")

    def test_wrong(self) -> None:
        """All bugs are told by one run, each as its smallest program."""
        self.assert_told(self.with_bugs(*(bug[:2] for bug in BUGS)), [bug[2] for bug in BUGS])

    def test_read_twice(self) -> None:
        """Bytes that change once they have been read show that they are read again."""
        self.assert_told(self.with_bugs(TWICE), ['parcel_sum "aaaaaaaaaaaaaaaaa"@changes+1'])

    def test_near_in_size(self) -> None:
        """A buffer is tried that is one byte longer than another argument of the same call."""
        self.edit("parcel/contract.h", *LONGER)
        self.assert_told(self.with_bugs(SAME), ['parcel_move 101 "a"*100'])

    def test_refused(self) -> None:
        """A place that an argument cannot have is told, with its line."""
        program = self.folder / "program"
        for line, what in (('parcel_sum "abc"@end+4',
                            "data: '4' behind the + is no number of its last bytes"),
                           ("parcel_fill 8@huge 1", "buf: 'huge' is no place in user memory"),
                           ("parcel_fill 41 1",
                            "buf: '41' is no number of bytes between 0 and 40")):
            program.write_text(f"parcel\n{line}\n")
            ended = self.kparity("parcel", "ACCEL=tcg", f"PROGRAM={program}")
            self.assertEqual(ended.status, 2, ended.show())
            self.assertIn(f"line 2: {what}", ended.noted)


if __name__ == "__main__":
    unittest.main()
