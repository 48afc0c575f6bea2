# SPDX-License-Identifier: GPL-2.0
"""The whole page, from a View."""

from __future__ import annotations

from typing import Callable

from kplib.report.page import card, contracts, costs, failed, shell, source, top, tried
from kplib.report.page.markup import Markup, element, joined, link
from kplib.report.page.view import View

#: Sections by id: the title, and what is in it; where that is nothing, there is no section.
_SECTIONS: dict[str, tuple[str, Callable[[View], Markup]]] = {
    "failures": ("What failed", failed.section),
    "matrix": ("Matrix", top.matrix),
    "contracts": ("Contracts", contracts.section),
    "costs": ("Costs against budgets", costs.section),
    "tried": ("Interleavings tried", tried.section),
    "coverage": ("Coverage", lambda view: card.coverage(view, view.pairs)
                 if view.beside.coverage else Markup("")),
    "differences": ("Declared differences",
                    lambda view: contracts.differences(view, view.pairs)),
    "unsafe": ("Unsafe, for review", contracts.unsafe),
    "skipped": ("Skipped, and why", failed.skipped),
    "cards": ("Pairs, a card each", card.section),
    "lines": ("Source lines", source.section),
}


def page(view: View) -> str:
    """HTML that needs no other file, and no network."""
    made = {ident: (title, make(view)) for ident, (title, make) in _SECTIONS.items()}
    made = {ident: one for ident, one in made.items() if one[1]}
    return shell.whole(
        f"kparity: {top.word_of(view).upper()}, {top.sentence(view)}",
        element("header", element("h1", "kparity: C and Rust, compared in a real kernel"),
                top.banner(view), top.kernels(view),
                element("nav", [link(name, f"#{ident}") for ident, (name, _) in made.items()],
                        aria_label="Sections")),
        element("main", joined(element("section", element("h2", name), content, id=ident)
                               for ident, (name, content) in made.items())))
