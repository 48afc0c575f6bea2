// SPDX-License-Identifier: GPL-2.0
//! invariant: lock_order
//! error: E0061
//!
//! The inner lock cannot be taken without the guard of the outer one.

use super::port as device;

fn misuse(unit: &device::Unit) {
    #[cfg(misuse)]
    drop(unit.queue());
    #[cfg(not(misuse))]
    drop(unit.queue(&unit.state()));
}
