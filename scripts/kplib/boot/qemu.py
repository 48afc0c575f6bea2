# SPDX-License-Identifier: GPL-2.0
"""Starting a guest: QEMU's command line, its channels, and the warm start.

A guest is in the same state each time that it reaches init, and a kernel with
KASAN takes seconds to get there. So the first boot saves that state, before
anything is loaded, and later ones go on from it (QEMU's migration to a file): 0.4 s
in place of 6 with KASAN, 0.25 s in place of 1 in lane insn. Instructions counted
after a restore are those counted after a boot, to the digit.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, Any, Iterator

from kplib.boot import advice, qmp
from kplib.boot.console import Console
from kplib.boot.guest import Guest
from kplib.build import plugin as build_plugin
from kplib.build.kernel import Kernel
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.common import cache, proc, ui
from kplib.common.errors import EnvironmentFailed, GuestLost
from kplib.configure.lanes import Lane

#: Suites run when the host says so. An oops or a panic ends the guest at once:
#: what runs after one proves nothing. Notices are on the console, as those lines
#: are that tell where a run is. KUnit's own timeout, 300 s of the guest's clock for a
#: case on a path, is out of the way: that clock goes on while a busy host does not run
#: the guest. The limit to a guest's silence, which heeds that, finds what hangs.
CMDLINE = ("panic=-1 oops=panic loglevel=6 printk.devkmsg=on kunit.autorun=0"
           " kunit.timeout=86400")
#: How much longer than any other guest one that boots may be silent. An emulated boot
#: takes 1.5 s in variant base on an idle machine; CI machines are seldom idle.
BOOT_SILENCE = 3
#: Seconds that one may be silent at least that counts and goes by timers: x86 compares the timer of
#: the APIC with ticks then, which takes 20 s of an idle machine. Later guests go on from its state.
TIMERS_SILENCE = 90.0
#: How many states of a kernel are kept: 18 MB each for base, 95 MB for debug. Each
#: lane has one, and so has each init.c of the checkouts that share the cache.
STATES = 8
#: Seconds for saving or loading a guest's state.
STATE_DEADLINE = 60.0
#: To be changed where saved states must be made anew; part of their names.
STATE_RECIPE = "2"
#: A line of /proc/timer_list for each CPU whose timers have a high resolution.
_PRECISE = re.compile(r"^ *\.hres_active *: 1$", re.M)
#: A CPU of x86 that has no timer of its own: with one CPU that one has a high resolution as well.
_PIT = re.compile(r"^Per CPU device: \d+\nClock Event Device: pit$", re.M)


def host_tsc_khz(cpuinfo: str = "/proc/cpuinfo") -> int | None:
    """Rate of this machine's TSC in kHz, or None where it has none or does not say.

    The nominal rate in the model's name is that of the TSC; "cpu MHz" is too on
    virtual machines. An error bends the guest's clock, and no verdict rests on that.
    """
    try:
        text = Path(cpuinfo).read_text(errors="replace")
    except OSError:
        return None
    if found := re.search(r"^model name.*@ *([0-9.]+) *GHz", text, re.M):
        return int(float(found.group(1)) * 1e6)
    rates = [float(mhz) for mhz in re.findall(r"^cpu MHz\s*: *([0-9.]+)", text, re.M)]
    return int(max(rates) * 1e3) if rates else None


def kernel_words(words: str, khz: int | None, hz: int) -> str:
    """The kernel's command line; a word that needs an unknown rate is left out.

    `khz` is the rate of the host's TSC, `hz` that of the guest's ticks.
    """
    known = {"@HOST_TSC_KHZ@": khz, "@HOST_TSC_PER_JIFFY@": khz and khz * 1000 // hz}
    for name, value in known.items():
        words = " ".join(word.replace(name, str(value)) for word in words.split()
                         if value or name not in word)
    return words


def command(kernel: Kernel, lane: Lane, initrd: Path | None = None,
            append: str = "") -> list[str]:
    """The QEMU command line but for its channels. No network, no disk, no view of the host."""
    arch, variant = kernel.arch, kernel.variant
    cpus = ["-smp", str(lane.cpus), *(
        ["-icount", "shift=0,sleep=off"] if lane.counts else
        ["-accel", "kvm" if lane.accel == "kvm" else "tcg,thread=multi"])]
    words = " ".join((arch.cmdline["all"], arch.cmdline[lane.mode], CMDLINE, variant.cmdline,
                      dict(variant.words).get(lane.name, ""), append))
    return [
        arch.qemu, "-M", arch.machine[lane.mode], "-cpu", arch.cpu[lane.mode], *cpus,
        "-m", f"{variant.memory}M", "-nodefaults", "-no-user-config", "-display", "none",
        "-no-reboot",
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-kernel", str(kernel.image), "-initrd", str(initrd or kernel.initrd),
        "-append", kernel_words(words, host_tsc_khz(), int(kernel.config["CONFIG_HZ"])),
    ]


def channels(console: int, monitor: int) -> list[str]:
    """Console and monitor on sockets that QEMU inherits, the port on its standard streams.

    QEMU opens no file for writing: what a guest says is written by kparity alone.
    """
    return [
        "-chardev", f"socket,id=console,fd={console}", "-serial", "chardev:console",
        "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control",
        "-chardev", "stdio,id=port,signal=off", "-device", "virtio-serial-device",
        "-device", "virtserialport,chardev=port,name=kparity",
    ]


def _plugin(setup: Setup, lane: Lane, record: IO[bytes] | None) -> list[str]:
    """Words that have QEMU load the lane's plugin, which writes to `record`."""
    if record is None:
        return []
    plugin = build_plugin.get(setup.tools, setup.request.cache, lane.plugin)
    return ["-plugin", f"file={plugin},fd={record.fileno()}"]


def record_of(path: Path) -> Path:
    """Where a plugin's record goes, beside a lane's console."""
    return path.with_suffix(".record")


def _state_file(tools: Toolchain, kernel: Kernel, lane: Lane, words: list[str]) -> Path | None:
    """Where the state of such a guest is kept, or None if it is to boot each time.

    Hardware virtualisation boots: it is fast, and its state depends on the machine. Lane time
    boots too: what it counts as boots must not have one boot's memory.
    """
    if lane.accel != "tcg" or lane.asked:
        return None
    qemu = tools.versions.get(kernel.arch.qemu, "?")
    return kernel.entry / f"warm-{cache.digest(STATE_RECIPE, qemu, *words)}"


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _until(guest: Guest, what: str, command: str, wanted: tuple[str, ...]) -> str:
    end = time.monotonic() + STATE_DEADLINE
    while time.monotonic() < end:
        status = str(guest.monitor.ask(command).get("status"))
        if status in wanted:
            return status
        time.sleep(0.01)
    raise qmp.MonitorError(f"{what} takes longer than {STATE_DEADLINE:.0f} s")


def _known(kernel: Kernel, state: Path) -> dict[str, Any] | None:
    """The marker of a state that is whole, and not of an older build of this kernel."""
    marker = cache.marker(state)
    return marker if marker and kernel.image.stat().st_mtime <= state.stat().st_mtime else None


def _prune(state: Path) -> None:
    """Drop the oldest states of this kernel: its init or words for it have changed since."""
    found = sorted((p.parent for p in state.parent.glob("warm-*/.complete")),
                   key=lambda p: p.stat().st_mtime)
    for old in found[:-STATES + 1]:
        shutil.rmtree(old, ignore_errors=True)


def _precise(guest: Guest, lane: Lane) -> bool:
    """Whether a sleep of this guest ends when it is to, and not at the next tick, 4 ms later.

    While it boots, x86 compares the timer of the APIC with ticks, and does without it where a
    busy host has kept back two of 25. Whoever starts from such a guest's state does so too:
    a run of all pairs takes twice as long. Of lanes that count, those that go by timers have one.
    """
    if lane.counts and not lane.timers:
        return True
    timers = guest.read("reading timers", "/proc/timer_list").text()
    return len(_PRECISE.findall(timers)) == lane.cpus and not _PIT.search(timers)


def _save(guest: Guest, kernel: Kernel, state: Path) -> None:
    """Keep the state of a guest that has just booted; it goes on afterwards."""
    with cache.locked(state):
        if _known(kernel, state):
            return
        _prune(state)
        with contextlib.suppress(EnvironmentFailed, OSError), cache.fresh(state) as partial:
            cache.need_space(state.parent, 1000, "a guest's state")
            guest.monitor.ask("stop")
            try:
                file = partial / "state"
                with open(file, "wb") as out:
                    # QEMU itself may write to no file.
                    guest.monitor.hand_over("state", out.fileno())
                    guest.monitor.ask("migrate", uri="fd:state")
                if _until(guest, "saving", "query-migrate", ("completed", "failed")) == "failed":
                    raise EnvironmentFailed("QEMU cannot save this guest's state")
                cache.complete(partial, {"sha256": _digest(file)})
            finally:
                guest.monitor.ask("cont")


def _load(guest: Guest, state: Path) -> None:
    """Put a guest that waits for it into a saved state."""
    guest.monitor.ask("migrate-incoming", uri=f"file:{state / 'state'}")
    _until(guest, "loading", "query-status", ("paused", "postmigrate"))
    guest.monitor.ask("cont")
    # Anything that it answers will do.
    guest.read("waking up", "/proc/version").ok()


@contextlib.contextmanager
def standing_still(guest: Guest, lane: Lane) -> Iterator[None]:
    """Keep a guest of lane insn from running while the body waits for something.

    Its virtual clock does not wait for the real one: idle, it goes through its timers as
    fast as it can, and would take a core from the compilers that it waits for.
    """
    monitor = guest.monitor if lane.counts else None
    with contextlib.suppress(qmp.MonitorError):
        if monitor:
            monitor.ask("stop")
    yield
    # One whose monitor does not answer is lost at its first request.
    with contextlib.suppress(qmp.MonitorError):
        if monitor:
            monitor.ask("cont")


@contextlib.contextmanager
def _start(setup: Setup, lane: Lane, words: list[str], path: Path, token: str, read_only: bool,
           cancelled: threading.Event | None) -> Iterator[Guest]:
    """Run QEMU with a guest's channels; it is gone when the body ends."""
    errors = path.with_suffix(".qemu")
    wire, console_end = socket.socketpair()
    monitor, monitor_end = socket.socketpair()
    ends = (console_end.fileno(), monitor_end.fileno())
    with contextlib.ExitStack() as stack, wire, console_end, monitor, monitor_end:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            log = open(path, "ab", buffering=0)
            stderr = open(errors, "wb")
            record = stack.enter_context(open(record_of(path), "ab", buffering=0)) \
                if lane.plugin else None
        except OSError as err:
            raise EnvironmentFailed(f"cannot write {path}: {err.strerror}") from err
        argv = setup.tools.argv(*words, *channels(*ends), *_plugin(setup, lane, record),
                                read_only=read_only)
        fds = (*ends, *([record.fileno()] if record else []))
        with log, stderr, proc.child(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=stderr, pass_fds=fds) as process:
            console_end.close()
            monitor_end.close()
            yield Guest(process, Console(token, log), path, errors, wire, monitor,
                        setup.silence, cancelled)


def _boot_silence(setup: Setup, lane: Lane) -> float:
    """Seconds after which a guest that says nothing while it boots is lost."""
    usual = BOOT_SILENCE * setup.silence
    return max(usual, TIMERS_SILENCE) if lane.counts and lane.timers else usual


@contextlib.contextmanager
def boot(setup: Setup, lane: Lane, path: Path, token: str = "",
         deadline: float | None = None, read_only: bool = True,
         cancelled: threading.Event | None = None) -> Iterator[Guest]:
    """Start a guest and wait until it answers. It is gone when the body ends.

    QEMU can write to no file, but for one that lets gdb in, which makes a socket.
    `cancelled` ends it from another thread, with guest.Cancelled.

    Its console goes on at the end of the file `path`; QEMU's own words are beside it.
    """
    tools, kernel, append = setup.tools, setup.kernel, setup.request.append
    words = command(kernel, lane, append=append)
    state = None if append else _state_file(tools, kernel, lane, words)
    if state and (known := _known(kernel, state)):
        with contextlib.ExitStack() as stack:
            try:
                guest = stack.enter_context(
                    _start(setup, lane, [*words, "-incoming", "defer"], path, token, read_only,
                           cancelled))
                # While QEMU starts, which takes longer.
                if known.get("sha256") != _digest(state / "state"):
                    raise qmp.MonitorError("its state in the cache is damaged")
                _load(guest, state)
            except (qmp.MonitorError, GuestLost, OSError) as err:
                ui.note(f"  booting the {kernel.name} guest from the start: {err}")
                (state / ".complete").unlink(missing_ok=True)
            else:
                yield guest
                return
    with _start(setup, lane, words, path, token, read_only, cancelled) as guest:
        try:
            guest.expect("booting").ok(deadline or _boot_silence(setup, lane))
        except GuestLost as err:
            if not deadline:
                err.args = (f"{err}{advice.unbootable(setup, lane, err)}",)
            raise
        if state and _precise(guest, lane):
            with contextlib.suppress(qmp.MonitorError):
                _save(guest, kernel, state)
        yield guest
