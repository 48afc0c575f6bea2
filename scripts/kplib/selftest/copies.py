# SPDX-License-Identifier: GPL-2.0
"""Copies of the project, and runs of kparity in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kplib.common import proc
from kplib.common.errors import EnvironmentFailed, Refused
from kplib.configure.request import TOP, VARIABLES, Request

#: Variables that hold for all that a test runs; the others are each test's to choose.
KEPT = ("KERNEL", "KERNEL_SRC", "KDIR", "TOOLCHAIN", "MIRROR")


def environment() -> dict[str, str]:
    """This process's environment, with those variables of kparity alone that are KEPT."""
    return {k: v for k, v in os.environ.items() if k not in VARIABLES or k in KEPT}


def copy_of_project(folder: Path, top: Path = TOP) -> Path:
    """The project's own files, as they are now, in another folder.

    With them what python3 has compiled of them: a copy without takes 0.2 s longer for its
    first run. It goes by the time and size of a source, and compiles what has changed.
    """
    try:
        listed = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=top,
                                check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError as err:
        raise EnvironmentFailed(f"cannot run git: {err.strerror}; install it") from err
    if listed.returncode:
        raise Refused(f"git lists no files of {top}, which tests are run in a copy of: it has to "
                      "be in a repository of git, and yours; clone it")
    copy = folder / "kparity"
    for name in os.fsdecode(listed.stdout).split("\0"):
        path = top / name
        if not path.is_file():
            continue
        compiled = path.parent.glob(f"__pycache__/{path.stem}.*.pyc") if path.suffix == ".py" \
            else ()
        for each in (path, *compiled):
            mine = copy / each.relative_to(top)
            mine.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(each, mine)
    return copy


def run_in(copy: Path, req: Request, *words: str,
           out: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """kparity in a copy of the project, with this run's cache and tools."""
    env = {**environment(), "KPARITY_CACHE": str(req.cache), "OUT": str(out or copy / "out")}
    if req.toolchain:
        env["TOOLCHAIN"] = req.toolchain
    if req.accel:
        env["ACCEL"] = req.accel
    # A python3 of pyenv is a shell script, a third of the time that it takes to begin.
    return subprocess.run([sys.executable, str(copy / "scripts/kparity"), *words],
                          env=env, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, preexec_fn=proc.dying_with_parent())
