# SPDX-License-Identifier: GPL-2.0
"""Failures in fields: from the engine's lines and the tools' words to results.json."""

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from kplib.boot import console
from kplib.boot.laneresult import CaseId, LaneResult, Loss
from kplib.configure import lanes, options, request
from kplib.judge import diagnostics, failures, ktap, ledger, records, results, tables
from kplib.selftest import schema

PROGRAM = ("ring capacity=1", "push 0", "push 0")
#: A line of the engine's.
LINE: dict[str, Any] = {
    "case": "lockstep", "path": "c->rust", "times": 24, "source": None, "what": "return",
    "step": 2, "operation": "push", "program": PROGRAM, "created": {"expected": 0, "got": 0},
    "made_expected": "created", "made_got": "created",
    "expected": ["0, state 6b09b175", "-ENOSPC, state 6b09b175"],
    "got": ["0, state 6b09b175", "0, state 93412a46"], "broken": "bounded",
    "reference_broken": None}


def changed(**change: Any) -> str:
    """The line with some of it changed."""
    return json.dumps({**LINE, **change})


class TestParse(unittest.TestCase):
    """tables.parse_failures()"""

    def test_good(self) -> None:
        """All fields, and the engine's word for a program that is too long."""
        text = (json.dumps(LINE) + '\n{"case": "regress", "path": "c->c", "times": 1, '
                '"source": "x", "what": "end", "too_long": true}\n')
        (first, second), damaged = tables.parse_failures(text)
        self.assertEqual(damaged, [])
        self.assertEqual((first.program, first.created, first.got[1], first.broken),
                         (PROGRAM, (0, 0), "0, state 93412a46", "bounded"))
        self.assertEqual((first.too_long, second.too_long, second.whence), (False, True, "x"))

    def test_damaged(self) -> None:
        """A line that is no failure is told, and the others are kept."""
        for line in ("", "x", "[]", "null", "1" * 5000, "[" * 100000, changed()[:-1],
                     changed(path="c->go"), changed(what="nothing"), changed(times=0),
                     changed(times=True), changed(times="1"), changed(step=3), changed(step=-1),
                     changed(program=[]), changed(program=["ring", 1]), changed(program="ring"),
                     changed(created=0), changed(created={"expected": 0}), changed(broken=1),
                     changed(made_got=0),
                     changed(expected=None), changed(operation=[]), changed(case="")):
            with self.subTest(line[:60]):
                found, damaged = tables.parse_failures(f"{changed()}\n{line}\n{changed()}\n")
                self.assertEqual(len(found), 2)
                self.assertEqual(len(damaged), 1 if line else 0)
                if line:
                    self.assertIn(f"the failures, line 2: {line[:20]!r}"[:-1], damaged[0])

    def test_cleaned(self) -> None:
        """Text from the guest cannot drive a terminal."""
        (found,), _ = tables.parse_failures(changed(got=["\x1b[2J", "x"], case="a\u202eb"))
        self.assertEqual((found.got[0], found.case), ("?[2J", "a?b"))


def teller(*differences: tables.Difference, lane: LaneResult | None = None,
           added: tuple[options.Option, ...] = ()) -> failures.Teller:
    """Who tells of ring's failures."""
    promise = records.Promise("bounded", "concurrency", "never holds more", "looks first", "true",
                              "now->pushed - now->popped <= now->capacity")
    book = ledger.Ledger((ledger.Row("ring", promise, (), (), {}, ()),), (), {"ring": (
        records.Operation("push", "ANY", "none", ("ENOSPC",), "copied", "as it was"),)})
    pair = results.PairResult()
    for one in differences:
        pair.differences.setdefault(("ring", one.case, one.path), []).append(one)
    result = results.ArchResult(mock.Mock(added=added), mock.Mock(), 1,
                                [lane or LaneResult(lanes.CHECK)], {"ring": pair},
                                "ARCH=x86_64 SEED=1 LANE=check")
    result.of_program = lambda path: f"ARCH=x86_64 SEED=1 PROGRAM={path}"
    return failures.Teller("ring", result, book, None, Path("/out/programs"))


class TestTeller(unittest.TestCase):
    """failures.Teller"""

    def tell(self, who: failures.Teller, case: str = "lockstep", path: str = "c->rust",
             status: str = ktap.FAIL, log: ktap.Log = ("ring: differs",),
             suite: str = "ring") -> list[dict[str, Any]]:
        """Its failures, each as the schema says."""
        found = who.tell(ktap.Verdict(suite, case, path, status, log))
        for failure in found:
            self.assertEqual(list(schema.unlike(failure, schema.SCHEMA["$defs"]["failure"])), [])
        return found

    def difference(self, **change: Any) -> tables.Difference:
        """A difference that the engine found."""
        (found,), _ = tables.parse_failures(changed(**change))
        return found

    def test_promise(self) -> None:
        """A case's first expectation names the promise that it looked at; others may be of more."""
        log = ("# spsc: EXPECTATION FAILED at tests/kunit/ring_kunit.c:144",
               "EXPECTATION FAILED at tests/kunit/ring_kunit.c:144",
               "Expected __holds to be true, but is false", "", "broken: bounded: a <= b",
               "EXPECTATION FAILED at tests/kunit/ring_kunit.c:150", "broken: other: a")
        found, = self.tell(teller(), case="spsc", log=log[1:])
        self.assertEqual([(one["path"], one["what"], one["invariant"]["id"])
                          for one in found["broken"]], [("c->rust", "bounded", "bounded")])
        self.assertEqual(found["message"], "Expected __holds to be true, but is false "
                                           "(tests/kunit/ring_kunit.c:144)")
        bare, = self.tell(teller(), case="spsc", log=(*log[1:4], *log[5:]))
        self.assertEqual(bare["broken"], [])

    def test_difference(self) -> None:
        """Program, results of both paths, invariant and its place, errnos, command."""
        found, = self.tell(teller(self.difference()))
        self.assertEqual({name: found[name] for name in (
            "stage", "what", "count", "step", "operation", "errnos", "program")}, {
                "stage": "run", "what": "return", "count": 24, "step": 2, "operation": "push",
                "errnos": ["ENOSPC"], "program": list(PROGRAM)})
        self.assertEqual(found["message"], "step 2, push: 0, state 93412a46 on c->rust, "
                         "-ENOSPC, state 6b09b175 on c->c")
        self.assertEqual([(one["path"], one["created"], one["steps"][1][:3])
                          for one in found["results"]], [("c->c", 0, "-EN"), ("c->rust", 0, "0, ")])
        broken, = found["broken"]
        self.assertEqual((broken["path"], broken["invariant"]["statement"]),
                         ("c->rust", "never holds more"))
        file, _, line = broken["invariant"]["place"].partition(":")
        self.assertIn("KP_INVARIANT(bounded,",
                      (request.TOP / file).read_text().splitlines()[int(line) - 1])
        self.assertEqual(found["replay"], "make run PAIR=ring ARCH=x86_64 SEED=1 PROGRAM="
                         f"{found['program_file']}")
        self.assertEqual(failures.programs([found]), {
            Path(found["program_file"]): "\n".join(PROGRAM) + "\n"})

    def test_kinds(self) -> None:
        """A difference is told in one line, also where no step differs."""
        for change, message in (
                ({"what": "create", "step": 0, "operation": None, "broken": None,
                  "created": {"expected": 0, "got": -22}, "made_got": "-EINVAL"},
                 "creating the object: -EINVAL on c->rust, created on c->c"),
                ({"what": "create", "step": 0, "operation": None, "broken": "wrote"},
                 "creating the object: c->rust breaks its contract: wrote"),
                ({"what": "end", "step": 0, "operation": None, "broken": "a driver skipped"},
                 "c->rust differs from c->c: a driver skipped"),
                ({"what": "contract"}, "step 2, push: c->rust breaks its contract: bounded"),
                ({"got": []}, "step 2, push: not run on c->rust, -ENOSPC, state 6b09b175 on c->c")):
            with self.subTest(message):
                found, = self.tell(teller(self.difference(**change)))
                self.assertEqual(found["message"], message)
                self.assertEqual(found["errnos"], None if change.get("step") == 0 else ["ENOSPC"])

    def test_reference(self) -> None:
        """C over C that breaks its contract is named beside the path; words are no invariant."""
        found, = self.tell(teller(self.difference(broken="errno not in the contract",
                                                  reference_broken="bounded")))
        self.assertEqual([(one["path"], bool(one["invariant"])) for one in found["broken"]],
                         [("c->rust", False), ("c->c", True)])

    def test_other_programs(self) -> None:
        """PROGRAM= runs no program in atomic context, and none that is too long for its line."""
        for one in (self.difference(case="atomic"), tables.Difference(
                "lockstep", "c->rust", 1, "tests/regress/ring/x", "return")):
            found, = self.tell(teller(one), one.case)
            self.assertEqual(found["replay"], "make run PAIR=ring ARCH=x86_64 SEED=1 LANE=check")
            self.assertIsNone(found["program_file"])
            self.assertEqual(found["source"], one.whence)

    def test_options(self) -> None:
        """Pairs whose options the kernel had are named too, so that it has them again."""
        added = (options.Option("CONFIG_CRC7", "y", ("tlv", "ring"), ""),
                 options.Option("CONFIG_OFF", "n", ("glob", "tlv"), ""))
        for one in (self.difference(), self.difference(case="atomic")):
            found, = self.tell(teller(one, added=added), one.case)
            self.assertTrue(found["replay"].startswith(
                "make run PAIR='ring tlv glob' ARCH=x86_64 SEED=1"), found["replay"])

    def test_kernel(self) -> None:
        """A checker's report, and a lost guest, with their stacks; the checker's own row too."""
        lane = LaneResult(lanes.CHECK)
        lane.planned["ring"] = []
        at = CaseId("ring", "spsc", "c->rust")
        lane.reports.append(console.Report("kasan", "BUG: KASAN: x", at, ["BUG: KASAN: x", "y"], 3))
        lane.losses.append(Loss(at, "the guest panicked", ["RIP: z"], notes=("a note",)))
        report, lost = self.tell(teller(lane=lane), "spsc", status=ktap.ERROR)
        self.assertEqual((report["what"], report["checker"], report["count"], report["stack"]),
                         ("report", "kasan", 3, ["BUG: KASAN: x", "y"]))
        self.assertEqual((lost["what"], lost["message"], lost["stack"], lost["stage"]),
                         ("lost", "the guest panicked; a note", ["RIP: z"], "run"))
        self.assertEqual(self.tell(teller(lane=lane), "kasan"), [report])

    def test_stages(self) -> None:
        """A module that does not load; counted instructions; records of the contract."""
        lane = LaneResult(lanes.CHECK)
        lane.losses.append(Loss(CaseId("ring"), "the guest failed at loading ring: No such device"))
        found, = self.tell(teller(lane=lane), "", "", ktap.ERROR)
        self.assertEqual((found["stage"], found["what"]), ("load", "lost"))
        lane = LaneResult(lanes.INSN)
        found, = self.tell(teller(lane=lane), "insn", suite="ring_insn", log=(
            "EXPECTATION FAILED at kmod/engine/insn.c:9", "it took too long"))
        self.assertEqual((found["stage"], found["message"]),
                         ("cost", "it took too long (kmod/engine/insn.c:9)"))
        found, = self.tell(teller(), log=())
        self.assertEqual(found["message"], "it failed")
        found, = self.tell(teller(), "contract", "", log=("x.rs:7 encodes 'ful'",))
        self.assertEqual((found["stage"], found["what"]), ("build", "ledger"))

    def test_lane(self) -> None:
        """Lost guests that no case answers for, and a lane that was given up."""
        lane = LaneResult(lanes.CHECK)
        lane.lose(Loss(CaseId("ring", "spsc", "c->c"), "told of the case"))
        lane.lose(Loss(CaseId(), "was killed", notes=("spsc ran",)))
        lane.give_up_all("no QEMU", "last words\nof it")
        killed, lost = failures.of_lane(teller(lane=lane).result, lane)
        self.assertEqual(killed["message"], "was killed; spsc ran")
        self.assertEqual((lost["message"], lost["output"]), ("no QEMU", ["last words", "of it"]))
        for failure in (killed, lost):
            self.assertEqual(list(schema.unlike(failure, schema.SCHEMA["$defs"]["failure"])), [])
            self.assertEqual(failure["replay"], "make run PAIR=ring ARCH=x86_64 SEED=1 LANE=check")

    def test_passed(self) -> None:
        """A case that passed or was skipped has no failures, one that failed has at least one."""
        self.assertEqual(self.tell(teller(self.difference()), status=ktap.PASS), [])
        self.assertEqual(self.tell(teller(), status=ktap.SKIP, log=("a reason",)), [])
        self.assertEqual([one["what"] for one in self.tell(teller(), status=ktap.ERROR, log=())],
                         ["case"])


RUSTC = """\
  RUSTC [M] rust-stub/ring.o
error[E0308]: mismatched types
  --> /x/rust-stub/ring.rs:10:9
   |
10 |     a + b
   |         ^ expected `i32`, found `i8`

warning: unused variable: `x`
 --> /x/rust-stub/ring.rs:1:2
  |

error: aborting due to 1 previous error; 1 warning emitted

make: *** [.kparity-rebuild.mk:15: rust-stub/ring.o] Error 1
"""
BINDGEN = """\
  BINDGEN rust-stub/ring_bindings.rs
/x/./kmod/contract/ring.h:29:20: error: unknown type name 'y'
Unable to generate bindings: clang diagnosed error: /x/./kmod/contract/ring.h:29:20: error: u

make[3]: *** [/k/Makefile.build:15: rust-stub/ring_bindings.rs] Error 1
make[3]: *** Waiting for unfinished jobs....
In file included from /x/kmod/ring.c:8:
/x/kmod/contract/ring.h:29:20: error: unknown type name 'y'
   29 | struct ring_view { y x;
      |                    ^
1 error generated.
make[3]: *** [/k/Makefile.build:9: kmod/tlv.o] Error 1
make[2]: *** [/k/Makefile:2253: .] Error 2
make: *** [/k/Makefile:260: __sub-make] Error 2
"""
MODPOST = """\
ERROR: modpost: "glob_x" [kparity_tlv.ko] undefined!
make[2]: *** [/k/scripts/Makefile.modpost:147: Module.symvers] Error 1
"""
OWN = "/y/glob/contract.h:7: error: KP_NUMBR: no kind of parameter\n"


class TestBuild(unittest.TestCase):
    """diagnostics, failures.of_build()"""

    def parse(self, text: str) -> list[tuple[Any, ...]]:
        """Level, code, file, line, column, and how many lines it has."""
        return [(one.level, one.code, one.file, one.line, one.column, len(one.text))
                for one in diagnostics.parse(diagnostics.lines(text))]

    def test_rustc(self) -> None:
        """Code and place of each; how many there were is none of them."""
        self.assertEqual(self.parse(RUSTC), [
            ("error", "E0308", "/x/rust-stub/ring.rs", 10, 9, 5),
            ("warning", None, "/x/rust-stub/ring.rs", 1, 2, 3)])

    def test_clang(self) -> None:
        """Through bindgen, and by itself with the source line."""
        self.assertEqual(self.parse(BINDGEN), [
            ("error", None, "/x/kmod/contract/ring.h", 29, 20, 1),
            ("error", None, "/x/kmod/contract/ring.h", 29, 20, 3)])

    def test_others(self) -> None:
        """Messages without a column, or without any place."""
        self.assertEqual(self.parse(MODPOST + OWN), [
            ("error", None, None, None, None, 1),
            ("error", None, "/y/glob/contract.h", 7, None, 1)])

    def test_whose(self) -> None:
        """Stage and pairs are those of the targets that make gave up."""
        every = ("ring", "tlv", "glob")
        for text, stage, pairs in (
                (RUSTC, "build", ["ring"]), (BINDGEN, "bindgen", ["ring", "tlv"]),
                (MODPOST, "build", ["tlv"]), ("", "build", [])):
            self.assertEqual(diagnostics.stage(text), stage)
            self.assertEqual(diagnostics.pairs(text, every), pairs)

    def test_of_build(self) -> None:
        """All lines are there as they were, if the error names the log that has them."""
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "build.log"
            log.write_text(RUSTC)
            asked = mock.Mock(pairs=("ring", "tlv"), pairs_dir=None)
            setup = mock.Mock(modules=Path(folder), request=asked, **{"kernel.added": ()})
            found = failures.of_build(setup, f"the modules do not build: {log}", "ARCH=x86_64")
            self.assertEqual(list(schema.unlike(found, schema.SCHEMA["$defs"]["failure"])), [])
            self.assertEqual("\n".join(found["output"]) + "\n", RUSTC)
            self.assertEqual((found["stage"], found["pairs"], len(found["diagnostics"])),
                             ("build", ["ring"], 2))
            self.assertEqual(found["replay"], "make run PAIR='ring tlv' ARCH=x86_64")
            found = failures.of_build(setup, "user.c does not compile", "ARCH=x86_64")
            self.assertEqual((found["output"], found["diagnostics"]), ([], []))


class TestSchema(unittest.TestCase):
    """scripts/results.schema.json; documents of runs are held against it where they are made"""

    SAMPLE = results.empty("x86_64", "base", 1, "ARCH=x86_64", "error", "no network")

    def test_version(self) -> None:
        """The number in results.json is the schema's."""
        self.assertEqual(schema.SCHEMA["properties"]["schema"]["const"], results.SCHEMA)

    def test_sees(self) -> None:
        """Our own check is no rubber stamp."""
        self.assertEqual(list(schema.unlike(self.SAMPLE)), [])
        for change, said in (
                ({"more": 1}, "more is not described"), ({"schema": 1}, "no such value"),
                ({"verdict": "good"}, "no such value"), ({"seed": "1"}, "is no integer"),
                ({"seed": -1}, "too small"), ({"pairs": {"x": {}}}, "no cases"),
                ({"kernel": {}}, "$.kernel: "), ({"failures": [{}]}, "no stage")):
            with self.subTest(said):
                self.assertIn(said, "\n".join(schema.unlike({**self.SAMPLE, **change})))
        self.assertTrue(list(schema.unlike({})))

    def test_jsonschema(self) -> None:
        """Debian's python3-jsonschema is of the same opinion."""
        found = schema.by_jsonschema(self.SAMPLE)
        if found is None:
            self.skipTest("no python3-jsonschema: apt-get install it to check with it as well")
        self.assertEqual(found, [])
        self.assertTrue(schema.by_jsonschema({**self.SAMPLE, "more": 1}))


if __name__ == "__main__":
    unittest.main()
