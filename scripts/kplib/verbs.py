# SPDX-License-Identifier: GPL-2.0
"""The verbs of the Makefile."""

from __future__ import annotations

import json
import platform
import shutil
import signal
import sys
from typing import Any, Sequence

from kplib import matrix
from kplib.boot import accel
from kplib.build import apt, kernel, modules, source, toolchain
from kplib.build.setup import Setup
from kplib.common import cache, proc, ui
from kplib.common.errors import (BROKEN, FAILED, OK, REFUSED, EnvironmentFailed, Failed,
                                 GuestLost, KparityError, Refused)
from kplib.configure import archs, identity, pairs, request, shards, variants
from kplib.configure.request import TOP, Request
from kplib.judge import compile_fail, ktap, ledger, unsafety
from kplib.report import files, github, markdown, terminal, told
from kplib.tools import ci, costly, debug, keep, scaffold


def run(req: Request) -> int:
    """Build what is missing, boot, compare, report."""
    if req.keep:
        _one(req, "run KEEP=1")
        if "check" not in req.lanes:
            raise Refused("KEEP=1 keeps the guest of lane check; leave LANE=insn and CASE=insn "
                          "out")
        if req.machine_readable:
            raise Refused("KEEP=1 is for a person; leave FORMAT=json out")
        signal.signal(signal.SIGINT, keep.interrupted)
        signal.signal(signal.SIGTERM, keep.interrupted)
    if req.frozen or req.against:
        return _kept(req)
    matrix.check_folders(req)
    req = identity.settle(req)
    rows: list[terminal.Row] = []
    other, why = matrix.elsewhere(req)
    asked = (req,) if other is None else (req, other)
    with files.recorded_run(*asked):
        idle = files.save_idle(req)
        try:
            tools = None if idle == _cells(req) else matrix.choose_tools(req)
            rows = matrix.run_all(req, tools, keep.Keeper if req.keep else None,
                                  costly.explain_all) if tools else []
            rows += matrix.run_all(other, tools) if other is not None and tools else []
        except (Failed, EnvironmentFailed, GuestLost) as err:
            _write_page(asked, str(err), told=True)
            if req.machine_readable:
                _print_cells(asked, rows, str(err))
            raise
        _write_page(asked, "", told=any(row.unsaved for row in rows))
        if req.machine_readable:
            _print_cells(asked, rows, "")
    if req.shard is not None and idle and not req.machine_readable:
        print(f"\n  {req.shard.name}: nothing to run on "
              f"{', '.join(f'{arch.name} {variant.name}' for arch, variant in idle)}", flush=True)
    if why and not req.machine_readable:
        print(f"\n  {why}", flush=True)
    if len(rows) > 1 and not req.machine_readable:
        print(terminal.table(rows), flush=True)
    for pair in req.pairs:
        if left := scaffold.unchanged(pair, req.pairs_dir):
            line = f"{pair} is still as 'make new' wrote it, at {', '.join(left)}"
            if req.machine_readable:
                ui.note(line)
            else:
                print(line, flush=True)
    verdicts = {row.verdict for row in rows}
    if "fail" in verdicts:
        return FAILED
    if "error" in verdicts:
        wrong = [row.result for row in rows if row.verdict == "error"]
        return REFUSED if all(isinstance(one, Refused) for one in wrong) else BROKEN
    return OK


def _kept(req: Request) -> int:
    """make run with what was kept: a frozen file, or a revision; imported when asked for."""
    from kplib.tools import against, frozen  # pylint: disable=import-outside-toplevel
    req = frozen.check_run(req)
    if req.against:
        against.check(req)
        files_of_both = against.both(req)
        return against.run(req, matrix.prepare(req), *files_of_both)
    # Before anything is built.
    found = {pair: frozen.read(req, pair) for pair in req.pairs}
    return frozen.run(req, matrix.prepare(req), found)


def freeze(req: Request) -> int:
    """Keep what the C side gives; imported when asked for."""
    from kplib.tools import frozen  # pylint: disable=import-outside-toplevel
    frozen.check_freeze(req)
    return frozen.freeze(req, matrix.prepare(req))


def _write_page(asked: Sequence[Request], why: str, told: bool) -> None:
    """Write out/report.html; `why` says why there are no results where there are none.

    `told`: the user knows already what keeps files from being written.
    """
    from kplib.report.page import gather  # pylint: disable=import-outside-toplevel
    try:
        gather.write_last(asked[0], [(arch.name, variant.name) for one in asked
                                     for arch, variant in _cells(one)], why)
    except EnvironmentFailed as err:
        # The disk is full. The verdict holds.
        if not told:
            ui.note(f"kparity: {err}")


def _print_cells(asked: Sequence[Request], rows: list[terminal.Row], why: str) -> None:
    """FORMAT=json: one object with all cells, also those that there are no results of."""
    known = {(row.arch, row.variant): row for row in rows}
    found = {}
    for req, arch, variant in ((one, *cell) for one in asked for cell in _cells(one)):
        row = known.get((arch.name, variant.name))
        if row is None or row.found is None:
            reason = why if row is None else row.unsaved or str(row.result)
            cell = files.without(req, arch.name, variant.name, reason)
        else:
            cell = row.found
            if row.unsaved:
                cell = {**cell, "why": row.unsaved, "verdict": row.verdict}
        found[f"{arch.name}-{variant.name}"] = cell
    _print_json(found)


def _print_json(found: dict[str, Any]) -> None:
    json.dump(found, sys.stdout, indent=1)
    print(flush=True)


def doctor(req: Request) -> int:
    """Print each tool, its version, the minimum the kernel asks for, what is used."""
    host = toolchain.host_versions()
    root = cache.marker(toolchain.root_path(req.cache)) or {"versions": {}}
    minimum = {}
    scripts = sorted(req.cache.glob("source/linux-*/linux/scripts/min-tool-version.sh"))
    if scripts:
        for tool, name in (("clang", "llvm"), ("ld.lld", "llvm"), ("rustc", "rustc"),
                           ("bindgen", "bindgen")):
            minimum[tool] = proc.output(["sh", scripts[-1], name]).strip()
    print(f"{'tool':<22}{'minimum':>10}{'host':>14}{'root':>14}")
    for tool, version in host.items():
        print(f"{tool:<22}{minimum.get(tool, '-'):>10}{version or 'missing':>14}"
              f"{root['versions'].get(tool) or '-':>14}")
    missing = toolchain.missing_tools(host)
    if not scripts:
        print("minimum: known once a kernel source is in the cache")
    if req.toolchain == "root" or missing:
        why = f"the host lacks {', '.join(missing)}" if missing else "TOOLCHAIN=root"
        there = "is there" if root["versions"] else "will be made by the next run"
        print(f"used: a Debian {apt.SUITE} root ({why}); it {there}")
        if not shutil.which("mmdebstrap") and not root["versions"]:
            print("      needs mmdebstrap: sudo apt-get install --no-install-recommends mmdebstrap")
    else:
        print("used: the host's tools, if its Rust passes the kernel's 'make rustavailable'")
    machine = archs.load_all(TOP / "qemu/arch").get(archs.host_name(platform.machine()))
    if machine is not None:
        versions = root["versions"] or host
        print(f"accelerator of lane check: "
              f"{accel.known(req.cache, versions.get(machine.qemu) or '?')}")
    print(f"cache: {req.cache}")
    return OK


def update(req: Request) -> int:
    """Look again which kernels Debian has; the default may change."""
    cache.writable_folder("KPARITY_CACHE", req.cache)
    found = source.resolved(req, renew=True)
    for series, version in found.items():
        print(f"linux {series}: {version}")
    shutil.rmtree(req.cache / "accel", ignore_errors=True)
    return OK


def _one(req: Request, verb: str) -> None:
    """Refuse a request for more than one guest."""
    if len(req.archs) != 1 or len(req.variants) != 1:
        raise Refused(f"make {verb} is for one guest; give ARCH=x86_64 or ARCH=arm64, "
                      "and one VARIANT")


def shell(req: Request) -> int:
    """Boot into a busybox shell with the modules in /modules."""
    _one(req, "shell")
    return debug.shell(req, matrix.prepare(req))


def gdb(req: Request) -> int:
    """Stop a guest where a pair's module is loaded, and debug it."""
    _one(req, "gdb")
    if len(req.pairs) != 1:
        raise Refused("make gdb is for one pair; give PAIR=x")
    if "check" not in req.lanes:
        raise Refused("make gdb runs lane check; leave LANE=insn and CASE=insn out")
    return debug.gdb_(req, matrix.prepare(req))


def clean(req: Request) -> int:
    """Remove the results and the modules."""
    if req.out.exists():
        shutil.rmtree(req.out)
    return OK


def distclean(req: Request) -> int:
    """Remove the cache as well: toolchain root, sources, kernels."""
    clean(req)
    known = ("root", "apt", "source", "kernel", "kdir", "busybox", "accel", "host-rust", "mutate",
             "plugin", "passed", "browser")
    for name in known:
        shutil.rmtree(req.cache / name, ignore_errors=True)
    (req.cache / "test-times.json").unlink(missing_ok=True)
    for path in req.cache.glob("*.lock"):
        path.unlink()
    return OK


def help_(req: Request) -> int:
    """List every verb and variable."""
    del req
    print("kparity: compares the C and the Rust side of a kernel interface in a real kernel\n")
    for name, (_, text) in VERBS.items():
        print(f"  make {name:<14}{text}")
    print("\nVariables, as in 'make run ARCH=arm64 PAIR=ring':\n")
    for name, text in request.VARIABLES.items():
        print(f"  {name:<16}{text}")
    print("  KPARITY_CACHE   environment: where caches live; default: ~/.cache/kparity")
    print("\nExit status of scripts/kparity: 0 all good, 1 a comparison or test failed,\n"
          "2 the request was wrong, 3 the guest was lost or the environment failed;\n"
          "130 make soak was interrupted before it had found anything.")
    return OK


def report(req: Request) -> int:
    """Print the results of the last run, of all that it ran on or of what is named."""
    if req.format in ("markdown", "github", "html"):
        return _report_as_page(req)
    found = {}
    missing: KparityError | None = None
    for arch, variant in files.asked(req):
        try:
            found[arch, variant] = _checked(req, arch, variant)
        except KparityError as err:
            if missing is not None:
                ui.note(f"kparity: {missing}")
            missing = err
    if req.machine_readable:
        _print_json({f"{arch}-{variant}": results for (arch, variant), results in found.items()})
    else:
        for cell, results in found.items():
            print(terminal.text(results, req.verbose, True,
                                terminal.shown(files.folder(req, *cell))))
    if missing is not None:
        sys.stdout.flush()
        raise missing
    return OK


def merge(req: Request) -> int:
    """Join the results of shards; imported when asked for, as it needs more than a run."""
    from kplib.shard import merge as join  # pylint: disable=import-outside-toplevel
    status, found = join.merge(req)
    if req.machine_readable:
        _print_json(found)
    return status


def _checked(req: Request, arch: str, variant: str) -> dict[str, Any]:
    """Results to tell of. They come from other machines as well: a damaged file is none."""
    from kplib.selftest import schema  # pylint: disable=import-outside-toplevel
    try:
        document = files.load(req, arch, variant)
        # A field more, of another version of kparity, changes no other's meaning.
        wrong = next((said for said in schema.unlike(document)
                      if not said.endswith(schema.UNKNOWN)), "")
    except RecursionError:
        wrong = "it is nested too deeply"
    if wrong:
        raise EnvironmentFailed(f"{files.folder(req, arch, variant) / files.RESULTS} is "
                                f"damaged: {ui.clean(wrong)[:200]}")
    if (document["arch"], document["variant"]) != (arch, variant):
        raise EnvironmentFailed(f"the results of {arch} {variant} are those of "
                                f"{ui.clean(told.name_of(document))[:100]}")
    # A verdict is of all that has run. What does not build has no pairs.
    if "PAIR" in req.given and document["pairs"] and set(document["pairs"]) != set(req.pairs):
        raise Refused(f"PAIR={' '.join(req.pairs)}: the last run on {arch} {variant} was of "
                      f"{', '.join(document['pairs'])}; leave PAIR out to be told of that")
    return document


def _report_as_page(req: Request) -> int:
    """A page or annotations."""
    found, lacking = [], {}
    status = OK
    for arch, variant in files.asked(req):
        try:
            found.append(_checked(req, arch, variant))
        except KparityError as err:
            ui.note(f"kparity: {err}")
            lacking[f"{arch} {variant}"] = told.relative(str(err))
            status = max(status, err.status)
    if req.format == "html" and not found:
        # The page of the results that there were before stays.
        return status
    if req.format == "html":
        from kplib.report.page import gather  # pylint: disable=import-outside-toplevel
        print(terminal.shown(gather.write(req, found, lacking)))
    elif req.format == "markdown":
        print(markdown.page(found, lacking))
    else:
        for document in found:
            for line in github.commands(document, req.pairs_dir):
                print(line)
        for name, why in lacking.items():
            print(github.missing(name, why))
    return status


def _cells(req: Request) -> list[tuple[archs.Arch, variants.Variant]]:
    """Every arch and variant that a request is for."""
    return [(arch, variant) for arch in req.archs for variant in req.variants]


def matrix_(req: Request) -> int:
    """Print the jobs of a CI, of all arches and variants or of those named."""
    request.check_pairs(req)
    found = ci.jobs(req)
    print(ci.as_json(found) if req.machine_readable else ci.as_table(found), flush=True)
    return OK


def contract(req: Request) -> int:
    """Run the suites and print the ledger and the review list, of each arch and variant."""
    if req.program:
        raise Refused("a ledger counts what all cases have judged; leave PROGRAM out")
    matrix.check_folders(req)
    cells = _cells(req)
    with files.recorded(*(files.folder(req, arch.name, variant.name) for arch, variant in cells)):
        tools = matrix.choose_tools(req)
        return _worst([_contract(req, tools, *cell) for cell in cells])


def _worst(statuses: list[int]) -> int:
    """The exit status of several parts: a failure says more than a part that could not run."""
    return FAILED if FAILED in statuses else max(statuses)


def _contract(req: Request, tools: toolchain.Toolchain, arch: archs.Arch,
              variant: variants.Variant) -> int:
    found = matrix.Cell(req, tools, arch, variant).finish()
    result, book = found.result, found.book
    if len(_cells(req)) > 1:
        print(f"\n{arch.name} {variant.name}")
    print(ledger.show(book))
    print("\nunsafe, for review:")
    bare = 0
    for use in unsafety.review(req.pairs, req.pairs_dir):
        print(f"  {use.where}: {use.kind}: {use.code}\n    {use.reason or 'NO REASON'}"
              + (f"\n    leans on {', '.join(use.invariants)}" if use.invariants else ""))
        bare += not use.reason
    gaps = book.gaps() + ([f"{bare} uses of unsafe give no reason"] if bare else [])
    unread = [f"{name}: {line}" for name, pair in result.pairs.items() for v in pair.verdicts
              if (v.case, v.status) == ("contract", ktap.ERROR) for line in v.log]
    for gap in gaps + unread:
        ui.note(f"incomplete: {gap}")
    if found.unsaved:
        ui.note(found.unsaved)
    missing = len(gaps + unread)
    print(f"\nledger: {f'INCOMPLETE, {missing} gaps' if missing else 'complete'}", flush=True)
    return FAILED if gaps or result.verdict == "fail" else \
        BROKEN if result.verdict == "error" or found.unsaved else OK


def misuse(req: Request) -> int:
    """Compile what must not compile, for each arch and variant."""
    tools = matrix.prepare(req)
    return _worst([_misuse(req, tools, *cell) for cell in _cells(req)])


def _misuse(req: Request, tools: toolchain.Toolchain, arch: archs.Arch,
            variant: variants.Variant) -> int:
    setup = Setup(req, tools, kernel.get(req, tools, arch, variant))
    if len(_cells(req)) > 1:
        print(f"\n{arch.name} {variant.name}")
    # Not under a run whose guests are still to load these modules.
    with cache.locked(setup.results):
        modules.build(setup)
    with ui.step("compiling what must not compile"):
        found = compile_fail.run(tools, setup.modules, req.pairs, req.pairs_dir)
    bad = 0
    for outcome in found:
        test_ = outcome.test
        print(f"{'ok  ' if outcome.why is None else 'FAIL'} {test_.pair}/{test_.name}: "
              f"{outcome.why or test_.error}")
        bad += outcome.why is not None
    print(f"{len(found) - bad} of {len(found)} are rejected as they must be", flush=True)
    return FAILED if bad else OK


def new(req: Request) -> int:
    """Make a new pair that builds and passes, to change step by step."""
    if len(req.pairs) != 1:
        raise Refused("make new wants the name of one pair: make new PAIR=x")
    request.check_paths(req)
    for path in scaffold.create(TOP, req.pairs[0], pairs.shipped(), req.kind, req.new_in):
        print(pairs.short(path))
    where = f" PAIRS_DIR={req.new_in}" if req.new_in else ""
    print(f"'make run PAIR={req.pairs[0]}{where}' runs it; what is to be changed is marked CHANGE")
    return OK


def in_tree(req: Request) -> int:
    """Write the pairs into a kernel source tree, or take them away; imported when asked for."""
    from kplib.tools import intree  # pylint: disable=import-outside-toplevel
    request.check_pairs(req)
    intree.carry_out(req)
    return OK


def watch(req: Request) -> int:
    """Run at each save; imported when asked for."""
    from kplib.tools import watch as editing  # pylint: disable=import-outside-toplevel
    editing.check(req)
    matrix.check_folders(req)
    return editing.run(req)


def explain(req: Request) -> int:
    """Tell what the cost of an operation is made of; imported when asked for."""
    from kplib.tools import explain as told  # pylint: disable=import-outside-toplevel
    _one(req, "explain")
    told.check(req)
    return told.run(req, matrix.prepare(req))


def coverage(req: Request) -> int:
    """Tell which lines of a pair ran; imported when asked for."""
    from kplib.tools import coverage as told  # pylint: disable=import-outside-toplevel
    req = told.check(req)
    return told.run(req, matrix.prepare(req))


def baseline(req: Request) -> int:
    """Keep what operations cost; imported when asked for."""
    from kplib.tools import compare as told  # pylint: disable=import-outside-toplevel
    _one(req, "baseline")
    told.check(req)
    return told.make(req, matrix.prepare(req))


def compare(req: Request) -> int:
    """Tell what operations cost more than in a baseline; imported when asked for."""
    from kplib.tools import compare as told  # pylint: disable=import-outside-toplevel
    _one(req, "compare")
    told.check(req)
    return told.compare(req, matrix.prepare(req))


def choices(req: Request) -> int:
    """Tell what choices of the kernel's build cost; imported when asked for."""
    from kplib.tools import choices as told  # pylint: disable=import-outside-toplevel
    _one(req, "choices")
    asked = told.check(req)
    return told.run(req, matrix.prepare(req), asked)


def test(req: Request) -> int:
    """The whole test suite; imported when asked for, as it needs more than a run."""
    from kplib.selftest import selftest  # pylint: disable=import-outside-toplevel
    return selftest.test(req)


def check(req: Request) -> int:
    """The part of the test suite that is soon told; imported when asked for, too."""
    from kplib.selftest import selftest  # pylint: disable=import-outside-toplevel
    return selftest.check(req)


def soak(req: Request) -> int:
    """Fresh seeds until somebody says that it is enough; imported when asked for, too."""
    from kplib.soak import soak as long_run  # pylint: disable=import-outside-toplevel
    return long_run.soak(req)


def mutants(req: Request) -> int:
    """Planted bugs and mechanical mutants: what sees them, and what does not."""
    from kplib.selftest import campaign  # pylint: disable=import-outside-toplevel
    return campaign.mutants(req)


def bench_self(req: Request) -> int:
    """How fast kparity itself is."""
    from kplib.selftest import bench  # pylint: disable=import-outside-toplevel
    matrix.prepare(req)
    return bench.bench(req)


#: Every verb: what carries it out, and what it does.
VERBS = {
    "run": (run, "build what is missing, boot, compare C and Rust, print the verdict; "
                 "FORMAT=json for a program"),
    "check": (check, "static checks, unit tests, and the base suites on this machine's arch"),
    "test": (test, "the whole test suite, on both arches; PART= names parts of it"),
    "soak": (soak, "all lanes in turn with fresh seeds, for MINUTES=30; or with SEEDS=50"),
    "mutants": (mutants, "plant bugs and small changes, PAIR=x IN_DIFF=rev: the score, who sees "
                         "what, survivors"),
    "watch": (watch, "run what you edit, PAIR=x, at each save, until Ctrl-C"),
    "explain": (explain, "what the cost of an operation is made of, PAIR=x OP=y: functions, lines, "
                         "kinds of instructions"),
    "baseline": (baseline, "keep what operations cost, in a small file to commit"),
    "compare": (compare, "what operations cost more or less than in that file; status 1 over the "
                "LIMIT"),
    "choices": (choices, "what choices of the kernel's build do to what operations cost: checks, "
                         "mitigations, LTO; builds a kernel for each"),
    "freeze": (freeze, "keep what the C side gives for its programs, PAIR=x: make run FROZEN=1 "
                       "judges by it"),
    "coverage": (coverage, "lines of a pair that ran, PAIR=x, and jumps that only ever went one "
                           "way; status 1 if one that did not has no reason"),
    "contract": (contract, "print the ledger of invariants and the review list of unsafe code"),
    "compile-fail": (misuse, "compile the Rust that must not compile"),
    "new": (new, "make a new pair, PAIR=x, that runs at once; KIND=, DIR= for one of your own"),
    "in-tree": (in_tree, "put pairs into a kernel source tree, DEST=linux/, for its kunit.py; "
                         "REMOVE=1 takes them away"),
    "shell": (shell, "boot into a busybox shell with the modules in /modules"),
    "gdb": (gdb, "debug one pair: gdb on a guest that is stopped where its module is loaded"),
    "report": (report, "print the results of the last run; FORMAT=json, markdown, github, or "
                       "html: a page for a browser"),
    "merge": (merge, "join the results of shards, DIRS='a b c', into one verdict; report tells of "
                     "it"),
    "matrix": (matrix_, "print the jobs of a CI: arch, variant, command, cache keys; FORMAT=json"),
    "doctor": (doctor, "show each tool, its version, the minimum, and what would be used"),
    "update": (update, "look again which kernels Debian has"),
    "bench-self": (bench_self, "how fast kparity itself is (about 25 minutes)"),
    "clean": (clean, "remove results and modules"),
    "distclean": (distclean, "remove the caches too"),
    "help": (help_, "this list"),
}

#: Verbs for which CASE= means something.
WITH_CASES = ("run", "watch", "soak", "gdb")
#: Variables of some verbs alone, and these verbs.
OF_VERBS = ((("IN_DIFF", "MUTANTS"), ("mutants",)), (("OP", "OUTCOME"), ("explain",)),
            (("CHOICE",), ("choices",)), (("DEST", "REMOVE"), ("in-tree",)),
            (("FROZEN", "AGAINST"), ("run",)), (("BASELINE", "LIMIT"), ("baseline", "compare")))
#: What FORMAT= can be, but for text, of each verb that knows it; others print no results.
FORMATS: dict[str, tuple[str, ...]] = {
    "run": ("json",), "report": ("json", "markdown", "github", "html"), "mutants": ("json",),
    "matrix": ("json",), "merge": ("json",), "explain": ("json",), "compare": ("json",),
    "choices": ("json",), "baseline": (), "freeze": ()}
#: Variables of make soak alone. JOBS is a common name, and may be in the environment.
OF_SOAK = ("MINUTES", "SEEDS")


def check_words(verb: str, req: Request) -> None:
    """Refuse variables that mean nothing to a verb."""
    if req.cases and verb not in WITH_CASES:
        raise Refused(f"CASE is for make {', make '.join(WITH_CASES)}; leave it out")
    if verb != "soak" and (given := [name for name in OF_SOAK if name in req.given]):
        one = "; one seed is SEED=n" if "SEEDS" in given else ""
        raise Refused(f"{' and '.join(given)}: for make soak; leave it out{one}")
    for names, verbs in OF_VERBS:
        if verb not in verbs and (given := [name for name in names if name in req.given]):
            raise Refused(f"{', '.join(given)}: for make {' and make '.join(verbs)}; leave it out")
    if verb == "baseline" and req.limit is not None:
        raise Refused("LIMIT: for make compare; leave it out")
    shards.check_words(verb, req.given, req)
    # FORMAT=json has been passed over in silence where it says nothing.
    known = FORMATS.get(verb, ("json",))
    if req.format not in ("text", *known):
        of = [name for name, formats in FORMATS.items() if req.format in formats]
        raise Refused(f"FORMAT={req.format}: for make {', '.join(of)}; leave it out")


def carry_out(verb: str, req: Request) -> int:
    """Carry a verb out; its exit status."""
    check_words(verb, req)
    return VERBS[verb][0](req)


__all__ = ["VERBS", "carry_out", "check_words"]
