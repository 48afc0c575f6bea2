# SPDX-License-Identifier: GPL-2.0
"""KEEP=1: the guest of a failure stays up, with a shell in it and a way in for gdb.

It stays for as long as somebody looks: until the shell ends, until Ctrl-C or
SIGTERM, or, where there is no terminal, until standard input is closed. Where
that is closed from the start, as /dev/null is, the guest ends at once.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import shlex
import sys
import threading
import tty
from typing import Callable, Iterator

from kplib.boot.guest import Guest
from kplib.boot.laneresult import LaneResult
from kplib.build import busybox
from kplib.build.setup import Setup
from kplib.common import ui
from kplib.common.errors import GuestLost, KparityError
from kplib.judge import ktap, results
from kplib.tools import gdb

#: Makes busybox's names, and gives the shell the console as its terminal.
SHELL = ("/busybox mkdir -p /bin && /busybox --install -s /bin; export PATH=/bin HOME=/; "
         "cd /; exec setsid -c sh")
#: As in QEMU's own multiplexer, which make shell has.
_PREFIX, _LEAVE = b"\x01", b"x"

_holding = threading.Event()
_let_go = threading.Event()


def interrupted(*_: object) -> None:
    """For SIGINT and SIGTERM: while a guest is kept they end it alone, and the report follows."""
    if not _holding.is_set():
        raise KeyboardInterrupt
    _let_go.set()


class Keeper:
    """Keeps the guest of lane check at the first failure (boot.lanes.Keeper)."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        # Not at the failure, but now.
        self._busybox = busybox.get(setup.request, setup.tools, setup.kernel.arch)

    def failures(self, so_far: LaneResult, pairs: tuple[str, ...]) -> list[str]:
        """Failed cases of pairs that have run, a line each."""
        found = results.gather(self._setup, pairs, [so_far]).pairs
        return [f"{v.status.upper()} {pair} {v.case} {v.path}" for pair, result in found.items()
                for v in result.verdicts if v.status in (ktap.FAIL, ktap.ERROR)]

    def hold(self, vm: Guest, why: list[str], healthy: bool) -> None:
        """Leave a guest up. `why` is shown; a guest that is not `healthy` gives no shell."""
        _let_go.clear()
        _holding.set()
        try:
            with ui.hushed(), contextlib.ExitStack() as stack:
                for line in why:
                    ui.note(line)
                try:
                    gdb.check(self._setup)
                    script = shlex.quote(str(
                        stack.enter_context(gdb.server(self._setup, vm)).script))
                    ui.note(f"the guest is kept; gdb from another terminal: {script}")
                except KparityError as err:
                    ui.note(f"the guest is kept, but not for gdb: {err}")
                self._visit(vm, healthy)
        except GuestLost as err:
            ui.note(f"the kept guest has ended: {err}")
        finally:
            _holding.clear()

    def _visit(self, vm: Guest, healthy: bool) -> None:
        terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
        if terminal and healthy:
            program = self._busybox.read_bytes()
            ui.note("a shell in it; leave with 'exit' or Ctrl-A x")
            shell = vm.send("running a shell", f"shell {len(program)} {SHELL}", program)
            with _relayed(vm):
                vm.idle(math.inf, lambda: _let_go.is_set() or shell.done)
            ui.note("")
            return
        if not healthy:
            ui.note("it gives no shell any more, only gdb can look")
        ui.note("it ends with Ctrl-D or Ctrl-C" if terminal else
                "it ends when standard input is closed, or with SIGINT or SIGTERM")
        with _input_to(vm, lambda data: None):
            vm.idle(math.inf, _let_go.is_set)


@contextlib.contextmanager
def _input_to(vm: Guest, take: Callable[[bytes], None]) -> Iterator[None]:
    """Hand over bytes from standard input; its end lets the guest go."""
    def read() -> None:
        data = os.read(0, 4096)
        if data:
            take(data)
        else:
            vm.unwatch(0)
            _let_go.set()

    try:
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
    except OSError:  # closed, or a file, which has all its bytes at once
        _let_go.set()
        yield
        return
    with vm.watching(0, read):
        yield


@contextlib.contextmanager
def _relayed(vm: Guest) -> Iterator[None]:
    """Join the terminal and the guest's console."""
    prefixed = False

    def keys(data: bytes) -> None:
        nonlocal prefixed
        for key in (data[i:i + 1] for i in range(len(data))):
            if not prefixed and key == _PREFIX:
                prefixed = True
            elif prefixed and key == _LEAVE:
                _let_go.set()
            else:
                vm.line.type(key if not prefixed or key == _PREFIX else _PREFIX + key)
                prefixed = False

    def show(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    with ui.terminal(), _input_to(vm, keys):
        tty.setraw(0)
        vm.console.show = show
        try:
            yield
        finally:
            vm.console.show = None
