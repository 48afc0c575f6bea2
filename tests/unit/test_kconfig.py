# SPDX-License-Identifier: GPL-2.0
"""Options that did not survive are named with what dropped them."""

import tempfile
import unittest
from pathlib import Path

from kplib.build import kconfig

TREE = """\
config PLAIN
	bool "plain"

config NEEDS
	bool "needs"
	depends on PLAIN && \\
		!TINY
	depends on OTHER || THIRD

if OUTER
config INNER
	bool "inner"
endif

config FREE
	bool "free"
	depends on VERSION >= 10
"""


class TestKconfig(unittest.TestCase):
    """kplib.kconfig"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = Path(folder.name)
        (self.tree / "Kconfig").write_text(TREE)

    def explain(self, name: str, **config: str) -> str:
        """Why an option that was asked for is not there."""
        return kconfig.explain(self.tree, f"CONFIG_{name}", "y",
                               {f"CONFIG_{k}": v for k, v in config.items()})

    def test_parse_and_dropped(self) -> None:
        """Set, unset and absent options."""
        asked = kconfig.parse("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_S=\"x\"\n# a remark\n")
        self.assertEqual(asked, {"CONFIG_A": "y", "CONFIG_B": "n", "CONFIG_S": '"x"'})
        self.assertEqual(kconfig.dropped(asked, kconfig.parse("CONFIG_S=\"x\"\n")), ["CONFIG_A"])
        self.assertEqual(kconfig.dropped(asked, kconfig.parse("CONFIG_A=y\nCONFIG_B=y\n")),
                         ["CONFIG_B", "CONFIG_S"])

    def test_dependency(self) -> None:
        """The dependency that is not met, and only that one."""
        said = self.explain("NEEDS", PLAIN="y", TINY="y", OTHER="y")
        self.assertIn("Kconfig:4", said)
        self.assertIn("!TINY", said)
        self.assertNotIn("OTHER", said)
        self.assertIn("OTHER || THIRD", self.explain("NEEDS", PLAIN="y"))

    def test_enclosing_if(self) -> None:
        """A dependency of the block around it."""
        self.assertIn("depends on OUTER", self.explain("INNER"))

    def test_no_such_option(self) -> None:
        """An option that this kernel does not have."""
        self.assertIn("no such option", self.explain("GONE"))

    def test_not_a_dependency(self) -> None:
        """Nothing unmet: selected or excluded elsewhere. Comparisons are left alone."""
        self.assertIn("another option", self.explain("PLAIN"))
        self.assertIn("another option", self.explain("FREE"))


if __name__ == "__main__":
    unittest.main()
