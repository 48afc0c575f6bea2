# SPDX-License-Identifier: GPL-2.0
"""make test: everything that must hold, ending with a line of counts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

from kplib import matrix
from kplib.build import kernel, modules, toolchain
from kplib.common import ui
from kplib.common.errors import BROKEN, FAILED, OK, EnvironmentFailed
from kplib.configure import archs, variants
from kplib.configure.request import TOP, Request
from kplib.judge import compile_fail, dwarf, ktap, records, unsafety
from kplib.report import terminal
from kplib.selftest import checks


@dataclass
class Tally:
    """Counts over all parts of the test suite."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, good: bool) -> None:
        """Count one result."""
        if good:
            self.passed += 1
        else:
            self.failed += 1


def _host_tests(tree: Path, tally: Tally, folder: str = "") -> None:
    print("\ntests of the tooling", flush=True)
    os.environ["KPARITY_TREE"] = str(tree)
    tests = unittest.defaultTestLoader.discover(str(TOP / "tests" / folder),
                                                top_level_dir=str(TOP / "tests"))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=1).run(tests)
    for case, reason in result.skipped:
        print(f"  skip {case.id()}: {reason}", flush=True)
    bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    tally.failed += bad
    tally.skipped += len(result.skipped)
    tally.passed += result.testsRun - bad - len(result.skipped)


def copy_of_project(folder: Path) -> Path:
    """The project's own files, as they are now, in another folder."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, check=True,
                            stdout=subprocess.PIPE).stdout.decode().splitlines()
    copy = folder / "kparity"
    for name in listed:
        if (TOP / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, copy / name)
    return copy


def run_in(copy: Path, req: Request, *words: str) -> subprocess.CompletedProcess[bytes]:
    """kparity in a copy of the project, with this run's cache and tools."""
    env = {**os.environ, "KPARITY_CACHE": str(req.cache), "OUT": str(copy / "out")}
    if req.toolchain:
        env["TOOLCHAIN"] = req.toolchain
    return subprocess.run([str(copy / "scripts/kparity"), *words], env=env, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def _mutant(req: Request, arch: archs.Arch, patch: Path, copy: Path) -> str | None:
    """Why a mutant was not caught as its patch says, or None if it was."""
    head = dict(re.findall(r"^(Pair|Caught-by|Variant|Verdict): (.*)$", patch.read_text(), re.M))
    pair, (case, path) = head["Pair"], head["Caught-by"].split()
    variant, verdict = head.get("Variant", variants.BASE), head.get("Verdict", ktap.FAIL)
    status = FAILED if verdict == ktap.FAIL else BROKEN
    applied = subprocess.run(["git", "apply", "-p1", str(patch)], cwd=copy, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if applied.returncode:
        return f"does not apply: {applied.stdout.decode().strip()}"
    try:
        done = run_in(copy, req, "run", f"PAIR={pair}", "LANE=check", f"ARCH={arch.name}",
                      f"VARIANT={variant}")
    finally:
        subprocess.run(["git", "apply", "-R", "-p1", str(patch)], cwd=copy, check=True)
    said = done.stdout.decode(errors="replace")
    if done.returncode != status:
        return f"exit status {done.returncode}, not {status}:\n{said}"
    results = copy / "out" / arch.name / variant / "results.json"
    if not results.exists():
        return f"no results:\n{said}"
    cases = json.loads(results.read_text())["pairs"][pair]["cases"]
    if not any(c["case"] == case and path in ("any", c["path"]) and c["status"] == verdict
               for c in cases):
        return f"no {verdict} in {case} on {path}:\n{said}"
    if not re.search(rf"again: make run PAIR={pair} ARCH={arch.name} .*SEED=", said):
        return f"no command to run it again:\n{said}"
    return None


def _mutants(req: Request, arch: archs.Arch, tally: Tally) -> None:
    print(f"\nplanted bugs, {arch.name}", flush=True)
    with tempfile.TemporaryDirectory(dir=req.out) as scratch:
        # git apply must take the copy for what it is, not for a part of this checkout.
        copy = copy_of_project(Path(scratch))
        subprocess.run(["git", "init", "-q", str(copy)], check=True)
        for patch in sorted((TOP / "tests/mutants").glob("*.patch")):
            with ui.step(f"planting {patch.stem}"):
                why = _mutant(req, arch, patch, copy)
            tally.add(why is None)
            print(f"  {'ok  ' if why is None else 'FAIL'} {patch.stem}"
                  + (f": {ui.clean(why.splitlines()[0])}" if why else " is caught"), flush=True)
            for line in why.splitlines()[1:] if why else ():
                print(f"       {ui.clean(line)}")


def _line(good: bool, text: str, tally: Tally) -> None:
    tally.add(good)
    print(f"  {'ok  ' if good else 'FAIL'} {text}", flush=True)


def _contracts(req: Request, tools: toolchain.Toolchain, found: matrix.CellRun,
               tally: Tally) -> None:
    """Ledger, reasons for unsafe, layouts in DWARF, and Rust that must not compile."""
    arch = found.result.kernel.arch.name
    out = modules.folder(req, found.result.kernel)
    print(f"\ncontracts, {arch}", flush=True)
    gaps = found.book.gaps()
    for row in found.book.rows:
        mine = row.gaps()
        _line(not mine, f"{row.pair}.{row.promise.id} {'; '.join(mine)}", tally)
    _line(not found.book.dangling, "; ".join(d.text for d in found.book.dangling) or
          f"nothing dangling among {len(found.book.rows)} invariants, {len(gaps)} gaps", tally)
    for use in unsafety.review(req.pairs):
        if not use.reason:
            _line(False, f"{use.where}: unsafe without a reason", tally)
    for pair, module in found.built.pairs.items():
        for name in records.read(module).types:
            why = dwarf.differ(tools, out, pair, name)
            _line(why is None, why or f"struct {name}: same layout in both objects", tally)
    for outcome in compile_fail.run(tools, out, req.pairs):
        what = f"compile-fail {outcome.test.pair}/{outcome.test.name}"
        _line(outcome.why is None, f"{what}: {outcome.why or outcome.test.error}", tally)


def _suites(req: Request, tools: toolchain.Toolchain, arch: archs.Arch,
            variant: variants.Variant, tally: Tally) -> None:
    found = matrix.run_cell(req, tools, arch, variant)
    result = found.result
    print(terminal.show(result, req.verbose), flush=True)
    if variant.name == variants.BASE:
        _contracts(req, tools, found, tally)
    for pair in result.pairs.values():
        for verdict in pair.verdicts:
            if verdict.status == ktap.SKIP:
                tally.skipped += 1
            else:
                tally.add(verdict.status == ktap.PASS)


def test(req: Request) -> int:
    """The whole test suite, on every arch; what is soon told comes first.

    Kernels are built before the tests that need them: those have bounds of seconds.
    """
    tools = matrix.prepare(req)
    every = tuple(archs.load_all(TOP / "qemu/arch").values())
    host = next(a for a in every if a.name == archs.host_name(os.uname().machine))
    kinds = variants.load_all(TOP / "qemu/variant")
    base = kinds.pop(variants.BASE)
    plain = kernel.get(req, tools, host, base)
    tally = Tally()
    if tools.root is None:
        wanted = ("shellcheck", "mypy", "pycodestyle", "pahole", *toolchain.FOR_TESTS)
        missing = [t for t in wanted if not shutil.which(t.replace("clippy", "clippy-driver"))]
        if missing:
            raise EnvironmentFailed(f"make test needs {', '.join(missing)}; install them, "
                                    "or TOOLCHAIN=root")
    print("\nstatic checks", flush=True)
    for outcome in checks.run(tools, plain, req.out):
        tally.add(outcome.passed)
    for arch in every:
        _suites(req, tools, arch, base, tally)
    for variant in kinds.values():
        for arch in every:
            kernel.get(req, tools, arch, variant)
    _host_tests(plain.tree, tally)
    for variant in kinds.values():
        for arch in every:
            _suites(req, tools, arch, variant, tally)
    _mutants(req, host, tally)
    skipped = f", {tally.skipped} skipped" if tally.skipped else ""
    print(f"\n{tally.passed} passed, {tally.failed} failed{skipped}")
    return FAILED if tally.failed else OK


def check(req: Request) -> int:
    """Static checks, unit tests, and the base suites on this machine's arch."""
    tools = matrix.prepare(req)
    host = archs.load_all(TOP / "qemu/arch")[archs.host_name(os.uname().machine)]
    base = variants.load_all(TOP / "qemu/variant")[variants.BASE]
    plain = kernel.get(req, tools, host, base)
    tally = Tally()
    for outcome in checks.run(tools, plain, req.out):
        tally.add(outcome.passed)
    _host_tests(plain.tree, tally, "unit")
    _suites(req, tools, host, base, tally)
    skipped = f", {tally.skipped} skipped" if tally.skipped else ""
    print(f"\n{tally.passed} passed, {tally.failed} failed{skipped}")
    return FAILED if tally.failed else OK
