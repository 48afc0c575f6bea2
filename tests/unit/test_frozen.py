# SPDX-License-Identifier: GPL-2.0
"""Frozen files: their text, what is refused, what differs; and revisions of git."""

import subprocess
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from kplib.common.errors import KparityError
from kplib.configure import request
from kplib.contract import emit_c, rows
from kplib.judge import frozen
from kplib.judge.frozen import BadFrozen, Frozen, Line, Program
from kplib.tools import against
from kplib.tools import frozen as verb
from kplib.verbs import carry_out

CONTRACT = ("push(KP_NUMBER u64 value) -> KP_ERRNO int -ENOSPC",)
C = """\
@ program 0 of seed 1
ring capacity=4\t# created, state 00000001
push 11\t# 0, state 00000002
pop\t# -ENODATA, state 00000003\t| value 7
@ regress/full
ring capacity=3\t# -EINVAL
"""


def programs(text: str = C) -> tuple[Program, ...]:
    """Programs as the engine tells them."""
    return frozen.told(f"= c->c\n{text}")["c->c"]


WHOLE = Frozen("ring", 1, 64, CONTRACT, programs())


class TestText(unittest.TestCase):
    """read() and write()"""

    def test_there_and_back(self) -> None:
        """What is written is read as it was, and written as it was."""
        text = frozen.write(WHOLE)
        self.assertEqual(frozen.read(text), WHOLE)
        self.assertEqual(frozen.write(frozen.read(text)), text)
        self.assertTrue(text.endswith(C))

    def test_damaged(self) -> None:
        """A byte that is another one, and a line that is missing anywhere."""
        text = frozen.write(WHOLE)
        for at in range(len(frozen.FORMAT) + 1, len(text)):
            with self.subTest(at), self.assertRaisesRegex(BadFrozen, "damaged or cut"):
                frozen.read(text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1:])
        for at in range(len(frozen.FORMAT) + 1, len(text)):
            with self.subTest(cut=at), self.assertRaisesRegex(BadFrozen, "damaged or cut"):
                frozen.read(text[:at])

    def test_none(self) -> None:
        """Files of another form, and what is none."""
        text = frozen.write(WHOLE)
        for wrong, why in ((text.replace("frozen 1", "frozen 2", 1), "of form 2, and .* form 1"),
                           ("", "no frozen file"), ("hello\n", "no frozen file"),
                           (text.replace("\n", "\r\n"), "no frozen file")):
            with self.subTest(why), self.assertRaisesRegex(BadFrozen, why):
                frozen.read(wrong)

    def test_head(self) -> None:
        """A digest that is right does not make a head."""
        text = frozen.write(replace(WHOLE, pair="no pair"))
        with self.assertRaisesRegex(BadFrozen, "head"):
            frozen.read(text)
        with self.assertRaisesRegex(BadFrozen, "head"):
            frozen.read(frozen.write(replace(WHOLE, programs=())))

    def test_lines(self) -> None:
        """What the engine tells is whole lines."""
        for wrong in ("push 1\n", "push 1\t0\n", "\t# 0\n", "push 1\t| x\t# 0\n",
                      "push 1\t# 0\t# 0\n"):
            with self.subTest(wrong), self.assertRaises(BadFrozen):
                programs("@ x\n" + wrong)
        for text in ("= c->d\n", "= c->c\n= c->c\n", "= c->c\npush\t# 0\n", "= c->c\n@ x\n"):
            with self.subTest(text), self.assertRaises(BadFrozen):
                frozen.told(text)

    def test_given(self) -> None:
        """The engine is handed the programs, without what they gave."""
        self.assertEqual(WHOLE.given(), b"@ program 0 of seed 1\nring capacity=4\npush 11\npop\n"
                                        b"@ regress/full\nring capacity=3\n")


class TestDifferences(unittest.TestCase):
    """differences() and merged()"""

    def test_same(self) -> None:
        """Callers in Rust are given no outputs beside an error."""
        self.assertEqual(frozen.differences(programs(), programs(), "c->rust"), [])
        seen = programs(C.replace("\t| value 7", ""))
        self.assertEqual(frozen.differences(programs(), seen, "rust->rust"), [])
        self.assertEqual([one.at for one in frozen.differences(programs(), seen, "c->rust")], [2])

    def test_shown(self) -> None:
        """A difference has its program up to there, and both results."""
        got = programs(C.replace("push 11\t# 0, state 00000002", "push 11\t# -ENOSPC"))
        found, = frozen.differences(programs(), got, "rust->rust")
        self.assertEqual(list(found.show("frozen", "this path")), [
            "  program 0 of seed 1: step 1 of 2 differs", "    ring capacity=4", "    push 11",
            "          frozen: 0, state 00000002", "          this path: -ENOSPC",
            "    ... 1 operations behind these, not compared"])
        self.assertEqual(found.fields()["text"], ["ring capacity=4", "push 11"])

    def test_alike(self) -> None:
        """A path that differs as one before it does is not told twice; of many, some are."""
        many = tuple(replace(programs()[0], name=f"program {i}") for i in range(5))
        got = tuple(replace(one, lines=(one.lines[0], Line.read("push 11\t# 1"), one.lines[2]))
                    for one in many)
        found = {path: frozen.differences(many, got, path) for path in ("c->rust", "rust->rust")}
        lines = list(frozen.shown(found, "c->rust", "frozen", "this path", False))
        self.assertEqual(sum("differs" in line for line in lines), 3)
        self.assertEqual(lines[-1], "  ... and 2 programs more; V=1 shows them")
        self.assertEqual(list(frozen.shown(found, "rust->rust", "frozen", "this path", False)),
                         ["  as on c->rust"])
        self.assertEqual(sum("differs" in line for line in frozen.shown(
            found, "c->rust", "frozen", "this path", True)), 5)

    def test_creation(self) -> None:
        """An object that is made where none was due, and the other way round."""
        made = programs(C.replace("# -EINVAL", "# created\npush 1\t# 0"))
        found, = frozen.differences(programs(), made, "rust->rust")
        self.assertEqual((found.at, found.expected, found.got), (0, "-EINVAL", "created"))
        found, = frozen.differences(made, programs(), "rust->rust")
        self.assertEqual((found.at, found.expected, found.got), (0, "created", "-EINVAL"))

    def test_missing(self) -> None:
        """A program without results, or that ran as another one, is no difference of a side."""
        with self.assertRaisesRegex(BadFrozen, "1 of 2 programs"):
            frozen.differences(programs(), programs()[:1], "c->rust")
        with self.assertRaisesRegex(BadFrozen, "'push 12' in place of 'push 11'"):
            frozen.differences(programs(), programs(C.replace("push 11", "push 12")), "c->rust")
        short = programs(C.replace("pop\t# -ENODATA, state 00000003\t| value 7\n", ""))
        found, = frozen.differences(programs(), short, "c->rust")
        self.assertEqual(found.got, "not run")

    def test_accepted(self) -> None:
        """What the contract accepts is due in Rust, and no more than that."""
        rust = programs(C.replace("# 0, state 00000002", "# 1, state 00000002"))
        both = frozen.merged(programs(), rust)
        self.assertIn("push 11\t# 0, state 00000002\t~ 1, state 00000002\n",
                      frozen.write(replace(WHOLE, programs=both)))
        self.assertEqual(frozen.differences(both, rust, "rust->rust"), [])
        self.assertEqual(frozen.differences(both, programs(), "c->c"), [])
        self.assertEqual(len(frozen.differences(both, programs(), "rust->rust")), 1)
        with self.assertRaises(BadFrozen):
            frozen.merged(programs(), programs()[:1])
        self.assertEqual(Line.read(both[0].lines[1].text()), both[0].lines[1])


class TestContract(unittest.TestCase):
    """interface() and other()"""

    ROWS = 'KP_FUNCTION(bits, ANY, KP_UNSIGNED(u32), KP_NUMBER(u32, value, .hi = 9))\n'

    def lines(self, text: str) -> tuple[str, ...]:
        """The lines of a contract."""
        return frozen.interface(rows.read(text, "bits"))

    def test_same(self) -> None:
        """A range or a budget may be another one."""
        self.assertEqual(self.lines(self.ROWS), self.lines(self.ROWS.replace("9", "8")))

    def test_stubs(self) -> None:
        """With FROZEN=1 the glue has each function of the C side, and without it none."""
        contract = rows.read(self.ROWS, "bits")
        self.assertIn("\nu32 __weak bits(u32 value) { BUG(); }\n",
                      emit_c.glue(contract, "contract.h", "bits_glue.c", alone=True))
        self.assertNotIn("__weak", emit_c.glue(contract, "contract.h", "bits_glue.c"))

    def test_other(self) -> None:
        """What is another one is named."""
        was = Frozen("bits", 1, 64, self.lines(self.ROWS), ())
        now = self.lines(self.ROWS.replace("(u32, value", "(u64, value"))
        self.assertRegex(frozen.other(was, now),
                         r"it was 'bits\(KP_NUMBER u32 value\).*' and is '.*KP_NUMBER u64 value")
        self.assertRegex(frozen.other(was, ()), "and is 'nothing'")
        self.assertEqual(frozen.other(was, was.contract), "")
        self.assertRegex(frozen.other(replace(was, contract=("a", "b")), ("b", "a")), "order")


class TestRefused(unittest.TestCase):
    """Wrong words and wrong files, each in one line"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.pair = self.folder / "bits"
        self.pair.mkdir()
        (self.pair / "contract.h").write_text(TestContract.ROWS)
        (self.pair / "bits.rs").write_text("pub(crate) fn bits(value: u32) -> u32 { value }\n")

    def assert_refused(self, why: str, *words: str, name: str = "run") -> None:
        """A request is refused before anything is done."""
        with self.assertRaisesRegex(KparityError, why) as raised:
            carry_out(name, request.parse([f"PAIRS_DIR={self.folder}", *words], {}))
        self.assertEqual(raised.exception.status, 2)
        self.assertNotIn("\n", str(raised.exception))

    def test_words(self) -> None:
        """Variables that mean nothing together."""
        for words, why in (("FROZEN=2", "FROZEN=2: give 0 or 1"),
                           ("FROZEN=1 AGAINST=HEAD", "exclude each other"),
                           ("FROZEN=1 SEED=2", "SEED: .* leave SEED out"),
                           ("FROZEN=1 CASE=lockstep", "CASE: .* leave CASE out"),
                           ("FROZEN=1 ARCH=all", "one guest"),
                           ("FROZEN=1 LANE=check", "leave LANE out"),
                           ("AGAINST=HEAD", "one pair; give PAIR=x")):
            with self.subTest(words):
                self.assert_refused(why, *words.split())
        self.assert_refused("FROZEN: for make run", "FROZEN=1", name="check")
        self.assert_refused("AGAINST: for make run", "AGAINST=x", name="freeze")
        self.assert_refused("wants the pairs by their names", name="freeze")

    def test_files(self) -> None:
        """Files that are not there, or not good."""
        path = self.pair / "frozen.txt"
        words = "FROZEN=1", "PAIR=bits"
        self.assert_refused("No such file or directory; 'make freeze PAIR=bits' writes it", *words)
        path.write_bytes(b"\xff\n")
        self.assert_refused("bits/frozen.txt: it is damaged", *words)
        path.write_text(frozen.write(WHOLE)[:-9])
        self.assert_refused("bits/frozen.txt: it is damaged or cut", *words)
        path.write_text(frozen.write(WHOLE))
        self.assert_refused("it is of pair ring", *words)
        path.write_text(frozen.write(replace(WHOLE, pair="bits")))
        self.assert_refused(r"of another contract: it was 'push\(.*' and is 'bits\(", *words)
        (self.pair / "contract.h").write_text("KP_FUNCTION(bits\n")
        self.assert_refused("contract.h:1: ", *words)

    def test_which(self) -> None:
        """Without PAIR= those that have a file."""
        (self.pair / "frozen.txt").write_text("")
        req = verb.check_run(request.parse([f"PAIRS_DIR={self.folder}", "FROZEN=1"], {}))
        self.assertIn("bits", req.pairs)
        self.assertTrue(all(verb.file_of(req, pair).exists() for pair in req.pairs))

    def git(self, *words: str) -> None:
        """Run git in the folder of pairs."""
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x", *words], check=True,
                       cwd=self.folder, stdout=subprocess.DEVNULL)

    def test_revisions(self) -> None:
        """Revisions that are not there, or not good."""
        words = "PAIR=bits", "AGAINST=HEAD"
        self.assert_refused("AGAINST=HEAD: .*is in no repository of git", *words)
        self.git("init", "-q")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        self.assert_refused("AGAINST=HEAD: it has no pair bits", *words)
        for name in ("nowhere", "-q", "HEAD~9"):
            self.assert_refused(f"AGAINST={name}: git knows no such revision", "PAIR=bits",
                                f"AGAINST={name}")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")
        contract = self.pair / "contract.h"
        contract.write_text(contract.read_text().replace("(u32, value", "(u64, value"))
        self.assert_refused("AGAINST=HEAD: bits has another contract there: it was 'bits", *words)

    def test_both(self) -> None:
        """The files of each revision, and no others."""
        (self.pair / "bits.c").write_text("old\n")
        (self.pair / "note.txt").write_text("")
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")
        (self.pair / "bits.c").write_text("new\n")
        (self.pair / "suite.c").write_text("more\n")
        (self.pair / "regress").mkdir()
        (self.pair / "regress/one").write_text("bits\nbits 1\n")
        now, then, _ = against.both(request.parse(
            [f"PAIRS_DIR={self.folder}", "PAIR=bits", "AGAINST=HEAD"], {}))
        self.assertEqual(sorted(now.files), ["bits.c", "bits.rs", "contract.h", "regress/one",
                                             "suite.c"])
        self.assertEqual(sorted(then.files), ["bits.c", "bits.rs", "contract.h", "regress/one"])
        self.assertEqual((now.files["bits.c"], then.files["bits.c"]), (b"new\n", b"old\n"))


if __name__ == "__main__":
    unittest.main()
