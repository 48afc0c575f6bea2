# SPDX-License-Identifier: GPL-2.0
"""Whom a leak belongs to."""

import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

from kplib.boot import leaks
from kplib.build.kernel import Kernel

WORK = (Path(__file__).parent / "data/leaks/work.txt").read_text()


@dataclass(frozen=True)
class Place:
    """Position of a run, as a console tells it."""

    pair: str = ""
    case: str = ""
    path: str = ""


#: deferred has run, and queued work that allocates while device runs.
HISTORY = [
    (4294941400, Place("deferred")),
    (4294941410, Place("deferred", "cancel", "rust->c")),
    (4294941420, Place("deferred", "nosleep", "c->c")),
    (4294941500, Place("deferred")),
    (4294941505, Place()),
    (4294941510, Place("device")),
    (4294941511, Place("device", "lockstep", "c->c")),
    (4294941525, Place()),
]


class TestFind(unittest.TestCase):
    """leaks.find()"""

    def test_stack_wins(self) -> None:
        """Work of deferred is not device's, though device runs; all of it is one leak."""
        found = leaks.find(WORK, HISTORY, Place)
        self.assertEqual([leak.at for leak in found],
                         [Place("deferred", "nosleep", "c->c"),
                          Place("device", "lockstep", "c->c"), Place()])
        self.assertEqual(found[0].sizes, (64, 64))
        self.assertEqual(found[0].title, "kmemleak: nothing points to what was allocated here: "
                                         "128 bytes in 2 objects")
        self.assertIn("4294941512", found[0].lines[1])

    def test_time_where_the_stack_says_nothing(self) -> None:
        """An allocation of the kernel itself goes by its time alone."""
        history = [(0, Place("ring", "spsc", "c->c"))]
        found = leaks.find(WORK, history, Place)
        self.assertEqual(found[-1].at, Place("ring", "spsc", "c->c"))

    def test_pair_without_a_case(self) -> None:
        """A pair of which no case has run answers for itself, not the one that runs."""
        history = [(0, Place("ring", "spsc", "c->c"))]
        found = leaks.find(WORK, history, Place)
        self.assertEqual([leak.at for leak in found[:2]], [Place("deferred"), Place("device")])

    def test_later_cases_do_not_count(self) -> None:
        """A case that ran after the allocation is not to blame for it."""
        history = [*HISTORY, (4294941600, Place("deferred", "destroy", "c->c"))]
        self.assertEqual(leaks.find(WORK, history, Place)[0].at,
                         Place("deferred", "nosleep", "c->c"))

    def test_nothing(self) -> None:
        """An empty file, and lines that are no object."""
        self.assertEqual(leaks.find("", HISTORY, Place), [])
        self.assertEqual(leaks.find("kmemleak: disabled\n", HISTORY, Place), [])


class TestStackTable(unittest.TestCase):
    """leaks.stack_table()"""

    MAP = "ffffffff82fdf7d8 b stack_pools\nffffffff82fdf7e0 b stack_table\n"
    KASAN = {"CONFIG_STACKDEPOT_ALWAYS_INIT": "y", "CONFIG_DEBUG_KMEMLEAK": "y"}

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        entry = Path(folder.name) / "entry"
        (entry / "build").mkdir(parents=True)
        (entry / "build/System.map").write_text(self.MAP)
        # The test needs no other attributes.
        self.kernel: Kernel = object.__new__(Kernel)
        for name, value in {"entry": entry, "build": entry / "build",
                            "config": self.KASAN}.items():
            object.__setattr__(self.kernel, name, value)

    def of(self, **config: str) -> str:
        """The parameter for the kernel with other options beside its own."""
        object.__setattr__(self.kernel, "config", {**self.KASAN, **config})
        return leaks.stack_table(self.kernel)

    def test_known(self) -> None:
        """A kernel of the cache with KASAN: the engine is told where the table is."""
        self.assertEqual(self.of(), "stack_table=0xffffffff82fdf7e0")

    def test_elsewhere(self) -> None:
        """Where addresses are others when it runs, or the table is made later: nothing."""
        for name, value in (("RANDOMIZE_BASE", "y"), ("STACKDEPOT_ALWAYS_INIT", "n"),
                            ("DEBUG_KMEMLEAK", "n")):
            with self.subTest(name):
                self.assertEqual(self.of(**{f"CONFIG_{name}": value}), "")

    def test_own_kernel(self) -> None:
        """A KDIR, whose files may not be those of the image: nothing."""
        object.__setattr__(self.kernel, "entry", Path("/elsewhere"))
        self.assertEqual(self.of(), "")

    def test_other_map(self) -> None:
        """No such symbol, two of them, or no map: nothing."""
        path = self.kernel.build / "System.map"
        for text in ("", self.MAP + self.MAP):
            path.write_text(text)
            self.assertEqual(self.of(), "")
        path.unlink()
        self.assertEqual(self.of(), "")


if __name__ == "__main__":
    unittest.main()
