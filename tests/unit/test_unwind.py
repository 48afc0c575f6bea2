# SPDX-License-Identifier: GPL-2.0
"""Stacks from registers and frame pointers."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from kplib.boot import qmp, unwind

MODULES = ("kparity_ring 16384 0 - Live 0xffff800080500000 (O)\n"
           "kparity 32768 1 kparity_ring, Live 0xffff800080400000 (O)\n")
RING = """\
ring.ko:	file format elf64

SYMBOL TABLE:
0000000000000000 l    df *ABS*	0000000000000000 ring.c
0000000000000000 l     F .init.text	0000000000000100 ring_module_init
0000000000000010 l     F .text	0000000000000020 ring_push
0000000000000040 g     F .text	0000000000000020 .hidden call_push
"""
VMLINUX = """\
ffff800080010000 g       .text	0000000000000000 _stext
ffff800080010000 g     F .text	0000000000000080 spin
ffff800080010080 l     F .text	0000000000000080 cpu_do_idle
ffff800080010100 l     F .text	0000000000000080 do_idle
ffff800080010180 l     F .text	0000000000000080 irq
ffff800080010200 l     F .text	0000000000000080 nmi_trigger_cpumask_backtrace
"""


SYSTEM_MAP = """\
ffff800080010000 T _text
ffff800080010100 T rust_helper_mb
ffff800080010100 T __alias
ffff800080010120 T other
ffff800080010140 t rust_helper_wmb
ffff800080010160 D data
ffff800080020000 B _end
"""


class Memory:
    """A monitor of a guest with two CPUs and some memory."""

    def __init__(self, registers: str, words: dict[int, int]) -> None:
        self.registers, self.words = registers, words
        self.asked: list[str] = []

    def ask(self, command: str) -> None:
        """A command of QMP."""
        self.asked.append(command)

    def human(self, line: str, _: int = 0) -> str:
        """A command of the human monitor."""
        if line.startswith("info"):
            return self.registers
        at = int(line.split()[-1], 16)
        if at not in self.words:
            return "Cannot access memory at address\r\n"
        return f"{at:016x}: {self.words[at]:#018x} {self.words.get(at + 8, 0):#018x}\r\n"


def walk(registers: str, words: dict[int, int]) -> unwind.Walks:
    """Where the CPUs of such a guest are."""
    memory = Memory(registers, words)
    found = unwind.walk(mock.Mock(spec=qmp.Monitor, ask=memory.ask, human=memory.human))
    assert memory.asked == ["stop", "cont"], "the guest has to stand still meanwhile"
    return found


def lines(walks: unwind.Walks) -> list[str]:
    """The stacks in the guest of this file."""
    setup = mock.Mock(modules=Path("/m"), kernel=mock.Mock(build=Path("/v")))
    setup.tools.argv.side_effect = lambda *words: [
        "printf", "%s", RING if words[-1] == Path("/m/kparity_ring.ko") else VMLINUX]
    return unwind.lines(walks, MODULES, setup)


class TestUnwind(unittest.TestCase):
    """kplib.unwind"""

    def test_walk(self) -> None:
        """Frames upwards, on both arches; what is no frame of the kernel ends them."""
        stack = 0xffff800081000000
        # Bit 55 is clear in the last one: it is no address of the kernel.
        words = {stack: stack + 0x20, stack + 8: 0xffff800080500050,
                 stack + 0x20: 0x7f0000001000, stack + 0x28: 0xff7f800080010110}
        self.assertEqual(
            walk(f"\r\nCPU#0\r\n PC={0xffff800080500018:016x} X00={1:016x} X29={stack:016x} "
                 f"X30={0xffff800080500050:016x}  SP={stack:016x}\r\n"
                 f"CPU#1\r\n PC={1:016x} X29={0:016x} X30={0:016x}\r\n", words),
            (("PC", (0xffff800080500018, 0xffff800080500050, 0xffff800080500050)),
             ("PC", (1,))))
        # A signature (arm64's PAC) in the upper bits of what is one.
        words[stack + 0x28] = 0x12bf800080010110
        self.assertEqual(
            walk(f"CPU#0\nRAX={1:016x} RBP={stack:016x}\nRIP={0xffff800080500018:016x} RFL=1\n",
                 words),
            (("RIP", (0xffff800080500018, 0xffff800080500050, 0xffff800080010110)),))

    def test_walk_ends(self) -> None:
        """Frames in a circle, downwards or far away do not go on for ever."""
        stack = 0xffff800081000000
        for up in (stack, stack - 16, stack + (1 << 20)):
            found = walk(f"CPU#0\nRIP={stack:016x} RBP={stack:016x}\n",
                         {stack: up, stack + 8: stack, up + 8: stack})
            self.assertEqual(len(found[0][1]), 2)
        endless = {stack + i * 8: (stack + i * 8 + 16) for i in range(10000)}
        found = walk(f"CPU#0\nRIP={stack:016x} RBP={stack:016x}\n", endless)
        self.assertEqual(len(found[0][1]), unwind.FRAMES_MAX)

    def test_lines(self) -> None:
        """Functions of modules and of the kernel; where nothing is known, the address."""
        push, call, unknown = 0xffff800080500014, 0xffff800080500050, 0xffff800080500090
        spin, idle, do_idle, irq, waits = (0xffff800080010000 + i * 0x80 for i in range(5))
        kernel = "spin+0x4/0x80"
        for stack, wanted in (
                # A leaf: its caller is in the link register alone.
                ((spin + 4, push, call), [kernel, "ring_push+0x4/0x20 [kparity_ring]",
                                          "call_push+0x10/0x20 [kparity_ring]"]),
                # The link register has the caller that the frame has too, or an old call.
                ((push, call, call), ["ring_push+0x4/0x20 [kparity_ring]",
                                      "call_push+0x10/0x20 [kparity_ring]"]),
                ((push, push + 4, call), ["ring_push+0x4/0x20 [kparity_ring]",
                                          "call_push+0x10/0x20 [kparity_ring]"]),
                ((unknown, spin + 4), [hex(unknown), kernel]),
                # An interrupt on a CPU that had nothing to do is no idling.
                ((irq, idle, do_idle), ["irq+0x0/0x80", "cpu_do_idle+0x0/0x80",
                                        "do_idle+0x0/0x80"])):
            with self.subTest(wanted):
                got = lines((("PC", (idle, do_idle, do_idle)), ("PC", (spin, waits, irq)),
                             ("PC", stack)))
                self.assertEqual(got[0], "CPU: 2, as QEMU sees it")
                self.assertEqual(got[1], f"pc : {wanted[0]}")
                self.assertEqual([line.strip() for line in got[2:]], wanted[1:])
        self.assertEqual(lines((("RIP", (push, call)),))[1:],
                         ["RIP: 0010:ring_push+0x4/0x20 [kparity_ring]",
                          " call_push+0x10/0x20 [kparity_ring]"])

    def test_no_table(self) -> None:
        """Without symbols the addresses are left."""
        setup = mock.Mock(modules=Path("/m"), kernel=mock.Mock(build=Path("/v")))
        setup.tools.argv.return_value = ["false"]
        self.assertEqual(unwind.lines((("RIP", (0xffff800080010004,)),), "", setup)[1:],
                         ["RIP: 0010:0xffff800080010004"])


class TestMap(unittest.TestCase):
    """Places in System.map"""

    def test_places(self) -> None:
        """The kernel, and Rust's helpers in it; nothing without the file."""
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(unwind.kernel_at(Path(folder)), (0, 0))
            self.assertEqual(unwind.helpers_at(Path(folder)), ())
            (Path(folder) / "System.map").write_text(SYSTEM_MAP)
            self.assertEqual(unwind.kernel_at(Path(folder)),
                             (0xffff800080010000, 0xffff800080020000))
            self.assertEqual(unwind.helpers_at(Path(folder)),
                             ((0xffff800080010100, 0xffff800080010120),
                              (0xffff800080010140, 0xffff800080010160)))


if __name__ == "__main__":
    unittest.main()
