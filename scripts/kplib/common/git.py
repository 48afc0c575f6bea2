# SPDX-License-Identifier: GPL-2.0
"""What git says of a repository of the user's."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kplib.common import ui
from kplib.common.errors import EnvironmentFailed, Refused


class NoAnswer(Exception):
    """git does not answer: the message says why."""


def ask(top: Path, *words: str, patience: float | None = None) -> str:
    """What git says on standard output; NoAnswer if it fails, or takes longer than `patience` s."""
    try:
        done = subprocess.run(["git", "--no-pager", *words], cwd=top, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=patience)
    except OSError as err:
        raise NoAnswer(f"git cannot be run: {err.strerror}") from err
    except subprocess.TimeoutExpired as err:
        raise NoAnswer(f"git has not answered within {patience:g} s") from err
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NoAnswer(ui.clean(said[0]) if said else f"git ended with {done.returncode}")
    return done.stdout.decode(errors="replace")


def output(name: str, top: Path, *words: str) -> bytes:
    """What git says on standard output; refuses a revision, by its name, that it does not know."""
    try:
        done = subprocess.run(["git", *words], cwd=top, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        inside = subprocess.run(["git", "rev-parse"], cwd=top, check=False,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError as err:
        raise EnvironmentFailed(f"cannot run git: {err.strerror}; install it") from err
    if inside.returncode:
        raise Refused(f"{name}: {top} is in no repository of git, or not in one of yours; clone it")
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().splitlines()[:1]
        raise Refused(f"{name}: git knows no such revision"
                      + (f" ({ui.clean(why[0])})" if why else ""))
    return done.stdout
