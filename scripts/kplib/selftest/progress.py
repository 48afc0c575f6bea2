# SPDX-License-Identifier: GPL-2.0
"""Output of `make test`: how long it will take, where it is, what ended, and the sums."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Sequence

from kplib.common import cache, ui
from kplib.selftest.checks import UNCHANGED
from kplib.selftest.jobs import FAILED, PASSED, SKIPPED, Ended, Job, Outcome
from kplib.selftest.parts import BUILDS, BUILT

#: Seconds between two lines of progress where there is no terminal.
INTERVAL = 30.0
#: Lines of a failure, and of the output of a job that failed, that are shown.
WHY_MAX, SAID_MAX = 200, 60
SLOWEST = 10
#: A job is taken to keep at least and at most so much of the cores busy that it says.
LEAST, MOST = 0.6, 1.5


def span(seconds: float) -> str:
    """A duration in words."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s"


class History:
    """Times of jobs in earlier runs, kept in the cache; a run without some is no error."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "test-times.json"
        self._known: dict[str, dict[str, float]] = {}
        try:
            data = json.loads(self._path.read_text())
            self._known = {str(name): {"work": float(row["work"]), "cpu": float(row["cpu"])}
                           for name, row in data.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            pass

    @staticmethod
    def _key(job: Job, built: bool) -> str:
        return f"{job.name}, {BUILT}" if built else job.name

    def expected(self, jobs: Sequence[Job]) -> dict[str, float]:
        """Seconds that each job will take."""
        found = {}
        for job in jobs:
            # The default seconds of a job that builds tell whether there is anything to build.
            key = self._key(job, job.part == BUILDS and job.seconds > 1)
            found[job.name] = self._known.get(key, {}).get("work", job.seconds)
        return found

    def measured(self, job: Job) -> Job:
        """The job, with the cores that it kept busy; close to what the code says of it.

        On a machine with other work it seems to want fewer than it does.
        """
        known = self._known.get(job.name)
        if known is None or job.part == BUILDS or known["work"] < 1.0:
            return job
        share = known["cpu"] / known["work"] / job.cores
        return replace(job, cores=job.cores * min(MOST, max(LEAST, share)))

    def cpu_of(self, job: Job, built: bool = False) -> float | None:
        """Core-seconds that a job took when it last ran."""
        return self._known.get(self._key(job, built), {}).get("cpu")

    def save(self, ended: Sequence[Ended]) -> None:
        """Remember the times of the jobs of this run that passed, and had something to do."""
        for one in ended:
            if one.good and one.work > 0 and one.report.aside != UNCHANGED:
                self._known[self._key(one.job, one.report.aside == BUILT)] = {
                    "work": round(one.work, 2), "cpu": round(one.cpu, 2)}
        cache.write(self._path, json.dumps(self._known, indent=1, sort_keys=True))


def _busy() -> tuple[float, float]:
    """Seconds of all CPUs, busy and in all, since the machine was started."""
    fields = [int(word) for word in
              Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    ticks = os.sysconf("SC_CLK_TCK")
    return (sum(fields) - fields[3] - fields[4]) / ticks, sum(fields) / ticks


class Progress:
    """Prints each job whole when it ends, and where the run is meanwhile."""

    def __init__(self, jobs: Sequence[Job], forecast: float, verbose: bool = False) -> None:
        self._jobs = len(jobs)
        self._forecast = forecast
        self._verbose = verbose
        self._start = time.monotonic()
        self._cpu = _busy()
        self._next_line = INTERVAL
        self._drawn = 0.0
        self.ended: list[Ended] = []

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def _where(self, running: Sequence[Job]) -> str:
        bad = sum(one.report.count(FAILED) for one in self.ended)
        return (f"{len(self.ended)} of {self._jobs} jobs, {span(self.elapsed)} of about "
                f"{span(self._forecast)}{f', {bad} FAILED' if bad else ''}: "
                f"{', '.join(job.name for job in running)}")

    def tick(self, running: list[Job]) -> None:
        """Show where the run is: a line in place on a terminal, else one now and then."""
        if ui.live():
            if self.elapsed - self._drawn >= 0.2:
                self._drawn = self.elapsed
                width = shutil.get_terminal_size().columns - 1
                sys.stderr.write("\r\x1b[K" + ui.clean(f"  {self._where(running)}")[:width])
                sys.stderr.flush()
        elif self.elapsed >= self._next_line:
            self._next_line = self.elapsed + INTERVAL
            ui.note(f"  ... {self._where(running)}")

    def end(self, one: Ended) -> None:
        """Print a job that has ended, whole."""
        self.ended.append(one)
        if ui.live():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        print("\n".join(self.lines(one)), flush=True)

    def lines(self, one: Ended) -> list[str]:
        """A job that has ended, in words."""
        report = one.report
        counts = [f"{report.count(status)} {status}" for status in (PASSED, FAILED, SKIPPED)
                  if report.count(status)] if len(report.outcomes) > 1 else []
        word = "ok  " if one.good else "FAIL"
        if one.good and report.outcomes and report.count(PASSED) == 0:
            word = "skip"
        lines = [report.text] if report.text else []
        lines.append(f"  {word} {one.job.name}"
                     f" ({', '.join([*counts, *filter(None, [report.aside]), span(one.seconds)])})")
        for outcome in report.outcomes:
            if outcome.status == FAILED:
                lines += self._bad(outcome, one)
            elif outcome.status == PASSED and self._verbose and len(report.outcomes) > 1:
                lines.append(f"       ok {outcome.name}")
        lines += self._skipped(report.outcomes)
        if not one.good and one.said.strip():
            said = one.said.strip().splitlines()
            lines.append("       its output" + (f", the last {SAID_MAX} of {len(said)} lines"
                                                if len(said) > SAID_MAX else "") + ":")
            lines += [f"       | {line}" for line in said[-SAID_MAX:]]
        return lines

    @staticmethod
    def _skipped(outcomes: Sequence[Outcome]) -> list[str]:
        """Why tests were skipped; those with the same reason are told together."""
        by_why: dict[str, list[str]] = {}
        for outcome in outcomes:
            if outcome.status == SKIPPED:
                by_why.setdefault(ui.clean(outcome.why), []).append(outcome.name)
        return [f"       skip {names[0]}"
                f"{f' and {len(names) - 1} more' if len(names) > 1 else ''}: "
                + (why or "no reason given") for why, names in by_why.items()]

    @staticmethod
    def _bad(outcome: Outcome, one: Ended) -> list[str]:
        why = [ui.clean(line) for line in outcome.why.splitlines()]
        name = "" if outcome.name == one.job.name else f"{outcome.name}: "
        lines = [f"       FAIL {name}{why[0] if why else ''}"]
        lines += [f"            {line}" for line in why[1:WHY_MAX]]
        if len(why) > WHY_MAX:
            lines.append(f"            ... {len(why) - WHY_MAX} lines more; run it alone to "
                         "see them")
        return lines

    def times(self) -> list[str]:
        """Each part's time: from its first start to its last end, and the sum of its jobs."""
        rows = [f"  {'part':<12}{'jobs':>6}{'wall':>14}{'sum':>14}{'core-seconds':>14}"]
        for part in dict.fromkeys(one.job.part for one in self.ended):
            mine = [one for one in self.ended if one.job.part == part]
            wall = max(one.ended for one in mine) - min(one.started for one in mine)
            rows.append(f"  {part:<12}{len(mine):>6}{span(wall):>14}"
                        f"{span(sum(one.seconds for one in mine)):>14}"
                        f"{sum(one.cpu for one in mine):>14.1f}")
        return rows

    def slowest(self) -> list[str]:
        """The tests that took longest; a job whose tests are not timed each counts as one."""
        found: list[tuple[float, str]] = []
        for one in self.ended:
            if one.job.part == BUILDS:
                continue
            timed = [o for o in one.report.outcomes if o.seconds is not None]
            found += [(o.seconds, o.name) for o in timed if o.seconds is not None]
            if not timed:
                found.append((one.seconds, one.job.name))
        found.sort(reverse=True)
        return [f"  {span(seconds):>14}  {name}" for seconds, name in found[:SLOWEST]]

    def one_kernel_more(self, history: History, cores: int) -> str:
        """The cost of a further kernel, from those that this or an earlier run built."""
        builds: list[float] = []
        now = False
        for one in self.ended:
            if one.job.name.startswith("kernel "):
                if one.report.aside == BUILT:
                    builds.append(one.cpu)
                    now = True
                elif (known := history.cpu_of(one.job, built=True)) is not None:
                    builds.append(known)
        runs = [one for one in self.ended if one.job.part == "suites"]
        if not runs:
            return ""
        modules_ = [history.cpu_of(one.job, built=True) or 0.0 for one in self.ended
                    if one.job.name.startswith("modules ")]
        suites = sum(one.cpu for one in runs) / len(runs)
        text = (f"one kernel more: {suites:.0f} core-seconds for its suites, about "
                f"{span(suites / cores)} of each run")
        if builds:
            mean = sum(builds) / len(builds) + (sum(modules_) / len(modules_) if modules_ else 0.0)
            text += (f"; and once {mean:.0f} core-seconds to build, about {span(mean / cores)} "
                     f"(mean of {len(builds)}{'' if now else ', measured in an earlier run'})")
        return text

    def busy(self) -> float:
        """The share of all cores' time in which they were busy."""
        busy, total = _busy()
        return (busy - self._cpu[0]) / max(0.01, total - self._cpu[1])
