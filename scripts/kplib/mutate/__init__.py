# SPDX-License-Identifier: GPL-2.0
"""Mechanical mutants: one small change each of a pair's C or Rust; see Documentation/mutants.md."""
