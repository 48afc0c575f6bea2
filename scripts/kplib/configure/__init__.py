# SPDX-License-Identifier: GPL-2.0
"""The request, and the records of arches and variants."""
