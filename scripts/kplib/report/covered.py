# SPDX-License-Identifier: GPL-2.0
"""make coverage, on the terminal and as a page: both sides next to each other."""

from __future__ import annotations

import html
from typing import Callable

from kplib.contract.model import Reason
from kplib.judge.covers import LineSeen, Side
from kplib.judge.reasons import Key, Lines, Places

#: The text of a source line, by file and line.
Source = Callable[[str, int], str]


def _share(part: int, of: int) -> str:
    return f"{part} ({100 * part // of} %)" if of else str(part)


def _rows(side: Side) -> dict[str, str]:
    """The sums of a side."""
    jumps = [jump for jump in side.jumps if not jump.panic]
    ran = sum(one.ran for one in side.lines.values())
    return {
        "lines with code": str(len(side.lines)),
        "that ran": _share(ran, len(side.lines)),
        "conditional jumps": str(len(jumps)),
        "went both ways": _share(sum(jump.both for jump in jumps), len(jumps)),
        "only ever went one way": str(sum(jump.one and not jump.both for jump in jumps)),
        "were not reached": str(sum(not jump.one and not jump.both for jump in jumps)),
        "jumps to a panic, or past one": str(sum(jump.panic for jump in side.jumps)),
    }


def _listed(what: str, places: dict[Key, Reason | None], source: Source) -> list[str]:
    """Places without a reason, and behind them those that have one, with it."""
    bare = [key for key, reason in places.items() if reason is None]
    told: dict[str, list[Key]] = {}
    for key, reason in places.items():
        if reason:
            told.setdefault(reason.why, []).append(key)
    lines = []
    if bare or not told:
        lines += ["", f"  {what}: {'' if bare else 'nothing'}".rstrip()]
    lines += [f"    {file}:{line}  {source(file, line)}".rstrip() for file, line in bare]
    if told:
        lines += ["", f"  {what}, and the contract says why:"]
    for why, keys in told.items():
        lines += [f"    {file}:{line}  {source(file, line)}".rstrip() for file, line in keys]
        lines += [f"        {why}"]
    return lines


def text(pair: str, head: str, sides: tuple[Side, ...], source: Source, places: Places,
         contract: str) -> str:
    """All of it; `contract` is the name of the file that has the reasons."""
    rows = [_rows(side) for side in sides]
    lines = [head, "", f"  {pair:<32}" + "".join(f"{side.name:>16}" for side in sides)]
    lines += [f"  {name:<32}" + "".join(f"{row[name]:>16}" for row in rows) for name in rows[0]]
    lines += _listed("no program reaches", places.unreached, source)
    lines += _listed("a jump only ever went one way", places.one_way, source)
    if places.needless:
        lines += ["", "  reasons that nothing needs any more:"]
    for reason, how in places.needless:
        lines += [f"    {contract}:{reason.line}  {reason.place}", f"        {how}"]
    return "\n".join(lines)


_PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ran: #d6f5d6; --not: #ffd6d6; --one: #fff0b3; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ran: #123d12; --not: #591919; --one: #4d4000; }}
}}
body {{ font-family: sans-serif; margin: 1em; }}
.sides {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30em, 100%), 1fr));
  gap: 1em; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font-size: 85%; }}
.ran {{ background: var(--ran); }} .not {{ background: var(--not); }}
.one {{ background: var(--one); }}
table {{ border-collapse: collapse; }} td, th {{ text-align: right; padding: .1em .8em; }}
td:first-child {{ text-align: left; }} .why {{ margin: 0 0 .4em 3em; font-size: 85%; }}
</style></head><body>
<h1>{title}</h1><p>{head}</p>
{table}
<p><span class="ran">ran</span>, <span class="one">ran, and a jump only ever went one way</span>,
<span class="not">did not run</span>; what is not marked has no code. Behind a line stands why that
is so, where the contract says it.</p>
<div class="sides">
{sides}
</div></body></html>
"""


def _class(one: LineSeen | None) -> str:
    if one is None:
        return ""
    return "not" if not one.ran else "one" if one.one_way else "ran"


def _file(name: str, side: Side, lines: Lines, places: Places) -> str:
    """One file's text, each line marked, and reasons behind lines that have one."""
    out = [f"<section><h2>{html.escape(name)}</h2>"]
    for number, line in enumerate(lines(name), 1):
        kind = _class(side.lines.get((name, number)))
        mark = f' class="{kind}"' if kind else ""
        out.append(f"<pre{mark}>{number:>4} {html.escape(line.expandtabs(4))}</pre>")
        if why := places.why((name, number)):
            out.append(f'<p class="why">{html.escape(why)}</p>')
    return "\n".join([*out, "</section>"])


def page(pair: str, head: str, sides: tuple[Side, ...], lines: Lines, places: Places) -> str:
    """One page, which needs nothing else."""
    rows = [_rows(side) for side in sides]
    table = "<table><tr><th></th>" + "".join(f"<th>{side.name}</th>" for side in sides) + "</tr>"
    table += "".join(f"<tr><td>{name}</td>" + "".join(f"<td>{row[name]}</td>" for row in rows)
                     + "</tr>" for name in rows[0]) + "</table>"
    columns = ["<div>" + "\n".join(_file(name, side, lines, places)
                                   for name in sorted({file for file, _ in side.lines})) + "</div>"
               for side in sides]
    return _PAGE.format(title=html.escape(f"{pair}: what ran"), head=html.escape(head),
                        table=table, sides="\n".join(columns))
