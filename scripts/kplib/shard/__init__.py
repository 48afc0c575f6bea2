# SPDX-License-Identifier: GPL-2.0
"""Results of shards, joined."""
