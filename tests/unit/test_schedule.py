# SPDX-License-Identifier: GPL-2.0
"""The order of jobs: kplib.selftest.schedule with jobs that take no time."""

import unittest
from dataclasses import replace
from pathlib import Path

from kplib.selftest.jobs import FAILED, PASSED, Ended, Job, Outcome, Report, one
from kplib.selftest.schedule import PATIENCE, Plan, carry_out, closure, forecast


def nothing(folder: Path) -> Report:
    """A job that is never run: these tests decide how it ends."""
    raise AssertionError(folder)


def job(name: str, seconds: float = 1.0, cores: float = 1.0, *needs: str,
        group: str = "", early: bool = False) -> Job:
    """A job of no part."""
    return Job(name, "part", nothing, seconds, cores, needs, group, early)


def plan(*jobs: Job, cores: int = 2) -> Plan:
    """A plan by the jobs' own durations."""
    return Plan(jobs, cores, {})


def started(what: Plan, now: float = 0.0) -> list[str]:
    """All that starts now."""
    found = []
    while (next_ := what.next(now)) is not None:
        found.append(next_.name)
    return found


class Simulated:
    """A schedule.Runner with a clock of its own, on which jobs take their seconds."""

    def __init__(self, bad: tuple[str, ...] = (), left: tuple[str, ...] = ()) -> None:
        self.now = 0.0
        self.order: list[str] = []
        self.peak = 0.0
        self.stopped = 0
        self.running: dict[str, tuple[Job, float]] = {}
        self._bad = bad
        self._left = left

    def start(self, job_: Job) -> None:
        """Start one."""
        self.order.append(job_.name)
        self.running[job_.name] = (job_, self.now + job_.seconds)
        self.peak = max(self.peak, sum(j.cores for j, _ in self.running.values()))

    def poll(self, block: float) -> list[tuple[Job, Report, float, str]]:
        """Go on to the next end."""
        del block
        name = min(self.running, key=lambda n: self.running[n][1])
        ended, self.now = self.running.pop(name)
        return [(ended, one(name, "bad" if name in self._bad else None), ended.seconds, "")]

    def stop(self) -> list[str]:
        """End the rest."""
        self.stopped += 1
        self.running.clear()
        return list(self._left)

    def clock(self) -> float:
        """The time on its clock."""
        return self.now


class TestPlan(unittest.TestCase):
    """Which job starts next"""

    def test_longest_chain_first(self) -> None:
        """A short job that a long one waits for goes before a longer one that is alone."""
        what = plan(job("alone", 20), job("first", 2), job("after", 30, 1, "first"), cores=1)
        self.assertEqual(started(what), ["first"])

    def test_expected_wins(self) -> None:
        """Seconds measured in the last run count for more than those in the code."""
        jobs = (job("a", 1), job("b", 2))
        self.assertEqual(started(Plan(jobs, 1, {"a": 9.0})), ["a"])

    def test_early(self) -> None:
        """Jobs with an early verdict go first."""
        self.assertEqual(started(plan(job("long", 99), job("soon", 1, early=True), cores=1)),
                         ["soon"])

    def test_load(self) -> None:
        """Half as many again as there are cores, and jobs that wait beside them."""
        what = plan(*(job(f"busy {n}") for n in range(9)), job("waits", 0.5, 0.2))
        self.assertEqual(len(started(what)), 3)
        self.assertEqual(what.load, 3)
        self.assertAlmostEqual(what.rate, 2 / 3)
        what = plan(*(job(f"waits {n}", cores=0.3) for n in range(30)))
        self.assertEqual(len(started(what)), 10)

    def test_too_large(self) -> None:
        """A job for more cores than there are runs alone."""
        what = plan(job("large", 9, 8), job("small"), cores=1)
        self.assertEqual(started(what), ["large"])

    def test_passed_over(self) -> None:
        """A job that does not fit lets others go before it, for a while."""
        jobs = (job("large", 9, 3), *(job(f"small {n}", 1, 1) for n in range(9)))
        what = Plan(jobs, 2, {"small 0": 50.0})
        self.assertEqual(started(what), ["small 0", "small 1", "small 2"])
        what.ended(jobs[2], True)
        self.assertEqual(started(what, 1.0), ["small 3"])
        what.ended(jobs[3], True)
        self.assertEqual(started(what, PATIENCE + 1), [])
        for done in (jobs[1], jobs[4]):
            what.ended(done, True)
        self.assertEqual(started(what, PATIENCE + 2), ["large"])

    def test_group(self) -> None:
        """A second kernel is built only while nothing else can run, and never a third."""
        kernels = [job(f"kernel {n}", 400, 1.5, group="kernels") for n in range(3)]
        what = plan(*kernels, job("test", 2000, 1.5))
        self.assertEqual(started(what), ["test", "kernel 0"])
        what = plan(*kernels, *(job(f"test {n}", 300, 1) for n in range(9)))
        self.assertEqual(started(what), ["kernel 0", "test 0"])
        what = plan(*kernels, cores=9)
        self.assertEqual(started(what), ["kernel 0", "kernel 1"])

    def test_group_behind(self) -> None:
        """Nor while kernels, one after the other, would keep everybody waiting at the end."""
        kernels = [job(f"kernel {n}", 400, 1.5, group="kernels") for n in range(3)]
        self.assertEqual(started(plan(*kernels, job("test", 2, 1.5))), ["kernel 0", "kernel 1"])

    def test_wrong_need(self) -> None:
        """A name that no job has is a defect of the suite."""
        with self.assertRaises(AssertionError):
            plan(job("a", 1, 1, "b"))
        with self.assertRaises(AssertionError):
            plan(job("a"), job("a"))

    def test_closure(self) -> None:
        """A wanted job comes with the jobs it needs, and nothing else."""
        jobs = [job("a"), job("b", 1, 1, "a"), job("c", 1, 1, "b"), job("d", 1, 1, "a")]
        self.assertEqual([j.name for j in closure(jobs, lambda j: j.name == "c")], ["a", "b", "c"])


class TestCarryOut(unittest.TestCase):
    """Jobs from the first start to the last end"""

    def carry_out(self, jobs: list[Job], runner: Simulated) -> tuple[list[Ended], list[str]]:
        """Run jobs; returns how each ended, and the processes left."""
        ended: list[Ended] = []
        left = carry_out(plan(*jobs), runner, ended.append, lambda running: None, runner.clock)
        return ended, left

    def test_all_run_once(self) -> None:
        """Each job ends once, after those that it needs, and the forecast was right."""
        jobs = [job(f"job {n}", 1 + n % 7, (0.2, 1, 2)[n % 3], *([f"job {n - 3}"] if n > 5 else []))
                for n in range(60)]
        runner = Simulated()
        ended, left = self.carry_out(jobs, runner)
        self.assertEqual(sorted(e.job.name for e in ended), sorted(j.name for j in jobs))
        self.assertEqual(left, [])
        self.assertEqual(runner.stopped, 1)
        self.assertLessEqual(runner.peak, 3 + 1e-9)
        at = {name: number for number, name in enumerate(runner.order)}
        for each in jobs:
            self.assertTrue(all(at[name] < at[each.name] for name in each.needs))

    def test_forecast(self) -> None:
        """Two at once on two cores; of three, each gets two thirds."""
        self.assertAlmostEqual(forecast([job("a", 4), job("b", 4)], 2, {}), 4)
        self.assertAlmostEqual(forecast([job("a", 4), job("b", 4), job("c", 4)], 2, {}), 6)
        self.assertAlmostEqual(forecast([job("a", 4), job("b", 4, 1, "a")], 2, {"a": 1.0}), 5)

    def test_work(self) -> None:
        """The time that a job waited for a core is none that it takes."""
        ended, _ = self.carry_out([job("a", 6), job("b", 6), job("c", 6)], Simulated())
        self.assertEqual([round(e.work, 3) for e in ended], [4, 4, 4])
        self.assertEqual([e.seconds for e in ended], [6, 6, 6])

    def test_failed_need(self) -> None:
        """A job that cannot run is a failure that names why; all others run."""
        jobs = [job("kernel"), job("modules", 1, 1, "kernel"), job("suite", 1, 1, "modules"),
                job("other")]
        ended, _ = self.carry_out(jobs, Simulated(bad=("kernel",)))
        found = {e.job.name: e.report.outcomes for e in ended}
        self.assertEqual(set(found), {j.name for j in jobs})
        self.assertEqual(found["suite"],
                         (Outcome("suite", FAILED, "not run, as kernel failed"),))
        self.assertEqual(found["modules"][0].status, FAILED)
        self.assertEqual(found["other"][0].status, PASSED)

    def test_interrupted(self) -> None:
        """Ctrl-C: the runner is told to end all."""
        runner = Simulated()

        def tick(running: list[Job]) -> None:
            if len(runner.order) > 3:
                raise KeyboardInterrupt
        with self.assertRaises(KeyboardInterrupt):
            carry_out(plan(*(job(f"{n}", n + 1) for n in range(9))), runner, lambda e: None, tick,
                      runner.clock)
        self.assertEqual(runner.stopped, 1)
        self.assertEqual(runner.running, {})

    def test_left_behind(self) -> None:
        """Processes that jobs leave behind are handed on."""
        _, left = self.carry_out([job("a")], Simulated(left=("sleep 99",)))
        self.assertEqual(left, ["sleep 99"])

    def test_json(self) -> None:
        """A report survives the way out of a child process."""
        report = Report((Outcome("a", FAILED, "why\n\x00ü", 1.5, True), Outcome("b", PASSED)),
                        "text", "aside")
        self.assertEqual(Report.from_json(report.to_json()), report)
        self.assertNotEqual(Report.from_json(report.to_json()), replace(report, aside=""))


if __name__ == "__main__":
    unittest.main()
