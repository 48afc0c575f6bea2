# SPDX-License-Identifier: GPL-2.0
"""Debian packages without touching the host: apt with a state of its own."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from kplib.common import cache, proc, ui
from kplib.common.errors import EnvironmentFailed, Refused

#: The suite of the toolchain root, and the suites that kernel sources come from.
SUITE = "trixie"
SUITES = (SUITE, f"{SUITE}-backports")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def host_mirror() -> str:
    """The Debian mirror that the host's apt is configured with."""
    if not shutil.which("apt-get"):
        raise Refused("no apt-get on this host to fetch a toolchain or a kernel with; "
                      "install the tools that 'make doctor' names and give KERNEL_SRC")
    listing = proc.output(["apt-get", "indextargets", "--format",
                           "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"])
    uris = [line.split()[0] for line in listing.splitlines()
            if re.fullmatch(r"\S+/debian/? [a-z]+ main", line)]
    if not uris:
        raise Refused("the host's apt names no Debian mirror; give MIRROR=<address of one>")
    return uris[0]


class Apt:
    """apt over a mirror, all of its state below one folder."""

    def __init__(self, folder: Path, mirror: str | None) -> None:
        self.folder = folder
        self._mirror = mirror

    @property
    def mirror(self) -> str:
        """The mirror in use."""
        self._mirror = self._mirror or host_mirror()
        return self._mirror

    def _options(self) -> list[str]:
        f = self.folder
        options = {
            "Dir::Etc::sourcelist": f / "sources.list", "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferencesparts": "-", "Dir::State": f / "state",
            "Dir::State::status": f / "status", "Dir::Cache": f / "cache",
            "Dir::Log": f / "log", "APT::Sandbox::User": "",
            "APT::Get::List-Cleanup": "false", "Acquire::Languages": "none",
            "Debug::NoLocking": "false",
        }
        return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]

    def update(self, archs: tuple[str, ...]) -> None:
        """Fetch the package lists."""
        if not KEYRING.exists():
            raise Refused(f"{KEYRING} is missing; sudo apt-get install debian-archive-keyring")
        for name in ("state/lists/partial", "cache/archives/partial", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        cache.write(self.folder / "status", "")
        cache.write(self.folder / "sources.list", "".join(
            f"deb [arch={','.join(archs)} signed-by={KEYRING}] {self.mirror} {suite} main\n"
            for suite in SUITES))
        try:
            proc.output(["apt-get", *self._options(), "-o", "APT::Update::Error-Mode=any",
                         "update"])
        except EnvironmentFailed as err:
            raise EnvironmentFailed(f"cannot fetch package lists: {err}; check the network, "
                                    "or give MIRROR=<address of a Debian mirror>") from err

    def kernels(self) -> dict[str, str]:
        """Kernel series that have a source package, with its version; newest last."""
        listing = proc.output(["apt-cache", *self._options(), "madison",
                               *self._names("linux-source-")])
        found: dict[str, str] = {}
        for line in listing.splitlines():
            name, version = (word.strip() for word in line.split("|")[:2])
            found.setdefault(name.removeprefix("linux-source-"), version)
        return dict(sorted(found.items(), key=lambda kv: [int(n) for n in kv[0].split(".")]))

    def _names(self, prefix: str) -> list[str]:
        names = proc.output(["apt-cache", *self._options(), "pkgnames", prefix]).split()
        return [n for n in names if re.fullmatch(re.escape(prefix) + r"\d+\.\d+", n)]

    def download(self, package: str, folder: Path) -> Path:
        """Fetch one package file into a folder."""
        env = {**os.environ, "TMPDIR": str(folder)}
        try:
            proc.output(["apt-get", *self._options(), "download", package],
                        cwd=folder, env=env)
        except EnvironmentFailed as err:
            raise EnvironmentFailed(f"cannot download {package}: {err}; check the network, "
                                    "or 'make update' if the mirror has moved on") from err
        debs = list(folder.glob("*.deb"))
        if len(debs) != 1:
            raise EnvironmentFailed(f"apt-get download {package}: got {len(debs)} files")
        ui.note(f"  {debs[0].name}")
        return debs[0]
