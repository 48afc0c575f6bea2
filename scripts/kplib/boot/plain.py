# SPDX-License-Identifier: GPL-2.0
"""Plainer forms of the arguments in a program's first line: capacity=1000, name="ab"@end+1.

kmod/engine/text.c says how they are written. What a form is worth here is known only once
the engine has read it: it refuses a program with a number that an argument may not have.
"""

from __future__ import annotations

import itertools
import re
from typing import Iterator

#: A quoted text with its repeats, and all that such pieces joined with a plus are.
_PIECE = r'"((?:\\x[0-9a-f]{2}|\\.|[^"\\])*)"(?:\*(\d+))?'
_TEXT = rf"{_PIECE}(?:\+{_PIECE})*"
#: Bytes in a row that are written as one and their number, as text.c does.
_RUN_MIN = 24


def words(line: str) -> list[str]:
    """The words of a line; blanks in quoted text separate none."""
    return re.findall(r'(?:"(?:\\.|[^"\\])*"|[^\s"])+', line)


def _characters(text: str) -> list[str]:
    """The characters of quoted pieces, each as it is written."""
    return [character for body, times in re.findall(_PIECE, text)
            for character in re.findall(r"\\x[0-9a-f]{2}|\\.|[^\\]", body) * int(times or 1)]


def _quoted(characters: list[str]) -> str:
    """Characters as text.c writes them."""
    pieces: list[str] = []
    short = ""
    for character, run in itertools.groupby(characters):
        count = len(list(run))
        if count < _RUN_MIN:
            short += character * count
            continue
        pieces += [f'"{short}"'] * bool(short) + [f'"{character}"*{count}']
        short = ""
    return "+".join(pieces + [f'"{short}"'] * bool(short or not pieces))


def _parts(word: str) -> tuple[str, str, str] | None:
    """A word's name with its =, value, and place in user memory; None for @N, which is neither."""
    found = re.fullmatch(rf"([^=\"]+=)({_TEXT}|[^@\"]*)(@\w+(?:\+\w+)?)?", word)
    return (found.group(1), found.group(2), found.group(7) or "") if found else None


def plainest(word: str) -> str:
    """The plainest form that a word could have; empty where it can be left out."""
    if word.startswith("@"):
        return ""
    parts = _parts(word)
    if parts is None:
        return word
    return parts[0] + ('""' if parts[1].startswith('"') else "0")


def _fewer(text: str) -> Iterator[str]:
    """Texts with fewer characters: parts left out, large ones first; then of plainer ones."""
    characters = _characters(text)
    size = len(characters)
    while size:
        for at in range(0, len(characters), size):
            yield _quoted(characters[:at] + characters[at + size:])
        size //= 2
    if set(characters) - {"a"}:
        yield _quoted(["a"] * len(characters))


def _nearer(number: str) -> Iterator[str]:
    """Numbers nearer to 0; of flags, with one left out."""
    flags = number.split("|")
    if len(flags) > 1:
        yield from ("|".join(flags[:at] + flags[at + 1:]) for at in range(len(flags)))
    if re.fullmatch(r"-?\d+", number):
        value = int(number)
        tried = dict.fromkeys((0, 1, abs(value) // 2 * (1 if value > 0 else -1),
                               value - (1 if value > 0 else -1)))
        yield from (str(less) for less in tried if abs(less) < abs(value))


def _place(place: str, size: int) -> str:
    """A place of fewer bytes: those behind its + are some of them."""
    where, _, behind = place.partition("+")
    return f"{where}+{min(int(behind, 0), size)}" if behind and size else where


def plainer(word: str) -> Iterator[str]:
    """Plainer forms of a word, the plainest first."""
    parts = _parts(word)
    if parts is None:
        return
    name, value, place = parts
    if place:
        yield name + value
    if value.startswith('"'):
        yield from (f"{name}{less}{_place(place, len(_characters(less)))}"
                    for less in _fewer(value))
    else:
        yield from (f"{name}{less}{place}" for less in _nearer(value))
