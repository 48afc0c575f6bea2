# SPDX-License-Identifier: GPL-2.0
"""The ledger: every invariant, the code that keeps it, and the evidence.

A row is complete when its statement, C's and Rust's way of keeping it and its
evidence are all there: a compile-fail test where Rust encodes it as `type`,
and cases that put it to the test on each path.
"""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kplib.build import modules
from kplib.configure.lanes import PATHS
from kplib.configure.pairs import Pair, files, short
from kplib.contract import model
from kplib.judge import compile_fail, ktap, records, results, tables


@dataclass(frozen=True)
class Row:
    """One invariant."""

    pair: str
    promise: records.Promise
    encodings: tuple[records.Encoding, ...]
    misuse: tuple[str, ...]
    judged: dict[str, int]
    cases: tuple[str, ...]

    def gaps(self) -> list[str]:
        """Missing cells of the row, in words."""
        found = []
        if self.promise.category not in model.CATEGORIES:
            found.append(f"category {self.promise.category} is unknown")
        if not self.promise.text:
            found.append("no statement")
        if not self.promise.keeps:
            found.append("not said how C keeps it")
        if not self.encodings:
            found.append("not said how Rust encodes it")
        for encoding in self.encodings:
            if encoding.how not in records.HOWS:
                found.append(f"{encoding.where}: '{encoding.how}' is no way to encode")
            if not encoding.text:
                found.append(f"{encoding.where}: no text")
        if any(e.how == "type" for e in self.encodings) and not self.misuse:
            found.append("encoded as type, but no compile-fail test proves it")
        found += [f"never judged on {path}" for path in PATHS if not self.judged.get(path)]
        if not self.cases:
            found.append("no case judged it")
        return found


@dataclass(frozen=True)
class Accepted:
    """A difference that a contract accepts, and how often it was met on each path."""

    difference: records.Accepted
    met: dict[str, int]


@dataclass(frozen=True)
class Dangling:
    """Something that names an invariant which its pair's contract does not have."""

    pair: str
    text: str


@dataclass(frozen=True)
class Ledger:
    """All rows, and the references that lead to none."""

    rows: tuple[Row, ...]
    dangling: tuple[Dangling, ...]
    operations: dict[str, tuple[records.Operation, ...]]
    accepted: dict[str, tuple[Accepted, ...]] = field(default_factory=dict)

    def gaps(self) -> list[str]:
        """Everything that keeps the ledger from being complete."""
        return [f"{row.pair}.{row.promise.id}: {gap}" for row in self.rows
                for gap in row.gaps()] + [f"{d.pair}: {d.text}" for d in self.dangling]

    def verdicts(self) -> list[tuple[str, ktap.Verdict]]:
        """Failures of pairs that no test can pass, for whatever ran: rows that do not exist."""
        found: dict[str, list[str]] = {}
        for reference in self.dangling:
            found.setdefault(reference.pair, []).append(reference.text)
        return [(pair, ktap.Verdict(pair, "contract", "", ktap.FAIL, tuple(texts)))
                for pair, texts in found.items()]

    def to_json(self, pair: str) -> list[dict[str, Any]]:
        """A pair's rows for results.json."""
        return [{
            "id": row.promise.id, "category": row.promise.category,
            "statement": row.promise.text, "c": row.promise.keeps,
            "when": row.promise.when, "then": row.promise.then,
            "rust": [asdict(e) for e in row.encodings],
            "compile_fail": list(row.misuse),
            "judged": row.judged, "cases": list(row.cases),
        } for row in self.rows if row.pair == pair]

    def accepted_to_json(self, pair: str) -> list[dict[str, Any]]:
        """The differences that a pair's contract accepts, for results.json."""
        return [{**asdict(one.difference), "met": one.met} for one in self.accepted.get(pair, ())]


def _lost(contract: records.Contract, pair: Pair, where: str, verb: str, ident: str) -> str:
    """One line on a name that is no invariant of a contract."""
    known = [promise.id for promise in contract.promises]
    near = difflib.get_close_matches(ident, known, 1)
    return (f"{where} {verb} '{ident}', which is no invariant of {short(pair.contract)}"
            + (f"; is {near[0]} meant?" if near else
               f"; there are {', '.join(known)}" if known else ""))


def build(built: modules.Modules, found: dict[str, results.PairResult],
          folder: Path | None = None) -> Ledger:
    """Put together the modules' records, the tests that exist, and the cases that ran.

    `folder` is PAIRS_DIR.
    """
    rows, dangling = [], []
    operations, accepted = {}, {}
    for pair, path in built.pairs.items():
        contract = records.read(path)
        source = files(pair, folder)
        tests = compile_fail.find(source)
        ran = found[pair].invariants if pair in found else []
        judged = {i.id: i for i in ran if i.category != tables.ACCEPTED}
        counts = {i.id: i.judged for i in ran if i.category == tables.ACCEPTED}
        known = {promise.id for promise in contract.promises}
        operations[pair] = contract.operations
        accepted[pair] = tuple(
            Accepted(one, counts.get(one.id, {})) for one in contract.accepted)
        for promise in contract.promises:
            shown = judged.get(promise.id)
            rows.append(Row(
                pair, promise,
                tuple(e for e in contract.encodings if e.id == promise.id),
                tuple(t.name for t in tests if promise.id in t.invariants),
                shown.judged if shown else {}, tuple(shown.cases) if shown else ()))
        if not contract.promises and contract.kind != "function":
            dangling.append(Dangling(pair, f"{short(source.contract)} has no invariants"))
            continue
        dangling += [Dangling(pair, _lost(contract, source, e.where, "encodes", e.id))
                     for e in contract.encodings if e.id not in known]
        dangling += [Dangling(pair, _lost(contract, source, short(t.path), "is about", i))
                     for t in tests for i in t.invariants if i not in known]
    return Ledger(tuple(rows), tuple(dangling), operations, accepted)


def _row(row: Row) -> list[str]:
    """An invariant on a terminal."""
    counts = ", ".join(f"{p} {row.judged.get(p, 0)}" for p in PATHS)
    lines = ["", f"  {row.promise.id} ({row.promise.category}): {row.promise.text}",
             f"    c     {row.promise.keeps}"]
    if row.promise.then:
        lines.append(f"          when {row.promise.when}: {row.promise.then}")
    lines += [f"    rust  {e.how}: {e.text} ({e.where})" for e in row.encodings]
    if row.misuse:
        lines.append(f"    does not compile: {', '.join(row.misuse)}")
    lines.append(f"    judged in {', '.join(row.cases) or 'no case'}: {counts}")
    return lines


def show(ledger: Ledger) -> str:
    """The ledger on a terminal."""
    lines = []
    for pair, operations in ledger.operations.items():
        lines += ["", pair]
        for op in operations:
            lines.append(f"  {op.name}: context {op.context}; locks: {op.locks}; errnos: "
                         f"{', '.join(op.errnos) or 'none'}; {op.owns}; on error {op.on_error}")
        for one in ledger.accepted.get(pair, ()):
            lines += ["", f"  accepted difference {one.difference.id} of "
                      f"{one.difference.operation}: {one.difference.reason} "
                      f"({one.difference.link})",
                      f"    in its {one.difference.differs_in}, when {one.difference.when}",
                      f"    met: {tables.met(one.met)}"]
        for row in ledger.rows:
            if row.pair == pair:
                lines += _row(row)
    totals = {c: sum(r.promise.category == c for r in ledger.rows) for c in model.CATEGORIES}
    lines += ["", f"{len(ledger.rows)} invariants: "
              + ", ".join(f"{n} {c}" for c, n in totals.items())]
    return "\n".join(lines)
