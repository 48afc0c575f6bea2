# SPDX-License-Identifier: GPL-2.0
"""Programs for the guest: nolibc of the kernel tree, clang alone, any arch."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kplib.build.toolchain import Toolchain
from kplib.common import proc, ui
from kplib.common.errors import Failed
from kplib.configure.archs import Arch
from kplib.configure.request import TOP


def compile_program(tools: Toolchain, tree: Path, headers: Path, arch: Arch, source: Path,
                    program: Path, *flags: str) -> None:
    """Compile one static program. `headers` has the kernel's headers in usr/include.

    The compiler's lines are shown, all of them, and a program that does not compile
    is a failure as a module is that does not build.
    """
    words = tools.argv(
        "clang", f"--target={arch.triple}", "-Os", "-static", "-nostdlib", "-fuse-ld=lld",
        "-ffreestanding", "-fno-stack-protector", "-Wall", "-Wextra", "-Werror",
        f"-I{tree}/tools/include/nolibc", f"-I{headers}/usr/include",
        "-include", "nolibc.h", *flags, "-o", program, source)
    with proc.child(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL) as compiler:
        said = compiler.communicate()[0].decode(errors="replace")
    for line in said.splitlines():
        ui.note(ui.clean(line))
    if compiler.returncode:
        name = source.relative_to(TOP) if source.is_relative_to(TOP) else source
        raise Failed(f"{name} does not compile for {arch.name}; the compiler's lines are above")
