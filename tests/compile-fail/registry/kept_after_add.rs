// SPDX-License-Identifier: GPL-2.0
//! invariant: add_registers
//! error: E0308
//!
//! A new object's reference is the registry's: who wants one gets it.

#[path = "../../../rust-stub/registry.rs"]
mod registry;

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};
use registry::{
    Named,
    Registry, //
};

fn misuse<R: Registry>(registry: &R) -> Result<u64> {
    #[cfg(misuse)]
    let object: ARef<R::Object> = registry.add(1, 2)?;
    #[cfg(not(misuse))]
    let object: ARef<R::Object> = registry.add(1, 2).and_then(|()| registry.get(1))?;

    Ok(object.value())
}
