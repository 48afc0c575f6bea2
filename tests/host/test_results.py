# SPDX-License-Identifier: GPL-2.0
"""Figures from the engine's tables."""

import unittest

from kplib import results


class TestCosts(unittest.TestCase):
    """results.parse_costs()"""

    TABLE = """\
c->c noop 20 50
c->c push 50 98
c->c push 60 2
c->rust noop 20 50
c->rust push 53 100
rust->c noop 30 50
rust->c push 90 100
"""

    def test_net_of_noop(self) -> None:
        """The path's own no-op is subtracted, not that of c->c."""
        push = results.parse_costs(self.TABLE)["push"]
        self.assertEqual((push["c->c"].min, push["c->c"].p50, push["c->c"].max), (30, 30, 40))
        self.assertEqual(push["rust->c"].p50, 60)

    def test_percentiles(self) -> None:
        """p99 of 98 and 2 samples is among the 2; n and total count all."""
        push = results.parse_costs(self.TABLE)["push"]["c->c"]
        self.assertEqual((push.p99, push.n, push.total), (40, 100, 98 * 30 + 2 * 40))
        self.assertEqual(results.percentile({1: 99, 7: 1}, 0.99), 1)
        self.assertEqual(results.percentile({1: 98, 7: 2}, 0.99), 7)
        self.assertEqual(results.percentile({5: 1}, 0.5), 5)

    def test_ratio(self) -> None:
        """Ratios are to c->c; a path that did not run has none."""
        push = results.parse_costs(self.TABLE)["push"]
        self.assertEqual(push["c->c"].ratio, 1.0)
        self.assertAlmostEqual(push["c->rust"].ratio or 0, 33 / 30.2, 3)
        self.assertNotIn("rust->rust", push)

    def test_noop_has_no_ratio(self) -> None:
        """The no-op is what others are measured against."""
        self.assertIsNone(results.parse_costs(self.TABLE)["noop"]["c->c"].ratio)

    def test_branches(self) -> None:
        """A p50 on another branch does not make a ratio; the means do."""
        table = ("c->c noop 20 9\nc->c used 40 51\nc->c used 70 49\n"
                 "c->rust noop 20 9\nc->rust used 30 49\nc->rust used 79 51\n")
        used = results.parse_costs(table)["used"]
        self.assertAlmostEqual(used["c->rust"].ratio or 0, 34.99 / 34.7, 2)
        self.assertGreater(used["c->rust"].p50 / used["c->c"].p50, 2)

    def test_geometric_mean(self) -> None:
        """Over operations; the no-op does not count."""
        got = results.geometric_mean(results.parse_costs(self.TABLE), "c->rust")
        self.assertAlmostEqual(got or 0, 33 / 30.2, 3)
        self.assertIsNone(results.geometric_mean({}, "c->rust"))

    def test_free_operation(self) -> None:
        """An operation that costs no more than the no-op gives no ratio, and no division by 0."""
        table = "c->c noop 20 5\nc->c len 20 5\n"
        self.assertIsNone(results.parse_costs(table)["len"]["c->c"].ratio)


class TestInvariants(unittest.TestCase):
    """results.parse_invariants()"""

    def test_columns(self) -> None:
        """id, category, one number a path, cases."""
        row = results.parse_invariants("full\terrors\t1\t2\t3\t4\tlockstep spsc \n")[0]
        self.assertEqual((row.id, row.category), ("full", "errors"))
        self.assertEqual(row.cases, ["lockstep", "spsc"])
        self.assertEqual(row.judged, {"c->c": 1, "c->rust": 2, "rust->c": 3, "rust->rust": 4})


if __name__ == "__main__":
    unittest.main()
