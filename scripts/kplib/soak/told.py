# SPDX-License-Identifier: GPL-2.0
"""What a soak says: where it is, each new kind of failure, and the sum at the end."""

from __future__ import annotations

from typing import Any, Iterable

from kplib.boot import stacks
from kplib.common import ui
from kplib.report.terminal import shown
from kplib.soak.journal import BROKE, RESULTS, STOPPED, Journal, Run
from kplib.soak.kinds import Kind
from kplib.soak.work import Item

#: Lines of a program that are shown; all are in the file.
LINES = 16
#: Seeds that a line of the sum names.
SEEDS = 6
_WORDS = {"pass": "ok", "fail": "FAIL", "error": "ERROR"}


def many(count: int) -> str:
    """A number that one reads at once."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**4)):
        if count >= size:
            return f"{count / (1000 if unit == 'k' else size):.1f} {unit}"
    return str(count)


def plural(count: int, what: str) -> str:
    """A count with its word."""
    return f"{many(count)} {what}{'' if count == 1 else 's'}"


def span(seconds: float) -> str:
    """A duration."""
    whole = round(seconds)
    if whole < 100:
        return f"{seconds:.1f} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 6000 else \
        f"{whole // 3600} h {whole % 3600 // 60} min"


def _failures(journal: Journal) -> str:
    kinds = journal.kinds.all
    if not kinds:
        return "no failure"
    return f"{plural(len(kinds), 'kind')} of failure, {many(sum(k.times for k in kinds))} times"


def status(journal: Journal, minutes: float | None, running: Iterable[Item]) -> str:
    """One line on where a soak is."""
    done = f"{len(journal.runs)}" + (f" of {journal.of}" if journal.of is not None else "")
    words = [f"{done} runs", _failures(journal)]
    if errors := journal.verdicts()["error"]:
        words.append(plural(errors, "error"))
    words += [plural(journal.total("calls"), "call"),
              plural(journal.total("interruptions"), "interruption")]
    limit = f" of {minutes:g} min" if minutes else ""
    return f"soak{limit}: {', '.join(words)}; now {', '.join(item.name for item in running)}"


def ended(run: Run) -> str:
    """One line on a piece of work that has ended."""
    name = f"{' '.join(run.target)} seed {run.seed}"
    if not run.passed and run.why:
        return f"  {name}: {_WORDS[run.verdict]}, {ui.clean(run.why)}"
    words = [_WORDS[run.verdict], plural(run.calls, "call")]
    if run.interruptions:
        words.append(plural(run.interruptions, "interruption"))
    if run.lost:
        words.append(plural(run.lost, "lost guest"))
    if run.kinds:
        words.append("failure " + ", ".join(map(str, run.kinds)))
    return f"  {name}: {', '.join(words)}, {run.seconds:.1f} s"


def _program(failure: dict[str, Any], where: str) -> list[str]:
    """A program, up to the step that differs; only the end of one that is long."""
    program: list[str] = failure["program"]
    # An interruption is the last two lines, and both are one step.
    to = failure["step"] + 1 if failure["step"] and failure["what"] != "interrupt" \
        else len(program)
    if to <= LINES:
        return program[:to]
    return [program[0], f"... {to - LINES} lines more in {where}", *program[to - LINES + 1:to]]


def _steps(failure: dict[str, Any]) -> list[str]:
    """What the two sides gave where they differ."""
    step, lines = failure["step"], []
    for result in failure["results"]:
        of = [result["made"] or str(result["created"])] if not step else \
            [result["steps"][step - 1] if step <= len(result["steps"]) else "not run"]
        if failure["what"] == "interrupt":
            of = list(result["steps"])
        lines += [f"      {result['path']}: {ui.clean(line)}" for line in of]
    return lines


def kind(one: Kind, where: str, stack: bool = True) -> list[str]:
    """A kind, as it is told when it is met, and without a stack in the sum.

    `where` is its file.
    """
    failure = one.failure
    name = " ".join(filter(None, (one.pair or "guests", one.case, ", ".join(filter(
        None, one.paths)))))
    lines = [f"  {one.number}: {_WORDS[one.status]} {name}", f"    {failure['message']}"]
    if failure["program"]:
        lines += [f"    {line}" for line in _program(failure, where)]
        lines += _steps(failure)
    elif failure["stack"]:
        said = stacks.summary(failure["stack"][1:], where) if stack else ()
        lines += [f"    {line}" for line in said] or [f"    its stack: {where}"]
    seeds = ", ".join(map(str, one.seeds[:SEEDS])) + (", ..." if one.seeds[SEEDS:] else "")
    lines += [f"    {plural(one.times, 'time')} on {plural(len(one.paths), 'path')} in "
              f"{plural(one.runs, 'run')}: "
              f"{', '.join(one.targets)}; seed {seeds}",
              f"    again: {failure['replay']}"]
    return lines


def _table(journal: Journal) -> list[str]:
    """A line for each lane of each arch and variant."""
    lines = ["", f"  {'arch':<9}{'variant':<9}{'lane':<7}{'runs':>6}{'passed':>8}{'failed':>8}"
             f"{'error':>7}{'calls':>10}{'interruptions':>15}{'guest time':>14}"]
    for target in dict.fromkeys(run.target for run in journal.runs):
        mine = [run for run in journal.runs if run.target == target]
        counts = [sum(run.verdict == verdict for run in mine)
                  for verdict in ("pass", "fail", "error")]
        swept = sum(run.interruptions for run in mine)
        lines.append(
            f"  {target[0]:<9}{target[1]:<9}{target[2]:<7}{len(mine):>6}{counts[0]:>8}"
            f"{counts[1]:>8}{counts[2]:>7}{many(sum(run.calls for run in mine)):>10}"
            f"{many(swept) if swept else '-':>15}{span(sum(run.seconds for run in mine)):>14}")
    return lines


def _verdict(journal: Journal) -> str:
    verdicts = journal.verdicts()
    words = [plural(len(journal.runs), "run")]
    words += [f"{many(verdicts[verdict])} {said}" for verdict, said in (
        ("fail", "failed"), ("error", "ended with an error")) if verdicts[verdict]]
    words.append(_failures(journal))
    if journal.ended == STOPPED:
        words.append(f"interrupted with {plural(len(journal.given_up), 'run')} begun")
    if journal.ended == BROKE:
        words.append(f"ended early: {journal.why}")
    if journal.verdict == "error" and journal.runs and journal.idle:
        names = dict.fromkeys(" ".join(run.target) for run in journal.runs)
        words.append(f"nothing was judged in {', '.join(names)}")
    if journal.unfinished:
        words.append(f"the time was up before all {journal.of} had run")
    return f"soak: {journal.verdict.upper()}, {', '.join(words)}"


def summary(journal: Journal) -> str:
    """The sum at the end."""
    folder = shown(journal.folder)
    lines = [] if not journal.runs else _table(journal)
    for name, (why, _) in journal.unbuilt.items():
        lines += ["", f"  {name}: not run: {why}"]
    for one in journal.kinds.all:
        lines += ["", *kind(one, f"{folder}/failures/{one.name}.json", stack=False)]
    bare = [run for run in journal.runs if run.verdict == "error" and not run.kinds]
    if bare:
        lines += ["", "  runs without results:", *(ended(run) for run in bare[-LINES:])]
    seeds = list(dict.fromkeys(run.seed for run in journal.runs))
    drawn = "" if journal.of is not None else "drawn "
    lines += ["", f"  {plural(len(seeds), f'{drawn}seed')} in {span(journal.seconds)}: "
              f"{', '.join(map(str, seeds[:SEEDS]))}"
              f"{f' ... {seeds[-1]}' if len(seeds) > SEEDS else ''}; "
              f"{plural(journal.total('calls'), 'call')}, "
              f"{plural(journal.total('interruptions'), 'interruption')}"] if seeds else []
    lines += [f"  all of it, each run with its seed: {folder}/{RESULTS}", "", _verdict(journal)]
    return "\n".join(lines)
