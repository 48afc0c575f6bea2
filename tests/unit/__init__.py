# SPDX-License-Identifier: GPL-2.0
"""Unit tests of the tooling: no guest is booted."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
if str(TOP / "scripts") not in sys.path:
    sys.path.insert(0, str(TOP / "scripts"))
