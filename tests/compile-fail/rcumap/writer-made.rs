// SPDX-License-Identifier: GPL-2.0
//! invariant: linked_once
//! error: E0603
//!
//! Who has not taken the lock has no right to write, and cannot make one.

use super::{
    port,
    Interface, //
};

fn misuse(map: &port::RcuMap) {
    #[cfg(misuse)]
    drop(map.unlink(1, &mut port::Writer(())));
    #[cfg(not(misuse))]
    let _ = map.remove(1);
}
