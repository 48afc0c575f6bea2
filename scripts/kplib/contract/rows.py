# SPDX-License-Identifier: GPL-2.0
"""The rows of a contract, read from its text.

A row is a macro that is nothing to C and to bindgen, and describes one operation:

    KP_FUNCTION(glob_match, ANY, KP_BOOL,
                KP_TEXT(pat, .of = "ab*?", .max = 12),
                KP_TEXT(str, .max = 12))

Types and values in it are C, and are handed on as they stand: the compiler looks at them
where they are used, and points at the row if it does not like them. One more row names
the C files of the pair beside the one that is called as the pair:

    KP_SOURCES("helpers.c", "$(srctree)/lib/glob.c")
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

CONTEXTS = ("ANY", "ATOMIC", "SLEEPS")
#: Each kind of parameter: how many words stand before its options.
PARAMETERS = {"KP_NUMBER": 2, "KP_CHOICE": 2, "KP_FLAGS": 2, "KP_TEXT": 1, "KP_BYTES": 3,
              "KP_OUTPUT": 2, "KP_INOUT": 2, "KP_BUFFER": 3}
#: Options of each kind of parameter, members of struct kp_arg.
_BYTES = ("min", "max", "of", "parts")
OPTIONS = {"KP_NUMBER": ("lo", "hi"), "KP_CHOICE": ("beyond",), "KP_FLAGS": ("beyond",),
           "KP_TEXT": (*_BYTES, "numeric"), "KP_BYTES": _BYTES, "KP_BUFFER": ("min", "max"),
           "KP_OUTPUT": (), "KP_INOUT": ("lo", "hi")}
RETURNS = ("KP_VOID", "KP_BOOL", "KP_SIGNED", "KP_UNSIGNED", "KP_RESULT", "KP_OFFSET")
#: Every row. What begins a line and is called alike is taken for a mistake.
ROWS = ("KP_FUNCTION", "KP_DIVERGES", "KP_SOURCES")
#: The source tree of the kernel in use, as KP_SOURCES names it.
SRCTREE = "$(srctree)/"
#: As many arguments as the engine takes (KP_NR_ARGS).
ARGS_MAX = 6


class BadRow(Exception):
    """A row that cannot be understood; `line` is where it stands."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation. `type` is the C type of the number or of the bytes,
    `size_type` that of their number; `names` are the values of a choice or of flags."""

    kind: str
    name: str
    type: str
    size_type: str
    names: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    line: int

    @property
    def stored(self) -> bool:
        """Whether it is a number that the operation alone stores."""
        return self.kind == "KP_OUTPUT"


@dataclass(frozen=True)
class Returns:
    """A return value: its kind, its C type, and the errnos or the argument it points into."""

    kind: str
    type: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Function:
    """A function, as its row describes it."""

    name: str
    context: str
    returns: Returns
    parameters: tuple[Parameter, ...]
    line: int

    @property
    def outputs(self) -> tuple[Parameter, ...]:
        """The numbers that it stores."""
        return tuple(p for p in self.parameters if p.stored)


@dataclass(frozen=True)
class Diverges:
    """A difference that the contract accepts. `when` is C; see emit_c."""

    id: str
    function: str
    when: str
    reason: str
    link: str
    line: int


def _blank(found: re.Match[str]) -> str:
    """A comment as blanks: lines keep their numbers."""
    return re.sub(r"[^\n]", " ", found.group()) if found.group().startswith("/") \
        else found.group()


def _uncommented(text: str) -> str:
    return re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', _blank, text,
                  flags=re.S)


def _squeezed(text: str) -> str:
    """Text with one blank where there were several, but for what is in quotes."""
    return re.sub(r'("(?:\\.|[^"\\\n])*")|\s+', lambda found: found.group(1) or " ", text).strip()


def _words(text: str, start: int, line: int) -> tuple[list[tuple[str, int]], int]:
    """What stands between commas in brackets, each with its line; and where they close."""
    words, depth, begin, at = [], 0, start, start
    while at < len(text):
        char = text[at]
        if char in "\"'":
            end = re.compile(rf"(?:\\.|[^\\{char}\n])*{char}").match(text, at + 1)
            if end is None:
                raise BadRow(text.count("\n", 0, at) + 1, f"a {char} is not closed")
            at = end.end()
            continue
        if char in "([{":
            depth += 1
        elif char in ")]}" and depth:
            depth -= 1
        elif char in ",)" and not depth:
            word = text[begin:at]
            skipped = len(word) - len(word.lstrip())
            words.append((_squeezed(word),
                          text.count("\n", 0, begin + skipped) + 1))
            begin = at + 1
            if char == ")":
                return words, at
        at += 1
    raise BadRow(line, "its brackets are not closed")


def _call(word: str, line: int) -> tuple[str, list[str]]:
    """A word such as KP_TEXT(a, b): its name and what is in its brackets."""
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
    return found.group(1), found.group(2)


def _parameter(word: str, line: int) -> Parameter:
    kind, words = _call(word, line)
    if kind not in PARAMETERS:
        raise BadRow(line, f"'{kind}' is no kind of parameter; there are "
                           f"{', '.join(PARAMETERS)}")
    count = PARAMETERS[kind]
    if len(words) < count:
        raise BadRow(line, f"{kind} wants {count} words before its options")
    named = kind in ("KP_CHOICE", "KP_FLAGS")
    names = tuple(_value(w, line) for w in words[count:] if not w.startswith("."))
    if named and not names:
        raise BadRow(line, f"{kind} wants the names of its values")
    if names and not named:
        raise BadRow(line, f"'{names[0]}' is no option of {kind}")
    if kind not in ("KP_TEXT", "KP_BYTES", "KP_BUFFER") and "*" in words[0]:
        raise BadRow(line, f"{kind}({words[0]}, ...): no pointer; KP_TEXT, KP_BYTES, KP_BUFFER, "
                           "KP_OUTPUT and KP_INOUT are passed by one")
    return Parameter(
        kind, _name(words[0] if count == 1 else words[1], line, "a parameter"),
        words[0] if count > 1 else "char", words[2] if count > 2 else "", names,
        tuple(_option(w, line, kind) for w in words[count:] if w.startswith(".")), line)


def _returns(word: str, line: int, parameters: tuple[Parameter, ...]) -> Returns:
    kind, words = _call(word, line)
    if kind not in RETURNS:
        raise BadRow(line, f"'{kind}' is no kind of return value; there are "
                           f"{', '.join(RETURNS)}")
    if kind in ("KP_SIGNED", "KP_UNSIGNED", "KP_RESULT", "KP_OFFSET") and not words:
        raise BadRow(line, f"{kind} wants a C type in brackets")
    if kind == "KP_OFFSET" and (len(words) != 2 or words[1] not in [
            p.name for p in parameters if p.kind in ("KP_TEXT", "KP_BYTES", "KP_BUFFER")]):
        raise BadRow(line, "KP_OFFSET(type, parameter) wants a text or bytes to point into")
    return Returns(kind, {"KP_VOID": "void", "KP_BOOL": "bool"}.get(kind) or words[0],
                   tuple(words[1:]))


def _function(words: list[tuple[str, int]], line: int) -> Function:
    if len(words) < 3:
        raise BadRow(line, "KP_FUNCTION wants a name, a context, what it returns, and its "
                           "parameters")
    (name, _), (context, at), (returns, returns_at) = words[:3]
    if context not in CONTEXTS:
        raise BadRow(at, f"'{context}' is no context; there are {', '.join(CONTEXTS)}")
    parameters = tuple(_parameter(word, at) for word, at in words[3:])
    if len(parameters) > ARGS_MAX:
        raise BadRow(line, f"{name} has more than {ARGS_MAX} parameters")
    seen: set[str] = set()
    for parameter in parameters:
        if parameter.name in seen:
            raise BadRow(parameter.line, f"two parameters are called {parameter.name}")
        seen.add(parameter.name)
    function = Function(_name(name, line, "a function"), context,
                        _returns(returns, returns_at, parameters), parameters, line)
    if function.outputs and function.returns.kind not in ("KP_VOID", "KP_BOOL", "KP_RESULT"):
        raise BadRow(line, f"{name} returns a number and has a KP_OUTPUT: which of them Rust "
                           "returns is not clear; write a function around it")
    return function


def _known(plain: str) -> None:
    """Refuse rows that there are not, and a contract that has none of a function."""
    for row in re.finditer(r"^[ \t]*(KP_\w*)[ \t]*\(", plain, re.M):
        line = plain.count("\n", 0, row.start()) + 1
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
    if not re.search(r"^KP_FUNCTION\(", plain, re.M):
        raise BadRow(1, "no row of a function; write KP_FUNCTION(name, context, what it returns, "
                        "its parameters) at the beginning of a line")


@dataclass(frozen=True)
class Source:
    """A C file that a contract lists, and where it does."""

    name: str
    line: int

    @property
    def own(self) -> bool:
        """Whether it stands beside the pair's own C side."""
        return not self.name.startswith(("/", SRCTREE))


def sources(text: str) -> tuple[Source, ...]:
    """The C files that a contract lists. make reads them too, hence one line alone."""
    plain = _uncommented(text)
    found: list[Source] = []
    for row in re.finditer(r"^KP_SOURCES\(", plain, re.M):
        line = plain.count("\n", 0, row.start()) + 1
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


def diverges(text: str) -> tuple[Diverges, ...]:
    """The differences that a contract accepts."""
    plain = _uncommented(text)
    names = [function.name for function in read(text)]
    found: list[Diverges] = []
    for row in re.finditer(r"^KP_DIVERGES\(", plain, re.M):
        line = plain.count("\n", 0, row.start()) + 1
        words = [word for word, _ in _words(plain, row.end(), line)[0]]
        if len(words) != 5:
            raise BadRow(line, "KP_DIVERGES wants an id, a function, when it differs, why that is "
                               "accepted, and where that was decided")
        ident, function, when, *texts = words
        if not re.fullmatch("[a-z][a-z0-9_]*", ident) or ident in [d.id for d in found]:
            raise BadRow(line, f"'{ident}' is no new id: one of small letters, digits and _")
        if function not in names:
            raise BadRow(line, f"there is no row of a function {function}")
        for text_ in texts:
            if not re.fullmatch(r'"(?:\\.|[^"\\])+"( "(?:\\.|[^"\\])+")*', text_):
                raise BadRow(line, f"{text_ or 'nothing'}: write text in quotes")
        found.append(Diverges(ident, function, when, texts[0], texts[1], line))
    return tuple(found)


def read(text: str) -> tuple[Function, ...]:
    """The functions that a contract has rows of; every row is looked at."""
    plain = _uncommented(text)
    _known(plain)
    sources(text)
    found: list[Function] = []
    for row in re.finditer(r"^KP_FUNCTION\(", plain, re.M):
        line = plain.count("\n", 0, row.start()) + 1
        function = _function(_words(plain, row.end(), line)[0], line)
        if function.name in [f.name for f in found] or function.name == "noop":
            raise BadRow(line, f"the name {function.name} is taken")
        found.append(function)
    return tuple(found)
