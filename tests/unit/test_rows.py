# SPDX-License-Identifier: GPL-2.0
"""Rows of a contract: how they are parsed, and which are refused in which line."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from kplib.configure.request import TOP
from kplib.contract import emit_c, emit_rust, model, rows

GOOD = """\
/* KP_FUNCTION(in_a_comment, ANY, KP_VOID) */
KP_FUNCTION(find, ATOMIC, KP_RESULT(int, -EINVAL, -ERANGE),
	    KP_TEXT(pat, .of = "a,)\\"", .max = 12), // KP_TEXT(no)
	    KP_BYTES(u8, data, size_t, .max = 64),
	    KP_FLAGS(unsigned int, how, FNM_A, FNM_B),
	    KP_OUTPUT(u32, where))

KP_FUNCTION(kind, SLEEPS, KP_VOID)
"""

OBJECT = """\
KP_OBJECT(struct pot, struct pot_view, pot_view)
KP_CREATE(pot_create, SLEEPS, KP_RESULT(struct pot *, -EINVAL),
	  KP_NUMBER(u32, size, .lo = 1, .hi = 64, .log2 = true, .beyond = true))
KP_DESTROY(pot_destroy, SLEEPS)
KP_METHOD(pot_put, ANY, KP_ERRNO(-ENOSPC), KP_NUMBER(u64, value),
	  .role = writer, .weight = 12, .locks = "any mutex, 0-1 spinlock irq-off: \\"less\\"",
	  .owns = "the value is "
		  "copied", .on_error = "nothing has changed")
KP_METHOD(pot_full, ATOMIC, KP_RESULT(bool, -EIO), .role = reader)
KP_FUNCTION(pot_largest, ANY, KP_UNSIGNED(u32))
KP_TYPE(struct pot_view, size, used)
KP_INVARIANT(bounded, lifetime,
	     "never more than there is room for",
	     "put looks at the size first",
	     true, now->used <= now->size)
KP_PROMISE(apart, concurrency, "one writer", "said at put")
"""


class TestRows(unittest.TestCase):
    """rows.read()"""

    def refused(self, text: str, line: int, word: str) -> None:
        """A contract is refused, for a line, with a word."""
        with self.assertRaises(rows.BadRow) as caught:
            rows.read(text)
        self.assertEqual(caught.exception.line, line, caught.exception)
        self.assertIn(word, str(caught.exception))

    def test_good(self) -> None:
        """Words, options and lines; strings and comments may hold anything."""
        find, kind = rows.read(GOOD).functions
        self.assertEqual((find.name, find.context, find.line), ("find", "ATOMIC", 2))
        self.assertEqual(find.returns, model.Returns("KP_RESULT", "int", ("-EINVAL", "-ERANGE")))
        self.assertEqual([p.name for p in find.parameters], ["pat", "data", "how", "where"])
        self.assertEqual([p.line for p in find.parameters], [3, 4, 5, 6])
        self.assertEqual(find.parameters[0].options, (("of", '"a,)\\""'), ("max", "12")))
        self.assertEqual(find.parameters[1].size_type, "size_t")
        self.assertEqual(find.parameters[2].names, ("FNM_A", "FNM_B"))
        self.assertEqual(find.outputs, find.parameters[3:])
        self.assertEqual((kind.name, kind.parameters, kind.line), ("kind", (), 8))

    def test_bad(self) -> None:
        """Each mistake is told with its line."""
        for text, line, word in (
                ("\nKP_FUNCTION(f, ANY, KP_VOID", 2, "not closed"),
                ("KP_FUNCTION(f, ANY)", 1, "wants a name"),
                ("KP_FUNCTION(f, SOMETIMES, KP_VOID)", 1, "no context"),
                ("KP_FUNCTION(f, ANY, int)", 1, "no kind of return"),
                ("KP_FUNCTION(f, ANY, KP_SIGNED)", 1, "C type"),
                ("KP_FUNCTION(f, ANY, KP_VOID,\n KP_STRING(s))", 2, "no kind of parameter"),
                ("KP_FUNCTION(f, ANY, KP_VOID,\n KP_TEXT(2s))", 2, "no name"),
                ("KP_FUNCTION(f, ANY, KP_VOID,\n KP_TEXT(s, .most = 2))", 2, "no option"),
                ("KP_FUNCTION(f, ANY, KP_VOID,\n KP_TEXT(s, s))", 2, "no option"),
                ("KP_FUNCTION(f, ANY, KP_VOID, KP_TEXT(s),\n KP_TEXT(s))", 2, "called s"),
                ("KP_FUNCTION(f, ANY, KP_VOID, KP_CHOICE(int, a))", 1, "names of its values"),
                ("KP_FUNCTION(f, ANY, KP_VOID, KP_TEXT(s) x)", 1, "behind"),
                ("KP_FUNCTION(f, ANY, KP_VOID, KP_TEXT(\"s))", 1, "not closed"),
                ("KP_FUNCTION(f, ANY, KP_OFFSET(char *, t), KP_TEXT(s))", 1, "point into"),
                ("KP_FUNCTION(f, ANY, KP_SIGNED(int), KP_OUTPUT(int, o))", 1, "around it"),
                ("KP_FUNCTION(f, ANY, KP_VOID)\nKP_FUNCTION(f, ANY, KP_VOID)", 2, "taken"),
                ("\nKP_FUNCTON(f, ANY, KP_VOID)", 2, "is KP_FUNCTION meant?"),
                ("KP_FUNCTION (f, ANY, KP_VOID)", 1, "stand together"),
                ("KP_FUNCTION(f, ANY, KP_VOID)\n  KP_DIVERGES(a, f, c)", 2, "beginning"),
                ("KP_1(f)", 1, "no row; there are KP_FUNCTION, KP_METHOD, KP_DIVERGES"),
                ("int f(void);\n", 1, "no row of a function"),
                ("KP_FUNCTION(f, ANY, KP_VOID)\nKP_SOURCES(a.c)", 2, "no name of a C file"),
                ("KP_FUNCTION(f, ANY, KP_VOID, " + ", ".join(
                    f"KP_TEXT(s{i})" for i in range(7)) + ")", 1, "more than 6")):
            with self.subTest(text):
                self.refused(text, line, word)

    def test_conditional(self) -> None:
        """A row that the preprocessor may leave out is refused; the file's guard is none such."""
        row = "KP_FUNCTION(f, ANY, KP_VOID)\n"
        for text, line, word in (
                (f"#if 0\n{row}#endif\n{row}", 2, "KP_FUNCTION stands within the #if of line 1"),
                (f"{row}#ifdef A\n#else\nKP_SOURCES(\"a.c\")\n#endif\n", 4, "#ifdef of line 2"),
                (f"#ifndef A\n#define A\n# if B // \\\n\n{row}# endif\n#endif\n", 5,
                 "#if of line 3"),
                (f"#ifndef A\n#define B\n{row}#endif\n", 3, "#ifndef of line 1"),
                (f"#if !defined(A) || B\n#define A\n{row}#endif\n", 3, "#if of line 1"),
                (f"#ifndef A\n#ifdef A\n{row}#endif\n#endif\n", 3, "of line 2"),
                (f"#define A\n#ifndef A\n#define A\n{row}#endif\n", 4, "of line 2"),
                (f"#ifndef A\n#define A\n{row}#endif\n#ifndef A\n#define A\n{row}#endif\n", 7,
                 "of line 5"),
                (f"#ifndef A\n#define A\n#else\n{row}#endif\n", 4, "of line 1"),
                (f"#ifdef B\n#ifndef A\n#define A\n{row}#endif\n#endif\n", 4, "of line 2"),
                ("#ifndef A\n", 1, "no row of a function")):
            with self.subTest(text):
                self.refused(text, line, word)
        for before, opens, after in (
                ("#pragma once\n", "#ifndef A_H", ""), ("", "#if !defined(A_H)", ""),
                ("#include <linux/types.h>\n#define B 1\n", "# if ! defined A_H // first", ""),
                ("", "#ifndef A_H", "#ifdef B\n#else\n#endif\n#undef A_H\n")):
            with self.subTest(opens, before=before):
                self.assertEqual(len(rows.read(
                    f"{before}{opens}\n#define A_H 1\n#if B\n#else\n#endif\n{row}#endif\n{after}"
                ).functions), 1)
        guarded = f"#ifndef A_H /* {row} */\n#define A_H\n#ifdef B\n#endif\n{row}#endif\n"
        self.assertEqual(rows.read(guarded).functions[0].line, 6)
        with self.assertRaises(rows.BadRow):
            rows.sources('#if 0\nKP_SOURCES("a.c")\n#endif\n')

    def test_options(self) -> None:
        """Options of an operation's row, behind its parameters."""
        row = "KP_FUNCTION(f, ANY, KP_VOID,\n KP_TEXT(s), "
        for rest, line, word in (
                (".wait = 2)", 2, "no option of a row; there are .weight = ..., .role"),
                (".weight = 2,\n KP_TEXT(t))", 3, "options come last"),
                ("\n KP_NUMBER(int, i, .beyond = 1))", 3, ".beyond is true or false"),
                ("\n KP_NUMBER(int, i, .log2 = LOG2))", 3, ".log2 is true or false"),
                ("\n KP_CHOICE(int, i, A, .any = yes))", 3, ".any is true or false"),
                ("\n KP_TEXT(t, .numeric = 0))", 3, ".numeric is true or false"),
                (".owns = nothing)", 2, "write text in quotes"),
                (".locks = \"\")", 2, "write text in quotes"),
                (".locks = \"takes a lock\")", 2, "'takes a lock' is not what locks are taken"),
                (".locks = \"none, mutex\")", 2, "is not what locks are taken"),
                (".locks = \"mutex, 2 mutex\")", 2, "write each kind of lock once"),
                (".locks = \"0 mutex\")", 2, "write a number from 1 to 100"),
                (".locks = \"3-2 mutex\")", 2, "write a number from 1 to 100"),
                (".role = 2nd)", 2, "no name of a role"),
                (".role = reader)", 1, "nothing excludes its role")):
            with self.subTest(rest):
                self.refused(row + rest, line, word)
        number = "\nKP_FUNCTION(f, ANY, KP_VOID, KP_NUMBER(int, i, .lo = 2{}))"
        self.assertEqual(rows.read(number.format("")), rows.read(number.format(
            ", .log2 = false, .beyond = false, .wraps = false, .any = false")))


class TestObjects(unittest.TestCase):
    """Rows of a pair with an object"""

    def test_good(self) -> None:
        """The object, its life, what it does, and what is promised of it."""
        found = rows.read(OBJECT, "pot")
        self.assertEqual(found.object, model.Object("struct pot", "struct pot_view", "pot_view", 1))
        assert found.create and found.destroy
        self.assertEqual((found.create.name, found.create.operation("pot"), found.create.line),
                         ("pot_create", "create", 2))
        self.assertEqual((found.destroy.name, found.destroy.context), ("pot_destroy", "SLEEPS"))
        put, full, largest = found.functions
        self.assertEqual([f.operation("pot") for f in found.functions],
                         ["put", "full", "pot_largest"])
        self.assertEqual((put.method, largest.method), (True, False))
        self.assertEqual((put.option("weight"), put.option("locks"), put.option("owns"),
                          full.option("weight", "16")),
                         ("12", r'"any mutex, 0-1 spinlock irq-off: \"less\""',
                          '"the value is " "copied"', "16"))
        self.assertEqual((put.takes, full.takes),
                         ((model.Takes("mutex", 0, None, False),
                           model.Takes("spinlock", 0, 1, True)), ()))
        self.assertEqual(found.roles, ("writer", "reader"))
        self.assertEqual(found.types,
                         (model.Shared("struct pot_view", ("size", "used"), 11),))
        bounded, apart = found.invariants
        self.assertEqual((bounded.when, bounded.then, bounded.line),
                         ("true", "now->used <= now->size", 12))
        self.assertEqual((apart.id, apart.then, apart.line), ("apart", "", 16))

    def test_functions_alone(self) -> None:
        """A pair of functions has none of it."""
        found = rows.read(GOOD)
        self.assertEqual((found.object, found.create, found.destroy, found.roles),
                         (None, None, None, ()))

    def test_bad(self) -> None:
        """Each mistake is told with its line."""
        def without(word: str) -> str:
            return "\n".join(line for line in OBJECT.split("\n") if not line.startswith(word))

        for text, line, word in (
                (OBJECT.replace(", .role = reader", ""), 9, "pot_full has no .role, and other"),
                (OBJECT + "KP_METHOD(pot_a, ANY, KP_VOID, KP_INOUT(bool, b, .beyond = true), "
                 ".role = reader)", 17, "b is a bool"),
                ('KP_PROMISE(a, layout, "a", "b")\nKP_FUNCTION(g, ANY, KP_VOID)', 1,
                 "there is no KP_OBJECT"),
                (without("KP_OBJECT"), 1, "KP_CREATE without KP_OBJECT"),
                ("KP_DESTROY(f, ANY)\nKP_FUNCTION(g, ANY, KP_VOID)", 1,
                 "KP_DESTROY without KP_OBJECT"),
                ("KP_METHOD(f, ANY, KP_VOID)", 1, "there is no KP_OBJECT"),
                (GOOD + 'KP_INVARIANT(a, layout, "a", "b", c, d)', 9, "there is no KP_OBJECT"),
                (without("KP_TYPE"), 1, "there is no KP_TYPE(struct pot_view, its members)"),
                (without("KP_DESTROY"), 1, "wants a KP_CREATE and a KP_DESTROY"),
                (OBJECT + "KP_DESTROY(pot_destroy, SLEEPS)", 17, "a second KP_DESTROY"),
                (OBJECT + "KP_OBJECT(struct a, struct b, c)", 17, "a second KP_OBJECT"),
                (OBJECT.replace("struct pot, ", "pot, "), 1, "KP_OBJECT wants a struct"),
                (OBJECT.replace(", pot_view)", ")"), 1, "KP_OBJECT wants a struct"),
                (OBJECT.replace(", pot_view)", ", &view)"), 1, "no name of a function"),
                (OBJECT.replace("KP_RESULT(struct pot *", "KP_RESULT(struct pan *"), 2,
                 "returns KP_RESULT(struct pot *, its errnos)"),
                (OBJECT.replace("KP_RESULT(struct pot *, -EINVAL)", "KP_ERRNO(-EINVAL)"), 2,
                 "returns KP_RESULT(struct pot *, its errnos)"),
                (OBJECT.replace(".beyond = true)", ".beyond = true), KP_OUTPUT(u32, first)"), 3,
                 "first is a KP_OUTPUT, and what makes an object in Rust returns that alone"),
                (OBJECT.replace(".beyond = true)", ".beyond = true), KP_GIVEN(struct pan, lid)"),
                 3, "lid is a handle, and those come from an object"),
                (OBJECT.replace("pot_create, SLEEPS", "pot_create, ATOMIC").replace(
                    ".beyond = true)", ".beyond = true), KP_USER_BYTES(from, size_t)"), 3,
                 "from is user memory, which may have to be brought in"),
                (OBJECT.replace("KP_NUMBER(u64, value)", "KP_NUMBER(u64, value, .wraps = true)"),
                 5, "pot_put: .wraps is of what KP_CREATE takes alone"),
                (OBJECT.replace(".lo = 1, .hi = 64, .log2 = true, .beyond = true",
                                ".lo = 1, .wraps = true"), 3,
                 "pot_create: an index that .wraps is any number of its type"),
                (OBJECT.replace("(pot_destroy, SLEEPS)", "(pot_destroy)"), 4,
                 "KP_DESTROY wants a function and a context"),
                (OBJECT.replace("(pot_destroy, SLEEPS)", "(pot_destroy, LATER)"), 4,
                 "KP_DESTROY wants a function and a context"),
                (OBJECT.replace("pot_full", "pot_put"), 9, "the name pot_put is taken"),
                (OBJECT.replace("pot_full", "pot_view"), 9, "the name pot_view is taken"),
                (OBJECT.replace("pot_full", "noop"), 9, "the name noop is taken"),
                (OBJECT.replace("struct pot_view, size, used", "struct pot_view"), 11,
                 "KP_TYPE wants a struct and its members"),
                (OBJECT.replace("struct pot_view, size", "pot_view, size"), 11,
                 "KP_TYPE wants a struct and its members"),
                (OBJECT.replace("size, used", "size, 2nd"), 11, "no name of a member"),
                (OBJECT.replace("size, used", "size, used, .timing = worn"), 11,
                 "has the option .timing = MEMBER alone"),
                (OBJECT.replace("true, now", "now"), 12, "wants an id, a category, what holds, "
                 "how C keeps it, when it applies and what then holds"),
                (OBJECT.replace(', "said at put"', ""), 16, "how C keeps it"),
                (OBJECT.replace("(apart", "(bounded"), 16, "'bounded' is no new id"),
                (OBJECT.replace("(apart", "(Apart"), 16, "'Apart' is no new id"),
                (OBJECT.replace("apart, concurrency", "apart, speed"), 16,
                 "no category; there are ownership"),
                (OBJECT.replace('"one writer"', "one"), 16, "write text in quotes")):
            with self.subTest(word, line=line), self.assertRaises(rows.BadRow) as caught:
                rows.read(text, "pot")
            self.assertEqual(caught.exception.line, line, caught.exception)
            self.assertIn(word, str(caught.exception))


#: How an object is made of each kind of parameter.
MADE = """\
KP_CREATE(pot_create, SLEEPS, KP_RESULT(struct pot *, -EINVAL),
	  KP_STRUCT(struct setting, set, KP_NUMBER(u32, size), KP_FLAGS(u16, how, POT_A)),
	  KP_TEXT(name, .min = 1), KP_BYTES(u8, table, u32), KP_USER_BYTES(from, size_t),
	  KP_INOUT(u32, left))
"""


class TestCreation(unittest.TestCase):
    """KP_CREATE with more than numbers"""

    def setUp(self) -> None:
        before, _, after = OBJECT.partition("KP_CREATE")
        self.contract = rows.read(f"{before}{MADE}KP_DESTROY{after.partition('KP_DESTROY')[2]}",
                                  "pot")

    def test_c(self) -> None:
        """C is handed what is laid out; each member is an argument of its own."""
        glue = emit_c.glue(self.contract, "pot.h", "pot_glue.c")
        self.assertIn("const struct setting set = { .size = (u32)slot[0].n, "
                      ".how = (u16)slot[1].n };", glue)
        for name in ("pot_create", "pot_rust_create"):
            self.assertIn("\treturn ((struct pot *(*)(const void *, const void *, const void *, "
                          f"u64, const void __user *, u64, const void *))kp_as({name}))"
                          "(&set, slot[2].p, slot[3].p, kp_dirty(u32, slot[3].n), "
                          "kp_user_ptr(&slot[4]), kp_dirty(size_t, slot[4].n), slot[5].p);", glue)
        self.assertIn('.name = "set.how", .kind = KP_NUMBER', glue)
        self.assertIn('.name = "left", .kind = KP_INOUT', glue)
        self.assertIn("\t.user = true,\n", glue)
        self.assertIn("sizeof(struct setting) == ", glue)

    def test_rust(self) -> None:
        """In Rust they are what an operation's are, over either side."""
        root = emit_rust.root(self.contract, Path("/s"), Path("/p"))
        self.assertIn("fn create(set: &bindings::setting, name: &CStr, table: &[u8], "
                      "from: glue::UserMemory, left: &mut u32) "
                      "-> Result<impl PinInit<Self>>;", root)
        self.assertIn("let __made = unsafe { <port::Object as Interface>::create("
                      "glue::structure(&__call, set), glue::text(&__call, name), "
                      "glue::bytes(&__call, table.cast(), table_size as usize), "
                      "glue::user(from.cast_mut(), from_size as usize), "
                      "&mut *left) };", root)
        self.assertIn("Caller::<I>::create(&bindings::setting { size: slot.number(0), "
                      "how: slot.number(1) }, slot.text(2), "
                      "glue::bytes(&slot, slot.bytes(3), slot.len(3)), slot.user(4), "
                      "slot.number_at(5))", root)
        self.assertIn("let (from, from_size) = from.into_parts(Key(()));", root)
        self.assertIn("name.to_bytes().len() >= bindings::KP_LIMIT_pot_create_2_min as usize",
                      root)
        self.assertIn("impl kernel::transmute::FromBytes for bindings::setting", root)


#: A structure with an array, and what both sides do when the module is loaded.
STRUCT = """\
KP_FUNCTION(set_up, SLEEPS, KP_ERRNO(-EINVAL),
	    KP_STRUCT(struct setting, set, KP_NUMBER(u32, type, .lo = 1),
		      KP_FLAGS(u16, pad[0], SET_A, SET_B), KP_NUMBER(u16, pad[1], .hi = 0)),
	    KP_NUMBER(u32, by), KP_OUTPUT(u32, old))
KP_MODULE(x_begin, end)
"""


class TestStructures(unittest.TestCase):
    """Structures that are passed by pointer, and KP_MODULE"""

    def test_good(self) -> None:
        """Members are arguments of their own, and those behind them count on."""
        contract = rows.read(STRUCT, "x")
        set_up, = contract.functions
        self.assertEqual([(i, p.name) for i, p in set_up.placed],
                         [(0, "set"), (3, "by"), (4, "old")])
        self.assertEqual([a.name for a in set_up.arguments],
                         ["set.type", "set.pad[0]", "set.pad[1]", "by", "old"])
        self.assertEqual(set_up.arguments[1].names, ("SET_A", "SET_B"))
        self.assertEqual(contract.module, model.Module("x_begin", "end", 5))

    def test_bad(self) -> None:
        """Each mistake is told with its line."""
        for was, now, line, word in (
                ("struct setting, ", "setting, ", 2, "KP_STRUCT wants a struct"),
                ("struct setting, set, ", "struct setting, ", 2, "no name of a parameter"),
                ("KP_NUMBER(u32, type, .lo = 1)", "KP_TEXT(type)", 2, "no member of struct"),
                ("KP_NUMBER(u32, type, .lo = 1)", "KP_NUMBER(u32)", 2, "wants 2 words"),
                ("type", "pad", 2, "pad[0]: members stand in their order"),
                ("pad[1]", "pad[2]", 2, "pad[2]: members stand in their order"),
                ("pad[1]", "pad", 2, "pad: members stand in their order"),
                (".hi = 0)),", ".hi = 0), KP_NUMBER(u32, a), KP_NUMBER(u32, b)),", 1,
                 "more than 6 parameters, of which each member of a structure is one"),
                ("(x_begin, end)", "(x_begin)", 5, "KP_MODULE wants a function for when"),
                ("(x_begin, end)", "(x_begin, &end)", 5, "no name of a function"),
                ("(x_begin, end)", "(set_up, end)", 5, "set_up is an operation")):
            with self.subTest(now), self.assertRaises(rows.BadRow) as caught:
                rows.read(STRUCT.replace(was, now))
            self.assertEqual(caught.exception.line, line, caught.exception)
            self.assertIn(word, str(caught.exception))
        with self.assertRaisesRegex(rows.BadRow, "a second KP_MODULE"):
            rows.read(STRUCT + "KP_MODULE(a, b)")

    def test_built(self) -> None:
        """Callers build it, and the port takes a reference; a keyword has a _ in bindgen's."""
        contract = rows.read(STRUCT, "x")
        text = emit_c.glue(contract, "c.h", "x_glue.c")
        for line in ("\tconst struct setting set = { .type = (u32)slot[0].n, "
                     ".pad[0] = (u16)slot[1].n, .pad[1] = (u16)slot[2].n };",
                     "\tres->ret = set_up(&set, (u32)slot[3].n, slot[4].p);",
                     "\tint err = x_begin();", "\trust_module = x_rust_begin();", "\tend();"):
            self.assertIn(f"\n{line}\n", text)
        self.assertIn("sizeof(struct setting) == sizeof(((struct setting *)0)->type) + ", text)
        self.assertIn("void *x_rust_begin(void);\n", emit_c.header(contract, "c.h"))
        text = emit_rust.root(contract, TOP, TOP / "x.rs")
        self.assertIn("fn set_up(set: &bindings::setting, by: u32) -> Result<u32> {", text)
        self.assertIn("&bindings::setting { type_: slot.number(0), "
                      "pad: [slot.number(1), slot.number(2)] }, slot.number(3)", text)
        self.assertIn("FromBytes for bindings::setting {}", text)
        self.assertIn('module_type!("x", port::Module);', text)
        self.assertNotIn("FromBytes", emit_rust.root(
            rows.read(STRUCT.replace("u32, type", "bool, type"), "x"), TOP, TOP / "x.rs"))


class TestSources(unittest.TestCase):
    """rows.sources()"""

    def test_good(self) -> None:
        """Names beside the pair, of the kernel's source, and whole paths."""
        found = rows.sources('\nKP_SOURCES("a.c", "$(srctree)/lib/glob.c", "/x/b-c.c")\n')
        self.assertEqual([(s.name, s.line, s.own) for s in found],
                         [("a.c", 2, True), ("$(srctree)/lib/glob.c", 2, False),
                          ("/x/b-c.c", 2, False)])
        self.assertEqual(rows.sources('/* KP_SOURCES("a.c") */'), ())

    def test_bad(self) -> None:
        """make reads the names as well: one line, and nothing in them that it could expand."""
        for text, word in (('KP_SOURCES("a.c",\n "b.c")', "in one line"),
                           ('KP_SOURCES("a.h")', "no name of a C file"),
                           ('KP_SOURCES("a b.c")', "no name of a C file"),
                           ('KP_SOURCES("$(shell x).c")', "no name of a C file"),
                           ('KP_SOURCES()', "nothing is no name"),
                           ('KP_SOURCES("a.c", "/x/a.c")', "two files are called a.c"),
                           ('KP_SOURCES("a.c")\nKP_SOURCES("b.c")', "a second")):
            with self.subTest(text), self.assertRaisesRegex(rows.BadRow, word):
                rows.sources(text)

    def test_diverges(self) -> None:
        """A declared difference names a function of the contract, and says why."""
        row = 'KP_DIVERGES({}, {}, a, b > 1,\n "why", "where")\n'
        good = GOOD + 'KP_DIVERGES(odd_one, find, data[0] == \',\' && c > rust, "wh\\"y", "at")\n'
        self.assertEqual(rows.read(good).diverges, (model.Diverges(
            "odd_one", "find", "data[0] == ',' && c > rust", '"wh\\"y"', '"at"', 9),))
        text = emit_c.glue(rows.read(good, "x"), "c.h", "x_glue.c")
        self.assertIn("return data[0] == ',' && c > rust;", text)
        self.assertIn('{ "odd_one", 1, KP_IN_RETURNS, diverges_odd_one },', text)
        both = 'KP_DIVERGES(id, find, c, "why", "at", .state = true, .outputs=true)'
        self.assertEqual(rows.read(GOOD + both).diverges[0].kinds, ("outputs", "state"))
        text = emit_c.glue(rows.read(GOOD + both, "x"), "c.h", "x_glue.c")
        self.assertIn('{ "id", 1, KP_IN_OUTPUTS | KP_IN_STATE, diverges_id },', text)
        self.assertIn('"outputs, state" "\\x1f" "x";', text)
        for text, word in ((row.format("id", "find"), "wants an id"),
                           ('KP_DIVERGES(Id, find, c, "why", "where")', "no new id"),
                           ('KP_DIVERGES(id, fond, c, "why", "where")', "no row of a function"),
                           ('KP_DIVERGES(id, find, c, "why", "where", .all = true)',
                            "there are .returns = true, .outputs = true, .state = true"),
                           ('KP_DIVERGES(id, find, c, why, "where")', "in quotes"),
                           ('KP_DIVERGES(id, find, c, "why", )', "in quotes")):
            with self.subTest(text), self.assertRaises(rows.BadRow) as caught:
                rows.read(GOOD + text)
            self.assertEqual(caught.exception.line, 9)
            self.assertIn(word, str(caught.exception))


class TestEmit(unittest.TestCase):
    """C and Rust text made from the rows."""

    def test_lines(self) -> None:
        """A line marker behind a row gives the number of the line that follows it."""
        for contract in (GOOD, OBJECT):
            text = emit_c.glue(rows.read(contract, "pot"), "c.h", "pot_glue.c")
            for number, line in enumerate(text.split("\n"), 1):
                if line.endswith(' "pot_glue.c"'):
                    self.assertEqual(line, f'# {number + 1} "pot_glue.c"')

    def test_types(self) -> None:
        """The port has the signature that a Rust developer would give it."""
        text = emit_rust.root(rows.read(GOOD, "x"), TOP, TOP / "x.rs")
        self.assertIn("pub(super) fn find(pat: &CStr, data: &[u8], how: c_uint) -> Result<u32> {",
                      text)
        self.assertIn("pub(super) fn kind() {", text)

    def test_limits(self) -> None:
        """Safe Rust cannot hand to C what a row does not allow; what it allows is not looked at."""
        contract = rows.read("""\
KP_FUNCTION(f, ANY, KP_VOID, KP_NUMBER(s32, a, .lo = -1, .hi = TOP), KP_INOUT(u8, b, .hi = 2),
	    KP_NUMBER(u32, c, .lo = 1, .log2 = true), KP_NUMBER(u32, d, .hi = 9, .beyond = true),
	    KP_CHOICE(bool, e, true), KP_FLAGS(u16, g, A, B))
KP_FUNCTION(g, ANY, KP_VOID, KP_BUFFER(u8, room, size_t, .min = 4, .max = 9),
	    KP_TEXT(text, .min = 1), KP_NUMBER(bool, h, .hi = 1), KP_CHOICE(int, i, A, .any = true),
	    KP_STRUCT(struct s, s, KP_CHOICE(u16, type, 1, A, A), KP_NUMBER(u8, pad[0], .hi = 0)))
""", "x")
        text = emit_rust.root(contract, TOP, TOP / "x.rs")
        limit = "bindings::KP_LIMIT_"
        for held in (f"({limit}f_0_lo as i32..={limit}f_0_hi as i32).contains(&a), \"f: a is not ",
                     f"*b <= {limit}f_1_hi as u8",
                     f"c.count_ones() == 1 && c >= {limit}f_2_lo as u32",
                     f"[{limit}f_4_0 as u64].contains(&u64::from(e))",
                     f"g & !({limit}f_5_0 as u16 | {limit}f_5_1 as u16) == 0",
                     f"room.len() >= {limit}g_0_min as usize",
                     f"text.to_bytes().len() >= {limit}g_1_min as usize",
                     f"[{limit}g_4_0 as u16, {limit}g_4_1 as u16].contains(&s.type_)",
                     f"s.pad[0] <= {limit}g_5_hi as u8, \"g: s.pad[0] is not what its row allows"):
            self.assertIn(f"        assert!({held}", text)
        self.assertEqual(text.count("assert!("), 9)
        narrow = emit_rust.root(rows.read(
            "KP_FUNCTION(f, ANY, KP_VOID, KP_BYTES(u8, type, u16), KP_BUFFER(u8, to, int), "
            "KP_BYTES(u8, of, unsigned long))", "x"), TOP, TOP / "x.rs")
        for held in ("u16::try_from(r#type.len()).is_ok(), \"f: type is longer than u16 can say\"",
                     "c_int::try_from(to.len()).is_ok()"):
            self.assertIn(f"        assert!({held}", narrow)
        self.assertEqual(narrow.count("assert!("), 2)
        header = emit_c.header(contract, "c.h")
        self.assertIn('\n# 1 "c.h"\nenum { KP_LIMIT_f_0_hi = TOP };\n', header)
        self.assertEqual(header.count("enum { KP_LIMIT_"), 12)
        made = rows.read(OBJECT.replace(", .beyond = true", ""), "pot")
        limit += "pot_create_0_"
        self.assertIn(f"            assert!(size.count_ones() == 1 && ({limit}lo as u32..="
                      f"{limit}hi as u32).contains(&size), ",
                      emit_rust.root(made, TOP, TOP / "pot.rs"))

    def test_words_of_rust(self) -> None:
        """A word of Rust's is a name like any other, but for those that cannot be one."""
        text = emit_rust.root(rows.read("KP_FUNCTION(match, ANY, KP_BOOL, KP_TEXT(type))", "x"),
                              TOP, TOP / "x.rs")
        self.assertIn("fn r#match(r#type: &CStr) -> bool", text)
        with self.assertRaises(rows.BadRow):
            emit_rust.root(rows.read("KP_FUNCTION(f, ANY, KP_BOOL, KP_TEXT(self))", "x"),
                           TOP, TOP / "x.rs")

    def test_object(self) -> None:
        """One trait for both sides; operations with a role are unsafe on it, and no others."""
        text = emit_rust.root(rows.read(OBJECT, "pot"), TOP, TOP / "pot.rs")
        for line in ("    fn create(size: u32) -> Result<impl PinInit<Self>>;",
                     "    unsafe fn put(&self, value: u64) -> Result;",
                     "    unsafe fn full(&self) -> Result<bool>;",
                     "    fn pot_largest() -> u32;",
                     "    unsafe fn view(&self) -> bindings::pot_view;",
                     "use port::Caller;",
                     '    pub(super) unsafe extern "C" fn pot_rust_full('
                     "object: *mut bindings::pot) -> c_int {"):
            self.assertIn(f"\n{line}\n", text)
        self.assertIn("engine::create::<c::Object>", text)
        self.assertNotIn("trait Passed", text)
        self.assertIn("\npub(crate) trait Passed: Interface {\n", emit_rust.root(
            rows.read(OBJECT.replace(".role = writer, ", "").replace(
                ", .role = reader", ""), "pot"), TOP, TOP / "pot.rs"))

    def test_object_in_c(self) -> None:
        """Operations and invariants have names for the pair's own suite; an int may hide a bool."""
        contract = rows.read(OBJECT, "pot")
        text = emit_c.header(contract, "c.h")
        for line in ("int pot_rust_full(struct pot *object);",
                     "enum pot_op { POT_NOOP, POT_PUT, POT_FULL, POT_POT_LARGEST };",
                     "enum pot_invariant { INV_bounded, INV_apart };"):
            self.assertIn(f"\n{line}\n", text)
        text = emit_c.glue(contract, "c.h", "pot_glue.c", suite=True)
        self.assertNotIn("KP_SUITES", text)
        self.assertIn("KP_SUITES(pot);", emit_c.glue(contract, "c.h", "pot_glue.c"))
        self.assertIn('"owns', text.replace('"the value is " "copied"', '"owns'))

    def test_dirty(self) -> None:
        """Functions that are passed integers have callers that fill registers; others have not."""
        text = emit_c.glue(rows.read(OBJECT, "pot"), "c.h", "pot_glue.c")
        for side, name in (("c", "pot_put"), ("rust", "pot_rust_put")):
            self.assertIn(f"static void {side}_dirty_put(", text)
            self.assertIn(f"\tres->ret = {name}(obj, (u64)slot[0].n);", text)
            self.assertIn(f"\tres->ret = ((int (*)(void *, u64))kp_as({name}))"
                          "(obj, kp_dirty(u64, slot[0].n));", text)
            self.assertIn(f"pot_c_over_{side}_dirty[] = {{\n\t{side}_call_noop,\n"
                          f"\t{side}_dirty_put,\n\t{side}_call_full,\n"
                          f"\t{side}_call_pot_largest,\n}};", text)
        self.assertIn("\treturn ((struct pot *(*)(u64))kp_as(pot_rust_create))"
                      "(kp_dirty(u32, slot[0].n));", text)
        text = emit_c.glue(rows.read(GOOD, "x"), "c.h", "x_glue.c")
        self.assertIn("((int (*)(const void *, const void *, u64, u64, const void *))kp_as(find))"
                      "(slot[0].p, slot[1].p, kp_dirty(size_t, slot[1].n), "
                      "kp_dirty(unsigned int, slot[2].n), slot[3].p);", text)
        self.assertIn("_call[] = {\n\tc_call_noop,\n\tc_call_find,\n\tc_call_kind,\n};", text)

    def test_counted(self) -> None:
        """A caller that is costed has variables for what is stored, and looks for an error."""
        text = emit_c.glue(rows.read(GOOD, "x"), "c.h", "x_glue.c")
        self.assertIn("_counted[] = {\n\tc_call_noop,\n\tc_counted_find,\n\tc_call_kind,\n};",
                      text)
        self.assertIn("static void rust_call_noop(void *obj, const struct kp_slot *slot,\n"
                      "\t\tstruct kp_result *res)\n{\n"
                      "\tkp_rust_nothing_x(obj);\n\tres->ret = 0;\n}",
                      text)

    def test_out_of_line(self) -> None:
        """A Rust caller calls the port by a function that is not inlined, as it calls C's."""
        text = emit_rust.root(rows.read(OBJECT, "pot"), Path("/rust-stub"), Path("/pot.rs"))
        self.assertIn("    #[no_mangle]\n    #[inline(never)]\n"
                      "    unsafe extern \"Rust\" fn pot_port_put("
                      "__object: &port::Object, value: u64) -> Result {",
                      text)
        self.assertIn("Some(engine::put::<rust::Object>)", text)
        self.assertNotIn("engine::put::<port::Object>", text)
        text = emit_rust.root(rows.read(GOOD, "x"), Path("/rust-stub"), Path("/x.rs"))
        self.assertIn("    #[inline(never)]\n    pub(super) fn find<", text)
        self.assertIn("rust::find(port::find, ", text)

    def test_two_words(self) -> None:
        """A result that Rust would return through memory is two words; one of 32 bits is not."""
        returned = {"KP_RESULT(bool, -EIO)": None, "KP_RESULT(u32, -EIO)": None,
                    "KP_RESULT(s64, -EIO)": "i64", "KP_ERRNO(-EIO)": None,
                    "KP_ERRNO(-EIO), KP_OUTPUT(u64, value)": "u64",
                    "KP_ERRNO(-EIO), KP_OUTPUT(int, value)": None,
                    "KP_ERRNO(-EIO), KP_OUTPUT(u64, value), KP_OUTPUT(u64, more)": None}
        for kind, word in returned.items():
            with self.subTest(kind=kind):
                text = emit_rust.root(rows.read(OBJECT.replace("KP_RESULT(bool, -EIO)", kind),
                                                "pot"), Path("/rust-stub"), Path("/pot.rs"))
                self.assertEqual(text.count("glue::Words<"), 1 if word else 0)
                self.assertEqual(text.count("glue::result_of("), 1 if word else 0)
                self.assertEqual(
                    f"fn pot_port_full(__object: &port::Object) -> glue::Words<{word}> {{\n"
                    in text, bool(word))

    def test_usual_part(self) -> None:
        """Where most values lie is within the limits, and an index can begin near its wrap."""
        made = OBJECT.replace(".hi = 64, .log2 = true, .beyond = true)",
                              ".to = 9, .hi = 64), KP_NUMBER(u32, at, .wraps = true)")
        text = emit_c.glue(rows.read(made, "pot"), "c.h", "pot_glue.c")
        self.assertIn("_Static_assert((1) <= (1) && (1) <= (9) && (9) <= (64), ", text)
        for member in (".to = 9 ", ".wraps = true "):
            self.assertIn(member, text)
        text = emit_c.glue(rows.read(made.replace(".lo = 1, ", ""), "pot"), "c.h", "pot_glue.c")
        self.assertIn("_Static_assert((type_min(u32)) <= (type_min(u32)) && "
                      "(type_min(u32)) <= (9) && (9) <= (64), ", text)


class TestGlue(unittest.TestCase):
    """scripts/contract-glue, as kbuild runs it"""

    def test_unreadable(self) -> None:
        """What is no text is told of as a compiler does, for each file that is made of it."""
        with tempfile.TemporaryDirectory() as folder:
            latin, nested = Path(folder, "latin.h"), Path(folder, "nested.h")
            latin.write_bytes(b"/* one */\n/* caf\xe9 */\n")
            nested.mkdir()
            for what in ("x_glue.h", "x_glue.c", "x_root.rs", "functions"):
                for path, said in ((latin, f"{latin}:2: error: this line is no UTF-8\n"),
                                   (nested, f"{nested}: error: Is a directory\n")):
                    done = subprocess.run(
                        [TOP / "scripts/contract-glue", what, "x", path, "x.rs", "-", "-"],
                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False,
                        stderr=subprocess.PIPE, encoding="utf-8", timeout=60)
                    self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", said))


if __name__ == "__main__":
    unittest.main()
