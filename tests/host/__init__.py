# SPDX-License-Identifier: GPL-2.0
"""Tests of the tooling. Those that boot a guest are made with live.py."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
if str(TOP / "scripts") not in sys.path:
    sys.path.insert(0, str(TOP / "scripts"))
