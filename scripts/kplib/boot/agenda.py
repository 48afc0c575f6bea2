# SPDX-License-Identifier: GPL-2.0
"""The work left in a lane, and the case or pair that a lost guest is blamed on.

A case is blamed for a guest that was lost in it only if no other pair had run in that
guest: memory that one pair damages, or a timer that it leaves armed, kills a neighbour.
Where others had run, the pair runs again in a guest of its own, with all its cases. If
the case that was lost passes there, the others are the suspects.

Each pair has a budget of guests, so that one pair costs the others no result. It bounds
the time as well: of n pairs at most n * (STUCK_MAX + 1) guests get stuck, each of which
takes the limit of silence and at most a minute to tell where it is; the other
n * LOST_MAX die at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kplib.boot.console import Position
from kplib.boot.laneresult import CaseId, LaneResult, Loss
from kplib.common.errors import GuestLost

#: How many guests a pair may lose in a lane before the rest of it is given up, and how
#: many of them may get stuck.
LOST_MAX = 12
STUCK_MAX = 4
#: How many guests a lane may lose before anything of a pair runs in them.
UNUSED_MAX = 2
#: Advice for a kernel that does not look for damaged memory itself.
ADVICE = "VARIANT=debug looks for damaged memory, and names who does it"


@dataclass
class Work:
    """One pair's part of the work. `skip` has the cases in which a guest was lost.

    `alone`: the pair gets a guest of its own. `between`: a guest was lost with the pair
    loaded, but in no case of it. `lost` and `stuck` count guests.
    """

    pair: str
    skip: list[Position] = field(default_factory=list)
    alone: bool = False
    between: bool = False
    lost: int = 0
    stuck: int = 0


class Agenda:
    """The work that is left. `advice` is shown where memory may have been damaged."""

    def __init__(self, pairs: tuple[str, ...], result: LaneResult, advice: str = "") -> None:
        self.works = [Work(pair) for pair in pairs]
        self._result = result
        self._advice = (advice,) if advice else ()
        self._unused = 0
        self._doubtful: list[tuple[Loss, str]] = []

    def next(self) -> list[Work]:
        """The next guest's work; empty if nothing is left, or the lane is given up."""
        if self._result.lost:
            return []
        self.works = [work for work in self.works if work.pair not in self._result.answers]
        return [work for work in self.works if work.alone][:1] or self.works

    def lose(self, at: Position, ran: list[str], lost: GuestLost, lines: list[str],
             began: bool = False) -> None:
        """A guest was lost at a position. `ran` are the pairs that had run in it by then.

        `began`: cases of the pair at that position had run, or begun to.
        """
        what = str(lost)
        work = next((w for w in self.works if w.pair == at.pair and w.pair not in ran), None)
        loss = self._result.lose(Loss(self._result.case_id(at), what, lines))
        others = tuple(pair for pair in reversed(ran) if pair != at.pair)
        if work is None:
            self._lose_outside(at, ran, lost, loss)
        elif others and not lost.external:
            work.alone = True
            work.between = not at.case
            loss.suspects = others
            self._doubtful.append((loss, work.pair))
        else:
            self._blame(work, at, lost, loss)
            if began and not at.case and not lost.external:
                loss.notes = (f"{work.pair} ran last in that guest, and is the suspect",
                              *self._advice)

    def _lose_outside(self, at: Position, ran: list[str], lost: GuestLost, loss: Loss) -> None:
        """A guest was lost while no pair ran, or one whose results are there already."""
        if at.pair:
            # The pair had just run, or was being unloaded: the blame is its own.
            loss.notes = () if lost.external else self._advice
            return
        if not ran:
            self._unused += 1
            if self._unused >= UNUSED_MAX:
                self._result.give_up_all(str(lost), lost.console)
        elif not lost.external:
            loss.suspects = tuple(reversed(ran))
            loss.right_behind = True
            self._suspect(loss)

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
        proven = [loss.at for loss in self._result.losses
                  if not any(loss is doubtful for doubtful, _ in self._doubtful)]
        for loss, pair in self._doubtful:
            if loss.at in proven or pair not in self._result.answers:
                loss.suspects = ()
                continue
            where = " ".join(filter(None, (loss.at.suite, loss.at.case, loss.at.path)))
            loss.at = CaseId()
            self._suspect(loss)
            loss.notes = (f"{where} ran at that moment, and passes in a guest of its own",
                          *loss.notes)
        self._doubtful = []


def skipped(works: list[Work]) -> str:
    """The engine's parameter skip."""
    return ",".join(f"{work.pair}.{at.case}.{at.path}"
                    for work in works for at in work.skip if not at.user)


def skipped_sides(work: Work) -> set[str]:
    """The sides that a pair's user program is not to run on."""
    return {at.case for at in work.skip if at.user}
