// SPDX-License-Identifier: GPL-2.0
//! invariant: shrink_oldest
//! error: E0502
//!
//! What is found on a list cannot be used once an entry has been taken off it.

use super::port;
use kernel::{
    list::List,
    sync::ArcBorrow, //
};

fn misuse(entries: &mut List<port::Entry>, seen: impl Fn(ArcBorrow<'_, port::Entry>)) {
    let Some(oldest) = entries.iter().next() else {
        return;
    };

    #[cfg(misuse)]
    drop(entries.pop_front());
    seen(oldest);
}
