# SPDX-License-Identifier: GPL-2.0
"""make choices: what choices of the kernel's build do to what operations cost."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from kplib.boot import lanes
from kplib.build import choices, kernel
from kplib.build.choices import AS_IT_IS, Choice
from kplib.build.config import CannotHave
from kplib.build.toolchain import Toolchain
from kplib.common import cache, ui
from kplib.common.errors import BROKEN, OK, EnvironmentFailed, Failed, GuestLost, Refused
from kplib.configure.lanes import PATHS, REFERENCE
from kplib.configure.request import TOP, Request
from kplib.configure.variants import BASE
from kplib.judge import chosen
from kplib.judge.chosen import Effect, Figures, Largest
from kplib.judge.explain import Explained
from kplib.judge.tables import SUCCESS
from kplib.report import explained
from kplib.tools import explain
from kplib.tools.compare import Measuring

#: The file that says which choices there are.
FILE = TOP / "qemu/choices.toml"
#: The folder for these kernels' modules and consoles, in OUT.
FOLDER = "choices"
#: Boots of base: what these do not agree on is left out.
BOOTS = 2
#: Functions that are shown of what a choice changes most.
SHOWN = 4


@dataclass(frozen=True)
class Row:
    """A choice, and what came of it: `effect`, or in `skip` or `error` why there is none.

    `largest` has, for a person, what the operation that changed most consists of.
    """

    name: str
    about: str
    effect: Effect | None = None
    largest: tuple[str, ...] = ()
    skip: str = ""
    error: str = ""


def check(req: Request) -> tuple[Choice, ...]:
    """The choices asked for; refuses what has no figures, or cannot be chosen."""
    explain.check_counted(req, "instructions are counted in lane insn",
                          "the programs of lane insn are compared")
    for name, given in (("KDIR", req.kdir), ("KERNEL_SRC", req.kernel_src)):
        if given:
            raise Refused(f"{name}: make choices builds kernels of Debian's source; leave it out")
    if req.variants[0].name != BASE:
        raise Refused(f"VARIANT={req.variants[0].name}: choices are held against {BASE}; leave "
                      "VARIANT out")
    known = choices.load_all(FILE)
    for name in req.choices:
        if name not in (*known, AS_IT_IS):
            raise Refused(f"CHOICE={ui.clean(name)}: no such choice; there are "
                          f"{', '.join((AS_IT_IS, *known))}")
    return tuple(one for one in known.values() if one.name in req.choices or not req.choices)


def _announce(req: Request, tools: Toolchain, asked: tuple[Choice, ...]) -> None:
    """Say which kernels are to be built, and how long that takes, before it begins."""
    arch, variant = req.archs[0], req.variants[0]
    missing = [one.name for one in asked
               if not kernel.is_built(req, tools, arch, variant, one.options)]
    if missing:
        ui.note(f"{len(missing)} of {len(asked)} kernels are to be built first, once: "
                f"{', '.join(missing)}; each takes {kernel.HOW_LONG}, less where little depends "
                "on it, and 0.7 to 1.2 GB. Ctrl-C ends it; what is built is kept")


class _Work:
    """A kernel with a choice, its modules and its figures."""

    def __init__(self, req: Request, tools: Toolchain, name: str, options: Choice | None) -> None:
        mine = replace(req, out=req.out / FOLDER / name)
        self._measuring = Measuring(mine, tools, options.options if options else ())
        self.setup = self._measuring.setup
        self._what = f"{self._measuring.setup.kernel.name}, {name}"

    def figures(self, boots: int) -> Figures:
        """What some boots agree on."""
        return self._measuring.figures(boots, f"counting on {self._what}")

    def explained(self, pair: str, op: str) -> Explained:
        """What an operation is made of here."""
        setup, built = self._measuring.setup, self._measuring.modules
        req = replace(setup.request, pairs=(pair,))
        mine = replace(setup, request=req)
        done = lanes.ready(replace(built, pairs={pair: built.pairs[pair]}))
        with cache.locked(setup.results), ui.step(f"looking at {pair} {op} on {self._what}"):
            (found,) = explain.read(mine, lanes.run(mine, explain.LANE, done,
                                                    setup.results / explained.FOLDER), (op,))
        return found


def _changed(was: Explained, now: Explained, path: str) -> list[str]:
    """The functions whose instructions differ most, in those of a call."""
    def each(found: Explained) -> dict[str, float]:
        mine: dict[str, float] = {}
        for row in found.functions:
            if row.counts.get(path):
                mine[row.name] = mine.get(row.name, 0) + row.counts[path] / found.calls[path]
        return mine

    old, new = each(was), each(now)
    by = {name: new.get(name, 0) - old.get(name, 0) for name in (*old, *new)}
    most = sorted((name for name in by if abs(by[name]) >= 0.01), key=lambda name: -abs(by[name]))
    return [f"{by[name]:+.1f} {name}" for name in most[:SHOWN]]


def _what(largest: Largest) -> str:
    pair, op, end, path = largest.key
    name = f"{pair} {op}" if end == SUCCESS else f"{pair} {op} {end}"
    return f"{name}, {path}: {largest.was:.1f} -> {largest.now:.1f}"


def _try(req: Request, tools: Toolchain, choice: Choice, base: _Work, figures: Figures) -> Row:
    """One choice: its kernel, its figures, and what the largest change consists of."""
    try:
        work = _Work(req, tools, choice.name, choice)
        effect = chosen.effect(figures, work.figures(1))
        told: list[str] = []
        if effect.largest is not None:
            pair, op, _, path = effect.largest.key
            told = [_what(effect.largest),
                    *_changed(base.explained(pair, op), work.explained(pair, op), path)]
        return Row(choice.name, choice.about, effect, tuple(told))
    except CannotHave as err:
        return Row(choice.name, choice.about, skip="; ".join(err.why) or str(err))
    except (Failed, EnvironmentFailed, GuestLost) as err:
        return Row(choice.name, choice.about, error=str(err))


def _percent(effect: Effect, path: str) -> str:
    if path not in effect.change:
        return f"{'-':>12}"
    return f"{100 * (effect.change[path] - 1):>+10.1f} %"


def text(head: str, rows: list[Row], left_out: int) -> str:
    """The table for a person."""
    names = "".join(f"{path:>12}" for path in PATHS)
    lines = [head, "", f"  {'':<18}{'against base':^48}  {'against c->c':^36}".rstrip(),
             f"  {'choice':<18}{names}  {names[12:]}"]
    for row in rows:
        if row.effect is None:
            why = f"SKIP: {row.skip}" if row.skip else f"ERROR: {row.error}"
            lines.append(f"  {row.name:<18}{why}")
            continue
        ratios = "".join(f"{row.effect.against_c[path]:>12.2f}" if path in row.effect.against_c
                         else f"{'-':>12}" for path in PATHS if path != REFERENCE)
        changes = f"{'':48}" if row.name == AS_IT_IS else "".join(
            _percent(row.effect, path) for path in PATHS)
        lines.append(f"  {row.name:<18}{changes}  {ratios}")
    lines += ["", "  geometric means of instructions, over operations and outcomes"
              + (f"; {left_out} figures that vary between boots are left out" if left_out else "")]
    for row in rows:
        lines += ["", f"  {row.name}: {row.about}"] if row.name != AS_IT_IS else []
        if row.largest:
            lines += [f"    most: {row.largest[0]} instructions",
                      *(f"      {line}" for line in row.largest[1:])]
        elif row.effect is not None and row.name != AS_IT_IS:
            lines.append("    no figure differs")
    return "\n".join(lines)


def _as_object(arch: str, release: str, rows: list[Row], left_out: int) -> dict[str, Any]:
    return {"arch": arch, "kernel": release, "left_out": left_out,
            "choices": [asdict(row) for row in rows]}


def run(req: Request, tools: Toolchain, asked: tuple[Choice, ...]) -> int:
    """Count in each kernel, and tell."""
    _announce(req, tools, asked)
    base = _Work(req, tools, AS_IT_IS, None)
    every = base.figures(BOOTS)
    figures = chosen.steady(every)
    rows = [Row(AS_IT_IS, "as variant base has it", chosen.effect(figures, figures))]
    rows += [_try(req, tools, one, base, figures) for one in asked]
    left_out = len(every) - len(figures)
    setup = base.setup
    if req.machine_readable:
        print(json.dumps(_as_object(setup.kernel.arch.name, setup.kernel.release, rows,
                                    left_out), indent=1), flush=True)
    else:
        print(text(explain.head(setup), rows, left_out), flush=True)
    return BROKEN if any(row.error for row in rows) else OK
