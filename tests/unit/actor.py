# SPDX-License-Identifier: GPL-2.0
"""A program that plays a guest: its init on standard input and output, its console on a socket.

    actor.py CONSOLE SCRIPT

SCRIPT is JSON: "cases" has the names of each pair's cases, "programs" pairs with a user
program, "suite" the name of its results where that is not PAIR_user, "tables" texts to give in
place of good ones ("ring/cost"), and "deeds" what goes wrong; with "quiet" no marker reaches the
console. "words" has lines to print, by name; "lockdep_off" a pair in whose guest lockdep has
turned itself off.
A deed is done "at" a moment, in the words of a console marker and of this file
("load ring", "ring spsc c->c", "ring_user c", "end ring" when its suite has run and nothing
of it was read, "after ring" when all was read, "unload ring", "start", "leaks", "off"): "hang",
"die", "reboot", "panic", "oops", "say NAME" (print that of "words"), or "pause SECONDS".
With "behind" it is done only where that pair has run before in the same guest, with "once",
a file's name, in one guest alone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any, NoReturn

PATHS = ("c->c", "c->rust", "rust->c", "rust->rust")
OOPS = ("BUG: unable to handle page fault for address: 0123456789abcdef",
        "Oops: Oops: 0002 [#1] SMP", "RIP: 0010:kmalloc_noprof+0x1/0x2",
        "---[ end trace 0000000000000000 ]---")


class Actor:
    """The guest."""

    def __init__(self, console: int, script: dict[str, Any]) -> None:
        self.console = console
        self.script = script
        self.mark = ""
        self.skip: list[str] = []
        self.ran: list[str] = []
        self.given: dict[str, str] = {}

    def print(self, text: str) -> None:
        """Print a line on the console."""
        if self.script.get("quiet") and text.startswith("kparity["):
            return
        os.write(self.console, f"[    1.000000] {text}\n".encode())

    def panic(self, why: str) -> NoReturn:
        """End as a kernel does."""
        self.print(f"Kernel panic - not syncing: {why}")
        sys.exit(0)

    def do(self, moment: str) -> None:
        """Misbehave, if this is the moment for it."""
        for deed in self.script.get("deeds", []):
            if deed["at"] != moment or deed.get("behind", self.ran) not in (self.ran, *self.ran):
                continue
            if once := deed.get("once"):
                if os.path.exists(once):
                    continue
                with open(once, "wb"):
                    pass
            name, _, seconds = deed["do"].partition(" ")
            if name == "pause":
                time.sleep(float(seconds))
            elif name == "say":
                for line in self.script["words"][seconds]:
                    self.print(line)
            elif name == "hang":
                time.sleep(60)
            elif name == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            elif name == "reboot":
                sys.exit(0)
            elif name == "oops":
                for line in OOPS:
                    self.print(line)
                self.panic("Fatal exception")
            else:
                self.panic("asked for")

    def run(self, suite: str) -> None:
        """Run a suite, and keep its KTAP."""
        pair = suite.partition("_")[0]
        cases = self.script["cases"][pair] if suite == pair else [suite.split("_")[1]]
        lines = ["KTAP version 1", "1..1", "    KTAP version 1", f"    # Subtest: {suite}",
                 f"    1..{len(cases)}"]
        for number, case in enumerate(cases, 1):
            lines += ["        KTAP version 1", f"        # Subtest: {case}"]
            for at, path in enumerate(PATHS, 1):
                if f"{pair}.{case}.{path}" not in self.skip:
                    self.print(f"kparity[{self.mark}]: at {pair} {case} {path} {at}")
                    self.do(f"{pair} {case} {path}")
                    lines.append(f"        ok {at} {path}")
            lines.append(f"    ok {number} {case}")
            self.print(f"kparity[{self.mark}]: at {pair} - - 9")
            self.do(f"behind {pair} {case}")
        self.given[suite] = "\n".join([*lines, f"ok 1 {suite}"]) + "\n"
        self.do(f"end {pair}")

    def load(self, words: str, module: str) -> None:
        """Load a module: the engine has parameters, a pair's module holds its name."""
        if words:
            given = dict(word.split("=", 1) for word in words.split())
            self.mark, self.skip = given["mark"], given["skip"].split(",")
        else:
            self.do(f"load {module}")

    def table(self, pair: str, name: str) -> str:
        """A file of the engine's."""
        if (given := self.script.get("tables", {}).get(f"{pair}/{name}")) is not None:
            return str(given)
        if name == "cases":
            rows = [(pair, case) for case in self.script["cases"][pair]] + [
                (f"{pair}_insn", "insn"), (f"{pair}_history", "history"),
                (f"{pair}_time", "time")]
            return "".join("\t".join((suite, case, "normal", *PATHS)) + "\n"
                           for suite, case in rows)
        if name in ("failures", "allocations", "growth", "depth", "alone", "first", "masked"):
            return ""
        if name == "calls":
            return "".join(f"{path} 100\n" for path in PATHS)
        if name == "times":
            side = "9 1:9,1:9 9:2"
            return "".join((
                "clock 1000\n", *(f"{path} beside 0 of 0 ran 0 0:0 0:0\n" for path in PATHS),
                *(f"{path} {op} 0 warm {side} {side}\n" for op in ("noop", "push")
                  for path in PATHS)))
        if name == "cost":
            costs = (("noop", 10), ("push", 30), ("create", 50), ("destroy", 40))
            return "".join(f"{path} {op} {cost} 5\n" for op, cost in costs for path in PATHS)
        return "full\terrors\t1\t2\t3\t4\tlockstep \n"

    def read(self, path: str) -> str:
        """A file."""
        *_, folder, name = path.split("/")
        if name == "results":
            return self.given[folder]
        if name == "kmemleak":
            self.do("leaks")
        if name == "lockdep_stats":
            off = self.script.get("lockdep_off", "") in self.ran
            return f" debug_locks:                             {0 if off else 1}\n"
        if "/kparity/" not in path:
            return ""
        if name not in ("cases", "failures", "allocations", "growth", "depth", "alone", "first",
                        "masked", "calls"):
            self.ran.append(folder)
        return self.table(folder, name)

    def carry_out(self, verb: str, rest: str) -> tuple[int, bytes]:
        """One request; its answer."""
        if verb == "read":
            return 0, self.read(rest).encode()
        if verb == "unload":
            self.do(f"unload {rest.removeprefix('kparity_')}")
            return 0, b""
        count, _, words = rest.partition(" ")
        data = sys.stdin.buffer.read(int(count))
        if verb == "load":
            self.load(words, data.decode())
        elif verb == "exec":
            pair, side = words.removeprefix("/dev/kparity-").split("-")
            self.do(f"{self.script.get('suite', f'{pair}_user')} {side}")
            return 0, b"KTAP version 1\n1..1\nok 1 opens\n"
        elif words == "/dev/kmsg":
            self.print(data.decode()[3:].rstrip())
            if data.endswith(b"at - - -\n") and self.ran:
                self.do(f"after {self.ran[-1]}")
        elif words.endswith("/run"):
            self.run(words.split("/")[-2])
        return 0, b""

    def serve(self) -> None:
        """Carry out requests until the host says that it is over."""
        self.do("start")
        while line := sys.stdin.buffer.readline().decode().rstrip("\n"):
            verb, _, rest = line.partition(" ")
            status, data = (0, b"") if verb == "off" else self.carry_out(verb, rest)
            sys.stdout.buffer.write(f"{status} {len(data)}\n".encode() + data)
            sys.stdout.buffer.flush()
            if verb == "off":
                self.do("off")
                break


if __name__ == "__main__":
    Actor(int(sys.argv[1]), json.loads(sys.argv[2])).serve()
