// SPDX-License-Identifier: GPL-2.0
//! invariant: copied
//! error: E0597
//!
//! Attributes found in a message cannot outlive the bytes that they point into.

use super::{
    glue::UserMemory,
    port as tlv, //
};

use kernel::prelude::*;

fn misuse(table: &tlv::RustTable, span: UserMemory) -> Result<u32> {
    let mut found = tlv::Found::default();

    #[cfg(misuse)]
    let attrs = {
        let mut room: tlv::Room = [0; 256];

        tlv::Attrs::parse(table, tlv::Message::read(span, &mut room)?, &mut found)?
    };
    #[cfg(not(misuse))]
    let mut room: tlv::Room = [0; 256];
    #[cfg(not(misuse))]
    let attrs = tlv::Attrs::parse(table, tlv::Message::read(span, &mut room)?, &mut found)?;

    Ok(attrs.commit())
}
