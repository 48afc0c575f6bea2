# SPDX-License-Identifier: GPL-2.0
"""Options that pairs want of the kernel: a file `config` beside the contract, as a fragment."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kplib.common import ui
from kplib.common.errors import Refused
from kplib.configure import pairs
from kplib.configure.pairs import Pair

_ASSIGNED = re.compile(r'CONFIG_(\w+)=(y|m|n|-?\d+|0[xX][0-9a-fA-F]+|"(?:[^"\\]|\\.)*")')
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")
#: A comment that begins as a line of the last kind does; Kconfig would take some for one.
_ALMOST = re.compile(r"#+\s*CONFIG_\w+\s+is\s+not\s+set\b.*", re.I)


@dataclass(frozen=True)
class Option:
    """One option, with its value as in a .config, and "n" for one that is off.

    `pairs` are those that want it, and `where` is the line of the first of them.
    """

    name: str
    value: str
    pairs: tuple[str, ...]
    where: str

    @property
    def words(self) -> str:
        """As one writes it."""
        return f"{self.name}={self.value}"


def line(name: str, value: str) -> str:
    """A line of a .config."""
    return f"# {name} is not set" if value == "n" else f"{name}={value}"


def read(pair: Pair) -> tuple[Option, ...]:
    """Options that one pair wants."""
    if not pair.has_config:
        return ()
    try:
        text = pair.config.read_text(encoding="utf-8")
    except OSError as err:
        raise Refused(f"{pairs.short(pair.config)}: {err.strerror}") from err
    except UnicodeDecodeError as err:
        at = err.object.count(b"\n", 0, err.start) + 1
        raise Refused(f"{pairs.short(pair.config)}:{at}: this line is no UTF-8; write it as "
                      "such") from err
    found: dict[str, Option] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        where, said = f"{pairs.short(pair.config)}:{number}", raw.strip()
        if match := _ASSIGNED.fullmatch(said):
            name, value = f"CONFIG_{match[1]}", match[2]
        elif match := _UNSET.fullmatch(said):
            name, value = f"CONFIG_{match[1]}", "n"
        elif not said or said.startswith("#") and not _ALMOST.fullmatch(said):
            continue
        else:
            raise Refused(f"{where}: {ui.clean(said)!r} is no line of a .config; write "
                          "CONFIG_X=y, or # CONFIG_X is not set")
        if value == "m":
            raise Refused(f"{where}: {name}=m: the guest loads no modules but those of pairs; "
                          f"write {name}=y")
        if name in found and found[name].value != value:
            raise Refused(f"{where}: {name}={value}, and {found[name].words} in "
                          f"{found[name].where}; leave one out")
        found.setdefault(name, Option(name, value, (pair.name,), where))
    return tuple(found.values())


def union(named: list[Pair]) -> dict[str, Option]:
    """Options that some pairs want together, by name; refused where two exclude each other."""
    found: dict[str, Option] = {}
    for pair in named:
        for option in read(pair):
            before = found.get(option.name)
            if before is None:
                found[option.name] = option
            elif before.value != option.value:
                raise Refused(
                    f"pairs {before.pairs[0]} and {pair.name} cannot run in one kernel: "
                    f"{before.where} wants {before.words}, {option.where} {option.words}; "
                    f"give PAIR={before.pairs[0]} or PAIR={pair.name}")
            else:
                found[option.name] = replace(before, pairs=(*before.pairs, pair.name))
    return found
