// SPDX-License-Identifier: GPL-2.0
//! invariant: one_count
//! error: E0133
//!
//! A reference on top of the others is not made by writing it down.

#[path = "../../../rust-stub/registry.rs"]
mod registry;

use kernel::sync::aref::ARef;
use registry::{
    Named,
    Registry, //
};

fn misuse<R: Registry>(object: &ARef<R::Object>) -> u64 {
    #[cfg(misuse)]
    let more: ARef<R::Object> = ARef::from_raw(core::ptr::NonNull::from(&**object));
    #[cfg(not(misuse))]
    let more: ARef<R::Object> = object.clone();

    more.value()
}
