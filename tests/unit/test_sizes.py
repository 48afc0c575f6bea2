# SPDX-License-Identifier: GPL-2.0
"""How much code operations are."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from kplib.judge import kinds, sizes

#: A pair with push(), whose C side calls grow(), which calls itself and a function of the kernel.
PLAIN = """
0000000000000000 g     F .text\t0000000000000010 a_push
0000000000000010 l     F .text\t0000000000000020 grow
0000000000000030 l     F .text\t0000000000000017 c_call_noop
0000000000000050 l     F .text\t000000000000001d c_call_push
0000000000000070 l     F .text\t0000000000000030 _RINvNtCs_6a_root6engine4pushNtNtB4_1c6ObjectEB4_
00000000000000a0 g     F .text\t0000000000000018 _RNvNtCs_6a_root4glue14nothing_over_c
0000000000000000 l     F .init.text\t0000000000000099 a_init
0000000000000000 l     O .data\t0000000000000099 data
"""
READABLE = PLAIN.replace("_RINvNtCs_6a_root6engine4pushNtNtB4_1c6ObjectEB4_",
                         "a_root::engine::push::<a_root::c::Object>").replace(
    "_RNvNtCs_6a_root4glue14nothing_over_c", "a_root::glue::nothing_over_c")
CODE = """
0000000000000000 <a_push>:
       0: jmp     0x10 <grow>
0000000000000010 <grow>:
      10: callq   0x15 <grow+0x5>
\t\t0000000000000011:  R_X86_64_PLT32\tkmalloc-0x4
      18: movq    $0, %rdi
\t\t0000000000000019:  R_X86_64_32S\tc_call_noop
      20: jne     0x12 <grow+0x2>
      2b: jmp     0x30 <c_call_noop>
\t\t000000000000002c:  R_X86_64_PLT32\t__x86_return_thunk-0x4
0000000000000050 <c_call_push>:
      50: callq   0x55 <c_call_push+0x5>
\t\t0000000000000051:  R_X86_64_PLT32\ta_push-0x4
0000000000000070 <engine>:
      70: callq   0x75 <engine+0x5>
\t\t0000000000000071:  R_X86_64_PLT32\ta_push-0x4
"""


class TestSizes(unittest.TestCase):
    """sizes.of_functions() and sizes.read()"""

    def test_reached(self) -> None:
        """Calls and jumps lead on, a pointer and a jump to the kernel's return thunk do not."""
        functions = sizes.Functions(PLAIN, READABLE, kinds.disassembly(CODE))
        found = sizes.of_functions(functions, "a", ["push", "gone"])
        # push() and grow(), and what the callers have beyond the no-op's.
        self.assertEqual(found.operations, {"push": {"c->c": 0x30 + 0x1d - 0x17,
                                                     "rust->c": 0x30 + 0x30 - 0x18}})
        self.assertEqual(found.together, {"c->c": 0x36, "rust->c": 0x48})

    def test_shared(self) -> None:
        """What two operations share counts once for both together."""
        more = ("0000000000000100 l     F .text\t0000000000000020 c_call_pop\n",
                "0000000000000100 <c_call_pop>:\n     100: callq   0x10 <grow>\n")
        functions = sizes.Functions(PLAIN + more[0], READABLE + more[0],
                                    kinds.disassembly(CODE + more[1]))
        found = sizes.of_functions(functions, "a", ["push", "pop"])
        self.assertEqual(found.operations["pop"], {"c->c": 0x20 + 0x20 - 0x17})
        self.assertEqual(found.together["c->c"], 0x10 + 0x20 + 6 + 9)

    def test_kept(self) -> None:
        """The lists are read once for a module, and again for another one."""
        lists = "=====\n".join((PLAIN, READABLE, CODE))
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch("kplib.common.proc.output", return_value=lists) as read:
            ko, tools = Path(folder) / "kparity_a.ko", mock.Mock()
            for content, times in ((b"one", 1), (b"one", 1), (b"other", 2)):
                ko.write_bytes(content)
                found = sizes.read(tools, ko.parent, "a", ["push"])
                self.assertEqual(found.together["c->c"], 0x36)
                self.assertEqual(read.call_count, times)
            ko.with_suffix(".sizes.json").write_text("{", encoding="utf-8")
            self.assertEqual(sizes.read(tools, ko.parent, "a", ["push"]), found)
            self.assertEqual(read.call_count, 3)


if __name__ == "__main__":
    unittest.main()
