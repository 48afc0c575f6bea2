// SPDX-License-Identifier: GPL-2.0
//! invariant: all_or_nothing
//! error: E0382
//!
//! A parsed message is committed once.

use super::port as tlv;

fn misuse(attrs: tlv::Attrs<'_, '_>) -> u32 {
    #[cfg(misuse)]
    attrs.commit();
    attrs.commit()
}
