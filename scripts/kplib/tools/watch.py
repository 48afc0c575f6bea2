# SPDX-License-Identifier: GPL-2.0
"""make watch: run a pair again at each save, for as long as somebody edits it.

Each run is a `kparity run` of its own, with the first verdict as soon as that has it, and the
deeper lanes behind. A save gives up a run that still goes on: it is interrupted, as by Ctrl-C, and
cleans up after itself. Ctrl-C ends the run, and then make watch.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterable, Sequence

from kplib.common import proc, ui
from kplib.common.errors import OK, EnvironmentFailed, Refused
from kplib.configure import pairs
from kplib.configure.request import TOP, VARIABLES, Request, words_of
from kplib.contract import model

#: Seconds between two looks at the files, and those for which they have to stay as they are: an
#: editor may write several, or one in two steps.
LOOK, SETTLE = 0.1, 0.15
#: Seconds for a run that is interrupted to clean up, before it is killed with all its children.
PATIENCE = 20.0
#: Endings of files that editors keep beside those that are edited.
_EDITORS = ("~", ".swp", ".swx", ".tmp", ".orig", ".rej")

#: Times and sizes of files.
Seen = dict[Path, tuple[int, int]]


def folders(req: Request) -> tuple[list[Path], list[Path]]:
    """The files that are looked at, and folders in which all files are."""
    files: list[Path] = []
    whole: list[Path] = []
    for name in req.pairs:
        pair = pairs.files(name, req.pairs_dir)
        whole += [pair.own] if pair.own else [pair.regress]
        # Those of the kernel's tree are nobody's to edit.
        files += [pair.contract, pair.port, pair.suite, pair.config, *pair.programs.values(),
                  *(path for path in pair.sources(Path(model.SRCTREE))
                    if not str(path).startswith(model.SRCTREE))]
    return files, whole


def look(files: Iterable[Path], whole: Iterable[Path]) -> Seen:
    """Times and sizes of all that is there."""
    found: Seen = {}
    every = [*files]
    for folder in whole:
        with contextlib.suppress(OSError):
            every += [path for path in folder.rglob("*")
                      if not path.name.startswith(".") and not path.name.endswith(_EDITORS)]
    for path in every:
        with contextlib.suppress(OSError):
            stat = path.stat()
            if path.is_file():
                found[path] = stat.st_mtime_ns, stat.st_size
    return found


def changed(old: Seen, new: Seen) -> list[Path]:
    """The files that are new, gone, or not as they were."""
    return sorted(path for path in {*old, *new} if old.get(path) != new.get(path))


def words(req: Request) -> list[str]:
    """The words of the runs: what was asked for, and nothing that has a default."""
    known = words_of(req, req.archs[0], req.variants[0])
    # Without an arch, a run goes on with what another one's kernel tells.
    found = {name: value for name, value in known.items()
             if name in req.given or name == "VARIANT"}
    found["SEED"] = str(req.seed)
    found["PAIR"] = " ".join(req.pairs)
    if "OUT" in req.given:
        found["OUT"] = str(req.out)
    if req.verbose:
        found["V"] = "1"
    return [f"{name}={value}" for name, value in found.items()]


class Watch:
    """The files of some pairs, and the run that goes on."""

    def __init__(self, argv: Sequence[str], see: Callable[[], Seen],
                 env: dict[str, str] | None = None) -> None:
        self._argv, self._see, self._env = list(argv), see, env
        self._seen = see()
        self._run: subprocess.Popen[bytes] | None = None
        #: Runs that were begun, and those that came to their end.
        self.begun, self.ended = 0, 0

    def _settled(self, new: Seen) -> Seen:
        """What is there once nothing changes any more."""
        while True:
            time.sleep(SETTLE)
            again = self._see()
            if again == new:
                return new
            new = again

    def start(self) -> None:
        """Begin a run."""
        self.begun += 1
        try:
            self._run = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL, env=self._env,
                                         start_new_session=True,
                                         preexec_fn=proc.dying_with_parent())
        except OSError as err:
            raise EnvironmentFailed(f"cannot run {self._argv[0]}: {err.strerror}") from err

    def give_up(self) -> None:
        """Have the run that goes on end, and clean up."""
        run, self._run = self._run, None
        if run is None:
            return
        try:
            if run.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(run.pid, signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    run.wait(PATIENCE)
        finally:
            proc.stop(run)

    def step(self) -> list[Path]:
        """Look once; begin anew what a save has made old. The files that were saved."""
        if self._run is not None and self._run.poll() is not None:
            self._run = None
            self.ended += 1
            ui.note("  waiting for a save; Ctrl-C ends")
        new = self._see()
        if new == self._seen:
            time.sleep(LOOK)
            return []
        new = self._settled(new)
        saved, self._seen = changed(self._seen, new), new
        if saved:
            self.give_up()
            names = ", ".join(pairs.short(path) for path in saved[:3])
            more = f" and {len(saved) - 3} more" if len(saved) > 3 else ""
            print(f"\n{time.strftime('%H:%M:%S')} {ui.clean(names)}{more}", flush=True)
            self.start()
        return saved


def check(req: Request) -> None:
    """Refuse what nobody can look at."""
    for name, given in (("KEEP", req.keep), ("FORMAT=json", req.machine_readable)):
        if given:
            raise Refused(f"{name}: make watch is for a person who edits; leave it out")
    if "PAIR" not in req.given:
        raise Refused("make watch runs what you edit at each save; give PAIR=x")
    if len(req.variants) != 1:
        raise Refused("make watch is for one variant; leave VARIANT=all out")


def run(req: Request) -> int:
    """Run at once, and again at each save, until Ctrl-C."""
    where = folders(req)
    # The words say all; the environment has them too, and would say it again.
    env = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    watch = Watch([sys.executable, str(TOP / "scripts/kparity"), "run", *words(req)],
                  lambda: look(*where), env)
    try:
        watch.start()
        while True:
            watch.step()
    except KeyboardInterrupt:
        return OK
    finally:
        watch.give_up()
