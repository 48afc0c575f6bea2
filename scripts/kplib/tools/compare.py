# SPDX-License-Identifier: GPL-2.0
"""make baseline keeps what operations cost, and make compare says what has changed since."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kplib.boot import lanes
from kplib.build import kernel, modules
from kplib.build.config import Added
from kplib.build.setup import Setup
from kplib.build.toolchain import Toolchain
from kplib.common import cache, ui
from kplib.common.errors import FAILED, OK, EnvironmentFailed, Failed, Refused
from kplib.configure import pairs
from kplib.configure.lanes import INSN
from kplib.configure.request import TOP, Request, replay
from kplib.judge import baseline, ktap, results, verdicts
from kplib.judge.baseline import BadBaseline, Baseline, Change, Key, Limits
from kplib.judge.tables import SUCCESS, DamagedTable
from kplib.tools import explain

#: Boots that a baseline is made of, and that decide whether a figure has changed.
BOOTS = 3
#: The folder for these verbs' consoles, in that of the results.
FOLDER = "compare"
#: Percent that an operation may cost more, unless LIMIT= says otherwise.
SOFT = 2.0
#: Tools of which code and figures are made.
TOOLS = ("clang", "rustc")


def check(req: Request) -> None:
    """Refuse what has no figures."""
    explain.check_counted(req, "instructions are counted in lane insn",
                          "the programs of lane insn are compared")


def file_of(req: Request) -> Path:
    """Where the baseline is."""
    arch = req.archs[0].name
    path = req.baseline or (req.pairs_dir / f"baseline-{arch}.txt" if req.pairs_dir else
                            TOP / "tests/baseline" / f"{arch}.txt")
    if path.is_dir():
        raise Refused(f"BASELINE={path}: it is a folder; name a file")
    return path


def facts(setup: Setup) -> dict[str, str]:
    """What figures depend on."""
    target, req, versions = setup.kernel, setup.request, setup.tools.versions
    options = ", ".join(f"{name.lower()}={value}"
                        for name, value in results.options(target).items())
    return {"arch": target.arch.name, "variant": target.variant.name, "kernel": target.release,
            "config": cache.digest(json.dumps(sorted(target.config.items()))),
            "options": options,
            "tools": ", ".join(f"{name} {versions.get(name, '?')}" for name in TOOLS),
            "qemu": versions.get(target.arch.qemu, "?"), "cpu": target.arch.cpu[INSN.name],
            "append": req.append or "nothing",
            "seed": str(req.seed), "programs": str(req.programs)}


#: The fact that a guest alone knows.
MITIGATIONS = "mitigations"


def in_force(flaws: dict[str, str]) -> str:
    """What a kernel does about the flaws that its CPU has, in a line."""
    return "; ".join(f"{name} {said.removeprefix('Mitigation: ')}"
                     for name, said in sorted(flaws.items()) if said != "Not affected") or "none"


class Measuring:
    """A kernel and modules, and the figures of its boots; `flaws` as the last one said."""

    def __init__(self, req: Request, tools: Toolchain, chosen: Added = ()) -> None:
        self.setup = Setup(req, tools, kernel.get(req, tools, req.archs[0], req.variants[0],
                                                  chosen))
        self._built: Future[modules.Modules] = Future()
        self.flaws: dict[str, str] = {}

    @property
    def modules(self) -> modules.Modules:
        """The modules, once they are built."""
        return self._built.result(0)

    def build(self) -> None:
        """Build the modules."""
        self._built.set_result(modules.build(self.setup))
        ktap.load(self.setup.kernel.tree)

    def boot(self) -> dict[Key, baseline.Figure]:
        """The figures of one boot; refuses to go by those of pairs that fail."""
        setup = self.setup
        result = lanes.run(setup, INSN, self._built, setup.results / FOLDER)
        self.flaws = result.flaws
        found: dict[Key, baseline.Figure] = {}
        for pair in setup.request.pairs:
            suites = [INSN.suite(pair)]
            if INSN.user_suite(pair) in self.modules.programs:
                suites.append(INSN.user_suite(pair))
            for one in (v for suite in suites
                        for v in verdicts.of_suite(setup.kernel.tree, result, pair, suite, True)):
                if one.status in (ktap.FAIL, ktap.ERROR):
                    kind = Failed if one.status == ktap.FAIL else EnvironmentFailed
                    raise kind(f"{pair} does not pass in lane insn; make run PAIR={pair} "
                               f"{replay(setup.request, setup.kernel.arch, setup.kernel.variant)} "
                               "tells why")
            if pair not in result.answers:
                raise EnvironmentFailed(result.lost or f"{pair} gave no figures")
            try:
                found |= baseline.of_answers(pair, result.answers[pair])
            except DamagedTable as err:
                raise EnvironmentFailed(str(err)) from err
        return found

    def figures(self, boots: int, what: str) -> dict[Key, baseline.Figure]:
        """Build, and the figures of some boots together; `what` says what is done meanwhile."""
        with cache.locked(self.setup.results):
            self.build()
            with ui.step(what):
                return baseline.together([self.boot() for _ in range(boots)])


def read(path: Path) -> Baseline:
    """A baseline that is there."""
    try:
        return baseline.read(path.read_text())
    except (BadBaseline, UnicodeDecodeError) as err:
        why = err if isinstance(err, BadBaseline) else "it is no text"
        raise Refused(f"{pairs.short(path)}: {why}; 'make baseline' writes it anew") from err
    except OSError as err:
        raise Refused(f"{pairs.short(path)}: {err.strerror}; 'make baseline' writes it") from err


def make(req: Request, tools: Toolchain) -> int:
    """make baseline: write the figures of some pairs; those of others stay."""
    path = file_of(req)
    work = Measuring(req, tools)
    mine = work.figures(BOOTS, f"counting on {work.setup.kernel.name}, {BOOTS} boots")
    now, kept = {**facts(work.setup), MITIGATIONS: in_force(work.flaws)}, {}
    if path.exists():
        old = read(path)
        kept = {key: one for key, one in old.figures.items() if key[0] not in req.pairs}
        if kept and (other := baseline.other(old.facts, now)):
            others = ", ".join(sorted({key[0] for key in kept}))
            raise Refused(f"{pairs.short(path)}: it also has {others}, and is of "
                          f"{'; of '.join(other)}; leave PAIR out, or give BASELINE=")
    path.parent.mkdir(parents=True, exist_ok=True)
    cache.write(path, baseline.write(Baseline(now, {**kept, **mine})))
    varying = sum(one.varies for one in mine.values())
    print(f"{pairs.short(path)}: {len(mine)} figures of {', '.join(req.pairs)}"
          + (f"; {varying} vary between boots, of which the least call is kept" if varying else ""))
    return OK


def row(change: Change, over: bool) -> str:
    """A line for a person."""
    pair, op, end, path = change.key
    name = f"{pair} {op}" if end == SUCCESS else f"{pair} {op} {end}"
    head = f"  {name:<34}{path:<12}"
    if change.old is None or change.new is None:
        return f"{head}{'is new' if change.old is None else 'is no longer there'}"
    old, new = change.means
    share = f"{100 * (new - old) / old:+.1f} %" if old > 0 else "-"
    return (f"{head}{old:>10.2f} ->{new:>10.2f} {new - old:>+9.2f} {share:>9}"
            + (" (least calls: it varies)" if change.varies else "")
            + (" OVER THE LIMIT" if over else ""))


def changes_of(changes: list[Change]) -> list[dict[str, Any]]:
    """What has changed, for a program."""
    return [{**dict(zip(("pair", "operation", "outcome", "path"), one.key)),
             "old": one.old and asdict(one.old), "new": one.new and asdict(one.new),
             "varies": one.varies} for one in changes]


def _json(changes: list[Change], limits: Limits, of: int, status: int) -> str:
    rows = [{**fields, "over": one.over(limits)}
            for one, fields in zip(changes, changes_of(changes))]
    return json.dumps({"limits": asdict(limits), "figures": of, "changes": rows,
                       "verdict": "pass" if status == OK else "fail"}, indent=1)


def refuse_other(old: dict[str, str], now: dict[str, str], path: Path) -> None:
    """Refuse a baseline of other things than those at hand."""
    if other := baseline.other(old, now):
        raise Refused(f"{pairs.short(path)} is of {'; of '.join(other)}; 'make baseline' writes "
                      "one of this")


def compare(req: Request, tools: Toolchain) -> int:
    """make compare: say what has changed since the baseline; FAILED if anything is over."""
    path, limits = file_of(req), Limits(*(req.limit or (SOFT, None)))
    old = read(path)
    if lacking := [pair for pair in req.pairs if all(key[0] != pair for key in old.figures)]:
        raise Refused(f"{pairs.short(path)} has nothing of {', '.join(lacking)}; "
                      f"'make baseline PAIR={lacking[0]}' adds it")
    work = Measuring(req, tools)
    refuse_other({name: said for name, said in old.facts.items() if name != MITIGATIONS},
                 facts(work.setup), path)
    with cache.locked(work.setup.results):
        work.build()
        with ui.step(f"counting on {work.setup.kernel.name}"):
            boots = [work.boot()]
            refuse_other(old.facts, {**facts(work.setup), MITIGATIONS: in_force(work.flaws)}, path)
            if baseline.compare(old.figures, boots[0], req.pairs):
                # Some figures vary from boot to boot, and are no change then.
                boots += [work.boot() for _ in range(BOOTS - 1)]
    new = baseline.together(boots)
    changes = baseline.compare(old.figures, new, req.pairs)
    over = [one for one in changes if one.over(limits)]
    status = FAILED if over else OK
    of = sum(key[0] in req.pairs for key in old.figures)
    if req.machine_readable:
        print(_json(changes, limits, of, status), flush=True)
        return status
    hard = "" if limits.hard is None else f", and {limits.hard:g} instructions"
    print(f"{work.setup.kernel.name}, against {pairs.short(path)}: {len(changes)} of {of} figures "
          f"have changed, {len(over)} over the limit of {limits.soft:g} %{hard}")
    if changes:
        print(f"\n  {'instructions of a call':<46}{'was':>10}   {'is':>10}")
        print("\n".join(row(one, one in over) for one in changes), flush=True)
    return status
