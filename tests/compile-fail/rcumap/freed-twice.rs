// SPDX-License-Identifier: GPL-2.0
//! invariant: remove_takes
//! error: E0382
//!
//! What was taken out is handed to RCU once.

use super::port;

fn misuse(removed: port::Removed) {
    #[cfg(misuse)]
    drop(removed);
    drop(removed);
}
