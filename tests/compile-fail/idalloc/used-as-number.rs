// SPDX-License-Identifier: GPL-2.0
//! invariant: used_range
//! error: E0308
//!
//! The answer to "is it in use" is yes, no or an errno, never a number.

use super::{
    c,
    Interface, //
};
use kernel::prelude::*;

fn misuse(ids: &c::Object) -> Result<u32> {
    #[cfg(misuse)]
    let answer: u32 = ids.used(3)?;
    #[cfg(not(misuse))]
    let answer: u32 = u32::from(ids.used(3)?);

    Ok(answer)
}
