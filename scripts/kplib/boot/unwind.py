# SPDX-License-Identifier: GPL-2.0
"""Stacks of a guest that says nothing: from its registers and frame pointers, over QEMU's monitor.

On arm64 a CPU that takes no interrupts prints nothing, and neither do those that
wait for it. Every kernel that kparity builds has frame pointers, on both arches; with
another one, a stack may end early.
"""

from __future__ import annotations

import bisect
import re
from pathlib import Path

from kplib.boot import qmp
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.common import proc
from kplib.common.errors import EnvironmentFailed

#: Program counter, frame pointer, return address by the name of the first, as
#: "info registers" has them.
_REGISTERS = {"RIP": ("RBP", ""), "PC": ("X29", "X30")}
FRAMES_MAX = 48
#: A frame further away than the largest stack (KASAN's) is none.
_STACK_MAX = 64 << 10
#: A module's code is at most this far from its begin.
MODULE_MAX = 16 << 20

#: The name of a CPU's program counter, and addresses from the innermost out.
Walk = tuple[str, tuple[int, ...]]
#: A walk of each CPU.
Walks = tuple[Walk, ...]


def _kernel(word: int) -> int | None:
    """An address of the kernel, without a signature in its upper bits (arm64's PAC)."""
    return word | 0xffff << 48 if word >> 55 & 1 else None


def walk(monitor: qmp.Monitor) -> Walks:
    """Where each CPU is, and through which calls; the guest stands still meanwhile.

    Raises MonitorError where QEMU does not answer.
    """
    monitor.ask("stop")
    try:
        return tuple(filter(None, (
            _walk_one(monitor, cpu, text) for cpu, text in
            enumerate(monitor.human("info registers -a").split("CPU#")[1:]))))
    finally:
        monitor.ask("cont")


def _walk_one(monitor: qmp.Monitor, cpu: int, text: str) -> Walk | None:
    """One CPU's stack; `text` has its registers."""
    have = {name: int(word, 16) for name, word in
            re.findall(r"\b([A-Z][A-Z0-9]{1,2})=([0-9a-f]{16})", text)}
    at = next((name for name in _REGISTERS if name in have), None)
    if at is None:
        return None
    frame, link = _REGISTERS[at]
    stack = [have[at]]
    if link in have and (caller := _kernel(have[link])):
        stack.append(caller)
    here = _kernel(have.get(frame, 0))
    while here and len(stack) < FRAMES_MAX:
        words = re.findall(r"0x([0-9a-f]{16})", monitor.human(f"x /2gx {here:#x}", cpu))
        if len(words) != 2 or not (caller := _kernel(int(words[1], 16))):
            break
        stack.append(caller)
        up = _kernel(int(words[0], 16))
        here = up if up and 0 < up - here <= _STACK_MAX else None
    return at, tuple(stack)


#: Begin, size and name.
_Function = tuple[int, int, str]


def _functions(tools: Toolchain, path: Path, base: int) -> list[_Function]:
    """The functions of vmlinux, or of the .text of a module that is loaded at `base`."""
    try:
        table = proc.output(tools.argv("llvm-objdump", "-t", path))
    except EnvironmentFailed:
        return []  # a kernel of the user's own may lack its vmlinux
    found = re.findall(
        r"(?m)^([0-9a-f]+) (.{7}) (\S+)\t([0-9a-f]+) (?:\.hidden )?(\S+)$", table)
    return sorted((int(at, 16) + base, int(size, 16), name)
                  for at, kind, section, size, name in found
                  if "F" in kind and (not base or section == ".text"))


def bases(modules: str) -> list[tuple[int, str]]:
    """Where modules begin, by the guest's /proc/modules, and their names."""
    return sorted((int(at, 16), name) for name, at in re.findall(
        r"^(\w+) .* (0x[0-9a-f]+)(?: \(\w+\))?$", modules, re.M))


class _Images:
    """All code of a guest; each part of an image is read once."""

    def __init__(self, tools: Toolchain, vmlinux: Path, folder: Path, modules: str) -> None:
        self._tools, self._vmlinux, self._folder = tools, vmlinux, folder
        self._bases = bases(modules)
        self._known: dict[str, list[_Function]] = {}

    def find(self, address: int) -> tuple[str, str] | None:
        """The function at an address, as the kernel writes it, and its name alone."""
        i = bisect.bisect_right(self._bases, (address, "\x7f")) - 1
        base, module = self._bases[i] if i >= 0 else (0, "")
        if address - base >= MODULE_MAX:
            base, module = 0, ""
        if module not in self._known:
            path = self._folder / f"{module}.ko" if module else self._vmlinux
            self._known[module] = _functions(self._tools, path, base)
        functions = self._known[module]
        i = bisect.bisect_right(functions, (address, 1 << 64, "")) - 1
        if i < 0 or address >= sum(functions[i][:2]):
            return None
        begin, size, name = functions[i]
        where = f" [{module}]" if module else ""
        return f"{name}+{address - begin:#x}/{size:#x}{where}", name


def kernel_at(build: Path) -> tuple[int, int]:
    """Where the kernel's own code and data begin and end, by its System.map; none without one."""
    try:
        table = (build / "System.map").read_text(errors="replace")
    except OSError:
        return 0, 0
    found = dict(re.findall(r"(?m)^([0-9a-f]+) \w (_text|_end)$", table))
    at = {name: int(address, 16) for address, name in found.items()}
    return at.get("_text", 0), at.get("_end", 0)


def helpers_at(build: Path) -> tuple[tuple[int, int], ...]:
    """Begin and end of each of Rust's helpers that the kernel has as a function, by its
    System.map."""
    try:
        table = (build / "System.map").read_text(errors="replace")
    except OSError:
        return ()
    found = [(int(at, 16), name) for at, name in re.findall(
        r"(?m)^([0-9a-f]+) \w (\S+)$", table)]
    places = sorted({at for at, _ in found})
    return tuple((at, places[i]) for at, name in sorted(found) if name.startswith("rust_helper_")
                 and (i := bisect.bisect_right(places, at)) < len(places))


def names(addresses: list[int], modules: str, setup: Setup) -> dict[int, str]:
    """Addresses as the kernel writes them, function+offset/size [module], where they are known.

    `modules` is the guest's /proc/modules.
    """
    images = _Images(setup.tools, setup.kernel.build / "vmlinux", setup.modules, modules)
    found = {address: images.find(address) for address in addresses}
    return {address: one[0] for address, one in found.items() if one}


def lines(walks: Walks, modules: str, setup: Setup) -> list[str]:
    """Stacks as the kernel would have printed them, of CPUs that have something to tell.

    `modules` is the guest's /proc/modules.
    """
    images = _Images(setup.tools, setup.kernel.build / "vmlinux", setup.modules, modules)
    said: list[str] = []
    for cpu, (register, stack) in enumerate(walks):
        found = [images.find(address) for address in stack]
        if _is_elsewhere([name for _, name in filter(None, found)]):
            continue
        # The link register holds the caller of a function without a frame. In any other
        # it is where that last called from, or its caller a second time.
        if register == "PC" and len(stack) > 2 and found[1] and found[0] and (
                found[1][1] == found[0][1] or stack[1] == stack[2]):
            del found[1]
        mark = "RIP: 0010:" if register == "RIP" else "pc : "
        said += [f"CPU: {cpu}, as QEMU sees it",
                 f"{mark}{found[0][0] if found[0] else hex(stack[0])}"]
        said += [f" {text}" for text, _ in filter(None, found[1:])]
    return said


def _is_elsewhere(names: list[str]) -> bool:
    """Whether a CPU waits for work, and not in an interrupt that came meanwhile.

    Or for another CPU's stack: RCU may tell of a stall just then.
    """
    return "nmi_trigger_cpumask_backtrace" in names or (
        "do_idle" in names and bool(re.search("idle|halt", names[0])))
