# SPDX-License-Identifier: GPL-2.0
"""What failed, each with its smallest program."""

from __future__ import annotations

from typing import Any

from kplib.judge import ktap
from kplib.report import told
from kplib.report.page import source
from kplib.report.page.markup import Markup, block, code, element, folded, joined, link, row, table
from kplib.report.page.view import View, number

#: Lines of a program that is shown at once; a longer one is folded.
SMALL = 24
#: Failures of which there is a list before them.
LISTED = 2


def _facts(pairs: list[tuple[str, Markup | str]]) -> Markup:
    """Names, each with what is said of it."""
    return element("dl", [joined([element("dt", name), element("dd", said)])
                          for name, said in pairs if said])


def _broken(view: View, said: dict[str, Any]) -> Markup:
    """What was broken, with the invariant if it is one."""
    invariant = said["invariant"]
    if not invariant:
        return joined([said["what"], element("small", f" on {said['path']}")])
    parts: list[str] = [code(invariant["id"]), f" ({invariant['category']}), on {said['path']}: "
                        f"{invariant['statement']}"]
    if invariant["then"]:
        when = ["when ", code(invariant["when"]), ": "] if invariant["when"] != "true" else []
        parts += ["; ", *when, code(invariant["then"])]
    if invariant["place"]:
        parts += [" - ", view.place(invariant["place"])]
    return joined(parts)


def _steps(one: told.Told) -> Markup:
    """The program as a table: what each step gave, on c->c and on the path."""
    results = one.fields["results"]
    differs = one.fields.get("step")
    rows = []
    for at, line in enumerate(one.program):
        gave = [result["made"] if not at else
                result["steps"][at - 1] if at <= len(result["steps"]) else None
                for result in results]
        cells: list[Markup] = [number("" if not at else at), element("td", code(line))]
        cells += [element("td", code(said) if said is not None else "", class_="gave")
                  for said in gave]
        rows.append(element("tr", cells, class_="bad" if differs and at == differs else None))
    heads = ["step", "program", *(f"{result['path']} gave" for result in results)]
    if len(rows) > SMALL:
        near = rows[differs:differs + 1] if differs else rows[:1]
        return joined([table([heads], near), folded(f"all {len(one.program)} lines of the program",
                                                    table([heads], rows))])
    return table([heads], rows)


def _program(one: told.Told) -> Markup:
    """The smallest program that shows it."""
    if not one.program:
        return Markup("")
    shown = _steps(one) if one.fields.get("results") else \
        block(one.program) if len(one.program) <= SMALL else \
        folded(f"{len(one.program)} lines", block(one.program))
    return joined([element("h4", one.heading), shown])


def _diagnostics(view: View, one: told.Told) -> list[Markup]:
    """What compilers said, with the lines that they name."""
    found = []
    for said in one.fields.get("diagnostics", ()):
        file, line = told.relative(said["file"] or "tools"), said["line"]
        head = [element("strong", f"{said['level']}: "), said["message"]]
        where = view.place(f"{file}:{line}") if line else code(file)
        found += [element("p", [*head, " - ", where]), block(said["text"], 40)]
    return found


def _one(view: View, at: int, one: told.Told) -> Markup:
    """One failure."""
    fields = one.fields
    place = view.beside.places.get(at)
    count = fields.get("count", 1)
    pairs = [pair for pair in one.pair.split(", ") if pair in view.pair_ids]
    parts: list[Markup] = [
        element("h3", element("span", one.status.upper(), class_="bad"), f" {at}. ",
                " ".join(filter(None, (one.pair, one.case, ", ".join(filter(None, one.paths)))))
                or "the run"),
        element("p", element("strong", one.message))]
    parts.append(_facts([
        ("kernel", one.name),
        ("card", joined((link(pair, f"#{view.pair_ids[pair]}") for pair in pairs), ", ")),
        ("met", f"{count:,} times" if count > 1 else ""),
        ("made from", fields.get("source") or ""),
        ("errnos allowed", ", ".join(fields.get("errnos") or ())),
        ("checker", fields.get("checker") or ""),
        ("broken", joined((element("div", _broken(view, said))
                           for said in fields.get("broken", ())))),
        ("line", joined([view.place(f"{place[0]}:{place[1]}"), ", in the file ",
                         view.file(place[0])]) if place else "")]))
    parts.append(_program(one))
    if place:
        parts.append(source.excerpt(view, *place))
    parts += _diagnostics(view, one)
    if fields.get("stack"):
        parts += [element("h4", "What was said, with source lines"),
                  source.linked(view, fields["stack"])]
    if one.log:
        title = f"log, {len(one.log)} line{'s' * (len(one.log) != 1)}"
        parts.append(folded(title, source.linked(view, one.log), open=None if one.program
                            or fields.get("stack") or fields.get("diagnostics") else ""))
    parts += [element("h4", "Again"), block([one.again])]
    return element("article", parts, class_="failure", id=f"failure-{at}")


def section(view: View) -> Markup:
    """Everything that failed."""
    found = view.failures
    if not found:
        return element("p", "Nothing failed.") if not view.lacking else element(
            "p", "Nothing failed in what gave results.")
    parts, rows = [], []
    if len(found) > LISTED:
        for at, one in enumerate(found, 1):
            what = " ".join(filter(None, (one.pair, one.case))) or "the run"
            rows.append(row([
                number(at), element("td", view.failure_link(at, what)),
                element("td", one.name, class_="s"),
                element("td", ", ".join(filter(None, one.paths)), class_="s"),
                element("td", one.message, class_="prose")], heads=0))
        parts.append(table([["", "what", "kernel", "paths", "message"]], rows))
    return joined([*parts, *(_one(view, at, one) for at, one in enumerate(found, 1))])


def skipped(view: View) -> Markup:
    """What was not run, and why: the same reason once."""
    same: dict[tuple[str, str], dict[str, set[str]]] = {}
    for document in view.documents:
        for pair, found in document["pairs"].items():
            for case in found["cases"]:
                if case["status"] == ktap.SKIP:
                    key = told.case_name(pair, case), " ".join(case["log"])
                    same.setdefault(key, {}).setdefault(told.name_of(document), set()).add(pair)
    rows = []
    for (case, why), cells in same.items():
        of = "; ".join(f"{name}: {', '.join(sorted(pairs))}" for name, pairs in cells.items())
        rows.append(row([case, element("td", of, class_="prose"),
                         element("td", why, class_="prose")]))
    if not rows:
        return element("p", "Nothing was skipped.")
    return table([["case", "of", "reason"]], rows)
