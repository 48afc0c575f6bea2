# SPDX-License-Identifier: GPL-2.0
"""The host's end of the port, against programs that play a guest."""

import contextlib
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Callable

from kplib.boot import guest, qemu, serial
from kplib.boot.console import Console
from kplib.boot.silence import Silence, Thread
from kplib.common import proc
from kplib.common.errors import GuestLost


class TestGuest(unittest.TestCase):
    """guest.Guest"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.console = Path(folder.name, "console")
        self.errors = Path(folder.name, "errors")
        self.console.write_text("")
        self.errors.write_text("")

    def play(self, script: str) -> guest.Guest:
        """A guest played by a shell script."""
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        wire, self.far = socket.socketpair()
        monitor, far_monitor = socket.socketpair()
        process = stack.enter_context(proc.child(["sh", "-c", script], stdin=subprocess.PIPE,
                                                 stdout=subprocess.PIPE))
        for end in (wire, self.far, monitor):
            stack.enter_context(end)
        far_monitor.close()  # a QEMU whose monitor does not answer
        return guest.Guest(process, Console("token"), self.console, self.errors, wire, monitor,
                           silence=20.0)

    def lost(self, vm: guest.Guest, deadline: float = 5.0) -> str:
        """How the guest is said to be lost."""
        with self.assertRaises(GuestLost) as caught:
            vm.expect("testing").ok(deadline)
        return str(caught.exception)

    def test_answers_in_order(self) -> None:
        """Answers of any size, in pieces, with an errno."""
        vm = self.play("printf '0 5\\nhel'; sleep 0.1; printf 'lo2 0\\n0 3\\na\\nb'")
        one, two, three = (vm.expect(what) for what in ("one", "two", "three"))
        self.assertEqual(one.ok(), b"hello")
        self.assertEqual(two.answer(), (2, b""))
        self.assertEqual(three.ok(), b"a\nb")

    def test_large_request(self) -> None:
        """A request larger than every pipe on the way, to a guest that is slow to read."""
        vm = self.play("sleep 0.3; n=$(head -c 3000006 | wc -c); printf '0 %d\\n%s' ${#n} $n")
        self.assertEqual(vm.send("load", "load!", b"x" * 3000000).ok(), b"3000006")

    def test_hang(self) -> None:
        """Silence ends at the deadline, soon after it and not before."""
        start = time.monotonic()
        self.assertIn("hung", self.lost(self.play("sleep 60"), 0.6))
        self.assertTrue(0.5 < time.monotonic() - start < 5)

    def test_starved(self) -> None:
        """A guest that never gets a CPU is lost in the end, and not by its own fault."""
        waits: list[Callable[[guest.Guest], object]] = [
            lambda vm: vm.expect("testing").ok(0.05), lambda vm: vm.wait_for_end(0.05)]
        for wait in waits:
            vm = self.play("sleep 60")
            vm.silence = Silence(20.0, lambda: {"1": Thread(1.0, 0.0, True)})
            with self.assertRaisesRegex(GuestLost, "got no CPU for 1 s") as caught:
                wait(vm)
            self.assertTrue(caught.exception.external)

    def test_given_up(self) -> None:
        """A guest that is given up says no more, and another goes on."""
        vm, other = self.play("sleep 60"), self.play("sleep 0.2; printf '0 2\\nhi'")
        vm.cancelled.set()
        with self.assertRaises(guest.Cancelled):
            vm.expect("testing").ok()
        self.assertEqual(other.expect("testing").ok(), b"hi")

    def test_hang_while_sending(self) -> None:
        """A guest that reads nothing must not block the host for ever."""
        vm = self.play("sleep 60")
        load = vm.send("load", "load", b"x" * 10000000)
        with self.assertRaises(GuestLost) as caught:
            load.ok(0.6)
        self.assertIn("hung: nothing for 0.6 s while load", str(caught.exception))

    def test_panic(self) -> None:
        """The console says why QEMU ended."""
        vm = self.play("true")
        self.far.sendall(b"[ 1.0] Kernel panic - not syncing: Fatal exception\n" + b"x\n" * 20000)
        self.far.close()
        self.assertIn("panicked while testing: Fatal exception", self.lost(vm))

    def test_panic_of_another(self) -> None:
        """The console's file holds those of earlier guests too; their panics are theirs."""
        self.console.write_text("[ 1.0] Kernel panic - not syncing: Fatal exception\n")
        self.assertIn("rebooted by itself", self.lost(self.play("true")))

    def test_init_gave_up(self) -> None:
        """Init's own complaint."""
        vm = self.play("true")
        self.far.sendall(b"kparity init: /dev/vport0p1: error 2\n")
        self.assertIn("gave up while testing: /dev/vport0p1", self.lost(vm))

    def test_killed(self) -> None:
        """QEMU was killed from outside."""
        self.assertIn("killed from outside", self.lost(self.play("kill -9 $$")))

    def test_qemu_complains(self) -> None:
        """QEMU's own last line."""
        self.errors.write_text("qemu: no such machine\n")
        self.assertIn("no such machine", self.lost(self.play("exit 1")))

    def test_reboot(self) -> None:
        """QEMU ended well although the guest was not done."""
        self.assertIn("rebooted by itself", self.lost(self.play("true")))

    def test_nonsense(self) -> None:
        """Nonsense in place of an answer is told: words, endless lines, absurd sizes."""
        for script in ("echo hello there", "yes | tr -d '\\n'", "echo '0 99999999999'",
                       "echo '-1 0'", "head -c 100000 /dev/urandom"):
            with self.subTest(script):
                self.assertIn("nonsense", self.lost(self.play(script)))

    def test_host_rate(self) -> None:
        """The TSC's rate from /proc/cpuinfo; a word that needs it goes if it is unknown."""
        for text, khz in (("model name\t: Xeon @ 2.60GHz\ncpu MHz\t\t: 800.0\n", 2600000),
                          ("model name\t: Xeon\ncpu MHz\t: 800.0\ncpu MHz\t: 2599.998\n", 2599998),
                          ("BogoMIPS\t: 50.00\n", None)):
            self.console.write_text(text)
            self.assertEqual(qemu.host_tsc_khz(str(self.console)), khz)
        self.assertIsNone(qemu.host_tsc_khz("/nonexistent"))
        words = "console=ttyS0 tsc_early_khz=@HOST_TSC_KHZ@ lpj=@HOST_TSC_PER_JIFFY@ quiet"
        self.assertEqual(qemu.kernel_words(words, None, 250), "console=ttyS0 quiet")
        self.assertEqual(qemu.kernel_words(words, 2600000, 250),
                         "console=ttyS0 tsc_early_khz=2600000 lpj=10400000 quiet")

    def test_console_cannot_drive_a_terminal(self) -> None:
        """Escapes in a guest's console are not passed on."""
        self.console.write_bytes(b"\x1b[2Jgone\xff\n")
        text = serial.tail(self.console)
        self.assertNotIn("\x1b", text)
        self.assertIn("gone", text)


if __name__ == "__main__":
    unittest.main()
