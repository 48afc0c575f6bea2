# SPDX-License-Identifier: GPL-2.0
"""The tools: the host's where they pass, else those of a Debian root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from kplib.build import apt
from kplib.common import cache, proc, ui
from kplib.common.errors import EnvironmentFailed, Refused
from kplib.configure.request import TOP

#: Packages of the root. Extracted, not installed: no maintainer script runs,
#: so an ordinary user can make it, and it takes 26 s instead of 70 s.
PACKAGES = """
    base-files bash dash coreutils findutils grep sed mawk diffutils tar gzip
    bzip2 xz-utils dpkg perl perl-modules-5.40 python3 make patch
    clang lld llvm libclang-dev libc6-dev libgcc-14-dev
    rustc rust-src rustfmt rust-clippy bindgen
    flex bison bc libelf-dev libssl-dev zlib1g-dev pahole sparse kmod
    qemu-system-x86 qemu-system-arm busybox-static gdb-multiarch
    shellcheck mypy python3-pyflakes pycodestyle codespell
""".split()
#: Links that a maintainer script would have made.
LINKS = {"usr/bin/awk": "mawk"}
#: To be changed with the contents of a root; part of its name in the cache.
RECIPE = "1"

#: Tools by the name that `make doctor` shows, and how each tells its version.
TOOLS: dict[str, tuple[str, ...]] = {
    "make": ("make", "--version"),
    "clang": ("clang", "--version"),
    "ld.lld": ("ld.lld", "--version"),
    "llvm-objcopy": ("llvm-objcopy", "--version"),
    "rustc": ("rustc", "--version"),
    "rustfmt": ("rustfmt", "--version"),
    "clippy": ("clippy-driver", "--version"),
    "bindgen": ("bindgen", "--version"),
    "flex": ("flex", "--version"),
    "bison": ("bison", "--version"),
    "bc": ("bc", "--version"),
    "perl": ("perl", "-e", "print $^V"),
    "xz": ("xz", "--version"),
    "sparse": ("sparse", "--version"),
    "qemu-system-x86_64": ("qemu-system-x86_64", "--version"),
    "qemu-system-aarch64": ("qemu-system-aarch64", "--version"),
}
#: Tools that only `make test` needs.
FOR_TESTS = ("sparse", "rustfmt", "clippy")
#: Variables that kbuild takes from the environment, and that no name of what is built has.
_OF_KBUILD = re.compile(
    r"K(A|C|CPP|RUST)FLAGS|KBUILD_\w+|(A|C|LD|RUST)FLAGS_(MODULE|KERNEL|vmlinux)"
    r"|(HOST|USER)(C|CXX|LD|RUST)FLAGS|HOSTLDLIBS|CROSS_COMPILE|LLVM_IAS|SUBARCH|LOCALVERSION")
#: Headers that the kernel's host programs need.
HEADERS = ("gelf.h", "openssl/opensslv.h")


@dataclass(frozen=True)
class Toolchain:
    """Where commands run: on the host (`root` is None) or in a root.

    `versions` names every tool; it is part of the name of all that they build.
    """

    root: Path | None
    versions: dict[str, str]
    why: str
    folders: tuple[Path, ...]

    def argv(self, *command: str | Path, read_only: bool = False) -> list[str]:
        """The command line that runs `command` with these tools.

        A `read_only` one sees the same files, in a root, but can write to none. Variables
        that would change what kbuild builds do not reach it: a root has none of them.
        """
        words = [str(word) for word in command]
        if self.root is None:
            unset = [f"--unset={name}" for name in sorted(os.environ) if _OF_KBUILD.fullmatch(name)]
            return ["env", *unset, *words] if unset else words
        return [str(TOP / "scripts/enter-root"), *(["--read-only"] if read_only else []),
                str(self.root),
                *map(str, self.folders), "--", *words]

    def name(self) -> str:
        """A name for objects that these tools build."""
        return cache.digest(*(f"{k} {v}" for k, v in sorted(self.versions.items())))


def first_version(text: str) -> str:
    """The first thing in a tool's output that looks like a version."""
    found = re.search(r"\d+(\.\d+)+", text)
    return found.group(0) if found else "?"


def _version(argv: list[str]) -> str | None:
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return first_version(done.stdout.decode(errors="replace")) if done.returncode == 0 else None


def _headers() -> dict[str, str | None]:
    folders = ("/usr/include", f"/usr/include/{os.uname().machine}-linux-gnu")
    return {header: "present" if any(Path(p, header).exists() for p in folders) else None
            for header in HEADERS}


def host_versions() -> dict[str, str | None]:
    """Every tool on the host with its version, None where it is missing."""
    with ThreadPoolExecutor() as pool:
        found = pool.map(_version, map(list, TOOLS.values()))
        return {**dict(zip(TOOLS, found)), **_headers()}


def _installed() -> dict[str, str | None]:
    """Tools on the host, none asked for its version: that takes 0.4 s of every run."""
    return {**{name: shutil.which(argv[0]) for name, argv in TOOLS.items()}, **_headers()}


def missing_tools(found: dict[str, str | None]) -> list[str]:
    """Tools that a run needs and the host lacks."""
    return [name for name, version in found.items() if version is None and name not in FOR_TESTS]


def mountable(paths: list[Path]) -> tuple[Path, ...]:
    """The folders to show inside a root, without those below another one."""
    unique = sorted(set(paths))
    return tuple(p for p in unique if not any(q != p and q in p.parents for q in unique))


def known(wanted: str | None, folder: Path) -> Toolchain | None:
    """The tools that choose() would give, without making a root; None where one is to be made."""
    if wanted != "root" and not missing_tools(_installed()):
        found = host_versions()
        if not missing_tools(found):
            return Toolchain(None, {k: v for k, v in found.items() if v}, "", ())
    entry = root_path(folder)
    done = cache.marker(entry)
    return None if done is None else Toolchain(entry / "root", done["versions"], "", ())


def _userns_works() -> bool:
    if os.geteuid() == 0:
        return True
    return subprocess.run(["unshare", "--map-root-user", "--mount", "true"], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


def _need_mmdebstrap() -> None:
    if shutil.which("mmdebstrap"):
        return
    if os.geteuid() != 0:
        raise Refused("mmdebstrap is missing; have it installed: "
                      "sudo apt-get install --no-install-recommends mmdebstrap")
    with ui.step("installing mmdebstrap on this host (it makes the toolchain root)"):
        proc.output(["apt-get", "update"])
        proc.output(["apt-get", "install", "-y", "--no-install-recommends", "mmdebstrap"],
                    env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def extract(entry: Path, packages: apt.Apt, names: Sequence[str], what: str, mib: int) -> None:
    """Make a root below `entry` of some packages and all that they need.

    `what` is for a person, and `mib` the space that it takes meanwhile.
    """
    _need_mmdebstrap()
    cache.need_space(entry.parent, mib, f"a root with {what}")
    log = entry.with_name(entry.name + ".log")
    with cache.fresh(entry) as partial, \
            ui.step(f"making a Debian {apt.SUITE} root with {what}") as step:
        root = partial / "root"
        status, tail = proc.logged(
            ["mmdebstrap", "--mode=chrootless", "--variant=extract",
             f"--include={','.join(names)}", '--aptopt=Acquire::Languages "none"',
             '--aptopt=APT::Install-Recommends "false"', apt.SUITE, root,
             f"deb [signed-by={apt.KEYRING}] {packages.mirror} {apt.SUITE} main"],
            log, step, env={**os.environ, "TMPDIR": str(partial)})
        if status:
            errors = [line for line in tail if line.startswith("E:")] or tail[-1:]
            raise EnvironmentFailed(f"mmdebstrap failed: {' '.join(errors[:1])} (log: {log}); "
                                    "check the network, or give MIRROR=<a Debian mirror>")
        for name in ("dev", "proc", "tmp"):
            (root / name).mkdir(exist_ok=True)


def root_path(folder: Path) -> Path:
    """Where the root of this version of kparity is kept."""
    return folder / "root" / f"{apt.SUITE}-{cache.digest(RECIPE, *PACKAGES)}"


def use_root(folder: Path, packages: apt.Apt, folders: tuple[Path, ...], why: str) -> Toolchain:
    """The toolchain of the root, which is made if it is not there."""
    if not _userns_works():
        raise Refused("this user may not make user namespaces, which the toolchain root needs; "
                      "run as root, or sudo sysctl -w kernel.unprivileged_userns_clone=1")
    entry = root_path(folder)
    done = cache.marker(entry)
    if done is None:
        with cache.locked(entry):
            done = cache.marker(entry)
            if done is None:
                extract(entry, packages, PACKAGES, "the tools (2.1 GB)", 3500)
                for link, target in LINKS.items():
                    (entry / "root" / link).symlink_to(target)
                tools = Toolchain(entry / "root", {}, why, folders)
                proc.output(tools.argv("true"))  # or why nothing runs in it
                versions = {name: _version(tools.argv(*argv)) for name, argv in TOOLS.items()}
                missing = [name for name, version in versions.items() if version is None]
                if missing:
                    raise EnvironmentFailed(f"the new root lacks {', '.join(missing)}; "
                                            "please report it with the log beside the root")
                done = cache.complete(entry, {"versions": versions})
    return Toolchain(entry / "root", done["versions"], why, folders)


def choose(wanted: str | None, folder: Path, packages: apt.Apt,
           folders: tuple[Path, ...]) -> Toolchain:
    """The host's tools if all are there, else the root's; `wanted` forces one.

    Whether the host's Rust is one the kernel accepts is asked of the kernel,
    once its source is there: see kernel.rust_refused().
    """
    if wanted != "root":
        missing = missing_tools(_installed())
        if not missing:
            found = host_versions()
            missing = missing_tools(found)
        if not missing:
            return Toolchain(None, {k: v for k, v in found.items() if v},
                             "the host has every tool", ())
        if wanted == "host":
            raise Refused(f"TOOLCHAIN=host: the host lacks {', '.join(missing)}; "
                          "install them or leave TOOLCHAIN out")
        why = f"the host lacks {', '.join(missing)}"
    else:
        why = "TOOLCHAIN=root"
    return use_root(folder, packages, folders, why)


if sys.version_info < (3, 11):
    raise Refused("kparity needs Python 3.11 or newer")
