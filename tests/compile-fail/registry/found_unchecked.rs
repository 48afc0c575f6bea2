// SPDX-License-Identifier: GPL-2.0
//! invariant: get_absent
//! error: E0308
//!
//! A lookup that may have found nothing is not an object.

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
    let object: ARef<R::Object> = registry.get(1);
    #[cfg(not(misuse))]
    let object: ARef<R::Object> = registry.get(1)?;

    Ok(object.value())
}
