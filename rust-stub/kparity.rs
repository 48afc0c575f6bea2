// SPDX-License-Identifier: GPL-2.0

//! Head of the root of every pair's crate: the contract's bindings, and records.
//!
//! C header: [`kmod/contract/kparity.h`](../kmod/contract/kparity.h)

use super::bindings;

/// The engine's form of a layout.
pub(crate) const fn layout_of(fields: &'static [bindings::kp_field]) -> bindings::kp_layout {
    bindings::kp_layout {
        nr: fields.len() as u32,
        field: fields.as_ptr(),
    }
}

// SAFETY: The pointers in a driver are to functions and to constants.
unsafe impl Sync for bindings::kp_driver {}

/// The bytes of a text, as an array.
pub(crate) const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let mut array = [0; N];
    let mut i = 0;

    while i < N {
        array[i] = text.as_bytes()[i];
        i += 1;
    }
    array
}

/// Takes in a pair's contract, as bindgen translated it, as the module `bindings`.
macro_rules! contract {
    ($pair:literal) => {
        /// The contract, translated by bindgen.
        #[allow(dead_code, missing_docs, non_camel_case_types, non_upper_case_globals)]
        #[allow(clippy::all, clippy::undocumented_unsafe_blocks, unreachable_pub)]
        mod bindings {
            use kernel::ffi;
            include!(concat!(
                env!("KPARITY_BINDINGS"),
                "/",
                $pair,
                "_bindings.rs"
            ));
        }
    };
}

/// The module that this crate is in: null where it is built into the kernel, as with `module!`.
#[allow(unused_macros)] // Not every root uses it.
macro_rules! this_module {
    () => {{
        #[cfg(MODULE)]
        let module = {
            #[allow(improper_ctypes)] // Opaque to this side, and never read by it.
            extern "C" {
                static __this_module: ::kernel::types::Opaque<::kernel::bindings::module>;
            }

            // SAFETY: modpost makes `__this_module`, which is there while the module is.
            unsafe { ::kernel::ThisModule::from_ptr(__this_module.get()) }
        };
        #[cfg(not(MODULE))]
        // SAFETY: Null stands for the kernel itself, which never goes.
        let module = unsafe { ::kernel::ThisModule::from_ptr(::core::ptr::null_mut()) };

        module
    }};
}

/// Defines what a crate with `module!` has: the prefix of `pr_info!` and its like, and `THIS_MODULE`.
#[allow(unused_macros)] // Not every root uses it.
macro_rules! module_names {
    ($pair:literal) => {
        /// Comes before each line that the pair prints.
        #[allow(dead_code)]
        const __LOG_PREFIX: &[u8] = concat!("kparity_", $pair, "\0").as_bytes();

        /// The pair's module.
        #[allow(dead_code)]
        static THIS_MODULE: ::kernel::ThisModule = this_module!();
    };
}

/// Ties the type of what a port keeps while its module is loaded to that module, as `module!`
/// does.
#[allow(unused_macros)] // Not every root uses it.
macro_rules! module_type {
    ($pair:literal, $type:ty) => {
        impl ::kernel::ModuleMetadata for $type {
            const NAME: &'static ::kernel::str::CStr = ::kernel::c_str!(concat!("kparity_", $pair));
            #[cfg(not(kparity_no_this_module))]
            const THIS_MODULE: ::kernel::ThisModule = this_module!();
        }
    };
}

/// Defines the no-op of the port, by the name that the glue in C calls it by: one of its own for
/// each pair, as all of them may be in one kernel.
macro_rules! nothing {
    ($name:ident) => {
        /// Does nothing, as an operation of the port. The fence keeps the compiler from leaving
        /// out a call of it, and is no instruction.
        ///
        /// # Safety
        ///
        /// None.
        #[no_mangle]
        #[inline(never)]
        unsafe extern "C" fn $name(_: *mut ::core::ffi::c_void) {
            ::core::sync::atomic::compiler_fence(::core::sync::atomic::Ordering::SeqCst);
        }
        const _: () = {
            let _ = if true { bindings::$name } else { $name };
        };
        use $name as nothing;
    };
}

/// Checks at compile time that the contract declares a static with this very type.
macro_rules! declared {
    ($name:ident: $type:ty) => {
        const _: fn() -> *const $type = || &raw const bindings::$name;
    };
}

/// The size of each type and the offset of each member, in the order of the contract.
macro_rules! layout {
    ($($type:ident { $($member:ident),* $(,)? })*) => {
        [$(
            bindings::kp_field {
                name: concat!("struct ", stringify!($type), "\0").as_ptr(),
                at: ::core::mem::size_of::<bindings::$type>() as u32,
                each: 0,
                timing: false,
            },
            $(bindings::kp_field {
                name: concat!("struct ", stringify!($type), ".", stringify!($member), "\0").as_ptr(),
                at: ::core::mem::offset_of!(bindings::$type, $member) as u32,
                each: 0,
                timing: false,
            },)*
        )*]
    };
}

/// Says which invariant of the contract the next item encodes, and how.
///
/// `how` is `type` (misuse does not compile; a test in `tests/compile-fail` proves it), `checked`
/// (an error is returned, or it is asserted) or `unsafe` (a `# Safety` precondition). The record
/// goes where the contract's own records are, for `make contract` to read: see `KP_RECORDS`.
macro_rules! encodes {
    ($id:ident, $how:ident, $text:literal) => {
        const _: () = {
            const TEXT: &str = concat!(
                "rust=",
                stringify!($id),
                "\x1f",
                stringify!($how),
                "\x1f",
                $text,
                "\x1f",
                file!(),
                ":",
                line!(),
                "\0"
            );
            #[used]
            #[cfg_attr(MODULE, link_section = ".kparity")]
            static RECORD: [u8; TEXT.len()] = kparity::bytes(TEXT);
        };
    };
}
