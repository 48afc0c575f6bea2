# SPDX-License-Identifier: GPL-2.0
"""Advice where nothing can run names the cause, and blames no kernel that is good."""

import os
import resource
import unittest
from dataclasses import replace
from pathlib import Path
from typing import ContextManager
from unittest import mock

from kplib.boot import advice
from kplib.build.setup import Setup
from kplib.common import host
from kplib.common.errors import EnvironmentFailed, GuestLost
from kplib.configure import lanes, request


def limited(kib: int | None) -> ContextManager[object]:
    """A limit of address space, as ulimit -v sets it."""
    limit = resource.RLIM_INFINITY if kib is None else kib << 10
    return mock.patch.object(resource, "getrlimit", return_value=(limit, limit))


class TestHost(unittest.TestCase):
    """kplib.common.host"""

    def test_programs(self) -> None:
        """A PATH without tools is what is wrong, and is shown."""
        with mock.patch.dict(os.environ, PATH="/nonexistent"), \
                self.assertRaisesRegex(EnvironmentFailed, "PATH=/nonexistent has no unshare;"):
            host.need_programs("unshare")
        host.need_programs("sh")

    def test_memory(self) -> None:
        """A limit that no guest fits in is refused; a larger one is mentioned at an error."""
        with limited(500000), self.assertRaisesRegex(EnvironmentFailed, "ulimit -v is 500000,"):
            host.need_memory()
        with limited(4 << 20):
            host.need_memory()
            self.assertIn("ulimit -v is 4194304 KiB", host.memory_hint())
        with limited(None):
            host.need_memory()
            self.assertEqual(host.memory_hint(), "")


class TestUnbootable(unittest.TestCase):
    """advice.unbootable()"""

    def said(self, *words: str, accel: str = "tcg", limit: int | None = None,
             external: bool = False, own: bool = True, what: str = "the guest is gone",
             lane: lanes.Lane = lanes.CHECK) -> str:
        """The advice on a guest that did not boot."""
        entry = Path("/cache/kernel/x")
        kernel = mock.Mock(entry=entry, build=(entry if own else Path("/mine")) / "build")
        setup = Setup(request.parse(list(words), {}), mock.Mock(), kernel)
        with limited(limit):
            return advice.unbootable(setup, lane.on(accel, "a test"),
                                     GuestLost(what, external=external))

    def test_plugin(self) -> None:
        """A QEMU that does not take the plugin of a lane says nothing of the kernel."""
        what = "Could not load plugin /x.so: plugin requires API version 9"
        self.assertIn("LANE=check", self.said(what=what, lane=lanes.ORDER))
        self.assertIn("make run needs none",
                      self.said(what=what, lane=replace(lanes.INSN, plugin="counts")))
        self.assertIn("remove /cache/kernel/x", self.said(lane=lanes.ORDER))
        self.assertIn("remove /cache/kernel/x", self.said(what=what))

    def test_each_cause(self) -> None:
        """A kernel is to be removed only if nothing else is a likelier cause."""
        self.assertIn("remove /cache/kernel/x to have it built again", self.said())
        for said, why in ((self.said("ACCEL=kvm", accel="kvm"), "leave ACCEL=kvm out"),
                          (self.said(limit=3 << 20), "ulimit -v is 3145728 KiB"),
                          (self.said("APPEND=init=/x"), "APPEND=init=/x is the first thing")):
            self.assertIn(why, said)
            self.assertNotIn("remove", said)
        self.assertEqual(self.said(external=True), "")
        self.assertEqual(self.said(own=False), "")
        self.assertEqual(self.said(what="the guest is gone: QEMU failed while booting: /usr/bin/"
                                   "env: 'qemu-system-x86_64': No such file or directory"), "")
        self.assertIn("remove", self.said(what="qemu-system-x86_64: could not load kernel"))


if __name__ == "__main__":
    unittest.main()
