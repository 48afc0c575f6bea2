# SPDX-License-Identifier: GPL-2.0
"""The report on the terminal, made from the contents of results.json.

One pair has tables of its cases and instructions; of several there is a line each, and
the tables with V=1 or `make report`. What failed is always told in full.
"""

from __future__ import annotations

import collections
import os
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, TypeVar

from kplib.common.errors import FAILED, KparityError
from kplib.configure.lanes import LANES, LATE, PATHS, user_kind
from kplib.configure.request import pair_word
from kplib.contract.model import Budget, Diverges
from kplib.judge import ktap, orders, timetable
from kplib.judge.budgets import ALL, WAITS, Excess
from kplib.judge.growth import Growth
from kplib.judge.results import ArchResult, PairResult
from kplib.judge.sizes import Sizes
from kplib.judge.syscalls import Syscalls
from kplib.judge.tables import (MAKING, NOOP, SUCCESS, Allocations, Cost, Histories, Interruptions,
                                geometric_mean, met)
from kplib.judge.unbuilt import CASE
from kplib.report import called, deep, files, grown, machine, timed

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
    # Rows of user programs have longer names, and stand below each other.
    wide = max((len(f"{suite} {case}") for suite, case in rows if "_user" in suite), default=0)
    lines = []
    for (suite, case), by_path in rows.items():
        cells = []
        width = 16
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
            # Where the program's own row is there too, not all its tests have one.
            count = f"{good} ok" if "" in by_path else f"{good} of {len(others)} ok"
            cells = ["  " + _paint(count, status)]
            case, width = f"{suite} {case}", max(width, wide)
        line = f"    {case or suite:<{width}}" + "".join(cells)
        if "" in by_path:
            line = f"{line.rstrip()}  {_paint(_WORD[by_path[''].status], by_path[''].status)}"
        lines.append(line.rstrip())
    return lines


#: Limits of the log of a case that a person is shown.
LOG_LINES, LOG_WIDTH = 80, 300


def _cut(line: str) -> str:
    """A line, and a mark where more of it is in the log."""
    return line if len(line) <= LOG_WIDTH else f"{line[:LOG_WIDTH]}... (whole in logs/)"


_Groups = dict[tuple[str, str, ktap.Log], list[ktap.Verdict]]


def _groups(pair: PairResult, status: str) -> _Groups:
    """Verdicts of a status; paths of a case that say the same are named together."""
    same: _Groups = {}
    for verdict in pair.verdicts:
        if verdict.status == status:
            same.setdefault((verdict.suite, verdict.case, verdict.log), []).append(verdict)
    return same


def _row(name: str, found: list[ktap.Verdict]) -> str:
    """One case of a pair on some paths."""
    first = found[0]
    suite = "suite" if first.suite == name else first.suite
    words = [first.suite if user_kind(name, first.suite) else name, first.case or suite,
             ", ".join(verdict.path for verdict in found)]
    return f"  {_paint(_WORD[first.status], first.status)} {' '.join(words)}".rstrip()


def _failed(name: str, pair: PairResult) -> list[str]:
    """A line for each case that failed."""
    by_case: dict[tuple[str, str, str], list[ktap.Verdict]] = {}
    for verdict in pair.verdicts:
        if verdict.status in (ktap.FAIL, ktap.ERROR):
            by_case.setdefault((verdict.status, verdict.suite, verdict.case), []).append(verdict)
    return [_row(name, found) for found in by_case.values()]


def _failures(name: str, pair: PairResult, again: str) -> list[str]:
    """Cases that failed, and why."""
    lines: list[str] = []
    for status in (ktap.FAIL, ktap.ERROR):
        for (_, _, log), found in _groups(pair, status).items():
            lines += [_row(name, found), *(f"    {_cut(line)}" for line in log[:LOG_LINES])]
            if len(log) > LOG_LINES:
                lines.append(f"    ... {len(log) - LOG_LINES} lines more in "
                             f"{ktap.log_file(found[0].suite)}")
    if lines:
        lines.append(f"  again: make run {again}")
    return lines


def _skips(name: str, pair: PairResult) -> list[str]:
    """Cases that were not run, and why."""
    return [f"{_row(name, found)}: {' '.join(log)}"
            for (_, _, log), found in _groups(pair, ktap.SKIP).items()]


def _cell(cost: Cost | None) -> str:
    if cost is None:
        return f"{'-':>14}"
    ratio = f"({cost.ratio:.2f})" if cost.ratio is not None else "(  - )"
    return f"{cost.mean:>8.1f} {ratio}"


def _by_outcome(pair: PairResult) -> dict[str, dict[str, Cost]]:
    """A row for each operation and outcome; success needs no word."""
    return {op if end == SUCCESS else f"{op} {end}": row
            for op, rows in pair.outcomes.items() for end, row in rows.items()}


def _costs(pair: PairResult, verbose: bool) -> list[str]:
    # What is subtracted comes first, as it is.
    rows = {**({NOOP: pair.costs[NOOP]} if NOOP in pair.costs else {}), **_by_outcome(pair)}
    meanwhile = {op if end == SUCCESS else f"{op} {end}": row
                 for op, ends in pair.meanwhile.items() for end, row in ends.items()}
    width = max(16, *(len(name) + 1 for name in rows))
    lines = [f"    {'instructions':<{width}}" + "".join(f"{p:>16}" for p in PATHS)]
    for name, row in rows.items():
        lines.append(f"    {name:<{width}}" + "".join(f"{_cell(row.get(p)):>16}" for p in PATHS))
        if beside := meanwhile.get(name):
            lines.append(f"      {'meanwhile':<{width - 2}}" + "".join(
                f"{beside[p]:>8.1f}        " if p in beside else f"{'-':>8}        "
                for p in PATHS).rstrip())
        if not verbose:
            continue
        for word in ("min", "p50", "p99", "max", "n"):
            lines.append(f"      {word:<{width - 2}}" + "".join(
                f"{getattr(row[p], word) if p in row else '-':>9}       " for p in PATHS).rstrip())
    return lines


def _first(pair: PairResult) -> list[str]:
    """What the first call of each outcome cost."""
    rows = {op if end == SUCCESS else f"{op} {end}": row
            for op, ends in pair.first.items() for end, row in ends.items()}
    width = max(16, *(len(name) + 1 for name in rows))
    return [f"    {'first call':<{width}}" + "".join(f"{path:>16}" for path in PATHS),
            *(f"    {name:<{width}}" + "".join(f"{row.get(path, '-'):>16}" for path in PATHS)
              for name, row in rows.items())]


def _allocations(pair: PairResult, verbose: bool) -> list[str]:
    lines = []
    for op, row in pair.allocations.items():
        lines.append(f"    {op:<16}" + "".join(
            f"{of.most:>8} {f'({of.failed})':>7}"
            for of in (row[p] for p in PATHS)))
        if any(of.bytes for of in row.values()):
            lines.append(f"      {'bytes':<14}" + "".join(
                f"{row[p].bytes:>8}        " for p in PATHS).rstrip())
        if verbose:
            lines += [f"      {name:<14}" + "".join(
                f"{getattr(row[p], name):>8}        " for p in PATHS).rstrip()
                for name in ("calls", "allocations", "refused", "unknown")]
    return lines


def _budgets(pair: PairResult, verbose: bool) -> list[str]:
    """The budgets that rows have: those that are needed, or all."""
    others = 'each other operation' if len(pair.budgets) > 1 else 'each operation'
    return [f"    {op} is not judged: {budget.why}" if budget == WAITS else
            f"    {others if op == ALL else op} may cost {budget.tell()} more: "
            f"{budget.why}" + ("" if need else " (not needed here)")
            for op, (budget, need) in pair.budgets.items()
            if need or verbose or budget == WAITS]


def _means(*pairs: PairResult) -> dict[str, float | None]:
    """The geometric mean of all ratios to c->c, by path."""
    rows = [(op, row) for pair in pairs for op, ends in pair.outcomes.items()
            for row in ends.values()]
    return {path: geometric_mean(rows, path) for path in PATHS[1:]}


def _tables(name: str, pair: PairResult, verbose: bool) -> list[str]:
    """A pair's cases and instructions."""
    lines = ["", f"  {name}", "    " + f"{'case':<16}" + "".join(f"{p:>12}" for p in PATHS),
             *_cases(pair)]
    if pair.outcomes:
        lines += _costs(pair, verbose) + _budgets(pair, verbose)
    if pair.first and verbose:
        lines += _first(pair)
    if pair.growth:
        lines += grown.table(pair.growth, verbose)
    lines += deep.stack(pair.stack, verbose) + deep.text(pair.text, verbose)
    if pair.syscalls:
        lines += called.table(pair.syscalls, verbose)
    if pair.allocations:
        lines.append(f"    {'allocations':<16}" + "".join(f"{p:>16}" for p in PATHS))
        lines += _allocations(pair, verbose)
    if pair.histories:
        lines += _counts(_HISTORIES, pair.histories)
        if any(one.inside is not None for one in pair.histories.values()):
            lines += _counts(_CALLBACKS, pair.histories)
    if pair.interruptions:
        lines += _counts(_INTERRUPTIONS, pair.interruptions)
    lines += deep.masked(pair.masked, verbose)
    if pair.times:
        lines += timed.table(pair.times, verbose)
    if pair.syscall_times:
        lines += timed.of_calls(pair.syscall_times, verbose)
    if pair.orderings and verbose:
        lines += _orderings(pair.orderings)
    return lines


def _orderings(seen: dict[str, dict[str, dict[str, dict[str, str]]]]) -> list[str]:
    """What operations order on each path, outcome by outcome."""
    lines = [f"    {'orderings':<20}" + "".join(f"{path:>12}" for path in PATHS)]
    for op, outcomes in seen.items():
        for outcome, rows in outcomes.items():
            lines.append(f"    {op}, {outcome}")
            lines += [f"      {what:<18}" + "".join(f"{row.get(path, '-'):>12}" for path in PATHS)
                      for what, row in rows.items()]
    return lines


def _of(some: int, every: int) -> str:
    """How many of how many, within the width of a column."""
    said = f"{some} of {every}"
    return said if len(said) < 16 else f"{some}/{every}"


#: What is shown of a deeper lane's work on a path, by the name of the row.
_INTERRUPTIONS: dict[str, Callable[[Interruptions], str]] = {
    "interruptions": lambda one: _of(one.tried, one.of),
    "of operations": lambda one: f"{one.pairs} of {one.pairs_of}",
    "in scenes": lambda one: f"{one.scenes} of {one.scenes_of}",
    "first ones whole": lambda one: f"{one.whole} of {one.whole_of}",
    "not reached": lambda one: str(one.unreached),
    "allowed": lambda one: str(one.allowed + one.sequences_allowed),
    "by two": lambda one: f"{one.sequences_tried} in {one.sequences}",
}
_HISTORIES: dict[str, Callable[[Histories], str]] = {
    "histories": lambda one: str(one.tried),
    "at once in": lambda one: f"{one.together} of {one.of}",
    "place by place": lambda one: f"{one.places} in {one.meetings}",
    "operations": lambda one: str(one.operations),
    "not decided": lambda one: str(one.undecided),
    "excused": lambda one: str(one.allowed),
}
#: Of pairs that have a callback run.
_CALLBACKS: dict[str, Callable[[Histories], str]] = {
    "in callbacks": lambda one: str(one.inside),
}
Counts = TypeVar("Counts", Interruptions, Histories)


def _counts(rows: dict[str, Callable[[Counts], str]], found: dict[str, Counts]) -> list[str]:
    """The rows of a deeper lane's work, by path."""
    return [f"    {name:<16}" + "".join(
        f"{show(found[path]) if path in found else '-':>16}" for path in PATHS)
        for name, show in rows.items()]


def _summary(pairs: dict[str, PairResult]) -> list[str]:
    """A line a pair."""
    counted = any(pair.outcomes for pair in pairs.values())
    lines = ["", f"  {'pair':<16}{'passed':>8}{'failed':>8}{'error':>7}{'skipped':>9}"
             + ("".join(f"{path:>12}" for path in PATHS[1:]) if counted else "")]
    for name, pair in pairs.items():
        statuses = [v.status for v in pair.verdicts]
        line = f"  {name:<16}" + "".join(
            _paint(f"{statuses.count(status):>{width}}", status)
            if status in (ktap.FAIL, ktap.ERROR) and status in statuses else
            f"{statuses.count(status):>{width}}"
            for status, width in ((ktap.PASS, 8), (ktap.FAIL, 8), (ktap.ERROR, 7), (ktap.SKIP, 9)))
        if counted:
            line += "".join(f"{mean:>12.2f}" if mean is not None else f"{'-':>12}"
                            for mean in _means(pair).values())
        lines.append(line)
    return lines


def _legend(pairs: dict[str, PairResult], tables: bool) -> list[str]:
    """Meaning and mean of the figures."""
    failing = ["", "  allocations: the most of one call; in brackets, how often one was made to "
               "fail", "  (V=1 and results.json: how often that gave -ENOMEM); those of other "
               "tasks, as of workers, are not reached"] \
        if tables and any(pair.allocations for pair in pairs.values()) else []
    if tables and any(pair.syscalls for pair in pairs.values()):
        failing += ["", *called.LEGEND]
    if tables and any(pair.masked for pair in pairs.values()):
        failing += ["", *deep.MASKED_LEGEND]
    if not any(pair.outcomes for pair in pairs.values()):
        return failing
    means = [f"{path} {mean:.2f}" for path, mean in _means(*pairs.values()).items()
             if mean is not None]
    meaning = ["  instructions: mean of an operation with one outcome, the path's no-op "
               "subtracted; in brackets the ratio",
               "  to c->c (V=1 and results.json: min, p50, p99, max)",
               *(["  create, destroy: how an object is made and ends; nothing is subtracted; no "
                  "part of means; judged", "  where the contract's row has a budget"]
                 if any(op in pair.outcomes for pair in pairs.values() for op in MAKING) else ())
               ] if tables else \
        ["  under a path: instructions, the ratio to c->c, geometric mean over operations and "
         "outcomes"]
    if tables and any(pair.meanwhile for pair in pairs.values()):
        meaning += ["  meanwhile: of an operation that waits, the instructions of the scheduler "
                    "and of other threads", "  until it returns; above that its caller's own"]
    return ["", *meaning,
            *(grown.LEGEND if tables and any(pair.growth for pair in pairs.values()) else ()),
            *(deep.LEGEND if tables and any(pair.stack for pair in pairs.values()) else ()),
            f"  geometric mean over all operations and outcomes: {', '.join(means)}", *failing]


def _lane(name: str, lane: dict[str, Any]) -> str:
    """How a lane ran. Why it has this accelerator is in results.json and make doctor."""
    counts = LANES[name].on(lane["accelerator"], "").counts
    how = "TCG, -icount shift=0" if counts else lane["accelerator"].upper()
    return (f"  lane {name}: {how}, {lane['seconds']:.1f} s"
            + (f", {lane['boots']} boots" if lane["boots"] > 1 else ""))


def _lane_trouble(name: str, lane: dict[str, Any]) -> list[str]:
    """Troubles of a lane that are no pair's."""
    lines = []
    if lane["kernel"]:
        lines += ["", f"  lane {name}: the kernel complained of itself "
                  f"{len(lane['kernel'])} times, with no part of ours in it:"]
        lines += [f"    {times} times: {title}" for title, times in
                  collections.Counter(lane["kernel"]).most_common(5)]
    for loss in lane["losses"]:
        if not loss["told"]:
            lines += ["", f"  {_paint(_WORD[ktap.ERROR], ktap.ERROR)} lane {name}: "
                      f"{loss['what']}", *(f"    {note}" for note in loss["notes"])]
    if lane["lost"]:
        lines += ["", f"  lane {name}: {lane['lost']}"]
        if lane["console"]:
            lines.append("  the console's last lines:")
        lines += [f"    {line}" for line in lane["console"]]
    return lines


def _pair(found: dict[str, Any]) -> PairResult:
    """A pair of results.json."""
    return PairResult(
        verdicts=[ktap.Verdict(case["suite"], case["case"], case["path"], case["status"],
                               tuple(case["log"])) for case in found["cases"]],
        costs={op: {path: Cost(**cost) for path, cost in row.items()}
               for op, row in found["instructions"].items()},
        outcomes={op: {end: {path: Cost(**cost) for path, cost in row.items()}
                       for end, row in rows.items()}
                  for op, rows in found.get("outcomes", {}).items()},
        growth={op: {end: {path: Growth.from_json(one) for path, one in row.items()}
                     for end, row in rows.items()}
                for op, rows in found.get("growth", {}).items()},
        stack=found.get("stack", {}),
        text=Sizes(**found.get("text") or {}),
        meanwhile=found.get("meanwhile", {}),
        first=found.get("first", {}),
        masked=found.get("masked", {}),
        budgets={op: (Budget(row["percent"], row["instructions"], row["why"]),
                      row["needed"] and Excess(**row["needed"]))
                 for op, row in found.get("budgets", {}).items()},
        allocations={op: {path: Allocations(**one) for path, one in row.items()}
                     for op, row in found.get("allocations", {}).items()},
        interruptions={path: Interruptions(**one)
                       for path, one in found.get("interruptions", {}).items()},
        histories={path: Histories(**one)
                   for path, one in found.get("histories", {}).items()},
        syscalls=Syscalls.from_json(found["syscalls"]) if found.get("syscalls") else None,
        times=timetable.from_json(found["times"]) if found.get("times") else None,
        syscall_times=timetable.from_json(found["syscall_times"])
        if found.get("syscall_times") else None,
        orderings=found.get("orderings", {}))


def _only(document: dict[str, Any]) -> str:
    """The part of a whole run that a verdict is of: cases that CASE= has named, a shard."""
    said = f"; of CASE={','.join(document['only'])} alone" if document.get("only") else ""
    return said + _part(document)


def _part(document: dict[str, Any]) -> str:
    """The shard that a verdict is of, or those that it is made of."""
    if shard := document.get("shard"):
        return f"; shard {shard['index']} of {shard['of']} alone"
    merged = document.get("merged")
    return f"; {merged['of']} shard{'s' * (merged['of'] > 1)} together" if merged else ""


#: Rows of the list before the verdict; more than that nobody reads at once.
LISTED = 40


def _head(document: dict[str, Any]) -> str:
    """First line: arch, variant, kernel, tools, seed."""
    tools = document["tools"]
    return (f"{document['arch']} {document['variant']}, linux {document['kernel']['release']}, "
            f"clang {tools.get('clang', '?')}, rustc {tools.get('rustc', '?')}, "
            f"seed {document['seed']}")


def _unbuilt(document: dict[str, Any], where: str) -> str:
    """The report on a run whose modules did not build."""
    lines = ["", _head(document)]
    for failure in document["failures"]:
        said = [f"{one['file']}:{one['line']}: {one['level']}: {one['message']}"
                if one["file"] else f"{one['level']}: {one['message']}"
                for one in failure["diagnostics"]]
        lines += ["", f"  {_paint(_WORD[ktap.FAIL], ktap.FAIL)} {failure['stage']}: "
                  f"{', '.join(failure['pairs'])}".rstrip(": "),
                  *(f"    {_cut(line)}" for line in said[:LOG_LINES]),
                  f"  again: {failure['replay']}"]
    return "\n".join([*lines, f"  all that the tools said: {where}/{files.RESULTS}", "",
                      f"{document['arch']} {document['variant']}: "
                      f"{_paint(document['verdict'].upper(), ktap.FAIL)}, {document['why']}"])


def _accepted(document: dict[str, Any]) -> list[str]:
    """Accepted differences: a person is told of them in each report."""
    return [f"  {name}: accepted difference {one['id']} of {one['operation']}, met on "
            f"{met(one['met'])}: {one['reason']}"
            for name, pair in document["pairs"].items() for one in pair.get("accepted", ())
            # Orderings are looked at in one lane alone.
            if one["met"] or one["differs_in"] != Diverges.KINDS["orders"]]


def _unrecorded(document: dict[str, Any]) -> list[str]:
    """Outcomes of operations that case ordering says nothing of, on the paths where it is so."""
    return [f"  {name}: the orderings of {op}, {outcome} were not recorded on "
            f"{', '.join(rows[orders.MISSED])}: something came in between in each call"
            for name, pair in document["pairs"].items()
            for op, outcomes in pair.get("orderings", {}).items()
            for outcome, rows in outcomes.items() if orders.MISSED in rows]


def _built_with(kernel: dict[str, Any], costs: bool) -> list[str]:
    """Options of the kernel: those that change costs, and those that pairs want."""
    said = []
    if costs:
        said.append(", ".join(f"{option.lower()}={value}"
                              for option, value in kernel["config"].items()))
    said += [f"for {', '.join(one['pairs'])}: {option.lower()}={one['value']}"
             for option, one in kernel.get("added", {}).items()]
    return textwrap.wrap(f"built with {'; '.join(said)}", 104, initial_indent="  ",
                         subsequent_indent="    ", break_long_words=False) if said else []


def text(document: dict[str, Any], verbose: bool, tables: bool, where: str) -> str:
    """The report on results.json, which is in the folder `where`.

    With `tables` each pair has its own, and each skip its reason.
    """
    if document.get("why") and not document["kernel"] and document["verdict"] == "pass":
        return (f"\n{document['arch']} {document['variant']}: {_paint('PASS', ktap.PASS)}, "
                f"{document['why']}")
    if document.get("why"):
        return _unbuilt(document, where)
    pairs = {name: _pair(pair) for name, pair in document["pairs"].items()}
    name = f"{document['arch']} {document['variant']}"
    lines = ["", _head(document),
             *(_lane(lane, found) for lane, found in document["lanes"].items())]
    lines += _built_with(document["kernel"], any(pair.costs for pair in pairs.values()))
    lines += [f"  {one}" for one in machine.lines(document)]
    if tables:
        for pair_name, pair in pairs.items():
            lines += _tables(pair_name, pair, verbose)
    else:
        lines += _summary(pairs)
    lines += _legend(pairs, tables)
    lines += _accepted(document)
    lines += _unrecorded(document)
    others = [other for one in document["kernel"].get("added", {}).values()
              for other in one["pairs"]]
    for pair_name, pair in pairs.items():
        again = f"{pair_word(pair_name, others)} {document['replay']}"
        if failures := _failures(pair_name, pair, again):
            lines += ["", *failures]
    skips = [line for pair_name, pair in pairs.items() for line in _skips(pair_name, pair)]
    if skips and tables:
        lines += ["", *skips]
    elif unbuilt := [line for pair_name, pair in pairs.items() if any(
            v.case == CASE for v in pair.verdicts) for line in _skips(pair_name, pair)]:
        lines += ["", *unbuilt]
    for lane, found in document["lanes"].items():
        lines += _lane_trouble(lane, found)
    failed = [row for pair_name, pair in pairs.items() for row in _failed(pair_name, pair)]
    if failed:
        lines += ["", "  what failed:", *(f"  {line}" for line in failed[:LISTED])]
        if len(failed) > LISTED:
            lines.append(f"    ... {len(failed) - LISTED} rows more, each told above")
        programs = f"; programs: {Path(where).parent.parent / files.PROGRAMS}" if any(
            failure["program_file"] for pair in document["pairs"].values()
            for case in pair["cases"] for failure in case.get("failures", ())) else ""
        lines.append(f"  logs and consoles: {where}{programs}")
    elif not tables:
        lines += ["", "  the tables" + (", and why something was skipped" if skips else "")
                  + ": make report, or V=1"]
    statuses = [v.status for p in pairs.values() for v in p.verdicts]
    passed, skipped = statuses.count(ktap.PASS), statuses.count(ktap.SKIP)
    word = {"pass": ktap.PASS, "fail": ktap.FAIL, "error": ktap.ERROR}[document["verdict"]]
    lines += ["", f"{name}: " + _paint(document["verdict"].upper(), word)
              + f", {passed} of {len(statuses)} results passed"
              + (f", {'all' if skipped == len(statuses) else skipped} skipped" if skipped else "")
              + _only(document)]
    return "\n".join(lines)


def shown(path: Path) -> str:
    """A path as one types it: from the current folder, where it is below that."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def show(result: ArchResult, verbose: bool, folder: Path | None = None,
         found: dict[str, Any] | None = None) -> str:
    """The report at the end of a run on one arch and variant; `found` is its results.json."""
    kernel = result.kernel
    where = shown(folder) if folder else f"{kernel.arch.name}/{kernel.variant.name}"
    return text(found or files.document(result), verbose, verbose or len(result.pairs) == 1, where)


def show_so_far(result: ArchResult, verbose: bool, folder: Path) -> str:
    """The report of the other lanes, while the late ones go on."""
    *lines, last = show(result, verbose, folder).splitlines()
    late = [name for name in LATE if name in result.kernel.variant.lanes
            and result.kernel.arch.has(LANES[name])]
    return "\n".join([*lines, last.replace(":", " so far:", 1)
                      + (f"; lane {late[0]} goes on" if len(late) == 1 else
                         f"; lanes {', '.join(late)} go on") + " (DEPTH=quick ends here)"])


def show_rest(result: ArchResult, verbose: bool, folder: Path, found: dict[str, Any],
              so_far: ArchResult) -> str:
    """The report of all that was not told with the other lanes, and the verdict on all."""
    where, tables = shown(folder), verbose or len(result.pairs) == 1
    told = {(name, v.suite, v.case, v.path) for name, pair in so_far.pairs.items()
            for v in pair.verdicts}
    lanes = {name: found["lanes"][name] for name in LATE if name in found["lanes"]}
    own = {**found, "lanes": lanes, "pairs": {
        name: {**pair, "instructions": {}, "outcomes": {}, "growth": {}, "stack": {},
               "text": {}, "syscalls": None, "first": {},
               "cases": [case for case in pair["cases"]
                         if (name, case["suite"], case["case"], case["path"]) not in told]}
        for name, pair in found["pairs"].items()}}
    # The head is the same.
    lines = text(own, verbose, tables, where).splitlines()[2:-1]
    return "\n".join(["", *lines, text(found, verbose, tables, where).splitlines()[-1]])


@dataclass(frozen=True)
class Row:
    """One line of the table over a matrix; without a result, the error in its place.

    `unsaved` says why the results are in no file, if they are not; `found` is what would be
    in it.
    """

    arch: str
    variant: str
    result: ArchResult | KparityError
    unsaved: str = ""
    found: dict[str, Any] | None = None

    @property
    def verdict(self) -> str:
        """As ArchResult.verdict; results that are not saved are no pass."""
        if isinstance(self.result, KparityError):
            return "fail" if self.result.status == FAILED else "error"
        return "error" if self.unsaved and self.result.verdict == "pass" else self.result.verdict


def table(rows: list[Row]) -> str:
    """The table at the end of a run on several arches or variants."""
    lines = ["", f"  {'arch':<9}{'variant':<9}{'lanes':<40}{'passed':>8}{'failed':>8}{'error':>7}"
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
            f"{head}{lanes:<40}{found.count(ktap.PASS):>8}{found.count(ktap.FAIL):>8}"
            f"{found.count(ktap.ERROR):>7}{found.count(ktap.SKIP):>9}"
            f"{sum(n.boots for n in row.result.lanes):>7}"
            f"{max((n.seconds for n in row.result.lanes), default=0.0):>7.1f} s  {word}")
    return "\n".join(lines)
