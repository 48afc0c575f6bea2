# SPDX-License-Identifier: GPL-2.0
"""Source lines in the page: a browser cannot open a file at a line, so that it has its own."""

from __future__ import annotations

from typing import Sequence

from kplib.report import told
from kplib.report.page.markup import LINES, Markup, element, joined, link, preformatted, text
from kplib.report.page.view import View
from kplib.report.where import PLACE

#: Lines before and behind the one that a failure shows.
NEAR = 4


def _line(number: int, said: str, mark: bool, ident: str | None = None) -> Markup:
    return element("span", element("i", f"{number:>5}  "), said.expandtabs(8) or " ",
                   class_="at" if mark else None, id=ident)


def excerpt(view: View, file: str, line: int) -> Markup:
    """Some lines around one; none around the first, which stands for the file."""
    lines = view.beside.sources.get(file, ())
    if not 1 < line <= len(lines):
        return Markup("")
    near = range(max(1, line - NEAR), min(len(lines), line + NEAR) + 1)
    return element("pre", [_line(at, lines[at - 1], at == line) for at in near],
                   class_="lines", tabindex="0")


def _of_line(view: View, said: str) -> Markup:
    """A line of text, whose places lead to lines of the page."""
    parts, end = [], 0
    for found in PLACE.finditer(said):
        to = view.line_link(told.relative(found[1]), int(found[2]))
        if to:
            parts += [text(said[end:found.start()]), link(found[0], to)]
            end = found.end()
    return joined([*parts, text(said[end:])])


def linked(view: View, lines: Sequence[str]) -> Markup:
    """Lines as they are, whose places lead to lines of the page."""
    more = [f"... {len(lines) - LINES} lines more in results.json"] if len(lines) > LINES else []
    return preformatted([*(_of_line(view, line) for line in lines[:LINES]), *more])


def section(view: View) -> Markup:
    """All lines that failures name, with those around them."""
    parts = []
    for file, near in view.shown_lines.items():
        ident, lines = view.source_ids[file], view.beside.sources[file]
        spans, before = [], 0
        for at in near:
            if before and at != before + 1:
                spans.append(element("span", element("i", "   ...")))
            named = at in view.wanted[file]
            spans.append(_line(at, lines[at - 1], named, f"{ident}.{at}" if named else None))
            before = at
        parts += [element("h3", view.file(file), id=ident),
                  element("pre", spans, class_="lines", tabindex="0")]
    return joined(parts)
