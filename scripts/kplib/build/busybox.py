# SPDX-License-Identifier: GPL-2.0
"""Debian's static busybox, which is the shell that a person gets in a guest."""

from __future__ import annotations

from pathlib import Path

from kplib.build import source
from kplib.build.toolchain import Toolchain
from kplib.common import cache, proc, ui
from kplib.configure.archs import Arch
from kplib.configure.request import Request


def get(req: Request, tools: Toolchain, arch: Arch) -> Path:
    """The binary for an arch, fetched once."""
    entry = req.cache / "busybox" / arch.name
    if not (entry / "busybox").exists():
        with cache.locked(entry), cache.fresh(entry) as partial, \
                ui.step(f"fetching busybox for {arch.name}"):
            debs = source.packages(req)
            if not (debs.folder / "sources.list").exists():
                source.resolved(req, renew=True)
            deb = debs.download(f"busybox-static:{arch.debian}", partial)
            proc.output(tools.argv(
                "sh", "-ec", 'dpkg-deb --fsys-tarfile "$1" | '
                'tar -xO ./usr/bin/busybox >"$2" || '
                'dpkg-deb --fsys-tarfile "$1" | tar -xO ./bin/busybox >"$2"; chmod 755 "$2"',
                "extract", deb, partial / "busybox"))
            deb.unlink()
    return entry / "busybox"
