# SPDX-License-Identifier: GPL-2.0
"""How long a guest has been silent: wall time without that for which it waited for a CPU."""

import os
import signal
import subprocess
import time
import unittest

from kplib.boot.console import Position
from kplib.boot.silence import Silence, Thread, family, threads
from kplib.common import proc
from kplib.common.errors import Refused
from kplib.configure import request


class TestSilence(unittest.TestCase):
    """silence.Silence"""

    def setUp(self) -> None:
        self.now = 100.0
        self.threads = {"1": Thread(1.0, 5.0, False), "2": Thread(1.0, 7.0, False)}
        self.silence = Silence(20.0, lambda: dict(self.threads), lambda: self.now)
        # It takes a moment until anyone looks.
        self.later(0.2)
        self.assertFalse(self.exceeds())

    def later(self, seconds: float, **waits: float) -> None:
        """Time goes by, of which threads wait some; they have run in between."""
        self.now += seconds
        for name, waited in waits.items():
            have = self.threads.get(name.strip("t"), Thread(0.0, 0.0, False))
            self.threads[name.strip("t")] = Thread(have.ran + 0.1, have.waited + waited, False)

    def exceeds(self, since: float = 100.0) -> bool:
        """Whether it is too long since then."""
        return self.silence.exceeds(since, 20.0)

    def test_wall_time(self) -> None:
        """A guest that has its CPU is silent for as long as the clock says."""
        for _ in range(99):
            self.later(0.2)
            self.assertFalse(self.exceeds())
        self.later(0.3)
        self.assertTrue(self.exceeds())

    def test_waiting_does_not_count(self) -> None:
        """The waits before the silence mean nothing; those since do not count."""
        self.later(30.0, t1=12.0)
        self.assertFalse(self.exceeds())
        self.later(2.1)
        self.assertTrue(self.exceeds())

    def test_interruptions(self) -> None:
        """Case interrupt says all the time that it goes on."""
        at = Position("ring", "interrupt", "c->c")
        self.assertEqual(Silence(20).limit(at), 2.0)
        self.assertEqual(Silence(60).limit(at), 6.0)
        self.assertEqual(Silence(1).limit(at), 1.0)
        self.assertEqual(Silence(20).limit(Position("ring", "lockstep", "c->c")), 20)

    def test_waits_right_now(self) -> None:
        """The kernel adds a wait once it is over; until then nothing is decided."""
        self.threads["1"] = self.threads["1"]._replace(runnable=True)
        for _ in range(3):
            self.later(30.0)
            self.assertFalse(self.exceeds())
        self.later(0.2, t1=89.0)
        self.assertFalse(self.exceeds())
        # A thread that spins is runnable as well.
        self.threads["1"] = self.threads["1"]._replace(runnable=True, ran=9.0)
        self.later(20.0)
        self.assertTrue(self.exceeds())

    def test_zeros(self) -> None:
        """A kernel that gives zeros says nothing of waits: wall time counts."""
        self.threads = {"1": Thread(0.0, 0.0, True)}
        self.later(0.2)
        self.assertFalse(self.exceeds(100.1))
        self.later(20.1)
        self.assertTrue(self.exceeds(100.1))
        self.assertFalse(self.silence.starved)

    def test_starved(self) -> None:
        """A guest that never gets its CPU is waited for for long, but not for ever."""
        self.threads["1"] = self.threads["1"]._replace(runnable=True)
        for _ in range(19):
            self.later(20.0)
            self.assertFalse(self.exceeds())
        self.assertFalse(self.silence.starved)
        self.later(20.1)
        self.assertTrue(self.exceeds())
        self.assertTrue(self.silence.starved)

    def test_host_that_waits(self) -> None:
        """A host that had no CPU itself has not seen what the guest did meanwhile."""
        self.later(60.0)
        self.assertFalse(self.exceeds(159.9))
        self.assertFalse(self.exceeds(100.1))
        self.later(20.1)
        self.assertTrue(self.exceeds(100.1))

    def test_threads_are_not_added_up(self) -> None:
        """Two CPUs that wait at the same time have waited once."""
        self.later(30.0, t1=9.0, t2=9.0)
        self.assertTrue(self.exceeds())

    def test_new_thread(self) -> None:
        """A thread that is younger than the silence counts from its start."""
        self.later(30.0, t3=25.0)
        self.assertFalse(self.exceeds())

    def test_progress(self) -> None:
        """With each sign of progress it begins anew."""
        self.later(19.0, t1=18.0)
        self.assertFalse(self.exceeds(119.2))
        self.later(0.2)
        self.assertFalse(self.exceeds(119.2))
        self.later(20.1)
        self.assertTrue(self.exceeds(119.2))

    def test_limits(self) -> None:
        """A slow case may take longer, in KUnit's own terms; a lifted limit is none."""
        for speed, wanted in (("slow", 60.0), ("very_slow", 240.0), ("normal", 20.0),
                              ("unheard of", 20.0)):
            self.silence.allow("ring", "spsc", speed)
            self.assertEqual(self.silence.limit(Position("ring", "spsc", "c->c")), wanted)
            self.assertEqual(self.silence.limit(Position("tlv", "spsc", "c->c")), 20.0)
        self.silence.lift()
        self.later(1e9)
        self.assertFalse(self.silence.exceeds(0.0, self.silence.limit(Position())))
        self.later(1e9)
        self.assertFalse(self.silence.exceeds(0.0, self.silence.limit(Position())))


class TestSetting(unittest.TestCase):
    """The variable SILENCE"""

    def test_values(self) -> None:
        """A plain positive number of seconds, and nothing else."""
        for text, wanted in (("3", 3.0), ("2.5", 2.5), ("", 20.0), ("0.5", 0.5)):
            self.assertEqual(request.parse([f"SILENCE={text}"], {}).silence, wanted)
        self.assertEqual(request.parse([], {"SILENCE": "7"}).silence, 7.0)
        self.assertEqual(request.parse([], {}).silence, 20.0)
        for text in ("0", "0.0", "-1", "1e3", "inf", "nan", "3s", " 3", "1_0", "\u0663", "0x3"):
            with self.subTest(text), self.assertRaisesRegex(Refused, "^SILENCE=.*seconds"):
                request.parse([f"SILENCE={text}"], {})


class TestThreads(unittest.TestCase):
    """silence.threads(), of real processes on one CPU"""

    def test_busy(self) -> None:
        """Of two loops on one CPU each waits; a process that sleeps does not.

        They are below a shell, as QEMU is below enter-root.
        """
        cpu = min(os.sched_getaffinity(0))
        script = "while :; do :; done & while :; do :; done & sleep 60 & wait"
        with proc.child(["taskset", "-c", str(cpu), "sh", "-c", script],
                        stdout=subprocess.DEVNULL) as process:
            end = time.monotonic() + 30
            found: list[Thread] = []
            # On a busy host the shell itself may have waited before it has begun any of them.
            while time.monotonic() < end and not (
                    len(found) == 4 and all(t.runnable and t.waited > 0.1 for t in found[-2:])
                    and not any(t.runnable for t in found[:-2])):
                time.sleep(0.05)
                found = sorted(threads(process.pid).values())
            self.assertEqual(len(family(process.pid)), 4)
            # The loops are those that have run for longest.
            self.assertTrue(all(t.runnable and t.waited > 0.1 for t in found[-2:]), found)
            self.assertEqual([t.runnable for t in found[:-2]], [False, False])
            os.killpg(process.pid, signal.SIGKILL)

    def test_gone(self) -> None:
        """A process that is gone has no threads."""
        done = subprocess.Popen(["true"])
        done.wait()
        self.assertEqual(threads(done.pid), {})


if __name__ == "__main__":
    unittest.main()
