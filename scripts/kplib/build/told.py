# SPDX-License-Identifier: GPL-2.0
"""Errors of a build that point into what is generated, told at the user's own line.

C has #line, and the compiler points at a contract's row by itself. Rust has nothing like
it: where a port does not fit its row, rustc points at the call in the root of the pair's
crate. What modpost misses has no line at all.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator

from kplib.build import exports
from kplib.build.kernel import Kernel
from kplib.configure.pairs import Pair, short
from kplib.contract import model, rows

#: Keywords that may stand before fn.
_BEFORE_FN = r"(?:pub(?:\([^)\n]*\))?|const|async|unsafe|extern(?: *\"\w*\")?)"
#: Lines of make itself, behind those of a tool.
_OF_MAKE = re.compile(r"make(\[\d+\])?: (Entering|Leaving|\*\*\* (\[.*\] Error \d+$|Waiting for))")


def without_make(said: list[str]) -> list[str]:
    """Lines of the tools themselves: make only adds that it stops."""
    return [line for line in said if not _OF_MAKE.match(line)] or said


def _line(text: str, pattern: str) -> int:
    """The number of the first line that a pattern matches, or 0."""
    found = re.search(pattern, text, re.M)
    return text.count("\n", 0, found.start()) + 1 if found else 0


def _calls(log: str, root: str, pair: str) -> dict[str, set[str]]:
    """The functions in whose calls rustc found errors, each with the sides that were called."""
    lines = root.splitlines()
    found: dict[str, set[str]] = {}
    for at in re.findall(rf"^ *--> \S*rust-stub/{pair}_root\.rs:(\d+):", log, re.M):
        text = lines[int(at) - 1] if int(at) <= len(lines) else ""
        for side, name in re.findall(r"\b(port|bindings)::(?:r#)?(\w+)\(", text):
            found.setdefault(name, set()).add(side)
    return found


def _of_port(pair: Pair, port: str, name: str, where: str, wanted: str) -> str:
    """One line on a port that does not have a function as its row wants it."""
    file = short(pair.port)
    line = _line(port, rf"^[ \t]*(?:{_BEFORE_FN}\s+)*fn\s+(?:r#)?{name}\b")
    if not line:
        return f"{file}:1: error: no function {name}; {where} wants {wanted}"
    if not re.search(rf"^[ \t]*pub\b[^\n]*\bfn\s+(?:r#)?{name}\b", port, re.M):
        return f"{file}:{line}: error: {name} is private; {where} wants {wanted}"
    return f"{file}:{line}: error: {name} is not as {where} wants it: {wanted}"


def _of_rust(pair: Pair, log: str, root: str, port: str) -> Iterator[str]:
    """Lines on errors of rustc in the root of a pair's crate."""
    try:
        contract = rows.read(pair.read(), pair.name)
        functions = {name: f for f in contract.functions
                     for name in (f.name, f.operation(pair.name))}
    except rows.BadRow:
        return
    for name, sides in _calls(log, root, pair.name).items():
        if name not in functions:
            continue
        place = f"{short(pair.contract)}:{functions[name].line}"
        if "bindings" in sides:
            # The port may fit the row as little: it is the row that is wrong.
            yield f"{place}: error: the row of {name} does not fit its C prototype"
            continue
        safe = re.search(rf"(?:pub\(super\) |^    )(fn (?:r#)?{name}\(.*\)(?: -> .*)?) {{$", root,
                         re.M)
        yield _of_port(pair, port, name, f"the row in {place}",
                       f"pub(crate) {safe.group(1).removesuffix(' -> ()')}" if safe else "another")


def _of_object(pair: Pair, log: str) -> Iterator[str]:
    """Lines on types that the port of an object lacks."""
    try:
        contract = rows.read(pair.read(), pair.name)
    except rows.BadRow:
        return
    here = rf"[^\n]*\n *--> \S*rust-stub/{pair.name}_root\.rs:"
    if contract.object and re.search("cannot find type `Object` in module `port`" + here, log):
        yield (f"{short(pair.port)}:1: error: no type Object; the object in "
               f"{short(pair.contract)}:{contract.object.line} wants "
               "pub(crate) type Object = <the struct that implements Interface>;")
    with_role = next((f for f in contract.functions if f.option("role")), None)
    if with_role and re.search("unresolved import `port::Caller`" + here, log):
        yield (f"{short(pair.port)}:1: error: no type Caller; the role in "
               f"{short(pair.contract)}:{with_role.line} wants pub(crate) struct "
               f"Caller<I: Interface>, with a field {with_role.option('role')}")


def _of_names(pair: Pair, log: str) -> Iterator[str]:
    """Lines on functions that are called as something of the kernel's, which is another one."""
    try:
        functions = {f.name: f for f in rows.read(pair.read(), pair.name).functions}
    except rows.BadRow:
        return
    own = "|".join(re.escape(str(path)) for path in (pair.contract, pair.c))
    for what, found in (
            ("function", re.findall(
                rf"^(?:{own}):\d+:\d+: error: conflicting types for ['\u2018](\w+)['\u2019]"
                r"[^\n]*\n(?:[ \t][^\n]*\n)*(\S+:\d+):\d+: note: previous", log, re.M)),
            ("macro", ((name, at) for at, name in re.findall(
                rf"^(?:{own}):\d+:\d+: error: [^\n]*\n(?:[ \t][^\n]*\n)*(\S+:\d+):\d+: note: "
                r"(?:expanded from|in definition of) macro ['\u2018](\w+)['\u2019]", log, re.M)))):
        for name, at in found:
            # A prototype of one's own that has changed is told by the compiler's own lines.
            if name in functions and not re.match(rf"(?:{own}):", at):
                yield (f"{short(pair.contract)}:{functions[name].line}: error: the kernel has a "
                       f"{what} {name} that is not this one ({at}); call this one otherwise")


def _use(pair: Pair, name: str) -> str:
    """Where a pair uses a function of C's: in its row, or in its C side."""
    for path in (pair.contract, pair.c):
        try:
            line = _line(rows.uncommented(path.read_text(errors="replace")), rf"\b{name}\b")
        except OSError:
            continue
        if line:
            return f"{short(path)}:{line}"
    return f"{short(pair.contract)}:1"


def _of_modpost(pairs: list[Pair], log: str, kernel: Kernel | None) -> Iterator[str]:
    """Lines on functions that the kernel does not export."""
    undefined = [(m[0] or m[3], m[1] or m[2]) for m in re.findall(
        r"modpost: (?:\"(\w+)\" \[(?:\S*/)?kparity_(\w+)\.ko\]|"
        r"(?:\S*/)?kparity_(\w+)\.ko: symbol '(\w+)') undefined", log)]
    for name, module in undefined:
        for pair in pairs:
            if pair.name != module:
                continue
            lacks = exports.lacking(kernel.tree, kernel.arch.kernel_arch, kernel.config,
                                    name) if kernel else None
            if lacks:
                yield (f"{_use(pair, name)}: error: this kernel does not export {name}: "
                       f"{lacks[0]}, which does, wants {', '.join(lacks[1])}; write "
                       f"{' and '.join(f'{one}=y' for one in lacks[1])} in {short(pair.config)}")
            else:
                yield (f"{_use(pair, name)}: error: this kernel does not export {name}; write "
                       f"it in {short(pair.c)}, or have the kernel's file compiled for this pair: "
                       f'KP_SOURCES("{model.SRCTREE}<its file>")')


#: Words of tools, and of the shell and make, on what no source is to blame for.
_NOT_OURS = re.compile(r"(No space left on device)|(?:^|: )(Killed)\b|Error (137)\b|"
                       r"(Cannot allocate memory|out of memory|virtual memory exhausted)", re.M)


def not_ours(status: int, log: str) -> str:
    """Why a build failed that no source is to blame for; empty if one is.

    `status` is that of make: negative, or more than 128, if a signal ended it.
    """
    if status < 0 or status > 128:
        return f"make was ended by signal {abs(status) % 128}"
    found = _NOT_OURS.search("\n".join(log.splitlines()[-60:]))
    if not found:
        return ""
    word = next(text for text in found.groups() if text)
    return "a tool was killed" if word in ("Killed", "137") else word


def own_lines(build: Path, pairs: list[Pair], log: str,
              kernel: Kernel | None = None) -> list[str]:
    """Lines on errors, in a compiler's form; none for an error that points right by itself."""
    found: list[str] = []
    for pair in pairs:
        found += _of_names(pair, log)
        try:
            root = (build / f"rust-stub/{pair.name}_root.rs").read_text(errors="replace")
            found += _of_rust(pair, log, root, pair.port.read_text(errors="replace"))
            found += _of_object(pair, log)
        except OSError:
            continue
    return list(dict.fromkeys([*found, *_of_modpost(pairs, log, kernel)]))
