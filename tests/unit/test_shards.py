# SPDX-License-Identifier: GPL-2.0
"""SHARD=i/n: how a request is split, what is refused, and what identifies a split."""

import contextlib
import io
import json
import random
import shlex
import subprocess
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from kplib import matrix, verbs
from kplib.common.errors import Refused
from kplib.configure import archs, identity, pairs, request, shards, variants
from kplib.configure.lanes import LANES
from kplib.configure.shards import Unit
from kplib.soak import cells, pieces, soak, work
from kplib.tools import ci

ALL = ("ARCH=all", "VARIANT=all")


def settled(*words: str, index: int = 1, of: int = 3) -> request.Request:
    """A request with the units of its shard; the digest of the tree's files is not wanted."""
    with mock.patch.object(identity, "content", return_value="x"):
        return identity.settle(request.parse([*words, f"SHARD={index}/{of}"], {}))


def units(*words: str, index: int = 1, of: int = 3) -> tuple[Unit, ...]:
    """The units of one shard."""
    shard = settled(*words, index=index, of=of).shard
    assert shard is not None
    return shard.units


class TestSplit(unittest.TestCase):
    """shards.split() and what it is given"""

    def parts(self, *words: str, of: int) -> list[tuple[Unit, ...]]:
        """All shards of a request; the first and the last as machines of their own find them."""
        req = request.parse(list(words), {})
        found = [tuple(part) for part in shards.split(
            shards.every(req), of, shards.weigher(req, shards.load(shards.TIMES)),
            shards.needs_of(req))]
        for index in {1, of}:
            self.assertEqual(units(*words, index=index, of=of), found[index - 1])
        return found

    def test_each_once(self) -> None:
        """Each unit of a request is in one shard, in the order of a whole run."""
        for words in ((), ALL, ("LANE=irq",), ("DEPTH=full", *ALL), ("CASE=lockstep",),
                      ("PAIR=tlv ring", "ARCH=arm64"), ("LANE=order", "ARCH=all")):
            every = shards.every(request.parse(list(words), {}))
            self.assertEqual(len(every), len(set(every)))
            for of in (1, 3, 20, len(every), len(every) + 5):
                with self.subTest(words, of=of):
                    found = self.parts(*words, of=of)
                    self.assertEqual([unit for part in found for unit in part], every)
                    # Those that have nothing to run are the last ones.
                    self.assertEqual([bool(part) for part in found],
                                     [number < len(every) for number in range(of)])

    def test_all(self) -> None:
        """The units are what a whole run runs: pairs, lanes of the variant, of the arch."""
        kinds = variants.load_all(request.TOP / "qemu/variant")
        places = archs.load_all(request.TOP / "qemu/arch")
        self.assertEqual(set(shards.every(request.parse(list(ALL), {}))), {
            Unit(arch, kind, pair, lane) for arch in places for kind in kinds
            for pair in pairs.shipped() for lane in kinds[kind].lanes
            if places[arch].has(LANES[lane]) and not LANES[lane].asked})
        # 'spsc' is of the ring alone.
        self.assertEqual(shards.every(request.parse(["CASE=spsc", "ARCH=x86_64"], {})),
                         [Unit("x86_64", "base", "ring", "check")])

    def test_even(self) -> None:
        """No cut of neighbours has a shorter longest part: all cuts are tried."""
        random_ = random.Random(7)

        def needs(piece: tuple[int, int]) -> list[tuple[object, int]]:
            return [(piece[0] % 3, 40)]

        def load(part: list[tuple[int, int]]) -> int:
            return sum(cost for _, cost in part) + 40 * len({piece[0] % 3 for piece in part})

        def best(some: list[tuple[int, int]], count: int) -> int:
            if count == 1:
                return load(some)
            return min(max(load(some[:at]), best(some[at:], count - 1))
                       for at in range(len(some) + 1))

        for _ in range(40):
            some = [(number, random_.randint(1, 99)) for number in range(random_.randint(1, 8))]
            for count in (1, 2, 3, 4):
                found = shards.split(some, count, lambda piece: piece[1], needs)
                self.assertEqual([one for part in found for one in part], some)
                self.assertEqual(len(found), count)
                self.assertEqual(max(map(load, found)), best(some, count))

    def test_times(self) -> None:
        """What takes long is with less beside it."""
        long = {"x86_64 base check": {"ring": 100.0}, "x86_64 base insn": {"tlv": 1.0}}
        req = request.parse(["ARCH=x86_64", "PAIR=ring tlv glob device", "LANE=check"], {})
        shard = shards.Shard(1, 2)
        found = shards.settle(req, shard, long).shard
        assert found is not None
        # Those that nothing is known of are taken for as long as the others of their lane.
        self.assertEqual([unit.pair for unit in found.units], ["ring", "tlv"])
        long["x86_64 base check"].update(tlv=1.0, glob=1.0, device=1.0)
        found = shards.settle(req, shard, long).shard
        assert found is not None
        self.assertEqual([unit.pair for unit in found.units], ["ring"])

    def test_expected(self) -> None:
        """Measured, else of another arch, else of base, else as other pairs, else one second."""
        known = {"x86_64 base check": {"ring": 2.0, "tlv": 4.0, "glob": 9.0},
                 "arm64 base check": {"ring": 3.0}, "x86_64 debug check": {"ring": 7.0}}
        for unit, wanted in (
                (Unit("x86_64", "base", "ring", "check"), 2000),
                (Unit("arm64", "base", "ring", "check"), 3000),
                (Unit("arm64", "base", "tlv", "check"), 4000),
                (Unit("arm64", "debug", "ring", "check"), 7000),
                (Unit("x86_64", "debug", "tlv", "check"), 4 * 4000),
                (Unit("x86_64", "base", "x", "check"), 4000),
                (Unit("x86_64", "base", "ring", "irq"), 1000)):
            patience = 4 if unit.variant == "debug" else 1
            with self.subTest(unit):
                default = shards.UNKNOWN * patience if unit.lane == "irq" else wanted
                self.assertEqual(shards.expected(known, unit, patience), default)
        weigh = shards.weigher(request.parse(["DEPTH=full"], {}), known)
        self.assertEqual(weigh(Unit("x86_64", "base", "ring", "irq")), 20000)
        self.assertEqual(weigh(Unit("x86_64", "base", "ring", "check")), 2000)

    def test_own_history(self) -> None:
        """Nothing of this machine has a part in it: its cache, its cores, whether kernels are there
        """
        with tempfile.TemporaryDirectory() as folder:
            there = units(*ALL, of=5)
            cache = {"KPARITY_CACHE": folder}
            other = identity.settle(request.parse([*ALL, "SHARD=1/5", f"OUT={folder}/x"], cache))
            assert other.shard is not None
            self.assertEqual(other.shard.units, there)
            with mock.patch("os.cpu_count", return_value=64):
                self.assertEqual(units(*ALL, of=5), there)

    def test_shipped_times(self) -> None:
        """The times in the repository are of what there is; others would split nothing."""
        known = shards.load(shards.TIMES)
        kinds = variants.load_all(request.TOP / "qemu/variant")
        self.assertTrue(known)
        for key, row in known.items():
            arch, kind, lane = key.split()
            self.assertIn(arch, archs.load_all(request.TOP / "qemu/arch"))
            self.assertIn(lane, kinds[kind].lanes)
            self.assertLessEqual(set(row), set(pairs.shipped()))
            self.assertTrue(all(seconds > 0 for seconds in row.values()))

    def test_by_turns(self) -> None:
        """Mutants go to the shards one by one."""
        every = list(range(11))
        found = [shards.by_turns(every, shards.Shard(index, 4)) for index in range(1, 5)]
        self.assertEqual(sorted(one for part in found for one in part), every)
        self.assertLessEqual(max(map(len, found)) - min(map(len, found)), 1)
        self.assertEqual(shards.by_turns(every, None), every)


class TestSoak(unittest.TestCase):
    """SHARD= of make soak"""

    def part(self, *words: str, index: int, of: int) -> pieces.Pieces:
        """The pieces of one shard."""
        req = settled(*words, index=index, of=of)
        found = pieces.split(req, self.targets(req),
                             {one: cells.pairs_in(req, one) for one in self.targets(req)})
        assert found is not None
        return found

    def targets(self, req: request.Request) -> list[work.Target]:
        """All lanes of a request."""
        return cells.targets(req, [(arch, kind) for arch in req.archs for kind in req.variants])

    def test_each_once(self) -> None:
        """Each lane with each of its seeds is in one shard."""
        for words in (("SEEDS=7",), ("SEEDS=4 debug=2 irq=1", *ALL), ("SEEDS=3..3", "LANE=irq")):
            req = request.parse(list(words), {})
            assert req.seeds is not None
            # One seed of one lane is one piece.
            every = sorted((target.name, seed) for target in self.targets(req)
                           for seed in req.seeds.of(target.variant, target.lane))
            for of in (1, 3) if len(every) > 9 else (1, 3, len(every) + 1):
                found = [self.part(*words, index=index, of=of) for index in range(1, of + 1)]
                self.assertEqual(sorted((target.name, seed) for part in found
                                        for target, seed in part.mine), every)
                self.assertEqual({part.of for part in found}, {len(every)})

    def test_many(self) -> None:
        """A million of seeds is split as well, in one go."""
        found = [self.part("SEEDS=1000000", "LANE=check", "PAIR=ring", index=index, of=2)
                 for index in (1, 2)]
        self.assertEqual(sum(len(part.mine) for part in found), 1000000)
        self.assertLess(abs(len(found[0].mine) - len(found[1].mine)), 1000)

    def test_work(self) -> None:
        """A shard's pieces are what is begun, each once."""
        part = self.part("SEEDS=3", "LANE=check", "PAIR=ring", index=2, of=2)
        order = work.Work([], None, None, mine=part.mine)
        self.assertEqual(order.of, len(part.mine))
        got = [item for item in iter(order.next, None)]
        self.assertEqual([(item.target, item.seed) for item in got], list(part.mine))

    def test_refused(self) -> None:
        """Fresh seeds are each machine's own."""
        with self.assertRaisesRegex(Refused, "each machine draws its own already; give SEEDS=50"):
            soak.check(request.parse(["MINUTES=3", "SHARD=1/2"], {}))
        soak.check(request.parse(["MINUTES=3", "SEEDS=2", "SHARD=1/2"], {}))

    def test_nothing(self) -> None:
        """A shard of a soak with nothing to run passes, says so, and leaves what merge looks for.
        """
        with tempfile.TemporaryDirectory() as folder:
            req = request.parse(["SEEDS=1", "LANE=check", "SHARD=2/2", f"OUT={folder}"], {})
            said = io.StringIO()
            with contextlib.redirect_stdout(said), mock.patch.object(matrix, "choose_tools"):
                self.assertEqual(soak.soak(req), 0)
            self.assertEqual(said.getvalue(), "shard 2 of 2: nothing to run\n")
            path, = Path(folder).glob("soak/*/results.json")
            found = json.loads(path.read_text())
            self.assertEqual((found["verdict"], found["runs_of"], found["shard"]["of"],
                              found["shard"]["runs_of"]), ("pass", 0, 2, 1))


class TestRequest(unittest.TestCase):
    """Words that are refused"""

    def refused(self, verb: str, *words: str) -> str:
        """The one line of a refusal."""
        with self.assertRaises(Refused) as caught:
            verbs.check_words(verb, request.parse(list(words), {}, soak=verb == "soak",
                                                  whole=verb == "matrix"))
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    def test_shard(self) -> None:
        """i/n, i from 1 to n."""
        for bad in ("0/3", "4/3", "a/b", "1", "1/", "/3", "1/0", "-1/3", "1/3/5", "1.0/3",
                    "\u0661/\u0663", "1/10000", "1 /3"):
            with self.subTest(bad):
                self.assertIn(f"SHARD={bad}: give i/n", self.refused("run", f"SHARD={bad}"))
        found = request.parse(["SHARD=2/1000"], {}).shard
        assert found is not None
        self.assertEqual((found.index, found.of, found.units), (2, 1000, ()))
        self.assertIsNone(request.parse(["SHARD="], {}).shard)
        with tempfile.NamedTemporaryFile("w") as program:
            self.assertIn("a program is one thing", self.refused(
                "run", "SHARD=1/2", f"PROGRAM={program.name}", "PAIR=ring"))
        self.assertIn("waits for a person", self.refused("run", "SHARD=1/2", "KEEP=1"))
        self.assertIn("would draw one of its own", self.refused("run", "SHARD=1/2", "SEED=random"))
        request.parse(["SHARD=1/2", "KEEP=0"], {})

    def test_verbs(self) -> None:
        """What runs something whole refuses it; what runs nothing may have it beside it."""
        for verb in verbs.VERBS:
            if verb in (*shards.SPLIT, *shards.IDLE):
                verbs.check_words(verb, request.parse(["SHARD=1/2"], {}))
            else:
                self.assertIn("SHARD: for make run, make soak", self.refused(verb, "SHARD=1/2"))
        self.assertIn("SHARD=i/n", self.refused("run", "SHARDS=3"))
        self.assertIn("DIRS: for make merge", self.refused("report", "DIRS=/tmp"))
        self.assertIn("give SHARD=i/n", self.refused("run", f"TIMES={shards.TIMES}"))
        self.assertIn("TIMES: the times", self.refused("test", f"TIMES={shards.TIMES}"))

    def test_times(self) -> None:
        """A file of times, and nothing else."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "times.json")
            for text in ("", "[]", "{", '{"a": 1}', '{"a": {"b": "x"}}', '{"a": {"b": -1}}',
                         '{"a": {"b": NaN}}', '{"a": {"b": 1e9}}'):
                path.write_text(text)
                with self.subTest(text):
                    self.assertIn(f"TIMES={path}: ", self.refused("run", "SHARD=1/2",
                                                                  f"TIMES={path}"))
            self.assertIn("No such file", self.refused("run", "SHARD=1/2", f"TIMES={path}x"))

    def test_folders(self) -> None:
        """DIRS: folders or patterns; what is no folder is named."""
        with tempfile.TemporaryDirectory() as folder:
            for name in ("b", "a"):
                Path(folder, name).mkdir()
            Path(folder, "file").touch()
            self.assertEqual([path.name for path in request.parse([f"DIRS={folder}/*"], {}).dirs],
                             ["a", "b"])
            for bad in ("c", "file", "x*"):
                self.assertIn(f"no folder {folder}/{bad}", self.refused(
                    "merge", f"DIRS={folder}/a {folder}/{bad}"))

    def test_without(self) -> None:
        """Without SHARD nothing is split, and nothing is said of it."""
        req = request.parse(["PAIR=ring"], {})
        self.assertIs(identity.settle(req), req)
        self.assertTrue(shards.here(req, "x86_64", "base"))
        self.assertEqual(shards.in_lane(req, "x86_64", "base", "check", ("ring",)), ("ring",))
        self.assertIsNone(identity.told(req))


class TestIdentity(unittest.TestCase):
    """identity: the tree, the request and the times"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = Path(folder.name)
        for name in ("kmod/ring.c", "scripts/kparity", "tests/kunit/x.c", "Kbuild"):
            (self.top / name).parent.mkdir(parents=True, exist_ok=True)
            (self.top / name).write_text(name)

    def content(self) -> str:
        """What the files are known by."""
        return identity.content(("ring",), None, self.top)

    def test_content(self) -> None:
        """A changed, new, renamed or removed file is another tree; what is made in it is not."""
        before = self.content()
        for name in ("kmod/ring.o", "scripts/__pycache__/x.pyc", "kmod/.ring.o.cmd", "out/x/y.c",
                     "Documentation/x.md", ".git/HEAD"):
            (self.top / name).parent.mkdir(parents=True, exist_ok=True)
            (self.top / name).write_text("x")
            self.assertEqual(self.content(), before, name)
        for name in ("kmod/ring.c", "Kbuild", "scripts/new.py", "tests/kunit/x.c"):
            old = (self.top / name).read_text() if (self.top / name).exists() else None
            (self.top / name).write_text("changed")
            self.assertNotEqual(self.content(), before, name)
            if old is None:
                (self.top / name).unlink()
            else:
                (self.top / name).write_text(old)
        self.assertEqual(self.content(), before)
        (self.top / "kmod/ring.c").rename(self.top / "kmod/ping.c")
        self.assertNotEqual(self.content(), before)

    def test_pairs_dir(self) -> None:
        """A pair of one's own is part of it, wherever its folder is on a machine."""
        found = []
        for number, text in enumerate(("x", "x", "y")):
            own = self.top / f"{number}/pairs/width"
            own.mkdir(parents=True)
            (own / "contract.h").write_text(text)
            found.append(identity.content(("width",), own.parent, self.top))
        self.assertEqual(found[0], found[1])
        self.assertNotEqual(found[0], found[2])

    def test_commit(self) -> None:
        """What git says; nothing where it says nothing."""
        with mock.patch.object(subprocess, "run", side_effect=OSError):
            self.assertIsNone(identity.commit())
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.dict("os.environ", GIT_CEILING_DIRECTORIES=str(Path(folder).parent)):
            self.assertIsNone(identity.commit(Path(folder)))

    def test_words(self) -> None:
        """All that changes a run is in it; names of places, and which shard it is, are not."""
        def told(*words: str) -> object:
            found = identity.told(settled("PAIR=ring", *words))
            assert found is not None
            return found["request"]

        plain = told()
        for word in ("SEED=2", "PROGRAMS=3", "DEPTH=quick", "LANE=check", "CASE=lockstep",
                     "APPEND=x", "ACCEL=tcg", "PAIR=ring tlv", "SILENCE=9"):
            self.assertNotEqual(told(word), plain, word)
        for word in ("OUT=/tmp/x", "V=1", "ARCH=arm64", "FORMAT=json", "TOOLCHAIN=root"):
            self.assertEqual(told(word), plain, word)
        self.assertEqual(told("SHARD=3/3"), plain)

    def test_results(self) -> None:
        """The member of results.json: which part, of which units, of how many."""
        req = settled("PAIR=ring tlv", "ARCH=x86_64", "LANE=check", "VARIANT=all", index=1, of=9)
        found = identity.of_cell(req, "x86_64", "base", "k")
        assert found is not None
        self.assertEqual((found["index"], found["of"], found["kernel"], found["parts"],
                          found["parts_of"]), (1, 9, "k", {"ring": ["check"]}, 2))
        self.assertIn(["x86_64", "kcsan"], found["cells"])
        last = identity.of_cell(replace(req), "x86_64", "kcsan", None)
        assert last is not None
        self.assertEqual((last["parts"], last["parts_of"]), ({}, 2))


class TestJobs(unittest.TestCase):
    """make matrix SHARDS=n"""

    def test_jobs(self) -> None:
        """Each arch, variant and shard is a job, and together they run each unit once."""
        asked = request.parse(["SHARDS=3", "PAIR=ring tlv glob"], {}, whole=True)
        jobs = ci.jobs(asked)
        plain = ci.jobs(request.parse(["PAIR=ring tlv glob"], {}, whole=True))
        self.assertEqual(len(jobs), 3 * len(plain))
        self.assertEqual(len({job.id for job in jobs}), len(jobs))
        self.assertEqual([job.id for job in jobs[:3]],
                         [f"x86_64-base-{number}of3" for number in (1, 2, 3)])
        self.assertEqual([job.shard for job in jobs[:3]], ["1/3", "2/3", "3/3"])
        self.assertEqual({job.shard for job in plain}, {None})
        got: list[Unit] = []
        for job in jobs[:3]:
            _, _, *words = shlex.split(job.command)
            req = settled(*[word for word in words if not word.startswith("SHARD=")],
                          index=int(job.shard[0]) if job.shard else 0)
            self.assertIn(f"SHARD={job.shard}", words)
            assert req.shard is not None
            got += req.shard.units
        self.assertEqual(got, [unit for unit in shards.every(asked)
                               if unit.cell == ("x86_64", "base")])

    def test_refused(self) -> None:
        """A number from 1."""
        for bad in ("0", "-1", "x", "1.5", "10000"):
            with self.assertRaisesRegex(Refused, "SHARDS="):
                request.parse([f"SHARDS={bad}"], {}, whole=True)


if __name__ == "__main__":
    unittest.main()
