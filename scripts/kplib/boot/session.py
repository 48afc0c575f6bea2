# SPDX-License-Identifier: GPL-2.0
"""The requests to one guest, pair after pair, and their answers.

Requests are queued ahead, so that the guest never waits for the host.
"""

from __future__ import annotations

import contextlib
import errno
import re
import time
from dataclasses import dataclass
from typing import Callable

from kplib.boot import agenda, leaks, programs
from kplib.boot.agenda import Work
from kplib.boot.console import Position, Report
from kplib.boot.guest import Guest, Pending
from kplib.boot.laneresult import Answers, LaneResult
from kplib.build.modules import Modules, in_guest
from kplib.build.setup import Setup
from kplib.common.errors import GuestLost
from kplib.configure import cases, pairs
from kplib.configure.lanes import INSN, ORDER, SIDES, TIME
from kplib.configure.request import DEPTHS

DEBUG = "/sys/kernel/debug"
#: Flaws of the CPU, and what the kernel does about each: which code of those that its mitigations
#: could be is in force.
FLAWS = "/sys/devices/system/cpu/vulnerabilities"
#: Lanes that run no program as text, and tell no differences.
_PLAIN = (INSN.name, ORDER.name, TIME.name)
#: kmemleak says nothing of objects younger than 5 s (MSECS_MIN_AGE in mm/kmemleak.c),
#: nor of those whose content changed since the scan before.
LEAK_AGE = 5.1
#: Seconds for a guest to power off, in variant base.
OFF_DEADLINE = 30.0


@dataclass(frozen=True)
class _Asked:
    """The requests for one pair; `named` as in LaneResult.plan()."""

    pair: str
    marks: list[Pending]
    loaded: Pending
    modules: Pending
    named: tuple[str, ...] | None
    cases: Pending
    ran: Pending | None
    results: Pending | None
    failures: Pending | None
    allocations: Pending | None
    more: dict[str, Pending]
    calls: Pending
    told: Pending | None
    figures: Pending
    programs: dict[str, Pending]


class Session:
    """One guest's part of a lane's work."""

    def __init__(self, vm: Guest, setup: Setup, result: LaneResult, built: Modules, token: str,
                 works: list[Work]) -> None:
        self.vm = vm
        self.works = works
        #: Pairs that have run to their end in this guest.
        self.ran: list[str] = []
        #: The guest's /proc/modules, once it has any.
        self.modules = ""
        self._setup, self._result, self._built, self._token = setup, result, built, token
        self._lane = result.lane
        self._asked: list[_Asked] = []
        self._checkers_asked = False
        self._end: list[Pending] = []
        self._options = {checker.option for checker in setup.kernel.variant.checkers}

    @property
    def unloading(self) -> bool:
        """Whether the guest has begun to unload modules."""
        return bool(self._end) and self._end[0].done

    def _mark(self, word: str = "-", case: str = "-") -> Pending:
        """Name on the console the pair, or user program, that the next requests are for."""
        return self.vm.say(f"kparity[{self._token}]: at {word} {case} -")

    def load_engine(self) -> Pending:
        """Queue the engine, with the cases to leave out."""
        request = self._setup.request
        depth = DEPTHS[request.depth]
        variant = self._setup.kernel.variant
        for path, value in variant.settings + (variant.counted if self._lane.counts else ()):
            # A kernel of the user's own may not have it; the engine looks.
            self.vm.write(f"setting {path}", path, value.encode())
        return self.vm.load(
            "loading the engine", in_guest(self._built.engine).read_bytes(),
            f"seed={request.seed} programs={request.programs} mark={self._token} "
            f"skip={agenda.skipped(self.works)} "
            f"given={','.join(w.pair for w in self.works if programs.text(request, w.pair))}"
            + f" interrupt={depth.interrupt}"
            f" histories={depth.histories // self._setup.kernel.variant.patience}"
            + (f" boot={self._result.number} emulated={int(self._lane.accel == 'tcg')}"
               if self._lane.asked else "")
            + (" turns=1" if self._lane.counts and self._lane.turns else "")
            + self._printing()
            + (f" only={self._lane.case or 'regress'} lone=1"
               if request.program else
               f" only={','.join(request.cases)}" if request.cases else "")
            + (f" {table}" if (table := leaks.stack_table(self._setup.kernel)) else ""))

    def _printing(self) -> str:
        """The parameters that have case results run alone."""
        printing = self._setup.request.printing
        if printing is None or self._lane.case:
            return ""
        return (f" only={cases.RESULTS} results={','.join(printing.paths)} "
                f"drawn={int(printing.drawn)}")

    def run(self) -> None:
        """Run all, and end the guest."""
        flaws = self.ask_flaws()
        engine = self.load_engine()
        suites = self.ask_suites()
        flaws()
        engine.ok()
        suites()

    def ask_flaws(self) -> Callable[[], None]:
        """Queue the question what is done about the CPU's flaws, in lanes that tell costs; the
        result takes the answer."""
        if not self._lane.costs:
            return lambda: None
        asked = self.vm.read("asking what is done about the CPU's flaws", FLAWS)

        def take() -> None:
            # A kernel of the user's own may not have them.
            err, _ = asked.answer()
            self._result.told_flaws("" if err == errno.ENOENT else asked.text())

        return take

    def ask_suites(self) -> Callable[[], None]:
        """Queue everything behind the engine; the result takes the answers, to the guest's end."""
        asked = [self.ask(work) for work in self.works]
        # Checkers are asked at the end, and kmemleak wants to be waited for.
        end = None if self._checked() else self.ask_end()

        def take() -> None:
            for one in asked:
                self.take(one)
            self.ask_checkers()
            (end or self.ask_end())()

        return take

    def ask(self, work: Work) -> _Asked:
        """Queue a pair's module, its suite, its user programs, and the reading of results."""
        vm, pair = self.vm, work.pair
        suite = self._lane.suite(pair)
        marks = [self._mark(pair)]
        loaded = vm.load(f"loading {pair}", in_guest(self._built.pairs[pair]).read_bytes())
        modules = vm.read("reading /proc/modules", "/proc/modules")
        plan = vm.read(f"reading the plan of {pair}", f"{DEBUG}/kparity/{pair}/cases")
        if self._lane.name not in _PLAIN and (text := programs.text(self._setup.request, pair)):
            marks.append(vm.write(f"handing over the programs of {pair}",
                                  f"{DEBUG}/kparity/{pair}/programs", text))
        vm.write("clearing what was warned of once", f"{DEBUG}/clear_warn_once", b"1")
        named = self._named(pair)
        any_case = named is None or bool(named)  # a suite without cases is not there
        asked = _Asked(
            pair, marks, loaded, modules, named, plan,
            vm.write(f"running {suite}", f"{DEBUG}/kunit/{suite}/run", b"1") if any_case else None,
            vm.read(f"reading the results of {suite}", f"{DEBUG}/kunit/{suite}/results")
            if any_case else None,
            None if self._lane.name in _PLAIN else
            vm.read(f"reading the failures of {pair}", f"{DEBUG}/kparity/{pair}/failures"),
            vm.read(f"reading the allocations of {pair}", f"{DEBUG}/kparity/{pair}/allocations")
            if self._setup.kernel.variant.fails and not self._lane.counts else None,
            {name: vm.read(f"reading the {name} of {pair}", f"{DEBUG}/kparity/{pair}/{name}")
             for name in self._lane.more},
            vm.read(f"reading the calls of {pair}", f"{DEBUG}/kparity/{pair}/calls"),
            vm.read(f"reading what programs of {pair} gave",
                    f"{DEBUG}/kparity/{pair}/results")
            if self._setup.request.printing and not self._lane.case else None,
            vm.read(f"reading the figures of {pair}",
                    f"{DEBUG}/kparity/{pair}/{self._lane.figures}"),
            {side: self._ask_program(pair, side, marks) for side in self._sides(work)})
        self._mark()
        self._asked.append(asked)
        return asked

    def _sides(self, work: Work) -> list[str]:
        """The sides that a pair's user program is to run on."""
        request = self._setup.request
        if request.program or request.printing \
                or not cases.wants_programs(request.cases, self._lane) \
                or self._lane.user_suite(work.pair) not in self._built.programs:
            return []
        return [side for side in SIDES if side not in agenda.skipped_sides(work)]

    def _ask_program(self, pair: str, side: str, marks: list[Pending]) -> Pending:
        suite = self._lane.user_suite(pair)
        program = self._built.programs[suite].read_bytes()
        marks.append(self._mark(suite, side))
        return self.vm.send(f"running the program of {pair} on {side}",
                            f"exec {len(program)} {self._nodes(pair, side)}", program)

    def _nodes(self, pair: str, side: str) -> str:
        """What a program is to be carried out on; it is timed beside the C node, in an order that
        is drawn anew in each boot."""
        node = f"/dev/kparity-{pair}-{side}"
        if self._lane.name != TIME.name:
            return node
        return (f"/dev/kparity-{pair}-{SIDES[0]},{node},"
                f"{(self._setup.request.seed * 64 + self._result.number) % 2 ** 64}")

    def _named(self, pair: str) -> tuple[str, ...] | None:
        """The cases of CASE= that a pair's suite must have; None without CASE=."""
        request = self._setup.request
        if not request.cases:
            return None
        return cases.of_lane(request.cases, pairs.files(pair, request.pairs_dir), self._lane)

    def take(self, asked: _Asked) -> None:
        """The answers to ask()."""
        pair = asked.pair
        asked.loaded.ok()
        self.modules = asked.modules.text()
        for case, speed in self._result.plan(pair, asked.cases.text(), asked.named).items():
            self.vm.silence.allow(pair, case, speed)
        if asked.ran is not None:
            asked.ran.ok()
        ktap = asked.results.text() if asked.results else None
        failures = asked.failures.text() if asked.failures else ""
        allocations = asked.allocations.text() if asked.allocations else ""
        more = {name: table.text() for name, table in asked.more.items()}
        calls = asked.calls.text()
        told = asked.told.text() if asked.told else ""
        figures = asked.figures.text()
        said = {}
        for side, program in asked.programs.items():
            status, out = program.answer()
            said[side] = status, out.decode(errors="replace")
        for mark in asked.marks:
            mark.ok()
        self._result.take(pair, Answers(ktap, figures, said, failures, allocations,
                                        self.modules, calls, told, more))
        self.ran.append(pair)
        self._setup.progress()

    def ask_end(self) -> Callable[[], None]:
        """Queue the unloading of all modules and the guest's end; the result takes the answers."""
        asked = []
        for work in self.works:
            asked += [self._mark(work.pair),
                      self.vm.send(f"unloading {work.pair}", f"unload kparity_{work.pair}"),
                      self._mark()]
        asked += [self.vm.send("unloading the engine", "unload kparity"),
                  self.vm.send("powering off", "off")]
        self._end = asked

        def take() -> None:
            for one in asked:
                one.ok()
            self.vm.wait_for_end(OFF_DEADLINE * self._setup.kernel.variant.patience)

        return take

    def _checked(self) -> list[str]:
        """Checkers of this kernel that say nothing by themselves, by their rows' names."""
        return [checker.name for checker in self._setup.kernel.variant.checkers
                if checker.option in ("DEBUG_KMEMLEAK", "PROVE_LOCKING")]

    def ask_checkers(self) -> None:
        """Ask checkers that say nothing by themselves."""
        if "DEBUG_KMEMLEAK" in self._options:
            self._leaks()
        if "PROVE_LOCKING" in self._options:
            stats = self.vm.read("asking lockdep", "/proc/lockdep_stats").text()
            found = re.search(r"debug_locks: +(\d)", stats)
            if not found or found.group(1) != "1":
                self._result.turned_off(
                    "lockdep", "lockdep turns itself off at a first report", self.ran)
        self._checkers_asked = True

    def ended(self) -> None:
        """The guest is gone. Note the pairs that checkers were not asked about."""
        for asked in self._asked:
            # The last answers of a pair can come together with the guest's end.
            last = [asked.figures, *asked.programs.values()][-1]
            if last.done and asked.pair not in self.ran:
                with contextlib.suppress(GuestLost):
                    self.take(asked)
        if not self._checkers_asked:
            for checker in self._checked():
                for pair in self.ran:
                    self._result.not_asked(checker, pair,
                                           "its guest was lost before it was asked")

    def _scan(self) -> None:
        self.vm.write("scanning for leaks", f"{DEBUG}/kmemleak", b"scan").ok()

    def _leaks(self) -> None:
        """Have the kernel look for memory that nothing points to."""
        end = time.monotonic() + LEAK_AGE
        self._scan()
        self.vm.idle(end - time.monotonic())
        self._scan()
        text = self.vm.read("reading the leaks", f"{DEBUG}/kmemleak").text()
        for leak in leaks.find(text, self.vm.console.history, Position):
            self._result.report(Report("kmemleak", leak.title, leak.at, list(leak.lines)))
