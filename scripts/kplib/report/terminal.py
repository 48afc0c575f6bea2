# SPDX-License-Identifier: GPL-2.0
"""The report on the terminal, and the files of a run."""

from __future__ import annotations

import collections
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from kplib.common import cache
from kplib.common.errors import FAILED, KparityError
from kplib.judge import ktap
from kplib.judge.ledger import Ledger
from kplib.judge.results import (NOOP, PATHS, ArchResult, Cost, PairResult, geometric_mean,
                                 untold)

_COLOUR = {ktap.PASS: "32", ktap.FAIL: "31", ktap.ERROR: "31", ktap.SKIP: "33"}
_WORD = {ktap.PASS: "ok", ktap.FAIL: "FAIL", ktap.ERROR: "ERROR", ktap.SKIP: "skip"}


def _paint(text: str, status: str) -> str:
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\x1b[{_COLOUR[status]}m{text}\x1b[0m"


def _cases(pair: PairResult) -> list[str]:
    rows: dict[tuple[str, str], dict[str, ktap.Verdict]] = {}
    for verdict in pair.verdicts:
        rows.setdefault((verdict.suite, verdict.case), {})[verdict.path] = verdict
    lines = []
    for (suite, case), by_path in rows.items():
        cells = []
        for path in PATHS:
            if path in by_path:
                status = by_path[path].status
                cells.append(_paint(f"{_WORD[status]:>12}", status))
            else:
                cells.append(" " * 12)
        others = [v for path, v in by_path.items() if path not in (*PATHS, "")]
        if others:
            good = sum(v.status == ktap.PASS for v in others)
            status = ktap.PASS if good == len(others) else ktap.FAIL
            cells = ["  " + _paint(f"{good} of {len(others)} ok", status)]
            case = f"{suite} {case}"
        line = f"    {case or suite:<16}" + "".join(cells)
        if "" in by_path:
            line = f"{line.rstrip()}  {_paint(_WORD[by_path[''].status], by_path[''].status)}"
        lines.append(line.rstrip())
    return lines


def _failures(name: str, pair: PairResult, again: str) -> list[str]:
    """What did not pass, and why; paths that say the same are named together."""
    same: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for verdict in pair.verdicts:
        if verdict.status != ktap.PASS:
            key = (verdict.status, verdict.case or verdict.suite, verdict.log)
            same.setdefault(key, []).append(verdict.path)
    lines: list[str] = []
    failed = False
    for (status, case, log), paths in same.items():
        what = f"{name} {case} {', '.join(paths)}".strip()
        if status == ktap.SKIP:
            lines.append(f"  {_paint(_WORD[status], status)} {what}: {' '.join(log)}")
            continue
        lines.append(f"  {_paint(_WORD[status], status)} {what}")
        lines += [f"    {line}" for line in log]
        failed = True
    if failed:
        lines.append(f"  again: make run PAIR={name} {again}")
    return lines


def _cell(cost: Cost | None) -> str:
    if cost is None:
        return f"{'-':>14}"
    ratio = f"({cost.ratio:.2f})" if cost.ratio is not None else "(  - )"
    return f"{cost.mean:>8.1f} {ratio}"


def _costs(pair: PairResult, verbose: bool) -> list[str]:
    lines = []
    for op, row in pair.costs.items():
        if op == NOOP:
            continue
        lines.append(f"    {op:<16}" + "".join(f"{_cell(row.get(p)):>16}" for p in PATHS))
        if not verbose:
            continue
        for name in ("min", "p50", "p99", "max", "n"):
            lines.append(f"      {name:<14}" + "".join(
                f"{getattr(row[p], name) if p in row else '-':>9}       " for p in PATHS).rstrip())
    return lines


def _overall(result: ArchResult) -> str:
    """The geometric mean of all ratios of all pairs, by path."""
    table = {f"{name} {op}": row for name, pair in result.pairs.items()
             for op, row in pair.costs.items()}
    means = [f"{path} {mean:.2f}" for path in PATHS[1:]
             if (mean := geometric_mean(table, path)) is not None]
    return "  geometric mean over all operations: " + ", ".join(means)


def show(result: ArchResult, verbose: bool) -> str:
    """The report of one arch."""
    kernel = result.kernel
    facts = ", ".join(f"{name.lower()}={value}" for name, value in result.facts().items())
    lines = ["", f"{kernel.name}, linux {kernel.release}, clang "
             f"{result.tools.versions.get('clang', '?')}, rustc "
             f"{result.tools.versions.get('rustc', '?')}, seed {result.seed}"]
    for lane in result.lanes:
        lines.append(f"  lane {lane.lane.name}: {lane.lane.describe()}, {lane.seconds:.1f} s"
                     + (f", {lane.boots} boots" if lane.boots > 1 else ""))
    if any(pair.costs for pair in result.pairs.values()):
        lines.append(f"  built with {facts}")
    for name, pair in result.pairs.items():
        lines += ["", f"  {name}"]
        lines.append("    " + f"{'case':<16}" + "".join(f"{p:>12}" for p in PATHS))
        lines += _cases(pair)
        if pair.costs:
            lines.append(f"    {'instructions':<16}" + "".join(f"{p:>16}" for p in PATHS))
            lines += _costs(pair, verbose)
    if any(pair.costs for pair in result.pairs.values()):
        lines += ["", "  instructions: mean of one operation, the driver's no-op subtracted; "
                  "in brackets the ratio to c->c",
                  "  (V=1 and results.json: min, p50, p99, max)"]
        lines.append(_overall(result))
    again = " ".join([f"ARCH={kernel.arch.name}",
                      *([f"VARIANT={kernel.variant.name}"] if kernel.variant.checkers else []),
                      f"SEED={result.seed}",
                      *([f"LANE={result.lanes[0].lane.name}"] if len(result.lanes) == 1 else [])])
    for name, pair in result.pairs.items():
        if failures := _failures(name, pair, again):
            lines += ["", *failures]
    for lane in result.lanes:
        if lane.kernel:
            lines += ["", f"  lane {lane.lane.name}: the kernel complained of itself "
                      f"{len(lane.kernel)} times, with no part of ours in it:"]
            lines += [f"    {times} times: {title}" for title, times in
                      collections.Counter(lane.kernel).most_common(5)]
        for loss in untold(lane):
            lines += ["", f"  {_paint(_WORD[ktap.ERROR], ktap.ERROR)} lane {lane.lane.name}: "
                      f"{loss.what}", *(f"    {note}" for note in loss.notes)]
        if lane.lost:
            lines += ["", f"  lane {lane.lane.name}: {lane.lost}"]
            if lane.console:
                lines.append("  the console's last lines:")
            lines += [f"    {line}" for line in lane.console.splitlines()]
    statuses = [v.status for p in result.pairs.values() for v in p.verdicts]
    passed, skipped = statuses.count(ktap.PASS), statuses.count(ktap.SKIP)
    word = {"pass": ktap.PASS, "fail": ktap.FAIL, "error": ktap.ERROR}[result.verdict]
    lines += ["", f"{kernel.name}: " + _paint(result.verdict.upper(), word)
              + f", {passed} of {len(statuses)} results passed"
              + (f", {skipped} skipped" if skipped else "")]
    return "\n".join(lines)


@dataclass(frozen=True)
class Row:
    """One line of the table over a matrix; without a result, what came in its place."""

    arch: str
    variant: str
    result: ArchResult | KparityError

    @property
    def verdict(self) -> str:
        """As ArchResult.verdict."""
        if isinstance(self.result, KparityError):
            return "fail" if self.result.status == FAILED else "error"
        return self.result.verdict


def table(rows: list[Row]) -> str:
    """The table at the end of a run on several arches or variants."""
    lines = ["", f"  {'arch':<9}{'variant':<9}{'lanes':<28}{'passed':>8}{'failed':>8}{'error':>7}"
                 f"{'skipped':>9}{'boots':>7}{'time':>9}  verdict"]
    for row in rows:
        head = f"  {row.arch:<9}{row.variant:<9}"
        word = _paint(row.verdict.upper(), {"pass": ktap.PASS, "fail": ktap.FAIL}.get(
            row.verdict, ktap.ERROR))
        if isinstance(row.result, KparityError):
            lines.append(f"{head}{row.result}  {word}")
            continue
        found = [v.status for p in row.result.pairs.values() for v in p.verdicts]
        lanes = ", ".join(f"{n.lane.name} ({n.lane.accel})" for n in row.result.lanes)
        lines.append(
            f"{head}{lanes:<28}{found.count(ktap.PASS):>8}{found.count(ktap.FAIL):>8}"
            f"{found.count(ktap.ERROR):>7}{found.count(ktap.SKIP):>9}"
            f"{sum(n.boots for n in row.result.lanes):>7}"
            f"{max((n.seconds for n in row.result.lanes), default=0.0):>7.1f} s  {word}")
    return "\n".join(lines)


def save(result: ArchResult, book: Ledger, folder: Path) -> None:
    """Write results.json, junit.xml and the KTAP of every lane."""
    document = ktap.render([v for pair in result.pairs.values() for v in pair.verdicts])
    found = result.to_json()
    for name, pair in found["pairs"].items():
        pair["contract"] = book.to_json(name)
    cache.write(folder / "results.json", json.dumps(found, indent=1) + "\n")
    cache.write(folder / "results.ktap", document)
    cache.write(folder / "junit.xml", ktap.junit(result.kernel.tree, document))
