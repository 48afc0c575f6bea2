# SPDX-License-Identifier: GPL-2.0
"""make baseline and make compare, with boots that are played."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from kplib import matrix, verbs
from kplib.common.errors import FAILED, OK, Refused
from kplib.configure import request
from kplib.judge import baseline
from kplib.judge.baseline import Figure
from kplib.tools import compare

FACTS = {"arch": "x86_64", "tools": "clang 19.1.7", "seed": "1"}


def key(pair: str = "ring", path: str = "c->rust") -> baseline.Key:
    """A figure's key."""
    return pair, "push", "success", path


class TestCompare(unittest.TestCase):
    """tools/compare.py"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "sub/x86_64.txt"
        #: The figures of each boot, the last one again and again.
        self.boots: list[dict[baseline.Key, Figure]] = [{key(): Figure(10, 150, 15, False)}]
        self.booted = 0
        self.facts = dict(FACTS)
        self.flaws = {"meltdown": "Not affected", "spectre_v1": "Mitigation: barriers"}

    def boot(self) -> dict[baseline.Key, Figure]:
        """One boot."""
        self.booted += 1
        return self.boots[min(self.booted, len(self.boots)) - 1]

    def run_verb(self, verb: str, *words: str) -> tuple[int, str]:
        """Status and output."""
        self.booted = 0
        req = request.parse([f"OUT={self.folder}/out", f"BASELINE={self.file}", "ARCH=x86_64",
                             "PAIR=ring", *words], {})
        said = io.StringIO()

        def start(work: Any, req: Any, _tools: Any) -> None:
            work.setup = mock.Mock(request=req, results=self.folder / "results")
            work.setup.kernel.name = "x86_64 base"
            work.flaws = self.flaws

        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()), \
                mock.patch.object(compare.Measuring, "__init__", start), \
                mock.patch.object(compare.Measuring, "build", lambda _: None), \
                mock.patch.object(compare.Measuring, "boot", lambda _: self.boot()), \
                mock.patch.object(compare, "facts", lambda _: self.facts), \
                mock.patch.object(matrix, "prepare", lambda _: mock.Mock()):
            return verbs.carry_out(verb, req), said.getvalue()

    def refused(self, verb: str, *words: str) -> str:
        """Why a request is refused."""
        with self.assertRaises(Refused) as caught:
            self.run_verb(verb, *words)
        return str(caught.exception)

    def test_same(self) -> None:
        """Unchanged code shows no change, in one boot."""
        self.assertEqual(self.run_verb("baseline")[0], OK)
        self.assertEqual(self.booted, compare.BOOTS)
        status, said = self.run_verb("compare")
        self.assertEqual((status, self.booted), (OK, 1), said)
        self.assertRegex(said, r"^x86_64 base, against \S+: 0 of 1 figures have changed, 0 over")

    def test_changed(self) -> None:
        """One instruction is told of; what is over the limit fails, and its line says so."""
        self.run_verb("baseline")
        self.boots = [{key(): Figure(10, 151, 15, False)}]
        status, said = self.run_verb("compare")
        self.assertEqual((status, self.booted), (OK, compare.BOOTS), said)
        self.assertRegex(said, r"ring push +c->rust +15\.00 -> +15\.10 +\+0\.10 +\+0\.7 %\n$")
        for limit, wanted in (("0.5", FAILED), ("1", OK), ("1,0.05", FAILED)):
            status, said = self.run_verb("compare", f"LIMIT={limit}")
            self.assertEqual(status, wanted, said)
            self.assertEqual("OVER THE LIMIT" in said, wanted == FAILED)

    def test_varies(self) -> None:
        """What boots do not agree on is no change, if the least call is as it was."""
        self.run_verb("baseline")
        self.boots = [{key(): Figure(10, total, 15, False)} for total in (190, 150, 170)]
        self.assertEqual(self.run_verb("compare")[0], OK)
        self.boots = [{key(): Figure(10, total, 16, False)} for total in (190, 160, 170)]
        status, said = self.run_verb("compare")
        self.assertEqual(status, FAILED)
        self.assertIn("(least calls: it varies)", said)

    def test_json(self) -> None:
        """The same for a program."""
        self.run_verb("baseline")
        self.boots = [{key(): Figure(10, 200, 20, False)}]
        status, said = self.run_verb("compare", "FORMAT=json")
        found = json.loads(said)
        self.assertEqual((status, found["verdict"], found["figures"]), (FAILED, "fail", 1))
        self.assertEqual((found["changes"][0]["operation"], found["changes"][0]["over"]),
                         ("push", True))

    def test_gone(self) -> None:
        """A figure that is new, or gone, is told of."""
        self.run_verb("baseline")
        self.boots = [{key(path="c->c"): Figure(1, 1, 1, False)}]
        status, said = self.run_verb("compare")
        self.assertEqual(status, OK)
        self.assertRegex(said, "c->c +is new")
        self.assertRegex(said, "c->rust +is no longer there")

    def test_other(self) -> None:
        """A baseline of something else is refused, with what differs; nothing is written over."""
        self.run_verb("baseline")
        self.facts["tools"] = "clang 20"
        self.assertIn("is of tools clang 19.1.7, and this is clang 20; 'make baseline'",
                      self.refused("compare"))
        self.boots = [{key("tlv"): Figure(1, 1, 1, False)}]
        before = self.file.read_text()
        self.assertIn("it also has ring, and is of tools", self.refused("baseline", "PAIR=tlv"))
        self.assertEqual(self.file.read_text(), before)

    def test_mitigations(self) -> None:
        """What is in force against the CPU's flaws is in a baseline, and has to be the same."""
        self.run_verb("baseline")
        self.assertIn("\nmitigations: spectre_v1 barriers\n", self.file.read_text())
        self.flaws = {"meltdown": "Mitigation: PTI", "spectre_v1": "Vulnerable"}
        self.assertIn("is of mitigations spectre_v1 barriers, and this is meltdown PTI; spectre_v1 "
                      "Vulnerable; 'make baseline'", self.refused("compare"))
        self.assertEqual(self.booted, 1)
        self.boots = [{key("tlv"): Figure(1, 1, 1, False)}]
        self.assertIn("it also has ring, and is of mitigations",
                      self.refused("baseline", "PAIR=tlv"))
        self.flaws = {}
        self.run_verb("baseline")
        self.assertIn("\nmitigations: none\n", self.file.read_text())

    def test_one_pair(self) -> None:
        """A pair's figures are written anew, and those of others stay."""
        self.run_verb("baseline")
        self.boots = [{key("tlv"): Figure(1, 1, 1, False)}]
        self.assertIn("has nothing of tlv; 'make baseline PAIR=tlv' adds it",
                      self.refused("compare", "PAIR=tlv"))
        self.run_verb("baseline", "PAIR=tlv")
        self.assertEqual(set(baseline.read(self.file.read_text()).figures), {key(), key("tlv")})

    def test_refused(self) -> None:
        """Wrong words, a baseline that is not there, and one that cannot be read."""
        self.assertRegex(self.refused("compare"), "No such file.*'make baseline' writes it")
        for words, why in ((("LIMIT=much",), "LIMIT=much: give percent"),
                           (("LIMIT=2,",), "give percent"), (("LANE=irq",), "lane insn"),
                           (("VARIANT=debug",), "VARIANT=debug: it has no lane insn"),
                           (("ACCEL=kvm",), "ACCEL=kvm"), (("VARIANT=all",), "for one")):
            self.assertIn(why, self.refused("compare", *words))
        self.assertIn("LIMIT: for make compare", self.refused("baseline", "LIMIT=2"))
        self.assertIn("for make baseline and make compare", self.refused("run", "LIMIT=2"))
        self.file.parent.mkdir()
        self.file.write_text("nothing\n")
        self.assertIn("line 1: 'nothing'", self.refused("compare"))

    def test_file(self) -> None:
        """Where the baseline is, unless BASELINE= says otherwise."""
        self.assertEqual(compare.file_of(request.parse(["ARCH=arm64"], {})),
                         request.TOP / "tests/baseline/arm64.txt")
        (self.folder / "errand").mkdir()
        (self.folder / "errand/contract.h").touch()
        self.assertEqual(compare.file_of(request.parse(
            ["ARCH=arm64", f"PAIRS_DIR={self.folder}"], {})), self.folder / "baseline-arm64.txt")


if __name__ == "__main__":
    unittest.main()
