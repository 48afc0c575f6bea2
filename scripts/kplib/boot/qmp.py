# SPDX-License-Identifier: GPL-2.0
"""QEMU's monitor (QMP) over a socket that was handed to it at birth."""

from __future__ import annotations

import json
import socket
import time
from typing import Any


class MonitorError(Exception):
    """QEMU refused a command or does not answer; a guest can do without either."""


class Monitor:
    """One end of the monitor's socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = b""
        self._ready = False

    def _read(self, end: float) -> dict[str, Any]:
        while b"\n" not in self._received:
            self._sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self._sock.recv(65536)
            except OSError as err:
                raise MonitorError("QEMU's monitor does not answer") from err
            if not data or time.monotonic() > end:
                raise MonitorError("QEMU's monitor does not answer")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError as err:
            raise MonitorError("QEMU's monitor talks nonsense") from err
        return found

    def _ask(self, command: str, arguments: dict[str, Any], end: float,
             fds: tuple[int, ...] = ()) -> Any:
        words = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
        try:
            self._sock.settimeout(max(0.01, end - time.monotonic()))
            if fds:
                socket.send_fds(self._sock, [words], fds)
            else:
                self._sock.sendall(words)
        except OSError as err:
            raise MonitorError("QEMU's monitor is gone") from err
        while True:
            answer = self._read(end)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise MonitorError(str(answer["error"].get("desc", command)))

    def ask(self, command: str, deadline: float = 5.0, **arguments: Any) -> Any:
        """Carry out a command and return its answer; events on the way are dropped."""
        end = time.monotonic() + deadline
        if not self._ready:
            self._read(end)  # the greeting
            self._ask("qmp_capabilities", {}, end)
            self._ready = True
        return self._ask(command, {k.replace("_", "-"): v for k, v in arguments.items()}, end)

    def hand_over(self, name: str, fd: int) -> None:
        """Give QEMU an open file, which it then knows by a name."""
        self.ask("query-status")
        self._ask("getfd", {"fdname": name}, time.monotonic() + 5.0, (fd,))

    def human(self, line: str, cpu: int = 0) -> str:
        """A command of the human monitor, as one CPU sees it."""
        return str(self.ask("human-monitor-command", command_line=line, cpu_index=cpu))
