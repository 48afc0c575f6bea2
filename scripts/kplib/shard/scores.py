# SPDX-License-Identifier: GPL-2.0
"""The mutants of all shards as one score, which alone says what share of them was seen."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from kplib.common import cache, ui
from kplib.common.errors import BROKEN, FAILED, OK, EnvironmentFailed
from kplib.configure.request import Request
from kplib.mutate import record, score
from kplib.mutate.candidate import Candidate
from kplib.mutate.record import Record
from kplib.selftest.campaign import SCORE
from kplib.shard import parts
from kplib.shard.parts import Part

_OUTCOMES = (record.KILLED, record.SURVIVED, record.EQUIVALENT, record.UNCOMPILED, record.ERROR)


def parts_of(folder: Path) -> list[Part]:
    """The score of a shard in an OUT."""
    path = folder / "mutants" / SCORE
    if not path.exists():
        return []
    document = parts.read_file(path)
    parts.of_shard(document, folder, "make mutants")
    return [Part(folder, path.parent, "make mutants", document)]


def _record(row: dict[str, Any]) -> Record:
    if row["outcome"] not in _OUTCOMES:
        raise ValueError(f"a mutant has become {row['outcome']}")
    return Record(**{name: row[name] for name in (
        "outcome", "oracle", "path", "variant", "lane", "lost", "kill", "seconds", "why")})


def _planted(row: dict[str, Any]) -> score.Planted:
    return score.Planted(row["name"], row["pair"], row["category"], row["must"], _record(row))


def _ran(row: dict[str, Any]) -> score.Ran:
    # All that is before the change in a name follows from the other fields.
    head = f"{row['pair']} {row['language']} {row['function']} {row['operator']}: "
    if not row["name"].startswith(head):
        raise ValueError(f"a mutant has the name {row['name']}")
    one = Candidate(row["pair"], row["language"], row["file"], row["function"], row["operator"],
                    (), row["line"], row["name"].removeprefix(head), row["category"])
    return score.Ran(one, _record(row), tuple(row["diff"]))


def joined(found: list[Part]) -> score.Score:
    """The score of all of them, in the order of a campaign on one machine."""
    documents = [part.document for part in sorted(found, key=lambda part: part.index)]
    # Mutants went to the shards by turns.
    rows = [row for turn in itertools.zip_longest(*(one["mechanical"] for one in documents))
            for row in turn if row is not None]
    planted = sorted((row for one in documents for row in one["planted"]),
                     key=lambda row: row["name"])
    for what, some, key in (("mechanical mutants", rows, "mechanical_of"),
                            ("planted bugs", planted, "planted_of")):
        names = {row["name"] for row in some}
        counts = {one["shard"][key] for one in documents}
        if len(names) != len(some) or counts != {len(names)}:
            raise EnvironmentFailed(f"the shards have {len(some)} {what}, {len(names)} of them "
                                    f"different, of {', '.join(map(str, sorted(counts)))}: they "
                                    "were not split alike")
    shard = documents[0]["shard"]
    return score.Score(
        tuple(map(_planted, planted)), tuple(map(_ran, rows)),
        {row["name"]: row["reason"] for row in rows if row["reason"]},
        merged={name: shard[name] for name in ("of", "tree", "times", "request", "tools")})


def merge(req: Request, found: list[Part], lacking: str) -> int:
    """Join scores, and print what a campaign prints; the exit status."""
    path = req.out / "mutants" / SCORE
    path.unlink(missing_ok=True)
    try:
        parts.check_all(found, lacking)
        result = joined(found)
        cache.write(path, json.dumps(score.to_json(result), indent=1) + "\n")
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise EnvironmentFailed("the results of make mutants are damaged: "
                                f"{ui.clean(f'{type(err).__name__}: {err}')[:200]}") from err
    if not req.machine_readable:
        print(score.show(result), flush=True)
    if result.failed:
        return FAILED
    if not result.judged and not result.planted:
        raise EnvironmentFailed("no shard has judged a mutant")
    return BROKEN if result.unknown else OK
