// SPDX-License-Identifier: GPL-2.0
//! invariant: queue_holds
//! error: E0382
//!
//! Who has detached an object cannot cancel it: the queue may have released it.

use super::Interface;

fn detach(handle: impl Interface) {
    #[cfg(not(misuse))]
    handle.cancel();
    handle.detach();
    #[cfg(misuse)]
    handle.cancel();
}
