# SPDX-License-Identifier: GPL-2.0
"""Lanes with guests that are lost: what the others give, and whom it is blamed on.

The guests are played by actor.py.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Iterator
from unittest import mock

from kplib.boot import agenda, guest, lanes, qemu, stacks
from kplib.boot.console import Console, Position
from kplib.boot.laneresult import CaseId, LaneResult
from kplib.boot.session import Session
from kplib.build.modules import Modules
from kplib.common import proc
from kplib.common.errors import GuestLost
from kplib.configure import pairs as places
from kplib.configure import request, variants
from kplib.configure.lanes import CHECK, HISTORY, INSN, PATHS, TIME, Lane
from kplib.judge import ktap, results, sizes, tables, verdicts

#: Seconds. An actor says something each few milliseconds.
SILENCE = 0.5
CASES = ("lockstep", "spsc", "invariants")


def read_ktap(_: Path, planned: list[str], text: str) -> tuple[ktap.Verdict, ...]:
    """Verdicts from an actor's KTAP, as the kernel tree's parser gives them."""
    found, case = [], ""
    for line in text.splitlines():
        if head := re.fullmatch(r" +# Subtest: (\S+)", line):
            case = head.group(1)
        elif row := re.fullmatch(r" {8}ok \d+ (\S+)", line):
            found.append(ktap.Verdict(planned[0], case, row.group(1), ktap.PASS, ()))
    return tuple(found)


def failure(case: str, times: int = 1) -> str:
    """A failure of a case on c->c, as the engine tells it."""
    return json.dumps({"case": case, "path": "c->c", "times": times, "source": None,
                       "what": "return", "too_long": True})


def monitor(sock: socket.socket) -> None:
    """QEMU's monitor: it does what it is asked for, and nothing comes of it."""
    with contextlib.suppress(OSError), sock, sock.makefile("rwb") as file:
        file.write(b'{"QMP": {}}\n')
        file.flush()
        while file.readline():
            file.write(b'{"return": {}}\n')
            file.flush()


class TestSettings(unittest.TestCase):
    """Session.load_engine(): what a variant sets"""

    def test_before(self) -> None:
        """A variant's files of the guest are written before the engine is loaded."""
        for kind in variants.load_all(request.TOP / "qemu/variant").values():
            for lane, more in ((CHECK, ()), (HISTORY.on("tcg", "a test"), kind.counted),
                               (HISTORY.on("kvm", "a test"), ())):
                vm, setup = mock.Mock(), mock.Mock(request=request.parse([], {}))
                setup.kernel.variant = kind
                session = Session(vm, setup, LaneResult(lane), mock.Mock(), "x", [])
                with mock.patch("kplib.boot.session.in_guest"), \
                        mock.patch("kplib.boot.leaks.stack_table", return_value=""):
                    session.load_engine()
                self.assertEqual(
                    [(name, *args[1:]) for name, args, _ in vm.mock_calls][:-1],
                    [("write", path, value.encode()) for path, value in kind.settings + more])
                self.assertEqual(vm.mock_calls[-1][0], "load")
            self.assertEqual(kind.fails, any("failslab" in path for path, _ in kind.settings))
            self.assertEqual(bool(kind.counted), kind.name == "kcsan")


class TestAgenda(unittest.TestCase):
    """agenda.Agenda"""

    def test_unknown_pair(self) -> None:
        """A console that names a pair that nobody runs makes no guests without end."""
        lane = LaneResult(CHECK)
        left = agenda.Agenda(("ring",), lane)
        for _ in range(agenda.UNUSED_MAX):
            self.assertTrue(left.next())
            left.lose(Position("gnir", "lockstep", "c->c"), [], GuestLost("the guest panicked"), [])
        self.assertEqual((left.next(), lane.lost), ([], "the guest panicked"))


class TestLanes(unittest.TestCase):
    """lanes.run() and results.gather()"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.variant = variants.load_all(request.TOP / "qemu/variant")["base"]
        self.script: dict[str, Any] = {}
        self.lane = CHECK
        #: Whether QEMU carries out what the host wants of it to look at a guest.
        self.has_monitor = False
        for target, stub in ((qemu, {"boot": self.boot}), (ktap, {"verdicts": read_ktap}),
                             (stacks, {"decode": lambda _, said: said}),
                             (sizes, {"read": lambda *_: sizes.Sizes()})):
            patch = mock.patch.multiple(target, **stub)
            patch.start()
            self.addCleanup(patch.stop)

    @contextlib.contextmanager
    def boot(self, _: Any, lane: Lane, path: Path, token: str, read_only: bool,
             cancelled: threading.Event) -> Iterator[guest.Guest]:
        """qemu.boot(), with an actor."""
        del lane, read_only
        wire, far = socket.socketpair()
        near, far_monitor = socket.socketpair()
        if self.has_monitor:
            threading.Thread(target=monitor, args=(far_monitor,), daemon=True).start()
        else:
            far_monitor.close()
        actor = [sys.executable, str(Path(__file__).with_name("actor.py")), str(far.fileno()),
                 json.dumps(self.script)]
        (self.folder / "errors").write_text("")
        with wire, near, open(path, "ab", buffering=0) as log, proc.child(
                actor, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                pass_fds=(far.fileno(),)) as process:
            far.close()
            yield guest.Guest(process, Console(token, log), path, self.folder / "errors", wire,
                              near, SILENCE, cancelled)

    def run_lane(self, *pairs: str, **script: Any) -> LaneResult:
        """Run pairs in guests that follow a script."""
        self.script = {"cases": dict.fromkeys(pairs, CASES), **script}
        (self.folder / "guest").mkdir(exist_ok=True)
        for name in ("engine", *pairs):
            (self.folder / "guest" / name).write_text(name)
        programs = script.get("programs", ())
        for pair in programs:
            (self.folder / pair).write_text("a program")
        self.kernel = mock.MagicMock(variant=self.variant, config={}, added=())
        setup = mock.Mock(modules=self.folder, kernel=self.kernel)
        setup.request = mock.Mock(pairs=pairs, pairs_dir=None, program=None, cases=(), seed=1,
                                  boots=1, programs=1, printing=None, depth="usual")
        built: Future[Modules] = Future()
        built.set_result(Modules(self.folder / "engine", {p: self.folder / p for p in pairs},
                                 {self.lane.user_suite(p): self.folder / p for p in programs}))
        return lanes.run(setup, self.lane, built, self.folder)

    def judge(self, lane: LaneResult) -> dict[tuple[str, str, str], ktap.Verdict]:
        """All verdicts that did not pass; every planned case must have one."""
        pairs = tuple(self.script["cases"])
        setup = mock.Mock(kernel=self.kernel, **{
            "request.pairs_dir": None, "request.cases": (), "request.shard": None,
            "request.seed": 1, "request.margin": None})
        # Contracts are there, and no pair has a user program.
        (self.folder / "kmod/contract").mkdir(parents=True, exist_ok=True)
        for pair in pairs:
            (self.folder / f"kmod/contract/{pair}.h").write_text("KP_FUNCTION(f, ANY, KP_VOID)\n")
        with mock.patch.object(places, "TOP", self.folder):
            self.found = results.gather(setup, pairs, [lane])
        rows = [v for pair in self.found.pairs.values() for v in pair.verdicts]
        by_name = {(v.suite, v.case, v.path): v for v in rows}
        self.assertEqual(len(by_name), len(rows), "one verdict each")
        for planned in lane.planned.values():
            for at in planned:
                self.assertIn((at.suite, at.case, at.path), by_name)
        return {key: v for key, v in by_name.items() if v.status != ktap.PASS}

    def lost(self, lane: LaneResult) -> list[tuple[str, str, str]]:
        """Suite, case and path of each lost guest."""
        return [(loss.at.suite, loss.at.case, loss.at.path) for loss in lane.losses]

    def only_lost(self, lane: LaneResult, *wanted: tuple[str, str, str]) -> None:
        """Assert that the wanted rows alone did not pass, and a guest was lost in each."""
        self.assertEqual(self.lost(lane), list(wanted))
        rows = self.judge(lane)
        self.assertEqual({key: v.status for key, v in rows.items()},
                         dict.fromkeys(wanted, ktap.ERROR))
        self.assertEqual(self.found.verdict, "error")

    def test_good(self) -> None:
        """Nothing goes wrong: one guest, all results."""
        lane = self.run_lane("ring", "tlv")
        self.assertEqual((lane.boots, lane.losses, self.judge(lane)), (1, [], {}))
        self.assertEqual(self.found.verdict, "pass")
        self.assertEqual(self.found.pairs["tlv"].invariants[0].id, "full")

    def test_hang(self) -> None:
        """A case that hangs is an error, and the rest runs in another guest."""
        lane = self.run_lane("ring", "tlv", deeds=[{"at": "ring spsc c->rust", "do": "hang"}])
        self.only_lost(lane, ("ring", "spsc", "c->rust"))
        self.assertEqual(lane.boots, 2)
        self.assertIn(f"hung: nothing for {SILENCE:g} s while running ring", lane.losses[0].what)

    def test_goes_on(self) -> None:
        """A case that was silent for too long and goes on while the host looks at its guest."""
        self.has_monitor = True
        lane = self.run_lane("ring", "tlv", deeds=[
            {"at": "ring spsc c->rust", "do": f"pause {SILENCE + 0.7}"}])
        self.only_lost(lane, ("ring", "spsc", "c->rust"))
        self.assertEqual(lane.boots, 2)

    def test_goes_on_in_the_last(self) -> None:
        """A silent case goes on, and its guest has ended before the host has looked."""
        self.has_monitor = True
        lane = self.run_lane("ring", deeds=[
            {"at": "ring invariants rust->rust", "do": f"pause {SILENCE + 0.7}"}])
        self.only_lost(lane, ("ring", "invariants", "rust->rust"))

    def test_budget(self) -> None:
        """A pair that hangs wherever it can costs the others nothing, and no end of time."""
        deeds = [{"at": f"ring {case} {path}", "do": "hang"} for case in CASES
                 for path in ("c->rust", "rust->rust")]
        lane = self.run_lane("ring", "tlv", "idalloc", deeds=deeds)
        self.assertEqual((len(lane.losses), lane.boots), (agenda.STUCK_MAX, agenda.STUCK_MAX + 1))
        self.assertIsNone(lane.lost)
        rows = self.judge(lane)
        self.assertEqual({suite for suite, _, _ in rows}, {"ring"})
        self.assertRegex(rows["ring", "spsc", "c->c"].log[0],
                         "^not run: given up after it lost 4 guests; the last one: .*hung")

    def test_two_budgets(self) -> None:
        """Two such pairs have a budget each."""
        deeds = [{"at": f"{pair} {case} {path}", "do": "panic"} for case in CASES
                 for path in ("c->c", "c->rust", "rust->c", "rust->rust")
                 for pair in ("ring", "tlv")]
        lane = self.run_lane("ring", "tlv", "idalloc", deeds=deeds)
        self.assertEqual(len(lane.losses), 2 * agenda.LOST_MAX)
        self.assertEqual({suite for suite, _, _ in self.judge(lane)}, {"ring", "tlv"})

    def test_neighbour(self) -> None:
        """An oops that another pair's deed leads to is no error of the case that it comes in."""
        lane = self.run_lane("ring", "tlv", "idalloc", deeds=[
            {"at": "tlv spsc c->c", "behind": "ring", "do": "oops"}])
        rows = self.judge(lane)
        self.assertEqual({key: v.status for key, v in rows.items()}, {("ring", "", ""): ktap.ERROR})
        log = "\n".join(rows["ring", "", ""].log)
        self.assertIn("panicked while running tlv: Fatal exception", log)
        self.assertIn("tlv spsc c->c ran at that moment, and passes in a guest of its own", log)
        self.assertIn("ring ran last in that guest, and is the suspect", log)
        self.assertIn("VARIANT=debug", log)
        self.assertIn("kmalloc_noprof", log)
        self.assertEqual(self.lost(lane), [("", "", "")])
        self.assertEqual((lane.losses[0].suspects, lane.boots), (("ring",), 3))
        self.assertEqual(self.found.verdict, "error")

    def test_neighbour_on_another_cpu(self) -> None:
        """Between an oops and its panic another CPU may have begun the next case."""
        lane = self.run_lane("ring", "tlv", words={"oops": [
            "BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "RIP: 0010:late+0x1/0x2 [kparity_ring]", "---[ end trace 0000000000000000 ]---"]},
            deeds=[{"at": "tlv lockstep c->c", "behind": "ring", "do": "say oops"},
                   {"at": "tlv spsc c->c", "behind": "ring", "do": "panic"}])
        rows = self.judge(lane)
        self.assertEqual({key: v.status for key, v in rows.items()}, {("ring", "", ""): ktap.ERROR})
        self.assertIn("the first module in the stack is that of ring, the suspect",
                      "\n".join(rows["ring", "", ""].log))

    def test_neighbours(self) -> None:
        """Of several pairs that had run none is accused alone; all are told."""
        lane = self.run_lane("ring", "tlv", "idalloc", deeds=[
            {"at": "idalloc spsc c->c", "behind": "ring", "do": "hang"}])
        self.assertEqual(self.judge(lane), {})
        self.assertEqual(self.found.verdict, "error")
        self.assertEqual(lane.losses[0].suspects, ("tlv", "ring"))
        self.assertEqual(verdicts.untold(lane), lane.losses)
        self.assertIn("before it ran ring", lane.losses[0].notes[1])

    def test_own_deed(self) -> None:
        """A case that kills its guest does so in one of its own as well, and answers for it."""
        lane = self.run_lane("ring", "tlv", "idalloc", deeds=[
            {"at": "tlv spsc c->c", "do": "oops"}])
        rows = self.judge(lane)
        self.assertEqual(set(rows), {("tlv", "spsc", "c->c")})
        self.assertEqual(self.lost(lane), [("tlv", "spsc", "c->c")] * 2)
        self.assertEqual([loss.suspects for loss in lane.losses], [(), ()])

    KASAN = ["BUG: KASAN: slab-use-after-free in late+0x1/0x2{}", "Write of size 8", "=" * 66]

    def test_complaint_while_no_pair_runs(self) -> None:
        """A late report is the pair's whose module it names, else the lane's; it never passes."""
        for moment in ("after idalloc", "off"):
            for module, rows in ((" [kparity_ring]", {("ring", "", "")}), ("", set())):
                with self.subTest(moment, module=module):
                    lane = self.run_lane("tlv", "ring", "idalloc", words={
                        "kasan": [line.format(module) for line in self.KASAN]},
                        deeds=[{"at": moment, "do": "say kasan"}])
                    self.assertEqual({k: v.status for k, v in self.judge(lane).items()},
                                     dict.fromkeys(rows, ktap.FAIL))
                    self.assertEqual(self.found.verdict, "fail" if module else "error")
                    if not module:
                        told = self.found.to_json()["lanes"]["check"]["losses"][0]
                        self.assertIn("while no case ran: BUG: KASAN: slab-use", told["what"])
                        self.assertFalse(told["told"])

    def once(self, moment: str, *deeds: str, **more: str) -> list[dict[str, str]]:
        """Deeds that are done at a moment of one guest alone."""
        return [{"at": moment, "do": deed, "once": str(self.folder / f"once-{number}"), **more}
                for number, deed in enumerate(deeds)]

    def test_dies_now_and_then(self) -> None:
        """A guest that died in code of the pair that ran is that pair's, though it passes then."""
        for number, line in enumerate((
                "rust_kernel: panicked at rust-stub/tlv.rs:185:19:",
                "BUG: unable to handle page fault\nRIP: 0010:tlv_get+0x1/0x2 [kparity_tlv]",
                "Unable to handle kernel paging request\npc : tlv_get+0x1/0x2 [kparity_tlv]")):
            with self.subTest(line):
                for file in self.folder.glob("once-*"):
                    file.unlink()
                lane = self.run_lane("ring", "tlv", words={"died": line.splitlines()},
                                     deeds=self.once("tlv spsc c->c", "say died", "panic"))
                rows = self.judge(lane)
                self.assertEqual({key: v.status for key, v in rows.items()},
                                 {("tlv", "spsc", "c->c"): ktap.ERROR}, number)
                self.assertIn("passes when run again", rows["tlv", "spsc", "c->c"].log[1])
                self.assertIn("before it ran ring", rows["tlv", "spsc", "c->c"].log[1])

    def test_dies_elsewhere_alone(self) -> None:
        """A pair that loses a guest of its own in another case answers for the first as well."""
        lane = self.run_lane("ring", "tlv", deeds=[
            {"at": "tlv lockstep c->c", "behind": "ring", "do": "panic"},
            {"at": "tlv spsc c->c", "do": "panic"}])
        rows = self.judge(lane)
        self.assertEqual(set(rows), {("tlv", "lockstep", "c->c"), ("tlv", "spsc", "c->c")})
        self.assertIn("ran alone as well: tlv spsc c->c", rows["tlv", "lockstep", "c->c"].log[1])

    def test_victim_complains_first(self) -> None:
        """Damage shows in complaints before the guest dies of it: they go where the loss goes."""
        words = {"page": ["BUG: Bad page state in process x  pfn:00012", "---[ end trace 0 ]---"]}
        lane = self.run_lane("ring", "tlv", words=words, deeds=[
            {"at": "tlv spsc c->c", "behind": "ring", "do": deed} for deed in ("say page", "oops")])
        self.assertEqual({key: v.status for key, v in self.judge(lane).items()},
                         {("ring", "", ""): ktap.ERROR})
        self.assertIn(words["page"][0], lane.losses[0].lines)
        lane = self.run_lane("ring", "tlv", words=words, deeds=[
            {"at": "tlv spsc c->c", "do": deed} for deed in ("say page", "oops")])
        rows = self.judge(lane)
        self.assertEqual(set(rows), {("tlv", "spsc", "c->c")})
        self.assertIn(f"{words['page'][0]} (2 times)", rows["tlv", "spsc", "c->c"].log)

    def test_late_work_of_another_pair(self) -> None:
        """The stack says whose work is complained of, or kills a guest, not what runs then."""
        kasan = [line.format(" [kparity_ring]") for line in self.KASAN]
        lane = self.run_lane("ring", "tlv", words={"kasan": kasan},
                             deeds=[{"at": "tlv spsc c->c", "do": "say kasan"}])
        self.assertEqual({key: v.status for key, v in self.judge(lane).items()},
                         {("ring", "invariants", "rust->rust"): ktap.FAIL})
        words = {"timer": ["BUG: unable to handle page fault for address: 1",
                           "RIP: 0010:late+0x1/0x2 [kparity_ring]", "---[ end trace 0 ]---"]}
        for moment, runs, boots in (("tlv spsc c->c", "tlv spsc c->c ran at that moment", 2),
                                    ("unload tlv", "tlv ran at that moment", 1)):
            with self.subTest(moment):
                deeds = [{"at": moment, "behind": "ring", "do": deed}
                         for deed in ("say timer", "panic")]
                lane = self.run_lane("ring", "tlv", "idalloc", words=words, deeds=deeds)
                rows = self.judge(lane)
                self.assertEqual({key: v.status for key, v in rows.items()},
                                 {("ring", "", ""): ktap.ERROR})
                self.assertIn("stack is that of ring", rows["ring", "", ""].log[2])
                self.assertEqual((rows["ring", "", ""].log[1], lane.boots), (runs, boots))

    def test_behind_the_unloading(self) -> None:
        """A guest that dies once modules were unloaded accuses none of several."""
        lane = self.run_lane("ring", "tlv", deeds=[{"at": "unload kparity", "do": "oops"}])
        self.assertEqual((self.judge(lane), self.found.verdict), ({}, "error"))
        self.assertEqual(verdicts.untold(lane), lane.losses)
        self.assertIn("may be the cause: ring, tlv", lane.losses[0].notes[0])
        lane = self.run_lane("ring", deeds=[{"at": "unload kparity", "do": "oops"}])
        self.assertEqual(set(self.judge(lane)), {("ring", "", "")})

    def test_complaint_of_the_kernel(self) -> None:
        """One from before the first case, or a plain warning that names nobody, is its own."""
        lane = self.run_lane("ring", words={
            "kasan": [line.format("") for line in self.KASAN],
            "warn": ["WARNING: kernel/x.c:1 at y+0x1/0x2", "---[ end trace 0 ]---"]},
            deeds=[{"at": "start", "do": "say kasan"}, {"at": "off", "do": "say warn"}])
        self.assertEqual((self.judge(lane), self.found.verdict, len(lane.kernel)), ({}, "pass", 2))

    def test_oops_while_it_powers_off(self) -> None:
        """A guest that has answered all, and oopses then, has not passed."""
        lane = self.run_lane("ring", deeds=[{"at": "off", "do": "oops"}])
        self.assertEqual((self.judge(lane), self.found.verdict), ({}, "error"))
        self.assertIn("unable to handle page fault", lane.losses[0].what)

    def test_no_markers(self) -> None:
        """A console without markers tells of no pair: an error, and not a pass."""
        lane = self.run_lane("ring", "tlv", quiet=True)
        rows = self.judge(lane)
        self.assertEqual({key: v.status for key, v in rows.items()},
                         {(pair, "", ""): ktap.ERROR for pair in ("ring", "tlv")})
        self.assertIn("its markers did not reach the console", rows["ring", "", ""].log[0])

    def test_debug_needs_no_advice(self) -> None:
        """Variant debug looks for damaged memory already."""
        self.variant = variants.load_all(request.TOP / "qemu/variant")["debug"]
        with mock.patch("kplib.boot.session.LEAK_AGE", 0.0):
            lane = self.run_lane("ring", deeds=[{"at": "end ring", "do": "oops"}])
        self.assertNotIn("VARIANT", " ".join(self.judge(lane)["ring", "", ""].log))

    def test_behind_the_suite(self) -> None:
        """Memory damaged so that the guest dies when the suite has run: who, and what to do."""
        lane = self.run_lane("ring", "tlv", deeds=[{"at": "end ring", "do": "oops"}])
        rows = self.judge(lane)
        log = rows["ring", "", ""].log
        self.assertIn("panicked while running ring: Fatal exception", log[0])
        self.assertIn("ring ran last in that guest, and is the suspect", log)
        self.assertIn(agenda.ADVICE, log)
        self.assertEqual({suite for suite, _, _ in rows}, {"ring"})
        self.assertRegex(rows["ring", "spsc", "c->c"].log[0], "not run: two guests were lost")

    def test_behind_all(self) -> None:
        """The same once its results are there: they stay, and it is the suspect."""
        lane = self.run_lane("ring", "tlv", deeds=[{"at": "after ring", "do": "oops"}])
        rows = self.judge(lane)
        self.assertEqual(set(rows), {("ring", "", "")})
        self.assertIn(agenda.ADVICE, rows["ring", "", ""].log)
        self.assertEqual(lane.boots, 2)

    def test_loading(self) -> None:
        """A module that kills its guest when it is loaded; the others have their results."""
        for pairs, boots in (("ring", "tlv"), 3), (("tlv", "ring"), 2), (("tlv", "ring", "idr"), 3):
            with self.subTest(pairs):
                lane = self.run_lane(*pairs, deeds=[{"at": "load ring", "do": "panic"}])
                self.assertEqual(set(self.judge(lane)), {("ring", "", "")})
                self.assertEqual((lane.boots, len(lane.losses)), (boots, 2))

    def test_unloading(self) -> None:
        """One that does so when it is unloaded; nothing is run again."""
        lane = self.run_lane("ring", "tlv", deeds=[{"at": "unload ring", "do": "panic"}])
        self.only_lost(lane, ("ring", "", ""))
        self.assertEqual(lane.boots, 1)

    def test_killed(self) -> None:
        """QEMU is killed from outside: in a case, between two, between pairs, before all."""
        for moment, where in (("ring spsc c->c", "ring spsc c->c"),
                              ("behind ring lockstep", "ring"),
                              ("tlv spsc c->c", "tlv spsc c->c"),
                              ("after ring", ""), ("start", "")):
            with self.subTest(moment):
                lane = self.run_lane("ring", "tlv", deeds=[
                    {"at": moment, "do": "die",
                     "once": str(self.folder / moment.replace(" ", "-"))}])
                self.assertIn("killed from outside", lane.losses[0].what)
                self.assertEqual(self.lost(lane), [("", "", "")])
                self.assertEqual(lane.losses[0].notes, tuple(
                    f"{name} ran at that moment, and was run again" for name in [where] if name))
                # It says nothing of the case, which has a result; the run is an error.
                self.assertEqual((self.judge(lane), self.found.verdict), ({}, "error"))
                self.assertEqual(verdicts.untold(lane), lane.losses)
                self.assertEqual((lane.lost, lane.losses[0].suspects), (None, ()))
                told = self.found.to_json()["lanes"]["check"]["losses"]
                self.assertIn("killed from outside", told[0]["what"])

    def test_killed_again(self) -> None:
        """The second time it is the case's error, and the others have their results."""
        lane = self.run_lane("ring", "tlv", deeds=[{"at": "ring spsc c->c", "do": "die"}])
        self.assertEqual(self.lost(lane), [("", "", ""), ("ring", "spsc", "c->c")])
        self.assertEqual(set(self.judge(lane)), {("ring", "spsc", "c->c")})
        self.assertEqual(lane.boots, 3)

    def test_lost_in_a_boot(self) -> None:
        """A boot that fails after others is tried again; the first only if it was killed."""
        slow, killed = GuestLost("the guest hung", "words"), GuestLost("killed", external=True)
        for errors, boots, lost in (
                ((None, slow), 3, None), ((killed,), 3, None), ((slow,), 1, "the guest hung"),
                ((killed, slow), 2, "the guest hung"), ((None, slow, slow), 3, "the guest hung")):
            with self.subTest(errors):
                left = list(errors)

                @contextlib.contextmanager
                def boot(*args: Any, **more: Any) -> Iterator[guest.Guest]:
                    if left and (error := left.pop(0)):  # pylint: disable=cell-var-from-loop
                        raise error
                    with self.boot(*args, **more) as vm:
                        yield vm

                with mock.patch.object(qemu, "boot", boot):
                    lane = self.run_lane("ring", "tlv", deeds=[
                        {"at": "ring spsc c->c", "do": "panic"}])
                self.judge(lane)
                self.assertEqual((lane.lost, self.found.verdict), (lost, "error"))
                self.assertEqual(lane.boots, boots)

    def test_never_starts(self) -> None:
        """A guest that does not get as far as a pair is not tried for ever."""
        lane = self.run_lane("ring", deeds=[{"at": "start", "do": "die"}])
        self.assertEqual(lane.boots, agenda.UNUSED_MAX)
        self.assertIn("killed from outside", lane.lost or "")

    def test_user_program(self) -> None:
        """A user program that takes the guest with it, on one side."""
        lane = self.run_lane("ring", programs=["ring"],
                             deeds=[{"at": "ring_user rust", "do": "panic"}])
        self.assertEqual(self.lost(lane), [("ring_user", "rust", "")])
        self.assertEqual(set(lane.answers["ring"].programs), {"c"})
        self.lane = HISTORY
        lane = self.run_lane("ring", programs=["ring"], suite="ring_user_history", deeds=[
            {"at": "ring_user_history c", "do": "panic"}])
        self.assertEqual(self.lost(lane), [("ring_user_history", "c", "")])
        self.assertEqual(set(lane.answers["ring"].programs), {"rust"})

    def test_not_asked(self) -> None:
        """Checkers that were not asked about a pair, as its guest was lost, say no ok."""
        self.variant = variants.load_all(request.TOP / "qemu/variant")["debug"]
        with mock.patch("kplib.boot.session.LEAK_AGE", 0.0):
            lane = self.run_lane("ring", "tlv", deeds=[
                {"at": "tlv spsc c->c", "do": "die", "once": str(self.folder / "once")}])
        rows = self.judge(lane)
        self.assertEqual({(case, rows["ring", case, "c->c"].status)
                          for suite, case, path in rows if suite == "ring" and path == "c->c"},
                         {("kmemleak", ktap.SKIP), ("lockdep", ktap.SKIP)})
        self.assertIn("lost before it was asked", rows["ring", "kmemleak", "c->c"].log[0])
        self.assertNotIn(("tlv", "kmemleak", "c->c"), rows)

    def test_lockdep_off_in_one_guest(self) -> None:
        """Lockdep that a bad page turned off in one guest has looked in the next."""
        self.variant = variants.load_all(request.TOP / "qemu/variant")["debug"]
        with mock.patch("kplib.boot.session.LEAK_AGE", 0.0):
            lane = self.run_lane(
                "ring", "tlv", "idalloc", lockdep_off="tlv",
                words={"page": ["BUG: Bad page state in process x", "---[ end trace 0 ]---"]},
                deeds=[{"at": "tlv spsc c->c", "behind": "ring", "do": "panic"},
                       {"at": "tlv invariants c->c", "do": "say page"}])
        rows = self.judge(lane)
        self.assertEqual(lane.boots, 3)
        self.assertEqual(rows["tlv", "lockdep", "c->rust"].status, ktap.SKIP)
        self.assertIn("invariants c->c of tlv", rows["tlv", "lockdep", "c->rust"].log[0])
        self.assertNotIn(("idalloc", "lockdep", "c->rust"), rows)

    def test_damaged_tables(self) -> None:
        """Nonsense in what a guest says of a pair is an error of that pair, in that lane."""
        good = "c->c noop 10 5\nc->c push 30 5\n"
        invariants = "full\terrors\t1\t2\t3\t4\tlockstep \n"
        for lane, table, text in (
                (CHECK, "cases", "ring\n"), (CHECK, "cases", ""), (CHECK, "cases", "\t\t\t\n"),
                (CHECK, "cases", "ring\tlockstep\tnormal\tc->c\nri"),
                (CHECK, "invariants", invariants + "empty\terr"),
                (CHECK, "invariants", invariants + "empty\terrors\t1\t2\tx\t4\t\n"),
                (CHECK, "invariants", "\ufffd\n"), (CHECK, "failures", '{"case": "lock'),
                (CHECK, "failures", f"{failure('spsc')}\n"),
                (INSN, "cost", good), (INSN, "cost", ""),
                (INSN, "cost", good + "c->rust push 30 5\n"), (INSN, "cost", good + "c->c po"),
                (INSN, "cost", good + "c->c pop x 3\n"), (INSN, "cost", good + "c->c pop 3 0\n")):
            with self.subTest(lane.name, table=table, text=text):
                self.lane = lane
                found = self.run_lane("ring", "tlv", tables={f"ring/{table}": text})
                rows = self.judge(found)
                suite = lane.suite("ring")
                self.assertEqual(rows[suite, "", ""].status, ktap.ERROR)
                self.assertRegex(rows[suite, "", ""].log[-1], "cannot be read: the (list|table|f)")
                self.assertEqual({s for s, _, _ in rows}, {suite})
                self.assertEqual(self.found.verdict, "error")

    def test_damaged_times(self) -> None:
        """The same in lane time, in which what is emulated is a skip of the others."""
        self.lane = TIME
        for text in ("", "clock 1000\n", "clock 1\nc->c po"):
            with self.subTest(text=text):
                rows = self.judge(self.run_lane("ring", "tlv", tables={"ring/times": text}))
                self.assertEqual(rows["ring_time", "", ""].status, ktap.ERROR)
                self.assertRegex(rows["ring_time", "", ""].log[-1], "cannot be read: the table of")
                self.assertEqual({v.status for (suite, _, _), v in rows.items()
                                  if suite == "tlv_time"}, {ktap.SKIP})

    def test_failures(self) -> None:
        """Each is kept with the case that failed, also beside a line that cannot be read."""
        given = (ktap.Verdict("ring", "spsc", "c->c", ktap.FAIL, ("x",)),)
        with mock.patch.object(ktap, "verdicts", lambda *_: given):
            lane = self.run_lane("ring", tables={
                "ring/failures": f"{failure('spsc')}\n{{\n{failure('spsc', 2)}\n"})
            rows = self.judge(lane)
        found = self.found.pairs["ring"].differences
        self.assertEqual({key: [one.times for one in value] for key, value in found.items()},
                         {("ring", "spsc", "c->c"): [1, 2]})
        self.assertEqual(rows["ring", "", ""].log, (
            "the guest's output cannot be read: the failures, line 2: '{'",))
        with mock.patch.object(ktap, "verdicts", lambda *_: given):
            rows = self.judge(self.run_lane("ring", tables={"ring/failures": "{\n" * 10}))
        self.assertEqual(len(rows["ring", "", ""].log), results.DAMAGED_MAX + 1)
        self.assertIn("the failures, 6 lines more", rows["ring", "", ""].log[-1])

    def test_unexpected(self) -> None:
        """A bug of kparity's in judging one pair leaves the others their verdicts."""
        lane = self.run_lane("ring", "tlv")
        plain = tables.parse_invariants
        with mock.patch.object(results, "parse_invariants", side_effect=[
                KeyError("oh"), plain(lane.answers["tlv"].figures)]):
            rows = self.judge(lane)
        self.assertEqual({suite for suite, _, _ in rows}, {"ring"})
        self.assertRegex(rows["ring", "", ""].log[0], "could not judge it: KeyError: 'oh', in .*py")
        self.assertEqual(rows["ring", "spsc", "c->c"].status, ktap.ERROR)

    def test_insn(self) -> None:
        """The suites and figures of the other lane."""
        self.lane = INSN
        lane = self.run_lane("ring", deeds=[{"at": "ring insn c->rust", "do": "hang"}],
                             tables={"ring/cost": "".join(f"{p} noop 1 5\n{p} push 3 5\n" for p in
                                                          PATHS if p != "c->rust")})
        self.only_lost(lane, ("ring_insn", "insn", "c->rust"))
        self.assertEqual(self.found.pairs["ring"].costs["push"]["rust->c"].mean, 2.0)

    def test_plan(self) -> None:
        """A case's speed gives it the time that KUnit gives it."""
        lane = self.run_lane("ring", tables={
            "ring/cases": "ring\tlockstep\tslow\tc->c\nring\tspsc\tnormal\tc->c\n"},
            deeds=[{"at": "ring lockstep c->c", "do": f"pause {SILENCE * 2}"}])
        self.assertEqual(lane.losses, [])
        self.assertEqual(lane.planned["ring"], [CaseId("ring", "lockstep", "c->c"),
                                                CaseId("ring", "spsc", "c->c")])

    def test_named_cases(self) -> None:
        """A case of CASE= that the guest's suite does not have is an error, and not left out."""
        lane = LaneResult(self.lane)
        lane.plan("ring", "ring\tlockstep\tslow\tc->c\n", named=("lockstep",))
        self.assertEqual(lane.damaged, {})
        lane.plan("ring", "ring\tlockstep\tslow\tc->c\n", named=("lockstep", "spsc"))
        self.assertEqual(lane.damaged, {"ring": "its suite has no case spsc"})
        lane.plan("tlv", "", named=())
        self.assertNotIn("tlv", lane.damaged)


if __name__ == "__main__":
    unittest.main()
