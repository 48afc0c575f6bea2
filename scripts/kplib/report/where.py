# SPDX-License-Identifier: GPL-2.0
"""The source line that tells most of a failure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from kplib.configure import pairs
from kplib.configure.request import TOP
from kplib.report import told

#: Places in what the kernel and KUnit say, as file:line.
PLACE = re.compile(r"(?<![\w./+-])(/?[\w./+-]+\.(?:c|h|rs|S)):([1-9]\d{0,6})\b")
#: The engine judges for all pairs: its own lines say nothing of what is wrong.
_ENGINE = "kmod/engine/"

#: A file, as seen from the checkout if it is in it, and a line of it.
Place = tuple[str, int]


@dataclass(frozen=True)
class Where:
    """Finds places in the checkout and, where `outside`, in PAIRS_DIR, which is `folder`.

    No other file is ever named, whatever results that another machine has left may say.
    """

    folder: Path | None = None
    outside: bool = False

    def path(self, file: str) -> Path | None:
        """A file that may be named, or None."""
        roots = (TOP, self.folder.resolve()) if self.outside and self.folder else (TOP,)
        try:
            path = (TOP / file).resolve()
            good = any(path.is_relative_to(root) for root in roots) and path.is_file()
        except (OSError, ValueError):
            return None
        return path if good else None

    def known(self, file: str) -> str | None:
        """The name of a file that may be named, or None."""
        path = self.path(file)
        return None if path is None else pairs.short(path)

    def places(self, lines: list[str]) -> Iterator[Place]:
        """Lines that a text names, but for the engine's."""
        for line in lines:
            for file, number in PLACE.findall(line):
                name = self.known(file)
                if name is not None and not name.startswith(_ENGINE):
                    yield name, int(number)

    def line_of(self, path: Path, pattern: str) -> Place | None:
        """Where a pattern first matches in a file."""
        name = self.known(str(path))
        if name is None:
            return None
        text = path.read_text(errors="replace")
        found = re.search(pattern, text, re.M)
        return (name, text.count("\n", 0, found.start()) + 1) if found else None

    def implementation(self, one: told.Told) -> Place | None:
        """Where the operation that differs is implemented, on the side that the path calls."""
        if not pairs.NAME.fullmatch(one.pair):
            return None
        files = pairs.files(one.pair, self.folder)
        rust = any(path.endswith("->rust") for path in one.paths)
        file = files.port if rust else files.c
        operation = one.fields.get("operation")
        if operation:
            bare = re.escape(operation.removeprefix(f"{one.pair}_"))
            name = rf"(?:{re.escape(one.pair)}_)?{bare}\b"
            pattern = rf"^.*\bfn {name}" if rust else rf"^[a-z][^;#]*?\b{name}\s*\("
            # Rust may have it in a trait of the kernel crate's: then the contract tells of it.
            if place := self.line_of(file, pattern) or \
                    self.line_of(files.contract, rf"^KP_\w+\({name}"):
                return place
        return self.line_of(file, r"\A") or self.line_of(files.contract, r"\A")

    def place(self, one: told.Told) -> Place | None:
        """The line that tells most of a failure."""
        fields = one.fields
        broken = [str(said["invariant"]["place"]) for said in fields.get("broken", ())
                  if said["invariant"] and said["invariant"]["place"]]
        steps = [step for result in fields.get("results", ()) for step in result["steps"]]
        files = pairs.files(one.pair, self.folder) if pairs.NAME.fullmatch(one.pair) else None
        own = {self.known(str(path)) for path in (files.port, files.c)} if files else set()
        said = list(self.places([*fields.get("stack", ()), *steps]))
        for place in said:
            if place[0] in own:
                return place
        if fields.get("what") == "case":
            said += self.places([one.message, *one.log])
        if said:
            return said[0]
        if fields.get("operation") or not broken:
            return self.implementation(one)
        return next(self.places(broken), None) or self.implementation(one)
