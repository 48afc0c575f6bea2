# SPDX-License-Identifier: GPL-2.0
"""Results that shards have left in folders, and whether they are all there and of one whole.

They come from other machines: nothing in them is believed before it has been looked at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable

from kplib.common import ui
from kplib.common.errors import EnvironmentFailed
from kplib.configure import archs, variants
from kplib.configure.request import TOP
from kplib.report import files
from kplib.report.terminal import shown
from kplib.selftest import schema

Cell = tuple[str, str]


@dataclass(frozen=True)
class Part:
    """What one shard has left of one arch and variant, or of a soak, or of mutants.

    `where` has the file, `folder` is that of DIRS=, and `what` names it in words.
    """

    folder: Path
    where: Path
    what: str
    document: dict[str, Any]

    @property
    def shard(self) -> dict[str, Any]:
        """Which part it is, and of what."""
        found: dict[str, Any] = self.document["shard"]
        return found

    @property
    def index(self) -> int:
        """Its number, from 1."""
        return int(self.shard["index"])

    @property
    def name(self) -> str:
        """The folder, for a person."""
        return ui.clean(shown(self.folder))


def of_shard(document: dict[str, Any], folder: Path, what: str) -> None:
    """Fail where results are none of a shard."""
    name = ui.clean(shown(folder))
    if document.get("merged"):
        raise EnvironmentFailed(f"{name}: the results of {what} are merged already; give the "
                                "folders of the shards")
    if not document.get("shard"):
        raise EnvironmentFailed(f"{name}: the results of {what} are those of a whole run, of no "
                                "shard; give the folders of runs with SHARD=i/n")


def read_file(path: Path) -> dict[str, Any]:
    """An object that another machine has written."""
    try:
        found = json.loads(path.read_text())
    except OSError as err:
        raise EnvironmentFailed(f"{ui.clean(shown(path))}: {err.strerror}") from err
    except (ValueError, RecursionError) as err:
        raise EnvironmentFailed(f"{ui.clean(shown(path))} is damaged: {ui.clean(str(err))}"
                                ) from err
    if not isinstance(found, dict):
        raise EnvironmentFailed(f"{ui.clean(shown(path))} is damaged: no object")
    return found


def check_schema(found: dict[str, Any], path: Path, rule: dict[str, Any] | None = None) -> None:
    """Fail where a document is not as it is described. A field more changes no other's meaning."""
    try:
        wrong = next((said for said in schema.unlike(found, rule)
                      if not said.endswith(schema.UNKNOWN)), "")
    except RecursionError:
        wrong = "it is nested too deeply"
    if wrong:
        raise EnvironmentFailed(f"{ui.clean(shown(path))} is damaged: {ui.clean(wrong)[:200]}")


def _cell(folder: Path, where: Path) -> Part:
    path = where / files.RESULTS
    arch, variant = where.parent.name, where.name
    found = read_file(path)
    check_schema(found, path)
    if (found["arch"], found["variant"]) != (arch, variant):
        raise EnvironmentFailed(f"{ui.clean(shown(path))} is of {ui.clean(found['arch'])} "
                                f"{ui.clean(found['variant'])}")
    of_shard(found, folder, f"{arch} {variant}")
    return Part(folder, where, f"{arch} {variant}", found)


def every_cell() -> list[Cell]:
    """All arches and variants that there are."""
    return [(arch, variant) for arch in archs.load_all(TOP / "qemu/arch")
            for variant in variants.load_all(TOP / "qemu/variant")]


def of_runs(folder: Path) -> list[Part]:
    """What a run has left in its OUT."""
    return [_cell(folder, folder / arch / variant) for arch, variant in every_cell()
            if (folder / arch / variant / files.RESULTS).exists()]


def ended(folder: Path) -> str:
    """Why a run has left no results, as far as its OUT tells."""
    for arch, variant in every_cell():
        try:
            state = json.loads((folder / arch / variant / files.STATE).read_text())
            why = "it still runs, or was killed" if state["state"] == "running" \
                else ui.clean(str(state["why"]))
            return f"the run on {arch} {variant}, begun {ui.clean(str(state['at']))}, gave none: " \
                   f"{why}" if state["state"] == "running" else \
                   f"the run on {arch} {variant} gave none: {why}"
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return "there are none of a run, a soak or mutants"


def _differs(name: str, one: Part, other: Part, mine: Any, theirs: Any) -> None:
    if mine != theirs:
        raise EnvironmentFailed(
            f"{other.name}: {name} {ui.clean(str(theirs))[:200]}, and {one.name} has "
            f"{ui.clean(str(mine))[:200]}; all shards must be of the same")


def check_same(found: list[Part]) -> None:
    """Fail at the first part that is of another split, tree or request than the first one."""
    one = found[0]
    mine = one.shard
    for other in found[1:]:
        theirs = other.shard
        if mine["of"] != theirs["of"]:
            raise EnvironmentFailed(f"{other.name}: shard {theirs['index']} of {theirs['of']}, and "
                                    f"{one.name} has {one.index} of {mine['of']}; all shards must "
                                    "be of one number")
        _differs("it is of commit", one, other, mine["tree"]["commit"], theirs["tree"]["commit"])
        if mine["tree"]["content"] != theirs["tree"]["content"]:
            raise EnvironmentFailed(f"{other.name}: its files were not those of {one.name}, though "
                                    f"both are of commit {ui.clean(str(mine['tree']['commit']))}; "
                                    "all shards must be of the same tree")
        for name in sorted(set(mine["request"]) | set(theirs["request"])):
            _differs(f"its request has {name}", one, other,
                     mine["request"].get(name, "not given"),
                     theirs["request"].get(name, "not given"))
        _differs("it was split by TIMES of digest", one, other, mine["times"], theirs["times"])


def check_tools(found: Iterable[Part]) -> None:
    """Fail where parts of one arch and variant had not the same kernel and tools.

    A part with nothing to run has looked for neither.
    """
    ran = [part for part in found if part.shard.get("kernel") is not None]
    for other in ran[1:]:
        one = ran[0]
        _differs(f"its kernel of {one.what} is", one, other,
                 one.shard["kernel"], other.shard["kernel"])
        mine, theirs = one.document["tools"], other.document["tools"]
        for name in sorted(set(mine) | set(theirs)):
            _differs(f"its {name} is", one, other, mine.get(name), theirs.get(name))


def check_built(found: list[Part]) -> None:
    """The same of soaks and mutants, whose parts name the kernels of all that they have run."""
    for part in found:
        if not all(isinstance(part.shard[name], dict) for name in ("kernels", "tools", "request",
                                                                   "tree")):
            raise ValueError("no object where one must be")
    kernels: dict[str, Part] = {}
    ran = [part for part in found if part.shard["kernels"]]
    for part in ran:
        for cell, kernel in part.shard["kernels"].items():
            one = kernels.setdefault(cell, part)
            _differs(f"its kernel of {ui.clean(cell)} is", one, part,
                     one.shard["kernels"][cell], kernel)
        for name in sorted({*ran[0].shard["tools"], *part.shard["tools"]}):
            _differs(f"its {ui.clean(name)} is", ran[0], part, ran[0].shard["tools"].get(name),
                     part.shard["tools"].get(name))


def check_whole(found: list[Part], lacking: str = "") -> None:
    """Fail where a shard is there twice, or is missing; `found` are the parts of one thing.

    `lacking` is what is known of folders that have none of it.
    """
    seen: dict[int, Part] = {}
    for part in found:
        if part.index in seen:
            raise EnvironmentFailed(f"shard {part.index} of {part.shard['of']} of {part.what} is "
                                    f"there twice: {seen[part.index].name} and {part.name}")
        seen[part.index] = part
    count = found[0].shard["of"]
    missing = [number for number in range(1, count + 1) if number not in seen]
    if missing:
        names = ", ".join(map(str, missing[:8])) + (", ..." if missing[8:] else "")
        raise EnvironmentFailed(f"shard{'s' * (len(missing) > 1)} {names} of {count} of "
                                f"{found[0].what} {'are' if missing[1:] else 'is'} missing"
                                + (f"; {lacking}" if lacking else ""))


def check_units(found: list[Part]) -> None:
    """Fail where a lane of a pair was in two parts, or in none: the split was not one."""
    seen: dict[tuple[str, str], Part] = {}
    for part in found:
        for pair, lanes in part.shard["parts"].items():
            for lane in lanes:
                if before := seen.get((pair, lane)):
                    raise EnvironmentFailed(
                        f"lane {ui.clean(lane)} of {ui.clean(pair)} on {part.what} was in shard "
                        f"{before.index} and in {part.index}: they were not split alike")
                seen[pair, lane] = part
    counts = {part.shard["parts_of"] for part in found}
    if counts != {len(seen)}:
        raise EnvironmentFailed(f"the shards of {found[0].what} have {len(seen)} lanes of pairs, "
                                f"of {', '.join(map(str, sorted(counts)))}: they were not split "
                                "alike")


def check_all(found: list[Part], lacking: str, *more: str) -> None:
    """Refuse parts of soaks or scores that are not one whole; `more` are members that they have.

    Raises KeyError for a part that lacks a member.
    """
    for part in found:
        for name in ("index", "of", "tree", "times", "request", "kernels", "tools", *more):
            part.shard[name]  # pylint: disable=pointless-statement
    check_same(found)
    check_whole(found, lacking)
    check_built(found)
    if lacking:
        raise EnvironmentFailed(lacking)
