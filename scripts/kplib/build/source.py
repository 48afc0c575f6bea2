# SPDX-License-Identifier: GPL-2.0
"""The kernel's source: the user's own tree, or a Debian package in the cache."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kplib.build import apt
from kplib.build.toolchain import Toolchain
from kplib.common import cache, proc, ui
from kplib.common.errors import EnvironmentFailed, Refused
from kplib.configure import archs
from kplib.configure.request import TOP, Request

#: The oldest of Debian's series whose kbuild can build what all pairs share.
OLDEST = (7, 2)
#: What older ones lack for that.
OLDER_LACK = "the kbuild of older ones has no MO=, a folder of their own for modules"


@dataclass(frozen=True)
class Source:
    """A kernel tree. `ident` changes with its content, where that is known."""

    tree: Path
    ident: str


def packages(request: Request) -> apt.Apt:
    """apt with a state of its own in the cache."""
    return apt.Apt(request.cache / "apt", request.mirror)


def _resolution(request: Request) -> Path:
    """The file in which it is kept what kernels Debian has."""
    return request.cache / "apt" / "kernels.json"


def resolved(request: Request, renew: bool = False) -> dict[str, str]:
    """Kernel series and versions, resolved once and kept until `make update`."""
    path = _resolution(request)
    with cache.locked(request.cache / "apt"):
        if not renew:
            try:
                found: dict[str, str] = json.loads(path.read_text())
                return found
            except (OSError, ValueError):
                pass
        debs = packages(request)
        with ui.step("reading which kernels Debian has"):
            debs.update(tuple(sorted({arch.debian for arch in archs.load_all(
                TOP / "qemu/arch").values()})))
            found = debs.kernels()
        if not found:
            raise EnvironmentFailed(f"the mirror has no linux-source package in "
                                    f"{' or '.join(apt.SUITES)}; give MIRROR= or KERNEL_SRC=")
        cache.write(path, json.dumps(found))
        return found


def _series(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in text.split(".")[:2])


def _usable(found: dict[str, str]) -> list[str]:
    return [series for series in found if _series(series) >= OLDEST]


def check_series(request: Request) -> str:
    """The series to use; refuses one that is not there or too old."""
    found = resolved(request)
    usable = _usable(found)
    series = request.kernel or (usable or list(found))[-1]
    if series not in found:
        raise Refused(f"KERNEL={series}: Debian has {', '.join(usable)}; "
                      "'make update' looks again")
    if series not in usable:
        raise Refused(f"KERNEL={series}: what all pairs share cannot be built before "
                      f"{'.'.join(map(str, OLDEST))}: {OLDER_LACK}; "
                      f"Debian has {', '.join(usable)}")
    return series


def newer(request: Request) -> str:
    """The newest series, where KERNEL= names an older one; empty in any other request."""
    if request.kernel is None:
        return ""
    newest = _usable(resolved(request))[-1]
    return newest if _series(request.kernel) < _series(newest) else ""


def _entry(request: Request, series: str, version: str) -> Path:
    """Where a source is kept."""
    return request.cache / "source" / f"linux-{series}_{version.replace('~', '-')}"


def known(request: Request) -> Source | None:
    """Debian's source that would be used, there or not; None where nobody has asked Debian yet."""
    try:
        found: dict[str, str] = json.loads(_resolution(request).read_text())
        usable = _usable(found)
        series = request.kernel or usable[-1]
        if series not in usable:
            return None
        return Source(_entry(request, series, found[series]) / "linux", f"debian {found[series]}")
    except (OSError, ValueError, AttributeError, TypeError, IndexError):
        return None


def get(request: Request, tools: Toolchain) -> Source:
    """The kernel tree: the user's own, or Debian's, unpacked in the cache."""
    if request.kernel_src:
        return Source(request.kernel_src, f"tree {request.kernel_src}")
    series = check_series(request)
    version = resolved(request)[series]
    entry = _entry(request, series, version)
    if cache.marker(entry) is None:
        with cache.locked(entry):
            if cache.marker(entry) is None:
                _unpack(request, tools, entry, f"linux-source-{series}", version)
    return Source(entry / "linux", f"debian {version}")


def _unpack(request: Request, tools: Toolchain, entry: Path, package: str, version: str) -> None:
    cache.need_space(request.cache, 2500, "the kernel source")
    with cache.fresh(entry) as partial, \
            ui.step(f"fetching {package} {version} (160 MB, 1.8 GB unpacked)"):
        deb = packages(request).download(f"{package}={version}", partial)
        (partial / "linux").mkdir()
        proc.output(tools.argv(
            "sh", "-ec", 'dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/$2.tar.xz" | '
            'tar -xJ -C "$3" --strip-components=1', "unpack", deb, package, partial / "linux"))
        if not (partial / "linux" / "Makefile").exists():
            raise EnvironmentFailed(f"{deb.name} holds no kernel tree; run again, "
                                    "or give KERNEL_SRC=")
        deb.unlink()
        cache.complete(partial, {"package": package, "version": version})
