# SPDX-License-Identifier: GPL-2.0
"""Jobs as child processes: each in a session, a mount namespace and a folder of its own.

A child hands its report over as a file in its folder, written by rename. One that
ends without has died, which is a failure of its job. All processes that jobs leave
become children of this one, and none of them outlives it.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kplib.common import cache, proc, ui
from kplib.common.errors import BROKEN, KparityError
from kplib.selftest.jobs import FAILED, Job, Outcome, Report

_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)
#: Seconds in which a process that is told to end may clean up.
GRACE = 10.0
#: Seconds in which a process that was killed with its parent is gone.
SOON = 3.0
#: Bytes of a job's output that are kept for its report.
SAID_MAX = 64 << 10


def _check(result: int, what: str) -> None:
    if result:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err), what)


def own_mounts() -> None:
    """Give this process, which must have one thread, mounts that no other sees."""
    uid, gid = os.geteuid(), os.getegid()
    flags = _CLONE_NEWNS | (_CLONE_NEWUSER if uid else 0)
    _check(_libc.unshare(flags), "a mount namespace")
    if uid:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    _check(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "/")


def bind(folder: Path, over: Path) -> None:
    """Show a folder in place of another."""
    _check(_libc.mount(os.fsencode(folder), os.fsencode(over), None, _MS_BIND | _MS_REC, None),
           str(over))


def _command(pid: int) -> str:
    """A process's command line, or its name."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(
            errors="replace").strip()
        return words or Path(f"/proc/{pid}/comm").read_text().strip()
    return "?"


def _terminated(*_: object) -> None:
    raise KeyboardInterrupt


def failed(name: str, err: BaseException) -> Report:
    """The report of a job that an exception ended."""
    if isinstance(err, KparityError):
        return Report((Outcome(name, FAILED, str(err), environment=err.status == BROKEN),))
    return Report((Outcome(name, FAILED, "".join(traceback.format_exception(err)).strip()),))


@dataclass(frozen=True)
class _Child:
    job: Job
    folder: Path
    deadline: float


class Processes:
    """Runs jobs as children; see schedule.Runner."""

    def __init__(self) -> None:
        self._children: dict[int, _Child] = {}
        self._late: dict[int, str] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="kparity-test-"))
        self._number = 0
        _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")

    @property
    def folder(self) -> Path:
        """A folder for files that jobs share, removed at the end."""
        return self._folder

    def start(self, job: Job) -> None:
        """Start a job in a child."""
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        # Until the child has handlers of its own, a signal must not make it go on as the parent.
        old = signal.pthread_sigmask(
            signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            pid = os.fork()
            if pid == 0:
                self._in_child(job, folder, parent)
            self._children[pid] = _Child(job, folder, time.monotonic() + job.bound)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)

    @staticmethod
    def _in_child(job: Job, folder: Path, parent: int) -> NoReturn:
        status = 1
        try:
            proc.die_with(parent)
            os.setsid()
            signal.signal(signal.SIGINT, _terminated)
            signal.signal(signal.SIGTERM, _terminated)
            _redirect(folder)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.nice(job.nice)
            if os.geteuid() == 0:
                # Mounts of tests that run beside each other are no one else's.
                with contextlib.suppress(OSError):
                    own_mounts()
            try:
                report = job.run(folder / "files")
            except KeyboardInterrupt:
                raise
            except BaseException as err:  # pylint: disable=broad-except
                report = failed(job.name, err)
            cache.write(folder / "report", report.to_json())
            status = 0
        except KeyboardInterrupt:
            status = 128 + signal.SIGINT
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)  # nothing of the parent's is to be cleaned up by its copy

    def poll(self, block: float) -> list[tuple[Job, Report, float, str]]:
        """Jobs that have ended; waits for one for up to `block` seconds."""
        end = time.monotonic() + block
        found: list[tuple[Job, Report, float, str]] = []
        while True:
            while True:
                try:
                    pid, status, usage = os.wait4(-1, os.WNOHANG)
                except ChildProcessError:
                    break
                if pid == 0:
                    break
                child = self._children.pop(pid, None)
                if child is not None:  # else it was left by one
                    report, said = self._take(pid, child, status)
                    found.append((child.job, report, usage.ru_utime + usage.ru_stime, said))
            now = time.monotonic()
            for pid, child in self._children.items():
                if now > child.deadline and pid not in self._late:
                    self._late[pid] = f"took longer than {child.job.bound:.0f} s"
                    _kill([pid, *proc.descendants(pid)])
            if found or now >= end:
                return found
            time.sleep(0.01)

    def _take(self, pid: int, child: _Child, status: int) -> tuple[Report, str]:
        """The report of a child that has ended, and its output."""
        said = _tail(child.folder / "output")
        name = child.job.name
        try:
            report = Report.from_json((child.folder / "report").read_text())
        except (OSError, ValueError, KeyError, TypeError):
            code = os.waitstatus_to_exitcode(status)
            how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
            why = self._late.pop(pid, f"its process died: {how}")
            report = Report((Outcome(name, FAILED, why),))
        shutil.rmtree(child.folder, ignore_errors=True)
        return report, said

    def stop(self) -> list[str]:
        """End all that still runs, first by asking, then at once. Others can be started behind it.

        Returns the commands of processes that jobs had left behind.
        """
        left: list[str] = []
        try:
            for pid in self._children:
                with contextlib.suppress(OSError):
                    os.killpg(pid, signal.SIGTERM)
            end = time.monotonic() + GRACE
            while self._children and time.monotonic() < end:
                self.poll(0.1)
            end = time.monotonic() + SOON
            while not self._children and proc.descendants(os.getpid()) and time.monotonic() < end:
                self.poll(0.1)
            if not self._children:
                left = [_command(pid) for pid in proc.descendants(os.getpid())]
        finally:
            self._children.clear()
            while below := proc.descendants(os.getpid()):
                _kill(below)
                self.poll(0.05)
        return left

    def close(self) -> None:
        """End all that still runs, and remove all folders."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _redirect(folder: Path) -> None:
    """Input from nowhere, output to a file, temporary files to the job's own folder."""
    (folder / "files").mkdir()
    (folder / "tmp").mkdir()
    os.environ["TMPDIR"] = str(folder / "tmp")
    tempfile.tempdir = None
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)
    # What a job that crashes said last is not to be lost in a buffer.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def _tail(path: Path) -> str:
    """The end of a job's output, harmless to print."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - SAID_MAX))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(ui.clean(line) for line in text.splitlines())
