# SPDX-License-Identifier: GPL-2.0
"""How long each case took on each path, read from the console that a lane left behind.

KUnit gives no times. The console's lines that say which case runs carry the guest's
clock; a case on a path took from its own line to the next one.
"""

from __future__ import annotations

import re
from pathlib import Path

from kplib.configure.lanes import LANES
from kplib.judge.ktap import Seconds

_MARK = re.compile(rb"^\[ *(\d+\.\d+)\](?:\[ *[TC]\d+\])? ?kparity\[([0-9a-f]+)\]: "
                   rb"at (\S+) (\S+) (\S+)", re.M)


def parse(console: bytes, suffix: str = "") -> Seconds:
    """Seconds by suite, case and path. A suite's name is its pair's and `suffix`.

    What ran in several guests counts in each; what ended one has no line after it.
    """
    found: Seconds = {}
    before: tuple[tuple[str, ...], float] | None = None
    word = b""
    for stamp, mark, *where in _MARK.findall(console):
        word = word or mark  # the host's own line is the first
        if mark != word:
            continue
        now = float(stamp)
        if before is not None and now >= before[1]:
            found[before[0]] = round(found.get(before[0], 0.0) + now - before[1], 6)
        pair, case, path = ("" if w == b"-" else w.decode(errors="replace") for w in where)
        before = ((pair + suffix, case, path), now) if case else None
    return found


def of_lanes(folder: Path, lanes: list[str]) -> Seconds:
    """Seconds of the lanes whose consoles are in a folder; a lane without one has no times."""
    found: Seconds = {}
    for lane in lanes:
        try:
            console = (folder / f"{lane}.console").read_bytes()
        except OSError:
            continue
        found |= parse(console, LANES[lane].suffix)
    return found
