# SPDX-License-Identifier: GPL-2.0
"""Jobs: the pieces that the test suite is run in, and their results."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

PASSED = "passed"
FAILED = "failed"
SKIPPED = "skipped"

#: Longest time that any job may take, in seconds; one that has a reason says another.
BOUND = 1800.0


@dataclass(frozen=True)
class Outcome:
    """The result of one test. `why` says what is wrong, or why it was skipped.

    `environment` marks a failure of something outside the code under test.
    """

    name: str
    status: str
    why: str = ""
    seconds: float | None = None
    environment: bool = False


@dataclass(frozen=True)
class Report:
    """The results of a job's tests, and text that is shown whole when it ends.

    `aside` is one remark beside a result that is good.
    """

    outcomes: tuple[Outcome, ...] = ()
    text: str = ""
    aside: str = ""

    def count(self, status: str) -> int:
        """How many tests ended so."""
        return sum(outcome.status == status for outcome in self.outcomes)

    def to_json(self) -> str:
        """The report as a child process hands it over."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> "Report":
        """The report that a child process handed over."""
        data = json.loads(text)
        return Report(tuple(Outcome(**row) for row in data["outcomes"]), data["text"],
                      data["aside"])


@dataclass(frozen=True)
class Job:
    """A piece of the test suite that runs in a child process of its own.

    `run` gets an empty folder for the job's own files. `cores` is the number of
    cores that it keeps busy, `seconds` the time it takes if nothing better is known.
    Of jobs with the same `group` two run at once at most, and the second one starts
    only if nothing else can, or if they would be the last to end; `early` ones go
    before all others.
    """

    name: str
    part: str
    run: Callable[[Path], Report]
    seconds: float = 5.0
    cores: float = 1.0
    needs: tuple[str, ...] = ()
    group: str = ""
    early: bool = False
    nice: int = 0
    bound: float = BOUND


@dataclass(frozen=True)
class Ended:
    """A job that has ended: its report, and what it cost.

    `work` is its duration less what it waited for a core, `cpu` the core-seconds
    of its processes.
    """

    job: Job
    report: Report
    started: float = 0.0
    ended: float = 0.0
    work: float = 0.0
    cpu: float = 0.0
    said: str = ""

    @property
    def seconds(self) -> float:
        """Its duration."""
        return self.ended - self.started

    @property
    def good(self) -> bool:
        """Whether no test of it failed."""
        return self.report.count(FAILED) == 0


def one(name: str, why: str | None, text: str = "", aside: str = "") -> Report:
    """The report of a job that is one test: `why` is None if it passed."""
    return Report((Outcome(name, PASSED if why is None else FAILED, why or ""),), text, aside)
