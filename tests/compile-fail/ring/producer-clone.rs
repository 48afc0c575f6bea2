// SPDX-License-Identifier: GPL-2.0
//! invariant: two_ends
//! error: E0599
//!
//! A second producer cannot be made from the first one.

use super::port as ring;

fn misuse(mut first: ring::Producer<ring::RustQueue>) -> kernel::error::Result {
    #[cfg(misuse)]
    let mut second = first.clone();
    #[cfg(not(misuse))]
    let second = &mut first;

    second.push(1)
}
