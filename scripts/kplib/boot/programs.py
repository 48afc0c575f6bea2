# SPDX-License-Identifier: GPL-2.0
"""Programs as text that case regress is to run: those in tests/regress, or PROGRAM=.

The engine reads them (kmod/engine/text.c), each behind a line "@ NAME".
"""

from __future__ import annotations

from kplib.configure import pairs
from kplib.configure.request import Request


def text(req: Request, pair: str) -> bytes:
    """All programs of a pair, as the engine takes them; empty for none."""
    files = [req.program] if req.program else \
        sorted(pairs.files(pair, req.pairs_dir).regress.glob("*"))
    parts = []
    for path in files:
        parts.append(f"@ {pairs.short(path)}\n".encode() + path.read_bytes().rstrip(b"\n") + b"\n")
    return b"".join(parts)
