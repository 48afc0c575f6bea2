# SPDX-License-Identifier: GPL-2.0
"""Jobs as child processes: reports, deaths, what is left behind, Ctrl-C."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Callable

from kplib.common import proc
from kplib.common.errors import EnvironmentFailed, Failed
from kplib.selftest.jobs import FAILED, PASSED, Ended, Job, Outcome, Report, one
from kplib.selftest.schedule import Plan, carry_out

TOP = Path(__file__).resolve().parents[2]
#: A process of its own, as Processes makes itself the parent of all that is left.
PROGRAM = """
import sys
sys.dont_write_bytecode = True
sys.path[:0] = [{scripts!r}, {tests!r}]
from unit import test_processes
test_processes.{name}()
"""


def ended_of(*runs: Callable[[Path], Report], bound: float = 60.0,
             times: int = 1) -> tuple[list[Ended], list[str]]:
    """Run jobs, so many times; returns how they ended, and the processes left behind."""
    from kplib.selftest.processes import Processes  # pylint: disable=import-outside-toplevel
    found: list[Ended] = []
    jobs = [Job(f"{number} {run.__name__}", "part", run, bound=bound)
            for number, run in enumerate(runs)]
    runner = Processes()
    left: list[str] = []
    try:
        for _ in range(times):
            left += carry_out(Plan(jobs, 4, {}), runner, found.append, lambda running: None)
    finally:
        runner.close()
    return sorted(found, key=lambda e: e.job.name), left


def good(folder: Path) -> Report:
    """Passes, in an empty folder, without input."""
    assert not list(folder.iterdir())
    assert sys.stdin is None or not os.read(0, 1)
    (Path(tempfile.mkdtemp()) / "left").write_text("left")
    print("said\x1b[31m")
    subprocess.run(["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"], check=True)
    return Report((Outcome("a", PASSED), Outcome("b", PASSED)), "text")


def raises(folder: Path) -> Report:
    """Has a defect."""
    raise ValueError("unheard of")


def cannot(folder: Path) -> Report:
    """Finds no disk space."""
    raise EnvironmentFailed("the disk is full")


def fails(folder: Path) -> Report:
    """Finds that something does not build."""
    raise Failed("does not build")


def exits(folder: Path) -> Report:
    """Ends as no job may."""
    os._exit(0)


def crashes(folder: Path) -> Report:
    """Is killed."""
    print("last words")
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def hangs(folder: Path) -> Report:
    """Takes for ever, as does its child."""
    subprocess.run(["sleep", "1000"], check=True)
    raise AssertionError


def sleeps(folder: Path) -> Report:
    """Takes for ever on its own."""
    time.sleep(1000)
    raise AssertionError


def leaves(folder: Path) -> Report:
    """Leaves a process."""
    with open(os.devnull, "wb") as nothing:
        subprocess.Popen(["sleep", "1001"], start_new_session=True, stdout=nothing)
    return one("leaves", None)


def endings() -> None:
    """Every way in which a job can end."""
    found, left = ended_of(good, raises, cannot, fails, exits, crashes)
    said = {e.job.name.split()[1]: e for e in found}
    assert said["good"].report.count(PASSED) == 2 and said["good"].said == "said?[31m", found
    assert said["good"].cpu > 0.01, found
    for name, why, environment in (
            ("raises", "ValueError: unheard of", False), ("cannot", "the disk is full", True),
            ("fails", "does not build", False), ("exits", "its process died: exit status 0", False),
            ("crashes", "its process died: killed by SIGSEGV", False)):
        (outcome,) = said[name].report.outcomes
        assert outcome.status == FAILED and why in outcome.why, (name, outcome)
        assert outcome.environment == environment, (name, outcome)
    assert "last words" in said["crashes"].said, found
    assert left == [], left
    found, left = ended_of(good, times=2)
    assert [e.good for e in found] == [True, True] and left == [], (found, left)
    print("done")


def too_long() -> None:
    """A job that takes longer than it may, and one that leaves something behind."""
    found, left = ended_of(hangs, bound=0.5)
    assert found[0].report.outcomes[0].why == "took longer than 0 s", found
    assert left == [], left
    found, left = ended_of(leaves)
    assert found[0].good and left == ["sleep 1001"], (found, left)
    print("done")


def interrupted() -> None:
    """Jobs that run when SIGTERM arrives."""
    def stop(*_: object) -> None:
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    try:
        ended_of(hangs, hangs, leaves)
    except KeyboardInterrupt:
        print("interrupted")


def killed() -> None:
    """Jobs that run when SIGKILL arrives."""
    print("ready", flush=True)
    ended_of(sleeps, sleeps)


class TestParents(unittest.TestCase):
    """proc.die_with()"""

    def test_late(self) -> None:
        """A child whose parent has ended before it was tied to it ends as well."""
        for parent, status in ((os.getpid(), 0), (os.getppid(), 1)):
            done = subprocess.run(["true"], check=False,
                                  preexec_fn=functools.partial(proc.die_with, parent))
            self.assertEqual(done.returncode, status)


class TestSessions(unittest.TestCase):
    """proc.child()"""

    @unittest.skipUnless(Path("/proc/self/autogroup").exists(), "sessions are no groups here")
    def test_as_nice(self) -> None:
        """A child's session is as nice as its parent."""
        for nice in (0, 7):
            done = subprocess.run(
                ["nice", "-n", str(nice), sys.executable, "-c",
                 f"import sys; sys.path[:0] = [{str(TOP / 'scripts')!r}]; "
                 "from kplib.common import proc; "
                 "print(proc.output(['cat', '/proc/self/autogroup']))"],
                check=True, stdout=subprocess.PIPE, text=True)
            base = os.getpriority(os.PRIO_PROCESS, 0)
            self.assertRegex(done.stdout, rf"nice {min(19, base + nice)}\b")


class TestProcesses(unittest.TestCase):
    """kplib.selftest.processes"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def start(self, name: str) -> "subprocess.Popen[str]":
        """A function of this module in a process of its own."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(scripts=str(TOP / "scripts"),
                                                  tests=str(TOP / "tests"), name=name)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "TMPDIR": str(self.folder)})
        self.addCleanup(process.kill)
        return process

    def end(self, process: "subprocess.Popen[str]", word: str) -> None:
        """Assert that a process says a word at last, and leaves no folder."""
        said, _ = process.communicate(timeout=60)
        self.assertEqual(said.strip().splitlines()[-1:], [word], said)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_endings(self) -> None:
        """A report, or a failure that says how the job ended."""
        self.end(self.start("endings"), "done")

    def test_too_long(self) -> None:
        """A bound ends a job with all its processes; what jobs leave behind is told."""
        self.end(self.start("too_long"), "done")

    def test_interrupted(self) -> None:
        """SIGTERM ends all jobs and all that they have started."""
        process = self.start("interrupted")
        assert process.stdout
        self.assertEqual(process.stdout.readline(), "ready\n")
        started: list[int] = []
        end = time.monotonic() + 30
        while len(started) < 3 and time.monotonic() < end:
            started = [pid for pid in self.below(process.pid) if "sleep" in self.name(pid)]
            time.sleep(0.02)
        self.assertEqual(len(started), 3)
        begin = time.monotonic()
        process.terminate()
        self.end(process, "interrupted")
        self.assertLess(time.monotonic() - begin, 30)
        self.assertEqual([pid for pid in started if "sleep" in self.name(pid)], [])

    def test_killed(self) -> None:
        """After SIGKILL no job runs on."""
        process = self.start("killed")
        assert process.stdout
        self.assertEqual(process.stdout.readline(), "ready\n")
        end = time.monotonic() + 30
        started: list[int] = []
        while len(started) < 2 and time.monotonic() < end:
            started = self.below(process.pid)
            time.sleep(0.02)
        process.kill()
        process.communicate(timeout=60)
        while any(map(self.name, started)) and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual([self.name(pid) for pid in started], ["", ""])

    @staticmethod
    def below(pid: int) -> list[int]:
        """All processes below one."""
        from kplib.common.proc import descendants  # pylint: disable=import-outside-toplevel
        return descendants(pid)

    @staticmethod
    def name(pid: int) -> str:
        """A process's name; none if it is no more."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/comm").read_text().strip()
        return ""


if __name__ == "__main__":
    unittest.main()
