// SPDX-License-Identifier: GPL-2.0
//! invariant: absent
//! error: E0308
//!
//! There is no value without a look at whether there is an entry.

use super::Interface;
use kernel::prelude::*;

fn misuse<I: Interface>(lru: &I) -> Result<u64> {
    #[cfg(misuse)]
    let value: u64 = lru.get(1);
    #[cfg(not(misuse))]
    let value: u64 = lru.get(1)?;

    Ok(value)
}
