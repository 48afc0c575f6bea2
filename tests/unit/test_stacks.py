# SPDX-License-Identifier: GPL-2.0
"""Summaries of stacks, and of a guest that is stuck."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from kplib.boot import console, stacks
from kplib.boot.console import plain
from kplib.boot.laneresult import CaseId, LaneResult
from kplib.configure import lanes

from .test_console import SAVED, saved

DUMP = """\
sysrq: Show backtrace of all active CPUs
NMI backtrace for cpu 0
CPU: 0 UID: 0 PID: 0 Comm: swapper/0 Tainted: G           O     N  7.3.4 #1 PREEMPT
 <IRQ>
 dump_stack+0x10/0x12
 </IRQ>
 default_idle_call+0x1/0x2
Sending NMI from CPU 0 to CPUs 1:
NMI backtrace for cpu 1
CPU: 1 UID: 0 PID: 61 Comm: kunit_try_catch Tainted: G           O     N  7.3.4 #1 PREEMPT
RIP: 0010:queued_spin_lock_slowpath+0x16/0x1c0
 _raw_spin_lock+0x21/0x30
 misbehave+0x131/0x380 [kparity_fault]
sysrq: Show State
task:init            state:D stack:0     pid:1     tgid:1
 debugfs_run+0x1/0x2
task:kunit_try_catch state:D stack:0     pid:62    tgid:62
 wait_for_completion+0x1/0x2
 misbehave+0x13/0x38 [kparity_fault]
task:kworker/0:1     state:I stack:0     pid:63    tgid:63
 worker_thread+0x1/0x2
""".splitlines()
#: The second line is of an NMI that nobody expects; "</NMI>" may come late or not at all.
NMI = """\
NMI: PCI system error (SERR) for reason ff on CPU 0.
Kernel panic - not syncing: NMI: Not continuing
CPU: 0 UID: 0 PID: 26 Comm: kunit_try_catch Tainted: G           O     N  7.3.4 #1 PREEMPT
 <NMI>
 vpanic+0x106/0x2a0
 nmi_panic+0x86/0x90
 end_repeat_nmi+0xf/0x18
RIP: 0010:fault_alloc+0x17/0xb0 [kparity_fault]
RSP: 0018:ffffc900000d7c50 EFLAGS: 00010046
 </NMI>
 <TASK>
 call_alloc+0x11/0x20 [kparity_fault]
 kp_c_run+0x29f/0x2e0 [kparity]
""".splitlines()


class TestStacks(unittest.TestCase):
    """kplib.stacks"""

    def test_stuck(self) -> None:
        """The CPU that spins and the thread of the case; no idle CPU, no other task."""
        said, told = stacks.of_stuck(DUMP)
        self.assertTrue(told)
        got = "\n".join(said)
        for there in ("_raw_spin_lock", "wait_for_completion", "misbehave+0x131"):
            self.assertIn(there, got)
        for absent in ("default_idle_call", "debugfs_run", "worker_thread", "swapper"):
            self.assertNotIn(absent, got)

    def test_saved(self) -> None:
        """Each saved dump of a stuck guest gives what its head names.

        TOLD: whether a CPU that is not idle has told where it is. HAS and LACKS are lines.
        """
        paths = sorted((SAVED / "stuck").glob("*.log"))
        self.assertGreater(len(paths), 2)
        for path in paths:
            with self.subTest(path.name):
                head, body = saved(path)
                said, told = stacks.of_stuck([plain(line) for line in body.splitlines()])
                got = "\n".join(said)
                self.assertEqual(dict(head)["TOLD"], "yes" if told else "no")
                for name, text in head:
                    if name == "HAS":
                        self.assertIn(text, got)
                    elif name == "LACKS":
                        self.assertNotIn(text, got)

    def test_told_once(self) -> None:
        """A task has its stack once; one that runs has that of its CPU."""
        cpu, task = DUMP[8:13], DUMP[16:19]
        runs = ["task:kunit_try_catch state:R  running task", " _task_rq_lock+0x1/0x2"]
        for dump, wanted in ((cpu + runs, (cpu, True)), (runs, ([], False)),
                             (task + ["sysrq: Show State"] + task, (task, False)),
                             # A CPU that was cut short is told again.
                             (cpu[:1] + cpu + cpu, (cpu[:1] + cpu, True)),
                             (cpu[:1] + task, (cpu[:1] + task, False))):
            with self.subTest(dump):
                self.assertEqual(stacks.of_stuck(dump), wanted)

    def test_stuck_with_interrupts_off(self) -> None:
        """A panic that an NMI led to gives the place of the CPU, and no line of its own."""
        got, told = stacks.of_stuck(NMI)
        self.assertTrue(told)
        self.assertEqual([line.split()[0] for line in got if not line.startswith(" <")],
                         ["CPU:", "RIP:", "RSP:", "call_alloc+0x11/0x20", "kp_c_run+0x29f/0x2e0"])

    def test_idle_processor_says_nothing(self) -> None:
        """A CPU that idles is none that is stuck."""
        self.assertEqual(stacks.of_stuck(["NMI backtrace for cpu 1 skipped: idling at x+0x1/0x2",
                                          "sysrq: Show State"]), ([], False))

    def test_summary(self) -> None:
        """Frames with a source line, without those of the framework and the checker."""
        got = stacks.summary([
            "BUG: KASAN: slab-out-of-bounds in ring_push+0x1/0x2 [kparity_ring]",
            "CPU: 1 UID: 0 PID: 61 Comm: kunit_try_catch",
            "dump_stack_lvl (lib/dump_stack.c:97 lib/dump_stack.c:123)",
            "print_report (mm/kasan/report.c:378)",
            " ring_push (kmod/ring.c:55) kparity_ring",
            "? kthread_unuse_mm (kernel/kthread.c:1)",
            " <kparity_ring::RustQueue as Queue>::push (rust-stub/ring.rs:5 rust-stub/ring.rs:9) k",
            "kunit_try_run_case (lib/kunit/test.c:457)",
            "kthread (kernel/kthread.c:1)"], "check.console")
        self.assertEqual([line.split()[0] for line in got],
                         ["BUG:", "ring_push", "<kparity_ring::RustQueue"])

    def test_inlined(self) -> None:
        """Of the places that a frame was inlined from, those of a pair in any folder are ours."""
        for places, ours in (
                ("include/linux/list.h:3 kmod/ring.c:5", "kmod/ring.c:5"),
                ("/my/bits/own.h:44 /my/bits/suite.c:7", "/my/bits/own.h:44 /my/bits/suite.c:7"),
                ("/my/bits/bits.rs:1 /my/bits/contract.h:2 lib/glob.c:9",
                 "/my/bits/bits.rs:1 /my/bits/contract.h:2"),
                ("/usr/src/rustc-1.85.1/library/core/src/ptr/mod.rs:5 rust/kernel/x.rs:1",
                 "rust/kernel/x.rs:1")):
            self.assertEqual(stacks.summary([f" f ({places}) kparity_bits"], "check.console"),
                             (f" f ({ours}) kparity_bits",))

    def test_summary_is_bounded(self) -> None:
        """A stack without end is cut, and says so."""
        for lines in ([f"f{n} (a.c:{n})" for n in range(1000)], [str(n) for n in range(1000)]):
            got = stacks.summary(lines, "check.console")
            self.assertEqual(len(got), stacks.SUMMARY_LINES + 1)
            self.assertEqual(got[-1], f"... {1000 - stacks.SUMMARY_LINES} lines more in "
                             "check.console")

    def test_decoded_once(self) -> None:
        """A line that several reports have is decoded once; one without an address never is."""
        with tempfile.TemporaryDirectory() as folder:
            setup = mock.Mock(modules=Path(folder), results=Path(folder))
            setup.kernel = mock.Mock(tree=Path("/t"), build=Path("/b"))
            # Numbers the lines that it gets.
            setup.tools.argv.return_value = ["sed", "-n", "="]
            said = [["BUG: a", " push+0x1/0x2 [kparity_ring]", " pop+0x3/0x4", "Code: 00 00"],
                    ["BUG: b", " pop+0x3/0x4", " push+0x1/0x2 [kparity_ring]"], []]
            self.assertEqual(stacks.decode(setup, said),
                             [["BUG: a", "1", "2"], ["BUG: b", "2", "1"], []])
            self.assertEqual(stacks.decode(setup, [["BUG: a"], ["x"]]), [["BUG: a"], ["x"]])
            self.assertEqual(setup.tools.argv.call_count, 1)

    def test_title(self) -> None:
        """The title of a race has the names that its stacks have."""
        with tempfile.TemporaryDirectory() as folder:
            setup = mock.Mock(modules=Path(folder), results=Path(folder))
            setup.kernel = mock.Mock(tree=Path("/t"), build=Path("/b"))
            setup.tools.argv.return_value = [
                "sed", r"s,_RNvpush+0x1/0x2.*,<ring::Queue as Interface>::push (a/b.rs:1) ring,"]
            said = ["BUG: KCSAN: data-race in _RNvpush [kparity_ring] / _RNvother [kparity_ring]",
                    " _RNvpush+0x1/0x2 [kparity_ring]", " ring_pop+0x1/0x2 [kparity_ring]"]
            report = console.Report("kcsan", said[0], CaseId("ring", "spsc", "c->rust"), said)
            lane = LaneResult(lanes.CHECK)
            lane.reports.append(report)
            lane.decode(lambda said: stacks.decode(setup, said))
            self.assertEqual(report.heading(), "BUG: KCSAN: data-race in <ring::Queue as "
                             "Interface>::push [kparity_ring] / _RNvother [kparity_ring]")

    def test_not_decoded(self) -> None:
        """A decoder that fails hides nothing."""
        setup = mock.Mock(modules=Path("/m"), results=None)
        setup.kernel = mock.Mock(tree=Path("/t"), build=Path("/b"))
        for argv in (["false"], ["true"], ["sh", "-c", "cat; echo 'kparity: next report'"]):
            setup.tools.argv.return_value = argv
            said = [["BUG: x", " ring_push+0x1/0x2"], []]
            self.assertEqual(stacks.decode(setup, said), said)


if __name__ == "__main__":
    unittest.main()
