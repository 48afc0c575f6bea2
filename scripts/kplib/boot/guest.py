# SPDX-License-Identifier: GPL-2.0
"""A running guest: its console, and requests to its init over a port.

The protocol is described in qemu/init.c. What starts a guest is in qemu.py.
"""

from __future__ import annotations

import collections
import contextlib
import os
import re
import selectors
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

from kplib.boot import qmp, stacks, unwind
from kplib.boot.console import CONSOLE_MAX, Console, plain
from kplib.common import ui
from kplib.common.errors import GuestLost

#: Seconds of silence, in variant base, while a case of KUnit's speed "normal" runs,
#: or anything else; variants multiply it by their patience. The longest silent case
#: of ours takes 0.6 s emulated.
SILENCE = 20.0
#: KUnit's own factors, kunit_timeout_mult() in lib/kunit/test.c.
SPEEDS = {"normal": 1.0, "slow": 3.0, "very_slow": 12.0}
#: The kernel's panic= while it runs: 0 is to stay.
PANIC = "/sys/module/kernel/parameters/panic"
#: No answer is larger; a guest that announces more talks nonsense.
ANSWER_MAX = 16 << 20
_HEAD_MAX = 32

#: One for each core: more guests than that would only slow each other down. Two at
#: least, as the lanes of one run are booted together.
_slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))


class Cancelled(Exception):
    """The run is being given up; nothing of this guest matters any more."""


@contextlib.contextmanager
def slot(cancelled: threading.Event | None = None) -> Iterator[None]:
    """Wait for a core to run a guest on, unless `cancelled` is set meanwhile."""
    while not _slots.acquire(timeout=0.1):
        if cancelled is not None and cancelled.is_set():
            raise Cancelled
    try:
        yield
    finally:
        _slots.release()


@dataclass(frozen=True)
class Lane:
    """How a guest is run. `accel` is "tcg" or "kvm", `mode` a key of arch records."""

    name: str
    accel: str
    why: str

    @property
    def mode(self) -> str:
        """Which entry of the arch's machine, cpu and cmdline to use."""
        return "insn" if self.name == "insn" else self.accel

    def describe(self) -> str:
        """The accelerator, in words."""
        how = "TCG, -icount shift=0" if self.name == "insn" else self.accel.upper()
        return f"{how} ({self.why})"


def tail(path: Path, lines: int = 25) -> str:
    """The last lines of a console's file, harmless to print."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(ui.clean(line) for line in text.splitlines()[-lines:])


def _stopped(pid: int) -> bool:
    """Whether a process or one below it was stopped by a signal."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in "Tt" or any(_stopped(int(c)) for c in below)


class Guest:
    """A running guest. Answers come in the order of the requests."""

    def __init__(self, process: subprocess.Popen[bytes], console: Console, path: Path,
                 errors: Path, wire: socket.socket, monitor: socket.socket,
                 patience: float = 1.0, cancelled: threading.Event | None = None) -> None:
        assert process.stdin and process.stdout
        self.console = console
        #: How long the running case may be silent, in multiples of SILENCE.
        self.speeds: dict[tuple[str, str], float] = {}
        #: Further things to listen to while waiting, and what to do then.
        self.taps: dict[int, Callable[[], None]] = {}
        #: Whether a panic is the end also of a guest that stays.
        self.ends_at_panic = False
        #: How much longer than in variant base anything may take.
        self.patience = patience
        self.monitor = qmp.Monitor(monitor)
        #: Set, by another thread, to have the guest given up.
        self.cancelled = cancelled or threading.Event()
        self._process = process
        self._in = process.stdin.fileno()
        self._out = process.stdout.fileno()
        self._wire: socket.socket | None = wire
        self._path = path
        self._errors = errors
        self._stays = False
        self._owed = 0
        self._unsent: collections.deque[memoryview] = collections.deque()
        self._received = bytearray()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        wire.setblocking(False)

    def send(self, line: str, data: bytes = b"") -> None:
        """Queue a request."""
        self._owed += 1
        self._unsent.append(memoryview(line.encode() + b"\n" + data))

    def say(self, text: str) -> None:
        """Queue a line for the guest's console, where it stands among the kernel's own."""
        line = f"<5>{text}\n".encode()
        self.send(f"write {len(line)} /dev/kmsg", line)

    def answer(self, what: str, silence: float | None = None) -> tuple[int, bytes]:
        """The next answer: errno and bytes. `what` names it in an error.

        Fails after `silence` seconds without progress; without it, after what the
        speed of the running case allows.
        """
        self.console.progress = time.monotonic()
        while (found := self._parse()) is None:
            at = self.console.position
            limit = silence or SILENCE * self.patience * self.speeds.get((at.suite, at.case), 1.0)
            if time.monotonic() > self.console.progress + limit:
                raise self._stuck(f"nothing for {limit:.0f} s while {what}")
            self._pump(what)
        return found

    def ok(self, what: str, silence: float | None = None) -> bytes:
        """The next answer, which must not be an error."""
        err, data = self.answer(what, silence)
        if err:
            raise self._lost(f"failed at {what}: {os.strerror(err)}")
        return data

    def stay(self) -> None:
        """From now on the guest does not reboot when it panics, so that one can look at it."""
        self.send(f"write 1 {PANIC}", b"0")
        self.ok("asking it to stay")
        self._owed = 0
        self._stays = True

    @property
    def alive(self) -> bool:
        """Whether QEMU still runs."""
        return self._process.poll() is None

    def owes_nothing(self) -> bool:
        """Drop what was answered; whether that is all that a guest that stays was asked for."""
        while self._parse() is not None:
            pass
        return self._owed <= 0

    def idle(self, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
        """Let the guest go on for a while, or until `done`."""
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            self._pump("waiting", 0.01)

    def wait(self, deadline: float = 30.0) -> None:
        """Let a guest that was told to power off do so."""
        end = time.monotonic() + deadline * self.patience
        while self._process.poll() is None:
            if time.monotonic() > end:
                raise self._lost("does not power off", stuck=True)
            self._until_quiet(0.02, 0.1)
        self._drain()

    def _parse(self) -> tuple[int, bytes] | None:
        head, newline, _ = bytes(self._received[:_HEAD_MAX]).partition(b"\n")
        if not newline:
            if len(head) == _HEAD_MAX:
                raise self._lost("answered with nonsense")
            return None
        found = re.fullmatch(rb"(\d+) (\d+)", head)
        if not found or int(found.group(2)) > ANSWER_MAX:
            raise self._lost("answered with nonsense")
        start = len(head) + 1
        end = start + int(found.group(2))
        if len(self._received) < end:
            return None
        data = bytes(self._received[start:end])
        del self._received[:end]
        self._owed -= 1
        return int(found.group(1)), data

    def _pump(self, what: str, seconds: float = 0.2) -> None:
        """Move bytes all ways for a moment."""
        if self.cancelled.is_set():
            raise Cancelled
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            if self._wire is not None:
                selector.register(self._wire, selectors.EVENT_READ)
            if self._unsent:
                selector.register(self._in, selectors.EVENT_WRITE)
            for tap in self.taps:
                selector.register(tap, selectors.EVENT_READ)
            ready = selector.select(seconds)
        for key, _ in ready:
            if key.fd in self.taps:
                self.taps[key.fd]()
            elif key.fd == self._in:
                with contextlib.suppress(BlockingIOError, BrokenPipeError):
                    sent = os.write(self._in, self._unsent[0][:65536])
                    self._unsent[0] = self._unsent[0][sent:]
                    if not self._unsent[0]:
                        self._unsent.popleft()
            elif key.fd == self._out:
                data = os.read(self._out, 1 << 20)
                if not data:
                    raise self._dead(what)
                self._received += data
                self.console.progress = time.monotonic()
            else:
                self._listen()
        if self.console.flooded:
            raise self._lost(f"flooded its console with more than {CONSOLE_MAX >> 20} MiB "
                             f"while {what}", stuck=True)
        if self._stays and self.ends_at_panic and self.console.panicked:
            why = self.console.last_words.get("panic", "it says no more")
            raise self._lost(f"panicked while {what}: {why}", stuck=True)

    def _listen(self) -> None:
        """Take what is there of the console."""
        assert self._wire is not None
        data = b""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            data = self._wire.recv(1 << 18)
            if data:
                self.console.feed(data)
                return
        if not data:
            self._wire = None

    def _drain(self) -> None:
        """Take the rest of the console of a guest that is gone."""
        while self._wire is not None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._wire, selectors.EVENT_READ)
                if not selector.select(1.0):
                    break
            self._listen()
        self.console.close()

    def _lost(self, what: str, **more: Any) -> GuestLost:
        return GuestLost(f"the guest {what}", tail(self._path), **more)

    def _dead(self, what: str) -> GuestLost:
        status = self._process.wait()
        self._drain()
        said = self.console.last_words
        complaint = self._errors.read_text(errors="replace").strip().splitlines()
        if "panic" in said:
            return self._lost(f"panicked while {what}: {said['panic']}")
        if "init" in said:
            return self._lost(f"gave up while {what}: {said['init']}")
        if status in (-9, 137):
            return self._lost(f"is gone: QEMU was killed from outside while {what}")
        if complaint and complaint[-1].endswith("Terminated via GDBstub"):
            return self._lost(f"is gone: gdb was told to kill it while {what}")
        if status:
            why = ui.clean(complaint[-1]) if complaint else f"status {status}"
            return self._lost(f"is gone: QEMU failed while {what}: {why}")
        return self._lost(f"rebooted by itself while {what}")

    def _stuck(self, what: str) -> GuestLost:
        """Why nothing comes, with what the guest's CPUs and tasks do, where it can tell."""
        if _stopped(self._process.pid):
            return self._lost(f"hung: QEMU was stopped from outside: {what}", stuck=True)
        if "panic" in self.console.last_words:
            what += f", after a panic: {self.console.last_words['panic']}"
        if time.monotonic() - self.console.last < 1.0:
            return self._lost(f"hung: {what}; it floods its console", stuck=True)
        self.console.dumping = True
        before = self._path.stat().st_size
        with contextlib.suppress(qmp.MonitorError, OSError):
            # Say all; CPUs, blocked tasks, all tasks: Documentation/admin-guide/sysrq.rst.
            self._sysrq(b"9")
            if b"sysrq: " in self._said(before):
                for key in b"lwt":
                    self._sysrq(bytes([key]))
            else:
                # CPU 0 takes no interrupts: but an NMI, on x86, which panics. Whatever
                # else it said meanwhile, like a stall of RCU, can break off anywhere.
                self.monitor.ask("inject-nmi")
                self._until_quiet(5.0, 30.0, 15.0)
        dump = self._said(before).decode(errors="replace")
        said, told = stacks.of_stuck([plain(ui.clean(line)) for line in dump.splitlines()])
        walks: unwind.Walks = ()
        if not told:
            with contextlib.suppress(qmp.MonitorError, OSError):
                walks = unwind.walk(self.monitor)
        return self._lost(f"hung: {what}", stuck=True, stacks=tuple(said), walks=walks)

    def _said(self, since: int) -> bytes:
        """What the console's file has from an offset on."""
        with open(self._path, "rb") as file:
            file.seek(since)
            return file.read(CONSOLE_MAX)

    def _sysrq(self, key: bytes) -> None:
        """Ask the guest's kernel over its serial line, and take what it says."""
        self.monitor.ask("chardev-send-break", id="console")
        self.type(key)
        self._until_quiet(0.7, 15.0, 4.0)

    def type(self, keys: bytes) -> None:
        """Keys for whoever reads the guest's console."""
        if self._wire is not None:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                self._wire.send(keys)

    def _until_quiet(self, quiet: float, most: float, first: float | None = None) -> None:
        """Take the console until nothing has come for a while.

        `quiet` in seconds between bytes, `first` until the first one, `most` in all.
        """
        now = time.monotonic()
        end, limit = now + most, now + (quiet if first is None else first)
        while self._wire is not None and time.monotonic() < min(end, limit):
            with selectors.DefaultSelector() as selector:
                selector.register(self._wire, selectors.EVENT_READ)
                if selector.select(0.1):
                    self._listen()
                    limit = time.monotonic() + quiet
