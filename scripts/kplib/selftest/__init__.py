# SPDX-License-Identifier: GPL-2.0
"""make test and make bench-self: kparity's own tests, static checks and speed."""
