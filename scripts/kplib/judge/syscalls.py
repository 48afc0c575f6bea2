# SPDX-License-Identifier: GPL-2.0
"""What system calls on a pair's nodes cost, the C node against the Rust node, and whether that is
within budget; and the table of their times.

A pair's program prints the rows (tests/user/costs.h), once on each node. The least cost of an empty
system call is a part of each row, as the program makes all calls by the same instructions; it is
subtracted here. A call and its outcome are judged as operations are, by the same budgets: those
of KP_SYSCALL, else what operations have that say nothing.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from kplib.configure.lanes import SIDES
from kplib.contract.model import Budget
from kplib.judge import ktap
from kplib.judge.budgets import CASE, USUAL, Excess
from kplib.judge.tables import NOOP, SUCCESS, DamagedTable, outcome_name

#: The side that the other one is held against.
REFERENCE, PORT = SIDES
#: Instructions by call, outcome and side. The empty call's come first, as they are.
Calls = dict[str, dict[str, dict[str, int]]]
#: Lines of a program that are meant to be rows.
_ROW = re.compile(r"# cost (?P<name>\w{1,31}) (?P<end>0|-\d{1,4}) (?P<cost>\d{1,15}) "
                  r"(?P<times>[1-9]\d{0,8})", re.A)
_TIME = "# time "
#: The paths that nodes stand for: their caller, the kernel's VFS, is C.
NODES = {side: f"{REFERENCE}->{side}" for side in SIDES}


@dataclass(frozen=True)
class Syscalls:
    """The costs of system calls, and the budgets that the contract has for them: each with how
    many instructions more the call costs on the Rust node that needs it, or None."""

    calls: Calls = field(default_factory=dict)
    budgets: dict[str, tuple[Budget, int | None]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Its part of results.json."""
        return {"calls": self.calls,
                "budgets": {call: {**asdict(budget), "needed": need}
                            for call, (budget, need) in self.budgets.items()}}

    @staticmethod
    def from_json(said: dict[str, Any]) -> Syscalls:
        """The same from results.json."""
        return Syscalls(said["calls"], {
            call: (Budget(row["percent"], row["instructions"], row["why"]), row["needed"])
            for call, row in said["budgets"].items()})


def _gross(side: str, text: str) -> dict[tuple[str, int], int]:
    """The rows that a program has printed on a side."""
    found: dict[tuple[str, int], int] = {}
    for line in text.splitlines():
        if not line.startswith("# cost "):
            continue
        row = _ROW.fullmatch(line)
        if row is None or (row["name"], int(row["end"])) in found:
            raise DamagedTable(f"the costs of system calls on {side}: {line[:100]!r}")
        found[row["name"], int(row["end"])] = int(row["cost"])
    if (NOOP, 0) not in found:
        raise DamagedTable(f"the costs of system calls on {side} have no {NOOP}")
    if not any(end == 0 and name != NOOP for name, end in found):
        raise DamagedTable(f"the costs of system calls on {side}: no call succeeded")
    return found


def parse(said: dict[str, str]) -> Calls:
    """Costs from what the program has printed on each side."""
    found: Calls = {}
    for side, text in said.items():
        rows = _gross(side, text)
        own = rows[NOOP, 0]
        for (name, end), cost in rows.items():
            found.setdefault(name, {}).setdefault(outcome_name(end), {})[side] = \
                cost if name == NOOP else cost - own
    return {name: {end: ends[end] for end in sorted(ends, key=lambda end: end != SUCCESS)}
            for name, ends in found.items()}


def times(figures: str, said: dict[str, str]) -> str:
    """A boot's table of times, in the form of the engine's, whose own table `figures` says at
    which rate the counter goes. Each node is timed beside the C node, so that this one beside
    itself tells the error of the measurement."""
    if any("\n# cost " in text for text in said.values()):
        raise DamagedTable("the program has counted its calls, and not timed them: it has another "
                           "costs.h than kparity's")
    lines = figures.splitlines()[:1]
    # Nothing runs on the other CPU.
    lines += [f"{NODES[side]} beside 0 of 0 ran 0 0:0 0:0" for side in said]
    lines += [f"{NODES[side]} {line.removeprefix(_TIME)}" for side, text in said.items()
              for line in text.splitlines() if line.startswith(_TIME)]
    return "\n".join(lines)


def label(call: str, end: str) -> str:
    """A row's name; success needs no word."""
    return call if end == SUCCESS else f"{call} {end}"


def ratio(row: dict[str, int], side: str) -> float | None:
    """To the C node."""
    reference = row.get(REFERENCE, 0)
    return row[side] / reference if reference > 0 and row.get(side, 0) > 0 else None


def _excess(call: str, end: str, row: dict[str, int]) -> Excess:
    """The Rust node against the C node, both of which have a figure."""
    return Excess(call, end, PORT, row[PORT], row[REFERENCE])


def wrong(call: str, rows: dict[str, dict[str, int]], budget: Budget) -> list[str]:
    """What is over the budget of a call, or has no figure to be held against; lines that tell."""
    found = []
    for end, row in rows.items():
        if any(side not in row for side in SIDES):
            found.append(f"{label(call, end)}: on the node of {', '.join(row)} alone")
        elif (one := _excess(call, end, row)).exceeds(budget):
            share = f"{one.percent:.0f} %" if row[REFERENCE] > 0 else "all of it"
            found.append(f"{label(call, end)}: {row[PORT]} instructions on the Rust node, "
                         f"{row[REFERENCE]} on the C node: {one.more} more, {share}; its budget is "
                         f"{budget.tell()}")
    return found


def used(known: dict[str, Budget], calls: Calls) -> dict[str, tuple[Budget, int | None]]:
    """The contract's budgets, with the most instructions that need each."""
    return {call: (budget, max((row[PORT] - row[REFERENCE]
                                for end, row in calls.get(call, {}).items()
                                if all(side in row for side in SIDES)
                                and _excess(call, end, row).exceeds(USUAL)),
                               default=None))
            for call, budget in known.items()}


def verdicts(suite: str, known: dict[str, Budget], calls: Calls) -> list[ktap.Verdict]:
    """A verdict for each call; both nodes have figures."""
    found = []
    for call, rows in calls.items():
        if call == NOOP:
            continue
        log = wrong(call, rows, known.get(call, USUAL))
        if call in known and SUCCESS not in rows:
            log.append(f"{call}: KP_SYSCALL names it, and it never succeeded: {', '.join(rows)}")
        found.append(ktap.Verdict(suite, CASE, call, ktap.FAIL if log else ktap.PASS, tuple(log)))
    for call in sorted(known.keys() - calls.keys()):
        found.append(ktap.Verdict(suite, CASE, call, ktap.FAIL, (
            f"KP_SYSCALL names {call}, which the program does not call; it calls "
            f"{', '.join(sorted(calls))}",)))
    return found
