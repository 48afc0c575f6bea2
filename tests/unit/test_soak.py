# SPDX-License-Identifier: GPL-2.0
"""make soak: its request, the order of its work, kinds of failures, what it says."""

import json
import os
import signal
import tempfile
import threading
import time
import unittest
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from unittest import mock

from kplib import verbs
from kplib.boot import lanes
from kplib.boot.laneresult import LaneResult
from kplib.common import ui
from kplib.common.errors import BROKEN, FAILED, OK, EnvironmentFailed, GuestLost, Refused
from kplib.configure import request, seeds
from kplib.configure.lanes import CHECK
from kplib.soak import cells, journal, kinds, soak, told, work
from kplib.soak.kinds import Found
from kplib.soak.work import Item, Target

CHECKED = Target("x86_64", "base", "check")
SWEPT = Target("arm64", "base", "irq")


def failure(what: str = "return", program: list[str] | None = None,
            **fields: Any) -> dict[str, Any]:
    """A failure as judge.failures tells it."""
    return {"stage": "run", "what": what, "message": "step 2, push: 0 on c->rust, -ENOSPC on c->c",
            "pairs": [], "count": 2, "source": None,
            "program": ["ring capacity=1", "push 0", "push 0"] if program is None else program,
            "program_file": None, "step": 2, "operation": "push",
            "results": [
                {"path": "c->c", "created": 0, "made": None, "steps": ["0", "-ENOSPC, pushed 1"]},
                {"path": "c->rust", "created": 0, "made": None, "steps": ["0", "0, pushed 2"]}],
            "broken": [], "errnos": [], "checker": None, "stack": [], "diagnostics": [],
            "output": [], "replay": "make run PAIR=ring SEED=1", **fields}


def found(path: str = "c->rust", case: str = "lockstep", **fields: Any) -> Found:
    """A failure of a case of ring's."""
    return Found("ring", "ring", case, path, "fail", failure(**fields))


def run(verdict: str = "pass", **fields: Any) -> journal.Run:
    """A piece of work that has ended."""
    known: dict[str, Any] = {"seconds": 1.5, "passed": 24, "calls": 78800, **fields}
    return journal.Run("x86_64", "base", "check", 7, verdict, **known)


class TestSeeds(unittest.TestCase):
    """SEEDS="""

    def test_ranges(self) -> None:
        """A number is that many from 1; a word for a lane wins over one for its variant."""
        got = seeds.parse("50 debug=5, irq=1 kcsan=7..9", ("base", "debug", "kcsan", "irq"))
        assert got is not None
        self.assertEqual(list(got.of("base", "check")), list(range(1, 51)))
        self.assertEqual(list(got.of("debug", "check")), [1, 2, 3, 4, 5])
        self.assertEqual(list(got.of("kcsan", "irq")), [1])
        self.assertEqual(list(got.of("kcsan", "check")), [7, 8, 9])
        self.assertEqual(request.parse(["SEEDS=0..0"], {}).seeds, seeds.Seeds(range(1), {}))
        self.assertIsNone(request.parse([], {}).seeds)

    def test_refused(self) -> None:
        """One line that says which word."""
        for word, why in (("0", "'0' is no number of seeds"), ("9..7", "no range"), ("-1", "'-1'"),
                          ("abc", "'abc'"), ("1 2", "all is named twice"), ("irq=1", "for all"),
                          ("5 irq=", "''"), ("5 asan=1", "no variant and no lane"),
                          ("5 =1", "no variant"), ("1..9999999", "no range"),
                          (f"0..{2**64}", "no range"), ("\u0663", "no number"),
                          ("5 irq=1 irq=2", "irq is named twice")):
            with self.subTest(word), self.assertRaisesRegex(Refused, why) as caught:
                request.parse([f"SEEDS={word}"], {})
            self.assertNotIn("\n", str(caught.exception))


class TestRequest(unittest.TestCase):
    """Requests that make soak refuses"""

    def refused(self, *words: str) -> str:
        """The line that a soak is refused with."""
        with self.assertRaises(Refused) as caught:
            soak.check(request.parse(list(words), {}))
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    def test_minutes(self) -> None:
        """A number above 0."""
        for bad in ("0", "-1", "abc", "0.0", "1e3", "\u0663"):
            self.assertIn("MINUTES", self.refused(f"MINUTES={bad}"))
        self.assertEqual(request.parse(["MINUTES=0.5"], {}).minutes, 0.5)

    def test_how_long(self) -> None:
        """It wants one of the two, or both."""
        self.assertIn("give MINUTES=30 for fresh seeds, or SEEDS=50", self.refused())
        soak.check(request.parse(["SEEDS=2", "MINUTES=1"], {}))

    def test_not_for_soak(self) -> None:
        """Variables that mean nothing there, and those of a soak with another verb."""
        for word in ("SEED=1", "KEEP=1", "FORMAT=json", "PART=unit"):
            self.assertIn("is not for make soak", self.refused("SEEDS=1", word))
        for word in ("SEEDS=3", "MINUTES=3"):
            with self.assertRaisesRegex(Refused, "for make soak"):
                verbs.carry_out("run", request.parse([word], {}))

    def test_jobs(self) -> None:
        """At most as many guests as the machine has cores."""
        self.assertIn("JOBS", self.refused("SEEDS=1", "JOBS=0"))
        most = max(2, os.cpu_count() or 1)
        self.assertIn(f"run {most} guests", self.refused("SEEDS=1", f"JOBS={most + 1}"))
        self.assertEqual(request.parse([], {}).jobs, os.cpu_count())
        # Another program's JOBS is no reason to refuse other verbs.
        request.parse([], {"JOBS": "auto"}, soak=False)
        with self.assertRaisesRegex(Refused, "JOBS=auto"):
            request.parse([], {"JOBS": "auto"})

    def test_seeds_of_nothing(self) -> None:
        """A word for a variant or lane that is not to run is a mistake."""
        self.assertIn("SEEDS names debug", self.refused("SEEDS=5 debug=1"))
        self.assertIn("SEEDS names irq", self.refused("SEEDS=5 irq=1", "LANE=check"))
        soak.check(request.parse(["SEEDS=5 debug=1 irq=1", "VARIANT=all"], {}))


class TestWork(unittest.TestCase):
    """soak.work"""

    def test_fixed(self) -> None:
        """The first seed of all comes first, and each piece once."""
        order = work.Work([CHECKED, SWEPT], seeds.Seeds(range(1, 4), {"irq": range(7, 8)}), None)
        self.assertEqual(order.of, 4)
        got = []
        while item := order.next():
            got.append((item.number, item.target.lane, item.seed))
        self.assertEqual(got, [(1, "check", 1), (2, "irq", 7), (3, "check", 2), (4, "check", 3)])

    def test_fresh(self) -> None:
        """Each piece has a seed of its own, until the time is up."""
        now = [100.0]
        drawn = iter(range(10, 99))
        order = work.Work([CHECKED, SWEPT], None, 0.5, lambda: next(drawn), lambda: now[0])
        self.assertIsNone(order.of)
        got = [order.next() for _ in range(3)]
        self.assertEqual([(one.target.lane, one.seed) for one in got if one],
                         [("check", 10), ("irq", 11), ("check", 12)])
        now[0] = 130.0
        self.assertIsNone(order.next())
        self.assertTrue(order.late)

    def test_random(self) -> None:
        """32 bits, and hardly ever the same."""
        drawn = {work.fresh_seed() for _ in range(20)}
        self.assertGreater(len(drawn), 15)
        self.assertTrue(all(0 <= seed < 2**32 for seed in drawn))

    def test_targets(self) -> None:
        """Lanes that a variant does not have, and cases of other lanes, are left out."""
        req = request.parse(["VARIANT=all", "ARCH=all", "PAIR=ring"], {})
        every = [(arch, variant) for arch in req.archs for variant in req.variants]
        got = cells.targets(req, every)
        self.assertIn(Target("arm64", "debug", "check"), got)
        self.assertEqual({(one.variant, one.lane) for one in got if one.lane != "check"},
                         {("base", "insn"), ("base", "irq"), ("base", "order"),
                          ("base", "history"), ("debug", "history"), ("kcsan", "history")})
        self.assertNotIn(Target("x86_64", "base", "order"), got)
        req = request.parse(["VARIANT=all", "CASE=fault"], {})
        self.assertEqual({one.variant for one in cells.targets(
            req, [(arch, variant) for arch in req.archs for variant in req.variants])},
            {"debug", "fault"})


class TestKinds(unittest.TestCase):
    """soak.kinds"""

    def test_once(self) -> None:
        """One bug on two paths and with three seeds is one kind, however its numbers are."""
        all_kinds = kinds.Kinds()
        for number, seed in enumerate((5, 6, 7), 1):
            item = Item(number, CHECKED, seed)
            for path in ("c->rust", "rust->rust"):
                one, _ = all_kinds.take(item, found(path, program=[
                    "ring capacity=1", f"push {seed}", "push 0"]))
        self.assertEqual(len(all_kinds.all), 1)
        self.assertEqual((one.runs, one.times, one.seeds), (3, 12, [5, 6, 7]))
        self.assertEqual(dict(one.paths), {"c->rust": 3, "rust->rust": 3})
        self.assertEqual(one.name, "1-ring-lockstep")

    def test_apart(self) -> None:
        """What differs otherwise, in another case, operation or result, is another kind."""
        other = failure()["results"]
        other[1]["steps"][1] = "-EINVAL"
        variants = [found(), found(case="atomic"), found(what="output"), found(operation="pop"),
                    found(results=other), found(broken=[{"path": "c->rust", "what": "bounded"}]),
                    found(what="case", program=[], message="Expected x, got y"),
                    found(what="report", program=[], checker="kasan", message="BUG: KASAN in f"),
                    found(what="lost", program=[], message="the guest panicked")]
        self.assertEqual(len({kinds.key(one) for one in variants}), len(variants))

    def test_messages(self) -> None:
        """The same complaint at another address or count is the same."""
        first, second = (kinds.key(found(what="report", program=[], checker="kasan", message=text))
                         for text in ("BUG in ring_push+0x12/0x40 (ring.c:69)",
                                      "BUG in ring_push+0x1a/0x44 (ring.c:70)"))
        self.assertEqual(first, second)
        self.assertEqual(kinds.shape("-E2BIG at 0xff u32"), "-E2BIG at N u32")

    def test_promises(self) -> None:
        """Expectations in one case are apart by their place and by their promise."""
        def expected(line: int, what: str = "bounded", path: str = "c->rust") -> tuple[str, ...]:
            return kinds.key(found(
                path, case="spsc", what="case", program=[],
                message=f"Expected __holds to be true, but is false (tests/kunit/x.c:{line})",
                broken=[{"path": path, "what": what}]))
        self.assertEqual(expected(7), expected(7, path="rust->rust"))
        self.assertNotEqual(expected(7), expected(8))
        self.assertNotEqual(expected(7), expected(7, "fifo"))

    def test_lost(self) -> None:
        """Lost guests are apart by the operation and by the first function of ours."""
        def lost(operation: str | None, *stack: str) -> tuple[str, ...]:
            return kinds.key(found(what="lost", program=[], message="the guest panicked",
                                   operation=operation, stack=list(stack)))
        head = "Kernel panic - not syncing: x", " memcpy (lib/string.c:9)"
        push = lost("push", *head, "RIP: 0010:ring_push (kmod/ring.c:69) kparity_ring")
        self.assertEqual(push, lost("push", head[0], " ring_push (include/x.h:3 kmod/ring.c:70)"))
        self.assertNotEqual(push, lost("pop", *head, " ring_push (kmod/ring.c:69)"))
        self.assertNotEqual(push, lost("push", *head, " ring_pop (kmod/ring.c:69)"))
        self.assertEqual([one[-1] for one in (
            lost(None), lost(None, *head), lost(None, "pc : ring_pop+0x1a/0x44 [kparity_ring]"),
            lost(None, " <ring::Ring as Q>::pop (/src/pairs/x/x.rs:7)"))],
            ["", "", "ring_pop", "<ring::Ring as Q>::pop"])

    def test_interruption(self) -> None:
        """It is of the two operations and of what is broken; the results are of the moment."""
        def interrupted(got: str, by: str) -> tuple[str, ...]:
            results = [{"path": path, "created": 0, "made": None, "steps": [got]}
                       for path in ("c->c", "c->rust")]
            return kinds.key(found(what="interrupt", results=results, step=3, program=[
                "ring capacity=1", "during push 1", by]))
        self.assertEqual(interrupted("push: 0", "pop"), interrupted("push: -ENOSPC", "pop"))
        self.assertNotEqual(interrupted("push: 0", "pop"), interrupted("push: 0", "peek"))

    def test_shortest(self) -> None:
        """The shortest programs are kept, three of them, and the first is shown."""
        one = kinds.Kind(1, "ring", "ring", "lockstep", "fail")
        news = [one.take(Item(number, CHECKED, number), found(program=["ring", *["pop"] * length]))
                for number, length in enumerate((5, 4, 3, 9, 2, 2))]
        self.assertEqual(news, [True, True, True, False, True, False])
        self.assertEqual([len(one.examples[i]["program"]) for i in range(3)], [3, 4, 5])
        self.assertEqual(one.runs, 6)


class TestJournal(unittest.TestCase):
    """soak.journal, and what is told of it"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.journal = journal.Journal(self.folder, ("ring",), None)

    def judged(self, *failures: Found, verdict: str = "fail") -> mock.Mock:
        """Results of a piece of work, with some failures."""
        judged = mock.Mock(found=failures, calls=100, interruptions=5)
        judged.count.return_value = 3
        judged.result.verdict = verdict
        judged.result.lanes = [LaneResult(CHECK)]
        return judged

    def test_saved_once(self) -> None:
        """One file a kind, with the program and counts of all seeds; results.json has it too."""
        for seed in (1, 2, 3):
            program = str(self.folder / "programs/ring-x")
            run_, new = self.journal.take(Item(seed, CHECKED, seed), self.judged(
                found(program_file=program), found("rust->rust", program_file=program)),
                self.folder)
            self.assertEqual(([kind.number for kind in new], run_.kinds),
                             ([1] if seed == 1 else [], (1,)))
        self.journal.ended = journal.DONE
        self.journal.close()
        self.assertEqual([path.name for path in self.folder.glob("failures/*")],
                         ["1-ring-lockstep.json"])
        self.assertEqual((self.folder / "programs/ring-x").read_text(),
                         "ring capacity=1\npush 0\npush 0\n")
        saved = json.loads((self.folder / "failures/1-ring-lockstep.json").read_text())
        self.assertEqual((saved["runs"], saved["times"], saved["seeds"]), (3, 12, [1, 2, 3]))
        whole = json.loads((self.folder / "results.json").read_text())
        self.assertEqual((whole["verdict"], whole["kinds"]), ("fail", [saved]))
        self.assertEqual([one["seed"] for one in whole["runs"]], [1, 2, 3])
        said = told.summary(self.journal)
        self.assertIn("  1: FAIL ring lockstep c->rust, rust->rust", said)
        self.assertIn("12 times on 2 paths in 3 runs: x86_64 base check; seed 1, 2, 3", said)
        self.assertIn("again: make run PAIR=ring SEED=1", said)
        self.assertTrue(said.endswith("soak: FAIL, 3 runs, 3 failed, 1 kind of failure, 12 times"))

    def test_console(self) -> None:
        """What a lost guest said is kept."""
        (self.folder / "check.console").write_text("Kernel panic")
        self.journal.take(Item(1, CHECKED, 1), self.judged(
            found(what="lost", program=[], message="the guest panicked"), verdict="error"),
            self.folder)
        self.assertEqual((self.folder / "failures/1-ring-lockstep.console").read_text(),
                         "Kernel panic")
        self.assertEqual(self.journal.status, BROKEN)

    def test_status(self) -> None:
        """A failure says more than an error, and that more than an interruption."""
        for verdicts, ended, status in (
                (("pass",), journal.DONE, OK), (("pass",), journal.TIME, OK),
                ((), journal.DONE, BROKEN), (("pass", "error"), journal.DONE, BROKEN),
                (("pass", "error", "fail"), journal.BROKE, FAILED),
                (("pass",), journal.BROKE, BROKEN), (("pass",), journal.STOPPED, 130),
                ((), journal.STOPPED, 130), (("fail",), journal.STOPPED, FAILED),
                (("error",), journal.STOPPED, BROKEN)):
            with self.subTest(verdicts=verdicts, ended=ended):
                one = journal.Journal(self.folder, ("ring",), None, [run(v) for v in verdicts])
                one.ended = ended
                self.assertEqual(one.status, status)

    def test_skips(self) -> None:
        """Where all was skipped nothing was judged, and that is no pass."""
        one = journal.Journal(self.folder, ("ring",), 2, [run(passed=0), run(passed=0)],
                              ended=journal.DONE)
        self.assertEqual(one.status, BROKEN)
        self.assertIn("nothing was judged in x86_64 base check", told.summary(one))
        one.runs.append(run())
        self.assertEqual(one.status, OK)

    def test_clock(self) -> None:
        """What is written while it goes on says for how long it has."""
        self.journal.started = time.monotonic() - 60
        self.journal.save()
        self.assertGreaterEqual(json.loads((self.folder / "results.json").read_text())["seconds"],
                                60)

    def test_unfinished(self) -> None:
        """Seeds that were asked for and have not run are no pass."""
        one = journal.Journal(self.folder, ("ring",), 3, [run()], ended=journal.TIME)
        self.assertEqual(one.status, BROKEN)
        self.assertIn("before all 3 had run", told.summary(one))

    def test_unbuilt(self) -> None:
        """What could not be built is told, and is no pass."""
        one = journal.Journal(self.folder, ("ring",), None, [run()], ended=journal.DONE)
        one.unbuilt["arm64 base"] = "no compiler", BROKEN
        self.assertEqual(one.status, BROKEN)
        self.assertIn("arm64 base: not run: no compiler", told.summary(one))
        one.unbuilt["arm64 base"] = "the modules do not build", FAILED
        self.assertEqual(one.status, FAILED)

    def test_line(self) -> None:
        """Where it is, in one line."""
        self.journal.runs = [run(interruptions=12345), run("error", passed=0, calls=0, why="no")]
        said = told.status(self.journal, 30, [Item(1, CHECKED, 42)])
        self.assertEqual(said, "soak of 30 min: 2 runs, no failure, 1 error, 78.8 k calls, 12.3 k "
                               "interruptions; now x86_64 base check seed 42")
        self.assertEqual(told.ended(self.journal.runs[1]), "  x86_64 base check seed 7: ERROR, no")

    def test_long_program(self) -> None:
        """Of a long program the end is shown, up to the step that differs."""
        one = kinds.Kind(1, "ring", "ring", "atomic", "fail")
        one.take(Item(1, CHECKED, 1), found(
            program=["ring", *(f"push {n}" for n in range(100))], step=50))
        said = told.kind(one, "where")
        self.assertEqual(said[2:5], ["    ring", "    ... 35 lines more in where", "    push 35"])
        self.assertIn("    push 49", said)
        self.assertNotIn("    push 50", said)

    def test_stack(self) -> None:
        """A complaint of the kernel has its stack when it is met, and its file in the sum."""
        one = kinds.Kind(1, "ring", "ring", "spsc", "fail")
        one.take(Item(1, CHECKED, 1), found(
            case="spsc", what="report", program=[], checker="kasan", message="BUG: KASAN: x",
            stack=["BUG: KASAN: x", "Read of size 8", "noise", " ring_push (kmod/ring.c:7)"]))
        self.assertEqual(told.kind(one, "file")[2:4],
                         ["    Read of size 8", "     ring_push (kmod/ring.c:7)"])
        self.assertEqual(told.kind(one, "file", stack=False)[2], "    its stack: file")

    def test_numbers(self) -> None:
        """Counts and durations as one reads them."""
        self.assertEqual([told.many(n) for n in (7, 9999, 10000, 1234567, 2 * 10**9)],
                         ["7", "9999", "10.0 k", "1.2 M", "2.0 G"])
        self.assertEqual([told.span(s) for s in (3.21, 100, 7260)],
                         ["3.2 s", "1 min 40 s", "2 h 1 min"])


class TestLoop(unittest.TestCase):
    """soak.soak: guests that are begun, taken and given up"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.journal = journal.Journal(Path(folder.name), ("ring",), None)
        self.req = request.parse(["SEEDS=4", "JOBS=2"], {})
        for patch in (mock.patch.object(soak, "LOOK", 0.001), mock.patch.object(ui, "note"),
                      mock.patch.object(soak, "_print")):
            patch.start()
            self.addCleanup(patch.stop)

    def go(self, start: Any, count: int = 4, stopper: soak.Stopper | None = None,
           verdict: str = "pass") -> tuple[str, str]:
        """Carry `count` pieces out, each of which `start` gives a future of."""
        judged = mock.Mock(found=(), calls=1, interruptions=0)
        judged.count.return_value = int(verdict == "pass")
        judged.result.verdict = verdict
        judged.result.lanes = [LaneResult(CHECK)]
        order = work.Work([CHECKED], seeds.Seeds(range(count), {}), None)
        with mock.patch.object(lanes, "start", start), \
                mock.patch.object(cells, "judge", return_value=judged):
            one = soak._Soak(  # pylint: disable=protected-access
                self.req, self.journal, order, {("x86_64", "base"): mock.Mock()})
            return one.go(stopper or soak.Stopper(), mock.Mock())

    @staticmethod
    def future(outcome: Any = None) -> Future[LaneResult]:
        """One that has ended: with results, or an error."""
        future: Future[LaneResult] = Future()
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(mock.Mock())
        return future

    def test_all(self) -> None:
        """Each piece once; never more than JOBS at a time."""
        running = []

        def start(_: Any, name: str) -> Future[LaneResult]:
            future: Future[LaneResult] = Future()
            running.append(future)
            self.assertLessEqual(sum(not one.done() for one in running), 2)
            threading.Timer(0.02, future.set_result, [mock.Mock()]).start()
            self.assertIn("seed", name)
            return future

        self.assertEqual(self.go(start)[0], journal.DONE)
        self.assertEqual(sorted(one.seed for one in self.journal.runs), [0, 1, 2, 3])

    def test_goes_on(self) -> None:
        """One that gives nothing is told, and the others go on; three in a row end it."""
        outcomes = iter([self.future(), self.future(GuestLost("no QEMU")),
                         self.future(ValueError("x")), self.future()])
        self.assertEqual(self.go(lambda *_: next(outcomes))[0], journal.DONE)
        self.assertEqual([(one.verdict, one.why) for one in self.journal.runs], [
            ("pass", ""), ("error", "no QEMU"), ("error", "ValueError: x"), ("pass", "")])
        self.assertEqual(self.go(lambda *_: self.future(), 9, verdict="fail")[0], journal.DONE)
        self.journal.runs.clear()
        ended, why = self.go(lambda *_: self.future(EnvironmentFailed("no disk")), 50)
        self.assertEqual(ended, journal.BROKE)
        self.assertIn("no disk", why)
        self.assertLess(len(self.journal.runs), 12)

    def test_environment(self) -> None:
        """Three faults of the environment end it, whatever passes between them."""
        ended, why = self.go(lambda *_, n=iter(range(99)): self.future(
            EnvironmentFailed("no disk") if next(n) % 2 else None), 50)
        self.assertEqual(ended, journal.BROKE)
        self.assertIn("3 runs gave no result at all: no disk", why)
        self.assertLess(len(self.journal.runs), 12)

    def test_kept(self) -> None:
        """A soak whose output nobody reads, or that is interrupted twice, keeps what it found."""
        for err, ended, why in (
                (BrokenPipeError(), journal.BROKE, "nobody reads its standard output"),
                (KeyboardInterrupt(), journal.STOPPED, "twice"),
                (ZeroDivisionError("x"), journal.BROKE, "ZeroDivisionError: x")):
            with self.subTest(ended), tempfile.TemporaryDirectory() as folder:
                req = request.parse(["SEEDS=1", "PAIR=ring", f"OUT={folder}"], {})
                cell = {(req.archs[0].name, "base"): mock.Mock()}
                guests: list[Path] = []

                def start(run_: Any, _: str, guests: list[Path] = guests,
                          folder: str = folder) -> Future[LaneResult]:
                    del run_
                    guests.append(next(Path(folder).glob("soak/*")) / "guests")
                    guests[-1].mkdir(exist_ok=True)
                    return Future()

                with mock.patch.object(soak, "_prepare", return_value=cell), \
                        mock.patch.object(lanes, "start", start), \
                        mock.patch.object(soak._Soak, "_give_up"), \
                        mock.patch.object(time, "sleep", side_effect=err), \
                        self.assertRaises(type(err)):
                    soak.soak(req)
                saved = json.loads(next(Path(folder).glob("soak/*/results.json")).read_text())
                self.assertEqual(saved["ended"], ended)
                self.assertIn(why, saved["why"])
                self.assertEqual(len(saved["given_up"]), len(guests))
                self.assertTrue(guests)
                self.assertFalse(guests[0].exists())

    def test_no_reader(self) -> None:
        """Where the sum cannot be printed standard error says where all is."""
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(soak, "_prepare", return_value={
                    (request.parse([], {}).archs[0].name, "base"): mock.Mock()}), \
                mock.patch.object(soak._Soak, "go", return_value=(journal.DONE, "")), \
                mock.patch.object(soak, "_print", side_effect=BrokenPipeError), \
                mock.patch.object(ui, "note") as note:
            with self.assertRaises(BrokenPipeError):
                soak.soak(request.parse(["SEEDS=1", "PAIR=ring", f"OUT={folder}"], {}))
        said = note.call_args.args[0]
        self.assertRegex(said, "the sum was not printed: nobody reads .*; the verdict is error, "
                               r"and all that it found is in \S+results.json$")

    def test_not_judged(self) -> None:
        """Results that cannot be judged cost the others nothing."""
        with mock.patch.object(cells, "judge", side_effect=KeyError("x")):
            order = work.Work([CHECKED], seeds.Seeds(range(2), {}), None)
            with mock.patch.object(lanes, "start", lambda *_: self.future()):
                soak._Soak(  # pylint: disable=protected-access
                    self.req, self.journal, order, {("x86_64", "base"): mock.Mock()}
                ).go(soak.Stopper(), mock.Mock())
        self.assertEqual([(one.verdict, one.why) for one in self.journal.runs],
                         [("error", "KeyError: 'x'")] * 2)

    def test_stopped(self) -> None:
        """What has ended is kept, what runs is given up and named."""
        stopper = soak.Stopper()
        begun: list[Future[LaneResult]] = []

        def start(*_: Any) -> Future[LaneResult]:
            future = self.future() if not begun else Future()
            begun.append(future)
            if len(begun) == 2:
                stopper.asked = True
                threading.Timer(0.02, future.cancel).start()
            return future

        self.assertEqual(self.go(start, stopper=stopper)[0], journal.STOPPED)
        self.assertEqual(([one.seed for one in self.journal.runs],
                          [one.seed for one in self.journal.given_up]), ([0], [1]))

    def test_signals(self) -> None:
        """The first is noted, make's own right behind it too; a later one is the usual end."""
        before = signal.getsignal(signal.SIGTERM)
        with soak.Stopper() as stopper:
            self.assertFalse(stopper.asked)
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            self.assertTrue(stopper.asked)
            with mock.patch.object(time, "monotonic", return_value=time.monotonic() + 3):
                with self.assertRaises(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGINT)
        self.assertEqual(signal.getsignal(signal.SIGTERM), before)


if __name__ == "__main__":
    unittest.main()
