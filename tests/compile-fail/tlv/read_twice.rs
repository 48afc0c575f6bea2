// SPDX-License-Identifier: GPL-2.0
//! invariant: read_once
//! error: E0382
//!
//! A piece of user memory cannot be read again: reading it uses it up.

use super::{
    glue::UserMemory,
    port as tlv, //
};

use kernel::prelude::*;

fn misuse(span: UserMemory, room: &mut tlv::Room, again: &mut tlv::Room) -> Result {
    tlv::Message::read(span, room)?;
    #[cfg(misuse)]
    tlv::Message::read(span, again)?;
    #[cfg(not(misuse))]
    let _ = again;
    Ok(())
}
