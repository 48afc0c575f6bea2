# SPDX-License-Identifier: GPL-2.0
"""What a shard's results say of where they are from, so that `make merge` joins like with like."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kplib.common import cache
from kplib.configure import pairs, shards
from kplib.configure.pairs import TOP

if TYPE_CHECKING:
    from kplib.configure.request import Request

#: Files and folders of the checkout that decide what a run gives.
INPUTS = ("Kbuild", "Makefile", "kmod", "qemu", "rust-stub", "scripts", "tests/compile-fail",
          "tests/kunit", "tests/mutants", "tests/regress", "tests/user")
#: What is made beside them and left there, of which git is told as well.
MADE = (".o", ".ko", ".mod", ".mod.c", ".cmd", ".pyc", ".lock")
#: Words of a request that name places of one machine. What is there has an identity of its own.
PLACES = ("ARCH", "VARIANT", "PAIRS_DIR", "KERNEL_SRC", "KDIR", "TOOLCHAIN")


def _files(path: Path) -> list[Path]:
    """All files below a path, or itself."""
    if path.is_file():
        return [path]
    found = []
    for folder, names, files in os.walk(path):
        names[:] = [name for name in names if name not in ("__pycache__", ".git")]
        found += [Path(folder, name) for name in files if not name.endswith(MADE)]
    return found


def content(chosen: tuple[str, ...], pairs_dir: Path | None, top: Path = TOP) -> str:
    """A digest of all files that decide what a run gives, those of pairs in PAIRS_DIR among them.

    Committed or not: two checkouts with the same files have the same.
    """
    digest = hashlib.sha256()
    roots = [(top, top / name) for name in INPUTS]
    for name in sorted(chosen):
        own = pairs.files(name, pairs_dir).own
        if own is not None:
            roots.append((own.parent, own))
    for base, root in roots:
        for path in sorted(_files(root)):
            try:
                text = path.read_bytes()
            except OSError:
                # A link that leads nowhere. Its name counts.
                text = b"?"
            where = os.fsencode(str(path.relative_to(base)))
            digest.update(b"%d %s %d " % (len(where), where, len(text)) + text)
    return digest.hexdigest()[:16]


def commit(top: Path = TOP) -> str | None:
    """The commit that is checked out; None where git does not tell."""
    try:
        done = subprocess.run(["git", "rev-parse", "--verify", "HEAD"], cwd=top, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def settle(req: Request) -> Request:
    """A request with SHARD= that knows its units, and what identifies it; others as they are."""
    if req.shard is None:
        return req
    req = shards.settle(req, req.shard, shards.load(req.times or shards.TIMES))
    assert req.shard is not None
    return replace(req, shard=replace(req.shard, **_told(req)))


def _told(req: Request) -> dict[str, Any]:
    """What identifies the split of a request, but for its units."""
    from kplib.configure import request  # pylint: disable=import-outside-toplevel
    words = {name: value for name, value in request.words_of(
        req, req.archs[0], req.variants[0]).items() if name not in PLACES}
    return {"commit": commit(), "content": content(req.pairs, req.pairs_dir),
            "times": cache.digest((req.times or shards.TIMES).read_bytes()),
            "words": tuple(sorted({**words, "PAIR": " ".join(req.pairs)}.items()))}


def told(req: Request, more: tuple[tuple[str, str], ...] = ()) -> dict[str, Any] | None:
    """What all results of a shard say of it; `more` are further words of the request."""
    shard = req.shard
    if shard is None:
        return None
    return {"index": shard.index, "of": shard.of,
            "tree": {"commit": shard.commit, "content": shard.content}, "times": shard.times,
            "request": dict(sorted({**dict(shard.words), **dict(more)}.items()))}


def of_cell(req: Request, arch: str, variant: str, kernel: str | None) -> dict[str, Any] | None:
    """The member `shard` of results.json; None without SHARD=. `kernel` is None where none ran."""
    said = told(req)
    if said is None or req.shard is None:
        return None
    return {**said, "kernel": kernel,
            "cells": [[one, kind] for one, kind, _ in req.shard.cells],
            "parts": shards.parts(req, arch, variant),
            "parts_of": next(count for *cell, count in req.shard.cells
                             if cell == [arch, variant])}
