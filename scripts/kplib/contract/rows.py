# SPDX-License-Identifier: GPL-2.0
"""The rows of a contract, read from its text.

A row is a macro that is nothing to C and to bindgen, and describes one operation:

    KP_FUNCTION(glob_match, ANY, KP_BOOL,
                KP_TEXT(pat, .of = "ab*?", .max = 12),
                KP_TEXT(str, .max = 12))

Types and values in it are C, and are handed on as they stand: the compiler looks at them
where they are used, and points at the row if it does not like them. A pair with an object
names it, how it is made and how it ends, and has methods beside or in place of functions:

    KP_OBJECT(struct ring, struct ring_view, ring_view)
    KP_CREATE(ring_create, SLEEPS, KP_RESULT(struct ring *, -EINVAL, -ENOMEM),
              KP_NUMBER(u32, capacity, .lo = 1, .hi = 1024, .log2 = true, .beyond = true))
    KP_DESTROY(ring_destroy, SLEEPS)
    KP_METHOD(ring_push, ANY, KP_RESULT(int, -ENOSPC), KP_NUMBER(u64, value),
              .role = producer)
    KP_TYPE(struct ring_view, capacity, pushed, popped)
    KP_INVARIANT(bounded, concurrency, "what holds", "how C keeps it", when, then)
    KP_PROMISE(spsc, concurrency, "what a case judges", "how C keeps it")

A structure that is passed by pointer and only read has its members in brackets, each an
argument of its own; all of them, an array's one by one:

    KP_STRUCT(struct x_config, config, KP_NUMBER(u32, rate, .lo = 1, .hi = 8),
              KP_NUMBER(u32, reserved[0], .hi = 0, .beyond = true),
              KP_NUMBER(u32, reserved[1], .hi = 0, .beyond = true))

What both sides do when the module is loaded, and undo before it goes, are two functions:

    KP_MODULE(x_expose, x_withdraw)

Operations can return handles, such as counted references, which later ones use:

    KP_HANDLE(struct registry_object, struct registry_info, registry_info, registry_put, slot,
              .outlives = true)
    KP_METHOD(registry_get, ATOMIC, KP_NEW(struct registry_object *, -ENOENT),
              KP_NUMBER(u32, name))
    KP_FUNCTION(registry_put, ATOMIC, KP_VOID, KP_GIVEN(struct registry_object, obj))

What an object is made of is passed as an operation's arguments are, and may be a callback as well:
programs hand over functions of the pair's suite, and a number for them to know it by. The object
may end in other ways than in KP_DESTROY's, which programs do not take by themselves. What no row
can say is an adapter, which each caller language has its own of: it is an operation of programs,
written over either side.

    KP_CREATE(deferred_create, SLEEPS, KP_RESULT(struct deferred *, -ENOMEM),
              KP_CALLBACK(deferred_fn, task, deferred_saw_run, deferred_saw_release, .hi = 3))
    KP_CONSUME(deferred_detach, SLEEPS)
    KP_ADAPTER(deferred_detach_armed, SLEEPS, KP_RESULT(int, -ENOMEM), KP_NUMBER(u32, repeats))
    KP_AFTER(destroy_final, deferred_released_once)

KP_AFTER's promise is judged after each program by a function of the suite,
bool deferred_released_once(const u64 *param), by what was seen outside of the object.

What an object holds, and how many by its view, for the growth of costs:

    KP_HOLDS(elements, now->pushed - now->popped)

What a system call on the pair's Rust node may cost more than on its C node, by its name in the
program that counts them:

    KP_SYSCALL(open, "10 %, 50 instructions: two allocations for one")

Why no program reaches a line, and why a conditional jump goes one way alone (make coverage):

    KP_UNREACHED("ring.c: ring_create(): {", "ring.c: ring_create(): }", "it is inlined")
    KP_ONE_WAY("ring.rs: slots.push(value)?;", "the vector has room", .arch = x86_64)

One more row names the C files of the pair beside the one that is called as the pair:

    KP_SOURCES("helpers.c", "$(srctree)/lib/glob.c")
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace

from kplib.contract.model import (BUDGET, CATEGORIES, LOCK, LOCKS, LOCKS_MAX, MARGIN, ORDERS,
                                  PLACE, SRCTREE, After, Budget, Contract, Diverges, Function,
                                  Handle, Holds, Invariant, Margin, Module, Object, Parameter,
                                  Reason, Returns, Shared, Source, Takes, joined)

CONTEXTS = ("ANY", "ATOMIC", "PROCESS", "SLEEPS")
#: Each kind of parameter: how many words stand before its options.
PARAMETERS = {"KP_NUMBER": 2, "KP_CHOICE": 2, "KP_FLAGS": 2, "KP_TEXT": 1, "KP_BYTES": 3,
              "KP_OUTPUT": 2, "KP_INOUT": 2, "KP_BUFFER": 3, "KP_STRUCT": 2, "KP_CALLBACK": 2,
              "KP_BORROWED": 2, "KP_GIVEN": 2, "KP_USER_BYTES": 2, "KP_USER_BUFFER": 2}
#: Options of each kind of parameter, members of struct kp_arg.
_BYTES = ("min", "max", "of", "parts")
OPTIONS = {"KP_NUMBER": ("lo", "hi", "from", "to", "log2", "beyond", "wraps", "any"),
           "KP_CHOICE": ("beyond", "any"), "KP_FLAGS": ("beyond", "any"),
           "KP_TEXT": (*_BYTES, "numeric"), "KP_BYTES": _BYTES, "KP_BUFFER": ("min", "max"),
           "KP_USER_BYTES": (*_BYTES, "beyond", "once"),
           "KP_USER_BUFFER": ("min", "max", "beyond"), "KP_OUTPUT": (),
           "KP_INOUT": ("lo", "hi", "beyond", "any"), "KP_STRUCT": (),
           "KP_CALLBACK": ("hi",), "KP_BORROWED": (), "KP_GIVEN": ()}
#: Options that are true or false.
SWITCHES = ("numeric", "log2", "beyond", "wraps", "any", "once")
#: Kinds of parameters that are user memory.
USER = ("KP_USER_BYTES", "KP_USER_BUFFER")
RETURNS = ("KP_VOID", "KP_BOOL", "KP_SIGNED", "KP_UNSIGNED", "KP_RESULT", "KP_ERRNO", "KP_OFFSET",
           "KP_NEW")
#: Every row. Any other KP_...( that begins a line is taken for a mistake.
ROWS = ("KP_FUNCTION", "KP_METHOD", "KP_DIVERGES", "KP_SOURCES", "KP_OBJECT", "KP_CREATE",
        "KP_DESTROY", "KP_TYPE", "KP_INVARIANT", "KP_PROMISE", "KP_MODULE", "KP_HANDLE",
        "KP_CONSUME", "KP_ADAPTER", "KP_AFTER", "KP_BUDGET", "KP_HOLDS", "KP_MARGIN",
        "KP_SYSCALL", "KP_UNREACHED", "KP_ONE_WAY")
#: Options of a row of an operation, behind its parameters; those of _WORDS are text, of _MARKS
#: true or false.
ROW_OPTIONS = ("weight", "role", "snapshot", "hint", "transient", "waits", "calls_back",
               "not_inside", "unwaiting", "orders", "budget", "locks", "owns", "on_error")
_WORDS = ("budget", "locks", "owns", "on_error")
_MARKS = ("snapshot", "hint", "waits", "calls_back", "not_inside")
#: Those that say what an operation has to do with the object's callback.
_OF_CALLBACKS = ("calls_back", "not_inside", "unwaiting")
#: As many arguments as the engine takes (KP_NR_ARGS).
ARGS_MAX = 6


class BadRow(Exception):
    """A row that cannot be understood; `line` is where it stands."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def _blank(found: re.Match[str]) -> str:
    """A comment as blanks: lines keep their numbers."""
    return re.sub(r"[^\n]", " ", found.group()) if found.group().startswith("/") \
        else found.group()


def uncommented(text: str) -> str:
    """C's text with blanks in place of comments, which are none within a string."""
    return re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', _blank, text,
                  flags=re.S)


#: Directives that ask whether a name is not defined.
_UNDEFINED = re.compile(r"ifndef (\w+)\s*|if !\s*defined\s*(?:\(\s*(\w+)\s*\)|(\w+))\s*")


def _guards(words: list[tuple[str, str]], at: int) -> bool:
    """Whether a directive asks for a name that the next one defines, and that none before does:
    what it holds is then there the first time."""
    named = _UNDEFINED.fullmatch(" ".join(words[at]))
    defines = [rest.split()[:1] for word, rest in words[:at + 2] if word == "define"]
    return named is not None and words[at + 1:at + 2] != [] and words[at + 1][0] == "define" and \
        defines[-1] == [named.group(named.lastindex or 0)] and defines[-1] not in defines[:-1]


def _plain(text: str) -> str:
    """A contract's text without its comments; refused if a row in it may be none for C.

    make reads rows as well, without a compiler, and a contract that changes with the
    configuration would be several: so none stands within #if. A guard against being included
    twice is no such.
    """
    plain = uncommented(text)
    found = list(re.finditer(r"^[ \t]*#[ \t]*(\w+)[ \t]*(.*)", plain, re.M))
    words = [(one.group(1), one.group(2)) for one in found]
    open_: list[int] = []
    opened: dict[int, int] = {}
    guards: set[int] = set()
    for at, (word, _) in enumerate(words):
        if word in ("if", "ifdef", "ifndef"):
            if not open_ and _guards(words, at):
                guards.add(at)
            open_.append(at)
        elif word == "endif" and open_:
            opened[at] = open_.pop()
        elif word.startswith("el") and open_:
            guards.discard(open_[-1])
    for end, begin in opened.items():
        row = re.compile(rf"^({'|'.join(ROWS)})\(", re.M).search(
            plain, found[begin].start(), found[end].start())
        if row and begin not in guards:
            raise BadRow(_line(plain, row.start()),
                         f"{row.group(1)} stands within the #{words[begin][0]} of line "
                         f"{_line(plain, found[begin].start())}, and rows hold whatever is "
                         "configured; move it out, or make a comment of it")
    return plain


def _line(text: str, at: int) -> int:
    """The number of the line in which a place is."""
    return text.count("\n", 0, at) + 1


def _squeezed(text: str) -> str:
    """Text with one blank where there were several, but for text in quotes."""
    return re.sub(r'("(?:\\.|[^"\\\n])*")|\s+', lambda found: found.group(1) or " ", text).strip()


def _words(text: str, start: int, line: int) -> tuple[list[tuple[str, int]], int]:
    """Words between commas in brackets, each with its line; and where the brackets close."""
    words, depth, begin, at = [], 0, start, start
    while at < len(text):
        char = text[at]
        if char in "\"'":
            end = re.compile(rf"(?:\\.|[^\\{char}\n])*{char}").match(text, at + 1)
            if end is None:
                raise BadRow(_line(text, at), f"a {char} is not closed")
            at = end.end()
            continue
        if char in "([{":
            depth += 1
        elif char in ")]}" and depth:
            depth -= 1
        elif char in ",)" and not depth:
            word = text[begin:at]
            skipped = len(word) - len(word.lstrip())
            words.append((_squeezed(word), _line(text, begin + skipped)))
            begin = at + 1
            if char == ")":
                return words, at
        at += 1
    raise BadRow(line, "its brackets are not closed")


def _call(word: str, line: int) -> tuple[str, list[str]]:
    """A word such as KP_TEXT(a, b): its name and the words in its brackets."""
    name, bracket, rest = word.partition("(")
    if not bracket:
        return name.strip(), []
    inside, end = _words(rest, 0, line)
    if rest[end + 1:].strip():
        raise BadRow(line, f"'{rest[end + 1:].strip()}' behind {name}(...)")
    return name.strip(), [w for w, _ in inside if w or len(inside) > 1]


def _name(word: str, line: int, what: str) -> str:
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", word):
        raise BadRow(line, f"'{word}' is no name of {what}")
    return word


def _value(word: str, line: int) -> str:
    """The name of a constant, or a number."""
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*|-?(0x[0-9a-fA-F]+|[0-9]+)", word):
        raise BadRow(line, f"'{word}' is no name of a value, and no number")
    return word


def _option(word: str, line: int, kind: str) -> tuple[str, str]:
    found = re.fullmatch(r"\.(\w+) ?= ?(.+)", word)
    if not found or found.group(1) not in OPTIONS[kind]:
        there = ", ".join(f".{option} = ..." for option in OPTIONS[kind])
        raise BadRow(line, f"'{word}' is no option of {kind}; "
                           f"{f'there are {there}' if there else 'it has none'}")
    if found.group(1) in SWITCHES and found.group(2) not in ("true", "false"):
        raise BadRow(line, f"'{word}': .{found.group(1)} is true or false")
    return found.group(1), found.group(2)


def pieces(word: str, line: int) -> list[str]:
    """The pieces in KP_PARTS(...), each a string literal of C or a macro for one."""
    name, words = _call(word, line)
    if name != "KP_PARTS" or not words:
        raise BadRow(line, f"'{word}' where KP_PARTS(\"...\", ...) lists pieces")
    return words


def _struct(words: list[str], line: int) -> Parameter:
    """A structure that is passed by pointer, from its type, its name and its members."""
    if len(words) < 3 or not re.fullmatch(r"struct \w+", words[0]):
        raise BadRow(line, "KP_STRUCT wants a struct, a name, and its members: "
                           "KP_STRUCT(struct x_config, config, KP_NUMBER(u32, rate), ...)")
    members: list[Parameter] = []
    for word in words[2:]:
        kind, inside = _call(word, line)
        if kind not in ("KP_NUMBER", "KP_CHOICE", "KP_FLAGS"):
            raise BadRow(line, f"'{word}' is no member of {words[0]}; there are KP_NUMBER, "
                               "KP_CHOICE and KP_FLAGS")
        element = re.fullmatch(r"(\w+) ?\[ ?(\d+) ?\]", inside[1] if len(inside) > 1 else "")
        if element is None:
            member = _parameter(word, line)
            index = ""
        else:
            member = _parameter(word.replace(inside[1], element.group(1), 1), line)
            index = f"[{element.group(2)}]"
        before = [m.name for m in members if m.name.partition("[")[0] == member.name]
        if index != (f"[{len(before)}]" if index else "") or (before and not index):
            raise BadRow(line, f"{member.name}{index}: members stand in their order, each once, "
                               "and those of an array from [0]")
        members.append(replace(member, name=member.name + index))
    return Parameter("KP_STRUCT", _name(words[1], line, "a parameter"), words[0], "", (), (), line,
                     tuple(members))


def _parameter(word: str, line: int) -> Parameter:
    kind, words = _call(word, line)
    if kind == "KP_STRUCT":
        return _struct(words, line)
    if kind not in PARAMETERS:
        raise BadRow(line, f"'{kind}' is no kind of parameter; there are "
                           f"{', '.join(PARAMETERS)}")
    count = PARAMETERS[kind]
    if len(words) < count:
        raise BadRow(line, f"{kind} wants {count} words before its options")
    if kind in USER:
        # User memory is bytes, whatever they mean: a row has no word for their type.
        words.insert(0, "void")
        count = 3
    named = kind in ("KP_CHOICE", "KP_FLAGS")
    names = tuple(_value(w, line) for w in words[count:] if not w.startswith("."))
    if named and not names:
        raise BadRow(line, f"{kind} wants the names of its values")
    if kind == "KP_CALLBACK":
        if len(names) != 2:
            raise BadRow(line, "KP_CALLBACK wants a type, a name, and two functions of the suite: "
                               "what is called, and what is called at the end")
    elif names and not named:
        raise BadRow(line, f"'{names[0]}' is no option of {kind}")
    if kind not in ("KP_TEXT", "KP_BYTES", "KP_BUFFER", *USER) and "*" in words[0]:
        raise BadRow(line, f"{kind}({words[0]}, ...): no pointer; KP_TEXT, KP_BYTES, KP_BUFFER, "
                           "KP_OUTPUT, KP_INOUT and KP_STRUCT are passed by one")
    options = tuple(_option(w, line, kind) for w in words[count:] if w.startswith("."))
    # One that is false is as one that is not there.
    options = tuple(o for o in options if o[0] not in SWITCHES or o[1] == "true")
    for name, value in options:
        if name == "parts":
            pieces(value, line)
    return Parameter(
        kind, _name(words[0] if count == 1 else words[1], line, "a parameter"),
        words[0] if count > 1 else "char", words[2] if count > 2 else "", names, options, line)


def _returns(word: str, line: int, parameters: tuple[Parameter, ...]) -> Returns:
    kind, words = _call(word, line)
    if kind not in RETURNS:
        raise BadRow(line, f"'{kind}' is no kind of return value; there are "
                           f"{', '.join(RETURNS)}")
    if kind in ("KP_SIGNED", "KP_UNSIGNED", "KP_RESULT", "KP_OFFSET", "KP_NEW") and not words:
        raise BadRow(line, f"{kind} wants a C type in brackets")
    if kind == "KP_OFFSET" and (len(words) != 2 or words[1] not in [
            p.name for p in parameters if p.kind in ("KP_TEXT", "KP_BYTES", "KP_BUFFER")]):
        raise BadRow(line, "KP_OFFSET(type, parameter) wants a text or bytes to point into")
    if kind == "KP_ERRNO":
        return Returns(kind, "int", tuple(words))
    return Returns(kind, {"KP_VOID": "void", "KP_BOOL": "bool"}.get(kind) or words[0],
                   tuple(words[1:]))


def _split(words: list[tuple[str, int]]) -> tuple[
        list[tuple[str, int]], tuple[tuple[str, str], ...]]:
    """A row's words, and the options behind them."""
    options: list[tuple[str, str]] = []
    plain: list[tuple[str, int]] = []
    for word, line in words:
        found = re.fullmatch(r"\.(\w+) ?= ?(.+)", word)
        if found is None:
            if options:
                raise BadRow(line, f"'{word}' behind an option of the row; options come last")
            plain.append((word, line))
            continue
        name, value = found.groups()
        if name not in ROW_OPTIONS:
            raise BadRow(line, f"'{word}' is no option of a row; there are "
                               f"{', '.join(f'.{option} = ...' for option in ROW_OPTIONS)}")
        if name in _WORDS:
            _text(value, line)
        elif name in _MARKS and value not in ("true", "false"):
            raise BadRow(line, f"'{word}': write true, or leave it out")
        elif name == "role":
            _name(value, line, "a role")
        elif name == "unwaiting":
            _name(value, line, "a function")
        elif name == "orders":
            _orders(value, line)
        if name == "locks":
            _locks(value, line)
        elif name == "budget":
            _budget(value, line)
        options.append((name, value))
    return plain, tuple(options)


def _orders(word: str, line: int) -> None:
    """Refuse orderings that cannot be understood."""
    _text(word, line)
    for one in word.strip('"').split(","):
        found = re.fullmatch(r"(\w+) (\w+)(=\w+)?", one.strip())
        if found is None or found.group(1) not in ORDERS:
            raise BadRow(line, f"'{one.strip()}' is no ordering; write {', '.join(ORDERS[:-1])} "
                               f"or {ORDERS[-1]}, and a field of the object: \"acquire tail, "
                               "release head\", or \"acquire tail=end\" where Rust calls it end")


def _locks(word: str, line: int) -> None:
    """Refuse locks that cannot be understood."""
    terms = [one.strip() for one in joined(word).partition(":")[0].split(",")]
    kinds = [found.group("kind") for one in terms if (found := LOCK.fullmatch(one))]
    if terms != ["none"] and len(kinds) != len(terms):
        raise BadRow(line, f"'{', '.join(terms)}' is not what locks are taken; write none, or "
                           f"{' or '.join(LOCKS)}, a number before it and irq-off behind it: "
                           '"spinlock irq-off", "2 mutex, 0-1 spinlock: the outer one first"')
    if len(set(kinds)) != len(kinds):
        raise BadRow(line, f"'{', '.join(terms)}': write each kind of lock once, with their number")
    for one in terms:
        found = LOCK.fullmatch(one)
        taken = Takes.read(found) if found else None
        if taken and taken.most is not None and not (taken.least <= taken.most <= LOCKS_MAX
                                                     and taken.most):
            raise BadRow(line, f"'{one}': write a number from 1 to {LOCKS_MAX}, 0-1, or any")


def _budget(word: str, line: int) -> Budget:
    """A budget; refuses one that cannot be understood, or has no reason."""
    found = BUDGET.fullmatch(joined(word))
    if found is None:
        raise BadRow(line, f"{word} is no budget; write what Rust may cost more than C, and why: "
                           '"35 %: the bounds of each byte are checked", or "35 %, 20 '
                           'instructions: ..."; 10 % and 4 instructions need no row')
    return Budget.read(found)


def _of_all(plain: str) -> Budget | None:
    """The budget of operations whose rows have none, if there is one."""
    row = _once(plain, "KP_BUDGET")
    if row is None:
        return None
    if len(row[0]) != 1:
        raise BadRow(row[1], "KP_BUDGET wants one text, as .budget of a row does")
    return _budget(_text(row[0][0][0], row[1]), row[1])


def _margin(plain: str) -> Margin | None:
    """Within what two paths take the same time, where the contract says it."""
    row = _once(plain, "KP_MARGIN")
    if row is None:
        return None
    words, line = row
    found = MARGIN.fullmatch(joined(_text(words[0][0], line))) if len(words) == 1 else None
    if found is None or not float(found["percent"]):
        raise BadRow(line, "KP_MARGIN wants one text: within how many percent, above 0 and below "
                           '100, two paths take the same time, and why: "8 %: it is called once a '
                           'second"')
    return Margin(float(found["percent"]), found["why"])


def _syscalls(plain: str) -> dict[str, Budget]:
    """The budgets of system calls, by the names that the pair's program has for them."""
    found: dict[str, Budget] = {}
    for _, row, line in _rows(plain, "KP_SYSCALL"):
        if len(row) != 2 or not re.fullmatch(r"\w{1,31}", row[0][0], re.A):
            raise BadRow(line, "KP_SYSCALL wants a call, as the pair's program names it, and what "
                               'it may cost more: KP_SYSCALL(open, "20 %: why")')
        if row[0][0] == "noop":
            raise BadRow(line, "KP_SYSCALL(noop): the empty call is subtracted from the others, "
                               "and has no budget")
        if row[0][0] in found:
            raise BadRow(line, f"a second KP_SYSCALL of {row[0][0]}")
        found[row[0][0]] = _budget(_text(row[1][0], line), line)
    return found


def _place(row: str, word: str, line: int) -> tuple[str, str, str]:
    """The file, the function and the text of a line that a place names."""
    # The text stands in a string of C's, in which quotes are escaped.
    said = re.sub(r"\\(.)", r"\1", joined(_text(word, line)))
    found = PLACE.fullmatch(said)
    if found is None:
        raise BadRow(line, f"{word} is no place; write a file and the text of its line, "
                           '"ring.c: if (!front)", with the function before it where several '
                           'lines are so, "ring.c: ring_create(): {", or a whole function, '
                           '"ring.c: ring_create()"')
    text = " ".join((found["inside"] or found["line"] or "").split())
    if row == "KP_ONE_WAY" and not text:
        raise BadRow(line, f"{word}: KP_ONE_WAY is of a line; write its text")
    return found["file"], found["function"] or "", text


def _reasons(plain: str) -> tuple[Reason, ...]:
    """Why places are not reached, and jumps go one way alone."""
    found: list[Reason] = []
    for row, all_words, line in _rows(plain, "KP_UNREACHED", "KP_ONE_WAY"):
        words = list(all_words)
        arch, chance = "", False
        while words and words[-1][0].startswith("."):
            word, at = words.pop()
            option = re.fullmatch(r"\.(?:arch ?= ?(\w+)|chance ?= ?true)", word)
            if option is None:
                raise BadRow(at, f"'{word}' is no option of {row}; there are .arch = NAME, as make "
                                 "run has it, and .chance = true")
            arch, chance = option[1] or arch, chance or not option[1]
        last = joined(_text(words[-1][0], line)) if words else ""
        if len(words) < 2 or PLACE.fullmatch(last):
            raise BadRow(line, f"{row} wants a place or several, and behind them why: "
                               f'{row}("x.c: if (!front)", "the caller has looked")')
        for word, at in words[:-1]:
            one = Reason(row == "KP_ONE_WAY", *_place(row, word, at), last, arch, chance, at)
            if any((one.one_way, one.place) == (other.one_way, other.place) and
                   (arch == other.arch or "" in (arch, other.arch)) for other in found):
                raise BadRow(at, f"a second {row} of {word}")
            found.append(one)
    return tuple(found)


def _text(word: str, line: int) -> str:
    if not re.fullmatch(r'"(?:\\.|[^"\\])+"( "(?:\\.|[^"\\])+")*', word):
        raise BadRow(line, f"{word or 'nothing'}: write text in quotes")
    return word


def _function(row: str, words: list[tuple[str, int]], line: int) -> Function:
    words, options = _split(words)
    if len(words) < 3:
        raise BadRow(line, f"{row} wants a name, a context, what it returns, and its parameters")
    (name, _), (context, at), (returns, returns_at) = words[:3]
    if context not in CONTEXTS:
        raise BadRow(at, f"'{context}' is no context; there are {', '.join(CONTEXTS)}")
    parameters = tuple(_parameter(word, at) for word, at in words[3:])
    if sum(len(p.members) or 1 for p in parameters) + returns.startswith("KP_NEW") > ARGS_MAX:
        raise BadRow(line, f"{name} has more than {ARGS_MAX} parameters"
                     + (", of which each member of a structure is one"
                        if any(p.members for p in parameters) else "")
                     + (", with where its handle goes" if returns.startswith("KP_NEW") else ""))
    seen: set[str] = set()
    for parameter in parameters:
        if parameter.name in seen:
            raise BadRow(parameter.line, f"two parameters are called {parameter.name}")
        seen.add(parameter.name)
        if parameter.kind in USER and context != "SLEEPS":
            raise BadRow(parameter.line, f"{parameter.name} is user memory, which may have to be "
                                         f"brought in: the context of {name} is SLEEPS")
    function = Function(_name(name, line, "a function"), context,
                        _returns(returns, returns_at, parameters), parameters, line,
                        row == "KP_METHOD", options, row == "KP_CREATE", row == "KP_ADAPTER")
    if row == "KP_CREATE":
        _no_waits(name, options, line)
    if function.option("locks") and row not in ("KP_FUNCTION", "KP_METHOD"):
        raise BadRow(line, f"{name}: case locks judges the operations of an object alone; leave "
                           ".locks out, or say it in a comment")
    for parameter in parameters:
        if parameter.kind == "KP_INOUT" and parameter.type == "bool" and \
                "beyond" in dict(parameter.options):
            raise BadRow(parameter.line, f"{parameter.name} is a bool, of which there are two; "
                                         "leave .beyond out")
        if parameter.kind == "KP_CALLBACK" and parameter is not next(
                p for p in parameters if p.kind == "KP_CALLBACK"):
            raise BadRow(parameter.line, "a second KP_CALLBACK; an object is made with one")
        if parameter.kind == "KP_CALLBACK" and row != "KP_CREATE":
            raise BadRow(parameter.line, "a KP_CALLBACK is handed over when an object is made, in "
                                         "KP_CREATE alone")
        if function.adapter and parameter.kind not in ("KP_NUMBER", "KP_CHOICE", "KP_FLAGS"):
            raise BadRow(parameter.line, f"an adapter takes numbers alone, not {parameter.kind}")
    for parameter in function.arguments:
        if "wraps" not in dict(parameter.options):
            continue
        if row != "KP_CREATE":
            raise BadRow(parameter.line, f"{name}: .wraps is of what KP_CREATE takes alone")
        if len(parameter.options) > 1:
            raise BadRow(parameter.line, f"{name}: an index that .wraps is any number of its type; "
                                         "leave its other options out")
    if function.outputs and function.returns.kind not in ("KP_VOID", "KP_BOOL", "KP_RESULT",
                                                          "KP_ERRNO"):
        raise BadRow(line, f"{name} returns a number and has a KP_OUTPUT: which of them Rust "
                           "returns is not clear; write a function around it")
    if function.option("role") and not function.method:
        raise BadRow(line, f"{name} has no object, so nothing excludes its role")
    return function


def _known(plain: str) -> None:
    """Refuse rows that there are not, and a contract that has none of a function."""
    for row in re.finditer(r"^[ \t]*(KP_\w*)[ \t]*\(", plain, re.M):
        line = _line(plain, row.start())
        if not row.group().startswith("KP_"):
            if row.group(1) in ROWS:
                raise BadRow(line, f"{row.group(1)} stands at the beginning of its line")
            continue
        if row.group(1) not in ROWS:
            near = difflib.get_close_matches(row.group(1), ROWS, 1)
            raise BadRow(line, f"'{row.group(1)}' is no row"
                         + (f"; is {near[0]} meant?" if near else
                            f"; there are {', '.join(ROWS)}"))
        if not row.group().startswith(f"{row.group(1)}("):
            raise BadRow(line, f"{row.group(1)} and its bracket stand together")
    if not re.search(r"^KP_(FUNCTION|METHOD|ADAPTER)\(", plain, re.M):
        raise BadRow(1, "no row of a function; write KP_FUNCTION(name, context, what it returns, "
                        "its parameters) at the beginning of a line")


def sources(text: str) -> tuple[Source, ...]:
    """The C files that a contract lists. make reads them too, hence one line alone."""
    plain = _plain(text)
    found: list[Source] = []
    for row in re.finditer(r"^KP_SOURCES\(", plain, re.M):
        line = _line(plain, row.start())
        if found:
            raise BadRow(line, "a second KP_SOURCES; list all files in one")
        words, end = _words(plain, row.end(), line)
        if "\n" in plain[row.start():end]:
            raise BadRow(line, "KP_SOURCES stands in one line")
        for word, _ in words:
            named = re.fullmatch(r'"((?:\$\(srctree\)/|/)?[\w./+@~=-]+\.c)"', word)
            if named is None:
                raise BadRow(line, f"{word or 'nothing'} is no name of a C file; write "
                                   f"\"helpers.c\", \"{SRCTREE}lib/glob.c\" or a whole path")
            found.append(Source(named.group(1), line))
    stems = [source.name.rpartition("/")[2] for source in found]
    for source, stem in zip(found, stems):
        if stems.count(stem) > 1:
            raise BadRow(source.line, f"two files are called {stem}")
    return tuple(found)


def _rows(plain: str, *names: str) -> list[tuple[str, list[tuple[str, int]], int]]:
    """Rows of some names: the name, the words with their lines, and the row's line."""
    found = []
    for row in re.finditer(rf"^({'|'.join(names)})\(", plain, re.M):
        line = _line(plain, row.start())
        found.append((row.group(1), _words(plain, row.end(), line)[0], line))
    return found


def _once(plain: str, name: str) -> tuple[list[tuple[str, int]], int] | None:
    """A row of which there is at most one."""
    found = _rows(plain, name)
    if len(found) > 1:
        raise BadRow(found[1][2], f"a second {name}; a pair has one")
    return found[0][1:] if found else None


def _kinds(options: list[str], line: int) -> tuple[str, ...]:
    """Parts in which results differ, as a row KP_DIVERGES names them."""
    kinds = [re.sub(r"^\.(\w+) ?= ?true$", r"\1", option) for option in options]
    for option, kind in zip(options, kinds):
        if kind not in Diverges.KINDS:
            raise BadRow(line, f"'{option}' is no option of KP_DIVERGES; there are "
                               + ", ".join(f".{kind} = true" for kind in Diverges.KINDS))
    return tuple(kind for kind in Diverges.KINDS if kind in kinds) or ("returns",)


def _diverges(plain: str, functions: tuple[Function, ...]) -> tuple[Diverges, ...]:
    names = [function.name for function in functions]
    found: list[Diverges] = []
    for _, row, line in _rows(plain, "KP_DIVERGES"):
        kinds = _kinds([word for word, _ in row if word.startswith(".")], line)
        words = [word for word, _ in row if not word.startswith(".")]
        if len(words) != 5:
            raise BadRow(line, "KP_DIVERGES wants an id, a function, when it differs, why that is "
                               "accepted, and where that was decided")
        ident, function, when, *texts = words
        if not re.fullmatch("[a-z][a-z0-9_]*", ident) or ident in [d.id for d in found]:
            raise BadRow(line, f"'{ident}' is no new id: one of small letters, digits and _")
        if function not in names:
            raise BadRow(line, f"there is no row of a function {function}")
        for parameter in functions[names.index(function)].parameters:
            if parameter.name in ("c", "rust", "c_out", "rust_out"):
                raise BadRow(line, f"{parameter.name} is what the sides gave, and a parameter of "
                                   f"{function}; call that otherwise in its row")
        for text in texts:
            _text(text, line)
        if "orders" in kinds:
            if len(kinds) > 1:
                raise BadRow(line, f"{ident}: orderings that differ are no result; write a row "
                                   "of their own, with .orders = true alone")
            _name(when, line, "the field that Rust orders less")
        found.append(Diverges(ident, function, when, texts[0], texts[1], line, kinds))
    return tuple(found)


def _invariants(plain: str) -> tuple[Invariant, ...]:
    found: list[Invariant] = []
    for name, row, line in _rows(plain, "KP_INVARIANT", "KP_PROMISE"):
        words = [word for word, _ in row]
        if len(words) != (6 if name == "KP_INVARIANT" else 4):
            raise BadRow(line, f"{name} wants an id, a category, what holds, how C keeps it"
                         + (", when it applies and what then holds" if name == "KP_INVARIANT"
                            else ""))
        ident, category, text, keeps = words[:4]
        if not re.fullmatch("[a-z][a-z0-9_]*", ident) or ident in [i.id for i in found]:
            raise BadRow(line, f"'{ident}' is no new id: one of small letters, digits and _")
        if category not in CATEGORIES:
            raise BadRow(line, f"'{category}' is no category; there are {', '.join(CATEGORIES)}")
        when, then = words[4:] or ("", "")
        found.append(Invariant(ident, category, _text(text, line), _text(keeps, line), when, then,
                               line))
    return tuple(found)


def _after(plain: str, invariants: tuple[Invariant, ...]) -> After | None:
    row = _once(plain, "KP_AFTER")
    if row is None:
        return None
    words, line = [word for word, _ in row[0]], row[1]
    if len(words) != 2:
        raise BadRow(line, "KP_AFTER wants the id of a promise, and the function that judges it")
    if words[0] not in [i.id for i in invariants if not i.then]:
        raise BadRow(line, f"there is no KP_PROMISE({words[0]}, ...)")
    return After(words[0], _name(words[1], line, "a function"), line)


def _holds(plain: str) -> Holds | None:
    """What an object holds, and how many."""
    row = _once(plain, "KP_HOLDS")
    if row is None:
        return None
    words, line = [word for word, _ in row[0]], row[1]
    if len(words) != 2 or not words[1]:
        raise BadRow(line, "KP_HOLDS wants a word for what an object holds, as entries, and how "
                           "many these are, by the view 'now'")
    return Holds(_name(words[0], line, "a word"), words[1], line)


def _types(plain: str) -> tuple[Shared, ...]:
    found: list[Shared] = []
    for _, row, line in _rows(plain, "KP_TYPE"):
        options = [(word, at) for word, at in row if word.startswith(".")]
        words = [word for word, _ in row if not word.startswith(".")]
        if len(words) < 2 or not re.fullmatch(r"struct \w+", words[0]):
            raise BadRow(line, "KP_TYPE wants a struct and its members, in their order")
        timing = []
        for word, at in options:
            option = re.fullmatch(r"\.timing = (\w+)", word)
            if option is None or option.group(1) not in words[1:]:
                raise BadRow(at, f"{word}: KP_TYPE has the option .timing = MEMBER alone")
            timing.append(option.group(1))
        found.append(Shared(words[0], tuple(_name(w, line, "a member") for w in words[1:]), line,
                            tuple(timing)))
    return tuple(found)


def _object(plain: str) -> tuple[Object | None, Function | None, Function | None]:
    """The object of a pair, and how it is made and ends; nothing of a pair of functions."""
    row = _once(plain, "KP_OBJECT")
    made, ends = _once(plain, "KP_CREATE"), _once(plain, "KP_DESTROY")
    if row is None:
        for name, found in (("KP_CREATE", made), ("KP_DESTROY", ends)):
            if found:
                raise BadRow(found[1], f"{name} without KP_OBJECT, which names what is made")
        # A contract with KP_HANDLE is told at that row that it wants an object.
        promises = () if _once(plain, "KP_HANDLE") else ("KP_PROMISE", "KP_TYPE")
        for _, _, line in _rows(plain, "KP_METHOD", "KP_INVARIANT", "KP_CONSUME", "KP_ADAPTER",
                                "KP_AFTER", "KP_HOLDS", *promises):
            raise BadRow(line, "there is no KP_OBJECT(struct x, struct x_view, function that takes "
                               "the view)")
        return None, None, None
    words, line = [word for word, _ in row[0]], row[1]
    if len(words) != 3 or not all(re.fullmatch(r"struct \w+", word) for word in words[:2]):
        raise BadRow(line, "KP_OBJECT wants a struct, the struct of its view, and the function "
                           "that takes the view")
    if made is None or ends is None:
        raise BadRow(line, "KP_OBJECT wants a KP_CREATE and a KP_DESTROY beside it")
    create = _function("KP_CREATE", *made)
    if create.returns.kind != "KP_RESULT" or create.returns.type != f"{words[0]} *":
        raise BadRow(create.line, f"{create.name} returns KP_RESULT({words[0]} *, its errnos)")
    for parameter in create.parameters:
        if parameter.handle:
            raise BadRow(parameter.line, f"{parameter.name} is a handle, and those come from an "
                                         "object; there is none yet")
        if parameter.stored:
            raise BadRow(parameter.line, f"{parameter.name} is a KP_OUTPUT, and what makes an "
                                         "object in Rust returns that alone; show it in the view, "
                                         "or take a KP_INOUT")
    return (Object(words[0], words[1], _name(words[2], line, "a function"), line), create,
            _end("KP_DESTROY", *ends))


def _end(row: str, words: list[tuple[str, int]], line: int) -> Function:
    """A function that takes the object from its owner."""
    plain, options = _split(words)
    if len(plain) != 2 or plain[1][0] not in CONTEXTS:
        raise BadRow(line, f"{row} wants a function and a context")
    _no_waits(plain[0][0], options, line)
    return Function(_name(plain[0][0], line, "a function"), plain[1][0],
                    Returns("KP_VOID", "void", ()), (), line, True, options)


def _no_waits(name: str, options: tuple[tuple[str, str], ...], line: int) -> None:
    """Refuse .waits where nothing tells a caller's part from what other threads do."""
    if dict(options).get("waits") == "true":
        raise BadRow(line, f"{name}: .waits is of operations alone: of how an object is made and "
                           "ends all is counted that runs until it is over; leave it out")


def _handle(plain: str, functions: tuple[Function, ...], known: Object | None) -> Handle | None:
    """The handles of a pair, and whether its other rows name them."""
    row = _once(plain, "KP_HANDLE")
    kind = row[0][0][0] if row else ""
    for function in functions:
        for parameter in function.parameters:
            if parameter.handle and parameter.type != kind:
                raise BadRow(parameter.line, f"{parameter.kind}({parameter.type}, ...): KP_HANDLE "
                             + (f"is of {kind}" if row else "is missing, which says what it is"))
        if function.returns.new and function.returns.type != f"{kind} *":
            raise BadRow(function.line, f"{function.name} returns KP_NEW({kind or 'struct x'} *, "
                         "its errnos), of the struct that a row KP_HANDLE names")
    if row is None:
        return None
    options = [word for word, _ in row[0] if word.startswith(".")]
    words, line = [word for word, _ in row[0] if not word.startswith(".")], row[1]
    if known is None:
        raise BadRow(line, "KP_HANDLE without KP_OBJECT, which names what hands them out")
    if len(words) != 5 or not all(re.fullmatch(r"struct \w+", word) for word in words[:2]):
        raise BadRow(line, "KP_HANDLE wants a struct, the struct of its view, the function that "
                           "takes the view, the one that gives a handle back, and the member of "
                           f"{known.view} that has the views of those that are held")
    for option in options:
        if not re.fullmatch(r"\.outlives ?= ?(true|false)", option):
            raise BadRow(line, f"'{option}' is no option of KP_HANDLE; there is .outlives = true")
    held = Parameter("KP_BORROWED", "handle", kind, "", (), (), line)
    view = Parameter("KP_OUTPUT", "view", words[1], "", (), (), line)
    puts = next((f for f in functions if f.name == words[3]), Function(
        words[3], "ANY", Returns("KP_VOID", "void", ()), (
            Parameter("KP_GIVEN", "handle", kind, "", (), (), line),), line))
    if [p.kind for p in puts.parameters] != ["KP_GIVEN"] or puts.returns.kind != "KP_VOID":
        raise BadRow(puts.line, f"{puts.name} gives a handle back: it returns KP_VOID and takes "
                                f"KP_GIVEN({kind}, name) alone")
    for word in words[2:]:
        _name(word, line, "a function" if word != words[4] else "a member")
    outlives = any(option.endswith("true") for option in options)
    return Handle(kind, words[1], Function(words[2], "ANY", puts.returns, (held, view), line),
                  replace(puts, puts=True), words[4], outlives, line)


def _module(plain: str, functions: tuple[Function, ...]) -> Module | None:
    """Functions that are called when the module is loaded, and before it goes."""
    row = _once(plain, "KP_MODULE")
    if row is None:
        return None
    words, line = [word for word, _ in row[0]], row[1]
    if len(words) != 2:
        raise BadRow(line, "KP_MODULE wants a function for when the module is loaded, and one for "
                           "before it goes")
    for word in words:
        if _name(word, line, "a function") in [f.name for f in functions]:
            raise BadRow(line, f"{word} is an operation; programs would call it as well")
    return Module(words[0], words[1], line)


def _roles(functions: tuple[Function, ...]) -> None:
    """Refuse a method without a role beside those that have one: it would use the whole caller
    while another thread uses a part of it."""
    methods = [function for function in functions if function.method]
    bare = [function for function in methods if not function.option("role")]
    if bare and len(bare) < len(methods):
        raise BadRow(bare[0].line, f"{bare[0].name} has no .role, and other methods have; give "
                                   "each one the role of who calls it")


def _callbacks(functions: tuple[Function, ...], create: Function | None) -> None:
    """Refuse what rows say of an object's callback where none of them has it run."""
    called_back = [f for f in functions if f.option("calls_back")]
    everyone = (*functions, *([create] if create else []))
    for function in functions:
        for option in _OF_CALLBACKS:
            if not function.option(option):
                continue
            if create is None or "KP_CALLBACK" not in [p.kind for p in create.parameters]:
                raise BadRow(function.line, f"{function.name} has .{option}, and no KP_CALLBACK is "
                                            "handed over in KP_CREATE")
            if function.adapter or not function.method:
                raise BadRow(function.line, f"{function.name} has .{option}, which is of a method")
            if not called_back:
                raise BadRow(function.line, f"{function.name} has .{option}, and no method has "
                                            ".calls_back = true: which one has the callback run?")
        if function.option("unwaiting"):
            _unwaiting(function, functions)
    for parameter in (p for f in everyone for p in f.parameters if called_back):
        if parameter.kind in USER:
            raise BadRow(parameter.line, f"{parameter.name} is user memory, which a callback on "
                                         f"another task does not have; leave .calls_back of "
                                         f"{called_back[0].name} out")


def _unwaiting(function: Function, functions: tuple[Function, ...]) -> None:
    """Refuse an operation that cannot stand in for one that waits."""
    name = function.option("unwaiting")
    other = next((f for f in functions if f.name == name and f.method), None)
    if other is None or other.option("not_inside"):
        raise BadRow(function.line, f".unwaiting = {name}: there is no such method that a callback "
                                    "may call")
    taken = [[(p.kind, p.type) for p in f.parameters] for f in (function, other)]
    if taken[0] != taken[1] or function.returns != other.returns:
        raise BadRow(function.line, f".unwaiting = {name}: that takes and returns other things "
                                    f"than {function.name}")


def read(text: str, pair: str = "") -> Contract:
    """All that the rows of a contract say; every row is looked at."""
    plain = _plain(text)
    _known(plain)
    sources(text)
    consumers = tuple(_end(*row) for row in _rows(plain, "KP_CONSUME"))
    found: list[Function] = []
    for name, words, line in _rows(plain, "KP_FUNCTION", "KP_METHOD", "KP_ADAPTER"):
        function = _function(name, words, line)
        if function.operation(pair) in [f.operation(pair) for f in (*consumers, *found)] or \
                function.operation(pair) in ("noop", "view", "create", "destroy", "show",
                                             "give_back"):
            raise BadRow(line, f"the name {function.name} is taken")
        found.append(function)
    functions = tuple(found)
    _roles(functions)
    known, create, destroy = _object(plain)
    if destroy and destroy.budget and any(f.option("waits") for f in functions):
        raise BadRow(destroy.line, f"{destroy.name}: the end of an object is not counted where an "
                                   "operation waits, as it may wait too; leave .budget out")
    _callbacks(functions, create)
    handle = _handle(plain, functions, known)
    if handle:
        functions = tuple(handle.puts if f.name == handle.puts.name else f for f in functions)
        if handle.shows.operation(pair) in [f.operation(pair) for f in functions]:
            raise BadRow(handle.line, f"the name {handle.shows.name} is taken")
    types, invariants = _types(plain), _invariants(plain)
    for view, line in ([(known.view, known.line)] if known else []) + \
            ([(handle.view, handle.line)] if handle else []):
        if view not in [shared.type for shared in types]:
            raise BadRow(line, f"there is no KP_TYPE({view}, its members), by which both "
                               "languages are known to have the view alike")
    return Contract(pair, functions, _diverges(plain, functions), known, create, destroy, types,
                    invariants, _module(plain, functions), handle, consumers,
                    _after(plain, invariants), _of_all(plain), _holds(plain), _margin(plain),
                    _syscalls(plain), _reasons(plain))
