# SPDX-License-Identifier: GPL-2.0
"""The modules under test: engine and pairs, built by kbuild outside the kernel tree."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from kplib.build import nolibc, objects, saved, told
from kplib.build.setup import Setup
from kplib.common import cache, proc, ui
from kplib.common.errors import EnvironmentFailed, Failed
from kplib.configure import lanes, pairs
from kplib.configure.request import TOP

#: Everything of the checkout that is built from.
INPUTS = ("Kbuild", "kmod/**/*.[ch]", "rust-stub/*.rs", "tests/kunit/*.[ch]", "tests/user/*.[ch]",
          "scripts/contract-glue", "scripts/kplib/contract/*.py")

#: The file in the build folder with its contents, an objects.State.
STATE = ".kparity-state"
#: Strips modules into the folder guest/ beside them, and notes what modpost made of each.
STRIP = """
for ko; do
	llvm-strip --strip-debug -o "${ko%/*}/guest/${ko##*/}" "$ko"
	cp "${ko%.ko}.mod.c" "${ko%/*}/.$(basename "$ko" .ko).mod.c.built"
done
"""


@dataclass(frozen=True)
class Modules:
    """Built modules: the engine, and one a pair; and the pairs' user programs, by suite.

    What is loaded is in_guest() of a module: the same without debug sections,
    which are nine tenths of it and would all travel to the guest.
    """

    engine: Path
    pairs: dict[str, Path]
    programs: dict[str, Path]

    def files(self) -> list[Path]:
        """Every module."""
        return [self.engine, *self.pairs.values()]


def warns(line: str) -> bool:
    """Whether a line of kbuild's is a warning; modpost's is in capitals."""
    return "warning:" in line.lower()


def in_guest(module: Path) -> Path:
    """The module as the guest gets it."""
    return module.parent / "guest" / module.name


class DoesNotBuild(Failed):
    """Modules that do not build. `log` is all that the tools said.

    `said` has the lines of it that a person is to see, which nobody has been shown yet.
    """

    def __init__(self, what: str, log: str, said: tuple[str, ...]) -> None:
        super().__init__(what)
        self.log = log
        self.said = said


def command(setup: Setup, out: Path, *words: str) -> list[str]:
    """The kbuild command line for the modules."""
    kernel = setup.kernel
    return setup.tools.argv("make", "-C", kernel.build, f"ARCH={kernel.arch.kernel_arch}",
                            "LLVM=1", f"-j{os.cpu_count() or 1}", f"M={TOP}", f"MO={out}", *words,
                            "modules")


class _Build:
    """One build of some pairs' modules, in a folder that this process has locked."""

    def __init__(self, setup: Setup, built: Modules) -> None:
        self.setup, self.built = setup, built
        self.request, self.tools, self.kernel = setup.request, setup.tools, setup.kernel
        self.out = built.engine.parent
        self.files = {f"kparity_{name}": pairs.files(name, self.request.pairs_dir)
                      for name in self.request.pairs}
        self.roots = (TOP, *pairs.folders(self.request.pairs, self.request.pairs_dir))
        self.now = objects.Digests(TOP)
        self.path = self.out / STATE
        self.state = objects.State.read(self.path)
        self.recipe = cache.digest(self.kernel.ident, str(TOP), (TOP / "Kbuild").read_bytes())
        if self.recipe != self.state.recipe:
            # Also what no build of these pairs makes anew is of another kernel, or other rules.
            # A module without a shape has saved commands that are as old: kbuild is asked.
            self.state.made, self.state.shapes = {}, {}
        #: None for a tree of the user's own: nothing tells whether its headers changed.
        self.store = None if self.request.kernel_src else objects.Store(
            self.out.parent / "objects", cache.digest(self.recipe, str(self.out)))
        self.modules = tuple(ko.stem for ko in built.files())
        #: Files that Kbuild makes from each pair's contract, and targets made from an earlier one.
        self.shapes = self._shapes()
        self.former: frozenset[str] = frozenset()
        for module, shape in self.shapes.items():
            if self.state.shapes.get(module, shape) != shape:
                self.former |= {*self.state.modules.pop(module, ()), f"{module}.ko"}
        self.state.forget(self.former)
        self.stale = self.state.stale(self.out, self.modules, self.now) | {
            ko.name for ko in built.files() if not in_guest(ko).exists()}

    def _shapes(self) -> dict[str, str]:
        """Of each module where the pair's files are, which C files it has, and whether none of
        them needs to be there."""
        return {module: json.dumps([str(pair.contract), self.request.frozen, [
            [str(path), path.exists()]
            for path in (*pair.sources(self.kernel.tree), pair.suite)]])
            for module, pair in self.files.items()}

    def nothing_to_do(self) -> bool:
        """Whether all modules and programs are as the checkout's files want them.

        In a kernel tree of the user's own anything may have changed: kbuild is asked.
        """
        return (self.request.kernel_src is None and self.recipe == self.state.recipe
                and not self.stale and not self._stale_programs())

    def run(self, step: ui.Step, words: tuple[str, ...] = ()) -> tuple[int, list[str]]:
        """Build the stale targets: exit status and last lines of the tools' output.

        `words` are further ones for make.
        """
        for path in (path for glob in INPUTS for path in TOP.glob(glob)):
            self.now.of(str(path.relative_to(TOP)))
        for pair in self.files.values():
            for path in (*pair.contract.parent.glob("*.[chr]*"), *pair.sources(self.kernel.tree)):
                self.now.of(pairs.short(path))
        replayed = self._replayable()
        self.state.forget(self.stale)
        if not replayed:
            # Until kbuild has ended well, nobody knows what the saved commands are for.
            self.state.recipe = self.state.folder = ""
        self.state.write(self.path)
        (self.out / "guest").mkdir(exist_ok=True)
        missing = self._fetch()
        commands: list[saved.Command] = []
        try:
            commands = self._prepare(missing) if replayed else []
        except saved.NotSaved:
            replayed = False
        argv = [*saved.command(self.tools, self.out), *words] if replayed else \
            command(self.setup, self.out, *words, f"PAIRS={' '.join(self.request.pairs)}",
                    *([f"PAIRS_DIR={self.request.pairs_dir}"] if self.request.pairs_dir else []),
                    *(["KP_FROZEN=1"] if self.request.frozen else []))
        status, tail = proc.logged(argv, self.out / "build.log", step, self.request.verbose)
        saved.complete(self.out, commands)
        if status == 0:
            if not replayed:
                proc.output(self.tools.argv("sh", "-ec", STRIP, "strip", *self.built.files()))
            self._programs()
            self._record()
        elif not replayed:
            self._vouch()
        return status, tail

    def _replayable(self) -> bool:
        """Whether the commands in the folder are those that kbuild would use."""
        return (self.request.kernel_src is None and self.request.kdir is None
                and self.state.recipe == self.recipe and self.state.folder == str(self.out)
                and all(module in self.state.modules for module in self.modules)
                and all(module in self.state.shapes for module in self.shapes)
                and not any(self.kernel.config.get(f"CONFIG_{name}", "n") != "n"
                            for name in saved.UNSAVED))

    def _fetch(self) -> frozenset[str]:
        """Put kept objects in place of stale ones, or nothing; those are returned.

        kbuild goes by files' times: what is not there, it makes.
        """
        missing = set()
        for target in self.former:
            (self.out / target).unlink(missing_ok=True)
        shapes = {target: shape for module, shape in self.shapes.items()
                  for target in self.state.modules.get(module, ())}
        for target in self.stale:
            if target.endswith(".ko"):
                continue
            made_from = self.store.fetch(
                self.out, target, self.now, shapes.get(target, "")) if self.store else None
            if made_from is None:
                (self.out / target).unlink(missing_ok=True)
                missing.add(target)
            else:
                self.state.made[target] = made_from
        return frozenset(missing)

    def _prepare(self, missing: frozenset[str]) -> list[saved.Command]:
        """Write the makefile that makes what is missing; the commands that it has."""
        commands = [saved.load(self.out, target) for target in missing]
        listed = "".join(f"{module}.o\n" for module in self.modules)
        if (self.out / "modules.order").read_text() != listed:
            cache.write(self.out / "modules.order", listed)
            (self.out / ".modules.order.cmd").unlink(missing_ok=True)
        cache.write(self.out / saved.MAKEFILE, saved.makefile(
            self.out, self.kernel.build,
            {module: f"{module}.ko" not in self.state.made for module in self.modules}, missing))
        return commands

    def _stale_programs(self) -> list[str]:
        """User programs that are to be compiled, by their suites."""
        return [suite for suite, path in self.built.programs.items() if not path.exists()
                or self.request.kernel_src is not None
                or not self.now.match(self.state.made.get(f"user/{suite}", {"": ""}))]

    def _programs(self) -> None:
        """Compile the user programs that are out of date."""
        headers = sorted(str(path.relative_to(TOP)) for glob in ("kmod/**/*.h", "tests/user/*.h")
                         for path in TOP.glob(glob))
        for suite in self._stale_programs():
            pair, _, kind = suite.partition("_")
            files = pairs.files(pair, self.request.pairs_dir)
            source = pairs.short(files.programs[kind])
            program = self.built.programs[suite]
            program.parent.mkdir(exist_ok=True)
            nolibc.compile_program(self.tools, self.kernel.tree, self.kernel.headers,
                                   self.kernel.arch, TOP / source, program, f"-I{TOP}/kmod",
                                   f"-I{TOP}/tests/user")
            contract = [pairs.short(files.contract)] if files.own else []
            self.state.made[f"user/{suite}"] = {name: self.now.of(name)
                                                for name in (source, *contract, *headers)}

    def _vouch(self) -> None:
        """After a kbuild that failed: what was up to date before is so, as then none changed it.

        Its commands are good for nothing, as before.
        """
        after = objects.Digests(TOP)
        self.state.made = {target: made_from for target, made_from in self.state.made.items()
                           if after.match(made_from)}
        self.state.recipe = self.recipe
        self.state.write(self.path)

    def _record(self) -> None:
        """Note what the folder has now. A file that changed meanwhile is not vouched for."""
        after = objects.Digests(TOP)
        try:
            found = {module: objects.targets(self.out, module) for module in self.modules}
            made = {target: objects.contents(self.out, self.roots, target, after)
                    for targets in found.values() for target in targets
                    if target not in self.state.made}
        except saved.NotSaved:
            return  # as after a build that failed: the next one asks kbuild
        shapes = {target: self.shapes[module] for module, targets in found.items()
                  for target in targets if module in self.shapes}
        for target, made_from in made.items():
            if self.now.match(made_from):
                self.state.made[target] = made_from
                if self.store:
                    self.store.keep(self.out, target, made_from, shapes.get(target, ""))
        self.state.modules |= found
        self.state.shapes |= self.shapes
        self.state.made |= {ko.name: {} for ko in self.built.files()}
        self.state.recipe, self.state.folder = self.recipe, str(self.out)
        self.state.write(self.path)


def build(setup: Setup) -> Modules:
    """Build the requested pairs' modules; nothing is run if no file of theirs has changed."""
    try:
        return attempt(setup)
    except DoesNotBuild as err:
        show(err)
        raise


def show(err: DoesNotBuild) -> None:
    """Show a person what the tools said of a build that failed."""
    for line in err.said:
        ui.note(line)


def attempt(setup: Setup, *words: str) -> Modules:
    """The same, but that DoesNotBuild has what the tools said of a build that failed.

    `words` are further ones for make.
    """
    request, kernel, out = setup.request, setup.kernel, setup.modules
    out.mkdir(parents=True, exist_ok=True)
    built = Modules(out / "kparity.ko",
                    {pair: out / f"kparity_{pair}.ko" for pair in request.pairs},
                    {suite: out / "user" / suite for pair in request.pairs
                     for kind, path in pairs.files(pair, request.pairs_dir).programs.items()
                     if path.exists() and (suite := lanes.user_suite(pair, kind))})
    with cache.locked(out):
        work = _Build(setup, built)
        if work.nothing_to_do():
            return built
        with ui.step(f"building {', '.join(request.pairs)} for {kernel.name}") as step:
            status, tail = work.run(step, words)
        said = told.without_make(tail) if status or any(map(warns, tail)) else []
        log = (out / "build.log").read_text(errors="replace") if status else ""
        why = told.not_ours(status, log) if status else ""
        if status == 0 or why:
            for line in said:
                ui.note(line)
        if why:
            raise EnvironmentFailed(f"the modules were not built for {kernel.name}: {why}; "
                                    f"the tools' lines are above and in {out / 'build.log'}")
        if status:
            said += told.own_lines(out, list(work.files.values()), log, kernel)
            raise DoesNotBuild(f"the modules do not build for {kernel.name}; the compiler's lines "
                               f"are above and in {out / 'build.log'}", log, tuple(said))
    return built
