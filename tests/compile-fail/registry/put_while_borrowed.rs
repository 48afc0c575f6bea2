// SPDX-License-Identifier: GPL-2.0
//! invariant: ref_shares
//! error: E0505
//!
//! What is borrowed from a reference ends before it is put; a clone does not.

#[path = "../../../rust-stub/registry.rs"]
mod registry;

use kernel::sync::aref::ARef;
use registry::{
    Named,
    Registry, //
};

fn misuse<R: Registry>(object: ARef<R::Object>) -> u64 {
    #[cfg(misuse)]
    let other = &*object;
    #[cfg(not(misuse))]
    let other = object.clone();

    drop(object);
    other.value()
}
