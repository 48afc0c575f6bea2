# SPDX-License-Identifier: GPL-2.0
"""QEMU's plugins, of lane order, make explain and make coverage, compiled for this machine and
kept in the cache."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from kplib.build.toolchain import Toolchain
from kplib.common import cache, proc, ui
from kplib.common.errors import EnvironmentFailed
from kplib.configure.request import TOP

#: What each plugin is compiled from is qemu/<name>.c and all of these.
HEADERS = (TOP / "qemu" / "orders-decode.h", TOP / "qemu" / "data-cache.h",
           TOP / "qemu" / "plugin.h", TOP / "kmod" / "engine" / "say.h")
#: Nothing of it is seen but what QEMU looks for.
FLAGS = ("-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror")


def get(tools: Toolchain, folder: Path, name: str) -> Path:
    """A plugin, by its name, compiled if its source is a new one. `folder` is the cache.

    A plugin that does not compile is an error of the environment: no pair is to blame.
    """
    source = TOP / "qemu" / f"{name}.c"
    digest = cache.digest(*(path.read_bytes() for path in (source, *HEADERS)), *FLAGS, tools.name())
    plugin = folder / "plugin" / f"{name}-{digest}.so"
    if plugin.exists():
        return plugin
    with cache.locked(plugin), tempfile.TemporaryDirectory(dir=plugin.parent) as scratch:
        made = Path(scratch) / plugin.name
        with proc.child(tools.argv("clang", *FLAGS, "-o", made, source), stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as compiler:
            said = compiler.communicate()[0].decode(errors="replace")
        if compiler.returncode:
            for line in said.splitlines():
                ui.note(ui.clean(line))
            raise EnvironmentFailed(f"qemu/{name}.c does not compile for this machine; the "
                                    "compiler's lines are above; make run LANE=check is without it")
        os.replace(made, plugin)
    return plugin
