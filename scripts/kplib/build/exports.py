# SPDX-License-Identifier: GPL-2.0
"""Which options a kernel lacks that would have it export a function."""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path

#: Folders of a kernel tree, those first that most often have the function to be ported.
FOLDERS = ("lib", "kernel", "mm", "crypto", "fs", "block", "net", "security", "arch", "sound",
           "drivers")
#: Seconds for the search. It is for a better message alone.
BOUND = 30.0


def _foreign(tree: Path, arch: str) -> frozenset[str]:
    """The folders for arches but one, which are called alike wherever they are."""
    own = "x86" if arch == "x86_64" else arch
    return frozenset(path.name for path in (tree / "arch").glob("*")) - {own}


@functools.lru_cache
def exporters(tree: Path, arch: str, symbol: str) -> tuple[Path, ...]:
    """The C files, by their path in the tree, that export a symbol on an arch (ARCH=)."""
    if not re.fullmatch(r"\w+", symbol):
        return ()
    foreign = _foreign(tree, arch)
    pattern = rf"^[[:space:]]*EXPORT_SYMBOL\w*\({symbol}[,)]"
    for folder in FOLDERS:
        try:
            found = subprocess.run(
                ["grep", "-rlE", "--include=*.c", pattern, str(tree / folder)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                timeout=BOUND, check=False).stdout.decode(errors="replace").splitlines()
        except (OSError, subprocess.TimeoutExpired):
            return ()
        sources = sorted(Path(path).relative_to(tree) for path in found)
        if mine := [path for path in sources if not foreign.intersection(path.parts)]:
            return tuple(mine)
    return ()


def _conditions(makefile: str, wanted: str, seen: frozenset[str] = frozenset()) -> set[str] | None:
    """The options with which a makefile builds an object, or a folder; None if it never does."""
    for line in re.sub(r"\\\n", " ", makefile).splitlines():
        rule = re.match(r"([\w-]+)-(y|m|objs|\$\(CONFIG_\w+\))\s*[:+]?=\s*(.*)", line)
        if not rule or wanted not in rule[3].split():
            continue
        mine = set(re.findall(r"CONFIG_\w+", rule[2]))
        if rule[1] in ("obj", "lib"):
            return mine
        whole = f"{rule[1]}.o"
        if whole not in seen | {wanted}:
            of_whole = _conditions(makefile, whole, seen | {wanted})
            if of_whole is not None:
                return mine | of_whole
    return None


def _needed(tree: Path, source: Path) -> set[str]:
    """The options with which a file of the kernel is built, as far as makefiles say it plainly."""
    found: set[str] = set()
    wanted, folder = f"{source.stem}.o", source.parent
    while True:
        for name in ("Kbuild", "Makefile"):
            try:
                text = (tree / folder / name).read_text(errors="replace")
            except OSError:
                continue
            found |= _conditions(text, wanted) or set()
        if folder == Path("."):
            return found
        wanted, folder = f"{folder.name}/", folder.parent


def lacking(tree: Path, arch: str, config: dict[str, str],
            symbol: str) -> tuple[Path, tuple[str, ...]] | None:
    """The file that exports a symbol, and the options that it takes and this kernel lacks.

    None if no file does; or if one lacks no option: what makefiles do not show keeps it out.
    """
    found = [(source, tuple(sorted(name for name in _needed(tree, source)
                                   if config.get(name) != "y")))
             for source in exporters(tree, arch, symbol)]
    return found[0] if found and all(missing for _, missing in found) else None
