# SPDX-License-Identifier: GPL-2.0
"""The order of jobs: which one starts next, so that all cores are busy and none is fought for.

A Plan decides; carry_out() has child processes do what it decides, and forecast()
goes through the same decisions with the expected durations, to tell how long all takes.
"""

from __future__ import annotations

import time
from typing import Callable, Mapping, Protocol, Sequence

from kplib.selftest.jobs import FAILED, Ended, Job, Outcome, Report

#: Cores asked for by the jobs that run, for each core there is: jobs wait now and then.
OVERSUBSCRIBED = 1.5
#: Jobs of one group that run at once, at most.
GROUP_MAX = 2
#: Seconds after which a job that is next but does not fit is no longer passed over.
PATIENCE = 20.0
#: Seconds between two looks at the children.
TICK = 0.03


def closure(jobs: Sequence[Job], wanted: Callable[[Job], bool]) -> list[Job]:
    """The jobs that are wanted and those that they need, in the order of `jobs`."""
    by_name = {job.name: job for job in jobs}
    keep: set[str] = set()
    todo = [job.name for job in jobs if wanted(job)]
    while todo:
        name = todo.pop()
        if name not in keep:
            keep.add(name)
            todo += by_name[name].needs
    return [job for job in jobs if job.name in keep]


class Plan:
    """The jobs that wait and run. `expected` has the seconds that each takes."""

    def __init__(self, jobs: Sequence[Job], cores: int, expected: Mapping[str, float]) -> None:
        names = {job.name for job in jobs}
        assert len(names) == len(jobs), "two jobs with one name"
        for job in jobs:
            assert names.issuperset(job.needs), f"{job.name} needs what is not there: {job.needs}"
        self._waiting = list(jobs)
        self._running: list[Job] = []
        self._done: set[str] = set()
        self._limit = cores * OVERSUBSCRIBED
        self._cores = cores
        self._tail = _tails(jobs, expected)
        self._seconds = {job.name: expected.get(job.name, job.seconds) for job in jobs}
        #: Since when a job that is next has not fitted.
        self._held: dict[str, float] = {}

    @property
    def load(self) -> float:
        """Cores that the running jobs ask for."""
        return sum(job.cores for job in self._running)

    @property
    def rate(self) -> float:
        """The share of a core that each process gets which wants one."""
        return min(1.0, self._cores / self.load) if self._running else 1.0

    @property
    def over(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self._waiting and not self._running

    def _fits(self, job: Job) -> bool:
        return not self._running or self.load + job.cores <= self._limit + 1e-9

    def _behind(self, group: str) -> bool:
        """Whether a group's jobs, one after the other, would be the last to end."""
        rest = sum(self._seconds[job.name] * job.cores for job in self._waiting
                   if job.group != group) / self._cores
        return sum(self._seconds[job.name] for job in self._waiting if job.group == group) > rest

    def next(self, now: float) -> Job | None:
        """The job to start now, which then runs; None if none is to start yet.

        It is the one with the longest chain of jobs behind it; a shorter one may go
        before it while it does not fit, but not for longer than PATIENCE.
        """
        ready = [job for job in self._waiting if self._done.issuperset(job.needs)]
        groups = [job.group for job in self._running if job.group]
        ready = [job for job in ready if groups.count(job.group) < GROUP_MAX]
        last = {group for group in groups if not self._behind(group)}
        ready.sort(key=lambda job: (job.group in last, not job.early, -self._tail[job.name]))
        for job in ready:
            if self._fits(job):
                self._held.pop(job.name, None)
                self._waiting.remove(job)
                self._running.append(job)
                return job
            if job.group in last:
                continue
            if now - self._held.setdefault(job.name, now) > PATIENCE:
                break
        return None

    def ended(self, job: Job, good: bool) -> list[Job]:
        """Take the end of a job; the jobs that can never start as it was not good."""
        self._running.remove(job)
        if good:
            self._done.add(job.name)
            return []
        lost = {job.name}
        while more := {other.name for other in self._waiting
                       if lost.intersection(other.needs)} - lost:
            lost |= more
        dropped = [other for other in self._waiting if other.name in lost]
        self._waiting = [other for other in self._waiting if other.name not in lost]
        return dropped


def _tails(jobs: Sequence[Job], expected: Mapping[str, float]) -> dict[str, float]:
    """Seconds from a job's start to the end of the longest chain of jobs that need it."""
    behind: dict[str, list[Job]] = {job.name: [] for job in jobs}
    for job in jobs:
        for name in job.needs:
            behind[name].append(job)
    tails: dict[str, float] = {}

    def tail(job: Job) -> float:
        if job.name not in tails:
            tails[job.name] = 0.0  # a circle would be found by the job that never starts
            tails[job.name] = expected.get(job.name, job.seconds) + max(
                (tail(other) for other in behind[job.name]), default=0.0)
        return tails[job.name]

    for job in jobs:
        tail(job)
    return tails


def forecast(jobs: Sequence[Job], cores: int, expected: Mapping[str, float]) -> float:
    """Seconds that the jobs will take."""
    plan = Plan(jobs, cores, expected)
    left: dict[str, float] = {}
    running: dict[str, Job] = {}
    now = 0.0
    while not plan.over:
        while (job := plan.next(now)) is not None:
            running[job.name] = job
            left[job.name] = max(0.01, expected.get(job.name, job.seconds))
        assert running, "jobs that need each other"
        rate = plan.rate
        first = min(left, key=lambda name: left[name])
        span = left.pop(first)
        now += span / rate
        left = {name: rest - span for name, rest in left.items()}
        plan.ended(running.pop(first), True)
    return now


class Runner(Protocol):
    """Starts jobs and tells of their ends: processes.Processes, or a test's own."""

    def start(self, job: Job) -> None:
        """Start a job."""

    def poll(self, block: float) -> list[tuple[Job, Report, float, str]]:
        """Jobs that have ended: report, core-seconds, output. Waits for up to `block` s."""

    def stop(self) -> list[str]:
        """End all that still runs; the commands of processes that ended jobs have left."""


def carry_out(plan: Plan, runner: Runner, ended: Callable[[Ended], None],
              tick: Callable[[list[Job]], None],
              clock: Callable[[], float] = time.monotonic) -> list[str]:
    """Run all jobs. `ended` is told of each one, `tick` now and then of those that run.

    A job that cannot start, as one that it needs has failed, ends as a failure. Returns
    the commands of processes that jobs left behind, which are no more.
    """
    started: dict[str, float] = {}
    work: dict[str, float] = {}
    running: list[Job] = []
    last = clock()
    try:
        while not plan.over:
            while (job := plan.next(clock())) is not None:
                runner.start(job)
                running.append(job)
                started[job.name] = clock()
                work[job.name] = 0.0
            assert running, "jobs that need each other"
            rate = plan.rate
            found = runner.poll(TICK)
            now = clock()
            for job in running:
                work[job.name] += (now - last) * rate
            last = now
            for job, report, cpu, said in found:
                running.remove(job)
                mine = Ended(job, report, started[job.name], now, work[job.name], cpu, said)
                dropped = plan.ended(job, mine.good)
                ended(mine)
                for other in dropped:
                    why = f"not run, as {job.name} failed"
                    ended(Ended(other, Report((Outcome(other.name, FAILED, why),)), now, now))
            tick(running)
    finally:
        left = runner.stop()
    return left
