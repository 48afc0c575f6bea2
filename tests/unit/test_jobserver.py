# SPDX-License-Identifier: GPL-2.0
"""Several makes that share one pool of jobs."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from kplib.build import jobserver

#: Jobs that tell how many of them run, once there are two, or after a while.
MAKEFILE = """\
all: 1 2
1 2:
	@sh job $(NAME)-$@
"""
JOB = """\
mkdir "$1.runs"
for try in $(seq 30); do
	set -- "$1" *.runs
	[ $# -lt 3 ] || break
	sleep 0.1
done
echo $(($# - 1))
sleep 0.3
rmdir "$1.runs"
"""


@unittest.skipUnless(shutil.which("make"), "no make on this host")
class TestJobserver(unittest.TestCase):
    """kplib.build.jobserver"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "Makefile").write_text(MAKEFILE)
        (self.folder / "job").write_text(JOB)
        jobserver.pipe.cache_clear()
        self.addCleanup(jobserver.pipe.cache_clear)

    def most(self, *names: str) -> int:
        """How many jobs ran at once, of makes that ran at once."""
        with mock.patch("os.cpu_count", return_value=2):
            ends = jobserver.pipe()
        for end in ends:
            self.addCleanup(os.close, end)
        makes = [subprocess.Popen(
            ["env", "-u", "MAKELEVEL", jobserver.environment(), "make", f"NAME={name}"],
            cwd=self.folder, pass_fds=ends, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for name in names]
        most = 0
        for make in makes:
            said, errors = make.communicate(timeout=60)
            self.assertEqual((make.returncode, errors), (0, b""))
            most = max([most, *map(int, said.split())])
        return most

    def test_one(self) -> None:
        """A make alone has a job for each CPU."""
        self.assertEqual(self.most("a"), 2)

    def test_two(self) -> None:
        """Two together have one more, as each has one of its own; not twice as many."""
        self.assertLessEqual(self.most("a", "b"), 3)


if __name__ == "__main__":
    unittest.main()
