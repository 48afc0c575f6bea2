# SPDX-License-Identifier: GPL-2.0
"""Rust that must not compile: tests/compile-fail/<pair>/*.rs.

Each file is compiled twice with the flags and crates that kbuild compiled the
pair with: with --cfg misuse it must be rejected with the error code that its
head names, and without it, it must compile. So the twin differs from the
misuse in nothing but the misuse. The file is a module of the pair's crate, beside
the port, which is `super::port`. Twins of a pair are compiled together, but for those that
others might not compile without.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kplib.build.toolchain import Toolchain
from kplib.common.errors import EnvironmentFailed
from kplib.configure import pairs as known
from kplib.configure.pairs import Pair


@dataclass(frozen=True)
class Misuse:
    """One test."""

    pair: str
    name: str
    path: Path
    invariants: tuple[str, ...]
    error: str
    #: Whether its twin is a crate of its own.
    alone: bool = False


@dataclass(frozen=True)
class Outcome:
    """Verdict of the compiler on a test. `why` is None if both halves are as they must be."""

    test: Misuse
    why: str | None


def _alone(text: str) -> bool:
    """Whether a twin must not be compiled with others: it may have what these lack, as an `impl`
    and such a macro hold in the whole crate; or it is no other text than the misuse."""
    return bool(re.search(r"^\s*(unsafe\s+)?impl\b|\bmacro_(export|use)\b", text, re.M)) or \
        not re.search(r"\bcfg\w*!?\(.*\bmisuse\b", text)


def find(pair: Pair) -> list[Misuse]:
    """The tests of a pair."""
    found = []
    for path in sorted(pair.misuse.glob("*.rs")):
        text = path.read_text(errors="replace")
        head = dict(re.findall(r"^//! (invariant|error): (.*)$", text, re.M))
        # A pair of functions may have none.
        wanted = "'//! invariant: <id>' and " if pair.has_object else ""
        if wanted and not head.get("invariant") or \
                not re.fullmatch(r"E\d{4}", head.get("error", "")):
            raise EnvironmentFailed(f"{path}: needs the line{'s' if wanted else ''} {wanted}"
                                    "'//! error: E....'")
        found.append(Misuse(pair.name, path.stem, path,
                            tuple(head.get("invariant", "").split()), head["error"],
                            _alone(text)))
    return found


def _command(build: Path, crate: str) -> list[str]:
    """kbuild's rustc command for a pair's crate, without source and outputs."""
    saved = build / "rust-stub" / f".{crate}.o.cmd"
    text = saved.read_text().splitlines()[0].partition(" := ")[2]
    words: list[str] = []
    for word in shlex.split(text.replace("$(pound)", "#").replace("$$", "$")):
        if word.startswith(";"):
            break
        if word.startswith("--emit=") or word.endswith(f"rust-stub/{crate}.rs"):
            continue
        if words and words[-1] == "--out-dir":
            words.pop()
            continue
        words.append(word)
    return words


def _codes(stderr: str) -> tuple[list[str], str]:
    """Error codes in rustc's JSON, and the first error in words."""
    codes, first = [], ""
    for line in stderr.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if said.get("level") != "error":
            continue
        first = first or said.get("rendered") or said.get("message", "")
        if said.get("code"):
            codes.append(said["code"]["code"])
    return codes, first or stderr[-1000:]


def _compile(tools: Toolchain, build: Path, tests: list[Misuse],
             *extra: str) -> tuple[int, list[str], str]:
    """Compile a pair's crate with tests as modules of it: status, codes, the first error."""
    root = build / "rust-stub" / f"{tests[0].pair}_root.rs"
    command = _command(build, root.stem)
    # Beside what was built, which another process may be copying.
    with tempfile.TemporaryDirectory(dir=build.parent) as scratch:
        source = Path(scratch) / "crate.rs"
        source.write_text(root.read_text() + "".join(
            f"\n#[allow(dead_code)]\n#[path = {json.dumps(str(test.path))}]\nmod misuse_{nr};\n"
            for nr, test in enumerate(tests)))
        done = subprocess.run(
            tools.argv("env", "-C", build, f"KPARITY_BINDINGS={build}/rust-stub",
                       "RUSTC_BOOTSTRAP=1", *command,
                       "--emit=metadata", "--out-dir", scratch, "--crate-name", "misuse",
                       "--check-cfg", "cfg(misuse)", "--error-format=json", "--cap-lints=allow",
                       *extra, source),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            check=False)
    return (done.returncode, *_codes(done.stderr.decode(errors="replace")))


def _rejected(tools: Toolchain, build: Path, test: Misuse) -> str | None:
    """Why a misuse is not rejected as its head says, or None if it is."""
    status, codes, first = _compile(tools, build, [test], "--cfg", "misuse")
    if status == 0:
        return f"compiles, but must be rejected with {test.error}"
    if set(codes) != {test.error}:
        said = ", ".join(codes) or "no code"
        return f"rejected with {said}, but {test.error} is meant:\n{first}"
    return None


def _twins(tools: Toolchain, build: Path, tests: list[Misuse]) -> list[str | None]:
    """Why the twin of each test of a pair does not compile, or None where it does.

    Those that may be are one crate; only if that is not good, each is one of its own.
    """
    together = [test for test in tests if not test.alone]
    good = len(together) > 1 and not _compile(tools, build, together)[0]
    found: list[str | None] = []
    for test in tests:
        status, _, first = (0, [], "") if good and not test.alone else \
            _compile(tools, build, [test])
        found.append(f"the corrected twin does not compile:\n{first}" if status else None)
    return found


def run(tools: Toolchain, build: Path, pairs: tuple[str, ...],
        folder: Path | None = None) -> list[Outcome]:
    """Every test of some pairs; the modules must have been built. `folder` is PAIRS_DIR."""
    found = [tests for pair in pairs if (tests := find(known.files(pair, folder)))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        twins = [pool.submit(_twins, tools, build, tests) for tests in found]
        misuses = [[pool.submit(_rejected, tools, build, test) for test in tests]
                   for tests in found]
        return [Outcome(test, twin or misuse.result())
                for tests, twin_of, misuse_of in zip(found, twins, misuses)
                for test, twin, misuse in zip(tests, twin_of.result(), misuse_of)]
