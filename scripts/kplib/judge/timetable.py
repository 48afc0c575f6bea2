# SPDX-License-Identifier: GPL-2.0
"""What case time has timed in each boot: the engine's tables, and the verdicts on them.

The no-op is timed as well, and not subtracted: two readings of the counter take longer than many
operations do, and what was left would be the error of both. What an operation may differ by is held
against its own part instead: where half of a call is the no-op's, a margin of 5 % is one of 2.5 %.
"""

from __future__ import annotations

import functools
import math
import random
import re
from dataclasses import asdict, dataclass
from typing import Any, Sequence

from kplib.configure.lanes import PATHS, REFERENCE
from kplib.judge import ktap, timing
from kplib.judge.tables import NOOP, SUCCESS, DamagedTable, outcome_name
from kplib.judge.timing import Estimate, Judged, Quantile

#: The name of the rows that judge what was timed.
CASE = "latency"
#: What the object was before each call; contended: another CPU used it meanwhile.
STATES = ("warm", "cold", "contended")
CONTENDED = STATES[2]
#: What makes contended calls such that two sides can be compared by them: so many of the outcome
#: on each side of a block, in so many blocks of a boot and in this share of those that have any;
#: and by how much the shares that the outcome has of the operation's calls may differ, one from
#: the other and as a multiple. A larger difference shows that they met other states.
LEAST_CALLS, LEAST_BLOCKS, NEARLY, MIX, MIX_RATIO = 8, 3, 0.9, 0.1, 1.5
#: The least share of a call that is taken to be the operation's own.
LEAST = 0.05
#: By how many percent c->c is made slower, to see whether that is found.
INJECTED = (5, 10)


@dataclass(frozen=True)
class Side:
    """Calls on one side of a path's blocks: calls and their sum in each block, a histogram of
    them by bucket, and the longest."""

    most: int
    blocks: tuple[tuple[int, int], ...]
    buckets: dict[int, int]


#: Path, operation, its end, and one of STATES.
Key = tuple[str, str, int, str]
#: On c->c, and on the path.
Sides = tuple[Side, Side]


@dataclass(frozen=True)
class Contention:
    """The contended blocks of a path: how many there are and were to be, 0 where the contract lets
    nothing run beside anything. `ran`: all operations of the other CPU. On c->c, and on the path:
    the calls that were timed in these blocks, and which of those operations came meanwhile."""

    blocks: int
    of: int
    ran: int
    calls: tuple[int, int]
    beside: tuple[int, int]

    def __add__(self, other: Contention) -> Contention:
        return Contention(self.blocks + other.blocks, self.of + other.of, self.ran + other.ran,
                          (self.calls[0] + other.calls[0], self.calls[1] + other.calls[1]),
                          (self.beside[0] + other.beside[0], self.beside[1] + other.beside[1]))


@dataclass(frozen=True)
class Boot:
    """One boot's table."""

    khz: int
    contention: dict[str, Contention]
    rows: dict[Key, Sides]


_CLOCK = re.compile(r"clock ([1-9][0-9]{0,8})")
_COUNT, _SUM = "([0-9]{1,10})", "([0-9]{1,20})"
_BESIDE = re.compile(rf"(\S+) beside {_COUNT} of {_COUNT} ran {_SUM} {_SUM}:{_SUM} {_SUM}:{_SUM}")
_COUNTS = r"[0-9]{1,10}:[0-9]{1,20}(?:,[0-9]{1,10}:[0-9]{1,20})*"
_SIDE = rf"(-|[0-9]{{1,20}} {_COUNTS} {_COUNTS})"
_LINE = re.compile(rf"(\S+) (\S+) (0|1|-[0-9]{{1,4}}) ({'|'.join(STATES)}) {_SIDE} {_SIDE}")


def _counts(text: str) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in
                 (word.split(":") for word in text.split(",")))


def _side(text: str) -> Side | None:
    """A side; None of a dash, where no call came to the outcome."""
    if text == "-":
        return None
    most, blocks, buckets = text.split()
    return Side(int(most), _counts(blocks), dict(_counts(buckets)))


def _adds_up(side: Side) -> bool:
    calls = sum(calls for calls, _ in side.blocks)
    return calls > 0 and calls == sum(side.buckets.values())


def _sides(state: str, *words: str) -> Sides | None:
    """Both sides; None where they do not add up. Beside another CPU calls can come to an outcome
    on one side alone."""
    one, other = map(_side, words)
    there = [side for side in (one, other) if side]
    if len(there) < (1 if state == CONTENDED else 2) or not all(map(_adds_up, there)) or \
            len({len(side.blocks) for side in there}) > 1:
        return None
    nothing = Side(0, ((0, 0),) * len(there[0].blocks), {})
    return one or nothing, other or nothing


def _contention(lines: list[str]) -> dict[str, Contention]:
    """That of each path, whose lines come first, and are taken away."""
    found: dict[str, Contention] = {}
    while lines and (one := _BESIDE.fullmatch(lines[0])):
        path, *words = one.groups()
        blocks, of, ran, *sums = map(int, words)
        if path not in PATHS or path in found or blocks > of or sums[1] + sums[3] > ran or \
                (not blocks and any(sums)):
            break
        found[path] = Contention(blocks, of, ran, (sums[0], sums[2]), (sums[1], sums[3]))
        lines.pop(0)
    return found


def parse(text: str) -> Boot:
    """The engine's table of times."""
    first, *lines = text.splitlines() or [""]
    clock = _CLOCK.fullmatch(first)
    if not clock:
        raise DamagedTable(f"the table of times, line 1: {first[:100]!r}")
    contention = _contention(lines)
    rows: dict[Key, Sides] = {}
    for number, line in enumerate(lines, 2 + len(contention)):
        found = _LINE.fullmatch(line)
        if not found or found[1] not in contention:
            raise DamagedTable(f"the table of times, line {number}: {line[:100]!r}")
        path, op, end, state, one, other = found.groups()
        key, sides = (path, op, int(end), state), _sides(state, one, other)
        if key in rows or not sides:
            raise DamagedTable(f"the table of times, line {number}: its calls do not add up: "
                               f"{line[:100]!r}")
        rows[key] = sides
    for path, op, _, state in rows:
        if (path, NOOP, 0, state) not in rows:
            raise DamagedTable(f"the table of times has {op} and no {NOOP} on {path}, {state}")
    for path, one in contention.items():
        if bool(one.blocks) != ((path, NOOP, 0, CONTENDED) in rows):
            raise DamagedTable(f"the table of times has {one.blocks} contended blocks on {path}, "
                               f"and {'no' if one.blocks else 'yet'} calls in them")
    return Boot(int(clock[1]), contention, rows)


@dataclass(frozen=True)
class Row:
    """What is told of an operation that came to one outcome, on a path.

    `ratio` to c->c with its interval, which one boot does not have, and the quantiles in ns, each
    with its interval, are of calls with the no-op in them; `own` is the share of a call on c->c
    that is the operation's. `boots` would settle what is inconclusive. `mean` is of a call, in ns.
    """

    path: str
    op: str
    outcome: str
    state: str
    verdict: str
    calls: int
    ratio: float
    low: float | None
    high: float | None
    own: float
    boots: int | None
    mean: float
    quantiles: dict[str, tuple[float, float, float]]

    @property
    def name(self) -> str:
        """The operation; success needs no word."""
        return self.op if self.outcome == SUCCESS else f"{self.op} {self.outcome}"

    def tell(self) -> str:
        """A line for a person."""
        interval = "" if self.low is None else f" ({self.low:.3f} to {self.high:.3f})"
        return (f"{self.name}, {self.state}: {self.verdict}, {self.ratio:.3f} times "
                f"{REFERENCE}{interval}")


@dataclass(frozen=True)
class Checked:
    """What c->c beside itself says of the measurement: of `compared` operations `alarms` differ at
    the level, and `told` were told so once all are taken together. `found` has, by percent, how
    many were told as slower where whole calls were made so much slower, `found_own` where the
    operation's own share of them was."""

    compared: int
    alarms: int
    told: int
    found: dict[str, int]
    found_own: dict[str, int]


@dataclass(frozen=True)
class Apart:
    """An outcome that is not compared on a path: beside another CPU, calls of the operation come
    to it too seldom, or so much more often on one side that they are not of the same states. The
    shares are those of the operation's calls, on c->c and on the path."""

    path: str
    op: str
    outcome: str
    shares: tuple[float, float]


@dataclass(frozen=True)
class Times:
    """All that lane time says of a pair. `contention`: by path, the sum of all boots."""

    advisory: bool
    boots: int
    margin: float
    level: float
    noop: dict[str, float]
    checked: Checked
    contention: dict[str, Contention]
    apart: tuple[Apart, ...]
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """For results.json."""
        return asdict(self)


def from_json(found: dict[str, Any]) -> Times:
    """Times as results.json has them."""
    return Times(**{
        **found, "checked": Checked(**found["checked"]),
        "contention": {path: Contention(one["blocks"], one["of"], one["ran"], tuple(one["calls"]),
                                        tuple(one["beside"]))
                       for path, one in found["contention"].items()},
        "apart": tuple(Apart(**{**one, "shares": tuple(one["shares"])})
                       for one in found["apart"]),
        "rows": tuple(
            Row(**{**row, "quantiles": {name: tuple(one)
                                        for name, one in row["quantiles"].items()}})
            for row in found["rows"])})


def _own(side: Side) -> float:
    """The mean of a boot's calls, block by block, without the ends."""
    return timing.trimmed([total / calls for calls, total in side.blocks if calls])


def _of_op(boot: Boot, key: Key, side: int) -> int:
    """The calls of an operation, whatever they came to."""
    return sum(calls for other, sides in boot.rows.items()
               if (other[0], other[1], other[3]) == (key[0], key[1], key[3])
               for calls, _ in sides[side].blocks)


def _logs(boot: Boot, key: Key) -> list[float]:
    """The logarithm of each block's ratio, where both sides have calls."""
    sides = boot.rows[key]
    return [math.log(max(1, their) / others / (max(1, total) / calls))
            for (calls, total), (others, their) in zip(sides[0].blocks, sides[1].blocks)
            if min(calls, others)]


def _is_steady(boot: Boot, key: Key) -> bool:
    """Whether contended blocks have enough calls of an outcome, nearly all of those that have any.
    Blocks are not chosen by their calls: those in which a rare outcome is frequent are those in
    which the other CPU was busy, and dearer on both sides."""
    sides = boot.rows[key]
    there = [min(calls, others) for (calls, _), (others, _) in zip(sides[0].blocks, sides[1].blocks)
             if max(calls, others)]
    enough = sum(calls >= LEAST_CALLS for calls in there)
    return enough >= LEAST_BLOCKS and enough >= NEARLY * len(there)


def _part(boots: Sequence[Boot], key: Key, side: int) -> float:
    """The share that an outcome has of the operation's calls."""
    calls = sum(calls for boot in boots if key in boot.rows
                for calls, _ in boot.rows[key][side].blocks)
    return calls / max(1, sum(_of_op(boot, key, side) for boot in boots))


def _compared(boots: Sequence[Boot], key: Key) -> list[Boot]:
    """The boots in which there is enough of it to compare; none where these are too few. An outcome
    that hangs on chance is not there in each, nor in each block. A host that is busy may not run
    both CPUs in a boot: half of the boots, and two, will do for what is contended. There an outcome
    has to be about as frequent on both sides as well."""
    contended = key[3] == CONTENDED
    found = [boot for boot in boots if key in boot.rows
             and (_is_steady(boot, key) if contended else _logs(boot, key))]
    least = max(min(2, len(boots)), len(boots) / 2) if contended else len(boots)
    if len(found) < least:
        return []
    parts = sorted(_part(found, key, side) for side in range(2))
    if contended and (parts[1] - parts[0] > MIX or parts[1] > MIX_RATIO * parts[0]):
        return []
    return found


def _apart(boots: Sequence[Boot], keys: Sequence[Key]) -> tuple[Apart, ...]:
    """Outcomes in contended blocks that are not among those that are compared."""
    every = dict.fromkeys(key for boot in boots for key in boot.rows)
    found = []
    for key in every:
        if key[3] != CONTENDED or key in keys or key[1] == NOOP:
            continue
        found.append(Apart(key[0], key[1], outcome_name(key[2]), (
            round(_part(boots, key, 0), 4), round(_part(boots, key, 1), 4))))
    return tuple(sorted(found, key=lambda one: PATHS.index(one.path)))


def _share(boots: Sequence[Boot], key: Key) -> float:
    """How much of a call on c->c is the operation's own, and not the no-op's, block by block."""
    path, _, _, state = key
    shares = []
    for boot in boots:
        side, noop = boot.rows[key][0], boot.rows[path, NOOP, 0, state][0]
        shares.append(timing.trimmed([
            1 - base / nothing * calls / max(1, total)
            for (calls, total), (nothing, base) in zip(side.blocks, noop.blocks)
            if calls and nothing] or [0.0]))
    return min(1.0, max(LEAST, sum(shares) / len(shares)))


def _row(boots: Sequence[Boot], key: Key, judged: Judged, own: float,
         rng: random.Random) -> Row:
    path, op, end, state = key
    sides = [boot.rows[key][1] for boot in boots]
    # The rate is measured anew in each boot; it is the same counter.
    scale = 1e6 / boots[0].khz
    quantiles = timing.quantiles([side.buckets for side in sides],
                                 [side.most for side in sides], rng)
    low, high = judged.estimate.interval() or (None, None)

    def scaled(one: Quantile) -> tuple[float, float, float]:
        return (round(one.value * scale, 1), round(one.low * scale, 1),
                round(one.high * scale, 1))

    return Row(path, op, outcome_name(end), state, judged.verdict,
               sum(calls for side in sides for calls, _ in side.blocks),
               round(judged.estimate.ratio, 5), low and float(f"{low:.5g}"),
               high and float(f"{high:.5g}"), round(own, 3), judged.boots,
               round(sum(map(_own, sides)) * scale / len(boots), 2),
               {name: scaled(one) for name, one in quantiles.items()})


def _families(found: dict[Key, Estimate], shares: dict[Key, float], margin: float,
              level: float) -> dict[Key, Judged]:
    """Verdicts; a family is the operations of a path in one of the STATES."""
    judged: dict[Key, Judged] = {}
    for path in PATHS:
        for state in STATES:
            judged |= timing.judge({key: one for key, one in found.items()
                                    if (key[0], key[3]) == (path, state)},
                                   {key: margin * share for key, share in shares.items()}, level)
    return judged


def _check(found: dict[Key, Estimate], shares: dict[Key, float], margin: float,
           level: float) -> Checked:
    """What is found where nothing differs, and where one side's times are scaled."""
    same = {key: one for key, one in found.items() if key[0] == REFERENCE}

    def told(percent: float, of: dict[Key, float], *words: str) -> int:
        slowed = {key: Estimate(one.log + math.log1p(percent / 100 * of[key]), one.error,
                                one.boots) for key, one in same.items()}
        return sum(one.verdict in words
                   for one in _families(slowed, shares, margin, level).values())

    return Checked(len(same), sum(one.differs <= level for one in same.values()),
                   told(0, shares, timing.SLOWER, timing.FASTER),
                   *({str(percent): told(percent, of, timing.SLOWER) for percent in INJECTED}
                     for of in (dict.fromkeys(shares, 1.0), shares)))


def judge(tables: Sequence[str], advisory: bool, seed: int, margin: float = timing.MARGIN,
          level: float = timing.LEVEL) -> Times:
    """All boots of a pair, a table each."""
    boots = [parse(text) for text in tables]
    if not boots or not all(boot.rows for boot in boots):
        raise DamagedTable("the table of times has no lines")
    rng = random.Random(seed)
    every = dict.fromkeys(key for boot in boots for key in boot.rows)
    used = {key: some for key in every if (some := _compared(boots, key))}
    noop = {path: round(sum(_own(boot.rows[path, NOOP, 0, STATES[0]][1]) * 1e6 / boot.khz
                            for boot in boots) / len(boots), 2)
            for path in PATHS if (path, NOOP, 0, STATES[0]) in used}
    keys = [key for key in used if key[1] != NOOP]
    found = {key: timing.estimate([_logs(boot, key) for boot in used[key]], rng)
             for key in keys}
    shares = {key: _share(used[key], key) for key in keys}
    judged = _families(found, shares, margin, level)
    # Paths of an operation below each other.
    places = {key[1:3]: at for at, key in reversed(list(enumerate(keys)))}
    keys.sort(key=lambda key: (STATES.index(key[3]), places[key[1:3]], PATHS.index(key[0])))
    contention = {path: functools.reduce(Contention.__add__, (
        boot.contention[path] for boot in boots if path in boot.contention))
        for path in PATHS if any(path in boot.contention for boot in boots)}
    return Times(advisory, len(boots), margin, level, noop,
                 _check(found, shares, margin, level), contention, _apart(boots, keys),
                 tuple(_row(used[key], key, judged[key], shares[key], rng) for key in keys))


_NO_CONTENTION = Contention(0, 0, 0, (0, 0), (0, 0))


def verdicts(suite: str, passed: set[str], times: Times, why: str) -> list[ktap.Verdict]:
    """A verdict for each path on which case time has passed. `why` says why they are advisory."""
    found = []
    for path in PATHS:
        rows = [row for row in times.rows if row.path == path]
        slower = [row.tell() for row in rows if row.verdict == timing.SLOWER]
        unsure = [row for row in rows if row.verdict == timing.INCONCLUSIVE]
        contention = times.contention.get(path, _NO_CONTENTION)
        if path not in passed:
            continue
        if times.advisory:
            status, log = ktap.SKIP, [f"times are advisory here, and fail nothing: {why}"]
        elif not rows:
            status, log = ktap.ERROR, ["no operation was timed"]
        elif path == REFERENCE and times.checked.told:
            # It cannot be slower than itself.
            status, log = ktap.ERROR, [f"{times.checked.told} operations on {path} seem to differ "
                                       "from themselves: the measurement is disturbed"]
        elif slower and path != REFERENCE:
            status, log = ktap.FAIL, slower
        elif unsure:
            most = max((row.boots or 0 for row in unsure), default=0)
            status, log = ktap.SKIP, [
                f"{len(unsure)} of {len(rows)} operations are inconclusive"
                + (f"; BOOTS={most} may settle those that boots can" if most else "")]
        elif contention.of and not any(row.state == CONTENDED for row in rows):
            status, log = ktap.SKIP, [
                "nothing contended is compared: " + (
                    "too few boots have it, or outcomes are not as frequent as on c->c"
                    if contention.blocks else
                    "the host did not run both CPUs of the guest at once, or the other one carried "
                    "out too few operations")]
        else:
            status, log = ktap.PASS, []
        found.append(ktap.Verdict(suite, CASE, path, status, tuple(log)))
    return found
