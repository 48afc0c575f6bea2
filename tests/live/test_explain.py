# SPDX-License-Identifier: GPL-2.0
"""make explain, choices and coverage on guests: the sum is lane insn's figure, and what costs
most, or never runs, is named."""

import json
import math
import unittest
from typing import Any

from kplib.configure.lanes import PATHS

from .live import PairsTest, needs, needs_kernel

#: A loop in the C side, on a line of its own, and how often it goes round.
WHERE, ROUNDS = "\treturn a + b;\n", 500
LOOP = f"\tfor (volatile int n = 0; n < {ROUNDS}; n++) ;\n"
#: The port makes an object of so many bytes, and copies it into another one.
HERE, BYTES, LINE = "    a + i32::from(b)\n", 512, 64
COPY = (f"    let object = core::hint::black_box([a; {BYTES // 4}]);\n"
        "    core::hint::black_box(object);\n")


@needs_kernel
@needs("x86_64 base", seconds=40)
class TestExplain(PairsTest):
    """scripts/kparity explain PAIR=kinds OP=kinds_add PAIRS_DIR=..."""

    def explained(self, *words: str) -> dict[str, Any]:
        """What make explain tells, for a program."""
        ended = self.kparity("kinds", *words, "FORMAT=json", verb="explain")
        self.assertEqual(ended.status, 0, ended.show())
        found: dict[str, Any] = json.loads(ended.said)
        return found

    def test_loop(self) -> None:
        """Each path's rows add up to what lane insn tells without a plugin, also of each outcome.
        C's loop is first, and the port's copies are lines of the data cache."""
        line = self.edit("kinds/kinds.c", WHERE, LOOP + WHERE)
        self.edit("kinds/kinds.rs", HERE, COPY + HERE)
        ran = self.kparity("kinds", "LANE=insn")
        self.assertEqual(ran.status, 0, ran.show())
        results = ran.results()["pairs"]["kinds"]
        figures = results["instructions"]["kinds_add"]
        told = self.explained("OP=all")
        for op, one in told.items():
            rows = results["outcomes"][op]
            self.assertEqual({end: (some["figure"], some["calls"])
                              for end, some in one["outcomes"].items()},
                             {end: ({path: row[path]["total"] for path in row},
                                    {path: row[path]["n"] for path in row})
                              for end, row in rows.items()}, op)
        self.assertGreater(len(told["kinds_parse"]["outcomes"]), 1)
        found = told["kinds_add"]
        self.assertEqual(list(found["figure"]), list(PATHS))
        for path in PATHS:
            with self.subTest(path):
                self.assertEqual((found["figure"][path], found["calls"][path]),
                                 (figures[path]["total"], figures[path]["n"]))
                for rows in (found["functions"], found["lines"]):
                    self.assertEqual(
                        sum(row["counts"].get(path, 0) for row in rows) + found["harness"][path]
                        + found["idle"][path] + found["noop"][path], figures[path]["total"])
        first = found["lines"][0]
        self.assertEqual((first["file"], first["line"]),
                         (str(self.pairs / "kinds/kinds.c"), line))
        for path in PATHS:
            each = first["counts"].get(path, 0) / found["calls"][path]
            if path.endswith("->c"):
                self.assertGreaterEqual(each, 2 * ROUNDS, path)
            else:
                self.assertEqual(each, 0, path)
        written = {path: times / found["calls"][path]
                   for path, times in found["data"]["written"].items()}
        for caller in ("c", "rust"):
            more = written[f"{caller}->rust"] - written[f"{caller}->c"]
            # Two objects, of which one may begin in a line that is written anyway.
            self.assertGreaterEqual(more, 2 * BYTES / LINE - 2, written)
            self.assertLessEqual(more, 3 * BYTES / LINE + 2, written)
        for path in PATHS:
            touched = found["data"]["written"][path] + found["data"]["only read"][path]
            accesses = sum(found["kinds"][f"memory {what}"][path] for what in ("reads", "writes"))
            self.assertLessEqual(touched, accesses)
            # What one call leaves in the model the next one finds there.
            self.assertLess(found["data"]["misses in a model"][path], touched / 10)
        self.assertGreater(found["kinds"]["crossings of languages"]["rust->c"],
                           found["kinds"]["crossings of languages"]["c->c"])

    def test_making(self) -> None:
        """How an object is made and ends adds up as well, without the no-op; the end is not there
        where an operation waits, be it one that programs do not have."""
        ran = self.kparity("slate", "LANE=insn")
        self.assertEqual(ran.status, 0, ran.show())
        figures = ran.results()["pairs"]["slate"]["instructions"]
        ended = self.kparity("slate", "OP=all", "FORMAT=json", verb="explain")
        self.assertEqual(ended.status, 0, ended.show())
        for op, found in json.loads(ended.said).items():
            for path in PATHS:
                self.assertEqual((found["figure"][path], found["calls"][path]),
                                 (figures[op][path]["total"], figures[op][path]["n"]), (op, path))
                self.assertEqual(found["noop"][path] == 0, op in ("create", "destroy"), op)
        self.assertEqual(set(json.loads(ended.said)), set(figures) - {"noop"})
        self.edit("slate/contract.h", "KP_INOUT(u32, nr, .hi = 12), .locks",
                  "KP_INOUT(u32, nr, .hi = 12), .waits = true, .weight = 0, .locks")
        ran = self.kparity("slate", "LANE=insn")
        self.assertEqual(ran.status, 0, ran.show())
        self.assertEqual(set(ran.results()["pairs"]["slate"]["instructions"]),
                         set(figures) - {"destroy", "cut"})
        ended = self.kparity("slate", "OP=destroy", verb="explain")
        self.assertEqual(ended.status, 2, ended.show())
        self.assertIn("slate has no such operation", ended.noted)


@needs_kernel
@needs("x86_64 base", seconds=20)
class TestChoices(PairsTest):
    """scripts/kparity choices PAIR=kinds PAIRS_DIR=... CHOICE=base"""

    def test_base(self) -> None:
        """The kernel that is there already is counted, as lane insn counts."""
        ran = self.kparity("kinds", "LANE=insn")
        self.assertEqual(ran.status, 0, ran.show())
        rows = [row for ends in ran.results()["pairs"]["kinds"]["outcomes"].values()
                for row in ends.values()]
        ended = self.kparity("kinds", "CHOICE=base", "FORMAT=json", verb="choices")
        self.assertEqual(ended.status, 0, ended.show())
        (base,) = json.loads(ended.said)["choices"]
        self.assertEqual((base["name"], base["error"], base["effect"]["largest"]),
                         ("base", "", None))
        self.assertEqual(set(base["effect"]["change"].values()), {1.0})
        for path in PATHS[1:]:
            logs = [math.log(row[path]["mean"] / row[PATHS[0]]["mean"]) for row in rows
                    if path in row and row[path]["mean"] > 0 and row[PATHS[0]]["mean"] > 0]
            self.assertAlmostEqual(base["effect"]["against_c"][path],
                                   math.exp(sum(logs) / len(logs)), 3)


#: A jump that goes both ways, and a line of the C side that no program reaches, behind a jump that
#: goes one way alone.
BOTH = "\tstatic int seen;\n\n\tif (b > 0)\n\t\tWRITE_ONCE(seen, b);\n"
NEVER = "\tif (a == 987654)\n\t\tpr_info(\"never\\n\");\n"
#: Why that is so, why another one is not reached, and a reason of a line that programs reach.
REASONS = r"""KP_UNREACHED("kinds.c: pr_info(\"never\\n\");", "nobody asks for it")
KP_UNREACHED("kinds.rs: rest = &rest[2..];", "of 0x alone with base 16, which no program has")
KP_UNREACHED("kinds.c: WRITE_ONCE(seen, b);", "it is reached")
"""


@needs_kernel
@needs("x86_64 base", seconds=20)
class TestCoverage(PairsTest):
    """scripts/kparity coverage PAIR=kinds PAIRS_DIR=..."""

    def test_never(self) -> None:
        """A line that no program reaches is named, and the jump that never went there; status 1
        until the contract says why."""
        first = self.edit("kinds/kinds.c", WHERE, BOTH + NEVER + WHERE)
        line = first + BOTH.count("\n")
        ended = self.kparity("kinds", "VARIANT=base", verb="coverage")
        self.assertEqual(ended.status, 1, ended.show())
        never, one_way = ended.said.split("no program reaches:")[1].split(
            "a jump only ever went one way:")
        self.assertIn(f"kinds.c:{line + 1}  pr_info", never)
        self.assertIn(f"kinds.c:{line}  if (a == 987654)", one_way)
        for text in (never, one_way):
            for good in (first + 2, first + 3, line + 2):
                self.assertNotIn(f"kinds.c:{good} ", text)
        tracefile = next(self.out.glob("*/coverage/kinds.info")).read_text()
        self.assertIn(f"\nDA:{line},1\nDA:{line + 1},0\nDA:{line + 2},1\n", tracefile)
        self.assertIn('<pre class="not">',
                      next(self.out.glob("*/coverage/kinds.html")).read_text())
        self.edit("kinds/contract.h", "KP_BUDGET(", REASONS + "KP_BUDGET(")
        ended = self.kparity("kinds", "VARIANT=base", verb="coverage")
        self.assertEqual(ended.status, 0, ended.show())
        self.assertNotIn("no program reaches:\n", ended.said)
        told = ended.said.split("no program reaches, and the contract says why:")[1]
        self.assertRegex(told, rf"kinds\.c:{line + 1}  pr_info.*\n +nobody asks for it\n")
        self.assertRegex(told, r"nothing needs any more:\n.*contract\.h:\d+  kinds\.c: "
                         r"WRITE_ONCE.*\n +a program reaches it\n")
        self.assertIn('<p class="why">nobody asks for it</p>',
                      next(self.out.glob("*/coverage/kinds.html")).read_text())


if __name__ == "__main__":
    unittest.main()
