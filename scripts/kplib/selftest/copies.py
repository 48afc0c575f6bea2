# SPDX-License-Identifier: GPL-2.0
"""Copies of the project, and runs of kparity in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kplib.common import proc
from kplib.configure.request import TOP, VARIABLES, Request

#: Variables that hold for all that a test runs; the others are each test's to choose.
KEPT = ("KERNEL", "KERNEL_SRC", "KDIR", "TOOLCHAIN", "MIRROR")


def environment() -> dict[str, str]:
    """This process's environment, with those variables of kparity alone that are KEPT."""
    return {k: v for k, v in os.environ.items() if k not in VARIABLES or k in KEPT}


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
