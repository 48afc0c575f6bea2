# SPDX-License-Identifier: GPL-2.0
"""Tools, kernels and modules, from the cache or built."""
