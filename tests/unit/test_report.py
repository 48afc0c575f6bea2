# SPDX-License-Identifier: GPL-2.0
"""The report, its files, and what is left of those of the run before."""

import contextlib
import io
import json
import os
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from kplib.common.errors import EnvironmentFailed, Failed, KparityError, Refused
from kplib.configure import lanes, request, variants
from kplib.judge import compile_fail, ktap, ledger, records, results
from kplib.judge.tables import Interruptions
from kplib.boot.laneresult import Answers, CaseId, LaneResult
from kplib.report import files, terminal
from kplib.selftest import schema

from .test_failures import LINE, PROGRAM

KVM = "/dev/kvm is of no use here: the guest hung: nothing for 6 s while booting"
TREE = os.environ.get("KPARITY_TREE")


def lane(**change: Any) -> dict[str, Any]:
    """A lane of results.json."""
    return {"accelerator": "tcg", "why": KVM, "qemu": "10.0.7", "cpu": "max",
            "vulnerabilities": {}, "seconds": 1.5, "boots": 1, "losses": [],
            "kernel": [], "lost": None, "console": [], **change}


def pair(failed: dict[tuple[str, str], tuple[str, ...]] | None = None,
         skipped: str = "") -> dict[str, Any]:
    """A pair of results.json with two cases, in which some paths failed."""
    costs = {path: {"n": 1, "min": 1, "p50": 1, "p99": 1, "max": 1, "total": 1, "mean": mean,
                    "ratio": mean / 10} for path, mean in zip(lanes.PATHS, (10, 12, 15, 11))}
    rows = []
    for case in ("lockstep", "layout"):
        for path in lanes.PATHS:
            log = (failed or {}).get((case, path))
            status = "skip" if skipped == case else "fail" if log else "pass"
            rows.append({"suite": "x", "case": case, "path": path, "status": status,
                         "log": list(log or (["a reason"] if skipped == case else [])),
                         "seconds": 0.1, "failures": []})
    return {"cases": rows, "instructions": {"push": costs},
            "outcomes": {"push": {"success": costs}}, "contract": []}


def document(**pairs: dict[str, Any]) -> dict[str, Any]:
    """Contents of results.json."""
    failed = any(c["status"] == "fail" for p in pairs.values() for c in p["cases"])
    return {"schema": results.SCHEMA, "arch": "x86_64", "variant": "base", "seed": 1,
            "verdict": "fail" if failed else "pass", "why": None, "failures": [],
            "replay": "ARCH=x86_64 SEED=1 PROGRAMS=3",
            "kernel": {"release": "7.3.4", "config": {"SMP": "y"}, "added": {}},
            "tools": {"clang": "19", "rustc": "1.85"},
            "lanes": {"check": lane(), "insn": lane()}, "pairs": pairs}


def shown(found: dict[str, Any], tables: bool = False) -> list[str]:
    """The lines of a report."""
    return terminal.text(found, False, tables, "out/x86_64/base").splitlines()


class TestCounts(unittest.TestCase):
    """terminal._counts()"""

    def test_width(self) -> None:
        """However many positions there are, columns stay apart, and stand below their heads."""
        found = {path: Interruptions(tried, of, 0, 1, 2, 3, 4, 0, 0, 0, 0, 1, 1)
                 for path, tried, of in (("c->c", 1992, 1992), ("c->rust", 641621, 1238243),
                                         ("rust->c", 162254, 172813))}
        rows = terminal._counts(terminal._INTERRUPTIONS, found)
        self.assertEqual(rows[0], "    interruptions       1992 of 1992  641621/1238243"
                                  "   162254/172813               -")
        self.assertEqual({len(row) for row in rows}, {len(rows[0])})


class TestTerminal(unittest.TestCase):
    """terminal.text()"""

    def test_several(self) -> None:
        """A line a pair: counts and ratios; the tables are one command away."""
        lines = shown(document(a=pair(), b=pair(skipped="layout")))
        self.assertIn("  a                      8       0      0        0        1.20"
                      "        1.50        1.10", lines)
        self.assertIn("  b                      4       0      0        4        1.20"
                      "        1.50        1.10", lines)
        self.assertFalse([line for line in lines if "lockstep" in line or "a reason" in line])
        self.assertIn("  the tables, and why something was skipped: make report, or V=1", lines)
        self.assertEqual(lines[-1], "x86_64 base: PASS, 12 of 16 results passed, 4 skipped")

    def test_tables(self) -> None:
        """With tables each case has a row, and each skip its reason."""
        lines = shown(document(a=pair(skipped="layout")), tables=True)
        self.assertIn("    lockstep                  ok          ok          ok          ok", lines)
        self.assertIn("    push                 10.0 (1.00)     12.0 (1.20)     15.0 (1.50)"
                      "     11.0 (1.10)", lines)
        self.assertTrue([line for line in lines if "a reason" in line])

    def test_outcomes(self) -> None:
        """Each outcome has a row, and weighs the same in the mean."""
        one = pair()
        costs = one["outcomes"]["push"]["success"]
        one["instructions"]["noop"] = {path: {**cost, "ratio": None}
                                       for path, cost in costs.items()}
        one["outcomes"]["push"]["-EOPNOTSUPP"] = {
            **costs, "c->rust": {**costs["c->rust"], "mean": 30.0, "ratio": 3.0}}
        lines = shown(document(a=one), tables=True)
        self.assertIn("    push                  10.0 (1.00)     12.0 (1.20)     15.0 (1.50)"
                      "     11.0 (1.10)", lines)
        self.assertIn("    noop                  10.0 (  - )     12.0 (  - )     15.0 (  - )"
                      "     11.0 (  - )", lines)
        self.assertIn("    push -EOPNOTSUPP      10.0 (1.00)     30.0 (3.00)     15.0 (1.50)"
                      "     11.0 (1.10)", lines)
        self.assertIn("  geometric mean over all operations and outcomes: c->rust 1.90, "
                      "rust->c 1.50, rust->rust 1.10", lines)

    def test_stack(self) -> None:
        """The deepest operation of each path; with V=1 each operation and outcome."""
        found = document(a=pair())
        found["pairs"]["a"]["stack"] = {
            "push": {"success": dict.fromkeys(lanes.PATHS, 64), "-ENOSPC": {"c->c": 24}},
            "pop": {"success": {**dict.fromkeys(lanes.PATHS, 40), "rust->rust": 112}}}
        deepest = f"    bytes of stack  {64:>16}{64:>16}{64:>16}{112:>16}"
        self.assertIn(deepest, shown(found, True))
        self.assertNotIn("push -ENOSPC", "\n".join(shown(found, True)))
        lines = terminal.text(found, True, True, "out/x86_64/base").splitlines()
        self.assertEqual(lines[lines.index(deepest) + 2],
                         "    push -ENOSPC                  24               -               -"
                         "               -")

    def test_text_and_masked(self) -> None:
        """All operations together and the most of any; with V=1 each."""
        found = document(a=pair())
        each = {"push": dict.fromkeys(lanes.PATHS, 20), "pop": dict.fromkeys(lanes.PATHS, 30)}
        found["pairs"]["a"]["text"] = {"together": dict.fromkeys(lanes.PATHS, 44),
                                       "operations": each}
        found["pairs"]["a"]["masked"] = each
        lines = shown(found, True)
        self.assertIn("    bytes of text   " + f"{44:>16}" * 4, lines)
        self.assertIn("    interrupts off  " + f"{30:>16}" * 4, lines)
        self.assertNotIn("    push            " + f"{20:>16}" * 4, lines)
        self.assertTrue([line for line in lines if line.startswith("  interrupts off: instr")])
        lines = terminal.text(found, True, True, "x").splitlines()
        self.assertEqual(lines.count("    push            " + f"{20:>16}" * 4), 2)

    def test_allocations(self) -> None:
        """The most allocations of a call and how many failed; with V=1, what that led to."""
        one = {"calls": 10, "allocations": 20, "most": 3, "bytes": 96, "failed": 8, "refused": 7,
               "unknown": 1}
        found = document(a=pair())
        found["pairs"]["a"]["allocations"] = {"create": {path: one for path in lanes.PATHS}}
        lines = shown(found, tables=True)
        self.assertIn("    create          " + "       3     (8)" * 4, lines)
        self.assertIn("      bytes         " + "      96        " * 3 + "      96", lines)
        self.assertFalse([line for line in lines if "refused" in line])
        self.assertTrue([line for line in lines if line.startswith("  allocations: the most")])
        self.assertFalse([line for line in shown(found) if "allocations" in line])
        lines = terminal.text(found, True, True, "x").splitlines()
        self.assertIn("      refused       " + "       7        " * 3 + "       7", lines)
        found["pairs"]["a"]["allocations"]["create"] = {
            path: {**one, "bytes": 0} for path in lanes.PATHS}
        self.assertFalse([line for line in shown(found, True) if "bytes  " in line])

    def test_unrecorded(self) -> None:
        """An operation that case ordering says nothing of is told, whatever is shown."""
        one = {**pair(), "orderings": {"push": {"success": {"recorded": {"c->rust": "none"}},
                                                "-EINVAL": {"load head": {"c->c": "acquire"}}}}}
        for tables in (False, True):
            lines = terminal.text(document(ring=one), False, tables, "out").splitlines()
            self.assertEqual([line for line in lines if "orderings" in line], [
                "  ring: the orderings of push, success were not recorded on c->rust: something "
                "came in between in each call"])

    def test_built_with(self) -> None:
        """Options that pairs want are told with those that change costs, and without any."""
        found = document(a=pair())
        found["kernel"]["added"] = {"CRC7": {"value": "y", "pairs": ["a", "b"]},
                                    "OFF": {"value": "n", "pairs": ["b"]}}
        self.assertIn("  built with smp=y; for a, b: crc7=y; for b: off=n", shown(found))
        found["pairs"]["a"]["instructions"] = {}
        self.assertIn("  built with for a, b: crc7=y; for b: off=n", shown(found))
        found["kernel"]["added"] = {}
        self.assertFalse([line for line in shown(found) if "built with" in line])

    def test_machine(self) -> None:
        """QEMU, its CPU and what is done about its flaws stand beside figures, and only there."""
        flaws = {"meltdown": "Not affected", "mds": "Vulnerable: no microcode",
                 "retbleed": "Mitigation: untrained return thunk", "l1tf": "Mitigation: PTE"}
        found = document(a=pair())
        found["lanes"] = {"check": lane(), "insn": lane(vulnerabilities=flaws)}
        self.assertEqual([line for line in shown(found) if "QEMU" in line], [
            "  lane insn on QEMU 10.0.7, -cpu max; flaws of the CPU: l1tf, retbleed mitigated; "
            "mds not mitigated"])
        for flaws, said in (({"meltdown": "Not affected"}, "none"), ({}, "not told"),
                            ({"l1tf": "Unknown: Dependent on hypervisor status"}, "l1tf not known"),
                            ({"itlb_multihit": "KVM: Mitigation: VMX disabled"},
                             "itlb_multihit mitigated"),
                            ({"itlb_multihit": "Processor vulnerable"},
                             "itlb_multihit not mitigated")):
            found["lanes"]["insn"] = lane(vulnerabilities=flaws)
            self.assertIn(f"  lane insn on QEMU 10.0.7, -cpu max; flaws of the CPU: {said}",
                          shown(found))

    def test_failed(self) -> None:
        """A failed case is told in full, and listed right before the verdict."""
        log = ("ring: seed 1", "  1 push()")
        found = document(a=pair({("lockstep", "c->rust"): log, ("lockstep", "rust->rust"): log,
                                 ("layout", "c->c"): ("want->nr == 2",),
                                 ("layout", "rust->c"): ("want->nr == 3",)}), b=pair())
        for every in (False, True):
            lines = shown(found, every)
            at = lines.index("  FAIL a lockstep c->rust, rust->rust")
            self.assertEqual(lines[at + 1:at + 3], ["    ring: seed 1", "      1 push()"])
            self.assertEqual(lines[-6:], [
                "  what failed:", "    FAIL a lockstep c->rust, rust->rust",
                "    FAIL a layout c->c, rust->c", "  logs and consoles: out/x86_64/base", "",
                "x86_64 base: FAIL, 12 of 16 results passed"])
            self.assertIn("  FAIL a layout c->c", lines)
            self.assertIn("  FAIL a layout rust->c", lines)

    def test_whole_suite(self) -> None:
        """A verdict on a suite as a whole names it."""
        found = pair()
        found["cases"] += [{"suite": suite, "case": "", "path": "", "status": "error",
                            "log": ["not run"]} for suite in ("a", "a_insn")]
        lines = shown({**document(a=found), "verdict": "error"})
        self.assertEqual(lines[-6:-3], ["  what failed:", "    ERROR a suite",
                                        "    ERROR a a_insn"])

    def test_program(self) -> None:
        """A user program's rows are its suite's; a program that broke off says how far it came."""
        found = pair()
        found["cases"] += [
            {"suite": "a_user", "case": "rust", "path": path, "status": status, "log": log}
            for path, status, log in (("open", "pass", []), ("", "error", ["killed", "x"]))]
        lines = shown({**document(a=found), "verdict": "error"}, tables=True)
        self.assertIn("    a_user rust       1 ok  ERROR", lines)
        self.assertEqual(lines[-5:-3], ["  what failed:", "    ERROR a_user rust"])
        found["cases"] += [{"suite": "a_user_history", "case": side, "path": "history",
                            "status": status, "log": []}
                           for side, status in (("c", "pass"), ("rust", "fail"))]
        lines = shown({**document(a=found), "verdict": "error"}, tables=True)
        for row in ("    a_user rust          1 ok  ERROR", "    a_user_history c     1 of 1 ok",
                    "    a_user_history rust  0 of 1 ok", "  FAIL a_user_history rust history"):
            self.assertIn(row, lines)

    def test_replay(self) -> None:
        """The command has all that the run had."""
        lines = shown(document(a=pair({("layout", "c->c"): ("x",)})))
        self.assertIn("  again: make run PAIR=a ARCH=x86_64 SEED=1 PROGRAMS=3", lines)

    def test_replay_options(self) -> None:
        """And the kernel that it had: pairs whose options that has are named too."""
        found = document(a=pair({("layout", "c->c"): ("x",)}), b=pair())
        found["kernel"]["added"] = {"CRC7": {"value": "y", "pairs": ["a", "b"]}}
        self.assertIn("  again: make run PAIR='a b' ARCH=x86_64 SEED=1 PROGRAMS=3", shown(found))

    def test_lanes(self) -> None:
        """A lane names its accelerator, not why it was chosen."""
        lines = shown(document(a=pair()))
        self.assertIn("  lane check: TCG, 1.5 s", lines)
        self.assertIn("  lane insn: TCG, -icount shift=0, 1.5 s", lines)
        self.assertNotIn("/dev/kvm", "\n".join(lines))

    def test_trouble(self) -> None:
        """A lost guest that no row tells of, and a lane that was given up."""
        found = document(a=pair())
        found["lanes"]["check"] = lane(
            lost="given up", console=["last words"], kernel=["BUG: x", "BUG: x"],
            losses=[{"told": False, "what": "the guest panicked", "notes": ["suspects: a"]},
                    {"told": True, "what": "told elsewhere", "notes": []}])
        lines = shown(found)
        for line in ("  ERROR lane check: the guest panicked", "    suspects: a",
                     "  lane check: given up", "    last words", "    2 times: BUG: x"):
            self.assertIn(line, lines)
        self.assertNotIn("told elsewhere", "\n".join(lines))

    def test_unbuilt(self) -> None:
        """Messages of the tools are told; where all of them are, and how to get them again."""
        one = {"file": "x.rs", "line": 7, "level": "error", "message": "no"}
        found = {**document(), "verdict": "fail", "why": "the modules do not build", "lanes": {},
                 "failures": [{"stage": "bindgen", "pairs": ["a", "b"], "replay": "make run PAIR=a",
                               "diagnostics": [one, {**one, "file": None}]}]}
        self.assertEqual(shown(found)[2:], [
            "", "  FAIL bindgen: a, b", "    x.rs:7: error: no", "    error: no",
            "  again: make run PAIR=a", "  all that the tools said: out/x86_64/base/results.json",
            "", "x86_64 base: FAIL, the modules do not build"])


class TestFiles(unittest.TestCase):
    """Results of an earlier run are never taken for this one's."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name)
        self.req = request.parse([f"OUT={self.out}", "ARCH=x86_64", "VARIANT=base"], {})
        self.where = files.folder(self.req, "x86_64", "base")

    def leave_results(self) -> None:
        """Make the files that an earlier run left."""
        (self.where / "logs").mkdir(parents=True)
        for name in ("results.json", "junit.xml", "results.ktap", "logs/ring.ktap"):
            (self.where / name).write_text("{}")

    def why(self) -> KparityError:
        """The error of make report."""
        with self.assertRaises(KparityError) as caught:
            files.load(self.req, "x86_64", "base")
        return caught.exception

    def test_never_run(self) -> None:
        """The line says how to get them."""
        self.assertIsInstance(self.why(), Refused)
        self.assertIn("'make run ARCH=x86_64 VARIANT=base' writes it", str(self.why()))

    def test_removed_first(self) -> None:
        """A run's first act; while it runs there are none, nor once it was killed."""
        self.leave_results()
        with files.recorded_run(self.req):
            self.assertEqual([p.name for p in self.where.iterdir()], ["run.json"])
            self.assertIn("it still runs, or was killed", str(self.why()))

    def test_two_runs(self) -> None:
        """The second one waits, and says so: what the first has built and saved stays its own."""
        began = threading.Event()

        def second() -> None:
            with files.recorded_run(self.req):
                began.set()
        thread = threading.Thread(target=second)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            with files.recorded_run(self.req):
                thread.start()
                self.assertFalse(began.wait(0.3))
                self.leave_results()
            self.assertTrue(began.wait(30))
            thread.join()
        self.assertIn("waiting for another kparity", said.getvalue())
        self.assertEqual([p.name for p in self.where.iterdir()], ["run.json"])

    def test_interrupted_while_waiting(self) -> None:
        """A run that never began says nothing about the results of the other."""
        with contextlib.redirect_stderr(io.StringIO()), files.recorded_run(self.req):
            self.leave_results()
            with mock.patch("fcntl.flock", side_effect=[BlockingIOError, KeyboardInterrupt]), \
                    self.assertRaises(KeyboardInterrupt), files.recorded_run(self.req):
                self.fail("two runs at once")
            self.assertTrue((self.where / "results.json").exists())

    def test_reason(self) -> None:
        """However a run ends without results, the reason is kept."""
        for err, why in ((Failed("the modules do not build"), "the modules do not build"),
                         (KeyboardInterrupt(), "it was interrupted"),
                         (ZeroDivisionError("x"), "ZeroDivisionError: x")):
            with self.subTest(why):
                with self.assertRaises(type(err)), files.recorded_run(self.req):
                    raise err
                self.assertIsInstance(self.why(), EnvironmentFailed)
                self.assertIn(f"gave no results: {why}", str(self.why()))

    def test_one_cell_fails(self) -> None:
        """Of several arches and variants one may have results, and the others reasons."""
        req = request.parse([f"OUT={self.out}", "ARCH=all", "VARIANT=base"], {})
        with self.assertRaises(Failed), files.recorded_run(req):
            (self.where / "results.json").write_text(json.dumps({"schema": results.SCHEMA}))
            raise Failed("late")
        self.assertEqual(files.load(req, "x86_64", "base"), {"schema": results.SCHEMA})
        with self.assertRaisesRegex(EnvironmentFailed, "gave no results: late"):
            files.load(req, "arm64", "base")

    def test_asked(self) -> None:
        """A report is of what ran last, unless something is named."""
        with files.recorded_run(request.parse([f"OUT={self.out}", "ARCH=arm64",
                                               "VARIANT=all"], {})):
            pass
        kinds = list(variants.load_all(request.TOP / "qemu/variant"))
        self.assertEqual(files.asked(request.parse([f"OUT={self.out}"], {})),
                         [("arm64", kind) for kind in kinds])
        self.assertEqual(files.asked(self.req), [("x86_64", "base")])
        (self.out / "last-run.json").write_text("{")
        self.assertEqual(len(files.asked(request.parse([f"OUT={self.out}"], {}))), 1)

    def test_damaged(self) -> None:
        """Half a file is said to be so."""
        self.leave_results()
        (self.where / "results.json").write_text('{"schema"')
        self.assertIn("is damaged", str(self.why()))
        (self.where / "results.json").write_text("7")
        self.assertIn("is damaged: it is no object", str(self.why()))

    def test_older(self) -> None:
        """Results of another version are said to be so, and not read as if they were these."""
        self.leave_results()
        (self.where / "results.json").write_text('{"schema": 1}')
        self.assertIn("of another version of kparity (schema 1, and", str(self.why()))

    @unittest.skipUnless(TREE, "KPARITY_TREE names no kernel tree; 'make test' sets it")
    def test_saved(self) -> None:
        """The saved results are those shown: logs in full, times, and the same text."""
        kernel = mock.Mock(tree=Path(TREE or ""), release="7.3.4", config={}, added=(),
                           variant=variants.load_all(request.TOP / "qemu/variant")["base"])
        kernel.arch = self.req.archs[0]
        data = Path(__file__).parent / "data/ktap"
        given = LaneResult(lanes.CHECK.on("tcg", KVM))
        given.planned["ring"] = [CaseId("ring", case, path) for case in ("lockstep", "invariants")
                                 for path in lanes.PATHS]
        invariants = "full\terrors\t1\t1\t1\t1\tlockstep\n"
        given.take("ring", Answers((data / "fail.ktap").read_text(), invariants, {},
                                   json.dumps(LINE) + "\n"))
        found = results.gather(mock.Mock(kernel=kernel, tools=mock.Mock(versions={}),
                                         request=request.parse([], {})),
                               ("ring",), [given])
        found.replay = "ARCH=x86_64 SEED=1"
        self.where.mkdir(parents=True)
        (self.where / "check.console").write_bytes((data / "check.console").read_bytes())
        files.begin(self.where)
        whole = files.complete(found, ledger.Ledger((), (), {}), self.where, None)
        files.save(found, whole, self.where)
        self.assertFalse((self.where / "run.json").exists())
        loaded = files.load(self.req, "x86_64", "base")
        self.assertEqual(loaded, whole)
        rows = {(c["case"], c["path"]): c for c in loaded["pairs"]["ring"]["cases"]}
        self.assertEqual(rows["lockstep", "c->c"]["seconds"], 0.053106)
        self.assertIsNone(rows["invariants", "c->c"]["seconds"])
        self.assertEqual(loaded["lanes"]["check"]["why"], KVM)
        self.assertIn("EXPECTATION FAILED", (self.where / "logs/ring.ktap").read_text())
        self.assertIn('time="0.053106"', (self.where / "junit.xml").read_text())
        self.assertEqual(terminal.text(loaded, False, True, "x"),
                         terminal.show(found, False, Path("x"), whole))
        self.assertEqual(loaded["verdict"], "fail")
        failure, = rows["lockstep", "c->rust"]["failures"]
        self.assertEqual(failure["program"], list(PROGRAM))
        self.assertEqual(list(schema.unlike(loaded)), [])
        self.assertFalse(schema.by_jsonschema(loaded))
        self.assertEqual(failure["replay"], f"make run PAIR=ring PROGRAM={failure['program_file']}")
        file = Path(failure["program_file"])
        self.assertEqual((file.parent, file.read_text()),
                         (self.out / "programs", "ring capacity=1\npush 0\npush 0\n"))
        files.begin(self.where)
        self.assertTrue(file.exists(), "to run one removes none")


class TestDangling(unittest.TestCase):
    """ledger.build(): names that lead to no invariant fail a run"""

    def build(self, *encoded: str, proved: str = "full") -> ledger.Ledger:
        """The ledger of a contract with an invariant full."""
        raw = "invariant=full\x1ferrors\x1fa\x1fb\x1f\x1f\x1fring\0" + "".join(
            f"rust={name}\x1fchecked\x1fc\x1frust-stub/ring.rs:7\0" for name in encoded)
        test = mock.Mock(invariants=(proved,),
                         path=request.TOP / "tests/compile-fail/ring/misuse.rs")
        test.name = "misuse"
        with mock.patch.object(records, "read", return_value=records.parse(raw.encode())), \
                mock.patch.object(compile_fail, "find", return_value=[test]):
            return ledger.build(mock.Mock(pairs={"ring": Path("x")}), {})

    def test_good(self) -> None:
        """Nothing to say."""
        self.assertEqual(self.build("full").verdicts(), [])

    def test_unknown(self) -> None:
        """One line that names row and file, for Rust's text and for a compile-fail test."""
        (name, verdict), = self.build("full", "ful").verdicts()
        self.assertEqual((name, verdict.case, verdict.status), ("ring", "contract", ktap.FAIL))
        self.assertEqual(verdict.log, (
            "rust-stub/ring.rs:7 encodes 'ful', which is no invariant of kmod/contract/ring.h; "
            "is full meant?",))
        (_, verdict), = self.build(proved="wholly").verdicts()
        self.assertEqual(verdict.log, (
            "tests/compile-fail/ring/misuse.rs is about 'wholly', which is no invariant of "
            "kmod/contract/ring.h; there are full",))


if __name__ == "__main__":
    unittest.main()
