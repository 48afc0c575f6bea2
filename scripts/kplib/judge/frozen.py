# SPDX-License-Identifier: GPL-2.0
"""Frozen files: programs, and what the C side gave for them; and what two paths gave, compared.

A line is an operation, and behind tabs what it gave:

    pop     # -ENODATA, state 4e5f6071      | , value 7

"#" has results that all callers see, "|" outputs that callers in C alone are given. "~" and "~|"
are the same of the Rust side, where the contract accepts that it differs. kmod/engine/results.c
prints the lines, but for those of "~".
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Iterator

from kplib.configure.lanes import PATHS
from kplib.contract.model import Contract, Function, Parameter

#: The form of a file, and of what it holds: what a digest of the engine's is made of, too.
FORMAT = "# kparity frozen 1"
#: Operations that are shown of a program, up to its difference; and programs of a path.
OPERATIONS, PROGRAMS = 8, 3
_MARKS = ("#", "|", "~", "~|")


class BadFrozen(ValueError):
    """A frozen file that cannot be gone by, or results that cannot be read."""


@dataclass(frozen=True)
class Line:
    """An operation, or the creation of a program's object, and what it gave, by mark."""

    call: str
    gave: tuple[tuple[str, str], ...]

    @staticmethod
    def read(text: str) -> Line:
        """A line of a file, or of the engine's."""
        call, *rest = text.split("\t")
        gave = [(mark, said) for mark, _, said in (part.partition(" ") for part in rest)]
        marks = [mark for mark, _ in gave]
        if not call.strip() or marks[:1] != ["#"] or \
                marks != [mark for mark in _MARKS if mark in marks]:
            raise BadFrozen(f"no operation with its results: {text[:80]!r}")
        return Line(call, tuple(gave))

    def text(self) -> str:
        """The line of a file."""
        return "\t".join([self.call, *(f"{mark} {said}" for mark, said in self.gave)])

    def on(self, path: str) -> str:
        """What is due on a path: what its caller can see, of its side."""
        gave = dict(self.gave)
        mark = "~" if path.endswith("->rust") and "~" in gave else "#"
        unseen = "" if path.startswith("rust->") else gave.get("|" if mark == "#" else "~|", "")
        return gave[mark] + (f" |{unseen}" if unseen else "")

    def accepting(self, other: Line) -> Line:
        """The line with what the Rust side gave in its place."""
        if other == self:
            return self
        mine = [one for one in self.gave if not one[0].startswith("~")]
        return Line(self.call, (*mine, *(("~" if mark == "#" else "~|", said)
                                         for mark, said in other.gave)))


@dataclass(frozen=True)
class Program:
    """A program, and what each line of it gave; the first is its object's creation."""

    name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Frozen:
    """A file: the pair, the seed and number of its programs, and the lines of its contract."""

    pair: str
    seed: int
    drawn: int
    contract: tuple[str, ...]
    programs: tuple[Program, ...]

    def given(self) -> bytes:
        """The programs alone, as the engine is handed them."""
        return given(self.programs)


def given(programs: tuple[Program, ...]) -> bytes:
    """Programs without results."""
    return "".join(f"@ {one.name}\n" + "".join(f"{line.call}\n" for line in one.lines)
                   for one in programs).encode()


def _programs(text: str) -> tuple[Program, ...]:
    """Programs from lines, each behind "@ NAME"."""
    found: list[Program] = []
    lines: list[Line] = []
    for line in text.splitlines():
        if line.startswith("@ "):
            lines = []
            found.append(Program(line[2:], ()))
        elif not found:
            raise BadFrozen(f"no program begins with {line[:80]!r}")
        else:
            lines.append(Line.read(line))
            found[-1] = Program(found[-1].name, tuple(lines))
    for one in found:
        if not one.lines:
            raise BadFrozen(f"{one.name} has no line")
    return tuple(found)


def told(text: str) -> dict[str, tuple[Program, ...]]:
    """What the engine has told of each path, each behind a line "= PATH"."""
    found = {}
    for part in re.split(r"^= ", text, flags=re.M)[1:]:
        path, _, rest = part.partition("\n")
        if path not in PATHS or path in found:
            raise BadFrozen(f"results of a path {path[:40]!r}")
        found[path] = _programs(rest)
    return found


def merged(c: tuple[Program, ...], rust: tuple[Program, ...]) -> tuple[Program, ...]:
    """What C gave, and beside it what Rust gave where the contract accepts that."""
    if [one.name for one in c] != [one.name for one in rust]:
        raise BadFrozen("both sides have run other programs")
    done = []
    for mine, other in zip(c, rust):
        if [line.call for line in mine.lines] != [line.call for line in other.lines]:
            raise BadFrozen(f"{mine.name} is another program on each side")
        done.append(Program(mine.name, tuple(
            line.accepting(there) for line, there in zip(mine.lines, other.lines))))
    return tuple(done)


def _parameter(p: Parameter) -> str:
    inside = f" {{ {'; '.join(_parameter(m) for m in p.members)} }}" if p.members else ""
    names = f" of {' '.join(p.names)}" if p.names else ""
    return f"{p.kind} {' '.join(filter(None, (p.type, p.name)))}{names}{inside}"


def _function(pair: str, function: Function) -> str:
    returns = function.returns
    return (f"{function.operation(pair)}({', '.join(map(_parameter, function.parameters))}) -> "
            f"{' '.join(filter(None, (returns.kind, returns.type, *returns.words)))}")


def interface(contract: Contract) -> tuple[str, ...]:
    """What programs and their results are of a contract, a line each.

    Promises, budgets and ranges of arguments are not: a file is good for others as well.
    """
    functions = [*filter(None, (contract.create, contract.destroy)), *contract.functions]
    types = [f"{one.type} {{ {', '.join(one.members)} }}" for one in contract.types]
    return tuple([_function(contract.pair, one) for one in functions] + types)


def other(frozen: Frozen, contract: tuple[str, ...]) -> str:
    """How a file's contract is another one than this, in words; empty if it is not."""
    was = [line for line in frozen.contract if line not in contract]
    now = [line for line in contract if line not in frozen.contract]
    if was or now:
        return f"it was '{was[0] if was else 'nothing'}' and is '{now[0] if now else 'nothing'}'"
    return "" if frozen.contract == contract else "its operations stand in another order"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write(frozen: Frozen) -> str:
    """The text of a file."""
    body = "".join(f"@ {one.name}\n" + "".join(f"{line.text()}\n" for line in one.lines)
                   for one in frozen.programs)
    rest = "".join([f"# pair {frozen.pair}\n", f"# seed {frozen.seed} drawn {frozen.drawn}\n",
                    *(f"# contract {line}\n" for line in frozen.contract), "#\n", body])
    return f"{FORMAT}\n# digest {_digest(rest)}\n{rest}"


def read(text: str) -> Frozen:
    """A file; refuses one that is damaged, or of another form."""
    first, _, behind = text.partition("\n")
    if first != FORMAT:
        known = re.fullmatch(r"# kparity frozen (\d{1,9})", first, re.A)
        raise BadFrozen(f"it is of form {known[1]}, and this kparity reads form "
                        f"{FORMAT.rpartition(' ')[2]}" if known else "it is no frozen file")
    second, _, rest = behind.partition("\n")
    if second != f"# digest {_digest(rest)}":
        raise BadFrozen("it is damaged or cut: its digest is not that of what it holds")
    head, _, body = rest.partition("#\n")
    found = re.fullmatch(r"# pair (\w+)\n# seed (\d+) drawn (\d+)\n((?:# contract .+\n)+)", head,
                         re.A)
    if not found or not body:
        raise BadFrozen("its head is not as make freeze writes it")
    programs = _programs(body)
    if len({one.name for one in programs}) != len(programs):
        raise BadFrozen("a program is there twice")
    return Frozen(found[1], int(found[2]), int(found[3]),
                  tuple(line.removeprefix("# contract ") for line in found[4].splitlines()),
                  programs)


@dataclass(frozen=True)
class Difference:
    """The first line of a program that gave something else: its number, 0 for the creation."""

    program: Program
    at: int
    path: str
    expected: str
    got: str

    @property
    def where(self) -> str:
        """The program, and its line."""
        return f"{self.program.name}: " + (
            f"step {self.at} of {len(self.program.lines) - 1} differs" if self.at else
            "the object is made otherwise")

    def fields(self) -> dict[str, object]:
        """For a program: the operations up to this one as text, and what it gave."""
        lines = self.program.lines
        return {"program": self.program.name, "step": self.at,
                "text": [line.call for line in lines[:self.at + 1]],
                "expected": self.expected, "got": self.got}

    def show(self, due: str, this: str) -> Iterator[str]:
        """Lines for a person; `due` and `this` name what is expected and what is there."""
        lines = self.program.lines
        yield f"  {self.where}"
        yield f"    {lines[0].call}"
        begin = max(1, self.at - OPERATIONS + 1)
        if begin > 1:
            yield f"    ... {begin - 1} operations before these"
        for number in range(begin, self.at):
            yield f"    {lines[number].call}"
            yield f"          both: {lines[number].on(self.path)}"
        if self.at:
            yield f"    {lines[self.at].call}"
        yield f"          {due}: {self.expected}"
        yield f"          {this}: {self.got}"
        if left := len(lines) - 1 - self.at:
            yield f"    ... {left} operations behind these, not compared"


def differences(due: tuple[Program, ...], got: tuple[Program, ...],
                path: str) -> list[Difference]:
    """The first difference of each program, the shortest one first."""
    named = {one.name: one for one in got}
    if len(named) != len(due) or any(one.name not in named for one in due):
        raise BadFrozen(f"{len(named)} of {len(due)} programs have results on {path}")
    found = []
    for program in due:
        mine = named[program.name]
        for at in range(max(len(program.lines), len(mine.lines))):
            expected = program.lines[at] if at < len(program.lines) else None
            now = mine.lines[at] if at < len(mine.lines) else None
            if expected and now and expected.call != now.call:
                raise BadFrozen(f"{program.name} ran as another program: '{now.call[:80]}' in "
                                f"place of '{expected.call[:80]}'")
            before, after = (one.on(path) if one else "not run" for one in (expected, now))
            if before != after:
                longer = program if expected else mine
                found.append(Difference(longer, at, path, before, after))
                break
    return sorted(found, key=lambda one: (one.at, len(one.program.lines)))


def shown(found: dict[str, list[Difference]], path: str, due: str, this: str,
          every: bool) -> Iterator[str]:
    """Lines for a person, of a path on which something differs: those of the first programs, or of
    `every` one; where a path before it differs alike, its name."""
    mine = [replace(one, path="") for one in found[path]]
    for before in found:
        if before == path:
            break
        if mine == [replace(one, path="") for one in found[before]]:
            yield f"  as on {before}"
            return
    for one in found[path][:None if every else PROGRAMS]:
        yield from one.show(due, this)
    if len(mine) > PROGRAMS and not every:
        yield f"  ... and {len(mine) - PROGRAMS} programs more; V=1 shows them"
