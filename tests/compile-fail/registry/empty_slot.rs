// SPDX-License-Identifier: GPL-2.0
//! invariant: empty_slot
//! error: E0599
//!
//! An empty slot is seen before anything is called on what it holds.

use super::{
    glue::Handle,
    Interface, //
};
use kernel::prelude::*;

fn misuse<I: Interface>(slot: &Option<I::Handle>) -> Result<u64> {
    #[cfg(misuse)]
    let object = slot.lend();
    #[cfg(not(misuse))]
    let object = slot.as_ref().ok_or(ENOENT)?.lend();

    Ok(I::value(object))
}
