// SPDX-License-Identifier: GPL-2.0
//! invariant: no_torn
//! error: E0308
//!
//! A count cannot be read without its sum, and be put together with another one.

use super::{
    c,
    Interface, //
};

fn misuse(latch: &c::Object) -> u64 {
    #[cfg(misuse)]
    let count: u64 = latch.read();
    #[cfg(not(misuse))]
    let (count, _) = latch.read();

    count
}
