# SPDX-License-Identifier: GPL-2.0
"""Kernel configuration: what was asked for, what is there, and why not."""

from __future__ import annotations

import re
from pathlib import Path

_ASSIGNED = re.compile(r"^(CONFIG_\w+)=(.*)$")
_UNSET = re.compile(r"^# (CONFIG_\w+) is not set$")


def parse(text: str) -> dict[str, str]:
    """Options of a .config or a fragment; unset ones are "n"."""
    options = {}
    for line in text.splitlines():
        if found := _ASSIGNED.match(line):
            options[found.group(1)] = found.group(2)
        elif found := _UNSET.match(line):
            options[found.group(1)] = "n"
    return options


def dropped(asked: dict[str, str], config: dict[str, str]) -> list[str]:
    """Options that were asked for and did not survive."""
    return [name for name, value in asked.items() if config.get(name, "n") != value]


def _stanzas(tree: Path, symbol: str) -> list[tuple[list[str], str]]:
    """What each definition of a symbol depends on, and where it stands.

    Follows `if` blocks within the file; `menu` blocks carry dependencies too
    rarely to matter for a message.
    """
    found = []
    opening = re.compile(rf"^\s*(menu)?config\s+{symbol}\s*$", re.M)
    for path in tree.rglob("Kconfig*"):
        text = path.read_text(errors="replace")
        if not opening.search(text):
            continue
        ifs: list[str] = []
        depends: list[str] | None = None
        for number, line in enumerate(text.replace("\\\n", " ").splitlines(), 1):
            word, _, rest = line.strip().partition(" ")
            if not line.startswith((" ", "\t")) or opening.match(line):
                depends = None
                if word == "if":
                    ifs.append(rest)
                elif word == "endif" and ifs:
                    ifs.pop()
                elif opening.match(line):
                    depends = list(ifs)
                    found.append((depends, f"{path.relative_to(tree)}:{number}"))
            elif depends is not None and word == "depends":
                depends.append(rest.removeprefix("on "))
    return found


def _unmet(expression: str, config: dict[str, str]) -> bool:
    """Whether an expression is plainly false; a comparison counts as true."""
    value = re.sub(r"[\w.\"$()-]+\s*(=|!=|<=|>=|<|>)\s*[\w.\"$()-]+", " True ",
                   " ".join(expression.split()))
    value = re.sub(r"\b(?!True\b)[A-Z]\w*\b",
                   lambda m: str(config.get(f"CONFIG_{m.group(0)}", "n") != "n"), value)
    value = value.replace("&&", " and ").replace("||", " or ").replace("!", " not ")
    if not re.fullmatch(r"(True|False|and|or|not|[() ])*", value):
        return False
    try:
        return not eval(value, {"__builtins__": {}})  # pylint: disable=eval-used
    except SyntaxError:
        return False


def explain(tree: Path, name: str, value: str, config: dict[str, str]) -> str:
    """One line on why an option did not survive."""
    have = config.get(name, "n")
    symbol = name.removeprefix("CONFIG_")
    line = f"{name}={value} became {have}"
    stanzas = _stanzas(tree, symbol)
    if not stanzas:
        return f"{line}: this kernel has no such option"
    for depends, where in stanzas:
        unmet = [d for d in depends if _unmet(d, config)]
        if unmet:
            return f"{line}: {where} depends on {' && '.join(unmet)}"
    return f"{line}: {stanzas[0][1]}; another option selects or excludes it"
