# SPDX-License-Identifier: GPL-2.0
"""The commit that took away what a pair uses, found with git in a small repository."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from kplib.judge import culprit, diagnostics
from kplib.judge.diagnostics import Diagnostic

LIST = """\
/// `peek` is told of here.
impl Cursor {
    pub fn peek(&self) -> u32 {
        self.at
    }

    pub fn step(
        &self,
        by: u32,
    ) -> u32 {
        self.at + by
    }
}
"""


def error(text: str) -> Diagnostic:
    """An error in the words of a compiler."""
    return next(iter(diagnostics.parse(text.splitlines())))


class TestNames(unittest.TestCase):
    """culprit.names(): what a compiler says is not there"""

    def test_words(self) -> None:
        """Each way that rustc and clang have to say it."""
        for text, name in (
                ("error[E0425]: cannot find function `peek` in module `list`", "peek"),
                ("error[E0425]: cannot find value `ENODATA` in this scope", "ENODATA"),
                ("error[E0412]: cannot find type `Cursor` in module `list`", "Cursor"),
                ("error: cannot find macro `new_spinlock_irq` in this scope", "new_spinlock_irq"),
                ("error[E0405]: cannot find trait `ForeignOwnable` in this scope",
                 "ForeignOwnable"),
                ("error[E0422]: cannot find struct, variant or union type `Io` in this scope",
                 "Io"),
                ("error[E0599]: no method named `peek` found for struct `Cursor`", "peek"),
                ("error[E0599]: no function or associated item named `new` found for struct `A`",
                 "new"),
                ("error[E0609]: no field `at` on type `&Cursor`", "at"),
                ("error[E0432]: unresolved import `kernel::list::Cursor`", "Cursor"),
                ("error[E0433]: failed to resolve: could not find `aref` in `sync`", "aref"),
                ("error[E0624]: method `peek` is private", "peek"),
                ("error[E0407]: method `run` is not a member of trait `Work`", "run"),
                ("a.c:1:2: error: call to undeclared function 'kfree_x'; ISO C99", "kfree_x"),
                ("a.c:1:2: error: use of undeclared identifier 'GFP_X'", "GFP_X"),
                ("a.c:1:2: error: no member named 'seq' in 'struct file'", "seq"),
                ("a.c:1:2: error: unknown type name 'u31'", "u31")):
            with self.subTest(text):
                self.assertEqual(culprit.names(error(text))[:1], [name])

    def test_exact_first(self) -> None:
        """Of an import the label says which part of the path is missing."""
        self.assertEqual(culprit.names(error(
            "error[E0432]: unresolved import `kernel::sync::aref::ARef`\n"
            "  |     ^^^^ could not find `aref` in `sync`")), ["aref", "ARef"])

    def test_nothing(self) -> None:
        """Types that do not fit name nothing that is missing."""
        self.assertEqual(culprit.names(error("error[E0308]: mismatched types")), [])


class TestFind(unittest.TestCase):
    """culprit.find()"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = Path(folder.name)
        self.file = self.tree / "rust/kernel/list.rs"
        self.file.parent.mkdir(parents=True)
        (self.tree / "include").mkdir()
        (self.tree / "include/x.h").write_text("int old_call(int a);\n")
        self.git("init", "-q")
        self.commit("first", LIST)

    def git(self, *words: str) -> None:
        """Run git as somebody."""
        subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *words],
                       cwd=self.tree, check=True, capture_output=True,
                       env={**os.environ, "GIT_COMMITTER_DATE": "2026-01-02T00:00:00Z"})

    def commit(self, subject: str, text: str) -> None:
        """Change the file, and commit that."""
        self.file.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", subject)

    def find(self, text: str) -> str:
        """What changed, by the words of a compiler."""
        return culprit.find(self.tree, [error(text)])

    LOST = "error[E0599]: no method named `peek` found for struct `Cursor`"

    def test_renamed(self) -> None:
        """The commit that renamed it is named, with its line; not one after or before it."""
        self.commit("list: talk of peek differently", LIST.replace("told of", "explained"))
        renamed = LIST.replace("told of", "explained").replace("fn peek(", "fn look(")
        self.commit("list: rename peek", renamed)
        self.commit("list: talk of `peek` no more", renamed.replace("`peek`", "`look`"))
        self.assertRegex(self.find(self.LOST),
                         r'^[0-9a-f]+ \("list: rename peek", 2026-01-02\) took away '
                         r"rust/kernel/list.rs:3: pub fn peek\(&self\) -> u32 \{$")

    def test_not_committed(self) -> None:
        """A change that is only in the checkout is told as that."""
        self.file.write_text(LIST.replace("fn peek(", "fn look("))
        self.assertTrue(self.find(self.LOST).startswith(
            "a change that is not committed took away rust/kernel/list.rs:3: pub fn peek("))

    def test_never_there(self) -> None:
        """No commit is blamed for a name that the kernel never had."""
        found = self.find("error[E0599]: no method named `peak` found for struct `Cursor`")
        self.assertIn("no commit that the checkout has took away peak", found)

    def test_prototype(self) -> None:
        """C that Rust sees is looked for in the headers."""
        (self.tree / "include/x.h").write_text("int new_call(int a);\n")
        self.git("commit", "-qam", "x: rename old_call")
        self.assertIn("x: rename old_call", self.find(
            "error[E0425]: cannot find function `old_call` in module `bindings`"))

    def test_place(self) -> None:
        """Of a definition that does not fit, the last commit that changed its head is named."""
        self.commit("list: step by more", LIST.replace("by: u32", "by: u64"))
        self.commit("list: look at another", LIST.replace("by: u32", "by: u64")
                    .replace("self.at\n", "self.at + 0\n"))
        self.assertRegex(self.find(
            "error[E0308]: mismatched types\n  --> /pair.rs:1:1\n"
            f"note: method defined here\n   --> {self.file}:7:12"),
            r'"list: step by more".* wrote rust/kernel/list.rs:9: by: u64,$')

    def test_no_place(self) -> None:
        """An error that is not about the kernel blames nobody."""
        self.assertIn("points at nothing of the kernel's", self.find(
            "error[E0308]: mismatched types\n  --> /pair.rs:1:1"))

    def test_no_repository(self) -> None:
        """A tree without git is told nothing of, and a damaged repository is told of."""
        (self.tree / ".git/HEAD").unlink()
        self.assertIn("no commit is named: ", self.find(self.LOST))
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(culprit.find(Path(folder), [error(self.LOST)]), "")


if __name__ == "__main__":
    unittest.main()
