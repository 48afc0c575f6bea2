# SPDX-License-Identifier: GPL-2.0
"""Guests for a person (gdb, KEEP=1, the shell), and the scaffold of a new pair."""
