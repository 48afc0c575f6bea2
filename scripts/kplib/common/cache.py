# SPDX-License-Identifier: GPL-2.0
"""The cache: entries that are whole or absent, whoever is interrupted when.

An entry is complete once its marker, written last and by rename, is there.
Work on an entry holds its lock; a second run waits for the first one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Iterator

from kplib.common import ui
from kplib.common.errors import EnvironmentFailed, Refused


def digest(*parts: str | bytes) -> str:
    """A short name for contents."""
    h = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        h.update(len(data).to_bytes(8, "little"))
        h.update(data)
    return h.hexdigest()[:12]


def write(path: Path, data: str | bytes) -> None:
    """Write a file by rename, so that no reader sees half of it."""
    raw = data.encode() if isinstance(data, str) else data
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(raw)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            # An interrupt can come right behind the rename.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise
    except OSError as err:
        raise EnvironmentFailed(f"cannot write {path}: {err.strerror}") from err


def writable_folder(what: str, path: Path) -> Path:
    """Make a folder, or refuse with a line that says which and why."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as err:
        raise Refused(f"{what} {path} cannot be written: {err.strerror}; "
                      "choose another folder") from err
    return path


def need_space(path: Path, mib: int, what: str) -> None:
    """Stop before a step that the disk has no room for."""
    free = shutil.disk_usage(path).free >> 20
    if free < mib:
        raise EnvironmentFailed(
            f"{what} needs {mib} MiB in {path}, {free} MiB are free; "
            "free some, or set KPARITY_CACHE to a folder on another disk")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an entry's lock, waiting for another run that has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with ui.step(f"waiting for another kparity that works on {path.name}"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def marker(entry: Path) -> dict[str, Any] | None:
    """The entry's marker, or None while the entry is not complete."""
    try:
        data = json.loads((entry / ".complete").read_text())
        return data if isinstance(data, dict) else None
    except (OSError, ValueError):
        return None


def complete(entry: Path, data: dict[str, Any]) -> dict[str, Any]:
    """Mark an entry as complete."""
    write(entry / ".complete", json.dumps(data, indent=1))
    return data


@contextlib.contextmanager
def fresh(entry: Path) -> Iterator[Path]:
    """A new folder that becomes `entry` if the body succeeds, else nothing."""
    partial = entry.with_name(entry.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(entry, ignore_errors=True)
        os.replace(partial, entry)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
