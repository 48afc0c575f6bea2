# SPDX-License-Identifier: GPL-2.0
"""The pairs that build in a kernel, where it need not be that all do.

Which kernels these are, and what becomes of the other pairs, judge/unbuilt.py says. In any
other kernel a pair that does not build ends the run.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace

from kplib.build import config, kernel, modules, source
from kplib.build.modules import Modules
from kplib.build.setup import Setup
from kplib.common import cache, ui
from kplib.common.errors import Failed
from kplib.configure import pairs
from kplib.configure.request import Request
from kplib.judge import culprit, ktap, unbuilt
from kplib.judge.unbuilt import Broken, Unbuilt

#: Has make go on with the others where a pair does not build.
KEEP_GOING = ("-k",)
#: The same, one target at a time: what compilers say that run at the same time is mixed. kbuild
#: runs its own makes, in which -Otarget does not keep the lines of a target together.
ONE_BY_ONE = ("-k", "-j1")
#: The folder below OUT in which it is tried whether pairs build on the newest series.
NEWEST = "newest"


@dataclass(frozen=True)
class Served:
    """Modules of the pairs that build, and the others."""

    built: Modules
    others: dict[str, Unbuilt] = field(default_factory=dict)


def in_parts(req: Request) -> bool:
    """Whether pairs are run in a request's kernel of which others do not build in it."""
    return not req.frozen and (req.kernel_src is not None or bool(source.newer(req)))


def _attempt(setup: Setup) -> Modules:
    """Build; of what does not build, the log has the lines of each target together."""
    with contextlib.suppress(modules.DoesNotBuild):
        return modules.attempt(setup, *KEEP_GOING)
    # Only what has failed is made once more.
    return modules.attempt(setup, *ONE_BY_ONE)


def _those_that_build(setup: Setup) -> tuple[Modules | None, dict[str, Broken]]:
    """Modules of the pairs that build, None without any, and the other pairs."""
    req = setup.request
    broken: dict[str, Broken] = {}
    while left := tuple(pair for pair in req.pairs if pair not in broken):
        mine = replace(setup, request=replace(req, pairs=left))
        try:
            return _attempt(mine), broken
        except modules.DoesNotBuild as err:
            more, shared = unbuilt.of_log(err.log, [pairs.files(pair, req.pairs_dir)
                                                    for pair in left], setup.modules, setup.kernel)
            if shared:
                raise modules.DoesNotBuild(
                    f"what all pairs share does not build for {setup.kernel.name}, linux "
                    f"{setup.kernel.release}: {shared}"
                    + _and(_changed(req, next(iter(more.values()), None)))
                    + f" (log: {setup.modules / 'build.log'})", err.log, err.said) from err
            if not more:
                raise
            broken |= more
    return None, broken


def _and(words: str) -> str:
    return f"; {words}" if words else ""


def _changed(req: Request, broken: Broken | None) -> str:
    """What has changed in a tree of the user's that a pair does not build for."""
    if req.kernel_src is None or broken is None:
        return ""
    with ui.step("asking git what changed"):
        return culprit.find(req.kernel_src, broken.errors)


def _on_newest(setup: Setup, broken: dict[str, Broken]) -> dict[str, Broken] | None:
    """Which of some pairs do not build on the newest series either; None if it is not built."""
    req, old = setup.request, setup.kernel
    asked = replace(req, kernel=None, pairs=tuple(broken), out=req.out / NEWEST)
    entry = kernel.known(asked, old.arch, old.variant)
    if entry is None or cache.marker(entry) is None:
        return None
    newest = kernel.get(asked, setup.tools, old.arch, old.variant)
    return _those_that_build(Setup(asked, setup.tools, newest))[1]


def _judged(setup: Setup, broken: dict[str, Broken]) -> dict[str, Unbuilt]:
    """The pairs that do not build, with their verdicts."""
    req = setup.request
    newest = source.newer(req)
    if not newest:
        return {pair: unbuilt.in_tree(one, _changed(req, one)) for pair, one in broken.items()}
    there = _on_newest(setup, broken)
    return {pair: unbuilt.on_older(
        one, str(req.kernel), newest, None if there is None else pair not in there,
        there[pair].first if there and pair in there else "") for pair, one in broken.items()}


def build(setup: Setup) -> Served:
    """Build what builds of the requested pairs."""
    if not in_parts(setup.request):
        return Served(modules.build(setup))
    try:
        built, broken = _those_that_build(setup)
    except modules.DoesNotBuild as err:
        modules.show(err)
        raise
    others = _judged(setup, broken) if broken else {}
    if built is not None:
        return Served(built, others)
    for one in others.values():
        for line in one.broken.lines if one.status == ktap.FAIL else ():
            ui.note(line)
    why = "; ".join(f"{pair}: {one.message}" for pair, one in others.items())
    if any(one.status == ktap.FAIL for one in others.values()):
        raise Failed(f"the modules do not build for {setup.kernel.name}: {why}; all that the tools "
                     f"said is in {setup.modules / 'build.log'}")
    raise config.CannotHave(f"linux {setup.request.kernel} serves none of these pairs: {why}")
