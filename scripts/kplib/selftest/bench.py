# SPDX-License-Identifier: GPL-2.0
"""make bench-self: how fast kparity itself is. Prints figures, judges nothing."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import statistics
import tempfile
import time
from pathlib import Path

from kplib.common import cache, ui
from kplib.common.errors import OK, Failed
from kplib.configure import variants
from kplib.configure.archs import Arch
from kplib.configure.lanes import USUAL
from kplib.configure.request import TOP, Request
from kplib.selftest import selftest
from kplib.tools import scaffold

BOOTS = 10
RUNS = 5


def _timed(copy: Path, req: Request, *words: str) -> float:
    start = time.monotonic()
    done = selftest.run_in(copy, req, "run", *words)
    if done.returncode:
        raise Failed(f"a timed run failed: {ui.clean(done.stdout.decode()[-2000:])}")
    return time.monotonic() - start


def _row(what: str, times: list[float]) -> None:
    print(f"  {what:<52}{statistics.median(times):7.2f} s  "
          f"(min {min(times):.2f}, max {max(times):.2f}, n {len(times)})", flush=True)


def _cold(copy: Path, req: Request) -> None:
    """Empty caches to verdict: the first arch alone, then both."""
    with tempfile.TemporaryDirectory(dir=req.cache) as scratch:
        empty = dataclasses.replace(req, cache=Path(scratch))
        with ui.step("cold run, x86_64"):
            first = _timed(copy, empty, "ARCH=x86_64")
        with ui.step("cold run, arm64 added"):
            second = _timed(copy, empty, "ARCH=arm64")
    _row("cold, empty caches, x86_64 alone", [first])
    _row("cold, empty caches, both arches", [first + second])


def _warm(copy: Path, req: Request, arch: Arch) -> None:
    words = ("PAIR=ring", f"ARCH={arch.name}")
    _timed(copy, req, *words)
    _row("warm, nothing changed, PAIR=ring, both lanes",
         [_timed(copy, req, *words) for _ in range(RUNS)])
    source = copy / "rust-stub/ring.rs"
    text = source.read_text()
    edited, undone = [], []
    for _ in range(RUNS):
        # A line of code, so that the object and the module really change; one that
        # was never built, not in an earlier bench in this folder either.
        source.write_text(text + f"\n#[used]\nstatic EDITED: u64 = {time.time_ns()};\n")
        edited.append(_timed(copy, req, *words))
        source.write_text(text)
        undone.append(_timed(copy, req, *words))
    _row("warm, one line of ring.rs changed, PAIR=ring", edited)
    _row("warm, that edit undone, PAIR=ring", undone)


def _clone(copy: Path, name: str) -> None:
    """Write ring's files anew under another name."""
    for pattern in scaffold.FILES:
        text = (copy / pattern.format("ring")).read_text()
        text = re.sub("(?<![a-z])ring(?![a-z])", name, text)
        cache.write(copy / pattern.format(name),
                    re.sub("(?<![A-Z])RING(?![A-Z])", name.upper(), text))


def _pairs(copy: Path, req: Request, arch: Arch) -> None:
    """How a warm full run grows with the number of pairs."""
    names = ["ring"]
    kbuild = (copy / "Kbuild").read_text()
    points = []
    for count in (1, 2, 4, 8):
        while len(names) < count:
            names.append(f"ring{len(names)}x")
            _clone(copy, names[-1])
        scaffold.set_pairs(copy, names)
        _timed(copy, req, f"ARCH={arch.name}")
        times = [_timed(copy, req, f"ARCH={arch.name}") for _ in range(3)]
        _row(f"warm, nothing changed, {count} pair{'s' if count > 1 else ''}", times)
        points.append((count, statistics.median(times)))
    (copy / "Kbuild").write_text(kbuild)
    slope = (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0])
    print(f"  {'one more pair':<52}{slope:7.2f} s")


def _operations(copy: Path, req: Request, arch: Arch) -> None:
    """How lane check grows with the number of operations."""
    points = []
    for programs in (64, 256, 1024):
        words = ("PAIR=ring", "LANE=check", f"ARCH={arch.name}", f"PROGRAMS={programs}")
        times = [_timed(copy, req, *words) for _ in range(3)]
        operations = programs * 256 * 8
        _row(f"warm, lane check, {operations:,} operations", times)
        points.append((operations, statistics.median(times)))
    slope = (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0]) * 1e6
    print(f"  {'a million operations more':<52}{slope:7.2f} s")


def _variants(copy: Path, req: Request, arch: Arch) -> None:
    """Each lane of each kernel, from the state saved at init, and booted from the start."""
    for name, variant in variants.load_all(TOP / "qemu/variant").items():
        for lane in (name for name in variant.lanes if name in USUAL):
            words = ("PAIR=ring", f"LANE={lane}", f"ARCH={arch.name}", f"VARIANT={name}")
            _timed(copy, req, *words)
            _row(f"warm, lane {lane}, VARIANT={name}",
                 [_timed(copy, req, *words) for _ in range(RUNS)])
            # Words of the user's own for the kernel: such guests are never kept.
            _row("  the same, booted from the start",
                 [_timed(copy, req, *words, "APPEND=loglevel=6") for _ in range(RUNS)])
        print(f"    guest memory {variant.memory} MiB", flush=True)


def _repeatable(copy: Path, req: Request, arch: Arch) -> None:
    """Instruction counts of several guests, compared; every second one is booted from the start."""
    totals: list[dict[str, int]] = []
    for number in range(BOOTS):
        booted = ("APPEND=loglevel=6",) if number % 2 else ()
        _timed(copy, req, "LANE=insn", f"ARCH={arch.name}", *booted)
        found = json.loads((copy / "out" / arch.name / "base" / "results.json").read_text())
        totals.append({f"{pair} {op} {path}": cost["total"]
                       for pair, data in found["pairs"].items()
                       for op, row in data["instructions"].items() for path, cost in row.items()})
    spread = {key: (max(t[key] for t in totals) - min(t[key] for t in totals))
              / max(1, totals[0][key]) for key in totals[0]}
    moved = {key: share for key, share in spread.items() if share > 1e-6}
    print(f"  {arch.name}: {len(spread) - len(moved)} of {len(spread)} figures the same, to 1 in "
          f"1,000,000, in {BOOTS} of {BOOTS} guests", flush=True)
    for key, share in sorted(moved.items(), key=lambda item: -item[1]):
        print(f"    {key}: {share * 1e6:.0f} in 1,000,000")


def bench(req: Request) -> int:
    """Print the figures that kparity holds itself to."""
    print(f"kparity's own speed: {os.cpu_count()} CPUs, {os.uname().machine}", flush=True)
    with tempfile.TemporaryDirectory(dir=req.out) as scratch:
        copy = selftest.copy_of_project(Path(scratch))
        for arch in req.archs:
            with ui.step(f"warming the caches for {arch.name}"):
                _timed(copy, req, f"ARCH={arch.name}")
            print(f"{arch.name}", flush=True)
            _warm(copy, req, arch)
            _pairs(copy, req, arch)
            _operations(copy, req, arch)
            _variants(copy, req, arch)
        print("repeatability", flush=True)
        for arch in req.archs:
            _repeatable(copy, req, arch)
        print("cold", flush=True)
        _cold(copy, req)
    return OK
