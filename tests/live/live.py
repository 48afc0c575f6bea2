# SPDX-License-Identifier: GPL-2.0
"""Real runs of scripts/kparity, watched: what they start, say, and leave behind.

A guest's QEMU is found by descent from its run, as nothing in its command line
names the run. What was seen there is remembered, so that a process is missed
neither when its parent dies first nor when its number is used again.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

from kplib.common import cache, proc
from kplib.common.proc import descendants as below
from kplib.configure import archs, variants
from kplib.configure.request import VARIABLES
from kplib.selftest.copies import KEPT, environment
from kplib.selftest.pytests import needs

__all__ = ["BOUND", "KEPT", "PAIRS", "SILENCE", "TOP", "Ended", "LiveTest", "PairsTest", "Run",
           "Stopwatch", "below", "cases", "in_place", "needs", "needs_kernel", "privately",
           "take_modules"]

TOP = Path(__file__).resolve().parents[2]
#: Pairs that tests run beside the project.
PAIRS = TOP / "tests/live/pairs"
#: A run takes seconds. A test names its own bound where that is part of what it tests.
BOUND = 90.0
#: Seconds that a guest may be silent in a test, unless it chooses otherwise; users have 20.
SILENCE = 3
#: A bound is this many times as long at most, however busy the machine is.
STRETCH = 4.0
needs_kernel = unittest.skipUnless("KPARITY_TREE" in os.environ, "no kernel; 'make test' has one")


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; none if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _words(pid: int) -> list[str]:
    """A process's command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


class Stopwatch:
    """Seconds that a run had the machine for; bounds are of these.

    Where more tasks want to run than there are cores, each second counts as the part of
    it that a task gets. It has to be read often.
    """

    def __init__(self) -> None:
        self._cores = os.cpu_count() or 1
        self._start = self._last = time.monotonic()
        self._seconds = 0.0

    @staticmethod
    def _wanting() -> int:
        """How many tasks run or want to."""
        return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])

    @property
    def seconds(self) -> float:
        """Seconds since the start, each as long as it was."""
        now = time.monotonic()
        self._seconds += (now - self._last) * min(1.0, self._cores / max(1, self._wanting()))
        self._last = now
        return max(self._seconds, (now - self._start) / STRETCH)


@dataclass(frozen=True)
class Ended:
    """How a run ended. `seconds` are those of a Stopwatch."""

    status: int
    said: str
    noted: str
    seconds: float
    out: Path

    def results(self) -> dict[str, Any]:
        """The newest results.json."""
        found: dict[str, Any] = json.loads((self.folder() / "results.json").read_text())
        return found

    def folder(self) -> Path:
        """The newest folder of results."""
        return max(self.out.glob("*/*/results.json"), key=lambda p: p.stat().st_mtime_ns).parent

    def show(self) -> str:
        """All of it, for a test that fails."""
        return f"status {self.status} after {self.seconds:.1f} s\n{self.said}\n{self.noted}"


class Run:
    """A run of kparity in a checkout, with its results in a folder."""

    def __init__(self, out: Path, *words: str, top: Path = TOP, verb: str = "run",
                 before: Sequence[str] = ()) -> None:
        self.out = out
        self._said = tempfile.TemporaryFile()
        self._noted = tempfile.TemporaryFile()
        self._seen: dict[int, str] = {}
        self._watch = Stopwatch()
        # One place for what all runs of tests have; a test's own word for it wins.
        usual = [f"SILENCE={SILENCE}"] if "SILENCE" in VARIABLES else []
        # Without an arch, a run goes on with what another one's kernel tells.
        usual += [f"ARCH={archs.host_name(os.uname().machine)}"] if verb == "run" else []
        # A shell in the background ignores SIGINT, and so would all that it starts.
        self._process = subprocess.Popen(
            [*before, "env", "--default-signal=INT", sys.executable, str(top / "scripts/kparity"),
             verb, *usual, *words, f"OUT={out}"], env=environment(), stdin=subprocess.DEVNULL,
            stdout=self._said, stderr=self._noted, preexec_fn=proc.dying_with_parent())

    @staticmethod
    def _text(file: Any) -> str:
        return os.pread(file.fileno(), 1 << 22, 0).decode()

    @property
    def noted(self) -> str:
        """Output of the run on stderr so far."""
        return self._text(self._noted)

    def look(self) -> list[int]:
        """The processes below the run, which are remembered."""
        found = below(self._process.pid)
        for pid in found:
            stat = _stat(pid)
            if len(stat) > 19:
                self._seen[pid] = stat[19]  # when it was started
        return found

    def handles_signals(self) -> bool:
        """Whether it is past the start of the interpreter, which it can do nothing about."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    def find(self, wanted: Callable[[list[str]], bool]) -> int | None:
        """A process of the run by its command line; one that has ended has none."""
        return next((pid for pid in self.look() if (words := _words(pid)) and wanted(words)),
                    None)

    def find_qemu(self, lane: str = "check") -> int | None:
        """The process of a lane's QEMU, if it runs."""
        return self.find(lambda words: Path(words[0]).name.startswith("qemu-system")
                         and ("-icount" in words) == (lane == "insn"))

    def until(self, what: str, there: Callable[[], Any], bound: float = BOUND) -> Any:
        """Wait for something, and return it."""
        while not (found := there()):
            self.look()
            if self._process.poll() is not None:
                raise AssertionError(f"ended before: {what}\n{self.end().show()}")
            if self._watch.seconds > bound:
                self.end(0)
            time.sleep(0.01)
        return found

    def qemu(self, lane: str = "check") -> int:
        """The process of a lane's QEMU, once it runs."""
        return int(self.until(f"lane {lane} has a QEMU", lambda: self.find_qemu(lane)))

    def console(self, text: str, lane: str = "check") -> None:
        """Wait until a guest has printed something; the folder must be new."""
        def there() -> bool:
            return any(text.encode() in path.read_bytes()
                       for path in self.out.glob(f"*/*/{lane}.console"))
        self.until(f"{text} on the console", there)

    def signal(self, number: int) -> None:
        """Send the run a signal."""
        self._process.send_signal(number)

    def end(self, bound: float = BOUND) -> Ended:
        """Wait for the end; fails if it takes longer than `bound`, or leaves a process."""
        late = False
        while self._process.poll() is None:
            self.look()
            if self._watch.seconds > bound:
                late = True
                self._process.kill()
                self._process.wait()
            time.sleep(0.02)
        ended = Ended(self._process.returncode, self._text(self._said), self.noted,
                      self._watch.seconds, self.out)
        self._said.close()
        self._noted.close()
        if late:
            raise AssertionError(f"still there after {bound:.0f} s: {ended.show()}")
        if left := self._left():
            raise AssertionError(f"left behind: {left}\n{ended.show()}")
        return ended

    def _left(self) -> list[str]:
        """Commands that the run started and that still run, soon after its end."""
        end = time.monotonic() + 3
        while True:
            left = [pid for pid, born in self._seen.items()
                    if (stat := _stat(pid)) and stat[0] not in "ZX" and stat[19] == born]
            if not left or time.monotonic() > end:
                return [" ".join(_words(pid)) for pid in left]
            time.sleep(0.02)

    def close(self) -> None:
        """End it, however a test ended."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._said.close()
        self._noted.close()


def privately(script: str, *arguments: str | Path) -> list[str]:
    """Words before a command that run a shell script first, in a mount namespace of its own."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    shift = f"shift {len(arguments)}; " if arguments else ""
    return ["unshare", *user, "--mount", "sh", "-ec", f'{script}\n{shift}exec "$@"', "sh",
            *map(str, arguments)]


def in_place(copy: Path) -> list[str]:
    """Words before a command that show a copy of the project to it in place of the checkout.

    What the checkout has built is good for the copy then, but for what is changed there.
    """
    return privately('mount --bind "$1" "$2"; cd "$2"', copy, TOP)


def cases(found: dict[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The verdicts in results.json by suite, case and path, each of which is there once."""
    rows = [case for pair in found["pairs"].values() for case in pair["cases"]]
    by_name = {(row["suite"], row["case"], row["path"]): row for row in rows}
    assert len(by_name) == len(rows), f"two verdicts of one case on one path: {rows}"
    return by_name


def take_modules(out: Path, *words: str) -> Path:
    """Begin a folder for results with what the checkout has built for a run of these words.

    What is out of date is made anew. The same folder is returned.
    """
    given = dict(word.split("=", 1) for word in words)
    variant = given.get("VARIANT", variants.BASE)
    kinds = variants.load_all(TOP / "qemu/variant") if variant == "all" else (variant,)
    for kind in kinds:
        build = Path(given.get("ARCH") or archs.host_name(os.uname().machine), kind, "build")
        if (TOP / "out" / build).exists():
            with cache.locked(TOP / "out" / build):
                shutil.copytree(TOP / "out" / build, out / build, symlinks=True)
    return out


class LiveTest(unittest.TestCase):
    """Tests with runs of one pair, whose modules are built once, after which nothing is left."""

    #: The checkout that is run, and the words of each of its runs.
    top: Path
    words: tuple[str, ...] = ()
    #: Words that say which modules to begin with, where a test wants others than these runs.
    takes: tuple[str, ...] = ()
    #: A folder for the class, and one in it that holds the results of a good run.
    scratch: Path
    built: Path
    #: Suite, case and path of each verdict of a good run.
    planned: tuple[tuple[str, str, str], ...]

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.scratch = Path(folder.name)
        cls.built = cls.scratch / "built"
        cls.top = cls.checkout()
        cls.planned = tuple(cls.prepare())

    @classmethod
    def checkout(cls) -> Path:
        """The checkout to run."""
        return TOP

    @classmethod
    def prepare(cls) -> dict[tuple[str, str, str], dict[str, Any]]:
        """Make a good run, which leaves modules for those that follow; its verdicts."""
        if cls.top == TOP:
            take_modules(cls.built, *cls.words, *cls.takes)
        run = Run(cls.built, *cls.words, top=cls.top)
        try:
            ended = run.end(300)
        finally:
            run.close()
        if ended.status:
            raise AssertionError(f"cannot build: {ended.show()}")
        return cases(ended.results())

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(dir=self.scratch)
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        before = Path("/proc/self/mountinfo").read_text()
        self.addCleanup(lambda: self.assertEqual(
            Path("/proc/self/mountinfo").read_text(), before, "a mount was left behind"))

    def out(self, name: str = "out") -> Path:
        """A folder for results that has the modules, and nothing else of the run before."""
        path = self.folder / name
        for build in self.built.glob("*/*/build"):
            # A link in it leads to the checkout.
            shutil.copytree(build, path / build.relative_to(self.built), symlinks=True)
        return path

    def start(self, *words: str, out: Path | None = None, before: Sequence[str] = ()) -> Run:
        """Start a run that does not outlive the test."""
        run = Run(out or self.out(), *self.words, *words, top=self.top, before=before)
        self.addCleanup(run.close)
        return run

    def assert_one_line(self, ended: Ended, status: int, pattern: str) -> None:
        """A run that ended with one line that says why, beside lines of progress."""
        self.assertEqual(ended.status, status, ended.show())
        why = [line for line in ended.noted.splitlines() if not line.startswith("  ")]
        self.assertEqual(len(why), 1, ended.show())
        self.assertRegex(why[0], pattern)
        self.assertNotIn("Traceback", ended.said + ended.noted)


class PairsTest(unittest.TestCase):
    """Tests of pairs beside the project; a class's build in one folder, as a user's runs do."""

    #: A folder for the class; in it pairs, made anew for each test, and results.
    folder: Path
    pairs: Path
    out: Path

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.pairs, cls.out = cls.folder / "pairs", take_modules(cls.folder / "out")

    def setUp(self) -> None:
        self.make_pairs()
        self.addCleanup(shutil.rmtree, self.pairs)

    def make_pairs(self) -> None:
        """Make the pairs that a test begins with."""
        shutil.copytree(PAIRS, self.pairs)

    def kparity(self, pair: str, *words: str, verb: str = "run") -> Ended:
        """A run of one of the pairs, to its end."""
        run = Run(self.out, f"PAIR={pair}", f"PAIRS_DIR={self.pairs}", *words, verb=verb)
        self.addCleanup(run.close)
        return run.end(180)

    def edit(self, name: str, old: str, new: str) -> int:
        """Change a file that has something once; the line where it now is."""
        path = self.pairs / name
        text = path.read_text()
        self.assertEqual(text.count(old), 1, f"{path} has not one {old!r}")
        path.write_text(text.replace(old, new))
        return text[:text.index(old)].count("\n") + 1
