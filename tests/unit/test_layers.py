# SPDX-License-Identifier: GPL-2.0
"""The folders of scripts/kplib follow the flow of a run: none uses one below it."""

import ast
import re
import unittest

import kplib
from kplib.configure.request import TOP

FOLDER = TOP / "scripts/kplib"


class TestLayers(unittest.TestCase):
    """kplib/__init__.py, which lists them in their order"""

    def test_imports(self) -> None:
        """A module imports modules of its own folder and of those above it alone."""
        order = re.findall(r"(?m)^(\w+)(?:\.py)? +\S", str(kplib.__doc__))
        for path in sorted(FOLDER.rglob("*.py")):
            mine = path.relative_to(FOLDER).parts[0].removesuffix(".py")
            if mine == "__init__":
                continue
            with self.subTest(str(path.relative_to(TOP))):
                self.assertIn(mine, order)
                for used in self.imports(ast.parse(path.read_text())):
                    self.assertLessEqual(order.index(used), order.index(mine),
                                         f"it imports from {used}")

    @staticmethod
    def imports(tree: ast.Module) -> set[str]:
        """The parts of kplib that a module imports at its top."""
        found: set[str] = set()
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "kplib":
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("kplib."):
                found.add(str(node.module).split(".")[1])
        return found


if __name__ == "__main__":
    unittest.main()
