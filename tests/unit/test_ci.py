# SPDX-License-Identifier: GPL-2.0
"""What a CI is given: the jobs of a matrix, and files to copy that say what kparity takes."""

import contextlib
import importlib
import io
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
from dataclasses import fields
from pathlib import Path
from typing import Any, Iterator
from unittest import mock

from kplib import verbs
from kplib.build import config, kernel, source, toolchain
from kplib.common import cache
from kplib.common.errors import Refused
from kplib.configure import archs, request, variants
from kplib.configure.request import TOP
from kplib.tools import ci

CI = TOP / "Documentation/ci"
HERE = archs.host_name(platform.machine())
Line = tuple[int, int, str]


class Unread(Exception):
    """A line that the reader of YAML below does not know."""


class Reader:
    """The part of YAML that the files use: mappings, lists, one-line lists, blocks of text.

    All scalars are text. What it does not know is an error and is not passed over.
    """

    def __init__(self, text: str) -> None:
        self.raw = text.splitlines()
        self.lines: list[Line] = []
        for number, line in enumerate(self.raw, 1):
            if line.strip() and not line.lstrip().startswith("#"):
                self.lines.append((number, len(line) - len(line.lstrip(" ")), line.strip()))
        self.at = 0

    def document(self) -> Any:
        """All of the file."""
        found = self.node(0)
        if self.at != len(self.lines):
            raise Unread(f"line {self.lines[self.at][0]}: not indented as what is above it")
        return found

    def node(self, indent: int) -> Any:
        """A mapping or a list that begins in this column, or deeper."""
        if self.at == len(self.lines) or self.lines[self.at][1] < indent:
            return ""
        _, indent, text = self.lines[self.at]
        return self.items(indent) if re.match("- |-$", text) else self.members(indent)

    def items(self, indent: int) -> list[Any]:
        """A list."""
        found = []
        while self.at < len(self.lines) and self.lines[self.at][1] == indent \
                and (match := re.match("-( +)", self.lines[self.at][2])):
            number, _, text = self.lines[self.at]
            rest = text[match.end():]
            if re.match(r"[\w-]+:( |$)", rest):
                # A mapping whose first member is behind the dash.
                self.lines[self.at] = (number, indent + match.end(), rest)
                found.append(self.members(indent + match.end()))
            else:
                self.at += 1
                found.append(self.scalar(number, rest))
        return found

    def members(self, indent: int) -> dict[str, Any]:
        """A mapping."""
        found: dict[str, Any] = {}
        while self.at < len(self.lines) and self.lines[self.at][1] == indent:
            number, _, text = self.lines[self.at]
            match = re.fullmatch(r"([\w-]+):(?: +(.*))?", text)
            if not match or match[1] in found:
                raise Unread(f"line {number}: {text}")
            self.at += 1
            value = match[2] or ""
            if re.fullmatch("[|>]-?", value):
                found[match[1]] = self.block(number, indent, value)
            elif value:
                found[match[1]] = self.scalar(number, value)
            else:
                nested = self.at < len(self.lines) and self.lines[self.at][2].startswith("- ")
                found[match[1]] = self.node(indent if nested else indent + 1)
        return found

    def block(self, number: int, indent: int, kind: str) -> str:
        """A text of several lines, kept or folded."""
        lines = []
        while number < len(self.raw):
            line = self.raw[number]
            if line.strip() and len(line) - len(line.lstrip(" ")) <= indent:
                break
            lines.append(line)
            number += 1
        own = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
        lines = [line[own:].rstrip() for line in lines]
        while self.at < len(self.lines) and self.lines[self.at][0] <= number:
            self.at += 1
        while lines and not lines[-1]:
            lines.pop()
        return (" " if kind[0] == ">" else "\n").join(lines) + ("" if kind[1:] else "\n")

    def scalar(self, number: int, text: str) -> Any:
        """A text, or a list in one line."""
        if match := re.fullmatch(r"\[([^][{}'\"]*)\]", text):
            return [self.scalar(number, one.strip()) for one in match[1].split(",")]
        if match := re.fullmatch(r'"([^"\\]*)"|\'([^\']*)\'', text):
            return match[1] if match[1] is not None else match[2]
        if text[0] in "[]{}&*!|>@`%'\"" or ": " in text or " #" in text or text.endswith(":"):
            raise Unread(f"line {number}: {text}")
        return text


def read(name: str) -> Any:
    """A file to copy."""
    return Reader((CI / name).read_text()).document()


def texts(node: Any) -> Iterator[str]:
    """Each text in a file, but for comments."""
    if isinstance(node, str):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) \
            else ():
        yield from texts(child)


#: What stands for an expression in a command line.
SAMPLES = {"matrix.arch": "arm64", "matrix.variant": "base", "$ARCH": "arm64", "$VARIANT": "base"}
#: Patterns of folders that jobs have left: those of this repository stand for them.
DIRS = {"DIRS=shards/*": f"DIRS={TOP}/tests/*", "DIRS=shards/*/*": f"DIRS={TOP}/tests/*/*"}


def commands(text: str) -> Iterator[list[str]]:
    """Words of each call of kparity or make in a script."""
    for name, sample in SAMPLES.items():
        text = text.replace("${{ %s }}" % name, sample).replace(name, sample)
    for found in re.finditer(r"(?:^ *|\$\()(scripts/kparity|make) ([^\n>|;)`']*)", text, re.M):
        yield shlex.split(f"{found[1]} {found[2]}")


class TestReader(unittest.TestCase):
    """The reader of YAML above"""

    def test_unread(self) -> None:
        """What it does not know is refused."""
        for text in ("a: [b, [c]]\n", "a: &x b\n", "a: {b: c}\n", "a: b\na: c\n", "a: b: c\n",
                     "a:\n    b: c\n  d: e\n", "a: 'b\n", "a: b # c\n", "- a\nb: c\n", "a\n"):
            with self.subTest(text), self.assertRaises(Unread):
                Reader(text).document()

    def test_same(self) -> None:
        """It reads the files as PyYAML does, where that is installed."""
        try:
            yaml: Any = importlib.import_module("yaml")
        except ImportError:
            self.skipTest("python3-yaml is not installed")
        for path in sorted(CI.glob("*.yml")):
            with self.subTest(path.name):
                self.assertEqual(read(path.name),
                                 yaml.load(path.read_text(), Loader=yaml.BaseLoader))


class TestFiles(unittest.TestCase):
    """Documentation/ci"""

    def accepted(self, words: list[str], env: dict[str, str] | None = None) -> None:
        """A command that the program takes."""
        self.assertIn(words[1], verbs.VERBS)
        with tempfile.NamedTemporaryFile("w", suffix=".program") as program:
            # One that a run has left is not there.
            words = [f"PROGRAM={program.name}" if word.startswith("PROGRAM=") else word
                     for word in words]
            self.parsed([DIRS.get(word, word) for word in words], env)

    @staticmethod
    def parsed(words: list[str], env: dict[str, str] | None) -> None:
        """A command that the program takes, but for files that it names."""
        verbs.check_words(words[1], request.parse(
            words[2:], env or {}, soak=words[1] == "soak", whole=words[1] == "matrix"))

    def test_commands(self) -> None:
        """Each command in the files, and in the page on them, is one that the program takes."""
        for name, least in (("github.yml", 6), ("gitlab.yml", 5)):
            found = [words for text in texts(read(name)) for words in commands(text)]
            self.assertGreaterEqual(len(found), least)
            for words in found:
                with self.subTest(name, words=words):
                    self.accepted(words)
        told = (TOP / "Documentation/ci.md").read_text()
        lines = [line[4:].removeprefix("$ ") for line in told.splitlines()
                 if line.startswith("    ")]
        found = [words for line in lines for words in commands(line)]
        self.assertGreater(len(found), 4)
        for words in found:
            with self.subTest("ci.md", words=words):
                self.accepted(words)

    def test_wrong_command(self) -> None:
        """A command that the program does not take would be seen."""
        for text in ("scripts/kparity report FORMAT=xml", "x=$(scripts/kparity matrix FOO=1)",
                     "scripts/kparity run FORMAT=markdown >out", "make run ARCH=${{ matrix.x }}"):
            words, = commands(text)
            with self.subTest(text), self.assertRaises(Refused):
                self.accepted(words)
        self.assertRaises(AssertionError, self.accepted, ["make", "matrixx"])

    def test_environment(self) -> None:
        """Variables that the files set for kparity are its own, with values that it takes."""
        for name, found in (("github.yml", read("github.yml")["env"]),
                            ("gitlab.yml", read("gitlab.yml")["variables"])):
            with self.subTest(name):
                self.assertIn("KPARITY_CACHE", found)
                self.assertLessEqual(set(found), {"KPARITY_CACHE", *request.VARIABLES})
                self.assertEqual(request.parse([], found).toolchain, "root")

    def test_fields(self) -> None:
        """What the GitHub file takes of a job is in what the program prints."""
        text = (CI / "github.yml").read_text()
        used = set(re.findall(r"matrix\.(\w+)(?!\.outputs)", text)) - {"outputs"}
        used |= set(re.findall(r"include\[0\]\.(\w+)", text))
        used -= {"result"}
        known = {field.name for field in fields(ci.Job)}
        self.assertLessEqual(used, known)
        self.assertLessEqual({"id", "arch", "variant", "runner", "command", "root_key",
                              "source_key", "kernel_key", "kernel_there"}, used)

    def test_outputs(self) -> None:
        """Steps and jobs whose outputs are taken are there, and come before."""
        for name, job in read("github.yml")["jobs"].items():
            seen: set[str] = set()
            for step in job["steps"]:
                for text in texts(step):
                    for used in re.findall(r"steps\.(\w+)\.", text):
                        self.assertIn(used, seen, f"{name}: {text}")
                seen |= {step["id"]} if "id" in step else set()
            needed = job.get("needs", [])
            for used in {used for text in texts(job) for used in
                         re.findall(r"needs\.(\w+)\.", text)}:
                self.assertIn(used, [needed] if isinstance(needed, str) else needed)

    def test_caches(self) -> None:
        """What is restored is what is kept, under the same name; all of it is in the cache."""
        found = read("github.yml")
        folder = found["env"]["KPARITY_CACHE"]
        steps = found["jobs"]["cell"]["steps"]
        of = {kind: {step["with"]["path"]: step["with"]["key"].replace("after", "before")
                     for step in steps if step.get("uses", "").startswith(f"actions/cache/{kind}@")}
              for kind in ("restore", "save")}
        self.assertEqual(of["restore"], of["save"])
        self.assertEqual(sorted(of["save"]), [f"{folder}/{part}"
                                              for part in ("kernel", "root", "source")])

    def test_careful(self) -> None:
        """Actions are of a version, the token reads, and all jobs end."""
        found = read("github.yml")
        self.assertEqual(found["permissions"], {"contents": "read"})
        for name, job in found["jobs"].items():
            self.assertIn("timeout-minutes", job, name)
            for step in job["steps"]:
                if "uses" in step:
                    self.assertRegex(step["uses"], r"^actions/[\w/-]+@v\d+$")

    def test_gitlab_cells(self) -> None:
        """GitLab's lists have the jobs that the program prints, and no others."""
        found = read("gitlab.yml")
        rows = found["cell"]["parallel"]["matrix"]
        listed = [(row["ARCH"], kind, shard) for row in rows for kind in row["VARIANT"]
                  for shard in row["SHARD"]]
        words, = [words for text in texts(found["matrix"]) for words in commands(text)]
        self.assertIn("SHARDS=2", words)
        jobs = ci.jobs(request.parse(words[2:], {}, whole=True))
        self.assertEqual(listed, [(job.arch, job.variant, job.shard) for job in jobs])

    def test_shards(self) -> None:
        """Each shard leaves its results in a place of its own, where the last job looks for it."""
        for name, left, taken in (
                ("github.yml", "results-${{ matrix.id }}", "DIRS=shards/*"),
                ("gitlab.yml", "shards/$ARCH-$VARIANT-$SHARD", "DIRS=shards/*/*")):
            found = read(name)
            job = found["jobs"]["verdict"] if name == "github.yml" else found["verdict"]
            merged = [words for text in texts(job) for words in commands(text)
                      if words[1] == "merge"]
            self.assertEqual(len(merged), 1)
            self.assertIn(taken, merged[0])
            self.assertIn(left, list(texts(found)))
            # What must be there is told to it, by word or by the file's environment.
            self.assertTrue(found.get("env", {}).get("ARCH") == "all"
                            or {"ARCH=all", "VARIANT=all"} <= set(merged[0]))

    def test_packages(self) -> None:
        """The container has the packages of the root, which are written down once."""
        text = (CI / "Containerfile").read_text()
        program, = re.findall(r'python3 -c \\\n *"([^"]*)"', text)
        with tempfile.TemporaryDirectory() as folder:
            # Nothing but what is copied into the image.
            shutil.copytree(TOP / "scripts", Path(folder, "scripts"),
                            ignore=shutil.ignore_patterns("__pycache__"))
            done = subprocess.run([sys.executable, "-c", program], check=True, text=True,
                                  stdout=subprocess.PIPE, cwd=folder,
                                  env={"PATH": os.environ["PATH"], "PYTHONPATH": "scripts"})
        self.assertEqual(done.stdout.split(), toolchain.PACKAGES)


class TestJobs(unittest.TestCase):
    """scripts/kparity matrix"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.cache = self.folder / "cache"

    def asked(self, *words: str) -> request.Request:
        """A request with a cache of its own and the root's tools."""
        return request.parse(["TOOLCHAIN=root", *words], {"KPARITY_CACHE": str(self.cache)},
                             whole=True)

    def job(self, *words: str) -> ci.Job:
        """The one job of a request."""
        found, = ci.jobs(self.asked(*words))
        return found

    def fill(self) -> toolchain.Toolchain:
        """A cache with what the names of kernels are made of; the tools that are in it."""
        cache.complete(toolchain.root_path(self.cache), {"versions": {"clang": "19.1.7"}})
        cache.write(self.cache / "apt/kernels.json", json.dumps(
            {"6.12": "6.12.1-1", "7.3": "7.3.4-1~bpo13+1"}))
        return toolchain.Toolchain(None, {"clang": "19.1.7"}, "", ())

    def test_all(self) -> None:
        """All arches and variants, unless some are named in a word or in the environment."""
        kinds = variants.load_all(TOP / "qemu/variant")
        every = [f"{arch}-{kind}" for arch in archs.load_all(TOP / "qemu/arch") for kind in kinds]
        self.assertEqual([job.id for job in ci.jobs(self.asked())], every)
        self.assertEqual(self.job("ARCH=arm64", "VARIANT=kcsan").id, "arm64-kcsan")
        named = request.parse([], {"ARCH": "arm64", "VARIANT": "base"}, whole=True)
        self.assertEqual([job.id for job in ci.jobs(named)], ["arm64-base"])
        self.assertEqual([job.id for job in ci.jobs(self.asked("LANE=order"))], ["arm64-base"])
        self.assertEqual({job.variant: job.everywhere for job in ci.jobs(self.asked())},
                         {name: kind.everywhere for name, kind in kinds.items()})

    def test_command(self) -> None:
        """A job's command asks for its own part of what was asked for, and for all of that."""
        for words in ((), ("PAIR=ring glob", "SEED=7"), ("DEPTH=quick", "APPEND=a=$b 'c'"),
                      ("CASE=lockstep", f"OUT={self.folder}/x y")):
            with self.subTest(words):
                asked = self.asked(*words, "ARCH=arm64")
                for job in ci.jobs(asked):
                    program, verb, *rest = shlex.split(job.command)
                    self.assertEqual((program, verb), ("scripts/kparity", "run"))
                    got = request.parse(rest, {})
                    self.assertEqual([(one.name, kind.name) for one in got.archs
                                      for kind in got.variants], [(job.arch, job.variant)])
                    self.assertEqual((got.pairs, got.seed, got.depth, got.append, got.cases,
                                      got.out, got.toolchain),
                                     (asked.pairs, asked.seed, asked.depth, asked.append,
                                      asked.cases, asked.out, "root"))

    def test_printed(self) -> None:
        """One line of JSON, as a workflow's outputs and fromJSON take it; and a table."""
        for words, lines in ((("FORMAT=json",), 1), ((), 12)):
            with contextlib.redirect_stdout(io.StringIO()) as said:
                self.assertEqual(verbs.carry_out("matrix", self.asked(*words)), 0)
            self.assertGreaterEqual(len(said.getvalue().splitlines()), lines)
            if lines == 1:
                found = json.loads(said.getvalue())
                self.assertEqual(len(said.getvalue().splitlines()), 1)
                self.assertEqual(list(found), ["include"])
                self.assertEqual(found["include"][0]["id"], "x86_64-base")
            else:
                self.assertIn("not known until 'make update'", said.getvalue())
        self.assertFalse(self.cache.exists(), "to ask for the jobs makes nothing")

    def test_unknown_keys(self) -> None:
        """An empty cache tells of the root alone; half a cache is not taken for one."""
        for text in ("", "{", '{"6.12": "1"}', "[7.3]", '{"7.3": 7}', '{"x": "1"}'):
            if text:
                cache.write(self.cache / "apt/kernels.json", text)
            job = self.job(f"ARCH={HERE}", "VARIANT=base")
            self.assertEqual(job.root_key, f"kparity-root-{HERE}-"
                             f"{toolchain.root_path(self.cache).name}")
            self.assertEqual((job.source_key, job.kernel_key, job.kernel_there),
                             (None, None, False))
        self.fill()
        shutil.rmtree(toolchain.root_path(self.cache))
        job = self.job(f"ARCH={HERE}", "VARIANT=base")
        self.assertEqual(job.source_key, "kparity-source-linux-7.3_7.3.4-1-bpo13+1")
        self.assertIsNone(job.kernel_key)

    def test_keys(self) -> None:
        """A kernel has the name that a build would give it in the cache."""
        tools = self.fill()
        asked = self.asked(f"ARCH={HERE}", "VARIANT=debug")
        with mock.patch.object(kernel, "_finish", return_value=None), \
                mock.patch.object(kernel, "_compile"), \
                mock.patch.object(config, "configure"), \
                mock.patch.object(cache, "need_space"), \
                contextlib.redirect_stderr(io.StringIO()):
            src = source.known(asked)
            assert src is not None
            self.assertFalse(ci.jobs(asked)[0].kernel_there)
            kernel.build(asked, tools, src, asked.archs[0], asked.variants[0])
        job, = ci.jobs(asked)
        built, = [path.name for path in (self.cache / "kernel").iterdir() if path.is_dir()]
        self.assertEqual((job.kernel_key, job.kernel_there), (f"kparity-kernel-{built}", True))

    def test_other_arch(self) -> None:
        """Tools of another machine may have other versions: its kernel has no name here."""
        self.fill()
        for job in ci.jobs(self.asked("VARIANT=base")):
            self.assertEqual(job.kernel_key is not None, job.arch == HERE)

    def test_own_kernel(self) -> None:
        """A tree of one's own is not in the cache."""
        self.fill()
        (self.folder / "Kconfig").touch()
        job = self.job(f"ARCH={HERE}", "VARIANT=base", f"KERNEL_SRC={self.folder}")
        self.assertEqual((job.source_key, job.kernel_key), (None, None))

    def test_options_of_pairs(self) -> None:
        """What pairs want of the kernel is in its name, once it is known what the variant has."""
        tools = self.fill()
        own = self.folder / "pairs/errand"
        own.mkdir(parents=True)
        for name in ("contract.h", "errand.rs"):
            (own / name).touch()
        (own / "config").write_text("CONFIG_CRC7=y\n")
        asked = self.asked(f"ARCH={HERE}", "VARIANT=base", f"PAIRS_DIR={own.parent}",
                           "PAIR=errand")
        self.assertIsNone(ci.jobs(asked)[0].kernel_key)
        src = source.known(asked)
        assert src is not None
        plain = kernel._entry(  # pylint: disable=protected-access
            asked, tools, src, asked.archs[0], asked.variants[0])
        cache.write(plain.with_name(f"{plain.name}.config"), "# CONFIG_CRC7 is not set\n")
        more = ci.jobs(asked)[0].kernel_key
        self.assertIn("-base.pairs-", str(more))
        cache.write(plain.with_name(f"{plain.name}.config"), "CONFIG_CRC7=y\n")
        self.assertEqual(ci.jobs(asked)[0].kernel_key, f"kparity-kernel-{plain.name}")


if __name__ == "__main__":
    unittest.main()
