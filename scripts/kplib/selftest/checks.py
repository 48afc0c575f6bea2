# SPDX-License-Identifier: GPL-2.0
"""Static checks, each with the field's own tool."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

from kplib.build import modules
from kplib.build.kernel import Kernel
from kplib.build.toolchain import Toolchain
from kplib.common import ui
from kplib.configure.request import TOP

#: What checkpatch says that does not hold for code outside the kernel tree.
CHECKPATCH_IGNORE = (
    "FILE_PATH_CHANGES",        # there is no MAINTAINERS file to update
    "MACRO_ARG_REUSE",          # pair names and table rows are pasted more than once
    "MACRO_ARG_PRECEDENCE",     # ... and are names, not expressions
    "COMPLEX_MACRO",            # a list of rows cannot be put in parentheses
    "MACRO_ARG_UNUSED",         # each reading of a contract uses some of an invariant's columns
    "MACRO_WITH_FLOW_CONTROL",  # a macro that defines a function has a return in it
    "TRAILING_SEMICOLON",       # ... and one that defines a variable ends with one
    "ARRAY_SIZE",               # the guest's init is user space
)


@dataclass(frozen=True)
class Outcome:
    """One check: what it was, whether it passed, and what the tool said."""

    name: str
    passed: bool
    said: str


def _files(*globs: str) -> list[Path]:
    return sorted(path for glob in globs for path in TOP.glob(glob) if path.is_file())


def _python() -> list[Path]:
    return [TOP / "scripts/kparity", *_files("scripts/kplib/**/*.py", "tests/**/*.py")]


def _tool(name: str, argv: list[str], silent: bool = False) -> Outcome:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, check=False, cwd=TOP)
    said = done.stdout.decode(errors="replace").strip()
    return Outcome(name, done.returncode == 0 and not (silent and said), said)


def _checkpatch(tools: Toolchain, kernel: Kernel) -> Outcome:
    files = _files("kmod/**/*.[ch]", "tests/**/*.[ch]", "qemu/*.c")
    return _tool("checkpatch --strict", tools.argv(
        "env", "LC_ALL=C", "perl", kernel.tree / "scripts/checkpatch.pl",
        f"--root={kernel.tree}", "--strict", "--terse", "--quiet", "--no-summary", "--show-types",
        f"--ignore={','.join(CHECKPATCH_IGNORE)}", "-f", *files), silent=True)


def _rustfmt(tools: Toolchain, kernel: Kernel) -> Outcome:
    return _tool("rustfmt", tools.argv(
        "rustfmt", "--check", "--edition=2021", "--config-path",
        kernel.tree / ".rustfmt.toml", *_files("rust-stub/*.rs", "tests/**/*.rs")))


def _kbuild(name: str, tools: Toolchain, kernel: Kernel, out: Path, *words: str) -> Outcome:
    """A whole build in a folder of its own; a warning fails it."""
    out.mkdir(parents=True, exist_ok=True)
    for path in out.rglob("*.o"):
        path.unlink()
    done = _tool(name, modules.command(tools, kernel, out, *words))
    said = "\n".join(line for line in done.said.splitlines()
                     if not line.startswith(("make", "  ")))
    bad = any(word in said for word in ("warning", "error"))
    return Outcome(name, done.passed and not bad, said)


def _spdx() -> Outcome:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, check=True,
                            stdout=subprocess.PIPE).stdout.decode().split()
    missing = [name for name in listed
               if (TOP / name).is_file() and name != "COPYING"
               and not name.startswith("tests/unit/data/")
               and "SPDX-License-Identifier: GPL-2.0" not in
               "\n".join((TOP / name).read_text(errors="replace").splitlines()[:3])]
    return Outcome("SPDX lines", not missing, "\n".join(missing))


def checks(tools: Toolchain, kernel: Kernel, out: Path) -> Iterator[Callable[[], Outcome]]:
    """Every check, as something to call."""
    arch = kernel.arch.name
    python = [str(path) for path in _python()]
    shell = [str(path) for path in (TOP / "scripts/enter-root", TOP / ".ci/run")]
    yield lambda: _checkpatch(tools, kernel)
    yield lambda: _rustfmt(tools, kernel)
    yield lambda: _kbuild(f"clippy, {arch}", tools, kernel, out / arch / "clippy", "CLIPPY=1")
    yield lambda: _kbuild(f"sparse, {arch}", tools, kernel, out / arch / "sparse", "C=2",
                          "CHECK=sparse")
    yield lambda: _kbuild(f"W=1 build, {arch}", tools, kernel, out / arch / "w1", "W=1")
    yield lambda: _tool("shellcheck", tools.argv("shellcheck", *shell))
    yield lambda: _tool("pyflakes", tools.argv("python3", "-m", "pyflakes", *python))
    yield lambda: _tool("pycodestyle", tools.argv(
        "pycodestyle", "--max-line-length=100", "--ignore=E101,W191,W503,W504", *python))
    yield lambda: _tool("mypy --strict", tools.argv(
        "env", f"MYPYPATH={TOP}/scripts", f"MYPY_CACHE_DIR={out}/mypy", "mypy", "--strict",
        "--no-error-summary", "--scripts-are-modules", "--explicit-package-bases",
        *(p for p in python)))
    yield _spdx


def run(tools: Toolchain, kernel: Kernel, out: Path) -> list[Outcome]:
    """Run every check, printing each as it ends."""
    found = []
    for check in checks(tools, kernel, out):
        with ui.step("static checks"):
            outcome = check()
        print(f"  {'ok  ' if outcome.passed else 'FAIL'} {outcome.name}", flush=True)
        if not outcome.passed:
            print("\n".join(f"       {ui.clean(line)}" for line in outcome.said.splitlines()[:40]))
        found.append(outcome)
    return found
