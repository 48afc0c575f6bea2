# SPDX-License-Identifier: GPL-2.0
"""gdb on a guest: the kernel tree's own gdb commands, and a way in for no one else.

QEMU listens on a socket in a folder that only this user can enter, from the moment
it is asked to; there is no port on the network. Symbols of modules are lx-symbols'
business, which follows what is loaded while gdb is attached.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from kplib.boot import qmp
from kplib.boot.guest import Guest
from kplib.build.setup import Setup
from kplib.common import cache, proc, ui
from kplib.common.errors import EnvironmentFailed, Refused

PROGRAM = "gdb-multiarch"
#: Longest path in sockaddr_un, without the zero at its end.
SOCKET_PATH_MAX = 107
#: Nothing asks, nothing waits for a key, nothing is loaded but what is named here.
OPTIONS = ("-q", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off",
           "-iex", "set pagination off", "-iex", "set confirm off")
_COMMANDS = """\
cd {modules}
file {vmlinux}
set directories {sources}
source {scripts}
target remote {socket}
lx-symbols
"""


def check(setup: Setup) -> None:
    """Refuse where there is no gdb, or nothing that it could show."""
    tools, kernel = setup.tools, setup.kernel
    if tools.root is None and not shutil.which(PROGRAM):
        raise Refused(f"the host lacks {PROGRAM}; install it, or give TOOLCHAIN=root")
    if kernel.config.get("CONFIG_DEBUG_INFO") != "y" or not (kernel.build / "vmlinux").exists():
        raise Refused(f"{kernel.build}: gdb needs its vmlinux, with CONFIG_DEBUG_INFO=y")


def _scripts(setup: Setup) -> Path:
    """The tree's gdb commands for this kernel, in the cache: a KDIR is never written to.

    constants.py is the one file of them that depends on the kernel, and its own
    Makefile makes it anywhere. That one links the others as well, if they are there.
    """
    tools, kernel = setup.tools, setup.kernel
    entry = kernel.entry / f"gdb-{cache.digest(kernel.ident)}"
    if cache.marker(entry) is None:
        with cache.locked(entry):
            if cache.marker(entry) is None:
                source = kernel.tree / "scripts/gdb"
                with cache.fresh(entry) as partial, \
                        ui.step(f"preparing gdb's commands for the {kernel.name} kernel"):
                    linux = partial / "scripts/gdb/linux"
                    linux.mkdir(parents=True)
                    for name in ("Makefile", "constants.py.in"):
                        shutil.copy(source / "linux" / name, linux)
                    proc.output(tools.argv(
                        "make", "-C", kernel.build, f"ARCH={kernel.arch.kernel_arch}", "LLVM=1",
                        f"M={linux}", "modules"))
                    for path in (source / "linux").glob("*.py"):
                        shutil.copy(path, linux)
                    shutil.copy(source / "vmlinux-gdb.py", partial)
                    cache.complete(partial, {})
    return entry / "vmlinux-gdb.py"


@dataclass(frozen=True)
class Access:
    """How to attach to a guest: `argv` does it here, `script` from anywhere."""

    argv: list[str]
    script: Path


@contextlib.contextmanager
def server(setup: Setup, guest: Guest, *commands: str) -> Iterator[Access]:
    """Let gdb in to a running guest. `commands` are for it to carry out once it is attached."""
    req, kernel = setup.request, setup.kernel
    scripts = _scripts(setup)
    with contextlib.ExitStack() as stack:
        # OUT first: it is the user's own. Both are visible in a root.
        for parent in (req.out, req.cache):
            folder = Path(stack.enter_context(
                tempfile.TemporaryDirectory(prefix="gdb-", dir=parent)))
            socket = folder / "s"
            if len(os.fsencode(socket)) <= SOCKET_PATH_MAX:
                break
        else:
            raise EnvironmentFailed(f"{socket}: a socket's path has at most {SOCKET_PATH_MAX} "
                                    "bytes; give a shorter OUT or KPARITY_CACHE")
        try:
            said = guest.monitor.human(f"gdbserver unix:{socket},server=on,wait=off")
        except qmp.MonitorError as err:
            raise EnvironmentFailed(f"QEMU does not let gdb in: {err}") from err
        if not socket.exists():
            raise EnvironmentFailed(f"QEMU does not let gdb in: {ui.clean(said.strip())}")
        (folder / "commands").write_text("\n".join((_COMMANDS.format(
            modules=setup.modules, vmlinux=kernel.build / "vmlinux", sources=kernel.tree,
            scripts=scripts, socket=socket), *commands, "")))
        argv = setup.tools.argv(PROGRAM, *OPTIONS, "-x", folder / "commands")
        script = folder / "attach"
        script.write_text(f"#!/bin/sh\nexec {shlex.join(argv)}\n")
        script.chmod(0o700)
        yield Access(argv, script)
