# SPDX-License-Identifier: GPL-2.0
"""The runner against code that does its worst: misbehave.h, in a pair beside the project.

Whatever one case does on one path, it has a verdict of its own that says so,
and every other case and path has the verdict that it would have had.
"""

import re
import shutil
import subprocess
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kplib.configure.lanes import PATHS
from kplib.judge import ktap

from .live import TOP, Ended, LiveTest, cases, needs, needs_kernel, privately

SOURCE = (TOP / "tests/live/misbehave.h").read_text()
#: The suite of the pair.
SUITE = """\
// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include "fault_glue.h"
#include "engine/suite.h"
#include "misbehave.h"

KP_SUITES(fault, KP_CASE(fault, misbehave));
"""
VICTIM = ("fault", "misbehave", "rust->c")
#: Put into the pair's Rust: an index beyond an array, which the compiler cannot foresee;
#: and, where there is one CPU, as in lane insn, a loop with interrupts off.
RUST_FAULTS = """\
        if amount == {} {{
            core::hint::black_box([1, 2, 3][core::hint::black_box(amount as usize)]);
        }}
        #[cfg(target_arch = "x86_64")]
        while kernel::cpu::nr_cpu_ids() == 1 {{
            // SAFETY: There is none: this is a hang.
            unsafe {{ core::arch::asm!("cli") }};
        }}
"""


def misdeeds() -> dict[str, int]:
    """The enum in misbehave.h."""
    found = re.search(r"enum misdeed \{\s*\w+ = (\d+)(.*?)\}", SOURCE, re.S)
    first = re.search(r"enum misdeed \{\s*(\w+)", SOURCE)
    assert found and first
    names = [first.group(1), *re.findall(r"[A-Z]\w+", found.group(2))]
    return dict(zip(names, range(int(found.group(1)), 1000)))


def at(*texts: str) -> str:
    """A pattern for where misbehave.h has one of these, as a decoded stack shows it."""
    found = [str(n) for n, line in enumerate(SOURCE.splitlines(), 1)
             if any(text in line for text in texts)]
    assert len(found) >= len(texts), texts
    return rf"misbehave\.h:(?:{'|'.join(found)})\b"


@dataclass(frozen=True)
class Deed:
    """Expected result of a misdeed: its verdict, patterns in its log, and its cost."""

    name: str
    verdict: str
    says: tuple[str, ...]
    boots: int = 2
    bound: float = 30.0
    words: tuple[str, ...] = ()
    #: The variant's checker that must have seen it, on the same path.
    checker: str = ""

    @property
    def status(self) -> int:
        """The exit status of the run."""
        return {ktap.PASS: 0, ktap.FAIL: 1, ktap.ERROR: 3}[self.verdict]


#: Each ends its guest, or fails, at once.
QUICK = (
    Deed("PANIC", ktap.ERROR, ("panicked while running fault: asked for",
                               at('panic("asked for")'))),
    Deed("OOPS", ktap.ERROR, ("panicked while running fault: Fatal exception",
                              "kernel NULL pointer dereference", at("*nowhere, 0"))),
    Deed("OOPS", ktap.FAIL, ("try faulted", "kernel NULL pointer dereference", at("*nowhere, 0")),
         boots=1, words=("APPEND=sysctl.kernel.panic_on_oops=0",)),
    Deed("RUST_PANIC", ktap.ERROR, (r"rust_kernel: panicked at .*fault\.rs:\d+",
                                    "index out of bounds: the len is 3 but the index is 4242",
                                    r"take.*fault\.rs:\d+", at("kp_once("))),
    Deed("EXHAUST", ktap.ERROR, ("panicked while running fault: System is deadlocked on memory",
                                 at("alloc_page(")), bound=60),
    Deed("REBOOT", ktap.ERROR, ("rebooted by itself while running fault",)),
    Deed("OVERFLOW_STACK", ktap.ERROR, ("panicked while running fault",
                                        "stack guard page", "overflow_stack")),
    Deed("WARNING", ktap.FAIL, ("WARNING: ", at("WARN(1")), boots=1),
    Deed("FAKE_KTAP", ktap.FAIL, ("a real failure",), boots=1),
    Deed("DELAY", ktap.PASS, (), boots=1),
)
SILENT = "hung: nothing for 3 s while running fault"
SPINS = at("for (;;)", "cpu_relax()")
#: Each keeps its guest until the host gives up on it, after SILENCE, which is 3 s but
#: for one of them.
SLOW = (
    *(Deed(name, ktap.ERROR, (SILENT, "RIP: .*misbehave .*" + SPINS), bound=60)
      for name in ("SPIN", "SPIN_CPU_1")),
    Deed("DEADLOCK", ktap.ERROR, (SILENT, "queued_spin_lock_slowpath",
                                  "misbehave .*" + at("spin_lock(&misbehave_lock)")), bound=60),
    Deed("SLEEP", ktap.ERROR, (SILENT.replace("3 s", "20 s"), "task:kunit_try_catch state:D",
                               "wait_for_completion",
                               "misbehave .*" + at("wait_for_completion(")), bound=60,
         words=("SILENCE=",)),
    # Each goes on while the host looks at it: the case is lost all the same, and no other.
    *(Deed(name, ktap.ERROR, (SILENT,)) for name in ("PAUSE", "WHISPER")),
    Deed("FLOOD", ktap.ERROR, ("flood(s|ed) its console",), bound=90),
    # The case takes longer than a hang is waited for, but says that it is alive.
    Deed("ALIVE", ktap.PASS, (), boots=1, bound=60),
)
#: Misdeeds on arm64, where stacks, consoles and ways to look at a guest differ.
ON_ARM64 = (
    *(Deed(name, ktap.ERROR, (SILENT, "pc : misbehave .*" + SPINS), bound=60)
      for name in ("SPIN", "SPIN_CPU_1")),
    # Nothing is printed here; without its callers the place would be the kernel's.
    Deed("DEADLOCK_IRQ", ktap.ERROR, (SILENT, "queued_spin_lock_slowpath",
                                      "_raw_spin_lock_irq ",
                                      "misbehave .*" + at("spin_lock_irq(&misbehave_lock)")),
         bound=60),
    Deed("SLEEP", ktap.ERROR, (SILENT, "wait_for_completion",
                               "misbehave .*" + at("wait_for_completion(")), bound=60),
    # Its stack names the function behind: panic() does not return, and what would be
    # the next instruction is not misbehave()'s.
    Deed("PANIC", ktap.ERROR, ("panicked while running fault: asked for",)),
    Deed("OOPS", ktap.ERROR, ("panicked while running fault: Oops: Fatal exception",
                              "Unable to handle kernel", at("*nowhere, 0"))),
    Deed("DELAY", ktap.PASS, (), boots=1),
)
#: Misdeeds that a plain kernel would not have noticed.
IN_DEBUG = (
    Deed("LOCK_ORDER", ktap.FAIL, ("possible circular locking dependency", at("misbehave_a);")),
         checker="lockdep", boots=1, bound=90),
    Deed("LEAK", ktap.FAIL,
         ("kmemleak: nothing points to what was allocated here: ", at("kmalloc(77")),
         checker="kmemleak", boots=1, bound=90),
    Deed("USE_AFTER_FREE", ktap.FAIL, ("KASAN: slab-use-after-free", at("bytes[1], 1")),
         checker="kasan", boots=1, bound=90),
    Deed("SHIFT", ktap.FAIL, ("shift-out-of-bounds", at("1 << READ_ONCE")),
         checker="ubsan", boots=1, bound=90),
    Deed("SLEEP_ATOMIC", ktap.FAIL, ("sleeping function called from invalid", at("might_sleep(")),
         checker="sleep", boots=1, bound=90),
    # Both get over it, so these are reports and not lost guests.
    Deed("STALL", ktap.FAIL,
         ("rcu_preempt (self-)?detected stall",
          at('"hlt"', "wait_for_tick();", "10 * HZ; time_before")), boots=1, bound=90),
    Deed("HUNG", ktap.FAIL, ("INFO: task kunit_try_catch:.* blocked for more than",
                             at("schedule_timeout_uninterruptible")),
         boots=1, bound=90),
)


class Misbehaving(LiveTest):
    """scripts/kparity run PAIR=fault, which misbehaves, on one arch in one variant"""

    #: Words that the arch and the variant add to each run.
    where: tuple[str, ...] = ()
    #: The pair's folder.
    pair: Path
    #: The verdicts of a good run.
    good: dict[tuple[str, str, str], str]

    @classmethod
    def prepare(cls) -> dict[tuple[str, str, str], dict[str, Any]]:
        found = super().prepare()
        cls.good = {key: row["status"] for key, row in found.items()}
        assert set(cls.good.values()) <= {ktap.PASS, ktap.SKIP}, cls.good
        return found

    @classmethod
    def checkout(cls) -> Path:
        """Beside the project, one pair more, with a suite whose case misbehaves."""
        pairs = cls.scratch / "pairs"
        cls.words = ("PAIR=fault", f"PAIRS_DIR={pairs}", "LANE=check", "ACCEL=tcg", "SILENCE=3",
                     *cls.where)
        subprocess.run([TOP / "scripts/kparity", "new", "PAIR=fault", "KIND=object",
                        f"DIR={pairs}"], check=True, stdout=subprocess.DEVNULL)
        cls.pair = pairs / "fault"
        for name in ("contract.h", "fault.c", "fault.rs"):
            # Lines marked CHANGE would be listed behind each run.
            text = (cls.pair / name).read_text()
            (cls.pair / name).write_text(text.replace("CHANGE: ", ""))
        shutil.copy(TOP / "tests/live/misbehave.h", cls.pair)
        limit = re.search(r"#define RUST_PANICS_AT\s+(\d+)", SOURCE)
        assert limit
        (cls.pair / "suite.c").write_text(SUITE)
        port, where = cls.pair / "fault.rs", "    fn take(&self, amount: u32) -> Result {\n"
        text = port.read_text()
        assert text.count(where) == 1, f"{port} has not one '{where}'"
        port.write_text(text.replace(where, where + RUST_FAULTS.format(limit.group(1))))
        return TOP

    def do(self, deeds: tuple[Deed, ...], width: int) -> dict[Deed, Ended]:
        """Do misdeeds, so many at a time; how each run ended."""
        number = misdeeds()

        def one(deed: Deed) -> Ended:
            out = self.out(f"{deed.name}-{deeds.index(deed)}")
            return self.start(f"SEED={number[deed.name]}", *deed.words, out=out).end(deed.bound)

        with ThreadPoolExecutor(width) as pool:
            futures = {deed: pool.submit(one, deed) for deed in deeds}
        return {deed: future.result() for deed, future in futures.items()}

    def check(self, deeds: tuple[Deed, ...], width: int) -> None:
        """Do misdeeds and judge each one's run by what a good run has."""
        for deed, ended in self.do(deeds, width).items():
            with self.subTest(deed.name, words=deed.words):
                self.judge(deed, ended)

    def judge(self, deed: Deed, ended: Ended) -> None:
        """One run: the misdeed is told as it must be, and all else is as in a good run."""
        self.assertEqual(ended.status, deed.status, ended.show())
        results = ended.results()
        rows = cases(results)
        expected = {**self.good, VICTIM: deed.verdict}
        if deed.checker:
            # Lockdep is off from there on, whatever it had seen before; of sleeping the
            # kernel tells at most once a second.
            quiet = {"lockdep": "lockdep", "kasan": "lockdep", "sleep": "sleep"}.get(deed.checker)
            expected.update({key: ktap.SKIP for key in self.good if key[1] == quiet})
            expected["fault", deed.checker, VICTIM[2]] = ktap.FAIL
        self.assertEqual({key: row["status"] for key, row in rows.items()}, expected,
                         ended.show())
        log = "\n".join(rows[VICTIM]["log"])
        for pattern in deed.says:
            self.assertRegex(log, pattern)
        self.assertNotRegex(log, "_RNv|\x1b")
        self.assertEqual(results["lanes"]["check"]["boots"], deed.boots, ended.show())
        lost = [(loss["suite"], loss["case"], loss["path"])
                for loss in results["lanes"]["check"]["losses"]]
        self.assertEqual(lost, [VICTIM] if deed.verdict == ktap.ERROR else [])


@needs_kernel
@needs("base", seconds=150)
class TestSurvival(Misbehaving):
    """The kernel that nothing checks"""

    def test_quick(self) -> None:
        """Panics, oopses, reboots, a flood of memory or stack, lies."""
        self.check(QUICK, 2)

    def test_slow(self) -> None:
        """Cases that hang, and those that only seem to."""
        self.check(SLOW, len(SLOW))

    def test_insn(self) -> None:
        """A hang where instructions are counted: told with its place, on the paths that have it."""
        ended = self.start("LANE=insn", out=self.out("insn")).end(150)
        self.assertEqual(ended.status, 3, ended.show())
        rows = cases(ended.results())
        self.assertEqual({path: row["status"] for (_, _, path), row in rows.items()},
                         {"c->c": ktap.PASS, "c->rust": ktap.ERROR, "rust->c": ktap.PASS,
                          "rust->rust": ktap.ERROR}, ended.show())
        log = rows["fault_insn", "insn", "rust->rust"]["log"]
        self.assertRegex(log[0], "hung: nothing for 3 s while running fault_insn")
        self.assertRegex("\n".join(log), r"(?m)^ *RIP: .*take.*fault\.rs:\d+")
        self.assertRegex("\n".join(log), "kp_case_insn .*insn.c:")

    def test_never_boots(self) -> None:
        """A guest that panics before init is told from one that does nothing."""
        hung = self.start("APPEND=panic=0 rdinit=/nothing", out=self.out("hung"))
        panicked = self.start("APPEND=rdinit=/nothing", out=self.out("panicked")).end(30)
        for ended, why in (
                (panicked, "^the guest panicked while booting: No working init found"),
                (hung.end(75), "^the guest hung: nothing for 9 s while booting, after a panic: "
                               "No working init found")):
            self.assertEqual(ended.status, 3, ended.show())
            lane = ended.results()["lanes"]["check"]
            self.assertRegex(lane["lost"], why)
            self.assertEqual(lane["boots"], 1)
            self.assertEqual({row["status"] for row in cases(ended.results()).values()}, {"error"})

    def test_no_qemu(self) -> None:
        """QEMU is missing: status 3, and its name in the reason."""
        record, changed = TOP / "qemu/arch/x86_64.toml", self.folder / "x86_64.toml"
        text = record.read_text()
        changed.write_text(text.replace('"qemu-system-x86_64"', '"qemu-system-nothing"'))
        self.assertNotEqual(changed.read_text(), text)
        ended = self.start("ARCH=x86_64", before=privately('mount --bind "$1" "$2"', changed,
                                                           record)).end(20)
        self.assertEqual(ended.status, 3, ended.show())
        self.assertIn("qemu-system-nothing", ended.said + ended.noted)
        self.assertNotIn("Traceback", ended.said + ended.noted)

    def test_outside(self) -> None:
        """A module that kills its guest in no case of its own; the other pair has its verdicts."""
        good = self.good
        other = {("idalloc", case, path): ktap.PASS for path in PATHS for case in (
            "lockstep", "atomic", "layout", "unique", "outcomes", "invariants")}
        for name, pairs, boots, left in (
                ("LOADED", "fault,idalloc", 3, other), ("LOADED", "idalloc,fault", 2, other),
                ("UNLOADED", "fault,idalloc", 1, {**good, **other})):
            with self.subTest(name, pairs=pairs):
                ended = self.start(f"SEED={misdeeds()[name]}", f"PAIR={pairs}",
                                   out=self.out(f"{name}-{pairs}")).end(60)
                self.assertEqual(ended.status, 3, ended.show())
                found = ended.results()
                rows = cases(found)
                log = rows["fault", "", ""]["log"]
                self.assertRegex(log[0], "^the guest panicked while .*asked for")
                self.assertRegex("\n".join(log), at('panic("asked for")'))
                self.assertEqual({key: row["status"] for key, row in rows.items()},
                                 {**left, ("fault", "", ""): ktap.ERROR}, ended.show())
                self.assertEqual(found["lanes"]["check"]["boots"], boots, ended.show())

    def test_late(self) -> None:
        """An oops that comes when the suite has run: no error of the pair that runs then."""
        ended = self.start(f"SEED={misdeeds()['LATE_OOPS']}", "PAIR=fault,idalloc").end(60)
        self.assertEqual(ended.status, 3, ended.show())
        found = ended.results()
        rows = {key: row["status"] for key, row in cases(found).items()}
        # There are no programs for case regress.
        self.assertEqual({key for key, status in rows.items()
                          if status != ktap.PASS and key[1] != "regress"},
                         {("fault", "", "")}, ended.show())
        (loss,) = found["lanes"]["check"]["losses"]
        self.assertIn("panicked while ", loss["what"])
        log = "\n".join(cases(found)["fault", "", ""]["log"])
        self.assertRegex(log, at("*nowhere, 0"))
        # The pair that ran last is a suspect; one that the stack names needs no advice.
        self.assertRegex(log, "VARIANT=debug|the first module in the stack is that of fault")

    def documents(self, ended: Ended) -> None:
        """The files of a run are well formed, and nothing raw is on the terminal."""
        folder = ended.folder()
        rows = cases(ended.results())
        found = xml.etree.ElementTree.parse(folder / "junit.xml").findall(".//testcase")
        self.assertEqual(len(found), len(rows), "junit.xml has another number of verdicts")
        text = (folder / "results.ktap").read_text()
        lines = re.findall(r"^        ((?:not )?ok) \d+ (\S+)", text, re.M)
        good = [path for word, path in lines if word == "ok"]
        self.assertEqual(len(good), sum(row["status"] in (ktap.PASS, ktap.SKIP)
                                        for row in rows.values()))
        self.assertNotRegex(text + ended.said + ended.noted,
                            "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ufffe]")

    def tampered(self, deed: Deed, *paths: str) -> None:
        """A misdeed against results: these paths of its case say so, and all else passes."""
        (ended,) = self.do((deed,), 1).values()
        self.assertEqual(ended.status, deed.status, ended.show())
        self.documents(ended)
        rows = cases(ended.results())
        harmed = {(*VICTIM[:2], path): deed.verdict for path in paths}
        self.assertEqual({key: row["status"] for key, row in rows.items()},
                         {**self.good, **harmed}, ended.show())
        for key in harmed:
            for line in deed.says:
                self.assertIn(line, rows[key]["log"])

    def test_hostile_log(self) -> None:
        """Results that a case prints itself: no one believes them, and no one else suffers."""
        # The case prints a second result of these two paths.
        self.tampered(Deed("HOSTILE_LOG", ktap.FAIL, ("more than one result",)), "c->c", "rust->c")

    def test_truncated(self) -> None:
        """A case that removes results of its own, up to its own: those are missing."""
        self.tampered(Deed("TRUNCATE", ktap.ERROR, ("its result is missing",)), "c->c", "c->rust")


@needs_kernel
@needs("arm64 base", seconds=60)
class TestOnArm64(Misbehaving):
    """The other arch"""

    where = ("ARCH=arm64", "PROGRAMS=8")

    def test_arm64(self) -> None:
        """Hangs, panics and oopses, whose stacks and places are others."""
        self.check(ON_ARM64, len(ON_ARM64))


@needs_kernel
@needs("debug", seconds=120)
class TestInDebug(Misbehaving):
    """The kernel with the most checkers"""

    # Where programs cost most; what a misdeed does takes none of them.
    where = ("VARIANT=debug", "PROGRAMS=8")

    def test_debug(self) -> None:
        """Errors that the variant's checkers are for."""
        self.check(IN_DEBUG, 2)


@needs_kernel
@needs("base", "debug", "fault", "kcsan", seconds=60)
class TestCells(Misbehaving):
    """Several variants in one run"""

    where = ("PROGRAMS=8",)

    takes = ("VARIANT=all",)

    def test_one_cell(self) -> None:
        """Modules that do not build for one variant cost the others nothing."""
        suite_ = self.pair / "suite.c"
        text = suite_.read_text()
        self.addCleanup(suite_.write_text, text)
        suite_.write_text(text + "\n#ifdef CONFIG_KASAN\n#error asked for\n#endif\n")
        # Its guest still runs when the modules of debug turn out not to build.
        ended = self.start("VARIANT=all", f"SEED={misdeeds()['ALIVE']}",
                           out=self.out("cells")).end(150)
        self.assertEqual(ended.status, 1, ended.show())
        self.assertNotIn("Traceback", ended.said + ended.noted)
        table = ended.said[ended.said.rindex("  arch "):].splitlines()[1:]
        self.assertEqual([row.split()[1] for row in table], ["base", "debug", "fault", "kcsan"])
        for row, wanted in zip(table, (" PASS$", "do not build .* FAIL$", " PASS$", " PASS$")):
            self.assertRegex(row, wanted)
