# SPDX-License-Identifier: GPL-2.0
"""The commit of a kernel's history that took away what a pair's code uses.

A compiler names what it does not find, or points at the definition that does not fit. Of a
name the last commit is looked for that removed a line which defines it; of a definition, the
last one that changed its lines. Only the folders are searched that a pair sees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from kplib.common import git, ui
from kplib.judge.diagnostics import Diagnostic

#: What a pair sees of a kernel: the Rust, and what Rust sees of C; then the headers.
FOLDERS = (("rust",), ("include", "arch/x86/include", "arch/arm64/include"))
#: Seconds that git may take for one question.
PATIENCE = 120
#: Lines of a definition that are looked at, from the one that a compiler points at.
HEAD = 12

#: What rustc and clang say of a name that they do not find.
_NAMES = tuple(re.compile(text) for text in (
    r"no `(\w+)` in `",
    r"could not find `(\w+)` in `",
    r"cannot find (?:[a-z]+,? )+`(\w+)!?`",
    r"cannot find (?:[a-z]+,? )+`(?:\w+::)+(\w+)`",
    r"no (?:method|function or associated item|associated item|associated function|"
    r"associated constant|variant or associated item|variant|field) (?:named )?`(\w+)`",
    r"(?:method|type|const) `(\w+)` is not a member of trait",
    r"(?:function|method|struct|constant|module|macro|trait|field|associated function) "
    r"`(\w+)`[^`]* is private",
    r"unresolved imports? `(?:\w+::)*(\w+)`",
    r"undeclared (?:library )?function '(\w+)'", r"undeclared identifier '(\w+)'",
    r"no member named '(\w+)' in", r"unknown type name '(\w+)'",
    r"incomplete (?:definition of )?type '(?:struct |union |enum )?(\w+)'",
))
#: A place in a file, as rustc and clang name it.
_AT = re.compile(r"^ *(?:-->|:::) (\S+?):(\d+):\d+$|^(\S+?):(\d+):\d+: note: ", re.M)


@dataclass(frozen=True)
class Change:
    """What changed a definition: a commit, or what is not committed yet.

    `line` is the line that it took away or wrote, and `place` where that was.
    """

    commit: str
    date: str
    subject: str
    place: str
    line: str
    gone: bool

    def tell(self) -> str:
        """It in a line."""
        who = f"{self.commit} (\"{self.subject}\", {self.date})" if self.commit else \
            "a change that is not committed"
        return f"{who} {'took away' if self.gone else 'wrote'} {self.place}: {self.line}"


def _git(tree: Path, *words: str) -> str:
    return git.ask(tree, *words, patience=PATIENCE)


def names(error: Diagnostic) -> list[str]:
    """What an error says is not there, the most exact first."""
    text = "\n".join(error.text)
    found = [name for pattern in _NAMES for name in pattern.findall(text)]
    return list(dict.fromkeys(found))


def places(error: Diagnostic, tree: Path) -> Iterator[tuple[str, int]]:
    """Places in the kernel's tree that an error points at, by the path there."""
    for rust, at, clang, line in _AT.findall("\n".join(error.text)):
        path = Path(rust or clang)
        if path.is_absolute() and path.is_relative_to(tree):
            yield str(path.relative_to(tree)), int(at or line)
        elif not path.is_absolute() and (tree / path).is_file():
            yield str(path), int(at or line)


def _defines(name: str) -> str:
    """A regular expression, for git and for Python alike, of a line that defines a name."""
    before = (r"(fn|struct|enum|union|trait|type|const|static|mod|macro_rules!|#define|"
              r"declare_err!\() *")
    return rf"{before}{name}([^A-Za-z0-9_]|$)|^[^ ].*[ *]{name}\("


def removed(diff: str, pattern: str) -> tuple[str, str] | None:
    """The first line that a diff without context removes and that a pattern matches, with its
    place before that."""
    file, at = "", 0
    for line in diff.splitlines():
        if line.startswith("--- "):
            file = line[4:].removeprefix("a/")
        elif found := re.match(r"@@ -(\d+)", line):
            at = int(found[1])
        elif line.startswith("-"):
            if re.search(pattern, line[1:]):
                return f"{file}:{at}", line[1:].strip()
            at += 1
    return None


def _head(tree: Path, commit: str) -> tuple[str, str, str]:
    """A commit's short name, its date and its subject."""
    short, date, subject = _git(tree, "show", "-s", "--format=%h%x00%cs%x00%s",
                                commit).strip().split("\0")
    return short, date, ui.clean(subject)


def _of_name(tree: Path, name: str) -> Change | None:
    """The last change that removed the definition of a name."""
    pattern = _defines(name)
    for folders in FOLDERS:
        diff = _git(tree, "diff", "-U0", "--no-renames", "--no-color", "--no-ext-diff", "HEAD",
                    "--", *folders)
        if found := removed(diff, pattern):
            return Change("", "", "", *found, gone=True)
        # -G finds commits that add it as well; the last few are looked at.
        commits = _git(tree, "log", "-8", "--format=%H", "-E", f"-G{pattern}", "--", *folders)
        for commit in commits.split():
            diff = _git(tree, "show", "--format=", "-U0", "--no-renames", "--no-color",
                        "--no-ext-diff", commit, "--", *folders)
            if found := removed(diff, pattern):
                return Change(*_head(tree, commit), *found, gone=True)
    return None


def _of_place(tree: Path, file: str, at: int) -> Change | None:
    """The last change of a definition, which begins at a line and ends with its head."""
    lines = (tree / file).read_text(errors="replace").splitlines()
    end = at
    while end < min(len(lines), at + HEAD) and not re.search(r"[{;]\s*$", lines[end - 1]):
        end += 1
    blamed: dict[str, tuple[int, int]] = {}
    commit, number = "", 0
    for line in _git(tree, "blame", "--porcelain", f"-L{at},{end}", "--", file).splitlines():
        if found := re.match(r"([0-9a-f]{40}) \d+ (\d+)", line):
            commit, number = found[1], int(found[2])
        elif line.startswith("committer-time "):
            blamed[commit] = int(line.split()[1]), number
    if not blamed:
        return None
    # The last one is that which has the others behind it; a series that was applied at once has
    # one time. What is not committed is none of git's commits.
    last = [one for one in blamed if not one.strip("0")] or \
        _git(tree, "merge-base", "--independent", *blamed).split()
    commit = max(last, key=lambda one: blamed[one])
    _, number = blamed[commit]
    place, text = f"{file}:{number}", lines[number - 1].strip()
    if not commit.strip("0"):
        return Change("", "", "", place, text, gone=False)
    return Change(*_head(tree, commit), place, text, gone=False)


def find(tree: Path, errors: Sequence[Diagnostic]) -> str:
    """What changed in a tree of the kernel's that a compiler's errors are about, in words.

    Empty for a tree that is in no repository.
    """
    if not (tree / ".git").exists():
        return ""
    asked: list[str] = []
    try:
        for error in errors:
            for name in names(error):
                if change := _of_name(tree, name):
                    return change.tell()
                asked.append(name)
            for file, at in places(error, tree):
                if change := _of_place(tree, file, at):
                    return change.tell()
    except (git.NoAnswer, OSError) as err:
        return f"no commit is named: {err}"
    if asked:
        return (f"no commit that the checkout has took away {', '.join(dict.fromkeys(asked))}"
                " in rust or include: the kernel may never have had it")
    return "no commit is named: the compiler points at nothing of the kernel's"
