// SPDX-License-Identifier: GPL-2.0
//! invariant: destroy_final
//! error: E0382
//!
//! An object that has been destroyed cannot be armed again.

use super::Interface;
use kernel::prelude::*;

fn destroy(handle: impl Interface) -> Result {
    #[cfg(not(misuse))]
    handle.arm(0, 0)?;
    drop(handle);
    #[cfg(misuse)]
    handle.arm(0, 0)?;
    Ok(())
}
