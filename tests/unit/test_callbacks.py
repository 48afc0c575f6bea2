# SPDX-License-Identifier: GPL-2.0
"""Rows of callbacks, of other ends of an object, of adapters and of what is judged afterwards."""

import unittest
from pathlib import Path

from kplib.contract import emit_c, emit_rust, rows, rust_types

OBJECT = """\
KP_OBJECT(struct d, struct d_view, d_view)
KP_DESTROY(d_destroy, SLEEPS)
KP_TYPE(struct d_view, sane)
"""
CREATE = """\
KP_CREATE(d_create, SLEEPS, KP_RESULT(struct d *, -ENOMEM),
	  KP_CALLBACK(d_fn, task, saw_run, saw_end, .hi = 3))
"""
REST = """\
KP_CONSUME(d_detach, SLEEPS)
KP_METHOD(d_arm, PROCESS, KP_ERRNO(-EBUSY), KP_NUMBER(u32, delay))
KP_ADAPTER(d_both, SLEEPS, KP_RESULT(int, -ENOMEM), KP_NUMBER(u32, repeats))
KP_AFTER(once, d_once)
KP_PROMISE(once, lifetime, "released once", "by the last reference")
KP_INVARIANT(sane, lifetime, "it is sane", "as always", true, now->sane)
"""


class TestCallbacks(unittest.TestCase):
    """rows.read(), and what is made of it."""

    def refused(self, text: str, line: int, word: str) -> None:
        """A contract is refused, for a line, with a word."""
        with self.assertRaises(rows.BadRow) as caught:
            rows.read(text, "d")
        self.assertEqual(caught.exception.line, line, caught.exception)
        self.assertIn(word, str(caught.exception))

    def test_read(self) -> None:
        """Words of each row."""
        contract = rows.read(OBJECT + CREATE + REST, "d")
        assert contract.create and contract.after
        self.assertEqual(contract.create.parameters[0].names, ("saw_run", "saw_end"))
        self.assertEqual([f.operation("d") for f in contract.consumers], ["detach"])
        self.assertEqual([f.operation("d") for f in contract.functions], ["arm", "both"])
        self.assertEqual([f.name for f in contract.adapters], ["d_both"])
        self.assertEqual((contract.after.id, contract.after.function), ("once", "d_once"))

    def test_c(self) -> None:
        """C hands over the suite's functions, and an adapter the functions of one side."""
        contract = rows.read(OBJECT + CREATE + REST, "d")
        header = emit_c.header(contract, "d.h")
        self.assertIn("struct d *d_rust_create(d_fn task, d_fn task_release, void *task_data);",
                      header)
        self.assertIn("void d_rust_detach(struct d *object);", header)
        self.assertNotIn("d_rust_both", header)
        glue = emit_c.glue(contract, "d.h", "d_glue.c")
        self.assertIn("d_rust_create(saw_run, saw_end, (void *)(uintptr_t)slot[0].n)", glue)
        self.assertIn("res->ret = d_both(&rust_ops, (u32)slot[0].n);", glue)
        self.assertIn('.name = "task", .kind = KP_NUMBER, .size = sizeof(u32)', glue)
        self.assertIn(".after = d_once,", glue)
        self.assertIn(".after_judges = INV_once,", glue)

    def test_rust(self) -> None:
        """In Rust a callback is a task, and an end consumes the object."""
        root = emit_rust.root(rows.read(OBJECT + CREATE + REST, "d"), Path("/s"), Path("/p"))
        self.assertIn("fn create(task: impl glue::Task) -> Result<Self>;", root)
        self.assertIn("bindings::d_create(task.0, task.1, task.2) };", root)
        self.assertIn("unsafe { task.3.refused() };", root)
        self.assertIn("fn detach(self);", root)
        self.assertIn("port::both::<I>(slot.number(0))", root)
        self.assertNotIn("fn both(&self", root)
        self.assertIn("--allowlist-type=d_fn", "".join(
            f"--allowlist-type={name}" for name in rust_types.named_types(
                rows.read(OBJECT + CREATE + REST, "d"))))

    def test_inside(self) -> None:
        """Which operation has the callback run, and what that may not call, is in the tables."""
        told = REST.replace("KP_NUMBER(u32, delay))", "KP_NUMBER(u32, delay))\n"
                            "KP_METHOD(d_flush, SLEEPS, KP_VOID, .calls_back = true,\n"
                            "          .not_inside = true)\n"
                            "KP_METHOD(d_stop, PROCESS, KP_BOOL)\n"
                            "KP_METHOD(d_stop_sync, SLEEPS, KP_BOOL, .not_inside = true,\n"
                            "          .unwaiting = d_stop)", 1)
        glue = emit_c.glue(rows.read(OBJECT + CREATE + told, "d"), "d.h", "d_glue.c")
        self.assertIn(".callback = 1,", glue)
        self.assertIn(".calls_back = true,", glue)
        self.assertIn(".unwaiting = D_STOP,", glue)
        self.assertEqual(glue.count(".not_inside = true,"), 2)
        self.assertNotIn(".callback = ", emit_c.glue(rows.read(OBJECT + CREATE + REST, "d"),
                                                     "d.h", "d_glue.c"))

    def test_bad_inside(self) -> None:
        """What rows say of a callback has to have one that runs."""
        def flush(more: str) -> str:
            return f"KP_METHOD(d_flush, SLEEPS, KP_VOID, .calls_back = true{more})\n"
        for text, line, word in (
                (OBJECT + CREATE.replace("KP_CALLBACK(d_fn, task, saw_run, saw_end, .hi = 3)",
                                         "KP_NUMBER(u32, task)") + REST + flush(""), 12,
                 "no KP_CALLBACK is handed over"),
                (OBJECT + CREATE + REST +
                 "KP_METHOD(d_stop, ANY, KP_VOID, .not_inside = true)\n", 12,
                 "which one has the callback run"),
                (OBJECT + CREATE + REST +
                 "KP_ADAPTER(d_all, SLEEPS, KP_RESULT(int, -ENOMEM), .calls_back = true)\n", 12,
                 "which is of a method"),
                (OBJECT + CREATE + REST + flush(", .unwaiting = d_none"), 12, "no such method"),
                (OBJECT + CREATE + REST + flush(", .unwaiting = d_arm"), 12,
                 "takes and returns other things"),
                (OBJECT + CREATE + REST + flush("") +
                 "KP_METHOD(d_in, SLEEPS, KP_VOID, KP_USER_BYTES(data, u32))\n", 13,
                 "is user memory")):
            with self.subTest(text):
                self.refused(text, line, word)

    def test_bad(self) -> None:
        """Each mistake is told with its line."""
        for text, line, word in (
                (OBJECT + CREATE.replace("saw_run, saw_end, ", "saw_run, ") + REST, 5,
                 "two functions"),
                (OBJECT + CREATE.replace(".hi = 3", ".lo = 3") + REST, 5, "no option"),
                (OBJECT + CREATE + "KP_METHOD(d_arm, ANY, KP_VOID,\n"
                 " KP_CALLBACK(d_fn, task, run, end))", 7, "KP_CREATE alone"),
                (OBJECT + CREATE + "KP_ADAPTER(d_a, ANY, KP_VOID,\n KP_TEXT(t))", 7,
                 "numbers alone"),
                (OBJECT + CREATE + REST + "KP_CONSUME(d_leave)\n", 12, "a context"),
                (OBJECT + CREATE + REST.replace("d_both", "d_detach"), 8, "is taken"),
                (OBJECT + CREATE + REST.replace("KP_AFTER(once", "KP_AFTER(sane"), 9,
                 "no KP_PROMISE(sane"),
                (OBJECT + CREATE + REST.replace("KP_AFTER(once, ", "KP_AFTER("), 9, "wants the id"),
                (OBJECT + CREATE + REST + "KP_AFTER(once, d_once)\n", 12, "a second KP_AFTER"),
                ("KP_FUNCTION(f, ANY, KP_VOID)\nKP_CONSUME(g, ANY)\n", 2, "no KP_OBJECT"),
                ("KP_ADAPTER(f, ANY, KP_VOID)\n", 1, "no KP_OBJECT"),
                ("KP_FUNCTION(f, ANY, KP_VOID)\nKP_AFTER(a, f)\n"
                 "KP_PROMISE(a, errors, \"x\", \"y\")\n", 2, "no KP_OBJECT")):
            with self.subTest(text):
                self.refused(text, line, word)


if __name__ == "__main__":
    unittest.main()
