// SPDX-License-Identifier: GPL-2.0
//! invariant: value_pure
//! error: E0596
//!
//! An object is not mutable behind a reference to it.

#[path = "../../../rust-stub/registry.rs"]
mod registry;

use kernel::sync::aref::ARef;
use registry::{
    Named,
    Registry, //
};

fn misuse<R: Registry>(object: &mut ARef<R::Object>) -> u64 {
    #[cfg(misuse)]
    let object: &mut R::Object = &mut **object;
    #[cfg(not(misuse))]
    let object: &R::Object = &**object;

    object.value()
}
