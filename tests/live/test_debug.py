# SPDX-License-Identifier: GPL-2.0
"""Guests for a person: gdb, KEEP=1 and the shell, on a terminal and without; real guests."""

import fcntl
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import termios
import time
import unittest
from pathlib import Path

from kplib.selftest import selftest

from .live import TOP, below, in_place, needs, needs_kernel, take_modules

PROMPT = "(gdb) "
#: On a busy machine everything takes its time; nothing may take for ever.
DEADLINE = 120.0


def line_of(file: str, text: str) -> int:
    """The number of the first line that has a text."""
    lines = (TOP / file).read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if text in line)


C_LINE = f"kmod/ring.c:{line_of('kmod/ring.c', 'u32 head = smp_load_acquire')}"
RUST_LINE = f"rust-stub/ring.rs:{line_of('rust-stub/ring.rs', 'head = self.head.load(Acquire)')}"


class Run:
    """kparity in a copy of the project, with a terminal, or with a pipe where there is none."""

    def __init__(self, top: Path, *words: str, terminal: bool = True) -> None:
        self.said = ""
        self._at = 0
        self._seen: set[int] = set()
        self.end, theirs = pty.openpty()
        stdin = theirs
        if not terminal:
            stdin, self.keys = os.pipe()
        else:
            self.keys = self.end
        self.process = subprocess.Popen(
            [*in_place(top), str(TOP / "scripts/kparity"), *words, "PAIR=ring",
             f"OUT={top / 'out'}"],
            stdin=stdin, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "TERM": "dumb"},
            preexec_fn=lambda: terminal and fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(theirs)
        if not terminal:
            os.close(stdin)

    def _read(self, seconds: float) -> bool:
        if not select.select([self.end], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.end, 65536)
        except OSError:  # nobody has it open any more
            return False
        self.said += data.decode(errors="replace").replace("\r", "")
        return bool(data)

    def expect(self, text: str) -> str:
        """Wait for a text after the last one; returns the output before it."""
        end = time.monotonic() + DEADLINE
        while text not in self.said[self._at:]:
            if time.monotonic() > end or not self._read(0.5):
                raise AssertionError(f"no {text!r} in {self.said[self._at:]!r}\nafter "
                                     f"{self.said[:self._at][-2000:]}")
        start, self._at = self._at, self.said.index(text, self._at) + len(text)
        return self.said[start:self._at]

    def type(self, text: str) -> None:
        """Press keys."""
        self._seen |= {self.process.pid, *below(self.process.pid)}
        os.write(self.keys, text.encode())

    def tell(self, line: str, answer: str = PROMPT) -> str:
        """Type a line; returns the output up to `answer`."""
        self.type(line + "\n")
        return self.expect(answer)

    def close_input(self) -> None:
        """End standard input."""
        self._seen |= {self.process.pid, *below(self.process.pid)}
        os.close(self.keys)
        self.keys = self.end

    def finish(self) -> int:
        """Wait for its end, and that of all processes that it had; its status."""
        end = time.monotonic() + DEADLINE
        while self._read(0.5):
            if time.monotonic() > end:
                raise AssertionError(f"does not end: {self.said[-2000:]}")
        status = self.process.wait(timeout=DEADLINE)
        for _ in range(200):
            left = {p for p in self._seen if Path(f"/proc/{p}").exists()}
            if not left:
                return status
            time.sleep(0.05)
        raise AssertionError(f"left behind: {left}")

    def kill(self) -> None:
        """End gdb and its guest, whatever happened."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for fd in {self.end, self.keys}:
            os.close(fd)


@needs_kernel
@needs("base", seconds=90)
class TestDebug(unittest.TestCase):
    """make gdb, make shell, make run KEEP=1"""

    folder: "tempfile.TemporaryDirectory[str]"
    copy: Path

    @classmethod
    def setUpClass(cls) -> None:
        """One copy for all: each build goes on from the one before."""
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.copy = selftest.copy_of_project(Path(cls.folder.name))
        subprocess.run(["git", "init", "-q", str(cls.copy)], check=True)
        for word in "ARCH=x86_64", "ARCH=arm64":
            take_modules(cls.copy / "out", word)

    def start(self, *words: str, terminal: bool = True) -> Run:
        """Start kparity in the copy."""
        run = Run(self.copy, *words, terminal=terminal)
        self.addCleanup(self.clear)
        self.addCleanup(run.kill)
        return run

    def clear(self) -> None:
        """A run that had to be killed leaves its folder."""
        for folder in (self.copy / "out").glob("gdb-*"):
            shutil.rmtree(folder)

    def plant(self, file: str, old: str, new: str) -> None:
        """Change a file of the copy until the test ends."""
        path = self.copy / file
        text = path.read_text()
        self.addCleanup(path.write_text, text)  # newer than what was built from the other one
        self.assertIn(old, text)
        path.write_text(text.replace(old, new, 1))

    def no_folder(self) -> None:
        """No way in for gdb is left."""
        self.assertEqual(list((self.copy / "out").glob("gdb-*")), [])

    def test_gdb_on_a_terminal(self) -> None:
        """The first stop, breakpoints in C and Rust, and the guest's end with gdb's."""
        run = self.start("gdb")
        self.assertIn("hit Temporary breakpoint 1, kp_pair_register", run.expect(PROMPT))
        stack = run.tell("bt 4")
        self.assertRegex(stack, r"#0\s+kp_pair_register\s(?s:.*)#1\s.*\sring_module_init\s"
                         r"(?s:.*)#2\s.*\sdo_one_initcall\s")
        self.assertIn("kmod/ring.c, line", run.tell("break ring_push"))
        self.assertRegex(run.tell("continue"), r"Breakpoint 2, ring_push\s(?s:.*)kmod/ring\.c")
        self.assertRegex(run.tell("bt 8"), r"#1\s.*\sc_dirty_push\s(?s:.*)\skp_run\s")
        run.tell("delete")
        self.assertRegex(run.tell(f"break {RUST_LINE}"), r"Breakpoint 3 at .*ring\.rs")
        self.assertRegex(run.tell("continue"),
                         r"hit Breakpoint 3(?s:.*)push(?s:.*)rust-stub/ring\.rs:")
        run.type("quit\n")
        self.assertEqual(run.finish(), 0, run.said[-1500:])
        self.assertIn("loading out-of-tree module",
                      (self.copy / "out/x86_64/base/gdb.console").read_text())
        self.no_folder()

    @needs("arm64 base", seconds=40)
    def test_gdb_arm64_from_a_pipe(self) -> None:
        """make gdb on arm64, commands from a pipe; the suite runs to its end under gdb."""
        run = self.start("gdb", "ARCH=arm64", terminal=False)
        run.type(f"bt 3\nbreak {C_LINE}\nbreak {RUST_LINE}\ncontinue\nbt 1\ndelete 2\ncontinue\n"
                 "bt 1\ndelete\ncontinue\n")
        run.expect("hit Temporary breakpoint 1, kp_pair_register")
        run.expect("in ring_module_init")
        run.expect("hit Breakpoint 2, ring_push")
        run.expect("#0  ring_push")
        run.expect("hit Breakpoint 3")
        run.expect("rust-stub/ring.rs:")
        run.expect("ring: 24 pass")
        run.close_input()
        self.assertEqual(run.finish(), 0, run.said[-1500:])
        self.no_folder()

    def test_gdb_interrupts(self) -> None:
        """Ctrl-C stops the guest, and nothing else."""
        run = self.start("gdb", "PROGRAMS=100000")
        run.expect(PROMPT)
        run.tell("continue", "Continuing.")
        time.sleep(1.0)
        run.type("\x03")
        self.assertIn("received signal SIGINT", run.expect(PROMPT))
        run.type("quit\n")
        self.assertEqual(run.finish(), 0, run.said[-1500:])
        self.no_folder()

    def test_gdb_kills(self) -> None:
        """gdb's kill ends the guest, and the run says so."""
        run = self.start("gdb")
        run.expect(PROMPT)
        run.type("kill\n")
        run.expect("kparity: the guest is gone: gdb was told to kill it while ")
        run.type("quit\n")
        self.assertEqual(run.finish(), 0, run.said[-1500:])
        self.no_folder()

    def test_gdb_ends_with_kparity(self) -> None:
        """SIGTERM while the guest stands still: gdb and the guest go as well."""
        run = self.start("gdb")
        run.expect(PROMPT)
        run.type("info threads\n")
        run.process.terminate()
        self.assertEqual(run.finish(), 3)
        self.assertIn("interrupted", run.said)
        self.no_folder()

    def test_keep(self) -> None:
        """A verdict that failed: a shell in that very guest, and gdb on it meanwhile."""
        patch = TOP / "tests/mutants/ring-rust-overfull.patch"
        subprocess.run(["git", "apply", "-p1", str(patch)], cwd=self.copy, check=True)
        self.addCleanup(subprocess.run, ["git", "apply", "-R", "-p1", str(patch)], cwd=self.copy,
                        check=True)
        run = self.start("run", "KEEP=1", "LANE=check")
        run.expect("FAIL ring lockstep c->rust")
        run.expect("gdb from another terminal: ")
        attach = run.expect("\n").strip()
        run.expect("~ # ")
        self.assertRegex(run.tell("cat /proc/modules", "~ # "), r"\nkparity_ring .*\nkparity ")
        gdb = subprocess.run([attach], input="lx-lsmod\ninfo symbol ring_push\n", timeout=DEADLINE,
                             check=True, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT).stdout
        self.assertRegex(gdb, r"kparity_ring +\d+")
        self.assertRegex(gdb, r"ring_push in section .text of .*/build/kparity_ring\.ko")
        self.assertIn("\nback\n", run.tell("echo back", "~ # "))
        run.type("exit\n")
        self.assertEqual(run.finish(), 1)
        self.assertRegex(run.said, r"FAIL\S*, (1\d|2[0-3]) of 24 results passed")
        self.assertIn(": at ring lockstep ",
                      (self.copy / "out/x86_64/base/check.console").read_text())
        self.no_folder()

    def test_keep_a_panic(self) -> None:
        """A guest that panicked gives no shell, and says so; gdb sees where. No terminal."""
        self.plant("kmod/ring.c", "#include <linux/slab.h>\n",
                   "#include <linux/slab.h>\n#include <linux/panic.h>\n")
        self.plant("kmod/ring.c", "\treturn tail == head",
                   "\tpanic(\"planted\");\n\treturn tail == head")
        run = self.start("run", "KEEP=1", "LANE=check", terminal=False)
        run.expect("panicked while running ring: planted")
        run.expect("gdb from another terminal: ")
        attach = run.expect("\n").strip()
        run.expect("no shell any more")
        run.expect("standard input is closed")
        gdb = subprocess.run([attach], input="thread apply all bt\n", timeout=DEADLINE, check=True,
                             text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
        self.assertRegex(gdb, r"\sin panic\s(?s:.*)\sin ring_\w+\s")
        run.close_input()
        self.assertEqual(run.finish(), 3)
        self.assertIn("KEEP=1 ends a run at its first failure", run.said)
        self.no_folder()

    def test_keep_nothing(self) -> None:
        """Where nothing fails, KEEP=1 changes nothing, and no one is waited for."""
        run = self.start("run", "KEEP=1", "LANE=check", terminal=False)
        self.assertEqual(run.finish(), 0, run.said[-1500:])
        self.assertIn("24 of 24 results passed", run.said)

    def test_shell(self) -> None:
        """make shell: modules are there, and can be loaded; Ctrl-C is the guest's."""
        run = self.start("shell")
        run.expect("/modules # ")
        run.tell("insmod kparity.ko && insmod kparity_ring.ko; lsmod", "kparity_ring ")
        run.tell("sleep 1000", "\n")
        time.sleep(1.0)
        run.type("\x03")
        run.expect("# ")
        run.tell("echo $((6*7))", "\n42\n")
        run.type("exit\n")
        self.assertEqual(run.finish(), 0, run.said[-1500:])

    def test_refused(self) -> None:
        """A verb that is for one guest, or for a terminal, says so."""
        for words, why in ((("gdb", "ARCH=all"), "one guest"), (("gdb",), "one pair"),
                           (("run", "KEEP=1", "VARIANT=all"), "one guest"),
                           (("run", "KEEP=1", "LANE=insn"), "lane check"),
                           (("shell",), "terminal")):
            with self.subTest(words):
                done = subprocess.run([str(TOP / "scripts/kparity"), *words], check=False,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, timeout=DEADLINE)
                self.assertEqual(done.returncode, 2)
                self.assertRegex(done.stdout, re.escape(why))


if __name__ == "__main__":
    unittest.main()
