# SPDX-License-Identifier: GPL-2.0
"""The record of a soak: each piece of work, each kind of failure, and the files of both.

out/soak/<date and time>/ has

results.json            all of it, for a program; written anew now and then, and at the end
failures/N-PAIR-CASE.json, and .console where a guest was lost or the kernel complained
programs/               programs that failed, as out/programs/ of a run
<arch>/<variant>/build/ the modules that ran, if anything failed
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kplib.common import cache
from kplib.common.errors import BROKEN, FAILED, OK, EnvironmentFailed
from kplib.judge import failures, ktap
from kplib.soak.cells import Judged
from kplib.soak.kinds import Kind, Kinds
from kplib.soak.work import Item

#: The version of results.json of a soak. It goes up with each change of a field's meaning.
SCHEMA = 1
RESULTS = "results.json"
#: Seconds between two writes of results.json while nothing new has failed.
INTERVAL = 60.0
#: Exit status of a soak that was interrupted and had found nothing, as a shell has it.
INTERRUPTED = 130
#: Ways for a soak to end.
DONE, TIME, STOPPED, BROKE = "done", "time", "interrupted", "environment"


@dataclass(frozen=True)
class Run:
    """One piece of work that has ended. `why` says why there are no results, if so."""

    arch: str
    variant: str
    lane: str
    seed: int
    verdict: str
    seconds: float = 0.0
    passed: int = 0
    skipped: int = 0
    calls: int = 0
    interruptions: int = 0
    lost: int = 0
    kinds: tuple[int, ...] = ()
    why: str = ""

    @property
    def target(self) -> tuple[str, str, str]:
        """Arch, variant, lane."""
        return self.arch, self.variant, self.lane


@dataclass
class Journal:
    """What a soak has done so far. `of` is how much there is to do, None where there is no end."""

    folder: Path
    pairs: tuple[str, ...]
    of: int | None
    runs: list[Run] = field(default_factory=list)
    kinds: Kinds = field(default_factory=Kinds)
    #: Arches and variants that could not be built, with the reason and the exit status.
    unbuilt: dict[str, tuple[str, int]] = field(default_factory=dict)
    #: Work that was begun and given up.
    given_up: list[Item] = field(default_factory=list)
    ended: str = ""
    why: str = ""
    seconds: float = 0.0
    #: With SHARD=i/n: which part it is, and of what. Of several that were joined: of what.
    shard: dict[str, Any] | None = None
    merged: dict[str, Any] | None = None
    #: When the first guest was begun.
    started: float | None = None
    _began: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S"))
    _saved: float = field(default_factory=time.monotonic)

    @property
    def programs(self) -> Path:
        """The folder for programs that failed."""
        return self.folder / "programs"

    def total(self, name: str) -> int:
        """A count of all runs together."""
        return sum(getattr(run, name) for run in self.runs)

    def verdicts(self) -> Counter[str]:
        """How many runs ended how."""
        return Counter(run.verdict for run in self.runs)

    @property
    def unfinished(self) -> bool:
        """Whether seeds that were asked for have not run, though nobody stopped it."""
        return self.ended == TIME and self.of is not None and len(self.runs) < self.of

    @property
    def verdict(self) -> str:
        """ "pass", "fail", "error"; "interrupted" if that came before anything was found."""
        verdicts = self.verdicts()
        if verdicts["fail"] or any(status == FAILED for _, status in self.unbuilt.values()):
            return "fail"
        if verdicts["error"] or self.unbuilt or self.ended == BROKE or self.unfinished:
            return "error"
        if self.ended == STOPPED:
            return "interrupted"
        # A shard may have nothing to run, where there are fewer runs than shards.
        nothing = self.shard is not None and self.of == 0
        return "error" if self.idle and not nothing else "pass"

    @property
    def idle(self) -> bool:
        """Whether no case has passed: what was skipped was not judged."""
        return not self.total("passed")

    @property
    def status(self) -> int:
        """The exit status."""
        return {"pass": OK, "fail": FAILED, "interrupted": INTERRUPTED}.get(self.verdict, BROKEN)

    def take(self, item: Item, judged: Judged, consoles: Path) -> tuple[Run, list[Kind]]:
        """Keep the results of a piece of work; the kinds that were not there before.

        `consoles` has what its guests said.
        """
        known = len(self.kinds.all)
        met: dict[int, Kind] = {}
        changed: dict[int, Kind] = {}
        for found in judged.found:
            kind, news = self.kinds.take(item, found)
            met[kind.number] = kind
            if news:
                changed[kind.number] = kind
        lane = judged.result.lanes[0]
        run = Run(item.target.arch, item.target.variant, item.target.lane, item.seed,
                  judged.result.verdict, round(lane.seconds, 3), judged.count(ktap.PASS),
                  judged.count(ktap.SKIP), judged.calls, judged.interruptions,
                  len(lane.losses) + bool(lane.lost), tuple(met), lane.lost or "")
        self.runs.append(run)
        for kind in changed.values():
            self._save_kind(kind, consoles / f"{item.target.lane}.console")
        if changed or time.monotonic() - self._saved > INTERVAL:
            self.save()
        return run, [kind for kind in met.values() if kind.number > known]

    def broken(self, item: Item, why: str) -> Run:
        """Keep that a piece of work gave no results."""
        run = Run(item.target.arch, item.target.variant, item.target.lane, item.seed, "error",
                  why=why)
        self.runs.append(run)
        return run

    def _save_kind(self, kind: Kind, console: Path) -> None:
        for path, text in failures.programs(kind.examples).items():
            cache.write(path, text)
        where = self.folder / "failures" / kind.name
        cache.write(where.with_name(f"{kind.name}.json"),
                    json.dumps(kind.to_json(), indent=1) + "\n")
        if kind.failure["what"] in ("lost", "report") and console.exists():
            try:
                shutil.copyfile(console, where.with_name(f"{kind.name}.console"))
            except OSError as err:
                raise EnvironmentFailed(f"cannot write {where}.console: {err.strerror}") from err

    def to_json(self) -> dict[str, Any]:
        """Contents of results.json."""
        return {
            "schema": SCHEMA, "verdict": self.verdict if self.ended else None,
            "began": self._began, "seconds": round(self.seconds, 1),
            "ended": self.ended or None, "why": self.why or None, "pairs": list(self.pairs),
            "runs_of": self.of,
            "totals": {"runs": len(self.runs), **{
                name: self.total(name) for name in
                ("passed", "skipped", "calls", "interruptions", "lost")}},
            "shard": self.shard, "merged": self.merged,
            "unbuilt": {name: why for name, (why, _) in self.unbuilt.items()},
            "given_up": [{**asdict(item.target), "seed": item.seed} for item in self.given_up],
            "kinds": [kind.to_json() for kind in self.kinds.all],
            "runs": [asdict(run) for run in self.runs],
        }

    def clock(self) -> None:
        """Note how long it has gone on."""
        if self.started is not None:
            self.seconds = time.monotonic() - self.started

    def save(self) -> None:
        """Write results.json."""
        self.clock()
        cache.write(self.folder / RESULTS, json.dumps(self.to_json(), indent=1) + "\n")
        self._saved = time.monotonic()

    def close(self) -> None:
        """Write all that is known in the end; a kind's counts have grown since it was met."""
        for kind in self.kinds.all:
            cache.write(self.folder / "failures" / f"{kind.name}.json",
                        json.dumps(kind.to_json(), indent=1) + "\n")
        self.save()
