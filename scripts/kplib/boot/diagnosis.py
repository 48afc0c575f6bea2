# SPDX-License-Identifier: GPL-2.0
"""The reason why a guest is gone, or silent."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from kplib.boot import qmp, silence, stacks, unwind
from kplib.boot.console import plain
from kplib.boot.serial import SerialLine
from kplib.common import ui
from kplib.common.errors import GuestLost


def dead(line: SerialLine, status: int, errors: Path, doing: str) -> GuestLost:
    """The reason why QEMU has ended with a status, from its own output and the guest's.

    `errors` has what QEMU complained of, `doing` says what the guest was busy with.
    """
    def lost(what: str, external: bool = False) -> GuestLost:
        return GuestLost(f"the guest {what}", line.tail(), external=external)

    said = line.console.last_words
    complaint = errors.read_text(errors="replace").strip().splitlines()
    if "panic" in said:
        return lost(f"panicked while {doing}: {said['panic']}")
    if "init" in said:
        return lost(f"gave up while {doing}: {said['init']}")
    if status in (-9, 137):
        return lost(f"is gone: QEMU was killed from outside while {doing}", external=True)
    if complaint and complaint[-1].endswith("Terminated via GDBstub"):
        return lost(f"is gone: gdb was told to kill it while {doing}", external=True)
    if status:
        why = ui.clean(complaint[-1]) if complaint else f"status {status}"
        return lost(f"is gone: QEMU failed while {doing}: {why}")
    return lost(f"rebooted by itself while {doing}")


def _stopped(pid: int) -> bool:
    """Whether a process or one below it was stopped by a signal."""
    for process in silence.family(pid):
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{process}/stat").read_text(errors="replace")
            if stat.rpartition(")")[2].split()[0] in "Tt":
                return True
    return False


def stuck(line: SerialLine, monitor: qmp.Monitor, pid: int, limit: float, doing: str,
          kept: bool = False) -> GuestLost:
    """The reason why nothing came for `limit` seconds, with the stacks of CPUs and tasks.

    At last the guest is made to panic, so that it tells of the program that ran; unless it
    is `kept` for someone to look at.

    The case that the guest was silent in stays the console's position, whatever the
    guest prints from here on: it may go on at any moment, as nothing has stopped it. If
    it does, the guest is lost all the same: the limit was exceeded, and whether a guest
    goes on before the host has seen its stacks is luck.
    """
    console = line.console
    console.freeze()
    what = f"nothing for {limit:g} s while {doing}"
    if _stopped(pid):
        return GuestLost(f"the guest hung: QEMU was stopped from outside: {what}", line.tail(),
                         stuck=True, external=True)
    if "panic" in console.last_words:
        what += f", after a panic: {console.last_words['panic']}"
    if time.monotonic() - console.last < min(1.0, limit / 2):
        return GuestLost(f"the guest hung: {what}; it floods its console", line.tail(), stuck=True)
    before = line.offset()
    with contextlib.suppress(qmp.MonitorError, OSError):
        # Say all; CPUs, blocked tasks, all tasks: Documentation/admin-guide/sysrq.rst.
        _sysrq(line, monitor, b"9")
        if b"sysrq: " in line.said(before):
            for key in b"lwt":
                _sysrq(line, monitor, bytes([key]))
        else:
            # CPU 0 takes no interrupts: but an NMI, on x86, which panics. Whatever
            # else it said meanwhile, like a stall of RCU, can break off anywhere.
            monitor.ask("inject-nmi")
            line.until_quiet(5.0, 30.0, 15.0)
    dump = line.said(before).decode(errors="replace")
    said, told = stacks.of_stuck([plain(ui.clean(text)) for text in dump.splitlines()])
    if told and not kept and not line.console.panicked:
        with contextlib.suppress(qmp.MonitorError, OSError):
            _sysrq(line, monitor, b"c")
    walks: unwind.Walks = ()
    if not told:
        with contextlib.suppress(qmp.MonitorError, OSError):
            walks = unwind.walk(monitor)
    return GuestLost(f"the guest hung: {what}", line.tail(), stuck=True, stacks=tuple(said),
                     walks=walks)


def _sysrq(line: SerialLine, monitor: qmp.Monitor, key: bytes) -> None:
    """Ask the guest's kernel over its serial line, and take the answer."""
    monitor.ask("chardev-send-break", id="console")
    line.type(key)
    line.until_quiet(0.7, 15.0, 4.0)
