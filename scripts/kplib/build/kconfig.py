# SPDX-License-Identifier: GPL-2.0
"""Kernel configuration: options asked for, options set, and why some are not."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

_ASSIGNED = re.compile(r"^(CONFIG_\w+)=(.*)$")
_UNSET = re.compile(r"^# (CONFIG_\w+) is not set$")
#: Types of a symbol; a prompt may stand behind them.
_TYPES = ("bool", "tristate", "string", "hex", "int")


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


@dataclass
class _Stanza:
    """One definition of a symbol: what it depends on, where it stands, whether one is asked."""

    depends: list[str]
    where: str
    asked: bool = False


def _files(tree: Path, build: Path | None) -> list[Path]:
    """The Kconfig files that a build folder was configured from; all of the tree's without one.

    Those of another arch may define the same symbol in another way.
    """
    if build is not None:
        with contextlib.suppress(OSError):
            text = (build / "include/config/auto.conf.cmd").read_text()
            listed = re.search(r"^deps_config := \\\n((?:\t.*\n)+)", text, re.M)
            if listed:
                return [tree / name for name in listed[1].replace("\\", " ").split()
                        if not name.startswith("/")]
    return list(tree.rglob("Kconfig*"))


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Each line's number, first word and the rest, but for help texts and comments."""
    number, helping, least = 0, False, -1
    for line in re.sub(r"\\\n", " ", text).splitlines():
        number += 1
        word, rest = [*line.split(None, 1), "", ""][:2]
        if not word:
            continue
        indent = len(line.expandtabs()) - len(line.expandtabs().lstrip())
        if helping:
            # As Kconfig does it: until a line stands further to the left than the first one.
            least = indent if least < 0 else least
            if indent and indent >= least:
                continue
            helping = False
        if word in ("help", "---help---"):
            helping, least = True, -1
        elif not word.startswith("#"):
            yield number, word, rest.strip()


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


class Definitions:
    """Options of a kernel, as its Kconfig files define them."""

    def __init__(self, tree: Path, build: Path | None = None) -> None:
        self._found: dict[str, list[tuple[str, _Stanza]]] = {}
        #: By file: the conditions around the line that sources it, and the file with that line.
        self._around: dict[str, tuple[str, list[str]]] = {}
        for path in _files(tree, build):
            with contextlib.suppress(OSError):
                self._read(str(path.relative_to(tree)), path.read_text(errors="replace"))

    def _read(self, name: str, text: str) -> None:
        blocks: list[list[str]] = []
        into: list[str] = []
        stanza: _Stanza | None = None
        for number, word, rest in _lines(text):
            if word in ("config", "menuconfig"):
                stanza = _Stanza([one for block in blocks for one in block], f"{name}:{number}")
                into = stanza.depends
                self._found.setdefault(rest, []).append((name, stanza))
            elif word in ("if", "menu", "choice"):
                into, stanza = [rest] if word == "if" else [], None
                blocks.append(into)
            elif word in ("endif", "endmenu", "endchoice"):
                into, stanza = [], None
                del blocks[-1:]
            elif word == "source":
                self._around.setdefault(rest.strip("\"'"), (
                    name, [one for block in blocks for one in block]))
            elif word == "depends":
                into.append(rest.removeprefix("on ").strip())
            elif stanza is not None and (word == "prompt" or word in _TYPES
                                         and rest.startswith(("\"", "'"))):
                stanza.asked = True

    def _of(self, name: str) -> list[_Stanza]:
        """The definitions of an option, with the conditions around the files that have them."""
        found = []
        for file, stanza in self._found.get(name.removeprefix("CONFIG_"), ()):
            depends = list(stanza.depends)
            seen = {file}
            while file in self._around:
                file, around = self._around[file]
                depends += around
                if file in seen:
                    break
                seen.add(file)
            found.append(_Stanza(depends, stanza.where, stanza.asked))
        return found

    def selectable(self, name: str, config: dict[str, str]) -> bool:
        """Whether an option can only be had by being selected: nobody is asked about it, and
        what it depends on is there."""
        found = self._of(name)
        return bool(found) and not any(stanza.asked for stanza in found) and any(
            not any(_unmet(d, config) for d in stanza.depends) for stanza in found)

    def explain(self, name: str, value: str, config: dict[str, str]) -> str:
        """One line on why an option did not survive."""
        have = config.get(name, "n")
        line = f"{name}={value} became {have}"
        found = self._of(name)
        if not found:
            return f"{line}: this kernel has no such option"
        for stanza in found:
            unmet = [d for d in stanza.depends if _unmet(d, config)]
            if unmet:
                return f"{line}: {stanza.where} depends on {' && '.join(dict.fromkeys(unmet))}"
            modules = [m for d in stanza.depends for m in _modules(d, config)]
            if have == "m" and modules:
                return (f"{line}: {stanza.where} depends on {', '.join(modules)}, "
                        "which is to be y too")
        return f"{line}: {found[0].where}; another option selects or excludes it"


def _modules(expression: str, config: dict[str, str]) -> list[str]:
    """Symbols of an expression that are modules."""
    return [f"CONFIG_{word}=m" for word in re.findall(r"\b[A-Z]\w*\b", expression)
            if config.get(f"CONFIG_{word}") == "m"]


def unmet_selected(log: str) -> list[str]:
    """Options that were selected although their dependencies are not set."""
    return [f"CONFIG_{name}" for name in
            re.findall(r"WARNING: unmet direct dependencies detected for (\w+)", log)]
