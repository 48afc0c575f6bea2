// SPDX-License-Identifier: GPL-2.0
//! invariant: all_or_nothing
//! error: E0308
//!
//! A message that has not been parsed to its end cannot be committed.

use super::port as tlv;

use kernel::prelude::*;

fn misuse(table: &tlv::RustTable, message: tlv::Message<'_>) -> Result<u32> {
    #[cfg(misuse)]
    return Ok(tlv::Attrs::commit(message));
    #[cfg(not(misuse))]
    tlv::Attrs::parse(table, message, &mut Default::default()).map(tlv::Attrs::commit)
}
