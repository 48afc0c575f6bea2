// SPDX-License-Identifier: GPL-2.0
//! invariant: state_known
//! error: E0308
//!
//! A unit cannot run without a configuration.

use super::port as device;

fn misuse(unit: &device::Unit) {
    #[cfg(misuse)]
    let state = device::State::Running;
    #[cfg(not(misuse))]
    let state = device::State::Idle;

    *unit.state() = state;
}
