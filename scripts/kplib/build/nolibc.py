# SPDX-License-Identifier: GPL-2.0
"""Programs for the guest: nolibc of the kernel tree, clang alone, any arch."""

from __future__ import annotations

from pathlib import Path

from kplib.build.toolchain import Toolchain
from kplib.common import proc
from kplib.configure.archs import Arch


def compile_program(tools: Toolchain, tree: Path, headers: Path, arch: Arch, source: Path,
                    program: Path, *flags: str) -> None:
    """Compile one static program. `headers` has the kernel's headers in usr/include."""
    proc.output(tools.argv(
        "clang", f"--target={arch.triple}", "-Os", "-static", "-nostdlib", "-fuse-ld=lld",
        "-ffreestanding", "-fno-stack-protector", "-Wall", "-Wextra", "-Werror",
        f"-I{tree}/tools/include/nolibc", f"-I{headers}/usr/include",
        "-include", "nolibc.h", *flags, "-o", program, source))
