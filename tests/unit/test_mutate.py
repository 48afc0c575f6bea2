# SPDX-License-Identifier: GPL-2.0
"""Mechanical mutants: how they are made, chosen, told apart, kept and counted."""

import platform
import struct
import subprocess
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from kplib.boot.laneresult import CaseId, LaneResult, Loss
from kplib.build.setup import Setup
from kplib.common.errors import BROKEN, OK, EnvironmentFailed, Refused
from kplib.configure import archs, pairs, request, variants
from kplib.configure.lanes import CHECK
from kplib.judge import ktap
from kplib.mutate import candidate, choose, find, objcode, record, score
from kplib.mutate.candidate import Candidate, Edit
from kplib.mutate.record import (EQUIVALENT, ERROR, KILLED, SURVIVED, UNCOMPILED, Record,
                                 State)
from kplib.selftest import campaign, mutants, parts, trial
from kplib.selftest.jobs import FAILED, Ended, Job, Outcome, Report
from kplib import verbs

TEXT = b"int f(int a)\n{\n\tif (a < 3)\n\t\treturn -EINVAL;\n\treturn a;\n}\n"


def make(operator: str = "relational", line: int = 0, pair: str = "ring", language: str = "c",
         number: int = 1) -> Candidate:
    """A candidate that only its name matters of."""
    return Candidate(pair, language, f"kmod/{pair}.c", "f", operator, (Edit(line, line + 1, "x"),),
                     line, f"{line} -> x", "functional", number, (line,))


class TestCandidate(unittest.TestCase):
    """kplib.mutate.candidate"""

    def mutant(self, operator: str, old: str, new: str) -> Candidate:
        """The change of the first `old`."""
        start = TEXT.index(old.encode())
        return candidate.make("ring", "c", "kmod/ring.c", TEXT, "f", operator,
                              [(start, start + len(old), new)])

    def test_name_and_diff(self) -> None:
        """A mutant is called by its function, operator and change, and shown as a patch does."""
        one = self.mutant("relational", "<", "<=")
        self.assertEqual((one.name, one.line), ("ring c f relational: < -> <=", 3))
        self.assertEqual(candidate.diff(TEXT, one), ["-\tif (a < 3)", "+\tif (a <= 3)"])

    def test_columns(self) -> None:
        """Nothing behind a shorter text moves; before a longer one the control moves as much."""
        shorter, longer = self.mutant("constant", "EINVAL", "EIO"), self.mutant("x", "<", "<=")
        self.assertIn(b"return -EIO   ;\n", candidate.apply(TEXT, shorter.edits))
        self.assertEqual(candidate.apply(TEXT, shorter.edits, control=True), TEXT)
        self.assertIn(b"if (a <= 3)", candidate.apply(TEXT, longer.edits))
        self.assertIn(b"if (a <  3)", candidate.apply(TEXT, longer.edits, control=True))

    def test_several_edits(self) -> None:
        """Edits of one mutant are all made, whatever their order."""
        found = candidate.apply(b"f(one, two)", (Edit(2, 5, "two"), Edit(7, 10, "one")))
        self.assertEqual(found, b"f(two, one)")
        self.assertEqual(candidate.apply(b"f(a, bcd)", (Edit(5, 8, "a"), Edit(2, 3, "bcd"))),
                         b"f(bcd, a  )")

    def test_lines_stay(self) -> None:
        """A statement of several lines leaves as many behind."""
        self.assertEqual(candidate.apply(b"f(a,\n  b);\ng();", (Edit(0, 9, "(void)0\n"),)),
                         b"(void)0\n;\ng();")

    def test_numbers(self) -> None:
        """The same change twice in one function has two names; the same twice is one."""
        one, other = make(line=4), replace(make(line=4), line=9)
        found = candidate.numbered([one, one, other])
        self.assertEqual([c.name for c in found], ["ring c f relational: 4 -> x",
                                                   "ring c f relational: 4 -> x (2)"])

    def test_categories(self) -> None:
        """What a change is about follows from what it changes."""
        for operator, text, about in (
                ("statement", "spin_lock(&d->lock) (void)0", "concurrency"),
                ("statement", "kref_get(&obj->kref)", "lifetime"),
                ("errno", "-EINVAL 0", "errors"), ("question", "x()?;", "errors"),
                ("condition", "copy_from_user(a, b, c)", "user memory"),
                ("irq", "spin_lock_irqsave(&a, flags) spin_lock(&a)", "context"),
                ("ordering", "Release Relaxed", "ordering"),
                ("relational", "< <=", "functional")):
            with self.subTest(text):
                self.assertEqual(candidate.category(operator, text), about)

    def test_unseen(self) -> None:
        """Weaker orderings are no mutants that x86_64 is judged by."""
        self.assertFalse(make("ordering").seen)
        self.assertTrue(make("statement").seen)


C = """#include <x.h>
static int take(struct a *a)
{
	unsigned long flags;

	spin_lock_irqsave(&a->lock, flags);
	smp_store_release(&a->x, 1);
	spin_unlock_irqrestore(&a->lock, flags);
	return -EINVAL;
}

#if IS_ENABLED(CONFIG_KUNIT)
int for_tests(void)
{
	return -ENOMEM;
}
#endif
"""


class TestFind(unittest.TestCase):
    """kplib.mutate.find: what is made of the lines of the two programs, and of text alone"""

    def of_file(self, text: str, language: str, rows: list[dict[str, object]]) -> list[Candidate]:
        """The candidates of a file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x"
            path.write_text(text)
            return find._of_file("ring", language, path, rows)

    def row(self, text: str, old: str, new: str) -> dict[str, object]:
        """A line of the programs."""
        start = text.index(old)
        return {"function": "f", "operator": "errno", "edits": [[start, start + len(old), new]]}

    def test_text(self) -> None:
        """In C the irq forms of a function go together; orderings are found by name."""
        found = {one.operator: one for one in self.of_file(C, "c", [])}
        self.assertEqual(set(found), {"irq", "ordering"})
        after = candidate.apply(C.encode(), found["irq"].edits).decode()
        self.assertRegex(after, r"spin_lock\(&a->lock\) *;")
        self.assertRegex(after, r"spin_unlock\(&a->lock\) *;")
        self.assertEqual(found["irq"].function, "take")
        after = candidate.apply(C.encode(), found["ordering"].edits).decode()
        self.assertRegex(after, r"WRITE_ONCE\(\* +&a->x, 1\);")

    def test_other_errno(self) -> None:
        """E? is the next errno of the file, and there must be another one."""
        one, = (c for c in self.of_file(C, "c", [self.row(C, "-EINVAL", "-E?")])
                if c.operator == "errno")
        self.assertEqual(one.change, "-EINVAL -> -ENOMEM")
        text = "fn f() { Err(EINVAL) }\n"
        self.assertEqual(self.of_file(text, "rust", [self.row(text, "EINVAL", "E?")]), [])

    def test_for_tests(self) -> None:
        """What is there for KUnit alone is no mutant."""
        self.assertFalse([c for c in self.of_file(C, "c", [self.row(C, "-ENOMEM", "0")])
                          if c.operator == "errno"])

    def test_letters(self) -> None:
        """Offsets count bytes, whatever letters a comment has."""
        text = C.replace(
            "{\n\tunsigned", "{\n\t/* \u00e9\u20ac */\n\tunsigned", 1)
        raw = text.encode()
        start = raw.index(b"-EINVAL")
        found = self.of_file(text, "c", [{"function": "f", "operator": "errno", "edits": [
            [start, start + 7, "-E?"]]}])
        self.assertEqual(sorted(one.operator for one in found), ["errno", "irq", "ordering"])
        for one in found:
            after = candidate.apply(raw, one.edits).decode()
            self.assertRegex(after, {"errno": r"return -ENOMEM", "irq": r"spin_lock\(&a->lock\)",
                                     "ordering": r"WRITE_ONCE\(\* +&a->x"}[one.operator])
            self.assertIn("/* \u00e9\u20ac */", after)

    def test_flags(self) -> None:
        """Of kbuild's command clang is told all but what is made, and of what."""
        self.assertEqual(
            find.flags("clang -Wp,-MMD,x.d -I/a -Werror=foo -DX='\"a\"' -DP=$(pound)$$ "
                       "-c -o x.o /k/x.c ; objtool x.o"),
            ["-I/a", '-DX="a"', "-DP=#$"])


class TestChoose(unittest.TestCase):
    """kplib.mutate.choose"""

    def test_spread(self) -> None:
        """Pairs and languages have as many, operators in turn, and other lines first."""
        every = [make(op, line, pair, language) for pair in ("ring", "tlv")
                 for language in ("c", "rust") for op in ("relational", "statement", "constant")
                 for line in range(40)]
        found = choose.choose(every, 24, 1)
        self.assertEqual(len(set(found)), 24)
        for pair in ("ring", "tlv"):
            for language in ("c", "rust"):
                mine = [c for c in found if (c.pair, c.language) == (pair, language)]
                self.assertEqual(len(mine), 6)
                self.assertEqual(len({c.line for c in mine}), 6)
                self.assertEqual({sum(c.operator == op for c in mine)
                                  for op in ("relational", "statement", "constant")}, {2})

    def test_seed(self) -> None:
        """A seed gives the same ones, another one others; no more than there are."""
        every = [make(line=line) for line in range(100)]
        self.assertEqual(choose.choose(every, 9, 1), choose.choose(every, 9, 1))
        self.assertNotEqual(choose.choose(every, 9, 1), choose.choose(every, 9, 2))
        self.assertEqual(len(choose.choose(every, 900, 1)), 100)

    def test_unseen(self) -> None:
        """What no oracle can see is not taken."""
        self.assertEqual(choose.choose([make("ordering")], 9, 1), [])

    def test_diff(self) -> None:
        """The lines that a diff adds, of each file."""
        lines = choose.changed_lines(
            "--- a/kmod/ring.c\n+++ b/kmod/ring.c\n@@ -3 +3,2 @@ f\n-x\n+y\n+z\n"
            "@@ -9,2 +10,0 @@\n-x\n-y\n--- /dev/null\n+++ b/kmod/new.c\n@@ -0,0 +1 @@\n+a\n")
        self.assertEqual(lines, {"kmod/ring.c": {3, 4}, "kmod/new.c": {1}})
        self.assertEqual([c.line for c in choose.within(
            [make(line=n) for n in range(9)], lines)], [3, 4])

    def test_all_lines(self) -> None:
        """A mutant of several lines is in a change of any of them."""
        text = b"int f(void)\n{\n\tg(a,\n\t  b);\n\th();\n}\n"
        one = candidate.make("ring", "c", "kmod/ring.c", text, "f", "statement",
                             [(text.index(b"g("), text.index(b";"), "(void)0\n")])
        self.assertEqual((one.line, one.lines), (3, (3, 4)))
        self.assertEqual([choose.within([one], {"kmod/ring.c": {n}}) for n in (2, 3, 4, 5)],
                         [[], [one], [one], []])

    def test_revision(self) -> None:
        """A revision that there is not is refused, and so is an option of git's."""
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(Refused, "in no repository of git"):
                choose.since("HEAD", Path(folder))
            self.git(folder, "init", "-q")
            for word, why in (("nope", "IN_DIFF=nope: git knows no such revision"),
                              (f"--output={folder}/x", "give a revision")):
                with self.assertRaisesRegex(Refused, why):
                    choose.since(word, Path(folder))
            self.assertEqual([path.name for path in Path(folder).iterdir()], [".git"])

    @staticmethod
    def git(folder: str, *words: str) -> None:
        """Have git do something."""
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=folder,
                       check=True, stdout=subprocess.DEVNULL)

    def test_repository(self) -> None:
        """Lines are found in a folder of a repository too, whatever git shows a person; all of
        a new file."""
        with tempfile.TemporaryDirectory() as folder:
            mine = Path(folder) / "kparity"
            (mine / "kmod").mkdir(parents=True)
            (mine / "kmod/ring.c").write_text("a\nb\nc\n")
            self.git(folder, "init", "-q")
            self.git(folder, "add", ".")
            self.git(folder, "commit", "-qm", "x")
            (mine / "kmod/ring.c").write_text("a\nx\nc\n")
            (mine / "kmod/new.c").write_text("a\nb\n")
            for name, value in (("diff.mnemonicPrefix", "true"), ("diff.noprefix", "true")):
                self.git(folder, "config", name, value)
                found = choose.since("HEAD", mine)
                self.assertEqual(found["kmod/ring.c"], {2})
                self.assertLessEqual({1, 2}, found["kmod/new.c"])


def elf(code: bytes, symbols: list[bytes], relocations: list[tuple[int, int]],
        debug: bytes = b"", size: int = 0) -> bytes:
    """An object with code, a symbol table, relocations of the code, and debug information."""
    strings = b"\0" + b"".join(name + b"\0" for name in symbols)
    table = bytes(24) + b"".join(
        struct.pack("<IBBHQQ", strings.index(b"\0" + name + b"\0") + 1, 16, 0, 0, 0, 0)
        for name in symbols)
    moved = b"".join(struct.pack("<QQq", at, symbol + 1 << 32 | 2, -4)
                     for at, symbol in relocations)
    names = b"\0.bss\0.text\0.rela.text\0.symtab\0.strtab\0.debug_info\0.shstrtab\0"
    bodies = [(b".text", 1, 6, code, 0, 0), (b".rela.text", 4, 0, moved, 3, 1),
              (b".symtab", 2, 0, table, 4, 0), (b".strtab", 3, 0, strings, 0, 0),
              (b".debug_info", 1, 0, debug, 0, 0), (b".shstrtab", 3, 0, names, 0, 0)]
    data, heads = bytearray(64), [bytes(64)]
    for name, kind, flags, body, link, info in bodies:
        heads.append(struct.pack("<IIQQQQIIQQ", names.index(name + b"\0"), kind, flags, 0,
                                 len(data), len(body), link, info, 1, 0))
        data += body
    if size:
        heads.insert(-1, struct.pack("<IIQQQQIIQQ", names.index(b".bss\0"), 8, 3, 0, len(data),
                                     size, 0, 0, 1, 0))
    data[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", data, 0x28, len(data))
    struct.pack_into("<HHH", data, 0x3a, 64, len(heads), len(heads) - 1)
    return bytes(data) + b"".join(heads)


class TestObjcode(unittest.TestCase):
    """kplib.mutate.objcode"""

    def test_same(self) -> None:
        """Debug information and the order of symbols are no code."""
        one = objcode.parts(elf(b"\xe8\0\0\0\0", [b"a", b"b"], [(1, 0)], b"line 1"))
        other = objcode.parts(elf(b"\xe8\0\0\0\0", [b"b", b"a"], [(1, 1)], b"line 22"))
        self.assertEqual(one, other)
        self.assertEqual(objcode.code(one), [b"\xe8\0\0\0\0"])

    def test_other(self) -> None:
        """Another instruction is, and so is another function that is called."""
        one = objcode.parts(elf(b"\xe8\0\0\0\0", [b"a", b"b"], [(1, 0)]))
        self.assertNotEqual(one, objcode.parts(elf(b"\xe9\0\0\0\0", [b"a", b"b"], [(1, 0)])))
        self.assertNotEqual(one, objcode.parts(elf(b"\xe8\0\0\0\0", [b"a", b"b"], [(1, 1)])))

    def test_bss(self) -> None:
        """A variable that is larger changes nothing but a size."""
        one, other = (objcode.parts(elf(b"\xc3", [], [], size=size)) for size in (8, 16))
        self.assertNotEqual(one, other)
        self.assertEqual(objcode.code(one), objcode.code(other))

    def test_no_object(self) -> None:
        """What is no object is not taken for an empty one."""
        with self.assertRaises(ValueError):
            objcode.parts(b"#!/bin/sh")


class TestRecords(unittest.TestCase):
    """kplib.mutate.record"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = Path(folder.name)

    def test_kept(self) -> None:
        """What is written is read again; a damaged file has nothing."""
        state = State(self.top / "mutants/state.json")
        state.mechanical["a"] = Record(KILLED, "lockstep", "c->c", "base", "check", True, 1.5, 2.0,
                                       "why", "now")
        state.planted["b"] = Record(SURVIVED, bound="now")
        state.write()
        self.assertEqual(State.read(state.path), state)
        state.path.write_text(state.path.read_text()[:-9])
        self.assertEqual(State.read(state.path).mechanical, {})
        state.path.write_text('{"version": 0, "mechanical": {}, "planted": {}}')
        self.assertEqual(State.read(state.path).planted, {})

    def test_fresh(self) -> None:
        """A record of other files is not used, nor one that says nothing."""
        rows = {"a": Record(KILLED, bound="now"), "b": Record(ERROR, bound="now")}
        self.assertEqual(record.fresh(rows, "a", "now"), rows["a"])
        self.assertEqual([record.fresh(rows, *at) for at in (
            ("a", "then"), ("b", "now"), ("c", "now"))], [None] * 3)

    def test_bound(self) -> None:
        """A pair's records hold for its own files and the common ones, not for other pairs'."""
        for name, text in (("Kbuild", "PAIRS ?= ring tlv\n"), ("kmod/ring.c", "a"),
                           ("kmod/tlv.c", "b"), ("kmod/contract/tlv.h", "c"),
                           ("kmod/engine/main.c", "d"), ("tests/kunit/tlv_kunit.c", "e"),
                           ("tests/regress/tlv/one", "f"), ("rust-stub/tlv.rs", "g")):
            (self.top / name).parent.mkdir(parents=True, exist_ok=True)
            (self.top / name).write_text(text)
        before = record.bound("ring", top=self.top)
        for name in ("kmod/tlv.c", "kmod/contract/tlv.h", "tests/kunit/tlv_kunit.c",
                     "tests/regress/tlv/one", "rust-stub/tlv.rs"):
            (self.top / name).write_text("other")
            self.assertEqual(record.bound("ring", top=self.top), before, name)
        for name in ("kmod/engine/main.c", "kmod/ring.c", "scripts/kplib/judge/verdicts.py",
                     "scripts/mutate-c.c"):
            now = record.bound("ring", top=self.top)
            (self.top / name).parent.mkdir(parents=True, exist_ok=True)
            (self.top / name).write_text("other")
            self.assertNotEqual(record.bound("ring", top=self.top), now, name)
        self.assertNotEqual(record.bound("ring", "more", top=self.top),
                            record.bound("ring", top=self.top))


class TestScore(unittest.TestCase):
    """kplib.mutate.score"""

    def score(self, *outcomes: str, planted: str = KILLED) -> score.Score:
        """A score of mutants of which that became."""
        bug = score.Planted("ring-x", "ring", "lifetime", "fault:fault",
                            Record(planted, "fault", "c->c", "fault", why="no FAIL"))
        return score.Score((bug,), tuple(
            score.Ran(make(line=n), Record(what, "lockstep" if what == KILLED else "",
                                           variant="base", kill=1.0 + n), ("-a", "+b"))
            for n, what in enumerate(outcomes)), {make(line=1).name: "it prints alone"})

    def test_share(self) -> None:
        """Of those alone that compile and differ."""
        found = self.score(*[KILLED] * 17, *[SURVIVED] * 3, EQUIVALENT, UNCOMPILED)
        self.assertEqual((found.judged, found.share, found.good), (20, 0.85, True))
        self.assertFalse(self.score(*[KILLED] * 16, *[SURVIVED] * 3).good)
        self.assertTrue(self.score().good)
        # Nothing at all is no good result.
        self.assertFalse(score.Score((), (), {}).good)
        self.assertFalse(replace(self.score(EQUIVALENT, UNCOMPILED), planted=()).good)

    def test_each_pair(self) -> None:
        """Each pair has to have its share, whatever the others have."""
        found = self.score(*[KILLED] * 20)
        found = replace(found, ran=found.ran + tuple(
            score.Ran(make(line=n, pair="tlv"), Record(what))
            for n, what in enumerate((KILLED, SURVIVED))))
        self.assertGreater(found.share, score.LEAST)
        self.assertEqual((found.short, found.failed, found.good), (["tlv"], True, False))
        self.assertIn("too few killed of tlv", score.show(found))

    def test_unknown(self) -> None:
        """What could not be judged was not killed; too few are so whatever becomes of it."""
        found = self.score(*[KILLED] * 17, *[SURVIVED] * 2, ERROR)
        self.assertEqual((found.share, found.failed, found.good), (0.85, False, False))
        self.assertIn("killed: 17 of 20, 85.0 %", score.show(found))
        self.assertIn("1 of these could not be judged", score.show(found))
        self.assertFalse(self.score(KILLED, ERROR, ERROR).failed)
        self.assertTrue(self.score(KILLED, ERROR, SURVIVED).failed)

    def test_bad(self) -> None:
        """A planted bug that is missed, and a mutant that nothing is known of."""
        self.assertFalse(self.score(KILLED, planted=SURVIVED).good)
        self.assertFalse(self.score(KILLED, ERROR).good)
        self.assertIn("MISSED ring-x: fault:fault: no FAIL",
                      score.show(self.score(KILLED, planted=SURVIVED)))

    def test_shown(self) -> None:
        """Tables, times, and each survivor with its place, its change and its reason."""
        said = score.show(self.score(KILLED, SURVIVED, KILLED, SURVIVED))
        for line in ("killed: 2 of 4, 50.0 % (at least 85 % must be, of each pair as well)",
                     "time to kill: p50 2.0 s, p90 3.0 s, max 3.0 s; 0 took the guest with them",
                     "  kmod/ring.c:1 ring c f relational: 1 -> x", "    -a", "    it prints alone",
                     "    NO REASON is written in tests/mutants/survivors",
                     "planted bugs: 1 of 1 seen by the oracle that their patch names"):
            self.assertIn(line, said.splitlines())
        self.assertIn("take them out", score.show(self.score(KILLED, KILLED)))
        found = score.to_json(self.score(KILLED, SURVIVED))
        self.assertEqual((found["killed"], found["survived"], found["good"]), (1, 1, False))
        self.assertEqual(found["mechanical"][1]["reason"], "it prints alone")

    def test_reasons(self) -> None:
        """A name, and lines that are indented; each name once, with a reason."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "survivors"
            self.assertEqual(score.reasons(path), {})
            path.write_text("# of nothing\n\na: b -> c\n    one\n    two\n")
            self.assertEqual(score.reasons(path), {"a: b -> c": "one two"})
            for text, why in (("a\n", "a has no reason"), ("  a\n", "a reason of no mutant"),
                              ("a\n  b\na\n  c\n", "a is there twice")):
                path.write_text(text)
                with self.assertRaisesRegex(EnvironmentFailed, why):
                    score.reasons(path)


class TestTrial(unittest.TestCase):
    """kplib.selftest.trial"""

    def test_first(self) -> None:
        """The case that a guest was lost in tells more than others that failed."""
        bad = [ktap.Verdict("ring", "outcomes", "c->c", ktap.ERROR, ()),
               ktap.Verdict("ring", "spsc", "c->c", ktap.FAIL, ()),
               ktap.Verdict("ring", "atomic", "c->rust", ktap.ERROR, ("hung",))]
        at = SimpleNamespace(suite="ring", case="atomic", path="c->rust")

        def first(*losses: Any, verdicts: Any = tuple(bad)) -> ktap.Verdict | None:
            return trial._first(SimpleNamespace(losses=losses), list(verdicts))  # type: ignore

        self.assertEqual(first(SimpleNamespace(at=at)), bad[2])
        self.assertEqual(first(), bad[1])
        self.assertEqual(first(verdicts=bad[:1]), bad[0])
        self.assertIsNone(first(verdicts=[ktap.Verdict("ring", "len", "", ktap.PASS, ())]))

    def test_seen(self) -> None:
        """A case that failed and a guest that the mutant took with it show it, and no more does."""
        failed = ktap.Verdict("ring", "len", "c->c", ktap.FAIL, ())
        error = ktap.Verdict("ring", "len", "c->c", ktap.ERROR, ("kparity could not judge it",))

        def seen(*verdicts: ktap.Verdict, lost: str | None = None, what: str = "",
                 notes: tuple[str, ...] = ()) -> ktap.Verdict | None:
            result = LaneResult(CHECK, lost=lost, losses=[
                Loss(CaseId("ring", "len", "c->c"), what, notes=notes)] if what else [])
            return trial.seen(result, list(verdicts))

        self.assertEqual(seen(failed), failed)
        self.assertEqual(seen(error, failed), failed)
        self.assertEqual(seen(error, what="it panicked"), error)
        outside = seen(what="it panicked")
        assert outside is not None
        self.assertEqual((outside.case, outside.log), ("guest", ("it panicked",)))
        self.assertIsNone(seen())
        with self.assertRaisesRegex(EnvironmentFailed, "ring len c->c: kparity could not"):
            seen(error)
        with self.assertRaisesRegex(EnvironmentFailed, "no memory"):
            seen(lost="no memory")
        for what in ("is gone: QEMU failed while", "got no CPU for",
                     "QEMU was killed from outside"):
            with self.subTest(what), self.assertRaises(EnvironmentFailed):
                seen(error, what=what)
        with self.assertRaises(EnvironmentFailed):
            seen(what="it panicked", notes=("another guest was booted",))

    def test_lanes(self) -> None:
        """A mutant runs in the lanes that the arch has."""
        kinds = variants.load_all(pairs.TOP / "qemu/variant")
        for name, has in (("x86_64", False), ("arm64", True)):
            arch = archs.load_all(pairs.TOP / "qemu/arch")[name]
            setup = Setup(request.parse([], {}), None, SimpleNamespace(  # type: ignore[arg-type]
                arch=arch, variant=kinds["base"]))
            found = trial.setups_of({"base": setup}, "ring")["base"].request
            self.assertEqual(("order" in found.lanes, "irq" in found.lanes), (has, True))


class TestCampaign(unittest.TestCase):
    """kplib.selftest.campaign: what goes on after an interruption, and what is kept"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        patch = self.folder / "ring-x.patch"
        patch.write_text("Pair: ring\nCategory: errors\nCaught-by: lockstep c->c\n")
        self.campaign = campaign.Campaign(
            None, State(self.folder / "state.json"),  # type: ignore[arg-type]
            [make(line=1), make(line=2), make(line=3, pair="tlv")], [mutants.load(patch)],
            {"ring": "now", "tlv": "then"})

    def end(self, name: str, report: Report) -> None:
        """A job ends."""
        self.campaign.take(Ended(Job(name, "mutants", lambda _: report), report, 0.0, 2.5))

    def test_resumes(self) -> None:
        """What has a record of the files as they are is not run again."""
        one, two, three = self.campaign.chosen
        self.assertEqual(len(self.campaign.left(True)[0]), 3)
        self.end(one.name, Report(text=Record(KILLED, "lockstep", "c->c").to_json()))
        self.end("mutant ring-x", Report((Outcome("ring-x", "passed"),)))
        kept = State.read(self.folder / "state.json")
        self.assertEqual(kept, self.campaign.state)
        self.assertEqual(self.campaign.left(True), ([two, three], []))
        self.campaign.now["ring"] = "later"
        self.assertEqual(len(self.campaign.left(True)[0]), 3)
        self.assertEqual(len(self.campaign.left(True)[1]), 1)

    def test_survivors(self) -> None:
        """What survives in base runs in the others, and is not run there twice."""
        one, two, three = self.campaign.chosen
        self.end(one.name, Report(text=Record(SURVIVED, kill=1.0, looked=campaign.FIRST).to_json()))
        self.assertEqual((self.campaign.left(True)[0], self.campaign.left(False)[0]),
                         ([two, three], [one]))
        self.end(one.name, Report(text=Record(KILLED, "fault", variant="fault", kill=2.0,
                                              looked=campaign.THEN).to_json()))
        found = self.campaign.state.mechanical[one.name]
        self.assertEqual((found.kill, found.looked), (3.0, trial.VARIANTS))
        self.end(two.name, Report(text=Record(SURVIVED, looked=campaign.FIRST).to_json()))
        self.end(two.name, Report(text=Record(SURVIVED, looked=campaign.THEN).to_json()))
        self.assertEqual(self.campaign.left(False)[0], [])

    def test_failures(self) -> None:
        """A job that died says nothing of its mutant; one that was not run leaves no record."""
        one, two, _ = self.campaign.chosen
        self.end(one.name, Report((Outcome(one.name, FAILED, "its process died"),)))
        self.end(two.name, Report((Outcome(two.name, FAILED, "not run, as modules failed"),)))
        self.assertEqual({name: row.outcome for name, row in
                          self.campaign.state.mechanical.items()}, {one.name: ERROR})
        self.assertEqual(len(self.campaign.left(True)[0]), 3)
        self.end("mutant ring-x", Report((Outcome("ring-x", FAILED, "no FAIL in lockstep"),)))
        self.assertEqual(self.campaign.state.planted["ring-x"].outcome, SURVIVED)
        before = self.campaign.state.planted["ring-x"]
        self.end("mutant ring-x", Report((Outcome("ring-x", FAILED, "not run, as x failed"),)))
        self.assertEqual(self.score().planted[0].record.outcome, ERROR)
        self.campaign.state.planted["ring-x"] = before
        # Its run can have been disturbed.
        self.assertEqual(len(self.campaign.left(True)[1]), 1)
        for why in ("its process died: killed by SIGKILL", "took longer than 1800 s"):
            self.end("mutant ring-x", Report((Outcome("ring-x", FAILED, why),)))
            self.assertEqual(self.campaign.state.planted["ring-x"].outcome, ERROR)

    def score(self) -> score.Score:
        """The score, of mutants that no file has."""
        with mock.patch.object(campaign, "TOP", self.folder), \
                mock.patch.object(candidate, "diff", return_value=[]):
            for name in ("ring", "tlv"):
                (self.folder / "kmod").mkdir(exist_ok=True)
                (self.folder / f"kmod/{name}.c").write_text("x")
            return self.campaign.score()

    def test_stale(self) -> None:
        """Records of other files are no score; where nothing could be run that is an error."""
        for one in self.campaign.chosen:
            self.end(one.name, Report(text=Record(KILLED, "lockstep", "c->c").to_json()))
        self.end("mutant ring-x", Report((Outcome("ring-x", "passed"),)))
        req = request.parse([], {})
        self.assertTrue(self.score().good)
        self.assertEqual(campaign._status(self.score(), req), OK)
        self.assertEqual(campaign._status(self.score(), req, 1), BROKEN)
        self.campaign.now = {"ring": "later", "tlv": "later"}
        for name in (*(one.name for one in self.campaign.chosen), "mutant ring-x"):
            self.end(name, Report((Outcome(name, FAILED, "not run, as suites failed"),)))
        self.assertEqual(self.campaign.unrun, 4)
        found = self.score()
        self.assertEqual((found.count(ERROR), found.planted[0].record.outcome), (3, ERROR))
        self.assertEqual(campaign._status(found, req, self.campaign.unrun), BROKEN)
        self.assertEqual(campaign._status(found, req), BROKEN)

    def test_nothing(self) -> None:
        """A campaign in which nothing is judged is refused, before it or at its end."""
        req = request.parse(["PAIR=ring", "IN_DIFF=HEAD"], {})
        with self.assertRaisesRegex(Refused, "IN_DIFF=HEAD: no mutant .*; nothing was judged"):
            campaign._taken(req, [make(line=3)], [], {"kmod/ring.c": {4}})
        one = make(line=1)
        with self.assertRaisesRegex(Refused, "compiles and changes .*; nothing was judged"):
            campaign._status(score.Score((), (score.Ran(one, Record(UNCOMPILED)),), {}), req)

    def test_own_tree(self) -> None:
        """Nothing is known of another kernel tree's files: no record is used twice."""
        req = request.parse(["PAIR=ring"], {})
        self.assertEqual(campaign._bounds(req, "k"), campaign._bounds(req, "k"))
        self.assertNotEqual(campaign._bounds(req, "k"),
                            campaign._bounds(replace(req, accel="tcg"), "k"))
        own = replace(req, kernel_src=self.folder)
        self.assertNotEqual(campaign._bounds(own, "k"), campaign._bounds(own, "k"))

    def test_refused(self) -> None:
        """Variables that change what is run; those of this verb with another."""
        for word in ("LANE=check", "PROGRAMS=3", "VARIANT=debug", "DEPTH=quick", "PART=unit",
                     "SILENCE=5"):
            with self.assertRaisesRegex(Refused, "not for make mutants"):
                campaign._refuse(request.parse([word], {}))
        for word in ("ARCH=all", "ARCH=arm64"):
            with self.assertRaisesRegex(Refused, "give ARCH=x86_64"), \
                    mock.patch.object(platform, "machine", return_value="x86_64"):
                campaign._refuse(request.parse([word], {}))
        with self.assertRaisesRegex(Refused, "IN_DIFF: for make mutants"):
            verbs.carry_out("run", request.parse(["IN_DIFF=HEAD"], {}))
        self.assertEqual(request.parse(["MUTANTS=7", "IN_DIFF=HEAD~"], {}).mutants, 7)
        with self.assertRaisesRegex(Refused, "MUTANTS=none"):
            request.parse(["MUTANTS=none"], {})


class TestFiles(unittest.TestCase):
    """tests/mutants"""

    def test_categories(self) -> None:
        """Each planted bug says what it is about."""
        for mutant in mutants.load_all(pairs.shipped()):
            with self.subTest(mutant.name):
                self.assertIn(mutant.category, mutants.CATEGORIES)

    def test_lists(self) -> None:
        """Each line of the sample and of the survivors is of a pair and an operator."""
        names = [line for line in parts.SAMPLE.read_text().splitlines()
                 if line and not line.startswith("#")]
        self.assertEqual(len(names), len(set(names)))
        for name in (*names, *score.reasons(campaign.SURVIVORS)):
            with self.subTest(name):
                pair, language, rest = name.split(maxsplit=2)
                self.assertIn(pair, pairs.shipped())
                self.assertIn(language, ("c", "rust"))
                self.assertIn(rest.partition(": ")[0].split()[-1], candidate.OPERATORS)


if __name__ == "__main__":
    unittest.main()
