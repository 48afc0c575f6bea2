# SPDX-License-Identifier: GPL-2.0
"""A contract as parsed from its rows: see rows.py for the words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import ClassVar

#: Categories of promises.
CATEGORIES = ("ownership", "lifetime", "concurrency", "errors", "context", "layout",
              "compatibility")
#: Results that C has as an int, beside errnos: KP_RESULT(bool, ...) and the like.
NARROWED = ("bool", "u8", "u16", "u32")
#: The source tree of the kernel in use, as KP_SOURCES names it.
SRCTREE = "$(srctree)/"


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation. `type` is the C type of the number or of the bytes,
    `size_type` that of their number; `names` are the values of a choice or of flags, or the
    functions that programs hand over as a callback; `members` are those of a structure, of which
    each is an argument of its own for the engine."""

    kind: str
    name: str
    type: str
    size_type: str
    names: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    line: int
    members: tuple[Parameter, ...] = ()

    @property
    def stored(self) -> bool:
        """Whether it is a number that the operation alone stores."""
        return self.kind == "KP_OUTPUT"

    @property
    def handle(self) -> bool:
        """Whether it is a handle that the caller holds."""
        return self.kind in ("KP_BORROWED", "KP_GIVEN")

    @property
    def limits(self) -> tuple[tuple[str, str], ...]:
        """Limits that the row sets to the value, each a word of the row and its C expression.

        `.beyond` and `.any` say that the function takes other values too. How long text is and
        what it is made of are for programs alone: only the least length is asked for.
        """
        given = dict(self.options)
        if self.kind in ("KP_CHOICE", "KP_FLAGS"):
            found = tuple((str(i), name) for i, name in enumerate(dict.fromkeys(self.names)))
        elif self.kind in ("KP_NUMBER", "KP_INOUT"):
            words = ("lo", "hi", "log2") if self.type != "bool" else ()
            found = tuple((word, given[word]) for word in words if word in given)
        else:
            found = tuple((word, given[word]) for word in ("min",) if word in given)
        taken = "true" in (given.get("beyond"), given.get("any")) and "min" not in dict(found)
        return () if taken else found


@dataclass(frozen=True)
class Returns:
    """A return value: its kind, its C type, and the errnos or the argument it points into."""

    kind: str
    type: str
    words: tuple[str, ...]

    @property
    def fails(self) -> bool:
        """Whether a negative value is an errno."""
        return self.kind in ("KP_RESULT", "KP_ERRNO")

    @property
    def new(self) -> bool:
        """Whether it is a handle, or an errno as a pointer."""
        return self.kind == "KP_NEW"

    @property
    def narrowed(self) -> bool:
        """Whether C returns an int: an errno, or a value of the type."""
        return self.kind == "KP_RESULT" and self.type in NARROWED

    @property
    def c_type(self) -> str:
        """The type that the function has in C."""
        return "int" if self.narrowed else self.type


def joined(word: str) -> str:
    """The text of a C string, which may stand in pieces; without its quotes."""
    return "".join(re.findall(r'"((?:\\.|[^"\\])*)"', word))


@dataclass(frozen=True)
class Order:
    """An ordering that an operation has to ask for: `strength` is acquire, release or full,
    `field` is C's, and `rust` what that is called in Rust, if otherwise."""

    strength: str
    field: str
    rust: str = ""


#: The words of a row that name orderings.
ORDERS = ("acquire", "release", "full")


@dataclass(frozen=True)
class Takes:
    """Locks of one kind that an operation takes: no call more than `most`, where that is no None,
    and some call `least`; with interrupts disabled if `irq_off`."""

    kind: str
    least: int
    most: int | None
    irq_off: bool

    @staticmethod
    def read(found: re.Match[str]) -> Takes:
        """The locks that a match of LOCK is of."""
        least, most = found.group("least"), found.group("most")
        if least == "any":
            return Takes(found.group("kind"), 0, None, bool(found.group("irq_off")))
        return Takes(found.group("kind"), int(least or 1), int(most or least or 1),
                     bool(found.group("irq_off")))


#: Kinds of locks that a row can name: those for which one spins, and those for which one sleeps.
LOCKS = ("spinlock", "mutex")
#: The largest number of them, beside "any".
LOCKS_MAX = 100


#: Percent that nothing exceeds; a row has five digits.
UNLIMITED = 1e9


@dataclass(frozen=True)
class Budget:
    """What an operation may cost more than on c->c: as much as `percent` of that, or as so many
    `instructions`, and `why`."""

    percent: float
    instructions: float
    why: str

    @staticmethod
    def read(found: re.Match[str]) -> Budget:
        """The budget that a match of BUDGET is of."""
        return Budget(float(found.group("percent")), float(found.group("instructions") or 4),
                      found.group("why"))

    def tell(self) -> str:
        """The budget, for a person."""
        if self.percent >= UNLIMITED:
            return "without limit"
        return f"{self.percent:g} % and {self.instructions:g} instructions"


@dataclass(frozen=True)
class Margin:
    """Within how much of an operation's own part two paths take the same time, and `why`."""

    percent: float
    why: str


#: What the row of a margin says.
MARGIN = re.compile(r"(?P<percent>\d{1,2}(?:\.\d{1,3})?) %: (?P<why>.+)", re.A)
#: What a row says of its budget.
BUDGET = re.compile(r"(?P<percent>\d{1,5}) %(?:, (?P<instructions>\d{1,6}) instructions)?: "
                    r"(?P<why>.+)", re.A)
#: Where a reason of make coverage is for: a file, and the text of a line, or a function of it.
PLACE = re.compile(r"(?P<file>[\w.+-]+\.(?:c|h|rs)): "
                   r"(?:(?P<function>\w+)\(\)(?:: (?P<inside>\S.*))?|(?P<line>\S.*))", re.A)
#: What a row says of one kind of locks.
LOCK = re.compile(r"(?:(?P<least>\d{1,3}|any)(?:-(?P<most>\d{1,3}))? )?"
                  rf"(?P<kind>{'|'.join(LOCKS)})(?P<irq_off> irq-off)?", re.A)


@dataclass(frozen=True)
class Function:
    """A C function, as its row describes it. `options` are the row's own, as C has them.

    `method`: its first argument is the object. `maker`: it makes the object. `adapter`: it is
    of no side, and is handed the functions of the side that it is to use. `puts`: it does
    nothing but give a handle back.
    """

    name: str
    context: str
    returns: Returns
    parameters: tuple[Parameter, ...]
    line: int
    method: bool = False
    options: tuple[tuple[str, str], ...] = ()
    maker: bool = False
    adapter: bool = False
    puts: bool = False

    @property
    def placed(self) -> tuple[tuple[int, Parameter], ...]:
        """Each parameter, and the number of its first argument for the engine."""
        counts = [len(p.members) or 1 for p in self.parameters]
        return tuple((sum(counts[:i]), p) for i, p in enumerate(self.parameters))

    @property
    def arguments(self) -> tuple[Parameter, ...]:
        """The engine's arguments: members in place of their structure, and named with it."""
        return tuple(a for p in self.parameters for a in (
            [replace(m, name=f"{p.name}.{m.name}") for m in p.members] or [p]))

    @property
    def outputs(self) -> tuple[Parameter, ...]:
        """The numbers that it stores."""
        return tuple(p for p in self.parameters if p.stored)

    def option(self, name: str, default: str = "") -> str:
        """An option of the row."""
        return dict(self.options).get(name, default)

    @property
    def orders(self) -> tuple[Order, ...]:
        """The orderings of the row."""
        found = re.findall(r"(\w+) (\w+)(?:=(\w+))?", self.option("orders"))
        return tuple(Order(*words) for words in found)

    @property
    def takes(self) -> tuple[Takes, ...]:
        """The locks of the row, what is said of them left out."""
        terms = joined(self.option("locks", '"none"')).partition(":")[0].split(",")
        return tuple(Takes.read(found) for term in terms if (found := LOCK.fullmatch(term.strip())))

    @property
    def budget(self) -> Budget | None:
        """What it may cost more than on c->c, if the row says so."""
        found = BUDGET.fullmatch(joined(self.option("budget")))
        return Budget.read(found) if found else None

    def operation(self, pair: str) -> str:
        """Its name in programs and reports, and in the port.

        It is that in C; what an object or a handle does is not called by the pair's name as well.
        """
        if self.method or self.maker or self.adapter or any(p.handle for p in self.parameters):
            return self.name.removeprefix(f"{pair}_")
        return self.name


@dataclass(frozen=True)
class Object:
    """The object of a pair: its C type, its view, and the function that takes the view."""

    type: str
    view: str
    viewer: str
    line: int


@dataclass(frozen=True)
class Handle:
    """The handles of a pair: counted references, or the like, that operations return.

    `type` is the C type that they point to, `view` what one shows, `member` the array in the
    object's view that has this of each one that a program holds. `shows` takes that view, `puts`
    gives a handle back. `outlives`: they may be held when the object is destroyed.
    """

    type: str
    view: str
    shows: Function
    puts: Function
    member: str
    outlives: bool
    line: int


@dataclass(frozen=True)
class Module:
    """The C functions that are called when the pair's module is loaded, and before it goes."""

    load: str
    unload: str
    line: int


@dataclass(frozen=True)
class Shared:
    """A type that both languages touch, and its members in their order.

    `timing`: those of a view that depend on how operations of several threads meet.
    """

    type: str
    members: tuple[str, ...]
    line: int
    timing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Invariant:
    """A promise of the contract. `when` and `then` are C, and empty where a case judges it."""

    id: str
    category: str
    text: str
    keeps: str
    when: str
    then: str
    line: int


@dataclass(frozen=True)
class After:
    """A promise that a function of the suite judges after each program."""

    id: str
    function: str
    line: int


@dataclass(frozen=True)
class Holds:
    """What an object holds: a word for it, in the plural, and in C how many, by the view `now`."""

    unit: str
    number: str
    line: int


@dataclass(frozen=True)
class Diverges:
    """A difference that the contract accepts. `when` is C; see emit_c. `kinds` says in what
    results may differ, of KINDS."""

    id: str
    function: str
    when: str
    reason: str
    link: str
    line: int
    kinds: tuple[str, ...] = ("returns",)

    #: Parts in which results can differ: the word of a row, and its name for a person.
    KINDS: ClassVar[dict[str, str]] = {
        "returns": "return value", "outputs": "outputs", "state": "state",
        "orders": "orderings"}

    @property
    def of_orders(self) -> bool:
        """Whether Rust orders less, and results are the same; `when` is then the field, in C."""
        return self.kinds == ("orders",)


@dataclass(frozen=True)
class Source:
    """A C file that a contract lists, and where it does."""

    name: str
    line: int

    @property
    def own(self) -> bool:
        """Whether it stands beside the pair's own C side."""
        return not self.name.startswith(("/", SRCTREE))


@dataclass(frozen=True)
class Reason:
    """Why no program reaches a place, or, if `one_way`, why a jump there goes one way alone.

    The place is of `file`, by its name without folders: each line with the text `text`, of the
    function `function` where one is given; without a text that function as a whole. A text that
    ends with "..." is the beginning of a line's. `arch`: the only one that it is for. `chance`:
    whether it is reached is a matter of when CPUs meet.
    """

    one_way: bool
    file: str
    function: str
    text: str
    why: str
    arch: str
    chance: bool
    line: int

    def says(self, line: str) -> bool:
        """Whether a line has the text; blanks are one where there are several."""
        text, line = self.text, " ".join(line.split())
        return line.startswith(text[:-3]) if text.endswith("...") else line == text

    @property
    def place(self) -> str:
        """The place, as the row has it."""
        function = f"{self.function}()" if self.function else ""
        return f"{self.file}: {': '.join(filter(None, (function, self.text)))}"


@dataclass(frozen=True)
class Contract:
    """All that the rows of one pair say. A pair of functions has no object.

    `consumers` are functions beside `destroy` that take the object from its owner.
    """

    pair: str
    functions: tuple[Function, ...]
    diverges: tuple[Diverges, ...] = ()
    object: Object | None = None
    create: Function | None = None
    destroy: Function | None = None
    types: tuple[Shared, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    module: Module | None = None
    handle: Handle | None = None
    consumers: tuple[Function, ...] = ()
    after: After | None = None
    #: What each operation may cost more than on c->c, whose row does not say.
    budget: Budget | None = None
    holds: Holds | None = None
    margin: Margin | None = None
    #: What system calls on the Rust node may cost more than on the C node, by their names.
    syscalls: dict[str, Budget] = field(default_factory=dict)
    #: Why places are not reached, for make coverage.
    reasons: tuple[Reason, ...] = ()

    @property
    def costed(self) -> dict[str, Function]:
        """What lane insn counts the cost of, by its name in results: the operations, and how an
        object is made and ends; the end not where operations wait for others, as it may too
        (any_waits() in kmod/engine/insn.c)."""
        waits = any(f.option("waits") for f in self.functions)
        ends = {"create": self.create, "destroy": None if waits else self.destroy}
        return {f.operation(self.pair): f for f in self.functions} | {
            name: f for name, f in ends.items() if f}

    @property
    def differences(self) -> tuple[Diverges, ...]:
        """The accepted differences that results show."""
        return tuple(d for d in self.diverges if not d.of_orders)

    @property
    def adapters(self) -> tuple[Function, ...]:
        """The functions of no side, which each caller language has its own of."""
        return tuple(f for f in self.functions if f.adapter)

    @property
    def sided(self) -> tuple[Function, ...]:
        """The functions that are operations and that each side has."""
        return tuple(f for f in self.functions if not f.adapter)

    @property
    def roles(self) -> tuple[str, ...]:
        """Who may carry out operations that exclude each other, each role once."""
        found = dict.fromkeys(f.option("role") for f in self.functions if f.option("role"))
        return tuple(found)

    def guarded(self, function: Function) -> bool:
        """Whether a Rust caller has to keep a rule that the function's type does not state."""
        return bool(function.option("role")) or \
            function.returns.new and not (self.handle and self.handle.outlives)
