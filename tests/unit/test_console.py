# SPDX-License-Identifier: GPL-2.0
"""Console: where a run is, and whom a complaint of the kernel concerns."""

import io
import unittest
from pathlib import Path

from kplib.boot import console
from kplib.boot.console import Console, Position

SAVED = Path(__file__).with_name("data") / "console"


def saved(path: Path) -> tuple[list[tuple[str, str]], str]:
    """A saved log: its head, of lines "NAME: text" that say what must be found, and the rest."""
    head, _, body = path.read_text().partition("\n\n")
    found = []
    for line in head.splitlines():
        name, _, text = line.partition(": ")
        found.append((name, text))
    return found, body


def report(name: str) -> str:
    """Lines of the kernel in a saved log, without those that say where the run is."""
    lines = saved(SAVED / f"{name}.log")[1].splitlines()
    return "".join(f"{line}\n" for line in lines if "kparity[" not in line)


KASAN = report("use-after-free")
LOCKDEP = report("lock-order")
OOPS = report("null-pointer").partition("Kernel panic")[0].rpartition("\n")[0] + "\n"


def at(where: str, jiffies: int) -> str:
    """A line of the engine's."""
    return f"[    0.5] kparity[abcd]: at {where} {jiffies}\n"


class TestConsole(unittest.TestCase):
    """console.Console"""

    def read(self, text: str, piece: int = 7) -> Console:
        """A console that got a text in pieces."""
        found = Console("abcd")
        data = text.encode()
        for start in range(0, len(data), piece):
            found.feed(data[start:start + piece])
        found.close()
        return found

    def test_while_others_run(self) -> None:
        """An oops has all of its lines although the other CPU begins cases meanwhile."""
        first, *rest = OOPS.splitlines(keepends=True)
        for place, where in ((1, "atomic c->c"), (4, "atomic c->rust"), (-3, "layout c->c")):
            rest[place:place] = ["[ 3.7]         ok 4 rust->rust\n", at(f"idalloc {where}", 9),
                                 "[ 3.7]         # Subtest: atomic\n"]
        found = self.read(at("fault try c->c", 0) + at("idalloc lockstep c->c", 1) + first
                          + "".join(rest))
        (oops,) = found.reports
        self.assertEqual(oops.at, Position("idalloc", "lockstep", "c->c"))
        self.assertEqual(oops.lines, [console.plain(line) for line in OOPS.splitlines()][
            :len(oops.lines)])
        self.assertTrue(any(line.startswith("Call Trace:") for line in oops.lines))
        self.assertEqual(found.position, Position("idalloc", "layout", "c->c"))

    def test_position(self) -> None:
        """The last line that carries this boot's word says what runs; "-" is nothing."""
        found = self.read(at("ring lockstep c->c", 1) + at("ring - -", 2))
        self.assertEqual(found.position, Position("ring", "", ""))
        self.assertEqual(found.history, [(1, Position("ring", "lockstep", "c->c")),
                                         (2, Position("ring"))])
        found = self.read("[ 0.1] kparity[abcd]: at device_user c -\r\n")
        self.assertEqual(found.position, Position("device", "c", "", user=True))

    def test_other_words_are_no_position(self) -> None:
        """A line with another word, or with more around it, says nothing."""
        found = self.read(at("ring lockstep c->c", 1)
                          + "[ 0.6] kparity[0000]: at ring atomic c->c 2\n"
                          + "[ 0.6] x kparity[abcd]: at ring atomic c->c 2\n"
                          + "[ 0.6] kparity[abcd]: at ring atomic c->c 2 x\n")
        self.assertEqual(found.position.case, "lockstep")

    def test_progress(self) -> None:
        """Only the engine's lines count as progress."""
        found = self.read(at("ring lockstep c->c", 1))
        found.progress = 0.0
        found.feed(b"[ 1.0] something else\n")
        self.assertEqual(found.progress, 0.0)
        found.feed(b"[ 1.0] kparity[abcd]: alive\n")
        self.assertGreater(found.progress, 0.0)

    def test_reports(self) -> None:
        """Each complaint has its kind, its own lines and the case above it."""
        found = self.read(at("ring spsc c->rust", 1) + KASAN + at("ring spsc rust->c", 2)
                          + LOCKDEP + OOPS)
        self.assertEqual([(r.checker, r.at.path) for r in found.reports],
                         [("kasan", "c->rust"), ("lockdep", "rust->c"), ("oops", "rust->c")])
        self.assertIn("Allocated by task 66:", found.reports[0].lines)
        self.assertNotIn("ring spsc", " ".join(found.reports[0].lines))
        self.assertEqual(found.reports[2].title,
                         "BUG: kernel NULL pointer dereference, address: 0000000000000008")

    def test_saved(self) -> None:
        """Each saved log holds the complaints that its head names, and no others.

        A head has CHECKER for each complaint, in their order, followed by its TITLE, by
        what its lines HAS and what it LACKS.
        """
        paths = sorted(SAVED.glob("*.log"))
        self.assertGreater(len(paths), 3)
        for path in paths:
            with self.subTest(path.name):
                head, body = saved(path)
                reports = self.read(body).reports
                self.assertEqual([r.checker for r in reports],
                                 [text for name, text in head if name == "CHECKER"])
                self.assertEqual({r.at for r in reports},
                                 {Position("fault", "misbehave", "rust->c")})
                number = -1
                for name, text in head:
                    number += name == "CHECKER"
                    said = "\n".join(reports[number].lines)
                    if name == "TITLE":
                        self.assertEqual(reports[number].title, text)
                    elif name == "HAS":
                        self.assertIn(text, said)
                    elif name == "LACKS":
                        self.assertNotIn(text, said)

    def test_frozen(self) -> None:
        """Once the host looks at a silent guest, nothing that it says changes where it was."""
        found = self.read(at("ring spsc c->rust", 1))
        found.freeze()
        found.feed((at("ring spsc rust->c", 2) + at("- - -", 3) + KASAN).encode())
        self.assertEqual(found.position, Position("ring", "spsc", "c->rust"))
        self.assertEqual((found.reports, found.history), ([], [(1, found.position)]))

    def test_kinds(self) -> None:
        """The kernel's own words for each kind."""
        for line, kind in (
                ("BUG: KCSAN: data-race in a / b", "kcsan"),
                ("UBSAN: shift-out-of-bounds in x.c:1:2", "ubsan"),
                ("BUG: sleeping function called from invalid context at x.c:1", "sleep"),
                ("BUG: scheduling while atomic: kunit_try_catch/1/0x2", "sleep"),
                ("ODEBUG: free active (active state 0) object: 0 object type: x", "odebug"),
                ("WARNING: suspicious RCU usage", "lockdep"),
                ("WARNING: bad unlock balance detected!", "lockdep"),
                ("WARNING: possible recursive locking detected", "lockdep"),
                ("rcu: INFO: rcu_preempt self-detected stall on CPU", "stall"),
                ("watchdog: BUG: soft lockup - CPU#0 stuck for 26s!", "stall"),
                ("BUG: workqueue lockup - pool cpus=0", "stall"),
                ("INFO: task kunit_try_catch:61 blocked for more than 40 seconds.", "hung"),
                ("rust_kernel: panicked at rust-stub/ring.rs:1:2:", "rust"),
                ("Unable to handle kernel NULL pointer dereference at virtual address", "oops"),
                ("Internal error: Oops: 0000000096000044 [#1]  SMP", "oops"),
                ("kernel BUG at mm/slub.c:1!", "oops"),
                ("Kernel panic - not syncing: asked for", "panic"),
                ("Out of memory: Killed process 1 (init)", "oom"),
                ("WARNING: kmod/ring.c:1 at ring_push+0x1/0x2, CPU#0: x/1", "warn"),
                ("list_add corruption. next->prev should be prev", "warn")):
            self.assertEqual(console.kind_of(line), kind, line)
        for line in ("ok 1 lockstep", "# a BUG: no", "reboot: Restarting system",
                     "INFO: lockdep is turned off.",
                     "INFO: task init:1 blocked for more than 60 seconds."):
            self.assertIsNone(console.kind_of(line), line)

    def test_foreign(self) -> None:
        """A race is ours if either access is, not if we called the function that races."""
        race = "[ 1.0] BUG: KCSAN: data-race in a / b{}\n" \
               "[ 1.0]  b+0x1/0x2\n[ 1.0]  c+0x1/0x2 [kparity_ring]\n" \
               "[ 1.0] " + "=" * 66 + "\n"
        self.assertTrue(console.foreign(self.read(race.format("")).reports[0]))
        self.assertFalse(console.foreign(self.read(race.format(" [kparity_ring]")).reports[0]))

    def test_race_through_a_helper(self) -> None:
        """One that two callers of ours have in a helper is ours; one of a workqueue is not."""
        queue = (SAVED.parent / "kcsan/workqueue.txt").read_text()
        self.assertTrue(console.foreign(self.read(queue).reports[0]))
        stack = " __helper+0x1/0x2\n push+0x1/0x2 [kparity_ring]\n kthread+0x1/0x2\n\n"
        race = ("BUG: KCSAN: data-race in __helper / __helper\n\n"
                f"write{{}} to 0xffff8880002a6628 of 8 bytes by task 442 on cpu 1:\n{stack}"
                f"read to 0xffff8880002a6628 of 8 bytes by task 441 on cpu 0:\n{stack}"
                "Reported by Kernel Concurrency Sanitizer on:\n" + "=" * 66 + "\n")
        found = self.read(at("ring spsc c->c", 1) + race.format("")).reports[0]
        self.assertFalse(console.foreign(found))
        self.assertIn(" push+0x1/0x2 [kparity_ring]", found.lines)
        self.assertTrue(console.foreign(self.read(race.format(" (marked)")).reports[0]))
        other = race.format("").replace(" push+0x1/0x2 [kparity_ring]", " vfs_read+0x1/0x2", 1)
        self.assertTrue(console.foreign(self.read(other).reports[0]))

    def test_race_with_a_known_writer(self) -> None:
        """One of a marked access of ours with a plain one that the kernel makes is foreign."""
        race = ("BUG: KCSAN: data-race in {writer} / is_armed [kparity_deferred]\n\n"
                "read{read} to 0xffff888002814e58 of 8 bytes by task 92 on cpu 1:\n"
                " is_armed+0x1/0x2 [kparity_deferred]\n kthread+0x1/0x2\n\n"
                "write{write} to 0xffff888002814e58 of 8 bytes by task 91 on cpu 0:\n"
                " {writer}+0x1/0x2\n flush_delayed_work+0x1/0x2\n"
                " flush+0x1/0x2 [kparity_deferred]\n\n"
                "Reported by Kernel Concurrency Sanitizer on:\n" + "=" * 66 + "\n")

        def foreign(**words: str) -> bool:
            return console.foreign(self.read(race.format(**words)).reports[0])

        self.assertTrue(foreign(read=" (marked)", write="", writer="__flush_work"))
        self.assertFalse(foreign(read="", write="", writer="__flush_work"))
        self.assertFalse(foreign(read=" (marked)", write="", writer="rb_insert_color"))
        self.assertFalse(foreign(read="", write=" (marked)", writer="__flush_work"))

    def test_hostile(self) -> None:
        """Escapes, no line ends, no sense: bounded, and nothing that drives a terminal."""
        found = self.read("BUG: \x1b[2J\x9b1m\u202eevil\n", 3)
        self.assertEqual(found.reports[0].title, "BUG: ?[2J?1m?evil")
        found = Console("abcd")
        for _ in range(50):
            found.feed(b"\xff" * 100000)
        self.assertLess(len(found._rest), 200000)  # pylint: disable=protected-access
        for number in range(5000):
            found.feed(b"BUG: %d\n---[ end trace 0 ]---\n" % number)
        self.assertEqual(len(found.reports), 200)

    def test_again(self) -> None:
        """The same complaint about the same case is kept once, and counted."""
        found = self.read(at("ring spsc c->rust", 1) + KASAN * 3 + at("ring spsc rust->c", 2)
                          + KASAN)
        self.assertEqual([r.times for r in found.reports], [3, 1])
        self.assertIn("(3 times)", found.reports[0].heading())

    def test_limit(self) -> None:
        """Hundreds of complaints about one case leave room for the first about another."""
        pages = "".join(f"BUG: Bad page state in process x  pfn:{number:05x}\n"
                        "---[ end trace 0 ]---\n" for number in range(300))
        found = self.read(at("ring spsc c->rust", 1) + pages + LOCKDEP
                          + at("tlv spsc c->rust", 2) + KASAN, 4096)
        kinds = [(r.checker, r.at.pair) for r in found.reports]
        self.assertEqual(len(kinds), 202)
        self.assertEqual(kinds[-2:], [("lockdep", "ring"), ("kasan", "tlv")])

    def test_report_within_another(self) -> None:
        """A checker's report ends one of another kind that has no end of its own."""
        page = "BUG: Bad page state in process x  pfn:00012\nCall Trace:\n <TASK>\n </TASK>\n"
        found = self.read(
            at("ring spsc c->rust", 1) + page
            + "BUG: sleeping function called from invalid context at mm/slub.c:1\n"
            + "------------[ cut here ]------------\nUBSAN: array-index-out-of-bounds in x.c:3:4\n"
            + "---[ end trace ]---\n" + OOPS + KASAN)
        self.assertEqual([r.checker for r in found.reports],
                         ["bug", "sleep", "ubsan", "oops", "kasan"])
        self.assertEqual(len(found.reports[0].lines), 4)

    def test_flood(self) -> None:
        """The part of a flood that is kept is bounded."""
        file = io.BytesIO()
        found = Console("abcd", file)
        for _ in range(20):
            found.feed(b"x" * (1 << 20))
        self.assertTrue(found.flooded)
        self.assertLessEqual(file.tell(), console.CONSOLE_MAX)


if __name__ == "__main__":
    unittest.main()
