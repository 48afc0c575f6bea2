# SPDX-License-Identifier: GPL-2.0
"""One pool of jobs for all kernels that this process builds.

Kconfig, rust/core.o and the link keep one CPU busy for a third of a kernel's build.
Two kernels that are built at the same time fill that, if they share make's jobserver:
each make runs one job of its own, and for each further one it takes a token.
"""

from __future__ import annotations

import functools
import os


@functools.cache
def pipe() -> tuple[int, int]:
    """The pipe with the tokens: one fewer than CPUs, as a make needs none for its first job."""
    ends = os.pipe()
    os.write(ends[1], b"+" * max(0, (os.cpu_count() or 1) - 1))
    return ends


def environment() -> str:
    """The word for env that has make use the pool; its process must inherit pipe()."""
    read, write = pipe()
    return f"MAKEFLAGS= -j --jobserver-auth={read},{write}"
