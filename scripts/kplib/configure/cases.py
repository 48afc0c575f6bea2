# SPDX-License-Identifier: GPL-2.0
"""The cases that a pair's suites have, and those that CASE= names.

The engine's are in KP_SUITES() and KP_FUNCTION_SUITES() of kmod/engine/suite.h; a suite
file of the pair lists its own with KP_CASE().
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterable

from kplib.common import ui
from kplib.common.errors import Refused
from kplib.configure.lanes import CHECK, LANES, Lane
from kplib.configure.pairs import Pair
from kplib.configure.variants import Variant
from kplib.contract import rows

#: The engine's cases, of a pair of each kind.
COMMON = ("lockstep", "atomic", "fault")
OF_OBJECTS = ("layout", "locks", "outcomes", "invariants")
OF_FUNCTIONS = ("outcomes",)
#: The case of a pair with programs of its own, or with declared differences.
REGRESS = "regress"
#: The case that tells what programs gave, for make freeze, FROZEN=1 and AGAINST=; no other run has
#: it.
RESULTS = "results"
#: The case of variants whose allocations can fail.
FAULT = "fault"
#: The case of variants with lockdep.
LOCKS = "locks"
#: The cases of the lanes that have one alone, by lane.
LONE = {lane.name: lane.case for lane in LANES.values() if lane.case}
#: Pairs' user programs, by lane.
PROGRAMS = {lane.name: lane.program for lane in LANES.values() if lane.program}
#: Cases that judge the calls of those before them: alone they have none to judge.
SUM_UP = ("outcomes", "invariants")
#: Macros of a suite file's own.
_DEFINE = re.compile(r"^[ \t]*#[ \t]*define\b(?:[^\n]*\\\n)*[^\n]*", re.M)
#: A declared difference that results show: each has a program. One of orderings has none.
_DIVERGES = re.compile(r"KP_DIVERGES\((?!(?:(?!\nKP_|$(?!\n)).)*\.orders\b)", re.S)
_OWN = re.compile(r"\bKP_CASE\s*\(\s*\w+\s*,\s*(\w+)\s*\)")


def _read(path: Path) -> str:
    """A C file without comments and #define lines; empty if it cannot be read."""
    try:
        return _DEFINE.sub(" ", rows.uncommented(path.read_text(errors="replace")))
    except OSError:
        return ""


def of_pair(pair: Pair) -> tuple[str, ...]:
    """The names of a pair's cases, user program included."""
    own = tuple(_OWN.findall(_read(pair.suite)))
    kind = OF_OBJECTS if pair.has_object else OF_FUNCTIONS
    user = tuple(kind for kind, path in pair.programs.items() if path.exists())
    programs = any(not path.name.startswith(".") for path in pair.regress.glob("*"))
    regress = (REGRESS,) if programs or _DIVERGES.search(_read(pair.contract)) else ()
    return (*COMMON, *regress, *own, *kind, *LONE.values(), *user)


def of_lane(wanted: tuple[str, ...], pair: Pair, lane: Lane) -> tuple[str, ...]:
    """Those of the cases wanted that are in a pair's suite of a lane."""
    has = {LONE[lane.name]} if lane.name in LONE else \
        set(of_pair(pair)) - {*LONE.values(), *PROGRAMS.values()}
    return tuple(name for name in wanted if name in has)


def lanes_with(case: str) -> tuple[str, ...]:
    """The lanes that have a case, those first that run without being asked for."""
    return tuple(lane for lane, own in (*LONE.items(), *PROGRAMS.items()) if own == case) \
        or (CHECK.name,)


def in_variant(wanted: tuple[str, ...], kind: Variant) -> tuple[str, ...]:
    """Those of the cases wanted that a variant's suites have."""
    return tuple(name for name in wanted
                 if (name != FAULT or kind.fails) and (name != LOCKS or kind.sees_locks))


def in_suite(wanted: tuple[str, ...], pair: Pair, lane: Lane) -> bool:
    """Whether any case of a pair's suite of a lane is wanted."""
    return not wanted or bool(of_lane(wanted, pair, lane))


def wants_programs(wanted: tuple[str, ...], lane: Lane) -> bool:
    """Whether user programs are wanted in a lane."""
    return bool(lane.program) and (not wanted or lane.program in wanted)


def in_program(wanted: tuple[str, ...], pair: Pair, lane: Lane) -> bool:
    """Whether a pair has a user program, and it is wanted in a lane."""
    return wants_programs(wanted, lane) and pair.programs[lane.program].exists()


def named(value: str) -> tuple[str, ...]:
    """The cases that CASE= names; refuses what none of any pair is."""
    found = tuple(value.replace(",", " ").split())
    if not found:
        raise Refused("CASE names no case; leave it out for all of them")
    for name in found:
        if not re.fullmatch(r"[A-Za-z_]\w{0,62}", name, re.A):
            raise Refused(f"CASE={ui.clean(value)}: give names of cases, such as lockstep")
        if found.count(name) > 1:
            raise Refused(f"CASE={value}: {name} is named twice; name it once")
        if name in SUM_UP:
            raise Refused(f"CASE={value}: {name} judges the calls of the cases before it, and "
                          "has none to judge without them; leave CASE out")
    return found


def any_of(wanted: tuple[str, ...], pair: Pair, lanes: Iterable[Lane]) -> bool:
    """Whether a pair has any of the cases wanted in any of these lanes."""
    return any(in_suite(wanted, pair, lane) or in_program(wanted, pair, lane) for lane in lanes)


def pairs_with(wanted: tuple[str, ...], pairs: tuple[Pair, ...], lanes: tuple[str, ...],
               chosen: bool) -> tuple[str, ...]:
    """The pairs that have any of these cases; `chosen`: they are named by the user, and all must.

    Those that are named for their options of the kernel need not. Refuses a case that none has.
    """
    for name in wanted:
        if not any(name in of_pair(pair) for pair in pairs):
            there = "; ".join(f"{pair.name} has "
                              + ", ".join(c for c in of_pair(pair) if c not in SUM_UP)
                              for pair in pairs)
            raise Refused(f"CASE={name}: no such case; {there}")
    found = tuple(pair.name for pair in pairs
                  if any_of(wanted, pair, [LANES[name] for name in lanes])
                  or chosen and pair.has_config)
    if chosen and (without := [pair.name for pair in pairs if pair.name not in found]):
        raise Refused(f"CASE={','.join(wanted)}: {', '.join(without)} has no such case; "
                      "name other pairs, or leave PAIR out for those that have it")
    return found


def lanes_of(wanted: tuple[str, ...], asked: tuple[str, ...],
             kinds: tuple[Variant, ...]) -> tuple[str, ...]:
    """The lanes that have these cases; refuses a case of a lane that is not to run.

    `asked` are the lanes asked for, `kinds` the variants.
    """
    having = [(name, lane) for name in wanted
              for lane in [one for one in lanes_with(name) if one in asked] or
              lanes_with(name)[:1]]
    for name, lane in having:
        if not any(in_variant((name,), kind) for kind in kinds):
            why, give = ("no allocation fails", "fault") if name == FAULT else \
                ("no lock is seen", "debug")
            raise Refused(f"CASE={name}: in variant {kinds[0].name} {why}; give VARIANT={give}")
        if lane not in asked and LANES[lane].asked:
            raise Refused(f"CASE={name}: it is of lane {lane}, which runs where it is asked for; "
                          f"give LANE={lane}")
        if lane not in asked:
            raise Refused(f"CASE={name}: it is of lane {lane}; leave LANE={asked[0]} out")
        if not any(lane in kind.lanes for kind in kinds):
            raise Refused(f"CASE={name}: it is of lane {lane}, which variant {kinds[0].name} "
                          "does not have: its figures would mislead")
    wants = {lane for _, lane in having}
    return tuple(lane for lane in asked if lane in wants)
