# SPDX-License-Identifier: GPL-2.0
"""Case cost: what an operation may cost more than on c->c, and whether it does.

An operation is over its budget when the mean of its calls with one outcome exceeds that on c->c by
more than the budget's share of it, and by more than the budget's instructions. Both, as a share of
an operation of ten instructions is one, and a few instructions are nothing of one of a thousand.

Of an operation that waits (`.waits`) what its caller executes is judged. Where that is not counted
it is not judged: what runs meanwhile, and the scheduler, are in its figures then.

How an object is made and ends is judged where its row has a budget of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Container

from kplib.configure.lanes import PATHS, REFERENCE
from kplib.contract.model import UNLIMITED, Budget, Contract
from kplib.judge import ktap
from kplib.judge.tables import MAKING, SUCCESS, Cost

#: The name of the rows.
CASE = "cost"
#: Of an operation whose row says nothing.
USUAL = Budget(10, 4, "")

#: Of an operation that waits where all is counted that runs meanwhile: no limit.
WAITS = Budget(UNLIMITED, 0, "it waits, and this kernel has no probes to tell its caller's part")

#: Of how an object is made or ends, where its row says nothing: no limit.
UNJUDGED = Budget(UNLIMITED, 0, "its row has no budget, so nothing judges it")

#: In place of an operation's name: all whose rows have no budget of their own.
ALL = "each"

#: Costs by operation, outcome and path.
Outcomes = dict[str, dict[str, dict[str, Cost]]]


@dataclass(frozen=True)
class Excess:
    """What calls of an operation with one outcome cost on a path beyond those on c->c: `more`
    instructions, `percent` of what they cost there."""

    op: str
    end: str
    path: str
    cost: float
    reference: float

    @property
    def more(self) -> float:
        """Instructions."""
        return self.cost - self.reference

    @property
    def percent(self) -> float:
        """The same as a share of what it is on c->c; without limit where that is nothing."""
        return 100 * self.more / self.reference if self.reference > 0 else float("inf")

    def exceeds(self, budget: Budget) -> bool:
        """Whether it is over a budget."""
        return self.more > budget.instructions and \
            self.more * 100 > budget.percent * max(0.0, self.reference)

    def tell(self, budget: Budget) -> str:
        """A line for a person."""
        name = self.op if self.end == SUCCESS else f"{self.op} {self.end}"
        return (f"{name}: {self.cost:.1f} instructions, {self.reference:.1f} on {REFERENCE}: "
                f"{self.more:.1f} more, {self.percent:.0f} %; its budget is {budget.tell()}")


def excesses(outcomes: Outcomes) -> list[Excess]:
    """Every operation and outcome on each path that is compared with c->c."""
    return [Excess(op, end, path, row[path].mean, row[REFERENCE].mean)
            for op, rows in outcomes.items() for end, row in rows.items()
            for path in PATHS[1:] if path in row and REFERENCE in row]


def usual(op: str) -> Budget:
    """The budget of what has none in the contract."""
    return UNJUDGED if op in MAKING else USUAL


def _said(contract: Contract, op: str, callers: Container[str]) -> Budget | None:
    """What the contract says of an operation, or of how an object is made or ends; `callers` is as
    for of_contract()."""
    function = contract.costed[op]
    if function.option("waits") and op not in callers:
        return WAITS
    return function.budget or (None if op in MAKING else contract.budget)


def of_contract(contract: Contract, callers: Container[str]) -> dict[str, Budget]:
    """The budget of each operation, and of how an object is made and ends; `callers` has those
    that wait of which the caller's part is counted."""
    return {op: _said(contract, op, callers) or usual(op) for op in contract.costed}


def over(budgets: dict[str, Budget], outcomes: Outcomes) -> list[Excess]:
    """What is over its budget, the largest share first."""
    return sorted((one for one in excesses(outcomes)
                   if one.exceeds(budgets.get(one.op, usual(one.op)))),
                  key=lambda one: -one.percent)


def used(contract: Contract, outcomes: Outcomes,
         callers: Container[str]) -> dict[str, tuple[Budget, Excess | None]]:
    """The budgets that the contract has, each with the largest excess that needs it, or None.

    By operation; that of all whose rows have none is of ALL. `callers` is as for of_contract().
    """
    found: dict[str, tuple[Budget, Excess | None]] = {}
    for op, f in contract.costed.items():
        budget = _said(contract, op, callers)
        if budget is None or op not in outcomes:
            continue
        name = op if f.budget or budget is WAITS else ALL
        needs = [one for one in excesses({op: outcomes[op]}) if one.exceeds(USUAL)]
        needs += [one for one in found.get(name, (budget, None))[1:] if one]
        needs.sort(key=lambda one: one.percent)
        found[name] = budget, needs[-1] if needs else None
    return found


def verdicts(suite: str, passed: set[str], budgets: dict[str, Budget],
             outcomes: Outcomes) -> list[ktap.Verdict]:
    """A verdict for each path on which case insn has passed."""
    wrong = over(budgets, outcomes)
    found = []
    for path in PATHS:
        if path not in passed:
            continue
        log = [one.tell(budgets.get(one.op, usual(one.op))) for one in wrong if one.path == path]
        status = ktap.FAIL if log else ktap.PASS
        if not log and path != REFERENCE and not any(
                one.path == path and one.op not in MAKING for one in excesses(outcomes)):
            status, log = ktap.ERROR, [f"no operation has a figure here and on {REFERENCE}"]
        if not log and (bare := [op for op in MAKING if op not in outcomes
                                 and budgets.get(op, UNJUDGED) != UNJUDGED]):
            status, log = ktap.ERROR, [f"{' and '.join(bare)}: a budget, and no figure"]
        found.append(ktap.Verdict(suite, CASE, path, status, tuple(log)))
    return found
