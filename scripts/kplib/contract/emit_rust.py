# SPDX-License-Identifier: GPL-2.0
"""The Rust that follows from the rows of a contract: the root of the pair's crate.

The port is a module of it, written as a Rust developer writes it. Around it stand the C
side as a Rust caller uses it, C's way into the port, and the tables that the engine calls.
What converts an argument is in rust-stub/glue.rs, once for each kind.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from kplib.contract.emit_c import (callable_functions, handle_functions, limit, rust_module,
                                   rust_name)
from kplib.contract.model import Contract, Function, Parameter
from kplib.contract.rows import USER, BadRow

_HEAD = """\
// SPDX-License-Identifier: GPL-2.0

//! The root of pair {pair}'s crate, made by scripts/contract-glue; changes here are lost.

#![allow(refining_impl_trait)] // A port may say that `create` gives the object itself.

#[allow(dead_code, unused_macros)] // What one pair has no use for, another one does.
#[macro_use]
#[path = {shared}]
mod kparity;

contract!("{pair}");
module_names!("{pair}");

#[allow(dead_code)] // A pair uses what its rows need.
#[path = {glue}]
mod glue;

/// The port.
#[path = {port}]
mod port;

#[allow(unused_imports)]
use kernel::prelude::*;
"""

#: C's integer types in Rust, as the kernel crate has them (rust/ffi.rs).
_TYPES = {
    "u8": "u8", "u16": "u16", "u32": "u32", "u64": "u64", "s8": "i8", "s16": "i16", "s32": "i32",
    "s64": "i64", "int": "c_int", "unsigned int": "c_uint", "unsigned": "c_uint",
    "long": "c_long", "unsigned long": "c_ulong", "long long": "c_longlong",
    "unsigned long long": "c_ulonglong", "char": "c_char", "unsigned char": "u8",
    "signed char": "i8", "short": "i16", "unsigned short": "u16", "size_t": "usize",
    "ssize_t": "isize", "bool": "bool", "void": "()", "short int": "i16", "long int": "c_long",
    "signed int": "c_int", "signed": "c_int", "long unsigned int": "c_ulong",
    "unsigned long int": "c_ulong", "long long int": "c_longlong",
    "unsigned long long int": "c_ulonglong", "short unsigned int": "u16",
    "unsigned short int": "u16",
}
_KEYWORDS = frozenset("""as async await break const continue dyn else enum extern false fn for gen
    if impl in let loop match mod move mut pub ref return static struct trait true type unsafe use
    where while abstract become box do final macro override priv try typeof unsized virtual
    yield""".split())


#: The handles of the port, in the module with C's ways into it.
_HANDLE = "PortHandle"


def _name(name: str) -> str:
    return f"r#{name}" if name in _KEYWORDS else name


def _bytes(name: str) -> str:
    """The type of what a pointer of C's is to."""
    return "c_void" if name == "void" else _type(name)


def named_functions(contract: Contract) -> list[str]:
    """The C functions that bindgen is to translate, wherever they are declared."""
    return sorted({f.name for f in callable_functions(contract)})


def named_types(contract: Contract) -> list[str]:
    """The types that bindgen is to translate: all that Rust has no word for."""
    functions = (*contract.functions, *([contract.create] if contract.create else []))
    words = {word for f in functions for p in f.parameters for word in (p.type, p.size_type)
             if word} | {re.sub(r"\bconst\b|\*", "", f.returns.type).strip() for f in functions}
    words |= {shared.type for shared in contract.types}
    words |= {contract.object.type, contract.object.view} if contract.object else set()
    words |= {contract.handle.type, contract.handle.view} if contract.handle else set()
    return sorted(_type(word).removeprefix("bindings::") for word in words
                  if _type(word).startswith("bindings::"))


def _type(name: str) -> str:
    return _TYPES.get(name) or "bindings::" + re.sub(r"^(?:struct|enum|union) ", "", name)


def _raw(p: Parameter) -> str:
    """A parameter as C hands it over."""
    name = _name(p.name)
    if p.kind == "KP_TEXT":
        return f"{name}: *const c_char"
    if p.kind == "KP_BYTES":
        return f"{name}: *const {_bytes(p.type)}, {p.name}_size: {_type(p.size_type)}"
    if p.kind == "KP_BUFFER":
        return f"{name}: *mut {_bytes(p.type)}, {p.name}_size: {_type(p.size_type)}"
    if p.kind in USER:
        pointer = "*const" if p.kind == "KP_USER_BYTES" else "*mut"
        return f"{name}: {pointer} c_void, {p.name}_size: {_type(p.size_type)}"
    if p.kind in ("KP_OUTPUT", "KP_INOUT") or p.handle:
        return f"{name}: *mut {_type(p.type)}"
    if p.kind == "KP_STRUCT":
        return f"{name}: *const {_type(p.type)}"
    if p.kind == "KP_CALLBACK":
        return (f"{name}: {_type(p.type)}, {p.name}_release: {_type(p.type)}, "
                f"{p.name}_data: *mut c_void")
    return f"{name}: {_type(p.type)}"


def _safe(p: Parameter) -> str:
    """A parameter as the safe caller of C takes it."""
    kind = {"KP_TEXT": "&CStr", "KP_BYTES": "&[u8]", "KP_BUFFER": "&mut [u8]",
            "KP_INOUT": f"&mut {_type(p.type)}", "KP_STRUCT": f"&{_type(p.type)}",
            "KP_USER_BYTES": "glue::UserMemory", "KP_USER_BUFFER": "glue::UserMemory",
            "KP_BORROWED": "glue::Lent<'_, Self::Handle>", "KP_GIVEN": "Self::Handle",
            "KP_CALLBACK": "impl glue::Task"}.get(p.kind, _type(p.type))
    return f"{_name(p.name)}: {kind}"


def _into(p: Parameter) -> str:
    """A C parameter as the port takes it."""
    name = _name(p.name)
    return {"KP_TEXT": f"glue::text(&__call, {name})",
            "KP_BYTES": f"glue::bytes(&__call, {name}.cast(), {p.name}_size as usize)",
            "KP_BUFFER": f"glue::buffer(&__call, {name}.cast(), {p.name}_size as usize)",
            "KP_BORROWED": f"glue::lent::<{_HANDLE}, _>({name})",
            "KP_GIVEN": f"glue::taken::<{_HANDLE}, _>({name})",
            "KP_USER_BYTES": f"glue::user({name}.cast_mut(), {p.name}_size as usize)",
            "KP_USER_BUFFER": f"glue::user({name}, {p.name}_size as usize)",
            "KP_INOUT": f"&mut *{name}",
            "KP_STRUCT": f"glue::structure(&__call, {name})",
            "KP_CALLBACK": f"glue::Callback::new({name}, {p.name}_release, {p.name}_data)"
            }.get(p.kind, name)


def _from(p: Parameter) -> str:
    """A parameter of the safe caller as C takes it."""
    name = _name(p.name)
    return {"KP_TEXT": f"glue::c_text({name})",
            "KP_BYTES": f"{name}.as_ptr().cast(), {name}.len() as {_type(p.size_type)}",
            "KP_BUFFER": f"{name}.as_mut_ptr().cast(), {name}.len() as {_type(p.size_type)}",
            "KP_BORROWED": f"{name}.0.get()", "KP_GIVEN": f"glue::given({name})",
            "KP_USER_BYTES": f"{name}.as_const_ptr(), {p.name}_size as {_type(p.size_type)}",
            "KP_USER_BUFFER": f"{name}.as_mut_ptr(), {p.name}_size as {_type(p.size_type)}",
            "KP_INOUT": f"{name}", "KP_OUTPUT": f"&mut {name}",
            "KP_CALLBACK": f"{name}.0, {name}.1, {name}.2"}.get(p.kind, name)


def _slot(p: Parameter, at: int) -> str:
    """A laid out argument as the port takes it."""
    return {"KP_TEXT": f"slot.text({at})",
            "KP_BYTES": f"glue::bytes(&slot, slot.bytes({at}), slot.len({at}))",
            "KP_BUFFER": f"glue::buffer(&slot, slot.bytes({at}), slot.len({at}))",
            "KP_BORROWED": f"glue::lent::<I::Handle, c_void>(slot.bytes({at}))",
            "KP_GIVEN": f"glue::taken::<I::Handle, c_void>(slot.bytes({at}))",
            "KP_USER_BYTES": f"slot.user({at})", "KP_USER_BUFFER": f"slot.user({at})",
            "KP_INOUT": f"slot.number_at({at})",
            "KP_STRUCT": _structure(p, at)}.get(p.kind, f"slot.number({at})")


def _structure(p: Parameter, at: int) -> str:
    """A structure, from the arguments that its members are."""
    values: dict[str, list[str]] = {}
    for i, member in enumerate(p.members):
        values.setdefault(member.name.partition("[")[0], []).append(f"slot.number({at + i})")
    arrays = {m.name.partition("[")[0] for m in p.members if "[" in m.name}
    fields = ", ".join(f"{name}{'_' * (name in _KEYWORDS)}: "
                       + (f"[{', '.join(numbers)}]" if name in arrays else numbers[0])
                       for name, numbers in values.items())
    return f"&{_type(p.type)} {{ {fields} }}"


def _inputs(function: Function) -> list[tuple[int, Parameter]]:
    return [(i, p) for i, p in function.placed if not p.stored]


def _outputs(function: Function) -> list[tuple[int, Parameter]]:
    return [(i, p) for i, p in function.placed if p.stored]


def _tuple(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"({', '.join(words)})"


def _safe_return(function: Function) -> str:
    """What a safe function returns, as a Rust developer writes it."""
    kind = function.returns.kind
    outs = _tuple([_type(p.type) for _, p in _outputs(function)])
    if kind == "KP_OFFSET":
        return " -> Option<usize>"
    if function.returns.new:
        return f" -> {_failing(function, 'Self::Handle')}"
    if function.returns.fails:
        value = outs if function.outputs else "" if kind == "KP_ERRNO" else \
            _type(function.returns.type)
        return f" -> Result<{value}>" if value else " -> Result"
    if function.outputs:
        return f" -> Option<{outs}>" if kind == "KP_BOOL" else f" -> {outs}"
    return "" if kind == "KP_VOID" else f" -> {_type(function.returns.type)}"


def _failing(function: Function, value: str) -> str:
    """The type of a handle, or of one that may not be."""
    return f"Result<{value}>" if function.returns.words else value


def _certain(function: Function, call: str) -> str:
    """A call that returns a handle, as one that may fail."""
    return call if function.returns.words else f"Ok({call})"


def _signature(pair: str, function: Function) -> str:
    """A safe function's name, parameters and return type."""
    first = ["&self"] if function.method else []
    parameters = ", ".join([*first, *(_safe(p) for _, p in _inputs(function))])
    return f"fn {_name(function.operation(pair))}({parameters}){_safe_return(function)}"


def _value(p: Parameter, member: Parameter) -> str:
    """An argument of the engine's, in what the safe caller of C is given."""
    name = _name(p.name)
    if p.members:
        field, bracket, index = member.name.removeprefix(f"{p.name}.").partition("[")
        return f"{name}.{field}{'_' * (field in _KEYWORDS)}{bracket}{index}"
    return f"*{name}" if p.kind == "KP_INOUT" else name


def _holds(value: str, function: Function, at: int, argument: Parameter) -> str:
    """A condition: what the row asks of one argument."""
    kind, words = _type(argument.type), [word for word, _ in argument.limits]

    def worth(word: str, kind: str = kind) -> str:
        return f"bindings::{limit(function, at, word)} as {kind}"

    if argument.kind == "KP_CHOICE":
        wide, kind = (f"u64::from({value})", "u64") if kind == "bool" else (value, kind)
        return f"[{', '.join(worth(word, kind) for word in words)}].contains(&{wide})"
    if argument.kind == "KP_FLAGS":
        return f"{value} & !({' | '.join(map(worth, words))}) == 0"
    if words == ["min"]:
        length = f"{value}.to_bytes().len()" if argument.kind == "KP_TEXT" else f"{value}.len()"
        return f"{length} >= {worth('min', 'usize')}"
    tests = [f"{value}.count_ones() == 1"] if "log2" in words else []
    if {"lo", "hi"} <= set(words):
        tests.append(f"({worth('lo')}..={worth('hi')}).contains(&{value})")
    else:
        tests += [f"{value} {sign} {worth(word)}" for word, sign in (("lo", ">="), ("hi", "<="))
                  if word in words]
    return " && ".join(tests)


def _limits_held(function: Function, indent: str) -> str:
    """Statements that hold what safe code hands over against the row, before C relies on it.

    In every build, as what C then does may be anything; and without an errno, as C has none for
    it: the two sides would differ in what they make of a mistake of their caller's.
    """
    return "".join(
        f"{indent}assert!({_holds(_value(p, a), function, i, a)}, "
        f"\"{function.name}: {a.name} is not what its row allows\");\n"
        for at, p in function.placed
        for i, a in enumerate(function.arguments[at:at + (len(p.members) or 1)], at) if a.limits)


def _body_over_c(function: Function) -> str:
    """Statements that call the C side and hand on what it gives."""
    first = ["self.0.as_ptr()"] if function.method else []
    args = ", ".join([*first, *map(_from, function.parameters)])
    call = f"unsafe {{ bindings::{_name(function.name)}({args}) }}"
    safety = ("        // SAFETY: The arguments are what the contract asks for, for the call's "
              "time.\n")
    lets = _limits_held(function, " " * 8)
    lets += "".join(f"        let mut {_name(p.name)} = Default::default();\n"
                    for _, p in _outputs(function))
    lets += "".join(f"        let ({_name(p.name)}, {p.name}_size) = "
                    f"{_name(p.name)}.into_parts(Key(()));\n"
                    for p in function.parameters if p.kind in USER)
    outs = _tuple([_name(p.name) for _, p in _outputs(function)])
    kind = function.returns.kind
    if kind == "KP_OFFSET":
        base = next(p for p in function.parameters if p.name == function.returns.words[0])
        lets += f"        let __base = {_name(base.name)}.as_ptr();\n"
        body = f"        let __at = {call};\n\n        glue::offset(__at.cast(), __base.cast())\n"
    elif function.returns.new:
        safety = ("        // SAFETY: The arguments are what the contract asks for, and it returns "
                  "an owned\n        // handle or an error.\n")
        call = call.removeprefix("unsafe { ").removesuffix(" }")
        taken = "found" if function.returns.words else "taken"
        body = f"        unsafe {{ glue::{taken}({call}) }}\n"
    elif function.returns.fails:
        body = f"        let __ret = {call};\n\n" + (
            f"        glue::checked(__ret)?;\n        Ok({outs})\n" if function.outputs
            else "        glue::checked(__ret).map(|_| ())\n" if kind == "KP_ERRNO"
            else "        glue::checked(__ret).map(glue::narrowed)\n" if function.returns.narrowed
            else "        glue::checked(__ret)\n")
    elif function.outputs:
        body = f"        let __given = {call};\n\n        __given.then_some({outs})\n" \
            if kind == "KP_BOOL" else f"        {call};\n        {outs}\n"
    else:
        body = f"        {call}\n"
    return f"{lets}{safety}{body}"


def _caller_of_c(pair: str, function: Function) -> str:
    """The C side, safe to call."""
    return (f"    #[inline]\n    pub(super) {_signature(pair, function)} {{\n"
            f"{_body_over_c(function)}    }}\n")


def _store(function: Function, value: str, where: str) -> str:
    """Statements that store the outputs in `value`."""
    outs = _outputs(function)
    names = [f"__out{i}" for i, _ in outs]
    stores = "".join(f" {where.format(at=i, name=_name(p.name), value=name)};"
                     for name, (i, p) in zip(names, outs))
    return f"let {_tuple(names)} = {value};{stores}"


def _returned(function: Function, call: str) -> str:
    """What a call returned, of the very type that C has, or an errno."""
    kind = "()" if function.returns.kind == "KP_ERRNO" else _type(function.returns.type)
    return f"glue::returned::<{kind}>({call})"


def _borrowed(function: Function) -> str:
    """The object of the port behind a pointer that C holds."""
    return "glue::borrowed::<port::Object, _>(object)"


def _entry_body(contract: Contract, function: Function) -> str:
    """An expression that calls the port and makes of its result what C is given."""
    operation = _name(function.operation(contract.pair))
    called = "drop" if function.puts else \
        f"{_borrowed(function)}.{operation}" if function.method else \
        f"<port::Object as Interface>::{operation}" if contract.object else f"port::{operation}"
    call = f"{called}({', '.join(_into(p) for _, p in _inputs(function))})"
    kind = function.returns.kind
    store = _store(function, "__given", "{name}.write({value})") if function.outputs else ""
    if kind == "KP_OFFSET":
        base = next(p for p in function.parameters if p.name == function.returns.words[0])
        return f"glue::pointer({call}, {_name(base.name)}.cast()).cast()"
    if function.returns.new:
        return f"glue::handed({_certain(function, call)})"
    if function.returns.fails:
        ret = _type(function.returns.c_type)
        return (f"match {call} {{ Ok(__given) => {{ {store} 0 }} Err(e) => e.to_errno() as {ret} }}"
                if function.outputs else f"{_returned(function, call)} as {ret}")
    if kind == "KP_BOOL" and function.outputs:
        return f"match {call} {{ Some(__given) => {{ {store} true }} None => false }}"
    return f"let __given = {call}; {store}" if function.outputs else call


def _entry(contract: Contract, function: Function) -> str:
    """C's way into the port."""
    body = _entry_body(contract, function)
    kind = function.returns.kind
    returned = "" if kind == "KP_VOID" else _type(function.returns.c_type)
    if kind == "KP_OFFSET":
        returned = "*mut c_char" if "const" not in function.returns.type else "*const c_char"
        returned = returned.replace("c_char", _bytes(
            function.returns.type.replace("const", "").replace("*", "").strip()))
    if function.returns.new:
        returned = f"*mut {_type(function.returns.type.removesuffix(' *'))}"
    kinds = {p.kind for p in function.parameters}
    # Numbers that are passed by value, and user memory, ask nothing of the caller.
    if function.method or contract.guarded(function) or \
            kinds - {"KP_NUMBER", "KP_CHOICE", "KP_FLAGS", *USER}:
        body = ("        // SAFETY: By the safety requirements of this function.\n"
                f"        unsafe {{ {body} }}\n")
    else:
        body = f"        {body}\n"
    if kinds & {"KP_TEXT", "KP_BYTES", "KP_BUFFER", "KP_STRUCT"}:
        body = f"        let __call = (); // What is borrowed is borrowed for as long.\n\n{body}"
    return _extern(contract, function, returned, body)


def _extern(contract: Contract, function: Function, returned: str, body: str) -> str:
    """A function of Rust's that C calls, held against what the header declares."""
    name = rust_name(contract.pair, function)
    first = [f"object: *mut {_type(contract.object.type)}"] \
        if contract.object and function.method else []
    parameters = ", ".join([*first, *map(_raw, function.parameters)])
    but = " but for a callback's data" * any(p.kind == "KP_CALLBACK" for p in function.parameters)
    return _checked(f"    /// # Safety\n    ///\n    /// As for `{function.name}()` in C, and no "
                    f"pointer is null{but}.\n", name, parameters, returned, body)


def _checked(docs: str, name: str, parameters: str, returned: str, body: str) -> str:
    """A function of Rust's that C calls, of the very type that the header declares."""
    return (f"{docs}    #[no_mangle]\n    pub(super) unsafe extern \"C\" fn {name}("
            f"{parameters}){f' -> {returned}' if returned else ''} {{\n"
            f"{body}    }}\n"
            f"    const _: () = {{\n        let _ = if true {{ bindings::{name} }} "
            f"else {{ {name} }};\n    }};\n")


def _result(function: Function, call: str) -> str:
    """An expression: what the engine is given of a call."""
    kind = function.returns.kind
    store = _store(function, "__given", "slot.store({at}, {value})")
    if function.returns.new:
        return f"glue::made({_certain(function, call)}, slot.bytes({len(function.arguments)}))"
    if function.returns.fails and function.outputs:
        return (f"match {call} {{ Ok(__given) => {{ {store} 0 }} "
                "Err(e) => i64::from(e.to_errno()) }")
    if function.returns.fails:
        return _returned(function, call)
    if kind == "KP_OFFSET":
        return f"glue::place({call})"
    if kind == "KP_BOOL" and function.outputs:
        return f"match {call} {{ Some(__given) => {{ {store} 1 }} None => 0 }}"
    if function.outputs:
        return f"{{ let __given = {call}; {store} 0 }}"
    if kind == "KP_VOID":
        return f"{{ {call}; 0 }}"
    return f"glue::number({call})"


def _invoker(pair: str, function: Function, called: str, generic: str = "",
             before: str = "") -> str:
    """What the engine calls, with arguments that are laid out."""
    args = ", ".join(_slot(p, i) for i, p in _inputs(function))
    operation = _name(function.operation(pair))
    body = _result(function, f"drop({args})" if function.puts else f"{called}{operation}({args})")
    slots = "            let slot = glue::Slots::new(slot);\n" \
        if function.parameters or function.returns.new else ""
    return (f"    /// # Safety\n    ///\n    /// As for [`glue::Slots::new`]"
            f"{', and `obj` is an object of the path' if generic else ''}.\n"
            f"    pub(super) unsafe extern \"C\" fn {operation}{generic}(\n"
            f"        {'obj' if before else '_'}: *mut c_void,\n"
            f"        {'slot' if slots else '_'}: *const bindings::kp_slot,\n"
            "        res: *mut bindings::kp_result,\n    ) {\n"
            "        // SAFETY: The engine lays out the arguments as the contract's row says, and\n"
            f"        // `res` is its own.{before and _ROLES}{_handles_held(function)}\n"
            f"        unsafe {{\n{slots}{before}\n"
            f"            (*res).ret = {body};\n        }}\n"
            "    }\n")


def _handles_held(function: Function) -> str:
    """What the engine sees to where an operation has to do with handles."""
    return """ Handles
        // are those that it holds on this path, and it gives them back when the contract asks for
        // it.""" if function.returns.new or any(p.handle for p in function.parameters) else ""


_ROLES = """ It has made the object, and
        // keeps operations apart that the contract keeps apart."""


def _module(name: str, doc: str, parts: list[str], head: str = "") -> str:
    return (f"\n/// {doc}\npub(crate) mod {name} {{\n"
            "    #![allow(unused_unsafe)] // Numbers alone need none.\n"
            + "    #![allow(clippy::unnecessary_cast)] // Constants have the type that bindgen gives "
            "them.\n" * (name == "c") + "\n"
            f"    #[allow(unused_imports)]\n    use super::*;\n{head}\n"
            + "\n".join(parts) + "}\n")


def _driver(contract: Contract, side: str, invokers: str, generic: str = "") -> str:
    """Rust callers over one side, as the engine has them."""
    name = f"{contract.pair}_rust_over_{side}"
    rows = "".join(f"    Some({invokers}::{_name(f.operation(contract.pair))}{generic}),\n"
                   for f in contract.functions)
    there = {"create": generic, "destroy": generic, "view": generic,
             "show": generic and contract.handle, "put": generic and contract.handle}
    names = {"put": "give_back"}
    life = "".join(f"    {word}: " + (f"Some(engine::{names.get(word, word)}{generic})" if has
                                      else "None") + ",\n" for word, has in there.items())
    table = f"{side.upper()}_CALLS"
    return (f"\nstatic {table}: [bindings::kp_invoke; {len(contract.functions) + 1}] = [\n"
            f"    Some(glue::nothing),\n{rows}];\n\n"
            f"/// Rust callers of the {side} side; declared in the glue's header.\n#[no_mangle]\n"
            f"pub static {name}: bindings::kp_driver = bindings::kp_driver {{\n{life}"
            "    layout: kparity::layout_of(&LAYOUT),\n"
            f"    call: {table}.as_ptr(),\n}};\n"
            f"declared!({name}: bindings::kp_driver);\n")


def _layout(contract: Contract) -> str:
    """Where Rust has the shared types and their members; keywords end in _ in bindgen's."""
    count = sum(1 + len(shared.members) for shared in contract.types)
    rows = "".join(f"    {_type(shared.type).removeprefix('bindings::')} {{ "
                   + ", ".join(m + "_" * (m in _KEYWORDS) for m in shared.members) + " }\n"
                   for shared in contract.types)
    return f"\nconst LAYOUT: [bindings::kp_field; {count}] = layout!(\n{rows});\n"


#: In the module of the C side, of which the port is none.
_KEY = """
    /// What opens user memory for a call of C; no one else can make one.
    #[allow(dead_code)] // Not every pair has user memory.
    pub(crate) struct Key(());
"""


def _functions(contract: Contract) -> str:
    """The parts of the root of a pair that has no object."""
    pair, functions = contract.pair, contract.functions
    return (_module("c", "The C side, as a Rust caller uses it.",
                    [_caller_of_c(pair, f) for f in functions], _KEY)
            + _structures(contract)
            + _module("entry", "C's way into the port.",
                      [_entry(contract, f) for f in functions] + _loading(contract))
            + _module("over_c", "Calls of the C side.",
                      [_invoker(pair, f, "c::") for f in functions])
            + _module("over_rust", "Calls of the port.",
                      [_invoker(pair, f, "port::") for f in functions])
            + _layout(contract)
            + _driver(contract, "c", "over_c") + _driver(contract, "rust", "over_rust"))


def _docs(contract: Contract, function: Function) -> str:
    """What stands above a method of the interface."""
    text = f"    /// As `{function.name}()` in C.\n"
    rules = []
    if function.option("role"):
        rules.append(f"No other operation of the {function.option('role')} may run at the same "
                     "time.")
    if function.returns.new and contract.guarded(replace(function, options=())):
        rules.append("The handle must be dropped before the object is.")
    if rules:
        text += "    ///\n    /// # Safety\n" + "".join(f"    ///\n    /// {r}\n" for r in rules)
    return text


def _of_interface(contract: Contract) -> list[Function]:
    """The functions of the interface; a handle is given back when it is dropped."""
    return [f for f in (*contract.sided, *handle_functions(contract)) if not f.puts]


_MADE_IN_PLACE = """\
    ///
    /// What can fail comes first, before there is memory for the object.
"""
_MADE_BY_VALUE = """\
    ///
    /// It is handed on by value, so nothing of it may be pinned.
"""


def _interface(contract: Contract) -> str:
    """What both sides of the contract do."""
    assert contract.object and contract.create
    pair = contract.pair
    create = ", ".join(_safe(p) for p in contract.create.parameters)
    methods = "".join(
        f"{_docs(contract, f)}    {'unsafe ' * contract.guarded(f)}{_signature(pair, f)};\n"
        for f in _of_interface(contract))
    methods += "".join(f"    /// As `{f.name}()` in C.\n    fn {_name(f.operation(pair))}(self);\n"
                       for f in contract.consumers)
    handle = ("    /// What operations hand out, to be held until it is dropped.\n"
              "    type Handle: glue::Handle;\n\n" if contract.handle else "")
    return ("\n/// What both sides of the contract do. Any thread may use an object, and several "
            "at once.\n"
            "pub(crate) trait Interface: Sized + Send + Sync + 'static {\n"
            f"{handle}    /// As `{contract.create.name}()` in C.\n"
            f"{_MADE_BY_VALUE if contract.consumers else _MADE_IN_PLACE}"
            f"    fn create({create}) -> Result<"
            f"{'Self' if contract.consumers else 'impl PinInit<Self>'}>;\n{methods}"
            "    /// The state, for comparison.\n    ///\n    /// # Safety\n    ///\n"
            "    /// No operation may run meanwhile.\n"
            f"    unsafe fn view(&self) -> {_type(contract.object.view)};\n}}\n")


def _object_over_c(contract: Contract) -> str:
    """The C side's object, owned."""
    assert contract.object and contract.create and contract.destroy
    pair, kind = contract.pair, _type(contract.object.type)
    create = ", ".join(_safe(p) for p in contract.create.parameters)
    args = ", ".join(map(_from, contract.create.parameters))
    lets = _limits_held(contract.create, " " * 12)
    tasks = [_name(p.name) for p in contract.create.parameters if p.kind == "KP_CALLBACK"]
    lets += "".join(f"            let {task} = glue::callback({task})?;\n" for task in tasks)
    made = "".join(f"""\
            let made = kernel::error::from_err_ptr(made).inspect_err(|_| {{
                // SAFETY: It has failed.
                unsafe {{ {task}.3.refused() }};
            }})?;
""" for task in tasks) or "            let made = kernel::error::from_err_ptr(made)?;\n"
    ends = "".join(f"""
        fn {_name(f.operation(pair))}(self) {{
            let object = core::mem::ManuallyDrop::new(self);

            // SAFETY: By the type invariant, and it is not used afterwards, nor dropped.
            unsafe {{ bindings::{_name(f.name)}(object.0.as_ptr()) }};
        }}
""" for f in contract.consumers)
    methods = "".join(
        f"\n        #[inline]\n        {'unsafe ' * contract.guarded(f)}"
        f"{_signature(pair, f)} {{\n{_body_over_c(f)}        }}\n" for f in _of_interface(contract))
    handle = "        type Handle = Handle;\n\n" if contract.handle else ""
    return f"""\
    /// An object of the C side, owned.
    ///
    /// # Invariants
    ///
    /// The pointer is what `{contract.create.name}()` gave, and that is not destroyed.
    pub(crate) struct Object(core::ptr::NonNull<{kind}>);

    // SAFETY: The contract lets any thread use and destroy an object.
    unsafe impl Send for Object {{}}
    // SAFETY: The contract lets threads use an object at the same time. Operations that it keeps
    // apart are unsafe to call.
    unsafe impl Sync for Object {{}}

    impl Drop for Object {{
        fn drop(&mut self) {{
            // SAFETY: By the type invariant, and it is not used afterwards.
            unsafe {{ bindings::{contract.destroy.name}(self.0.as_ptr()) }};
        }}
    }}

    impl Interface for Object {{
{handle}        fn create({create}) -> Result<Self> {{
{lets}            // SAFETY: The contract lets anyone make one{", of such callbacks" * bool(tasks)}.
            let made = unsafe {{ bindings::{contract.create.name}({args}) }};
{made}
            // INVARIANT: Checked for an error, so it is an object, and this is its owner.
            core::ptr::NonNull::new(made).map(Self).ok_or(EFAULT)
        }}
{methods}{ends}
        unsafe fn view(&self) -> {_type(contract.object.view)} {{
            let mut view = Default::default();

            // SAFETY: By the type invariant and the safety requirements of this function; `view`
            // may be written.
            unsafe {{ bindings::{contract.object.viewer}(self.0.as_ptr(), &mut view) }};
            view
        }}
    }}
"""


def _handle_over_c(contract: Contract) -> str:
    """A handle of the C side, owned, and what it lends."""
    assert contract.handle
    kind = _type(contract.handle.type)
    return f"""\
    /// What a handle of the C side is of. A reference to it is lent by who holds one.
    #[repr(transparent)]
    pub(crate) struct Held(kernel::types::Opaque<{kind}>);

    /// A handle of the C side, owned.
    ///
    /// # Invariants
    ///
    /// The pointer is a handle that the C side gave to this caller, and that is not given back.
    pub(crate) struct Handle(core::ptr::NonNull<Held>);

    // SAFETY: The contract lets any thread use a handle and give it back.
    unsafe impl Send for Handle {{}}
    // SAFETY: The contract lets threads use a handle at the same time.
    unsafe impl Sync for Handle {{}}

    impl Drop for Handle {{
        fn drop(&mut self) {{
            // SAFETY: By the type invariant, and it is not used afterwards.
            unsafe {{ bindings::{_name(contract.handle.puts.name)}(self.0.as_ptr().cast()) }};
        }}
    }}

    impl glue::Handle for Handle {{
        fn lend(&self) -> &Held {{
            // SAFETY: By the type invariant it is there for as long as it is held.
            unsafe {{ self.0.as_ref() }}
        }}
    }}

    // SAFETY: The pointer of a handle is its own, and as much aligned as C has it.
    unsafe impl kernel::types::ForeignOwnable for Handle {{
        const FOREIGN_ALIGN: usize = 1;

        type Borrowed<'a> = &'a Held;
        type BorrowedMut<'a> = &'a Held;

        #[inline]
        fn into_foreign(self) -> *mut c_void {{
            core::mem::ManuallyDrop::new(self).0.as_ptr().cast()
        }}

        #[inline]
        unsafe fn from_foreign(ptr: *mut c_void) -> Self {{
            // SAFETY: By the safety requirements of this function it is a handle, hence not null.
            // INVARIANT: And no one else owns it.
            Self(unsafe {{ core::ptr::NonNull::new_unchecked(ptr.cast()) }})
        }}

        #[inline]
        unsafe fn borrow<'a>(ptr: *mut c_void) -> &'a Held {{
            // SAFETY: By the safety requirements of this function.
            unsafe {{ &*ptr.cast() }}
        }}

        #[inline]
        unsafe fn borrow_mut<'a>(ptr: *mut c_void) -> &'a Held {{
            // SAFETY: By the safety requirements of this function.
            unsafe {{ &*ptr.cast() }}
        }}
    }}
"""


def _handle_invokers(contract: Contract) -> list[str]:
    """What the engine calls with a handle, over either side."""
    if not contract.handle:
        return []
    shows = _name(contract.handle.shows.operation(contract.pair))
    return [f"""\
    /// # Safety
    ///
    /// `handle` must be one that the engine holds on the same path; `view` must be valid for
    /// writing what it shows.
    pub(super) unsafe extern "C" fn show<I: Interface>(handle: *mut c_void, view: *mut c_void) {{
        // SAFETY: By the safety requirements of this function.
        unsafe {{
            let shown = I::{shows}(glue::lent::<I::Handle, _>(handle));

            view.cast::<{_type(contract.handle.view)}>().write(shown);
        }}
    }}
""", """\
    /// # Safety
    ///
    /// `handle` must be one that the engine holds on the same path; it is gone afterwards.
    pub(super) unsafe extern "C" fn give_back<I: Interface>(handle: *mut c_void) {
        // SAFETY: By the safety requirements of this function.
        drop(unsafe { glue::taken::<I::Handle, _>(handle) });
    }
"""]


def _entries(contract: Contract) -> list[str]:
    """C's ways into the port of an object."""
    assert contract.object and contract.create and contract.destroy
    kind = _type(contract.object.type)
    create = f"port::Object::create({', '.join(map(_into, contract.create.parameters))})"
    safety = "        // SAFETY: By the safety requirements of this function.\n"
    if any(p.kind == "KP_CALLBACK" for p in contract.create.parameters):
        create = f"unsafe {{ {create} }}"
        made = (f"{safety}        let __made = {create};\n\n"
                "        glue::owned::<port::Object, _, _>(__made)\n")
    else:
        made = f"        glue::owned::<port::Object, _, _>({create})\n"
    view = next(f for f in callable_functions(contract) if f.name == contract.object.viewer)
    return [
        _extern(contract, contract.create, f"*mut {kind}", made),
        _extern(contract, contract.destroy, "",
                f"{safety}        unsafe {{ glue::released::<port::Object, _>(object) }};\n"),
        *(_extern(contract, f, "",
                  f"{safety}        unsafe {{ glue::reclaimed::<port::Object, _>(object) }}"
                  f".{_name(f.operation(contract.pair))}();\n") for f in contract.consumers),
        *(_entry(contract, f) for f in (*contract.sided, *handle_functions(contract))),
        _extern(contract, view, "",
                f"{safety}        unsafe {{ view.write({_borrowed(view)}.view()) }};\n")]


def _loading(contract: Contract) -> list[str]:
    """What C calls when the module is loaded, and before it goes."""
    if contract.module is None:
        return []
    load, unload = rust_module(contract)
    return [
        _checked("    /// # Safety\n    ///\n    /// None. What it gives goes by "
                 f"[`{unload}`].\n", load, "", "*mut c_void",
                 "        glue::loaded::<port::Module>(&THIS_MODULE)\n"),
        _checked("    /// # Safety\n    ///\n    /// `module` must come from "
                 f"[`{load}`]; it is gone afterwards.\n", unload, "module: *mut c_void", "",
                 "        // SAFETY: By the safety requirements of this function.\n"
                 "        unsafe { glue::unloaded::<port::Module>(module) };\n")]


def _structures(contract: Contract) -> str:
    """What follows for Rust from the rows of structures: of which any bytes are a value."""
    found = {p.type: p for f in contract.functions for p in f.parameters if p.members}
    return "".join(
        f"\n// SAFETY: Integers without padding: the glue in C holds the row of "
        f"`{p.type}` against it.\n"
        f"unsafe impl kernel::transmute::FromBytes for {_type(p.type)} {{}}\n"
        for p in found.values() if all(_TYPES.get(m.type, "bool") != "bool" for m in p.members))


def _invokers(contract: Contract) -> list[str]:
    """What the engine calls, over either side."""
    assert contract.object and contract.create
    generic, caller = "<I: Interface>", "obj.cast::<Caller<I>>()"
    create = ", ".join(f"callbacks::{_name(p.name)}(param[{i}])" if p.kind == "KP_CALLBACK"
                       else f"glue::Number::of(param[{i}])"
                       for i, p in enumerate(contract.create.parameters))
    parts = [f"""\
    /// # Safety
    ///
    /// `param` must point to `KP_NR_ARGS` values.
    pub(super) unsafe extern "C" fn create{generic}(param: *const u64) -> *mut c_void {{
        // SAFETY: By the safety requirements of this function.
        let {'_' * (not create)}param = unsafe {{ &*param.cast::<kparity::Args>() }};

        glue::owned::<Caller<I>, _, _>(Caller::<I>::create({create}))
    }}
""", f"""\
    /// # Safety
    ///
    /// `obj` must come from [`create`] of the same side; it is gone afterwards.
    pub(super) unsafe extern "C" fn destroy{generic}(obj: *mut c_void) {{
        // SAFETY: By the safety requirements of this function.
        unsafe {{ glue::released::<Caller<I>, _>(obj) }};
    }}
""", f"""\
    /// # Safety
    ///
    /// `obj` must come from [`create`] of the same side, and no one may use it; `view` must be
    /// valid for writing a view.
    pub(super) unsafe extern "C" fn view{generic}(obj: *mut c_void, view: *mut c_void) {{
        // SAFETY: By the safety requirements of this function.
        unsafe {{ view.cast::<{_type(contract.object.view)}>().write((*{caller}).view()) }};
    }}
"""]
    for function in contract.functions:
        role = function.option("role")
        if function.adapter:
            name = _name(function.operation(contract.pair))
            parts.append(_invoker(contract.pair, function, "port::", generic).replace(
                f"port::{name}(", f"port::{name}::<I>("))
            continue
        if not function.method:
            parts.append(_invoker(contract.pair, function, "I::", generic))
            continue
        object_ = f"&mut (*{caller}).{_name(role)}" if role else f"&*{caller}"
        parts.append(_invoker(contract.pair, function, "object.", generic,
                              f"            let object = {object_};\n"))
    return parts + _handle_invokers(contract)


_CALLER = """
use port::Caller;

/// Each role is handed out as `&mut`, so nothing of a caller may be pinned.
#[allow(dead_code)] // To compile is all that it is for.
fn is_not_pinned<I: Interface>(caller: Caller<I>) -> impl Unpin {
    caller
}
"""


def _callbacks(contract: Contract) -> str:
    """The callbacks of the suite, as a Rust caller hands them over."""
    assert contract.create
    parts = [f"""\
    /// What programs hand over as `{p.name}`: the suite's functions, and a number for them.
    pub(crate) fn {_name(p.name)}(number: u64) -> impl glue::Task {{
        let data = core::ptr::without_provenance_mut(number as usize);

        // SAFETY: The suite's functions take any number, on any task.
        unsafe {{
            glue::Callback::new(Some(bindings::{p.names[0]}), Some(bindings::{p.names[1]}), data)
        }}
    }}
""" for p in contract.create.parameters if p.kind == "KP_CALLBACK"]
    return _module("callbacks", "Callbacks of the suite.", parts) if parts else ""


def _object(contract: Contract) -> str:
    """The parts of the root of a pair with an object."""
    caller = _CALLER if contract.roles else \
        "\n/// Who uses an object: it has no roles, so this is the object.\ntype Caller<I> = I;\n"
    return (_interface(contract) + caller
            + _module("c", "The C side, as a Rust caller uses it.", [
                _object_over_c(contract), *([_handle_over_c(contract)] if contract.handle else [])],
                _KEY)
            + _structures(contract)
            + _module("entry", "C's way into the port.", _entries(contract) + _loading(contract),
                      f"\n    type {_HANDLE} = <port::Object as Interface>::Handle;\n"
                      if contract.handle else "")
            + _callbacks(contract)
            + _module("engine", "What the engine calls, over either side.", _invokers(contract))
            + _layout(contract)
            + _driver(contract, "c", "engine", "::<c::Object>")
            + _driver(contract, "rust", "engine", "::<port::Object>"))


def root(contract: Contract, shared: Path, port: Path) -> str:
    """The root of the crate."""
    for function in contract.functions:
        for name in (function.operation(contract.pair), *(p.name for p in function.parameters)):
            if name in ("self", "super", "crate", "Self"):
                raise BadRow(function.line, f"Rust has no such name: {name}")
    quoted = {"shared": shared / "kparity.rs", "glue": shared / "glue.rs", "port": port}
    head = _HEAD.format(pair=contract.pair, **{k: json.dumps(str(v)) for k, v in quoted.items()})
    if contract.module:
        head += f"\nmodule_type!(\"{contract.pair}\", port::Module);\n"
    return head + (_object(contract) if contract.object else _functions(contract))
