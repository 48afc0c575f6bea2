# SPDX-License-Identifier: GPL-2.0
"""Requests that are refused, in a line that says what to do."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from kplib import verbs
from kplib.common.errors import Refused
from kplib.configure import cases, lanes, pairs, request


class TestRequest(unittest.TestCase):
    """request.parse()"""

    def refused(self, *words: str, env: dict[str, str] | None = None) -> str:
        """The line that a request is refused with."""
        with self.assertRaises(Refused) as caught:
            request.parse(list(words), env or {})
        self.assertEqual(caught.exception.status, 2)
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    def test_defaults(self) -> None:
        """No words: all pairs, all lanes, seed 1, a cache below home."""
        got = request.parse([], {"HOME": "/nonexistent"})
        self.assertEqual(got.pairs, pairs.shipped())
        self.assertEqual(got.lanes, ("check", "insn", "history", "irq", "order"))
        self.assertEqual(got.seed, 1)
        self.assertEqual(len(got.archs), 1)

    def test_asked_lane(self) -> None:
        """Lane time runs where it is named, in the boots that are asked for, and nowhere else."""
        got = request.parse(["LANE=time"], {})
        self.assertEqual((got.lanes, got.boots), (("time",), request.BOOTS))
        self.assertEqual([kind.name for kind in got.variants], ["base"])
        got = request.parse(["LANE=time", "BOOTS=3", "MARGIN=2.5", "ARCH=x86_64"], {})
        again = request.replay(got, got.archs[0], got.variants[0])
        self.assertEqual(again, "ARCH=x86_64 SEED=1 LANE=time BOOTS=3 MARGIN=2.5")
        self.assertEqual(request.parse(["CASE=time", "LANE=time"], {}).lanes, ("time",))
        self.assertIn("give LANE=time", self.refused("CASE=time"))
        self.assertIn("give LANE=time", self.refused("BOOTS=3"))
        self.assertIn("give LANE=time", self.refused("BOOTS=3", "LANE=insn"))
        self.assertIn("give LANE=time", self.refused("MARGIN=3"))
        for wrong in ("BOOTS=0", "BOOTS=many", "MARGIN=0", "MARGIN=100", "MARGIN=x",
                      "VARIANT=debug"):
            self.refused("LANE=time", wrong)
        for words in ([], ["LANE=all"], ["DEPTH=quick"]):
            self.assertNotIn("time", request.parse(words, {}).lanes)

    def test_cache_variables(self) -> None:
        """KPARITY_CACHE wins over XDG_CACHE_HOME."""
        env = {"XDG_CACHE_HOME": "/xdg"}
        self.assertEqual(request.parse([], env).cache, Path("/xdg/kparity"))
        env["KPARITY_CACHE"] = "/own"
        self.assertEqual(request.parse([], env).cache, Path("/own"))

    def test_words_win_over_environment(self) -> None:
        """make exports what was on its command line; words are more explicit still."""
        got = request.parse(["SEED=3"], {"SEED": "2", "PAIR": "ring"})
        self.assertEqual((got.seed, got.pairs), (3, ("ring",)))

    def test_arch(self) -> None:
        """An unknown arch names those there are."""
        said = self.refused("ARCH=mips")
        self.assertIn("x86_64", said)
        self.assertIn("arm64", said)
        self.assertEqual([a.name for a in request.parse(["ARCH=all"], {}).archs],
                         ["x86_64", "arm64"])

    def test_variant(self) -> None:
        """An unknown variant names those there are; one without the lane is refused."""
        for name in ("base", "debug", "fault", "kcsan"):
            self.assertIn(name, self.refused("VARIANT=asan"))
        self.assertEqual([v.name for v in request.parse(["VARIANT=all"], {}).variants],
                         ["base", "debug", "fault", "kcsan"])
        self.assertIn("LANE=insn", self.refused("VARIANT=debug", "LANE=insn"))
        self.assertEqual(request.parse(["VARIANT=all", "LANE=insn"], {}).lanes, ("insn",))
        self.assertEqual([v.name for v in request.parse(["VARIANT=all", "LANE=insn"], {}).variants],
                         ["base"])
        self.assertEqual(len(request.parse(["VARIANT=all", "LANE=check"], {}).variants), 4)

    def test_append(self) -> None:
        """Words for the kernel are one printable line."""
        self.assertEqual(request.parse(["APPEND=a=b c"], {}).append, "a=b c")
        self.refused("APPEND=a\nb")
        self.refused("APPEND=" + "x" * 1001)

    def test_pair(self) -> None:
        """An unknown pair names those there are, also beside a known one."""
        self.assertIn("ring", self.refused("PAIR=nope"))
        self.refused("PAIR=ring nope")
        self.assertEqual(request.parse(["PAIR=ring,idalloc"], {}).pairs, ("ring", "idalloc"))
        for none in ("PAIR=", "PAIR= ", "PAIR=,"):
            self.assertIn("names no pair", self.refused(none))
        # Make exports this for PAIR=' '.
        self.assertIn("names no pair", self.refused(env={"PAIR": ""}))
        for twice in ("ring,ring", "ring idalloc ring"):
            self.assertIn("ring is named twice", self.refused(f"PAIR={twice}"))

    def test_seed(self) -> None:
        """A seed is a 64-bit number in any base, or random."""
        for bad in ("x", "-1", str(2**64), "1.5", "1_0", " 1", "+1", "\u0663"):
            self.assertIn("SEED", self.refused(f"SEED={bad}"))
        self.assertEqual(request.parse(["SEED=0x10"], {}).seed, 16)
        drawn = {request.parse(["SEED=random"], {}).seed for _ in range(4)}
        self.assertGreater(len(drawn), 1)

    def test_kernel(self) -> None:
        """A kernel is a series, a tree or a build folder, and only one of them."""
        self.assertIn("series", self.refused("KERNEL=newest"))
        self.assertIn("no such folder", self.refused("KERNEL_SRC=/nowhere"))
        self.assertIn("no such folder", self.refused("KDIR=/nowhere"))
        with tempfile.TemporaryDirectory() as empty:
            self.assertIn("Kconfig", self.refused(f"KERNEL_SRC={empty}"))
            self.assertIn(".config", self.refused(f"KDIR={empty}"))
            Path(empty, "Kconfig").touch()
            Path(empty, ".config").touch()
            self.assertIn("exclude", self.refused(f"KERNEL_SRC={empty}", f"KDIR={empty}"))
            self.assertIn("ARCH", self.refused(f"KDIR={empty}", "ARCH=all"))

    def test_choices(self) -> None:
        """Words from a list."""
        for word in ("LANE=fast", "TOOLCHAIN=docker", "ACCEL=hax"):
            self.assertIn("choose one of", self.refused(word))

    def test_format(self) -> None:
        """Formats there are; what a verb does not print is refused, and not passed over."""
        self.assertEqual(self.refused("FORMAT=xml"),
                         "FORMAT=xml: choose one of text, json, markdown, github, html")
        self.assertEqual([request.parse([f"FORMAT={form}"], {}).machine_readable
                          for form in ("", *request.FORMATS)],
                         [False, False, True, False, False, False])
        for form in ("markdown", "github", "html"):
            for verb in ("run", "matrix", "mutants", "soak", "test", "help"):
                with self.assertRaises(Refused) as caught:
                    verbs.check_words(verb, request.parse([f"FORMAT={form}"], {}))
                self.assertEqual(str(caught.exception),
                                 f"FORMAT={form}: for make report; leave it out")
            verbs.check_words("report", request.parse([f"FORMAT={form}"], {}))
        for verb in ("run", "report", "mutants", "matrix"):
            verbs.check_words(verb, request.parse(["FORMAT=json"], {}))

    def test_whole(self) -> None:
        """All arches and variants are meant where a verb is for the matrix, if none is named."""
        for words, counts in (((), (2, 4)), (("ARCH=arm64",), (1, 4)),
                              (("VARIANT=base",), (2, 1)), (("LANE=insn",), (2, 1))):
            got = request.parse(list(words), {}, whole=True)
            self.assertEqual((len(got.archs), len(got.variants)), counts)
        self.assertEqual(len(request.parse([], {"ARCH": "arm64"}, whole=True).archs), 1)

    def test_flags(self) -> None:
        """KEEP and V are 0 or 1."""
        for name in ("KEEP", "V"):
            for bad in ("no", "yes", "2", "on"):
                self.assertIn("give 0 or 1", self.refused(f"{name}={bad}"))
        self.assertEqual([request.parse([f"KEEP={v}"], {}).keep for v in ("", "0", "1")],
                         [False, False, True])

    def test_programs(self) -> None:
        """A count is a plain number."""
        for bad in ("0", "x", "1_0", "1000001", "\u0663"):
            self.assertIn("PROGRAMS", self.refused(f"PROGRAMS={bad}"))
        self.assertEqual(request.parse(["PROGRAMS=3"], {}).programs, 3)

    def test_program(self) -> None:
        """It is of one pair; others may be named for their options of the kernel alone."""
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "program")
            program.write_text("ring capacity=1\n")
            for name in ("errand", "parcel"):
                Path(folder, name).mkdir()
                Path(folder, name, "contract.h").touch()
            Path(folder, "errand/config").touch()
            words = [f"PROGRAM={program}", f"PAIRS_DIR={folder}"]
            for named in ("PAIR=ring parcel", "PAIR=ring errand parcel", "PAIR=errand ring"):
                self.assertIn("of one pair", self.refused(*words, named))
            self.assertEqual(request.parse([*words, "PAIR=ring errand"], {}).pairs,
                             ("ring", "errand"))

    def test_no_program(self) -> None:
        """A fifo that nobody writes, devices, and a file that is too large: none is read."""
        with tempfile.TemporaryDirectory() as folder:
            fifo, large = Path(folder, "fifo"), Path(folder, "large")
            os.mkfifo(fifo)
            for path in (fifo, "/dev/zero", os.devnull, folder):
                self.assertIn(f"PROGRAM={path}: no file with a program",
                              self.refused("PAIR=ring", f"PROGRAM={path}"))
            with open(large, "wb") as file:
                file.truncate(1 << 40)
            self.assertIn("at most 512 KiB", self.refused("PAIR=ring", f"PROGRAM={large}"))
            self.assertIn("No such file", self.refused("PAIR=ring", f"PROGRAM={folder}/none"))

    def test_cases(self) -> None:
        """Cases choose the pairs and lanes that have them, and are in the words to run again."""
        got = request.parse(["CASE=lockstep,spsc", "PAIR=ring"], {})
        self.assertEqual((got.cases, got.lanes), (("lockstep", "spsc"), ("check",)))
        self.assertIn(" CASE=lockstep,spsc", request.replay(got, got.archs[0], got.variants[0]))
        self.assertNotIn("LANE", request.replay(got, got.archs[0], got.variants[0]))
        self.assertEqual(request.parse(["CASE=insn"], {}).lanes, ("insn",))
        self.assertEqual(request.parse(["CASE=insn lockstep"], {}).lanes, ("check", "insn"))
        for kind, lane in (("user", "check"), ("user_history", "history"), ("user_costs", "insn")):
            got = request.parse([f"CASE={kind}"], {})
            self.assertEqual((got.pairs, got.lanes), (("device",), (lane,)))
        self.assertEqual([kind.name for kind in request.parse(
            ["CASE=insn", "VARIANT=all"], {}).variants], ["base"])
        both = request.parse(["CASE=insn,spsc", "VARIANT=all"], {})
        self.assertEqual(len(both.variants), 4)
        self.assertEqual([kind.name for kind in request.parse(
            ["CASE=fault", "VARIANT=all"], {}).variants], ["debug", "fault"])
        kinds = request.parse(["VARIANT=all"], {}).variants
        self.assertEqual([cases.in_variant(("fault", "spsc"), kind) for kind in kinds],
                         [("spsc",), ("fault", "spsc"), ("fault", "spsc"), ("spsc",)])
        self.assertEqual([name for name in both.pairs if cases.any_of(
            both.cases, pairs.files(name), (lanes.CHECK,))], ["ring"])
        self.assertEqual(request.parse(["CASE=layout"], {}).pairs,
                         tuple(name for name in pairs.shipped() if name != "glob"))

    def test_no_cases(self) -> None:
        """Cases that there are not, or that are nothing alone, or not where they were asked for."""
        for word, why in ((" ", "names no case"), ("a;b", "give names of cases"),
                          ("spsc spsc", "named twice"), ("invariants", "none to judge without"),
                          ("spcs", "no such case; ring has lockstep, atomic, fault, spsc, layout, "
                           "locks, insn")):
            self.assertIn(why, self.refused(f"CASE={word}", "PAIR=ring"))
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "errand").mkdir()
            Path(folder, "errand/contract.h").touch()
            words = "CASE=spsc", "PAIR=ring errand", f"PAIRS_DIR={folder}"
            self.assertIn("errand has no such case", self.refused(*words))
            Path(folder, "errand/config").touch()
            self.assertEqual(request.parse(list(words), {}).pairs, ("ring", "errand"))
        self.assertIn("tlv has no such case", self.refused("CASE=spsc", "PAIR=ring tlv"))
        self.assertIn("leave LANE=insn out", self.refused("CASE=spsc", "LANE=insn"))
        self.assertIn("insn; leave LANE=check out",
                      self.refused("CASE=insn,spsc", "PAIR=ring tlv", "LANE=check"))
        self.assertIn("in variant base no allocation fails; give VARIANT=fault",
                      self.refused("CASE=fault", "PAIR=ring"))
        self.assertIn("variant debug does not have", self.refused("CASE=insn", "VARIANT=debug"))
        self.assertIn("names no case", self.refused(env={"CASE": ""}))
        with tempfile.NamedTemporaryFile("w", suffix=".program") as program:
            self.assertIn("exclude each other", self.refused(
                "CASE=spsc", "PAIR=ring", f"PROGRAM={program.name}"))

    def test_lane_of_one_arch(self) -> None:
        """Lane order is arm64's: others are left out, and refused if they alone are named."""
        self.assertEqual([arch.name for arch in request.parse(
            ["ARCH=all", "LANE=order"], {}).archs], ["arm64"])
        self.assertEqual([arch.name for arch in request.parse(
            ["ARCH=all", "CASE=ordering"], {}).archs], ["arm64"])
        self.assertEqual(len(request.parse(["ARCH=all"], {}).archs), 2)
        self.assertIn("LANE=order: x86_64 does not have it: its code does not say which "
                      "orderings it asks for; give ARCH=arm64",
                      self.refused("ARCH=x86_64", "LANE=order"))
        self.assertIn("CASE=ordering: it is of lane order, which x86_64 does not have",
                      self.refused("ARCH=x86_64", "CASE=ordering"))

    def test_depth(self) -> None:
        """DEPTH=quick is without the late lanes, and its replay says so."""
        quick = request.parse(["DEPTH=quick"], {})
        self.assertEqual(quick.lanes, ("check", "insn"))
        again = request.replay(quick, quick.archs[0], quick.variants[0])
        self.assertIn("DEPTH=quick", again)
        self.assertNotIn("LANE=", again)
        self.assertNotIn("DEPTH=", request.replay(request.parse([], {}), quick.archs[0],
                                                  quick.variants[0]))
        for words in (["DEPTH=deep"], ["DEPTH=quick", "LANE=irq"],
                      ["DEPTH=quick", "LANE=history"],
                      ["ARCH=arm64", "DEPTH=quick", "LANE=order"]):
            with self.subTest(words), self.assertRaises(Refused):
                request.parse(words, {})

    def test_program_with_interruption(self) -> None:
        """A program in which one operation interrupts another runs in lane irq."""
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "program")
            for text, lane in (("ring capacity=2\nduring push 1\npop\n", "irq"),
                               ("ring capacity=2\npush 1 # during\npop\n", "check")):
                program.write_text(text)
                got = request.parse(["PAIR=ring", f"PROGRAM={program}"], {})
                self.assertEqual(got.lanes, (lane,))

    def test_program_of_threads(self) -> None:
        """A program of two threads runs in lane history; of one operation each, in lane irq too."""
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "program")
            words = ["PAIR=ring", f"PROGRAM={program}"]
            for text, of in (("ring capacity=2\n1: push 1\n2: pop\n", ("history", "irq")),
                             ("ring capacity=2\n1: push 1\n2: pop\n 2: pop\n", ("history", "irq")),
                             ("ring capacity=2\n2: pop\n1: push 1\n2: pop\n", ("history",)),
                             # What a callback carries out is for lane history alone.
                             ("ring capacity=2\n1: push 1\n2: pop\n3: pop\n", ("history",)),
                             ("ring capacity=2\n1: push 1\n3: pop\n", ("history",)),
                             ("ring capacity=2\npush 1 # 1: push\npop\n", ("check",))):
                program.write_text(text)
                self.assertEqual(request.parse(words, {}).lanes, of)
            program.write_text("ring capacity=2\n2: pop\n1: push 1\n2: pop\n")
            self.assertEqual(request.parse([*words, "VARIANT=debug"], {}).lanes, ("history",))
            self.assertIn("runs in lane history", self.refused(*words, "LANE=irq"))
            self.assertIn("variant fault does not have", self.refused(*words, "VARIANT=fault"))

    def test_engine_cases(self) -> None:
        """The engine's cases are those of its macros, and a pair's own those of its suite."""
        macros = (pairs.TOP / "kmod/engine/suite.h").read_text()
        macros = macros[macros.index("#define KP_SUITES("):macros.index("pair##_insn_suite = {")]
        known = {*cases.COMMON, cases.REGRESS, cases.RESULTS, *cases.OF_OBJECTS,
                 *cases.OF_FUNCTIONS, *cases.LONE.values()}
        self.assertEqual(set(re.findall(r"KP_ENGINE_CASE\(pair, (\w+)\)|__KP_CASE\(kp_case_\w+, "
                                        r'"(\w+)"', macros)),
                         {(name, "") if name in ("layout", "locks", "outcomes", "invariants")
                          else ("", name) for name in known})
        self.assertEqual(cases.of_pair(pairs.files("device")), (
            "lockstep", "atomic", "fault", "blocking", "interrupted", "threads", "node", "layout",
            "locks", "outcomes", "invariants", "insn", "history", "interrupt", "ordering",
            "time", "user", "user_history", "user_costs"))
        self.assertEqual(cases.of_pair(pairs.files("glob")), (
            "lockstep", "atomic", "fault", "regress", "outcomes", "insn", "history", "interrupt",
            "ordering", "time"))

    def test_own_cases(self) -> None:
        """A suite's cases are its KP_CASE() rows, and not those in comments and macros."""
        with tempfile.TemporaryDirectory() as folder:
            own = Path(folder, "width")
            own.mkdir()
            (own / "contract.h").write_text("/* KP_DIVERGES(no) */\n")
            (own / "suite.c").write_text(
                "#define MINE(f) \\\n\tKP_CASE(width, f)\n/* KP_CASE(width, old) */\n"
                "// KP_CASE(width, older)\nKP_SUITES(width, KP_CASE (width , Wide));\n")
            self.assertEqual(cases.of_pair(pairs.files("width", Path(folder))),
                             ("lockstep", "atomic", "fault", "Wide", "outcomes", "insn",
                              "history", "interrupt", "ordering", "time"))
            words = [f"PAIRS_DIR={folder}", "CASE=Wide"]
            self.assertEqual(request.parse(words, {}).pairs, ("width",))

    def test_parts(self) -> None:
        """Words for make test, which knows its parts itself."""
        self.assertEqual(request.parse(["PART=static,unit mutants"], {}).parts,
                         ("static", "unit", "mutants"))

    def test_unknown_variable(self) -> None:
        """A misspelt variable must not be passed over in silence."""
        self.assertIn("make help", self.refused("PAIRS=ring"))
        self.assertIn("is PAIR=... meant?", self.refused("PAIRS=ring"))
        self.assertIn("make help", self.refused("ring"))


class TestReplay(unittest.TestCase):
    """request.replay()"""

    def words(self, *words: str) -> str:
        """The words that replay the first arch and variant of a request."""
        asked = request.parse(list(words), {})
        return request.replay(asked, asked.archs[0], asked.variants[0])

    def test_lane(self) -> None:
        """The words run the same lane: a case's is left out, unless it has to be asked for."""
        for words in (["PAIR=device", "CASE=user_costs", "LANE=time"], ["PAIR=ring", "LANE=time"],
                      ["PAIR=ring", "CASE=time", "LANE=time", "BOOTS=3"],
                      ["PAIR=device", "CASE=user_costs"], ["PAIR=ring", "CASE=interrupt"]):
            asked = request.parse(words, {})
            again = request.parse(
                [words[0], *request.replay(asked, asked.archs[0], asked.variants[0]).split()], {})
            self.assertEqual(again.lanes, asked.lanes, words)

    def test_defaults(self) -> None:
        """Arch and seed are always said, as defaults of another machine differ."""
        self.assertEqual(self.words("ARCH=arm64", "PAIR=ring", "V=1", "OUT=/x"),
                         "ARCH=arm64 SEED=1")
        self.assertRegex(self.words("SEED=random", "ARCH=arm64"), r"^ARCH=arm64 SEED=\d+$")

    def test_all_that_changes_a_run(self) -> None:
        """A variable that is left out of the line would have it run something else."""
        given = ("ARCH=x86_64", "VARIANT=kcsan", "SEED=7", "PROGRAMS=3", "LANE=check",
                 "KERNEL=7.3", "TOOLCHAIN=root", "ACCEL=tcg", "APPEND=nosmp",
                 "SILENCE=2.5")
        self.assertEqual(self.words(*given).split(), list(given))
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "Kconfig").touch()
            Path(folder, ".config").touch()
            self.assertIn(f"KERNEL_SRC={folder}", self.words(f"KERNEL_SRC={folder}"))
            self.assertIn(f"KDIR={folder}", self.words(f"KDIR={folder}"))

    def test_through_make(self) -> None:
        """The line, given to a shell and make, gives the request that it was made from."""
        for append in ("a=b c", "x=\"1\" y='2'", "$HOME ${PATH} $$ `id` #no \\n; & %s"):
            with self.subTest(append), tempfile.TemporaryDirectory() as folder:
                top = Path(folder)
                shutil.copy(request.TOP / "Makefile", top)
                program = top / "scripts/kparity"
                program.parent.mkdir()
                program.write_text('#!/bin/sh\nprintf "%s" "$APPEND"\n')
                program.chmod(0o755)
                line = f"make -s -C {top} run PAIR=ring {self.words('APPEND=' + append)}"
                done = subprocess.run(["sh", "-c", line], check=True, stdout=subprocess.PIPE,
                                      env={"PATH": os.environ["PATH"]})
                self.assertEqual(done.stdout.decode(), append)


if __name__ == "__main__":
    unittest.main()
