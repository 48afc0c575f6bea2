# SPDX-License-Identifier: GPL-2.0
"""What the C side gave is kept, and judges the port once C is gone; a revision against another."""

import json
import subprocess
import unittest
from typing import Any

from .live import PairsTest, needs, needs_kernel

#: What of the port asks for room, and a bug: it wants room for one character more.
ROOM, MORE = "if end > self.size", "if end >= self.size"


@needs_kernel
@needs("base", seconds=45)
class TestFrozen(PairsTest):
    """make freeze, make run FROZEN=1 and make run AGAINST=rev, of pair slate"""

    def git(self, *words: str) -> None:
        """Run git in the folder of pairs."""
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x", *words], check=True,
                       cwd=self.pairs, stdout=subprocess.DEVNULL)

    def test_frozen(self) -> None:
        """Without the C side a right port passes, and a wrong one is told with its program."""
        ended = self.kparity("slate", "PROGRAMS=8", verb="freeze")
        self.assertEqual(ended.status, 0, ended.show())
        kept = (self.pairs / "slate/frozen.txt").read_text()
        self.assertIn("\n@ program 7 of seed 1\n", kept)
        self.assertNotIn(str(self.folder), kept)
        (self.pairs / "slate/slate.c").unlink()
        ended = self.kparity("slate", "FROZEN=1")
        self.assertEqual(ended.status, 0, ended.show())
        self.assertRegex(ended.said, r"PASS +slate c->rust: \d+ programs give what the C side")
        self.assertRegex(ended.said, r"PASS +slate rust->rust: ")
        self.edit("slate/slate.rs", ROOM, MORE)
        ended = self.kparity("slate", "FROZEN=1")
        self.assertEqual(ended.status, 1, ended.show())
        self.assertRegex(ended.said, r"FAIL +slate c->rust: \d+ of \d+ programs differ\n"
                                     r"  program \d+ of seed 1: step \d+ of \d+ differs\n"
                                     r"    slate size=\d+ kind=\w+\n")
        self.assertRegex(ended.said, r"\n    (put|write) .*\n +frozen: \d.*\n"
                                     r" +this path: -ENOSPC, ")
        self.assertRegex(ended.said, r"FAIL +slate rust->rust: \d+ of .*\n  as on c->rust\n")

    def test_against(self) -> None:
        """An edit shows in results and costs, of the paths that it is on, and leaves nothing."""
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")
        self.edit("slate/slate.rs", ROOM, MORE)
        ended = self.kparity("slate", "PROGRAMS=8", "AGAINST=HEAD", "FORMAT=json")
        self.assertEqual(ended.status, 1, ended.show())
        found: dict[str, Any] = json.loads(ended.said)
        self.assertEqual([path for path, mine in found["paths"].items() if mine],
                         ["c->rust", "rust->rust"])
        self.assertEqual({(one["text"][-1].split()[0], one["got"].partition(",")[0])
                          for one in found["paths"]["c->rust"]} - {("put", "-ENOSPC")},
                         {("write", "-ENOSPC")})
        self.assertEqual({row["path"] for row in found["costs"]}, {"c->rust", "rust->rust"})
        self.assertEqual(list(self.out.glob("*/*/against.*")), [])


if __name__ == "__main__":
    unittest.main()
