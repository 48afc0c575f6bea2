// SPDX-License-Identifier: GPL-2.0
//! invariant: put_gives_up
//! error: E0382
//!
//! An object cannot be used through a reference that has been put.

#[path = "../../../rust-stub/registry.rs"]
mod registry;

use kernel::sync::aref::ARef;
use registry::{
    Named,
    Registry, //
};

fn misuse<R: Registry>(object: ARef<R::Object>) -> u64 {
    #[cfg(misuse)]
    drop(object);
    object.value()
}
