# SPDX-License-Identifier: GPL-2.0
"""The tests in tests/unit and tests/live as jobs: a class each, or a part of one.

Methods of a class that say with needs() what they need or cost are a job of their
own, with the class's set-up; all others of the class share one.
"""

from __future__ import annotations

import time
import traceback
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, TypeVar

from kplib.configure.request import TOP
from kplib.selftest.jobs import FAILED, PASSED, SKIPPED, Outcome, Report

_T = TypeVar("_T")


@dataclass(frozen=True)
class Needs:
    """The kernels that tests boot, as "arch variant", and what they cost.

    `cores` is the number of cores that they keep busy, `seconds` their usual duration.
    """

    kernels: tuple[str, ...] = ()
    cores: float = 1.0
    seconds: float = 60.0


def needs(*kernels: str, cores: float = 1.0, seconds: float = 60.0) -> Callable[[_T], _T]:
    """Say of a class or a method of tests what it needs; such methods run as a job together."""
    def mark(what: _T) -> _T:
        setattr(what, "job_needs", Needs(kernels, cores, seconds))
        return what
    return mark


@dataclass(frozen=True)
class Group:
    """Tests of one class that run in one process."""

    name: str
    needs: Needs
    tests: tuple[unittest.TestCase, ...]


def _all(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _all(test)
        else:
            yield test


def discover(folder: Path, usual: Needs, top: Path = TOP) -> list[Group]:
    """The tests below a folder, in groups; `usual` is for those without needs of their own."""
    found: dict[tuple[str, Needs], list[unittest.TestCase]] = {}
    loader = unittest.TestLoader()
    for test in _all(loader.discover(str(folder), top_level_dir=str(top))):
        kind = type(test)
        name = f"{kind.__module__.rpartition('.')[2]}.{kind.__qualname__}"
        if kind.__module__.startswith("unittest."):  # a module that cannot be imported
            name = test.id()
        method = getattr(test, test.id().rpartition(".")[2], None)
        mine: Needs = getattr(method, "job_needs", getattr(kind, "job_needs", usual))
        found.setdefault((name, mine), []).append(test)
    names = [name for name, _ in found]
    groups = []
    for (name, mine), tests in found.items():
        if names.count(name) > 1:
            # The ones without needs of their own keep the class's name.
            own = [getattr(test, test.id().rpartition(".")[2], None) for test in tests]
            if all(hasattr(method, "job_needs") for method in own):
                name += f".{'+'.join(test.id().rpartition('.')[2] for test in tests)}"
        groups.append(Group(name, mine, tuple(tests)))
    return groups


def _text(err: Any) -> str:
    return "".join(traceback.format_exception(*err))


class _Result(unittest.TestResult):
    """Outcomes of tests, with what went wrong in all of a test's parts."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, Outcome] = {}
        self._wrong: dict[str, list[str]] = {}
        self._skipped: dict[str, str] = {}
        self._start = 0.0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._start = time.monotonic()

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        name = test.id()
        wrong = self._wrong.get(name, [])
        status = FAILED if wrong else SKIPPED if name in self._skipped else PASSED
        self.outcomes[name] = Outcome(name, status, "\n".join(wrong) or self._skipped.get(name, ""),
                                      time.monotonic() - self._start)

    def _is_wrong(self, test: Any, why: str) -> None:
        name = test.id()
        self._wrong.setdefault(name, []).append(why.strip())
        if not isinstance(test, unittest.TestCase):  # setUpClass() or the like
            self.outcomes[name] = Outcome(name, FAILED, "\n".join(self._wrong[name]))

    def addError(self, test: Any, err: Any) -> None:
        self._is_wrong(test, _text(err))

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._is_wrong(test, _text(err))

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            self._is_wrong(test, f"{subtest}\n{_text(err)}")

    def addSkip(self, test: Any, reason: str) -> None:
        self._skipped[test.id()] = reason
        if not isinstance(test, unittest.TestCase):
            self._skipped[""] = reason

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._is_wrong(test, "passes, but is marked as an expected failure")

    def why_not_run(self) -> Outcome:
        """The outcome of a test that did not run, but for its name."""
        if "" in self._skipped:
            return Outcome("", SKIPPED, self._skipped[""])
        return Outcome("", FAILED, "not run: its class's set-up failed")


def run(tests: tuple[unittest.TestCase, ...]) -> Report:
    """Run tests of one class; each of them has exactly one outcome, whatever happens."""
    result = _Result()
    unittest.TestSuite(tests).run(result)
    outcomes = [result.outcomes.pop(test.id(), None) for test in tests]
    lost = result.why_not_run()
    every = [found or Outcome(test.id(), lost.status, lost.why)
             for test, found in zip(tests, outcomes)]
    return Report((*every, *result.outcomes.values()))
