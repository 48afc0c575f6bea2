# SPDX-License-Identifier: GPL-2.0
"""make in-tree: the pairs inside a kernel source tree, for the kernel's own tools.

A folder lib/kparity/ is written there, with copies of what the modules are built from, and a line
each in lib/Makefile and lib/Kconfig.debug. A manifest in that folder has the digest of each file,
by which REMOVE=1 takes away what was written and nothing else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from kplib.common import cache, git, ui
from kplib.common.errors import EnvironmentFailed, Refused
from kplib.configure import options, pairs
from kplib.configure.request import TOP, Request

#: The folder in the kernel tree, and the file in it that says what was written.
FOLDER = "lib/kparity"
MANIFEST = ".kparity-manifest.json"
#: The checkout's Kbuild has another name there: kbuild would prefer it to the Makefile.
RULES = "pairs.mk"
#: Files that tell a kernel tree with Rust and KUnit.
NEEDED = ("Kbuild", "Kconfig", "rust/kernel/lib.rs", "tools/testing/kunit/kunit.py")


@dataclass(frozen=True)
class Line:
    """A line that is added to a file of the kernel's, behind the one that `behind` matches."""

    file: str
    behind: str
    text: str


LINES = (
    Line("lib/Makefile", r"obj-\S+\s*\+=\s*kunit/", "obj-$(CONFIG_KPARITY) += kparity/"),
    Line("lib/Kconfig.debug", r'source "lib/kunit/Kconfig"', 'source "lib/kparity/Kconfig"'),
)

#: What every pair is built from, beside its own files. Suites come with the pairs.
COMMON = ("kmod/engine/*", "kmod/contract/kparity.h", "rust-stub/kparity.rs", "rust-stub/glue.rs",
          "scripts/contract-glue", "scripts/kplib/__init__.py", "scripts/kplib/contract/*.py")

MAKEFILE = """\
# SPDX-License-Identifier: GPL-2.0
#
# Written by kparity's 'make in-tree'.
kparity_as := $(CONFIG_KPARITY)
{pairs}
PAIRS := $(kparity-pairs-y)
PAIRS_DIR := $(src)/pairs
include $(src)/{rules}
"""

KCONFIG = """\
# SPDX-License-Identifier: GPL-2.0
#
# Written by kparity's 'make in-tree'.
menuconfig KPARITY
	tristate "kparity: C and Rust sides of interfaces, compared"
	depends on KUNIT && RUST && DEBUG_FS
	help
	  KUnit suites that call the C and the Rust implementation of an interface from C and from
	  Rust, and compare what they do. Built in, they run while the kernel boots.

if KPARITY

config KPARITY_LANES
	bool "Suites that want a guest of their own"
	help
	  Suites <pair>_insn, _irq, _history, _order and _time. They fail or are skipped in a guest
	  that is not booted for them: _insn and _irq want QEMU's -icount. Modules have them always.
"""

CONFIG = """
config KPARITY_{upper}
	bool "Pair {name}"
	default y
"""

KUNITCONFIG = """\
# Written by kparity's 'make in-tree'. kunit.py run --kunitconfig=lib/kparity
CONFIG_KUNIT=y
CONFIG_RUST=y
CONFIG_DEBUG_FS=y
CONFIG_KUNIT_DEBUGFS=y
# Threads on two CPUs at once, and timers that are finer than a tick.
CONFIG_SMP=y
CONFIG_PREEMPT=y
CONFIG_HIGH_RES_TIMERS=y
# User memory, and the nodes of pair device.
CONFIG_SHMEM=y
CONFIG_DEVTMPFS=y
CONFIG_KPARITY=y
"""


@dataclass(frozen=True)
class Manifest:
    """What was written into a kernel tree: from which checkout, and each file's digests.

    A file has two digests while it is being replaced.
    """

    source: str
    files: Mapping[str, tuple[str, ...]]

    def text(self) -> str:
        """As a file."""
        return json.dumps({"from": self.source, "files": self.files}, indent=1) + "\n"


def read_manifest(tree: Path) -> Manifest | None:
    """What was written into a tree, None if nothing was."""
    path = tree / FOLDER / MANIFEST
    try:
        found = json.loads(path.read_text())
        return Manifest(found["from"], {name: tuple(had) for name, had in found["files"].items()})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise Refused(f"{path} cannot be read: {ui.clean(str(err))[:100]}; remove "
                      f"{tree / FOLDER} by hand") from err


def _digest(path: Path) -> str | None:
    """A file's digest, None if it is not there."""
    try:
        return cache.digest(path.read_bytes())
    except OSError:
        return None


def _makefile(names: tuple[str, ...]) -> str:
    lines = (f"kparity-pairs-$(CONFIG_KPARITY_{name.upper()}) += {name}" for name in names)
    return MAKEFILE.format(pairs="\n".join(lines), rules=RULES)


def _kconfig(named: list[pairs.Pair]) -> str:
    text = KCONFIG
    for pair in named:
        text += CONFIG.format(upper=pair.name.upper(), name=pair.name)
        text += "".join(f"\tdepends on {one.name.removeprefix('CONFIG_')}\n"
                        for one in options.read(pair) if one.value == "y")
    return text + "\nendif\n"


def _kunitconfig(named: list[pairs.Pair]) -> str:
    wanted = options.union(named)
    return (KUNITCONFIG
            + "".join(f"CONFIG_KPARITY_{pair.name.upper()}=y\n" for pair in named)
            + "".join(f"{options.line(one.name, one.value)}\n" for one in wanted.values()))


def contents(req: Request) -> dict[str, bytes]:
    """The files of FOLDER for a request's pairs, by their names in it."""
    named = [pairs.files(name, req.pairs_dir) for name in req.pairs]
    found = {RULES: (TOP / "Kbuild").read_bytes(),
             "Makefile": _makefile(req.pairs).encode(),
             "Kconfig": _kconfig(named).encode(),
             ".kunitconfig": _kunitconfig(named).encode()}
    for path in (path for glob in COMMON for path in sorted(TOP.glob(glob))):
        found[str(path.relative_to(TOP))] = path.read_bytes()
    for pair in named:
        own = pair.own
        if own is None:
            paths = {path: str(path.relative_to(TOP))
                     for path in (pair.contract, pair.port, pair.c, pair.suite,
                                  *sorted(pair.contract.parent.glob(f"{pair.name}_*.h")))}
        else:
            paths = {path: f"pairs/{pair.name}/{path.name}" for path in sorted(own.iterdir())
                     if path.suffix in pairs.BUILT_FROM}
        found |= {name: path.read_bytes() for path, name in paths.items() if path.is_file()}
    return found


def _check_tree(tree: Path) -> None:
    """Refuse what is no kernel tree, or has no place for the lines."""
    for name in (*NEEDED, *(line.file for line in LINES)):
        if not (tree / name).is_file():
            raise Refused(f"DEST={tree} is no source tree of a kernel with Rust and KUnit: it has "
                          f"no {name}")
    for line in LINES:
        _with(line, _text(tree / line.file), tree)


def _text(path: Path) -> str:
    """A file of the kernel's. What is no UTF-8 in it is left as it is."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _with(line: Line, text: str, tree: Path) -> str:
    """A file of the kernel's with the line in it."""
    lines = text.splitlines(keepends=True)
    if f"{line.text}\n" in lines:
        return text
    for at, had in enumerate(lines):
        if re.fullmatch(line.behind, had.rstrip("\n")):
            return "".join([*lines[:at + 1], f"{line.text}\n", *lines[at + 1:]])
    raise Refused(f"{tree / line.file} has no line of KUnit's behind which {line.text!r} would be; "
                  "this kernel is one that kparity does not know")


def _check_clean(tree: Path) -> None:
    """Refuse to write into a tree of git's that has changes of its user's in these places."""
    if not (tree / ".git").exists():
        return
    try:
        said = git.ask(tree, "status", "--porcelain", "--", FOLDER, *(line.file for line in LINES))
    except git.NoAnswer as err:
        raise EnvironmentFailed(f"git status fails in {tree}: {err}") from err
    if changed := [line[3:] for line in said.splitlines()]:
        raise Refused(f"DEST={tree} has changes of its own in {', '.join(map(ui.clean, changed))}; "
                      "commit or stash them first")


def _changed(tree: Path, manifest: Manifest) -> list[str]:
    """Files that somebody has changed since they were written; one that is gone is not."""
    return [name for name, had in manifest.files.items()
            if (now := _digest(tree / FOLDER / name)) is not None and now not in had]


def write(req: Request, tree: Path) -> tuple[int, int]:
    """Write the folder and the lines; how many files there are, and how many were written.

    What is there from this checkout is brought up to date. REMOVE=1 works after an interruption
    anywhere: the manifest comes first, the lines that name the folder last.
    """
    _check_tree(tree)
    folder, found = tree / FOLDER, contents(req)
    had = read_manifest(tree)
    if had is None:
        if folder.exists():
            raise Refused(f"{folder} is there, and not from 'make in-tree'; move it away")
        _check_clean(tree)
        had = Manifest(str(TOP), {})
    elif had.source != str(TOP):
        raise Refused(f"{folder} is from another checkout, {ui.clean(had.source)}; 'make in-tree "
                      f"DEST={tree} REMOVE=1' removes it")
    elif changed := _changed(tree, had):
        raise Refused(f"changed in {folder} since they were written: {', '.join(changed)}; take "
                      "that over into the checkout, then undo it there")
    digests = {name: cache.digest(data) for name, data in found.items()}
    both = {name: tuple(dict.fromkeys((digests.get(name, ""), *had.files.get(name, ())))) for name
            in (*found, *had.files)}
    cache.write(folder / MANIFEST, Manifest(str(TOP), both).text())
    written = 0
    for name, data in found.items():
        if _digest(folder / name) != digests[name]:
            cache.write(folder / name, data)
            written += 1
    for name in had.files.keys() - found.keys():
        (folder / name).unlink(missing_ok=True)
    cache.write(folder / MANIFEST, Manifest(str(TOP), {name: (one,) for name, one
                                                       in digests.items()}).text())
    for line in LINES:
        text = _text(tree / line.file)
        if (new := _with(line, text, tree)) != text:
            _replace(tree / line.file, new)
    return len(found), written


def _replace(path: Path, text: str) -> None:
    """Write a file of the kernel's anew; it keeps its rights."""
    mode = path.stat().st_mode
    cache.write(path, text.encode("utf-8", "surrogateescape"))
    path.chmod(mode & 0o7777)


def remove(tree: Path) -> list[str]:
    """Undo write(); files that are kept, as somebody has changed or added them."""
    manifest = read_manifest(tree)
    if manifest is None:
        raise Refused(f"DEST={tree} has nothing from 'make in-tree': there is no "
                      f"{FOLDER}/{MANIFEST}")
    for line in LINES:
        path = tree / line.file
        lines = _text(path).splitlines(keepends=True)
        if f"{line.text}\n" in lines:
            lines.remove(f"{line.text}\n")
            _replace(path, "".join(lines))
    folder = tree / FOLDER
    changed = set(_changed(tree, manifest))
    for name in manifest.files.keys() - changed:
        (folder / name).unlink(missing_ok=True)
    (folder / MANIFEST).unlink()
    for path in sorted((path for path in (folder, *folder.rglob("*")) if path.is_dir()
                        and not path.is_symlink()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
    return sorted(str(path.relative_to(tree)) for path in folder.rglob("*") if not path.is_dir())


def carry_out(req: Request) -> None:
    """make in-tree, and what it says."""
    if req.dest is None:
        raise Refused("make in-tree wants a kernel source tree: make in-tree DEST=linux/")
    tree = req.dest
    if not tree.is_dir():
        raise Refused(f"DEST={tree}: no such folder")
    if req.remove:
        kept = remove(tree)
        print(f"removed from {tree}")
        for name in kept:
            print(f"  kept: {name}, which is not as it was written, or was not written by kparity")
        return
    files, written = write(req, tree)
    print(f"{tree / FOLDER}: {len(req.pairs)} pair{'s' * (len(req.pairs) > 1)}, {files} files, "
          f"{written} of them written")
    for line in LINES:
        print(f"{tree / line.file}: {line.text}")
    print(f"in {tree}: tools/testing/kunit/kunit.py run --arch x86_64 --make_options LLVM=1 "
          f"--kunitconfig {FOLDER} --qemu_args='-smp 2'")
