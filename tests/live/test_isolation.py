# SPDX-License-Identifier: GPL-2.0
"""Isolation: a guest and its QEMU can reach nothing but their channels."""

import os
import tempfile
import unittest
from pathlib import Path

from kplib import matrix
from kplib.boot import qemu
from kplib.build import kernel
from kplib.build.setup import Setup
from kplib.configure import request
from kplib.configure.lanes import CHECK

from .live import below, needs_kernel


@needs_kernel
class TestIsolation(unittest.TestCase):
    """A guest as qemu.boot() makes it"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        req = request.parse([f"OUT={folder.name}"], os.environ)
        self.tools = matrix.prepare(req)
        self.setup = Setup(req, self.tools,
                           kernel.get(req, self.tools, req.archs[0], req.variants[0]))

    def test_guest(self) -> None:
        """In the guest: one virtio device, the port; no network, no disk, no shared folder."""
        lane = CHECK.on("tcg", "a test")
        with qemu.boot(self.setup, lane, self.folder / "c.console") as vm:
            for path, err in (("/proc/net/dev", 2), ("/sys/class/net/lo/mtu", 2),
                              ("/sys/bus/virtio/devices/virtio0/device", 0),
                              ("/sys/bus/virtio/devices/virtio1/device", 2),
                              ("/proc/filesystems", 0), ("/proc/devices", 0)):
                status, data = vm.read(path, path).answer()
                self.assertEqual(status, err, path)
                for word in (b"9p", b"virtiofs", b"nfs", b"sd\n", b"virtblk"):
                    self.assertNotIn(word, data, path)

    def test_qemu(self) -> None:
        """QEMU: system calls are filtered, no file open for writing, no writable mount of ours."""
        lane = CHECK.on("tcg", "a test")
        with qemu.boot(self.setup, lane, self.folder / "c.console"):
            process = next(pid for pid in below(os.getpid()) if "qemu-system" in Path(
                f"/proc/{pid}/comm").read_text())
            status = Path(f"/proc/{process}/status").read_text()
            self.assertIn("Seccomp:\t2", status)
            for entry in Path(f"/proc/{process}/fd").iterdir():
                if entry.is_file():
                    flags = Path(f"/proc/{process}/fdinfo/{entry.name}").read_text()
                    mode = int(flags.split("flags:")[1].split()[0], 8) & os.O_ACCMODE
                    if entry != Path(f"/proc/{process}/fd/2"):  # its own words, which we opened
                        self.assertEqual(mode, os.O_RDONLY, os.readlink(entry))
            if self.tools.root is None:
                self.skipTest("the host's own QEMU sees what its user sees")
            for folder in (request.TOP, self.tools.root):
                inside = folder if folder == request.TOP else Path("/")
                with self.assertRaises(OSError):
                    Path(f"/proc/{process}/root{inside}/kparity-was-here").touch()


if __name__ == "__main__":
    unittest.main()
