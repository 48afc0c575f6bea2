# SPDX-License-Identifier: GPL-2.0
"""Whether a program prints what a page shows: words and structure, without what is of one run.

What is compared is the text as MASKS leave it. So figures of another machine, another seed's
counts, lines that have moved in a file, versions and folders make no difference, and the small
numbers of programs and results do: `push 0`, `capacity 1`, `-ENOSPC`.
"""

from __future__ import annotations

import ast
import re
from typing import Sequence

from kplib.configure.request import TOP

#: What differs from run to run or from machine to machine, and what stands for it; in this order.
MASKS: tuple[tuple[re.Pattern[str], str], ...] = tuple((re.compile(of), by) for of, by in (
    # Words that the test gives, and that hold for all that make test runs.
    (r" (?:ACCEL|KERNEL|KERNEL_SRC|KDIR|TOOLCHAIN)=[\w./:+-]+", ""),
    # The checkout, which is /src/kparity on the pages.
    (rf"(?:{re.escape(str(TOP))}|/src/kparity)/", ""),
    # Other folders of one machine: the last part of a path stays.
    (r"(?<![\w.>])~?(?:/[\w.+-]+)+/(?=[\w])", ""),
    (r"(?<![\w/.])my-pairs/(?:\w+/)*", ""),
    # What emulates, or does not.
    (r"\b(?:TCG|KVM)\b", "ACCEL"),
    (r"\((?:tcg|kvm)\)", "(accel)"),
    (r", -icount shift=\d", ""),
    # Lines of files that are edited.
    (r"(\.(?:c|h|rs|S|txt)):\d+(?::\d+)?", r"\1:N"),
    (r'\b(line|column|count)("?[:=] ?)\d+', r"\1\2N"),
    (r'^(\s*"?)\d+ +\|', r"\1N |"),
    # Digests and addresses.
    (r"\b0x[0-9a-f]+\b", "N"),
    (r"\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b", "N"),
    # Figures, versions, dates; numbers that were drawn, and seeds in the order of their ends.
    (r"\bSEED=\d+", "SEED=N"),
    (r"\b\d+(?:, \d+)+\b", "N"),
    (r"\b\d+(?:[.,-]\d+)+\b", "N"),
    (r"\b\d{4,}\b", "N"),
    # Measured, and counted.
    (r"\b\d+(?= ?%| (?:s|ms|us|ns|k|M|KiB|MiB|GB|bytes|times|calls|runs|steps|seeds|programs"
     r"|operations|instructions|results|figures|costs|guests|boots|minutes)\b)", "N"),
    (r"\b(history|sequence|run|program|step|seed|len is|index is) \d+", r"\1 N"),
    (r"\b\d+( of +| in +| to )\d+\b", r"N\1N"),
    # Columns.
    (r"(?<=  )\d+\b|(?<=\| )\d+(?= \|)", "N"),
    (r"\s+", " "),
))
#: Letters that a message has beside what it is about.
WORDS = 15
#: Stands for what a page leaves out.
CUT = "..."


def masked(line: str) -> str:
    """A line without what is of one run alone."""
    line = line.strip()
    for pattern, by in MASKS:
        line = pattern.sub(by, line)
    return line


def _same(shown: str, said: str) -> bool:
    """Whether a line is as a page shows it; both are masked."""
    pattern = ".*".join(re.escape(part) for part in shown.split(CUT))
    return re.fullmatch(pattern, said) is not None


def unquoted(shown: Sequence[str], text: str) -> str:
    """What a page quotes of a file, and the file does not have; empty if it has all.

    Lines may be broken elsewhere, and `...` is whatever is left out; nothing else differs.
    """
    text, at = " ".join(text.split()), 0
    for piece in " ".join(" ".join(shown).split()).split(CUT):
        if (found := text.find(piece.strip(), at)) < 0:
            there = " there" if piece.strip() in text else ""
            return f"the file has no '{piece.strip()}'{there}"
        at = found + len(piece.strip())
    return ""


def _pattern(node: ast.expr) -> str:
    """What a text of a program can be: the words that it always has, and any for the others."""
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_pattern, node.values))
    return ".*"


def messages(source: str) -> list[re.Pattern[str]]:
    """The texts of a source file in Python that have some words of their own."""
    nodes = list(ast.walk(ast.parse(source)))
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    return [re.compile(_pattern(node)) for node in nodes
            if isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in parts
            and sum(len(part.value) for part in ast.walk(node)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)) >= WORDS]


def says(known: Sequence[re.Pattern[str]], line: str) -> bool:
    """Whether a message is one of some texts, in whole or behind a colon."""
    parts = line.split(": ")
    return any(one.match(": ".join(parts[at:])) for at in range(len(parts)) for one in known)


def sentences(lines: Sequence[str]) -> list[str]:
    """Messages of a block; one goes on in lines that are further in."""
    found: list[str] = []
    for line in lines:
        if line.startswith(" ") and found:
            found[-1] += f" {line.strip()}"
        elif line:
            found.append(line.strip().removeprefix("kparity: "))
    return found


def _chunks(shown: Sequence[str]) -> list[list[str]]:
    """Lines in pieces, between which lines are left out."""
    found: list[list[str]] = [[]]
    for line in map(str.strip, shown):
        if line == CUT:
            found.append([])
        elif line:
            found[-1].append(line)
    return found


def differs(shown: Sequence[str], said: str, whole: bool) -> str:
    """How a program's output is not what a page shows; empty where it is.

    `whole`: nothing stands before the first line, and nothing behind the last one.
    """
    lines = [line for line in map(masked, said.splitlines()) if line]
    chunks = [[masked(line) for line in chunk] for chunk in _chunks(shown)]
    at = 0
    for number, chunk in enumerate(chunks):
        first, last = whole and number == 0, whole and number == len(chunks) - 1
        best, why = -1, f"it ends before '{chunk[0] if chunk else CUT}'"
        for place in [at] if first else range(at, len(lines) - len(chunk) + 1):
            same = _alike(chunk, lines[place:])
            if same == len(chunk) and not (last and chunk and place + same < len(lines)):
                at = place + same
                break
            if same > best:
                best, why = same, _where(chunk, lines, place, same)
        else:
            return why
    return ""


def _alike(chunk: Sequence[str], lines: Sequence[str]) -> int:
    """How many lines of a piece are as the program has them, from the first one on."""
    return next((at for at, line in enumerate(chunk)
                 if at == len(lines) or not _same(line, lines[at])), len(chunk))


def _where(chunk: Sequence[str], lines: Sequence[str], place: int, same: int) -> str:
    """In what line a piece and a program's output part."""
    there = lines[place + same] if place + same < len(lines) else "its end"
    if same == len(chunk):
        return f"the program goes on with '{there}'"
    if same == 0:
        return f"the program has no '{chunk[0]}'"
    return f"the page has '{chunk[same]}'\n   the program '{there}'"
