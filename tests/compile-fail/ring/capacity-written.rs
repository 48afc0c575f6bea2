// SPDX-License-Identifier: GPL-2.0
//! invariant: capacity_fixed
//! error: E0616
//!
//! The storage of a ring is out of reach of those who use it.

use super::port as ring;

fn misuse(queue: &ring::RustQueue) {
    #[cfg(misuse)]
    let _ = &queue.slots;
    #[cfg(not(misuse))]
    let _ = queue;
}
