# SPDX-License-Identifier: GPL-2.0
"""The C side as a Rust caller uses it: safe functions, the object, its handles."""

from __future__ import annotations

from kplib.contract.emit_c import limit
from kplib.contract.model import Contract, Function, Parameter
from kplib.contract.rows import USER
from kplib.contract.rust_types import (BORROWED, KEYWORDS, interface_functions, outputs_of,
                                       rust_word, safe_parameter, signature, tuple_of, type_of)


#: Types that say the length of any slice.
AS_LONG = ("usize", "c_ulong")


def _from(p: Parameter) -> str:
    """A parameter of the safe caller as C takes it."""
    name = rust_word(p.name)
    return {"KP_TEXT": f"glue::c_text({name})",
            "KP_BYTES": f"{name}.as_ptr().cast(), {name}.len() as {type_of(p.size_type)}",
            "KP_BUFFER": f"{name}.as_mut_ptr().cast(), {name}.len() as {type_of(p.size_type)}",
            "KP_BORROWED": f"{name}.0.get()", "KP_GIVEN": f"glue::given({name})",
            "KP_USER_BYTES": f"{name}.as_const_ptr(), {p.name}_size as {type_of(p.size_type)}",
            "KP_USER_BUFFER": f"{name}.as_mut_ptr(), {p.name}_size as {type_of(p.size_type)}",
            "KP_INOUT": f"{name}", "KP_OUTPUT": f"&mut {name}",
            "KP_CALLBACK": f"{name}.0, {name}.1, {name}.2"}.get(p.kind, name)


def _value(p: Parameter, member: Parameter) -> str:
    """An argument of the engine's, converted for the safe caller of C."""
    name = rust_word(p.name)
    if p.members:
        field, bracket, index = member.name.removeprefix(f"{p.name}.").partition("[")
        return f"{name}.{field}{'_' * (field in KEYWORDS)}{bracket}{index}"
    return f"*{name}" if p.kind == "KP_INOUT" else name


def _holds(value: str, function: Function, at: int, argument: Parameter) -> str:
    """A condition that the row sets to one argument."""
    kind, words = type_of(argument.type), [word for word, _ in argument.limits]

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
    """Statements that hold arguments of safe code against the row, before C relies on them.

    In every build, as what C then does may be anything; and without an errno, as C has none for
    it: the two sides would differ in what they make of a mistake of their caller's. So is a
    slice longer than the type of its size can say: C would be told of a shorter one.
    """
    return "".join(
        f"{indent}assert!({type_of(p.size_type)}::try_from({rust_word(p.name)}.len()).is_ok(), "
        f"\"{function.name}: {p.name} is longer than {p.size_type} can say\");\n"
        for p in function.parameters if p.kind in ("KP_BYTES", "KP_BUFFER")
        and type_of(p.size_type) not in AS_LONG) + "".join(
        f"{indent}assert!({_holds(_value(p, a), function, i, a)}, "
        f"\"{function.name}: {a.name} is not what its row allows\");\n"
        for at, p in function.placed
        for i, a in enumerate(function.arguments[at:at + (len(p.members) or 1)], at) if a.limits)


def _opened(function: Function, indent: str) -> str:
    """Statements that make user memory an address and a size, as C takes it."""
    return "".join(f"{indent}let ({rust_word(p.name)}, {p.name}_size) = "
                   f"{rust_word(p.name)}.into_parts(Key(()));\n"
                   for p in function.parameters if p.kind in USER)


def _body_over_c(function: Function) -> str:
    """Statements that call the C side and hand its result on."""
    first = ["self.0.as_ptr()"] if function.method else []
    args = ", ".join([*first, *map(_from, function.parameters)])
    call = f"unsafe {{ bindings::{rust_word(function.name)}({args}) }}"
    safety = ("        // SAFETY: The arguments are what the contract asks for, for the call's "
              "time.\n")
    lets = _limits_held(function, " " * 8)
    lets += "".join(f"        let mut {rust_word(p.name)} = Default::default();\n"
                    for _, p in outputs_of(function))
    lets += _opened(function, " " * 8)
    outs = tuple_of([rust_word(p.name) for _, p in outputs_of(function)])
    kind = function.returns.kind
    if kind == "KP_OFFSET":
        base = next(p for p in function.parameters if p.name == function.returns.words[0])
        lets += f"        let __base = {rust_word(base.name)}.as_ptr();\n"
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
            else "        glue::succeeded(__ret)\n" if kind == "KP_ERRNO"
            else "        glue::narrowed(__ret)\n" if function.returns.narrowed
            else "        glue::checked(__ret)\n")
    elif function.outputs:
        body = f"        let __given = {call};\n\n        __given.then_some({outs})\n" \
            if kind == "KP_BOOL" else f"        {call};\n        {outs}\n"
    else:
        body = f"        {call}\n"
    return f"{lets}{safety}{body}"


def caller_of_c(pair: str, function: Function) -> str:
    """The C side, safe to call."""
    return (f"    #[inline]\n    pub(super) {signature(pair, function)} {{\n"
            f"{_body_over_c(function)}    }}\n")


#: In the module of the C side, of which the port is none.
KEY = """
    /// What opens user memory for a call of C; no one else can make one.
    #[allow(dead_code)] // Not every pair has user memory.
    pub(crate) struct Key(());
"""


def _passed(contract: Contract) -> str:
    """How C's object is passed through the engine: as C has it, by its pointer."""
    assert contract.create
    create = ", ".join(safe_parameter(p) for p in contract.create.parameters)
    given = ", ".join(rust_word(p.name) for p in contract.create.parameters)
    return f"""\
    impl Passed for Object {{
        fn make({create}) -> *mut c_void {{
            match Self::create({given}) {{
                Ok(object) => core::mem::ManuallyDrop::new(object).0.as_ptr().cast(),
                Err(e) => e.to_ptr(),
            }}
        }}

        #[inline]
        unsafe fn passed(obj: &*mut c_void) -> &Self {{
            // SAFETY: By the safety requirements of this function it is what `make` took out of an
            // object, which is nothing but this pointer.
            unsafe {{ &*core::ptr::from_ref(obj).cast() }}
        }}

        unsafe fn end(obj: *mut c_void) {{
            // SAFETY: By the safety requirements of this function, and it is not used afterwards.
            drop(unsafe {{ core::ptr::from_ref(&obj).cast::<Self>().read() }});
        }}
    }}

"""


def object_over_c(contract: Contract) -> str:
    """The C side's object, owned."""
    assert contract.object and contract.create and contract.destroy
    pair, kind = contract.pair, type_of(contract.object.type)
    create = ", ".join(safe_parameter(p) for p in contract.create.parameters)
    args = ", ".join(map(_from, contract.create.parameters))
    borrowed = ", of such arguments" * bool(args)
    if any(p.kind in BORROWED for p in contract.create.parameters):
        borrowed += ", which it borrows\n            // for the call's time alone"
    lets = _limits_held(contract.create, " " * 12) + _opened(contract.create, " " * 12)
    tasks = [rust_word(p.name) for p in contract.create.parameters if p.kind == "KP_CALLBACK"]
    lets += "".join(f"            let {task} = glue::callback({task})?;\n" for task in tasks)
    made = "".join(f"""\
            let made = kernel::error::from_err_ptr(made).inspect_err(|_| {{
                // SAFETY: It has failed.
                unsafe {{ {task}.3.refused() }};
            }})?;
""" for task in tasks) or "            let made = kernel::error::from_err_ptr(made)?;\n"
    ends = "".join(f"""
        fn {rust_word(f.operation(pair))}(self) {{
            let object = core::mem::ManuallyDrop::new(self);

            // SAFETY: By the type invariant, and it is not used afterwards, nor dropped.
            unsafe {{ bindings::{rust_word(f.name)}(object.0.as_ptr()) }};
        }}
""" for f in contract.consumers)
    methods = "".join(
        f"\n        #[inline]\n        {'unsafe ' * contract.guarded(f)}"
        f"{signature(pair, f)} {{\n{_body_over_c(f)}        }}\n"
        for f in interface_functions(contract))
    handle = "        type Handle = Handle;\n\n" if contract.handle else ""
    return f"""\
    /// An object of the C side, owned.
    ///
    /// # Invariants
    ///
    /// The pointer is what `{contract.create.name}()` gave, and that is not destroyed.
    #[repr(transparent)]
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

{'' if contract.roles else _passed(contract)}    impl Interface for Object {{
{handle}        fn create({create}) -> Result<Self> {{
{lets}            // SAFETY: The contract lets anyone make one{borrowed}.
            let made = unsafe {{ bindings::{contract.create.name}({args}) }};
{made}
            // INVARIANT: Checked for an error, so it is an object, and this is its owner.
            core::ptr::NonNull::new(made).map(Self).ok_or(EFAULT)
        }}
{methods}{ends}
        unsafe fn view(&self) -> {type_of(contract.object.view)} {{
            let mut view = Default::default();

            // SAFETY: By the type invariant and the safety requirements of this function; `view`
            // may be written.
            unsafe {{ bindings::{contract.object.viewer}(self.0.as_ptr(), &mut view) }};
            view
        }}
    }}
"""


def handle_over_c(contract: Contract) -> str:
    """A handle of the C side, owned, and the object that it lends."""
    assert contract.handle
    kind = type_of(contract.handle.type)
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
            unsafe {{ bindings::{rust_word(contract.handle.puts.name)}(self.0.as_ptr().cast()) }};
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
