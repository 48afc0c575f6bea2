# SPDX-License-Identifier: GPL-2.0
"""The kernel under test: built or adopted, its image, and the guest's initramfs."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kplib.build import config, jobserver, kconfig, nolibc, source, toolchain
from kplib.build.config import Added, CannotHave
from kplib.build.source import Source
from kplib.build.toolchain import Toolchain
from kplib.common import cache, proc, ui
from kplib.common.errors import EnvironmentFailed, Refused
from kplib.configure import pairs
from kplib.configure.archs import Arch
from kplib.configure.options import Option
from kplib.configure.request import TOP, Request
from kplib.configure.variants import Variant

#: Duration of a kernel's build, measured.
HOW_LONG = "4 to 8 minutes on 2 CPUs"
#: Duration where it begins as a copy of its variant's, which depends on the options.
HOW_LONG_MORE = "1 to 2 minutes on 2 CPUs, 4 to 8 where much depends on these"
#: Modules cannot be compared in a kernel without these; a KDIR is held to them.
NEEDED = ("MODULES", "MODULE_UNLOAD", "RUST", "KUNIT", "KUNIT_DEBUGFS", "DEBUG_FS", "DEVTMPFS",
          "BLK_DEV_INITRD", "VIRTIO_MMIO", "VIRTIO_CONSOLE", "BINFMT_ELF", "PROC_FS", "SYSFS")

INITRAMFS = """\
dir /dev 0755 0 0
nod /dev/console 0600 0 0 c 5 1
dir /proc 0755 0 0
dir /sys 0755 0 0
file /init {init} 0755 0 0
"""


@dataclass(frozen=True)
class Kernel:
    """A built kernel. `build` is its KDIR, `image` what boots, `ident` names it in other caches.

    `headers` has the headers for user space in usr/include; `entry` is a folder
    of the cache where what is made for this kernel is kept.
    """

    arch: Arch
    variant: Variant
    entry: Path
    release: str
    tree: Path
    build: Path
    image: Path
    headers: Path
    initrd: Path
    ident: str
    config: dict[str, str]
    #: Options that this kernel has beyond its variant's, as pairs want them.
    added: tuple[Option, ...] = ()

    @property
    def name(self) -> str:
        """Arch and variant, in words."""
        return f"{self.arch.name} {self.variant.name}"


def wanting(kernel: Kernel) -> tuple[str, ...]:
    """The pairs whose options a kernel has beyond its variant's."""
    return tuple(dict.fromkeys(pair for one in kernel.added for pair in one.pairs))


def rust_refused(tools: Toolchain, src: Source) -> str | None:
    """Why the kernel does not accept these tools' Rust, or None if it does."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "log"
        with ui.step("asking the kernel whether it accepts this Rust") as step:
            status, tail = proc.logged(
                tools.argv("make", "-C", src.tree, f"O={scratch}", "LLVM=1", "rustavailable"),
                log, step)
    said = [line for line in tail if line.startswith("***")]
    if status == 0:
        return None
    return " ".join(said).replace("*", "").strip() or "make rustavailable failed"


def _plain(request: Request, tools: Toolchain, src: Source, arch: Arch,
           variant: Variant) -> dict[str, str]:
    """The .config of a variant, without anything that pairs want.

    Without the kernel it is made for itself, once; in a tree of the user's own each time.
    """
    entry = _entry(request, tools, src, arch, variant)
    own = request.kernel_src is not None
    if cache.marker(entry) is not None and not own:
        return kconfig.parse((entry / "build/.config").read_text())
    kept = entry.with_name(f"{entry.name}.config")
    with cache.locked(kept):
        if own or not kept.exists():
            with tempfile.TemporaryDirectory(dir=entry.parent) as scratch, \
                    ui.step(f"looking what the {arch.name} {variant.name} kernel has") as step:
                config.configure(request, tools, src, Path(scratch), arch, variant, step)
                cache.write(kept, (Path(scratch) / ".config").read_text())
        return kconfig.parse(kept.read_text())


def _lacking(request: Request, tools: Toolchain, src: Source, arch: Arch,
             variant: Variant) -> Added:
    """Options that pairs want and the variant lacks; another kernel is built for these alone."""
    wanted = config.check_options(request)
    if not wanted:
        return ()
    lost = kconfig.dropped({name: one.value for name, one in wanted.items()},
                           _plain(request, tools, src, arch, variant))
    return tuple(wanted[name] for name in sorted(lost))


def _needing(added: Added) -> str:
    """Which pairs want which options, for a person."""
    found: dict[tuple[str, ...], list[str]] = {}
    for one in added:
        found.setdefault(one.pairs, []).append(one.words)
    return "; ".join(f"{', '.join(words)} for {', '.join(names)}"
                     for names, words in found.items())


def _compile(request: Request, tools: Toolchain, src: Source, build: Path, what: str,
             arch: Arch, how_long: str) -> None:
    log = build / config.BUILD_LOG
    image = Path(arch.image).name
    with ui.step(f"building {what} ({how_long})") as step:
        status, tail = proc.logged(
            config.make(tools, src.tree, build, arch, image, "modules", "headers"), log, step,
            request.verbose, pass_fds=jobserver.pipe())
    if status:
        said = [line for line in tail if re.search(r"error|\*\*\*", line)] or tail
        raise EnvironmentFailed(f"{what} does not build: "
                                f"{said[0].strip() if said else '?'} (log: {log})")


def _ident(tools: Toolchain, src: Source, arch: Arch, variant: Variant, added: Added = ()) -> str:
    """Name of a kernel, from all that it is built from."""
    return cache.digest(config.RECIPE, src.ident, config.option_lines(arch, variant, added),
                        tools.name())


def _entry(request: Request, tools: Toolchain, src: Source, arch: Arch, variant: Variant,
           added: Added = ()) -> Path:
    """A kernel's folder in the cache."""
    kind = f"{variant.name}.pairs" if added else variant.name
    return (request.cache / "kernel"
            / f"{arch.name}-{kind}-{_ident(tools, src, arch, variant, added)}")


def _begin(plain: Path, tree: Path) -> None:
    """Begin a kernel with more options from its variant's, if that is there.

    make then builds what the options change. It goes by times, which are kept, and by
    commands: where these have the folder's name in them, objtool would be built anew, and all
    objects because of that.
    """
    if cache.marker(plain) is None or tree.exists():
        return
    old, new = os.fsencode(plain / "build"), os.fsencode(tree)
    with cache.locked(plain), cache.fresh(tree) as partial:
        shutil.copytree(plain / "build", partial, symlinks=True, dirs_exist_ok=True)
        for path in partial.rglob(".*.cmd"):
            if old in (text := path.read_bytes()):
                cache.write(path, text.replace(old, new))


def build(request: Request, tools: Toolchain, src: Source, arch: Arch,
          variant: Variant, chosen: Added = ()) -> Kernel:
    """The kernel for one arch and variant, from the cache if it is there.

    `chosen` are options beyond those of the variant and what pairs want. An interrupted build
    goes on where it was. A tree of the user's own may have changed in any way, so make is
    asked each time.
    """
    added = (*_lacking(request, tools, src, arch, variant), *chosen)
    entry = _entry(request, tools, src, arch, variant, added)
    what = f"the {arch.name} {variant.name} kernel"
    plain = _entry(request, tools, src, arch, variant)
    how_long = HOW_LONG if not added or cache.marker(plain) is None else HOW_LONG_MORE
    tree = entry / "build"
    own = request.kernel_src is not None
    if own or cache.marker(entry) is None:
        with cache.locked(entry):
            if own or cache.marker(entry) is None:
                cache.need_space(request.cache, 1500, what)
                try:
                    with ui.step(f"configuring {what}") as step:
                        if added:
                            _begin(plain, tree)
                        tree.mkdir(parents=True, exist_ok=True)
                        config.configure(request, tools, src, tree, arch, variant, step, added)
                except (EnvironmentFailed, CannotHave):
                    shutil.rmtree(entry)  # nothing in it is worth going on from
                    raise
                if added and not chosen and cache.marker(entry) is None:
                    ui.note(f"{what} lacks {_needing(added)}: one with that is built now, once, "
                            f"and kept ({how_long}, 0.7 to 1.2 GB)")
                _compile(request, tools, src, tree, what, arch, how_long)
                cache.complete(entry, {"source": src.ident, "tools": tools.versions})
    return _finish(tools, src.tree, tree, tree, arch, variant, entry,
                   _ident(tools, src, arch, variant, added), added)


def adopt(request: Request, tools: Toolchain, arch: Arch, variant: Variant) -> Kernel:
    """A kernel that the user has built. Nothing in KDIR is written."""
    kdir = request.kdir
    assert kdir is not None
    have = kconfig.parse((kdir / ".config").read_text())
    missing = [name for name in (*NEEDED, *(c.option for c in variant.checkers))
               if have.get(f"CONFIG_{name}") != "y"]
    if missing:
        raise Refused(f"KDIR={kdir}: its .config lacks CONFIG_{', CONFIG_'.join(missing)}")
    wanted = config.check_options(request)
    lost = kconfig.dropped({name: one.value for name, one in wanted.items()}, have)
    if lost:
        said = ", ".join(f"{wanted[name].words} ({wanted[name].where}"
                         + (", it is a module)" if have.get(name) == "m" else ")")
                         for name in lost)
        raise Refused(f"KDIR={kdir}: its .config lacks {said}; build that kernel with it, or "
                      "leave KDIR out")
    if not (kdir / arch.image).exists() or not (kdir / "usr/gen_init_cpio").exists():
        raise Refused(f"KDIR={kdir}: no {arch.image} there; build that kernel first, "
                      f"or give the ARCH it is for")
    tree = kdir / "source" if (kdir / "source").exists() else kdir
    tree = tree.resolve()
    ident = cache.digest(str(kdir), str((kdir / arch.image).stat().st_mtime_ns))
    entry = request.cache / "kdir" / f"{arch.name}-{cache.digest(str(kdir))}"
    headers = entry / "headers"
    if not (headers / "usr/include").is_dir():
        headers.mkdir(parents=True, exist_ok=True)
        with ui.step("making the kernel's headers for the guest's init"):
            proc.output(config.make(tools, tree, headers, arch, "headers"),
                        pass_fds=jobserver.pipe())
    return _finish(tools, tree, kdir, headers, arch, variant, entry, ident)


def _finish(tools: Toolchain, tree: Path, kdir: Path, headers: Path, arch: Arch, variant: Variant,
            entry: Path, ident: str, added: Added = ()) -> Kernel:
    return Kernel(
        arch=arch, variant=variant, entry=entry,
        release=(kdir / "include/config/kernel.release").read_text().strip(),
        tree=tree, build=kdir, image=_image(tools, kdir / arch.image, entry), headers=headers,
        initrd=_initramfs(tools, tree, kdir, headers, arch, entry),
        ident=ident, config=kconfig.parse((kdir / ".config").read_text()), added=added)


def _image(tools: Toolchain, built: Path, entry: Path) -> Path:
    """Image that QEMU boots: an ELF kernel without symbols and debug sections.

    These are four fifths of it. QEMU would read and sort its symbols at each start,
    which takes 40 ms; gdb and stacks have them from the build folder.
    """
    with open(built, "rb") as file:
        if file.read(4) != b"\x7fELF":
            return built
    stat = built.stat()
    stripped = entry / f"image-{cache.digest(str(stat.st_mtime_ns), str(stat.st_size))}"
    if stripped.exists():
        return stripped
    with cache.locked(stripped), tempfile.TemporaryDirectory(dir=entry) as scratch:
        image = Path(scratch) / "image"
        proc.output(tools.argv("llvm-strip", "--strip-all", "-o", image, built))
        os.replace(image, stripped)
    return stripped


def _initramfs(tools: Toolchain, tree: Path, kdir: Path, headers: Path, arch: Arch,
               entry: Path) -> Path:
    """The guest's init in a cpio archive, made anew when its source changes."""
    init_c = TOP / "qemu" / "init.c"
    initrd = entry / f"initrd-{cache.digest(init_c.read_bytes(), INITRAMFS)}"
    if initrd.exists():
        return initrd
    with cache.locked(initrd), tempfile.TemporaryDirectory(dir=entry) as scratch:
        init = Path(scratch) / "init"
        nolibc.compile_program(tools, tree, headers, arch, init_c, init)
        os.replace(pack(tools, kdir, INITRAMFS.format(init=init), Path(scratch)), initrd)
    return initrd


def pack(tools: Toolchain, kdir: Path, contents: str, scratch: Path) -> Path:
    """A cpio archive in `scratch`, of what `contents` lists for the kernel's gen_init_cpio."""
    (scratch / "list").write_text(contents)
    with open(scratch / "cpio", "wb") as out, \
            proc.child(tools.argv(kdir / "usr/gen_init_cpio", scratch / "list"),
                       stdout=out) as process:
        if process.wait():
            raise EnvironmentFailed("gen_init_cpio cannot make the initramfs; "
                                    f"is {scratch.parent} on a full disk?")
    return scratch / "cpio"


def get(request: Request, tools: Toolchain, arch: Arch, variant: Variant,
        chosen: Added = ()) -> Kernel:
    """The kernel that the request names, with options that are chosen, built if need be."""
    if request.kdir:
        return adopt(request, tools, arch, variant)
    return build(request, tools, source.get(request, tools), arch, variant, chosen)


def is_built(request: Request, tools: Toolchain, arch: Arch, variant: Variant,
             chosen: Added = ()) -> bool:
    """Whether get() finds that kernel in the cache."""
    src = source.get(request, tools)
    added = (*_lacking(request, tools, src, arch, variant), *chosen)
    return cache.marker(_entry(request, tools, src, arch, variant, added)) is not None


def known_tools(request: Request) -> Toolchain | None:
    """The tools that tools_for() would give, as far as the cache tells without building."""
    chosen = toolchain.known(request.toolchain, request.cache)
    src = source.known(request)
    if chosen is None or chosen.root is not None:
        return chosen
    asked = None if src is None else cache.marker(_asked(request, chosen, src))
    if asked is None:
        return None
    return chosen if not asked["refused"] else toolchain.known("root", request.cache)


def known(request: Request, arch: Arch, variant: Variant) -> Path | None:
    """Debian's kernel in the cache, there or not; None where its name cannot be told yet.

    Its name is made of the tools' versions, Debian's version of the source and what pairs
    want beyond the variant. Nothing is built, configured or fetched to learn them.
    """
    tools, src = known_tools(request), source.known(request)
    if tools is None or src is None:
        return None
    plain = _entry(request, tools, src, arch, variant)
    wanted = config.check_options(request)
    if not wanted:
        return plain
    for path in (plain / "build/.config", plain.with_name(f"{plain.name}.config")):
        if path.exists():
            lost = kconfig.dropped({name: one.value for name, one in wanted.items()},
                                   kconfig.parse(path.read_text()))
            added = tuple(wanted[name] for name in sorted(lost))
            return _entry(request, tools, src, arch, variant, added)
    return None


def _asked(request: Request, tools: Toolchain, src: Source) -> Path:
    """Where it is kept whether a kernel accepts the Rust of the host's tools."""
    return request.cache / "host-rust" / cache.digest(tools.name(), src.ident)


def tools_for(request: Request) -> Toolchain:
    """The tools for a request: the host's only if the kernel accepts its Rust."""
    folders = toolchain.mountable(
        [p for p in (TOP, request.cache, request.out, request.kernel_src, request.kdir,
                     *pairs.folders(request.pairs, request.pairs_dir))
         if p is not None] + ([request.kdir.joinpath("source").resolve()] if request.kdir else []))
    debs = source.packages(request)
    chosen = toolchain.choose(request.toolchain, request.cache, debs, folders)
    if chosen.root is None and request.kdir is None:
        src = source.get(request, chosen)
        asked = _asked(request, chosen, src)
        answer = cache.marker(asked)
        if answer is None:
            asked.mkdir(parents=True, exist_ok=True)
            answer = cache.complete(asked, {"refused": rust_refused(chosen, src)})
        if answer["refused"]:
            if request.toolchain == "host":
                raise Refused(f"TOOLCHAIN=host: {answer['refused']}")
            return toolchain.use_root(request.cache, debs, folders, answer["refused"])
    return chosen
