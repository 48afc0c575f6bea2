# SPDX-License-Identifier: GPL-2.0
"""HTML from text: the one place that escapes, and the one that writes tags.

A child of an element is text, which is escaped, unless it is Markup, which elements alone make.
"""

from __future__ import annotations

import functools
import html
from typing import Iterable, Sequence, Union

from kplib.common import ui

#: Characters of a line that are shown, and lines of a block.
WIDTH, LINES = 1000, 400
#: Elements without an end.
_VOID = frozenset(("meta", "col", "br"))


class Markup(str):
    """Text that is HTML."""


Child = Union[str, Iterable[str], None]


@functools.lru_cache(maxsize=1 << 14)
def _escaped(said: str) -> Markup:
    """A page says most of its words many times."""
    more = f" ... {len(said) - WIDTH} characters more" if len(said) > WIDTH else ""
    return Markup(html.escape(ui.clean(said[:WIDTH]) + more))


def text(said: str) -> Markup:
    """Text as one sees it: no character of it means anything to a browser."""
    return said if isinstance(said, Markup) else _escaped(said)


@functools.lru_cache(maxsize=256)
def _named(name: str) -> str:
    """An attribute, by the name of an argument."""
    return name.rstrip("_").replace("_", "-")


def _inner(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, str):
        return text(child)
    return "".join(text(one) for one in child)


def element(tag: str, *children: Child, **attributes: str | None) -> Markup:
    """An element. An attribute's name may end in _, and has - for _ within; None leaves it out."""
    head = "".join([f' {_named(name)}="{text(value)}"'
                    for name, value in attributes.items() if value is not None])
    if tag in _VOID:
        return Markup(f"<{tag}{head}>")
    return Markup(f"<{tag}{head}>{''.join([_inner(child) for child in children])}</{tag}>")


def joined(parts: Iterable[str], between: str = "") -> Markup:
    """Parts one after the other."""
    return Markup(text(between).join(text(part) for part in parts))


def link(said: Child, to: str | None, **attributes: str | None) -> Markup:
    """A link, or its text alone where there is nothing to lead to."""
    if to is None:
        return element("span", said, **attributes)
    return element("a", said, href=to, **attributes)


def outside(said: str) -> Markup:
    """A link to another site, if the text is the address of one."""
    safe = said.startswith(("https://", "http://")) and len(said) < WIDTH
    return link(said, said if safe else None, rel="noreferrer" if safe else None)


def code(said: str) -> Markup:
    """A name, or anything of a program's, within a line."""
    return element("code", said)


def preformatted(lines: Iterable[str], class_: str | None = None) -> Markup:
    """Lines as they are."""
    # A browser leaves out a newline that comes first.
    return element("pre", Markup("\n" + "\n".join(text(line) for line in lines)), class_=class_,
                   tabindex="0")


def block(lines: Sequence[str], most: int = LINES) -> Markup:
    """Lines as they are: the first `most`."""
    more = [f"... {len(lines) - most} lines more in results.json and logs"] \
        if len(lines) > most else []
    return preformatted([*lines[:most], *more])


def folded(title: Child, *children: Child, **attributes: str | None) -> Markup:
    """What one unfolds."""
    return element("details", element("summary", title), *children, **attributes)


def box(*children: Child) -> Markup:
    """What is wider than the page scrolls within itself, by keys as well."""
    return element("div", *children, class_="box", tabindex="0")


def row(cells: Iterable[Child], tag: str = "td", heads: int = 1) -> Markup:
    """A row of a table; its first `heads` cells name it."""
    made = [cell if isinstance(cell, Markup) and cell.startswith(("<td", "<th")) else
            element("th", cell, scope="row") if tag == "td" and at < heads else
            element(tag, cell, scope="col" if tag == "th" else None)
            for at, cell in enumerate(cells)]
    return element("tr", made)


def table(heads: Sequence[Sequence[Child]], rows: Iterable[Markup], caption: Child = None,
          class_: str | None = None) -> Markup:
    """A table in a box of its own."""
    return box(element("table", element("caption", caption) if caption else None,
                       element("thead", [row(one, "th") for one in heads]),
                       element("tbody", rows), class_=class_))


def document(head: Markup, body: Markup) -> str:
    """A whole page."""
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"
