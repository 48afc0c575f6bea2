# SPDX-License-Identifier: GPL-2.0
"""The cases that a pair's suites have, and those that CASE= names.

The engine's are in KP_SUITES() and KP_FUNCTION_SUITES() of kmod/engine/suite.h; a suite
file of the pair lists its own with KP_CASE().
"""

from __future__ import annotations

import re

from kplib.common import ui
from kplib.common.errors import Refused
from kplib.configure import lanes
from kplib.configure.pairs import Pair

#: The engine's cases, of a pair of each kind.
COMMON = ("lockstep", "atomic")
OF_OBJECTS = ("layout", "outcomes", "invariants")
OF_FUNCTIONS = ("outcomes",)
#: The case of a pair with programs of its own, or with declared differences.
REGRESS = "regress"
#: The case of lane insn.
COUNTS = "insn"
#: The pair's user program.
USER = "user"
#: Cases that judge the calls of those before them: alone they have none to judge.
SUM_UP = ("outcomes", "invariants")
_OWN = re.compile(r"\bKP_CASE\(\s*\w+\s*,\s*(\w+)\s*\)")


def of_pair(pair: Pair) -> tuple[str, ...]:
    """The names of a pair's cases, user program included."""
    try:
        own = tuple(_OWN.findall(pair.suite.read_text(errors="replace")))
    except OSError:
        own = ()
    kind = OF_OBJECTS if pair.has_object else OF_FUNCTIONS
    user = (USER,) if pair.user.exists() else ()
    programs = any(not path.name.startswith(".") for path in pair.regress.glob("*"))
    regress = (REGRESS,) if programs or "KP_DIVERGES(" in pair.read() else ()
    return (*COMMON, *regress, *own, *kind, COUNTS, *user)


def in_suite(wanted: tuple[str, ...], pair: Pair, lane: lanes.Lane) -> bool:
    """Whether any of the cases wanted is in the pair's suite of a lane."""
    has = {COUNTS} if lane.counts else set(of_pair(pair)) - {COUNTS, USER}
    return not wanted or bool(has.intersection(wanted))


def in_program(wanted: tuple[str, ...]) -> bool:
    """Whether user programs are wanted."""
    return not wanted or USER in wanted


def named(value: str) -> tuple[str, ...]:
    """The cases that CASE= names; refuses what none of any pair is."""
    found = tuple(value.replace(",", " ").split())
    if not found:
        raise Refused("CASE names no case; leave it out for all of them")
    for name in found:
        if not re.fullmatch(r"[a-z]\w{0,62}", name, re.A):
            raise Refused(f"CASE={ui.clean(value)}: give names of cases, such as lockstep")
        if found.count(name) > 1:
            raise Refused(f"CASE={value}: {name} is named twice; name it once")
        if name in SUM_UP:
            raise Refused(f"CASE={value}: {name} judges the calls of the cases before it, and "
                          "has none to judge without them; leave CASE out")
    return found


def any_of(wanted: tuple[str, ...], pair: Pair) -> bool:
    """Whether a pair has any of the cases wanted."""
    return not wanted or bool(set(wanted).intersection(of_pair(pair)))


def pairs_with(wanted: tuple[str, ...], pairs: tuple[Pair, ...], chosen: bool) -> tuple[str, ...]:
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
                  if any_of(wanted, pair) or chosen and pair.has_config)
    if chosen and (without := [pair.name for pair in pairs if pair.name not in found]):
        raise Refused(f"CASE={','.join(wanted)}: {', '.join(without)} has no such case; "
                      "name other pairs, or leave PAIR out for those that have it")
    return found


def lanes_of(wanted: tuple[str, ...], asked: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the lanes asked for that have any of these cases."""
    having = {lanes.INSN.name} if COUNTS in wanted else set()
    if set(wanted) - {COUNTS}:
        having.add(lanes.CHECK.name)
    found = tuple(lane for lane in asked if lane in having)
    if not found:
        raise Refused(f"CASE={','.join(wanted)}: lane {asked[0]} has no such case; "
                      "leave LANE out")
    return found
