# SPDX-License-Identifier: GPL-2.0
"""The Rust that follows from the rows of a contract: the root of the pair's crate.

The port is a module of it, written as a Rust developer writes it. Around it stand the C
side as a Rust caller uses it, C's way into the port, and the tables that the engine calls.
What converts an argument is in rust-stub/glue.rs, once for each kind.
The parts are in rust_over_c.py, rust_over_rust.py, rust_entries.py and rust_drivers.py, and
rust_types.py has what these share.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from kplib.contract.model import Contract, Function
from kplib.contract.rows import BadRow
from kplib.contract.rust_drivers import driver, engine_call, engine_calls, engine_put, layout
from kplib.contract.rust_entries import HANDLE, entries, entry, loading
from kplib.contract.rust_over_c import KEY, caller_of_c, handle_over_c, object_over_c
from kplib.contract.rust_over_rust import (function_over_rust, handle_over_rust,
                                           object_over_rust)
from kplib.contract.rust_types import (TYPES, inputs_of, interface_functions, rust_word,
                                       safe_parameter, signature, type_of)

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
nothing!(kp_rust_nothing_{pair});

#[allow(dead_code)] // A pair uses what its rows need.
#[path = {glue}]
mod glue;

/// The port.
#[path = {port}]
mod port;

#[allow(unused_imports)]
use kernel::prelude::*;
"""


def _module(name: str, doc: str, parts: list[str], head: str = "") -> str:
    return (f"\n/// {doc}\npub(crate) mod {name} {{\n"
            "    #![allow(unused_unsafe)] // Numbers alone need none.\n"
            + ("    #![allow(clippy::unnecessary_cast)] // Constants have the type that bindgen "
               "gives them.\n" if name == "c" else "") + "\n"
            f"    #[allow(unused_imports)]\n    use super::*;\n{head}\n"
            + "\n".join(parts) + "}\n")


def _functions(contract: Contract) -> str:
    """The parts of the root of a pair that has no object."""
    pair, functions = contract.pair, contract.functions
    return (_module("c", "The C side, as a Rust caller uses it.",
                    [caller_of_c(pair, f) for f in functions], KEY)
            + _structures(contract)
            + _module("entry", "C's way into the port.",
                      [entry(contract, f) for f in functions] + loading(contract))
            + _module("over_c", "Calls of the C side.",
                      [engine_call(pair, f, "c::") for f in functions])
            + _module("rust", _OUT_OF_LINE, [function_over_rust(pair, f) for f in functions])
            + _module("over_rust", "Calls of the port.",
                      [_over_rust(pair, f) for f in functions])
            + layout(contract)
            + driver(contract, "c", "over_c") + driver(contract, "rust", "over_rust"))


#: Comment above the module that has the port's operations as functions.
_OUT_OF_LINE = "The port, as a Rust caller of another module uses it: by calls."


def _over_rust(pair: str, function: Function) -> str:
    """A function that the engine calls, over a port of functions."""
    name = rust_word(function.operation(pair))
    comma = ", " if inputs_of(function) else ""
    return engine_call(pair, function, "rust::").replace(
        f"rust::{name}(", f"rust::{name}(port::{name}{comma}", 1)


def _docs(contract: Contract, function: Function) -> str:
    """Comment above a method of the interface."""
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


_MADE_IN_PLACE = """\
    ///
    /// What can fail comes first, before there is memory for the object.
"""

_MADE_BY_VALUE = """\
    ///
    /// It is handed on by value, so nothing of it may be pinned.
"""


def _interface(contract: Contract) -> str:
    """The trait that both sides of the contract implement."""
    assert contract.object and contract.create
    pair = contract.pair
    create = ", ".join(safe_parameter(p) for p in contract.create.parameters)
    methods = "".join(
        f"{_docs(contract, f)}    {'unsafe ' * contract.guarded(f)}{signature(pair, f)};\n"
        for f in interface_functions(contract))
    methods += "".join(
        f"    /// As `{f.name}()` in C.\n    fn {rust_word(f.operation(pair))}(self);\n"
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
            f"    unsafe fn view(&self) -> {type_of(contract.object.view)};\n}}\n")


def _structures(contract: Contract) -> str:
    """Implementations of FromBytes for the structures of rows, of which any bytes are a value."""
    functions = (*contract.functions, *([contract.create] if contract.create else []))
    found = {p.type: p for f in functions for p in f.parameters if p.members}
    return "".join(
        f"\n// SAFETY: Integers without padding: the glue in C holds the row of "
        f"`{p.type}` against it.\n"
        f"unsafe impl kernel::transmute::FromBytes for {type_of(p.type)} {{}}\n"
        for p in found.values() if all(TYPES.get(m.type, "bool") != "bool" for m in p.members))


_CALLER = """
use port::Caller;

/// Each role is handed out as `&mut`, so nothing of a caller may be pinned.
#[allow(dead_code)] // To compile is all that it is for.
fn is_not_pinned<I: Interface>(caller: Caller<I>) -> impl Unpin {
    caller
}
"""


def _passed(contract: Contract) -> str:
    """The trait by which objects that are used without roles pass through the engine."""
    assert contract.create
    create = ", ".join(safe_parameter(p) for p in contract.create.parameters)
    return f"""
/// An object as it passes through the engine. It has no roles, so it is its own caller's.
pub(crate) trait Passed: Interface {{
    /// Makes one, or gives the errno as an `ERR_PTR()`. [`Passed::end`] drops it.
    fn make({create}) -> *mut c_void;
    /// The object.
    ///
    /// # Safety
    ///
    /// `obj` must come from [`Passed::make`] of the same type, and not be dropped meanwhile.
    unsafe fn passed(obj: &*mut c_void) -> &Self;
    /// Drops it.
    ///
    /// # Safety
    ///
    /// `obj` must come from [`Passed::make`] of the same type; it is gone afterwards.
    unsafe fn end(obj: *mut c_void);
}}
"""


def _callbacks(contract: Contract) -> str:
    """The callbacks of the suite, as a Rust caller hands them over."""
    assert contract.create
    parts = [f"""\
    /// What programs hand over as `{p.name}`: the suite's functions, and a number for them.
    pub(crate) fn {rust_word(p.name)}(number: u64) -> impl glue::Task {{
        let data = core::ptr::without_provenance_mut(number as usize);

        // SAFETY: The suite's functions take any number, on any task.
        unsafe {{
            glue::Callback::new(Some(bindings::{p.names[0]}), Some(bindings::{p.names[1]}), data)
        }}
    }}
""" for p in contract.create.parameters if p.kind == "KP_CALLBACK"]
    return _module("callbacks", "Callbacks of the suite.", parts) if parts else ""


def _pointed_to(contract: Contract) -> str:
    """A symbol from whose type debuggers know what the engine's pointers point to."""
    assert contract.object
    handles = ", <port::Object as Interface>::Handle" if contract.handle else ""
    callers = "Caller<c::Object>, Caller<rust::Object>" if contract.roles else \
        f"{type_of(contract.object.type)}, rust::Object"
    return ("\n/// What pointers to an object, and handles, are: for C's callers, for Rust's over "
            "either side.\n"
            f"type Pointed = (port::Object, {callers}{handles});\n\n"
            "/// For who looks at memory by debug information.\n#[no_mangle]\n"
            f"static {contract.pair}_rust_pointed: glue::Pointed<Pointed> = "
            "glue::Pointed::new();\n")


def _object(contract: Contract) -> str:
    """The parts of the root of a pair with an object."""
    caller = _CALLER if contract.roles else _passed(contract)
    return (_interface(contract) + caller
            + _module("c", "The C side, as a Rust caller uses it.", [
                object_over_c(contract), *([handle_over_c(contract)] if contract.handle else [])],
                KEY)
            + _structures(contract)
            + _module("entry", "C's way into the port.", entries(contract) + loading(contract),
                      f"\n    type {HANDLE} = <port::Object as Interface>::Handle;\n"
                      if contract.handle else "")
            + _module("rust", _OUT_OF_LINE, [
                object_over_rust(contract),
                *([handle_over_rust(contract)] if contract.handle else [])])
            + _callbacks(contract)
            + _module("engine", "What the engine calls, over either side.", engine_calls(contract))
            + (_module("over_rust", "Calls of the port that are no method's.", engine_put(contract))
               if engine_put(contract) else "")
            + layout(contract)
            + driver(contract, "c", "engine", "::<c::Object>")
            + driver(contract, "rust", "engine", "::<rust::Object>")
            + _pointed_to(contract))


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
