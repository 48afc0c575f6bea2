# SPDX-License-Identifier: GPL-2.0
"""How long a guest has been silent, and how long it may be.

On a loaded machine a guest is silent because it does not run. So the time that it
waited for a CPU does not count: the kernel keeps it for each thread, in nanoseconds, in
the second field of /proc/PID/task/TID/schedstat. A guest's CPUs are threads of QEMU
under TCG (thread=multi) and under KVM alike. Where the kernel does not say (it lacks
CONFIG_SCHED_INFO, or gives zeros), the time is wall time. A guest that is kept from its
CPUs for very long is starved: that is the machine's doing, and waiting has an end as well.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from pathlib import Path
from typing import Callable, NamedTuple

from kplib.boot.console import Position
from kplib.common import proc

#: KUnit's own factors, kunit_timeout_mult() in lib/kunit/test.c.
SPEEDS = {"normal": 1.0, "slow": 3.0, "very_slow": 12.0}
#: Silence that is shorter needs no second look; most is.
_SHORT = 0.1
#: Seconds that case interrupt may be silent, or a tenth of a longer limit: it says all the time
#: that it goes on, and a spin that cannot end is its to find.
INTERRUPTED = 2.0
#: How many times its limit of silence a guest may wait in wall time, whatever it waits for.
STARVED = 20.0


def family(pid: int) -> list[int]:
    """A process and all that descend from it: QEMU runs below enter-root."""
    return [pid, *proc.descendants(pid)]


class Thread(NamedTuple):
    """Seconds that a thread has run and has waited for a CPU; `runnable`: it wants one now."""

    ran: float
    waited: float
    runnable: bool


def threads(pid: int) -> dict[str, Thread]:
    """Every thread of a process and of those below it, by its number."""
    found = {}
    for process in family(pid):
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{process}/task"):
                # A thread can be gone, and a kernel can say less.
                with contextlib.suppress(OSError, ValueError, IndexError):
                    task = Path(f"/proc/{process}/task/{name}")
                    ran, waited, *_ = (task / "schedstat").read_text().split()
                    state = (task / "stat").read_text(errors="replace").rpartition(")")[2].split()
                    found[name] = Thread(int(ran) / 1e9, int(waited) / 1e9, state[0] == "R")
    return found


class Silence:
    """The silence of one guest, and the limit to it.

    `seconds` is the limit while a case of KUnit's speed "normal" runs, or anything else.
    `look` gives the guest's threads.
    """

    def __init__(self, seconds: float, look: Callable[[], dict[str, Thread]] = dict,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._look = look
        self._clock = clock
        #: Whether it was too long only because the guest has not got a CPU.
        self.starved = False
        self._factors: dict[tuple[str, str], float] = {}
        self._since = self._start = -math.inf
        self._before: dict[str, Thread] = {}
        self._last: dict[str, Thread] = {}

    def allow(self, pair: str, case: str, speed: str) -> None:
        """Give a case the time that KUnit gives one of its speed."""
        self._factors[pair, case] = SPEEDS.get(speed, 1.0)

    def lift(self) -> None:
        """No limit any more: someone has stopped the guest."""
        self._seconds = math.inf

    def limit(self, at: Position) -> float:
        """Seconds of silence allowed while this runs."""
        limit = self._seconds * self._factors.get((at.pair, at.case), 1.0)
        return min(limit, max(INTERRUPTED, limit / 10)) if at.case == "interrupt" else limit

    def exceeds(self, since: float, limit: float) -> bool:
        """Whether a guest that last made progress at `since` has been silent for longer.

        Of several threads the one that waited longest counts: what the guest's CPUs wait
        at the same time is not added up, or a guest that spins on all of them would
        never be found out on a machine that is busy enough.
        """
        now = self._clock()
        if now - since < _SHORT:
            return False
        if since != self._since:
            # The time until this first look does not count, as it may be the host that
            # had no CPU.
            self._since, self._start = since, now
            self._before = self._last = self._look()
            return False
        if now - self._start <= limit:
            return False
        before, self._last = self._last, self._look()
        # It may wait right now: the kernel adds a wait once it is over.
        waits = any(thread.runnable and name in before and 0 < thread.ran == before[name].ran
                    for name, thread in self._last.items())
        if not waits and now - self._start - self._waited() > limit:
            return True
        self.starved = now - self._start > limit * STARVED
        return self.starved

    def _waited(self) -> float:
        """Seconds that the guest has waited for a CPU since the first look."""
        none = Thread(0.0, 0.0, False)
        return max((thread.waited - self._before.get(name, none).waited
                    for name, thread in self._last.items()), default=0.0)
