# SPDX-License-Identifier: GPL-2.0
"""The soaks of all shards as one soak, with a folder and a sum of its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from kplib.common import cache, ui
from kplib.common.errors import FAILED, BROKEN, EnvironmentFailed
from kplib.configure.request import Request
from kplib.shard import join, parts
from kplib.shard.parts import Part
from kplib.soak import soak, told
from kplib.soak.journal import BROKE, DONE, RESULTS, STOPPED, TIME, Journal, Run
from kplib.soak.kinds import Found, Kind
from kplib.soak.work import Item, Target

#: Ways for a soak to end, the one that says most of all shards first.
_ENDS = (BROKE, STOPPED, TIME, DONE)
_CONSOLE = re.compile(r"[\w-]{1,80}")


def parts_of(folder: Path) -> list[Part]:
    """The soaks of shards in an OUT; those of whole runs, which may be there as well, are none."""
    found = []
    for path in sorted(folder.glob(f"soak/*/{RESULTS}")):
        document = parts.read_file(path)
        if document.get("shard") and not document.get("merged"):
            found.append(Part(folder, path.parent, "the soak", document))
    return found


def _found(row: dict[str, Any], failure: dict[str, Any]) -> Found:
    """A failure of a kind, with a path that it was met on."""
    paths = [one["path"] for one in (*reversed(failure["results"]), *failure["broken"])]
    path = next(iter(paths), "") or next(iter(row["paths"]), "")
    return Found(row["pair"], row["suite"], row["case"], path, row["status"], failure)


def _kinds(journal: Journal, part: Part) -> dict[int, int]:
    """Count a shard's kinds among those of the others; their numbers there, by its own."""
    numbers = {}
    for row in part.document["kinds"]:
        moved = [join.moved(one, journal.programs) for one in row["failures"]]
        kind = journal.kinds.of(_found(row, moved[0]))
        kind.join({**row, "failures": moved})
        numbers[int(row["number"])] = kind.number
        _console(journal, part, row, kind)
    return numbers


def _console(journal: Journal, part: Part, row: dict[str, Any], kind: Kind) -> None:
    words = [str(row["number"]), row["pair"] or "guest", row["case"]]
    name = "-".join(re.sub(r"\W", "_", word) for word in words if word)
    path = part.where / "failures" / f"{name}.console"
    to = journal.folder / "failures" / f"{kind.name}.console"
    if _CONSOLE.fullmatch(name) and path.is_file() and not path.is_symlink() and not to.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)


def _take(journal: Journal, part: Part) -> None:
    """Add what one shard has found."""
    document = part.document
    numbers = _kinds(journal, part)
    for row in document["runs"]:
        run = Run(**{**row, "kinds": tuple(numbers[number] for number in row["kinds"])})
        if run.verdict not in ("pass", "fail", "error"):
            raise ValueError(f"a run has the verdict {run.verdict}")
        journal.runs.append(run)
    failed = document["verdict"] == "fail" and not any(
        run["verdict"] == "fail" for run in document["runs"])
    for name, why in document["unbuilt"].items():
        journal.unbuilt[str(name)] = f"shard {part.index}: {why}", FAILED if failed else BROKEN
    for row in document["given_up"]:
        target = Target(row["arch"], row["variant"], row["lane"])
        journal.given_up.append(Item(0, target, row["seed"]))
    journal.seconds = max(journal.seconds, float(document["seconds"]))
    ended = document["ended"] if document["ended"] in _ENDS else BROKE
    if not journal.ended or _ENDS.index(ended) < _ENDS.index(journal.ended):
        journal.ended = ended
        journal.why = "" if ended == DONE else \
            f"shard {part.index}: {document['why'] or 'it was killed, or still runs'}"


def merge(req: Request, found: list[Part], lacking: str) -> int:
    """Join soaks; the exit status is that of the soak that they are together."""
    try:
        parts.check_all(found, lacking, "runs_of")
        first = found[0].document
        journal = Journal(soak.new_folder(req.out), tuple(map(str, first["pairs"])),
                          int(first["shard"]["runs_of"]))
        journal.merged = {name: first["shard"][name]
                          for name in ("of", "tree", "times", "request", "tools")}
        for part in sorted(found, key=lambda part: part.index):
            _take(journal, part)
        _complete(journal)
        for kind in journal.kinds.all:
            for path, text in kind.programs().items():
                cache.write(path, text)
        journal.close()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as err:
        raise EnvironmentFailed("the results of a soak are damaged: "
                                f"{ui.clean(f'{type(err).__name__}: {err}')[:200]}") from err
    except OSError as err:
        raise EnvironmentFailed(f"cannot write {err.filename}: {err.strerror}") from err
    if not req.machine_readable:
        print(told.summary(journal), flush=True)
    return journal.status


def _complete(journal: Journal) -> None:
    """Fail where a run was in two shards; where some are in none, say that it was not ended."""
    seen = {(*run.target, run.seed) for run in journal.runs}
    if len(seen) != len(journal.runs):
        raise EnvironmentFailed("a seed has run in two shards: they were not split alike")
    if journal.of is not None and len(seen) < journal.of and journal.ended == DONE \
            and not journal.unbuilt:
        journal.ended = BROKE
        journal.why = f"{journal.of - len(seen)} runs are in no shard"
