# SPDX-License-Identifier: GPL-2.0
"""How costs grow: the engine's table, the line through it, and what a report says."""

import unittest

from kplib.configure.lanes import PATHS
from kplib.contract import emit_c, rows
from kplib.judge import growth, tables
from kplib.judge.growth import Growth
from kplib.report import grown

NOOPS = "".join(f"{path} noop 20 5\n" for path in PATHS)
#: By path: what a call costs beyond the no-op at size 0, and for each.
LINES = {"c->c": (10, 4), "c->rust": (12, 4), "rust->c": (10, 4), "rust->rust": (12, 9)}


def line(path: str, op: str, measure: str, sizes: list[int], cost: tuple[int, int],
         end: int = 0) -> str:
    """A row of the engine's: calls of these sizes, which cost so much and so much for each."""
    costs = [20 + cost[0] + cost[1] * size for size in sizes]
    return (f"{path} {op} {end} {measure} {len(sizes)} {sum(sizes)} {min(costs)} {sum(costs)}\n")


def parsed(text: str, ops: tuple[str, ...] = ("find",), holds: str = "entries") -> growth.Table:
    """The table of growth beside that of costs."""
    costs = NOOPS + "".join(f"{path} {op} 30 1\n" for op in ops for path in PATHS)
    return growth.parse(text, tables.parse_costs(costs), holds)


class TestParse(unittest.TestCase):
    """growth.parse()"""

    SIZES = ([0, 0, 0], [1, 1], [8, 8, 8], [16, 23, 20])

    def linear(self, measure: str = "-") -> str:
        """Calls of find at some sizes."""
        return "".join(line(path, "find", measure, sizes, cost)
                       for path, cost in LINES.items() for sizes in self.SIZES)

    def test_line(self) -> None:
        """So much, and so much for each: exactly, where calls lie on a line."""
        found = parsed(self.linear())["find"]["success"]
        self.assertEqual({path: (one.constant, one.each) for path, one in found.items()}, LINES)
        self.assertEqual(found["c->c"].by, "entries")
        self.assertEqual([(p.size, p.calls, p.min, p.mean) for p in found["c->c"].points],
                         [(0, 3, 10, 10), (1, 2, 14, 14), (8, 3, 42, 42),
                          (19.667, 3, 74, 88.667)])
        self.assertEqual(found["rust->rust"].text, "12.0 + 9.00")

    def test_programs_add_up(self) -> None:
        """Rows of one size from several programs are one point, with the least of all."""
        more = line("c->c", "find", "-", [17, 18], (2, 4))
        for text in (self.linear() + more, more + self.linear()):
            last = parsed(text)["find"]["success"]["c->c"].points[-1]
            self.assertEqual((last.size, last.calls, last.min), (18.8, 5, 70))

    def test_constant(self) -> None:
        """A rise of up to 4 instructions, or 10 %, over all sizes is none."""
        def found(cost: tuple[int, int]) -> Growth:
            return parsed("".join(line("c->c", "find", "-", sizes, cost)
                                  for sizes in ([0] * 4, [1] * 4, [4] * 4))
                          )["find"]["success"]["c->c"]

        self.assertEqual(found((10, 1)).text, "constant")
        self.assertEqual(found((10, 2)).text, "10.0 + 2.00")
        self.assertEqual(found((80, 2)).text, "constant")
        self.assertEqual(found((79, 2)).text, "79.0 + 2.00")
        self.assertEqual(found((40, -2)).text, "40.0 - 2.00")

    def test_one_size_apart(self) -> None:
        """A jump at one size, as where an object is full, does not bend the line."""
        text = "".join(line("c->c", "add", "-", [size] * 4, (143, 5)) for size in range(8)) + \
            line("c->c", "add", "-", [8] * 9, (232, 5))
        found = parsed(text, ("add",))["add"]["success"]["c->c"]
        self.assertEqual((found.constant, found.each), (143, 5))
        self.assertEqual(found.points[-1].mean, 272)

    def test_middle(self) -> None:
        """Of the slopes between sizes the middle one counts, by how many calls each is of."""
        for calls, told in (((3, 3, 3), (10, 10)), ((9, 9, 1), (10, 5)), ((1, 9, 9), (-30, 15))):
            text = "".join(line("c->c", "add", "-", [size] * nr, (cost, 0))
                           for size, cost, nr in zip((0, 4, 8), (10, 30, 90), calls))
            found = parsed(text, ("add",))["add"]["success"]["c->c"]
            self.assertEqual((found.constant, found.each), told, calls)

    def test_varies(self) -> None:
        """Costs that differ, and not along a line."""
        for costs, told in (((10, 90, 10, 90, 60), "varies"), ((10, 90, 10, 90, 10), "varies"),
                            ((90, 94, 90, 94, 90), "constant"),
                            ((10, 30, 50, 80, 90), "10.0 + 5.00")):
            text = "".join(line("c->c", "add", "-", [4 * at] * 3, (cost, 0))
                           for at, cost in enumerate(costs))
            found = parsed(text, ("add",))["add"]["success"]["c->c"]
            self.assertEqual(found.text, told, costs)
            self.assertEqual(growth.told({"c->c": found, "c->rust": found}), "+" in told)

    def test_too_few(self) -> None:
        """Of two sizes, or of seven calls, no line is told; the points are."""
        for sizes in ([[0] * 9, [8] * 9], [[0], [4, 4], [8] * 4]):
            text = "".join(line("c->c", "find", "-", one, (10, 4)) for one in sizes)
            found = parsed(text)["find"]["success"]["c->c"]
            self.assertEqual((found.constant, found.each, found.text), (None, None, "-"))
            self.assertEqual(len(found.points), len(sizes))

    def test_measure(self) -> None:
        """The measure that explains most is told, on all paths the same; what is held of equals."""
        flat = "".join(line(path, "find", "key", [size] * 3, (50, 0))
                       for path in LINES for size in (1, 2, 3))
        for text in (self.linear() + flat, flat + self.linear()):
            self.assertEqual({one.by for one in parsed(text)["find"]["success"].values()},
                             {"entries"})
        equal = self.linear("key") + self.linear()
        self.assertEqual(parsed(equal)["find"]["success"]["c->c"].by, "entries")
        found = parsed(self.linear("key") + flat.replace(" key ", " - "))["find"]["success"]
        self.assertEqual({one.by for one in found.values()}, {"bytes of key"})

    def test_outcomes(self) -> None:
        """Operations come as in the table of costs; success first, then errnos."""
        text = "".join(line("c->c", op, "-", [1], (1, 0), end)
                       for op in ("take", "find") for end in (-28, -2, 0))
        self.assertEqual({op: list(row) for op, row in parsed(text, ("find", "take")).items()},
                         {"find": ["success", "-ENOENT", "-ENOSPC"],
                          "take": ["success", "-ENOENT", "-ENOSPC"]})

    def test_damaged(self) -> None:
        """What the engine does not print is refused, with its line."""
        good = line("c->c", "find", "-", [1], (1, 0))
        for bad in ("", "c->c find 0 - 1 1 1", good.replace("c->c", "d->c"),
                    good.replace(" 0 ", " 2 "), good.replace(" 1 ", " 0 "), good.rstrip() + " 1",
                    good.replace("find", "f ind")):
            with self.subTest(bad), self.assertRaisesRegex(tables.DamagedTable, "line 2"):
                parsed(good + bad.rstrip("\n") + "\n")
        with self.assertRaisesRegex(tables.DamagedTable, "no noop"):
            growth.parse(good, {}, "entries")

    def test_rows(self) -> None:
        """A mean of sizes of one of the engine's rows is in that row."""
        for size in range(5000):
            low = growth.row_of(size)
            self.assertLessEqual(low, size)
            self.assertEqual(growth.row_of(low), low)
        self.assertEqual([growth.row_of(size) for size in (15, 16, 23, 24, 31, 32, 47, 48, 4096)],
                         [15, 16, 16, 24, 24, 32, 32, 48, 4096])

    def test_json(self) -> None:
        """results.json has all of it."""
        one = parsed(self.linear())["find"]["success"]["c->rust"]
        self.assertEqual(Growth.from_json(one.to_json()), one)


class TestReport(unittest.TestCase):
    """grown.table()"""

    def found(self, rust: tuple[int, int], both: tuple[int, int] = (10, 0)) -> growth.Table:
        """A table in which Rust's side costs `rust`, and C's `both`."""
        return parsed("".join(
            line(path, "find", "-", [size] * 4, rust if path.endswith("rust") else both)
            for path in PATHS for size in (0, 1, 8)))

    def test_grows(self) -> None:
        """A line for what grows on any path; none for what is constant on all."""
        self.assertEqual(grown.table(self.found((10, 0)), False), [])
        self.assertEqual(grown.table(self.found((12, 3)), False), [
            "    growth                      c->c         c->rust         rust->c"
            "      rust->rust",
            "    find, by entries",
            "                            constant     12.0 + 3.00        constant"
            "     12.0 + 3.00"])

    def test_differs(self) -> None:
        """Rust's slope is another one if that makes a difference at the largest size."""
        for rust, told in (((100, 0), False), ((100, 1), False), ((100, 2), True)):
            row = self.found(rust, (100, 0))["find"]["success"]
            self.assertEqual(growth.differs(row["c->rust"], row["c->c"]), told, rust)

    def test_verbose(self) -> None:
        """With V=1 all operations are told."""
        self.assertEqual(grown.table(self.found((10, 0)), True)[1:], [
            "    find, by entries",
            "                            constant        constant        constant        constant"])


class TestRow(unittest.TestCase):
    """KP_HOLDS"""

    OBJECT = ("KP_OBJECT(struct x, struct x_view, x_view)\n"
              "KP_CREATE(x_create, SLEEPS, KP_RESULT(struct x *, -ENOMEM))\n"
              "KP_DESTROY(x_destroy, SLEEPS)\nKP_METHOD(x_find, ANY, KP_VOID)\n"
              "KP_TYPE(struct x_view, nr)\n")

    def test_function(self) -> None:
        """The engine is given a function of the view."""
        contract = rows.read(self.OBJECT + "KP_HOLDS(entries, now->nr)\n", "x")
        text = emit_c.glue(contract, "x.h", "x_glue.c")
        self.assertIn("static u32 x_holds(const void *view)", text)
        self.assertIn("\treturn now->nr;", text)
        self.assertIn("\t.holds = x_holds,", text)
        self.assertNotIn("holds", emit_c.glue(rows.read(self.OBJECT, "x"), "x.h", "x_glue.c"))

    def test_wrong(self) -> None:
        """What the row lacks is said."""
        for row, why in (("KP_HOLDS(entries)", "wants a word"),
                         ("KP_HOLDS(now->nr, entries)", "a word"),
                         ("KP_HOLDS(a, 1)\nKP_HOLDS(a, 1)", "a second KP_HOLDS")):
            with self.subTest(row), self.assertRaisesRegex(rows.BadRow, why):
                rows.read(self.OBJECT + row + "\n", "x")
        with self.assertRaisesRegex(rows.BadRow, "no KP_OBJECT"):
            rows.read("KP_FUNCTION(f, ANY, KP_VOID)\nKP_HOLDS(a, 1)\n", "x")


if __name__ == "__main__":
    unittest.main()
