# SPDX-License-Identifier: GPL-2.0
"""Pairs with an object, outside of this repository: one with a suite, and the scaffold's.

The methods of tests/live/pairs/slate have each kind of parameter. One run has bugs in its
port, of which one shows in the case of its own suite alone. The constructor of
tests/live/pairs/badge has each kind as well; there a bug shows before there is an object.
"""

import re
import subprocess
import unittest

from kplib.selftest import schema

from .live import PAIRS, TOP, PairsTest, cases, needs, needs_kernel

#: A text that the port has once, its replacement, and the smallest program that shows it.
BUGS = (
    ("map_or(first, |(last, _)| last)", "map_or(0, |(last, _)| last)",
     r"slate size=2 kind=SLATE_PLAIN\n(put|write) (.*\n)+find \d+$"),
    ("        to[..nr].copy", "        to.fill(0);\n        to[..nr].copy",
     r"slate size=1 kind=SLATE_PLAIN\n(put \d+|write \".\")\nread 2$"),
    ("contains(&kind)", "contains(&(kind & i32::MAX as u32))", r"slate size=1 kind=2147483648$"),
    ("c.to_ascii_uppercase()", "c.to_ascii_uppercase() - u8::from(c == b'z')",
     r"slate size=1 kind=SLATE_UPPER\nput 122$"),
    ("        *nr = (*nr).min(text.used as u32);",
     "        *nr = (*nr).min(text.used.min(8) as u32);",
     r"slate size=9 kind=SLATE_PLAIN\n(.*\n)+cut 9$"),
)


@needs_kernel
@needs("base", seconds=60)
class TestObjects(PairsTest):
    """tests/live/pairs/slate"""

    def test_right(self) -> None:
        """A right port passes in both lanes, with its own case; nothing is written there."""
        before = sorted((path, path.stat().st_mtime_ns) for path in self.pairs.rglob("*"))
        ended = self.kparity("slate", "ACCEL=tcg")
        self.assertEqual(ended.status, 0, ended.show())
        self.assertEqual(before, sorted((path, path.stat().st_mtime_ns)
                                        for path in self.pairs.rglob("*")))
        rows = cases(ended.results())
        self.assertEqual({rows["slate", "apart", path]["status"] for path in
                          ("c->c", "c->rust", "rust->c", "rust->rust")}, {"pass"})
        figures = ended.results()["pairs"]["slate"]["instructions"]
        self.assertEqual(set(figures) - {"noop"},
                         {"put", "write", "read", "find", "cut", "slate_upper",
                          "create", "destroy"})
        outcomes = ended.results()["pairs"]["slate"]["outcomes"]
        self.assertEqual({op: list(rows) for op, rows in outcomes.items()},
                         {"put": ["success", "-ENOSPC"], "write": ["success", "-ENOSPC"],
                          "read": ["success", "-ENODATA"], "find": ["success", "false"],
                          "cut": ["success"], "slate_upper": ["success"],
                          "create": ["success", "-EINVAL"], "destroy": ["success"]})
        first = ended.results()["pairs"]["slate"]["first"]
        self.assertEqual({op: set(rows) for op, rows in first.items()} | {
            "create": {"success", "-EINVAL"}}, {op: set(rows) for op, rows in outcomes.items()})
        for rows in (*outcomes.values(), *first.values()):
            for row in rows.values():
                self.assertEqual(set(row), {"c->c", "c->rust", "rust->c", "rust->rust"})
        # No call of these runs into what the allocator has in stock.
        for op, spread in (("create", 4), ("destroy", 0)):
            for path, cost in outcomes[op]["success"].items():
                self.assertLessEqual(cost["max"] - cost["min"], spread, (op, path))
        # With an empty stock an allocation costs more than ever behind it.
        made = outcomes["create"]["success"]["c->c"]
        self.assertGreater(first["create"]["success"]["c->c"], made["max"])

    def test_wrong(self) -> None:
        """All bugs are told by one run, each as its smallest program."""
        for old, new, _ in BUGS:
            self.edit("slate/slate.rs", old, new)
        ended = self.kparity("slate", "ACCEL=tcg", "LANE=check")
        self.assertEqual(ended.status, 1, ended.show())
        self.assertEqual(list(schema.unlike(ended.results())), [])
        rows = cases(ended.results())
        for path in ("c->c", "rust->c"):
            self.assertEqual(rows["slate", "lockstep", path]["status"], "pass")
        for path in ("c->rust", "rust->rust"):
            row = rows["slate", "lockstep", path]
            self.assertEqual(row["status"], "fail")
            programs = ["\n".join(failure["program"]) for failure in row["failures"]]
            for _, _, program in BUGS:
                self.assertTrue([text for text in programs if re.match(program, text)],
                                f"{program} is not in {programs}")
            self.assertEqual(rows["slate", "apart", path]["status"], "pass")

    def test_never_met(self) -> None:
        """An errno that a row lists and nothing gives is told, but for that of memory."""
        for old, new in (("slate *, -EINVAL, -ENOMEM)", "slate *, -EINVAL, -ENOMEM, -EPERM)"),
                         ("KP_RESULT(u32, -ENODATA)", "KP_RESULT(u32, -EIO, -ENODATA, -ENOMEM)")):
            self.edit("slate/contract.h", old, new)
        ended = self.kparity("slate", "ACCEL=tcg", "LANE=check")
        self.assertEqual(ended.status, 1, ended.show())
        rows = cases(ended.results())
        self.assertEqual({case for (_, case, _), row in rows.items() if row["status"] == "fail"},
                         {"outcomes"}, ended.show())
        for path in ("c->c", "c->rust", "rust->c", "rust->rust"):
            said = [line.partition(" on ")[0].strip() for line in
                    rows["slate", "outcomes", path]["log"] if "never" in line]
            self.assertEqual(said, ["create: never gave -EPERM", "read: never gave -EIO"])

    def test_edges(self) -> None:
        """An object is made with each edge of one number, and with the other one as it may be."""
        self.edit("slate/slate.c", "\tstruct slate *slate;\n\n\tif (!size ||",
                  "\tstruct slate *slate;\n\n\tpr_notice(\"made %u %u\\n\", size, (u32)kind);\n"
                  "\tif (!size ||")
        self.edit("slate/slate.c", "#include <linux/slab.h>\n",
                  "#include <linux/printk.h>\n#include <linux/slab.h>\n")
        ended = self.kparity("slate", "ACCEL=tcg", "LANE=check", "CASE=lockstep", "PROGRAMS=1")
        self.assertEqual(ended.status, 0, ended.show())
        text = (ended.folder() / "check.console").read_text()
        made = {(int(size), int(kind)) for size, kind in re.findall(r"made (\d+) (\d+)", text)}
        sizes = {size for size, kind in made if kind in (0, 5)}
        self.assertLessEqual({0, 1, 2, 32, 63, 64, 65, 128, 320, 1 << 31,
                              64 | 1 << 16, 1 | 1 << 31, (1 << 32) - 1}, sizes)
        kinds = {kind for size, kind in made if 1 <= size <= 64}
        self.assertLessEqual({1 << bit for bit in range(32)}, kinds)

    def test_own_case(self) -> None:
        """A bug that no program of one object shows fails in the pair's own case alone."""
        subprocess.run(["git", "apply", "-p1", PAIRS / "slate/mutants/rust-one-kind.patch"],
                       check=True, cwd=self.pairs / "slate",
                       env={"GIT_CEILING_DIRECTORIES": str(self.pairs), "PATH": "/usr/bin:/bin"})
        ended = self.kparity("slate", "ACCEL=tcg", "LANE=check")
        self.assertEqual(ended.status, 1, ended.show())
        rows = cases(ended.results())
        self.assertEqual({(case, path) for (_, case, path), row in rows.items()
                          if row["status"] == "fail"},
                         {("apart", "c->rust"), ("apart", "rust->rust")}, ended.show())
        self.assertRegex("\n".join(rows["slate", "apart", "rust->rust"]["log"]),
                         "broken: apart: kp_once")


#: The same of the constructor of badge: the arguments of the program, and what is broken.
MADE = (
    # Ignores the last character of a text.
    ("copied(name)?", "copied(&name[..name.len() - 1])?", 'name="a" table="" data=""', None),
    # Reads a byte too few of user memory.
    ("read_slice(&mut bytes)?;",
     "read_slice(bytes.split_last_mut().map_or(&mut [], |(_, rest)| rest))?;",
     'name="a" table="" data="a"', None),
    # Writes to bytes that it is to read.
    ("        let (name, table) = (copied(name)?, copied(table)?);",
     "        let given = table;\n        let (name, table) = (copied(name)?, copied(table)?);\n\n"
     "        if let Some(first) = given.first() {\n"
     "            // SAFETY: There is one. But it is not this side's to change.\n"
     "            unsafe { core::ptr::from_ref(first).cast_mut().write_volatile(1) };\n        }",
     'name="a" table="a" data=""', "wrote to an argument that it may only read"),
)


@needs_kernel
@needs("base", seconds=60)
class TestCreation(PairsTest):
    """tests/live/pairs/badge"""

    def test_right(self) -> None:
        """A right port passes in both lanes, with programs of all kinds and a case of its own."""
        ended = self.kparity("badge", "ACCEL=tcg")
        self.assertEqual(ended.status, 0, ended.show())
        rows = cases(ended.results())
        for case in ("lockstep", "regress", "apart"):
            self.assertEqual(rows["badge", case, "rust->rust"]["status"], "pass")

    def test_wrong(self) -> None:
        """A bug in what the object is made of is told as the first line of a program alone."""
        right = (self.pairs / "badge/badge.rs").read_text()
        for old, new, made, broken in MADE:
            program = [f"badge {made} options.uses=1 options.flags=0 serial=0"]
            with self.subTest(made):
                self.edit("badge/badge.rs", old, new)
                ended = self.kparity("badge", "ACCEL=tcg", "LANE=check", "CASE=lockstep")
                (self.pairs / "badge/badge.rs").write_text(right)
                self.assertEqual(ended.status, 1, ended.show())
                rows = cases(ended.results())
                for path in ("c->c", "rust->c"):
                    self.assertEqual(rows["badge", "lockstep", path]["status"], "pass")
                for path in ("c->rust", "rust->rust"):
                    told = [(failure["what"], failure["program"],
                             [one["what"] for one in failure["broken"]],
                             {one["made"][:17] for one in failure["results"]})
                            for failure in rows["badge", "lockstep", path]["failures"]]
                    self.assertIn(("create", program, [broken] if broken else [],
                                   {"created, serial 1"}), told)
                    if made.endswith('data="a"'):
                        # Of an array in the state each element is printed, with its sign.
                        said = {one["made"].partition("tail ")[2] for failure in
                                rows["badge", "lockstep", path]["failures"]
                                if failure["program"] == program for one in failure["results"]}
                        self.assertEqual(said, {"[-1 97]", "[-1 0]"})

    def test_kept_pointer(self) -> None:
        """User memory is the caller's again once an object is made of it: it is written over."""
        for old, new in (("\tu32 table_size;\n", "\tu32 table_size;\n\tconst u8 __user *from;\n"),
                         ("\tbadge->size = data_size;\n",
                          "\tbadge->size = data_size;\n\tbadge->from = data;\n"),
                         ("\t\tret = badge->data[at];\n\t}\n\tspin_unlock(&badge->lock);\n",
                          "\t\tret = badge->data[at];\n\t}\n\tspin_unlock(&badge->lock);\n"
                          "\tif (ret >= 0 && get_user(badge->data[at], badge->from + at))\n"
                          "\t\treturn -ERANGE;\n\tif (ret >= 0)\n\t\tret = badge->data[at];\n")):
            self.edit("badge/badge.c", old, new)
        ended = self.kparity("badge", "ACCEL=tcg", "LANE=check", "CASE=lockstep")
        self.assertEqual(ended.status, 1, ended.show())
        row = cases(ended.results())["badge", "lockstep", "c->rust"]
        self.assertIn(['badge name="a" table="" data="a" options.uses=1 options.flags=0 serial=0',
                       "use 0"], [failure["program"] for failure in row["failures"]])

    def test_same(self) -> None:
        """A text that an object is made of and one that an operation is given shrink together."""
        self.edit("badge/badge.rs", "self.name[..] == *name.to_bytes()",
                  "self.name[..] == *name.to_bytes() && self.name.len() < 4")
        ended = self.kparity("badge", "ACCEL=tcg", "LANE=check", "CASE=lockstep")
        self.assertEqual(ended.status, 1, ended.show())
        row = cases(ended.results())["badge", "lockstep", "c->rust"]
        self.assertEqual(
            [['badge name="aaaa" table="" data="" options.uses=1 options.flags=0 serial=0',
              'is "aaaa"']], [failure["program"] for failure in row["failures"]])

    def test_lost(self) -> None:
        """Of an object that takes its guest with it what it is made of becomes plain."""
        self.edit("badge/badge.rs", "        let name = name.to_bytes();\n",
                  "        let room = [0u8; 4];\n"
                  "        let at = core::hint::black_box(table.len());\n"
                  "        let _ = core::hint::black_box(room[at]);\n"
                  "        let name = name.to_bytes();\n")
        ended = self.kparity("badge", "ACCEL=tcg", "LANE=check", "CASE=lockstep")
        (failure,) = cases(ended.results())["badge", "lockstep", "c->rust"]["failures"]
        self.assertEqual((failure["what"], failure["program"]), ("lost", [
            'badge name="" table="aaaa" data="" options.uses=0 options.flags=0 serial=0']))

    def test_lost_uncounted(self) -> None:
        """An object that takes its guest with it while costs are counted is told as well."""
        self.edit("badge/badge.c", "\tspin_lock_init(&badge->lock);\n",
                  "\tspin_lock_init(&badge->lock);\n\t{\n\t\tstatic u32 made;\n\n"
                  "\t\tBUG_ON(++made == 4);\n\t}\n")
        ended = self.kparity("badge", "ACCEL=tcg", "LANE=insn")
        (failure,) = cases(ended.results())["badge_insn", "insn", "c->c"]["failures"]
        self.assertEqual(failure["what"], "lost")
        self.assertRegex(failure["program"][0], "^badge name=.* serial=")

    def test_refused(self) -> None:
        """What is wrong in the first line of a program is told."""
        program = self.folder / "program"
        line = 'badge name="a" table="" data="abc" options.uses=1 options.flags=0 serial=0'
        for old, new, what in (
                ('"abc"', '"abc"@end+4', "data: '4' behind the + is no number of its last bytes"),
                ('"a"', "a", "name: text in double quotes is missing"),
                ("serial=0", "serial=0 @8", "'8' behind the @ is no number from 0 to 7"),
                (" serial=0", "", "badge: serial= is missing"),
                ("serial=0", "serial=", "serial: its value is missing"),
                (' table=""', "", "'data' where table= is expected")):
            program.write_text(f"{line.replace(old, new)}\n")
            ended = self.kparity("badge", "ACCEL=tcg", f"PROGRAM={program}")
            self.assertEqual(ended.status, 2, ended.show())
            self.assertIn(f"line 1: {what}", ended.noted)


@needs_kernel
@needs("base", seconds=60)
class TestScaffold(PairsTest):
    """make new KIND=object DIR=..."""

    def make_pairs(self) -> None:
        subprocess.run([TOP / "scripts/kparity", "new", "PAIR=pot", "KIND=object",
                        f"DIR={self.pairs}"], check=True, stdout=subprocess.DEVNULL)

    def test_verbs(self) -> None:
        """It passes as it was written, with its ledger complete; what was not changed is told."""
        ended = self.kparity("pot")
        self.assertEqual(ended.status, 0, ended.show())
        self.assertIn("pot is still as 'make new' wrote it, at "
                      f"{self.pairs}/pot/contract.h:2, ", ended.said)
        ended = self.kparity("pot", verb="contract")
        self.assertEqual(ended.status, 0, ended.show())
        self.assertIn("\nledger: complete", ended.said)
        self.assertIn("  take: context PROCESS; locks: spinlock; errnos: ENOSPC; ", ended.said)
        (self.pairs / "pot/compile-fail").mkdir()
        (self.pairs / "pot/compile-fail/left.rs").write_text(
            "//! invariant: all_or_nothing\n//! error: E0616\n\nuse super::port;\n\n"
            "fn misuse(pot: &port::Object) {\n    #[cfg(misuse)]\n    let _ = pot.left.lock();\n"
            "    #[cfg(not(misuse))]\n    let _ = pot;\n}\n")
        ended = self.kparity("pot", verb="compile-fail")
        self.assertEqual(ended.status, 0, ended.show())
        self.assertIn("ok   pot/left: E0616", ended.said)

    def test_broken(self) -> None:
        """A port that breaks an invariant ends in a program, and the invariant is named."""
        self.edit("pot/pot.rs", "checked_sub(amount).ok_or(ENOSPC)?", "saturating_sub(amount)")
        ended = self.kparity("pot", "LANE=check")
        self.assertEqual(ended.status, 1, ended.show())
        self.assertRegex(ended.said, r"\n +pot stock=1\n +take 2\n")
        self.assertIn("this path broke its contract: all_or_nothing", ended.said)

    def test_rows(self) -> None:
        """A mistake in a row or a port is told at the user's own line."""
        files = {name: (self.pairs / "pot" / name).read_text()
                 for name in ("contract.h", "pot.rs", "pot.c")}
        own = re.escape(str(self.pairs / "pot"))
        for name, old, new, wanted in (
                ("contract.h", "KP_METHOD(pot_left", "KP_METHD(pot_left",
                 r"contract.h:{at}: error: 'KP_METHD' is no row; is KP_METHOD meant\?"),
                ("contract.h", "KP_NUMBER(u32, amount", "KP_NUMBER(u64, amount",
                 r"contract.h:27:\d+: error: incompatible function pointer types"),
                ("contract.h", "now->left ==", "now->lft ==",
                 r"contract.h:35:\d+: error: no member named 'lft'"),
                ("contract.h", "\tu32 left;\n", "\tu32 left;\n\tu16 more;\n",
                 r"contract.h:33:\d+: error: static assertion failed.*leaves a member out"),
                ("contract.h", "amount, .hi = 30, .beyond = true)",
                 "amount, .hi = 30, .beyond = true), .role = taker",
                 r"contract.h:29: error: pot_left has no .role, and other methods have"),
                ("pot.rs", "struct Object", "struct Pot",
                 r"pot.rs:1: error: no type Object; the object in {own}/contract.h:23 wants "),
                ("pot.rs", "fn take(&self, amount: u32)", "fn take(&self, amount: u64)",
                 r"error\[E0053\]: method `take` has an incompatible type for trait\n"
                 r" +--> {own}/pot.rs:{at}:")):
            with self.subTest(new):
                at = self.edit(f"pot/{name}", old, new)
                ended = self.kparity("pot", "LANE=check")
                self.assertEqual(ended.status, 1, ended.show())
                self.assertRegex(ended.noted, wanted.replace("{at}", str(at)).replace("{own}", own))
                self.assertNotIn("Traceback", ended.noted)
                (self.pairs / "pot" / name).write_text(files[name])


if __name__ == "__main__":
    unittest.main()
