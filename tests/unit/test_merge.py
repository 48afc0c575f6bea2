# SPDX-License-Identifier: GPL-2.0
"""make merge: shards whose lanes are played, joined to what one run gives; and what is refused."""

import contextlib
import copy
import io
import json
import os
import re
import shutil
import tempfile
import unittest
import xml.etree.ElementTree as ET
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Callable
from unittest import mock

from kplib import matrix, verbs
from kplib.boot import accel, lanes
from kplib.boot.laneresult import Answers, CaseId, LaneResult, Loss
from kplib.build import kernel, modules
from kplib.build.modules import Modules
from kplib.common.errors import BROKEN, FAILED, OK, EnvironmentFailed, Failed, KparityError
from kplib.configure import identity, request
from kplib.configure.lanes import LANES, PATHS
from kplib.judge import compile_fail, ktap, records, sizes
from kplib.mutate import candidate, score
from kplib.mutate.record import ERROR, KILLED, SURVIVED, Record
from kplib.report import files
from kplib.selftest import schema
from kplib.shard import join, merge, scores
from kplib.soak import journal
from kplib.soak.kinds import Found
from kplib.soak.work import Item, Target

CONTRACT = "invariant=full\x1ferrors\x1fa\x1fb\x1f\x1f\x1fring\0"
FIGURES = {
    "check": "full\terrors\t1\t2\t3\t4\tlockstep\n",
    "insn": "".join(f"{path} {op} {cost} 5\n" for op, cost in (
        ("noop", 10), ("push", 30), ("create", 50), ("destroy", 40)) for path in PATHS),
    "history": "".join(f"{path} 9 9 8 7 0 0 2 150\n" for path in PATHS),
    "irq": "".join(f"{path} 9 9 0 3 3 2 2 0 1 1 0 1 1\n" for path in PATHS),
}
#: Further tables: push costs as much at each size, and takes 64 bytes of stack.
MORE = {"growth": "".join(f"{path} push 0 - 5 {5 * size} 30 150\n" for path in PATHS
                          for size in (0, 1, 8)),
        "depth": "".join(f"{path} {op} {bytes_} 8\n" for op, bytes_ in (("noop", 32), ("push", 64))
                         for path in PATHS),
        "alone": "",
        "first": "".join(f"{path} push 90 1\n" for path in PATHS),
        "masked": "".join(f"{path} push 7 1\n" for path in PATHS)}
CASES = {"check": ("lockstep", "atomic"), "insn": ("insn",), "history": ("history",),
         "irq": ("interrupt",)}
WORDS = ("ARCH=x86_64", "PAIR=ring tlv glob")


def junit(_tree: Any, text: str, package: str, seconds: Any) -> str:
    """JUnit as the kernel's writer makes it, with as much of KTAP as render() writes."""
    del seconds
    root = ET.Element("testsuite", name=package)
    nodes = {0: root}
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 4
        if found := re.match(r" *# Subtest: (.*)", line):
            nodes[depth] = ET.SubElement(nodes[depth - 1], "testsuite", name=found[1])
        elif found := re.match(r" *(not )?ok \d+ ([^#]*)$", line):
            known = [node.get("name") for node in nodes[depth]]
            # The line of a suite or a case comes behind all that is in it.
            if depth == 2 or depth == 1 and found[2] not in known:
                case = ET.SubElement(nodes[depth], "testcase", name=found[2], time="0.5")
                if found[1]:
                    ET.SubElement(case, "failure").text = "Test Failed"
    for node in root.iter("testsuite"):
        cases = list(node.iter("testcase"))
        node.set("tests", str(len(cases)))
        node.set("failures", str(len(list(node.iter("failure")))))
        node.set("skipped", "0")
        node.set("errors", "0")
        node.set("time", f"{0.5 * len(cases):.6f}")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def plain(found: dict[str, Any]) -> dict[str, Any]:
    """A results.json without what tells a whole run from shards: times, and which shard."""
    text = json.loads(json.dumps(found))
    for lane in text["lanes"].values():
        del lane["seconds"], lane["boots"]
    return {**text, "shard": None, "merged": None}


class Played(unittest.TestCase):
    """Runs whose kernels, modules and guests are none."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        #: Suite, case and path of what fails; lanes of pairs that lose a guest; pairs that do
        #: not build.
        self.bad: set[tuple[str, str, str]] = set()
        self.lost: set[tuple[str, str]] = set()
        self.unbuilt: set[str] = set()
        self.contract = CONTRACT
        self.ident = "k1"
        self.tools = {"clang": "19.1.7", "qemu": "10.0"}
        self.accel = "tcg"
        self.ran: list[tuple[str, str, str, str]] = []
        for target, name, value in (
                (kernel, "get", self._kernel), (modules, "build", self._build),
                (lanes, "run", self._lane), (lanes, "start", self._start),
                (accel, "choose", lambda _, lane: lane.on(self.accel, "a test")),
                (ktap, "verdicts", self._verdicts), (ktap, "junit", junit),
                (sizes, "read", lambda _tools, _ko, _pair, ops: sizes.Sizes(
                    dict.fromkeys(PATHS, 40), {op: dict.fromkeys(PATHS, 40) for op in ops})),
                (ktap, "load", lambda _: None), (compile_fail, "find", lambda _: []),
                (records, "read", lambda _: records.parse(self.contract.encode())),
                (matrix, "choose_tools", lambda _: mock.Mock(versions=dict(self.tools))),
                (identity, "content", lambda *_: "tree"), (identity, "commit", lambda *_: "c0ffee"),
        ):
            patch: Any = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def _kernel(self, _req: Any, _tools: Any, arch: Any, variant: Any) -> mock.Mock:
        found = mock.Mock(arch=arch, variant=variant, release="7.3.4", config={}, added=(),
                          tree=Path("x"), ident=self.ident)
        found.name = f"{arch.name} {variant.name}"
        return found

    def _build(self, setup: Any) -> Modules:
        if wrong := self.unbuilt.intersection(setup.request.pairs):
            raise Failed(f"the modules do not build: {', '.join(sorted(wrong))}")
        return Modules(Path("x"), {pair: Path(pair) for pair in setup.request.pairs}, {})

    @staticmethod
    def _start(work: Callable[[], LaneResult], _name: str) -> Future[LaneResult]:
        future: Future[LaneResult] = Future()
        future.set_result(work())
        return future

    def _lane(self, setup: Any, lane: Any, _built: Any, folder: Path, *_: Any) -> LaneResult:
        result = LaneResult(lane)
        result.booted()
        result.took(1.5)
        lines, now = [], 1.0
        for pair in setup.request.pairs:
            self.ran.append((setup.kernel.arch.name, setup.kernel.variant.name, pair, lane.name))
            if (pair, lane.name) in self.lost:
                result.give_up(pair, "given up after it lost 12 guests")
                result.lose(Loss(CaseId(), f"{pair} has lost a guest"))
                continue
            result.take(pair, Answers("said by " + lane.suite(pair), FIGURES[lane.name], {},
                                      calls="".join(f"{path} 100\n" for path in PATHS),
                                      more={name: MORE[name] for name in lane.more}))
            for case in CASES[lane.name]:
                for number, path in enumerate(PATHS, 1):
                    lines.append(f"[{now:12.6f}] kparity[ab]: at {pair} {case} {path} {number}")
                    now += 0.25
            lines.append(f"[{now:12.6f}] kparity[ab]: at {pair} - - 9")
            setup.progress()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{lane.name}.console").write_text("\n".join(lines) + "\n")
        return result

    def _verdicts(self, _tree: Any, suites: list[str], _text: str) -> tuple[ktap.Verdict, ...]:
        suite, = suites
        pair, _, suffix = suite.partition("_")
        lane = next(lane for lane in LANES.values() if lane.suite(pair) == suite)
        del suffix
        return tuple(ktap.Verdict(
            suite, case, path, ktap.FAIL if (suite, case, path) in self.bad else ktap.PASS,
            ("EXPECTATION FAILED at x.c:3", "it differs") if (suite, case, path) in self.bad
            else ()) for case in CASES[lane.name] for path in PATHS)

    def say(self, verb: str, *words: str) -> tuple[int, str, str]:
        """Carry a verb out: its status, and what it says."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = verbs.carry_out(verb, request.parse(list(words), {
                    "KPARITY_CACHE": str(self.folder / "cache")}))
            except KparityError as wrong:
                status = wrong.status
                err.write(f"{wrong}\n")
        return status, out.getvalue(), err.getvalue()

    def shard(self, index: int, of: int, *words: str, name: str = "") -> int:
        """Run one shard, in a folder of its number; its exit status."""
        return self.say("run", *(words or WORDS), f"SHARD={index}/{of}",
                        f"OUT={self.folder / (name or str(index))}")[0]

    def shards(self, of: int = 3, *words: str) -> list[int]:
        """Run all shards; their statuses."""
        return [self.shard(index, of, *words) for index in range(1, of + 1)]

    def whole(self, *words: str) -> int:
        """One run of all, in a folder of its own."""
        return self.say("run", *(words or WORDS), f"OUT={self.folder}/whole")[0]

    def merged(self, *names: str, more: tuple[str, ...] = ()) -> tuple[int, str, str]:
        """Join folders."""
        dirs = " ".join(str(self.folder / name) for name in names or ("1", "2", "3"))
        return self.say("merge", f"DIRS={dirs}", f"OUT={self.folder}/all", *more)

    def found(self, name: str, arch: str = "x86_64", variant: str = "base") -> dict[str, Any]:
        """A results.json."""
        found: dict[str, Any] = json.loads(
            (self.folder / name / arch / variant / "results.json").read_text())
        return found

    def refused(self, line: str, *names: str, status: int = BROKEN,
                more: tuple[str, ...] = ()) -> None:
        """A merge says in one line what is wrong, and leaves no results."""
        got, said, wrong = self.merged(*names, more=more)
        self.assertEqual((got, said), (status, ""), wrong)
        self.assertRegex(wrong, line)
        self.assertEqual(len(wrong.splitlines()), 1, wrong)
        self.assertFalse(list(self.folder.glob("all/*/*/results.json")))


class TestSame(Played):
    """Three shards, and one run"""

    def same(self, statuses: list[int], *words: str) -> None:
        """Shards joined are what one run gives: status, results.json, KTAP, JUnit, logs."""
        one = self.whole(*words)
        whole = list(self.ran)
        self.ran.clear()
        self.assertEqual(self.shards(len(statuses), *words), statuses)
        self.assertEqual(sorted(self.ran), sorted(whole), "each lane of each pair ran once")
        got, _, wrong = self.merged(*map(str, range(1, len(statuses) + 1)))
        self.assertEqual(got, one, wrong)
        places = sorted(path.parent.relative_to(self.folder / "whole")
                        for path in self.folder.glob("whole/*/*/results.json"))
        self.assertEqual(places, sorted(path.parent.relative_to(self.folder / "all")
                                        for path in self.folder.glob("all/*/*/results.json")))
        for place in places:
            mine, theirs = self.folder / "all" / place, self.folder / "whole" / place
            joined = json.loads((mine / "results.json").read_text())
            self.assertEqual(list(schema.unlike(joined)), [])
            self.assertEqual(plain(joined), plain(json.loads(
                (theirs / "results.json").read_text())))
            # Order is part of a report.
            self.assertEqual(list(joined["pairs"]), list(self.found(
                "whole", *place.parts)["pairs"]))
            for name in ("results.ktap", "junit.xml"):
                self.assertEqual((mine / name).read_text(), (theirs / name).read_text(), name)
            self.assertEqual(sorted(path.name for path in mine.glob("logs/*")),
                             sorted(path.name for path in theirs.glob("logs/*")))
            self.assertTrue(list(mine.glob("check.shard-*.console")))
            self.assertIn(f"{place.parts[0]} {place.parts[1]}",
                          (self.folder / "all" / files.PAGE).read_text())

    def test_pass(self) -> None:
        """All passes, in two and in many shards; some of the many have nothing to run."""
        self.same([OK] * 3)
        self.assertEqual(len(self.ran), 12)
        self.assertEqual(self.found("all")["merged"]["of"], 3)
        for index in (1, 2, 3):
            found = self.found(str(index))
            self.assertEqual((found["shard"]["index"], found["shard"]["kernel"]), (index, "k1"))
            self.assertEqual(list(schema.unlike(found)), [])

    def test_uneven(self) -> None:
        """Shards with some lanes of one pair and some of the next: each runs what is its own."""
        self.same([OK] * 5)
        several = [self.found(str(index))["shard"]["parts"] for index in range(1, 6)]
        self.assertTrue(any(len({tuple(names) for names in one.values()}) > 1 for one in several),
                        several)

    def test_more_than_there_is(self) -> None:
        """A shard without anything to run passes, and merge knows that it is not lost."""
        self.same([OK] * 14)
        found = self.found("14")
        self.assertEqual((found["verdict"], found["why"], found["pairs"], found["kernel"]),
                         ("pass", "shard 14 of 14 has nothing to run here", {}, None))
        self.assertEqual(list(schema.unlike(found)), [])
        self.assertFalse((self.folder / "14/x86_64/base/run.json").exists())
        status, said, _ = self.say("run", *WORDS, "SHARD=14/14", f"OUT={self.folder}/14")
        self.assertEqual((status, said.strip()),
                         (OK, "shard 14 of 14: nothing to run on x86_64 base"))
        status, said, _ = self.say("report", f"OUT={self.folder}/14")
        self.assertEqual((status, said.strip()),
                         (OK, "x86_64 base: PASS, shard 14 of 14 has nothing to run here"))
        status, said, _ = self.say("run", *WORDS, "SHARD=14/14", f"OUT={self.folder}/14",
                                   "FORMAT=json")
        self.assertEqual((status, json.loads(said)["x86_64-base"]["verdict"]), (OK, "pass"))
        self.assertEqual(self.say("report", "FORMAT=markdown", f"OUT={self.folder}/14")[0], OK)

    def test_matrix(self) -> None:
        """Arches and variants as well: a shard has some of them, and all are told of."""
        self.same([OK] * 3, "ARCH=all", "VARIANT=all", "PAIR=ring tlv", "DEPTH=quick")
        self.assertEqual(len({cell[:2] for cell in self.ran}), 8)
        self.assertEqual(json.loads((self.folder / "all/last-run.json").read_text())["cells"][-1],
                         ["arm64", "kcsan"])

    def test_fails(self) -> None:
        """A case that fails, on a path, in one shard."""
        self.bad = {("tlv", "atomic", "c->rust"), ("tlv_irq", "interrupt", "rust->rust")}
        self.same([OK, FAILED, OK])
        status, said, _ = self.say("report", f"OUT={self.folder}/all")
        self.assertEqual(status, OK)
        self.assertIn("FAIL tlv atomic c->rust", said)
        self.assertIn("again: make run PAIR=tlv ARCH=x86_64 SEED=1\n", said)
        count = sum(len(pair["cases"]) for pair in self.found("whole")["pairs"].values())
        self.assertIn(f"x86_64 base: FAIL, {count - 2} of {count} results passed; "
                      "3 shards together", said)
        for words in ("FORMAT=markdown", "FORMAT=github"):
            self.assertIn("tlv", self.say("report", words, f"OUT={self.folder}/all")[1])

    def test_ledger(self) -> None:
        """What is wrong with a contract is told once, though several shards have found it."""
        self.contract += "rust=ful\x1fchecked\x1fc\x1frust-stub/ring.rs:7\0"
        self.same([FAILED] * 5)

    def test_lost(self) -> None:
        """A guest that was lost in one shard is an error of all."""
        self.lost = {("ring", "check")}
        self.same([BROKEN, OK, OK])

    def test_one(self) -> None:
        """One shard of one is a whole run."""
        self.same([OK])

    def test_split_pair(self) -> None:
        """The lanes of one pair, each in a shard of its own."""
        self.same([OK] * 4, "ARCH=x86_64", "PAIR=ring")
        self.assertEqual([self.found(str(index))["shard"]["parts"] for index in (1, 2, 3, 4)],
                         [{"ring": [lane]} for lane in ("check", "insn", "history", "irq")])
        found = self.found("all")["pairs"]["ring"]
        self.assertEqual(found["calls"], {path: 400 for path in PATHS})
        self.assertEqual(found["contract"][0]["judged"], dict(zip(PATHS, (1, 2, 3, 4))))

    def test_unbuilt(self) -> None:
        """A pair that does not build costs its own shards alone."""
        self.unbuilt = {"tlv"}
        self.assertEqual(self.shards(), [OK, FAILED, OK])
        status, said, _ = self.merged()
        self.assertEqual(status, FAILED)
        found = self.found("all")
        self.assertEqual((found["verdict"], len(found["failures"])), ("fail", 1))
        self.assertIn("shard 2: the modules do not build: tlv", found["why"])
        self.assertEqual(list(found["pairs"]), ["ring", "glob"])
        self.assertEqual(list(schema.unlike(found)), [])
        self.assertIn("x86_64 base: FAIL, shard 2: the modules do not build", said)
        self.assertIn("merged: FAIL, 3 shards of x86_64 base", said)

    def test_said(self) -> None:
        """The report is that of a run, and the last line sums up; FORMAT=json has the object."""
        self.shards()
        status, said, _ = self.merged()
        self.assertEqual(status, OK)
        self.assertRegex(said, r"x86_64 base: PASS, (\d+) of \1 results passed; "
                         "3 shards together\n")
        self.assertEqual(said.splitlines()[-1], "merged: PASS, 3 shards of x86_64 base")
        _, said, _ = self.merged(more=("FORMAT=json",))
        self.assertEqual(json.loads(said), {"x86_64-base": self.found("all")})
        _, said, _ = self.say("report", f"OUT={self.folder}/1")
        self.assertIn("results passed; shard 1 of 3 alone\n", said)
        # A folder of all folders.
        self.assertEqual(self.say("merge", f"DIRS={self.folder}/[123]",
                                  f"OUT={self.folder}/all")[0], OK)

    def test_times(self) -> None:
        """A merge leaves the times that later shards can be split by."""
        self.shards()
        self.merged()
        path = self.folder / "all/times.json"
        self.assertEqual(json.loads(path.read_text())["x86_64 base check"],
                         dict.fromkeys(("ring", "tlv", "glob"), 2.0))
        # Where the clock counts instructions, they take ten times as long.
        self.assertEqual(json.loads(path.read_text())["x86_64 base insn"]["ring"], 10.0)
        self.assertEqual(self.shards(3, *WORDS, f"TIMES={path}"), [OK] * 3)
        self.assertEqual(self.merged()[0], OK)
        self.shard(2, 3)
        self.refused("2: it was split by TIMES of digest .*; all shards must be of the same")

    def test_accelerators(self) -> None:
        """One machine has KVM, another has not: both are told."""
        self.shard(1, 3)
        self.accel = "kvm"
        self.shard(2, 3)
        self.accel = "tcg"
        self.shard(3, 3)
        self.assertEqual(self.merged()[0], OK)
        lane = self.found("all")["lanes"]["check"]
        self.assertEqual((lane["accelerator"], lane["boots"], lane["seconds"]), ("tcg", 3, 4.5))
        self.assertEqual(lane["why"], "lane check ran on kvm in shard 2; "
                         "lane check ran on tcg in shard 1, 3")


class TestMachine(unittest.TestCase):
    """kplib.shard.join.lane_of(): what figures come from"""

    def joined(self, *lanes: dict[str, Any]) -> dict[str, Any]:
        """One lane of several shards."""
        one = {"accelerator": "kvm", "why": "", "seconds": 1.0, "boots": 1, "losses": [],
               "kernel": [], "console": [], "lost": None, "cpu": "host", "vulnerabilities": {}}
        return join.lane_of("time", [(index, {**one, **lane})
                                     for index, lane in enumerate(lanes, 1)])

    def test_alike(self) -> None:
        """Of shards of which one lost its guest, the other one's flaws are told."""
        flaws = {"vulnerabilities": {"l1tf": "Vulnerable"}}
        self.assertEqual(self.joined({}, flaws)["vulnerabilities"], flaws["vulnerabilities"])
        self.assertEqual(self.joined(flaws, flaws)["cpu"], "host")
        both = self.joined({}, {"accelerator": "tcg", "cpu": "max"})
        self.assertEqual((both["accelerator"], both["cpu"]), ("tcg", "max"))

    def test_others(self) -> None:
        """Figures of CPUs with other flaws, or of another model of QEMU's, are not joined."""
        here = {"vulnerabilities": {"l1tf": "Vulnerable"}}
        for there in ({"vulnerabilities": {"l1tf": "Mitigation: PTE"}}, {**here, "cpu": "max"}):
            with self.assertRaises(EnvironmentFailed) as caught:
                self.joined(here, {}, there)
            self.assertIn("shards 1 and 3 ran on CPUs with other flaws", str(caught.exception))


class TestRefused(Played):
    """What is no whole"""

    def setUp(self) -> None:
        super().setUp()
        self.shards()

    def again(self, index: int = 2, of: int = 3, words: tuple[str, ...] = WORDS) -> None:
        """Run one shard again, under other circumstances."""
        shutil.rmtree(self.folder / str(index), ignore_errors=True)
        self.shard(index, of, *words)

    def test_missing(self) -> None:
        """A shard that nobody has brought."""
        self.merged()
        self.refused("^shard 2 of 3 of x86_64 base is missing$", "1", "3")
        self.refused("^shards 1, 3 of 3 of x86_64 base are missing$", "2")
        status, _, said = self.say("report", f"OUT={self.folder}/all")
        self.assertEqual(status, BROKEN)
        self.assertIn("gave no results: shards 1, 3 of 3", said)

    def test_twice(self) -> None:
        """The same shard in two folders, or one folder named twice."""
        self.refused("^shard 1 of 3 of x86_64 base is there twice: .*1 and .*1$", "1", "1", "2",
                     "3")
        shutil.copytree(self.folder / "1", self.folder / "other")
        self.refused("there twice: .*1 and .*other$", "1", "2", "3", "other")

    def test_other_count(self) -> None:
        """Of another number of shards."""
        self.again(of=4)
        self.refused("2: shard 2 of 4, and .*1 has 1 of 3; all shards must be of one number")

    def test_other_tree(self) -> None:
        """Another commit, or the same one with other files."""
        with mock.patch.object(identity, "commit", return_value="beef"):
            self.again()
        self.refused("2: it is of commit beef, and .*1 has c0ffee")
        with mock.patch.object(identity, "content", return_value="dirty"):
            self.again()
        self.refused("2: its files were not those of .*1, though both are of commit c0ffee")
        self.again()
        self.assertEqual(self.merged()[0], OK)

    def test_other_kernel(self) -> None:
        """Another kernel, another tool."""
        self.ident = "k2"
        self.again()
        self.refused("2: its kernel of x86_64 base is k2, and .*1 has k1")
        self.ident = "k1"
        self.tools["qemu"] = "11.0"
        self.again()
        self.refused("2: its qemu is 11.0, and .*1 has 10.0")

    def test_idle_knows_no_kernel(self) -> None:
        """A shard with nothing to run has looked for no kernel, and differs in none."""
        self.shards(13)
        self.assertIsNone(self.found("13")["shard"]["kernel"])
        self.assertEqual(self.merged(*map(str, range(1, 14)))[0], OK)

    def test_other_request(self) -> None:
        """Other words: which one is told, with both values."""
        for words, line in (
                (("ARCH=x86_64", "PAIR=ring tlv"), "its request has PAIR ring tlv, and .*1 has "
                                                   "ring tlv glob"),
                ((*WORDS, "SEED=2"), "its request has SEED 2, and .*1 has 1"),
                ((*WORDS, "DEPTH=quick"), "its request has DEPTH quick, and .*1 has not given")):
            self.again(words=words)
            self.refused(f"2: {line}")

    def test_other_arch(self) -> None:
        """Shards of other arches and variants are of those."""
        self.again(words=("ARCH=x86_64", "VARIANT=debug", "PAIR=ring tlv glob"))
        self.refused("^shard 2 of 3 of x86_64 base is missing$")

    def test_cells(self) -> None:
        """Jobs of one arch and variant each: those that must be there are named, or their own."""
        kinds = ("base", "fault")
        for kind in kinds:
            for index in (1, 2):
                self.shard(index, 2, "ARCH=x86_64", f"VARIANT={kind}", "PAIR=ring tlv",
                           name=f"{kind}{index}")
        names = ("base1", "base2", "fault1", "fault2")
        self.assertEqual(self.merged(*names)[::2], (OK, ""))
        self.assertEqual(json.loads((self.folder / "all/last-run.json").read_text())["cells"],
                         [["x86_64", kind] for kind in kinds])
        self.refused("^all shards of x86_64 debug are missing$", *names,
                     more=("ARCH=x86_64", "VARIANT=all"))
        self.refused("fault1 has results of x86_64 fault, which is not among", *names,
                     more=("ARCH=x86_64", "VARIANT=base"))
        self.refused("^shard 2 of 2 of x86_64 fault is missing$", *names[:3])

    def test_whole_run(self) -> None:
        """Results of a whole run, or of a merge, are no shard's."""
        self.whole()
        self.refused("whole: the results of x86_64 base are those of a whole run, of no shard",
                     "1", "2", "whole")
        self.merged()
        (self.folder / "all").rename(self.folder / "before")
        self.refused("before: the results of x86_64 base are merged already", "1", "before")

    def test_no_results(self) -> None:
        """A folder without any, and a run that has given none: why."""
        (self.folder / "empty").mkdir()
        self.refused("empty has no results of a shard: there are none of a run, a soak or mutants",
                     "empty")
        self.refused("^shard 3 of 3 of x86_64 base is missing; .*empty has no results of a shard",
                     "1", "2", "empty")
        self.refused("^.*empty has no results of a shard", "1", "2", "3", "empty")
        with mock.patch.object(matrix, "choose_tools", side_effect=EnvironmentFailed("no disk")):
            self.assertEqual(self.shard(3, 3), BROKEN)
        self.refused("^shard 3 of 3 of x86_64 base is missing; .*3 has no results of a shard: "
                     "the run on x86_64 base gave none: no disk$")
        (self.folder / "3/x86_64/base/run.json").write_text(
            json.dumps({"state": "running", "why": "", "at": "2026-01-01"}))
        self.refused("begun 2026-01-01, gave none: it still runs, or was killed$")

    def test_one_cell_without(self) -> None:
        """Of two variants one has no results in a shard: why is told."""
        for index in (1, 2):
            self.shard(index, 2, "ARCH=x86_64", "VARIANT=all", "PAIR=ring")
        path = self.folder / "2/x86_64/base"
        (path / "results.json").unlink()
        (path / "run.json").write_text(json.dumps({"state": "failed", "why": "no disk", "at": ""}))
        self.refused("base is missing; .*2: its run gave none: no disk$", "1", "2")

    def change(self, change: Callable[[dict[str, Any]], Any], name: str = "2") -> None:
        """Change a results.json."""
        found = self.found(name)
        change(found)
        (self.folder / name / "x86_64/base/results.json").write_text(json.dumps(found))

    def test_not_alike(self) -> None:
        """A unit in two shards, or in none, whatever the rest says."""
        before = self.found("2")
        parts_of = self.found("1")["shard"]["parts"]
        self.change(lambda found: found["shard"]["parts"].update(parts_of))
        self.refused("lane check of ring on x86_64 base was in shard 1 and in 2: they were not "
                     "split alike")
        self.change(lambda found: found.update(copy.deepcopy(before)))
        self.change(lambda found: found["shard"]["parts"].popitem())
        self.refused("have 8 lanes of pairs, of 12: they were not split alike")

    def test_damaged(self) -> None:
        """Files from other machines are looked at before they are believed."""
        path = self.folder / "2/x86_64/base/results.json"
        good = path.read_text()
        for text in ("", "{", "[]", "null", '{"schema": 4}', "[" * 100000,
                     good.replace('"x86_64"', '"arm64"', 1),
                     good.replace('"index": 2', '"index": "2"'),
                     good.replace('"pass"', '"good"', 1)):
            path.write_text(text)
            self.refused("2/x86_64/base/results.json is (damaged|of arm64)")
        path.write_text(good)
        for text in ("", "<testsuite", "<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite/>"):
            (path.parent / "junit.xml").write_text(text)
            self.refused("junit.xml (is damaged|has a document type)")
        (path.parent / "junit.xml").unlink()
        self.refused("junit.xml: No such file")

    def test_words(self) -> None:
        """What a merge has to be told, and where it must not write."""
        status, _, said = self.say("merge", f"OUT={self.folder}/all")
        self.assertEqual(status, 2)
        self.assertIn("give DIRS='a b c'", said)
        status, _, said = self.say("merge", f"DIRS={self.folder}/1", f"OUT={self.folder}/1")
        self.assertEqual(status, 2)
        self.assertIn("OUT .*1 is one of DIRS".replace(".*", f"{self.folder}/"), said)
        self.assertTrue((self.folder / "1/x86_64/base/results.json").exists())

    def test_copied(self) -> None:
        """Nothing but files of a run is copied, and no link is followed."""
        secret = self.folder / "secret"
        secret.write_text("x")
        where = self.folder / "2/x86_64/base"
        os.symlink(secret, where / "evil.console")
        os.symlink(secret, where / "logs/evil.ktap")
        (where / "logs/..odd.ktap").write_text("x")
        self.assertEqual(self.merged()[0], OK)
        names = {path.name for path in (self.folder / "all").rglob("*")}
        self.assertFalse([name for name in names if "evil" in name or "odd" in name])
        self.assertIn("irq.shard-2.console", names)


class TestJoin(unittest.TestCase):
    """join: fields, programs, JUnit"""

    def test_pair(self) -> None:
        """Fields that this version does not know are taken from the one that has them."""
        one = {"cases": [], "calls": {"c->c": 1}, "new": {"a": 1}}
        other = {"cases": [], "calls": {"c->c": 1, "c->rust": 2}, "new": {"b": 2}, "newer": 3}
        self.assertEqual(join.pair_of(one, other, "ring"),
                         {"cases": [], "calls": {"c->c": 2, "c->rust": 2},
                          "new": {"a": 1, "b": 2}, "newer": 3})
        with self.assertRaisesRegex(EnvironmentFailed, "two shards have ring.new.a, and not the "
                                                       "same"):
            join.pair_of(one, {**other, "new": {"a": 2}}, "ring")

    def test_same_case(self) -> None:
        """A case in two shards is told of once at most, or not at all."""
        case = {"suite": "ring", "case": "lockstep", "path": "c->c"}
        with self.assertRaisesRegex(EnvironmentFailed, "two shards have ring lockstep c->c"):
            join.pair_of({"cases": [case]}, {"cases": [dict(case)]}, "ring")
        ledger = {"suite": "ring", "case": "contract", "path": ""}
        self.assertEqual(join.pair_of({"cases": [case, ledger]},
                                      {"cases": [{**case, "path": "x"}, dict(ledger)]},
                                      "ring")["cases"], [case, {**case, "path": "x"}, ledger])

    def test_program(self) -> None:
        """Programs are where the joined results are, and so are the words that run them."""
        name = "ring-17e51dfd9fdf"
        failure = {"program_file": f"/a/out/programs/{name}",
                   "replay": f"make run PAIR=ring PROGRAM=/a/out/programs/{name}"}
        self.assertEqual(join.moved(failure, Path("/b/programs")), {
            "program_file": f"/b/programs/{name}",
            "replay": f"make run PAIR=ring PROGRAM=/b/programs/{name}"})
        for bad in ("/etc/passwd", "/x/..", "/x/ring-17e51dfd9fdf/../y"):
            with self.assertRaisesRegex(EnvironmentFailed, "which is none of kparity's"):
                join.moved({**failure, "program_file": bad}, Path("/b/programs"))
        self.assertEqual(join.moved({"program_file": None}, Path("/b")), {"program_file": None})

    def test_junit(self) -> None:
        """Suites of a name count together; a result that both have counts once."""
        one = ('<testsuite name="x"><testsuite name="ring"><testcase name="contract" time="0">'
               '<failure/></testcase></testsuite></testsuite>')
        other = ('<testsuite name="x"><testsuite name="ring"><testsuite name="spsc">'
                 '<testcase name="c-c" time="1.5"/><testcase name="c-r" time="0.5"><skipped/>'
                 '</testcase></testsuite><testcase name="contract"><failure/></testcase>'
                 '</testsuite></testsuite>')
        root = ET.fromstring(join.junit((one, other)))
        self.assertEqual({name: root.get(name) for name in ("tests", "failures", "skipped",
                                                            "errors", "time")},
                         {"tests": "3", "failures": "1", "skipped": "1", "errors": "0",
                          "time": "2.000000"})


def soaked(folder: Path, index: int, of: int, runs: list[journal.Run],
           found: list[tuple[Item, Found]] = [], **more: Any) -> None:  # noqa: B006
    """A soak of a shard, as it leaves it."""
    one = journal.Journal(folder / f"soak/2026-{index}", ("ring",), len(runs))
    one.shard = {"index": index, "of": of, "tree": {"commit": "c", "content": "t"}, "times": "x",
                 "request": {"SEEDS": "4"}, "kernels": {"x86_64 base": "k"},
                 "tools": {"clang": "19"}, "runs_of": 4, **more}
    one.runs = runs
    for item, failure in found:
        one.kinds.take(item, failure)
    one.ended = journal.DONE
    one.close()


def failure(message: str) -> Found:
    """A failure of a case's own."""
    return Found("ring", "ring", "spsc", "c->rust", "fail", {
        "what": "case", "message": message, "count": 2, "program": None, "program_file": None,
        "results": [], "broken": [], "checker": None, "stack": [], "operation": None, "step": None,
        "replay": "make run PAIR=ring"})


class TestSoaks(unittest.TestCase):
    """Soaks of shards"""

    target = Target("x86_64", "base", "check")

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()

    @staticmethod
    def run_(seed: int, verdict: str = "pass", kinds: tuple[int, ...] = ()) -> journal.Run:
        """A run that has ended."""
        return journal.Run("x86_64", "base", "check", seed, verdict, 1.0, passed=5, kinds=kinds)

    def merge(self, *names: str) -> tuple[int, str]:
        """The status of a merge, and what it says, or is refused with."""
        said = io.StringIO()
        req = request.parse(["DIRS=" + " ".join(f"{self.folder}/{name}" for name in names),
                             f"OUT={self.folder}/all"], {})
        with contextlib.redirect_stdout(said):
            try:
                return merge.merge(req)[0], said.getvalue()
            except KparityError as err:
                return err.status, str(err)

    def test_joined(self) -> None:
        """Runs of all, and a kind that two have met once, with the counts of both."""
        item = Item(1, self.target, 1)
        soaked(self.folder / "1", 1, 2, [self.run_(1, "fail", (1,)), self.run_(2)],
               [(item, failure("it is 7"))])
        soaked(self.folder / "2", 2, 2, [self.run_(3, "fail", (1, 2)), self.run_(4)],
               [(Item(1, self.target, 3), failure("another")),
                (Item(1, self.target, 3), failure("it is 8"))])
        status, said = self.merge("1", "2")
        self.assertEqual(status, FAILED, said)
        path, = self.folder.glob("all/soak/*/results.json")
        found = json.loads(path.read_text())
        self.assertEqual((found["verdict"], found["runs_of"], found["totals"]["runs"],
                          found["totals"]["passed"]), ("fail", 4, 4, 20))
        self.assertEqual([(kind["runs"], kind["times"], kind["seeds"]) for kind in found["kinds"]],
                         [(2, 4, [1, 3]), (1, 2, [3])])
        self.assertEqual([run["kinds"] for run in found["runs"]], [[1], [], [2, 1], []])
        self.assertEqual((found["shard"], found["merged"]["of"]), (None, 2))
        self.assertIn("soak: FAIL, 4 runs, 2 failed, 2 kinds of failure, 6 times", said)

    def test_whole(self) -> None:
        """Only together do they pass; a seed that is nowhere, or twice, is seen."""
        soaked(self.folder / "1", 1, 2, [self.run_(1), self.run_(2)])
        soaked(self.folder / "2", 2, 2, [self.run_(3), self.run_(4)])
        self.assertEqual(self.merge("1", "2")[0], OK)
        self.assertEqual(self.merge("1"), (BROKEN, "shard 2 of 2 of the soak is missing"))
        self.assertIn("there twice", self.merge("1", "1", "2")[1])
        shutil.rmtree(self.folder / "2")
        soaked(self.folder / "2", 2, 2, [self.run_(3)])
        status, said = self.merge("1", "2")
        self.assertEqual(status, BROKEN)
        self.assertIn("1 runs are in no shard", said)
        shutil.rmtree(self.folder / "2")
        soaked(self.folder / "2", 2, 2, [self.run_(2), self.run_(4)])
        self.assertIn("a seed has run in two shards", self.merge("1", "2")[1])

    def test_differs(self) -> None:
        """Of another request, kernel or tool; damaged."""
        soaked(self.folder / "1", 1, 2, [self.run_(1), self.run_(2)])
        for more, why in (({"request": {"SEEDS": "5"}}, "its request has SEEDS 5"),
                          ({"kernels": {"x86_64 base": "l"}}, "its kernel of x86_64 base is l"),
                          ({"tools": {"clang": "20"}}, "its clang is 20"),
                          ({"tree": 7}, "are damaged"), ({"kernels": []}, "are damaged")):
            shutil.rmtree(self.folder / "2", ignore_errors=True)
            soaked(self.folder / "2", 2, 2, [self.run_(3), self.run_(4)], **more)
            status, said = self.merge("1", "2")
            self.assertEqual(status, BROKEN)
            self.assertIn(why, said)


class TestScores(unittest.TestCase):
    """Mutants of shards"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()

    @staticmethod
    def ran(line: int, outcome: str = KILLED) -> score.Ran:
        """A mutant and what became of it."""
        text = b"x\n" * 40
        one = candidate.make("ring", "c", "kmod/ring.c", text, "f", "relational",
                             [(2 * line, 2 * line + 1, f"y{line}")])
        return score.Ran(one, Record(outcome, "lockstep", "c->c", "base", kill=1.5), ("-x", "+y"))

    def leave(self, index: int, ran: list[score.Ran], planted: list[score.Planted],
              of: tuple[int, int]) -> score.Score:
        """What a shard leaves."""
        found = score.Score(tuple(planted), tuple(ran), {}, {
            "index": index, "of": 2, "tree": {"commit": "c", "content": "t"}, "times": "x",
            "request": {"PAIR": "ring"}, "kernels": {}, "tools": {},
            "mechanical_of": of[0], "planted_of": of[1]})
        path = self.folder / str(index) / "mutants/score.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(score.to_json(found)))
        return found

    def merge(self, *names: str) -> tuple[int, str]:
        """The status of a merge, and what it says, or is refused with."""
        return TestSoaks.merge(self, *names)  # type: ignore[arg-type]

    def test_share(self) -> None:
        """A shard's few mutants have no share to fall short of; all of them together have."""
        bug = score.Planted("ring-x", "ring", "errors", "lockstep", Record(KILLED, "lockstep"))
        one = self.leave(1, [self.ran(1), self.ran(3)], [bug], (4, 1))
        two = self.leave(2, [self.ran(2, SURVIVED), self.ran(4)], [], (4, 1))
        self.assertFalse(one.failed)
        self.assertFalse(two.failed)
        self.assertTrue(two.good)
        self.assertIn("shard 2 of 2: planted bugs alone are judged here", score.show(two))
        status, said = self.merge("1", "2")
        self.assertEqual(status, FAILED)
        self.assertIn("killed: 3 of 4, 75.0 % (at least 85 % must be", said)
        self.assertIn("planted bugs: 1 of 1 seen", said)
        found = json.loads((self.folder / "all/mutants/score.json").read_text())
        self.assertEqual([row["line"] for row in found["mechanical"]], [2, 3, 4, 5])
        self.assertEqual((found["shard"], found["merged"]["of"], found["killed"]), (None, 2, 3))
        # All that a campaign on one machine has of them.
        whole = score.Score((bug,), tuple(self.ran(line, SURVIVED if line == 2 else KILLED)
                                          for line in (1, 2, 3, 4)), {})
        self.assertEqual({**found, "merged": None}, json.loads(json.dumps(score.to_json(whole))))
        self.leave(2, [self.ran(2), self.ran(4)], [], (4, 1))
        self.assertEqual(self.merge("1", "2")[0], OK)
        self.leave(2, [self.ran(2, ERROR), self.ran(4)], [], (4, 1))
        self.assertEqual(self.merge("1", "2")[0], BROKEN)

    def test_missed(self) -> None:
        """A planted bug that nobody saw fails the shard that planted it."""
        bug = score.Planted("ring-x", "ring", "errors", "lockstep", Record(SURVIVED))
        self.assertTrue(self.leave(1, [], [bug], (0, 1)).failed)

    def test_whole(self) -> None:
        """A mutant that is in no shard or in two, a shard that is missing."""
        self.leave(1, [self.ran(1)], [], (3, 0))
        self.leave(2, [self.ran(2)], [], (3, 0))
        self.assertIn("2 mechanical mutants, 2 of them different, of 3", self.merge("1", "2")[1])
        self.leave(2, [self.ran(1), self.ran(2)], [], (3, 0))
        self.assertIn("3 mechanical mutants, 2 of them different", self.merge("1", "2")[1])
        self.assertEqual(self.merge("1"), (BROKEN, "shard 2 of 2 of make mutants is missing"))
        self.leave(2, [self.ran(2), self.ran(3)], [], (3, 0))
        path = self.folder / "2/mutants/score.json"
        path.write_text(path.read_text().replace('"killed"', '"eaten"'))
        self.assertIn("are damaged", self.merge("1", "2")[1])

    def test_names(self) -> None:
        """A mutant has the name that it had, also where two are the same change."""
        one = candidate.numbered([self.ran(1).mutant, self.ran(2).mutant])[1]
        row = score.to_json(score.Score((), (score.Ran(one, Record(KILLED)),), {}))["mechanical"][0]
        self.assertEqual(scores._ran(row).mutant.name, one.name)


if __name__ == "__main__":
    unittest.main()
