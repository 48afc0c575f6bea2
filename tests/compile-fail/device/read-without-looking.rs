// SPDX-License-Identifier: GPL-2.0
//! invariant: read_empty
//! error: E0308
//!
//! A sample cannot be taken from read without a look at whether there was one.

use super::{port as device, Interface};

fn misuse(unit: &device::Unit) -> u64 {
    #[cfg(misuse)]
    let value: u64 = unit.read(true);
    #[cfg(not(misuse))]
    let value: u64 = unit.read(true).unwrap_or(0);

    value
}
