# SPDX-License-Identifier: GPL-2.0
"""The work left in a lane, and the case or pair that a lost guest is blamed on.

A case is blamed for a guest that was lost in it only if no other pair had run in that
guest: memory that one pair damages, or a timer that it leaves armed, kills a neighbour.
Where others had run, the pair runs again in a guest of its own, with all its cases. If
the case that was lost passes there, the others are the suspects: unless the pair has
lost a guest in which it ran alone, or the guest died in code of the pair itself. Where the
first module in the stack is that of another pair which had run, that pair is the suspect.

A guest that somebody else ended says nothing of the case that ran: the loss is the lane's,
and the case runs again, once for each pair. The run is an error all the same.

Each pair has a budget of guests, so that one pair costs the others no result. It bounds
the time as well: of n pairs at most n * (STUCK_MAX + 2) guests get stuck, each of which
takes the limit of silence and at most a minute to tell where it is; the other
n * (LOST_MAX + 1) die at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kplib.boot import leaks
from kplib.boot.console import Position, Report
from kplib.boot.laneresult import CaseId, LaneResult, Loss
from kplib.common.errors import GuestLost

#: How many guests a pair may lose in a lane before the rest of it is given up, and how
#: many of them may get stuck.
LOST_MAX = 12
STUCK_MAX = 4
#: How many guests in a row a lane may lose before anything of a pair runs in them.
UNUSED_MAX = 2
#: Advice for a kernel that does not look for damaged memory itself.
ADVICE = "VARIANT=debug looks for damaged memory, and names who does it"


#: The code that a guest died in, if it is a pair's: where the CPU was (RIP on x86, pc on
#: arm64; not its callers, which may pass on what a neighbour has damaged), or a panic of Rust,
#: whose file is x.rs in rust-stub or in a folder x.
_DIED_IN = re.compile(r"(?:\bRIP: \S+|^pc : \S+) \[kparity_(\w+)\]"
                      r"|^rust_kernel: panicked at (?:\S*/)?rust-stub/(\w+)\.rs:"
                      r"|^rust_kernel: panicked at \S*/(\w+)/\3\.rs:", re.M)


def died_in(lines: list[str]) -> str:
    """The pair in whose code a guest died, or empty."""
    found = _DIED_IN.search("\n".join(lines))
    return (found.group(1) or found.group(2) or found.group(3)) if found else ""


@dataclass(frozen=True)
class _Doubt:
    """A loss in a case of `pair` that may be a neighbour's, and the complaints before it."""

    loss: Loss
    pair: str
    before: list[Report[Position]]


@dataclass
class Work:
    """One pair's part of the work. `skip` has the cases in which a guest was lost.

    `alone`: the pair gets a guest of its own. `between`: a guest was lost with the pair
    loaded, but in no case of it. `ended`: somebody has ended a guest that ran it. `lost`
    and `stuck` count guests.
    """

    pair: str
    skip: list[Position] = field(default_factory=list)
    alone: bool = False
    between: bool = False
    ended: bool = False
    lost: int = 0
    stuck: int = 0


class Agenda:
    """The work that is left. `advice` is shown where memory may have been damaged."""

    def __init__(self, pairs: tuple[str, ...], result: LaneResult, advice: str = "") -> None:
        self.works = [Work(pair) for pair in pairs]
        self._result = result
        self._advice = (advice,) if advice else ()
        self._unused = 0
        self._doubtful: list[_Doubt] = []
        #: Pairs that have lost a guest in which no other had run, and where.
        self._alone: set[tuple[str, CaseId]] = set()

    def next(self) -> list[Work]:
        """The next guest's work; empty if nothing is left, or the lane is given up."""
        if self._result.lost:
            return []
        self.works = [work for work in self.works if work.pair not in self._result.answers]
        return [work for work in self.works if work.alone][:1] or self.works

    def lose(self, at: Position, ran: list[str], lost: GuestLost, lines: list[str],
             began: bool = False, unloading: bool = False,
             before: list[Report[Position]] | None = None,
             program: tuple[str, ...] = ()) -> None:
        """A guest was lost at a position. `ran` are the pairs that had run in it by then.

        `began`: cases of the pair at that position had run, or begun to. `unloading`: no
        pair was to run any more. `before` has complaints about that pair, which are
        its own only if the loss is. `program` ran in the guest.
        """
        what = str(lost)
        work = next((w for w in self.works if w.pair == at.pair and w.pair not in ran), None)
        loss = self._result.lose(Loss(self._result.case_id(at), what, lines, program=program))
        others = tuple(pair for pair in reversed(ran) if pair != at.pair)
        named = "" if lost.stuck else next(iter(leaks.MODULE.findall("\n".join(lines))), "")
        if named in others and not lost.external:
            ran_then = _where(loss.at)
            self._move(loss, (named,), before or [])
            loss.notes = (*((f"{ran_then} ran at that moment",) if ran_then else ()),
                          f"the first module in the stack is that of {named}, the suspect")
            return
        if work is not None and others and not lost.external:
            self._doubtful.append(_Doubt(loss, work.pair, before or []))
        else:
            self._report(before or [])
        if work is not None or ran:
            self._unused = 0
        if work is None:
            self._lose_outside(at, ran, lost, loss, unloading)
        elif lost.external and not work.ended:
            work.ended = True
            loss.notes = (f"{_where(loss.at)} ran at that moment, and was run again",)
            loss.at = CaseId()
        elif others and not lost.external:
            work.alone = True
            work.between = not at.case
            loss.suspects = others
        else:
            if not lost.external:
                self._alone.add((work.pair, loss.at))
            self._blame(work, at, lost, loss)
            if began and not at.case and not lost.external:
                loss.notes = (f"{work.pair} ran last in that guest, and is the suspect",
                              *self._advice)

    def lose_boot(self, lost: GuestLost, again: bool) -> None:
        """A guest was lost before it could take a request. `again`: another may do better."""
        self._unused += 1
        if not again or self._unused >= UNUSED_MAX:
            self._result.give_up_all(str(lost), lost.console)
        else:
            self._result.lose(Loss(CaseId(), str(lost), notes=("another guest was booted",)))

    def _report(self, reports: list[Report[Position]]) -> None:
        """Complaints are what they seem to be."""
        for report in reports:
            self._result.report(report)

    def _move(self, loss: Loss, suspects: tuple[str, ...], before: list[Report[Position]]) -> None:
        """A loss is no case's own, and nor are the complaints before it."""
        loss.at, loss.suspects = CaseId(), suspects
        loss.lines = [*loss.lines, *(line for report in before for line in report.lines)]

    def _lose_outside(self, at: Position, ran: list[str], lost: GuestLost, loss: Loss,
                      unloading: bool) -> None:
        """A guest was lost while no pair ran, or one whose results are there already."""
        if at.pair in ran:
            # The pair had just run, or was being unloaded: the blame is its own.
            loss.notes = () if lost.external else self._advice
            return
        loss.at = CaseId()
        if not ran:
            self._unused += 1
            if self._unused >= UNUSED_MAX:
                self._result.give_up_all(str(lost), lost.console)
        elif not lost.external:
            loss.suspects = tuple(reversed(ran))
            loss.right_behind = not unloading
            self._suspect(loss)
            if unloading and len(ran) > 1:
                loss.notes = ("modules were unloaded by then; a timer or work that one of them "
                              f"left may be the cause: {', '.join(ran)}", *self._advice)

    def _suspect(self, loss: Loss) -> None:
        first, *rest = loss.suspects
        loss.notes = (f"{first} ran last in that guest, and is the suspect"
                      + (f"; before it ran {', '.join(rest)}" if rest else ""), *self._advice)

    def _blame(self, work: Work, at: Position, lost: GuestLost, loss: Loss) -> None:
        """The pair that ran is blamed, and its budget charged."""
        work.lost += 1
        work.stuck += lost.stuck
        why = ""
        if at.case:
            work.skip.append(at)
        elif work.between:
            why = "two guests were lost with it loaded, in no case of it"
        else:
            # Lost between two cases. The next guest may get further.
            work.between = work.alone = True
        if work.lost >= LOST_MAX or work.stuck >= STUCK_MAX:
            why = f"given up after it lost {work.lost} guests"
        if why:
            self._result.give_up(work.pair, f"{why}; the last one: {lost}")
            self.works.remove(work)

    def settle(self) -> None:
        """Decide on losses that are either the case's own fault or a neighbour's.

        To be called once the pairs concerned have run alone.
        """
        for doubt in self._doubtful:
            loss, pair = doubt.loss, doubt.pair
            where = _where(loss.at)
            own: tuple[str, ...] | None = None
            if (pair, loss.at) in self._alone or pair not in self._result.answers:
                own = ()
            elif elsewhere := [_where(at) for alone, at in self._alone if alone == pair]:
                own = (f"passes when run again, but {pair} has lost a guest in which it ran "
                       f"alone as well: {', '.join(sorted(elsewhere))}",)
            elif died_in(loss.lines) == pair:
                own = (f"passes when run again, in a guest of its own, but this one died in "
                       f"code of {pair}; before it ran {', '.join(loss.suspects)}",)
            if own is not None:
                loss.suspects, loss.notes = (), own
                self._report(doubt.before)
                continue
            self._move(loss, loss.suspects, doubt.before)
            self._suspect(loss)
            loss.notes = (f"{where} ran at that moment, and passes in a guest of its own",
                          *loss.notes)
        self._doubtful = []


def _where(at: CaseId) -> str:
    return " ".join(filter(None, (at.suite, at.case, at.path)))


def skipped(works: list[Work]) -> str:
    """The engine's parameter skip."""
    return ",".join(f"{work.pair}.{at.case}.{at.path}"
                    for work in works for at in work.skip if not at.user)


def skipped_sides(work: Work) -> set[str]:
    """The sides that a pair's user program is not to run on."""
    return {at.case for at in work.skip if at.user}
