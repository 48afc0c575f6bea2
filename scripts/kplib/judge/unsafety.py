# SPDX-License-Identifier: GPL-2.0
"""Every unsafe block, function and impl that is written by hand, with its reason.

What scripts/contract-glue writes for a function is one shape for all, and not listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kplib.configure import pairs as known

_UNSAFE = re.compile(r"\bunsafe\b\s*(\{|impl\b|extern\b|fn\b|trait\b)")

#: Modules that the crates of all pairs share.
SHARED = ("kparity", "glue")


@dataclass(frozen=True)
class Unsafe:
    """One use of unsafe. `reason` is empty where none is given."""

    where: str
    kind: str
    code: str
    reason: str
    invariants: tuple[str, ...]


def _comment_above(lines: list[str], index: int) -> str:
    """The SAFETY comment or `# Safety` section above a line, within its statement."""
    words: list[str] = []
    i = index - 1
    # The comment stands above the statement, which may have begun lines before.
    while i >= 0 and index - i < 6 and not lines[i].strip().startswith("//") and lines[i].strip():
        if lines[i].rstrip().endswith((";", "}", "{")) and index - i > 1:
            break
        i -= 1
    while i >= 0 and lines[i].strip().startswith(("//", "#[")):
        if not lines[i].strip().startswith("#["):
            words.insert(0, lines[i].strip().lstrip("/").strip())
        i -= 1
    text = " ".join(words)
    for mark in ("SAFETY:", "# Safety"):
        if mark in text:
            return text.partition(mark)[2].strip()
    return ""


def _of_trait(lines: list[str], index: int) -> str:
    """The reason for a method of a trait's impl: its preconditions are the trait's."""
    if not lines[index].startswith(" "):
        return ""
    for line in reversed(lines[:index]):
        if line and not line.startswith((" ", "/", "#", "}")):
            found = re.match(r"(unsafe )?impl\b.*?\b(\w+)(<.*>)? for ", line)
            return f"The preconditions are those of {found.group(2)}." if found else ""
    return ""


def scan(path: Path) -> list[Unsafe]:
    """Every use in a file."""
    lines = path.read_text(errors="replace").splitlines()
    found = []
    for i, line in enumerate(lines):
        code = line.partition("//")[0]
        for match in _UNSAFE.finditer(code):
            kind = {"{": "block", "extern": "fn"}.get(match.group(1), match.group(1))
            if kind == "fn" and re.search(r":\s*(Option<)?unsafe extern", code):
                continue
            reason = _comment_above(lines, i)
            if not reason and kind == "fn":
                reason = _of_trait(lines, i)
            found.append(Unsafe(f"{known.short(path)}:{i + 1}", kind, line.strip(), reason,
                                tuple(re.findall(r"\[([a-z_]+)\]", reason))))
    return found


def review(pairs: tuple[str, ...], folder: Path | None = None) -> list[Unsafe]:
    """The review list of some pairs and of the sources they share. `folder` is PAIRS_DIR."""
    chosen = [known.files(name, folder) for name in pairs]
    return [use for path in (*(known.TOP / "rust-stub" / f"{name}.rs" for name in SHARED),
                             *(pair.port for pair in chosen)) for use in scan(path)]
