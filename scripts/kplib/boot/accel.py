# SPDX-License-Identifier: GPL-2.0
"""Which accelerator to use: never assumed, tried once by a bounded boot."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

from kplib.boot import guest, qemu
from kplib.build.kernel import Kernel
from kplib.build.toolchain import Toolchain
from kplib.common import cache, ui
from kplib.common.errors import KparityError
from kplib.configure.request import Request

KVM = Path("/dev/kvm")
#: A kernel under KVM is there in a second; one that crawls is of no use.
TRIAL_DEADLINE = 6.0


def _trial(request: Request, tools: Toolchain, kernel: Kernel) -> dict[str, str]:
    lane = guest.Lane("trial", "kvm", "trial")
    try:
        with ui.step("trying /dev/kvm with a short boot (once)"), \
                tempfile.TemporaryDirectory(dir=request.cache) as scratch, \
                qemu.boot(tools, kernel, lane, Path(scratch, "trial.console"),
                          deadline=TRIAL_DEADLINE):
            return {"accel": "kvm", "why": "a trial boot worked"}
    except KparityError as err:
        return {"accel": "tcg", "why": f"/dev/kvm is of no use here: {err}"}


def choose(request: Request, tools: Toolchain, kernel: Kernel) -> guest.Lane:
    """Lane check with the best accelerator that works, and the reason."""
    if request.accel:
        return guest.Lane("check", request.accel, f"ACCEL={request.accel}")
    machine = platform.machine()
    if machine not in kernel.arch.machines:
        return guest.Lane("check", "tcg", f"{kernel.arch.name} on {machine} is emulated")
    if not KVM.exists():
        return guest.Lane("check", "tcg", "no /dev/kvm")
    if not os.access(KVM, os.R_OK | os.W_OK):
        return guest.Lane("check", "tcg", "no permission for /dev/kvm")

    cpu = Path("/proc/cpuinfo").read_text(errors="replace").partition("\n\n")[0]
    model = [line for line in cpu.splitlines() if not line.startswith(("cpu MHz", "bogomips"))]
    qemu = tools.versions.get(kernel.arch.qemu, "?")
    entry = request.cache / "accel" / cache.digest(platform.release(), qemu, *model)
    with cache.locked(entry):
        known = cache.marker(entry)
        if known is None:
            entry.mkdir(parents=True, exist_ok=True)
            known = cache.complete(entry, _trial(request, tools, kernel))
    return guest.Lane("check", known["accel"], known["why"])


#: Lane insn, which only emulation can count in.
INSN_LANE = guest.Lane("insn", "tcg", "counting needs emulation")
