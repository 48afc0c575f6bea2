# SPDX-License-Identifier: GPL-2.0
"""The report on the terminal, and the files of a run."""
