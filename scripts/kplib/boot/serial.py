# SPDX-License-Identifier: GPL-2.0
"""The host's end of a guest's serial line, where its console is."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from pathlib import Path

from kplib.boot.console import CONSOLE_MAX, Console
from kplib.common import ui


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


class SerialLine:
    """A socket: what comes is given to the Console, which keeps it in the file `path`."""

    def __init__(self, sock: socket.socket, console: Console, path: Path) -> None:
        self.console = console
        self.path = path
        self._sock = sock
        self._open = True
        sock.setblocking(False)

    def fileno(self) -> int | None:
        """The descriptor to wait at, or None once the guest has closed its end."""
        return self._sock.fileno() if self._open else None

    def listen(self) -> None:
        """Take the bytes that have come."""
        data = b""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            data = self._sock.recv(1 << 18)
            if data:
                self.console.feed(data)
                return
        if not data:
            self._open = False

    def drain(self) -> None:
        """Take the rest of the output of a guest that is gone."""
        while self._open:
            with selectors.DefaultSelector() as selector:
                selector.register(self._sock, selectors.EVENT_READ)
                if not selector.select(1.0):
                    break
            self.listen()
        self.console.close()

    def until_quiet(self, quiet: float, most: float, first: float | None = None) -> None:
        """Listen until nothing has come for a while.

        `quiet` in seconds between bytes, `first` until the first one, `most` in all.
        """
        now = time.monotonic()
        end, limit = now + most, now + (quiet if first is None else first)
        while self._open and time.monotonic() < min(end, limit):
            with selectors.DefaultSelector() as selector:
                selector.register(self._sock, selectors.EVENT_READ)
                if selector.select(0.1):
                    self.listen()
                    limit = time.monotonic() + quiet

    def type(self, keys: bytes) -> None:
        """Keys for whoever reads the guest's console."""
        if self._open:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                self._sock.send(keys)

    def offset(self) -> int:
        """Where the console's file ends now."""
        return self.path.stat().st_size

    def said(self, since: int) -> bytes:
        """Bytes of the console's file from an offset on."""
        with open(self.path, "rb") as file:
            file.seek(since)
            return file.read(CONSOLE_MAX)

    def tail(self) -> str:
        """The last lines of it."""
        return tail(self.path)
