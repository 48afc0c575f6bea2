# SPDX-License-Identifier: GPL-2.0
"""A new pair, made from one that is there: it builds and passes from the first moment.

Starting from something that runs, one changes one thing at a time and sees at
each step what broke; an empty frame would show nothing until all of it is
written.
"""

from __future__ import annotations

import re
from pathlib import Path

from kplib.common import cache
from kplib.common.errors import Refused

FILES = ("kmod/contract/{}.h", "kmod/{}.c", "rust-stub/{}.rs", "tests/kunit/{}_kunit.c")
TEMPLATE = "idalloc"


def clone(top: Path, old: str, new: str) -> list[Path]:
    """Write the files of a pair anew under another name; the old name must be one word."""
    made = []
    for pattern in FILES:
        text = (top / pattern.format(old)).read_text()
        text = re.sub(rf"(?<![a-z]){old}(?![a-z])", new, text)
        text = re.sub(rf"(?<![A-Z]){old.upper()}(?![A-Z])", new.upper(), text)
        made.append(top / pattern.format(new))
        cache.write(made[-1], text)
    return made


def set_pairs(top: Path, names: list[str]) -> None:
    """Write the list of pairs into Kbuild."""
    kbuild = (top / "Kbuild").read_text()
    cache.write(top / "Kbuild", re.sub(r"^PAIRS \?=.*$", f"PAIRS ?= {' '.join(names)}", kbuild,
                                       flags=re.M))


def create(top: Path, name: str, existing: tuple[str, ...]) -> list[Path]:
    """Add a pair called `name`; refuses a name that will not do."""
    if not re.fullmatch(r"[a-z][a-z0-9]{1,14}", name):
        raise Refused(f"PAIR={name}: give one word of 2 to 15 letters and digits, in lower case")
    if name in existing:
        raise Refused(f"PAIR={name}: there is such a pair already")
    if any((top / pattern.format(name)).exists() for pattern in FILES):
        raise Refused(f"PAIR={name}: some of its files exist; remove them or add it to Kbuild")
    made = clone(top, TEMPLATE, name)
    set_pairs(top, [*existing, name])
    return made
