# SPDX-License-Identifier: GPL-2.0
"""Rust functions that the engine calls: operations with arguments laid out, over either side."""

from __future__ import annotations

from kplib.contract.model import Contract, Function, Parameter
from kplib.contract.rust_entries import stores_of
from kplib.contract.rust_types import (KEYWORDS, certainly, inputs_of, rust_word, type_of,
                                       value_or_errno)


def _slot(p: Parameter, at: int) -> str:
    """A laid out argument as the port takes it."""
    return {"KP_TEXT": f"slot.text({at})",
            "KP_BYTES": f"glue::bytes(&slot, slot.bytes({at}), slot.len({at}))",
            "KP_BUFFER": f"glue::buffer(&slot, slot.bytes({at}), slot.len({at}))",
            "KP_BORROWED": f"glue::lent::<I::Handle, c_void>(slot.bytes({at}))",
            "KP_GIVEN": f"glue::taken::<I::Handle, c_void>(slot.bytes({at}))",
            "KP_CALLBACK": f"callbacks::{rust_word(p.name)}(slot.number({at}))",
            "KP_USER_BYTES": f"slot.user({at})", "KP_USER_BUFFER": f"slot.user({at})",
            "KP_INOUT": f"slot.number_at({at})",
            "KP_STRUCT": _structure(p, at)}.get(p.kind, f"slot.number({at})")


def _structure(p: Parameter, at: int) -> str:
    """A structure, from the arguments that its members are."""
    values: dict[str, list[str]] = {}
    for i, member in enumerate(p.members):
        values.setdefault(member.name.partition("[")[0], []).append(f"slot.number({at + i})")
    arrays = {m.name.partition("[")[0] for m in p.members if "[" in m.name}
    fields = ", ".join(f"{name}{'_' * (name in KEYWORDS)}: "
                       + (f"[{', '.join(numbers)}]" if name in arrays else numbers[0])
                       for name, numbers in values.items())
    return f"&{type_of(p.type)} {{ {fields} }}"


def _result(function: Function, call: str) -> str:
    """An expression for the result of a call that the engine is given."""
    kind = function.returns.kind
    store = stores_of(function, "__given", "slot.store({at}, {value})")
    if function.returns.new:
        return f"glue::made({certainly(function, call)}, slot.bytes({len(function.arguments)}))"
    if function.returns.fails and function.outputs:
        return (f"match {call} {{ Ok(__given) => {{ {store} 0 }} "
                "Err(e) => i64::from(e.to_errno()) }")
    if function.returns.fails:
        return value_or_errno(function, call)
    if kind == "KP_OFFSET":
        return f"glue::place({call})"
    if kind == "KP_BOOL" and function.outputs:
        return f"match {call} {{ Some(__given) => {{ {store} 1 }} None => 0 }}"
    if function.outputs:
        return f"{{ let __given = {call}; {store} 0 }}"
    if kind == "KP_VOID":
        return f"{{ {call}; 0 }}"
    return f"glue::number({call})"


def engine_call(pair: str, function: Function, called: str, generic: str = "",
                before: str = "") -> str:
    """A function that the engine calls, with arguments that are laid out."""
    args = ", ".join(_slot(p, i) for i, p in inputs_of(function))
    operation = rust_word(function.operation(pair))
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
    """Safety comment on handles, for an operation that takes or returns one."""
    return """ Handles
        // are those that it holds on this path, and it gives them back when the contract asks for
        // it.""" if function.returns.new or any(p.handle for p in function.parameters) else ""


_ROLES = """ It has made the object, and
        // keeps operations apart that the contract keeps apart."""


def _invoker(contract: Contract, function: Function, side: str, invokers: str,
             generic: str) -> str:
    """The function that the engine calls for an operation over one side."""
    name = rust_word(function.operation(contract.pair))
    # A drop is the only call of a handle's that no trait has a method for.
    return f"over_rust::{name}" if contract.object and function.puts and side == "rust" \
        else f"{invokers}::{name}{generic}"


def engine_put(contract: Contract) -> list[str]:
    """The function that the engine calls to give a handle of the port back, if that is costed."""
    return [engine_call(contract.pair, f, "").replace("drop(", f"rust::{name}(").replace(
        "I::Handle", "<port::Object as Interface>::Handle")
        for f in contract.functions if f.puts
        for name in [rust_word(f.operation(contract.pair))]]


def driver(contract: Contract, side: str, invokers: str, generic: str = "") -> str:
    """Rust callers over one side, as the engine has them."""
    name = f"{contract.pair}_rust_over_{side}"
    rows = "".join(f"    Some({_invoker(contract, f, side, invokers, generic)}),\n"
                   for f in contract.functions)
    there = {"create": generic, "destroy": generic, "view": generic,
             "show": generic and contract.handle, "put": generic and contract.handle}
    names = {"put": "give_back"}
    life = "".join(f"    {word}: " + (f"Some(engine::{names.get(word, word)}{generic})" if has
                                      else "None") + ",\n" for word, has in there.items())
    table = f"{side.upper()}_CALLS"
    return (f"\nstatic {table}: [bindings::kp_invoke; {len(contract.functions) + 1}] = [\n"
            f"    Some(glue::nothing_over_{side}),\n{rows}];\n\n"
            f"/// Rust callers of the {side} side; declared in the glue's header.\n#[no_mangle]\n"
            f"pub static {name}: bindings::kp_driver = bindings::kp_driver {{\n{life}"
            "    layout: kparity::layout_of(&LAYOUT),\n"
            f"    call: {table}.as_ptr(),\n    dirty: core::ptr::null(),\n"
            f"    counted: core::ptr::null(),\n    create_counted: None,\n}};\n"
            f"declared!({name}: bindings::kp_driver);\n")


def layout(contract: Contract) -> str:
    """Where Rust has the shared types and their members; keywords end in _ in bindgen's."""
    count = sum(1 + len(shared.members) for shared in contract.types)
    rows = "".join(f"    {type_of(shared.type).removeprefix('bindings::')} {{ "
                   + ", ".join(m + "_" * (m in KEYWORDS) for m in shared.members) + " }\n"
                   for shared in contract.types)
    return f"\nconst LAYOUT: [bindings::kp_field; {count}] = layout!(\n{rows});\n"


def _handle_invokers(contract: Contract) -> list[str]:
    """Functions that the engine calls with a handle, over either side."""
    if not contract.handle:
        return []
    shows = rust_word(contract.handle.shows.operation(contract.pair))
    return [f"""\
    /// # Safety
    ///
    /// `handle` must be one that the engine holds on the same path; `view` must be valid for
    /// writing what it shows.
    pub(super) unsafe extern "C" fn show<I: Interface>(handle: *mut c_void, view: *mut c_void) {{
        // SAFETY: By the safety requirements of this function.
        unsafe {{
            let shown = I::{shows}(glue::lent::<I::Handle, _>(handle));

            view.cast::<{type_of(contract.handle.view)}>().write(shown);
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


def _lifetime(contract: Contract) -> list[str]:
    """Functions that make, end and show objects, over either side."""
    assert contract.object and contract.create
    create = ", ".join(_slot(p, i) for i, p in contract.create.placed)
    if contract.roles:
        bound, make = "Interface", f"glue::owned::<Caller<I>, _, _>(Caller::<I>::create({create}))"
        end, shown = "glue::released::<Caller<I>, _>(obj)", "(*obj.cast::<Caller<I>>())"
    else:
        bound, make, end, shown = "Passed", f"I::make({create})", "I::end(obj)", "I::passed(&obj)"
    return [f"""\
    /// # Safety
    ///
    /// As for [`glue::Slots::new`].
    pub(super) unsafe extern "C" fn create<I: {bound}>(
        slot: *const bindings::kp_slot,
    ) -> *mut c_void {{
        // SAFETY: The engine lays out the arguments as the contract's row says.
        unsafe {{
            let {'_' * (not create)}slot = glue::Slots::new(slot);

            {make}
        }}
    }}
""", f"""\
    /// # Safety
    ///
    /// `obj` must come from [`create`] of the same side; it is gone afterwards.
    pub(super) unsafe extern "C" fn destroy<I: {bound}>(obj: *mut c_void) {{
        // SAFETY: By the safety requirements of this function.
        unsafe {{ {end} }};
    }}
""", f"""\
    /// # Safety
    ///
    /// `obj` must come from [`create`] of the same side, and no one may use it; `view` must be
    /// valid for writing a view.
    pub(super) unsafe extern "C" fn view<I: {bound}>(obj: *mut c_void, view: *mut c_void) {{
        // SAFETY: By the safety requirements of this function.
        unsafe {{ view.cast::<{type_of(contract.object.view)}>().write({shown}.view()) }};
    }}
"""]


def engine_calls(contract: Contract) -> list[str]:
    """Functions that the engine calls, over either side."""
    assert contract.object and contract.create
    generic = "<I: Interface>" if contract.roles else "<I: Passed>"
    parts = _lifetime(contract)
    for function in contract.functions:
        role = function.option("role")
        if function.adapter:
            name = rust_word(function.operation(contract.pair))
            parts.append(engine_call(contract.pair, function, "port::", generic).replace(
                f"port::{name}(", f"port::{name}::<I>("))
            continue
        if not function.method:
            parts.append(engine_call(contract.pair, function, "I::", generic))
            continue
        object_ = f"&mut (*obj.cast::<Caller<I>>()).{rust_word(role)}" if role else \
            "&*obj.cast::<Caller<I>>()" if contract.roles else "I::passed(&obj)"
        parts.append(engine_call(contract.pair, function, "object.", generic,
                                 f"            let object = {object_};\n"))
    return parts + _handle_invokers(contract)
