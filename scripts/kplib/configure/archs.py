# SPDX-License-Identifier: GPL-2.0
"""One record an arch, read from the files in qemu/arch/."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from kplib.common.errors import Refused
from kplib.configure.lanes import Lane


@dataclass(frozen=True)
class Arch:
    """All that differs between arches.

    `machine`, `cpu` and `cmdline` hold an entry for each way to run: "tcg",
    "kvm" and "insn". `cmdline` has "all" as well, which goes before each. `variant` has options
    that one variant alone has here, by its name.
    """

    name: str
    machines: tuple[str, ...]
    kernel_arch: str
    triple: str
    debian: str
    image: str
    qemu: str
    machine: dict[str, str]
    cpu: dict[str, str]
    cmdline: dict[str, str]
    kconfig: str
    variant: dict[str, str] = field(default_factory=dict)

    def has(self, lane: Lane) -> bool:
        """Whether there is such a lane: one with a plugin only where the file has a mode for it."""
        return not lane.plugin or lane.mode in self.machine


def load(path: Path) -> Arch:
    """Read one arch's file."""
    try:
        data = tomllib.loads(path.read_text())
        data["machines"] = tuple(data["machines"])
        found = Arch(name=path.stem, **data)
        variants = path.parents[1] / "variant"
        if wrong := [name for name in found.variant if not (variants / f"{name}.toml").exists()]:
            raise Refused(f"{path}: [variant] has {wrong[0]}, which {variants} does not have")
        return found
    except (tomllib.TOMLDecodeError, TypeError, KeyError) as err:
        raise Refused(f"{path}: {err}") from err


def load_all(folder: Path) -> dict[str, Arch]:
    """Every arch there is, by name, in the order of their names but x86_64 first."""
    found = {path.stem: load(path) for path in folder.glob("*.toml")}
    return dict(sorted(found.items(), key=lambda item: item[0] != "x86_64"))


def host_name(machine: str, folder: Path | None = None) -> str:
    """The arch that runs here without emulation, or x86_64 where none does."""
    folder = folder or Path(__file__).resolve().parents[3] / "qemu" / "arch"
    for arch in load_all(folder).values():
        if machine in arch.machines:
            return arch.name
    return "x86_64"
