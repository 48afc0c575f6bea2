# SPDX-License-Identifier: GPL-2.0
"""What kmod/engine/code.h takes for instructions that others cannot see, in real kernels."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from kplib.build import kernel
from kplib.common import proc
from kplib.configure import archs, request, variants

from .live import TOP, needs, needs_kernel

#: Has what code.h takes from the kernel's headers, says of each instruction in hexadecimal digits
#: on standard input its size and where it goes on, or 0 0 for one that is not known.
PROGRAM = """\
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
#define BIT(n) (1U << (n))
#define _LINUX_TYPES_H
#include "{header}"

int main(void)
{{
	char line[64];

	while (fgets(line, sizeof(line), stdin)) {{
		struct kp_insn insn = {{ 0 }};
		u8 code[KP_INSN_MAX] = {{ 0 }};
		u32 i, byte;

		for (i = 0; i < KP_INSN_MAX && sscanf(line + 2 * i, "%2x", &byte) == 1; i++)
			code[i] = byte;
		if (!kp_insn_alone(code, {any}, &insn))
			memset(&insn, 0, sizeof(insn));
		printf("%u %lld\\n", insn.size, (long long)insn.next);
	}}
	return 0;
}}
"""

#: A line of llvm-objdump: address, bytes, the instruction.
LINE = re.compile(r"^\s*([0-9a-f]+): ([0-9a-f]{8}|[0-9a-f]{2}(?: [0-9a-f]{2})*)\s*\t(.*)$")
#: Different instructions of a kernel that are looked at.
LOOKED_AT = 20000

#: By arch: memory that is not found by the stack pointer; what touches none of its operands; what
#: does something that others can see; what goes on elsewhere than behind itself.
ELSEWHERE = {
    "x86_64": re.compile(r"\((?!%rsp)|%[fgc]s:|\(%rsp,?.*\(|\t-?0x[0-9a-f]+(?:, %|$)"),
    "arm64": re.compile(r"\[(?!sp)"),
}
NO_ACCESS = {"x86_64": ("lea", "nop", "endbr"), "arm64": ("prfm", "adr")}
SEEN = {
    "x86_64": re.compile(r"^(lock|xchg|cmpxchg|xadd|cli|sti|popf|in|out|int3?|iret|sys|hlt|rdmsr"
                         r"|wrmsr|rep|mov\S*\s.*%[cd]r|ud|[lsm]fence|swapgs|clac|stac|lgdt|lidt"
                         r"|invl)\b"),
    "arm64": re.compile(r"^(msr|mrs|svc|brk|hvc|smc|eret|dmb|dsb|isb|sev|wf|sys|tlbi|dc|ic|at|udf"
                        r"|ld[ax]|st[lx]|cas|swp|ldadd|ldset|ldclr|hlt|clrex)"),
}
TARGET = re.compile(r"(?:jmp|call|bl?)q?\s+0x([0-9a-f]+)")
AWAY = {
    "x86_64": re.compile(r"^(j|call|ret|notrack)"),
    "arm64": re.compile(r"^(b|bl|br|blr|ret|cb|tb|b\.)"),
}


@needs_kernel
@needs(seconds=20)
class TestCode(unittest.TestCase):
    """kmod/engine/code.h"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(dir=TOP)
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.request = request.parse([], {})
        self.tools = kernel.tools_for(self.request)

    def decoder(self, arch: str, any_memory: bool = False) -> Path:
        """The program, for an arch."""
        source, built = self.folder / "main.c", self.folder / "main"
        (self.folder / "linux").mkdir(exist_ok=True)
        (self.folder / "linux/types.h").write_text("")
        source.write_text(PROGRAM.format(header=TOP / "kmod/engine/code.h",
                                         any=str(any_memory).lower()))
        config = {"x86_64": "CONFIG_X86_64", "arm64": "CONFIG_ARM64"}[arch]
        proc.output(self.tools.argv("clang", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter",
                                    f"-D{config}", f"-I{self.folder}", "-o", built, source))
        return built

    def decoded(self, arch: str, codes: list[str], any_memory: bool = False
                ) -> list[tuple[int, int]]:
        """Size and next one of each instruction, both 0 where it is not known."""
        done = subprocess.run(self.tools.argv(self.decoder(arch, any_memory)), check=True,
                              input="".join(f"{code}\n" for code in codes), text=True,
                              stdout=subprocess.PIPE)
        return [(int(size), int(to)) for size, to in map(str.split, done.stdout.splitlines())]

    def instructions(self, arch: str) -> dict[str, tuple[int, str]]:
        """Instructions of a kernel that is built, by their bytes: an address and the text."""
        built = kernel.known(self.request, archs.load_all(TOP / "qemu/arch")[arch],
                             variants.load_all(TOP / "qemu/variant")[variants.BASE])
        if built is None or not (built / "build/vmlinux").is_file():
            self.skipTest(f"no kernel {arch} base is built")
        found: dict[str, tuple[int, str]] = {}
        with open(built / "build/vmlinux", "rb") as image:
            with subprocess.Popen(self.tools.argv("llvm-objdump", "-d", "--section=.text", "-"),
                                  stdin=image, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    match = LINE.match(line)
                    if match is None:
                        continue
                    if len(found) == LOOKED_AT:
                        process.kill()
                        break
                    at, code = int(match[1], 16), match[2].replace(" ", "")
                    # A word of arm64 is printed as a number.
                    code = bytes.fromhex(code)[::-1].hex() if arch == "arm64" else code
                    found.setdefault(code, (at, match[3]))
        return found

    def compare(self, arch: str) -> None:
        """What is known of each instruction is what the disassembler says."""
        found = self.instructions(arch)
        known = 0
        for (code, (at, text)), (size, to) in zip(found.items(),
                                                  self.decoded(arch, list(found))):
            if not size:
                continue
            known += 1
            with self.subTest(text=text, code=code):
                self.assertEqual(size, len(code) // 2)
                self.assertNotRegex(text, SEEN[arch])
                if not text.startswith(NO_ACCESS[arch]):
                    self.assertNotRegex(text.partition("<")[0], ELSEWHERE[arch])
                target = TARGET.match(text)
                if target:
                    self.assertEqual(at + to, int(target[1], 16))
                elif AWAY[arch].match(text) and not text.startswith(("bic", "bf", "bti")):
                    self.assertEqual(to, 0)
                else:
                    self.assertEqual(to, size)
        self.assertGreater(known, LOOKED_AT // 3)

    def test_x86_64(self) -> None:
        """Instructions of variable length."""
        self.compare("x86_64")

    def test_arm64(self) -> None:
        """Instructions of four bytes."""
        self.compare("arm64")

    def test_refused(self) -> None:
        """Instructions that others can see, and memory that is another one's."""
        for code in ("f0480fc101", "fa", "fb", "9d", "cc", "6548ff05", "488b07", "48890424" + "90"):
            with self.subTest(code=code):
                self.assertEqual(self.decoded("x86_64", [code])[0][0] > 0, code[:4] == "4889")
        self.assertEqual([(3, 3)], self.decoded("x86_64", ["488b07"], True))
        self.assertEqual([(0, 0)], self.decoded("x86_64", ["f048c10710"], True))
        # push -8(%r12,%rsi), and the same of rsp.
        self.assertEqual([(0, 0), (4, 4)], self.decoded("x86_64", ["41ff7434f8", "ff7434f8"]))
        # ldr x0, [x1]; ldr x0, [sp]; msr daifset, #2; ldadd w1, w0, [x0]; eret; b .+8
        codes = ["200040f9", "e00340f9", "df4203d5", "000021b8", "e0039fd6", "02000014"]
        none = (0, 0)
        self.assertEqual([none, (4, 4), none, none, none, (4, 8)], self.decoded("arm64", codes))
        self.assertEqual([(4, 4), (4, 4), none, none, none, (4, 8)],
                         self.decoded("arm64", codes, True))
