# SPDX-License-Identifier: GPL-2.0
"""The kernel as results of a shard name it: the same name on each machine that has the same."""

from __future__ import annotations

from typing import Any

from kplib.build.kernel import Kernel
from kplib.common import cache
from kplib.configure import identity
from kplib.configure.request import Request


def ident(req: Request, kernel: Kernel) -> str:
    """Debian's kernel by all that it is built from. One of the user's own by its release and
    configuration, and a build of theirs by its image as well: its folder differs by machine.
    """
    if req.kdir is None and req.kernel_src is None:
        return kernel.ident
    words: list[str | bytes] = [kernel.release, *(f"{name}={value}" for name, value in
                                                  sorted(kernel.config.items()))]
    if req.kdir is not None:
        words.append((req.kdir / kernel.arch.image).read_bytes())
    return f"own-{cache.digest(*words)}"


def of_cell(req: Request, kernel: Kernel) -> dict[str, Any] | None:
    """The member `shard` of results.json of a kernel; None without SHARD=."""
    if req.shard is None:
        return None
    return identity.of_cell(req, kernel.arch.name, kernel.variant.name, ident(req, kernel))
