# SPDX-License-Identifier: GPL-2.0
"""SHARD=i/n: which part of a request one of n machines runs.

The machines do not talk to each other, so the split is made of what all of them know: the
request, and times that are in the repository (scripts/times.json) or in the file that TIMES=
names. What this machine has measured or built has no part in it. identity.py has what results say
of it, so that parts of different splits are never taken for one.

A unit is one lane of one pair in one arch and variant. Units stay in the order of a whole run, arch
and variant first, then pair, then lane, and are cut into n runs of neighbours: a shard then needs
few kernels, few pairs' modules and few guests. The cuts are those with the shortest longest shard.
"""

from __future__ import annotations

import glob
import json
import re
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, NamedTuple, Sequence, TypeVar

from kplib.common import ui
from kplib.common.errors import Refused
from kplib.configure import archs, cases, pairs, variants
from kplib.configure.lanes import HISTORY, IRQ, LANES

if TYPE_CHECKING:
    from kplib.configure.request import Request

#: Times of every unit that was measured, in seconds, by "ARCH VARIANT LANE" and pair.
TIMES = pairs.TOP / "scripts/times.json"
#: Shards of one request, at most.
MOST = 9999
#: Milliseconds that a shard is taken to need besides its units: for each arch and variant, for each
#: guest, and for the modules of each pair.
CELL, BOOT, BUILD = 5000, 1000, 500
#: Milliseconds of a unit of which nothing is known at all.
UNKNOWN = 1000

Known = Mapping[str, Mapping[str, float]]
Piece = TypeVar("Piece")


class Unit(NamedTuple):
    """The smallest part of a request that is run on its own."""

    arch: str
    variant: str
    pair: str
    lane: str

    @property
    def cell(self) -> tuple[str, str]:
        """Arch and variant."""
        return self.arch, self.variant


@dataclass(frozen=True)
class Shard:
    """One part of n. The rest is known once the request is settled (settle()).

    `units` are those of this part, `cells` all arches and variants of the request, each with the
    number of its units. `commit` and `content` tell the tree, `times` the file of times, and
    `words` the request.
    """

    index: int
    of: int
    units: tuple[Unit, ...] = ()
    cells: tuple[tuple[str, str, int], ...] = ()
    commit: str | None = None
    content: str = ""
    times: str = ""
    words: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """In words."""
        return f"shard {self.index} of {self.of}"


def parse(values: Mapping[str, str]) -> Shard | None:
    """Read SHARD=; refuses what cannot be split, or is not the same on all machines."""
    value = values.get("SHARD")
    if not value:
        return None
    said = f"SHARD={ui.clean(value)}"
    found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", value, re.A)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise Refused(f"{said}: give i/n, such as 2/3: shard i, from 1 to n, of n, at most {MOST}")
    for name, why in (("KEEP", "KEEP=1 waits for a person"),
                      ("PROGRAM", "a program is one thing to run")):
        if values.get(name) not in (None, "", "0"):
            raise Refused(f"{said}: {why}; leave one of the two out")
    if values.get("SEED") == "random":
        raise Refused(f"{said}: with SEED=random each shard would draw one of its own; give a "
                      "number")
    return Shard(int(found[1]), int(found[2]))


def number(value: str | None) -> int | None:
    """Read SHARDS=, of make matrix."""
    if not value:
        return None
    if not re.fullmatch("[0-9]{1,4}", value, re.A) or not int(value):
        raise Refused(f"SHARDS={ui.clean(value)}: give a number of shards from 1 to {MOST}")
    return int(value)


def times_file(value: str | None) -> Path | None:
    """Read TIMES=: a file as `make merge` leaves it."""
    if not value:
        return None
    path = Path(value).expanduser().resolve()
    load(path, f"TIMES={ui.clean(value)}")
    return path


def folders(value: str | None) -> tuple[Path, ...]:
    """Read DIRS=: folders, or patterns of them; one that is named twice is there twice."""
    found: list[Path] = []
    for word in (value or "").split():
        named = [word] if not re.search(r"[*?[]", word) else sorted(glob.glob(word))
        paths = [Path(one).expanduser().resolve() for one in named]
        some = [path for path in paths if path.is_dir()]
        if not some:
            raise Refused(f"DIRS={ui.clean(str(value))}: no folder {ui.clean(word)}")
        found += some
    return tuple(found)


def load(path: Path, said: str = "") -> dict[str, dict[str, float]]:
    """Times by "ARCH VARIANT LANE" and pair."""
    try:
        found = {str(key): {str(pair): float(seconds) for pair, seconds in row.items()}
                 for key, row in json.loads(path.read_text()).items() if key != "$comment"}
    except OSError as err:
        raise Refused(f"{said or path}: {err.strerror}") from err
    except (ValueError, AttributeError, TypeError, RecursionError) as err:
        raise Refused(f"{said or path}: no file of times; make merge leaves one, "
                      "times.json") from err
    # NaN compares as no number does.
    if not all(0 <= seconds < 1e7 for row in found.values() for seconds in row.values()):
        raise Refused(f"{said or path}: a time that is no number of seconds")
    return found


def work(req: Request, arch: archs.Arch, variant: variants.Variant) -> \
        tuple[tuple[str, ...], tuple[str, ...]]:
    """The pairs and lanes that are to run on an arch and variant, in all shards together."""
    names = tuple(name for name in req.lanes if name in variant.lanes and arch.has(LANES[name]))
    only = cases.in_variant(req.cases, variant)
    chosen = req.pairs[:1] if req.program else tuple(
        name for name in req.pairs if cases.any_of(
            only, pairs.files(name, req.pairs_dir), [LANES[lane] for lane in names]))
    return chosen, names


def every(req: Request) -> list[Unit]:
    """All units of a request, in the order of a whole run."""
    found = []
    for arch in req.archs:
        for variant in req.variants:
            chosen, names = work(req, arch, variant)
            found += [Unit(arch.name, variant.name, pair, lane)
                      for pair in chosen for lane in names]
    return found


def _tables(known: Known, unit: Unit, patience: int) -> list[tuple[Mapping[str, float], int]]:
    """Times of a unit's lane, those of its own arch and variant first, and by what to take them.

    A variant of which nothing is known is taken to be as much slower than base as it is patient.
    """
    rows: list[tuple[Mapping[str, float], int]] = []
    for variant, factor in ((unit.variant, 1), (variants.BASE, patience)):
        own = f"{unit.arch} {variant} {unit.lane}"
        others = sorted(key for key in known
                        if key.split()[1:] == [variant, unit.lane] and key != own)
        rows += [(known[key], factor) for key in (own, *others) if known.get(key)]
    return rows


def expected(known: Known, unit: Unit, patience: int, depth: float = 1.0) -> int:
    """Milliseconds that a unit is taken to need: measured, else as other pairs, or other arches."""
    tables = _tables(known, unit, patience)
    for table, factor in tables:
        if unit.pair in table:
            return max(1, round(1000 * table[unit.pair] * factor * depth))
    for table, factor in tables:
        return max(1, round(1000 * statistics.median(table.values()) * factor * depth))
    return round(UNKNOWN * patience * depth)


def _deeper(req: Request, lane: str) -> float:
    """How much longer than usual a lane goes on with DEPTH=."""
    from kplib.configure.request import DEPTHS  # pylint: disable=import-outside-toplevel
    depth, usual = DEPTHS[req.depth], DEPTHS["usual"]
    return {IRQ.name: depth.interrupt / usual.interrupt,
            HISTORY.name: depth.histories / usual.histories}.get(lane, 1.0)


def weigher(req: Request, known: Known) -> Callable[[Unit], int]:
    """What a unit of a request is taken to need, in milliseconds."""
    patience = {variant.name: variant.patience for variant in req.variants}
    return lambda unit: expected(known, unit, patience[unit.variant], _deeper(req, unit.lane))


Needs = Callable[[Piece], Iterable[tuple[object, int]]]


def needs_of(req: Request) -> Callable[[Unit], Iterable[tuple[object, int]]]:
    """What a unit needs once in a shard, however many units need it, and how long that takes."""
    patience = {variant.name: variant.patience for variant in req.variants}
    return lambda unit: ((unit.cell, CELL),
                         ((*unit.cell, "lane", unit.lane), BOOT * patience[unit.variant]),
                         ((*unit.cell, "pair", unit.pair), BUILD))


def _cut(pieces: Sequence[Piece], own: Sequence[int], needs: Needs[Piece], count: int,
         bound: int) -> list[list[Piece]]:
    """Neighbours together, none above the bound if it has more than one; each of the first `count`
    has one at least, as long as there are any."""
    found: list[list[Piece]] = []
    total, seen = 0, set[object]()
    for position, (piece, cost) in enumerate(zip(pieces, own)):
        more = cost + sum(once for key, once in needs(piece) if key not in seen)
        # Left for the shards behind this one.
        enough = len(pieces) - position <= count - len(found)
        if not found or enough or total + more > bound:
            found.append([])
            total, seen = 0, set()
            more = cost + sum(once for _, once in needs(piece))
        total += more
        seen.update(key for key, _ in needs(piece))
        found[-1].append(piece)
    return found


def split(pieces: Sequence[Piece], count: int, weigh: Callable[[Piece], int],
          needs: Needs[Piece]) -> list[list[Piece]]:
    """Cut pieces into `count` parts of neighbours, of which the longest is as short as can be.

    Each piece is in one of them. Where there are fewer pieces than parts the last parts are empty.
    """
    own = [weigh(piece) for piece in pieces]
    least = 0
    most = sum(own) + sum(once for piece in pieces for _, once in needs(piece))
    while least < most:
        middle = (least + most) // 2
        if len(_cut(pieces, own, needs, count, middle)) <= count:
            most = middle
        else:
            least = middle + 1
    found = _cut(pieces, own, needs, count, most)
    return found + [[] for _ in range(count - len(found))]


def by_turns(pieces: Sequence[Piece], shard: Shard | None) -> list[Piece]:
    """A shard's part of pieces that are taken to need the same: each n-th; all without a shard."""
    return list(pieces) if shard is None else list(pieces[shard.index - 1::shard.of])


def settle(req: Request, shard: Shard, known: Known) -> Request:
    """A request that knows which units are its own."""
    units = every(req)
    mine = split(units, shard.of, weigher(req, known), needs_of(req))[shard.index - 1]
    counts = tuple((arch.name, variant.name, sum(
        unit.cell == (arch.name, variant.name) for unit in units))
        for arch in req.archs for variant in req.variants)
    return replace(req, shard=replace(shard, units=tuple(mine), cells=counts))


def here(req: Request, arch: str, variant: str) -> bool:
    """Whether anything of an arch and variant is run; all of it without SHARD."""
    return req.shard is None or any(unit.cell == (arch, variant) for unit in req.shard.units)


def in_lane(req: Request, arch: str, variant: str, lane: str,
            chosen: Iterable[str]) -> tuple[str, ...]:
    """Those of some pairs whose lane is run here."""
    if req.shard is None:
        return tuple(chosen)
    mine = set(req.shard.units)
    return tuple(pair for pair in chosen if Unit(arch, variant, pair, lane) in mine)


def parts(req: Request, arch: str, variant: str) -> dict[str, list[str]]:
    """The lanes that are run here of an arch and variant, by pair."""
    found: dict[str, list[str]] = {}
    for unit in req.shard.units if req.shard else ():
        if unit.cell == (arch, variant):
            found.setdefault(unit.pair, []).append(unit.lane)
    return found


#: Verbs that run a part of what they are asked for, and those that run nothing.
SPLIT = ("run", "soak", "mutants")
IDLE = ("report", "matrix", "update", "doctor", "clean", "distclean", "help")


def check_words(verb: str, given: Iterable[str], req: Any) -> None:
    """Refuse variables of shards that mean nothing to a verb.

    A verb that runs nothing may have SHARD= in its environment, as all commands of a CI's job do.
    """
    names = set(given)
    if "SHARD" in names and verb not in (*SPLIT, *IDLE):
        raise Refused(f"SHARD: for make {', make '.join(SPLIT)}; leave it out")
    if "TIMES" in names and verb not in (*SPLIT, *IDLE):
        raise Refused("TIMES: the times that SHARD= splits by; leave it out")
    if verb == "run" and "TIMES" in names and req.shard is None:
        raise Refused("TIMES: the times that SHARD= splits by; give SHARD=i/n, or leave it out")
    if "SHARDS" in names and verb != "matrix":
        raise Refused("SHARDS: for make matrix, which lists jobs; a job has SHARD=i/n")
    if "DIRS" in names and verb != "merge":
        raise Refused("DIRS: for make merge; leave it out")
