// SPDX-License-Identifier: GPL-2.0
//! invariant: grace
//! error: E0515
//!
//! An entry that was found cannot be returned without the read section.

use super::port;
use kernel::sync::rcu;

#[cfg(misuse)]
fn misuse(map: &port::RcuMap) -> Option<&port::Entry> {
    map.find(1, &rcu::read_lock())
}

#[cfg(not(misuse))]
fn misuse<'a>(map: &'a port::RcuMap, guard: &'a rcu::Guard) -> Option<&'a port::Entry> {
    map.find(1, guard)
}
