# SPDX-License-Identifier: GPL-2.0
"""What the documentation shows, as tests see it; Documentation/testing.md tells its marks."""
