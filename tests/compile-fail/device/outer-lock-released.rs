// SPDX-License-Identifier: GPL-2.0
//! invariant: lock_order
//! error: E0505
//!
//! The outer lock cannot be released while the inner one is held.

use super::port as device;

fn misuse(unit: &device::Unit) {
    let outer = unit.state();
    let inner = unit.queue(&outer);

    #[cfg(misuse)]
    {
        drop(outer);
        drop(inner);
    }
    #[cfg(not(misuse))]
    {
        drop(inner);
        drop(outer);
    }
}
