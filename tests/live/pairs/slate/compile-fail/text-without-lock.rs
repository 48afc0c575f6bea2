// SPDX-License-Identifier: GPL-2.0
//! invariant: apart
//! error: E0616
//!
//! The text of a slate is reached through its lock alone.

use super::{
    port,
    Interface, //
};

fn misuse(slate: &port::Slate) -> u32 {
    #[cfg(misuse)]
    let _ = slate.text.lock();

    slate.find(b'a').map_or(0, |(first, _)| first)
}
