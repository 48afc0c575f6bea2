// SPDX-License-Identifier: GPL-2.0
//! invariant: two_ends
//! error: E0596
//!
//! Two threads that share a producer cannot push: pushing takes it for itself.

use super::port as ring;

#[cfg(misuse)]
fn misuse(shared: &ring::Producer<super::c::Object>) -> kernel::error::Result {
    shared.push(1)
}

#[cfg(not(misuse))]
fn misuse(own: &mut ring::Producer<super::c::Object>) -> kernel::error::Result {
    own.push(1)
}
