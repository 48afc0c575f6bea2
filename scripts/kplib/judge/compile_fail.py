# SPDX-License-Identifier: GPL-2.0
"""Rust that must not compile: tests/compile-fail/<pair>/*.rs.

Each file is compiled twice with the flags and crates that kbuild compiled the
pair with: with --cfg misuse it must be rejected with the error code that its
head names, and without it, it must compile. So the twin differs from the
misuse in nothing but the misuse.
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
from kplib.configure.request import TOP

FOLDER = TOP / "tests/compile-fail"


@dataclass(frozen=True)
class Misuse:
    """One test."""

    pair: str
    name: str
    path: Path
    invariants: tuple[str, ...]
    error: str


@dataclass(frozen=True)
class Outcome:
    """What the compiler made of it. `why` is None if both halves are as they must be."""

    test: Misuse
    why: str | None


def find(pair: str, folder: Path = FOLDER) -> list[Misuse]:
    """The tests of a pair."""
    found = []
    for path in sorted((folder / pair).glob("*.rs")):
        text = path.read_text()
        head = dict(re.findall(r"^//! (invariant|error): (.*)$", text, re.M))
        if not head.get("invariant") or not re.fullmatch(r"E\d{4}", head.get("error", "")):
            raise EnvironmentFailed(f"{path}: needs the lines '//! invariant: <id>' and "
                                    "'//! error: E....'")
        found.append(Misuse(pair, path.stem, path, tuple(head["invariant"].split()),
                            head["error"]))
    return found


def _command(build: Path, pair: str) -> list[str]:
    """kbuild's rustc command for the pair, without source and outputs."""
    saved = build / "rust-stub" / f".{pair}.o.cmd"
    text = saved.read_text().splitlines()[0].partition(" := ")[2]
    words: list[str] = []
    for word in shlex.split(text.replace("$(pound)", "#").replace("$$", "$")):
        if word.startswith(";"):
            break
        if word.startswith("--emit=") or word.endswith(f"rust-stub/{pair}.rs"):
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


def run_one(tools: Toolchain, build: Path, test: Misuse) -> Outcome:
    """Compile both halves of a test."""
    command = _command(build, test.pair)
    with tempfile.TemporaryDirectory(dir=build) as scratch:
        def rustc(*extra: str) -> tuple[int, list[str], str]:
            done = subprocess.run(
                tools.argv("env", "-C", build, f"KPARITY_BINDINGS={build}/rust-stub",
                           "RUSTC_BOOTSTRAP=1", *command,
                           "--emit=metadata", "--out-dir", scratch, "--crate-name", "misuse",
                           "--check-cfg", "cfg(misuse)", "--error-format=json", "--cap-lints=allow",
                           *extra, test.path),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                check=False)
            codes, first = _codes(done.stderr.decode(errors="replace"))
            return done.returncode, codes, first

        status, _, first = rustc()
        if status:
            return Outcome(test, f"the corrected twin does not compile:\n{first}")
        status, codes, first = rustc("--cfg", "misuse")
    if status == 0:
        return Outcome(test, f"compiles, but must be rejected with {test.error}")
    if set(codes) != {test.error}:
        said = ", ".join(codes) or "no code"
        return Outcome(test, f"rejected with {said}, but {test.error} is meant:\n{first}")
    return Outcome(test, None)


def run(tools: Toolchain, build: Path, pairs: tuple[str, ...]) -> list[Outcome]:
    """Every test of some pairs; the modules must have been built."""
    tests = [test for pair in pairs for test in find(pair)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda test: run_one(tools, build, test), tests))
