// SPDX-License-Identifier: GPL-2.0
//! invariant: add_registers
//! error: E0308
//!
//! A new object's reference is the registry's: who wants one gets it.

use super::{
    glue::Handle,
    Interface, //
};
use kernel::prelude::*;

fn misuse<I: Interface>(registry: &I) -> Result<u64> {
    #[cfg(misuse)]
    let object: I::Handle = registry.add(1, 2)?;
    #[cfg(not(misuse))]
    let object: I::Handle = registry.add(1, 2).and_then(|()| registry.get(1))?;

    Ok(I::value(object.lend()))
}
