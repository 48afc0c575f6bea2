# SPDX-License-Identifier: GPL-2.0
"""Errors of a run, and the exit status each gives.

0 all good, 1 a comparison or a test failed, 2 the request was wrong, 3 the
guest was lost or the environment failed.
"""

OK = 0
FAILED = 1
REFUSED = 2
BROKEN = 3


class KparityError(Exception):
    """Ends the run. The message says what is wrong and what to do, in one line."""

    status = BROKEN


class Refused(KparityError):
    """The request was wrong; nothing was done."""

    status = REFUSED


class Failed(KparityError):
    """A comparison, a test or the code under test failed."""

    status = FAILED


class EnvironmentFailed(KparityError):
    """Something outside the code under test failed: tools, disk, network."""

    status = BROKEN


class GuestLost(KparityError):
    """A guest died, hung or talked nonsense.

    `console` has what it said last, `stuck` tells that it still ran, `stacks` what
    it said that its CPUs and tasks did then; if it said nothing of CPUs, `walks` has
    where QEMU saw them (kplib.boot.unwind). `external`: somebody else ended it.
    """

    status = BROKEN

    def __init__(self, what: str, console: str = "", stuck: bool = False,
                 stacks: tuple[str, ...] = (),
                 walks: tuple[tuple[str, tuple[int, ...]], ...] = (),
                 external: bool = False) -> None:
        super().__init__(what)
        self.console = console
        self.stuck = stuck
        self.stacks = stacks
        self.walks = walks
        self.external = external
