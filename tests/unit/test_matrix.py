# SPDX-License-Identifier: GPL-2.0
"""Runs on several arches and variants, with lanes that are played."""

import contextlib
import io
import tempfile
import unittest
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Iterator
from unittest import mock

from kplib import matrix
from kplib.boot import accel, lanes
from kplib.boot.laneresult import Answers, LaneResult
from kplib.build import kernel, modules
from kplib.build.modules import Modules
from kplib.common.errors import Failed
from kplib.configure import request
from kplib.configure.lanes import CHECK
from kplib.judge import compile_fail, ktap, records
from kplib.report import files

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

    def _kernel(self, _req: Any, _tools: Any, arch: Any, variant: Any) -> mock.Mock:
        found = mock.Mock(arch=arch, variant=variant, release="7.3.4", config={}, tree=Path("x"))
        found.name = f"{arch.name} {variant.name}"
        return found

    def _build(self, setup: Any) -> Modules:
        if setup.kernel.name in self.built:
            raise self.built[setup.kernel.name]
        return Modules(Path("x"), {pair: Path(pair) for pair in setup.request.pairs}, {})

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

        passed = (ktap.Verdict("ring", "lockstep", "c->c", ktap.PASS, ()),)
        with contextlib.ExitStack() as stack:
            for where, name, value in (
                    (kernel, "get", self._kernel), (modules, "build", self._build),
                    (lanes, "run", self._lane), (lanes, "start", start),
                    (accel, "choose", lambda setup, lane: CHECK.on("tcg", "a test")),
                    (ktap, "verdicts", lambda tree, suites, text: passed),
                    (ktap, "junit", lambda *_: ""), (ktap, "load", lambda tree: None),
                    (compile_fail, "find", lambda pair: []),
                    (records, "read", lambda path: records.parse(self.contract.encode()))):
                stack.enter_context(mock.patch.object(where, name, value))
            yield

    def run_all(self, *words: str) -> tuple[list[str], str]:
        """Verdicts by cell, and what was said."""
        req = request.parse([f"OUT={self.out}", "LANE=check", *words], {})
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), \
                self.played(), files.recorded_run(req):
            rows = matrix.run_all(req, mock.Mock(versions={}))
        return [row.verdict for row in rows], said.getvalue()

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

    def test_one_does_not_build(self) -> None:
        """The others have their results, and it has its reason."""
        self.contract = CONTRACT.replace("ful\x1f", "full\x1f")
        self.built["arm64 base"] = Failed("the modules do not build")
        verdicts, _ = self.run_all("PAIR=ring", "ARCH=all")
        self.assertEqual(verdicts, ["pass", "fail"])
        req = request.parse([f"OUT={self.out}"], {})
        self.assertEqual(files.load(req, "x86_64", "base")["verdict"], "pass")
        with self.assertRaisesRegex(Exception, "gave no results: the modules do not build"):
            files.load(req, "arm64", "base")


if __name__ == "__main__":
    unittest.main()
