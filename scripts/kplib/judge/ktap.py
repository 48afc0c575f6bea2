# SPDX-License-Identifier: GPL-2.0
"""KTAP, read with the kernel tree's own parser (tools/testing/kunit)."""

from __future__ import annotations

import collections
import importlib
import re
import signal
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kplib.common import ui

#: Diagnostic lines of a case on a path.
Log = tuple[str, ...]
#: Seconds by suite, case and path.
Seconds = dict[tuple[str, ...], float]
#: Meaning of the times in junit.xml, for a reader.
TIME_IS = ("seconds of the guest's clock from a case's line on its console to the next line; "
           "in a suite NAME_insn that clock counts instructions, 1 ns each. 0 where a result has "
           "no time of its own: checkers, and the tests of a user program, whose time is its "
           "testsuite's.")
#: Verdicts of a case on a path.
PASS, FAIL, SKIP, ERROR = "pass", "fail", "skip", "error"


@dataclass(frozen=True)
class Verdict:
    """Result of one case on one path. `path` is empty for a case without paths."""

    suite: str
    case: str
    path: str
    status: str
    log: Log


def _tool(tree: Path, name: str) -> Any:
    folder = str(tree / "tools/testing/kunit")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(name)


def load(tree: Path) -> None:
    """Import the tree's parsers now, which takes 30 ms, while guests still run."""
    for name in ("kunit_parser", "kunit_junit"):
        _tool(tree, name)


def merge(suites: dict[str, str]) -> str:
    """One KTAP document from the debugfs results of several suites."""
    lines = ["KTAP version 1", f"1..{len(suites)}"]
    for number, text in enumerate(suites.values(), 1):
        body = [line.rstrip() for line in text.splitlines()][2:]
        lines += [re.sub(r"^(ok|not ok) \d+ ", rf"\1 {number} ", line) for line in body if line]
    return "\n".join(lines) + "\n"


#: Lines that the tree's parser takes for more than somebody's words.
_STRUCTURE = re.compile(r"\s*((not )?ok \d|K?TAP version|\d+\.\.\d+|# Subtest|Bail out|"
                        r"List of all partitions:|Kernel panic - not syncing|reboot: )")


def _quoted(lines: list[str]) -> list[str]:
    """Lines made into diagnostics, whatever they look like."""
    return [f"        # said: {line.strip()}" if _STRUCTURE.match(line) else line
            for line in lines]


def _results(lines: list[str], indent: str, names: list[str]) -> list[tuple[int, str]]:
    """Where in `lines` something says that it is the result of one of `names`."""
    pattern = re.compile(rf"{indent}(?:not )?ok \d+ ({'|'.join(map(re.escape, names))})(?: # .*)?$")
    return [(n, found.group(1)) for n, line in enumerate(lines) if (found := pattern.match(line))]


def settle(text: str, suite: str, planned: list[tuple[str, str]]) -> str:
    """A suite's results from debugfs, made so that what a case says harms that case alone.

    A case's log stands between its results as it is. So only a line that the
    plan, of cases and paths, has a place for is a result; a path that has two
    of them failed, as nobody can tell which is the real one. Where even the
    cases' own lines are in doubt, or nothing was planned, the text comes back as it was.
    """
    if not planned:
        return text
    lines = text.splitlines()
    names = list(dict.fromkeys(case for case, _ in planned))
    ends = _results(lines, " {4}", names)
    head = next((n for n, line in enumerate(lines, 1) if re.match(r" {4}1\.\.\d+$", line)), 0)
    last = _results(lines, "", [suite])[-1:]
    if [name for _, name in ends] != names or not head or not last or last[0][0] < ends[-1][0]:
        return text
    out, start = lines[:head], head
    for end, name in ends:
        out += _settle_case(lines[start:end], name, [p for case, p in planned if case == name])
        out.append(lines[end])
        start = end + 1
    return "\n".join([*out, *_quoted(lines[start:last[0][0]]), lines[last[0][0]]]) + "\n"


def _without_header(lines: list[str], name: str) -> list[str]:
    """A case's lines without the three that KUnit itself begins them with.

    Further lines that look like them are somebody's words, and stay.
    """
    lines = list(lines)
    for head in ("KTAP version 1", f"# Subtest: {re.escape(name)}", r"1\.\.\d+"):
        at = next((n for n, line in enumerate(lines) if re.fullmatch(rf" {{8}}{head}", line)), None)
        if at is not None:
            del lines[at]
    return lines


def _settle_case(lines: list[str], name: str, paths: list[str]) -> list[str]:
    """Settle the lines before a case's own line."""
    lines = _without_header(lines, name)
    found = _results(lines, " {8}", paths)
    times = collections.Counter(path for _, path in found)
    last = {path: at for at, path in found}
    out = ["        KTAP version 1", f"        # Subtest: {name}", f"        1..{len(last)}"]
    start = 0
    for number, (path, at) in enumerate(last.items(), 1):
        said = _quoted(lines[start:at])
        if times[path] == 1:
            out += [*said, re.sub(r"ok \d+", f"ok {number}", lines[at], count=1)]
        else:
            out += [f"        # {name}: more than one result", *said,
                    f"        not ok {number} {path}"]
        start = max(start, at + 1)
    return (out if last else []) + _quoted(lines[start:])


def ended(status: int) -> str:
    """How a program of the guest ended; init answers as a shell does."""
    if status <= 128:
        return f"exit status {status}"
    try:
        name = signal.Signals(status - 128).name
    except ValueError:
        name = "unknown"
    return f"killed by signal {status - 128} ({name})"


def _planned(text: str) -> int | None:
    """How many results a program's output announces; None if it is no KTAP document."""
    found = re.match(r"KTAP version 1\n1\.\.(\d{1,6})(\n|$)", text)
    return int(found.group(1)) if found else None


_RESULT = re.compile(r"(not )?ok \d+\b")


def wrap(suite: str, programs: dict[str, tuple[int, str]]) -> str:
    """Output of programs, as one suite with a case a program.

    `programs` gives each program's exit status and its output, which must be a
    KTAP document of its own. All are the same program, on another side each: what
    one announces, the others owe as well.
    """
    plans = {name: _planned(text) for name, (_, text) in programs.items()}
    most = max((plan or 0 for plan in plans.values()), default=0)
    lines = ["KTAP version 1", "1..1", "    KTAP version 1", f"    # Subtest: {suite}",
             f"    1..{len(programs)}"]
    good = True
    for number, (name, (status, text)) in enumerate(programs.items(), 1):
        plan = plans[name]
        body = text.splitlines()[2 if plan is not None else 0:]
        results = [line for line in body if _RESULT.match(line)]
        body = [line if _RESULT.match(line) or line.startswith("# ") and
                not _STRUCTURE.match(line) else f"# said: {line}" for line in body]
        whole = plan == most == len(results) > 0
        # A plan that is not filled is an error, also where nobody knows how long it is.
        lines += [" " * 8 + line for line in
                  ("KTAP version 1", f"# Subtest: {name}", f"1..{most or 1}", *body)]
        if not whole:
            known = f"{len(results)} of {most} results" if most else "it announced no results"
            who = next((n for n, other in plans.items() if other == most), "")
            lines.append(f"    # {name}: {ended(status)}, {known}"
                         + (f" (as {who} announced)" if most and plan != most else ""))
        elif status:
            lines.append(f"    # {name}: {ended(status)}, {len(results)} of {most} results")
        passed = whole and status == 0
        good = good and passed
        lines.append(f"    {'ok' if passed else 'not ok'} {number} {name}")
    return "\n".join([*lines, f"{'ok' if good else 'not ok'} 1 {suite}"]) + "\n"


def render(found: list[Verdict]) -> str:
    """Verdicts as one KTAP document: suite, case, path."""
    suites: dict[str, dict[str, list[Verdict]]] = {}
    for verdict in found:
        suites.setdefault(verdict.suite, {}).setdefault(verdict.case, []).append(verdict)
    lines = ["KTAP version 1", f"1..{len(suites)}"]
    for number, (suite, cases) in enumerate(suites.items(), 1):
        lines += ["    KTAP version 1", f"    # Subtest: {suite}", f"    1..{len(cases)}"]
        for at, (case, paths) in enumerate(cases.items(), 1):
            name = _name(case or "suite")
            if len(paths) == 1 and not paths[0].path:
                lines += _result(" " * 4, at, name, paths[0])
                continue
            lines += [" " * 8 + line for line in
                      ("KTAP version 1", f"# Subtest: {name}", f"1..{len(paths)}")]
            for n, verdict in enumerate(paths, 1):
                lines += _result(" " * 8, n, _name(verdict.path or "all paths"), verdict)
            lines.append(f"    {_ok(paths)} {at} {name}")
        lines.append(f"{_ok([v for rows in cases.values() for v in rows])} {number} {suite}")
    return "\n".join(lines) + "\n"


def _name(text: str) -> str:
    return " ".join(ui.clean(text).replace("#", " ").split())


def _ok(found: list[Verdict]) -> str:
    return "ok" if all(v.status in (PASS, SKIP) for v in found) else "not ok"


def _result(indent: str, number: int, name: str, verdict: Verdict) -> list[str]:
    if verdict.status == SKIP:
        return [f"{indent}ok {number} {name} # SKIP {' '.join(verdict.log)}"]
    return [*(f"{indent}# {name}: {ui.clean(line)}" for line in verdict.log),
            f"{indent}{_ok([verdict])} {number} {name}"]


#: More levels than a suite, its cases and their paths can have.
_DEEP = re.compile(r"^ {40,}(K?TAP version|# Subtest)", re.M)


def parse(tree: Path, text: str) -> Any:
    """The parser's Test for a document."""
    if _DEEP.search(text):
        # The parser goes down a level for each; nobody nests like that but for mischief.
        text = "KTAP version 1\n1..1\n"
    printer = _tool(tree, "kunit_printer")
    parser = _tool(tree, "kunit_parser")
    return parser.parse_run_tests(
        text.splitlines(), printer.Printer(print=False))


def _status(test: Any) -> str:
    return {"SUCCESS": PASS, "FAILURE": FAIL, "SKIPPED": SKIP}.get(test.status.name, ERROR)


#: Limits of a log in results.json.
LOG_LINES = 600
LOG_WIDTH = 2000


def _log(test: Any, suite: str) -> tuple[str, ...]:
    """The log of a case for results.json, and where the rest is."""
    found = _all_log(test)
    more = (f"... {len(found) - LOG_LINES} lines more in {log_file(suite)}",) \
        if len(found) > LOG_LINES else ()
    return tuple(line[:LOG_WIDTH] for line in found[:LOG_LINES]) + more


def log_file(suite: str) -> str:
    """Where all that a suite said is kept, below the folder of the results."""
    return f"logs/{suite}.ktap"


def _all_log(test: Any) -> tuple[str, ...]:
    if _status(test) == SKIP:
        return (ui.clean(test.skip_reason) or "no reason given",)
    # That a case took long is KUnit's advice, and with the time in it no two paths say the same.
    drop = re.compile(r"^\s*(# (Subtest|module|Totals)|KTAP version|\d+\.\.\d+)|"
                      r"^\s*# ([\w.>-]+: )?Test should be marked |"
                      r"^\s*# [\w.>-]+: pass:\d+ fail:\d+ skip:\d+ total:\d+$")
    return tuple(re.sub(r"^\s*# ([\w.>-]+: )?", "", ui.clean(line)) for line in test.log
                 if not drop.match(line))


def _complete(test: Any) -> bool:
    return not test.counts.errors and len(test.subtests) == (test.expected_count or 0)


def _case(name: str, case: Any) -> list[Verdict]:
    """One verdict for each path of a case, and one more where the case itself is in doubt."""
    # The parser makes a nameless result of each that is missing; what was said before
    # it is the case's.
    paths = [path for path in case.subtests if path.name]
    log = _log(case, name) + tuple(line for path in case.subtests if not path.name
                                   for line in _log(path, name))
    if not case.subtests:
        return [Verdict(name, case.name, "", _status(case), log)]
    found = [Verdict(name, case.name, path.name, _status(path),
                     _log(path, name) or (log if _status(path) != PASS else ()))
             for path in paths]
    if not _complete(case):
        found.append(Verdict(name, case.name, "", ERROR, log + ("results are incomplete",)))
    elif _status(case) not in (PASS, SKIP) and all(v.status in (PASS, SKIP) for v in found):
        found.append(Verdict(name, case.name, "", FAIL, log or ("the case failed",)))
    return found


def verdicts(tree: Path, planned: list[str], text: str) -> tuple[Verdict, ...]:
    """One verdict for each case and path; a planned suite that is absent is an error.

    A plan that the results do not fill is an error too: silence never passes.
    """
    found: list[Verdict] = []
    suites = {suite.name: suite for suite in parse(tree, text).subtests}
    for name in planned:
        suite = suites.get(name)
        if suite is None or not suite.subtests:
            found.append(Verdict(name, "", "", ERROR, ("no results",)))
            continue
        mine = [verdict for case in suite.subtests for verdict in _case(name, case)]
        found += mine
        statuses = {v.status for v in mine}
        # A case that lacks results is an error of its own.
        if len(suite.subtests) != (suite.expected_count or 0) or \
                (not _complete(suite) and ERROR not in statuses):
            found.append(Verdict(name, "", "", ERROR, ("results are incomplete",)))
        elif _status(suite) not in (PASS, SKIP) and statuses <= {PASS, SKIP}:
            found.append(Verdict(name, "", "", FAIL, _log(suite, name) or ("the suite failed",)))
    # Output of the code under test can look like a result, but not replace
    # the real one: of two, neither is believed.
    times = collections.Counter((v.suite, v.case, v.path) for v in found)
    return tuple(v if times[v.suite, v.case, v.path] == 1 else
                 Verdict(v.suite, v.case, v.path, ERROR, ("more than one result",) + v.log)
                 for v in found)


def junit(tree: Path, text: str, package: str = "", seconds: Seconds | None = None) -> str:
    """The document as JUnit XML.

    The tree's own writer names neither class nor time. A testcase's class is its
    suite and case, below `package`. `seconds` has times by suite, case and path; a
    time of a case without paths is that of all its results together, which have none.
    """
    seconds = seconds or {}
    root = ET.fromstring(_tool(tree, "kunit_junit").get_junit_result(parse(tree, text)))
    root.set("name", package or root.get("name", ""))
    _classes(root, package, (), seconds)
    if seconds:
        properties = ET.Element("properties")
        ET.SubElement(properties, "property", {"name": "time", "value": TIME_IS})
        root.insert(0, properties)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _classes(node: ET.Element, package: str, where: tuple[str, ...], seconds: Seconds) -> float:
    """Give the testcases below a testsuite their class and time; the suite's own time."""
    total = 0.0
    for child in node:
        name = child.get("name", "")
        if child.tag == "testsuite":
            total += _classes(child, package, (*where, name), seconds)
        elif child.tag == "testcase":
            own = seconds.get((*where, name) if len(where) > 1 else (*where, name, ""), 0.0)
            child.set("classname", ".".join(filter(None, (package, *where))))
            child.set("time", f"{own:.6f}")
            total += own
            for said in child.iter("system-out"):
                said.text = re.sub(rf"(?m)^\s*# {re.escape(name)}: ?", "", said.text or "")
    total = total or seconds.get((*where, ""), 0.0)
    node.set("time", f"{total:.6f}")
    return total
