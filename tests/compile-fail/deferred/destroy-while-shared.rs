// SPDX-License-Identifier: GPL-2.0
//! invariant: destroy_final
//! error: E0505
//!
//! An object is not destroyed while someone else holds it, who could arm it again.

use super::Interface;
use kernel::prelude::*;

fn destroy(handle: impl Interface) -> Result {
    let other = &handle;

    #[cfg(misuse)]
    drop(handle);
    other.arm(0, 0)?;
    #[cfg(not(misuse))]
    drop(handle);
    Ok(())
}
