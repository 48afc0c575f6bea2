# SPDX-License-Identifier: GPL-2.0
"""What failed, one by one, from the contents of results.json: for pages that a CI shows.

Paths on which a case failed in the same way are one failure here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Iterator

from kplib.configure.lanes import user_kind
from kplib.configure.request import TOP, pair_word
from kplib.judge import ktap


#: A program of a run with the usual OUT, in the checkout of any machine.
_PROGRAMS = re.compile(r"(?<![\w.-])/[^\s']*/(out/programs/[\w.-]+)")


@dataclass(frozen=True)
class Told:
    """One failure.

    `pair` and `path` are empty where it is of none. `again` is the command that shows it
    again, with paths as seen from the checkout. `log` has what was said of the case.
    """

    name: str
    status: str
    pair: str
    case: str
    paths: tuple[str, ...]
    message: str
    again: str
    fields: dict[str, Any]
    log: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """One line that names it."""
        words = [self.name + ":", self.pair, self.case, ", ".join(filter(None, self.paths))]
        return " ".join(filter(None, words))

    @property
    def program(self) -> tuple[str, ...]:
        """The smallest program that shows it, if there is one."""
        return tuple(self.fields.get("program") or ())

    @property
    def heading(self) -> str:
        """What the program is: one that is not made from the seed alone is not made smaller."""
        return "The program" if self.fields.get("source") else "The smallest program found"


def name_of(document: dict[str, Any]) -> str:
    """Arch and variant."""
    return f"{document['arch']} {document['variant']}"


def counts(document: dict[str, Any]) -> dict[str, int]:
    """How many results there are of each status."""
    found = [case["status"] for pair in document["pairs"].values() for case in pair["cases"]]
    return {status: found.count(status)
            for status in (ktap.PASS, ktap.FAIL, ktap.ERROR, ktap.SKIP)}


def relative(text: str) -> str:
    """Text with paths as seen from the checkout, wherever that is.

    Programs of results that another machine has left are where they are here: in `out`.
    """
    return _PROGRAMS.sub(r"\1", text.replace(f"{TOP}/", ""))


def case_name(pair: str, case: dict[str, Any]) -> str:
    """A case, with its suite where that is a program of the pair's."""
    own = case["case"] or (f"suite {case['suite']}" if case["suite"] != pair else "suite")
    return f"{case['suite']} {own}" if user_kind(pair, case["suite"]) else own


def _of_case(document: dict[str, Any], pair: str, case: dict[str, Any]) -> Iterator[Told]:
    others = [other for one in (document["kernel"] or {}).get("added", {}).values()
              for other in one["pairs"]]
    whole = f"make run {pair_word(pair, others)} {document['replay']}"
    for fields in case["failures"] or [{}]:
        yield Told(name_of(document), case["status"], pair, case_name(pair, case),
                   (case["path"],),
                   relative(fields.get("message") or next(iter(case["log"]), "it failed")),
                   relative(fields.get("replay") or whole), fields, tuple(case["log"]))


def _key(one: Told) -> tuple[Any, ...]:
    """Failures with the same key are one: they differ in the path alone."""
    program = one.program
    return (one.name, one.status, one.pair, one.case,
            *(one.fields.get(name) for name in ("what", "operation", "step")), program,
            one.message.replace(one.paths[0], "") if one.paths[0] else one.message,
            () if program else one.log)


def _of_cases(document: dict[str, Any]) -> list[Told]:
    same: dict[tuple[Any, ...], Told] = {}
    for pair, found in document["pairs"].items():
        for case in found["cases"]:
            if case["status"] not in (ktap.FAIL, ktap.ERROR):
                continue
            for one in _of_case(document, pair, case):
                before = same.setdefault(_key(one), one)
                if one.paths[0] not in before.paths:
                    same[_key(one)] = replace(before, paths=(*before.paths, *one.paths))
    return list(same.values())


def _of_lanes(document: dict[str, Any]) -> Iterator[Told]:
    again = relative(f"make run {document['replay']}")
    for lane, found in document["lanes"].items():
        for loss in found["losses"]:
            if not loss["told"]:
                yield Told(name_of(document), ktap.ERROR, "", f"lane {lane}", (), loss["what"],
                           again, {}, tuple(loss["notes"]))
        if found["lost"]:
            yield Told(name_of(document), ktap.ERROR, "", f"lane {lane}", (), found["lost"],
                       again, {}, tuple(found["console"]))


def failures(document: dict[str, Any]) -> list[Told]:
    """All that failed in one results.json; never empty where its verdict is no pass."""
    name = name_of(document)
    found = [Told(name, ktap.FAIL, ", ".join(one["pairs"]), one["stage"], (),
                  relative(one["message"]), relative(one["replay"]), one, tuple(one["output"]))
             for one in document["failures"]]
    found += [*_of_cases(document), *_of_lanes(document)]
    if not found and document["verdict"] != "pass":
        found.append(Told(name, document["verdict"], "", "", (),
                          document["why"] or "no case tells what went wrong",
                          relative(f"make run {document['replay'] or _words(document)}"), {}))
    return found


def _words(document: dict[str, Any]) -> str:
    return f"ARCH={document['arch']} VARIANT={document['variant']}"


def skips(document: dict[str, Any]) -> dict[tuple[str, str, str], list[str]]:
    """Paths of cases that were skipped, by pair, case and reason."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for pair, one in document["pairs"].items():
        for case in one["cases"]:
            if case["status"] == ktap.SKIP:
                found.setdefault((pair, case_name(pair, case), " ".join(case["log"])),
                                 []).append(case["path"])
    return found
