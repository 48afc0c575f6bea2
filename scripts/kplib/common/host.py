# SPDX-License-Identifier: GPL-2.0
"""Resources that a run needs of this machine, checked before anything else is blamed."""

from __future__ import annotations

import os
import resource
import shutil

from kplib.common.errors import EnvironmentFailed

#: Programs that scripts/enter-root calls, and the folders that it looks in beside PATH.
ENTER_ROOT = ("sh", "id", "unshare", "mount", "mkdir", "chroot")
SBIN = "/usr/sbin:/sbin"
#: KiB of address space. QEMU takes 1.7 GB with a guest of base, rustc 0.8 GB.
ADDRESS_SPACE = 2 << 20


def need_programs(*names: str) -> None:
    """Fail where PATH lacks a program that everything else rests on."""
    path = os.environ.get("PATH", "")
    missing = [name for name in names if not shutil.which(name, path=f"{path}:{SBIN}")]
    if missing:
        raise EnvironmentFailed(f"PATH={path} has no {', '.join(missing)}; "
                                "add /usr/bin and /bin to PATH, or install util-linux")


def address_space() -> int | None:
    """KiB that a process may have, or None if nobody set a limit."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit >> 10


def need_memory() -> None:
    """Fail where no guest can start."""
    limit = address_space()
    if limit is not None and limit < ADDRESS_SPACE:
        raise EnvironmentFailed(f"ulimit -v is {limit}, and QEMU and rustc need {ADDRESS_SPACE} "
                                "(KiB); raise it, or use 'ulimit -v unlimited'")


def memory_hint() -> str:
    """Advice behind an error that a lack of memory may have caused."""
    limit = address_space()
    return "" if limit is None else f"; ulimit -v is {limit} KiB: if memory ran out, raise it"
