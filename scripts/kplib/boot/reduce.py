# SPDX-License-Identifier: GPL-2.0
"""Making a program small that takes its guest with it.

Each try is a guest of its own. The call that did it is the last one, so most programs
end as that call alone; where it needs others before it, as many of the last ones as it
takes are found first, and then those among them that it does not need are left out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable

#: Guests for one program, and seconds: a guest that hangs takes as long as silence may last.
GUESTS_MAX, SECONDS_MAX = 20, 60.0


@dataclass(frozen=True)
class Reduced:
    """A program as small as it was made. `again`: it has taken a guest with it once more."""

    program: tuple[str, ...]
    guests: int
    again: bool


class _Spent(Exception):
    """No guest more."""


class _Tries:
    """Tries programs: the first line makes the object, each further one is a call."""

    def __init__(self, head: str, loses: Callable[[tuple[str, ...]], bool]) -> None:
        self._head, self._loses = head, loses
        self._end = time.monotonic() + SECONDS_MAX
        self.guests = 0

    def lost(self, calls: list[str]) -> bool:
        """Whether a guest is lost with these calls."""
        if self.guests == GUESTS_MAX or time.monotonic() > self._end:
            raise _Spent
        self.guests += 1
        return self._loses((self._head, *calls))


def _last(tries: _Tries, calls: list[str]) -> list[str] | None:
    """The fewest calls at the end, by powers of two, that lose a guest; None if none do."""
    count = 1
    while True:
        if tries.lost(calls[-count:]):
            return calls[-count:]
        if count >= len(calls):
            return None
        count *= 2


def reduce(program: tuple[str, ...], loses: Callable[[tuple[str, ...]], bool]) -> Reduced:
    """Leave out needless calls. `loses` runs a program and says if its guest was lost."""
    head, *calls = program
    tries = _Tries(head, loses)
    kept: list[str] | None = None
    try:
        kept = _last(tries, calls) if calls else [] if tries.lost([]) else None
        size = len(kept or ()) // 2
        while kept and size:
            at = 0
            while at + size < len(kept):
                # The last call is the one that did it.
                fewer = kept[:at] + kept[at + size:]
                if tries.lost(fewer):
                    kept = fewer
                else:
                    at += size
            size //= 2
    except _Spent:
        pass
    return Reduced((head, *(calls if kept is None else kept)), tries.guests, kept is not None)
