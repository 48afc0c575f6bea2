# SPDX-License-Identifier: GPL-2.0
"""Static checks, each with the field's own tool.

A check that passed is not run again while nothing that it reads has changed: neither
the files, nor the tools, nor the kernel, nor the check itself. That it passed is kept
in the cache under a digest of all of these; that it failed never is.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Sequence

from kplib.build import kernel, modules, objects
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.common import cache
from kplib.configure.archs import Arch
from kplib.configure.request import TOP, Request
from kplib.configure.variants import Variant
from kplib.selftest.jobs import FAILED, PASSED, Outcome, Report

#: Checks that passed which the cache remembers, at most.
REMEMBERED = 500

#: Messages of checkpatch that do not hold for code outside the kernel tree.
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
#: The remark on a check that was not run, as nothing that it reads has changed.
UNCHANGED = "unchanged since it passed"


@dataclass(frozen=True)
class Check:
    """One check. `run` returns what is wrong, or None; `reads` has all that it depends on.

    What is checked by one run of its tools, with a verdict for each, has the names of those in
    `rows`, and `run` returns what is wrong with each.
    `kernel` tells that it needs a built kernel, and `cores` how many cores it keeps busy.
    """

    name: str
    reads: Callable[[], Iterator[str | bytes]]
    run: Callable[[], str | None | Sequence[str | None]]
    kernel: bool = False
    cores: float = 1.0
    seconds: float = 3.0
    rows: tuple[str, ...] = ()


def _files(*globs: str) -> list[Path]:
    return sorted(path for glob in globs for path in TOP.glob(glob) if path.is_file())


def _python() -> list[Path]:
    return [TOP / "scripts/kparity", *_files("scripts/kplib/**/*.py", "tests/**/*.py")]


def _content(files: list[Path]) -> Iterator[str | bytes]:
    for path in files:
        yield str(path)
        yield path.read_bytes()


def _tool(argv: list[str], silent: bool = False) -> str | None:
    """Run a tool; its output if it fails or, of a tool that is to be silent, any output."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, check=False, cwd=TOP)
    said = done.stdout.decode(errors="replace").strip()
    if done.returncode == 0 and not (silent and said):
        return None
    return said or f"{argv[0]}: exit status {done.returncode}"


#: Tools in a build that compiles with W=1, by the names of their checks: what stands for each in
#: that build, and the words that have kbuild start it. What a tool says goes to a file of its
#: own, as beside the compiler's words nobody could tell whose they are.
#:
#: Sparse up to 0.6.4 does not know __typeof_unqual__(), and kbuild leaves such a sparse out with
#: a remark that no one reads. Nor does it reckon with __builtin_strlen(), which MODULE_LICENSE()
#: asserts something of, and behind such an error it looks at nothing more in that file. Clang
#: judges all assertions. That sparse fails is said in its file, and ends no build.
BESIDE = {
    "sparse": ("""\
sparse "$@" '-D__typeof_unqual__(x)=__typeof__(x)' '-D_Static_assert(...)=' 2>>{said} ||
    echo "sparse: exit status $?" >>{said}
""", ("C=1", "CHECK={tool}")),
    # In place of rustc, to which W=1 means nothing; it has rustc's own warnings as well.
    "clippy": ("""\
exec clippy-driver "$@" 2>>{said}
""", ("CLIPPY=1", "CLIPPY_DRIVER={tool}")),
}


def _kbuild(setup: Setup, out: Path) -> list[str | None]:
    """A build of all modules in a folder of its own: what is wrong with it, and by each tool in it.

    A warning is wrong. Objects are kept only while all of them were built without a warning, with
    the same kernel and tools: kbuild then makes those alone whose sources changed, by their times.
    """
    passed = out / ".kparity-passed"
    command = _command(setup, out)
    made_with = cache.digest(setup.kernel.ident, setup.tools.name(), *command, str(BESIDE))
    now = objects.Digests(TOP)
    inputs = {name: now.of(name) for name in
              (str(path.relative_to(TOP)) for path in _files(*modules.INPUTS))}
    if not _timely(passed, made_with, inputs):
        shutil.rmtree(out, ignore_errors=True)
    passed.unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    for name, (script, _) in BESIDE.items():
        (out / f"{name}.said").write_text("")
        (out / name).write_text(
            "#!/bin/sh\n" + script.format(said=shlex.quote(str(out / f"{name}.said"))))
        (out / name).chmod(0o755)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, check=False, cwd=TOP)
    # Where the build ended early not all files were seen, by none of them.
    ended = f"the build ended with exit status {done.returncode}" if done.returncode else None
    said = "\n".join(line for line in done.stdout.decode(errors="replace").splitlines()
                     if not line.startswith(("make", "  ")))
    warned = any(word in said.lower() for word in ("warning", "error"))
    verdicts = [said if warned else ended,
                *((out / f"{name}.said").read_text(errors="replace").strip() or ended
                  for name in BESIDE)]
    if not any(verdicts):
        cache.write(passed, json.dumps({"with": made_with, "inputs": inputs}))
    return verdicts


def _command(setup: Setup, out: Path) -> list[str]:
    words = [word.format(tool=out / name) for name, (_, start) in BESIDE.items()
             for word in start]
    return modules.command(setup, out, "W=1", *words)


def _timely(passed: Path, made_with: str, inputs: objects.Contents) -> bool:
    """Whether times tell what is to be made since a build that passed with some inputs.

    They do not of a file that has other content and a time of before, as cp -p gives it.
    """
    try:
        before = json.loads(passed.read_text())
        since = passed.stat().st_mtime_ns
        return bool(before["with"] == made_with) and all(
            (TOP / name).stat().st_mtime_ns > since
            for name, content in before["inputs"].items() if inputs.get(name) != content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _listed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, check=True,
                            stdout=subprocess.PIPE).stdout.decode().splitlines()
    return [TOP / name for name in listed if (TOP / name).is_file()]


def _spdx() -> str | None:
    missing = [str(path.relative_to(TOP)) for path in _listed()
               if path != TOP / "COPYING"
               and not path.is_relative_to(TOP / "tests/unit/data")
               and "SPDX-License-Identifier: GPL-2.0" not in
               "\n".join(path.read_text(errors="replace").splitlines()[:3])]
    return "\n".join(missing) or None


def checks(req: Request, tools: Toolchain, tree: Path, arch: Arch, base: Variant) -> list[Check]:
    """Every check. `tree` is the kernel's source, `arch` and `base` the kernel to build for."""
    python = _python()
    # These tools look for settings of their own beside what they read.
    of_python = python + _files("setup.cfg", "tox.ini", "pyproject.toml", "mypy.ini", ".mypy.ini")
    shell = [TOP / "scripts/enter-root", TOP / ".ci/run"]
    c_files = _files("kmod/**/*.[ch]", "tests/**/*.[ch]", "qemu/*.c")
    # Names of libclang's.
    camel = _files("scripts/*.c")
    rust = _files("rust-stub/*.rs", "tests/**/*.rs", "scripts/*.rs")
    out = req.out / arch.name
    script = tree / "scripts/checkpatch.pl"

    # Each job asks for the kernel itself: it is there by then.
    def built() -> Setup:
        return Setup(req, tools, kernel.get(req, tools, arch, base))

    def built_from() -> Iterator[str | bytes]:
        yield built().kernel.ident
        yield from _command(built(), out / "w1")
        yield from _content(_files(*modules.INPUTS))

    def checkpatch(name: str, files: list[Path], ignore: tuple[str, ...]) -> Check:
        return Check(name, lambda: _content([script, *_files_of(script), *files]),
                     lambda: _tool(tools.argv(
                         "env", "LC_ALL=C", "perl", script, f"--root={tree}", "--strict",
                         "--terse", "--quiet", "--no-summary", "--show-types",
                         f"--ignore={','.join(ignore)}", "-f", *files), silent=True), seconds=8)

    return [
        checkpatch("checkpatch --strict", c_files, CHECKPATCH_IGNORE),
        checkpatch("checkpatch --strict, scripts", camel, (*CHECKPATCH_IGNORE, "CAMELCASE")),
        Check("rustfmt", lambda: _content([tree / ".rustfmt.toml", *rust]),
              lambda: _tool(tools.argv("rustfmt", "--check", "--edition=2021", "--config-path",
                                       tree / ".rustfmt.toml", *rust))),
        # An object that need not be built again was checked when it was.
        Check(f"W=1 build, {', '.join(BESIDE)}, {arch.name}", built_from,
              lambda: _kbuild(built(), out / "w1"), kernel=True, cores=1.5, seconds=30,
              rows=tuple(f"{name}, {arch.name}" for name in ("W=1 build", *BESIDE))),
        Check("shellcheck", lambda: _content(shell + _files(".shellcheckrc", ".ci/.shellcheckrc",
                                                            "scripts/.shellcheckrc")),
              lambda: _tool(tools.argv("shellcheck", *shell))),
        Check("pyflakes", lambda: _content(of_python),
              lambda: _tool(tools.argv("python3", "-m", "pyflakes", *python))),
        Check("pycodestyle", lambda: _content(of_python),
              lambda: _tool(tools.argv("pycodestyle", "--max-line-length=100",
                                       "--ignore=E101,W191,W503,W504", *python))),
        Check("mypy --strict", lambda: _content(of_python),
              lambda: _tool(tools.argv(
                  "env", f"MYPYPATH={TOP}/scripts", f"MYPY_CACHE_DIR={out.parent}/mypy", "mypy",
                  "--strict", "--no-error-summary", "--scripts-are-modules",
                  "--explicit-package-bases", *python)), seconds=20),
        Check("SPDX lines", lambda: _content(_listed()), _spdx),
    ]


def _files_of(checkpatch: Path) -> list[Path]:
    """The word lists that checkpatch reads."""
    return sorted(path for name in ("spelling.txt", "const_structs.checkpatch")
                  if (path := checkpatch.parent / name).exists())


def _key(tools: Toolchain, check: Check) -> str:
    """The name of all that a check depends on, as it is now."""
    return cache.digest(check.name, str(tools.root), tools.name(), Path(__file__).read_bytes(),
                        *check.reads())


def run(req: Request, tools: Toolchain, check: Check) -> Report:
    """Run a check, or find that it passed with all that it reads as it is now."""
    if tools.root is None or check.kernel and req.kernel_src:
        # Nothing tells when one of the host's tools, or a header of the user's own kernel
        # tree, has become another.
        return _report(check, check.run())
    folder = req.cache / "passed"
    key = _key(tools, check)
    if (folder / key).exists():
        os.utime(folder / key)
        return _report(check, None, aside=UNCHANGED)
    found = _report(check, check.run())
    # A file that was edited meanwhile may not be the one that passed.
    if not found.count(FAILED) and key == _key(tools, check):
        cache.write(folder / key, f"{check.name} {time.strftime('%F %T')}\n")
        kept = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for path in kept[:-REMEMBERED]:
            path.unlink(missing_ok=True)
    return found


def _report(check: Check, said: str | None | Sequence[str | None], aside: str = "") -> Report:
    """A verdict for each row of a check, or one for all of them."""
    rows = check.rows or (check.name,)
    whys = [said] * len(rows) if said is None or isinstance(said, str) else said
    return Report(tuple(Outcome(row, PASSED if why is None else FAILED, why or "")
                        for row, why in zip(rows, whys, strict=True)), aside=aside)
