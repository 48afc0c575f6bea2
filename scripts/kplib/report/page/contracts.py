# SPDX-License-Identifier: GPL-2.0
"""The ledger: invariants, how both languages keep them, the evidence; differences; unsafe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

from kplib.configure.lanes import PATHS
from kplib.judge.tables import met
from kplib.judge.unsafety import Unsafe
from kplib.report import told
from kplib.report.page.markup import (Markup, code, element, folded, joined, link, outside, row,
                                      table)
from kplib.report.page.view import View, number, number_heads


@dataclass(frozen=True)
class Kept:
    """One invariant of a pair, with what all kernels say of it."""

    row: dict[str, Any]
    judged: dict[str, int]
    cases: tuple[str, ...]

    def gaps(self) -> list[str]:
        """Cells that are empty: as ledger.Row.gaps(), over all kernels of this run."""
        one = self.row
        found = [said for said, there in (
            ("no statement", one["statement"]), ("not said how C keeps it", one["c"]),
            ("not said how Rust encodes it", one["rust"])) if not there]
        if any(how["how"] == "type" for how in one["rust"]) and not one["compile_fail"]:
            found.append("encoded as type, but no compile-fail test proves it")
        return found + [f"never judged on {path}" for path in PATHS if not self.judged.get(path)]


def ledger(view: View, pair: str) -> list[Kept]:
    """The invariants of a pair; what judged them in any kernel counts."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for _, found in view.of_pair(pair):
        for one in found["contract"]:
            rows.setdefault(one["id"], []).append(one)
    return [Kept(same[0], {path: sum(one["judged"].get(path, 0) for one in same)
                           for path in PATHS},
                 tuple(dict.fromkeys(case for one in same for case in one["cases"])))
            for same in rows.values()]


def _rust(view: View, one: dict[str, Any]) -> Markup:
    return joined(element("div", element("strong", f"Rust, {how['how']}"), f": {how['text']} ",
                          view.place(how["where"])) for how in one["rust"])


def of_pair(view: View, pair: str) -> Markup:
    """The ledger of a pair."""
    rows = []
    for kept in ledger(view, pair):
        one = kept.row
        gaps = kept.gaps()
        condition = joined([*(["when ", code(one["when"]), ": "]
                              if one["when"] != "true" else []), code(one["then"])]) \
            if one["then"] else ""
        proof = [f"judged in {', '.join(kept.cases)}" if kept.cases else "",
                 f"does not compile: {', '.join(one['compile_fail'])}"
                 if one["compile_fail"] else ""]
        rows.append(row([
            joined([code(one["id"]), element("div", one["category"], class_="quiet")]),
            element("td", element("div", one["statement"]),
                    element("small", condition, class_="screen"), class_="prose"),
            element("td", element("div", element("strong", "C"), f": {one['c']}"),
                    _rust(view, one), class_="prose"),
            element("td", [element("div", said) for said in proof if said],
                    [element("div", gap, class_="warn") for gap in gaps],
                    class_="prose short"),
            *(number(kept.judged[path], "" if kept.judged[path] else "warn")
              for path in PATHS)]))
    return table([["invariant", "statement", "how it is kept", "evidence",
                   *number_heads(PATHS)]], rows)


def section(view: View) -> Markup:
    """A row for each pair's contract."""
    rows = []
    for pair in view.pairs:
        kept = ledger(view, pair)
        if not kept:
            continue
        gaps = sum(bool(one.gaps()) for one in kept)
        tests = {test for one in kept for test in one.row["compile_fail"]}
        rows.append(row([
            link(pair, f"#{view.pair_ids[pair]}.contract"), number(len(kept)),
            number(sum(sum(one.judged.values()) for one in kept)), number(len(tests)),
            number(gaps, "warn" if gaps else "")]))
    if not rows:
        return element("p", "No pair of this run has invariants.", class_="quiet")
    return joined([
        element("p", "Incomplete: invariants with an empty cell, as one that no case judged on a "
                "path in this run.", class_="quiet"),
        table([["pair", *number_heads(("invariants", "judged", "compile-fail tests",
                                       "incomplete"))]], rows)])


def differences(view: View, pairs: Sequence[str]) -> Markup:
    """Differences from C that contracts declare."""
    rows = []
    for pair in pairs:
        same: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        for document, found in view.of_pair(pair):
            for one in found.get("accepted", ()):
                same.setdefault(one["id"], []).append((told.name_of(document), one))
        for some in same.values():
            one = some[0][1]
            rows.append(row([
                link(pair, f"#{view.pair_ids[pair]}"), code(one["id"]), code(one["operation"]),
                one["differs_in"], code(one["when"]),
                element("td", f"{one['reason']} ", outside(one["link"]), class_="prose"),
                element("td", [element("div", f"{name}: {met(each['met'])}" if each["met"] else
                                       f"{name}: not run") for name, each in some])]))
    if not rows:
        return element("p", "No contract declares any.", class_="quiet")
    return table([["pair", "difference", "operation", "in", "when", "reason", "met"]], rows)


def uses(view: View, found: Sequence[Unsafe]) -> Markup:
    """Uses of unsafe, each with its reason."""
    rows = [row([element("td", view.place(one.where), class_="s"), one.kind,
                 element("td", code(one.code), class_="prose"),
                 element("td", one.reason if one.reason else element("span", "NO REASON",
                                                                     class_="bad"),
                         class_="prose"), ", ".join(one.invariants)], heads=0) for one in found]
    if not rows:
        return element("p", "None.", class_="quiet")
    return table([["place", "kind", "code", "reason", "leans on"]], rows)


def unsafe(view: View) -> Markup:
    """How many uses each pair has, and those that all pairs share."""
    rows = []
    for pair in view.pairs:
        found = view.beside.unsafe.get(pair, ())
        bare = sum(not one.reason for one in found)
        rows.append(row([link(pair, f"#{view.pair_ids[pair]}.unsafe"), number(len(found)),
                         number(bare, "bad" if bare else "")]))
    shared = view.beside.unsafe.get("", ())
    return joined([
        table([["pair", *number_heads(("uses", "without a reason"))]], rows),
        folded(f"{len(shared)} in sources that the crates of all pairs share",
               uses(view, shared))])
