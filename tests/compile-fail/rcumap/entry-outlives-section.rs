// SPDX-License-Identifier: GPL-2.0
//! invariant: grace
//! error: E0505
//!
//! An entry cannot be used when the read section that it was found in is over.

use super::port;
use kernel::sync::rcu;

fn misuse(map: &port::RcuMap) -> Option<u64> {
    let guard = rcu::read_lock();
    let entry = map.find(1, &guard);

    #[cfg(misuse)]
    guard.unlock();
    entry.map(port::Entry::value)
}
