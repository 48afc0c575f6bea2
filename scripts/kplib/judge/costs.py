# SPDX-License-Identifier: GPL-2.0
"""What was found out of operations over their budgets, from one set of results to another."""

from __future__ import annotations

from kplib.judge import budgets
from kplib.judge.results import ArchResult


def take_over(early: ArchResult, result: ArchResult) -> None:
    """Have results tell of case cost what those before the late lanes did: a guest looked once."""
    for pair, mine in result.pairs.items():
        told = {(v.suite, v.path): v for v in early.pairs[pair].verdicts if v.case == budgets.CASE}
        mine.costly = early.pairs[pair].costly
        mine.verdicts[:] = [told.get((v.suite, v.path), v) if v.case == budgets.CASE else v
                            for v in mine.verdicts]
