# SPDX-License-Identifier: GPL-2.0
"""Options that did not survive are named with the cause."""

import tempfile
import unittest
from pathlib import Path

from kplib.build import kconfig

LIBRARY = """\
config SELECTED
	tristate
	help
	  bool "is not its type"
# depends on NOTHING

config SELECTED_IF
	bool

	depends on PLAIN

config ASKED
	tristate\t"asked"
	depends on PLAIN
"""
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
	help
	  Where it depends on nothing, say N.

	  depends on ADVICE

source "lib/Kconfig"
endif

menu "of a kind"
	depends on KIND

config OF_KIND
	bool
	prompt "of a kind"
endmenu

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
        (self.tree / "lib").mkdir()
        (self.tree / "lib/Kconfig").write_text(LIBRARY)

    def explain(self, name: str, **config: str) -> str:
        """Why an option that was asked for is not there."""
        return kconfig.Definitions(self.tree).explain(
            f"CONFIG_{name}", "y", {f"CONFIG_{k}": v for k, v in config.items()})

    def selectable(self, name: str, **config: str) -> bool:
        """Whether an option is had by being selected."""
        return kconfig.Definitions(self.tree).selectable(
            f"CONFIG_{name}", {f"CONFIG_{k}": v for k, v in config.items()})

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
        self.assertTrue(self.explain("OF_KIND").endswith("depends on KIND"))
        # A block around the line that sources the file counts too; a help text does not.
        self.assertTrue(self.explain("ASKED").endswith("lib/Kconfig:12 depends on PLAIN && OUTER"))
        self.assertIn("another option", self.explain("INNER", OUTER="y"))

    def test_selected(self) -> None:
        """An option is selectable if nobody is asked about it and its dependencies are set."""
        self.assertTrue(self.selectable("SELECTED", OUTER="y"))
        self.assertFalse(self.selectable("SELECTED"))
        self.assertFalse(self.selectable("SELECTED_IF", OUTER="y"))
        self.assertTrue(self.selectable("SELECTED_IF", OUTER="y", PLAIN="y"))
        for asked in ("ASKED", "OF_KIND", "GONE"):
            self.assertFalse(self.selectable(asked, OUTER="y", PLAIN="y", KIND="y"))
        self.assertEqual(kconfig.unmet_selected(
            "\nWARNING: unmet direct dependencies detected for SELECTED\n"), ["CONFIG_SELECTED"])

    def test_module(self) -> None:
        """An option that can be a module at most names the dependency that is one."""
        said = self.explain("ASKED", OUTER="y", PLAIN="m", ASKED="m")
        self.assertIn("became m: lib/Kconfig:12 depends on CONFIG_PLAIN=m, which is", said)

    def test_files(self) -> None:
        """Of a folder that was configured only those files count that were read."""
        build = self.tree / "build"
        (build / "include/config").mkdir(parents=True)
        (build / "include/config/auto.conf.cmd").write_text(
            "autoconfig := x\n\ndeps_config := \\\n\tKconfig \\\n\t/other/Kconfig \\\n\tgone\n\n"
            "x: y\n")
        found = kconfig.Definitions(self.tree, build)
        self.assertIn("no such option", found.explain("CONFIG_ASKED", "y", {}))
        self.assertIn("OUTER", found.explain("CONFIG_INNER", "y", {}))

    def test_no_such_option(self) -> None:
        """An option that this kernel does not have."""
        self.assertIn("no such option", self.explain("GONE"))

    def test_not_a_dependency(self) -> None:
        """Nothing unmet: selected or excluded elsewhere. Comparisons are left alone."""
        self.assertIn("another option", self.explain("PLAIN"))
        self.assertIn("another option", self.explain("FREE"))


if __name__ == "__main__":
    unittest.main()
