# SPDX-License-Identifier: GPL-2.0
"""make test and make check: everything that must hold, ending with a line of counts."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Callable, Sequence

from kplib import matrix
from kplib.build import kernel, source, toolchain
from kplib.common.errors import BROKEN, FAILED, OK, EnvironmentFailed, Refused
from kplib.configure import archs, variants
from kplib.configure.request import TOP, VARIABLES, Request
from kplib.selftest import jobs, parts, processes, progress, schedule
from kplib.selftest.copies import KEPT, copy_of_project, run_in
from kplib.selftest.jobs import Job

__all__ = ["test", "check", "copy_of_project", "run_in"]

#: Variables that change what a run of suites runs. The whole of it is what must hold.
REFUSED = ("LANE", "SEED", "PROGRAMS", "PROGRAM", "APPEND", "KEEP")

#: The parts of `make check`, of which suites are those of the base kernel here.
CHECKED = ("static", "unit", "suites")


def chosen(words: Sequence[str]) -> tuple[str, ...]:
    """The parts that PART= names, or all."""
    for word in words:
        if word not in parts.NAMES:
            raise Refused(f"PART={word}: no such part; there are {', '.join(parts.NAMES)}")
    return tuple(words) or parts.NAMES


def test(req: Request) -> int:
    """The whole test suite, on every arch and in every variant, or the parts asked for."""
    return _run(req, chosen(req.parts), lambda job: True)


def check(req: Request) -> int:
    """Run the quick checks: static checks, unit tests, this machine's base suites."""
    host = archs.host_name(os.uname().machine)
    return _run(req, CHECKED, lambda job: job.part != "suites"
                or job.name == f"suites {host} {variants.BASE}")


def whole(req: Request) -> None:
    """Refuse variables that would have a part tested, or something else."""
    if given := [name for name in REFUSED if name in req.given]:
        raise Refused(f"{', '.join(given)}: not for make test and make check, which test "
                      "everything as it is by default; leave it out, or use make run")


def _prepare(req: Request) -> toolchain.Toolchain:
    whole(req)
    tools = matrix.prepare(req)
    if tools.root is None:
        wanted = ("shellcheck", "mypy", "pycodestyle", "pahole", *toolchain.FOR_TESTS)
        missing = [t for t in wanted if not shutil.which(t.replace("clippy", "clippy-driver"))]
        if missing:
            raise EnvironmentFailed(f"make test needs {', '.join(missing)}; install them, "
                                    "or TOOLCHAIN=root")
    return tools


def set_up(req: Request, tools: toolchain.Toolchain, folder: Path) -> parts.Setup:
    """What jobs are made from, which share a folder; a copy of the project is in it then."""
    every = tuple(archs.load_all(TOP / "qemu/arch").values())
    host = next(a for a in every if a.name == archs.host_name(os.uname().machine))
    kinds = tuple(variants.load_all(TOP / "qemu/variant").values())
    tree = kernel.get(req, tools, host, kinds[0]).tree if req.kdir \
        else source.get(req, tools).tree
    # The variables of this run are not those of the runs that tests start.
    for name in VARIABLES:
        if name not in KEPT:
            os.environ.pop(name, None)
    os.environ["KPARITY_TREE"] = str(tree)
    os.environ["KPARITY_CACHE"] = str(req.cache)

    copy_of_project(folder)
    return parts.Setup(req, tools, tree, every, host, kinds, folder)


def _run(req: Request, names: tuple[str, ...], wanted: Callable[[Job], bool]) -> int:
    tools = _prepare(req)
    cores = os.cpu_count() or 1
    runner = processes.Processes()
    try:
        setup = set_up(req, tools, runner.folder)
        found = schedule.closure(parts.every(setup, names),
                                 lambda job: job.part in names and wanted(job))
        history = progress.History(req.cache)
        found = [history.measured(job) for job in found]
        expected = history.expected(found)
        forecast = schedule.forecast(found, cores, expected)
        print(f"{len(found)} jobs on {cores} cores, about {progress.span(forecast)}", flush=True)
        shown = progress.Progress(found, forecast, req.verbose)
        left = schedule.carry_out(schedule.Plan(found, cores, expected), runner, shown.end,
                                  shown.tick)
    finally:
        runner.close()
    return _close(shown, history, left, cores)


def _close(shown: progress.Progress, history: progress.History, left: list[str],
           cores: int) -> int:
    """Print the sums; the exit status."""
    elapsed = shown.elapsed
    print("\n" + "\n".join(shown.times()))
    print("\nslowest tests\n" + "\n".join(shown.slowest()))
    if more := shown.one_kernel_more(history, cores):
        print("\n" + more)
    with contextlib.suppress(EnvironmentFailed):  # times are not worth the verdict
        history.save(shown.ended)
    print(f"\n{progress.span(elapsed)} in all, with the {cores} cores "
          f"{100 * shown.busy():.0f} % busy")
    for command in left:
        print(f"  FAIL a job left behind: {command}")
    outcomes = [outcome for one in shown.ended for outcome in one.report.outcomes]
    bad = [outcome for outcome in outcomes if outcome.status == jobs.FAILED]
    passed, skipped = (sum(o.status == status for o in outcomes)
                       for status in (jobs.PASSED, jobs.SKIPPED))
    if bad:
        print("\nfailed:")
        for outcome in bad:
            print(f"  {outcome.name}")
    print(f"\n{passed} passed, {len(bad) + len(left)} failed, {skipped} skipped", flush=True)
    if not bad and not left:
        return OK
    return BROKEN if bad and not left and all(o.environment for o in bad) else FAILED
