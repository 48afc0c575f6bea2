# SPDX-License-Identifier: GPL-2.0
"""What a CI's jobs are: the cells of a request, and what each needs.

A cell is one arch and variant, and with SHARDS=n it is n jobs. Each job has an `id` and a command
of its own here: workflow files take both from here and make neither themselves.
"""

from __future__ import annotations

import json
import platform
import shlex
from dataclasses import asdict, dataclass

from kplib.build import kernel, source, toolchain
from kplib.common import cache
from kplib.configure import archs, request
from kplib.configure.archs import Arch
from kplib.configure.request import TOP, Request
from kplib.configure.variants import Variant

#: What a job runs.
PROGRAM = "scripts/kparity run"


@dataclass(frozen=True)
class Job:
    """A job of a CI; its fields are those of FORMAT=json.

    Keys are names under which a CI keeps parts of the cache: the folders `root`, `source`
    with `apt/kernels.json`, and `kernel`. One is None where there is no such part, or where its
    name cannot be told here and now.
    """

    #: Names the job, and the files that it leaves.
    id: str
    arch: str
    variant: str
    #: The arch of the machine that runs it without emulation.
    runner: str
    #: Whether `make test` runs the variant on every arch, or on its machine's alone.
    everywhere: bool
    #: The folder of its results, in the checkout or absolute.
    results: str
    command: str
    #: Of the toolchain root; None where the host has the tools.
    root_key: str | None
    #: Of the kernel's source; None until Debian was asked (`make update`).
    source_key: str | None
    #: Of the built kernel; None until the root is there too, on the runner's arch.
    kernel_key: str | None
    #: Whether that kernel is whole in the cache here.
    kernel_there: bool
    #: With SHARDS=n: i/n; None where the job runs all of its arch and variant.
    shard: str | None = None


def _command(req: Request, arch: Arch, variant: Variant, shard: str | None) -> str:
    """The command line of a cell, or of a part of it, for a shell in the checkout."""
    words = {"ARCH": arch.name, "VARIANT": variant.name,
             **({"PAIR": " ".join(req.pairs)} if "PAIR" in req.given else {}),
             **request.words_of(req, arch, variant),
             **({"OUT": str(req.out)} if "OUT" in req.given else {}),
             **({"SHARD": shard} if shard else {}),
             **({"TIMES": str(req.times)} if shard and req.times else {})}
    return " ".join([PROGRAM, *(f"{name}={shlex.quote(value)}" for name, value in words.items())])


def _job(req: Request, arch: Arch, variant: Variant, shard: str | None) -> Job:
    debian = req.kdir is None and req.kernel_src is None
    src = source.known(req) if debian else None
    # Another machine's tools need not have the versions of those here.
    here = arch.name == archs.host_name(platform.machine())
    built = kernel.known(req, arch, variant) if debian and here else None
    tools = kernel.known_tools(req)
    rooted = tools is None or tools.root is not None
    folder = req.out / arch.name / variant.name
    return Job(
        id=f"{arch.name}-{variant.name}" + (f"-{shard.replace('/', 'of')}" if shard else ""),
        shard=shard, arch=arch.name, variant=variant.name, runner=arch.name,
        everywhere=variant.everywhere,
        results=str(folder.relative_to(TOP) if folder.is_relative_to(TOP) else folder),
        command=_command(req, arch, variant, shard),
        root_key=f"kparity-root-{arch.name}-{toolchain.root_path(req.cache).name}"
        if rooted else None,
        source_key=None if src is None else f"kparity-source-{src.tree.parent.name}",
        # Its name begins with the arch. Programs in the folder, objtool and the like, run on the
        # machine that built it: that is of the same arch.
        kernel_key=None if built is None else f"kparity-kernel-{built.name}",
        kernel_there=built is not None and cache.marker(built) is not None)


def jobs(req: Request) -> list[Job]:
    """The jobs of a request."""
    parts: list[str | None] = [f"{index}/{req.shards}"
                               for index in range(1, (req.shards or 0) + 1)]
    return [_job(req, arch, variant, shard) for arch in req.archs for variant in req.variants
            for shard in parts or [None]]


def as_json(found: list[Job]) -> str:
    """One line that `strategy.matrix` takes as it is."""
    return json.dumps({"include": [asdict(job) for job in found]})


def as_table(found: list[Job]) -> str:
    """A line a job, for a person."""
    width = max(15, *(len(job.id) + 2 for job in found))
    lines = [f"{'job':<{width}}{'runner':<9}{'make test':<13}command"]
    lines += [f"{job.id:<{width}}{job.runner:<9}"
              f"{'everywhere' if job.everywhere else 'own arch':<13}{job.command}"
              for job in found]
    keys = {"toolchain root": [job.root_key for job in found],
            "kernel's source": [job.source_key for job in found],
            "kernel": [job.kernel_key for job in found]}
    lines += ["", "cache keys"]
    for what, named in keys.items():
        lines += [f"  {what:<16}{key}" for key in dict.fromkeys(filter(None, named))]
        if None in named:
            lines.append(f"  {what:<16}{_unknown(what, named)}")
    return "\n".join(lines)


def _unknown(what: str, named: list[str | None]) -> str:
    which = "of the others" if any(named) else "none"
    return which + {
        "toolchain root": ": this host has the tools",
        "kernel's source": ": not known until 'make update', or a kernel of your own is given",
        "kernel": ": not known before root and source are, on the runner's own arch"}[what]
