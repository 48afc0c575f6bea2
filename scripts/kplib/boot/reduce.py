# SPDX-License-Identifier: GPL-2.0
"""Making a program small that takes its guest with it.

Each try is a guest of its own. The call that did it is the last one, so most programs
end as that call alone; where it needs others before it, as many of the last ones as it
takes are found first, and then those among them that it does not need are left out. What
the object is made of becomes plain last: all at once, else in ever smaller parts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable

from kplib.boot import plain

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

    def __init__(self, loses: Callable[[tuple[str, ...]], bool]) -> None:
        self._loses = loses
        self._end = time.monotonic() + SECONDS_MAX
        self.guests = 0

    def lost(self, head: str, calls: list[str]) -> bool:
        """Whether a guest is lost with these calls."""
        if self.guests == GUESTS_MAX or time.monotonic() > self._end:
            raise _Spent
        self.guests += 1
        return self._loses((head, *calls))


class _Reducer:
    """A program on its way. `again`: it has taken a guest with it as it is."""

    def __init__(self, tries: _Tries, program: tuple[str, ...]) -> None:
        self._tries = tries
        self.head, *self.calls = program
        self.again = False

    def all(self) -> None:
        """Leave out what is not needed, as far as guests go."""
        if self._shorten():
            self._leave_out()
            self._make_plain()

    def _shorten(self) -> bool:
        """Keep the fewest calls at the end, by powers of two, that lose a guest; if any do."""
        count = 1
        while True:
            calls = self.calls[-count:]
            if self._tries.lost(self.head, calls):
                self.calls, self.again = calls, True
                return True
            if count >= len(self.calls):
                return False
            count *= 2

    def _leave_out(self) -> None:
        """Leave out calls between the first and the last one, which is the one that did it."""
        size = len(self.calls) // 2
        while size:
            at = 0
            while at + size < len(self.calls):
                fewer = self.calls[:at] + self.calls[at + size:]
                if self._tries.lost(self.head, fewer):
                    self.calls = fewer
                else:
                    at += size
            size //= 2

    def _make_plain(self) -> None:
        """Put plainer arguments into the first line, while there are any that do it as well."""
        pair, *words = plain.words(self.head)
        tried = {self.head}

        def lost(changed: list[str]) -> bool:
            head = " ".join((pair, *(word for word in changed if word)))
            if head in tried:
                return False
            tried.add(head)
            if not self._tries.lost(head, self.calls):
                return False
            self.head, words[:] = head, changed
            return True

        def flatten(first: int, last: int) -> None:
            """The plainest of each word in a row, or of those in a part of it."""
            changed = words[:first] + [*map(plain.plainest, words[first:last])] + words[last:]
            if changed != words and not lost(changed) and last - first > 1:
                middle = (first + last) // 2
                flatten(first, middle)
                flatten(middle, last)

        flatten(0, len(words))
        at = 0
        while at < len(words):
            if not any(lost(words[:at] + [less] + words[at + 1:])
                       for less in plain.plainer(words[at])):
                at += 1


def reduce(program: tuple[str, ...], loses: Callable[[tuple[str, ...]], bool]) -> Reduced:
    """Leave out what is needless. `loses` runs a program and says if its guest was lost."""
    tries = _Tries(loses)
    reducer = _Reducer(tries, program)
    try:
        reducer.all()
    except _Spent:
        pass
    return Reduced((reducer.head, *reducer.calls), tries.guests, reducer.again)
