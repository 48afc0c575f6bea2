# SPDX-License-Identifier: GPL-2.0
"""Programs for the guest that do not compile, with a compiler that is a shell script."""

import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from kplib.build import nolibc
from kplib.build.toolchain import Toolchain
from kplib.common.errors import Failed
from kplib.configure import archs, request

SAID = """device.c:7:2: error: use of undeclared identifier 'x'
    7 |         x = 1;
      |         ^
device.c:9:2: error: use of undeclared identifier 'y'
2 errors generated.
"""


class TestCompiler(unittest.TestCase):
    """nolibc.compile_program()"""

    def compile(self, script: str) -> str:
        """Output while a program is compiled by a script."""
        arch = archs.load_all(request.TOP / "qemu/arch")["x86_64"]
        with tempfile.TemporaryDirectory() as folder, \
                contextlib.redirect_stderr(io.StringIO()) as shown:
            path = Path(folder, "clang")
            path.write_text(f"#!/bin/sh\n{script}")
            path.chmod(0o755)
            with mock.patch.dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}"):
                try:
                    nolibc.compile_program(Toolchain(None, {}, "", ()), Path("t"), Path("h"), arch,
                                           request.TOP / "tests/user/x.c", Path(folder, "out"))
                finally:
                    self.shown = shown.getvalue()
        return self.shown

    def test_error(self) -> None:
        """All lines of the compiler, and status 1 as for a module that does not build."""
        with self.assertRaises(Failed) as caught:
            self.compile(f"cat >&2 <<'EOF'\n{SAID}EOF\nexit 1\n")
        self.assertEqual(caught.exception.status, 1)
        self.assertIn("tests/user/x.c does not compile for x86_64; the", str(caught.exception))
        self.assertEqual(self.shown, SAID)

    def test_good(self) -> None:
        """A compiler that has nothing to say is not heard."""
        self.assertEqual(self.compile("exit 0\n"), "")


if __name__ == "__main__":
    unittest.main()
