# SPDX-License-Identifier: GPL-2.0
"""Pairs that do not build in a kernel in which others do."""

import contextlib
import io
import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from kplib import served
from kplib.boot.laneresult import LaneResult
from kplib.build import config, kernel, modules, source
from kplib.build.setup import Setup
from kplib.common.errors import EnvironmentFailed, Failed, Refused
from kplib.configure import lanes, pairs, request
from kplib.configure.pairs import TOP
from kplib.configure.request import Request
from kplib.judge import diagnostics, failures, ktap, ledger, results, unbuilt
from kplib.judge.unbuilt import Broken
from kplib.report import terminal
from kplib.shard import join

BUILD = Path("/nowhere/build")
#: What make -k -j1 says of ring and lru, as rustc words it.
RING = f"""\
  RUSTC [M] rust-stub/ring_root.o
error[E0425]: cannot find value `ENODATA` in this scope
   --> {TOP}/rust-stub/ring.rs:169:52
    |
169 |         let (head, slot) = self.front().ok_or(ENODATA)?;
    |                                               ^^^^^^^ not found in this scope

error: aborting due to 1 previous error

make[3]: *** [/k/scripts/Makefile.build:330: rust-stub/ring_root.o] Error 1
"""
LRU = f"""\
  RUSTC [M] rust-stub/lru_root.o
error[E0432]: unresolved import `kernel::sync::new_spinlock_irq`
  --> {TOP}/rust-stub/lru.rs:29:9
   |
29 |         new_spinlock_irq,
   |         ^^^^^^^^^^^^^^^^ no `new_spinlock_irq` in `sync`

error: aborting due to 1 previous error

make[3]: *** [/k/scripts/Makefile.build:330: rust-stub/lru_root.o] Error 1
"""
GLUE = f"""\
error[E0277]: the trait bound `ARef<T>: ForeignOwnable` is not satisfied
   --> {TOP}/rust-stub/glue.rs:373:69

make[3]: *** [/k/scripts/Makefile.build:330: rust-stub/NAME_root.o] Error 1
"""
LAST = """\
  CC [M]  kmod/engine/trace.o
make[2]: *** [/k/Makefile:2011: .] Error 2
make[1]: *** [/k/Makefile:248: __sub-make] Error 2
make[1]: Target 'modules' not remade because of errors.
"""


def blamed(log: str, *names: str) -> tuple[dict[str, Broken], str]:
    """What a log says of some pairs."""
    return unbuilt.of_log(log, [pairs.files(name, None) for name in names], BUILD)


class TestLog(unittest.TestCase):
    """unbuilt.of_log()"""

    def test_each_has_its_own(self) -> None:
        """A pair is blamed for its own target, and has the lines of that alone."""
        found, shared = blamed(RING + LRU + LAST, "ring", "lru", "glob")
        self.assertEqual(shared, "")
        self.assertEqual({pair: one.first for pair, one in found.items()}, {
            "ring": "rust-stub/ring.rs:169: cannot find value `ENODATA` in this scope",
            "lru": "rust-stub/lru.rs:29: unresolved import `kernel::sync::new_spinlock_irq`"})
        self.assertNotIn("spinlock", "".join(found["ring"].lines))

    def test_modpost(self) -> None:
        """What the kernel does not export is the fault of the module that wants it."""
        found, _ = blamed('ERROR: modpost: "iowrite8" [kparity_tlv.ko] undefined!\n'
                          "make[3]: *** [/k/scripts/Makefile.modpost:147: Module.symvers] Error 1"
                          "\n", "ring", "tlv")
        self.assertEqual(list(found), ["tlv"])
        self.assertIn("does not export iowrite8", found["tlv"].first)

    def test_engine(self) -> None:
        """Without the engine there is nothing to run, whatever pair is broken as well."""
        _, shared = blamed(RING + f"  CC [M]  kmod/engine/irq.o\n{TOP}/kmod/engine/irq.c:7:3: "
                           "error: call to undeclared function 'f'\n"
                           "make[3]: *** [/k/x:1: kmod/engine/irq.o] Error 1\n", "ring", "glob")
        self.assertEqual(shared, "kmod/engine/irq.c:7: call to undeclared function 'f'")

    def test_shared_rust(self) -> None:
        """Rust that each pair has is shared where all fail in it, and a pair's where one does."""
        both = GLUE.replace("NAME", "ring") + GLUE.replace("NAME", "lru")
        self.assertIn("rust-stub/glue.rs:373", blamed(both, "ring", "lru")[1])
        found, shared = blamed(both, "ring", "lru", "glob")
        self.assertEqual((shared, list(found)), ("", ["ring", "lru"]))

    def test_nobody(self) -> None:
        """Where nothing says whose fault it is, nobody is blamed."""
        self.assertEqual(blamed(LAST, "ring"), ({}, ""))

    def test_no_message(self) -> None:
        """A target without a message of a compiler's is named by what was said."""
        found, _ = blamed("thread 'rustc' panicked\nmake[3]: *** [/k/x:1: rust-stub/ring_root.o] "
                          "Error 101\n", "ring")
        self.assertEqual(found["ring"].first, "thread 'rustc' panicked")


def _broken(pair: str = "ring", log: str = RING) -> Broken:
    return blamed(log, pair)[0][pair]


class TestRule(unittest.TestCase):
    """What is skipped, and what fails"""

    def test_older(self) -> None:
        """A pair is skipped on an older series only if it builds on the newest."""
        one = unbuilt.on_older(_broken(), "7.2", "7.3", True)
        self.assertEqual(one.status, ktap.SKIP)
        self.assertEqual(one.verdict.log, (
            "linux 7.2 has not what it needs, 7.3 has: rust-stub/ring.rs:169: cannot find value "
            "`ENODATA` in this scope",))
        one = unbuilt.on_older(_broken(), "7.2", "7.3", False, "rust-stub/ring.rs:1: oh")
        self.assertEqual(one.status, ktap.FAIL)
        self.assertIn("not build on 7.3 either: rust-stub/ring.rs:1: oh", one.why)

    def test_not_known(self) -> None:
        """Where nobody knows whether it builds on the newest, it fails, and says what to do."""
        one = unbuilt.on_older(_broken(), "7.2", "7.3", None)
        self.assertEqual(one.status, ktap.FAIL)
        self.assertIn("make run PAIR=ring", one.why)

    def test_tree(self) -> None:
        """In a tree of one's own it fails, with the compiler's lines and what changed."""
        one = unbuilt.in_tree(_broken(), "deadbeef took it away")
        self.assertEqual((one.status, one.verdict.case), (ktap.FAIL, "build"))
        self.assertEqual(one.verdict.log[:2], (
            "rust-stub/ring.rs:169: cannot find value `ENODATA` in this scope",
            "deadbeef took it away"))
        self.assertIn("error[E0425]: cannot find value `ENODATA` in this scope", one.verdict.log)


class TestServed(unittest.TestCase):
    """served.build(), with a make that says what it is told to"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = Path(folder.name)
        (self.cache / "apt").mkdir()
        (self.cache / "apt/kernels.json").write_text(json.dumps(
            {"6.12": "6.12.1-1", "7.2": "7.2.1-1", "7.3": "7.3.4-1"}))
        #: What is said of a build, by series and then the pairs in it.
        self.logs: dict[str, dict[str, str]] = {}
        self.built: list[tuple[str, tuple[str, ...]]] = []

    def request(self, *words: str) -> Request:
        """A request with the cache of this test."""
        return replace(request.parse(["PAIR=ring lru glob", *words], {}), cache=self.cache)

    def attempt(self, setup: Any, *words: str) -> modules.Modules:
        """In place of modules.attempt()."""
        req = setup.request
        if words == served.KEEP_GOING:
            self.built.append((req.kernel or "newest", req.pairs))
        else:
            self.assertEqual(words, served.ONE_BY_ONE)
        logs = self.logs.get(req.kernel or ("tree" if req.kernel_src else "newest"), {})
        said = "".join(logs.get(pair, "") for pair in req.pairs)
        if said and words == served.KEEP_GOING:
            raise modules.DoesNotBuild("they do not build", "mixed lines", ())
        if said:
            raise modules.DoesNotBuild("they do not build", said + LAST, ("said",))
        return modules.Modules(Path("kparity.ko"), {pair: Path(pair) for pair in req.pairs}, {})

    def serve(self, *words: str, there: bool = True) -> served.Served:
        """Build what builds; `there` says whether the newest kernel is in the cache."""
        entry = self.cache / "entry"
        entry.mkdir(exist_ok=True)
        if there:
            (entry / ".complete").write_text("{}")
        old: Any = SimpleNamespace(name="x86_64 base", release="7.2.1", arch=None, variant=None,
                                   config={}, tree=Path("/nowhere"))
        setup: Any = Setup(self.request(*words), mock.Mock(), old)
        with mock.patch.object(modules, "attempt", self.attempt), \
                mock.patch.object(Setup, "modules", BUILD), \
                mock.patch.object(kernel, "known", lambda *_: entry), \
                mock.patch.object(kernel, "get", lambda *_: old), \
                contextlib.redirect_stderr(io.StringIO()):
            return served.build(setup)

    def test_older(self) -> None:
        """The others are built, and what the newest series has is skipped."""
        self.logs = {"7.2": {"ring": RING, "lru": LRU}, "newest": {"lru": LRU}}
        found = self.serve("KERNEL=7.2")
        self.assertEqual(list(found.built.pairs), ["glob"])
        self.assertEqual({pair: one.status for pair, one in found.others.items()},
                         {"ring": ktap.SKIP, "lru": ktap.FAIL})
        self.assertEqual(self.built, [
            ("7.2", ("ring", "lru", "glob")), ("7.2", ("glob",)),
            ("newest", ("ring", "lru")), ("newest", ("ring",))])

    def test_newest_not_there(self) -> None:
        """Nothing is skipped that may be broken everywhere."""
        self.logs = {"7.2": {"ring": RING}}
        found = self.serve("KERNEL=7.2", there=False)
        self.assertEqual(found.others["ring"].status, ktap.FAIL)

    def test_none_left(self) -> None:
        """Where nothing is left to run, the run is refused, or fails."""
        self.logs = {"7.2": {"ring": RING}}
        with self.assertRaisesRegex(config.CannotHave, "7.2 serves none.*ENODATA"):
            self.serve("KERNEL=7.2", "PAIR=ring")
        self.logs["newest"] = {"ring": RING}
        with self.assertRaisesRegex(Failed, "not build on 7.3 either"):
            self.serve("KERNEL=7.2", "PAIR=ring")

    def test_newest(self) -> None:
        """On the newest series, by whatever name, a pair that does not build ends the run."""
        for words in ((), ("KERNEL=7.3",)):
            with self.subTest(words):
                self.assertFalse(served.in_parts(self.request(*words)))
        self.assertTrue(served.in_parts(self.request("KERNEL=7.2")))

    def test_tree(self) -> None:
        """In a tree of one's own the others run, and the pair fails."""
        (self.cache / "Kconfig").touch()
        self.logs = {"tree": {"ring": RING}}
        found = self.serve(f"KERNEL_SRC={self.cache}")
        self.assertEqual(sorted(found.built.pairs), ["glob", "lru"])
        self.assertEqual(found.others["ring"].status, ktap.FAIL)

    def test_shared(self) -> None:
        """Without what all share nothing runs, and one line says what is missing."""
        self.logs = {"7.2": {pair: GLUE.replace("NAME", pair) for pair in ("ring", "lru", "glob")}}
        with self.assertRaisesRegex(modules.DoesNotBuild,
                                    "what all pairs share does not build .*glue.rs:373"):
            self.serve("KERNEL=7.2")

    def test_too_old(self) -> None:
        """A series that lacks what all pairs share is refused with what that is."""
        with self.assertRaisesRegex(Refused, "before 7.2: .*MO="):
            source.check_series(self.request("KERNEL=6.12"))


class TestTold(unittest.TestCase):
    """A pair that does not build, as it is told"""

    def told(self, one: unbuilt.Unbuilt) -> dict[str, Any]:
        """What a run that has one such pair, and another that passed, leaves."""
        kernel_: Any = mock.Mock(added=(), release="7.2.1", config={})
        kernel_.arch.name, kernel_.variant.name = "x86_64", "base"
        kernel_.arch.cpu = {"tcg": "max"}
        result = results.ArchResult(
            kernel_, mock.Mock(versions={}), 1, [LaneResult(lanes.CHECK)],
            {"ring": results.PairResult([one.verdict], unbuilt=one),
             "glob": results.PairResult([ktap.Verdict("glob", "layout", "c->c", ktap.PASS, ())])},
            "ARCH=x86_64")
        found = result.to_json()
        teller = failures.Teller("ring", result, ledger.Ledger((), (), {}), None, Path("/out"))
        found["pairs"]["ring"]["cases"][0]["failures"] = teller.tell(one.verdict)
        return found

    def test_skipped(self) -> None:
        """The reason is told beside pairs that passed, and the verdict is theirs."""
        found = self.told(unbuilt.on_older(_broken(), "7.2", "7.3", True))
        said = terminal.text(found, False, False, "out")
        self.assertIn("  skip ring build: linux 7.2 has not what it needs, 7.3 has: "
                      "rust-stub/ring.rs:169: cannot find value", said)
        self.assertTrue(said.endswith("x86_64 base: PASS, 1 of 2 results passed, 1 skipped"))
        self.assertEqual(found["pairs"]["ring"]["cases"][0]["failures"], [])

    def test_failed(self) -> None:
        """A failure has the compiler's message in fields, and fails the run."""
        found = self.told(unbuilt.in_tree(_broken(), "deadbeef took it away"))
        failure, = found["pairs"]["ring"]["cases"][0]["failures"]
        self.assertEqual((failure["stage"], failure["what"], failure["pairs"]),
                         ("build", "tools", ["ring"]))
        self.assertEqual([(one["code"], one["line"]) for one in failure["diagnostics"]],
                         [("E0425", 169)])
        self.assertIn("deadbeef took it away", failure["message"])
        said = terminal.text(found, False, False, "out")
        self.assertIn("  FAIL ring build\n", said)
        self.assertIn("x86_64 base: FAIL, 1 of 2 results passed", said)


class TestShards(unittest.TestCase):
    """make merge of a pair that does not build"""

    def test_once(self) -> None:
        """That a pair does not build is told once, whatever shards have found it out."""
        row = {"suite": "ring", "case": unbuilt.CASE, "path": "", "status": ktap.SKIP}
        self.assertEqual(
            join._cases([row], [dict(row)], "ring"), [row])  # pylint: disable=protected-access
        with self.assertRaisesRegex(EnvironmentFailed, "two shards have glob build +of ring"):
            other = {**row, "suite": "glob"}
            join._cases([other], [dict(other)], "ring")  # pylint: disable=protected-access


class TestByTarget(unittest.TestCase):
    """diagnostics.by_target()"""

    def test_targets(self) -> None:
        """Lines of targets that were made are nobody's."""
        log = "  CC [M]  a.o\nx.c:1:1: warning: w\n" + RING
        (target, lines), = diagnostics.by_target(log)
        self.assertEqual(target, "rust-stub/ring_root.o")
        self.assertNotIn("warning", "".join(lines))


if __name__ == "__main__":
    unittest.main()
