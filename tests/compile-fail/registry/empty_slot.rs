// SPDX-License-Identifier: GPL-2.0
//! invariant: empty_slot
//! error: E0599
//!
//! An empty slot is seen before anything is called on what it holds.

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

fn misuse<R: Registry>(slot: &Option<ARef<R::Object>>) -> Result<u64> {
    #[cfg(misuse)]
    let value = slot.value();
    #[cfg(not(misuse))]
    let value = slot.as_ref().ok_or(EBADF)?.value();

    Ok(value)
}
