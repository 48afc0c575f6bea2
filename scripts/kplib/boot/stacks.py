# SPDX-License-Identifier: GPL-2.0
"""Stacks with source lines and Rust names, from the tree's decode_stacktrace.sh."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from kplib.build.setup import Setup
from kplib.common import proc
from kplib.common.errors import EnvironmentFailed
from kplib.configure.request import TOP

#: Frames of whoever called the case, which are the same every time, and of the
#: checkers themselves.
_FRAMEWORK = re.compile(
    r"^\s*(kunit_\w+|kthread|ret_from_fork(_asm)?|__kunit_\w+|dump_stack(_lvl)?|show_stack|"
    r"dump_backtrace|print_report|_*kasan_\w+|__asan_\w+|kmemleak_\w+|print_circular_bug|"
    r"check_noncircular|validate_chain|__lock_acquire|__ubsan_\w+|__might_\w+|kcsan_\w+|"
    r"vpanic|panic)(\.\w+)* \(")
_FRAME = re.compile(r"^\s*[\w.<>:$, {}&*@#'\[\]()=;-]+ \(.+:\d+\)")
#: Lines that a summary keeps beside frames that have a source line.
_TELLS = re.compile(
    r"BUG|NMI backtrace|task:|WARNING|UBSAN|ODEBUG|Oops|Kernel panic|rust_kernel|kernel BUG|"
    r"RIP: |pc : |INFO: (?!NMI)|rcu: |watchdog: |\S+ is trying to|but task is already|"
    r"(Read|Write) of size|(write|read) .*by (task|interrupt)|Allocated by|Freed by|"
    r"Last potentially|unreferenced object|which lock already|"
    r"(possible|index|shift|signed|unsigned|load of)|Unable to handle|object|value changed", re.I)
SUMMARY_LINES = 28
#: A place in this repository, or in a pair's folder of its own; a header with a whole path
#: is not the kernel's.
_OURS = re.compile(r"(kmod|rust-stub|tests)/|/.*(/(\w+)/(\3\.(c|rs)|suite\.c)|\.h):")
#: Where a CPU was, in a register or in a stack of arm64's: the offset in a function.
_EXACT = re.compile(r"((?:RIP: \w+:|\bpc : )\S+?\+0x)([0-9a-f]+)(?=/0x)|"
                    r"(^ *\S+\+0x)([0-9a-f]+)(?=/0x[0-9a-f]+( \[\w+\])? \(P\))")
#: A line with an address in it, as the tree's script sees one, and the function there.
_ADDRESS = re.compile(r"\[<[^]]+>\]|[^+ ]+\+0x[0-9a-f]+/0x[0-9a-f]+")
_FUNCTION = re.compile(r"([^+\s(:]+)\+0x[0-9a-f]+/0x")
#: A function of Rust's as a symbol, and in a frame; what is behind its name once that is decoded.
_RUST = re.compile(r"\b_R[a-zA-Z]\w+")
_MANGLED = re.compile(r"^ *(_R[a-zA-Z]\w+)\+0x")
_NAME = re.compile(r" \([^()]*:\d+\)( \w+)?$")
#: FOLDER SCRIPT VMLINUX TREE KO..., with the names of all functions in FOLDER/names.
#:
#: In a module every section begins at 0, and an address in .init.text or .text.unlikely
#: would be taken for one in .text. Linked, each has a place of its own.
#:
#: Three of the programs that the tree's script calls do the same again and again. gdb
#: reads all of vmlinux, once a module, to learn the name of the folder of installed
#: modules; there are none, and a gdb that says nothing will do. llvm-nm lists all symbols
#: of vmlinux, once a function; here it keeps those that are asked for. llvm-addr2line
#: reads the whole debug information of vmlinux, once an address; here one of them answers
#: for all. Behind each address it is asked for one that no code has: where the answer ends.
_DECODE = r"""
folder=$0 script=$1 tree=$3
export VMLINUX="$2"
shift 3
for ko; do
    ld.lld --unresolved-symbols=ignore-all --entry=0 -o "$folder/${ko##*/}" "$ko" ||
        cp "$ko" "$folder"
done
mkdir "$folder/bin"
ln -s /bin/true "$folder/bin/gdb"
cat >"$folder/bin/llvm-nm" <<'END'
#!/bin/sh
list=$0.$(printf '%s' "$1" | tr / _)
[ -e "$list" ] || PATH=${PATH#*:} llvm-nm "$1" |
    awk 'NR == FNR { names[$1]; next } $3 in names' "${0%/bin/*}/names" - >"$list"
exec cat "$list"
END
cat >"$folder/bin/llvm-addr2line" <<'END'
#!/bin/sh
[ "$3" = "$VMLINUX" ] || PATH=${PATH#*:} exec llvm-addr2line "$@"
printf '%s\nffffffffffffffff\n' "$4" >&8
read -r line <&9
while read -r line <&9 && [ "$line" != 0xffffffffffffffff ]; do
    echo "$line"
done
read -r line <&9
END
chmod 755 "$folder/bin/llvm-nm" "$folder/bin/llvm-addr2line"
mkfifo "$folder/asked" "$folder/answers"
llvm-addr2line -a -i -e "$VMLINUX" <"$folder/asked" >"$folder/answers" &
exec 8>"$folder/asked" 9<"$folder/answers"
PATH=$folder/bin:$PATH LLVM=1 exec "$script" "$VMLINUX" "$tree" "$folder"
"""


def _as_return_address(line: str) -> str:
    """The line as the tree's script wants it: it takes every address for that behind a call."""
    return _EXACT.sub(lambda found: (found.group(1) or found.group(3)) +
                      f"{int(found.group(2) or found.group(4), 16) + 1:x}", line)


def _decode_frames(setup: Setup, frames: list[str]) -> list[str]:
    """Lines with an address in each, as the tree's script decodes them, one for one."""
    tools, kernel, text = setup.tools, setup.kernel, "".join(f"{line}\n" for line in frames)
    with tempfile.TemporaryDirectory(dir=setup.results) as folder:
        Path(folder, "names").write_text("".join(
            f"{name}\n" for name in dict.fromkeys(_FUNCTION.findall(text))))
        kos = [ko for ko in sorted(setup.modules.glob("*.ko"))
               if re.search(rf"\[{ko.stem}[] ]", text)]
        argv = tools.argv("sh", "-ec", _DECODE, folder,
                          kernel.tree / "scripts/decode_stacktrace.sh",
                          kernel.build / "vmlinux", kernel.tree, *kos)
        with proc.child(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL) as process:
            out, _ = process.communicate(text.encode(), timeout=120)
    decoded = out.decode(errors="replace")
    for folder in (f"{TOP}/", f"{kernel.tree}/", f"{kernel.build}/./", f"{kernel.build}/"):
        decoded = decoded.replace(folder, "")
    found = decoded.splitlines()
    if process.returncode or len(found) != len(frames):
        raise EnvironmentFailed("stacks are not decoded")
    return found


def decode(setup: Setup, said: list[list[str]]) -> list[list[str]]:
    """Reports with addresses turned into names and source lines.

    A line that many of them have, as stacks begin alike, is decoded once. Whatever
    goes wrong, they come back as they were: a stack that is not decoded must not hide
    the verdict that it belongs to.
    """
    # "Code:" lines would become a page of disassembly; the console's file has them.
    reports = [[line for line in lines if "Code: " not in line] for lines in said]
    frames = {line: _as_return_address(line) for lines in reports for line in lines
              if _ADDRESS.search(line)}
    asked = list(dict.fromkeys(frames.values()))
    if not asked:
        return reports
    try:
        decoded = dict(zip(asked, _decode_frames(setup, asked)))
    except (subprocess.TimeoutExpired, OSError, EnvironmentFailed):
        return said
    # The title of a race names the functions of its stacks, and has no address.
    names = {found.group(1): _NAME.sub("", decoded[asking]).strip() for asking in asked
             if (found := _MANGLED.search(asking))}
    return [[decoded[frames[line]] if line in frames else
             _RUST.sub(lambda found: names.get(found.group(), found.group()), line.strip())
             for line in lines] for lines in reports]


def shortened(line: str) -> str:
    """A frame with the places of ours it was inlined from, or else with its own alone."""
    found = re.fullmatch(r"(.* )\(((?:\S+:\d+ )+\S+:\d+)\)(.*)", line)
    if not found:
        return line
    places = found.group(2).split()
    ours = [p for p in dict.fromkeys(places) if _OURS.match(p)]
    return f"{found.group(1)}({' '.join(ours or places[-1:])}){found.group(3)}"


def summary(lines: list[str], console: str) -> tuple[str, ...]:
    """Lines of a decoded report that a reader needs: its statements, and the frames.

    The line behind the place of a Rust panic is its reason.

    `console` names the file with the rest.
    """
    kept = [shortened(line.rstrip()) for before, line in zip(["", *lines], lines)
            if _TELLS.match(line.strip()) or (_FRAME.match(line) and not _FRAMEWORK.search(line))
            or "rust_kernel: panicked at " in before]
    kept = kept or [line.rstrip() for line in lines]
    dropped = len(kept) - SUMMARY_LINES
    if dropped > 0:
        kept = kept[:SUMMARY_LINES] + [f"... {dropped} lines more in {console}"]
    return tuple(kept)


def of_stuck(dump: list[str]) -> tuple[list[str], bool]:
    """Parts of a stuck guest's dump that matter: CPUs that are not idle, the threads of the case.

    `dump` is what sysrq l, w and t printed, or the panic that an NMI led to. Also
    returns whether a CPU that is not idle has told where it is.
    """
    sections: list[list[str]] = [[]]
    for line in dump:
        if re.match(r"(NMI backtrace for cpu|task:|Kernel panic|CPU: \d)", line) and not (
                sections[-1] and len(sections[-1]) < 3 and line.startswith("CPU: ")):
            sections.append([])
        elif re.match(r"(sysrq|Showing|Kernel log|rt_rq|cfs_rq|Sched Debug|runnable tasks)", line):
            sections.append([])
            continue
        sections[-1].append(line)
    found: list[list[str]] = []
    shown: set[str] = set()
    told = False
    for lines in sections:
        head = " ".join(lines[:3])
        # A task that runs has its stack on a CPU: what is printed here is what it left
        # when it last slept.
        mine = re.match(r"task:(kunit_try_catch|kparity)\S*\s+state:[^R]", head) or (
            re.match(r"NMI backtrace|CPU: |Kernel panic", head)
            and "idling" not in head and "swapper/" not in head)
        pid = re.search(r"\b(?:PID: |pid:)(\d+)", head)
        if not mine or (pid and pid.group(1) in shown):
            continue
        found.append(_without_interrupt(lines))
        if any(_PLACE.match(line) for line in found[-1]):
            told = told or not head.startswith("task:")
            # sysrq w and t tell of the same task, a stall of RCU of the same CPU as l.
            if pid:
                shown.add(pid.group(1))
    return [line for lines in found for line in lines], told


_PLACE = re.compile(r"(RIP: |pc : |\s*\w[\w.$]*\+0x)")
#: Between these a stack has how it came to be printed, and the NMI that asked for it.
_DETOURS = {"<IRQ>": "</IRQ>", "<NMI>": "RIP: "}


def _without_interrupt(lines: list[str]) -> list[str]:
    """A stack without the interrupt, or the panic in an NMI, in which it was printed."""
    kept, end = [], ""
    for line in lines:
        word = line.strip()
        if end and word.startswith(end):
            kept += [line] if end == "RIP: " else []
            end = ""
        elif not end and word in _DETOURS:
            end = _DETOURS[word]
        elif not end and not word.startswith("Kernel panic - not syncing: NMI"):
            kept.append(line)
    return kept
