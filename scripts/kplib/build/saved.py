# SPDX-License-Identifier: GPL-2.0
"""Commands that kbuild saved, and building from them what an edit made out of date.

Beside each target x kbuild leaves .x.cmd: the command that made x, and every file
that was read. kbuild with nothing to do takes 1.1 s, most of it to read its own
makefiles; where these have not changed, the saved commands alone give the same
modules, byte for byte (tests/live/test_rebuild.py). They run from a makefile that
is written for the occasion, as they stand: kbuild saves them in make's escaping.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

from kplib.build.toolchain import Toolchain
from kplib.common import cache

#: Options with which kbuild does more for an object or module than it saves.
UNSAVED = ("MODVERSIONS", "DEBUG_INFO_BTF_MODULES", "FTRACE_MCOUNT_USE_RECORDMCOUNT",
           "LTO_CLANG", "TRIM_UNUSED_KSYMS", "GCOV_KERNEL", "TRACEPOINTS_VERIFY_USED")
#: The makefile's name in the build folder.
MAKEFILE = ".kparity-rebuild.mk"


@dataclass(frozen=True)
class Command:
    """A .cmd file. `reads` are paths, absolute or relative to the build folder; `rest`
    is what kbuild wrote behind the list of them."""

    target: str
    text: str
    reads: tuple[str, ...]
    rest: str

    @property
    def depfile(self) -> str:
        """Where the compiler lists what it reads."""
        return beside(self.target, ".d")


class NotSaved(Exception):
    """A .cmd file that is missing, or is not as expected: kbuild must be asked."""


def beside(target: str, ending: str) -> str:
    """A hidden file that belongs to a target."""
    folder, _, name = target.rpartition("/")
    return f"{folder}/.{name}{ending}" if folder else f".{name}{ending}"


def load(build: Path, target: str) -> Command:
    """The command that kbuild saved of a target."""
    try:
        text = (build / beside(target, ".cmd")).read_text()
    except (OSError, UnicodeDecodeError) as err:
        raise NotSaved(target) from err
    first, _, more = text.partition("\n")
    name, assign, command = first.partition(" := ")
    if name != f"savedcmd_{target}" or not assign or not command.strip():
        raise NotSaved(target)
    source = re.search(rf"^source_{re.escape(target)} := (\S+)$", more, re.M)
    reads = [source.group(1)] if source else []
    _, listed, tail = more.partition(f"deps_{target} := \\\n")
    listed_, _, rest = tail.partition(f"$(deps_{target}):\n")
    if source and not listed:
        raise NotSaved(target)
    for line in listed_.splitlines():
        word = line.strip().removesuffix("\\").strip()
        if not word:
            break
        if not word.startswith("$(wildcard "):
            reads.append(word)
    return Command(target, command.strip(), tuple(reads), rest)


def parts(build: Path, module: str) -> tuple[str, ...]:
    """The objects that a module is linked from."""
    try:
        return tuple(line.removeprefix("./")
                     for line in (build / f"{module}.mod").read_text().split())
    except OSError as err:
        raise NotSaved(module) from err


def _quoted(text: str) -> str:
    """Text as one word of the shell, in a recipe of make."""
    return "'" + text.replace("'", r"'\''").replace("$", "$$") + "'"


def _says(command: Command) -> str:
    """kbuild's word for a command, in its own columns."""
    if command.target.endswith("_bindings.rs"):
        what = "BINDGEN"
    elif re.search(r"_(glue\.[ch]|root\.rs)$", command.target):
        what = "GLUE   "
    elif command.reads[0].endswith(".rs"):
        what = "RUSTC [M]"
    else:
        what = "CC [M] "
    return f"@echo '  {what} {command.target}'"


def _recipe(*lines: str) -> str:
    return "".join(f"\t{line}\n" for line in lines)


def _compile(command: Command, fixdep: Path) -> tuple[str, ...]:
    """Lines that make a target and its .cmd file, as kbuild's own do."""
    cmd = beside(command.target, ".cmd")
    return (_says(command),
            f"@set -e; {command.text}; {fixdep} {command.depfile} {command.target} "
            f"{_quoted(command.text)} >{cmd}; rm -f {command.depfile}")


def _module(build: Path, module: str, fixdep: Path, again: bool) -> str:
    """The rule that links a module, if it is out of date or modpost has changed its mod.c.

    .x.mod.c.built is the mod.c that x.ko was made with.
    """
    source, built = f"{module}.mod.c", f".{module}.mod.c.built"
    unit = load(build, f"{module}.mod.o")
    link = load(build, f"{module}.ko")
    say, make = _compile(unit, fixdep)
    same = f"cmp -s {source} {built}"
    return (f"{module}.ko: modpost\n" + _recipe(
        f"@{same} || {{ {say[1:]}; }}",
        f"@{same} || {{ {make[1:]}; }}",
        f"@{'' if again else f'{same} || '}{{ echo '  LD [M]  {module}.ko'; set -e; "
        f"{link.text}; llvm-strip --strip-debug -o guest/{module}.ko {module}.ko; "
        f"cp {source} {built}; }}"))


def makefile(build: Path, kernel: Path, modules: dict[str, bool],
             stale: frozenset[str]) -> str:
    """A makefile that makes stale targets anew and links the `modules` that are true.

    The others are linked if modpost finds that they use other modules now. All targets
    are made whatever their times say; what a failed one leaves is not taken for made,
    as objects.State does not have it.
    """
    fixdep = kernel / "scripts/basic/fixdep"
    kos = " ".join(f"{module}.ko" for module in modules)
    linked = [load(build, f"{module}.o") for module, again in modules.items() if again]
    objects = " ".join(link.target for link in linked)
    text = ["# Written by kparity for one build; see scripts/kplib/build/saved.py.\n"
            "pound := \\#\n.SUFFIXES:\nMAKEFLAGS += -r\n"
            f".PHONY: all modpost {objects} {kos} {' '.join(sorted(stale))}\n"
            f"all: {kos}\n"]
    # A contract that cannot be read is told of before others that read it say less of it.
    first = {target for target in stale if target.endswith("_glue.h")}
    for target in sorted(stale):
        unit = load(build, target)
        needed = " ".join(sorted((first - {target}) | {
            path for path in generated(build, unit) if path in stale}))
        text.append(f"{target}: {needed}\n" + _recipe(*_compile(unit, fixdep)))
    for link in linked:
        needed = " ".join(part for part in parts(build, link.target[:-2]) if part in stale)
        text.append(f"{link.target}: {needed}\n" + _recipe(
            f"@echo '  LD [M]  {link.target}'", f"@set -e; {link.text}"))
    text.append(f"modpost: {objects}\n" + _recipe(
        "@echo '  MODPOST Module.symvers'", f"@set -e; {load(build, 'Module.symvers').text}"))
    text += [_module(build, module, fixdep, again) for module, again in modules.items()]
    return "".join(text)


def generated(build: Path, command: Command) -> list[str]:
    """Files that a target reads and that are themselves made in the build folder, by name."""
    found = [os.path.normpath(build / path) for path in command.reads]
    return [os.path.relpath(path, build) for path in found if path.startswith(f"{build}/")]


def command(tools: Toolchain, build: Path) -> list[str]:
    """The command line that runs the makefile, with what kbuild has in the environment."""
    return tools.argv("env", "-u", "MAKEFLAGS", "RUSTC_BOOTSTRAP=1",
                      f"KPARITY_BINDINGS={build}/rust-stub", "make", "--no-print-directory",
                      f"-j{os.cpu_count() or 1}", "-C", build, "-f", MAKEFILE)


def complete(build: Path, targets: Iterable[Command]) -> None:
    """Give .cmd files that were written anew the lines that the compiler does not know of."""
    for command in targets:
        path = build / beside(command.target, ".cmd")
        text = path.read_text() if path.exists() else ""
        if text.endswith(f"$(deps_{command.target}):\n") and command.rest.strip():
            cache.write(path, text + command.rest)
