# SPDX-License-Identifier: GPL-2.0
"""Saved states of guests: which are used."""

import os
import re
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from kplib.boot import qemu, qmp
from kplib.common import cache
from kplib.common.errors import Refused
from kplib.configure import archs, variants
from kplib.configure.lanes import LANES
from kplib.configure.request import SILENCE, TOP

VARIANTS = variants.load_all(TOP / "qemu/variant")


class TestState(unittest.TestCase):
    """kplib.boot.qemu"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.image = self.folder / "image"
        self.image.write_text("")
        self.kernel: Any = SimpleNamespace(image=self.image, entry=self.folder,
                                           arch=SimpleNamespace(qemu="qemu"))
        self.tools: Any = SimpleNamespace(versions={"qemu": "1"})

    def test_known(self) -> None:
        """A state that is whole and not older than its kernel, and no other."""
        state = self.folder / "warm-1"
        state.mkdir()
        self.assertIsNone(qemu._known(self.kernel, state))
        cache.complete(state, {"sha256": "x"})
        self.assertEqual(qemu._known(self.kernel, state), {"sha256": "x"})
        later = state.stat().st_mtime + 1
        os.utime(self.image, (later, later))
        self.assertIsNone(qemu._known(self.kernel, state))

    def test_lanes(self) -> None:
        """Both emulated lanes have one, each its own; virtualised guests have none."""
        def state(name: str, accel: str, *words: str) -> Path | None:
            return qemu._state_file(self.tools, self.kernel, LANES[name].on(accel, ""),
                                    list(words))

        self.assertIsNotNone(state("insn", "tcg", "a"))
        self.assertIsNotNone(state("check", "tcg", "b"))
        self.assertNotEqual(state("insn", "tcg", "a"), state("check", "tcg", "b"))
        self.assertIsNone(state("check", "kvm", "b"))

    def test_precise(self) -> None:
        """A guest without high-resolution timers on a CPU is not one whose state is kept."""
        def precise(lane: str, *active: int, device: str = "lapic") -> bool:
            guest = mock.Mock()
            guest.read.return_value.text.return_value = "".join([
                *(f"cpu: {cpu}\n  .hres_active    : {yes}\n  .nr_events      : 1\n"
                  for cpu, yes in enumerate(active)),
                "Tick Device: mode:     1\nBroadcast device\nClock Event Device: pit\n",
                *(f"Tick Device: mode:     1\nPer CPU device: {cpu}\nClock Event Device: {device}\n"
                  for cpu, _ in enumerate(active))])
            return qemu._precise(guest, LANES[lane].on("tcg", ""))

        self.assertTrue(precise("check", 1, 1))
        for active in ((1, 0), (0, 0), (1,), ()):
            self.assertFalse(precise("check", *active))
        self.assertTrue(precise("insn", 0))
        self.assertFalse(precise("history", 1, 0))
        self.assertTrue(precise("irq", 1))
        self.assertFalse(precise("irq", 1, device="pit"))

    def test_turns(self) -> None:
        """CPUs take turns where they are emulated, and are those of the machine under KVM."""
        arch: Any = SimpleNamespace(
            qemu="qemu", machine={"history": "m", "kvm": "k"}, cpu={"history": "c", "kvm": "h"},
            cmdline={"all": "", "history": "turning", "kvm": "real"})
        kernel: Any = SimpleNamespace(
            arch=arch, variant=VARIANTS["base"], image=self.image, initrd=self.image,
            config={"CONFIG_HZ": "250"})
        for accel, counts, word in (("tcg", True, "turning"), ("kvm", False, "real")):
            lane = LANES["history"].on(accel, "")
            self.assertEqual(lane.counts, counts)
            words = qemu.command(kernel, lane)
            self.assertEqual("-icount" in words, counts, words)
            self.assertIn(word, words[words.index("-append") + 1])
            self.assertEqual(words[words.index("-smp") + 1], "2")

    def test_words(self) -> None:
        """base does not zero what is allocated where results are compared, and does for costs."""
        arch = archs.load(TOP / "qemu/arch/arm64.toml")
        kernel: Any = SimpleNamespace(arch=arch, variant=VARIANTS["base"], image=self.image,
                                      initrd=self.image, config={"CONFIG_HZ": "250"})
        for name, lane in LANES.items():
            words = qemu.command(kernel, lane.on("tcg", ""))
            said = words[words.index("-append") + 1].split()
            self.assertEqual("init_on_alloc=0" in said, not lane.costs, name)
        self.assertEqual([name for name, lane in LANES.items() if lane.costs], ["insn", "time"])

    def test_misnamed(self) -> None:
        """Words for a lane, or options for a variant, that there are not are refused."""
        for folder, name, old, new, why in (
                ("variant", "base", 'check = "init', 'chekc = "init', "chekc, which is no lane"),
                ("arch", "arm64", 'base = """', 'bsae = """', "bsae, which")):
            text = (TOP / "qemu" / folder / f"{name}.toml").read_text()
            self.assertEqual(text.count(old), 1)
            path = self.folder / "qemu" / folder / f"{name}.toml"
            path.parent.mkdir(parents=True)
            path.write_text(text.replace(old, new))
            with self.assertRaises(Refused) as caught:
                (variants if folder == "variant" else archs).load(path)
            self.assertIn(why, str(caught.exception))

    def test_standing_still(self) -> None:
        """A guest of lane insn is stopped while the body runs; no other is; errors do no harm."""
        def asked(name: str) -> list[str]:
            monitor = mock.Mock()
            with qemu.standing_still(mock.Mock(monitor=monitor), LANES[name].on("tcg", "")):
                monitor.ask("body")
            return [call.args[0] for call in monitor.ask.call_args_list]

        self.assertEqual(asked("insn"), ["stop", "body", "cont"])
        self.assertEqual(asked("check"), ["body"])
        gone = mock.Mock(monitor=mock.Mock())
        gone.monitor.ask.side_effect = qmp.MonitorError("gone")
        with qemu.standing_still(gone, LANES["insn"].on("tcg", "")):
            pass

    def test_kunit_timeout(self) -> None:
        """The host's limit of silence ends a case, never KUnit's timeout."""
        timeout = re.search(r"\bkunit\.timeout=(\d+)\b", qemu.CMDLINE)
        assert timeout
        for variant in VARIANTS.values():
            # Both have the same factor for a case's speed. A hundred pieces of work,
            # each of them nearly too slow, are allowed.
            self.assertGreater(int(timeout.group(1)), 100 * SILENCE * variant.patience)

    def test_watchdogs(self) -> None:
        """None speaks within 60 s; in debug they do before the host gives up, where they can."""
        for variant in VARIANTS.values():
            words = dict(word.partition("=")[::2] for word in variant.cmdline.split())
            # The kernel's defaults are those of its sources; a soft lockup takes twice as long.
            soft = 2 * int(words.get("watchdog_thresh", 10))
            rcu = int(words.get("rcupdate.rcu_cpu_stall_timeout", 21))
            task = int(words.get("sysctl.kernel.hung_task_timeout_secs", 120))
            every = int(words.get("sysctl.kernel.hung_task_check_interval_secs", 0)) or task
            work = int(words.get("workqueue.watchdog_thresh", 30))
            watchdogs = [soft, rcu, task]
            if "CONFIG_WQ_WATCHDOG=y" in variant.kconfig:
                watchdogs.append(work)
            self.assertGreaterEqual(min(watchdogs), 60, variant.name)
            if variant.name == "debug":
                self.assertLess(max(soft, rcu, task + every), SILENCE * variant.patience)

    def test_pruned(self) -> None:
        """The oldest states go when there are many."""
        for number in range(qemu.STATES + 2):
            state = self.folder / f"warm-{number}"
            state.mkdir()
            cache.complete(state, {})
            os.utime(state, (number, number))
        qemu._prune(self.folder / "warm-new")
        left = {path.name for path in self.folder.glob("warm-*")}
        self.assertEqual(left, {f"warm-{n}" for n in range(3, qemu.STATES + 2)})


if __name__ == "__main__":
    unittest.main()
