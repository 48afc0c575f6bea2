# SPDX-License-Identifier: GPL-2.0
"""Executed instructions as code: function, source lines, language, text.

llvm-symbolizer tells functions and lines, of modules once they are linked to where the guest had
them, and llvm-mc what the bytes of an instruction are: those that were executed, as the kernel
patches its code.
"""

from __future__ import annotations

import bisect
import json
import re
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from kplib.boot import unwind
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.common import proc
from kplib.common.errors import EnvironmentFailed
from kplib.configure.request import TOP
from kplib.judge.counts import Place

#: Names of what is not in a module: the kernel, and programs in user space.
KERNEL, USER = "vmlinux", "user space"


@dataclass(frozen=True)
class Frame:
    """A function, and the line and column of it; empty where they are not known."""

    function: str
    file: str
    line: int
    column: int = 0


@dataclass(frozen=True)
class Code:
    """An instruction. `function` is the one that was linked, `file` and `begin` where that is;
    `frames` are the functions that were inlined there, the innermost first, and that one."""

    image: str
    function: str
    file: str
    begin: int
    frames: tuple[Frame, ...]
    text: str

    @property
    def language(self) -> str:
        """The language of the function that was linked; assembly is C's."""
        return "rust" if self.file.endswith(".rs") else "c"


#: KO BASE SCRIPT LINKED: link a module so that its code is at the guest's addresses. Calls into
#: the kernel, which is elsewhere, are left as they are.
_LINK = """
ld.lld --unresolved-symbols=ignore-all --noinhibit-exec --entry=0 -T "$3" -o "$4" "$1" 2>"$4.log" ||
    { cat "$4.log" >&2; exit 1; }
"""
#: llvm-readelf's line of a section: number, name, type, address, offset, size, entry size, flags.
_SECTION = re.compile(r"^ *\[ *\d+\] (\S+) +\S+ +[0-9a-f]+ [0-9a-f]+ [0-9a-f]+ [0-9a-f]+ +(\w*)")


def code_sections(table: str) -> list[str]:
    """The sections with code that stay in the guest, in the order in which it has them."""
    found = [m for m in map(_SECTION.match, table.splitlines()) if m]
    return [m.group(1) for m in found if {"A", "X"} <= set(m.group(2))
            and not m.group(1).startswith(".init")]


def layout(sections: list[str], base: int) -> str:
    """A linker script that puts code where the guest has it."""
    places = [f"{name} {hex(base) if i == 0 else ''} : {{ *({name}) }}"
              for i, name in enumerate(sections)]
    return "SECTIONS {\n" + "\n".join(places) + "\n}\n"


def _output(argv: list[str], given: str, what: str) -> str:
    """What a tool says of its input."""
    with proc.child(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE) as process:
        try:
            out, said = process.communicate(given.encode(), timeout=120)
        except subprocess.TimeoutExpired:
            raise EnvironmentFailed(f"{what} takes longer than 120 s") from None
    if process.returncode:
        raise EnvironmentFailed(f"{what} failed: "
                                f"{said.decode(errors='replace').strip()[-200:]}")
    return out.decode(errors="replace")


#: An instruction that is put between others, so that each one's lines are told apart; it is in
#: no program. By arch: bytes, and the beginning of what llvm-mc makes of it.
_BETWEEN = {"x86_64": ("0f1f80706b706b", "nopl\t1802529648"), "arm64": ("ff2d03d5", "hint\t#111")}


def _texts(tools: Toolchain, arch: str, triple: str, codes: list[bytes]) -> dict[bytes, str]:
    """Instructions, as an assembler writes them."""
    between, mark = _BETWEEN[arch]
    given = "".join(" ".join(f"0x{byte:02x}" for byte in code) + "\n"
                    for one in codes for code in (one, bytes.fromhex(between)))
    said = _output(tools.argv("llvm-mc", "--disassemble", f"--triple={triple}",
                              *(["--mattr=+all"] if arch == "arm64" else [])), given, "llvm-mc")
    found: list[list[str]] = [[]]
    for line in said.splitlines():
        line = line.strip()
        if line.startswith(mark):
            found.append([])
        elif line and line != ".text":
            found[-1].append(line.partition("//")[0].strip())
    if len(found) != len(codes) + 1:
        raise EnvironmentFailed(f"llvm-mc has read {len(found) - 1} instructions of {len(codes)}")
    return {code: re.sub(r"\s+", " ", " ".join(lines)) for code, lines in zip(codes, found)}


#: An address, its frames, and the file and the begin of its function.
_Found = tuple[int, tuple[Frame, ...], str, int]


def frames_of(line: str, folders: dict[str, str]) -> _Found:
    """What a line of llvm-symbolizer's says of an address."""
    said = json.loads(line)
    symbols = said.get("Symbol") or []
    frames = []
    for one in symbols:
        frames.append(Frame(one.get("FunctionName") or "",
                            shortened(one.get("FileName") or "", folders), one.get("Line") or 0,
                            one.get("Column") or 0))
    outer = symbols[-1] if symbols else {}
    file = shortened(outer.get("StartFileName") or outer.get("FileName") or "", folders)
    return (int(said["Address"], 16), tuple(frames), file,
            int(outer.get("StartAddress") or "0x0", 16))


@dataclass
class _Reader:
    """Reads the code of one guest."""

    setup: Setup
    modules: str
    folder: Path
    known: dict[int, Code] = field(default_factory=dict)
    files: dict[tuple[str, str, int], str] = field(default_factory=dict)

    def image_of(self, pc: int, bases: list[tuple[int, str]]) -> tuple[str, int]:
        """The name of the image that an address is in, and its base."""
        if not pc >> 55 & 1:
            return USER, 0
        i = bisect.bisect_right(bases, (pc, "\x7f")) - 1
        if i >= 0 and pc - bases[i][0] < unwind.MODULE_MAX:
            return bases[i][1], bases[i][0]
        return KERNEL, 0

    def read(self, pcs: set[int]) -> None:
        """Find the frames of addresses."""
        images: dict[tuple[str, int], list[int]] = {}
        bases = unwind.bases(self.modules)
        for pc in sorted(pcs):
            images.setdefault(self.image_of(pc, bases), []).append(pc)
        for (name, base), found in images.items():
            if name == USER:
                self.known |= {pc: Code(USER, USER, "", 0, (), "") for pc in found}
                continue
            image = self.linked(name, base) if base else self.setup.kernel.build / KERNEL
            said = _output(self.setup.tools.argv("llvm-symbolizer", f"--obj={image}",
                                                 "--output-style=JSON"),
                           "".join(f"{pc:#x}\n" for pc in found), "llvm-symbolizer")
            for line in said.splitlines():
                pc, frames, file, begin = frames_of(line, shorter(self.setup))
                function = frames[-1].function if frames else ""
                # Assembly that includes another file is of one function nevertheless.
                file = self.files.setdefault((name, function, begin), file)
                self.known[pc] = Code(name, function or f"{pc:#x}", file, begin, frames, "")

    def linked(self, name: str, base: int) -> Path:
        """A module, linked to where the guest had it."""
        setup, ko = self.setup, self.setup.modules / f"{name}.ko"
        table = proc.output(setup.tools.argv("llvm-readelf", "-SW", ko))
        script, image = self.folder / f"{name}.lds", self.folder / name
        script.write_text(layout(code_sections(table), base))
        _output(setup.tools.argv("sh", "-ec", _LINK, "sh", ko, hex(base), script, image), "",
                "ld.lld")
        return image


def shorter(setup: Setup) -> dict[str, str]:
    """Beginnings of paths, and what is shown of them."""
    kernel = setup.kernel
    return {f"{setup.modules}/": "", f"{TOP}/": "", f"{kernel.tree}/": "",
            f"{kernel.build}/./": "", f"{kernel.build}/": "",
            "/usr/lib/rustlib/src/rust/library/": "library/"}


def shortened(file: str, folders: dict[str, str]) -> str:
    """A file's path, as it is shown."""
    for folder, name in folders.items():
        if file.startswith(folder):
            return name + file[len(folder):]
    return file


def read(setup: Setup, modules: str, places: set[Place]) -> dict[Place, Code]:
    """The code of a guest's instructions; `modules` is its /proc/modules."""
    arch = setup.kernel.arch
    texts = _texts(setup.tools, arch.name, arch.triple, sorted({one.code for one in places}))
    known = at(setup, modules, {one.pc for one in places})
    return {one: replace(known[one.pc], text=texts[one.code]) for one in places}


def at(setup: Setup, modules: str, pcs: set[int]) -> dict[int, Code]:
    """The code at addresses of a guest, but for its text; `modules` is its /proc/modules."""
    with tempfile.TemporaryDirectory(dir=setup.results) as folder:
        reader = _Reader(setup, modules, Path(folder))
        reader.read(pcs)
    if lost := pcs - reader.known.keys():
        raise EnvironmentFailed(f"llvm-symbolizer says nothing of {min(lost):#x}")
    return reader.known


def base_of(modules: str, name: str) -> int:
    """Where a module begins in a guest, by its /proc/modules."""
    return next((base for base, known in unwind.bases(modules) if known == name), 0)
