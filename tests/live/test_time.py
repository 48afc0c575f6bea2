# SPDX-License-Identifier: GPL-2.0
"""Lane time: two boots of a pair, emulated."""

import json
import unittest

from kplib.configure.lanes import PATHS, SIDES
from kplib.selftest import schema

from .live import LiveTest, PairsTest, cases, needs, needs_kernel


#: A host that is very busy may run both CPUs of the guest at once in no block of a whole run.
RUNS = 3


@needs_kernel
@needs("base", seconds=15)
class TestTime(PairsTest):
    """scripts/kparity run PAIR=slate LANE=time"""

    def test_two_boots(self) -> None:
        """Every operation is timed on every path; emulated, nothing fails or passes for it."""
        for _ in range(RUNS):
            ended = self.kparity("slate", "LANE=time", "BOOTS=2", "ACCEL=tcg")
            self.assertEqual(ended.status, 0, ended.show())
            found = ended.results()
            contention = found["pairs"]["slate"]["times"]["contention"]
            for path in PATHS:
                self.assertGreater(contention[path]["ran"], 0, path)
            if any(beside["blocks"] for beside in contention.values()):
                break
        self.assertEqual(list(schema.unlike(found)), [])
        self.assertEqual(found["lanes"]["time"]["boots"], 2)
        rows = cases(found)
        for path in PATHS:
            self.assertEqual(rows["slate_time", "time", path]["status"], "pass")
            self.assertEqual(rows["slate_time", "latency", path]["status"], "skip")
        times = found["pairs"]["slate"]["times"]
        self.assertTrue(times["advisory"])
        self.assertGreater(times["checked"]["compared"], 0)
        by_path = {path: {(row["op"], row["outcome"], row["state"]) for row in times["rows"]
                          if row["path"] == path} for path in PATHS}
        self.assertIn(("put", "success", "warm"), by_path["c->c"])
        self.assertIn(("put", "success", "cold"), by_path["c->c"])
        # A host that is busy does not run both CPUs at once in each block.
        self.assertTrue(any(one["blocks"] for one in contention.values()), contention)
        for path in PATHS:
            self.assertEqual({row for row in by_path[path] if row[2] != "contended"},
                             {row for row in by_path["c->c"] if row[2] != "contended"})
            beside = contention[path]
            self.assertEqual(beside["of"], 2 * 24)
            # Two runs a block on each side; in each the other CPU did an eighth as much, at least.
            self.assertEqual(beside["calls"], [beside["blocks"] * 2 * 512] * 2)
            for done in beside["beside"]:
                self.assertGreaterEqual(done, beside["blocks"] * 2 * 512 // 8)
            told = {row for row in by_path[path] if row[2] == "contended"} | {
                (row["op"], row["outcome"], "contended") for row in times["apart"]
                if row["path"] == path}
            self.assertEqual(bool(told), bool(beside["blocks"]))
        for row in times["rows"]:
            p50, p99, most = (row["quantiles"][name][0] for name in ("p50", "p99", "max"))
            self.assertTrue(0 < p50 <= p99 <= 1.04 * most, row)
            self.assertTrue(row["low"] <= row["ratio"] <= row["high"], row)


@needs_kernel
@needs("base", seconds=10)
class TestCalls(LiveTest):
    """scripts/kparity run PAIR=device LANE=time CASE=user_costs"""

    words = ("PAIR=device", "LANE=time", "CASE=user_costs", "BOOTS=2", "ACCEL=tcg")

    def test_nodes(self) -> None:
        """Each call and outcome is timed on both nodes, as often, and beside itself."""
        for side in SIDES:
            self.assertIn(("device_user_costs", side, "calls"), self.planned)
        found = json.loads(next(self.built.glob("*/base/results.json")).read_text())
        self.assertEqual(list(schema.unlike(found)), [])
        rows = cases(found)
        times = found["pairs"]["device"]["syscall_times"]
        by_path = {path: {(row["op"], row["outcome"]): row for row in times["rows"]
                          if row["path"] == path} for path in PATHS}
        self.assertEqual(times["boots"], 2)
        self.assertEqual(by_path["c->c"].keys(), by_path["c->rust"].keys())
        self.assertLessEqual({("open", "success"), ("read", "success"), ("read", "-EAGAIN"),
                              ("configure", "-EFAULT")}, by_path["c->c"].keys())
        for path in ("c->c", "c->rust"):
            # Two boots, 24 blocks of two runs on each node, and 8 rounds in each.
            self.assertEqual(by_path[path]["open", "success"]["calls"], 2 * 24 * 2 * 8)
            self.assertGreater(by_path[path]["read_page", "success"]["mean"], times["noop"][path])
            self.assertEqual(rows["device_user_costs", "latency", path]["status"], "skip")
        self.assertFalse(by_path["rust->c"] or by_path["rust->rust"])


if __name__ == "__main__":
    unittest.main()
