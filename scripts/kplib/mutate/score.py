# SPDX-License-Identifier: GPL-2.0
"""The score: which mutants were seen, by whom, and which were not."""

from __future__ import annotations

import collections
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Sequence

from kplib.common.errors import EnvironmentFailed
from kplib.configure import pairs
from kplib.mutate.candidate import Candidate
from kplib.mutate.record import EQUIVALENT, ERROR, KILLED, SURVIVED, UNCOMPILED, Record

#: The share of mutants, other than equivalent ones, that must be killed, of all and of each pair.
LEAST = 0.85


@dataclass(frozen=True)
class Planted:
    """A planted bug: its name, what it is about, the oracle that must see it, and whether it did.
    """

    name: str
    pair: str
    category: str
    oracle: str
    record: Record


@dataclass(frozen=True)
class Ran:
    """A mechanical mutant and what became of it; `diff` are the changed lines."""

    mutant: Candidate
    record: Record
    diff: tuple[str, ...] = ()


def reasons(path: Path) -> dict[str, str]:
    """Why mutants that are known to survive do, by name: a line with the name, then indented
    ones."""
    found: dict[str, str] = {}
    name = ""
    try:
        text = path.read_text()
    except OSError:
        return found
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line[0].isspace():
            name = line.strip()
            if name in found:
                raise EnvironmentFailed(f"{pairs.short(path)}:{number}: {name} is there twice")
            found[name] = ""
        elif not name:
            raise EnvironmentFailed(f"{pairs.short(path)}:{number}: a reason of no mutant")
        else:
            found[name] = f"{found[name]} {line.strip()}".strip()
    if bare := [name for name, why in found.items() if not why]:
        raise EnvironmentFailed(f"{pairs.short(path)}: {bare[0]} has no reason")
    return found


@dataclass(frozen=True)
class Score:
    """All results of a campaign, or of one shard of it: `shard` says which, and of what.

    `merged` says of what shards it is made, if it is.
    """

    planted: tuple[Planted, ...]
    ran: tuple[Ran, ...]
    reasons: dict[str, str]
    shard: dict[str, Any] | None = None
    merged: dict[str, Any] | None = None

    def count(self, outcome: str) -> int:
        """Mechanical mutants of which this became."""
        return sum(one.record.outcome == outcome for one in self.ran)

    @property
    def judged(self) -> int:
        """Mechanical mutants that could be killed."""
        return self.count(KILLED) + self.count(SURVIVED)

    @property
    def counted(self) -> int:
        """Mechanical mutants that could be killed, or of which nothing is known."""
        return self.judged + self.count(ERROR)

    @property
    def share(self) -> float:
        """The share of those that were. One of which nothing is known was not."""
        return self.count(KILLED) / self.counted if self.counted else 0.0

    @property
    def short(self) -> list[str]:
        """Pairs with too few killed, whatever becomes of those of which nothing is known.

        A share of the few mutants of a shard says nothing: that is for all of them together.
        """
        found: list[str] = []
        if self.shard is not None:
            return found
        for pair in sorted({one.mutant.pair for one in self.ran}):
            mine = collections.Counter(one.record.outcome for one in self.ran
                                       if one.mutant.pair == pair)
            every = mine[KILLED] + mine[SURVIVED] + mine[ERROR]
            if every and 1 - mine[SURVIVED] / every < LEAST:
                found.append(pair)
        return found

    @property
    def missed(self) -> list[Planted]:
        """Planted bugs that their oracle did not see, or that could not be run."""
        return [one for one in self.planted if one.record.outcome != KILLED]

    @property
    def failed(self) -> bool:
        """Whether something was not seen that must be."""
        return bool(self.short) or any(one.record.outcome != ERROR for one in self.missed) or (
            self.shard is None and self.counted > 0
            and 1 - self.count(SURVIVED) / self.counted < LEAST)

    @property
    def unknown(self) -> int:
        """How many there are of which nothing is known."""
        return self.count(ERROR) + sum(one.record.outcome == ERROR for one in self.planted)

    @property
    def good(self) -> bool:
        """Whether all is as it must be, and there is something that was judged."""
        return not self.failed and not self.unknown and bool(
            self.judged or self.planted or self.shard)


def _table(rows: Sequence[tuple[str, str]], what: str) -> list[str]:
    """How often each category meets each oracle."""
    cells = collections.Counter(rows)
    oracles = [name for name, _ in collections.Counter(o for _, o in rows).most_common()]
    lines = [f"  {what:<16}" + "".join(f"{name:>{max(10, len(name) + 2)}}" for name in oracles)
             + f"{'all':>7}"]
    for category in sorted({c for c, _ in rows}):
        lines.append(f"  {category:<16}" + "".join(
            f"{cells[category, name] or '.':>{max(10, len(name) + 2)}}" for name in oracles)
            + f"{sum(cells[category, name] for name in oracles):>7}")
    return lines


def oracle(record: Record) -> str:
    """Who saw a mutant: the case, with the variant if it is not base."""
    name = "build" if record.oracle == "" else record.oracle
    return name if record.variant in ("", "base") else f"{record.variant}:{name}"


def percentile(values: Iterable[float], share: float) -> float:
    """The value below or at which a share of some lies."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _by(ran: Iterable[Ran], key: str) -> list[str]:
    """Killed of judged, by a field of the mutants."""
    killed: collections.Counter[str] = collections.Counter()
    judged: collections.Counter[str] = collections.Counter()
    for one in ran:
        if one.record.outcome in (KILLED, SURVIVED):
            name = getattr(one.mutant, key)
            judged[name] += 1
            killed[name] += one.record.outcome == KILLED
    return [f"  {name:<16}{killed[name]:>5} of {judged[name]:>3}"
            f"{100 * killed[name] / judged[name]:>7.0f} %" for name in sorted(judged)]


def show(score: Score) -> str:
    """The report as text."""
    lines: list[str] = []
    if score.planted:
        seen = [one for one in score.planted if one.record.outcome == KILLED]
        lines += [f"planted bugs: {len(seen)} of {len(score.planted)} seen by the oracle that "
                  "their patch names", *_table([(one.category, one.oracle) for one in seen],
                                               "category"), ""]
        for one in score.missed:
            lines.append(f"  MISSED {one.name}: {one.oracle}: "
                         f"{one.record.why.splitlines()[0] if one.record.why else '?'}")
    if score.ran:
        lines += _mechanical(score)
    if score.shard is not None:
        name = f"shard {score.shard['index']} of {score.shard['of']}"
        lines += ["", f"{name}: " + ("planted bugs alone are judged here; the share of mechanical "
                                     "mutants is for make merge" if score.planted or score.ran
                                     else "nothing to run")]
    return "\n".join(lines)


def _mechanical(score: Score) -> list[str]:
    killed = [one.record for one in score.ran if one.record.outcome == KILLED]
    lines = [f"mechanical mutants: {len(score.ran)}, of which {score.count(UNCOMPILED)} do not "
             f"compile and {score.count(EQUIVALENT)} have the same object code",
             f"killed: {len(killed)} of {score.counted}, {100 * score.share:.1f} % "
             + (f"(at least {100 * LEAST:.0f} % must be, of each pair as well)"
                if score.shard is None else "(of this shard)")]
    if score.count(ERROR):
        lines += [f"{score.count(ERROR)} of these could not be judged"]
    if score.short:
        lines += [f"too few killed of {', '.join(score.short)}"]
    if killed:
        lost = sum(record.lost for record in killed)
        times = [record.kill for record in killed]
        lines += [f"time to kill: p50 {statistics.median(times):.1f} s, "
                  f"p90 {percentile(times, 0.9):.1f} s, max {max(times):.1f} s; "
                  f"{lost} took the guest with them", "",
                  *_table([(one.mutant.category, oracle(one.record)) for one in score.ran
                           if one.record.outcome == KILLED], "killed by")]
    for key in ("category", "operator", "pair", "language"):
        lines += ["", f"  {key:<16}killed", *_by(score.ran, key)]
    survivors = [one for one in score.ran if one.record.outcome == SURVIVED]
    if survivors:
        lines += ["", f"survivors: {len(survivors)}"]
    for one in survivors:
        why = score.reasons.get(one.mutant.name)
        lines += [f"  {one.mutant.file}:{one.mutant.line} {one.mutant.name}",
                  *(f"    {line}" for line in one.diff),
                  f"    {why or 'NO REASON is written in tests/mutants/survivors'}"]
    for one in score.ran:
        if one.record.outcome == ERROR:
            lines.append(f"  ERROR {one.mutant.name}: "
                         f"{one.record.why.splitlines()[0] if one.record.why else '?'}")
    if stale := [name for name in score.reasons if any(
            one.mutant.name == name and one.record.outcome == KILLED for one in score.ran)]:
        lines += ["", "killed, and yet listed in tests/mutants/survivors: take them out",
                  *(f"  {name}" for name in stale)]
    return lines


def to_json(score: Score) -> dict[str, Any]:
    """The report for a program."""
    def of(record: Record) -> dict[str, Any]:
        return {"outcome": record.outcome, "oracle": record.oracle, "path": record.path,
                "variant": record.variant, "lane": record.lane, "lost": record.lost,
                "kill": record.kill, "seconds": record.seconds, "why": record.why}

    return {
        "good": score.good, "least": LEAST, "share": round(score.share, 4),
        "judged": score.judged, "short": score.short, "shard": score.shard,
        "merged": score.merged,
        **{name: score.count(name) for name in (KILLED, SURVIVED, EQUIVALENT, UNCOMPILED, ERROR)},
        "planted": [{"name": one.name, "pair": one.pair, "category": one.category,
                     "must": one.oracle, **of(one.record)} for one in score.planted],
        "mechanical": [{"name": one.mutant.name, "pair": one.mutant.pair,
                        "language": one.mutant.language, "file": one.mutant.file,
                        "line": one.mutant.line, "function": one.mutant.function,
                        "operator": one.mutant.operator, "category": one.mutant.category,
                        "diff": list(one.diff), "reason": score.reasons.get(one.mutant.name),
                        **of(one.record)} for one in score.ran],
    }
