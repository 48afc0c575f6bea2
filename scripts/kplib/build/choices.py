# SPDX-License-Identifier: GPL-2.0
"""Choices of a kernel's build whose costs are counted, read from qemu/choices.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from kplib.build import kconfig
from kplib.common.errors import Refused
from kplib.configure.options import Option

#: The kernel that others are held against: as variant base has it.
AS_IT_IS = "base"


@dataclass(frozen=True)
class Choice:
    """A choice: the options that make it, on top of those of base."""

    name: str
    about: str
    options: tuple[Option, ...]


def load_all(path: Path) -> dict[str, Choice]:
    """Every choice, in the order of the file."""
    try:
        data = tomllib.loads(path.read_text())
        return {name: Choice(name, fields["about"], tuple(
            Option(one, value, (), f"{path.name}: {name}")
            for one, value in kconfig.parse(fields["options"]).items()))
            for name, fields in data.items()}
    except (OSError, tomllib.TOMLDecodeError, TypeError, KeyError) as err:
        raise Refused(f"{path}: {err}") from err
