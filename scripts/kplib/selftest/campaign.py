# SPDX-License-Identifier: GPL-2.0
"""make mutants: planted bugs and mechanical mutants, and how many of them are seen.

What becomes of each is kept at once; a campaign that is interrupted, or that a file has changed
under, goes on with what is left.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Sequence

from kplib import matrix
from kplib.build import modules, sharded
from kplib.common import cache, ui
from kplib.common.errors import BROKEN, FAILED, OK, Refused
from kplib.configure import archs, identity, shards, variants
from kplib.configure.request import TOP, Request
from kplib.mutate import candidate, choose, find, record, score
from kplib.mutate.candidate import Candidate
from kplib.mutate.record import ERROR, KILLED, SURVIVED, Record, State
from kplib.selftest import jobs, mutants as bugs, parts, processes, progress, schedule, selftest
from kplib.selftest import trial
from kplib.selftest.jobs import Ended, Job, Report

#: Why known survivors survive.
SURVIVORS = TOP / "tests/mutants/survivors"
#: Variables that change what a run runs.
REFUSED = ("LANE", "PROGRAMS", "PROGRAM", "APPEND", "KEEP", "DEPTH", "VARIANT", "PAIRS_DIR",
           "KDIR", "PART", "SILENCE")
#: What schedule and processes say of jobs that have not come to an end of their own.
UNRUN, DIED = "not run, as ", ("its process died: ", "took longer than ")
#: The results, beside the records.
SCORE = "score.json"
#: The variants that a mutant runs in at first, and those for survivors of that.
FIRST, THEN = trial.VARIANTS[:1], trial.VARIANTS[1:]
#: Seconds between two lines of progress where there is no terminal and nothing ends.
INTERVAL = 60.0


@dataclass
class Campaign:
    """What is run, and what has become of it so far."""

    setup: parts.Setup
    state: State
    chosen: list[Candidate]
    planted: list[bugs.Mutant]
    #: The files' digest, by pair.
    now: dict[str, str]
    done: int = 0
    #: Jobs of which others need what they leave, and that have ended well.
    there: set[str] = field(default_factory=set)
    #: Mutants that could not be run as what they need failed.
    unrun: int = 0
    #: With SHARD=i/n: which part it is, and of what.
    shard: dict[str, Any] | None = None
    started: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)

    def bound(self, mutant: bugs.Mutant) -> str:
        """The digest that a planted bug's record holds for."""
        return cache.digest(self.now[mutant.pair], mutant.patch.read_bytes())

    def of(self, one: Candidate) -> Record | None:
        """The record of a mechanical mutant, if there is one of the files as they are."""
        return record.fresh(self.state.mechanical, one.name, self.now[one.pair])

    def left(self, first: bool) -> tuple[list[Candidate], list[bugs.Mutant]]:
        """What is to be run at first, in base, or then: survivors of that, in other variants."""
        if not first:
            return [one for one in self.chosen if (found := self.of(one))
                    and found.outcome == SURVIVED and found.looked == FIRST], []
        return ([one for one in self.chosen if self.of(one) is None],
                [one for one in self.planted if not self._seen(one)])

    def _of_bug(self, one: bugs.Mutant) -> Record | None:
        """The record of a planted bug, if there is one of the files as they are."""
        found = self.state.planted.get(one.name)
        return found if found and found.bound == self.bound(one) else None

    def _seen(self, one: bugs.Mutant) -> bool:
        """Whether a planted bug was seen. One that was not runs again: its run can have been
        disturbed."""
        found = self._of_bug(one)
        return found is not None and found.outcome == KILLED

    def jobs(self, first: bool) -> list[Job]:
        """The jobs for what is left, and those that they need."""
        mutants, planted = self.left(first)
        names = {parts.planted_name(one) for one in planted}
        every = [job for job in parts.every(self.setup, ("mutants",))
                 if job.part != "mutants" or job.name in names]
        mine = [parts.mechanical(
            self.setup, one.name, lambda one=one: one,  # type: ignore[misc]
            lambda found: Report(text=found.to_json()), FIRST if first else THEN)
            for one in mutants]
        wanted = names | {job.name for job in mine}
        # What the first ones needed is there.
        return [replace(job, needs=tuple(name for name in job.needs if name not in self.there))
                for job in schedule.closure(every + mine, lambda job: job.name in wanted)
                if job.name not in self.there]

    def take(self, ended: Ended) -> None:
        """Keep what has become of a mutant, and say so."""
        name = ended.job.name
        why = "; ".join(o.why for o in ended.report.outcomes if o.status == jobs.FAILED)
        mutant = next((one for one in self.chosen if one.name == name), None)
        bug = next((one for one in self.planted if parts.planted_name(one) == name), None)
        if why.startswith(UNRUN):
            if mutant is not None or bug is not None:
                self.unrun += 1
            if bug is not None:
                self.state.planted.pop(bug.name, None)
            return
        if mutant is not None:
            found = Record(ERROR, why=why, seconds=round(ended.seconds, 2)) if why else \
                Record.from_json(ended.report.text)
            before = self.of(mutant)
            if before is not None and found.outcome != ERROR:
                found = replace(found, kill=round(found.kill + before.kill, 2),
                                seconds=round(found.seconds + before.seconds, 2),
                                looked=before.looked + found.looked)
            found = replace(found, bound=self.now[mutant.pair])
            self.state.mechanical[name] = found
        elif bug is not None:
            broken = why.startswith(DIED) or any(o.environment for o in ended.report.outcomes)
            found = Record(ERROR if broken else SURVIVED if why else KILLED, bug.oracle, bug.path,
                           bug.variant, kill=round(ended.seconds, 2),
                           seconds=round(ended.seconds, 2), why=why, bound=self.bound(bug))
            self.state.planted[bug.name] = found
        else:
            if not why:
                self.there.add(name)
            if why:
                ui.note(f"  FAILED {name}: {why}")
                for line in ended.said.splitlines():
                    ui.note(f"    {line}")
            return
        self.state.write()
        self.done += 1
        self.said = time.monotonic()
        by = f" {score.oracle(found)} {found.path}{', lost' * found.lost}" \
            if found.outcome == KILLED else f": {found.why}" if found.outcome == ERROR else ""
        ui.note(ui.clean(f"  {self.done} {found.outcome}{by} {found.seconds:.1f} s: {name}"))

    def tick(self, running: list[Job], total: int) -> None:
        """Show where the campaign is."""
        line = (f"{self.done} of {total}, {progress.span(time.monotonic() - self.started)}: "
                f"{', '.join(job.name for job in running)}")
        if ui.live():
            width = os.get_terminal_size(2).columns - 1
            sys.stderr.write("\r\x1b[K" + ui.clean(line)[:width])
            sys.stderr.flush()
        elif time.monotonic() - self.said > INTERVAL:
            self.said = time.monotonic()
            ui.note(f"  ... {ui.clean(line)}")

    def score(self) -> score.Score:
        """The score of all that has a record."""
        missing = Record(ERROR, why="it has not run")
        texts = {one.file: (TOP / one.file).read_bytes() for one in self.chosen}

        def of(one: Candidate) -> Record:
            found = self.state.mechanical.get(one.name)
            return found if found and found.bound == self.now[one.pair] else missing

        return score.Score(
            tuple(score.Planted(one.name, one.pair, one.category or "not said",
                                one.oracle if one.variant == variants.BASE
                                else f"{one.variant}:{one.oracle}",
                                self._of_bug(one) or missing)
                  for one in self.planted),
            tuple(score.Ran(one, of(one), tuple(candidate.diff(texts[one.file], one))
                            if of(one).outcome == SURVIVED else ()) for one in self.chosen),
            score.reasons(SURVIVORS), self.shard)


def _candidates(setup: parts.Setup) -> list[Candidate]:
    """All mutants of the pairs, whose modules are built for it."""
    mine = setup.of(setup.host, setup.base)
    with cache.locked(mine.results):
        modules.build(mine)
    with ui.step(f"finding mutants of {', '.join(setup.req.pairs)}"):
        return [one for pair in setup.req.pairs for one in find.of_pair(mine, pair)]


def _refuse(req: Request) -> None:
    if given := [name for name in REFUSED if name in req.given]:
        raise Refused(f"{', '.join(given)}: not for make mutants, which runs each mutant in all "
                      "lanes until it is seen; leave it out")
    host = archs.host_name(platform.machine())
    if [arch.name for arch in req.archs] != [host]:
        raise Refused(f"make mutants is for this machine's arch; give ARCH={host}, or leave it out")


def _bounds(req: Request, kernel: str) -> dict[str, str]:
    """The digest that a pair's records hold for, by pair."""
    # Nothing tells when a file of the user's own kernel tree has become another.
    once = [str(time.time_ns())] if req.kernel_src else []
    return {pair: record.bound(pair, kernel, trial.DEPTH, req.accel or "", *once)
            for pair in req.pairs}


def _taken(req: Request, every: list[Candidate], planted: list[bugs.Mutant],
           lines: dict[str, set[int]] | None) -> tuple[list[Candidate], list[Candidate]]:
    """The mutants in changed lines, if those alone are asked for, and those that are run."""
    some = every if lines is None else choose.within(every, lines)
    chosen = choose.choose(some, req.mutants, req.seed)
    if not chosen and not planted:
        raise Refused(nothing(req, "no mutant that an oracle here can see"))
    return some, chosen


def nothing(req: Request, why: str) -> str:
    """One line on a campaign that says nothing of anything."""
    where = f"IN_DIFF={req.in_diff}: {why} is in the lines of {', '.join(req.pairs)} that have " \
            "changed" if req.in_diff else f"{why} is in {', '.join(req.pairs)}"
    return f"{where}; nothing was judged"


def mutants(req: Request) -> int:
    """Run what is left, and print the score."""
    _refuse(req)
    lines = choose.since(req.in_diff) if req.in_diff else None
    part, req = identity.settle(req), replace(req, shard=None)
    tools = matrix.prepare(req)
    # A second campaign would write its records over those of the first.
    with cache.locked(req.out / "mutants"):
        (req.out / "mutants" / SCORE).unlink(missing_ok=True)
        runner = processes.Processes()
        try:
            # The seed chooses mutants; what they are run with stays the same.
            setup = selftest.set_up(replace(req, seed=1), tools, runner.folder)
            every = _candidates(setup)
            planted = [] if lines is not None else bugs.load_all(req.pairs)
            some, chosen = _taken(req, every, planted, lines)
            of = len(chosen), len(planted)
            chosen, planted = _part(part, chosen, planted)
            campaign = Campaign(
                setup, State.read(req.out / "mutants/state.json"), chosen, planted,
                _bounds(req, setup.of(setup.host, setup.base).kernel.ident),
                shard=_told(part, setup, *of))
            _say(campaign, every, some, req.seed)
            for first in (True, False):
                _carry_out(campaign, campaign.jobs(first), runner)
        finally:
            runner.close()
        return _close(campaign, req)


def _part(req: Request, chosen: list[Candidate], planted: list[bugs.Mutant]) -> \
        tuple[list[Candidate], list[bugs.Mutant]]:
    """The mutants of a shard. Each goes to one, by turns: nobody knows how long one takes."""
    every: list[Candidate | bugs.Mutant] = [*chosen, *planted]
    mine = shards.by_turns(every, req.shard)
    return ([one for one in mine if isinstance(one, Candidate)],
            [one for one in mine if isinstance(one, bugs.Mutant)])


def _told(req: Request, setup: parts.Setup, chosen: int, planted: int) -> dict[str, Any] | None:
    """What a shard's score says of it; there are so many mutants in all shards."""
    more = (("MUTANTS", str(req.mutants)), *((("IN_DIFF", req.in_diff),) if req.in_diff else ()))
    told = identity.told(req, more)
    if told is None:
        return None
    kernel = setup.of(setup.host, setup.base).kernel
    return {**told, "mechanical_of": chosen, "planted_of": planted,
            "kernels": {kernel.name: sharded.ident(req, kernel)}, "tools": setup.tools.versions}


def _say(campaign: Campaign, every: Sequence[Candidate], some: Sequence[Candidate],
         seed: int) -> None:
    """What there is, and what is left of it."""
    mutants_, planted = campaign.left(True)
    again, _ = campaign.left(False)
    unseen = sum(not one.seen for one in some)
    where = "" if len(some) == len(every) else f", {len(some)} of them in changed lines"
    ui.note(f"  {len(every)} mechanical mutants{where}; {unseen} of weaker orderings, which no "
            f"oracle on {campaign.setup.host.name} can see; {len(campaign.chosen)} are taken "
            f"(seed {seed})")
    ui.note(f"  {len(mutants_)} of {len(campaign.chosen)} mechanical mutants and {len(planted)} "
            f"of {len(campaign.planted)} planted bugs are to be run; {len(again)} that survived "
            f"{' and '.join(FIRST)} then run in {' and '.join(THEN)}, as do those to come")


def _carry_out(campaign: Campaign, found: list[Job], runner: processes.Processes) -> None:
    if not found:
        return
    cores = os.cpu_count() or 1
    expected = progress.History(campaign.setup.req.cache).expected(found)
    total = campaign.done + sum(job.part == "mutants" for job in found)
    ui.note(f"  {len(found)} jobs on {cores} cores, about "
            f"{progress.span(schedule.forecast(found, cores, expected))}")
    schedule.carry_out(schedule.Plan(found, cores, expected), runner, campaign.take,
                       lambda running: campaign.tick(running, total))
    if ui.live():
        ui.note("")
    if campaign.unrun:
        ui.note(f"  {campaign.unrun} were not run, as what they need failed: see above")


def _close(campaign: Campaign, req: Request) -> int:
    """Print the score; the exit status."""
    result = campaign.score()
    out: Path = req.out / "mutants"
    cache.write(out / SCORE, json.dumps(score.to_json(result), indent=1) + "\n")
    if req.machine_readable:
        json.dump(score.to_json(result), sys.stdout, indent=1)
        print(flush=True)
    else:
        print(score.show(result), flush=True)
    return _status(result, req, campaign.unrun)


def _status(result: score.Score, req: Request, unrun: int = 0) -> int:
    """The exit status. What could not be run is no reason for a failure, and none for a pass."""
    if result.failed and not unrun:
        return FAILED
    if unrun or result.unknown:
        return BROKEN
    if not result.judged and not result.planted and result.shard is None:
        raise Refused(nothing(req, "no mutant that compiles and changes the object code"))
    return OK
