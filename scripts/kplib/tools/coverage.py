# SPDX-License-Identifier: GPL-2.0
"""make coverage: the lines of a pair that ran, and jumps that only ever went one way."""

from __future__ import annotations

import functools
from dataclasses import replace

from kplib.boot import lanes
from kplib.build import kernel, modules
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.common import cache, ui
from kplib.common.errors import BROKEN, FAILED, OK, EnvironmentFailed, Refused
from kplib.configure import archs, pairs, variants
from kplib.configure.lanes import CHECK
from kplib.configure.request import TOP, Request
from kplib.contract import rows
from kplib.judge import covers, kinds, ktap, places, reasons, verdicts
from kplib.judge.covers import Seen, Side
from kplib.judge.reasons import Places
from kplib.judge.tables import DamagedTable
from kplib.report import covered
from kplib.tools.explain import file_lines, source

#: Lane check, emulated, with the plugin that notes what is executed.
LANE = replace(CHECK.on("tcg", "what is executed is read from a CPU that is emulated"),
               plugin="covers")
#: Variants whose programs count, where none is given.
VARIANTS = (variants.BASE, "fault")
FOLDER = "coverage"


def check(req: Request) -> Request:
    """Refuse what cannot be covered; the request with the variants that count."""
    if len(req.archs) != 1:
        raise Refused("make coverage is for one arch; give ARCH=x86_64 or ARCH=arm64")
    if len(req.pairs) != 1:
        raise Refused("make coverage is for one pair; give PAIR=x")
    if req.accel == "kvm":
        raise Refused("ACCEL=kvm: what is executed is read from an emulated CPU; leave ACCEL out")
    if CHECK.name not in req.lanes:
        raise Refused(f"LANE={req.lanes[0]}: make coverage runs lane check; leave LANE out")
    for name, given in (("PROGRAM", req.program), ("KEEP", req.keep),
                        ("FORMAT", req.machine_readable)):
        if given:
            raise Refused(f"{name}: not for make coverage; leave it out")
    if "VARIANT" in req.given:
        return req
    known = variants.load_all(TOP / "qemu" / "variant")
    return replace(req, variants=tuple(known[name] for name in VARIANTS))


def run(req: Request, tools: Toolchain) -> int:
    """Run lane check in each variant, merge, and tell."""
    pair, arch = req.pairs[0], req.archs[0]
    files = pairs.files(pair, req.pairs_dir)
    found: dict[str, list[Seen]] = {"C side": [], "Rust side": []}
    status, setup = OK, None
    for variant in req.variants:
        setup = Setup(req, tools, kernel.get(req, tools, arch, variant))
        folders = places.shorter(setup)
        own = {"C side": files.sources(setup.kernel.tree), "Rust side": (files.port,)}
        seen, one = _run(setup, {name: frozenset(places.shortened(str(path), folders)
                                                 for path in paths)
                                 for name, paths in own.items()})
        status = FAILED if FAILED in (status, one) else max(status, one)
        for name, lines in seen.items():
            found[name].append(lines)
    assert setup is not None
    sides = tuple(Side(name, covers.merged(runs)) for name, runs in found.items())
    head = (f"{arch.name}, linux {setup.kernel.release}, seed {req.seed}: lane check in variant "
            f"{' and '.join(variant.name for variant in req.variants)}")
    known = reasons.judge(sides, rows.read(files.read(), pair).reasons,
                          functools.partial(file_lines, setup), arch.name,
                          archs.load_all(TOP / "qemu" / "arch"))
    print(covered.text(pair, head, sides, functools.partial(source, setup), known,
                       pairs.short(files.contract)))
    _save(setup, pair, head, sides, known)
    return status or (FAILED if known.unexplained else OK)


def _save(setup: Setup, pair: str, head: str, sides: tuple[Side, ...], known: Places) -> None:
    """Write the tracefile and the page."""
    folder = setup.results.parent / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    cache.write(folder / f"{pair}.info", covers.lcov(pair, sides))
    cache.write(folder / f"{pair}.html", covered.page(
        pair, head, sides, functools.partial(file_lines, setup), known))
    print(f"\n  {pairs.short(folder / pair)}.info for lcov, {pair}.html to read", flush=True)


def _run(setup: Setup, own: dict[str, frozenset[str]]) -> tuple[dict[str, Seen], int]:
    """One variant: what became of the lines of both sides, and the exit status of its suite."""
    pair = setup.request.pairs[0]
    name = f"kparity_{pair}"
    with cache.locked(setup.results):
        built = lanes.ready(modules.build(setup))
        ktap.load(setup.kernel.tree)
        with ui.step(f"running {pair} on {setup.kernel.name}"):
            result = lanes.run(setup, LANE, built, setup.results / FOLDER)
        if result.lost or pair not in result.answers:
            raise EnvironmentFailed(result.lost or result.not_run.get(pair) or
                                    f"{pair} gave no results; see its console")
        loaded = result.answers[pair].modules
        with ui.step("reading the code"):
            base = places.base_of(loaded, name)
            code = kinds.code_of(setup.tools, setup.modules / f"{name}.ko")
            known = places.at(setup, loaded, {base + at for at in code})
    try:
        ran = covers.parse(result.record)
    except DamagedTable as err:
        raise EnvironmentFailed(str(err)) from err
    moved = {at: one for at, one in ((pc - base, went) for pc, went in ran.items()) if at in code}
    if not moved:
        raise EnvironmentFailed(f"{pair}: QEMU's plugin has seen nothing of the module")
    here = {at: known[base + at] for at in code}
    status = OK
    for one in verdicts.of_suite(setup.kernel.tree, result, pair, LANE.suite(pair), True):
        if one.status in (ktap.FAIL, ktap.ERROR):
            status = FAILED if one.status == ktap.FAIL else status or BROKEN
            ui.note(f"kparity: {pair} {one.case} {one.path} on {setup.kernel.name}: {one.status}")
    return {side: covers.seen(code, here, moved, files) for side, files in own.items()}, status
