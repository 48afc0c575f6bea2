// SPDX-License-Identifier: GPL-2.0
//! invariant: get_absent
//! error: E0308
//!
//! A lookup that may have found nothing is not an object.

use super::{
    glue::Handle,
    Interface, //
};
use kernel::prelude::*;

fn misuse<I: Interface>(registry: &I) -> Result<u64> {
    #[cfg(misuse)]
    let object: I::Handle = registry.get(1);
    #[cfg(not(misuse))]
    let object: I::Handle = registry.get(1)?;

    Ok(I::value(object.lend()))
}
