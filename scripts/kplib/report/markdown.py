# SPDX-License-Identifier: GPL-2.0
"""The report as Markdown, for the summary page of a CI's run.

Whatever a test or a console says is shown as it is and nothing else. In a line, characters
that mean something to Markdown or HTML are written as numbers; in a block, the fence around it
is longer than any in it.
"""

from __future__ import annotations

import re
from typing import Any, Iterable

from kplib.common import ui
from kplib.judge import ktap
from kplib.report import told

#: Bytes of a page: GitHub takes 1 MiB for each step, and shows nothing of a longer one.
PAGE = 512 << 10
#: Limits of a block, as those of a terminal.
LINES, WIDTH = 80, 300
#: Lines of a program that is shown at once, and of one that is folded.
SMALL, MOST = 16, 400
#: Lines of the log that are shown where there is no program.
LOG = 30
_WORD = {ktap.PASS: "PASS", ktap.FAIL: "**FAIL**", ktap.ERROR: "**ERROR**"}


def escaped(text: str, width: int = WIDTH) -> str:
    """Text in a line: in a table, in a heading or a summary."""
    text = ui.clean(" ".join(text[:width].split())) + ("..." if len(text) > width else "")
    # Those left as they are mean nothing anywhere in a line; a dash, between letters.
    return re.sub(r"(?!(?<=[0-9A-Za-z])-[0-9A-Za-z])[^0-9A-Za-z ,;()'/%?\x80-\U0010ffff]",
                  lambda found: f"&#{ord(found[0])};", text)


def code(text: str) -> str:
    """A name or the like in a line: nobody is notified, and nothing linked, by what is in it."""
    return f"<code>{escaped(text)}</code>"


def block(lines: Iterable[str], limit: int = LINES) -> list[str]:
    """Lines as they are."""
    every = [ui.clean(line) for line in lines]
    shown = [line[:WIDTH] + ("..." if len(line) > WIDTH else "") for line in every[:limit]]
    if len(every) > limit:
        shown.append(f"... {len(every) - limit} lines more in results.json")
    longest = max((len(run) for line in shown for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, *shown, fence]


def _row(document: dict[str, Any]) -> str:
    count = told.counts(document)
    lanes = ", ".join(f"{name} ({lane['accelerator']})"
                      for name, lane in document["lanes"].items())
    seconds = max((lane["seconds"] for lane in document["lanes"].values()), default=0.0)
    cells = [code(told.name_of(document)), _WORD[document["verdict"]],
             *(str(count[status]) for status in (ktap.PASS, ktap.FAIL, ktap.ERROR, ktap.SKIP)),
             escaped(lanes), f"{seconds:.1f} s"]
    return f"| {' | '.join(cells)} |"


def _table(found: list[dict[str, Any]], missing: dict[str, str]) -> list[str]:
    return ["| cell | verdict | passed | failed | error | skipped | lanes | longest lane |",
            "| --- | --- | ---: | ---: | ---: | ---: | --- | ---: |",
            *(_row(one) for one in found),
            *(f"| {code(name)} | **NO RESULTS** | | | | | {escaped(why)} | |"
              for name, why in missing.items())]


def _diagnostics(one: told.Told) -> list[str]:
    return [f"{told.relative(said['file'] or 'tools')}:{said['line'] or ''}: {said['level']}: "
            f"{said['message']}"
            for said in one.fields.get("diagnostics", ())]


def _program(one: told.Told, met: str) -> list[str]:
    """The program, folded where it is no small one: not all cases look for a smaller one."""
    said = one.heading + met
    if len(one.program) <= SMALL:
        return [f"{said}:", "", *block(one.program)]
    return [f"<details><summary>{said}: {len(one.program)} lines</summary>", "",
            *block(one.program, MOST), "", "</details>"]


def _steps(one: told.Told, result: dict[str, Any]) -> list[str]:
    """What the steps of a program gave: all of a small one, else that which differs."""
    said = [f"step {step}: {text}" for step, text in enumerate(result["steps"], 1)]
    differs = one.fields.get("step")
    if len(one.program) > SMALL and differs:
        said = said[differs - 1:differs]
    if result["made"] is not None:
        said.insert(0, f"made: {result['made']}")
    return said


def _failure(one: told.Told) -> list[str]:
    """One failure: what, the smallest program or what was said, the command."""
    lines = ["", f"### {one.status.upper()} {code(one.title)}", "", escaped(one.message), ""]
    count = one.fields.get("count", 1)
    if one.program:
        lines += [*_program(one, f", met {count} times" if count > 1 else ""), ""]
        for result in one.fields["results"]:
            lines += [f"{code(result['path'])} gave", "", *block(_steps(one, result), LOG), ""]
    else:
        said = _diagnostics(one) or one.fields.get("stack") or one.log
        if said:
            lines += [*block(said, LOG), ""]
    return [*lines, "Again:", "", *block([one.again])]


def _skipped(document: dict[str, Any]) -> list[str]:
    found = told.skips(document)
    if not found:
        return []
    number = sum(len(paths) for paths in found.values())
    rows = [f"| {code(pair)} | {code(case)} | {escaped(', '.join(filter(None, paths)))} | "
            f"{escaped(why)} |" for (pair, case, why), paths in found.items()]
    return ["", f"<details><summary>{code(told.name_of(document))}: {number} skipped, and why"
            "</summary>", "", "| pair | case | paths | reason |", "| --- | --- | --- | --- |",
            *rows, "", "</details>"]


def _verdict(found: list[dict[str, Any]], missing: dict[str, str]) -> str:
    verdicts = [document["verdict"] for document in found]
    cells = len(found) + len(missing)
    if not verdicts.count("fail") and (missing or verdicts.count("error") or not cells):
        word = "ERROR"
    else:
        word = "FAIL" if "fail" in verdicts else "PASS"
    said = [f"{verdicts.count('pass')} of {cells} cells passed"]
    if missing:
        said.append(f"{len(missing)} gave no results")
    only = {escaped(",".join(document.get("only", ()))) for document in found} - {""}
    if only:
        said.append(f"of {' and '.join(sorted(only))} alone")
    return f"## kparity: {word}, {', '.join(said)}"


def page(found: list[dict[str, Any]], missing: dict[str, str]) -> str:
    """The whole page. `missing` says of cells without results why there are none."""
    lines = [_verdict(found, missing), "", *_table(found, missing)]
    sections = [_failure(one) for document in found for one in told.failures(document)]
    folded = [rows for document in found if (rows := _skipped(document))]
    room = PAGE - _size(lines)
    # Failures are told before skips take room; those that have none are counted.
    for what, rest in (("failures", sections), ("lists of skips", folded)):
        for number, section in enumerate(rest):
            room -= _size(section)
            if room < 0:
                lines += ["", f"{len(rest) - number} {what} more are in results.json."]
                room = 0
                break
            lines += section
    return "\n".join(lines)


def _size(lines: list[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)
