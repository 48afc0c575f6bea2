# SPDX-License-Identifier: GPL-2.0
"""The stages of a kparity run, one module each.

request -> toolchain -> kernel -> modules -> guest -> ktap -> results -> report
"""
