// SPDX-License-Identifier: GPL-2.0
//! invariant: unique
//! error: E0616
//!
//! The map of ids cannot be reached but through the operations, which lock.

use super::{
    port,
    Interface, //
};
use kernel::prelude::*;

fn misuse(ids: &port::RustIds) -> Result<u32> {
    #[cfg(misuse)]
    let _ = ids.map.lock();

    ids.alloc()
}
