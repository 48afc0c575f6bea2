# SPDX-License-Identifier: GPL-2.0
"""One results.json of those of all shards of an arch and variant.

A lane of a pair has run in one shard alone, so what is of a lane is taken as it is. What is of a
pair or of the run is counted together. It reads as that of a whole run, but for times.
"""

from __future__ import annotations

import copy
import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Callable, Iterable

from kplib.common import ui
from kplib.common.errors import EnvironmentFailed
from kplib.configure.lanes import LANES
from kplib.judge import failures, ktap, results
from kplib.judge.unbuilt import CASE as BUILD
from kplib.shard.parts import Part

#: The name of a program's file in the folder for programs.
_PROGRAM = re.compile(r"[a-z][a-z0-9]{0,14}-[0-9a-f]{12}")
#: Guest instructions in a second, where a guest's clock counts them: 1 ns each by that clock.
RATE = 100_000_000


def _sum(mine: dict[str, int], theirs: dict[str, int]) -> dict[str, int]:
    """Counts by path, together."""
    return {name: mine.get(name, 0) + theirs.get(name, 0) for name in {**mine, **theirs}}


def _rows(mine: list[dict[str, Any]], theirs: list[dict[str, Any]],
          add: Callable[[dict[str, Any], dict[str, Any]], None]) -> list[dict[str, Any]]:
    """Rows by their id; `add` has one take the counts of the same row elsewhere."""
    found = {row["id"]: copy.deepcopy(row) for row in mine}
    for row in theirs:
        if row["id"] in found:
            add(found[row["id"]], row)
        else:
            found[row["id"]] = copy.deepcopy(row)
    return list(found.values())


def _add_judged(row: dict[str, Any], other: dict[str, Any]) -> None:
    row["judged"] = _sum(row["judged"], other["judged"])
    row["cases"] += [name for name in other["cases"] if name not in row["cases"]]


def _add_met(row: dict[str, Any], other: dict[str, Any]) -> None:
    row["met"] = _sum(row["met"], other["met"])


def _cases(mine: list[dict[str, Any]], theirs: list[dict[str, Any]],
           pair: str) -> list[dict[str, Any]]:
    """Cases of lanes, one behind the other; what is of no lane comes last, and once.

    That is what is of the contract, and that a pair does not build.
    """
    once = [case for case in (*mine, *theirs)
            if (case["suite"], case["path"]) == (pair, "")
            and case["case"] in (failures.LEDGER, BUILD)]
    found = [case for case in (*mine, *theirs) if not any(case is one for one in once)]
    seen = set()
    for case in found:
        key = case["suite"], case["case"], case["path"]
        if key in seen:
            raise EnvironmentFailed(f"two shards have {' '.join(map(ui.clean, key))} of "
                                    f"{ui.clean(pair)}")
        seen.add(key)
    return [*found, *{case["case"]: case for case in reversed(once)}.values()]


def _united(mine: Any, theirs: Any, what: str) -> Any:
    """What is of a lane: one of the two has it."""
    if mine == theirs:
        return mine
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return {name: _united(mine[name], theirs[name], f"{what}.{name}")
                if name in mine and name in theirs else (mine if name in mine else theirs)[name]
                for name in {**mine, **theirs}}
    if not mine or not theirs:
        return mine or theirs
    raise EnvironmentFailed(f"two shards have {ui.clean(what)}, and not the same")


def pair_of(mine: dict[str, Any], theirs: dict[str, Any], pair: str) -> dict[str, Any]:
    """One pair, of whose lanes some have run in each of two shards."""
    found: dict[str, Any] = {}
    for name in {**mine, **theirs}:
        if name not in mine or name not in theirs:
            found[name] = mine.get(name, theirs.get(name))
        elif name == "cases":
            found[name] = _cases(mine[name], theirs[name], pair)
        elif name == "calls":
            found[name] = _sum(mine[name], theirs[name])
        elif name == "contract":
            found[name] = _rows(mine[name], theirs[name], _add_judged)
        elif name == "accepted":
            found[name] = _rows(mine[name], theirs[name], _add_met)
        else:
            found[name] = _united(mine[name], theirs[name], f"{pair}.{name}")
    return found


def _machine(name: str, ran: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    """What figures of a lane come from; shards that lost their guest may not know its flaws."""
    told = [(index, lane) for index, lane in ran if lane["vulnerabilities"]]
    for index, lane in told:
        if any(lane[key] != told[0][1][key] for key in ("cpu", "vulnerabilities")):
            raise EnvironmentFailed(
                f"lane {name} tells costs, and shards {told[0][0]} and {index} ran on CPUs with "
                "other flaws or mitigations; run it on machines that are alike")
    return {key: (told or ran)[0][1][key] for key in ("cpu", "vulnerabilities")}


def lane_of(name: str, ran: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    """One lane, with the numbers of the shards that have it. Seconds and boots are of all."""
    accels = {index: lane["accelerator"] for index, lane in ran}
    first = ran[0][1]
    found = {**first, **_machine(name, ran),
             "seconds": round(sum(lane["seconds"] for _, lane in ran), 3),
             "boots": sum(lane["boots"] for _, lane in ran)}
    for key in ("losses", "kernel", "console"):
        found[key] = [one for _, lane in ran for one in lane[key]]
    lost = [f"shard {index}: {lane['lost']}" for index, lane in ran if lane["lost"]]
    found["lost"] = "; ".join(lost) or None
    if len(set(accels.values())) > 1:
        # The one that says less: an emulated CPU keeps more order than a real one.
        found["accelerator"] = "tcg"
        found["cpu"] = next(lane["cpu"] for _, lane in ran if lane["accelerator"] == "tcg")
        found["why"] = "; ".join(f"lane {name} ran on {accel} in shard "
                                 f"{', '.join(str(i) for i, one in accels.items() if one == accel)}"
                                 for accel in sorted(set(accels.values())))
    return found


def moved(found: Any, programs: Path) -> Any:
    """A failure whose program is in the folder of the joined results."""
    old = found["program_file"]
    if not old:
        return found
    name = Path(old).name
    if not _PROGRAM.fullmatch(name):
        raise EnvironmentFailed(f"a program has the name {ui.clean(name)!r}, which is none of "
                                "kparity's")
    new = str(programs / name)
    return {**found, "program_file": new, "replay": found["replay"].replace(
        shlex.quote(old.replace("$", "$$")), shlex.quote(new.replace("$", "$$")))}


def _verdict(found: list[dict[str, Any]], pairs: dict[str, Any]) -> str:
    verdicts = [one["verdict"] for one in found]
    if "fail" in verdicts:
        return "fail"
    judged = any(pair["cases"] for pair in pairs.values())
    return "pass" if judged and "error" not in verdicts else "error"


def document(parts: list[Part], programs: Path) -> dict[str, Any]:
    """The results of all shards of an arch and variant; `programs` is the folder for programs."""
    parts = sorted(parts, key=lambda part: part.index)
    every = [part.document for part in parts]
    # A part that had nothing to run knows neither kernel nor tools.
    first = next((one for one in every if one["kernel"]), every[0])
    pairs: dict[str, Any] = {}
    for one in every:
        for name, pair in one["pairs"].items():
            pairs[name] = pair_of(pairs[name], pair, name) if name in pairs else \
                copy.deepcopy(pair)
    for pair in pairs.values():
        for case in pair["cases"]:
            case["failures"] = [moved(one, programs) for one in case["failures"]]
    lanes: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for part in parts:
        for name, lane in part.document["lanes"].items():
            lanes.setdefault(name, []).append((part.index, lane))
    order = first["shard"]["request"]["PAIR"].split()
    unbuilt = [f"shard {part.index}: {part.document['why']}" for part in parts
               if part.document["why"] and part.document["verdict"] != "pass"]
    shard = first["shard"]
    return {**results.empty(first["arch"], first["variant"], first["seed"], first["replay"],
                            _verdict(every, pairs), "; ".join(unbuilt) or None,
                            tuple(first["only"])),
            "kernel": first["kernel"], "tools": first["tools"],
            "failures": [one for found in every for one in found["failures"]],
            "lanes": {name: lane_of(name, lanes[name])
                      for name in sorted(lanes, key=_rank)},
            "pairs": {name: pairs[name] for name in sorted(pairs, key=lambda pair: (
                order.index(pair) if pair in order else len(order), pair))},
            "merged": {"of": shard["of"], **{name: shard[name] for name in
                                             ("tree", "times", "request", "kernel")}}}


def _rank(lane: str) -> int:
    names = list(LANES)
    return names.index(lane) if lane in names else len(names)


def verdicts(found: dict[str, Any]) -> list[ktap.Verdict]:
    """All verdicts of a results.json."""
    return [ktap.Verdict(case["suite"], case["case"], case["path"], case["status"],
                         tuple(case["log"]))
            for pair in found["pairs"].values() for case in pair["cases"]]


def times(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Seconds of each lane of each pair, in the form of TIMES=: what its cases took by the guest's
    clock, and where that counts instructions, what an emulated guest needs for these."""
    rows: dict[str, dict[str, float]] = {}
    for name, lane in found["lanes"].items():
        if name not in LANES:
            continue
        own = LANES[name].on(lane["accelerator"], "")
        factor = 1e9 / RATE if own.counts else 1.0
        for pair, one in found["pairs"].items():
            suites = {own.suite(pair), own.user_suite(pair)}
            seconds = sum(case["seconds"] or 0.0 for case in one["cases"]
                          if case["suite"] in suites)
            if seconds:
                key = f"{found['arch']} {found['variant']} {name}"
                rows.setdefault(key, {})[pair] = round(factor * seconds, 3)
    return rows


def junit(texts: Iterable[str]) -> str:
    """One JUnit document of several: testsuites of a name are one, and count together.

    Nothing is parsed by the kernel's tools, which a machine that only joins need not have.
    """
    root: ET.Element | None = None
    for text in texts:
        # No document type: entities would be expanded.
        if "<!DOCTYPE" in text:
            raise EnvironmentFailed("junit.xml has a document type, which kparity writes none of")
        try:
            one = ET.fromstring(text)
        except ET.ParseError as err:
            raise EnvironmentFailed(f"junit.xml is damaged: {err}") from err
        if root is None:
            root = one
        else:
            _join(root, one)
    if root is None:
        return ""
    _count(root)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _join(mine: ET.Element, theirs: ET.Element) -> None:
    known = {(child.tag, child.get("name")): child for child in mine}
    for child in theirs:
        same = known.get((child.tag, child.get("name")))
        if same is None:
            mine.append(child)
        elif child.tag == "testsuite":
            _join(same, child)


def _count(node: ET.Element) -> tuple[int, int, int, int, float]:
    """Count a testsuite's results anew: all, failures, skipped, errors, and their seconds."""
    total = [0, 0, 0, 0]
    seconds = 0.0
    for child in node:
        if child.tag == "testsuite":
            *counts, time = _count(child)
            total = [a + b for a, b in zip(total, counts)]
            seconds += time
        elif child.tag == "testcase":
            total = [a + b for a, b in zip(total, (1, *(
                int(child.find(tag) is not None) for tag in ("failure", "skipped", "error"))))]
            seconds += float(child.get("time") or 0)
    # The time of a suite whose results have none is its own.
    seconds = seconds or float(node.get("time") or 0)
    for name, value in zip(("tests", "failures", "skipped", "errors"), total):
        node.set(name, str(value))
    node.set("time", f"{seconds:.6f}")
    return total[0], total[1], total[2], total[3], seconds
