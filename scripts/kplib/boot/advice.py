# SPDX-License-Identifier: GPL-2.0
"""Advice where a guest does not boot."""

from __future__ import annotations

import re

from kplib.build.setup import Setup
from kplib.common import host
from kplib.common.errors import GuestLost
from kplib.configure.lanes import ORDER, Lane


def unbootable(setup: Setup, lane: Lane, lost: GuestLost) -> str:
    """Advice behind the reason. The kernel in the cache is blamed only where nothing else can be.

    It is damaged less often than it is started in a way of the user's own.
    """
    request, kernel = setup.request, setup.kernel
    if lost.external or re.search("env: .*No such file", str(lost)):
        return ""  # killed, or no QEMU at all
    if lane.accel == "kvm":
        return "; KVM does not work here: leave ACCEL=kvm out, and what works is used"
    if lane.plugin and "plugin" in str(lost):
        if lane.name == ORDER.name:
            return f"; LANE=check and the others are without lane {lane.name}'s plugin"
        return "; TOOLCHAIN=root has a QEMU that takes it, and make run needs none"
    if limit := host.memory_hint():
        return limit
    if request.append:
        return f"; APPEND={request.append} is the first thing to leave out"
    if kernel.entry not in kernel.build.parents:
        return ""
    return (f"; if the kernel in the cache is damaged, remove {kernel.entry} "
            "to have it built again")
