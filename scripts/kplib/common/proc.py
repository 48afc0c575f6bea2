# SPDX-License-Identifier: GPL-2.0
"""Child processes that never outlive kparity."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import functools
import os
import signal
import subprocess
from pathlib import Path
from typing import IO, Any, Callable, Iterator, Sequence

from kplib.common import ui
from kplib.common.errors import EnvironmentFailed

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """For a child to call: the kernel kills it if the thread that made it ends.

    A parent that ended before this call would never have it killed.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def dying_with_parent() -> Callable[[], None]:
    """The same, for a child that this process is going to make."""
    return functools.partial(die_with, os.getpid())


def _new_session(parent: int) -> None:
    """For the leader of a session: the whole of it is as nice as its parent is.

    Where the kernel groups tasks by session, nice values count within a session alone.
    """
    die_with(parent)
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if nice:
        with contextlib.suppress(OSError):
            with open("/proc/self/autogroup", "w", encoding="ascii") as file:
                file.write(str(nice))


@contextlib.contextmanager
def child(argv: Sequence[str | Path], **kwargs: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a session of its own; killed with all its children on leaving.

    The kernel kills it as well if kparity itself is killed. Call from the
    thread that waits for it: that signal is tied to the thread.
    """
    try:
        process = subprocess.Popen([str(a) for a in argv], start_new_session=True,
                                   preexec_fn=functools.partial(_new_session, os.getpid()),
                                   **kwargs)
    except OSError as err:
        raise EnvironmentFailed(f"cannot run {argv[0]}: {err.strerror}") from err
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a child and its children, if they still run."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def descendants(pid: int) -> list[int]:
    """All processes below one. A child hangs below the thread that made it."""
    found = []
    # Threads and processes come and go meanwhile.
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                for child in Path(f"/proc/{pid}/task/{thread}/children").read_text().split():
                    found += [int(child), *descendants(int(child))]
    return found


def output(argv: Sequence[str | Path], **kwargs: Any) -> str:
    """A command's standard output; an error with its last line if it fails."""
    with child(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
               stdin=subprocess.DEVNULL, **kwargs) as process:
        out, err = process.communicate()
    if process.returncode:
        said = (err or out).decode(errors="replace").strip().splitlines()
        raise EnvironmentFailed(f"{' '.join(map(str, argv[:3]))} ...: "
                                f"{ui.clean(said[-1]) if said else 'failed'}")
    return out.decode(errors="replace")


def logged(argv: Sequence[str | Path], log: Path, step: ui.Step,
           verbose: bool = False, **kwargs: Any) -> tuple[int, list[str]]:
    """Run a long command, its output to a log and its last line to the screen.

    Returns its exit status and the last lines it printed.
    """
    tail: collections.deque[str] = collections.deque(maxlen=60)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "wb") as file, \
                child(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                      stdin=subprocess.DEVNULL, **kwargs) as process:
            pipe: IO[bytes] | None = process.stdout
            assert pipe is not None
            for raw in pipe:
                file.write(raw)
                line = ui.clean(raw.decode(errors="replace").rstrip())
                tail.append(line)
                step.detail = line.strip()
                if verbose:
                    ui.note(line)
            status = process.wait()
    except OSError as err:
        raise EnvironmentFailed(f"cannot write {log}: {err.strerror}") from err
    return status, list(tail)
