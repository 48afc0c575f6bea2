# SPDX-License-Identifier: GPL-2.0
"""The lanes: the purposes of a boot."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Caller and side, as the engine names paths (kp_path_name), and the one that others are held
#: against.
PATHS = ("c->c", "c->rust", "rust->c", "rust->rust")
REFERENCE = PATHS[0]

#: The implementations, as the device nodes of a pair with a user program name them; C first.
SIDES = ("c", "rust")

#: The kinds of user programs, which are cases of a pair as well. All drive the pair's nodes
#: through system calls: one at a time, from two processes at the same time, and counted, or timed
#: on both nodes in turn.
USER = "user"
USER_HISTORY = "user_history"
USER_COSTS = "user_costs"
KINDS = (USER, USER_HISTORY, USER_COSTS)


def user_suite(pair: str, kind: str) -> str:
    """Name under which the results of a pair's user program appear."""
    return f"{pair}_{kind}"


def user_kind(pair: str, suite: str) -> str:
    """The kind of a pair's user program whose results a suite has; empty if it has none's."""
    return next((kind for kind in KINDS if suite == user_suite(pair, kind)), "")


@dataclass(frozen=True)
class Lane:
    """Purpose of a boot, and what executes its instructions.

    `counts`: the guest's clock counts executed instructions. `turns`: so it does under TCG; its
    CPUs then take turns, which depend on these counts alone and not on the host. `suffix` ends the
    names of the lane's suites (KP_SUITES() in engine/suite.h), `figures` is the file in debugfs, in
    the pair's folder, that is read after its suite, and `more` are further ones. `program` is the
    kind of the pairs' user programs that run in it (kplib.configure.pairs), where any do.
    `case` is its only case, where it has no more. `plugin` names one of QEMU's that runs in it
    and reads the arch's instructions, so that not every arch has the lane. `late`: its results
    come behind those of the others, which are told before. `asked`: it runs where LANE= names it
    alone, in as many boots as BOOTS= says. `timers`: its cases go by timers, which have to be
    precise. `accel` is "tcg" or "kvm", `why` the
    reason for it.
    """

    name: str
    cpus: int
    counts: bool
    suffix: str
    figures: str
    program: str
    case: str = ""
    plugin: str = ""
    late: bool = False
    asked: bool = False
    turns: bool = False
    timers: bool = False
    more: tuple[str, ...] = ()
    accel: str = "tcg"
    why: str = ""

    def on(self, accel: str, why: str) -> Lane:
        """The same lane with an accelerator, and the reason for it."""
        return replace(self, accel=accel, why=why,
                       counts=self.counts or self.turns and accel == "tcg")

    @property
    def mode(self) -> str:
        """The entry of the arch's machine, cpu and cmdline to use."""
        return self.name if self.counts else self.accel

    @property
    def costs(self) -> bool:
        """Whether it tells what operations cost, in instructions or in time."""
        return self.name in ("insn", "time")

    def describe(self) -> str:
        """The accelerator, in words."""
        how = "TCG, -icount shift=0" if self.counts else self.accel.upper()
        return f"{how} ({self.why})"

    def suite(self, pair: str) -> str:
        """Name of a pair's KUnit suite."""
        return f"{pair}{self.suffix}"

    def user_suite(self, pair: str) -> str:
        """Name under which the results of a pair's user program appear, if the lane runs any."""
        return user_suite(pair, self.program) if self.program else ""


CHECK = Lane("check", cpus=2, counts=False, suffix="", figures="invariants", program=USER)
INSN = Lane("insn", cpus=1, counts=True, suffix="_insn", figures="cost",
            program=USER_COSTS, case="insn", more=("growth", "depth", "alone", "first"),
            why="counting needs emulation")
HISTORY = Lane("history", cpus=2, counts=False, suffix="_history", figures="histories",
               program=USER_HISTORY, case="history", late=True, turns=True,
               timers=True)
IRQ = Lane("irq", cpus=1, counts=True, suffix="_irq", figures="interruptions", program="",
           case="interrupt", late=True, more=("masked",), timers=True,
           why="an interruption at a chosen instruction needs counting")
ORDER = Lane("order", cpus=1, counts=True, suffix="_order", figures="orderings", program="",
             case="ordering", plugin="orders", late=True,
             why="what is executed is read from a CPU that is emulated")
TIME = Lane("time", cpus=2, counts=False, suffix="_time", figures="times", program=USER_COSTS,
            case="time", asked=True)
#: Every lane, by name.
LANES = {lane.name: lane for lane in (CHECK, INSN, HISTORY, IRQ, ORDER, TIME)}
#: Those that run where nothing is said of lanes.
USUAL = tuple(lane.name for lane in LANES.values() if not lane.asked)
#: Those that DEPTH=quick is without.
LATE = tuple(lane.name for lane in LANES.values() if lane.late)
