# SPDX-License-Identifier: GPL-2.0
"""A running guest: its console, and requests to its init over a port.

Starting one is qemu.py's job.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

from kplib.boot import diagnosis, port, qmp
from kplib.boot.console import CONSOLE_MAX, Console
from kplib.boot.serial import SerialLine
from kplib.boot.silence import STARVED, Silence, threads
from kplib.common.errors import GuestLost

#: The kernel's panic= while it runs: 0 is to stay.
PANIC = "/sys/module/kernel/parameters/panic"

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


class Pending:
    """A request to a guest, which takes its own answer."""

    def __init__(self, vm: Guest, ticket: port.Ticket) -> None:
        self._vm, self._ticket = vm, ticket

    @property
    def done(self) -> bool:
        """Whether it is answered."""
        return self._ticket.status is not None

    def answer(self, silence: float | None = None) -> tuple[int, bytes]:
        """Wait for the answer: an errno, or a program's exit status, and bytes.

        Raises GuestLost after `silence` seconds without progress; without it, after as many as the
        speed of the running case allows.
        """
        self._vm.wait_for(lambda: self.done, silence)
        assert self._ticket.status is not None
        return self._ticket.status, self._ticket.data

    def ok(self, silence: float | None = None) -> bytes:
        """Wait for the answer, which must not be an error."""
        err, data = self.answer(silence)
        if err:
            raise self._vm.lost(f"failed at {self._ticket.what}: {os.strerror(err)}")
        return data

    def text(self) -> str:
        """The bytes of ok() as text."""
        return self.ok().decode(errors="replace")


class Guest:
    """A running guest. It carries out requests in their order."""

    def __init__(self, process: subprocess.Popen[bytes], console: Console, path: Path,
                 errors: Path, wire: socket.socket, monitor: socket.socket,
                 silence: float, cancelled: threading.Event | None = None) -> None:
        assert process.stdin and process.stdout
        self.console = console
        self.line = SerialLine(wire, console, path)
        self.monitor = qmp.Monitor(monitor)
        self.silence = Silence(silence, lambda: threads(process.pid))
        #: Set, by another thread, to have the guest given up.
        self.cancelled = cancelled or threading.Event()
        self._process = process
        self._port = port.Port()
        self._in = process.stdin.fileno()
        self._out = process.stdout.fileno()
        self._errors = errors
        self._watched: dict[int, Callable[[], None]] = {}
        self._ends_at_panic = False
        self._kept = False
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)

    def send(self, what: str, line: str, data: bytes = b"") -> Pending:
        """Queue a request; `what` names it in an error."""
        return Pending(self, self._port.send(what, line, data))

    def expect(self, what: str) -> Pending:
        """An answer that comes unasked, as the one does with which init begins."""
        return Pending(self, self._port.expect(what))

    def read(self, what: str, path: str) -> Pending:
        """Queue the reading of a file."""
        return self.send(what, f"read {path}")

    def write(self, what: str, path: str, data: bytes) -> Pending:
        """Queue the writing of a file."""
        return self.send(what, f"write {len(data)} {path}", data)

    def load(self, what: str, module: bytes, parameters: str = "") -> Pending:
        """Queue the loading of a module."""
        return self.send(what, f"load {len(module)} {parameters}", module)

    def say(self, text: str) -> Pending:
        """Queue a line for the guest's console, where it stands among the kernel's own."""
        return self.write("marking", "/dev/kmsg", f"<5>{text}\n".encode())

    def stay(self, until_panic: bool = False) -> None:
        """From now on the guest does not reboot when it panics, so that one can look at it.

        With `until_panic` a panic is the end nevertheless, until hold().
        """
        self._kept = True
        self.write("asking it to stay", PANIC, b"0").ok()
        self._ends_at_panic = until_panic

    def hold(self) -> None:
        """A panic is no end any more: someone looks at the guest."""
        self._ends_at_panic = False

    @property
    def alive(self) -> bool:
        """Whether QEMU still runs."""
        return self._process.poll() is None

    @contextlib.contextmanager
    def watching(self, fd: int, ready: Callable[[], None]) -> Iterator[None]:
        """While the body runs, and until unwatch(), call `ready` whenever `fd` can be read."""
        self._watched[fd] = ready
        try:
            yield
        finally:
            self.unwatch(fd)

    def unwatch(self, fd: int) -> None:
        """No longer wait at a descriptor."""
        self._watched.pop(fd, None)

    def idle(self, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
        """Let the guest go on for a while, or until `done`."""
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            self._pump(0.01)

    def wait_for(self, done: Callable[[], bool], silence: float | None = None) -> None:
        """Move bytes until `done`; the guest is lost if it is silent for too long meanwhile."""
        self.console.progress = time.monotonic()
        while not done():
            # Before looking at the clock: output that has arrived already may be progress.
            self._pump()
            limit = silence or self.silence.limit(self.console.position)
            if not done() and self.silence.exceeds(self.console.progress, limit):
                if self.silence.starved:
                    raise self._starved(limit, f"while {self._port.doing}")
                raise diagnosis.stuck(self.line, self.monitor, self._process.pid,
                                      limit, self._port.doing, self._kept)

    def wait_for_end(self, deadline: float) -> None:
        """Let a guest that was told to power off do so."""
        begun = time.monotonic()
        while self._process.poll() is None:
            if self.silence.exceeds(begun, deadline):
                if self.silence.starved:
                    raise self._starved(deadline, "to power off")
                raise self.lost("does not power off", stuck=True)
            self.line.until_quiet(0.02, 0.1)
        self.line.drain()

    def _starved(self, limit: float, doing: str) -> GuestLost:
        return self.lost(f"got no CPU for {limit * STARVED:g} s {doing}: the machine is "
                         "overloaded, or QEMU is kept from running", stuck=True, external=True)

    def lost(self, what: str, **more: Any) -> GuestLost:
        """The error for a guest that is of no use any more."""
        return GuestLost(f"the guest {what}", self.line.tail(), **more)

    def _pump(self, seconds: float = 0.2) -> None:
        """Move bytes all ways for a moment."""
        if self.cancelled.is_set():
            raise Cancelled
        wire = self.line.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            if wire is not None:
                selector.register(wire, selectors.EVENT_READ)
            if self._port.unsent():
                selector.register(self._in, selectors.EVENT_WRITE)
            for fd in self._watched:
                selector.register(fd, selectors.EVENT_READ)
            ready = {key.fd for key, _ in selector.select(seconds)}
        for fd in ready:
            if fd in self._watched:
                self._watched[fd]()
            elif fd == self._in:
                self._write()
            elif fd == wire:
                self.line.listen()
        # Behind the console, which has the position and the guest's last words.
        if self._out in ready:
            self._read()
        if self.console.flooded:
            raise self.lost(f"flooded its console with more than {CONSOLE_MAX >> 20} MiB "
                            f"while {self._port.doing}", stuck=True)
        if self._ends_at_panic and self.console.panicked:
            why = self.console.last_words.get("panic", "it says no more")
            raise self.lost(f"panicked while {self._port.doing}: {why}", stuck=True)

    def _write(self) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            if data := self._port.unsent():
                self._port.sent(os.write(self._in, data))

    def _read(self) -> None:
        data = os.read(self._out, 1 << 20)
        if not data:
            status = self._process.wait()
            self.line.drain()
            raise diagnosis.dead(self.line, status, self._errors, self._port.doing)
        self.console.progress = time.monotonic()
        try:
            self._port.receive(data)
        except port.Nonsense:
            raise self.lost("answered with nonsense") from None
