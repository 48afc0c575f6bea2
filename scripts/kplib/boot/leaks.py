# SPDX-License-Identifier: GPL-2.0
"""Leaks that kmemleak found, and the pair that each belongs to.

kmemleak dates an object in ticks, and the console tells what ran at a tick. That
alone would blame whatever runs when another pair's work, queued before, allocates.
Where the stack of the allocation names a pair's module, it is that pair's.

A scan reads all memory that kmemleak knows of, and more than half of that is a table of
the kernel's which leads nowhere: the engine has it left out, where the host knows its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Generic, Iterator, Protocol, Sequence, TypeVar

from kplib.build.kernel import Kernel

_OBJECT = re.compile(r"unreferenced object 0x[0-9a-f]+ \(size (\d+)\):$")
_WHEN = re.compile(r"jiffies (\d+)")
#: How a stack names a function of a pair's module.
MODULE = re.compile(r"\[kparity_(\w+)\]")
#: The variable that points to the table of lib/stackdepot.c, in the kernel's System.map.
_TABLE = re.compile(rb"^([0-9a-f]{16}) b stack_table$", re.M)


def stack_table(kernel: Kernel) -> str:
    """The engine's parameter of that name; empty where nothing is to be left out.

    The kernel must be at the addresses that its build has told, the table made while it
    boots, as KASAN wants it. A KDIR's files may be of another build than what boots.
    """
    config = kernel.config
    if (config.get("CONFIG_DEBUG_KMEMLEAK") != "y"
            or config.get("CONFIG_STACKDEPOT_ALWAYS_INIT") != "y"
            or config.get("CONFIG_RANDOMIZE_BASE") == "y"
            or kernel.entry not in kernel.build.parents):
        return ""
    try:
        found = _TABLE.findall((kernel.build / "System.map").read_bytes())
    except OSError:
        return ""
    return f"stack_table=0x{found[0].decode()}" if len(found) == 1 else ""


class Place(Protocol):
    """A pair that runs, and a case of it if there is one."""

    @property
    def pair(self) -> str:
        """The pair's name, or empty."""

    @property
    def case(self) -> str:
        """The case's name, or empty."""


At = TypeVar("At", bound=Place)


@dataclass(frozen=True)
class Leak(Generic[At]):
    """Objects that one place has allocated. The lines are those of the first of them."""

    at: At
    sizes: tuple[int, ...]
    lines: tuple[str, ...]

    @property
    def title(self) -> str:
        """All of them in one line."""
        count = len(self.sizes)
        return ("kmemleak: nothing points to what was allocated here: "
                f"{sum(self.sizes)} bytes in {count} object{'s' * (count > 1)}")


@dataclass(frozen=True)
class _Object:
    size: int
    when: int
    stack: str
    lines: tuple[str, ...]


def _objects(text: str) -> Iterator[_Object]:
    """The objects in the text of /sys/kernel/debug/kmemleak."""
    for block in re.split(r"(?m)^(?=unreferenced object)", text):
        lines = tuple(block.splitlines())
        size, when = _OBJECT.match(lines[0]) if lines else None, _WHEN.search(block)
        if size and when:
            # Behind "backtrace" is a checksum, which is the same as the stack is.
            stack = block.partition("backtrace")[2].partition("\n")[2]
            yield _Object(int(size.group(1)), int(when.group(1)), stack, lines)


def blame(stack: str, when: int, history: Sequence[tuple[int, At]],
          outside: Callable[[str], At]) -> At:
    """The pair and case that an allocation belongs to.

    `history` has what ran from a tick on, in order of the ticks. Another pair than the
    one in the stack is not to blame for it: of the pair in the stack, the case that ran
    last before is. `outside` makes the place of a pair of which no case has run, or of
    none ("").
    """
    before = [at for since, at in history if since <= when]
    last = before[-1] if before else outside("")
    pairs = MODULE.findall(stack)
    if not pairs or last.pair in pairs:
        return last
    return next((at for at in reversed(before) if at.pair == pairs[0] and at.case),
                outside(pairs[0]))


def find(text: str, history: Sequence[tuple[int, At]],
         outside: Callable[[str], At]) -> list[Leak[At]]:
    """The leaks that kmemleak tells of; see blame().

    What was allocated in one place on one path is one leak, however often.
    """
    found: dict[tuple[At, str], list[_Object]] = {}
    for obj in _objects(text):
        at = blame(obj.stack, obj.when, history, outside)
        found.setdefault((at, obj.stack), []).append(obj)
    return [Leak(at, tuple(obj.size for obj in objects), objects[0].lines)
            for (at, _), objects in found.items()]
