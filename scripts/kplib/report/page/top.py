# SPDX-License-Identifier: GPL-2.0
"""The head of the page: the verdict, what was run with what, the matrix."""

from __future__ import annotations

from typing import Any

from kplib.configure.lanes import PATHS
from kplib.judge import ktap
from kplib.report import told
from kplib.report.page.markup import Markup, element, joined, link, row, table
from kplib.report.page.view import ORDER, View, cell_of, number, number_heads, word


def word_of(view: View) -> str:
    """The verdict on everything: pass, fail or error."""
    verdicts = [one["verdict"] for one in view.documents]
    if "fail" in verdicts:
        return "fail"
    return "pass" if verdicts and not view.lacking and set(verdicts) == {"pass"} else "error"


def sentence(view: View) -> str:
    """The verdict in a line."""
    sums = {status: sum(told.counts(one)[status] for one in view.documents)
            for status in ORDER}
    cells = len(view.documents) + len(view.lacking)
    good = sum(one["verdict"] == "pass" for one in view.documents)
    said = [f"{sums[ktap.PASS]:,} of {sum(sums.values()):,} results passed"]
    said += [f"{sums[status]:,} {name}" for status, name in (
        (ktap.FAIL, "failed"), (ktap.ERROR, "ended in error"), (ktap.SKIP, "skipped"))
        if sums[status]]
    pairs = f"{len(view.pairs)} pair{'s' * (len(view.pairs) != 1)}"
    said.append(f"{pairs}; {good} of {cells} kernel{'s' * (cells != 1)} passed")
    if view.lacking:
        said.append(f"{len(view.lacking)} gave no results")
    only = dict.fromkeys(", ".join(one.get("only", ())) for one in view.documents)
    only.pop("", None)
    if only:
        said.append(f"of CASE={' and '.join(only)} alone")
    return ", ".join(said)


def banner(view: View) -> Markup:
    """The verdict."""
    verdict = word_of(view)
    return element("div", element("strong", verdict.upper()), element("span", sentence(view)),
                   class_=f"verdict {verdict}")


def _lanes(document: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({lane['accelerator']}, {lane['seconds']:.1f} s)"
                     for name, lane in document["lanes"].items())


def versions(document: dict[str, Any]) -> str:
    """What results are of: kernel, tools, seed."""
    tools, kernel = document["tools"], document["kernel"] or {}
    said = [f"linux {kernel['release']}"] if kernel.get("release") else []
    said += [f"{name} {tools[name]}" for name in ("clang", "rustc") if tools.get(name)]
    said.append(f"seed {document['seed']}")
    if document.get("merged"):
        said.append(f"joined from {document['merged']['of']} shards")
    if document.get("shard"):
        said.append(f"shard {document['shard']['index']} of {document['shard']['of']}")
    tree = (document.get("merged") or document.get("shard") or {}).get("tree") or {}
    if tree.get("commit"):
        said.append(f"commit {tree['commit'][:12]}")
    return ", ".join(said)


def _kernel_row(view: View, document: dict[str, Any]) -> Markup:
    count, verdict = told.counts(document), document["verdict"]
    return row([told.name_of(document), element("td", word(verdict, verdict.upper()), class_="s"),
                *(number(count[status]) for status in
                  (ktap.PASS, ktap.FAIL, ktap.ERROR, ktap.SKIP)),
                element("td", document["why"] or _lanes(document), class_="prose"),
                element("td", versions(document), class_="prose"),
                element("td", view.beside.when.get(cell_of(document), ""), class_="s")])


def kernels(view: View) -> Markup:
    """A row for each arch and variant: results, lanes, tools."""
    rows = [_kernel_row(view, one) for one in view.documents]
    rows += [row([name, element("td", word(ktap.ERROR, "NO RESULTS"), class_="s"),
                  *[number("")] * 4, element("td", why, class_="prose"), "", ""])
             for name, why in view.lacking.items()]
    heads = ["kernel", "verdict", *number_heads(("passed", "failed", "error", "skipped")),
             "lanes", "with", "results of"]
    return table([heads], rows)


def _entry(view: View, name: str, pair: str, path: str, cases: list[dict[str, Any]],
           first: bool) -> Markup:
    """The results of a pair on one path of one kernel."""
    kind = "s first" if first else "s"
    if not cases:
        return element("td", "-", class_=f"{kind} quiet")
    statuses = [case["status"] for case in cases]
    worst = next((status for status in ORDER if status in statuses), ktap.ERROR)
    if worst in (ktap.FAIL, ktap.ERROR):
        bad = sum(status in (ktap.FAIL, ktap.ERROR) for status in statuses)
        place = view.by_place.get((name, pair, path))
        said = word(worst, f"{worst.upper()} {bad} of {len(statuses)}")
        return element("td", link(said, f"#failure-{place}" if place else None),
                       class_=f"{kind} bad")
    good = statuses.count(ktap.PASS)
    if not good:
        return element("td", word(ktap.SKIP), class_=kind)
    return element("td", word(ktap.PASS, f"ok {good}"), class_=kind)


def matrix(view: View) -> Markup:
    """Arch and variant, pair and path: how many cases of each are good."""
    columns: list[tuple[str, str, dict[str, Any]]] = []
    heads: list[Markup] = []
    for document in view.documents:
        cases = [case for pair in document["pairs"].values() for case in pair["cases"]]
        others = any(case["path"] not in PATHS for case in cases)
        mine = [*PATHS, *([""] if others else [])]
        columns += [(told.name_of(document), path, document) for path in mine]
        heads.append(element("th", told.name_of(document), colspan=str(len(mine)),
                             scope="colgroup"))
    rows = []
    for pair in view.pairs:
        cells: list[Markup] = [link(pair, f"#{view.pair_ids[pair]}")]
        for name, path, document in columns:
            cases = [case for case in document["pairs"].get(pair, {"cases": []})["cases"]
                     if (case["path"] if case["path"] in PATHS else "") == path]
            cells.append(_entry(view, name, pair, path, cases, path == PATHS[0]))
        rows.append(row(cells))
    return joined([
        element("p", "Results of a pair on a path: the calling language, then the one that is "
                "called. All other results, as of user programs, are under \"other\".",
                class_="quiet"),
        table([["", *heads], ["pair", *(path or "other" for _, path, _ in columns)]], rows,
              class_="matrix")])
