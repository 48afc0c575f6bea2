// SPDX-License-Identifier: GPL-2.0
//! invariant: grace
//! error: E0308
//!
//! What was taken out is no box: it cannot be freed while readers may be at it.

use super::port;
use kernel::prelude::*;

fn misuse(map: &port::RcuMap, writer: &mut port::Writer) {
    let removed = map.unlink(1, writer);

    #[cfg(misuse)]
    let removed: Option<KBox<port::Entry>> = removed;
    drop(removed);
}
