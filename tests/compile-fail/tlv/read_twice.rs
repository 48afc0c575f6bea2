// SPDX-License-Identifier: GPL-2.0
//! invariant: read_once
//! error: E0382
//!
//! A piece of user memory cannot be read again: reading it uses it up.

#[path = "../../../rust-stub/tlv.rs"]
mod tlv;

use kernel::prelude::*;

fn misuse(span: tlv::Span, room: &mut tlv::Room, again: &mut tlv::Room) -> Result {
    tlv::Message::read(span, room)?;
    #[cfg(misuse)]
    tlv::Message::read(span, again)?;
    #[cfg(not(misuse))]
    let _ = again;
    Ok(())
}
