# SPDX-License-Identifier: GPL-2.0
"""The port as a Rust caller of another module uses it: each operation is called, not inlined.

A Rust caller reaches the C side by a call, as C callers reach either side. Were the port inlined
into its Rust caller, counted instructions would compare three calls with none.
"""

from __future__ import annotations

from kplib.contract.model import Contract, Function
from kplib.contract.rust_types import (inputs_of, interface_functions, outputs_of, rust_word,
                                       safe_parameter, signature, type_of)

#: The port's handles, where there is no Self.
_HANDLE = "PortHandle"


#: Types of which rustc returns a `Result` in registers.
_IN_REGISTERS = frozenset("bool u8 i8 u16 i16 u32 i32 c_int c_uint".split())

#: A result and a handle as two words: the type, what makes it, and what is made of it again.
_WORDS = ("Words", "Ok(__value) => (None, __value), Err(__e) => (Some(__e), Default::default())",
          "result_of")
_HANDLE_WORDS = ("HandleWords", "Ok(__held) => (Some(__held), EINVAL), Err(__e) => (None, __e)",
                 "handle_of")


def _words(function: Function) -> tuple[str, str, str] | None:
    """What stands for a `Result` that rustc would return through memory.

    C returns such a value in registers. Where a port is inlined into its caller there is no return.
    """
    outs = [type_of(p.type) for _, p in outputs_of(function)]
    if function.returns.new:
        return _HANDLE_WORDS if function.returns.words else None
    if not function.returns.fails or function.returns.kind == "KP_ERRNO" and len(outs) != 1:
        return None
    value = outs[0] if outs else type_of(function.returns.type)
    return None if value in _IN_REGISTERS or len(outs) > 1 else _WORDS


def _arguments(function: Function) -> str:
    return ", ".join(rust_word(p.name) for _, p in inputs_of(function))


def _out_of_line(contract: Contract, function: Function) -> str:
    """A method of the port as a function, which has a symbol: its type cannot be changed."""
    unsafe = contract.guarded(function)
    head = signature(contract.pair, function).replace("Self::Handle", _HANDLE)
    operation = rust_word(function.operation(contract.pair))
    name = f"{contract.pair}_port_{function.operation(contract.pair)}"
    head = head.replace(f"fn {operation}(", f"fn {name}(", 1).replace(
        "&self", "__object: &port::Object", 1)
    call = (f"<port::Object as Interface>::{operation}("
            + ", ".join(["__object"] * function.method + [_arguments(function)] * bool(
                _arguments(function))) + ")")
    docs = f"    /// As [`Interface::{operation}`] of the port.\n"
    words = _words(function)
    if words:
        head = head.replace("-> Result<", f"-> glue::{words[0]}<")
        call = f"match {call} {{ {words[1]} }}"
    if unsafe:
        docs += f"    ///\n    /// # Safety\n    ///\n    /// As for [`Interface::{operation}`].\n"
        call = ("// SAFETY: By the safety requirements of this function.\n"
                f"        unsafe {{ {call} }}")
    return (f"{docs}    #[no_mangle]\n    #[inline(never)]\n"
            f"    {'unsafe ' * unsafe}extern \"Rust\" {head} {{\n        {call}\n    }}\n")


def _method(contract: Contract, function: Function) -> str:
    """A method of the object that calls such a function."""
    unsafe = contract.guarded(function)
    arguments = ", ".join(["&self.port"] * function.method
                          + [_arguments(function)] * bool(_arguments(function)))
    call = f"{contract.pair}_port_{function.operation(contract.pair)}({arguments})"
    words = _words(function)
    if words:
        call = f"glue::{words[2]}({call})"
    if unsafe:
        call = ("// SAFETY: By the safety requirements of this function.\n"
                f"            unsafe {{ {call} }}")
    return (f"\n        #[inline]\n        {'unsafe ' * unsafe}"
            f"{signature(contract.pair, function)} {{\n            {call}\n        }}\n")


def object_over_rust(contract: Contract) -> str:
    """The port's object, whose operations are calls."""
    assert contract.object and contract.create
    pair = contract.pair
    create = ", ".join(safe_parameter(p) for p in contract.create.parameters)
    given = ", ".join(rust_word(p.name) for p in contract.create.parameters)
    made = f"<port::Object as Interface>::create({given})?"
    # What is handed on by value is not pinned.
    by_value = bool(contract.consumers)
    handle = f"        type Handle = {_HANDLE};\n\n" if contract.handle else ""
    functions = interface_functions(contract)
    ends = "".join(f"""
        fn {rust_word(f.operation(pair))}(self) {{
            {pair}_port_{f.operation(pair)}(self.port)
        }}
""" for f in contract.consumers)
    calls = "\n".join([*(_out_of_line(contract, f) for f in functions), *(f"""\
    /// As [`Interface::{rust_word(f.operation(pair))}`] of the port.
    #[no_mangle]
    #[inline(never)]
    extern "Rust" fn {pair}_port_{f.operation(pair)}(__object: port::Object) {{
        <port::Object as Interface>::{rust_word(f.operation(pair))}(__object)
    }}
""" for f in contract.consumers)])
    passed = "" if contract.roles else f"""
    impl Passed for Object {{
        fn make({create}) -> *mut c_void {{
            glue::owned::<Self, _, _>(Self::create({given}))
        }}

        #[inline]
        unsafe fn passed(obj: &*mut c_void) -> &Self {{
            // SAFETY: By the safety requirements of this function it is what `make` gave.
            unsafe {{ glue::borrowed(*obj) }}
        }}

        unsafe fn end(obj: *mut c_void) {{
            // SAFETY: By the safety requirements of this function.
            unsafe {{ glue::released::<Self, _>(obj) }};
        }}
    }}
"""
    alias = f"    type {_HANDLE} = <port::Object as Interface>::Handle;\n\n" \
        if contract.handle else ""
    return f"""\
{alias}    /// An object of the port.
{'' if by_value else '    #[pin_data]' + chr(10)}    pub(crate) struct Object {{
{'' if by_value else '        #[pin]' + chr(10)}        port: port::Object,
    }}

    impl Interface for Object {{
{handle}        fn create({create}) -> Result<{'Self' if by_value else 'impl PinInit<Self>'}> {{
            let port = {made};

            Ok({'Self { port }' if by_value else 'pin_init!(Self { port <- port })'})
        }}
{''.join(_method(contract, f) for f in functions)}{ends}
        unsafe fn view(&self) -> {type_of(contract.object.view)} {{
            // SAFETY: By the safety requirements of this function.
            unsafe {{ self.port.view() }}
        }}
    }}
{passed}
{calls}"""


def handle_over_rust(contract: Contract) -> str:
    """What gives a handle of the port back, by a call."""
    assert contract.handle
    name = rust_word(contract.handle.puts.operation(contract.pair))
    called = f"{contract.pair}_port_{contract.handle.puts.operation(contract.pair)}"
    return f"""\
    /// Gives a handle back.
    #[no_mangle]
    #[inline(never)]
    extern "Rust" fn {called}(handle: {_HANDLE}) {{
        drop(handle)
    }}

    /// As `drop`, by a call.
    #[inline]
    pub(super) fn {name}(handle: {_HANDLE}) {{
        {called}(handle)
    }}
"""


def function_over_rust(pair: str, function: Function) -> str:
    """A call of a port's function, whose parameters are of the types that the port has."""
    operation = rust_word(function.operation(pair))
    names = [rust_word(p.name) for _, p in inputs_of(function)]
    types = [f"A{i}" for i, _ in enumerate(names)]
    parameters = "".join(f", {name}: {kind}" for name, kind in zip(names, types))
    return (f"    /// Calls the port's `{operation}`.\n    #[inline(never)]\n"
            f"    pub(super) fn {operation}<{', '.join([*types, 'R'])}>("
            f"__port: impl FnOnce({', '.join(types)}) -> R{parameters}) -> R {{\n"
            f"        __port({', '.join(names)})\n    }}\n")
