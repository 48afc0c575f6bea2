// SPDX-License-Identifier: GPL-2.0
//! invariant: guard_thread
//! error: E0277
//!
//! The guard of a lock cannot be given to another thread.

use super::port as device;

fn thread<T: Send>(thing: T) {
    drop(thing);
}

fn misuse(unit: &device::Unit) {
    #[cfg(misuse)]
    thread(unit.state());
    #[cfg(not(misuse))]
    thread(unit);
}
