# SPDX-License-Identifier: GPL-2.0
"""How long a guest has been silent, and how long it may be.

On a loaded machine a guest is silent because it does not run. So the time that it
waited for a CPU does not count: the kernel keeps it for each thread, in nanoseconds, in
the second field of /proc/PID/task/TID/schedstat. A guest's CPUs are threads of QEMU
under TCG (thread=multi) and under KVM alike. Where the kernel does not say (it lacks
CONFIG_SCHED_INFO), the time is wall time.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from pathlib import Path
from typing import Callable

from kplib.boot.console import Position

#: KUnit's own factors, kunit_timeout_mult() in lib/kunit/test.c.
SPEEDS = {"normal": 1.0, "slow": 3.0, "very_slow": 12.0}
#: Silence that is shorter needs no second look; most is.
_SHORT = 0.1


def family(pid: int) -> list[int]:
    """A process and all that descend from it: QEMU runs below enter-root."""
    found = [pid]
    # Threads and processes come and go meanwhile.
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                for child in Path(f"/proc/{pid}/task/{thread}/children").read_text().split():
                    found += family(int(child))
    return found


def cpu_waits(pid: int) -> dict[str, float]:
    """Seconds that each thread of a process, and of those below it, has waited for a CPU."""
    waits = {}
    for process in family(pid):
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{process}/task"):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    fields = Path(f"/proc/{process}/task/{thread}/schedstat").read_text().split()
                    waits[thread] = int(fields[1]) / 1e9
    return waits


class Silence:
    """The silence of one guest, and the limit to it.

    `seconds` is the limit while a case of KUnit's speed "normal" runs, or anything else.
    `waits` gives the seconds that each thread of the guest has waited for a CPU so far.
    """

    def __init__(self, seconds: float, waits: Callable[[], dict[str, float]] = dict,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._waits = waits
        self._clock = clock
        self._factors: dict[tuple[str, str], float] = {}
        self._since = -math.inf
        self._before: dict[str, float] = {}

    def allow(self, pair: str, case: str, speed: str) -> None:
        """Give a case what KUnit gives one of its speed."""
        self._factors[pair, case] = SPEEDS.get(speed, 1.0)

    def lift(self) -> None:
        """No limit any more: someone has stopped the guest."""
        self._seconds = math.inf

    def limit(self, at: Position) -> float:
        """Seconds of silence allowed while this runs."""
        return self._seconds * self._factors.get((at.pair, at.case), 1.0)

    def exceeds(self, since: float, limit: float) -> bool:
        """Whether a guest that last made progress at `since` has been silent for longer.

        Of several threads the one that waited longest counts: what the guest's CPUs wait
        at the same time is not added up, or a guest that spins on all of them would
        never be found out on a machine that is busy enough.
        """
        wall = self._clock() - since
        if wall < _SHORT:
            return False
        if since != self._since:
            self._since, self._before = since, self._waits()
        if wall <= limit:
            return False
        return wall - max((waited - self._before.get(thread, 0.0)
                           for thread, waited in self._waits().items()), default=0.0) > limit
