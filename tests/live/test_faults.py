# SPDX-License-Identifier: GPL-2.0
"""Real runs that are disturbed from outside; they need a kernel in the cache."""

import os
import signal
import time
import unittest
from pathlib import Path
from typing import Callable

from kplib.build import kernel
from kplib.configure import request

from .live import KEPT, Ended, LiveTest, Run, cases, needs_kernel, privately

#: Puts a folder with its content on a tmpfs that has so many KiB left: FROM, TO, KIB.
SMALL_DISK = """
has=$(du -sk "$1" | cut -f 1)
mount -t tmpfs -o size=$((2 * has + 8192))k tmpfs "$2"
cp -a "$1/." "$2"
left=$(($(df --output=avail -k "$2" | tail -n 1) - $3))
dd if=/dev/zero of="$2/filler" bs=1k count="$left" status=none
"""
#: Lets a run write to the cache, and nobody see it: CACHE, SCRATCH.
PRIVATE_CACHE = """
mount -t tmpfs tmpfs "$2"
mkdir "$2/upper" "$2/work"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$1"
"""
READ_ONLY_CACHE = """
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
"""


@needs_kernel
class TestDisturbed(LiveTest):
    """scripts/kparity run, disturbed"""

    words = ("PAIR=ring", "SILENCE=3", "DEPTH=quick")

    def test_interrupted(self) -> None:
        """Ctrl-C in every stage: one line, status 3, no process left."""
        stages: dict[str, Callable[[Run], object]] = {
            "starting": lambda run: run.until("its handlers", run.handles_signals),
            "preparing": lambda run: run.until("a child", run.look),
            "building": lambda run: run.until("a compiler", lambda: run.find(
                lambda words: "make" in words[0] or "clang" in words[0])),
            "booting": lambda run: run.qemu(),
            "check": lambda run: run.console("at ring lockstep"),
            "insn": lambda run: run.console("at ring insn", "insn"),
        }
        for stage, reach in stages.items():
            for impatient in (False, True):
                with self.subTest(stage, impatient=impatient):
                    name = f"{stage}-{impatient}"
                    # Without modules, as these are built then.
                    out = self.folder / name if stage == "building" else self.out(name)
                    run = self.start("PROGRAMS=3000", out=out)
                    reach(run)
                    run.signal(signal.SIGINT)
                    if impatient:
                        time.sleep(0.02)
                        run.signal(signal.SIGINT)
                    self.assert_one_line(run.end(30), 3, "^kparity: interrupted")

    def test_terminated(self) -> None:
        """SIGTERM is as good as Ctrl-C; after SIGKILL the kernel takes the guests along."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number):
                run = self.start("PROGRAMS=3000", out=self.out(number.name))
                run.qemu("insn")
                run.console("at ring lockstep")
                run.signal(number)
                ended = run.end(30)
                self.assertEqual(ended.status, 3 if number == signal.SIGTERM else -9)

    def disturbed(self, number: signal.Signals, lane: str) -> Ended:
        """A run in which a lane's QEMU gets a signal in the middle of a case."""
        run = self.start("PROGRAMS=500", out=self.out(f"{number.name}-{lane}"))
        qemu = run.qemu(lane)
        run.console("at ring lockstep" if lane == "check" else "at ring insn", lane)
        os.kill(qemu, number)
        return run.end(90)

    def assert_one_lost(self, ended: Ended, lane: str, why: str) -> None:
        """A guest was lost, which the run tells of, and a fresh one gave all results."""
        found = ended.results()
        self.assertEqual((ended.status, found["verdict"]), (3, "error"), ended.show())
        rows = cases(found)
        lost = found["lanes"][lane]["losses"]
        self.assertEqual([(loss["suite"], loss["told"]) for loss in lost], [("", False)],
                         ended.show())
        self.assertIn(why, lost[0]["what"])
        self.assertRegex(lost[0]["notes"][0], "^ring(_insn)? .*was run again")
        self.assertEqual({row["status"] for row in rows.values()}, {"pass"})
        self.assertEqual({key for key in rows if key[1]}, set(self.planned), ended.show())
        boots = {name: row["boots"] for name, row in found["lanes"].items()}
        self.assertEqual(boots, {"check": 1, "insn": 1, lane: 2},
                         (ended.show(), [row["losses"] for row in found["lanes"].values()]))

    def test_qemu_killed(self) -> None:
        """A lane's QEMU is killed: the run is an error, and all cases have results."""
        for lane in ("check", "insn"):
            with self.subTest(lane):
                self.assert_one_lost(self.disturbed(signal.SIGKILL, lane), lane,
                                     "killed from outside")

    def test_qemu_stopped(self) -> None:
        """A stopped QEMU is told from a guest that hangs."""
        ended = self.disturbed(signal.SIGSTOP, "check")
        self.assert_one_lost(ended, "check", "QEMU was stopped from outside")
        self.assertLess(ended.seconds, 30)

    def test_two_at_once(self) -> None:
        """Two runs in one checkout, one cache and one folder for results."""
        out = self.out("shared")
        for name in "pairs/ring/ring.o", "kparity_ring.ko", "build.log":  # for one to make
            next(out.glob(f"*/*/build/{name}")).unlink()
        runs = [self.start(out=out) for _ in range(2)]
        for ended in [run.end(120) for run in runs]:
            self.assertEqual(ended.status, 0, ended.show())
            self.assertEqual(set(cases(ended.results())), set(self.planned))
        self.assertIn("pairs/ring/ring.o", next(out.glob("*/*/build/build.log")).read_text())


@needs_kernel
class TestStorage(LiveTest):
    """scripts/kparity run on a bad disk"""

    words = ("PAIR=ring", "LANE=check", "ACCEL=tcg")
    cache: Path
    kernel: kernel.Kernel

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        asked = request.parse([], {k: v for k, v in os.environ.items() if k in KEPT or
                                   k not in request.VARIABLES})
        cls.cache = asked.cache
        cls.kernel = kernel.get(asked, kernel.tools_for(asked), asked.archs[0], asked.variants[0])

    def test_disk_full(self) -> None:
        """OUT on a full disk: one line that says so, whatever could not be written."""
        for name, left, why in (("modules", 100, "cannot write .*build.log: No space left"),
                                ("console", 0, "cannot write a guest.s console: No space left"),
                                ("results", 20,
                                 r"cannot write .*(results|junit|ring)\.\w+: No space left")):
            with self.subTest(name):
                out, whence = self.folder / f"{name}-full", self.folder / f"{name}-from"
                out.mkdir()
                if name == "modules":
                    whence.mkdir()
                else:
                    self.out(whence.name)
                run = self.start(out=out, before=privately(SMALL_DISK, whence, out, str(left)))
                ended = run.end()
                self.assert_one_line(ended, 3, why)

    def test_path_of_an_ordinary_user(self) -> None:
        """On Debian that has no sbin, where chroot is."""
        ended = self.start("LANE=check", before=["env", "PATH=/usr/local/bin:/usr/bin:/bin"]).end()
        self.assertEqual(ended.status, 0, ended.show())

    def test_read_only_cache(self) -> None:
        """A cache that cannot be written is refused."""
        run = self.start(before=privately(READ_ONLY_CACHE, self.cache))
        self.assert_one_line(run.end(20), 2, "^kparity: KPARITY_CACHE .* cannot be written")

    def damaged(self, name: str, damage: str) -> Ended:
        """A run that alone sees damage to a kernel's entry in the cache, which is "$3"."""
        scratch = self.folder / f"{name}-scratch"
        scratch.mkdir()
        return self.start(out=self.out(name), before=privately(
            PRIVATE_CACHE + damage, self.cache, scratch, self.kernel.entry)).end()

    def test_damaged_state(self) -> None:
        """A saved state that is not as it was saved is not used, and nothing is lost."""
        states = 'for f in "$3"/warm-*/state; do {}; done'
        for name, damage, notes in (
                ("intact", "true", False),
                ("flipped", states.format('printf x | dd of="$f" bs=1 seek=5000 conv=notrunc'),
                 True),
                ("short", states.format('truncate -s 1000 "$f"'), True),
                ("gone", states.format('rm "$f"'), True),
                ("unmarked", 'for f in "$3"/warm-*/.complete; do echo { >"$f"; done', False)):
            with self.subTest(name):
                ended = self.damaged(name, damage)
                self.assertEqual(ended.status, 0, ended.show())
                self.assertEqual("from the start" in ended.noted, notes, ended.show())
                self.assertEqual(set(cases(ended.results())), set(self.planned))

    def test_damaged_kernel(self) -> None:
        """A kernel or initramfs that cannot boot: what to do is said, and soon."""
        cold = 'rm "$3"/warm-*/.complete; '
        for name, damage, why in (
                ("short", f'truncate -s 1000000 "{self.kernel.image}"', "Error while loading elf"),
                ("empty", f': >"{self.kernel.image}"', "could not load kernel"),
                ("initramfs", f'truncate -s 1000 "{self.kernel.initrd}"', "panicked while booting"),
        ):
            with self.subTest(name):
                ended = self.damaged(name, cold + damage)
                self.assertEqual(ended.status, 3, ended.show())
                self.assertNotIn("Traceback", ended.said + ended.noted)
                lost = ended.results()["lanes"]["check"]["lost"]
                self.assertIn(why, lost)
                self.assertTrue(lost.endswith(f"if the kernel in the cache is damaged, remove "
                                              f"{self.kernel.entry} to have it built again"))
                self.assertLess(ended.seconds, 30)


if __name__ == "__main__":
    unittest.main()
