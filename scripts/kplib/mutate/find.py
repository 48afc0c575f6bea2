# SPDX-License-Identifier: GPL-2.0
"""Finding all mutants of a pair: two small programs read the C and the Rust side.

scripts/mutate-c.c uses libclang, with the flags that kbuild has compiled the file with;
scripts/mutate-rust.rs the syn of the kernel's own tree. Both are built once, into the cache.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from kplib.build import saved
from kplib.build.setup import Setup
from kplib.common import cache, proc, ui
from kplib.common.errors import EnvironmentFailed
from kplib.configure import pairs
from kplib.configure.request import TOP
from kplib.mutate import candidate
from kplib.mutate.candidate import Candidate

#: Shell scripts that build in the current folder: first the crates, of the kernel's source $1; then
#: each program from this project's scripts $1, Rust's with the crates of folder $2.
#: RUSTC_BOOTSTRAP: as kbuild builds the same crates.
CRATES = r"""
export RUSTC_BOOTSTRAP=1
crate() { rustc --cap-lints=allow --crate-type=rlib -L. "$@"; }
crate --edition=2021 --crate-name=proc_macro2 --cfg=span_locations "$1/rust/proc-macro2/lib.rs"
crate --edition=2018 --crate-name=quote --extern=proc_macro2 "$1/rust/quote/lib.rs"
crate --edition=2021 --crate-name=syn --extern=proc_macro2 --extern=quote \
	--cfg='feature="clone-impls"' --cfg='feature="full"' --cfg='feature="parsing"' \
	--cfg='feature="printing"' --cfg='feature="visit"' "$1/rust/syn/lib.rs"
"""
PROGRAMS = {"mutate-c": r"""
llvm=$(dirname "$(readlink -f "$(command -v clang)")")/..
clang -O1 -I"$llvm/include" -L"$llvm/lib" -Wl,-rpath,"$llvm/lib" -fuse-ld=lld \
	-o mutate-c "$1/mutate-c.c" -lclang
""", "mutate-rust": r"""
RUSTC_BOOTSTRAP=1 rustc --edition=2021 -L"$2" --extern=syn --extern=proc_macro2 \
	-Clinker=clang -Clink-arg=-fuse-ld=lld -o mutate-rust "$1/mutate-rust.rs"
"""}
SOURCES = {"mutate-c": "mutate-c.c", "mutate-rust": "mutate-rust.rs"}
#: Weaker forms, as text: what they are macros in C has no node of its own.
_C_FORMS = {
    "ordering": ((r"\bsmp_store_release\(", "WRITE_ONCE(*"), (r"\bsmp_load_acquire\(",
                                                              "READ_ONCE(*")),
}
#: Pairs of C's forms for a lock with interrupts off, changed together in one function.
_C_IRQ = ((r"\bspin_lock_irqsave\((.*?), flags\)", r"spin_lock(\1)"),
          (r"\bspin_unlock_irqrestore\((.*?), flags\)", r"spin_unlock(\1)"))
_RUST_IRQ = ((r"\bnew_spinlock_irq\b", "new_spinlock"), (r"\bSpinLockIrq\b", "SpinLock"))
_C_FUNCTION = re.compile(r"^(?:[a-z].*?[ *])?(\w+)\([^;{]*\)\n\{\n.*?^\}", re.M | re.S)
_KUNIT = re.compile(r"^#if IS_ENABLED\(CONFIG_KUNIT\)\n.*?^#endif", re.M | re.S)


def _built(setup: Setup, what: str, script: str, *words: Path, of: bytes = b"") -> Path:
    """The folder in the cache where a script has built something, of contents `of`."""
    entry = setup.request.cache / "mutate" / cache.digest(setup.tools.name(), script, of,
                                                          *map(str, words))
    if cache.marker(entry) is not None:
        return entry
    with cache.locked(entry):
        if cache.marker(entry) is None:
            with cache.fresh(entry) as partial, ui.step(f"building {what}") as step:
                argv = setup.tools.argv(
                    "sh", "-ec", f"cd {shlex.quote(str(partial))}\n{script}", "build", *words)
                status, tail = proc.logged(argv, entry.with_name(entry.name + ".log"), step)
                if status:
                    for line in tail:
                        ui.note(line)
                    raise EnvironmentFailed(
                        f"{what} was not built, which finds mutants; the compiler's lines are "
                        "above. It needs libclang and its headers; TOOLCHAIN=root has them")
                cache.complete(partial, {})
    return entry


def program(setup: Setup, name: str) -> Path:
    """One of the two programs, which is built if it is not there."""
    words = [TOP / "scripts"]
    if name == "mutate-rust":
        words.append(_built(setup, "the kernel's syn", CRATES, setup.kernel.tree))
    source = (TOP / "scripts" / SOURCES[name]).read_bytes()
    return _built(setup, name, PROGRAMS[name], *words, of=source) / name


def flags(command: str) -> list[str]:
    """What clang is told of a file, from the command that kbuild saved."""
    words = shlex.split(command.partition(" ; ")[0].replace("$(pound)", "#").replace("$$", "$"))
    found = []
    skip = False
    for word in words[1:-1]:
        if skip or word == "-o":
            skip = not skip
        elif word != "-c" and not word.startswith(("-Wp,-MMD", "-Werror")):
            found.append(word)
    return found


def c_object(pair: str) -> str:
    """A pair's object in C, in the build folder."""
    return f"pairs/{pair}/{pair}.o"


def rust_object(pair: str) -> str:
    """A pair's object in Rust."""
    return f"rust-stub/{pair}_root.o"


def _run(setup: Setup, name: str, words: list[str]) -> list[dict[str, object]]:
    argv = setup.tools.argv("sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", setup.modules,
                            program(setup, name), *words)
    return [json.loads(line) for line in proc.output(argv).splitlines()]


def _errnos(text: str) -> list[str]:
    """The errnos that a file uses."""
    return sorted(set(re.findall(r"\bE[A-Z]{2,}\b", text)))


def _other(text: str, old: str, new: str) -> str | None:
    """E? is the next of the file's errnos; None without another one."""
    if "E?" not in new:
        return new
    every = _errnos(text)
    name = old.lstrip("-")
    if name not in every or len(every) < 2:
        return None
    return new.replace("E?", every[(every.index(name) + 1) % len(every)])


def _c_text(text: str) -> list[tuple[str, str, list[tuple[int, int, str]]]]:
    """Function, operator and edits of what is found in C's text alone."""
    found = []
    for function in _C_FUNCTION.finditer(text):
        at, body = function.start(), function.group()
        for operator, forms in _C_FORMS.items():
            for pattern, new in forms:
                found += [(function[1], operator, [(at + m.start(), at + m.end(), new)])
                          for m in re.finditer(pattern, body)]
        edits = [(at + m.start(), at + m.end(), m.expand(new))
                 for pattern, new in _C_IRQ for m in re.finditer(pattern, body)]
        if edits:
            found.append((function[1], "irq", sorted(edits)))
    return found


def _rust_text(text: str) -> list[tuple[str, str, list[tuple[int, int, str]]]]:
    edits = [(m.start(), m.end(), new) for pattern, new in _RUST_IRQ
             for m in re.finditer(pattern, text)]
    return [("locks", "irq", sorted(edits))] if edits else []


def _of_file(pair: str, language: str, path: Path,
             rows: list[dict[str, object]]) -> list[Candidate]:
    """Candidates of one file, in its order; what is there for tests alone is left as it is."""
    raw = path.read_bytes()
    # Offsets count bytes, and so does a text in which each byte is a letter.
    text = raw.decode("latin-1")
    name = pairs.short(path)
    tests = [m.span() for m in _KUNIT.finditer(text)]
    every: list[tuple[str, str, list[tuple[int, int, str]]]] = []
    for row in rows:
        edits = row["edits"]
        assert isinstance(edits, list)
        changed = [(start, end, _other(text, text[start:end], new)) for start, end, new in edits]
        if all(new is not None for _, _, new in changed):
            every.append((str(row["function"]), str(row["operator"]),
                          [(start, end, new or "") for start, end, new in changed]))
    every += [(function, operator, [(start, end, new.encode("latin-1").decode(errors="replace"))
                                    for start, end, new in edits])
              for function, operator, edits in (
                  _c_text(text) if language == "c" else _rust_text(text))]
    every.sort(key=lambda one: one[2][0][:2])
    return candidate.numbered(
        candidate.make(pair, language, name, raw, function, operator, edits)
        for function, operator, edits in every
        if not any(a <= edits[0][0] < b for a, b in tests))


def of_pair(setup: Setup, pair: str) -> list[Candidate]:
    """All candidates of a pair, whose modules are built."""
    files = pairs.files(pair, setup.request.pairs_dir)
    found = []
    if files.c.is_file():
        command = saved.load(setup.modules, c_object(pair)).text
        found += _of_file(pair, "c", files.c,
                          _run(setup, "mutate-c", [str(files.c), *flags(command)]))
    found += _of_file(pair, "rust", files.port, _run(setup, "mutate-rust", [str(files.port)]))
    return found
