// SPDX-License-Identifier: GPL-2.0
//! invariant: no_torn
//! error: E0616
//!
//! The copies cannot be read but by read, which looks whether they were being written.

use super::{
    port,
    Interface, //
};

fn misuse(latch: &port::RustLatch) -> (u64, u64) {
    #[cfg(misuse)]
    let _ = &latch.copies;

    latch.read()
}
