# SPDX-License-Identifier: GPL-2.0
"""The user's request, checked before anything is done."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import shlex
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Mapping

from kplib.common import ui
from kplib.common.errors import Refused
from kplib.configure import archs, cases, lanes, pairs, seeds, shards, variants
from kplib.configure.lanes import CHECK, HISTORY, IRQ, LANES, LATE, TIME

TOP = pairs.TOP
#: Seconds of silence, in variant base, while a case of KUnit's speed "normal" runs, or
#: anything else; variants multiply it by their patience. The longest silent case of ours
#: takes 0.6 s emulated.
SILENCE = 20.0
#: Bytes of a program as text.
PROGRAM_MAX = 512 << 10
#: Every variable of the command line, with what it means; `make help` prints this.
VARIABLES = {
    "ARCH": "x86_64, arm64 or all; default: this machine's, and for lane order another one whose "
            "kernel is there",
    "VARIANT": "kernel to run in: base, debug, fault, kcsan or all; default: base",
    "PAIR": "pairs to build and run, e.g. PAIR=ring or PAIR='ring idalloc'; default: all",
    "PAIRS_DIR": "a folder of your own pairs, a folder each, beside those of this repository",
    "CASE": "cases to run, e.g. CASE=lockstep; pairs without them are left out; default: all",
    "SEED": "what programs are made from: a number, or random; default: 1",
    "PROGRAMS": "how many programs a lockstep case runs; default: 64",
    "PROGRAM": "a program as text: it alone runs, on all paths of the one PAIR",
    "LANE": "check, insn, history, irq, order, time or all, which is all but time; default: all",
    "BOOTS": "boots of lane time; default: 10",
    "MARGIN": "lane time: percent within which two paths take the same; default: KP_MARGIN, or 5",
    "DEPTH": "quick: without lanes history, irq and order; long: twice what they usually do; full: "
             "20 times; default: usual",
    "KERNEL": "kernel series from Debian, e.g. 7.3; default: the newest at set-up; pairs that an "
              "older one cannot serve are skipped",
    "KERNEL_SRC": "a kernel source tree of your own; built out of tree, never written to; a pair "
                  "that it breaks fails with the commit",
    "KDIR": "a kernel build folder of your own, as for any out-of-tree module",
    "TOOLCHAIN": "host or root; default: the host's where it can, else a Debian root",
    "ACCEL": "kvm or tcg for lanes that count no instructions; default: kvm where a trial boot "
             "works",
    "APPEND": "further words for the guest's kernel command line",
    "KEEP": "1: leave the guest of lane check up after a failure, with a shell and for gdb",
    "SILENCE": "seconds of silence after which a guest is lost, thrice that in a boot; default: 20",
    "OUT": "folder for results; default: out",
    "MIRROR": "Debian mirror; default: the one the host's apt uses",
    "FORMAT": "text, or json (make run, report, mutants, explain, compare, choices, matrix, "
              "merge); make report has markdown, github and html too",
    "KIND": "make new: function or object; default: function",
    "DEST": "make in-tree: a kernel source tree, in which lib/kparity/ is written",
    "REMOVE": "1: make in-tree takes away from DEST what it has written there",
    "DIR": "make new: the PAIRS_DIR to make it in; default: PAIRS_DIR, else this repository",
    "MINUTES": "make soak: how long fresh seeds are drawn, e.g. 30 or 0.5",
    "SEEDS": "make soak: 50 for seeds 1 to 50, or 7..9; 'debug=5 irq=1' behind it: fewer there",
    "JOBS": "make soak: guests at once; default: one for each core",
    "IN_DIFF": "make mutants: a revision of git; mutants of lines changed since it alone",
    "MUTANTS": "make mutants: how many mechanical ones, chosen by SEED; default: 420",
    "PART": "parts of make test: static, unit, live, suites, contracts, mutants; default: all",
    "SHARD": "2/3: run the second of three parts, on this machine; make merge joins them",
    "TIMES": "the times that SHARD splits by: times.json of make merge; default: the repository's",
    "SHARDS": "make matrix: jobs for each arch and variant, e.g. 3",
    "DIRS": "make merge: the OUT folders of all shards, e.g. DIRS='a b c' or DIRS='shards/*'",
    "FROZEN": "1: make run holds the port against what make freeze has kept; C may be gone",
    "AGAINST": "make run: a revision of git; the files of the one PAIR against those of then",
    "CHOICE": "make choices: those to count, e.g. CHOICE='wrapping helpers'; default: all",
    "OP": "make explain: the operation whose cost is told, e.g. OP=push; OP=all: each of them",
    "OUTCOME": "make explain: of its calls those that end so: success, false, or -ENOSPC and such",
    "BASELINE": "make baseline, make compare: the file; default: tests/baseline/ARCH.txt, or in "
                "PAIRS_DIR",
    "LIMIT": "make compare: percent that an operation may cost more, and instructions if a number "
             "follows: LIMIT=2 or LIMIT=2,30; default: 2",
    "V": "1: show the commands' output, every table and every figure",
}


@dataclass(frozen=True)
class Depth:
    """How far cases of the late lanes go.

    `interrupt`: instructions, in millions, that case interrupt takes of a pair; an emulated guest
    carries out about 100 in a second. `histories`: those of case history on a path with
    operations at the same time.
    """

    interrupt: int
    histories: int


#: By what DEPTH= says.
DEPTHS = {"quick": Depth(0, 0), "usual": Depth(240, 600), "long": Depth(500, 1200),
          "full": Depth(4800, 12000)}
#: What FORMAT= says: tables for a person, an object for a program, for a CI a summary as
#: Markdown, or annotations as commands of GitHub's workflows, and a page for a browser.
FORMATS = ("text", "json", "markdown", "github", "html")
#: Mechanical mutants of `make mutants`. Some are refused by the compiler, or change nothing.
MUTANTS = 420
#: Boots of lane time. Figures of fewer differ from those of the next run by what boots do.
BOOTS = 10


@dataclass(frozen=True)
class Printing:
    """What case results tells, which then runs alone: what programs give on these paths.

    `drawn`: the programs of case lockstep, and behind them those of the pair's regress folder;
    else `programs` has the text of each pair's.
    """

    paths: tuple[str, ...]
    drawn: bool
    programs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A checked request. Paths are absolute."""

    archs: tuple[archs.Arch, ...]
    variants: tuple[variants.Variant, ...]
    pairs: tuple[str, ...]
    pairs_dir: Path | None
    lanes: tuple[str, ...]
    seed: int
    programs: int
    kernel: str | None
    kernel_src: Path | None
    kdir: Path | None
    toolchain: str | None
    accel: str | None
    append: str
    keep: bool
    silence: float
    mirror: str | None
    out: Path
    cache: Path
    verbose: bool
    #: The cases to run; all without any.
    cases: tuple[str, ...] = ()
    #: How long lanes history and irq go on, of DEPTHS.
    depth: str = "usual"
    #: A program as text, to run alone.
    program: Path | None = None
    #: make new: the kind of pair, and the folder to make it in.
    kind: str = "function"
    new_in: Path | None = None
    #: make in-tree: the kernel tree, and whether to take away what is there.
    dest: Path | None = None
    remove: bool = False
    #: How the results are told, of FORMATS.
    format: str = "text"
    #: make soak: how long it goes on, the seeds that it has, and how many guests run at once.
    minutes: float | None = None
    seeds: seeds.Seeds | None = None
    jobs: int = 0
    #: make test: the parts to run; all without any.
    parts: tuple[str, ...] = ()
    #: make mutants: how many mechanical ones, and the revision whose changed lines they are in.
    mutants: int = MUTANTS
    in_diff: str | None = None
    #: Boots of lane time.
    boots: int = BOOTS
    #: Lane time: percent of an operation's time within which a path is equivalent to another.
    margin: float | None = None
    #: make explain: the operation.
    op: str | None = None
    #: make explain: its calls with this outcome alone, as tables.outcome_name() has it.
    outcome: str | None = None
    #: make choices: the names of those to count; all without any.
    choices: tuple[str, ...] = ()
    #: make baseline, make compare: the file, and percent and instructions that are allowed.
    baseline: Path | None = None
    limit: tuple[float, float | None] | None = None
    #: The part of n that is run; all without one. The file of times that it is split by.
    shard: shards.Shard | None = None
    times: Path | None = None
    #: make matrix: jobs for each arch and variant. make merge: the folders of shards.
    shards: int | None = None
    dirs: tuple[Path, ...] = ()
    #: The port is held against a frozen file; the revision that a pair is compared with.
    frozen: bool = False
    against: str | None = None
    #: Case results runs, and no other.
    printing: Printing | None = None
    #: Variables that were given, and not left to their default.
    given: tuple[str, ...] = ()

    @property
    def machine_readable(self) -> bool:
        """Whether standard output has one object in place of tables."""
        return self.format == "json"


def _folder(name: str, value: str | None, marker: str) -> Path | None:
    if not value:
        return None
    path = Path(value).expanduser().resolve()
    if not path.is_dir():
        raise Refused(f"{name}={value}: no such folder")
    if not (path / marker).exists():
        raise Refused(f"{name}={value}: not what is wanted, it has no {marker}")
    return path


def _path(value: str | None) -> Path | None:
    return Path(value).expanduser().resolve() if value else None


def read_program(name: str, path: Path) -> bytes:
    """A program's text; refuses a file that the engine cannot be given as one.

    A fifo would have one wait, and a device has no end: neither is opened.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Refused(f"{name}: no file with a program; give a regular file")
        with open(path, "rb") as file:
            text = file.read(PROGRAM_MAX + 1)
    except OSError as err:
        raise Refused(f"{name}: {err.strerror}") from err
    if len(text) > PROGRAM_MAX or b"\0" in text or re.search(rb"^@", text, re.M):
        raise Refused(f"{name}: no program; it is text of at most {PROGRAM_MAX >> 10} KiB, none "
                      "of whose lines begins with @")
    return text


def _program(value: str | None, chosen: tuple[str, ...], lane: str,
             folder: Path | None) -> Path | None:
    """A program's file. Its content is the engine's to read.

    It is the first pair's. Those behind have no part in it but for their options of the kernel.
    """
    if not value:
        return None
    path = Path(value).expanduser().resolve()
    name = f"PROGRAM={value}"
    read_program(name, path)
    if not all(pairs.files(pair, folder).has_config for pair in chosen[1:]):
        raise Refused(f"{name}: a program is of one pair; give PAIR=x")
    if lane in ("insn", "order", TIME.name):
        raise Refused(f"{name}: no program runs in lane {lane}; leave LANE={lane} out")
    return path


def _lanes_of_program(path: Path, lane: str, wanted: tuple[variants.Variant, ...]) -> \
        tuple[str, ...]:
    """The lanes that a program runs in: one with an interruption, or of threads, has its own.

    Refuses another one that is asked for, and variants without it.
    """
    text = path.read_bytes()
    columns = re.findall(rb"^[ \t]*([0-9]):", text, re.M)
    own: tuple[str, ...] = (CHECK.name,)
    what = "of one thread"
    if re.search(rb"^[ \t]*during\b", text, re.M):
        own, what = (IRQ.name,), "with an interruption"
    elif columns:
        # One operation of the first thread is also interrupted by the other's, at each instruction.
        once = columns == [b"1", *[b"2"] * (len(columns) - 1)] or columns == [b"2", b"1"]
        own, what = (HISTORY.name, IRQ.name) if once else (HISTORY.name,), "of two threads"
    if lane not in (*own, "all"):
        raise Refused(f"PROGRAM={path}: a program {what} runs in lane {own[0]}; leave "
                      f"LANE={lane} out")
    asked = tuple(name for name in own if lane in (name, "all"))
    if not any(asked[0] in kind.lanes for kind in wanted):
        raise Refused(f"PROGRAM={path}: it is of lane {asked[0]}, which variant {wanted[0].name} "
                      "does not have")
    return asked


def _lacks(lane: str, only: tuple[str, ...], arch: str, known: tuple[archs.Arch, ...]) -> str:
    """Why an arch has no such lane."""
    having = " or ".join(one.name for one in known if one.has(LANES[lane]))
    word = f"CASE={','.join(only)}: it is of lane {lane}, which {arch} does not have" if only else \
        f"LANE={lane}: {arch} does not have it"
    return f"{word}: its code does not say which orderings it asks for; give ARCH={having}"


def _pairs_dir(value: str | None) -> Path | None:
    path = _path(value)
    if path is not None and not path.is_dir():
        raise Refused(f"PAIRS_DIR={value}: no such folder")
    return path


def _of_new(values: Mapping[str, str]) -> None:
    """Refuse variables of the verb that makes a pair, with another verb."""
    if values.get("DIR"):
        raise Refused(f"DIR={values['DIR']}: for make new; pairs that are there are found with "
                      f"PAIRS_DIR={values['DIR']}")
    if values.get("KIND"):
        raise Refused(f"KIND={values['KIND']}: for make new; leave it out")


def _choice(name: str, value: str | None, choices: tuple[str, ...]) -> str | None:
    if value and value not in choices:
        raise Refused(f"{name}={value}: choose one of {', '.join(choices)}")
    return value or None


def _outcome(value: str | None) -> str | None:
    """An outcome, as the table of lane insn has it; of an errno the sign may be missing."""
    if not value:
        return None
    if not re.fullmatch(r"success|false|-?E[0-9A-Z]+|-[0-9]{1,4}", value):
        raise Refused(f"OUTCOME={ui.clean(value)}: no outcome; give success, false or an errno, "
                      "e.g. OUTCOME=-ENOSPC")
    if value[1:].isdigit() and int(value[1:]) in errno.errorcode:
        return f"-{errno.errorcode[int(value[1:])]}"
    return f"-{value}" if value.startswith("E") else value


def _seed(value: str | None) -> int:
    if value == "random":
        return secrets.randbits(32)
    # int() takes more than a number as C writes it: underscores, spaces, other scripts' digits.
    number = re.fullmatch(r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0|[1-9][0-9]*", value or "1")
    seed = int(number.group(), 0) if number else -1
    if not 0 <= seed < 2**64:
        raise Refused(f"SEED={value}: give a number from 0 to 2^64-1, or random")
    return seed


def _flag(name: str, value: str | None) -> bool:
    if value not in (None, "", "0", "1"):
        raise Refused(f"{name}={value}: give 0 or 1")
    return value == "1"


def _pairs(value: str | None, every: tuple[str, ...], folder: Path | None,
           new: bool) -> tuple[str, ...]:
    """The pairs asked for. `new` is for the verb that makes one: it need not be there yet."""
    if value is None:
        return every
    named = tuple(value.replace(",", " ").split())
    if not named:
        raise Refused("PAIR names no pair; leave it out for all of them, or name some of "
                      f"{', '.join(every)}")
    for pair in named:
        if pair not in every and not new:
            if folder is not None and pairs.NAME.fullmatch(pair) and (folder / pair).is_dir():
                raise Refused(f"PAIR={pair}: {folder / pair} has no contract.h; write one")
            raise Refused(f"PAIR={ui.clean(pair)}: no such pair; there are {', '.join(every)}"
                          + ("" if folder else "; for one of your own give PAIRS_DIR"))
        if named.count(pair) > 1:
            raise Refused(f"PAIR={value}: {pair} is named twice; name it once")
    return named


def _line(name: str, value: str) -> str:
    if not value.isprintable() or len(value) > 1000:
        raise Refused(f"{name}: give one line of at most 1000 printable characters")
    return value


def _count(name: str, value: str | None, default: int) -> int:
    if not value:
        return default
    if not re.fullmatch("[0-9]{1,7}", value) or not 1 <= int(value) <= 1000000:
        raise Refused(f"{name}={value}: give a number from 1 to 1000000")
    return int(value)


def _seconds(name: str, value: str | None, default: float) -> float:
    if not value:
        return default
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value) or not float(value):
        raise Refused(f"{name}={value}: give a number of seconds above 0, such as 20 or 2.5")
    return float(value)


def _minutes(value: str | None) -> float | None:
    if not value:
        return None
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value) or not float(value):
        raise Refused(f"MINUTES={ui.clean(value)}: give a number of minutes above 0, such as 30 "
                      "or 0.5")
    return float(value)


def _margin(value: str | None) -> float | None:
    if not value:
        return None
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", value, re.A) or not float(value):
        raise Refused(f"MARGIN={ui.clean(value)}: give percent above 0 and below 100, such as 5")
    return float(value)


def _limit(value: str | None) -> tuple[float, float | None] | None:
    if not value:
        return None
    number = r"[0-9]{1,6}(?:\.[0-9]{1,3})?"
    found = re.fullmatch(rf"({number})(?:,({number}))?", value, re.A)
    if not found:
        raise Refused(f"LIMIT={ui.clean(value)}: give percent, and instructions behind a comma if "
                      "those are limited as well: LIMIT=2 or LIMIT=2,30")
    return float(found.group(1)), float(found.group(2)) if found.group(2) else None


def check_paths(request: Request) -> None:
    """Refuse folders in which kbuild and make fail, with words that do not say why."""
    for name, path in (("the checkout", TOP), ("OUT", request.out),
                       ("KPARITY_CACHE", request.cache), ("KDIR", request.kdir),
                       ("KERNEL_SRC", request.kernel_src), ("PAIRS_DIR", request.pairs_dir),
                       ("DIR", request.new_in)):
        if path is not None and (bad := re.search(r"""[\s:#$%&*?'"`|;<>()\\[\]{}=]""", str(path))):
            raise Refused(f"{name} {ui.clean(str(path))}: make cannot build in a folder with "
                          f"{bad.group()!r} in its path; choose another")


def parse(words: list[str], env: Mapping[str, str], new: bool = False,
          soak: bool = True, whole: bool = False) -> Request:
    """Check NAME=VALUE words, which win over the environment.

    `new` is for the verb that makes a pair: PAIR then names one that is not there. Without
    `soak` JOBS, which other programs have in the environment as well, is not looked at. `whole`
    is for the verb that tells of all arches and variants, unless some are named.
    """
    # make hands on PAIR=' ' as an empty word; to run all pairs then is not what was meant.
    values = {name: env[name] for name in VARIABLES
              if env.get(name) or name in ("PAIR", "CASE") and name in env}
    for word in words:
        name, eq, value = word.partition("=")
        if not eq or name not in VARIABLES:
            import difflib  # pylint: disable=import-outside-toplevel
            near = difflib.get_close_matches(name, VARIABLES, 1)
            hint = f"is {near[0]}=... meant? " if near else ""
            raise Refused(f"'{ui.clean(name)}': not a variable; {hint}'make help' lists them")
        values[name] = value

    known = archs.load_all(TOP / "qemu" / "arch")
    arch = values.get("ARCH") or ("all" if whole else archs.host_name(platform.machine()))
    if arch != "all" and arch not in known:
        raise Refused(f"ARCH={arch}: choose one of {', '.join(known)} or all")

    kinds = variants.load_all(TOP / "qemu" / "variant")
    variant = values.get("VARIANT") or ("all" if whole else variants.BASE)
    if variant != "all" and variant not in kinds:
        raise Refused(f"VARIANT={variant}: choose one of {', '.join(kinds)} or all")

    if not new:
        _of_new(values)
    # The folder that a first pair is made in has none yet, or is not there.
    pairs_dir = _path(values.get("PAIRS_DIR")) if new else _pairs_dir(values.get("PAIRS_DIR"))
    every = pairs.shipped() + pairs.outside(None if new else pairs_dir)
    chosen = _pairs(values.get("PAIR"), every, pairs_dir, new)

    lane = _choice("LANE", values.get("LANE"), (*lanes.LANES, "all")) or "all"
    # Of all variants those are meant that have the lane.
    wanted = tuple(kind for kind in kinds.values() if variant in (kind.name, "all")
                   and (lane == "all" or lane in kind.lanes))
    if not wanted:
        raise Refused(f"LANE={lane}: variant {variant} has lane "
                      f"{' and '.join(kinds[variant].lanes)} only; its figures would mislead")
    kernel = values.get("KERNEL") or None
    if kernel and not re.fullmatch(r"\d+\.\d+", kernel):
        raise Refused(f"KERNEL={kernel}: give a series such as 7.3")
    kdir = _folder("KDIR", values.get("KDIR"), ".config")
    kernel_src = _folder("KERNEL_SRC", values.get("KERNEL_SRC"), "Kconfig")
    if sum(x is not None for x in (kernel, kdir, kernel_src)) > 1:
        raise Refused("KERNEL, KERNEL_SRC and KDIR exclude each other; give one")
    if kdir and "all" in (arch, variant):
        raise Refused("KDIR is one build; give its ARCH and VARIANT as well")

    program = _program(values.get("PROGRAM"), chosen, lane, pairs_dir)
    depth = _choice("DEPTH", values.get("DEPTH"), tuple(DEPTHS)) or "usual"
    if depth == "quick" and lane in LATE:
        raise Refused(f"DEPTH=quick is without lane {lane}; leave one of the two out")
    every = tuple(name for name in lanes.USUAL if depth != "quick" or name not in LATE)
    asked = _lanes_of_program(program, lane, wanted) if program else \
        every if lane == "all" else (lane,)
    only = () if new or values.get("CASE") is None else cases.named(values["CASE"])
    for name in ("BOOTS", "MARGIN"):
        if values.get(name) and asked != (TIME.name,):
            raise Refused(f"{name}={ui.clean(values[name])}: for lane time; give LANE=time as "
                          "well")
    if only and program:
        raise Refused("CASE and PROGRAM exclude each other: a program runs in the cases that "
                      "take programs, of which LANE= chooses")
    if program:
        wanted = tuple(kind for kind in wanted if asked[0] in kind.lanes)
    if only:
        asked = cases.lanes_of(only, asked, wanted)
        wanted = tuple(kind for kind in wanted if set(asked).intersection(kind.lanes)
                       and cases.in_variant(only, kind))
        chosen = cases.pairs_with(only, tuple(pairs.files(name, pairs_dir) for name in chosen),
                                  asked, "PAIR" in values)
    places = tuple(known.values()) if arch == "all" else (known[arch],)
    able = tuple(one for one in places if any(one.has(LANES[name]) for name in asked))
    if not able:
        raise Refused(_lacks(asked[0], only, arch, tuple(known.values())))
    cache = env.get("KPARITY_CACHE") or os.path.join(
        env.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "kparity")
    return Request(
        archs=able,
        variants=wanted,
        pairs=chosen,
        pairs_dir=pairs_dir,
        lanes=asked,
        seed=_seed(values.get("SEED")),
        programs=_count("PROGRAMS", values.get("PROGRAMS"), 64),
        kernel=kernel,
        kernel_src=kernel_src,
        kdir=kdir,
        toolchain=_choice("TOOLCHAIN", values.get("TOOLCHAIN"), ("host", "root")),
        accel=_choice("ACCEL", values.get("ACCEL"), ("kvm", "tcg")),
        append=_line("APPEND", values.get("APPEND") or ""),
        keep=_flag("KEEP", values.get("KEEP")),
        silence=_seconds("SILENCE", values.get("SILENCE"), SILENCE),
        mirror=values.get("MIRROR") or None,
        out=Path(values.get("OUT") or TOP / "out").expanduser().resolve(),
        cache=Path(cache).expanduser().resolve(),
        verbose=_flag("V", values.get("V")),
        minutes=_minutes(values.get("MINUTES")),
        seeds=seeds.parse(values.get("SEEDS"), (*kinds, *lanes.LANES)),
        jobs=_count("JOBS", values.get("JOBS"), os.cpu_count() or 1) if soak else 0,
        parts=tuple((values.get("PART") or "").replace(",", " ").split()),
        mutants=_count("MUTANTS", values.get("MUTANTS"), MUTANTS),
        in_diff=values.get("IN_DIFF") or None,
        boots=_count("BOOTS", values.get("BOOTS"), BOOTS),
        margin=_margin(values.get("MARGIN")),
        op=values.get("OP") or None,
        outcome=_outcome(values.get("OUTCOME")),
        choices=tuple((values.get("CHOICE") or "").replace(",", " ").split()),
        baseline=_path(values.get("BASELINE")),
        limit=_limit(values.get("LIMIT")),
        frozen=_flag("FROZEN", values.get("FROZEN")),
        against=values.get("AGAINST") or None,
        shard=shards.parse(values),
        times=shards.times_file(values.get("TIMES")),
        shards=shards.number(values.get("SHARDS")),
        dirs=shards.folders(values.get("DIRS")),
        given=tuple(name for name, value in values.items() if value),
        cases=only,
        depth=depth,
        program=program,
        kind=_choice("KIND", values.get("KIND"), ("function", "object")) or "function",
        dest=_path(values.get("DEST")),
        remove=_flag("REMOVE", values.get("REMOVE")),
        new_in=_path(values.get("DIR")) or (pairs_dir if new else None),
        format=_choice("FORMAT", values.get("FORMAT"), FORMATS) or "text",
    )


def check_pairs(request: Request) -> None:
    """Refuse pairs outside this repository that lack the one file which nothing replaces."""
    for name in request.pairs:
        pair = pairs.files(name, request.pairs_dir)
        if not pair.port.is_relative_to(TOP) and not pair.port.is_file():
            raise Refused(f"PAIR={name}: {pair.port}: no such file; write the port, "
                          f"a 'pub(crate) fn' for each row of {pair.contract}")


def pair_word(pair: str, others: Iterable[str]) -> str:
    """The word PAIR=... that runs a pair again, in a kernel with the options of others too."""
    return f"PAIR={shlex.quote(' '.join(dict.fromkeys((pair, *others))))}"


def words_of(req: Request, arch: archs.Arch, variant: variants.Variant) -> dict[str, str]:
    """The variables that run one arch and variant of a request again, but for PAIR.

    Everything that changes what runs is in them where it is not the default; what
    says where things are kept or shown is not. The seed is there as a number, as
    SEED=random would draw another.
    """
    plain = parse([], {})
    words = {
        "ARCH": arch.name,
        "VARIANT": variant.name if variant.name != variants.BASE else None,
        "PAIRS_DIR": req.pairs_dir,
        "SEED": str(req.seed),
        "PROGRAMS": str(req.programs) if req.programs != plain.programs else None,
        "PROGRAM": req.program,
        "CASE": ",".join(req.cases) or None,
        # A case and a program have their lanes, but for one that has to be asked for.
        "LANE": req.lanes[0] if len(req.lanes) == 1 and (
            LANES[req.lanes[0]].asked or not (req.program or req.cases)) else None,
        "BOOTS": str(req.boots) if req.boots != plain.boots else None,
        "MARGIN": f"{req.margin:g}" if req.margin is not None else None,
        "DEPTH": req.depth if req.depth != plain.depth else None,
        "KERNEL": req.kernel,
        "KERNEL_SRC": req.kernel_src,
        "KDIR": req.kdir,
        "TOOLCHAIN": req.toolchain,
        "ACCEL": req.accel,
        "APPEND": req.append or None,
        "SILENCE": f"{req.silence:g}" if req.silence != plain.silence else None,
    }
    return {name: str(value) for name, value in words.items() if value is not None}


def replay(req: Request, arch: archs.Arch, variant: variants.Variant) -> str:
    """The same variables, as words of `make run`."""
    # make expands what it is given, then the shell is done with it: $ is make's own.
    return " ".join(f"{name}={shlex.quote(value.replace('$', '$$'))}"
                    for name, value in words_of(req, arch, variant).items())
