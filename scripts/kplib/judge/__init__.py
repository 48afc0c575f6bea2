# SPDX-License-Identifier: GPL-2.0
"""Verdicts, costs and the ledger, from what the lanes gave."""
