# SPDX-License-Identifier: GPL-2.0
"""The kernel's configuration: fragments on top of tinyconfig, and what pairs want beyond them."""

from __future__ import annotations

from pathlib import Path

from kplib.build import jobserver, kconfig
from kplib.build.source import Source
from kplib.build.toolchain import Toolchain
from kplib.common import cache, proc, ui
from kplib.common.errors import EnvironmentFailed, Refused
from kplib.configure import options, pairs
from kplib.configure.archs import Arch
from kplib.configure.options import Option
from kplib.configure.request import TOP, Request
from kplib.configure.variants import Variant

#: Changes how a kernel is built; part of its name in the cache.
RECIPE = "1"
#: Output of the tools in a kernel's build; the file exists once a build has begun.
BUILD_LOG = "kparity-build.log"
#: Options that pairs want beyond a variant's.
Added = tuple[Option, ...]
#: Kconfig's first file of a kernel that has options which must be selected.
SELECTS = "kparity.Kconfig"


class CannotHave(Refused):
    """A kernel has not what is needed of it, such as options; another kernel may.

    `why` has a line for each option.
    """

    def __init__(self, message: str, why: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.why = why


def make(tools: Toolchain, tree: Path, build: Path, arch: Arch, *words: str) -> list[str]:
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
        status, tail = proc.logged(make(tools, src.tree, build, arch, "tinyconfig"), log, step,
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


def fragments(arch: Arch, variant: Variant) -> str:
    """The configuration asked for, on top of tinyconfig."""
    return "".join(((TOP / "qemu" / "base.config").read_text(), arch.kconfig, variant.kconfig,
                    arch.variant.get(variant.name, "")))


def _asked(arch: Arch, variant: Variant, added: Added = ()) -> dict[str, str]:
    """Options asked for, by name, with those that pairs add."""
    return kconfig.parse(fragments(arch, variant)) | {one.name: one.value for one in added}


def option_lines(arch: Arch, variant: Variant, added: Added = ()) -> str:
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


def configure(request: Request, tools: Toolchain, src: Source, build: Path, arch: Arch,
              variant: Variant, step: ui.Step, added: Added = ()) -> None:
    """Configure a kernel's build folder; every option asked for must have survived.

    One that did not ends in an error, or in CannotHave if pairs want more than the variant.
    """
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
        status, tail = proc.logged(make(tools, src.tree, build, arch, "olddefconfig"), log, step,
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
    why: list[str] = []
    if lost:
        known = kconfig.Definitions(src.tree, build)
        why += [known.explain(name, want[name], have) for name in lost]
        for name, said in zip(lost, why):
            ui.note(f"  {where.get(name, '')}{said}")
    if selected:
        for name in kconfig.unmet_selected(log.read_text(errors="replace")):
            why.append(f"{name} lacks what it depends on (log: {log})")
            ui.note(f"  {where.get(name, '')}{why[-1]}")
            lost.append(name)
    if lost and added:
        # Without what pairs want nothing is lost: _lacking() has seen to that.
        raise CannotHave(f"the {arch.name} {variant.name} kernel cannot have {', '.join(lost)} "
                         "with what is wanted of it; see the lines above", tuple(why))
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
