# SPDX-License-Identifier: GPL-2.0
"""For every stage: errors, terminal output, child processes, the cache."""
