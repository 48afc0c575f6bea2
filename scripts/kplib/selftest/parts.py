# SPDX-License-Identifier: GPL-2.0
"""The parts of the test suite, each a list of jobs.

static      each tool's own checks
unit        tests/unit, a job a class
live        tests/live, a job a class or what a class says of its methods
suites      every KUnit suite, on each arch in each variant
contracts   the ledger, layouts in DWARF, reasons for unsafe, Rust that must not compile
mutants     bugs planted on purpose

Kernels and modules are built by jobs as well, which belong to no part: those that
another job needs run with it.
"""

from __future__ import annotations

import json
import pickle
import resource
from dataclasses import dataclass, replace
from pathlib import Path

from kplib import matrix
from kplib.build import config, kernel, modules, objects
from kplib.build import setup as building
from kplib.build.toolchain import Toolchain
from kplib.common import cache
from kplib.configure import variants
from kplib.configure.archs import Arch
from kplib.configure.request import TOP, Request
from kplib.configure.variants import Variant
from kplib.judge import compile_fail, dwarf, ktap, records, results, unsafety
from kplib.report import terminal
from kplib.selftest import checks, mutants, pytests
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
        """Whether an arch and variant are tested: some variants on this machine's arch alone."""
        return variant.everywhere or arch == self.host

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
            # It begins as a copy of the base kernel: see kernel.build().
            first = () if variant == setup.base else (kernel_name(arch.name, variants.BASE),)
            jobs += [Job(kernel_name(arch.name, variant.name), BUILDS, get,
                         seconds=0.5 if there else KERNEL_SECONDS, cores=1 if there else 1.5,
                         needs=first,
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
        if arch == setup.host and variant.name in {m.variant for m in _mutants(setup)}:
            mutants.seed(mine.modules, _seed(setup, variant.name))
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

            jobs.append(Job(_suite_name(arch, variant), "suites", run, seconds=12,
                            cores=1.5 if len(variant.lanes) > 1 else 1,
                            needs=(modules_name(arch.name, variant.name),), early=True))
    return jobs


def _suite_name(arch: Arch, variant: Variant) -> str:
    return f"suites {arch.name} {variant.name}"


def _suite(setup: Setup, arch: Arch, variant: Variant) -> Report:
    found = matrix.run_cell(setup.req, setup.tools, arch, variant)
    if variant.name == variants.BASE:
        _cell(setup, arch).write_bytes(pickle.dumps(found))
    cache.write(_control(setup, arch, variant.name), json.dumps(
        {name: [[verdict.case, verdict.path, verdict.status] for verdict in pair.verdicts]
         for name, pair in found.result.pairs.items()}))
    outcomes = tuple(
        Outcome(f"{arch.name} {variant.name} {verdict.suite} {verdict.case} {verdict.path}".strip(),
                STATUS.get(verdict.status, FAILED), "\n".join(verdict.log),
                environment=verdict.status == ktap.ERROR)
        for pair in found.result.pairs.values() for verdict in pair.verdicts)
    name = f"{arch.name} {variant.name}"
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


def _control(setup: Setup, arch: Arch, variant: str) -> Path:
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
                     needs=(_suite_name(arch, setup.base),)),
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


def _seed(setup: Setup, variant: str) -> Path:
    """Where a copy of the modules is that planted bugs start from."""
    return setup.shared / f"seed-{variant}"


def _mutants(setup: Setup) -> list[mutants.Mutant]:
    """The planted bugs of the pairs that are tested."""
    return mutants.load_all(setup.req.pairs, pairs_dir=setup.req.pairs_dir)


def _wanting(setup: Setup, variant: Variant) -> tuple[str, ...]:
    """The pairs whose options the kernel of the suites has."""
    if not config.check_options(setup.req):
        return ()
    return kernel.wanting(setup.of(setup.host, variant).kernel)


def planted(setup: Setup) -> list[Job]:
    """Planted bugs, on this machine's arch."""
    jobs = []
    kinds = {variant.name: variant for variant in setup.variants}
    for mutant in _mutants(setup):
        def run(folder: Path, mutant: mutants.Mutant = mutant) -> Report:
            if mutant.variant not in kinds:
                return Report((_row(mutant.name, f"no such variant: {mutant.variant}"),))
            why = mutants.doubtful(mutant, json.loads(
                _control(setup, setup.host, mutant.variant).read_text()))
            if why is None:
                why = mutants.plant(setup.req, setup.host, mutant, setup.shared / "kparity",
                                    _seed(setup, mutant.variant), folder,
                                    _wanting(setup, kinds[mutant.variant]))
            return Report((_row(mutant.name, why),))

        # In the kernels with checkers a run mostly waits.
        # KCSAN sees a race where both CPUs of the guest run at once. Beside other work the host
        # can have them take turns on one core for as long as the guest lives.
        kind = kinds.get(mutant.variant)
        waits = kind is not None and bool(kind.checkers)
        race = kind is not None and any(c.option == "KCSAN" for c in kind.checkers)
        jobs.append(Job(f"mutant {mutant.name}", "mutants", run, seconds=9 if waits else 2.5,
                        cores=0.6 if waits else 1, alone=race,
                        needs=(modules_name(setup.host.name, mutant.variant),
                               _suite_name(setup.host, kind)) if kind else ()))
    return jobs
