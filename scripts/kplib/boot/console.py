# SPDX-License-Identifier: GPL-2.0
"""A guest's console, read as it comes: where the run is, and what the kernel reports.

What is printed there never is a verdict, but tells what to blame. Lines that
the engine and the host write (kmod/engine/progress.c) carry a word of this boot
and say which case runs on which path; a report belongs to the last one above it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Callable, Generic, TypeVar

from kplib.boot import leaks
from kplib.common import ui
from kplib.common.errors import EnvironmentFailed

#: A console that grows beyond this is a flood, and no one reads it to the end.
CONSOLE_MAX = 16 << 20
_LINE_MAX = 1000
_REPORT_LINES = 120
_REPORTS_MAX = 200
#: Why a guest gives up, in the words of kernel/panic.c and qemu/init.c.
_LAST_WORDS = re.compile(r"(?:Kernel (panic) - not syncing|kparity (init)): (.*)")
_STAMP = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")


@dataclass(frozen=True)
class Position:
    """The pair, case and path that the console named last; empty strings for none.

    `user`: it is the pair's user program that runs, and `case` the side that it runs on.
    """

    pair: str = ""
    case: str = ""
    path: str = ""
    user: bool = False


def position(word: str, case: str, path: str) -> Position:
    """Position that a marker's words name; "-" is none. A pair's name has no underscore."""
    def name(text: str) -> str:
        return "" if text == "-" else text

    pair, _, kind = word.partition("_")
    return Position(name(pair), name(case), name(path), kind.startswith("user"))


At = TypeVar("At")


@dataclass
class Report(Generic[At]):
    """One complaint of the kernel. `checker` says of what kind; `at` whom it concerns.

    `times` is how often it came; the lines are those of the first. `since` is how many
    cases had begun in its guest by then.
    """

    checker: str
    title: str
    at: At
    lines: list[str] = field(default_factory=list)
    times: int = 1
    since: int = 0

    @property
    def named(self) -> str:
        """The pair whose module is the first one in its stacks, or empty."""
        return next(iter(leaks.MODULE.findall("\n".join((self.title, *self.lines)))), "")

    def heading(self) -> str:
        """The title, and how often it came."""
        return f"{self.title} ({self.times} times)" if self.times > 1 else self.title

    def same(self, other: Report[At]) -> bool:
        """Whether two are the same complaint about the same case and path.

        One from before the first case is another: it is the kernel's own.
        """
        return (self.checker, self.title, self.at, bool(self.since)) == (
            other.checker, other.title, other.at, bool(other.since))


def add(found: list[Report[At]], report: Report[At]) -> None:
    """Keep a report, or count it where the same one is there.

    There is a limit for each kind and case: whatever one case is flooded with, the
    first complaint about another is kept.
    """
    like = [have for have in found if (have.checker, have.at) == (report.checker, report.at)]
    for have in like:
        if have.same(report):
            have.times += report.times
            return
    if len(like) < _REPORTS_MAX:
        found.append(report)


#: Kinds of reports by how they begin; the first that fits counts. Words are those
#: of the kernel's own: mm/kasan/report.c, kernel/kcsan/report.c, lib/ubsan.c,
#: kernel/locking/lockdep.c, kernel/sched/core.c, lib/debugobjects.c,
#: kernel/rcu/tree_stall.h, kernel/watchdog.c, kernel/hung_task.c, lib/bug.c.
_KINDS = tuple((name, re.compile(pattern)) for name, pattern in (
    ("kasan", r"BUG: KASAN: "),
    ("kcsan", r"BUG: KCSAN: "),
    ("ubsan", r"UBSAN: "),
    ("sleep", r"BUG: (sleeping function called from|scheduling while atomic)"),
    ("odebug", r"ODEBUG: |WARNING: lib/debugobjects\.c|.*ODEBUG: "),
    ("lockdep", r"WARNING: (possible |inconsistent lock|bad unlock|held lock|lock held|nested lock|"
                r"suspicious RCU|[\w-]+-safe -> |.*lock order|.*/locking/lockdep\.c|"
                r"invalid (wait|lock))|BUG: Invalid wait context|\[ BUG: Invalid wait context|"
                r"BUG: (key|lock|held)|INFO: trying to register non-static key|"
                r"DEBUG_LOCKS_WARN_ON"),
    ("stall", r"rcu: INFO: rcu_\w+ (self-)?detected|rcu: rcu_\w+ kthread |"
              r"(NMI )?watchdog: (BUG: )?|BUG: workqueue lockup|INFO: rcu_\w+ "),
    # The guest's init waits uninterruptibly for each case, however long that takes and
    # whatever it says of itself: that it is blocked is no complaint.
    ("hung", r"INFO: task (?!init:1 ).* (blocked (for|on)|is blocked)"),
    ("rust", r"rust_kernel: panicked at "),
    ("oops", r"BUG: (unable to handle|kernel NULL)|Oops|Internal error: |kernel BUG at |"
             r"Unable to handle kernel |general protection fault|Unhandled |"
             r"(stack|int3|invalid opcode|divide error|stack segment).*: \d{4} \[#|"
             r"BUG: stack guard page|Insufficient stack space"),
    ("panic", r"Kernel panic - not syncing"),
    ("oom", r"Out of memory: |.* invoked oom-killer"),
    ("warn", r"WARNING: (CPU: |.* at |.*:\d+ )|WARNING: |list_(add|del) corruption|"
             r"slab .* corruption|BUG kmalloc|BUG \w+ \("),
    ("bug", r"BUG: "),
))
_STARTS = re.compile("|".join(f"(?:{kind.pattern})" for _, kind in _KINDS))
#: Kinds after which nothing in that guest can be trusted.
FATAL = frozenset({"oops", "rust", "panic"})
#: Kinds that a variant's checkers print.
CHECKERS = frozenset({"kasan", "kcsan", "ubsan", "sleep", "odebug", "lockdep"})
_ENDS = re.compile(r"---\[ end (trace|Kernel panic)|={20,}$|-{20,}$")
#: After a panic's own stack come those of the other CPUs, which did nothing.
_OTHERS = re.compile(r"Sending NMI |NMI backtrace for cpu ")
_PANICKED = re.compile(r"---\[ end Kernel panic - not syncing: ")
_LAST_FRAME = re.compile(r" *</TASK>")
#: Results of cases that go on while a CPU says what it dies of.
_RESULT = re.compile(r" *(KTAP version \d|1\.\.\d|(not )?ok \d|# \w+: )")


#: An access in a report of KCSAN, which its stack follows. Marked ones are in parentheses.
_ACCESS = re.compile(r"((?:read|write|assert).*) to 0x[0-9a-f]+ of \d+ bytes by ")

#: Functions of the kernel that write plainly what others read by its own interface, each with the
#: names of those that it is inlined into.
_WRITES_PLAINLY = {
    # kernel/workqueue.c: __set_bit(WORK_STRUCT_LINKED_BIT) under the pool's lock, of the word that
    # work_pending() and delayed_work_pending() look at without it.
    "insert_wq_barrier": r"insert_wq_barrier|start_flush_work|__flush_work",
    # The same file: __clear_bit(WORK_STRUCT_INACTIVE_BIT) of that word.
    "__pwq_activate_work": r"__pwq_activate_work|pwq_\w+|node_activate_\w+|unplug_oldest_pwq",
}
_KNOWN = re.compile(rf" *(?:{'|'.join(_WRITES_PLAINLY.values())})\+")


def plain(line: str) -> str:
    """A console line without printk's time."""
    return _STAMP.sub("", line, count=1)


def kind_of(line: str) -> str | None:
    """Kind of the report that a console line begins, or None."""
    if not _STARTS.match(line):
        return None
    return next(name for name, pattern in _KINDS if pattern.match(line))


def foreign(report: Report[At]) -> bool:
    """Whether a race is the kernel's own: neither access is in a module of ours.

    The title names both. The kernel races with itself on purpose here and there
    (workqueue.c, where work is queued and cancelled at a time), and KCSAN_STRICT tells of
    all of it. That our code called it says nothing of our code. A helper that is not
    inlined, like those of lists, accesses memory for its caller: where our code is the
    caller of both, and neither access is an atomic one of the helper's, the race is ours.
    A marked access of ours, as READ_ONCE(), is all that code can do about a word which a
    function of _WRITES_PLAINLY changes.
    """
    if "[kparity" in report.title:
        return _written_plainly(report.lines)
    return not _through_helpers(report.lines)


def _accesses(lines: list[str]) -> list[tuple[str, list[str]]]:
    """How each access of a race is told, and its stack behind it."""
    return [(found.group(1), lines[number + 1:]) for number, line in enumerate(lines)
            if (found := _ACCESS.match(line))]


def _written_plainly(lines: list[str]) -> bool:
    """Whether a race is of a marked access with the plain one of a function that is known."""
    both = _accesses(lines)
    known = [bool(stack and _KNOWN.match(stack[0])) and "(" not in what
             for what, stack in both]
    marked = ["(marked" in what for what, _ in both]
    return len(both) == 2 and any(known[i] and marked[1 - i] for i in (0, 1))


def _through_helpers(lines: list[str]) -> bool:
    """Whether both accesses of a race are plain ones of functions that our code called."""
    both = _accesses(lines)
    return len(both) == 2 and all(
        "(" not in what and "[kparity_" in "".join(stack[1:2]) for what, stack in both)


class Console:
    """Reads a console's bytes as they come and keeps them in a file."""

    def __init__(self, token: str, file: BinaryIO | None = None) -> None:
        self._marker = re.compile(
            rf"kparity\[{re.escape(token)}\]: (?:at (\S+) (\S+) (\S+)(?: (\d+))?|alive)$")
        self._of_program = re.compile(rf"kparity\[{re.escape(token)}\]: \|(?: (.*)|(\.)|\+(.*))$")
        self._file = file
        self._rest = b""
        self._open: Report[Position] | None = None
        self.position = Position()
        self.reports: list[Report[Position]] = []
        #: Each position with the tick of the guest's clock at which it began.
        self.history: list[tuple[int, Position]] = []
        #: Lines of the program that ran when the kernel panicked, once all have come.
        self.program: tuple[str, ...] = ()
        self._program: list[str] = []
        #: Pairs that any marker has named.
        self.named: set[str] = set()
        self.size = 0
        #: Whom to show it to as it comes.
        self.show: Callable[[bytes], None] | None = None
        #: Whether the kernel has panicked, and said all about that.
        self.panicked = False
        #: Why the kernel ("panic") or init gave up, once it said so.
        self.last_words: dict[str, str] = {}
        self._frozen = False
        #: When the host last saw something that proves progress.
        self.progress = time.monotonic()
        self.last = self.progress

    @property
    def flooded(self) -> bool:
        """Whether the guest printed more than anyone reads."""
        return self.size > CONSOLE_MAX

    def feed(self, data: bytes) -> None:
        """Take bytes that the guest printed."""
        self.last = time.monotonic()
        self.size += len(data)
        if self.show is not None:
            self.show(data)
        if self.flooded:
            return
        if self._file is not None:
            try:
                self._file.write(data)
            except OSError as err:
                raise EnvironmentFailed(f"cannot write a guest's console: {err.strerror}") from err
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LINE_MAX:
            lines.append(self._rest)
            self._rest = b""
        for raw in lines:
            self._line(ui.clean(raw[:_LINE_MAX].rstrip(b"\r").decode(errors="replace")))

    def blamed(self, report: Report[Position]) -> Report[Position]:
        """A report as one about the pair whose module is the first in its stacks.

        Work that one pair has queued can run, and be complained of, while another runs.
        """
        if not report.at.pair or report.named in ("", report.at.pair):
            return report
        before = [(0, at) for _, at in self.history[:report.since]]
        at = leaks.blame(f"[kparity_{report.named}]", 0, [*before, (0, report.at)], Position)
        return replace(report, at=at)

    def freeze(self) -> None:
        """From now on the position stays as it is, and nothing is a report any more.

        What a guest prints while the host has it dump its state says nothing of the
        moment at which that became necessary.
        """
        self._frozen = True
        self._open = None

    def close(self) -> None:
        """No more will come."""
        if self._rest:
            self.feed(b"\n")
        self._open = None

    def _begin(self, kind: str, line: str) -> None:
        """A line that a report begins with."""
        self._open = Report(kind, line.strip(), self.position, [line], since=len(self.history))
        add(self.reports, self._open)

    def _line(self, text: str) -> None:
        line = plain(text)
        self.panicked = self.panicked or bool(_PANICKED.match(line))
        if found := self._of_program.match(line):
            if found.group(2):
                self.program = tuple(self._program)
            elif found.group(3) and self._program:
                self._program[-1] += found.group(3)
            else:
                self._program.append(found.group(1) or "")
            return
        if self._frozen:
            return
        if marker := self._marker.match(line):
            self.progress = time.monotonic()
            if marker.group(1):
                self.position = position(*marker.groups()[:3])
                self.named.add(self.position.pair)
                if marker.group(4):
                    self.history.append((int(marker.group(4)), self.position))
            # One CPU can run the next cases while another one says what it dies of.
            if self._open is not None and self._open.checker not in FATAL:
                self._open = None
            return
        if found := _LAST_WORDS.match(line):
            self.last_words.setdefault(found.group(1) or found.group(2), found.group(3))
        if self._open is None:
            kind = kind_of(line)
            if kind is not None:
                self._begin(kind, line)
            return
        report = self._open
        if report.checker == "panic" and _OTHERS.match(line):
            self._open = None
            return
        kind = kind_of(line)
        if kind in CHECKERS and kind != report.checker and report.checker not in FATAL:
            # Reports like that of a bad page have no end of their own.
            self._begin(kind, line)
            return
        if report.checker in FATAL and _RESULT.match(line):
            return
        report.lines.append(line)
        if kind in FATAL:
            report.checker = report.checker if report.checker in FATAL else "oops"
        long = len(report.lines) >= _REPORT_LINES
        over = bool(_ENDS.match(line)) and (report.checker != "lockdep" or "end trace" in line)
        last = report.checker in ("lockdep", "sleep", "hung") and _LAST_FRAME.match(line)
        if over or last or long:
            self._open = None
