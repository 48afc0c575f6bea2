# SPDX-License-Identifier: GPL-2.0
"""Contracts whose glue is generated: their rows, and the C and Rust that follow from them."""
