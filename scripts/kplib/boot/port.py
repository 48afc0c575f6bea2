# SPDX-License-Identifier: GPL-2.0
"""Requests to a guest's init and their answers, as bytes; qemu/init.c has the protocol.

Nothing here waits or does I/O: a Port hands out the bytes to send, and takes the bytes that
have come. Each request has a ticket, which takes its own answer.
"""

from __future__ import annotations

import collections
import re
from dataclasses import dataclass

#: No answer is larger; a guest that announces more talks nonsense.
ANSWER_MAX = 16 << 20
_HEAD_MAX = 32


class Nonsense(Exception):
    """The guest sent something that is no answer."""


@dataclass(eq=False)
class Ticket:
    """A request's place in the queue, and its answer. `what` is its purpose, for messages;
    `status` is an errno or a program's exit status, None until there is an answer."""

    what: str
    status: int | None = None
    data: bytes = b""


class Port:
    """Requests that were not answered yet, in the order in which they will be."""

    def __init__(self) -> None:
        self._waiting: collections.deque[Ticket] = collections.deque()
        self._unsent: collections.deque[memoryview] = collections.deque()
        self._received = bytearray()

    def send(self, what: str, line: str, data: bytes = b"") -> Ticket:
        """Queue a request."""
        self._unsent.append(memoryview(line.encode() + b"\n" + data))
        return self.expect(what)

    def expect(self, what: str) -> Ticket:
        """A ticket for an answer that comes unasked."""
        ticket = Ticket(what)
        self._waiting.append(ticket)
        return ticket

    @property
    def doing(self) -> str:
        """The purpose of the first request without an answer, for messages."""
        return self._waiting[0].what if self._waiting else "waiting"

    def unsent(self, most: int = 65536) -> memoryview | None:
        """The next bytes to send, or None if there are none."""
        return self._unsent[0][:most] if self._unsent else None

    def sent(self, count: int) -> None:
        """Drop as many of the unsent bytes as have been sent."""
        self._unsent[0] = self._unsent[0][count:]
        if not self._unsent[0]:
            self._unsent.popleft()

    def receive(self, data: bytes) -> None:
        """Take bytes from the guest; raises Nonsense where they are no answers."""
        self._received += data
        while self._waiting and (found := self._next()) is not None:
            ticket = self._waiting.popleft()
            ticket.status, ticket.data = found

    def _next(self) -> tuple[int, bytes] | None:
        head, newline, _ = bytes(self._received[:_HEAD_MAX]).partition(b"\n")
        if not newline:
            if len(head) == _HEAD_MAX:
                raise Nonsense
            return None
        found = re.fullmatch(rb"(\d+) (\d+)", head)
        if not found or int(found.group(2)) > ANSWER_MAX:
            raise Nonsense
        start = len(head) + 1
        end = start + int(found.group(2))
        if len(self._received) < end:
            return None
        data = bytes(self._received[start:end])
        del self._received[:end]
        return int(found.group(1)), data
