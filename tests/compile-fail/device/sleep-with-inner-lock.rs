// SPDX-License-Identifier: GPL-2.0
//! invariant: blocks
//! error: E0502
//!
//! A reader cannot sleep while it holds the inner lock.

use super::port as device;

fn misuse(unit: &device::Unit, readable: &kernel::sync::CondVar) -> bool {
    let mut outer = unit.state();
    let inner = unit.queue(&outer);

    #[cfg(misuse)]
    let signal = readable.wait_interruptible(&mut outer);
    drop(inner);
    #[cfg(not(misuse))]
    let signal = readable.wait_interruptible(&mut outer);

    signal
}
