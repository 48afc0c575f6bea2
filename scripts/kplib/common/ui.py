# SPDX-License-Identifier: GPL-2.0
"""Live progress: one line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import termios
import threading
import time
from typing import Iterator

_lock = threading.Lock()
#: Steps that run, in the order in which they began. The first one has the line.
_running: list["Step"] = []
_hushed = threading.Event()
#: All but what a terminal shows as it is and XML can hold: no control characters, no
#: marks that turn the direction of writing.
_UNSAFE = re.compile("[^\t\x20-\x7e\u00a0-\u200d\u2010-\u2029\u202f-\u2065\u206a-\ud7ff"
                     "\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010fffd]")


def clean(text: str) -> str:
    """Text without control characters: a guest's output cannot drive a terminal."""
    return _UNSAFE.sub("?", text)


def live() -> bool:
    """Whether progress can be drawn in place."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def note(text: str) -> None:
    """Print a line of progress to stderr."""
    with _lock:
        sys.stderr.write(("\r\x1b[K" if live() else "") + text + "\n")
        sys.stderr.flush()


class Step:
    """A step that takes time. `detail` may be set while it runs.

    Several may run at once, each in a thread of its own: on a terminal the one that
    began first is drawn, with the number of the others.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.detail = ""
        self._start = time.monotonic()
        self._done = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    @property
    def elapsed(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self._start

    def _tick(self) -> None:
        quiet_until = 30.0
        while not self._done.wait(0.2 if live() else 1.0):
            if _hushed.is_set():
                continue
            if live():
                with _lock:
                    if _running and _running[0] is self:
                        sys.stderr.write("\r\x1b[K" + self._line(len(_running) - 1))
                        sys.stderr.flush()
            elif self.elapsed >= quiet_until:
                # A log must show that a long step is alive, not each of its moves.
                note(f"  ... {self.what}: {self.elapsed:.0f} s")
                quiet_until += 60.0

    def _line(self, others: int) -> str:
        """The step's line on a terminal."""
        width = shutil.get_terminal_size().columns - 1
        beside = f" (and {others} more)" if others else ""
        return clean(f"[{self.elapsed:5.0f} s] {self.what}{beside}  {self.detail}")[:width]

    def __enter__(self) -> "Step":
        if not live():
            note(f"  {self.what}")
        with _lock:
            _running.append(self)
        self._ticker.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with _lock:
            _running.remove(self)
        self._done.set()
        self._ticker.join()
        if kind is None and self.elapsed >= 0.5:
            note(f"  {self.what}: {self.elapsed:.1f} s")
        elif live():
            with _lock:
                sys.stderr.write("\r\x1b[K")


@contextlib.contextmanager
def terminal() -> Iterator[None]:
    """Give the terminal back as it was, whatever the body, or who runs in it, does to it."""
    before = termios.tcgetattr(0) if os.isatty(0) else None
    try:
        yield
    finally:
        if before is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """No step draws while the body runs: somebody else has the terminal."""
    _hushed.set()
    try:
        yield
    finally:
        _hushed.clear()


@contextlib.contextmanager
def step(what: str) -> Iterator[Step]:
    """Show `what` and the elapsed time while the body runs."""
    with Step(what) as s:
        yield s
