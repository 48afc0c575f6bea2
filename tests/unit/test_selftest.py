# SPDX-License-Identifier: GPL-2.0
"""The test suite's own parts: tests as jobs, planted bugs, checks that are remembered, reports."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator
from unittest import mock

from kplib import matrix
from kplib.boot import lanes as guests
from kplib.boot.laneresult import CaseId, LaneResult, Loss
from kplib.build import kernel as kernels
from kplib.build import modules, objects
from kplib.build import setup as building
from kplib.build.toolchain import Toolchain
from kplib.common.errors import EnvironmentFailed, Refused
from kplib.configure import archs, lanes, options, pairs, request, variants
from kplib.judge import ktap, results
from kplib.report import terminal
from kplib.selftest import checks, copies, mutants, parts, progress, pytests, selftest
from kplib.selftest.jobs import FAILED, PASSED, SKIPPED, Ended, Job, Outcome, Report, one
from kplib.soak import cells
from kplib.soak.kinds import Found

TOP = Path(__file__).resolve().parents[2]
TESTS = '''
import unittest
from kplib.selftest.pytests import needs

class TestMany(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1, 2)
    def test_error(self): raise ValueError("unheard of")
    def test_parts(self):
        for n in range(3):
            with self.subTest(n): self.assertNotEqual(n, 1)
    @unittest.skip("no network")
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_surprise(self): pass
    @needs("arm64 base", cores=0.2, seconds=9)
    def test_other(self): pass

@needs("debug", seconds=3)
class TestSetUp(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise OSError("no disk")
    def test_a(self): pass
    def test_b(self): pass

class TestSkips(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise unittest.SkipTest("no kernel")
    def test_a(self): pass
'''


class TestPytests(unittest.TestCase):
    """kplib.selftest.pytests"""

    groups: dict[str, pytests.Group]

    @classmethod
    def setUpClass(cls) -> None:
        """Tests in a package of their own, with a module that cannot be imported."""
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        package = Path(folder.name) / "kparity_made_up"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "test_made_up.py").write_text(TESTS)
        (package / "test_broken.py").write_text("import nothing_of_that_name")
        groups = pytests.discover(package, pytests.Needs(("base",)), Path(folder.name))
        cls.groups = {group.name: group for group in groups}

    def run_group(self, name: str) -> dict[str, Outcome]:
        """The outcomes of a group by the methods' names."""
        report = pytests.run(self.groups[name].tests)
        found = {outcome.name.rpartition(".")[2]: outcome for outcome in report.outcomes}
        self.assertEqual(len(found), len(report.outcomes))
        return found

    def test_groups(self) -> None:
        """A class is a group, and so is what in it needs something else."""
        self.assertEqual(
            {name: (group.needs, len(group.tests)) for name, group in self.groups.items()
             if "broken" not in name},
            {"test_made_up.TestMany": (pytests.Needs(("base",)), 6),
             "test_made_up.TestMany.test_other": (pytests.Needs(("arm64 base",), 0.2, 9), 1),
             "test_made_up.TestSetUp": (pytests.Needs(("debug",), seconds=3), 2),
             "test_made_up.TestSkips": (pytests.Needs(("base",)), 1)})

    def test_outcomes(self) -> None:
        """Each test has one outcome, which has all that went wrong in it."""
        found = self.run_group("test_made_up.TestMany")
        self.assertEqual({name: outcome.status for name, outcome in found.items()},
                         {"test_good": PASSED, "test_bad": FAILED, "test_error": FAILED,
                          "test_parts": FAILED, "test_skipped": SKIPPED,
                          "test_surprise": FAILED})
        self.assertIn("1 != 2", found["test_bad"].why)
        self.assertIn("unheard of", found["test_error"].why)
        self.assertIn("1 == 1", found["test_parts"].why)
        self.assertEqual(found["test_skipped"].why, "no network")
        self.assertIsNotNone(found["test_good"].seconds)

    def test_set_up_fails(self) -> None:
        """A class's set-up that fails is a failure of each of its tests, and says why."""
        found = self.run_group("test_made_up.TestSetUp")
        self.assertEqual({found[name].status for name in ("test_a", "test_b")}, {FAILED})
        self.assertTrue(any("no disk" in outcome.why for outcome in found.values()))
        self.assertEqual({o.status for o in found.values()}, {FAILED})

    def test_set_up_skips(self) -> None:
        """One that skips has its tests skipped."""
        (outcome,) = self.run_group("test_made_up.TestSkips").values()
        self.assertEqual((outcome.status, outcome.why), (SKIPPED, "no kernel"))

    def test_broken_module(self) -> None:
        """A module that cannot be imported is a failure, not silence."""
        (name,) = (name for name in self.groups if "broken" in name)
        (outcome,) = self.run_group(name).values()
        self.assertEqual(outcome.status, FAILED)
        self.assertIn("nothing_of_that_name", outcome.why)


HEAD = "SPDX-License-Identifier: GPL-2.0\nPair: ring\nCaught-by: lockstep c->rust\n"
AGAIN = "  again: make run PAIR=ring ARCH=x86_64 SEED=1 LANE=check\n"


class TestCopies(unittest.TestCase):
    """selftest.copies"""

    def test_names(self) -> None:
        """Each file is copied, whatever letters its name has; without git it is refused."""
        with tempfile.TemporaryDirectory() as folder:
            top, copies_ = Path(folder) / "top", Path(folder) / "copy"
            top.mkdir()
            with self.assertRaisesRegex(Refused, "git lists no files of"):
                copies.copy_of_project(copies_, top)
            subprocess.run(["git", "init", "-q"], cwd=top, check=True)
            for name in ("a", "\u00e9 \u20ac", "new\nline"):
                (top / name).write_text(name)
            copy = copies.copy_of_project(copies_, top)
            self.assertEqual({path.name for path in copy.iterdir()},
                             {"a", "\u00e9 \u20ac", "new\nline"})


class TestMutants(unittest.TestCase):
    """kplib.selftest.mutants"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.results = self.folder / "results.json"

    def load(self, text: str) -> mutants.Mutant:
        """A patch's head."""
        patch = self.folder / "ring-x.patch"
        patch.write_text(text)
        return mutants.load(patch)

    def judge(self, mutant: mutants.Mutant, exits: int, said: str = AGAIN,
              **case: str) -> str | None:
        """The judgement of a run with one verdict."""
        row = {"case": "lockstep", "path": "c->rust", "status": "fail", **case}
        self.results.write_text(json.dumps({"pairs": {"ring": {"cases": [row]}}}))
        return mutants.judge(mutant, "x86_64", exits, said, self.results)

    def test_heads(self) -> None:
        """All of ours can be read, and a head that lacks something is refused."""
        every = mutants.load_all(pairs.shipped())
        self.assertEqual(len(every), len(list((TOP / "tests/mutants").glob("*.patch"))))
        self.assertEqual({m.pair for m in mutants.load_all(("ring",))}, {"ring"})
        found = self.load(HEAD + "Variant: debug\nVerdict: error\n")
        self.assertEqual((found.variant, found.verdict, found.status), ("debug", "error", 3))
        self.assertEqual([self.load(HEAD + more).programs for more in ("", "Programs: 8\n")],
                         [None, 8])
        for case, runs, lane in (("lockstep", "", "check"), ("history", "", "history"),
                                 ("rust", "Case: user_history\n", "history"),
                                 ("cost", "Case: user_costs\n", "insn"),
                                 ("rust", "Case: user\n", "check")):
            found = self.load(HEAD.replace("lockstep", case) + runs)
            self.assertEqual((found.lane.name, found.oracle),
                             (lane, runs.removeprefix("Case: ").strip() or case))
        for text in (HEAD.replace("Pair", "Pear"), HEAD.replace(" c->rust", ""),
                     HEAD + "Programs: few\n", HEAD + "Programs: 0\n", HEAD + "Programs: -1\n",
                     HEAD.replace("lockstep", "outcomes") + "Programs: 8\n",
                     HEAD.replace("lockstep", "invariants") + "Programs: 8\n"):
            with self.assertRaises(EnvironmentFailed):
                self.load(text)

    def test_of_each_kind(self) -> None:
        """One of each kind is taken, and each pair has some; what is in PAIRS_DIR stays."""
        every = mutants.load_all(pairs.shipped())
        found = mutants.of_each_kind(every)
        self.assertEqual(len(found), len({mutant.kind for mutant in every}))
        self.assertEqual({mutant.kind for mutant in found}, {mutant.kind for mutant in every})
        self.assertEqual({mutant.pair for mutant in found}, set(pairs.shipped()))
        own = [replace(mutant, outside=True) for mutant in every[:2]]
        self.assertEqual(mutants.of_each_kind(own), own)

    def test_unknown_pair(self) -> None:
        """A misspelt pair would leave its bug out of every run."""
        self.load(HEAD)
        self.assertEqual(len(mutants.load_all(("ring",), self.folder)), 1)
        self.load(HEAD.replace("Pair: ring", "Pair: rnig"))
        with self.assertRaisesRegex(EnvironmentFailed, "ring-x.patch: 'Pair: rnig': no such pair"):
            mutants.load_all(("ring",), self.folder)

    def test_outside(self) -> None:
        """Planted bugs of a pair in PAIRS_DIR stand beside it, and are of no other pair."""
        own = self.folder / "bits"
        (own / "mutants").mkdir(parents=True)
        (own / "contract.h").write_text("")
        patch = own / "mutants/most.patch"
        patch.write_text(HEAD.replace("Pair: ring", "Pair: bits"))
        found, = mutants.load_all(("bits",), pairs_dir=self.folder)
        self.assertEqual((found.name, found.outside), ("bits-most", True))
        self.assertFalse(any(m.outside for m in mutants.load_all(("ring",), pairs_dir=self.folder)))
        patch.write_text(HEAD)
        with self.assertRaisesRegex(EnvironmentFailed, "most.patch: 'Pair: ring': it is bits's"):
            mutants.load_all(("bits",), pairs_dir=self.folder)

    def test_caught(self) -> None:
        """The verdict in that case on that path, the exit status and the replay line."""
        mutant = self.load(HEAD)
        self.assertIsNone(self.judge(mutant, 1))
        self.assertIsNone(self.judge(self.load(HEAD.replace("c->rust", "any")), 1, path="c->c"))
        self.assertIsNone(self.judge(self.load(HEAD + "Verdict: error\n"), 3, status="error"))

    def test_control(self) -> None:
        """A case that does not pass without the bug shows nothing with it."""
        mutant, every = self.load(HEAD), self.load(HEAD.replace("c->rust", "any"))
        good = [["lockstep", "c->c", "pass"], ["lockstep", "c->rust", "pass"],
                ["lockstep", "c->rust", "skip"], ["atomic", "c->rust", "fail"]]
        self.assertIsNone(mutants.doubtful(mutant, {"ring": good}))
        self.assertIsNone(mutants.doubtful(every, {"ring": good}))
        for control, why in (({"ring": [*good, ["lockstep", "c->rust", "fail"]]}, "fail"),
                             ({"ring": [["lockstep", "c->rust", "skip"]]}, "either: skip"),
                             ({"ring": good[:1]}, "no such case"), ({}, "no such case")):
            self.assertRegex(mutants.doubtful(mutant, control) or "believed", why)
        self.assertIn("fail", mutants.doubtful(
            every, {"ring": [*good, ["lockstep", "c->c", "fail"]]}) or "")

    def test_jobs(self) -> None:
        """A bug whose case fails anyway is not planted, nor before the suites have run."""
        every = list(archs.load_all(TOP / "qemu/arch").values())
        kinds = tuple(variants.load_all(TOP / "qemu/variant").values())
        setup = parts.Setup(request.parse(["PAIR=ring"], {}), mock.Mock(), self.folder,
                            (every[0],), every[0], kinds, self.folder)
        jobs = {job.name: job for job in parts.planted(setup)}
        for mutant in mutants.load_all(("ring",)):
            mine = jobs[f"mutant {mutant.name}"]
            self.assertEqual(mine.needs, (f"modules {every[0].name} {mutant.variant}",
                                          f"suites {every[0].name} {mutant.variant}"))
        (self.folder / f"control-{every[0].name}-{mutant.variant}.json").write_text(
            json.dumps({"ring": [[mutant.case, "c->c", "fail"]]}))
        with mock.patch.object(mutants, "plant", side_effect=AssertionError("planted")):
            (outcome,) = mine.run(self.folder).outcomes
        self.assertEqual(outcome.status, FAILED)
        self.assertIn("without the bug either", outcome.why)
        needed = {name for job in parts.every(setup, ("mutants",)) for name in job.needs}
        self.assertLessEqual(needed, {job.name for job in parts.every(setup, ("mutants",))})

    def test_kernel(self) -> None:
        """It runs in the kernel of its suites, with the options that other pairs want of that."""
        arch = archs.load_all(TOP / "qemu/arch")["x86_64"]
        kind = variants.load_all(TOP / "qemu/variant")[variants.BASE]
        for name in ("bits", "odds"):
            (self.folder / name).mkdir()
            (self.folder / name / "contract.h").write_text("")
        req = request.parse([f"PAIRS_DIR={self.folder}"], {})
        setup = parts.Setup(req, mock.Mock(), self.folder, (arch,), arch, (kind,), self.folder)
        option = options.Option("CONFIG_CRC7", "y", ("tlv", "bits"), "")
        mutant = self.load(HEAD + "Programs: 8\n")
        plain = ["run", "PAIR=ring", "LANE=check", "ARCH=x86_64", "VARIANT=base",
                 "CASE=lockstep", "PROGRAMS=8"]
        with mock.patch.object(kernels, "get", return_value=mock.Mock(added=(option,))) as get:
            wanting = parts._wanting(setup, arch, kind)  # pylint: disable=protected-access
            self.assertEqual(mutants.words(req, arch, mutant, wanting), plain)
            (self.folder / "bits/config").write_text("CONFIG_CRC7=y\n")
            wanting = parts._wanting(setup, arch, kind)  # pylint: disable=protected-access
            self.assertEqual(mutants.words(req, arch, mutant, wanting), [
                plain[0], "PAIR=ring tlv bits", *plain[2:], f"PAIRS_DIR={self.folder}"])
            get.reset_mock()
            parts._kernel(setup, arch, kind)  # pylint: disable=protected-access
            # Live tests are in a kernel without those.
            self.assertEqual([call.args[0].pairs for call in get.call_args_list],
                             [(), req.pairs])
        for head, only in (("lockstep c->c", ["CASE=lockstep"]), ("kasan c->c", []),
                           ("kasan c->c\nCase: spsc", ["CASE=spsc"]), ("invariants c->c", [])):
            other = self.load(f"Pair: ring\nCaught-by: {head}\n")
            self.assertEqual([word for word in mutants.words(req, arch, other, ())
                              if word.startswith("CASE=")], only)
        with self.assertRaisesRegex(EnvironmentFailed, "Case: lockstp': ring has atomic, "):
            mutants.words(req, arch, self.load("Pair: ring\nCaught-by: kasan c->c\n"
                                               "Case: lockstp\n"), ())
        self.assertIsNone(self.judge(mutant, 1, AGAIN.replace("=ring", "='ring tlv'")))
        self.assertIsNotNone(self.judge(mutant, 1, AGAIN.replace("=ring", "='tlv ring'")))

    def test_not_caught(self) -> None:
        """Anything else is not as the patch says."""
        mutant = self.load(HEAD)
        for why, status, change in (("exit status 0", 0, {}), ("exit status 3", 3, {}),
                                    ("no fail in lockstep", 1, {"path": "c->c"}),
                                    ("no fail in lockstep", 1, {"case": "atomic"}),
                                    ("no fail in lockstep", 1, {"status": "error"}),
                                    ("no command to run it again", 1, {"said": "FAIL"})):
            with self.subTest(why, change=change):
                self.assertRegex(self.judge(mutant, status, **change) or "caught", why)
        self.results.unlink()
        self.assertRegex(mutants.judge(mutant, "x86_64", 1, AGAIN, self.results) or "",
                         "no results")


class TestChecks(unittest.TestCase):
    """Checks that passed are remembered, and nothing else"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.req = request.parse([], {"KPARITY_CACHE": folder.name})
        self.tools = Toolchain(Path("/root-of-tools"), {"clang": "19"}, "a test", ())
        self.reads = "content"
        self.why: str | None = None
        self.runs = 0

    def check(self, tools: Toolchain | None = None) -> tuple[int, Report]:
        """Run a check; how often it has run by now, and its report."""
        def run() -> str | None:
            self.runs += 1
            return self.why

        def reads() -> Iterator[str | bytes]:
            yield self.reads
        return self.runs, checks.run(self.req, tools or self.tools,
                                     checks.Check("a check", reads, run))

    def test_passed(self) -> None:
        """A check runs once, and again when its input or its tools change."""
        self.assertEqual(self.check()[1], one("a check", None))
        self.assertEqual(self.check()[1].aside, "unchanged since it passed")
        self.assertEqual(self.runs, 1)
        self.reads = "changed"
        self.assertEqual(self.check()[1].aside, "")
        self.assertEqual(self.runs, 2)
        self.check(Toolchain(Path("/root-of-tools"), {"clang": "20"}, "a test", ()))
        self.assertEqual(self.runs, 3)

    def test_edited_meanwhile(self) -> None:
        """Input edited while the check ran is not known to have passed, before or after."""
        def run() -> str | None:
            self.reads = "edited"
            return None
        first = self.reads
        checks.run(self.req, self.tools, checks.Check("a check", lambda: iter([self.reads]), run))
        for self.reads in (first, "edited"):
            self.assertEqual(self.check()[1].aside, "")
        self.assertEqual(self.runs, 2)

    def test_failed(self) -> None:
        """A failure is found each time."""
        self.why = "a warning"
        for runs in (1, 2):
            self.assertEqual(self.check()[1].outcomes, (Outcome("a check", FAILED, "a warning"),))
            self.assertEqual(self.runs, runs)

    def test_host_tools(self) -> None:
        """Tools of the host may have changed."""
        host = Toolchain(None, {"clang": "19"}, "a test", ())
        self.check(host)
        self.check(host)
        self.assertEqual(self.runs, 2)

    def test_own_kernel(self) -> None:
        """Headers of the user's own kernel tree may have changed; builds alone read them."""
        req = replace(self.req, kernel_src=Path("/linux"))
        for kernel, asides in ((True, ["", ""]), (False, ["", "unchanged since it passed"])):
            check = checks.Check(f"{kernel}", lambda: iter([self.reads]), lambda: None, kernel)
            self.assertEqual([checks.run(req, self.tools, check).aside for _ in asides], asides)

    def test_forgotten(self) -> None:
        """The cache does not grow for ever."""
        folder = self.req.cache / "passed"
        folder.mkdir(parents=True)
        for number in range(checks.REMEMBERED + 9):
            (folder / f"{number}").write_text("")
            os.utime(folder / f"{number}", (number, number))
        self.check()
        kept = {path.name for path in folder.iterdir()}
        self.assertEqual(len(kept), checks.REMEMBERED)
        self.assertNotIn("0", kept)


MODPOST = "WARNING: modpost: kparity_ring: section mismatch in reference: a+0x10 -> b"


class TestKbuild(unittest.TestCase):
    """Static checks that build, with a makefile for kbuild"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def kbuild(self, recipe: str) -> str | None:
        """The complaint about a build whose makefile has one recipe, or None."""
        why, *others = self.verdicts(recipe)
        self.assertEqual(others, [None, None])
        return why

    def verdicts(self, recipe: str) -> list[str | None]:
        """Complaints about a build, and by sparse and clippy, which the recipe may start."""
        makefile = self.folder / "Makefile"
        makefile.write_text(f"out/ring.o: ring.c\n\t{recipe}\n")
        if not (self.folder / "ring.c").exists():
            (self.folder / "ring.c").touch()
        with mock.patch.object(modules, "command",
                               lambda *_: ["make", "-s", "-C", str(self.folder)]), \
                mock.patch.object(modules, "INPUTS", ("*.c",)), \
                mock.patch.object(checks, "TOP", self.folder):
            return checks._kbuild(  # pylint: disable=protected-access
                mock.Mock(**{"kernel.ident": "k", "tools.name.return_value": "t"}),
                self.folder / "out")

    @unittest.skipUnless(shutil.which("make"), "no make on this host")
    def test_whose(self) -> None:
        """A warning of a tool in the build is none of the build, and the other way round."""
        tools = self.folder / "bin"
        tools.mkdir()
        warning, unused = "ring.c:1:1: warning: context", "ring.c:7:2: warning: unused"
        ended = "the build ended with exit status 2"
        for what, sparse, clippy, recipe, wanted in (
                ("nothing", "true", "true", "", [None, None, None]),
                ("sparse", f"echo {warning} >&2", "true", "", [None, warning, None]),
                ("sparse fails", "exit 7", "true", "", [None, "sparse: exit status 7", None]),
                ("clippy", "true", f"echo {warning} >&2", "", [None, None, warning]),
                ("clippy fails", "true", f"echo {warning} >&2; exit 1", "",
                 [ended, ended, warning]),
                ("the compiler", "true", "true", f"; echo '{unused}'", [unused, None, None]),
                ("all", f"echo {warning} >&2", f"echo {warning} >&2", f"; echo '{unused}'",
                 [unused, warning, warning]),
                ("make", "true", "true", "; exit 3", [ended, ended, ended])):
            with self.subTest(what):
                for name, does in (("sparse", sparse), ("clippy-driver", clippy)):
                    (tools / name).write_text(f"#!/bin/sh\n{does}\n")
                    (tools / name).chmod(0o755)
                found = self.verdicts(f"@PATH={tools}:$$PATH; out/sparse ring.c && "
                                      f"out/clippy ring.rs{recipe}")
                self.assertEqual([why and why.splitlines()[-1] for why in found], wanted)

    @unittest.skipUnless(shutil.which("make"), "no make on this host")
    def test_warnings(self) -> None:
        """Warnings of the compiler and of modpost, which writes them in capitals."""
        self.assertIsNone(self.kbuild("@echo '  CC [M]  ring.o'"))
        for line in ("ring.c:7:2: warning: unused", MODPOST):
            self.assertEqual(self.kbuild(f"@echo '{line}'"), line)
            self.assertTrue(modules.warns(line))
        self.assertFalse(modules.warns("  CC [M]  warning.o"))

    @unittest.skipUnless(shutil.which("make"), "no make on this host")
    def test_old_time(self) -> None:
        """A file of before that comes back, with its time, is compiled, and nothing else is."""
        recipe = "@cat ring.c; touch $@; echo x >>log"
        source = self.folder / "ring.c"
        source.write_text("")
        for _ in range(2):
            self.assertIsNone(self.kbuild(recipe))
        self.assertEqual((self.folder / "log").read_text(), "x\n")
        source.write_text("ring.c:1:1: warning: bad")
        os.utime(source, (1e9, 1e9))
        self.assertEqual(self.kbuild(recipe), "ring.c:1:1: warning: bad")

    def test_settings(self) -> None:
        """A tool's own settings are among what a check depends on."""
        arch = archs.load_all(TOP / "qemu/arch")["x86_64"]
        kind = variants.load_all(TOP / "qemu/variant")["base"]

        def read(name: str) -> set[str | bytes]:
            with mock.patch.object(checks, "TOP", self.folder):
                found = checks.checks(request.parse([], {}), mock.Mock(), self.folder, arch, kind)
                return set(next(check for check in found if check.name == name).reads())
        for name in ("scripts/kparity", "scripts/enter-root", ".ci/run", "setup.cfg",
                     ".shellcheckrc"):
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_text(f"of {name}")
        self.assertIn(b"of setup.cfg", read("pycodestyle"))
        self.assertIn(b"of setup.cfg", read("mypy --strict"))
        self.assertIn(b"of .shellcheckrc", read("shellcheck"))


def job(name: str, part: str = "unit", seconds: float = 5.0) -> Job:
    """A job that is never run."""
    return Job(name, part, lambda folder: Report(), seconds)


class TestProgress(unittest.TestCase):
    """kplib.selftest.progress"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def shown(self, *ended: Ended) -> tuple[progress.Progress, str]:
        """Jobs that have ended, and the output on them."""
        found = progress.Progress([e.job for e in ended], 9.0)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            for each in ended:
                found.end(each)
        return found, said.getvalue()

    def test_span(self) -> None:
        """Minutes have sixty seconds."""
        self.assertEqual([progress.span(s) for s in (0.04, 99.94, 119.7, 601)],
                         ["0.0 s", "99.9 s", "2 min 0 s", "10 min 1 s"])

    def test_lines(self) -> None:
        """Failures are shown whole with the job's output, skips with their reason."""
        _, said = self.shown(
            Ended(job("good"), one("good", None), 0, 2),
            Ended(job("many"), Report((Outcome("a", PASSED), Outcome("b", FAILED, "one\ntwo"),
                                       Outcome("c", SKIPPED, "no disk"),
                                       Outcome("d", SKIPPED, "no disk"))), 0, 3, said="output"),
            Ended(job("none"), Report((Outcome("none", SKIPPED, "no kernel"),)), 0, 1))
        self.assertEqual(said, """\
  ok   good (2.0 s)
  FAIL many (1 passed, 1 failed, 2 skipped, 3.0 s)
       FAIL b: one
            two
       skip c and 1 more: no disk
       its output:
       | output
  skip none (1.0 s)
       skip none: no kernel
""")

    def test_sums(self) -> None:
        """A part's wall time is from its first start to its last end."""
        found, _ = self.shown(
            Ended(job("a"), one("a", None), 0, 4, 4, 3.5), Ended(job("b"), one("b", None), 2, 9, 7),
            Ended(job("c", "live"), Report((Outcome("c.x", PASSED, "", 50.0),
                                            Outcome("c.y", PASSED, "", 1.0))), 5, 99, 9, 1.0))
        self.assertRegex(found.times()[1], r"unit +2 +9\.0 s +11\.0 s +3\.5$")
        self.assertRegex(found.times()[2], r"live +1 +94\.0 s +94\.0 s +1\.0$")
        self.assertEqual([line.split()[-1] for line in found.slowest()], ["c.x", "b", "a", "c.y"])

    def test_history(self) -> None:
        """Measured times are expected next; a damaged file of times is forgotten."""
        kernel = job("kernel x86_64 base", parts.BUILDS, 400)
        there = job("kernel x86_64 base", parts.BUILDS, 0.5)
        history = progress.History(self.folder)
        self.assertEqual(history.expected([job("a"), kernel])["a"], 5)
        history.save([Ended(job("a"), one("a", None), 0, 9, 7.5, 3),
                      Ended(job("b"), one("b", "bad"), 0, 9, 7.5, 3),
                      Ended(kernel, Report(aside=parts.BUILT), 0, 400, 300, 500)])
        again = progress.History(self.folder)
        self.assertEqual(again.expected([job("a"), job("b"), kernel]),
                         {"a": 7.5, "b": 5, "kernel x86_64 base": 300})
        self.assertEqual(again.expected([there]), {"kernel x86_64 base": 0.5})
        again.save([Ended(job("a"), Report(aside=checks.UNCHANGED), 0, 0.1, 0.1, 0.1)])
        self.assertEqual(progress.History(self.folder).expected([job("a")]), {"a": 7.5})
        (self.folder / "test-times.json").write_text('{"a": {"work": "x"}}')
        self.assertEqual(progress.History(self.folder).expected([job("a")]), {"a": 5})

    def test_measured(self) -> None:
        """Cores are those that were busy, within reason."""
        history = progress.History(self.folder)
        history.save([Ended(job(name), one(name, None), 0, 9, 10, cpu)
                      for name, cpu in (("waits", 8.0), ("idle", 0.1), ("busy", 99.0))])
        self.assertEqual([history.measured(job(name)).cores
                          for name in ("waits", "idle", "busy", "unknown")], [0.8, 0.6, 1.5, 1.0])

    def test_one_kernel_more(self) -> None:
        """From this run's builds, or from what an earlier run has measured."""
        kernel = job("kernel x86_64 base", parts.BUILDS, 400)
        suites = Ended(job("suites x86_64 base", "suites"), one("s", None), 0, 9, 7, 20)
        history = progress.History(self.folder)
        built = Ended(kernel, Report(aside=parts.BUILT), 0, 400, 300, 500)
        found, _ = self.shown(suites, built)
        said = found.one_kernel_more(history, 2)
        self.assertIn("20 core-seconds for its suites, about 10.0 s of each run", said)
        self.assertIn("500 core-seconds to build, about 4 min 10 s (mean of 1)", said)
        history.save([built])
        found, _ = self.shown(suites, Ended(kernel, Report(), 0, 1, 1, 1))
        self.assertIn("500 core-seconds to build", found.one_kernel_more(history, 2))
        self.assertIn("measured in an earlier run", found.one_kernel_more(history, 2))


class TestParts(unittest.TestCase):
    """Parts, as PART= names them"""

    def test_names(self) -> None:
        """Names of parts that exist, or a line that lists these."""
        self.assertEqual(selftest.chosen(()), parts.NAMES)
        self.assertEqual(selftest.chosen(("live", "unit")), ("live", "unit"))
        with self.assertRaisesRegex(Refused, "PART=units: no such part; there are static, unit"):
            selftest.chosen(("live", "units"))
        self.assertEqual(request.parse(["PART=unit, live"], {}).parts, ("unit", "live"))
        self.assertEqual(request.parse([], {}).parts, ())

    def test_whole(self) -> None:
        """A part of the suites is not the whole that must hold."""
        for word in ("LANE=insn", "SEED=2", "PROGRAMS=1", "APPEND=quiet", "KEEP=1"):
            with self.assertRaisesRegex(Refused, f"^{word.partition('=')[0]}: not for make test"):
                selftest.whole(request.parse([word], {}))
        selftest.whole(request.parse(["PAIR=ring", "PART=unit", "V=1", "LANE="], {}))

    def test_built(self) -> None:
        """Modules that are there, as the folder's state says, take no time to build."""
        every = tuple(archs.load_all(TOP / "qemu/arch").values())
        kinds = tuple(variants.load_all(TOP / "qemu/variant").values())
        with tempfile.TemporaryDirectory() as folder:
            req = request.parse([f"OUT={folder}"], {"KPARITY_CACHE": folder})
            setup = parts.Setup(req, mock.Mock(), Path(folder), every, every[0], kinds,
                                Path(folder))
            built = building.Setup(req, mock.Mock(), mock.Mock(arch=every[1], variant=kinds[0]))
            for recipe, seconds in (("a recipe", 0.5), ("", parts.MODULES_SECONDS)):
                objects.State(recipe).write(built.modules / modules.STATE)
                jobs = {job.name: job.seconds for job in parts.builds(setup)}
                self.assertEqual(jobs[f"modules {every[1].name} {kinds[0].name}"], seconds)
                self.assertEqual(jobs[f"modules {every[0].name} {kinds[0].name}"],
                                 parts.MODULES_SECONDS)

    def test_everywhere(self) -> None:
        """A variant that is for one arch has a kernel, modules and a suite of this machine's."""
        every = tuple(archs.load_all(TOP / "qemu/arch").values())
        kinds = tuple(variants.load_all(TOP / "qemu/variant").values())
        with tempfile.TemporaryDirectory() as folder:
            req = request.parse([f"OUT={folder}"], {"KPARITY_CACHE": folder})
            for mine, other in (every, every[::-1]):
                setup = parts.Setup(req, mock.Mock(), Path(folder), every, mine, kinds,
                                    Path(folder))
                found = {job.name for job in parts.builds(setup) + parts.suites(setup)}
                for kind in kinds:
                    for what in ("kernel", "modules", "suites"):
                        self.assertIn(f"{what} {mine.name} {kind.name}", found)
                        self.assertEqual(f"{what} {other.name} {kind.name}" in found,
                                         kind.name == variants.BASE)
            req = request.parse([f"OUT={folder}", "ARCH=all"], {"KPARITY_CACHE": folder})
            setup = parts.Setup(req, mock.Mock(), Path(folder), every, every[0], kinds,
                                Path(folder))
            found = {job.name for job in parts.suites(setup)}
            self.assertLessEqual({f"suites {arch.name} {kind.name}"
                                  for arch in every for kind in kinds}, found)

    def test_cells(self) -> None:
        """A test that names a kernel begins with modules that are built for it."""
        setup = mock.Mock(**{"host.name": "x86_64"})
        group = pytests.Group("x.X", pytests.Needs(("arm64 base", "debug")), ())
        with mock.patch.object(pytests, "discover", return_value=[group]):
            (job,) = parts.live(setup)
        self.assertEqual(job.needs, ("kernel arm64 base", "modules arm64 base",
                                     "kernel x86_64 debug", "modules x86_64 debug"))

    def suite(self, ran: list[LaneResult], *statuses: str,
              unsaved: str = "") -> list[tuple[str, str, bool]]:
        """The outcomes of a suite job whose run gave some verdicts, and no ledger."""
        kernel = mock.Mock()
        kernel.arch.name, kernel.variant.name = "x86_64", "debug"
        pair = results.PairResult([ktap.Verdict("ring", "lockstep", "c->c", status, ())
                                   for status in statuses])
        found = results.ArchResult(kernel, mock.Mock(versions={}), 1, ran, {"ring": pair})
        cell = mock.Mock(result=found, unsaved=unsaved)
        with mock.patch.object(matrix, "run_cell", return_value=cell), \
                mock.patch.object(terminal, "show", return_value=""), \
                tempfile.TemporaryDirectory() as shared:
            report = parts._suite(  # pylint: disable=protected-access
                mock.Mock(shared=Path(shared)), kernel.arch, kernel.variant)
        return [(outcome.why, outcome.status, outcome.environment) for outcome in report.outcomes
                if outcome.name in ("x86_64 debug", "x86_64 debug files")]

    def test_untold_loss(self) -> None:
        """A run whose verdict is no pass fails its job, whether or not a case tells of it."""
        lost = LaneResult(lanes.CHECK.on("tcg", "a test"))
        lost.losses.append(Loss(CaseId(), "the guest panicked", suspects=("tlv", "ring")))
        self.assertEqual(self.suite([lost], ktap.PASS), [("the guest panicked", FAILED, True)])
        self.assertEqual(self.suite([]), [("no case gave a result", FAILED, True)])
        self.assertEqual(self.suite([], ktap.PASS), [])
        self.assertEqual(self.suite([], ktap.PASS, unsaved="no disk"), [("no disk", FAILED, True)])
        self.assertEqual(self.suite([lost], ktap.PASS, ktap.FAIL), [])

    def fresh(self, status: str, *found: Found) -> tuple[Report, int]:
        """The report of the job with a fresh seed, whose cases end so; and how many lanes ran."""
        kernel = mock.Mock(added=())
        kernel.arch.name, kernel.variant.name = "x86_64", "base"
        pair = results.PairResult([ktap.Verdict("ring", "lockstep", "c->c", status, ("why",))])
        result = results.ArchResult(kernel, mock.Mock(versions={}), 77, [], {"ring": pair},
                                    "ARCH=x86_64 SEED=77")
        req = request.parse(["PAIR=ring"], {})
        setup = mock.Mock(req=req, host=req.archs[0], base=req.variants[0])
        with mock.patch.object(modules, "build"), \
                mock.patch.object(cells.Cell, "ready"), \
                mock.patch.object(kernels, "wanting", return_value=("glob",)), \
                mock.patch.object(guests, "start") as start, \
                mock.patch.object(cells, "judge", return_value=cells.Judged(result, found)):
            report = parts._fresh(setup, Path(), 77)  # pylint: disable=protected-access
        return report, start.call_count

    def test_fresh_seed(self) -> None:
        """One job more runs all lanes with a seed, which it names, and how to run it again."""
        report, ran = self.fresh(ktap.PASS)
        self.assertEqual((ran, report.text), (4, "  a fresh seed, 77"))
        self.assertEqual([outcome.name for outcome in report.outcomes][:1],
                         ["x86_64 base check seed 77 ring lockstep c->c"])
        report, _ = self.fresh(ktap.FAIL, Found("ring", "ring", "lockstep", "c->c", "fail", {}))
        self.assertEqual(report.count(FAILED), 4)
        self.assertIn("  again: make run PAIR='ring glob' ARCH=x86_64 SEED=77", report.text)

    def test_close(self) -> None:
        """The counts stand alone in the last line, and decide on the exit status."""
        for outcomes, left, status in (
                ([Outcome("a", PASSED), Outcome("b", SKIPPED)], [], 0),
                ([Outcome("a", PASSED), Outcome("b", FAILED)], [], 1),
                ([Outcome("a", FAILED, environment=True)], [], 3),
                ([Outcome("a", FAILED, environment=True), Outcome("b", FAILED)], [], 1),
                ([Outcome("a", PASSED)], ["sleep 99"], 1)):
            with self.subTest(outcomes), tempfile.TemporaryDirectory() as folder:
                found: Any = progress.Progress([], 1.0)
                found.ended.append(Ended(job("j"), Report(tuple(outcomes)), 0, 1))
                with contextlib.redirect_stdout(io.StringIO()) as said:
                    got = selftest._close(  # pylint: disable=protected-access
                        found, progress.History(Path(folder)), left, 2)
                self.assertEqual(got, status)
                bad = sum(o.status == FAILED for o in outcomes) + len(left)
                self.assertRegex(said.getvalue().splitlines()[-1],
                                 rf"^\d passed, {bad} failed, \d skipped$")
                self.assertTrue(re.search(r"\n\n\d passed.*\n$", said.getvalue()))

    def test_times_not_saved(self) -> None:
        """Failed jobs are told, and counted, also where times cannot be remembered."""
        found: Any = progress.Progress([], 1.0)
        found.ended.append(Ended(job("j"), one("j", "differs"), 0, 1, 1))
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.assertEqual(selftest._close(  # pylint: disable=protected-access
                found, progress.History(Path("/proc/nowhere")), [], 2), 1)
        self.assertIn("failed:\n  j\n", said.getvalue())


if __name__ == "__main__":
    unittest.main()
