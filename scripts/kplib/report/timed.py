# SPDX-License-Identifier: GPL-2.0
"""What lane time says of a pair, on the terminal."""

from __future__ import annotations

from kplib.configure.lanes import REFERENCE
from kplib.judge.tables import SUCCESS
from kplib.judge.timetable import Apart, Checked, Row, Times
from kplib.judge.timing import SHARES

#: Of the columns of quantiles; a longest call can be a second.
_WIDTHS = (6, 7, 8, 9)


def _interval(row: Row) -> str:
    if row.low is None or row.high is None:
        return "-"
    # Of two boots it can be as good as endless.
    low, high = (f"{end:.3f}" if 0.01 <= end < 100 else "0" if end < 1 else "any"
                 for end in (row.low, row.high))
    return f"{low} to {high}"


def _line(row: Row) -> str:
    more = "" if row.boots is None else f", {row.boots} boots"
    return (f"      {row.path:<12}{row.ratio:>7.3f}  {_interval(row):<15}{row.own:>5.0%}  "
            f"{row.verdict + more:<26}"
            + "".join(f" {one[0]:>{width}.0f}"
                      for width, one in zip(_WIDTHS, row.quantiles.values())))


def _more(row: Row) -> str:
    """The intervals of the quantiles."""
    said = (f"{name} {low:.0f} to {high:.0f}" for name, (_, low, high) in row.quantiles.items())
    return f"        {row.calls} calls; {', '.join(said)}"


def _found(found: dict[str, int]) -> str:
    return ", ".join(f"{percent} % in {times}" for percent, times in found.items())


def _checked(checked: Checked, level: float) -> list[str]:
    return [f"    {REFERENCE} beside itself: of {checked.compared} comparisons {checked.alarms} "
            f"differ at the {100 * (1 - level):.0f} % level, {checked.told} are told so",
            f"    its times scaled: calls slower by {_found(checked.found)} are found,",
            f"    their operation alone slower by {_found(checked.found_own)}"]


def _not_compared(some: tuple[Apart, ...]) -> list[str]:
    """A line for each outcome, with its share on each path, and on c->c beside that."""
    found: dict[str, list[str]] = {}
    for one in some:
        name = one.op if one.outcome == SUCCESS else f"{one.op} {one.outcome}"
        reference, here = (f"{100 * share:.1f}" for share in one.shares)
        found.setdefault(name, []).append(f"{one.path} {here} ({reference})")
    return [f"      {name}: {', '.join(paths)}" for name, paths in found.items()]


def _contended(times: Times) -> list[str]:
    """How much the other CPU did in contended blocks, and what is not compared in them."""
    found = times.contention
    if not any(one.of for one in found.values()):
        return ["    no contended blocks: it is a function, or by its contract no operation runs "
                "beside another one"]
    most = ", ".join(f"{path} {one.beside[1] / one.calls[1]:.2f}" for path, one in found.items()
                     if one.calls[1])
    lines = [f"    contended, operations beside each call: {most}"] if most else []
    if any(one.blocks < one.of for one in found.values()):
        blocks = ", ".join(f"{path} {one.blocks}" for path, one in found.items())
        lines.append(f"    of {max(one.of for one in found.values())} contended blocks the host "
                     f"ran both CPUs in: {blocks}")
    if times.apart:
        lines.append("    contended, not compared, as too few, or not as frequent as on "
                     f"{REFERENCE}; % of calls (on {REFERENCE} beside them):")
    return [*lines, *_not_compared(times.apart)]


def _rows(times: Times, verbose: bool, what: str) -> list[str]:
    """A table of times, below what is timed."""
    kind = "advisory, as it is emulated" if times.advisory else "binding"
    lines = [f"    {what}, {kind}: {times.boots} boot{'s' * (times.boots > 1)}, quantiles in ns; "
             f"margin {100 * times.margin:.0f} % of what is the operation's own",
             f"      {'':<12}{'ratio':>7}  {'interval':<15}{'own':>5}  "
             f"{'verdict, what may settle it':<26}"
             + "".join(f" {name:>{width}}"
                       for width, name in zip(_WIDTHS, (*SHARES, "max")))]
    before = ""
    for row in times.rows:
        head = f"    {row.name}, {row.state}"
        if head != before:
            lines.append(head)
        before = head
        lines.append(_line(row))
        if verbose:
            lines.append(_more(row))
    noop = ", ".join(f"{path} {value:.1f}" for path, value in times.noop.items())
    return [*lines, f"    the no-op, in ns, a part of each call: {noop}"]


def table(times: Times, verbose: bool) -> list[str]:
    """The table of a pair, and what it is worth."""
    return [*_rows(times, verbose, "time"), *_contended(times),
            *_checked(times.checked, times.level)]


def of_calls(times: Times, verbose: bool) -> list[str]:
    """The table of its system calls."""
    return [*_rows(times, verbose, "time of system calls, the C node (c->c) and the Rust node "
                   "(c->rust)"), *_checked(times.checked, times.level)]
