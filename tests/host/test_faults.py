# SPDX-License-Identifier: GPL-2.0
"""Real runs that are disturbed from outside; they need a kernel in the cache."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def processes(mark: str) -> dict[int, str]:
    """Processes with a word in their command line, but for this one."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in words and int(path.parent.name) != os.getpid():
            found[int(path.parent.name)] = words
    return found


@unittest.skipUnless("KPARITY_TREE" in os.environ, "no kernel; 'make test' has one")
class TestDisturbed(unittest.TestCase):
    """scripts/kparity run, disturbed"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name, "out")

    def start(self) -> "subprocess.Popen[str]":
        """A run of one pair into a folder of its own."""
        return subprocess.Popen(
            [str(TOP / "scripts/kparity"), "run", "PAIR=ring", f"OUT={self.out}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))

    def qemu(self, lane: str) -> int:
        """The process of a lane's QEMU, once it is there."""
        for _ in range(1500):
            for pid, words in processes(f"{self.out}").items():
                if words.startswith("qemu-system") and f"/{lane}.console" in words:
                    return pid
            time.sleep(0.02)
        self.fail("no QEMU")

    def gone(self) -> None:
        """Nothing of the run is left."""
        for _ in range(100):
            if not (left := processes(str(self.out))):
                return
            time.sleep(0.02)
        self.fail(f"left behind: {left}")

    def test_interrupted(self) -> None:
        """Ctrl-C: one line, status 3, no process left, in every stage of a run."""
        for delay in (0.0, 0.4, 1.0):
            with self.subTest(delay):
                run = self.start()
                self.qemu("insn")
                time.sleep(delay)
                run.send_signal(signal.SIGINT)
                said = run.communicate(timeout=30)[0]
                self.gone()
                if run.returncode == 0:
                    continue  # it was faster than the signal
                self.assertEqual(run.returncode, 3, said)
                self.assertIn("interrupted", said)
                self.assertNotIn("Traceback", said)

    def test_terminated(self) -> None:
        """SIGKILL of kparity itself: the kernel takes the guests with it."""
        run = self.start()
        self.qemu("check")
        run.kill()
        run.communicate(timeout=30)
        self.gone()

    def test_qemu_killed(self) -> None:
        """One lane's QEMU is killed: that lane is lost, the other one's results are kept."""
        run = self.start()
        os.kill(self.qemu("check"), signal.SIGKILL)
        said = run.communicate(timeout=60)[0]
        self.gone()
        self.assertEqual(run.returncode, 3, said)
        self.assertIn("killed from outside", said)
        found = json.loads(next(self.out.glob("*/results.json")).read_text())
        self.assertEqual(found["verdict"], "error")
        status = {case["suite"]: case["status"] for case in found["pairs"]["ring"]["cases"]}
        self.assertEqual(status, {"ring": "error", "ring_insn": "pass"})


if __name__ == "__main__":
    unittest.main()
