# SPDX-License-Identifier: GPL-2.0
"""What was asked for: the request, and the records of arches and variants."""
