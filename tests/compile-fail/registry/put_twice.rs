// SPDX-License-Identifier: GPL-2.0
//! invariant: released_once
//! error: E0382
//!
//! A reference cannot be put twice.

#[path = "../../../rust-stub/registry.rs"]
mod registry;

use kernel::sync::aref::ARef;
use registry::{
    Named,
    Registry, //
};

fn misuse<R: Registry>(object: ARef<R::Object>) -> u64 {
    let value = object.value();

    drop(object);
    #[cfg(misuse)]
    drop(object);
    value
}
