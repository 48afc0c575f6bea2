# SPDX-License-Identifier: GPL-2.0
"""Tests of kparity: by name, as in python3 -m unittest tests.unit.test_serial."""
