# SPDX-License-Identifier: GPL-2.0
"""Everything that is settled before anything of a pair is built or run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from kplib.build.kernel import Kernel
from kplib.build.toolchain import Toolchain
from kplib.configure.request import Request


@dataclass(frozen=True)
class Setup:
    """A request, the tools chosen for it, and the kernel to run in."""

    request: Request
    tools: Toolchain
    kernel: Kernel
    #: Called whenever a suite has given its results; from the lanes' own threads.
    progress: Callable[[], None] = field(default=lambda: None, compare=False)

    @property
    def silence(self) -> float:
        """Seconds that a guest of this kernel may be silent while a case of normal speed runs."""
        return self.request.silence * self.kernel.variant.patience

    @property
    def results(self) -> Path:
        """The folder for the results of this arch and variant."""
        return self.request.out / self.kernel.arch.name / self.kernel.variant.name

    @property
    def modules(self) -> Path:
        """The folder that kbuild puts objects and modules in."""
        return self.results / "build"
