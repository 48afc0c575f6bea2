# SPDX-License-Identifier: GPL-2.0
"""The kernel under test: source, configuration, build, and the guest's initramfs."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kplib.build import apt, jobserver, kconfig, nolibc, toolchain
from kplib.build.toolchain import Toolchain
from kplib.common import cache, proc, ui
from kplib.common.errors import EnvironmentFailed, Refused
from kplib.configure import archs, options, pairs
from kplib.configure.archs import Arch
from kplib.configure.options import Option
from kplib.configure.request import TOP, Request
from kplib.configure.variants import Variant

#: The oldest series whose `kernel` crate has what rust-stub uses: 7.2 lacks
#: ENODATA and ForeignOwnable for ARef.
OLDEST = (7, 3)
#: Changes how a kernel is built; part of its name in the cache.
RECIPE = "1"
#: Output of the tools in a kernel's build; the file exists once a build has begun.
BUILD_LOG = "kparity-build.log"
#: Duration of a kernel's build, measured.
HOW_LONG = "4 to 8 minutes on 2 CPUs"
#: Duration where it begins as a copy of its variant's, which depends on the options.
HOW_LONG_MORE = "1 to 2 minutes on 2 CPUs, 4 to 8 where much depends on these"
#: Options that pairs want beyond a variant's.
Added = tuple[Option, ...]
#: Kconfig's first file of a kernel that has options which must be selected.
SELECTS = "kparity.Kconfig"
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


class CannotHave(Refused):
    """A kernel has not, or cannot have, options that pairs want; another kernel may."""


@dataclass(frozen=True)
class Source:
    """A kernel tree. `ident` changes with its content, where that is known."""

    tree: Path
    ident: str


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


def packages(request: Request) -> apt.Apt:
    """apt with a state of its own in the cache."""
    return apt.Apt(request.cache / "apt", request.mirror)


def resolved(request: Request, renew: bool = False) -> dict[str, str]:
    """Kernel series and versions, resolved once and kept until `make update`."""
    path = request.cache / "apt" / "kernels.json"
    with cache.locked(request.cache / "apt"):
        if not renew:
            try:
                found: dict[str, str] = json.loads(path.read_text())
                return found
            except (OSError, ValueError):
                pass
        debs = packages(request)
        with ui.step("reading which kernels Debian has"):
            debs.update(tuple(sorted({arch.debian for arch in archs.load_all(
                TOP / "qemu/arch").values()})))
            found = debs.kernels()
        if not found:
            raise EnvironmentFailed(f"the mirror has no linux-source package in "
                                    f"{' or '.join(apt.SUITES)}; give MIRROR= or KERNEL_SRC=")
        cache.write(path, json.dumps(found))
        return found


def _series(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in text.split(".")[:2])


def check_series(request: Request) -> str:
    """The series to use; refuses one that is not there or too old."""
    found = resolved(request)
    usable = [s for s in found if _series(s) >= OLDEST]
    series = request.kernel or (usable or list(found))[-1]
    if series not in found:
        raise Refused(f"KERNEL={series}: Debian has {', '.join(usable)}; "
                      "'make update' looks again")
    if series not in usable:
        oldest = ".".join(map(str, OLDEST))
        raise Refused(f"KERNEL={series}: rust-stub needs the kernel crate of {oldest} or newer; "
                      f"Debian has {', '.join(usable)}")
    return series


def source(request: Request, tools: Toolchain) -> Source:
    """The kernel tree: the user's own, or Debian's, unpacked in the cache."""
    if request.kernel_src:
        return Source(request.kernel_src, f"tree {request.kernel_src}")
    series = check_series(request)
    version = resolved(request)[series]
    entry = request.cache / "source" / f"linux-{series}_{version.replace('~', '-')}"
    if cache.marker(entry) is None:
        with cache.locked(entry):
            if cache.marker(entry) is None:
                _unpack(request, tools, entry, f"linux-source-{series}", version)
    return Source(entry / "linux", f"debian {version}")


def _unpack(request: Request, tools: Toolchain, entry: Path, package: str, version: str) -> None:
    cache.need_space(request.cache, 2500, "the kernel source")
    with cache.fresh(entry) as partial, \
            ui.step(f"fetching {package} {version} (160 MB, 1.8 GB unpacked)"):
        deb = packages(request).download(f"{package}={version}", partial)
        (partial / "linux").mkdir()
        proc.output(tools.argv(
            "sh", "-ec", 'dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/$2.tar.xz" | '
            'tar -xJ -C "$3" --strip-components=1', "unpack", deb, package, partial / "linux"))
        if not (partial / "linux" / "Makefile").exists():
            raise EnvironmentFailed(f"{deb.name} holds no kernel tree; run again, "
                                    "or give KERNEL_SRC=")
        deb.unlink()
        cache.complete(partial, {"package": package, "version": version})


def _make(tools: Toolchain, tree: Path, build: Path, arch: Arch, *words: str) -> list[str]:
    """The kernel's own make; it takes its jobs from the pool, whose pipe it must inherit."""
    first = [f"KBUILD_KCONFIG={build / SELECTS}"] if (build / SELECTS).exists() else []
    return tools.argv("env", jobserver.environment(), "make", "-C", tree, f"O={build}",
                      f"ARCH={arch.kernel_arch}", "LLVM=1", *first, *words)


def _tiny(request: Request, tools: Toolchain, src: Source, arch: Arch, build: Path,
          log: Path, step: ui.Step) -> str:
    """tinyconfig's .config for an arch, made once for all its variants.

    Kconfig asks the compilers 150 questions and takes 10 s each time that it is run. An own
    tree may change in any way, and is asked each time.
    """
    ident = cache.digest(RECIPE, src.ident, tools.name())
    kept = request.cache / "kernel" / f"{arch.name}-tiny-{ident}.config"
    with cache.locked(kept):
        if request.kernel_src is None and kept.exists():
            return kept.read_text()
        status, tail = proc.logged(_make(tools, src.tree, build, arch, "tinyconfig"), log, step,
                                   pass_fds=jobserver.pipe())
        if status:
            raise _not_configured(tail, log)
        text = (build / ".config").read_text()
        if request.kernel_src is None:
            cache.write(kept, text)
        return text


def _not_configured(tail: list[str], log: Path) -> EnvironmentFailed:
    said = [line for line in tail if "***" in line or "error" in line.lower()] or tail
    return EnvironmentFailed(f"the kernel cannot be configured: {said[0] if said else '?'} "
                             f"(log: {log})")


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


def fragments(arch: Arch, variant: Variant) -> str:
    """The configuration asked for, on top of tinyconfig."""
    return (TOP / "qemu" / "base.config").read_text() + arch.kconfig + variant.kconfig


def _asked(arch: Arch, variant: Variant, added: Added = ()) -> dict[str, str]:
    """Options asked for, by name, with those that pairs add."""
    return kconfig.parse(fragments(arch, variant)) | {one.name: one.value for one in added}


def _options(arch: Arch, variant: Variant, added: Added = ()) -> str:
    """Options asked for, without comments: a comment that changes costs nobody a kernel."""
    return "\n".join(f"{name}={value}" for name, value in
                     sorted(_asked(arch, variant, added).items()))


def check_options(request: Request) -> dict[str, Option]:
    """Options that the request's pairs want, by name; refused where the kernel has others."""
    wanted = options.union([pairs.files(name, request.pairs_dir) for name in request.pairs])
    for arch in request.archs if wanted and request.kdir is None else ():
        for variant in request.variants:
            ours = kconfig.parse(fragments(arch, variant))
            for one in wanted.values():
                if ours.get(one.name, "n") not in ("n", one.value):
                    raise Refused(f"{one.where}: {one.words}: {one.name} is "
                                  f"{ours[one.name]} in every {arch.name} {variant.name} kernel "
                                  "(qemu/ says why); leave the line out")
    return wanted


def _configure(request: Request, tools: Toolchain, src: Source, build: Path, arch: Arch,
               variant: Variant, step: ui.Step, added: Added = ()) -> None:
    log = build / "kparity-config.log"
    # Of a tree of the user's own it may be as that was before, or not be wanted any more.
    (build / SELECTS).unlink(missing_ok=True)
    text = (_tiny(request, tools, src, arch, build, log, step) + fragments(arch, variant)
            + "".join(f"{options.line(one.name, one.value)}\n" for one in added))
    want = _asked(arch, variant, added)
    # A folder that was configured before tells at once which nobody is asked about.
    selected = _selectable(src.tree, build, added, list(want), [])
    while True:
        if selected:
            cache.write(build / SELECTS, _selecting(src.tree, selected))
        cache.write(build / ".config", text)
        if not (build / BUILD_LOG).exists():
            # tinyconfig's. Kconfig writes the file if it is not there, and the build need not
            # run Kconfig once more. Of a build that goes on it tells which options have changed.
            (build / "include/config/auto.conf").unlink(missing_ok=True)
        status, tail = proc.logged(_make(tools, src.tree, build, arch, "olddefconfig"), log, step,
                                   pass_fds=jobserver.pipe())
        if status:
            raise _not_configured(tail, log)
        have = kconfig.parse((build / ".config").read_text())
        lost = kconfig.dropped(want, have)
        more = _selectable(src.tree, build, added, lost, selected)
        if not more:
            break
        selected += more
    where = {one.name: f"{one.where}: " for one in added}
    if lost:
        known = kconfig.Definitions(src.tree, build)
        for name in lost:
            ui.note(f"  {where.get(name, '')}{known.explain(name, want[name], have)}")
    if selected:
        for name in kconfig.unmet_selected(log.read_text(errors="replace")):
            ui.note(f"  {where.get(name, '')}{name} lacks what it depends on (log: {log})")
            lost.append(name)
    if lost and added:
        # Without what pairs want nothing is lost: _lacking() has seen to that.
        raise CannotHave(f"the {arch.name} {variant.name} kernel cannot have {', '.join(lost)} "
                         "with what pairs want of it; see the lines above")
    if lost:
        raise EnvironmentFailed(f"this kernel dropped {len(lost)} of the options that were asked "
                                f"for: {', '.join(lost)}; see the lines above")


def _selectable(tree: Path, build: Path, added: Added, lost: list[str],
                selected: list[str]) -> list[str]:
    """Options that pairs want and that are yet to be selected, as nothing else sets them."""
    try:
        have = kconfig.parse((build / ".config").read_text())
    except OSError:
        return []
    asked = [one.name for one in added if one.name in lost and one.value == "y"
             and one.name not in selected]
    if not asked:
        return []
    known = kconfig.Definitions(tree, build)
    return [name for name in asked if known.selectable(name, have)]


def _selecting(tree: Path, names: list[str]) -> str:
    """The kernel's first Kconfig file, and an entry that selects options.

    Nobody is asked about many libraries: a driver's Kconfig selects them, as this does
    for a pair. The file cannot be sourced, since a title comes first or not at all.
    """
    return ((tree / "Kconfig").read_text() + "\nconfig KPARITY_PAIRS\n\tdef_bool y\n"
            + "".join(f"\tselect {name.removeprefix('CONFIG_')}\n" for name in names))


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
                _configure(request, tools, src, Path(scratch), arch, variant, step)
                cache.write(kept, (Path(scratch) / ".config").read_text())
        return kconfig.parse(kept.read_text())


def _lacking(request: Request, tools: Toolchain, src: Source, arch: Arch,
             variant: Variant) -> Added:
    """Options that pairs want and the variant lacks; another kernel is built for these alone."""
    wanted = check_options(request)
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
    log = build / BUILD_LOG
    image = Path(arch.image).name
    with ui.step(f"building {what} ({how_long})") as step:
        status, tail = proc.logged(
            _make(tools, src.tree, build, arch, image, "modules", "headers"), log, step,
            request.verbose, pass_fds=jobserver.pipe())
    if status:
        said = [line for line in tail if re.search(r"error|\*\*\*", line)] or tail
        raise EnvironmentFailed(f"{what} does not build: "
                                f"{said[0].strip() if said else '?'} (log: {log})")


def _ident(tools: Toolchain, src: Source, arch: Arch, variant: Variant, added: Added = ()) -> str:
    """Name of a kernel, from all that it is built from."""
    return cache.digest(RECIPE, src.ident, _options(arch, variant, added), tools.name())


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
          variant: Variant) -> Kernel:
    """The kernel for one arch and variant, from the cache if it is there.

    An interrupted build goes on where it was. A tree of the user's own may
    have changed in any way, so make is asked each time.
    """
    added = _lacking(request, tools, src, arch, variant)
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
                        _configure(request, tools, src, tree, arch, variant, step, added)
                except (EnvironmentFailed, CannotHave):
                    shutil.rmtree(entry)  # nothing in it is worth going on from
                    raise
                if added and cache.marker(entry) is None:
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
    config = kconfig.parse((kdir / ".config").read_text())
    missing = [name for name in (*NEEDED, *(c.option for c in variant.checkers))
               if config.get(f"CONFIG_{name}") != "y"]
    if missing:
        raise Refused(f"KDIR={kdir}: its .config lacks CONFIG_{', CONFIG_'.join(missing)}")
    wanted = check_options(request)
    lost = kconfig.dropped({name: one.value for name, one in wanted.items()}, config)
    if lost:
        said = ", ".join(f"{wanted[name].words} ({wanted[name].where}"
                         + (", it is a module)" if config.get(name) == "m" else ")")
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
            proc.output(_make(tools, tree, headers, arch, "headers"),
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


def get(request: Request, tools: Toolchain, arch: Arch, variant: Variant) -> Kernel:
    """The kernel that the request names, built if need be."""
    if request.kdir:
        return adopt(request, tools, arch, variant)
    return build(request, tools, source(request, tools), arch, variant)


def tools_for(request: Request) -> Toolchain:
    """The tools for a request: the host's only if the kernel accepts its Rust."""
    folders = toolchain.mountable(
        [p for p in (TOP, request.cache, request.out, request.kernel_src, request.kdir,
                     *pairs.folders(request.pairs, request.pairs_dir))
         if p is not None] + ([request.kdir.joinpath("source").resolve()] if request.kdir else []))
    debs = packages(request)
    chosen = toolchain.choose(request.toolchain, request.cache, debs, folders)
    if chosen.root is None and request.kdir is None:
        src = source(request, chosen)
        asked = request.cache / "host-rust" / cache.digest(chosen.name(), src.ident)
        known = cache.marker(asked)
        if known is None:
            asked.mkdir(parents=True, exist_ok=True)
            known = cache.complete(asked, {"refused": rust_refused(chosen, src)})
        if known["refused"]:
            if request.toolchain == "host":
                raise Refused(f"TOOLCHAIN=host: {known['refused']}")
            return toolchain.use_root(request.cache, debs, folders, known["refused"])
    return chosen
