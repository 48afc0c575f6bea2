# SPDX-License-Identifier: GPL-2.0
"""The C that follows from the rows of a contract: a header, and the pair's glue.

The header declares what Rust defines, and is what bindgen reads. The glue has, for each
function, a caller of the C side and one of the Rust side, the tables that the engine goes
by, records for `make contract`, and the suites. Lines that hold what a row says carry the
row's own file and line, so that the compiler points there.
"""

from __future__ import annotations

from kplib.contract.rows import Diverges, Function, Parameter

_HEAD = """\
/* SPDX-License-Identifier: GPL-2.0 */
/* Made by scripts/contract-glue from {contract}; changes here are lost. */
"""
_KINDS = {"KP_NUMBER": "KP_NUMBER", "KP_CHOICE": "KP_NUMBER", "KP_FLAGS": "KP_NUMBER"}
_RETURNS = {"KP_VOID": "KP_RET_VOID", "KP_BOOL": "KP_RET_BOOL", "KP_SIGNED": "KP_RET_SIGNED",
            "KP_UNSIGNED": "KP_RET_UNSIGNED", "KP_RESULT": "KP_RET_RESULT",
            "KP_OFFSET": "KP_RET_OFFSET"}
#: Weight of each function, and of the no-op that calibrates the driver.
_WEIGHT, _NOOP_WEIGHT = 16, 1
#: Greatest number of bytes where a row gives none.
_MAX = {"KP_TEXT": 16, "KP_BYTES": 64, "KP_BUFFER": 64}


def declaration(parameter: Parameter) -> str:
    """A parameter as C declares it."""
    p = parameter
    if p.kind == "KP_TEXT":
        return f"const char *{p.name}"
    if p.kind == "KP_BYTES":
        return f"const {p.type} *{p.name}, {p.size_type} {p.name}_size"
    if p.kind == "KP_BUFFER":
        return f"{p.type} *{p.name}, {p.size_type} {p.name}_size"
    if p.kind in ("KP_OUTPUT", "KP_INOUT"):
        return f"{p.type} *{p.name}"
    return f"{p.type} {p.name}"


def _parameters(function: Function) -> str:
    return ", ".join(map(declaration, function.parameters)) or "void"


def _returned(function: Function) -> str:
    """The C type that a function returns, with a blank where a name may follow."""
    kind = function.returns.type
    return kind if kind.endswith("*") else kind + " "


def rust_name(pair: str, function: str) -> str:
    """The symbol of a function's Rust side."""
    return f"{pair}_rust_{function}"


def header(pair: str, contract: str, include: str, functions: tuple[Function, ...]) -> str:
    """The header: the contract, and what Rust defines."""
    guard = f"_KPARITY_{pair.upper()}_GLUE_H"
    lines = [_HEAD.format(contract=contract),
             f"#ifndef {guard}\n#define {guard}\n\n#include \"{include}\"\n"]
    for function in functions:
        lines.append(f"# {function.line} \"{contract}\"\n"
                     f"{_returned(function)}{rust_name(pair, function.name)}"
                     f"({_parameters(function)});\n")
    count = len(functions) + 1
    lines.append(f"extern const kp_invoke {pair}_rust_over_c[{count}];\n"
                 f"extern const kp_invoke {pair}_rust_over_rust[{count}];\n\n#endif\n")
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


def _argument(parameter: Parameter, at: int) -> str:
    if parameter.kind in ("KP_NUMBER", "KP_CHOICE", "KP_FLAGS"):
        return f"({parameter.type})slot[{at}].n"
    if parameter.kind in ("KP_BYTES", "KP_BUFFER"):
        return f"slot[{at}].p, slot[{at}].n"
    return f"slot[{at}].p"


def _caller(function: Function, name: str, called: str, text: _Text) -> None:
    """A function that the engine calls with arguments that are laid out."""
    call = f"{called}({', '.join(_argument(p, i) for i, p in enumerate(function.parameters))})"
    if function.returns.kind == "KP_VOID":
        body = f"\t{call};"
    elif function.returns.kind == "KP_OFFSET":
        base = [p.name for p in function.parameters].index(function.returns.words[0])
        body = f"\tres->ret = kp_offset({call}, slot[{base}].p);"
    else:
        body = f"\tres->ret = {call};"
    text.add(f"static void {name}(void *obj, const struct kp_slot *slot,\n"
             "\t\tstruct kp_result *res)\n{\n"
             + ("\tres->ret = 0;\n" if function.returns.kind == "KP_VOID" else ""))
    text.row(function.line, body)
    text.add("}\n\n")


def _limits(parameter: Parameter, given: dict[str, str]) -> list[str]:
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


def _row(parameter: Parameter) -> str:
    """A parameter's struct kp_arg."""
    given = dict(parameter.options)
    kind = _KINDS.get(parameter.kind, parameter.kind)
    members = [f'.name = "{parameter.name}"', f".kind = {kind}"]
    if parameter.kind not in _MAX:
        members += [f".size = sizeof({parameter.type})",
                    f".is_signed = is_signed_type({parameter.type})"]
    members += _limits(parameter, given)
    if parameter.names:
        listed = ", ".join(f'{{ "{name}", {name} }}' for name in parameter.names)
        members.append(f".names = (const struct kp_name[]){{ {listed}, {{}} }}")
        members += [".flags = true"] if parameter.kind == "KP_FLAGS" else []
    members += [f".{name} = {value}" for name, value in parameter.options
                if name not in ("lo", "hi", "min", "max")]
    if "of" in given:
        members.append(f".nr_of = sizeof({given['of']}) - 1")
    return f"\t\t{{ {', '.join(members)} }},"


def _asserts(function: Function, parameter: Parameter) -> list[str]:
    """What must hold of a parameter's words, for the compiler to look at."""
    given = dict(parameter.options)
    holds = []
    if parameter.kind in _MAX:
        least, most = given.get("min", "0"), given.get("max", str(_MAX[parameter.kind]))
        holds += [(f"({least}) >= 0 && ({most}) >= ({least}) && ({most}) <= KP_BYTES_MAX",
                   ".min is from 0 to .max, and that is at most 4096")]
        if parameter.size_type:
            holds += [(f"sizeof({parameter.type}) == 1", "bytes, not larger elements"),
                      (f"({most}) <= type_max({parameter.size_type})",
                       ".max fits the type of the size")]
        if "of" in given:
            holds += [(f"sizeof({given['of']}) > 1", ".of has a character")]
            if parameter.kind == "KP_TEXT":
                holds += [(f"__builtin_strlen({given['of']}) == sizeof({given['of']}) - 1",
                           "a NUL in .of would end the text")]
    elif parameter.kind in ("KP_NUMBER", "KP_INOUT"):
        kind = parameter.type
        holds += [(f"({kind})({value}) == ({value})", f".{name} is of type {kind}")
                  for name, value in parameter.options]
        if {"lo", "hi"} <= set(given):
            holds += [(f"({given['lo']}) <= ({given['hi']})", ".lo is at most .hi")]
    return [f"_Static_assert({test}, \"{function.name}, {parameter.name}: {what}\");"
            for test, what in holds]


def _errnos(function: Function) -> str:
    words = function.returns.words if function.returns.kind == "KP_RESULT" else ()
    return f"KP_ERRNOS({', '.join(words)})" if words else "KP_NO_ERRNOS"


def _record(pair: str, function: Function) -> str:
    fails = _errnos(function) != "KP_NO_ERRNOS"
    on_error = "nothing is stored" if fails and function.outputs else \
        "nothing has changed" if fails else "cannot fail"
    fields = ("operation=" + function.name, function.context, "none", _errnos(function),
              "arguments are borrowed for the call", on_error, pair)
    text = '"\n\t"\\x1f" "'.join(fields)
    return (f"static const char __used __section(\".kparity\") record_{function.name}[] =\n"
            f"\t\"{text}\";\n\n")


def _variable(parameter: Parameter, at: int) -> str:
    """An argument as an expression of the contract sees it."""
    p, note = parameter, "__maybe_unused"
    if p.kind == "KP_TEXT":
        return f"\tconst char *const {p.name} {note} = slot[{at}].p;\n"
    if p.kind == "KP_BYTES":
        return (f"\tconst {p.type} *const {p.name} {note} = slot[{at}].p;\n"
                f"\tconst {p.size_type} {p.name}_size {note} = slot[{at}].n;\n")
    if p.kind == "KP_BUFFER":
        return f"\tconst {p.size_type} {p.name}_size {note} = slot[{at}].n;\n"
    return "" if p.stored else f"\tconst {p.type} {p.name} {note} = slot[{at}].n;\n"


def _diverges(pair: str, functions: tuple[Function, ...], accepted: tuple[Diverges, ...],
              text: _Text) -> None:
    """The differences that the contract accepts."""
    names = [function.name for function in functions]
    for row in accepted:
        function = functions[names.index(row.function)]
        text.add(f"static bool diverges_{row.id}(const struct kp_slot *slot, s64 c, s64 rust)\n{{\n"
                 + "".join(_variable(p, i) for i, p in enumerate(function.parameters)) + "\n")
        text.row(row.line, f"\treturn {row.when};")
        text.add("}\n\n")
        when = row.when.replace("\\", "\\\\").replace('"', '\\"')
        text.add(f"static const char __used __section(\".kparity\") record_diverges_{row.id}[] =\n"
                 f"\t\"diverges={row.id}\" \"\\x1f\" \"{row.function}\" \"\\x1f\" \"{when}\" "
                 f"\"\\x1f\" {row.reason} \"\\x1f\" {row.link} \"\\x1f\" \"{pair}\";\n\n")
    if accepted:
        text.add(f"static const struct kp_diverges {pair}_diverges[] = {{\n" + "".join(
            f"\t{{ \"{row.id}\", {names.index(row.function) + 1}, diverges_{row.id} }},\n"
            for row in accepted) + "};\n\n")


def glue(pair: str, contract: str, own: str, functions: tuple[Function, ...],
         accepted: tuple[Diverges, ...] = ()) -> str:
    """The pair's C file."""
    text = _Text(contract, own)
    text.add(_HEAD.format(contract=contract).replace("/* SPDX", "// SPDX").replace(
        "GPL-2.0 */", "GPL-2.0", 1))
    text.add("#include <linux/module.h>\n#include <linux/overflow.h>\n"
             "#include \"engine/engine.h\"\n"
             f"#include \"{pair}_glue.h\"\n\n"
             "static void glue_noop(void *obj, const struct kp_slot *slot,\n"
             "\t\tstruct kp_result *res)\n{\n\tres->ret = 0;\n}\n\n")
    for function in functions:
        text.row(function.line,
                 f"static {_returned(function)}(*const is_{function.name})"
                 f"({_parameters(function)}) __maybe_unused = {function.name};")
        for parameter in function.parameters:
            for check in _asserts(function, parameter):
                text.row(parameter.line, check)
        if function.returns.kind in ("KP_RESULT", "KP_SIGNED", "KP_UNSIGNED"):
            unsigned = "!" if function.returns.kind == "KP_UNSIGNED" else ""
            text.row(function.line,
                     f"_Static_assert({unsigned}is_signed_type({function.returns.type}), "
                     f"\"{function.name}: {function.returns.kind} is of another sign\");")
        text.add("\n")
        _caller(function, f"c_{function.name}", function.name, text)
        _caller(function, f"rust_{function.name}", rust_name(pair, function.name), text)
        text.add(_record(pair, function))
    text.add(f"static const char __used __section(\".kparity\") record_kind[] =\n"
             f"\t\"kind=function\" \"\\x1f\" \"{pair}\";\n\n")
    for side in ("c", "rust"):
        listed = "".join(f"\t{side}_{f.name},\n" for f in functions)
        text.add(f"static const kp_invoke {pair}_c_over_{side}_call[] = {{\n\tglue_noop,\n"
                 f"{listed}}};\n\n")
    _diverges(pair, functions, accepted, text)
    _tables(pair, functions, text, len(accepted))
    text.add(f"KP_FUNCTION_SUITES({pair});\n")
    return str(text)


def _tables(pair: str, functions: tuple[Function, ...], text: _Text, accepted: int) -> None:
    text.add(f"static const struct kp_operation {pair}_operations[] = {{\n"
             "\t{ \"noop\", KP_ANY, KP_NO_ERRNOS },\n")
    for function in functions:
        text.row(function.line, f"\t{{ \"{function.name}\", KP_{function.context}, "
                                f"{_errnos(function)} }},")
    text.add(f"}};\n\nstatic const struct kp_op {pair}_op[] = {{\n"
             f"\t{{ .weight = {_NOOP_WEIGHT} }},\n")
    for function in functions:
        only = ".only_errno = true, " if function.outputs and \
            function.returns.kind == "KP_RESULT" else ""
        text.add(f"\t{{ .weight = {_WEIGHT}, .returns = {_RETURNS[function.returns.kind]}, "
                 f"{only}.arg = {{\n")
        for parameter in function.parameters:
            text.row(parameter.line, _row(parameter))
        text.add("\t} },\n")
    text.add(f"}};\n\nstatic const struct kp_pair {pair}_pair;\n")
    for caller, path in (("c", "KP_C"), ("rust", "KP_RUST")):
        for side in ("c", "rust"):
            name = f"{pair}_{caller}_over_{side}"
            table = f"{name}_call" if caller == "c" else name
            text.add(f"KP_FUNCTION_DRIVER({name}_driver, {pair}, {path}_{side.upper()}, "
                     f"{table});\n")
    drivers = "".join(f"\t\t[KP_{caller.upper()}_{side.upper()}] = "
                      f"&{pair}_{caller}_over_{side}_driver,\n"
                      for caller in ("c", "rust") for side in ("c", "rust"))
    text.add(f"static struct kp_stats {pair}_stats;\n\n"
             f"static const struct kp_pair {pair}_pair = {{\n\t.name = \"{pair}\",\n"
             f"\t.operation = {pair}_operations,\n\t.op = {pair}_op,\n"
             f"\t.nr_ops = ARRAY_SIZE({pair}_op),\n"
             + (f"\t.diverges = {pair}_diverges,\n\t.nr_diverges = {accepted},\n" if accepted
                else "") + f"\t.path = {{\n{drivers}\t}},\n"
             f"\t.stats = &{pair}_stats,\n\t.stateless = true,\n}};\n\n")
