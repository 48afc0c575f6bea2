# SPDX-License-Identifier: GPL-2.0
"""Which accelerator to use: never assumed, tried once by a bounded boot."""

from __future__ import annotations

import os
import platform
import tempfile
from dataclasses import replace
from pathlib import Path

from kplib.boot import qemu
from kplib.build.setup import Setup
from kplib.common import cache, ui
from kplib.common.errors import KparityError
from kplib.configure.lanes import CHECK, Lane

KVM = Path("/dev/kvm")
#: A kernel under KVM is there in a second; one that crawls is of no use.
TRIAL_DEADLINE = 6.0


def _trial(setup: Setup) -> dict[str, str]:
    lane = CHECK.on("kvm", "trial")
    setup = replace(setup, request=replace(setup.request, append=""))
    try:
        with ui.step("trying /dev/kvm with a short boot (once)"), \
                tempfile.TemporaryDirectory(dir=setup.request.cache) as scratch, \
                qemu.boot(setup, lane, Path(scratch, "trial.console"),
                          deadline=TRIAL_DEADLINE):
            return {"accel": "kvm", "why": "a trial boot worked"}
    except KparityError as err:
        return {"accel": "tcg", "why": f"/dev/kvm is of no use here: {err}"}


def choose(setup: Setup, lane: Lane) -> Lane:
    """The lane with the best accelerator that works for it, and the reason."""
    if lane.counts:
        return lane
    request, tools, kernel = setup.request, setup.tools, setup.kernel
    if request.accel:
        return lane.on(request.accel, f"ACCEL={request.accel}")
    machine = platform.machine()
    if machine not in kernel.arch.machines:
        return lane.on("tcg", f"{kernel.arch.name} on {machine} is emulated")
    if not KVM.exists():
        return lane.on("tcg", "no /dev/kvm")
    if not os.access(KVM, os.R_OK | os.W_OK):
        return lane.on("tcg", "no permission for /dev/kvm")

    entry = _entry(request.cache, tools.versions.get(kernel.arch.qemu, "?"))
    with cache.locked(entry):
        known = cache.marker(entry)
        if known is None:
            entry.mkdir(parents=True, exist_ok=True)
            known = cache.complete(entry, _trial(setup))
            # Said once; reports only name the accelerator.
            ui.note(f"  {known['why']}")
    return lane.on(known["accel"], known["why"])


def _entry(folder: Path, qemu_version: str) -> Path:
    """Where the answer for this machine, its kernel and this QEMU is kept."""
    cpu = Path("/proc/cpuinfo").read_text(errors="replace").partition("\n\n")[0]
    model = [line for line in cpu.splitlines() if not line.startswith(("cpu MHz", "bogomips"))]
    return folder / "accel" / cache.digest(platform.release(), qemu_version, *model)


def known(folder: Path, qemu_version: str) -> str:
    """Result of a trial boot, in one line."""
    found = cache.marker(_entry(folder, qemu_version))
    if found is None:
        return "not tried yet; the first run on this machine's arch tries /dev/kvm"
    return f"{found['accel']}: {found['why']}"
