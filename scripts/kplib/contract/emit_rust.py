# SPDX-License-Identifier: GPL-2.0
"""The Rust that follows from the rows of a contract: the root of the pair's crate.

The port is a module of it, written as a Rust developer writes it. Around it stand the C
side as a Rust caller uses it, C's way into the port, and the tables that the engine calls.
What converts an argument is in rust-stub/glue.rs, once for each kind.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from kplib.contract.emit_c import rust_name
from kplib.contract.rows import BadRow, Function, Parameter

_HEAD = """\
// SPDX-License-Identifier: GPL-2.0

//! The root of pair {pair}'s crate, made by scripts/contract-glue; changes here are lost.

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


def _name(name: str) -> str:
    return f"r#{name}" if name in _KEYWORDS else name


def _bytes(name: str) -> str:
    """The type of what a pointer of C's is to."""
    return "c_void" if name == "void" else _type(name)


def named_types(functions: tuple[Function, ...]) -> list[str]:
    """The types that bindgen is to translate: all that Rust has no word for."""
    words = {word for f in functions for p in f.parameters for word in (p.type, p.size_type)
             if word} | {re.sub(r"\bconst\b|\*", "", f.returns.type).strip() for f in functions}
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
    if p.kind in ("KP_OUTPUT", "KP_INOUT"):
        return f"{name}: *mut {_type(p.type)}"
    return f"{name}: {_type(p.type)}"


def _safe(p: Parameter) -> str:
    """A parameter as the safe caller of C takes it."""
    kind = {"KP_TEXT": "&CStr", "KP_BYTES": "&[u8]", "KP_BUFFER": "&mut [u8]",
            "KP_INOUT": f"&mut {_type(p.type)}"}.get(p.kind, _type(p.type))
    return f"{_name(p.name)}: {kind}"


def _into(p: Parameter) -> str:
    """A C parameter as the port takes it."""
    name = _name(p.name)
    return {"KP_TEXT": f"glue::text(&__call, {name})",
            "KP_BYTES": f"glue::bytes(&__call, {name}.cast(), {p.name}_size as usize)",
            "KP_BUFFER": f"glue::buffer(&__call, {name}.cast(), {p.name}_size as usize)",
            "KP_INOUT": f"&mut *{name}"}.get(p.kind, name)


def _from(p: Parameter) -> str:
    """A parameter of the safe caller as C takes it."""
    name = _name(p.name)
    return {"KP_TEXT": f"glue::c_text({name})",
            "KP_BYTES": f"{name}.as_ptr().cast(), {name}.len() as {_type(p.size_type)}",
            "KP_BUFFER": f"{name}.as_mut_ptr().cast(), {name}.len() as {_type(p.size_type)}",
            "KP_INOUT": f"{name}", "KP_OUTPUT": f"&mut {name}"}.get(p.kind, name)


def _slot(p: Parameter, at: int) -> str:
    """A laid out argument as the port takes it."""
    return {"KP_TEXT": f"slot.text({at})",
            "KP_BYTES": f"glue::bytes(&slot, slot.bytes({at}), slot.len({at}))",
            "KP_BUFFER": f"glue::buffer(&slot, slot.bytes({at}), slot.len({at}))",
            "KP_INOUT": f"slot.number_at({at})"}.get(p.kind, f"slot.number({at})")


def _inputs(function: Function) -> list[tuple[int, Parameter]]:
    return [(i, p) for i, p in enumerate(function.parameters) if not p.stored]


def _outputs(function: Function) -> list[tuple[int, Parameter]]:
    return [(i, p) for i, p in enumerate(function.parameters) if p.stored]


def _tuple(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"({', '.join(words)})"


def _safe_return(function: Function) -> str:
    """What a safe function returns, as a Rust developer writes it."""
    kind = function.returns.kind
    outs = _tuple([_type(p.type) for _, p in _outputs(function)])
    if kind == "KP_OFFSET":
        return "Option<usize>"
    if kind == "KP_RESULT":
        return f"Result<{outs if function.outputs else _type(function.returns.type)}>"
    if function.outputs:
        return f"Option<{outs}>" if kind == "KP_BOOL" else outs
    return _type(function.returns.type)


def _caller_of_c(function: Function) -> str:
    """The C side, safe to call."""
    args = ", ".join(_from(p) for p in function.parameters)
    call = f"unsafe {{ bindings::{_name(function.name)}({args}) }}"
    safety = ("        // SAFETY: The arguments are what the contract asks for, for the call's "
              "time.\n")
    lets = "".join(f"        let mut {_name(p.name)} = Default::default();\n"
                   for _, p in _outputs(function))
    outs = _tuple([_name(p.name) for _, p in _outputs(function)])
    kind = function.returns.kind
    if kind == "KP_OFFSET":
        base = next(p for p in function.parameters if p.name == function.returns.words[0])
        lets += f"        let __base = {_name(base.name)}.as_ptr();\n"
        body = f"        let __at = {call};\n\n        glue::offset(__at.cast(), __base.cast())\n"
    elif kind == "KP_RESULT":
        body = f"        let __ret = {call};\n\n" + (
            f"        glue::checked(__ret)?;\n        Ok({outs})\n" if function.outputs
            else "        glue::checked(__ret)\n")
    elif function.outputs:
        body = f"        let __given = {call};\n\n        __given.then_some({outs})\n" \
            if kind == "KP_BOOL" else f"        {call};\n        {outs}\n"
    else:
        body = f"        {call}\n"
    return (f"    #[inline]\n    pub(super) fn {_name(function.name)}("
            f"{', '.join(_safe(p) for _, p in _inputs(function))}) -> {_safe_return(function)} "
            f"{{\n{lets}{safety}{body}    }}\n")


def _store(function: Function, value: str, where: str) -> str:
    """Statements that store the outputs in `value`."""
    outs = _outputs(function)
    names = [f"__out{i}" for i, _ in outs]
    stores = "".join(f" {where.format(at=i, name=_name(p.name), value=name)};"
                     for name, (i, p) in zip(names, outs))
    return f"let {_tuple(names)} = {value};{stores}"


def _returned(function: Function, call: str) -> str:
    """What a call returned, of the very type that C has, or an errno."""
    return f"glue::returned::<{_type(function.returns.type)}>({call})"


def _entry(pair: str, function: Function) -> str:
    """C's way into the port."""
    call = f"port::{_name(function.name)}({', '.join(_into(p) for _, p in _inputs(function))})"
    kind = function.returns.kind
    store = _store(function, "__given", "{name}.write({value})") if function.outputs else ""
    if kind == "KP_OFFSET":
        base = next(p for p in function.parameters if p.name == function.returns.words[0])
        body = f"glue::pointer({call}, {_name(base.name)}.cast()).cast()"
    elif kind == "KP_RESULT":
        body = (f"match {call} {{ Ok(__given) => {{ {store} 0 }} Err(e) => e.to_errno() as _ }}"
                if function.outputs else f"{_returned(function, call)} as _")
    elif kind == "KP_BOOL" and function.outputs:
        body = f"match {call} {{ Some(__given) => {{ {store} true }} None => false }}"
    elif function.outputs:
        body = f"let __given = {call}; {store}"
    else:
        body = call
    returned = _type(function.returns.type)
    if kind == "KP_OFFSET":
        returned = "*mut c_char" if "const" not in function.returns.type else "*const c_char"
        returned = returned.replace("c_char", _bytes(
            function.returns.type.replace("const", "").replace("*", "").strip()))
    name = rust_name(pair, function.name)
    kinds = {p.kind for p in function.parameters}
    # Numbers that are passed by value ask nothing of the caller.
    if kinds - {"KP_NUMBER", "KP_CHOICE", "KP_FLAGS"}:
        body = ("        // SAFETY: By the safety requirements of this function.\n"
                f"        unsafe {{ {body} }}\n")
    else:
        body = f"        {body}\n"
    if kinds & {"KP_TEXT", "KP_BYTES", "KP_BUFFER"}:
        body = f"        let __call = (); // What is borrowed is borrowed for as long.\n\n{body}"
    return (f"    /// # Safety\n    ///\n    /// As for `{function.name}()` in C, and no pointer "
            "is null.\n"
            f"    #[no_mangle]\n    pub(super) unsafe extern \"C\" fn {name}("
            f"{', '.join(map(_raw, function.parameters))}) -> {returned} {{\n"
            f"{body}    }}\n"
            f"    const _: () = {{\n        let _ = if true {{ bindings::{name} }} "
            f"else {{ {name} }};\n    }};\n")


def _invoker(function: Function, called: str) -> str:
    """What the engine calls, with arguments that are laid out."""
    args = ", ".join(_slot(p, i) for i, p in _inputs(function))
    call = f"{called}::{_name(function.name)}({args})"
    kind = function.returns.kind
    store = _store(function, "__given", "slot.store({at}, {value})")
    if kind == "KP_RESULT" and function.outputs:
        body = (f"match {call} {{ Ok(__given) => {{ {store} 0 }} "
                "Err(e) => i64::from(e.to_errno()) }")
    elif kind == "KP_RESULT":
        body = _returned(function, call)
    elif kind == "KP_OFFSET":
        body = f"glue::place({call})"
    elif kind == "KP_BOOL" and function.outputs:
        body = f"match {call} {{ Some(__given) => {{ {store} 1 }} None => 0 }}"
    elif function.outputs:
        body = f"{{ let __given = {call}; {store} 0 }}"
    elif kind == "KP_VOID":
        body = f"{{ {call}; 0 }}"
    else:
        body = f"glue::number({call})"
    return (f"    /// # Safety\n    ///\n    /// As for [`glue::Slots::new`].\n"
            f"    pub(super) unsafe extern \"C\" fn {_name(function.name)}(\n"
            "        _: *mut c_void,\n        slot: *const bindings::kp_slot,\n"
            "        res: *mut bindings::kp_result,\n    ) {\n"
            "        // SAFETY: The engine lays out the arguments as the contract's row says, and\n"
            "        // `res` is its own.\n"
            "        unsafe {\n            let slot = glue::Slots::new(slot);\n\n"
            f"            (*res).ret = {body};\n        }}\n"
            "    }\n")


def _module(name: str, doc: str, parts: list[str]) -> str:
    return (f"\n/// {doc}\nmod {name} {{\n"
            "    #![allow(unused_unsafe)] // Numbers alone need none.\n\n"
            "    #[allow(unused_imports)]\n    use super::*;\n\n"
            + "\n".join(parts) + "}\n")


def _table(pair: str, side: str, functions: tuple[Function, ...]) -> str:
    name = f"{pair}_rust_over_{side}"
    rows = "".join(f"    Some(over_{side}::{_name(f.name)}),\n" for f in functions)
    kind = f"[bindings::kp_invoke; {len(functions) + 1}]"
    return (f"\n/// Rust callers of the {side} side; declared in the glue's header.\n#[no_mangle]\n"
            f"pub static {name}: {kind} = [\n    Some(glue::nothing),\n{rows}];\n"
            f"declared!({name}: {kind});\n")


def root(pair: str, shared: Path, port: Path, functions: tuple[Function, ...]) -> str:
    """The root of the crate."""
    for function in functions:
        for name in (function.name, *(p.name for p in function.parameters)):
            if name in ("self", "super", "crate", "Self"):
                raise BadRow(function.line, f"Rust has no such name: {name}")
    quoted = {"shared": shared / "kparity.rs", "glue": shared / "glue.rs", "port": port}
    return (_HEAD.format(pair=pair, **{k: json.dumps(str(v)) for k, v in quoted.items()})
            + _module("c", "The C side, as a Rust caller uses it.",
                      [_caller_of_c(f) for f in functions])
            + _module("entry", "C's way into the port.", [_entry(pair, f) for f in functions])
            + _module("over_c", "Calls of the C side.", [_invoker(f, "c") for f in functions])
            + _module("over_rust", "Calls of the port.",
                      [_invoker(f, "port") for f in functions])
            + _table(pair, "c", functions) + _table(pair, "rust", functions))
