# SPDX-License-Identifier: GPL-2.0
"""The parts of the test suite, each a list of jobs.

static      each tool's own checks
unit        tests/unit, a job a class
live        tests/live, a job a class or what a class says of its methods
suites      every KUnit suite, on each arch in each variant, and one fresh seed
contracts   the ledger, layouts in DWARF, reasons for unsafe, Rust that must not compile
mutants     bugs planted on purpose, and a few mechanical mutants

Kernels and modules are built by jobs as well, which belong to no part: those that
another job needs run with it.
"""

from __future__ import annotations

import json
import pickle
import resource
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

from kplib import matrix
from kplib.boot import lanes
from kplib.build import config, kernel, modules, objects
from kplib.build import setup as building
from kplib.build.toolchain import Toolchain
from kplib.common import cache
from kplib.common.errors import EnvironmentFailed
from kplib.configure import variants
from kplib.configure.archs import Arch
from kplib.configure.request import TOP, Request, pair_word
from kplib.configure.variants import Variant
from kplib.judge import compile_fail, dwarf, ktap, records, results, unsafety
from kplib.mutate import find, record
from kplib.mutate.candidate import Candidate
from kplib.report import terminal
from kplib.soak import cells, work
from kplib.selftest import checks, mutants, pytests, trial
from kplib.selftest.jobs import FAILED, PASSED, SKIPPED, Job, Outcome, Report

#: The parts that a user may name.
NAMES = ("static", "unit", "live", "suites", "contracts", "mutants")
#: The part of jobs that build.
BUILDS = "builds"
#: The remark on what was not there before.
BUILT = "built"
#: Kernels are built below everything else, so that they get what tests leave.
KERNEL_NICE = 10
#: Seconds, on 2 CPUs, and more than the slowest machine needs.
KERNEL_SECONDS, KERNEL_BOUND, MODULES_SECONDS = 400.0, 3 * 3600.0, 36.0
#: Seconds that one mechanical mutant may take: a survivor goes through all lanes of three kernels.
TRIAL_BOUND = 600.0
#: Core-seconds that no kernel is built in.
KERNEL_LEAST = 60.0
#: Verdicts of results.json as outcomes.
STATUS = {ktap.PASS: PASSED, ktap.SKIP: SKIPPED}


@dataclass(frozen=True)
class Setup:
    """All that jobs are made from. `shared` is a folder for what one leaves to another."""

    req: Request
    tools: Toolchain
    tree: Path
    archs: tuple[Arch, ...]
    host: Arch
    variants: tuple[Variant, ...]
    shared: Path

    @property
    def base(self) -> Variant:
        """The variant that figures come from."""
        return next(v for v in self.variants if v.name == variants.BASE)

    def wants(self, arch: Arch, variant: Variant) -> bool:
        """Whether an arch and variant are tested: some variants on this machine's arch alone,
        unless another one is named."""
        return variant.everywhere or arch == self.host or \
            "ARCH" in self.req.given and arch in self.req.archs

    def planting(self, mutant: mutants.Mutant) -> Arch:
        """The arch that a planted bug is caught on: this machine's, if it has the lane."""
        return next((arch for arch in (self.host, *self.archs) if arch.has(mutant.lane)),
                    self.host)

    def of(self, arch: Arch, variant: Variant) -> building.Setup:
        """The set-up for one kernel, which has been built."""
        return building.Setup(self.req, self.tools,
                              kernel.get(self.req, self.tools, arch, variant))


def kernel_name(arch: str, variant: str) -> str:
    """The name of the job that builds a kernel."""
    return f"kernel {arch} {variant}"


def modules_name(arch: str, variant: str) -> str:
    """The name of the job that builds modules."""
    return f"modules {arch} {variant}"


def every(setup: Setup, names: tuple[str, ...]) -> list[Job]:
    """The jobs of some parts, and those that build for any part."""
    makers = {"static": static, "unit": unit, "live": live, "suites": suites,
              "contracts": contracts, "mutants": planted}
    # The ledger counts how often the suites put an invariant to the test.
    # A bug is believed to be caught if its case passes without it.
    wanted = [name for name in NAMES if name in names
              or name == "suites" and {"contracts", "mutants"}.intersection(names)]
    return builds(setup) + [job for name in wanted for job in makers[name](setup)]


def builds(setup: Setup) -> list[Job]:
    """Kernels, and modules for them."""
    jobs = []
    for variant in setup.variants:
        for arch in setup.archs:
            if not setup.wants(arch, variant):
                continue

            def get(folder: Path, arch: Arch = arch, variant: Variant = variant) -> Report:
                del folder
                return _kernel(setup, arch, variant)

            def build(folder: Path, arch: Arch = arch, variant: Variant = variant) -> Report:
                del folder
                return _modules(setup, arch, variant)

            there = any(setup.req.cache.glob(f"kernel/{arch.name}-{variant.name}-*/.complete"))
            built = objects.State.read(setup.req.out / arch.name / variant.name / "build"
                                       / modules.STATE).recipe != ""
            jobs += [Job(kernel_name(arch.name, variant.name), BUILDS, get,
                         seconds=0.5 if there else KERNEL_SECONDS, cores=1 if there else 1.5,
                         group="" if there else "kernels", nice=KERNEL_NICE, bound=KERNEL_BOUND),
                     Job(modules_name(arch.name, variant.name), BUILDS, build,
                         seconds=0.5 if built else MODULES_SECONDS, cores=1 if built else 1.5,
                         needs=(kernel_name(arch.name, variant.name),), early=True)]
    return jobs


def _kernel(setup: Setup, arch: Arch, variant: Variant) -> Report:
    if config.check_options(setup.req):
        # Live tests run pairs of their own, in the variant's own kernel.
        kernel.get(replace(setup.req, pairs=()), setup.tools, arch, variant)
    kernel.get(setup.req, setup.tools, arch, variant)
    # Another run may have built it while this one waited.
    mine = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Report(aside=BUILT if mine.ru_utime > KERNEL_LEAST else "")


def _modules(setup: Setup, arch: Arch, variant: Variant) -> Report:
    mine = setup.of(arch, variant)
    log = mine.modules / "build.log"
    before = log.stat().st_mtime_ns if log.exists() else 0
    # Not under a run whose guests are still to load what is there.
    with cache.locked(mine.results):
        modules.build(mine)
        if any(m.variant == variant.name and setup.planting(m) == arch for m in _mutants(setup)) \
                or arch == setup.host and variant.name in trial.VARIANTS:
            mutants.seed(mine.modules, seed_of(setup, arch, variant.name))
    return Report(aside=BUILT if log.exists() and log.stat().st_mtime_ns > before else "")


def static(setup: Setup) -> list[Job]:
    """Static checks; those that build do it for the base kernel of this machine's arch."""
    jobs = []
    for check in checks.checks(setup.req, setup.tools, setup.tree, setup.host, setup.base):
        def run(folder: Path, check: checks.Check = check) -> Report:
            del folder
            return checks.run(setup.req, setup.tools, check)

        needs = (kernel_name(setup.host.name, variants.BASE),) if check.kernel else ()
        jobs.append(Job(check.name, "static", run, check.seconds, check.cores, needs,
                        early=not check.kernel))
    return jobs


def _cell_of(setup: Setup, words: str) -> tuple[str, str]:
    """The jobs for a kernel as a test names it, a variant or an arch before it, and its modules."""
    arch, _, variant = words.rpartition(" ")
    cell = arch or setup.host.name, variant
    return kernel_name(*cell), modules_name(*cell)


def _tests(setup: Setup, part: str, usual: pytests.Needs, early: bool) -> list[Job]:
    jobs = []
    for group in pytests.discover(TOP / "tests" / part, usual):
        def run(folder: Path, group: pytests.Group = group) -> Report:
            del folder
            return pytests.run(group.tests)

        # Such tests begin with what the checkout has built.
        needs = tuple(name for words in group.needs.kernels for name in _cell_of(setup, words))
        jobs.append(Job(f"{part} {group.name}", part, run, group.needs.seconds, group.needs.cores,
                        needs, early=early))
    return jobs


def unit(setup: Setup) -> list[Job]:
    """Tests of the tooling without a guest; most of them wait."""
    return _tests(setup, "unit", pytests.Needs(cores=0.5, seconds=1.0), early=True)


def live(setup: Setup) -> list[Job]:
    """Tests of the tooling with guests; kernels are those of tests/live."""
    return _tests(setup, "live", pytests.Needs((variants.BASE,)), early=False)


def suites(setup: Setup) -> list[Job]:
    """Every suite, on each arch in each variant."""
    jobs = []
    for variant in setup.variants:
        for arch in setup.archs:
            if not setup.wants(arch, variant):
                continue

            def run(folder: Path, arch: Arch = arch, variant: Variant = variant) -> Report:
                del folder
                return _suite(setup, arch, variant)

            jobs.append(Job(suite_name(arch, variant), "suites", run, seconds=12,
                            cores=1.5 if len(variant.lanes) > 1 else 1,
                            needs=(modules_name(arch.name, variant.name),), early=True))

    def fresh(folder: Path) -> Report:
        return _fresh(setup, folder, work.fresh_seed())

    jobs.append(Job(fresh_name(setup.host), "suites", fresh, seconds=25, cores=1.5,
                    needs=(modules_name(setup.host.name, variants.BASE),)))
    return jobs


def fresh_name(host: Arch) -> str:
    """The name of the job that runs the base suites with a seed that nobody has chosen."""
    return f"suites {host.name} {variants.BASE}, a fresh seed"


def _fresh(setup: Setup, folder: Path, seed: int) -> Report:
    """The base suites of this machine's arch with a seed, which is in the name of each result.

    The modules are those of the suites with seed 1, which may run meanwhile: what this leaves
    is in a folder of its own.
    """
    mine = setup.of(setup.host, setup.base)
    cell = cells.Cell.ready(mine, modules.build(mine))
    items = [work.Item(number, target, seed) for number, target in enumerate(
        cells.targets(setup.req, [(setup.host, setup.base)]))]
    running = [lanes.start(lambda item=item: cells.run(  # type: ignore[misc]
        cell, item, folder / item.target.lane), item.name) for item in items]
    wanting = kernel.wanting(mine.kernel)
    outcomes: list[Outcome] = []
    lines = [f"  a fresh seed, {seed}"]
    for item, future in zip(items, running):
        judged = cells.judge(cell, item, future.result(), folder / "programs")
        own = _outcomes(item.name, judged.result)
        outcomes += [*own, *_untold(item.name, judged.result, own)]
        # The job's folder is gone then: a seed runs all of it again, a program of it does not.
        lines += [f"  again: make run {pair_word(pair, wanting)} {judged.result.replay}"
                  for pair in dict.fromkeys(found.pair for found in judged.found if found.pair)]
    return Report(tuple(outcomes), "\n".join(lines))


def _outcomes(name: str, result: results.ArchResult) -> tuple[Outcome, ...]:
    """The verdicts of a run as outcomes; `name` is that of the run."""
    return tuple(
        Outcome(f"{name} {verdict.suite} {verdict.case} {verdict.path}".strip(),
                STATUS.get(verdict.status, FAILED), "\n".join(verdict.log),
                environment=verdict.status == ktap.ERROR)
        for pair in result.pairs.values() for verdict in pair.verdicts)


def suite_name(arch: Arch, variant: Variant) -> str:
    return f"suites {arch.name} {variant.name}"


def _suite(setup: Setup, arch: Arch, variant: Variant) -> Report:
    found = matrix.run_cell(setup.req, setup.tools, arch, variant)
    if variant.name == variants.BASE:
        _cell(setup, arch).write_bytes(pickle.dumps(found))
    cache.write(control(setup, arch, variant.name), json.dumps(
        {name: [[verdict.case, verdict.path, verdict.status] for verdict in pair.verdicts]
         for name, pair in found.result.pairs.items()}))
    name = f"{arch.name} {variant.name}"
    outcomes = _outcomes(name, found.result)
    if found.unsaved:
        outcomes += (Outcome(f"{name} files", FAILED, found.unsaved, environment=True),)
    return Report((*outcomes, *_untold(name, found.result, outcomes)),
                  terminal.show(found.result, setup.req.verbose))


def _untold(name: str, result: results.ArchResult,
            outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """The failure of a run that is not good although no case of it failed."""
    if result.verdict == "pass" or any(outcome.status == FAILED for outcome in outcomes):
        return ()
    why = [line for lane in result.lanes
           for line in (*(loss.what for loss in lane.losses), lane.lost) if line]
    if not outcomes:
        why.append("no case gave a result")
    return (Outcome(name, FAILED, "\n".join(why) or f"the run's verdict is {result.verdict}",
                    environment=True),)


def _cell(setup: Setup, arch: Arch) -> Path:
    """File with the results of an arch's base suites, for its contracts."""
    return setup.shared / f"{arch.name}.pickle"


def control(setup: Setup, arch: Arch, variant: str) -> Path:
    """File with the verdicts of suites, for the planted bugs of their kernel."""
    return setup.shared / f"control-{arch.name}-{variant}.json"


def contracts(setup: Setup) -> list[Job]:
    """Evidence for the contracts in each arch's base suites and modules."""
    jobs = []
    for arch in setup.archs:
        def ledger(folder: Path, arch: Arch = arch) -> Report:
            del folder
            return _contracts(setup, arch)

        def misuse(folder: Path, arch: Arch = arch) -> Report:
            del folder
            return _misuse(setup, arch)

        jobs += [Job(f"contracts {arch.name}", "contracts", ledger, seconds=3,
                     needs=(suite_name(arch, setup.base),)),
                 Job(f"compile-fail {arch.name}", "contracts", misuse, seconds=12, cores=1.5,
                     needs=(modules_name(arch.name, variants.BASE),))]
    return jobs


def _row(name: str, why: str | None) -> Outcome:
    return Outcome(name, PASSED if why is None else FAILED, why or "")


def _contracts(setup: Setup, arch: Arch) -> Report:
    """Rows of the ledger, reasons for unsafe, and layouts in DWARF."""
    found: matrix.CellRun = pickle.loads(_cell(setup, arch).read_bytes())
    out = setup.of(arch, setup.base).modules
    book = found.book
    rows = [_row(f"{row.pair}.{row.promise.id}", "; ".join(row.gaps()) or None)
            for row in book.rows]
    rows.append(_row(f"nothing dangling among {len(book.rows)} invariants",
                     "; ".join(d.text for d in book.dangling) or None))
    rows += [Outcome(use.where, FAILED, "unsafe without a reason")
             for use in unsafety.review(setup.req.pairs, setup.req.pairs_dir) if not use.reason]
    for pair, module in found.built.pairs.items():
        rows += [_row(f"struct {name}: same layout in both objects",
                      dwarf.differ(setup.tools, out, pair, name))
                 for name in records.read(module).types]
    return Report(tuple(rows))


def _misuse(setup: Setup, arch: Arch) -> Report:
    """Rust that must not compile."""
    out = setup.of(arch, setup.base).modules
    return Report(tuple(
        _row(f"compile-fail {outcome.test.pair}/{outcome.test.name}: {outcome.test.error}",
             outcome.why)
        for outcome in compile_fail.run(setup.tools, out, setup.req.pairs,
                                        setup.req.pairs_dir)))


def seed_of(setup: Setup, arch: Arch, variant: str) -> Path:
    """Where a copy of the modules is that planted bugs start from."""
    return setup.shared / f"seed-{arch.name}-{variant}"


def _mutants(setup: Setup) -> list[mutants.Mutant]:
    """The planted bugs of the pairs that are tested: all where PART or PAIR is given."""
    every = mutants.load_all(setup.req.pairs, pairs_dir=setup.req.pairs_dir)
    return every if {"PART", "PAIR"}.intersection(setup.req.given) else mutants.of_each_kind(every)


def _wanting(setup: Setup, arch: Arch, variant: Variant) -> tuple[str, ...]:
    """The pairs whose options the kernel of the suites has."""
    if not config.check_options(setup.req):
        return ()
    return kernel.wanting(setup.of(arch, variant).kernel)


def planted(setup: Setup) -> list[Job]:
    """Planted bugs, on this machine's arch where that can show them."""
    jobs = _sample(setup)
    kinds = {variant.name: variant for variant in setup.variants}
    for mutant in _mutants(setup):
        arch = setup.planting(mutant)

        def run(folder: Path, mutant: mutants.Mutant = mutant, arch: Arch = arch) -> Report:
            if mutant.variant not in kinds:
                return Report((_row(mutant.name, f"no such variant: {mutant.variant}"),))
            why = mutants.doubtful(mutant, json.loads(
                control(setup, arch, mutant.variant).read_text()))
            if why is None:
                why = mutants.plant(setup.req, arch, mutant, setup.shared / "kparity",
                                    seed_of(setup, arch, mutant.variant), folder,
                                    _wanting(setup, arch, kinds[mutant.variant]))
            return Report((_row(mutant.name, why),))

        # In the kernels with checkers a run mostly waits.
        kind = kinds.get(mutant.variant)
        waits = kind is not None and bool(kind.checkers)
        jobs.append(Job(planted_name(mutant), "mutants", run, seconds=9 if waits else 2.5,
                        cores=0.6 if waits else 1,
                        needs=(modules_name(arch.name, mutant.variant),
                               suite_name(arch, kind)) if kind else ()))
    return jobs


def planted_name(mutant: mutants.Mutant) -> str:
    """The name of the job that plants a bug."""
    return f"mutant {mutant.name}"


#: Mechanical mutants that `make test` runs, by name, a line each.
SAMPLE = TOP / "tests/mutants/sample"
#: The job that finds them.
FOUND = "mutants found"


def mechanical(setup: Setup, name: str, get: Callable[[], Candidate],
               take: Callable[[record.Record], Report], kinds: tuple[str, ...],
               needs: tuple[str, ...] = ()) -> Job:
    """The job that runs one mechanical mutant in some variants, until it is seen."""
    by_name = {v.name: v for v in setup.variants}
    variants_ = {kind: by_name[kind] for kind in kinds}

    def run(folder: Path) -> Report:
        one = get()
        for kind in variants_:
            wrong = {status for _, _, status in json.loads(
                control(setup, setup.host, kind).read_text()).get(one.pair, [])}
            if not wrong or wrong & {ktap.FAIL, ktap.ERROR}:
                raise EnvironmentFailed(f"{one.pair} does not pass in {kind} without a mutant")
        setups = trial.setups_of({kind: setup.of(setup.host, variant)
                                  for kind, variant in variants_.items()}, one.pair)
        seeds = {kind: seed_of(setup, setup.host, kind) for kind in setups}
        trial.place(next(iter(setups.values())), setup.shared / "kparity", seeds, folder, one.pair,
                    setup.req.pairs)
        return take(trial.run(setups, one, seeds))

    return Job(name, "mutants", run, seconds=6, cores=1.2, bound=TRIAL_BOUND, needs=tuple(
        job for variant in variants_.values() for job in (
            modules_name(setup.host.name, variant.name), suite_name(setup.host, variant)))
        + needs)


def _sample(setup: Setup) -> list[Job]:
    """The fixed few of the mechanical mutants, each of which must be killed in base."""
    names = [line.strip() for line in SAMPLE.read_text().splitlines()
             if line.strip() and not line.startswith("#")]
    names = [name for name in names if name.split()[0] in setup.req.pairs]
    if not names:
        return []
    there = setup.shared / "candidates.pickle"

    def search(folder: Path) -> Report:
        del folder
        mine = setup.of(setup.host, setup.base)
        found = {one.name: one for pair in {name.split()[0] for name in names}
                 for one in find.of_pair(mine, pair)}
        there.write_bytes(pickle.dumps(found))
        return Report()

    jobs = [Job(FOUND, "mutants", search, seconds=20,
                needs=(modules_name(setup.host.name, variants.BASE),))]
    for name in names:
        def get(name: str = name) -> Candidate:
            found: dict[str, Candidate] = pickle.loads(there.read_bytes())
            if name not in found:
                raise EnvironmentFailed(f"tests/mutants/sample: the code has no '{name}' any "
                                        "more; take another one that make mutants kills")
            return found[name]

        def take(one: record.Record, name: str = name) -> Report:
            why = None if one.outcome == record.KILLED else f"{one.outcome}: {one.why}"
            return Report((_row(name, why),))

        jobs.append(mechanical(setup, f"mutant {name}", get, take, (variants.BASE,), (FOUND,)))
    return jobs
