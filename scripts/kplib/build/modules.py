# SPDX-License-Identifier: GPL-2.0
"""The modules under test: engine and pairs, built by kbuild outside the kernel tree."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kplib.build import nolibc
from kplib.build.kernel import Kernel
from kplib.build.toolchain import Toolchain
from kplib.common import cache, proc, ui
from kplib.common.errors import Failed
from kplib.configure.request import TOP, Request

#: Everything that kbuild reads.
INPUTS = ("Kbuild", "kmod/**/*.[ch]", "rust-stub/*.rs", "tests/kunit/*.[ch]", "tests/user/*.c")


#: Strips modules into the folder guest/ beside them, those that changed alone.
STRIP = """
for ko; do
	new=${ko%/*}/guest/${ko##*/}
	[ "$new" -nt "$ko" ] || llvm-strip --strip-debug -o "$new" "$ko"
done
"""


@dataclass(frozen=True)
class Modules:
    """Built modules: the engine, and one a pair; and the pairs' user programs.

    What is loaded is in_guest() of a module: the same without debug sections,
    which are nine tenths of it and would all travel to the guest.
    """

    engine: Path
    pairs: dict[str, Path]
    programs: dict[str, Path]

    def files(self) -> list[Path]:
        """Every module."""
        return [self.engine, *self.pairs.values()]


def in_guest(module: Path) -> Path:
    """The module as the guest gets it."""
    return module.parent / "guest" / module.name


def results_folder(request: Request, kernel: Kernel) -> Path:
    """Where the results of an arch and variant go."""
    return request.out / kernel.arch.name / kernel.variant.name


def folder(request: Request, kernel: Kernel) -> Path:
    """Where kbuild puts objects and modules."""
    return results_folder(request, kernel) / "build"


def command(tools: Toolchain, kernel: Kernel, out: Path, *words: str) -> list[str]:
    """The kbuild command line for the modules."""
    return tools.argv("make", "-C", kernel.build, f"ARCH={kernel.arch.kernel_arch}", "LLVM=1",
                      f"-j{os.cpu_count() or 1}", f"M={TOP}", f"MO={out}", *words, "modules")


def _stamp(kernel: Kernel, pairs: tuple[str, ...]) -> str:
    files = sorted(path for glob in INPUTS for path in TOP.glob(glob))
    return cache.digest(kernel.ident, str(TOP), *pairs, *(
        part for path in files for part in (str(path.relative_to(TOP)), path.read_bytes())))


def build(request: Request, tools: Toolchain, kernel: Kernel) -> Modules:
    """Build the requested pairs' modules; nothing is run if no input has changed."""
    out = folder(request, kernel)
    out.mkdir(parents=True, exist_ok=True)
    built = Modules(out / "kparity.ko",
                    {pair: out / f"kparity_{pair}.ko" for pair in request.pairs},
                    {pair: out / "user" / pair for pair in request.pairs
                     if (TOP / f"tests/user/{pair}.c").exists()})
    stamp = out / ".kparity-stamp"
    with cache.locked(out):
        want = _stamp(kernel, request.pairs)
        have = stamp.read_text() if stamp.exists() else ""
        if have == want and all(
                p.exists() for m in built.files() for p in (m, in_guest(m))) and all(
                p.exists() for p in built.programs.values()):
            return built
        stamp.unlink(missing_ok=True)
        with ui.step(f"building {', '.join(request.pairs)} for {kernel.name}") as step:
            status, tail = proc.logged(
                command(tools, kernel, out, f"PAIRS={' '.join(request.pairs)}"),
                out / "build.log", step, request.verbose)
        for line in tail if status or any("warning:" in line for line in tail) else ():
            ui.note(line)
        if status:
            raise Failed(f"the modules do not build for {kernel.name}; the compiler's lines "
                         f"are above and in {out / 'build.log'}")
        (out / "guest").mkdir(exist_ok=True)
        proc.output(tools.argv("sh", "-ec", STRIP, "strip", *built.files()))
        for pair, program in built.programs.items():
            program.parent.mkdir(exist_ok=True)
            nolibc.compile_program(tools, kernel.tree, kernel.headers, kernel.arch,
                                   TOP / f"tests/user/{pair}.c", program, f"-I{TOP}/kmod")
        cache.write(stamp, want)
    return built
