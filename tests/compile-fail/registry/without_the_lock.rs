// SPDX-License-Identifier: GPL-2.0
//! invariant: threads
//! error: E0616
//!
//! The registered objects are not to be had without their lock.

use super::{
    port,
    Interface, //
};
use kernel::prelude::*;

fn misuse(registry: &port::Registry) -> Result<u64> {
    #[cfg(misuse)]
    let object = registry.0.objects.lock().pop().ok_or(ENOENT)?;
    #[cfg(not(misuse))]
    let object = registry.get(1)?;

    Ok(port::Registry::value(&object))
}
