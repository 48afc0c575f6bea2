# SPDX-License-Identifier: GPL-2.0
"""What qemu/orders.c takes instructions for, and QEMUs that it does not know."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from kplib.build import kernel, plugin
from kplib.common import proc
from kplib.configure import request

from .live import TOP, needs, needs_kernel

#: Instructions as an assembler writes them, and the name of each.
KNOWN = {
    "ldr w0, [x1]": "r", "str x0, [x1]": "r", "ldp x0, x1, [x2]": "r", "add x0, x1, x2": "r",
    "ldr q0, [x1]": "r", "ldur w0, [x1, #-4]": "r", "prfm pldl1keep, [x1]": "r",
    "ldar w0, [x1]": "ra", "ldarb w0, [x1]": "ra", "stlr x0, [x1]": "rl", "stlrh w0, [x1]": "rl",
    "ldapr x0, [x1]": "rq", "ldaprb w0, [x1]": "rq", "ldapur w0, [x1, #8]": "rq",
    "ldapursw x0, [x1]": "rq", "stlur w0, [x1]": "rl",
    "ldxr w0, [x1]": "rx", "ldaxr x0, [x1]": "rax", "stxr w0, x1, [x2]": "rx",
    "stlxr w0, w1, [x2]": "rlx", "ldaxp x0, x1, [x2]": "rax", "stlxp w0, x1, x2, [x3]": "rlx",
    "cas w0, w1, [x2]": "m", "casa w0, w1, [x2]": "ma", "casl x0, x1, [x2]": "ml",
    "casal w0, w1, [x2]": "mal", "casalb w0, w1, [x2]": "mal", "caspal x0, x1, x2, x3, [x4]":
    "mal", "casp w0, w1, w2, w3, [x4]": "m",
    "ldadd w0, w1, [x2]": "m", "ldaddal x0, x1, [x2]": "mal", "ldaddl w0, w1, [x2]": "ml",
    "ldseta w0, w1, [x2]": "ma", "stadd w0, [x1]": "mu", "staddl w0, [x1]": "mlu",
    "ldadda w0, wzr, [x1]": "mu", "swpal x0, x1, [x2]": "mal", "swpa w0, wzr, [x1]": "mu",
    "swpal x0, xzr, [x1]": "mlu", "casa w0, wzr, [x1]": "ma",
    "ldclrh w0, w1, [x2]": "m", "ldumaxal x0, x1, [x2]": "mal",
    "dmb ish": "brw", "dmb ishld": "br", "dmb ishst": "bw", "dmb sy": "brw", "dmb oshld": "br",
    "dsb ish": "brw", "dsb st": "bw", "isb": "r", "nop": "r", "yield": "r",
}

#: Writes the name of each instruction that it reads.
PROGRAM = """\
#include <stdio.h>
#include "{header}"

int main(void)
{{
	unsigned int bits;
	char name[8];

	while (fread(&bits, sizeof(bits), 1, stdin) == 1) {{
		orders_name(orders_decode(bits), name);
		puts(orders_decode(bits) & ORDERS_HINT ? "hint" :
		     orders_decode(bits) & ORDERS_RETURN ? "return" : name);
	}}
	return 0;
}}
"""


@needs_kernel
@needs(seconds=5)
class TestOrders(unittest.TestCase):
    """qemu/orders-decode.h"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(dir=TOP)
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.tools = kernel.tools_for(request.parse([], {}))

    def names(self, lines: list[str]) -> list[str]:
        """The names of assembled instructions."""
        source, obj = self.folder / "a.s", self.folder / "a.o"
        source.write_text(".arch armv8.5-a\n" + "".join(f"\t{line}\n" for line in lines))
        proc.output(self.tools.argv("clang", "--target=aarch64-linux-gnu", "-c", "-o", obj, source))
        code = self.folder / "code"
        proc.output(self.tools.argv("llvm-objcopy", "-O", "binary", "-j", ".text", obj, code))
        (self.folder / "main.c").write_text(PROGRAM.format(header=plugin.HEADERS[0]))
        proc.output(self.tools.argv("clang", "-Wall", "-Wextra", "-Werror", "-o",
                                    self.folder / "main", self.folder / "main.c"))
        done = subprocess.run(self.tools.argv(self.folder / "main"), input=code.read_bytes(),
                              stdout=subprocess.PIPE, check=True)
        return done.stdout.decode().split()

    def test_names(self) -> None:
        """Each instruction is taken for what it is; those before v8.1 too."""
        self.assertEqual(dict(zip(KNOWN, self.names(list(KNOWN)))), KNOWN)

    def test_hints(self) -> None:
        """The guest's own hints, and the way out of an interrupt."""
        self.assertEqual(self.names(["hint #0x70", "hint #0x7f", "hint #0x6f", "eret"]),
                         ["hint", "hint", "r", "return"])


if __name__ == "__main__":
    unittest.main()
