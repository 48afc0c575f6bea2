# SPDX-License-Identifier: GPL-2.0
"""A guest: QEMU, its console in a file, and requests to its init over a port.

The protocol is described in qemu/init.c.
"""

from __future__ import annotations

import collections
import contextlib
import os
import re
import selectors
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from kplib import proc, ui
from kplib.errors import EnvironmentFailed, GuestLost
from kplib.kernel import Kernel
from kplib.toolchain import Toolchain

MEMORY_MIB = 128
#: Suites run when the host says so; a panic ends the guest at once.
CMDLINE = "panic=-1 loglevel=5 kunit.autorun=0"
#: Seconds from QEMU's start to the guest's first word, and for any answer after.
#: Emulated boots take 1.5 s on an idle machine; CI machines are seldom idle.
BOOT_DEADLINE = 90.0
ANSWER_DEADLINE = 120.0
#: No answer is larger; a guest that announces more talks nonsense.
ANSWER_MAX = 64 << 20
_HEAD_MAX = 32

#: Set to make every guest stop: the user pressed Ctrl-C, or another part failed.
cancelled = threading.Event()


class Cancelled(Exception):
    """The run is being given up; nothing of this guest matters any more."""


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


def host_tsc_khz(cpuinfo: str = "/proc/cpuinfo") -> int | None:
    """Rate of this machine's TSC in kHz, or None where it has none or does not say.

    The nominal rate in the model's name is that of the TSC; "cpu MHz" is too on
    virtual machines. An error bends the guest's clock, and no verdict rests on that.
    """
    try:
        text = Path(cpuinfo).read_text(errors="replace")
    except OSError:
        return None
    if found := re.search(r"^model name.*@ *([0-9.]+) *GHz", text, re.M):
        return int(float(found.group(1)) * 1e6)
    rates = [float(mhz) for mhz in re.findall(r"^cpu MHz\s*: *([0-9.]+)", text, re.M)]
    return int(max(rates) * 1e3) if rates else None


def kernel_words(words: str, khz: int | None) -> str:
    """The kernel's command line; a word that needs an unknown rate is left out."""
    return " ".join(word.replace("@HOST_TSC_KHZ@", str(khz)) for word in words.split()
                    if khz or "@HOST_TSC_KHZ@" not in word)


def command(kernel: Kernel, lane: Lane, console: Path, initrd: Path | None = None,
            append: str = "") -> list[str]:
    """The QEMU command line. No network, no disk, no view of the host."""
    arch = kernel.arch
    cpus = ["-smp", "1", "-icount", "shift=0,sleep=off"] if lane.name == "insn" else \
        ["-smp", "2", "-accel", "kvm" if lane.accel == "kvm" else "tcg,thread=multi"]
    return [
        arch.qemu, "-M", arch.machine[lane.mode], "-cpu", arch.cpu[lane.mode], *cpus,
        "-m", f"{MEMORY_MIB}M", "-nodefaults", "-no-user-config", "-display", "none",
        "-no-reboot",
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-kernel", str(kernel.image), "-initrd", str(initrd or kernel.initrd),
        "-append", kernel_words(f"{arch.cmdline[lane.mode]} {CMDLINE} {append}", host_tsc_khz()),
        "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
        "-chardev", "stdio,id=port,signal=off", "-device", "virtio-serial-device",
        "-device", "virtserialport,chardev=port,name=kparity",
    ]


def tail(console: Path, lines: int = 25) -> str:
    """The last lines of a console, harmless to print."""
    try:
        with open(console, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(ui.clean(line) for line in text.splitlines()[-lines:])


class Guest:
    """A running guest. Answers come in the order of the requests."""

    def __init__(self, process: subprocess.Popen[bytes], console: Path, errors: Path) -> None:
        assert process.stdin and process.stdout
        self._process = process
        self._in = process.stdin.fileno()
        self._out = process.stdout.fileno()
        self._console = console
        self._errors = errors
        self._unsent: collections.deque[memoryview] = collections.deque()
        self._received = bytearray()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)

    def send(self, line: str, data: bytes = b"") -> None:
        """Queue a request."""
        self._unsent.append(memoryview(line.encode() + b"\n" + data))

    def answer(self, what: str, deadline: float = ANSWER_DEADLINE) -> tuple[int, bytes]:
        """The next answer: errno and bytes. `what` names it in an error."""
        end = time.monotonic() + deadline
        while (found := self._parse()) is None:
            if time.monotonic() > end:
                raise self._lost(f"hung: nothing for {deadline:.0f} s while {what}")
            self._pump(what)
        return found

    def ok(self, what: str, deadline: float = ANSWER_DEADLINE) -> bytes:
        """The next answer, which must not be an error."""
        err, data = self.answer(what, deadline)
        if err:
            raise self._lost(f"failed at {what}: {os.strerror(err)}")
        return data

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
        return int(found.group(1)), data

    def _pump(self, what: str) -> None:
        """Move bytes both ways for at most a fifth of a second."""
        if cancelled.is_set():
            raise Cancelled
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            if self._unsent:
                selector.register(self._in, selectors.EVENT_WRITE)
            ready = selector.select(0.2)
        for key, _ in ready:
            if key.fd == self._in:
                with contextlib.suppress(BlockingIOError, BrokenPipeError):
                    sent = os.write(self._in, self._unsent[0][:65536])
                    self._unsent[0] = self._unsent[0][sent:]
                    if not self._unsent[0]:
                        self._unsent.popleft()
            else:
                data = os.read(self._out, 1 << 20)
                if not data:
                    raise self._dead(what)
                self._received += data

    def _lost(self, what: str) -> GuestLost:
        return GuestLost(f"the guest {what}", tail(self._console))

    def _dead(self, what: str) -> GuestLost:
        status = self._process.wait()
        said = tail(self._console, 200)
        panic = re.search(r"Kernel panic - not syncing: (.*)", said)
        init = re.search(r"kparity init: (.*)", said)
        complaint = self._errors.read_text(errors="replace").strip().splitlines()
        if panic:
            return self._lost(f"panicked while {what}: {panic.group(1)}")
        if init:
            return self._lost(f"gave up while {what}: {init.group(1)}")
        if status in (-9, 137):
            return self._lost(f"is gone: QEMU was killed from outside while {what}")
        if status:
            why = ui.clean(complaint[-1]) if complaint else f"status {status}"
            return self._lost(f"is gone: QEMU failed while {what}: {why}")
        return self._lost(f"rebooted by itself while {what}")

    def wait(self, deadline: float = 30.0) -> None:
        """Let a guest that was told to power off do so."""
        try:
            self._process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise self._lost("does not power off") from None


@contextlib.contextmanager
def boot(tools: Toolchain, kernel: Kernel, lane: Lane, folder: Path,
         deadline: float = BOOT_DEADLINE) -> Iterator[Guest]:
    """Start a guest and wait for its first word. It is gone when the body ends."""
    folder.mkdir(parents=True, exist_ok=True)
    console = folder / f"{lane.name}.console"
    errors = folder / f"{lane.name}.qemu"
    try:
        console.write_bytes(b"")
        stderr = open(errors, "wb")
    except OSError as err:
        raise EnvironmentFailed(f"cannot write {console}: {err.strerror}") from err
    with stderr, proc.child(tools.argv(*command(kernel, lane, console)), stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=stderr) as process:
        guest = Guest(process, console, errors)
        guest.ok("booting", deadline)
        yield guest
