# SPDX-License-Identifier: GPL-2.0
"""Guests for a person: make shell and make gdb."""

from __future__ import annotations

import collections
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable

from kplib.boot import accel, guest, qemu
from kplib.boot.agenda import Agenda
from kplib.boot.laneresult import LaneResult
from kplib.boot.session import Session
from kplib.build import busybox, kernel, modules
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.common import proc, ui
from kplib.common.errors import BROKEN, OK, GuestLost, Refused
from kplib.configure.lanes import CHECK
from kplib.configure.request import Request
from kplib.judge import results
from kplib.tools import gdb

#: Where make gdb stops: every pair's module_init calls it, and unlike that one it
#: is in a section that lx-symbols maps.
FIRST_STOP = "kp_pair_register"
#: lx-symbols maps what stays of a module. Of the pair, .init.text is wanted too: bt
#: at the first stop goes through it, and no other module comes to its place after it.
_WITH_INIT = """\
python
def with_init(self, module, address, plain=linux.symbols.LxSymbols._section_arguments):
    words = plain(self, module, address)
    attrs = module["sect_attrs"]["grp"]["bin_attrs"]
    while module["name"].string() == "{module}" and attrs.dereference():
        if attrs.dereference()["attr"]["name"].string() == ".init.text":
            words += " -s .init.text " + str(attrs.dereference()["private"])
        attrs += 1
    return words
linux.symbols.LxSymbols._section_arguments = with_init
end"""


class _Ended(Exception):
    """gdb has ended, and the guest does with it."""


def _ended() -> None:
    raise _Ended


def gdb_(req: Request, tools: Toolchain) -> int:
    """gdb on a guest that stops where the pair's module is loaded, and then runs its suite."""
    setup = Setup(req, tools, kernel.get(req, tools, req.archs[0], req.variants[0]))
    gdb.check(setup)
    built = modules.build(setup)
    # Emulated unless asked otherwise: breakpoints then need nothing of the guest.
    lane = CHECK.on(req.accel or "tcg", "for gdb")
    console = setup.results / "gdb.console"
    console.unlink(missing_ok=True)
    token = secrets.token_hex(4)
    result = LaneResult(lane)
    try:
        with guest.slot(), qemu.boot(setup, lane, console, token, read_only=False) as vm:
            vm.stay()
            session = Session(vm, setup, result, built, token, Agenda(req.pairs, result).next())
            session.load_engine().ok()
            # From here on the guest stands still, until gdb lets it go on.
            vm.monitor.ask("stop")
            suites = session.ask_suites()
            with gdb.server(setup, vm, _WITH_INIT.format(module=f"kparity_{req.pairs[0]}"),
                            f"tbreak {FIRST_STOP}", "continue") as access:
                return _session(access.argv, vm, lambda: _follow(setup, vm, result, suites))
    finally:
        if console.exists():
            ui.note(f"the guest's console: {console}")


def _session(argv: list[str], vm: guest.Guest, follow: Callable[[], None]) -> int:
    """gdb in the terminal's foreground, until it ends; the guest's answers meanwhile."""
    # Ctrl-C belongs to gdb. A handler, unlike SIG_IGN, is not inherited.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with ui.terminal(), subprocess.Popen(argv, preexec_fn=proc.dying_with_parent()) as process:
            ended = os.pidfd_open(process.pid)
            vm.silence.lift()  # a guest that gdb has stopped is silent
            try:
                with vm.watching(ended, _ended):
                    follow()
            except _Ended:
                pass
            except BaseException:
                process.kill()
                raise
            finally:
                os.close(ended)
            # The wrapper around gdb in a root got Ctrl-C as well, and its exit status says so.
            fine = process.wait() in (0, -signal.SIGINT, 128 + signal.SIGINT)
            return OK if fine else BROKEN
    finally:
        signal.signal(signal.SIGINT, before)


def _follow(setup: Setup, vm: guest.Guest, result: LaneResult, suites: Callable[[], None]) -> None:
    """Take the answers as they come, and say how it ended."""
    try:
        suites()
    except GuestLost as err:
        ui.note(f"kparity: {err}")
        return
    req = setup.request
    for name, pair in results.gather(setup, req.pairs,
                                     [result.so_far(vm.console)]).pairs.items():
        count = collections.Counter(v.status for v in pair.verdicts)
        ui.note(f"kparity: the guest has ended; {name}: "
                + ", ".join(f"{n} {status}" for status, n in sorted(count.items())))


_SHELL_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t debugfs debug /sys/kernel/debug
cd /modules
echo 'insmod kparity.ko; insmod kparity_<pair>.ko'
echo 'echo 1 >/sys/kernel/debug/kunit/<pair>/run; cat /sys/kernel/debug/kunit/<pair>/results'
setsid -c sh -c 'exec sh </dev/console >/dev/console 2>&1'
reboot -f
"""


def shell(req: Request, tools: Toolchain) -> int:
    """Boot into a busybox shell with the modules in /modules."""
    if not sys.stdin.isatty():
        raise Refused("make shell is for a terminal")
    setup = Setup(req, tools, kernel.get(req, tools, req.archs[0], req.variants[0]))
    built = modules.build(setup)
    program = busybox.get(req, tools, req.archs[0])
    lane = accel.choose(setup, CHECK)
    with tempfile.TemporaryDirectory(dir=req.out) as scratch:
        initrd = _shell_initrd(setup, built, program, Path(scratch))
        # The console is the terminal here, and there is no port for a host to talk on.
        words = qemu.command(setup.kernel, lane, initrd, req.append) + [
            "-chardev", "stdio,id=console,mux=on,signal=off", "-serial", "chardev:console",
            "-mon", "console"]
        print(f"{req.archs[0].name}, linux {setup.kernel.release}, {lane.describe()}; "
              "leave with 'exit' or Ctrl-A x", flush=True)
        # In the terminal's foreground: Ctrl-C belongs to the guest.
        with ui.terminal():
            done = subprocess.run(tools.argv(*words), check=False,
                                  preexec_fn=proc.dying_with_parent())
    return OK if done.returncode == 0 else BROKEN


def _shell_initrd(setup: Setup, built: modules.Modules, program: Path, scratch: Path) -> Path:
    init = scratch / "init"
    init.write_text(_SHELL_INIT)
    listing = ["dir /dev 0755 0 0", "nod /dev/console 0600 0 0 c 5 1", "dir /proc 0755 0 0",
               "dir /sys 0755 0 0", "dir /bin 0755 0 0", "dir /modules 0755 0 0",
               f"file /bin/busybox {program} 0755 0 0", f"file /init {init} 0755 0 0"]
    listing += [f"file /modules/{ko.name} {modules.in_guest(ko)} 0644 0 0"
                for ko in built.files()]
    return kernel.pack(setup.tools, setup.kernel.build, "\n".join(listing) + "\n", scratch)
