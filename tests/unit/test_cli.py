# SPDX-License-Identifier: GPL-2.0
"""The program as a user meets it: one clear line, the right status, nothing left behind."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from kplib import verbs
from kplib.configure import request

TOP = Path(__file__).resolve().parents[2]


class TestCommandLine(unittest.TestCase):
    """scripts/kparity"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.cache = self.folder / "cache"

    def kparity(self, *words: str, path: str | None = None) -> tuple[int, str]:
        """Exit status and what was said, with an empty cache."""
        env = {"PATH": path or os.environ["PATH"], "HOME": str(self.folder),
               "KPARITY_CACHE": str(self.cache)}
        done = subprocess.run(
            [str(TOP / "scripts/kparity"), *words], env=env, check=False, timeout=120,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout.decode()

    def one_line(self, status: int, *words: str, path: str | None = None) -> str:
        """Its last line; all others must be progress."""
        got, said = self.kparity(*words, path=path)
        self.assertNotIn("Traceback", said)
        self.assertEqual(got, status, said)
        lines = [line for line in said.splitlines() if not line.startswith("  ")]
        self.assertEqual(len(lines), 1, said)
        self.assertTrue(lines[0].startswith("kparity: "), said)
        return lines[0]

    def test_wrong_words(self) -> None:
        """Status 2, and nothing was made."""
        for word in ("ARCH=mips", "PAIR=nope", "SEED=x", "KERNEL_SRC=/nowhere", "KDIR=/nowhere",
                     "TOOLCHAIN=none", "KERNEL=x", "NOSUCH=1", "KEEP=no", "SEED=1_0", "PAIR= ",
                     "PAIR=ring,ring"):
            with self.subTest(word):
                self.assertIn(word.partition("=")[0], self.one_line(2, "run", word))
        self.assertIn("no such verb", self.one_line(2, "runn"))
        self.assertFalse(self.cache.exists())

    def test_no_network(self) -> None:
        """Status 3, the mirror is to blame, and no half root stays."""
        if not shutil.which("mmdebstrap") and os.geteuid() != 0:
            self.skipTest("mmdebstrap is not installed")
        out = self.folder / "out"
        before = out / "arm64/base/results.json"
        before.parent.mkdir(parents=True)
        before.write_text("{}")
        said = self.one_line(3, "run", "MIRROR=http://127.0.0.1:9/debian", "TOOLCHAIN=root",
                             "ARCH=arm64", f"OUT={out}")
        self.assertIn("MIRROR=", said)
        # The results of a run before are not taken for this one's.
        self.assertFalse(before.exists())
        for words in ((), ("ARCH=arm64",)):
            told = self.one_line(3, "report", f"OUT={out}", *words)
            self.assertIn(f"gave no results: {said.removeprefix('kparity: ')}", told)
        left = [p.name for p in self.cache.rglob("*") if p.is_dir()
                and (p.name.endswith(".partial") or p.name == "usr")]
        self.assertEqual(left, [])

    def test_unwritable_out(self) -> None:
        """Status 2 for a folder that cannot be made."""
        (self.folder / "file").write_text("")
        said = self.one_line(2, "run", f"OUT={self.folder / 'file' / 'out'}")
        self.assertIn("cannot be written", said)

    def test_path_for_make(self) -> None:
        """Status 2 for folders that make cannot build in; the line names the character."""
        for name, bad in (("a b", "' '"), ("a:b", "':'"), ("a$b", "'$'"), ("a\nb", r"'\n'")):
            with self.subTest(name):
                said = self.one_line(2, "run", f"OUT={self.folder / name}")
                self.assertIn(f"with {bad} in its path", said)
                self.assertFalse((self.folder / name).exists())
        self.cache = self.folder / "a#b"
        self.assertIn("KPARITY_CACHE", self.one_line(2, "run", f"OUT={self.folder / 'out'}"))

    def test_unwritable_cache(self) -> None:
        """Status 2 for a cache that cannot be made."""
        self.cache.write_text("")
        self.assertIn("KPARITY_CACHE", self.one_line(2, "run", f"OUT={self.folder / 'out'}"))

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small disk needs root")
    def test_no_disk_space(self) -> None:
        """Status 3 before anything is downloaded."""
        self.cache.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(self.cache)],
                       check=True)
        try:
            said = self.one_line(3, "run", "TOOLCHAIN=root", f"OUT={self.folder / 'out'}")
        finally:
            subprocess.run(["umount", str(self.cache)], check=True)
        self.assertIn("MiB are free", said)

    def test_make_passes_variables(self) -> None:
        """make itself can only say 2, but the line is the same."""
        done = subprocess.run(
            ["make", "-C", str(TOP), "run", "ARCH=mips"], check=False, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"], "HOME": str(self.folder)})
        self.assertEqual(done.returncode, 2)
        self.assertIn("ARCH=mips: choose one of", done.stdout.decode())

    def test_make_refuses_unknown_variables(self) -> None:
        """A misspelt variable on make's command line runs nothing."""
        for word in ("FOO=1", "PAIRS=ring", "x;y='1"):
            done = subprocess.run(
                ["make", "-C", str(TOP), "run", word, "ARCH=mips"], check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)})
            self.assertEqual(done.returncode, 2)
            name = word.partition("=")[0]
            self.assertIn(f"kparity: '{name}': not a variable", done.stdout.decode())

    def test_help_words(self) -> None:
        """-h and --help, with a verb and without."""
        for words in (["--help"], ["-h"], ["run", "--help"]):
            status, said = self.kparity(*words)
            self.assertEqual(status, 0)
            self.assertIn("make run", said)

    def run_shell(self, line: str) -> tuple[int, str]:
        """Exit status and output of a shell's line, in which "$0" is kparity."""
        done = subprocess.run(
            ["sh", "-c", line, str(TOP / "scripts/kparity")], check=False, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder),
                 "KPARITY_CACHE": str(self.cache)})
        return done.returncode, done.stdout.decode()

    def test_closed_files(self) -> None:
        """A standard stream that is closed or full is no failed comparison, which 1 says."""
        for line, status, said in (
                ('"$0" help 2>&1 >&-', 3, "kparity: standard output is closed"),
                ('"$0" help 2>&-', 0, "make run"),
                ('"$0" help <&-', 0, "make run"),
                ('"$0" nope 2>&-', 2, ""),
                ('"$0" nope >&- 2>&-', 3, ""),
                ('"$0" nope 2>/dev/full', 2, ""),
                ('"$0" help 2>/dev/full', 0, "make run"),
                ('"$0" nope >/dev/full 2>/dev/full', 2, ""),
                ('"$0" help >/dev/full 2>/dev/full', 3, "")):
            with self.subTest(line):
                got, text = self.run_shell(line)
                self.assertEqual(got, status, text)
                self.assertIn(said, text)
                self.assertNotIn("Traceback", text)

    def test_full_output(self) -> None:
        """One line names standard output, whether it is flushed at once or at the end."""
        new = f'"$0" new PAIR=bits DIR={self.folder}/pairs'
        for line in ('"$0" help', new, f'"$0" report FORMAT=json ARCH=arm64 OUT={self.folder}'):
            with self.subTest(line):
                got, text = self.run_shell(f"{line} 2>&1 >/dev/full")
                self.assertEqual(text, "kparity: cannot write to standard output: "
                                       "No space left on device\n")
                self.assertEqual(got, 3)

    def test_own_error(self) -> None:
        """An exception that nobody foresaw: status 3, one line, its traceback in a file."""
        shutil.copytree(TOP / "scripts", self.folder / "scripts")
        verbs = self.folder / "scripts/kplib/verbs.py"
        verbs.write_text(verbs.read_text().replace(
            "def help_(req: Request) -> int:", "def help_(req: Request) -> int:\n    1 / 0"))
        for name in ("Kbuild", "qemu"):
            os.symlink(TOP / name, self.folder / name)
        line = f'TMPDIR={self.folder} {self.folder}/scripts/kparity help'
        status, said = self.run_shell(line)
        self.assertEqual(status, 3, said)
        self.assertEqual(len(said.splitlines()), 1, said)
        self.assertIn("kparity: an error of kparity's own: ZeroDivisionError", said)
        self.assertIn("help_", Path(said.split()[-1]).read_text())
        status, said = self.run_shell(line + " V=1")
        self.assertEqual(status, 3, said)
        self.assertIn("Traceback", said)

    def test_hang_up(self) -> None:
        """A terminal that is closed ends a run as Ctrl-C does, but not under nohup."""
        shutil.copytree(TOP / "scripts", self.folder / "scripts")
        verbs = self.folder / "scripts/kplib/verbs.py"
        verbs.write_text(verbs.read_text().replace(
            "def help_(req: Request) -> int:", "def help_(req: Request) -> int:\n"
            "    try:\n        print('ready', flush=True)\n        sys.stdin.readline()\n"
            "        return OK\n    finally:\n        print('cleaned')\n"))
        for name in ("Kbuild", "qemu"):
            os.symlink(TOP / name, self.folder / name)
        for nohup in (False, True):
            with self.subTest(nohup=nohup), subprocess.Popen(
                    # Whoever runs the tests may have nohup in front of them.
                    ["env", "--default-signal=HUP", *(["nohup"] if nohup else []),
                     str(self.folder / "scripts/kparity"), "help"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT) as process:
                assert process.stdout and process.stdin
                bound = threading.Timer(60, process.kill)
                bound.start()
                self.addCleanup(bound.cancel)
                lines = iter(process.stdout.readline, b"")
                self.assertIn(b"ready\n", lines)
                process.send_signal(signal.SIGHUP)
                if nohup:
                    time.sleep(0.2)
                    self.assertIsNone(process.poll())
                    process.stdin.close()
                self.assertIn(b"cleaned\n", process.stdout.read())
                self.assertEqual(process.wait(30), 0 if nohup else 3)

    def test_help_is_complete(self) -> None:
        """Every verb of the Makefile and every variable is listed."""
        status, said = self.kparity("help")
        self.assertEqual(status, 0)
        makefile = (TOP / "Makefile").read_text()
        for name in ("VERBS", "VARIABLES"):
            found = re.search(rf"^{name} := (.*)$", makefile, re.M)
            assert found
            for word in found.group(1).split():
                self.assertRegex(said, rf"\b{word}\b")
            # make hands on no others, and passes these over in silence.
            self.assertEqual(set(found.group(1).split()),
                             set(verbs.VERBS if name == "VERBS" else request.VARIABLES))

    def test_report_without_a_run(self) -> None:
        """There is nothing to print, and the line says how to get it."""
        self.assertIn("make run", self.one_line(2, "report", f"OUT={self.folder}"))

    def test_distclean(self) -> None:
        """Of the cache nothing is left that kparity has put there."""
        for name in ("passed/x", "plugin/x.so", "mutate/x/.complete", "kernel/x/.complete",
                     "test-times.json", "apt.lock"):
            (self.cache / name).parent.mkdir(parents=True, exist_ok=True)
            (self.cache / name).write_text("x")
        self.assertEqual(self.kparity("distclean", f"OUT={self.folder}/out")[0], 0)
        self.assertEqual(list(self.cache.iterdir()), [])

    def test_clean_twice(self) -> None:
        """Nothing to remove is no error."""
        for _ in range(2):
            status, said = self.kparity("clean", f"OUT={self.folder / 'out'}")
            self.assertEqual((status, said), (0, ""))


if __name__ == "__main__":
    unittest.main()
