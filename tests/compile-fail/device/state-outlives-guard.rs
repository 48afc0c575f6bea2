// SPDX-License-Identifier: GPL-2.0
//! invariant: in_order
//! error: E0515
//!
//! State that a lock protects cannot be kept beyond the guard.

use super::port as device;

#[cfg(misuse)]
fn misuse(unit: &device::Unit) -> &device::State {
    &*unit.state()
}

#[cfg(not(misuse))]
fn misuse(unit: &device::Unit) -> device::State {
    *unit.state()
}
