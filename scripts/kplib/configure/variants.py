# SPDX-License-Identifier: GPL-2.0
"""One record a variant, read from the files in qemu/variant/."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from kplib.common.errors import Refused
from kplib.configure.lanes import LANES

#: The variant that figures come from, and the first of all.
BASE = "base"


@dataclass(frozen=True)
class Checker:
    """A checker of the kernel: the errors it looks for, and on which side.

    `sees` is "both", or "c" where Rust is not instrumented; `rust_by` is an option of the
    kernel without which it is not. `limit` says why its silence means nothing once it has
    spoken, if so.
    """

    name: str
    looks_for: str
    option: str
    sees: str
    limit: str = ""
    rust_by: str = ""

    def blind(self, config: dict[str, str]) -> str:
        """Why it does not see Rust in a kernel of this configuration; empty if it does."""
        if self.sees == "c":
            return f"{self.option} does not instrument Rust"
        if self.rust_by and config.get(f"CONFIG_{self.rust_by}") != "y":
            return f"{self.option} does not instrument Rust without {self.rust_by}"
        return ""


@dataclass(frozen=True)
class Variant:
    """A kernel configuration; qemu/variant/base.toml says what each field means.

    `words` are further ones of the kernel's command line, by lane.
    `settings` are files of a guest and what is written to each, `counted` further ones for guests
    that run with -icount.
    """

    name: str
    about: str
    lanes: tuple[str, ...]
    memory: int
    patience: int
    cmdline: str
    kconfig: str
    checkers: tuple[Checker, ...]
    settings: tuple[tuple[str, str], ...] = ()
    counted: tuple[tuple[str, str], ...] = ()
    everywhere: bool = True
    words: tuple[tuple[str, str], ...] = ()

    @property
    def fails(self) -> bool:
        """Whether allocations can be made to fail: case fault is in its suites."""
        return "CONFIG_FAILSLAB=y" in self.kconfig.split()

    @property
    def sees_locks(self) -> bool:
        """Whether it is seen which locks are taken: case locks is in its suites."""
        return "CONFIG_PROVE_LOCKING=y" in self.kconfig.split()


def load(path: Path) -> Variant:
    """Read one variant's file."""
    try:
        data = tomllib.loads(path.read_text())
        checkers = tuple(Checker(name=name, **fields)
                         for name, fields in data.pop("checkers", {}).items())
        settings = data.pop("settings", {})
        counted = tuple(settings.pop("icount", {}).items())
        words = tuple(data.pop("words", {}).items())
        if wrong := [lane for lane, _ in words if lane not in LANES]:
            raise Refused(f"{path}: [words] has {wrong[0]}, which is no lane; there are "
                          f"{', '.join(LANES)}")
        return Variant(name=path.stem, lanes=tuple(data.pop("lanes")), checkers=checkers,
                       settings=tuple(settings.items()), counted=counted, words=words, **data)
    except (tomllib.TOMLDecodeError, TypeError, KeyError) as err:
        raise Refused(f"{path}: {err}") from err


def load_all(folder: Path) -> dict[str, Variant]:
    """Every variant there is, by name, base first."""
    found = {path.stem: load(path) for path in folder.glob("*.toml")}
    return dict(sorted(found.items(), key=lambda item: (item[0] != BASE, item[0])))
