# SPDX-License-Identifier: GPL-2.0
"""Guests: QEMU, the console, requests to init, and a lane's run over as many as it takes."""
