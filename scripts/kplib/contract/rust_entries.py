# SPDX-License-Identifier: GPL-2.0
"""C's way into the port: functions of the types that the header declares."""

from __future__ import annotations

from kplib.contract.emit_c import callable_functions, handle_functions, rust_module, rust_name
from kplib.contract.model import Contract, Function, Parameter
from kplib.contract.rows import USER
from kplib.contract.rust_types import (BORROWED, certainly, inputs_of, outputs_of, pointee,
                                       rust_word, tuple_of, type_of, value_or_errno)

#: Parameters that ask nothing of the caller: numbers that are passed by value, and user memory.
_UNASKING = {"KP_NUMBER", "KP_CHOICE", "KP_FLAGS", *USER}
_CALL = "        let __call = (); // What is borrowed is borrowed for as long.\n\n"

#: The handles of the port, in the module with C's ways into it.
HANDLE = "PortHandle"


def _raw(p: Parameter) -> str:
    """A parameter as C hands it over."""
    name = rust_word(p.name)
    if p.kind == "KP_TEXT":
        return f"{name}: *const c_char"
    if p.kind == "KP_BYTES":
        return f"{name}: *const {pointee(p.type)}, {p.name}_size: {type_of(p.size_type)}"
    if p.kind == "KP_BUFFER":
        return f"{name}: *mut {pointee(p.type)}, {p.name}_size: {type_of(p.size_type)}"
    if p.kind in USER:
        pointer = "*const" if p.kind == "KP_USER_BYTES" else "*mut"
        return f"{name}: {pointer} c_void, {p.name}_size: {type_of(p.size_type)}"
    if p.kind in ("KP_OUTPUT", "KP_INOUT") or p.handle:
        return f"{name}: *mut {type_of(p.type)}"
    if p.kind == "KP_STRUCT":
        return f"{name}: *const {type_of(p.type)}"
    if p.kind == "KP_CALLBACK":
        return (f"{name}: {type_of(p.type)}, {p.name}_release: {type_of(p.type)}, "
                f"{p.name}_data: *mut c_void")
    return f"{name}: {type_of(p.type)}"


def _into(p: Parameter) -> str:
    """A C parameter as the port takes it."""
    name = rust_word(p.name)
    return {"KP_TEXT": f"glue::text(&__call, {name})",
            "KP_BYTES": f"glue::bytes(&__call, {name}.cast(), {p.name}_size as usize)",
            "KP_BUFFER": f"glue::buffer(&__call, {name}.cast(), {p.name}_size as usize)",
            "KP_BORROWED": f"glue::lent::<{HANDLE}, _>({name})",
            "KP_GIVEN": f"glue::taken::<{HANDLE}, _>({name})",
            "KP_USER_BYTES": f"glue::user({name}.cast_mut(), {p.name}_size as usize)",
            "KP_USER_BUFFER": f"glue::user({name}, {p.name}_size as usize)",
            "KP_INOUT": f"&mut *{name}",
            "KP_STRUCT": f"glue::structure(&__call, {name})",
            "KP_CALLBACK": f"glue::Callback::new({name}, {p.name}_release, {p.name}_data)"
            }.get(p.kind, name)


def stores_of(function: Function, value: str, where: str) -> str:
    """Statements that store the outputs in `value`."""
    outs = outputs_of(function)
    names = [f"__out{i}" for i, _ in outs]
    stores = "".join(f" {where.format(at=i, name=rust_word(p.name), value=name)};"
                     for name, (i, p) in zip(names, outs))
    return f"let {tuple_of(names)} = {value};{stores}"


def _borrowed(function: Function) -> str:
    """The object of the port behind a pointer that C holds."""
    return "glue::borrowed::<port::Object, _>(object)"


def _entry_body(contract: Contract, function: Function) -> str:
    """An expression that calls the port and converts its result for C."""
    operation = rust_word(function.operation(contract.pair))
    called = "drop" if function.puts else \
        f"{_borrowed(function)}.{operation}" if function.method else \
        f"<port::Object as Interface>::{operation}" if contract.object else f"port::{operation}"
    call = f"{called}({', '.join(_into(p) for _, p in inputs_of(function))})"
    kind = function.returns.kind
    store = stores_of(function, "__given", "{name}.write({value})") if function.outputs else ""
    if kind == "KP_OFFSET":
        base = next(p for p in function.parameters if p.name == function.returns.words[0])
        return f"glue::pointer({call}, {rust_word(base.name)}.cast()).cast()"
    if function.returns.new:
        return f"glue::handed({certainly(function, call)})"
    if function.returns.fails:
        ret = type_of(function.returns.c_type)
        return (f"match {call} {{ Ok(__given) => {{ {store} 0 }} Err(e) => e.to_errno() as {ret} }}"
                if function.outputs else f"({value_or_errno(function, call)}) as {ret}")
    if kind == "KP_BOOL" and function.outputs:
        return f"match {call} {{ Some(__given) => {{ {store} true }} None => false }}"
    return f"let __given = {call}; {store}" if function.outputs else call


def entry(contract: Contract, function: Function) -> str:
    """C's way into the port."""
    body = _entry_body(contract, function)
    kind = function.returns.kind
    returned = "" if kind == "KP_VOID" else type_of(function.returns.c_type)
    if kind == "KP_OFFSET":
        returned = "*mut c_char" if "const" not in function.returns.type else "*const c_char"
        returned = returned.replace("c_char", pointee(
            function.returns.type.replace("const", "").replace("*", "").strip()))
    if function.returns.new:
        returned = f"*mut {type_of(function.returns.type.removesuffix(' *'))}"
    kinds = {p.kind for p in function.parameters}
    if function.method or contract.guarded(function) or kinds - _UNASKING:
        body = ("        // SAFETY: By the safety requirements of this function.\n"
                f"        unsafe {{ {body} }}\n")
    else:
        body = f"        {body}\n"
    if kinds & BORROWED:
        body = _CALL + body
    return _extern(contract, function, returned, body)


def _extern(contract: Contract, function: Function, returned: str, body: str) -> str:
    """A function of Rust's that C calls, held against the header's declaration."""
    name = rust_name(contract.pair, function)
    first = [f"object: *mut {type_of(contract.object.type)}"] \
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


def entries(contract: Contract) -> list[str]:
    """C's ways into the port of an object."""
    assert contract.object and contract.create and contract.destroy
    kind = type_of(contract.object.type)
    create = ("<port::Object as Interface>::create("
              f"{', '.join(map(_into, contract.create.parameters))})")
    safety = "        // SAFETY: By the safety requirements of this function.\n"
    kinds = {p.kind for p in contract.create.parameters}
    if kinds - _UNASKING:
        made = (f"{_CALL if kinds & BORROWED else ''}{safety}"
                f"        let __made = unsafe {{ {create} }};\n\n"
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
                  f".{rust_word(f.operation(contract.pair))}();\n") for f in contract.consumers),
        *(entry(contract, f) for f in (*contract.sided, *handle_functions(contract))),
        _extern(contract, view, "",
                f"{safety}        unsafe {{ view.write({_borrowed(view)}.view()) }};\n")]


def loading(contract: Contract) -> list[str]:
    """Functions that C calls when the module is loaded, and before it goes."""
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
