# SPDX-License-Identifier: GPL-2.0
"""Verdicts, costs and the ledger, from the results of the lanes."""
