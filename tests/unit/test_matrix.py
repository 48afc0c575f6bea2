# SPDX-License-Identifier: GPL-2.0
"""Runs on several arches and variants, with lanes that are played."""

import contextlib
import fcntl
import io
import json
import shlex
import tempfile
import threading
import unittest
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Iterator
from unittest import mock

from kplib import matrix, verbs
from kplib.boot import accel, lanes
from kplib.boot.laneresult import Answers, LaneResult
from kplib.build import config, kernel, modules
from kplib.build.modules import Modules
from kplib.common import cache
from kplib.common.errors import FAILED, EnvironmentFailed, Failed, Refused
from kplib.configure import archs, request
from kplib.configure.lanes import CHECK
from kplib.judge import compile_fail, ktap, records, results
from kplib.report import files
from kplib.selftest import schema

CONTRACT = ("invariant=full\x1ferrors\x1fa\x1fb\x1f\x1f\x1fring\0"
            "rust=ful\x1fchecked\x1fc\x1frust-stub/ring.rs:7\0")


class TestMatrix(unittest.TestCase):
    """matrix.run_all()"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name)
        self.contract = ""
        self.built: dict[str, Exception] = {}
        self.misuse: dict[str, Exception] = {}
        self.passed = (ktap.Verdict("ring", "lockstep", "c->c", ktap.PASS, ()),)

    def _kernel(self, _req: Any, _tools: Any, arch: Any, variant: Any) -> mock.Mock:
        found = mock.Mock(arch=arch, variant=variant, release="7.3.4", config={}, added=(),
                          tree=Path("x"))
        found.name = f"{arch.name} {variant.name}"
        return found

    def _build(self, setup: Any) -> Modules:
        if setup.kernel.name in self.built:
            raise self.built[setup.kernel.name]
        return Modules(Path("x"), {pair: Path(pair) for pair in setup.request.pairs}, {})

    def _find(self, pair: Any) -> list[compile_fail.Misuse]:
        if pair.name in self.misuse:
            raise self.misuse[pair.name]
        return []

    def _lane(self, setup: Any, lane: Any, *_: Any) -> LaneResult:
        result = LaneResult(lane)
        for pair in setup.request.pairs:
            result.take(pair, Answers("", "full\terrors\t1\t1\t1\t1\tlockstep\n", {}))
            setup.progress()
        return result

    @contextlib.contextmanager
    def played(self) -> Iterator[None]:
        """Kernels, modules and guests that are none."""
        def start(work: Any, _name: str) -> Future[LaneResult]:
            future: Future[LaneResult] = Future()
            future.set_result(work())
            return future

        with contextlib.ExitStack() as stack:
            for where, name, value in (
                    (kernel, "get", self._kernel), (modules, "build", self._build),
                    (lanes, "run", self._lane), (lanes, "start", start),
                    (accel, "choose", lambda setup, lane: CHECK.on("tcg", "a test")),
                    (ktap, "verdicts", lambda tree, suites, text: self.passed),
                    (ktap, "junit", lambda *_: ""), (ktap, "load", lambda tree: None),
                    (compile_fail, "find", self._find),
                    (records, "read", lambda path: records.parse(self.contract.encode()))):
                stack.enter_context(mock.patch.object(where, name, value))
            yield

    def run_all(self, *words: str) -> tuple[list[str], str]:
        """Verdicts by cell, and the output."""
        req = request.parse([f"OUT={self.out}", "LANE=check", *words], {})
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), \
                self.played(), files.recorded_run(req):
            rows = matrix.run_all(req, mock.Mock(versions={}))
        return [row.verdict for row in rows], said.getvalue()

    def test_elsewhere(self) -> None:
        """A lane that this machine's arch lacks is run on the other one, if its kernel is there."""
        with tempfile.TemporaryDirectory() as folder:
            entry = Path(folder)
            with mock.patch.object(kernel, "known", lambda *_: entry), \
                    mock.patch.object(archs, "host_name", lambda *_: "x86_64"):
                def asked(*words: str) -> tuple[request.Request | None, str]:
                    return matrix.elsewhere(request.parse([f"OUT={self.out}", *words], {}))

                more, why = asked("PAIR=ring")
                self.assertIsNone(more)
                self.assertRegex(why, "skip lane order: x86_64 does not have it, and the arm64 "
                                 "kernel is not built; 'make run ARCH=arm64 LANE=order'")
                cache.complete(entry, {})
                more, why = asked("PAIR=ring", "VARIANT=all", "SEED=7")
                assert more is not None
                self.assertEqual(([arch.name for arch in more.archs], more.lanes, more.pairs,
                                  [kind.name for kind in more.variants], more.seed, why),
                                 (["arm64"], ("order",), ("ring",), ["base"], 7, ""))
                for words in ("ARCH=x86_64",), ("LANE=check",), ("DEPTH=quick",), \
                        ("VARIANT=debug",), ("CASE=lockstep",), ("ARCH=all",), ("KEEP=1",):
                    self.assertEqual(asked("PAIR=ring", *words), (None, ""), words)

    def test_elsewhere_fails(self) -> None:
        """What the other arch finds decides, and is in FORMAT=json."""
        req = request.parse([f"OUT={self.out}", "PAIR=ring", "LANE=check", "FORMAT=json",
                             "ARCH=x86_64"], {})
        more = request.parse([f"OUT={self.out}", "PAIR=ring", "LANE=order", "FORMAT=json",
                              "ARCH=arm64"], {})
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")
        verdicts = iter((ktap.PASS, ktap.FAIL))
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()), \
                self.played(), mock.patch.object(matrix, "check_folders"), \
                mock.patch.object(matrix, "choose_tools", lambda _: mock.Mock(versions={})), \
                mock.patch.object(matrix, "elsewhere", lambda _: (more, "")), \
                mock.patch.object(ktap, "verdicts", lambda *_: (ktap.Verdict(
                    "ring", "lockstep", "c->c", next(verdicts), ()),)):
            self.assertEqual(verbs.run(req), FAILED)
        found = json.loads(said.getvalue())
        self.assertEqual({name: cell["verdict"] for name, cell in found.items()},
                         {"x86_64-base": "pass", "arm64-base": "fail"})
        self.assertEqual(files.asked(request.parse([f"OUT={self.out}"], {})),
                         [("x86_64", "base"), ("arm64", "base")])

    def test_progress(self) -> None:
        """Off a terminal too: how many suites are done, of how many, in which cell."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")
        _, said = self.run_all("PAIR=ring", "ARCH=all")
        self.assertIn("  running ring on x86_64 base (1 of 2), 1 of 1 suites done", said)
        self.assertIn("  running ring on arm64 base (2 of 2), 1 of 1 suites done", said)

    def test_unknown_invariant(self) -> None:
        """A name that is no row of the contract fails the run, and is replayed as all else."""
        self.contract = CONTRACT
        verdicts, said = self.run_all("PAIR=ring", "ARCH=x86_64", "PROGRAMS=3")
        self.assertEqual(verdicts, ["fail"])
        self.assertIn("FAIL ring contract\n    rust-stub/ring.rs:7 encodes 'ful'", said)
        self.assertIn("again: make run PAIR=ring ARCH=x86_64 SEED=1 PROGRAMS=3 LANE=check", said)
        found = files.load(request.parse([f"OUT={self.out}"], {}), "x86_64", "base")
        self.assertEqual(found["replay"], "ARCH=x86_64 SEED=1 PROGRAMS=3 LANE=check")

    def test_program(self) -> None:
        """It runs for the pair named first, in a kernel with the options of those behind it."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")
        folder = self.out / "pairs/more"
        folder.mkdir(parents=True)
        (folder / "contract.h").touch()
        (folder / "config").write_text("CONFIG_CRC7=y\n")
        (self.out / "program").write_text("ring capacity=1\n")
        asked: list[tuple[str, ...]] = []

        def get(req: Any, *args: Any) -> mock.Mock:
            asked.append(req.pairs)
            return TestMatrix._kernel(self, req, *args)

        with mock.patch.object(self, "_kernel", get):
            verdicts, said = self.run_all("PAIR=ring more", f"PAIRS_DIR={self.out}/pairs",
                                          f"PROGRAM={self.out}/program")
        self.assertEqual((verdicts, asked), (["pass"], [("ring", "more")]))
        self.assertIn("  running ring on ", said)

    def test_replay_of_program(self) -> None:
        """The words that run a failed program of a run with CASE= again are taken."""
        program = self.out / "program"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("ring capacity=1\n")
        req = request.parse(["PAIR=ring", "CASE=lockstep", f"OUT={self.out}"], {})
        again = matrix.replay_of(
            req, req.archs[0], req.variants[0], program)
        self.assertEqual(request.parse(["PAIR=ring", *shlex.split(again)], {}).program, program)

    def test_no_program(self) -> None:
        """One that the engine cannot read is a wrong request; one that fails is a failure."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")
        program = self.out / "program"
        program.write_text("ring capacity=1\npsh 1\n")
        wrong = ("EXPECTATION FAILED at cases.c:3", f"{program}: line 2: ring has no 'psh'")
        for logs, refused in (((wrong, wrong), True),
                              ((wrong, ("EXPECTATION FAILED at cases.c:3", "differs")), False),
                              ((wrong, None), False), ((("the guest was lost",),) * 2, False)):
            found = tuple(ktap.Verdict("ring", "regress", path, ktap.FAIL if log else ktap.PASS,
                                       log or ()) for path, log in zip(("c->c", "c->rust"), logs))
            words = ["PAIR=ring", "ARCH=x86_64", f"PROGRAM={program}"]
            with self.subTest(logs), mock.patch.object(self, "passed", found):
                if refused:
                    with self.assertRaises(Refused) as caught:
                        self.run_all(*words)
                    self.assertEqual(str(caught.exception),
                                     f"PROGRAM={program}: line 2: ring has no 'psh'")
                else:
                    self.assertEqual(self.run_all(*words)[0], ["fail"])

    def test_no_ledger(self) -> None:
        """A test that cannot be read is an error of its pair; what the guests gave is told."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")
        self.misuse["ring"] = EnvironmentFailed("x.rs: needs the lines 'error:'")
        verdicts, said = self.run_all("PAIR=ring tlv", "ARCH=x86_64")
        self.assertEqual(verdicts, ["error"])
        self.assertIn("ring contract\n    no ledger: x.rs: needs the lines 'error:'", said)
        self.assertNotIn("tlv contract", said)
        found = files.load(request.parse([f"OUT={self.out}"], {}), "x86_64", "base")
        self.assertEqual(len(found["pairs"]["tlv"]["contract"]), 1)
        self.assertIn("pass", {case["status"] for case in found["pairs"]["ring"]["cases"]})

    def test_full_disk(self) -> None:
        """The verdict is told, and each cell's; the run is not good."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")
        with mock.patch.object(files, "save", side_effect=EnvironmentFailed("no space")):
            verdicts, said = self.run_all("PAIR=ring", "ARCH=all")
        self.assertEqual(verdicts, ["error", "error"])
        self.assertIn("x86_64 base: PASS", said)
        self.assertIn("arm64 base: the results are not saved: no space", said)
        with self.assertRaisesRegex(EnvironmentFailed, "gave no results: .* not saved: no space"):
            files.load(request.parse([f"OUT={self.out}"], {}), "x86_64", "base")
        self.contract = CONTRACT
        with mock.patch.object(files, "save", side_effect=EnvironmentFailed("no space")):
            self.assertEqual(self.run_all("PAIR=ring", "ARCH=x86_64")[0], ["fail"])

    def test_stop(self) -> None:
        """The guests' own errors do not end the waiting for them, but a further Ctrl-C does."""
        # pylint: disable=protected-access
        cell: Any = object.__new__(matrix.Cell)
        cell._cancelled, cell._built = threading.Event(), Future()
        ended: Future[LaneResult] = Future()
        ended.set_exception(KeyboardInterrupt())
        cancelled: Future[LaneResult] = Future()
        cancelled.cancel()
        cell._running = [ended, cancelled]
        cell.stop()
        self.assertTrue(cell._cancelled.is_set())
        cell._running.append(mock.Mock(**{"exception.side_effect": KeyboardInterrupt}))
        with self.assertRaises(KeyboardInterrupt):
            cell.stop()

    def test_one_is_broken(self) -> None:
        """A cell that ends in an error costs the others nothing."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")

        def gather(setup: Any, *rest: Any) -> results.ArchResult:
            if setup.kernel.arch.name == "x86_64":
                raise EnvironmentFailed("no memory")
            return real(setup, *rest)
        real = results.gather
        with mock.patch.object(results, "gather", gather):
            verdicts, said = self.run_all("PAIR=ring", "ARCH=all")
        self.assertEqual(verdicts, ["error", "pass"])
        self.assertIn("x86_64 base: no memory", said)

    def test_contract(self) -> None:
        """make contract is about each arch and variant that it is asked about."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")
        # The checkers of the other variants have nothing to say here, which is an error.
        for kinds, cells, status in (("base", 2, 0), ("all", 8, 3)):
            req = request.parse([f"OUT={self.out}", "PAIR=ring", "ARCH=all", f"VARIANT={kinds}"],
                                {"KPARITY_CACHE": str(self.out / "cache")})
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()), \
                    self.played(), mock.patch.object(matrix, "choose_tools",
                                                     return_value=mock.Mock(versions={})):
                self.assertEqual(verbs.contract(req), status)
            for arch in req.archs:
                for variant in req.variants:
                    self.assertIn(f"\n{arch.name} {variant.name}\n", said.getvalue())
                    self.assertTrue(files.load(req, arch.name, variant.name)["pairs"])
            self.assertEqual(said.getvalue().count("\nledger: complete"), cells)

    def test_misuse(self) -> None:
        """make compile-fail as well; one that compiles on one arch fails it."""
        req = request.parse([f"OUT={self.out}", "PAIR=ring", "ARCH=all", "VARIANT=all"],
                            {"KPARITY_CACHE": str(self.out / "cache")})
        test = mock.Mock(pair="ring", error="E0382")

        def compiled(_tools: Any, build: Path, *_: Any) -> list[compile_fail.Outcome]:
            return [compile_fail.Outcome(
                test, "compiles" if build.parent == self.out / "arm64/kcsan" else None)]

        def alone(setup: Any) -> Modules:
            with open(setup.results.with_name(f"{setup.results.name}.lock"), "a") as file, \
                    self.assertRaises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return self._build(setup)
        for bad, status in ((True, FAILED), (False, 0)):
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()), \
                    self.played(), mock.patch.object(matrix, "prepare"), \
                    mock.patch.object(modules, "build", alone), \
                    mock.patch.object(compile_fail, "run", compiled if bad else lambda *_: []):
                self.assertEqual(verbs.misuse(req), status)
            self.assertEqual(said.getvalue().count("are rejected"), 8)

    def test_one_does_not_build(self) -> None:
        """The others have their results, and it has its reason."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")
        self.built["arm64 base"] = Failed("the modules do not build")
        verdicts, _ = self.run_all("PAIR=ring", "ARCH=all")
        self.assertEqual(verdicts, ["pass", "fail"])
        req = request.parse([f"OUT={self.out}"], {})
        self.assertEqual(files.load(req, "x86_64", "base")["verdict"], "pass")
        found = files.load(req, "arm64", "base")
        self.assertEqual((found["verdict"], found["why"], found["pairs"]),
                         ("fail", "the modules do not build", {}))
        self.assertEqual([failure["stage"] for failure in found["failures"]], ["build"])

    def run_json(self, *words: str) -> tuple[Any, dict[str, Any], str]:
        """FORMAT=json: the exit status or error, what is on standard output, and on stderr."""
        req = request.parse([f"OUT={self.out}", "LANE=check", "PAIR=ring", "FORMAT=json", *words],
                            {"KPARITY_CACHE": str(self.out / "cache")})
        out, noted = io.StringIO(), io.StringIO()
        ended: int | Exception
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(noted), self.played(), \
                mock.patch.object(matrix, "choose_tools", return_value=mock.Mock(versions={})):
            try:
                ended = verbs.run(req)
            except Exception as err:  # pylint: disable=broad-except
                ended = err
        found: dict[str, Any] = json.loads(out.getvalue()) if out.getvalue() else {}
        for cell in found.values():
            self.assertEqual(list(schema.unlike(cell)), [])
        return ended, found, noted.getvalue()

    def test_cannot_have(self) -> None:
        """A kernel without what pairs want costs the others nothing; the request was wrong."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")

        def get(req: Any, tools: Any, arch: Any, variant: Any) -> mock.Mock:
            if arch.name == "arm64":
                raise config.CannotHave("no CONFIG_X")
            return TestMatrix._kernel(self, req, tools, arch, variant)
        with mock.patch.object(self, "_kernel", get):
            ended, found, _ = self.run_json("ARCH=all")
            self.assertEqual((ended, found["x86_64-base"]["verdict"]), (2, "pass"))
            self.assertEqual(found["arm64-base"]["why"], "no CONFIG_X")
            ended, _, _ = self.run_json("ARCH=arm64")
            self.assertIsInstance(ended, config.CannotHave)

    def test_json(self) -> None:
        """One object with all cells is alone on standard output; the status is as ever."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")
        status, found, noted = self.run_json("ARCH=all")
        self.assertEqual((status, set(found)), (0, {"x86_64-base", "arm64-base"}))
        self.assertIn("running ring on arm64 base (2 of 2)", noted)
        saved = json.loads((self.out / "arm64/base/results.json").read_text())
        self.assertEqual(saved, found["arm64-base"])

    def test_json_of_what_does_not_build(self) -> None:
        """Of several it is one cell of them; a single one is there although the run is refused."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")
        self.built["x86_64 base"] = Failed("the modules do not build")
        status, found, _ = self.run_json("ARCH=all")
        self.assertEqual(status, FAILED)
        self.assertEqual({name: cell["verdict"] for name, cell in found.items()},
                         {"x86_64-base": "fail", "arm64-base": "pass"})
        status, found, _ = self.run_json("ARCH=x86_64")
        self.assertIsInstance(status, Failed)
        self.assertEqual(found["x86_64-base"]["failures"][0]["message"], "the modules do not build")

    def test_json_without_results(self) -> None:
        """Where the environment fails there is a reason, and no file."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")
        with mock.patch.object(self, "_kernel", side_effect=EnvironmentFailed("no network")):
            status, found, _ = self.run_json("ARCH=x86_64")
        self.assertIsInstance(status, EnvironmentFailed)
        self.assertEqual((found["x86_64-base"]["verdict"], found["x86_64-base"]["why"]),
                         ("error", "no network"))
        self.assertFalse((self.out / "x86_64/base/results.json").exists())
        with mock.patch.object(files, "save", side_effect=EnvironmentFailed("no space")):
            status, found, _ = self.run_json("ARCH=x86_64")
        self.assertEqual((status, found["x86_64-base"]["verdict"]), (3, "error"))
        self.assertIn("not saved: no space", found["x86_64-base"]["why"])
        self.assertEqual(found["x86_64-base"]["pairs"]["ring"]["cases"][0]["status"], "pass")

    def test_json_is_for_programs(self) -> None:
        """KEEP=1 wants a terminal."""
        status, found, _ = self.run_json("ARCH=x86_64", "KEEP=1")
        self.assertIsInstance(status, Refused)
        self.assertEqual(found, {})


if __name__ == "__main__":
    unittest.main()
