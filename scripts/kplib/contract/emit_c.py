# SPDX-License-Identifier: GPL-2.0
"""The C that follows from the rows of a contract: a header, and the pair's glue.

The header declares what Rust defines, and is what bindgen reads. The glue has, for each
function, a caller of the C side and one of the Rust side, the tables that the engine goes
by, records for `make contract`, and the suites. Lines that hold what a row says carry the
row's own file and line, so that the compiler points there.
"""

from __future__ import annotations

from kplib.contract.model import Contract, Function, Module, Parameter, Returns
from kplib.contract.rows import USER, pieces

_HEAD = """\
/* SPDX-License-Identifier: GPL-2.0 */
/* Made by scripts/contract-glue from {contract}; changes here are lost. */
"""
_KINDS = {"KP_NUMBER": "KP_NUMBER", "KP_CHOICE": "KP_NUMBER", "KP_FLAGS": "KP_NUMBER",
          "KP_CALLBACK": "KP_NUMBER"}
_RETURNS = {"KP_VOID": "KP_RET_VOID", "KP_BOOL": "KP_RET_BOOL", "KP_SIGNED": "KP_RET_SIGNED",
            "KP_UNSIGNED": "KP_RET_UNSIGNED", "KP_RESULT": "KP_RET_RESULT",
            "KP_ERRNO": "KP_RET_RESULT", "KP_OFFSET": "KP_RET_OFFSET",
            "KP_NEW": "KP_RET_RESULT"}
#: Weight of each function, and of the no-op that calibrates the driver.
_WEIGHT, _NOOP_WEIGHT, _NOOP_WEIGHT_OF_OBJECT = 16, 1, 4
#: The function of each side that the no-op calls, and that does nothing.
_NOTHING = {"c": "kp_nothing", "rust": "kp_rust_nothing_{pair}"}
#: Greatest number of bytes where a row gives none.
_MAX = {"KP_TEXT": 16, "KP_BYTES": 64, "KP_BUFFER": 64, "KP_USER_BYTES": 64, "KP_USER_BUFFER": 64}
#: Types of numbers that members of a view have.
_UNSIGNED = ("bool", "char", "u8", "u16", "u32", "unsigned long", "u64")
_SIGNED = ("s8", "s16", "s32", "long", "s64")


def declaration(parameter: Parameter) -> str:
    """A parameter as C declares it."""
    p = parameter
    if p.kind == "KP_TEXT":
        return f"const char *{p.name}"
    if p.kind == "KP_BYTES":
        return f"const {p.type} *{p.name}, {p.size_type} {p.name}_size"
    if p.kind == "KP_BUFFER":
        return f"{p.type} *{p.name}, {p.size_type} {p.name}_size"
    if p.kind in USER:
        const = "const " if p.kind == "KP_USER_BYTES" else ""
        return f"{const}void __user *{p.name}, {p.size_type} {p.name}_size"
    if p.kind in ("KP_OUTPUT", "KP_INOUT") or p.handle:
        return f"{p.type} *{p.name}"
    if p.kind == "KP_STRUCT":
        return f"const {p.type} *{p.name}"
    if p.kind == "KP_CALLBACK":
        return f"{p.type} {p.name}, {p.type} {p.name}_release, void *{p.name}_data"
    return f"{p.type} {p.name}"


def _dirty(parameter: Parameter) -> str:
    """Types of a parameter as C declares it, but for narrow integers: these have a register."""
    p, size = parameter, ", u64" * bool(parameter.size_type)
    if p.kind == "KP_CALLBACK":
        return f"{p.type}, {p.type}, void *"
    if p.kind in USER:
        return f"{'const ' * (p.kind == 'KP_USER_BYTES')}void __user *{size}"
    return f"const void *{size}" if _by_pointer(p) else "u64"


def _by_pointer(p: Parameter) -> bool:
    """Whether C is passed where a parameter is."""
    return bool(p.kind in ("KP_TEXT", "KP_BYTES", "KP_BUFFER", "KP_OUTPUT", "KP_INOUT",
                           "KP_STRUCT", *USER) or p.handle)


def _has_narrow(function: Function) -> bool:
    """Whether a function is passed an integer, which can be narrower than a register."""
    return any(p.size_type or p.kind != "KP_CALLBACK" and not _by_pointer(p)
               for p in function.parameters)


def _made_dirty(function: Function) -> bool:
    """Whether there are callers of a function that make its arguments dirty: an adapter is C's."""
    return _has_narrow(function) and not function.adapter


def _parameters(function: Function, obj: str = "", pair: str = "") -> str:
    first = [f"{obj} *object"] if function.method else \
        [f"const struct {pair}_ops *ops"] if function.adapter else []
    return ", ".join([*first, *map(declaration, function.parameters)]) or "void"


def _returned(function: Function) -> str:
    """The C type that a function returns, with a blank where a name may follow."""
    kind = function.returns.c_type
    return kind if kind.endswith("*") else kind + " "


def rust_name(pair: str, function: Function) -> str:
    """The symbol of a function's Rust side."""
    return f"{pair}_rust_{function.operation(pair)}"


def rust_module(contract: Contract) -> tuple[str, str]:
    """The symbols of Rust functions that load and unload the module."""
    assert contract.module
    pair = contract.pair
    load, unload = (f"{pair}_rust_{name.removeprefix(f'{pair}_')}"
                    for name in (contract.module.load, contract.module.unload))
    return load, unload


def _view(contract: Contract) -> Function:
    """The function that takes the view, as one that a row describes."""
    assert contract.object
    return Function(contract.object.viewer, "ANY", Returns("KP_VOID", "void", ()), (
        Parameter("KP_OUTPUT", "view", contract.object.view, "", (), (), contract.object.line),),
        contract.object.line, True)


def limit(function: Function, at: int, word: str) -> str:
    """The name by which Rust knows a limit of an argument."""
    return f"KP_LIMIT_{function.name}_{at}_{word}"


def _limits(contract: Contract, path: str) -> str:
    """The limits of arguments, for Rust to hold: only C can tell what a row's words are worth."""
    found = "".join(
        f"# {argument.line} \"{path}\"\nenum {{ {limit(function, at, word)} = {value} }};\n"
        for function in callable_functions(contract)
        for at, argument in enumerate(function.arguments)
        for word, value in argument.limits if word != "log2")
    return f"\n#ifdef __BINDGEN__\n{found}#endif\n" if found else ""


def handle_functions(contract: Contract) -> tuple[Function, ...]:
    """Functions that a handle needs beside those that have rows of their own."""
    if not contract.handle:
        return ()
    given = (contract.handle.shows, contract.handle.puts)
    return tuple(f for f in given if f not in contract.functions)


def callable_functions(contract: Contract) -> tuple[Function, ...]:
    """All functions of each side: those of rows, and those that make, end and show objects."""
    if not (contract.object and contract.create and contract.destroy):
        return contract.functions
    return (contract.create, contract.destroy, *contract.consumers, *contract.sided,
            *handle_functions(contract),
            _view(contract))


def header(contract: Contract, path: str) -> str:
    """The header: the contract, what Rust defines, and names for the pair's own suite."""
    pair = contract.pair
    guard = f"_KPARITY_{pair.upper()}_GLUE_H"
    lines = [_HEAD.format(contract=path),
             f"#ifndef {guard}\n#define {guard}\n\n#include \"{path}\"\n"]
    kind = contract.object.type if contract.object else ""
    for function in callable_functions(contract):
        lines.append(f"# {function.line} \"{path}\"\n"
                     f"{_returned(function)}{rust_name(pair, function)}"
                     f"({_parameters(function, kind)});\n")
    lines.append(_limits(contract, path))
    if contract.adapters:
        lines.append(f"\n/* The functions of one side, for adapters. */\nstruct {pair}_ops {{\n"
                     + "".join(f"\t{_returned(f)}(*{f.operation(pair)})({_parameters(f, kind)});\n"
                               for f in callable_functions(contract)) + "};\n")
    if contract.object:
        names = ", ".join(f"{pair}_{name}".upper() for name in (
            "noop", *(f.operation(pair) for f in contract.functions)))
        lines.append(f"\nenum {pair}_op {{ {names} }};\n")
    if contract.invariants:
        names = ", ".join(f"INV_{invariant.id}" for invariant in contract.invariants)
        lines.append(f"\nenum {pair}_invariant {{ {names} }};\n")
    if contract.module:
        load, unload = rust_module(contract)
        lines.append(f"\n# {contract.module.line} \"{path}\"\nvoid *{load}(void);\n"
                     f"# {contract.module.line} \"{path}\"\nvoid {unload}(void *module);\n")
    lines.append(f"\nvoid {_NOTHING['rust'].format(pair=pair)}(void *obj);\n")
    kind = "an_object" if contract.object else "functions"
    lines.append(f"\n/* For KP_SUITES(), or KP_FUNCTION_SUITES(), to be the right one. */\n"
                 f"enum {{ {pair}_has_{kind} }};\n")
    lines.append(f"\nextern const struct kp_driver {pair}_rust_over_c;\n"
                 f"extern const struct kp_driver {pair}_rust_over_rust;\n"
                 f"\nstruct kp_pair;\nextern const struct kp_pair {pair}_pair;\n\n#endif\n")
    return "".join(lines)


class _Text:
    """Text of a file whose lines come from two files."""

    def __init__(self, contract: str, own: str) -> None:
        self._contract, self._own = contract, own
        self._parts: list[str] = []

    def add(self, text: str) -> None:
        """Lines of this file."""
        self._parts.append(text)

    def row(self, line: int, text: str) -> None:
        """One line that stands for one of the contract."""
        now = "".join(self._parts).count("\n") + 3
        self._parts.append(f"# {line} \"{self._contract}\"\n{text}\n# {now + 1} \"{self._own}\"\n")

    def __str__(self) -> str:
        return "".join(self._parts)


def _argument(parameter: Parameter, at: int, dirty: bool = False) -> str:
    if parameter.kind == "KP_CALLBACK":
        return f"{', '.join(parameter.names)}, (void *)(uintptr_t)slot[{at}].n"
    if parameter.kind in ("KP_NUMBER", "KP_CHOICE", "KP_FLAGS"):
        return f"kp_dirty({parameter.type}, slot[{at}].n)" if dirty else \
            f"({parameter.type})slot[{at}].n"
    size = f"kp_dirty({parameter.size_type}, slot[{at}].n)" if dirty else f"slot[{at}].n"
    if parameter.kind in ("KP_BYTES", "KP_BUFFER"):
        return f"slot[{at}].p, {size}"
    if parameter.kind in USER:
        return f"kp_user_ptr(&slot[{at}]), {size}"
    return f"&{parameter.name}" if parameter.kind == "KP_STRUCT" else f"slot[{at}].p"


def _structure(parameter: Parameter, at: int) -> str:
    """The value of a structure, from the arguments that its members are."""
    return ", ".join(f".{m.name} = {_argument(m, at + i)}" for i, m in enumerate(parameter.members))


def _structures(function: Function, text: _Text) -> None:
    """The structures that a function is passed by pointer, as variables of its caller."""
    structures = [(i, p) for i, p in function.placed if p.members]
    for i, p in structures:
        text.row(p.line, f"\tconst {p.type} {p.name} = {{ {_structure(p, i)} }};")
    text.add("\n" * bool(structures))


def _as_dirty(function: Function, called: str) -> str:
    """A function, to be called with registers of which every bit is given."""
    types = ", ".join([*(["void *"] if function.method else []),
                       *map(_dirty, function.parameters)])
    return f"(({_returned(function)}(*)({types}))kp_as({called}))"


def _caller(function: Function, name: str, called: str, text: _Text, ops: str = "",
            dirty: bool = False) -> None:
    """A function that the engine calls with arguments that are laid out."""
    first = ["obj"] if function.method else [f"&{ops}"] if function.adapter else []
    arguments = ", ".join([*first, *(_argument(p, i, dirty) for i, p in function.placed)])
    call = f"{_as_dirty(function, called) if dirty else called}({arguments})"
    if function.returns.kind == "KP_VOID":
        body = f"\t{call};"
    elif function.returns.kind == "KP_OFFSET":
        base = next(i for i, p in function.placed if p.name == function.returns.words[0])
        body = f"\tres->ret = kp_offset({call}, slot[{base}].p);"
    elif function.returns.new:
        body = f"\tres->ret = kp_new({call}, slot[{len(function.arguments)}].p);"
    else:
        body = f"\tres->ret = {call};"
    text.add(f"static void {name}(void *obj, const struct kp_slot *slot,\n"
             "\t\tstruct kp_result *res)\n{\n")
    _structures(function, text)
    text.row(function.line, body)
    text.add("\tres->ret = 0;\n" if function.returns.kind == "KP_VOID" else "")
    text.add("}\n\n")


def _has_variables(function: Function) -> bool:
    """Whether a caller has variables for what a function stores: an adapter's are its own."""
    return bool(function.outputs) and not function.adapter


def _counted(function: Function, name: str, called: str, text: _Text) -> None:
    """A caller that is costed: it keeps what is stored in variables, and looks for an error."""
    stored = [(i, p) for i, p in function.placed if p.stored]
    arguments = ", ".join([*(["obj"] if function.method else []),
                           *(f"&out{i}" if p.stored else _argument(p, i)
                             for i, p in function.placed)])
    text.add(f"static void {name}(void *obj, const struct kp_slot *slot,\n"
             "\t\tstruct kp_result *res)\n{\n")
    _structures(function, text)
    text.add("".join(f"\t{p.type} out{i};\n" for i, p in stored))
    if function.returns.kind == "KP_VOID":
        text.row(function.line, f"\t{called}({arguments});")
        text.add("\tres->ret = 0;\n")
    else:
        text.row(function.line, f"\t{_returned(function)}ret = {called}({arguments});")
        test = "ret" if function.returns.kind == "KP_BOOL" else "ret >= 0"
        text.add(f"\n\tres->ret = ret;\n\tif (!({test}))\n\t\treturn;\n")
    text.add("".join(f"\t*({p.type} *)slot[{i}].p = out{i};\n" for i, p in stored) + "}\n\n")


def _range(parameter: Parameter, given: dict[str, str]) -> list[str]:
    kind = parameter.kind
    if kind in _MAX:
        most = given.get("max", str(_MAX[kind]))
        least = given.get("min", "0")
        return [f".min = {least}", f".max = {most}",
                *([f".lo = {least}", f".hi = {most}"] if kind == "KP_BUFFER" else [])]
    if parameter.type == "bool":
        low, high = "0", "1"
    else:
        low, high = (f"(u64)type_{end}({parameter.type})" for end in ("min", "max"))
    return [f".lo = {given.get('lo', low)}", f".hi = {given.get('hi', high)}"]


def _slot_row(contract: Contract, name: str, kind: str) -> str:
    """The struct kp_arg of a handle: a place in the engine's table of those that are held."""
    return (f"\t\t{{ .name = \"{name}\", .kind = {kind}, "
            f".hi = {_places(contract)} - 1 }},")


def _places(contract: Contract) -> str:
    """How many handles a program can hold, as C says it."""
    assert contract.object and contract.handle
    return (f"(sizeof_field({contract.object.view}, {contract.handle.member}) / "
            f"sizeof({contract.handle.view}))")


def _row(parameter: Parameter) -> str:
    """A parameter's struct kp_arg."""
    if parameter.kind == "KP_CALLBACK":  # Programs choose its number.
        parameter = Parameter("KP_NUMBER", parameter.name, "u32", "", (),
                              (("hi", "0"), *parameter.options), parameter.line)
    given = dict(parameter.options)
    kind = _KINDS.get(parameter.kind, parameter.kind)
    members = [f'.name = "{parameter.name}"', f".kind = {kind}"]
    if parameter.kind in USER:
        members += [f".size = sizeof({parameter.size_type})",
                    f".is_signed = is_signed_type({parameter.size_type})"]
    if parameter.kind not in _MAX:
        members += [f".size = sizeof({parameter.type})",
                    f".is_signed = is_signed_type({parameter.type})"]
    members += _range(parameter, given)
    if parameter.names:
        listed = ", ".join(f'{{ "{name}", {name} }}' for name in parameter.names)
        members.append(f".names = (const struct kp_name[]){{ {listed}, {{}} }}")
        members += [".flags = true"] if parameter.kind == "KP_FLAGS" else []
    members += [f".{name} = {value}" for name, value in parameter.options
                if name not in ("lo", "hi", "min", "max", "parts")
                and (name != "any" or kind == "KP_NUMBER")]
    if "parts" in given:
        listed = ", ".join(f"{{ {piece}, sizeof({piece}) - 1 }}"
                           for piece in pieces(given["parts"], parameter.line))
        members.append(f".parts = (const struct kp_part[]){{ {listed}, {{}} }}")
    if "of" in given:
        members.append(f".nr_of = sizeof({given['of']}) - 1")
    return f"\t\t{{ {', '.join(members)} }},"


def _asserts(function: Function, parameter: Parameter) -> list[str]:
    """Conditions on a parameter's words, for the compiler to check."""
    given = dict(parameter.options)
    holds = []
    if parameter.members:
        members = [(f"(({parameter.type} *)0)->{m.name}", m) for m in parameter.members]
        sizes = " + ".join(f"sizeof({of})" for of, _ in members)
        holds += [(f"sizeof({parameter.type}) == {sizes}",
                   "a member is left out, or there is padding; write it as a member")]
        holds += [(f"__builtin_types_compatible_p(__typeof__({of}), {m.type})",
                   f"{m.name} is not of type {m.type}") for of, m in members]
    if parameter.kind in _MAX:
        least, most = given.get("min", "0"), given.get("max", str(_MAX[parameter.kind]))
        holds += [(f"({least}) >= 0 && ({most}) >= ({least}) && ({most}) <= KP_BYTES_MAX",
                   ".min is from 0 to .max, and that is at most 4096")]
        if parameter.kind == "KP_TEXT" and "parts" in given:
            holds += [(f"__builtin_strlen({piece}) == sizeof({piece}) - 1",
                       "a NUL in .parts would end the text")
                      for piece in pieces(given["parts"], parameter.line)]
        if parameter.size_type:
            holds += [(f"sizeof({parameter.type}) == 1", "bytes, not larger elements"),
                      (f"({most}) <= type_max({parameter.size_type})",
                       ".max fits the type of the size")]
        if "of" in given:
            holds += [(f"sizeof({given['of']}) > 1", ".of has a character")]
            if parameter.kind == "KP_TEXT":
                holds += [(f"__builtin_strlen({given['of']}) == sizeof({given['of']}) - 1",
                           "a NUL in .of would end the text")]
    elif parameter.kind in ("KP_NUMBER", "KP_INOUT", "KP_CALLBACK"):
        kind = "u32" if parameter.kind == "KP_CALLBACK" else parameter.type
        holds += [(f"({kind})({value}) == ({value})", f".{name} is of type {kind}")
                  for name, value in parameter.options
                  if name in ("lo", "hi", "from", "to")]
        if "log2" in given:
            holds += [(f"({given.get(end, 0)}) > 0 && !(({given.get(end, 0)}) & "
                       f"(({given.get(end, 0)}) - 1))", f".{end} is a power of two, as .log2 says")
                      for end in ("lo", "hi")]
        if {"lo", "hi"} <= set(given):
            holds += [(f"({given['lo']}) <= ({given['hi']})", ".lo is at most .hi")]
        if {"from", "to"} & set(given):
            lo, hi = (given.get(end, f"type_{word}({kind})") for end, word in (
                ("lo", "min"), ("hi", "max")))
            first, last = given.get("from", lo), given.get("to", hi)
            holds += [(f"({lo}) <= ({first}) && ({first}) <= ({last}) && ({last}) <= ({hi})",
                       ".from and .to are within .lo and .hi")]
    return [f"_Static_assert({test}, \"{function.name}, {parameter.name}: {what}\");"
            for test, what in holds]


def _errnos(function: Function) -> str:
    words = function.returns.words if function.returns.fails or function.returns.new else ()
    return f"KP_ERRNOS({', '.join(words)})" if words else "KP_NO_ERRNOS"


def _text_record(name: str, fields: tuple[str, ...]) -> str:
    """A record for tools: `fields` are string literals."""
    text = ' "\\x1f" '.join(fields)
    return f"static const char __used __section(KP_RECORDS) record_{name}[] =\n\t{text};\n\n"


def _quoted(text: str) -> str:
    """Text as a string literal of C."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _record(pair: str, function: Function) -> str:
    fails = _errnos(function) != "KP_NO_ERRNOS"
    on_error = "nothing is stored" if fails and function.outputs else \
        "nothing has changed" if fails else "cannot fail"
    owns = "the caller owns the new handle" if function.returns.new else \
        "the handle is given away" if any(p.kind == "KP_GIVEN" for p in function.parameters) else \
        "arguments are borrowed for the call"
    name = function.operation(pair)
    return _text_record(name, (
        _quoted(f"operation={name}"), _quoted(function.context),
        function.option("locks", '"none"'), _quoted(_errnos(function)),
        function.option("owns", _quoted(owns)),
        function.option("on_error", _quoted(on_error)), _quoted(pair)))


def _variable(parameter: Parameter, at: int) -> str:
    """An argument as an expression of the contract sees it."""
    p, note = parameter, "__maybe_unused"
    if p.kind == "KP_TEXT":
        return f"\tconst char *const {p.name} {note} = slot[{at}].p;\n"
    if p.kind in ("KP_BYTES", "KP_USER_BYTES"):
        return (f"\tconst {p.type} *const {p.name} {note} = slot[{at}].p;\n"
                f"\tconst {p.size_type} {p.name}_size {note} = slot[{at}].n;\n")
    if p.kind in ("KP_BUFFER", "KP_USER_BUFFER"):
        return f"\tconst {p.size_type} {p.name}_size {note} = slot[{at}].n;\n"
    if p.kind == "KP_STRUCT":
        return (f"\tconst {p.type} *const {p.name} {note} =\n"
                f"\t\t&(const {p.type}){{ {_structure(p, at)} }};\n")
    return "" if p.stored or p.handle else f"\tconst {p.type} {p.name} {note} = slot[{at}].n;\n"


def _diverges(contract: Contract, text: _Text) -> None:
    """The differences that the contract accepts."""
    pair, functions = contract.pair, contract.functions
    names = [function.name for function in functions]
    for row in contract.diverges:
        text.add(_text_record(f"diverges_{row.id}", (
            _quoted(f"diverges={row.id}"), _quoted(row.function), _quoted(row.when), row.reason,
            row.link, _quoted(", ".join(row.KINDS[kind] for kind in row.kinds)), _quoted(pair))))
    for row in contract.differences:
        function = functions[names.index(row.function)]
        text.add(f"static bool diverges_{row.id}(const struct kp_slot *slot,\n"
                 "\t\tconst struct kp_result *gave)\n{\n" + "".join(
                     f"\tconst {kind} {side}{name} __maybe_unused = gave[{i}].{member};\n"
                     for i, side in enumerate(("c", "rust"))
                     for kind, name, member in (("s64", "", "ret"), ("u64", "_out", "out")))
                 + "".join(_variable(p, i) for i, p in function.placed) + "\n")
        text.row(row.line, f"\treturn {row.when};")
        text.add("}\n\n")
    if contract.differences:
        text.add(f"static const struct kp_diverges {pair}_diverges[] = {{\n" + "".join(
            f"\t{{ \"{row.id}\", {names.index(row.function) + 1}, "
            f"{' | '.join(f'KP_IN_{kind.upper()}' for kind in row.kinds)}, diverges_{row.id} }},\n"
            for row in contract.differences) + "};\n\n")


def _judge(contract: Contract, text: _Text) -> None:
    """A function that judges one operation by all invariants that operations show."""
    assert contract.object
    view = f"const {contract.object.view} *"
    text.add("static __no_kcsan struct kp_judged\n"
             f"{contract.pair}_judge(const struct kp_observed *o)\n{{\n"
             f"\t{view}was __maybe_unused = o->before;\n"
             f"\t{view}now __maybe_unused = o->after;\n"
             "\tconst u64 *arg __maybe_unused = o->step->arg;\n"
             "\tconst u64 out __maybe_unused = o->res->out;\n"
             "\tconst s64 ret __maybe_unused = o->res->ret;\n"
             "\tconst u32 op __maybe_unused = o->step->op;\n"
             "\tconst bool called __maybe_unused = o->called;\n"
             "\tstruct kp_judged judged = {};\n\n")
    for i in contract.invariants:
        if i.then:
            text.row(i.line, f"\tif ({i.when}) kp_judged_set(&judged, INV_{i.id}, {i.then});")
    text.add("\treturn judged;\n}\n\n")


def _holds(contract: Contract, text: _Text) -> None:
    """What an object holds, by its view."""
    assert contract.object and contract.holds
    text.add(f"static u32 {contract.pair}_holds(const void *view)\n{{\n"
             f"\tconst {contract.object.view} *now __maybe_unused = view;\n\n")
    text.row(contract.holds.line, f"\treturn {contract.holds.number};")
    text.add("}\n\n")


def _promises(contract: Contract, text: _Text) -> None:
    """The invariants, as the engine and the tools have them."""
    if any(i.then for i in contract.invariants):
        _judge(contract, text)
    rows = []
    for i in contract.invariants:
        rows.append(f"\t{{ \"{i.id}\", \"{i.category}\" }},\n")
        text.add(_text_record(f"invariant_{i.id}", (
            _quoted(f"invariant={i.id}"), _quoted(i.category), i.text, i.keeps, _quoted(i.when),
            _quoted(i.then), _quoted(contract.pair))))
    if rows:
        text.add(f"static const struct kp_invariant {contract.pair}_invariants[] = {{\n"
                 f"{''.join(rows)}}};\n\n")


def _each() -> str:
    """A macro for a member's number, or those of an array: the bytes of one, negative if signed.

    An array is what it decays to here; it has the type of its elements so.
    """
    kinds = [f"{kind}{mark}: {sign}(int)sizeof({kind})"
             for sign, names in (("", _UNSIGNED), ("-", _SIGNED)) for kind in names
             for mark in ("", " *")]
    return "#define EACH(member) _Generic((member), \\\n" + "".join(
        f"\t{kind}, \\\n" for kind in kinds) + "\tdefault: 0)\n\n"


def _layout(contract: Contract, text: _Text) -> None:
    """Where C has the shared types and their members."""
    text.add(_each())
    rows = []
    for shared in contract.types:
        sizes = " + ".join(f"sizeof_field({shared.type}, {member})" for member in shared.members)
        text.row(shared.line, f"_Static_assert(sizeof({shared.type}) == {sizes}, "
                              f"\"{shared.type}: KP_TYPE leaves a member out, or there is padding; "
                              "write it as a member\");")
        rows.append(f"\t{{ \"{shared.type}\", sizeof({shared.type}) }},\n")
        rows += [f"\t{{ \"{shared.type}.{member}\", offsetof({shared.type}, {member}),\n"
                 f"\t  EACH((({shared.type} *)0)->{member})"
                 f"{', true' if member in shared.timing else ''} }},\n"
                 for member in shared.members]
        text.add(_text_record(f"type_{shared.type.partition(' ')[2]}", (
            _quoted(f"type={shared.type}"), _quoted(contract.pair))))
    text.add(f"static const struct kp_field {contract.pair}_layout[] = {{\n{''.join(rows)}}};\n\n")


def _lifetime(contract: Contract, side: str, text: _Text) -> None:
    """Functions that make, end and show objects of one side, for the engine."""
    create, destroy, *_, view = callable_functions(contract)
    made, ends, shown = (f.name if side == "c" else rust_name(contract.pair, f)
                         for f in (create, destroy, view))
    for name, function, last in (("show", contract.handle.shows, ", view"),
                                 ("put", contract.handle.puts, "")) if contract.handle else ():
        called = function.name if side == "c" else rust_name(contract.pair, function)
        text.add(f"static void {side}_{name}(void *handle{last and ', void *view'})\n{{\n")
        text.row(function.line, f"\t{called}(handle{last});")
        text.add("}\n\n")
    for name, dirty in (("create", _made_dirty(create)), ("create_counted", False)):
        arguments = ", ".join(_argument(p, i, dirty) for i, p in create.placed)
        text.add(f"static void *{side}_{name}(const struct kp_slot *slot)\n{{\n")
        _structures(create, text)
        text.row(create.line,
                 f"\treturn {_as_dirty(create, made) if dirty else made}({arguments});")
        text.add("}\n\n")
    text.add(f"static void {side}_destroy(void *obj)\n{{\n")
    text.row(destroy.line, f"\t{ends}(obj);")
    text.add(f"}}\n\nstatic void {side}_view(void *obj, void *view)\n{{\n")
    text.row(view.line, f"\t{shown}(obj, view);")
    text.add("}\n\n")


def _checks(contract: Contract, function: Function, text: _Text) -> None:
    """Checks of a row by the compiler: the function's type, and each word's value."""
    kind = contract.object.type if contract.object else ""
    text.row(function.line,
             f"static {_returned(function)}(*const is_{function.name})"
             f"({_parameters(function, kind, contract.pair)}) __maybe_unused = {function.name};")
    for parameter in (*(p for p in function.parameters if p.members), *function.arguments):
        for check in _asserts(function, parameter):
            text.row(parameter.line, check)
    if function.returns.kind in ("KP_RESULT", "KP_SIGNED", "KP_UNSIGNED") and \
            not function.returns.type.endswith("*"):
        unsigned = "!" if function.returns.kind == "KP_UNSIGNED" else ""
        text.row(function.line,
                 f"_Static_assert({unsigned}is_signed_type({function.returns.c_type}), "
                 f"\"{function.name}: {function.returns.kind} is of another sign\");")
    text.add("\n")


def _sides(contract: Contract, text: _Text) -> None:
    """The functions of each side, for adapters."""
    pair = contract.pair
    for side in ("c", "rust"):
        text.add(f"static const struct {pair}_ops {side}_ops = {{\n" + "".join(
            f"\t.{f.operation(pair)} = {f.name if side == 'c' else rust_name(pair, f)},\n"
            for f in callable_functions(contract)) + "};\n\n")


def _absent(contract: Contract, text: _Text) -> None:
    """The C side, where a file of it is gone. Nothing may call it: the paths over Rust run."""
    kind = contract.object.type if contract.object else ""
    text.add("/* The C side may be gone. Where it is there, its functions stand in for these. */\n")
    for function in callable_functions(contract):
        if not function.adapter:
            text.row(function.line, f"{_returned(function)}__weak {function.name}"
                     f"({_parameters(function, kind)}) {{ BUG(); }}")
    if contract.module:
        text.row(contract.module.line,
                 f"int __weak {contract.module.load}(void) {{ return 0; }}")
        text.row(contract.module.line, f"void __weak {contract.module.unload}(void) {{ }}")
    text.add("\n")


def glue(contract: Contract, path: str, own: str, suite: bool = False,
         alone: bool = False) -> str:
    """The pair's C file. `suite` tells that a file of the pair's own has its suites, `alone` that
    files of the C side may be gone."""
    pair = contract.pair
    text = _Text(path, own)
    text.add(_HEAD.format(contract=path).replace("/* SPDX", "// SPDX").replace(
        "GPL-2.0 */", "GPL-2.0", 1))
    text.add("#include <linux/err.h>\n#include <linux/module.h>\n#include <linux/overflow.h>\n"
             "#include \"engine/dirty.h\"\n#include \"engine/suite.h\"\n"
             f"#include \"{pair}_glue.h\"\n\n"
             + "".join(f"static void {side}_call_noop(void *obj, const struct kp_slot *slot,\n"
                       f"\t\tstruct kp_result *res)\n{{\n\t{called.format(pair=pair)}(obj);\n"
                       "\tres->ret = 0;\n}\n\n"
                       for side, called in _NOTHING.items()))
    if alone:
        _absent(contract, text)
    if contract.adapters:
        _sides(contract, text)
    for function in (*callable_functions(contract), *contract.adapters):
        if function in contract.functions:
            _checks(contract, function, text)
            name = function.operation(pair)
            _caller(function, f"c_call_{name}", function.name, text, "c_ops")
            _caller(function, f"rust_call_{name}", function.name if function.adapter
                    else rust_name(pair, function), text, "rust_ops")
            for side in ("c", "rust") if _has_variables(function) else ():
                _counted(function, f"{side}_counted_{name}", function.name if side == "c"
                         else rust_name(pair, function), text)
            for side in ("c", "rust") if _made_dirty(function) else ():
                _caller(function, f"{side}_dirty_{name}", function.name if side == "c"
                        else rust_name(pair, function), text, dirty=True)
        elif contract.object and function.name != contract.object.viewer:
            _checks(contract, function, text)
        if function not in handle_functions(contract) and \
                not (contract.object and function.name == contract.object.viewer):
            text.add(_record(pair, function))
    if not contract.object:
        text.add(_text_record("kind", ('"kind=function"', _quoted(pair))))
    else:
        text.row(contract.object.line,
                 f"_Static_assert(sizeof({contract.object.view}) <= KP_VIEW_MAX, "
                 f"\"{contract.object.view} is larger than a view can be\");")
    _promises(contract, text)
    if contract.holds:
        _holds(contract, text)
    if contract.types:
        _layout(contract, text)
    for side in ("c", "rust"):
        listed = "".join(f"\t{side}_call_{f.operation(pair)},\n" for f in contract.functions)
        text.add(f"static const kp_invoke {pair}_c_over_{side}_call[] = {{\n\t{side}_call_noop,\n"
                 f"{listed}}};\n\n")
        listed = "".join(f"\t{side}_{'dirty' if _made_dirty(f) else 'call'}_"
                         f"{f.operation(pair)},\n" for f in contract.functions)
        text.add(f"static const kp_invoke {pair}_c_over_{side}_dirty[] = {{\n\t{side}_call_noop,\n"
                 f"{listed}}};\n\n")
        listed = "".join(f"\t{side}_{'counted' if _has_variables(f) else 'call'}_"
                         f"{f.operation(pair)},\n" for f in contract.functions)
        text.add(f"static const kp_invoke {pair}_c_over_{side}_counted[] = {{\n"
                 f"\t{side}_call_noop,\n{listed}}};\n\n")
        if contract.object:
            _lifetime(contract, side, text)
        _driver(contract, side, text)
    _diverges(contract, text)
    _tables(contract, text)
    if not suite:
        text.add(f"KP_SUITES({pair});\n" if contract.object else f"KP_FUNCTION_SUITES({pair});\n")
    return str(text)


def _driver(contract: Contract, side: str, text: _Text) -> None:
    """C callers over one side."""
    name = f"{contract.pair}_c_over_{side}"
    members = [f".{word} = {name}_{word}" for word in ("call", "dirty", "counted")]
    if contract.object:
        members += [f".{word} = {side}_{word}"
                    for word in ("create", "create_counted", "destroy", "view")]
    if contract.handle:
        members += [f".{word} = {side}_{word}" for word in ("show", "put")]
    if contract.types:
        layout = f"{contract.pair}_layout"
        members.append(f".layout = {{ ARRAY_SIZE({layout}), {layout} }}")
    text.add(f"static const struct kp_driver {name} = {{\n"
             + "".join(f"\t{member},\n" for member in members) + "};\n\n")


def _module(contract: Contract, module: Module, text: _Text) -> None:
    """Functions that load and unload the module on both sides."""
    load, unload = rust_module(contract)
    text.add("/* What the port keeps while the module is loaded. */\n"
             "static void *rust_module;\n\nstatic int module_load(void)\n{\n")
    text.row(module.line, f"\tint err = {module.load}();")
    text.add("\n\tif (err)\n\t\treturn err;\n"
             f"\trust_module = {load}();\n\tif (IS_ERR(rust_module)) {{\n")
    text.row(module.line, f"\t\t{module.unload}();")
    text.add("\t\treturn PTR_ERR(rust_module);\n\t}\n\treturn 0;\n}\n\n"
             "static void module_unload(void)\n{\n"
             f"\t{unload}(rust_module);\n")
    text.row(module.line, f"\t{module.unload}();")
    text.add("}\n\n")


def _operation(contract: Contract, function: Function, text: _Text) -> None:
    """Members of an operation's record, all but its name in braces."""
    returns = function.returns
    text.row(function.line, f"\t\"{function.operation(contract.pair)}\", KP_{function.context}, "
                            f"{_errnos(function)},")
    only = returns.kind == "KP_ERRNO" or returns.new or bool(function.outputs) and returns.fails
    text.add(f"\t{_RETURNS[returns.kind]}, {str(only).lower()},\n")
    text.row(function.line, f"\t{function.option('weight', str(_WEIGHT))}, {{")
    for parameter in function.arguments:
        text.row(parameter.line, _slot_row(contract, parameter.name, parameter.kind)
                 if parameter.handle else _row(parameter))
    if returns.new:
        text.row(function.line, _slot_row(contract, "to", "KP_NEW"))
    text.add(f"\t}}, {len(function.arguments) + bool(returns.new)},\n")
    if function.option("role"):
        text.add(f"\t.role = \"{function.option('role')}\",\n")
    text.add("\t.alone = true,\n" if function.adapter else "")
    for option in ("snapshot", "hint", "transient", "waits", "calls_back", "not_inside"):
        if function.option(option):
            text.row(function.line, f"\t.{option} = {function.option(option)},")
    for one in function.takes:
        most = "KP_ANY_NUMBER" if one.most is None else str(one.most)
        text.row(function.line, f"\t.takes[KP_{one.kind.upper()}] = {{ {one.least}, {most}, "
                                f"{str(one.irq_off).lower()} }},")
    for other in contract.functions:
        if other.name == function.option("unwaiting"):
            word = f"{contract.pair}_{other.operation(contract.pair)}".upper()
            text.row(function.line, f"\t.unwaiting = {word},")


def _tables(contract: Contract, text: _Text) -> None:
    pair, functions = contract.pair, contract.functions
    if contract.object and contract.handle:
        member = f"(({contract.object.view} *)0)->{contract.handle.member}"
        text.row(contract.handle.line,
                 f"_Static_assert(__same_type({member}[0], {contract.handle.view}) && "
                 f"ARRAY_SIZE({member}) <= KP_HANDLES_MAX, \"{contract.handle.member} is an array "
                 f"of {contract.handle.view}, at most 16\");")
    noop = _NOOP_WEIGHT_OF_OBJECT if contract.object else _NOOP_WEIGHT
    text.add(f"static const struct kp_operation {pair}_operations[] = {{\n"
             f"\t{{ \"noop\", KP_ANY, KP_NO_ERRNOS, KP_RET_VOID, false, {noop} }},\n")
    for function in functions:
        text.add("\t{\n")
        _operation(contract, function, text)
        text.add("\t},\n")
    text.add(f"}};\n\nstatic struct kp_stats {pair}_stats;\n\n")
    if contract.module:
        _module(contract, contract.module, text)
    text.add(f"const struct kp_pair {pair}_pair = {{\n\t.name = \"{pair}\",\n"
             f"\t.owner = THIS_MODULE,\n"
             f"\t.operation = {pair}_operations,\n"
             f"\t.nr_ops = ARRAY_SIZE({pair}_operations),\n")
    if contract.create and contract.object:
        text.add(f"\t.view = \"{contract.object.view}\",\n"
                 f"\t.view_size = sizeof({contract.object.view}),\n\t.creation = {{\n")
        _operation(contract, contract.create, text)
        text.add("\t},\n")
        text.add(f"\t.holds = {pair}_holds,\n" if contract.holds else "")
    else:
        text.add("\t.stateless = true,\n")
    if contract.object and contract.handle:
        at = f"offsetof({contract.object.view}, {contract.handle.member})"
        text.row(contract.handle.line,
                 f"\t.nr_handles = {_places(contract)}, .handles_at = {at}, "
                 f".handle_size = sizeof({contract.handle.view}),")
        text.add("\t.handles_outlive = true,\n" if contract.handle.outlives else "")
    if any(p.kind in USER for f in (*functions, *([contract.create] if contract.create else []))
           for p in f.parameters):
        text.add("\t.user = true,\n")
    if contract.create and any(f.option("calls_back") for f in functions):
        kinds = [parameter.kind for parameter in contract.create.arguments]
        text.add(f"\t.callback = {kinds.index('KP_CALLBACK') + 1},\n")
    if contract.after:
        text.row(contract.after.line, f"\t.after = {contract.after.function},")
        text.add(f"\t.after_judges = INV_{contract.after.id},\n")
    for rows, name in ((contract.invariants, "invariant"), (contract.differences, "diverges")):
        if rows:
            table = f"{pair}_{name}{'s' if name == 'invariant' else ''}"
            count = f"nr_{name}{'s' if name == 'invariant' else ''}"
            text.add(f"\t.{name} = {table},\n\t.{count} = {len(rows)},\n")
    if any(i.then for i in contract.invariants):
        text.add(f"\t.judge = {pair}_judge,\n")
    if contract.module:
        text.add("\t.init = module_load,\n\t.exit = module_unload,\n")
    drivers = "".join(f"\t\t[KP_{caller.upper()}_{side.upper()}] = &{pair}_{caller}_over_{side},\n"
                      for caller in ("c", "rust") for side in ("c", "rust"))
    text.add(f"\t.path = {{\n{drivers}\t}},\n\t.stats = &{pair}_stats,\n}};\n\n")
