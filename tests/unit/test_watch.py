# SPDX-License-Identifier: GPL-2.0
"""make watch: what a save begins, what it gives up, and that nothing is left."""

import contextlib
import io
import os
import signal
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

from kplib import verbs
from kplib.common.errors import OK, EnvironmentFailed, Refused
from kplib.configure import request
from kplib.tools import watch

#: A run: it says what it does in a file, and heeds SIGINT as kparity does.
ACTOR = """
import signal, sys, time
def say(word):
    with open(sys.argv[1], "a") as file:
        file.write(word + "\\n")
def end(*_):
    say("gave up")
    sys.exit(3)
signal.signal(signal.SIGINT, signal.SIG_IGN if "deaf" in sys.argv else end)
say("began")
time.sleep(float(sys.argv[2]))
say("ended")
"""


class TestWatch(unittest.TestCase):
    """tools/watch.py"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.source = self.folder / "x.rs"
        self.source.write_text("one\n")
        self.log = self.folder / "log"
        self.log.touch()
        said = io.StringIO()
        self.said = said
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        stack.enter_context(contextlib.redirect_stdout(said))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        stack.enter_context(mock.patch.multiple(watch, LOOK=0.01, SETTLE=0.01))

    def begin(self, seconds: float, *words: str) -> watch.Watch:
        """A watch of one file, whose runs take so long."""
        found = watch.Watch(
            [sys.executable, "-c", ACTOR, str(self.log), str(seconds), *words],
            lambda: watch.look([self.source], [self.folder / "whole"]))
        self.addCleanup(found.give_up)
        found.start()
        self.until(found, "began")
        return found

    def until(self, found: watch.Watch, word: str, times: int = 1) -> None:
        """Wait until the runs have said a word so often."""
        end = time.monotonic() + 20
        while self.log.read_text().split("\n").count(word) < times:
            self.assertLess(time.monotonic(), end, self.log.read_text())
            found.step()

    def test_save(self) -> None:
        """A save gives up the run that goes on, which cleans up, and begins another one."""
        found = self.begin(60)
        self.source.write_text("two, longer\n")
        self.until(found, "began", 2)
        self.assertEqual(self.log.read_text(), "began\ngave up\nbegan\n")
        self.assertEqual(found.begun, 2)
        self.assertRegex(self.said.getvalue(), r"\n\d\d:\d\d:\d\d \S+/x\.rs\n$")

    def test_ends(self) -> None:
        """A run that has come to its end is not begun again without a save."""
        found = self.begin(0)
        self.until(found, "ended")
        for _ in range(50):
            found.step()
        self.assertEqual((found.begun, found.ended), (1, 1))

    def test_deaf(self) -> None:
        """A run that does not end when it is interrupted is killed."""
        found = self.begin(60, "deaf")
        with mock.patch.object(watch, "PATIENCE", 0.2):
            found.give_up()
        self.assertEqual(self.log.read_text(), "began\n")

    def test_new_file(self) -> None:
        """A file that comes into a folder is a save; those of editors are none."""
        found = self.begin(60)
        (self.folder / "whole").mkdir()
        for name in (".x.swp", "x~", "x.swp", ".#x"):
            (self.folder / "whole" / name).touch()
        for _ in range(10):
            self.assertEqual(found.step(), [])
        (self.folder / "whole/program").write_text("ring\n")
        self.assertEqual(found.step(), [self.folder / "whole/program"])

    def test_no_program(self) -> None:
        """What cannot be run is told."""
        found = watch.Watch(["/nowhere"], lambda: {})
        with self.assertRaises(EnvironmentFailed):
            found.start()

    def test_interrupted(self) -> None:
        """Ctrl-C ends the run, then make watch, with status 0; no process is left."""
        def interrupt() -> None:
            end = time.monotonic() + 20
            while "began" not in self.log.read_text() and time.monotonic() < end:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        class Acting(watch.Watch):
            """One whose runs are the actor's."""

            def start(mine) -> None:  # pylint: disable=no-self-argument
                mine._argv = [sys.executable, "-c", ACTOR, str(self.log), "60"]
                super().start()

        thread = threading.Thread(target=interrupt)
        thread.start()
        with mock.patch.object(watch, "Watch", Acting), \
                mock.patch.object(watch, "folders", lambda _: ([self.source], [])):
            self.assertEqual(watch.run(request.parse(["PAIR=ring"], {})), OK)
        thread.join()
        self.assertEqual(self.log.read_text(), "began\ngave up\n")


class TestRequest(unittest.TestCase):
    """What is run, and what is refused"""

    def test_words(self) -> None:
        """The words that were given go on to the runs; a seed that was drawn stays one."""
        req = request.parse(["PAIR=ring", "SEED=random", "DEPTH=long", "V=1"], {})
        self.assertEqual(sorted(watch.words(req)),
                         sorted(["PAIR=ring", f"SEED={req.seed}", "DEPTH=long", "V=1"]))
        req = request.parse(["PAIR=ring", "VARIANT=debug", "ARCH=arm64"], {})
        self.assertEqual(sorted(watch.words(req)),
                         ["ARCH=arm64", "PAIR=ring", "SEED=1", "VARIANT=debug"])

    def test_files(self) -> None:
        """All files of a pair are looked at."""
        files, whole = watch.folders(request.parse(["PAIR=ring"], {}))
        self.assertLessEqual({"kmod/ring.c", "kmod/contract/ring.h", "rust-stub/ring.rs",
                              "tests/kunit/ring_kunit.c"},
                             {str(path.relative_to(request.TOP)) for path in files})
        self.assertEqual(whole, [request.TOP / "tests/regress/ring"])

    def test_refused(self) -> None:
        """What nobody could look at."""
        for words, why in (((), "give PAIR=x"), (("PAIR=ring", "KEEP=1"), "KEEP"),
                           (("PAIR=ring", "FORMAT=json"), "FORMAT=json"),
                           (("PAIR=ring", "VARIANT=all"), "one variant")):
            with self.assertRaises(Refused) as caught:
                verbs.carry_out("watch", request.parse(list(words), {}))
            self.assertIn(why, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
