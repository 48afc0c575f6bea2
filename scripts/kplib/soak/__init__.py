# SPDX-License-Identifier: GPL-2.0
"""Long runs: fresh seeds in as many guests as there are cores, each kind of failure kept once."""
