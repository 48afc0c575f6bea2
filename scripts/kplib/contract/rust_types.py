# SPDX-License-Identifier: GPL-2.0
"""C in Rust: names, types, and the signatures of safe functions."""

from __future__ import annotations

import re

from kplib.contract.emit_c import callable_functions, handle_functions
from kplib.contract.model import Contract, Function, Parameter

#: C's integer types in Rust, as the kernel crate has them (rust/ffi.rs).
TYPES = {
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

#: Parameters that are borrowed for the time of a call.
BORROWED = frozenset(("KP_TEXT", "KP_BYTES", "KP_BUFFER", "KP_STRUCT"))

KEYWORDS = frozenset("""as async await break const continue dyn else enum extern false fn for gen
    if impl in let loop match mod move mut pub ref return static struct trait true type unsafe use
    where while abstract become box do final macro override priv try typeof unsized virtual
    yield""".split())


def rust_word(name: str) -> str:
    return f"r#{name}" if name in KEYWORDS else name


def pointee(name: str) -> str:
    """The type that a pointer of C's points to."""
    return "c_void" if name == "void" else type_of(name)


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
    return sorted(type_of(word).removeprefix("bindings::") for word in words
                  if type_of(word).startswith("bindings::"))


def type_of(name: str) -> str:
    return TYPES.get(name) or "bindings::" + re.sub(r"^(?:struct|enum|union) ", "", name)


def safe_parameter(p: Parameter) -> str:
    """A parameter as the safe caller of C takes it."""
    kind = {"KP_TEXT": "&CStr", "KP_BYTES": "&[u8]", "KP_BUFFER": "&mut [u8]",
            "KP_INOUT": f"&mut {type_of(p.type)}", "KP_STRUCT": f"&{type_of(p.type)}",
            "KP_USER_BYTES": "glue::UserMemory", "KP_USER_BUFFER": "glue::UserMemory",
            "KP_BORROWED": "glue::Lent<'_, Self::Handle>", "KP_GIVEN": "Self::Handle",
            "KP_CALLBACK": "impl glue::Task"}.get(p.kind, type_of(p.type))
    return f"{rust_word(p.name)}: {kind}"


def inputs_of(function: Function) -> list[tuple[int, Parameter]]:
    return [(i, p) for i, p in function.placed if not p.stored]


def outputs_of(function: Function) -> list[tuple[int, Parameter]]:
    return [(i, p) for i, p in function.placed if p.stored]


def tuple_of(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"({', '.join(words)})"


def _safe_return(function: Function) -> str:
    """Return type of a safe function, as a Rust developer writes it."""
    kind = function.returns.kind
    outs = tuple_of([type_of(p.type) for _, p in outputs_of(function)])
    if kind == "KP_OFFSET":
        return " -> Option<usize>"
    if function.returns.new:
        return f" -> {_failing(function, 'Self::Handle')}"
    if function.returns.fails:
        value = outs if function.outputs else "" if kind == "KP_ERRNO" else \
            type_of(function.returns.type)
        return f" -> Result<{value}>" if value else " -> Result"
    if function.outputs:
        return f" -> Option<{outs}>" if kind == "KP_BOOL" else f" -> {outs}"
    return "" if kind == "KP_VOID" else f" -> {type_of(function.returns.type)}"


def _failing(function: Function, value: str) -> str:
    """The type of a handle, or of one that may not be."""
    return f"Result<{value}>" if function.returns.words else value


def certainly(function: Function, call: str) -> str:
    """A call that returns a handle, as one that may fail."""
    return call if function.returns.words else f"Ok({call})"


def signature(pair: str, function: Function) -> str:
    """A safe function's name, parameters and return type."""
    first = ["&self"] if function.method else []
    parameters = ", ".join([*first, *(safe_parameter(p) for _, p in inputs_of(function))])
    return f"fn {rust_word(function.operation(pair))}({parameters}){_safe_return(function)}"


def value_or_errno(function: Function, call: str) -> str:
    """Return value of a call, of the very type that C has, or an errno.

    The result is looked at where it is. Handed to a function, one that is smaller than two
    registers would be moved there as a whole, and taken apart again.
    """
    good = "Ok(()) => 0" if function.returns.kind == "KP_ERRNO" else \
        f"Ok(__value) => glue::number::<{type_of(function.returns.type)}>(__value)"
    return f"match {call} {{ {good}, Err(e) => i64::from(e.to_errno()) }}"


def interface_functions(contract: Contract) -> list[Function]:
    """The functions of the interface; a handle is given back when it is dropped."""
    return [f for f in (*contract.sided, *handle_functions(contract)) if not f.puts]
