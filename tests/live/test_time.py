# SPDX-License-Identifier: GPL-2.0
"""Lane time: two boots of a pair, emulated."""

import unittest

from kplib.configure.lanes import PATHS
from kplib.selftest import schema

from .live import PairsTest, cases, needs, needs_kernel


@needs_kernel
@needs("base", seconds=15)
class TestTime(PairsTest):
    """scripts/kparity run PAIR=slate LANE=time"""

    def test_two_boots(self) -> None:
        """Every operation is timed on every path; emulated, nothing fails or passes for it."""
        ended = self.kparity("slate", "LANE=time", "BOOTS=2", "ACCEL=tcg")
        self.assertEqual(ended.status, 0, ended.show())
        found = ended.results()
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
        for path in PATHS:
            self.assertEqual(by_path[path], by_path["c->c"])
        for row in times["rows"]:
            p50, p99, most = (row["quantiles"][name][0] for name in ("p50", "p99", "max"))
            self.assertTrue(0 < p50 <= p99 <= 1.04 * most, row)
            self.assertTrue(row["low"] <= row["ratio"] <= row["high"], row)


if __name__ == "__main__":
    unittest.main()
