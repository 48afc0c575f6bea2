# SPDX-License-Identifier: GPL-2.0
"""Where the files of a pair are: in this repository, or a folder of its own in PAIRS_DIR."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from kplib.common import ui
from kplib.common.errors import Refused
from kplib.configure.lanes import KINDS, USER
from kplib.contract import model, rows

TOP = Path(__file__).resolve().parents[3]

#: A pair's name: underscores stand between it and the kind of a suite (ring_user).
NAME = re.compile("[a-z][a-z0-9]{1,14}")

#: Words that no pair is called by: user.c and suite.c are other files of a pair's folder, and
#: to a C compiler main is where a program begins, with a type of its own.
RESERVED = frozenset(("main", "suite", "user"))

#: Ends of the names of files that kbuild reads; others are read on the host.
BUILT_FROM = (".c", ".h", ".rs")


@dataclass(frozen=True)
class Pair:
    """A pair's files, whether they are there or not."""

    name: str
    contract: Path
    port: Path
    c: Path
    suite: Path
    #: User programs by kind, of lanes.Lane.program.
    programs: dict[str, Path]
    regress: Path
    misuse: Path
    #: Options that it wants of the kernel (kplib.configure.options).
    config: Path
    #: A folder of its own, with planted bugs; None for a pair of this repository.
    own: Path | None = None

    def read(self) -> str:
        """The contract's text, empty without one."""
        try:
            return self.contract.read_text(errors="replace")
        except OSError:
            return ""

    @property
    def has_object(self) -> bool:
        """Whether it has an object, of which something must be promised."""
        return bool(re.search(r"^KP_OBJECT\(", self.read(), re.M))

    @property
    def has_config(self) -> bool:
        """Whether it has a file of options, be that readable or not."""
        return os.path.lexists(self.config)

    def sources(self, tree: Path) -> tuple[Path, ...]:
        """The C files that it is built from, but for the suite; `tree` is the kernel's source.

        None of a contract that cannot be read: who makes the glue from it tells of it.
        """
        try:
            listed = rows.sources(self.read())
        except rows.BadRow:
            return ()
        return (self.c, *(Path(source.name.replace(model.SRCTREE, f"{tree}/")) if not source.own
                          else self.c.parent / source.name for source in listed))


def shipped(top: Path = TOP) -> tuple[str, ...]:
    """The list of this repository's pairs, from the one place that has it."""
    found = re.search(r"^PAIRS \?= (.*)$", (top / "Kbuild").read_text(), re.M)
    if not found:
        raise Refused("Kbuild has no line 'PAIRS ?= ...'; restore it")
    pairs = tuple(found.group(1).split())
    for pair in pairs:
        if not NAME.fullmatch(pair):
            raise Refused(f"Kbuild lists a pair {ui.clean(pair)}: give it a name of one word of "
                          "2 to 15 letters and digits, in lower case")
        if pairs.count(pair) > 1:
            raise Refused(f"Kbuild lists the pair {pair} twice; list it once")
    return pairs


def outside(folder: Path | None) -> tuple[str, ...]:
    """The pairs in PAIRS_DIR: folders that hold a contract."""
    if folder is None:
        return ()
    names = tuple(sorted(path.parent.name for path in folder.glob("*/contract.h")))
    for name in names:
        if not NAME.fullmatch(name):
            raise Refused(f"PAIRS_DIR={folder} has a pair {ui.clean(name)}: give its folder a "
                          "name of one word of 2 to 15 letters and digits, in lower case")
        if name in RESERVED:
            raise Refused(f"PAIRS_DIR={folder} has a pair {name}: no pair can have that name; "
                          "rename its folder")
        if name in shipped():
            raise Refused(f"PAIRS_DIR={folder} has a pair {name}, and so has this repository; "
                          "rename its folder")
    if not names:
        raise Refused(f"PAIRS_DIR={folder} has no pair; one is a folder with contract.h and a "
                      "port, as 'make new PAIR=x DIR=...' makes")
    return names


def in_folder(name: str, folder: Path) -> Pair:
    """Where the files of a pair in PAIRS_DIR are."""
    own = folder / name
    return Pair(name, own / "contract.h", own / f"{name}.rs", own / f"{name}.c",
                own / "suite.c", {kind: own / f"{kind}.c" for kind in KINDS},
                own / "regress", own / "compile-fail", own / "config", own)


def files(name: str, folder: Path | None = None) -> Pair:
    """Where the files of a pair are. `folder` is PAIRS_DIR."""
    if folder is not None and (folder / name / "contract.h").exists():
        return in_folder(name, folder)
    return Pair(name, TOP / f"kmod/contract/{name}.h", TOP / f"rust-stub/{name}.rs",
                TOP / f"kmod/{name}.c", TOP / f"tests/kunit/{name}_kunit.c",
                {kind: TOP / f"tests/user/{name}{kind.removeprefix(USER)}.c" for kind in KINDS},
                TOP / f"tests/regress/{name}", TOP / f"tests/compile-fail/{name}",
                TOP / f"kmod/contract/{name}.config")


def folders(names: tuple[str, ...], folder: Path | None) -> tuple[Path, ...]:
    """Folders that pairs are built from, beside this repository and the kernel's source."""
    found = {folder} if folder else set()
    for name in names:
        found |= {path.parent for path in files(name, folder).sources(Path(model.SRCTREE))
                  if path.is_absolute() and not path.is_relative_to(TOP)
                  and not (folder and path.is_relative_to(folder))}
    return tuple(sorted(path for path in found if path.is_dir()))


def check_links(names: tuple[str, ...], folder: Path | None, shown: tuple[Path, ...]) -> None:
    """Refuse links of pairs in PAIRS_DIR that lead out of the folders which a root shows."""
    for own in (files(name, folder).own for name in names):
        for path in () if own is None else (own, *sorted(own.iterdir())):
            target = path.resolve()
            if (path.is_symlink() and (path == own or path.suffix in BUILT_FROM)
                    and not any(target.is_relative_to(one) for one in shown)):
                raise Refused(f"{ui.clean(str(path))} is a link to {ui.clean(str(target))}, which "
                              "is not there in the toolchain root; put what it leads to in its "
                              "place")


def short(path: Path) -> str:
    """A file's name for a person: as seen from the checkout, if it is there."""
    return str(path.relative_to(TOP)) if path.is_relative_to(TOP) else str(path)
