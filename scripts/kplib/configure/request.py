# SPDX-License-Identifier: GPL-2.0
"""What the user asked for, checked before anything is done."""

from __future__ import annotations

import os
import platform
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from kplib.common import ui
from kplib.common.errors import Refused
from kplib.configure import archs, variants

TOP = Path(__file__).resolve().parents[3]

#: Every variable of the command line, with what it means; `make help` prints this.
VARIABLES = {
    "ARCH": "x86_64, arm64 or all; default: this machine's",
    "VARIANT": "kernel to run in: base, debug, kcsan or all; default: base",
    "PAIR": "pairs to build and run, e.g. PAIR=ring or PAIR='ring idalloc'; default: all",
    "SEED": "what programs are made from: a number, or random; default: 1",
    "PROGRAMS": "how many programs a lockstep case runs; default: 64",
    "LANE": "check, insn or all; default: all",
    "KERNEL": "kernel series from Debian, e.g. 7.3; default: the newest at set-up",
    "KERNEL_SRC": "a kernel source tree of your own; built out of tree, never written to",
    "KDIR": "a kernel build folder of your own, as for any out-of-tree module",
    "TOOLCHAIN": "host or root; default: the host's where it can, else a Debian root",
    "ACCEL": "kvm or tcg for lane check; default: kvm where a trial boot works",
    "APPEND": "further words for the guest's kernel command line",
    "KEEP": "1: leave the guest of lane check up after a failure, with a shell and for gdb",
    "OUT": "folder for results; default: out",
    "MIRROR": "Debian mirror; default: the one the host's apt uses",
    "PART": "parts of make test: static, unit, live, suites, contracts, mutants; default: all",
    "V": "1: show the commands' output and every figure",
}


@dataclass(frozen=True)
class Request:
    """A checked request. Paths are absolute."""

    archs: tuple[archs.Arch, ...]
    variants: tuple[variants.Variant, ...]
    pairs: tuple[str, ...]
    lanes: tuple[str, ...]
    seed: int
    programs: int
    kernel: str | None
    kernel_src: Path | None
    kdir: Path | None
    toolchain: str | None
    accel: str | None
    append: str
    keep: bool
    parts: tuple[str, ...]
    mirror: str | None
    out: Path
    cache: Path
    verbose: bool


def all_pairs(top: Path = TOP) -> tuple[str, ...]:
    """The list of pairs, from the one place that has it."""
    found = re.search(r"^PAIRS \?= (.*)$", (top / "Kbuild").read_text(), re.M)
    if not found:
        raise Refused("Kbuild has no line 'PAIRS ?= ...'; restore it")
    return tuple(found.group(1).split())


def _folder(name: str, value: str | None, marker: str) -> Path | None:
    if not value:
        return None
    path = Path(value).expanduser().resolve()
    if not path.is_dir():
        raise Refused(f"{name}={value}: no such folder")
    if not (path / marker).exists():
        raise Refused(f"{name}={value}: not what is wanted, it has no {marker}")
    return path


def _choice(name: str, value: str | None, choices: tuple[str, ...]) -> str | None:
    if value and value not in choices:
        raise Refused(f"{name}={value}: choose one of {', '.join(choices)}")
    return value or None


def _seed(value: str | None) -> int:
    if value == "random":
        return secrets.randbits(32)
    try:
        seed = int(value or "1", 0)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**64:
        raise Refused(f"SEED={value}: give a number from 0 to 2^64-1, or random")
    return seed


def _line(name: str, value: str) -> str:
    if not value.isprintable() or len(value) > 1000:
        raise Refused(f"{name}: give one line of at most 1000 printable characters")
    return value


def _count(name: str, value: str | None, default: int) -> int:
    if value is None:
        return default
    if not value.isdecimal() or not 1 <= int(value) <= 1000000:
        raise Refused(f"{name}={value}: give a number from 1 to 1000000")
    return int(value)


def check_paths(request: Request) -> None:
    """Refuse folders in which kbuild and make fail, with words that do not say why."""
    for name, path in (("the checkout", TOP), ("OUT", request.out),
                       ("KPARITY_CACHE", request.cache), ("KDIR", request.kdir),
                       ("KERNEL_SRC", request.kernel_src)):
        if path is not None and (bad := re.search(r"""[\s:#$%&*?'"`|;<>()\\[\]]""", str(path))):
            raise Refused(f"{name} {ui.clean(str(path))}: make cannot build in a folder with "
                          f"{bad.group()!r} in its path; choose another")


def parse(words: list[str], env: Mapping[str, str], new: bool = False) -> Request:
    """Check NAME=VALUE words, which win over the environment.

    `new` is for the verb that makes a pair: PAIR then names one that is not there.
    """
    values = {name: env[name] for name in VARIABLES if env.get(name)}
    for word in words:
        name, eq, value = word.partition("=")
        if not eq or name not in VARIABLES:
            raise Refused(f"'{word}': not a variable; 'make help' lists them")
        values[name] = value

    known = archs.load_all(TOP / "qemu" / "arch")
    arch = values.get("ARCH") or archs.host_name(platform.machine())
    if arch != "all" and arch not in known:
        raise Refused(f"ARCH={arch}: choose one of {', '.join(known)} or all")

    kinds = variants.load_all(TOP / "qemu" / "variant")
    variant = values.get("VARIANT") or variants.BASE
    if variant != "all" and variant not in kinds:
        raise Refused(f"VARIANT={variant}: choose one of {', '.join(kinds)} or all")

    every = all_pairs()
    pairs = tuple((values.get("PAIR") or " ".join(every)).replace(",", " ").split())
    for pair in pairs:
        if pair not in every and not new:
            raise Refused(f"PAIR={pair}: no such pair; there are {', '.join(every)}")

    lane = _choice("LANE", values.get("LANE"), ("check", "insn", "all")) or "all"
    if lane not in ("all", *(name for kind in (kinds.values() if variant == "all" else
                                               (kinds[variant],)) for name in kind.lanes)):
        raise Refused(f"LANE={lane}: variant {variant} has lane "
                      f"{' and '.join(kinds[variant].lanes)} only; its figures would mislead")
    kernel = values.get("KERNEL") or None
    if kernel and not re.fullmatch(r"\d+\.\d+", kernel):
        raise Refused(f"KERNEL={kernel}: give a series such as 7.3")
    kdir = _folder("KDIR", values.get("KDIR"), ".config")
    kernel_src = _folder("KERNEL_SRC", values.get("KERNEL_SRC"), "Kconfig")
    if sum(x is not None for x in (kernel, kdir, kernel_src)) > 1:
        raise Refused("KERNEL, KERNEL_SRC and KDIR exclude each other; give one")
    if kdir and "all" in (arch, variant):
        raise Refused("KDIR is one build; give its ARCH and VARIANT as well")

    cache = env.get("KPARITY_CACHE") or os.path.join(
        env.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "kparity")
    return Request(
        archs=tuple(known.values()) if arch == "all" else (known[arch],),
        variants=tuple(kinds.values()) if variant == "all" else (kinds[variant],),
        pairs=pairs,
        lanes=("check", "insn") if lane == "all" else (lane,),
        seed=_seed(values.get("SEED")),
        programs=_count("PROGRAMS", values.get("PROGRAMS"), 64),
        kernel=kernel,
        kernel_src=kernel_src,
        kdir=kdir,
        toolchain=_choice("TOOLCHAIN", values.get("TOOLCHAIN"), ("host", "root")),
        accel=_choice("ACCEL", values.get("ACCEL"), ("kvm", "tcg")),
        append=_line("APPEND", values.get("APPEND") or ""),
        keep=values.get("KEEP", "0") not in ("", "0"),
        parts=tuple((values.get("PART") or "").replace(",", " ").split()),
        mirror=values.get("MIRROR") or None,
        out=Path(values.get("OUT") or TOP / "out").expanduser().resolve(),
        cache=Path(cache).expanduser().resolve(),
        verbose=values.get("V", "0") not in ("", "0"),
    )
