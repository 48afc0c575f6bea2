# SPDX-License-Identifier: GPL-2.0
"""Case ordering: records of QEMU's plugin, compared; and the fields of addresses."""

import unittest
from pathlib import Path

from kplib.configure.lanes import PATHS
from kplib.contract import rows
from kplib.contract.model import Contract
from kplib.judge import fields, orders, tables, types

#: A contract of two operations, with and without orderings, and a declared difference.
CONTRACT = """\
KP_OBJECT(struct q, struct q_view, q_view)
KP_CREATE(q_create, SLEEPS, KP_RESULT(struct q *, -EINVAL))
KP_DESTROY(q_destroy, SLEEPS)
KP_METHOD(q_push, ANY, KP_ERRNO(-ENOSPC){orders})
KP_METHOD(q_len, ANY, KP_UNSIGNED(u32))
KP_TYPE(struct q_view, len)
"""
#: The kernel's own code, addresses of fields, and where the pair's code is.
KERNEL = (0xffff800080000000, 0xffff800080100000)
HEAD, TAIL, LOCK = 0x100, 0x108, 0x110
FIELDS = (frozenset(("head", "tail", "lock")), frozenset(("head", "tail", "state")))
BLOCK = "block 100 0 0 0 0"


def contract(orders_of_push: str = "", more: str = "") -> Contract:
    """The contract, whose push has these orderings."""
    option = f', .orders = "{orders_of_push}"' if orders_of_push else ""
    return rows.read(CONTRACT.format(orders=option) + more, "q")


class Memory:
    """An object of three fields."""

    def find(self, address: int) -> str:
        """The field of an address."""
        return {HEAD: "head", TAIL: "tail", LOCK: "lock"}.get(address, "")

    def holds(self, address: int) -> bool:
        """Whether an address is of the object."""
        return HEAD <= address < 0x120


def find(_path: str, _obj: int, _handles: list[int], _memory: dict[int, int]) -> Memory:
    """The same object on all paths."""
    return Memory()


def case(path: int, *runs: str, counts: tuple[str, ...] = ("1 0 5 0 0",)) -> str:
    """A case of the record; each run is events of push, which ended well."""
    return (f"case q {path}\n"
            + "".join(f"run 1 0 100\n{BLOCK}\n{run}" for run in runs)
            + "".join(f"count {count}\n" for count in counts) + "close\n")


def events(*words: str, pc: int = 0x5000) -> str:
    """Lines of events, such as "ra head", "wl tail", "brw"."""
    places = {"head": HEAD, "tail": TAIL, "lock": LOCK, "": 0}
    lines = []
    for i, word in enumerate(words):
        what, _, name = word.partition(" ")
        size = 4 if name else 0
        lines.append(f"{what} {places.get(name, 0x7000):x} {size} {pc + 4 * i:x}\n")
    return "".join(lines)


class TestRecord(unittest.TestCase):
    """orders.parse()"""

    def run_of(self, *words: str) -> dict[tuple[str, str], int]:
        """The strengths of one execution, by kind and field."""
        (found,) = orders.parse(case(0, events(*words)), "q", find, KERNEL)["c->c"].runs
        return {(a.kind, a.field): a.strength for a in found.accesses}

    def test_strengths(self) -> None:
        """What the instruction says, and what barriers around it do."""
        for words, kind, name, strength in (
                (["r head"], "load", "head", orders.PLAIN),
                (["ra head"], "load", "head", orders.ORDERED),
                (["rq head"], "load", "head", orders.ORDERED),
                (["rax head"], "load", "head", orders.ORDERED),
                (["r head", "br"], "load", "head", orders.ORDERED),
                (["br", "r head"], "load", "head", orders.PLAIN),
                (["r head", "bw"], "load", "head", orders.PLAIN),
                (["r head", "r tail", "br"], "load", "head", orders.ORDERED),
                (["r head", "ra tail", "br"], "load", "head", orders.PLAIN),
                (["ml head", "br"], "load", "head", orders.ORDERED),
                (["mu head", "br"], "load", "head", orders.PLAIN),
                (["mu head", "brw"], "load", "head", orders.FULL),
                (["r head", "mu tail", "br"], "load", "head", orders.ORDERED),
                (["rx head", "wlx head", "brw"], "load", "head", orders.FULL),
                (["r head", "w tail", "br"], "load", "head", orders.ORDERED),
                (["bw", "wl lock", "w tail"], "store", "tail", orders.PLAIN),
                (["r head", "brw"], "load", "head", orders.FULL),
                (["w tail"], "store", "tail", orders.PLAIN),
                (["wl tail"], "store", "tail", orders.ORDERED),
                (["bw", "w tail"], "store", "tail", orders.ORDERED),
                (["br", "w tail"], "store", "tail", orders.PLAIN),
                (["brw", "w tail"], "store", "tail", orders.FULL),
                (["w tail", "brw"], "store", "tail", orders.PLAIN),
                (["m head"], "load", "head", orders.PLAIN),
                (["ml head"], "store", "head", orders.ORDERED),
                (["ml head"], "load", "head", orders.PLAIN),
                (["mal head"], "load", "head", orders.FULL)):
            with self.subTest(words):
                self.assertEqual(self.run_of(*words)[kind, name], strength)

    def test_kernel(self) -> None:
        """What the kernel does with memory of its own is left out, with the object's it is not."""
        text = case(0, "mal fff0000000007000 4 ffff800080000100\nbrw 0 0 ffff800080000104\n"
                       "ma 110 4 ffff800080000108\nwl fff0000000007008 4 ffff800078005000\n")
        (found,) = orders.parse(text, "q", find, KERNEL)["c->c"].runs
        self.assertEqual({what: len(of) for what, of in found.ordering.items()},
                         {"acquire": 1, "release": 1, "full": 0})

    def test_helpers(self) -> None:
        """A barrier in one of Rust's helpers is of the port that calls it."""
        text = case(0, "brw 0 0 ffff800080000104\nbrw 0 0 ffff800080000108\n")
        helpers = ((0xffff800080000100, 0xffff800080000108),)
        (found,) = orders.parse(text, "q", find, KERNEL, helpers)["c->c"].runs
        self.assertEqual(found.ordering["full"], ((0xffff800080000104, ""),))

    def test_pairs(self) -> None:
        """Other pairs' lines are theirs; a case that was run again counts once; one that a lost
        guest was in is none."""
        text = case(0, events("r head")) + case(0, events("ra head")).replace("q 0", "other 0") \
            + case(0, events("ra tail")) + "case q 1\nrun 1 0 100\n"
        found = orders.parse(text, "q", find, KERNEL)
        self.assertEqual([a.field for run in found["c->c"].runs for a in run.accesses], ["tail"])
        self.assertEqual(set(found), {"c->c"})

    def test_damaged(self) -> None:
        """A line that is none of the plugin's is named."""
        for line in ("case q 4", "run 1", "r head", "xa 100 4 5000", "count 1 2 3", "r 100 4"):
            text = case(0, events("r head")).replace("close\n", f"{line}\nclose\n")
            with self.subTest(line), self.assertRaisesRegex(tables.DamagedTable, "line 6 of q"):
                orders.parse(text, "q", find, KERNEL)

    def test_ends(self) -> None:
        """The engine's table, which the record must be all of."""
        ends = orders.parse_ends("c->c push 1 0 5\nc->c push 1 -28 2\nc->rust push 1 0 5\n")
        self.assertEqual(ends.names, {1: "push"})
        record = orders.parse(case(0, events("r head"), counts=("1 0 5 0 0", "1 -28 2 0 0")), "q",
                              find, KERNEL)["c->c"]
        self.assertEqual(orders.incomplete(ends, record, "c->c"), "")
        self.assertIn("5 calls", orders.incomplete(ends, orders.parse(
            case(0, events("r head")), "q", find, KERNEL)["c->c"], "c->c"))
        self.assertIn("nothing of it", orders.incomplete(ends, None, "c->rust"))
        for line in ("c->c push 1 0", "c->d push 1 0 5", "c->c push x 0 5"):
            with self.subTest(line), self.assertRaisesRegex(tables.DamagedTable, "line 1"):
                orders.parse_ends(f"{line}\n")


class TestJudge(unittest.TestCase):
    """orders.judge()"""

    def judge(self, c: list[str], rust: list[str], row: str = "", more: str = "",
              path: str = "c->rust") -> orders.Verdict:
        """Verdict on a path, of executions of push on c->c and there."""
        number = PATHS.index(path)
        text = case(0, *c) + (case(number, *rust) if number else "")
        records = orders.parse(text, "q", find, KERNEL)
        ends = orders.Ends({1: "push"}, {p: {(1, 0): 5} for p in records})
        return orders.judge(contract(row, more), ends, records, path, FIELDS)

    def told(self, *args: list[str], **kwargs: str) -> list[str]:
        """What is said of a path."""
        return [f.what for f in self.judge(*args, **kwargs).faults]  # type: ignore[arg-type]

    def test_same(self) -> None:
        """Paths that order alike, or Rust more, are good."""
        for c, rust in ((["ra head", "wl tail"], ["ra head", "wl tail"]),
                        (["ra head", "wl tail"], ["rq head", "wl tail"]),
                        (["ra head", "bw", "w tail"], ["ra head", "wl tail"]),
                        (["r head", "w tail"], ["ra head", "wl tail"]),
                        (["ma lock", "r head", "wl lock"], ["ma head", "wl head"])):
            with self.subTest(c):
                self.assertEqual(self.told([events(*c)], [events(*rust)]), [])

    def test_weaker(self) -> None:
        """A field that Rust orders less is named, with both instructions."""
        (fault,) = self.judge([events("ra head", "wl tail")],
                              [events("ra head", "w tail", pc=0x6000)]).faults
        self.assertEqual(fault.what, "tail is stored relaxed, and on c->c release")
        self.assertEqual((fault.here, fault.there), ((0x6004,), (0x5004,)))
        self.assertEqual(orders.tell(fault, {0x6004: "push (q.rs:3)", 0x5004: "q_push (q.c:7)"}), [
            "push, success: tail is stored relaxed, and on c->c release",
            "  here: push (q.rs:3)", "  c->c: q_push (q.c:7)"])

    def test_crossed(self) -> None:
        """A barrier has to separate what C's separates."""
        publish, look = events("w lock", "wl tail"), events("ra tail", "r lock", "w lock")
        same = frozenset(("tail", "lock")), frozenset(("tail", "lock"))
        others = frozenset(("tail", "lock")), frozenset(("tail", "head"))
        for c, rust, told, *names in (
                (publish, ["bw", "w head", "w tail"], "head is stored before tail is stored",
                 others),
                (publish, ["w head", "bw", "w tail"], "", others),
                (publish, ["w lock", "bw", "w tail"], ""),
                (publish, ["w lock", "brw", "w tail"], ""),
                (publish, ["w lock", "mal head", "wl tail"], ""),
                (publish, ["bw", "w lock", "w tail"], "lock is stored before tail is stored"),
                (publish, ["bw", "wl tail"], ""),
                (look, ["r tail", "br", "r lock", "w lock"], ""),
                (look, ["r tail", "r lock", "br", "w lock"], "lock is loaded after tail is loaded"),
                (look, ["mu tail", "brw", "r lock", "w lock"], ""),
                (events("r lock", "wl tail"), ["r lock", "brw", "w tail"], ""),
                # Of what no one stores to a load may come at any time.
                (events("r lock", "wl tail"), ["r lock", "bw", "w tail"], ""),
                (events("r lock", "wl tail", "w lock"), ["r lock", "bw", "w tail", "w lock"],
                 "lock is loaded before tail is stored"),
                (events("w lock", "w tail"), ["w lock", "w tail"], "")):
            with self.subTest(c=c, rust=rust):
                text = case(0, c) + case(1, events(*rust))
                records = orders.parse(text, "q", find, KERNEL)
                ends = orders.Ends({1: "push"}, {p: {(1, 0): 5} for p in records})
                faults = orders.judge(contract(), ends, records, "c->rust",
                                      *(names or [same])).faults
                self.assertEqual([f.what.split(", and nothing keeps")[0] for f in faults
                                  if "nothing keeps" in f.what], [told] if told else [])

    def test_one_way(self) -> None:
        """One way through the code that orders less is enough."""
        self.assertEqual(self.told([events("ra head")], [events("ra head"), events("r head")]),
                         ["head is loaded relaxed, and on c->c acquire"])

    def test_counts(self) -> None:
        """Where the fields are others, accesses that order are counted, fewest and most."""
        lock = events("ma lock", "wl lock")
        self.assertEqual(self.told([lock], [events("r elsewhere")]),
                         ["0 of acquire, and on c->c 1"])
        self.assertEqual(self.told([lock, lock + events("br", pc=0x5100)], [lock]),
                         ["1 of acquire at most, and on c->c 2"])

    def test_row(self) -> None:
        """Either side is held to its row."""
        good, bad = events("ra head", "wl tail"), events("ra head", "w tail")
        row = "acquire head, release tail"
        self.assertEqual(self.told([good], [good], row=row), [])
        weak = ["tail is stored relaxed, and its row says release tail"]
        self.assertEqual(self.told([bad], [], row=row, path="c->c"), weak)
        self.assertEqual(self.told([bad], [bad], row=row), [f"{weak[0]}; on c->c it is relaxed"])
        self.assertEqual(self.told([good], [bad], row=row), [f"{weak[0]}; on c->c it is release"])
        self.assertEqual(self.told([good], [], row="full tail", path="c->c"),
                         ["tail is stored release, and its row says full tail"])

    def test_row_unmet(self) -> None:
        """A row of a field that is not there, or that nothing accesses so, is told."""
        good = events("ra head", "wl tail")
        self.assertEqual(self.told([good], [good], row="acquire lock"),
                         ["its row says acquire lock, and Rust has no field lock"])
        self.assertEqual(self.told([good], [good], row="acquire tail"),
                         ["its row says acquire tail, and nothing was seen to do so"])

    def test_renamed(self) -> None:
        """A field that is called otherwise in Rust is compared as well."""
        self.assertEqual(self.told([events("wl lock")], [events("w head")],
                                   row="release lock=head"),
                         ["head is stored relaxed, and its row says release head; "
                          "on c->c it is release"])

    def test_accepted(self) -> None:
        """A declared difference is counted, and fails once it is none; others are told."""
        row = 'KP_DIVERGES(less, q_push, tail, "why", "where", .orders = true)\n'
        c, rust = events("mal tail", "ra head"), events("m tail", "ra head")
        verdict = self.judge([c], [rust], more=row)
        self.assertEqual((verdict.faults, verdict.met), ([], {"less": 2}))
        self.assertEqual(self.told([c], [events("m tail", "r head")], more=row),
                         ["head is loaded relaxed, and on c->c acquire"])
        self.assertEqual(self.told([c], [c], more=row), [
            "the contract accepts that Rust orders tail less (KP_DIVERGES less), and it does "
            "not; take the row out"])
        self.assertEqual(self.told([c], [c], more=row, path="rust->c"), [])

    def test_table(self) -> None:
        """What is told of all paths has what one of them orders."""
        records = orders.parse(case(0, events("ra head", "w tail"))
                               + case(1, events("r head", "w tail")), "q", find, KERNEL)
        ends = orders.Ends({1: "push"}, {})
        self.assertEqual(orders.table(ends, records), {"push": {"success": {
            "acquire": {"c->c": "1"},
            "load head": {"c->c": "acquire", "c->rust": "relaxed"}}}})


class TestGaps(unittest.TestCase):
    """orders.gaps() and orders.nothing()"""

    def records(self, c: str, rust: str) -> dict[str, orders.Record]:
        """Records of two paths, of lines of counts; an outcome of which some call was neither
        disturbed nor dropped has an execution."""
        text = ""
        for path, lines in ((0, c), (1, rust)):
            counts = [line.split() for line in lines.split(", ")]
            text += f"case q {path}\n" + "".join(
                f"run {op} {end} 100\n{BLOCK}\nr 100 4 5000\n" for op, end, times, *less in counts
                if int(times) > sum(map(int, less))) + "".join(
                f"count {' '.join(one)}\n" for one in counts) + "close\n"
        return orders.parse(text, "q", find, KERNEL)

    def gaps(self, c: str, rust: str, path: str = "c->rust", context: str = "ANY") -> list[str]:
        """What is not compared on a path."""
        records = self.records(c, rust)
        ends = orders.Ends({1: "push", 2: "len"}, {p: one.times for p, one in records.items()})
        of = rows.read(CONTRACT.format(orders="").replace("push, ANY", f"push, {context}"), "q")
        return orders.gaps(of, ends, records, path)

    def test_none(self) -> None:
        """One outcome of each operation is enough; what a path has not called is no gap."""
        self.assertEqual(self.gaps("1 0 5 4 0, 1 -28 2 2 0", "1 0 5 4 0, 1 -28 2 2 0"), [])
        self.assertEqual(self.gaps("1 0 5 0 0, 2 0 1 0 0", "1 0 5 0 0"), [])

    def test_missing(self) -> None:
        """An operation of which nothing was recorded is told, on either path."""
        missed = "push: nothing of it was recorded on c->rust: something came in between in 5 of " \
            "5 calls"
        for context in ("ANY", "SLEEPS"):
            self.assertEqual(self.gaps("1 0 5 0 0", "1 0 5 5 0", context=context), [missed])
        told = self.gaps("1 0 5 5 0", "1 0 5 0 0")
        self.assertEqual(told, [missed.replace("c->rust", "c->c")])
        self.assertEqual(self.gaps("1 0 5 5 0", "1 0 5 0 0", path="c->c"), told)
        self.assertEqual(self.gaps("1 0 5 0 0", "1 -28 5 0 0"),
                         ["push: no outcome was recorded both here and on c->c"])

    def test_sleeps(self) -> None:
        """An operation that sleeps in each call on both paths is none; where it may not, it is."""
        self.assertEqual(self.gaps("1 0 5 5 0", "1 0 5 5 0", context="SLEEPS"), [])
        self.assertEqual(len(self.gaps("1 0 5 5 0", "1 0 5 5 0")), 2)

    def test_dropped(self) -> None:
        """More ways through the code than are kept."""
        told = "push, success: 2 executions on {} are more than the plugin keeps, and were not " \
            "compared"
        self.assertEqual(self.gaps("1 0 5 0 0", "1 0 5 0 2"), [told.format("c->rust")])
        self.assertEqual(self.gaps("1 0 5 0 2", "1 0 5 0 0"), [told.format("c->c")])

    def test_nothing(self) -> None:
        """Functions that share no object, and an object of which nothing was seen."""
        empty = orders.parse(case(0, "") + case(1, ""), "q", find, KERNEL)
        some = orders.parse(case(0, "") + case(1, events("brw")), "q", find, KERNEL)
        functions = rows.read("KP_FUNCTION(q_sum, ANY, KP_UNSIGNED(u32), KP_NUMBER(u32, n))\n", "q")
        self.assertEqual(orders.nothing(functions, empty, False),
                         "its functions share no object, and order nothing")
        self.assertEqual(orders.nothing(functions, some, False), "")
        self.assertIn("no debug information", orders.nothing(contract(), some, False))
        self.assertEqual(orders.nothing(contract(), empty, True),
                         "nothing that c->c does to struct q was seen")
        self.assertEqual(orders.nothing(contract("acquire head"), empty, False), "")
        self.assertEqual(orders.nothing(contract(), self.records("1 0 5 0 0", "1 0 5 0 0"), True),
                         "")


class TestRows(unittest.TestCase):
    """.orders of a row"""

    def test_orders(self) -> None:
        """Words of a row."""
        push = contract("acquire head, release tail=end").functions[0]
        self.assertEqual([(o.strength, o.field, o.rust) for o in push.orders],
                         [("acquire", "head", ""), ("release", "tail", "end")])

    def test_refused(self) -> None:
        """Anything else is told at its line."""
        for text, told in (("acquire", "'acquire' is no ordering"),
                           ("consume head", "'consume head' is no ordering"),
                           ("acquire head release tail", "is no ordering"),
                           ("acquire head,", "'' is no ordering")):
            with self.subTest(text), self.assertRaisesRegex(rows.BadRow, told) as caught:
                contract(text)
            self.assertEqual(caught.exception.line, 4)
        for more, told in (
                ('KP_DIVERGES(a, q_push, tail, "x", "y", .orders = true, .state = true)\n',
                 "a row of their own"),
                ('KP_DIVERGES(a, q_push, c < 0, "x", "y", .orders = true)\n',
                 "no name of the field")):
            with self.subTest(more), self.assertRaisesRegex(rows.BadRow, told):
                contract(more=more)


#: As llvm-dwarfdump has it: struct q { u32 head; struct node *first; u64 slot[]; } of the pair's,
#: struct node { struct q *up; u32 value; }, and what is declared alone.
DWARF = """\
0x0000000c: DW_TAG_compile_unit
              DW_AT_name\t("q.c")

0x00000020:   DW_TAG_structure_type
                DW_AT_name\t("q")
                DW_AT_byte_size\t(0x10)
                DW_AT_decl_file\t("{folder}/q.c")

0x00000021:     DW_TAG_member
                  DW_AT_name\t("head")
                  DW_AT_type\t(0x00000040 "u32")
                  DW_AT_data_member_location\t(0x00)

0x00000022:     DW_TAG_member
                  DW_AT_name\t("first")
                  DW_AT_type\t(0x00000041 "struct node *")
                  DW_AT_data_member_location\t(0x08)

0x00000023:     DW_TAG_member
                  DW_AT_name\t("slot")
                  DW_AT_type\t(0x00000044 "u64[]")
                  DW_AT_data_member_location\t(0x10)

0x00000030:   DW_TAG_structure_type
                DW_AT_name\t("node")
                DW_AT_byte_size\t(0x10)
                DW_AT_decl_file\t("{folder}/q.c")

0x00000031:     DW_TAG_member
                  DW_AT_name\t("up")
                  DW_AT_type\t(0x00000042 "struct q *")
                  DW_AT_data_member_location\t(0x00)

0x00000032:     DW_TAG_member
                  DW_AT_name\t("value")
                  DW_AT_type\t(0x00000040 "u32")
                  DW_AT_data_member_location\t(0x08)

0x00000040:   DW_TAG_typedef
                DW_AT_name\t("u32")
                DW_AT_type\t(0x00000043 "unsigned int")

0x00000041:   DW_TAG_pointer_type
                DW_AT_type\t(0x00000030 "node")

0x00000042:   DW_TAG_pointer_type
                DW_AT_type\t(0x00000020 "q")

0x00000043:   DW_TAG_base_type
                DW_AT_name\t("unsigned int")
                DW_AT_byte_size\t(0x04)

0x00000044:   DW_TAG_array_type
                DW_AT_type\t(0x00000045 "u64")

0x00000046:     DW_TAG_subrange_type
                  DW_AT_type\t(0x00000043 "unsigned int")

0x00000045:   DW_TAG_base_type
                DW_AT_name\t("u64")
                DW_AT_byte_size\t(0x08)

0x00000050:   DW_TAG_structure_type
                DW_AT_name\t("opaque")
                DW_AT_declaration\t(true)
"""


class TestFields(unittest.TestCase):
    """fields.Map"""

    def test_c(self) -> None:
        """Members, what a pointer leads to, and an array without a length."""
        folder = Path("/pairs/q")
        known = types.parse(DWARF.format(folder=folder))
        self.assertEqual(set(known.structures), {"q", "node"})
        sides = fields.Sides((known,), types.parse(""), "q", folder, "q", "")
        self.assertEqual(sides.names[0], {"head", "first", "slot", "up", "value"})
        found = fields.Map(sides, "c->c", 0x1000, [], {0x1008: 0x2000, 0x2000: 0x1000})
        self.assertEqual([found.holds(at) for at in (0x1004, 0x200c, 0x2010, 0x3000)],
                         [True, True, False, False])
        self.assertEqual([found.find(at) for at in (0x1000, 0x1008, 0x1010, 0x1018, 0x2000, 0x2008,
                                                    0x200c, 0x3000)],
                         ["head", "first", "slot", "slot", "up", "value", "", ""])

    def test_others(self) -> None:
        """Structures that the pair does not define have no fields of its own, but for that of its
        object."""
        known = types.parse(DWARF.format(folder="/usr/include"))
        sides = fields.Sides((known,), types.parse(""), "q", Path("/pairs/q"), "q", "")
        self.assertEqual(sides.names[0], {"head", "first", "slot"})
        found = fields.Map(sides, "c->c", 0x1000, [], {0x1008: 0x2000})
        self.assertEqual([found.find(at) for at in (0x1000, 0x2000)], ["head", ""])
        sides = fields.Sides((known,), types.parse(""), "q", Path("/pairs/q"), "", "")
        self.assertEqual(sides.names[0], frozenset())
        self.assertEqual(fields.Map(sides, "c->c", 0x1000, [], {}).find(0x1000), "")


if __name__ == "__main__":
    unittest.main()
