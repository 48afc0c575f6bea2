// SPDX-License-Identifier: GPL-2.0
//! invariant: add_counts
//! error: E0603
//!
//! Who has not taken the lock has no right to write, and cannot make one.

use super::{
    port,
    Interface, //
};

fn misuse(latch: &port::RustLatch) {
    #[cfg(misuse)]
    latch.publish(&mut port::Writer(()), 1);
    #[cfg(not(misuse))]
    latch.add(1);
}
