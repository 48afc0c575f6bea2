# SPDX-License-Identifier: GPL-2.0
"""One small change of a pair's file, and its name."""

from __future__ import annotations

import collections
import difflib
import re
from dataclasses import dataclass, replace
from typing import Iterable

#: Operators of mutation, with what each does; Documentation/mutants.md has an example of each.
OPERATORS = {
    "relational": "a comparison, or the end of a range, by its neighbour",
    "arithmetic": "+ by -, and so on",
    "bitwise": "& by |, and so on",
    "logical": "&& by ||; a ! left out",
    "condition": "a condition turned round",
    "constant": "a number by the next; 1 by 0; true by false",
    "errno": "an errno by another, or by success",
    "statement": "a statement left out",
    "arguments": "two neighbouring arguments changed with each other",
    "question": "an error dropped: let _ = in place of ?",
    "irq": "a lock that leaves interrupts on",
    "ordering": "a weaker memory ordering",
}
#: No oracle on x86_64 can see these: the emulated CPU keeps more order than they ask for.
UNSEEN = frozenset(("ordering",))

#: What a change is about, by the text that it changes, the first that fits; others by operator.
_ABOUT = (
    ("user memory", r"copy_(from|to)_(user|iter)|read_slice|write_slice|UserSlice|EFAULT"),
    ("context", r"irqsave|irqrestore|SpinLockIrq|GFP_"),
    ("concurrency", r"\block\(|lock(_\w+)?\(|READ_ONCE|WRITE_ONCE|smp_|\.lock\b|drop\(\w+\)"
                    r"|wake_up|notify|wait_"),
    ("lifetime", r"free|kref_|_put\(|_get\(|destroy\(|drop\(|detach|cancel|release\(|\.put\("
                 r"|clone\(\)|from_raw|queue_"),
    ("errors", r"\bE[A-Z]{3,}\b|\berr\b|\?;|IS_ERR|PTR_ERR"),
)
_BY_OPERATOR = {"errno": "errors", "question": "errors", "ordering": "ordering", "irq": "context"}


@dataclass(frozen=True)
class Edit:
    """Bytes of a file, from `start` to `end`, and what stands there instead."""

    start: int
    end: int
    new: str


def _short(text: str) -> str:
    """A piece of code on one line."""
    return " ".join(text.split())


@dataclass(frozen=True)
class Candidate:
    """One mutant: the file, the function, the operator, the change, the line that it begins in.

    `number` tells those apart that are the same change of the same function.
    """

    pair: str
    language: str
    file: str
    function: str
    operator: str
    edits: tuple[Edit, ...]
    line: int
    change: str
    category: str
    number: int = 1
    #: All lines of the file that edits change.
    lines: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """What it is called, here and in tests/mutants: the same while other lines change."""
        return (f"{self.pair} {self.language} {self.function} {self.operator}: {self.change}"
                + (f" ({self.number})" if self.number > 1 else ""))

    @property
    def seen(self) -> bool:
        """Whether any oracle of x86_64 can see it."""
        return self.operator not in UNSEEN


def category(operator: str, changed: str) -> str:
    """What a change is about."""
    if operator in _BY_OPERATOR:
        return _BY_OPERATOR[operator]
    for name, pattern in _ABOUT:
        if re.search(pattern, changed):
            return name
    return "functional"


def make(pair: str, language: str, file: str, text: bytes, function: str, operator: str,
         edits: Iterable[tuple[int, int, str]]) -> Candidate:
    """A candidate, with what follows from the file's text.

    What is shorter than what it replaces is followed by spaces, so that no column behind it
    changes: the places that panics name are part of the object code.
    """
    mine = tuple(Edit(start, end, new) for start, end, new in edits)
    old = [text[e.start:e.end].decode() for e in mine]
    change = " / ".join(f"{_short(was)} -> {_short(e.new)}".strip()
                        for was, e in zip(old, mine))
    about = " ".join((*old, *(e.new for e in mine)))
    lines = sorted({number for e in mine for number in range(
        text.count(b"\n", 0, e.start) + 1, text.count(b"\n", 0, max(e.start, e.end - 1)) + 2)})
    return Candidate(pair, language, file, function, operator, mine,
                     text.count(b"\n", 0, mine[0].start) + 1, change, category(operator, about),
                     lines=tuple(lines))


def numbered(found: Iterable[Candidate]) -> list[Candidate]:
    """The same candidates, none twice, each with a name of its own."""
    times: collections.Counter[str] = collections.Counter()
    result = []
    for one in dict.fromkeys(found):
        times[one.name] += 1
        result.append(replace(one, number=times[one.name]))
    return result


def padded(edit: Edit, text: bytes) -> str:
    """What an edit puts in, as wide as what was there if it is shorter and on one line."""
    old = text[edit.start:edit.end].decode()
    if "\n" in old or "\n" in edit.new:
        return edit.new
    return edit.new + " " * (len(old) - len(edit.new))


def apply(text: bytes, edits: Iterable[Edit], control: bool = False) -> bytes:
    """A file with a change. The `control` has spaces alone: what is behind stands in its columns.
    """
    for edit in sorted(edits, key=lambda e: -e.start):
        new = padded(edit, text).encode()
        if control:
            old = text[edit.start:edit.end]
            new = old + b" " * (len(new) - len(old))
        text = text[:edit.start] + new + text[edit.end:]
    return text


def diff(text: bytes, one: Candidate) -> list[str]:
    """The changed lines as in a patch."""
    before = text.decode().splitlines()
    after = apply(text, one.edits).decode().splitlines()
    return [line.rstrip() for line in difflib.unified_diff(before, after, n=0, lineterm="")
            if not line.startswith(("---", "+++", "@@"))]
