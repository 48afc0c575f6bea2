# SPDX-License-Identifier: GPL-2.0
"""What every page has around its contents."""

from __future__ import annotations

from kplib.report.page.markup import Markup, document, element
from kplib.report.page.style import STYLE

#: Nothing is fetched from anywhere, and nothing is executed, whatever a text may hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def whole(title: str, header: Markup, main: Markup, style: Markup = Markup("")) -> str:
    """A page that needs no other file, and no network; `style` is its own, beside that of all."""
    head = element(
        "head", element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(STYLE), style))
    return document(head, element("body", header, main))
