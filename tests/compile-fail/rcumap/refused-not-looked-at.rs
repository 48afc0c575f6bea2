// SPDX-License-Identifier: GPL-2.0
//! invariant: insert_adds failed_nothing
//! error: E0382
//!
//! An entry that was to be linked is the map's, or is given back: who frees it looks which.

use super::port;
use kernel::prelude::*;

fn misuse(map: &port::RcuMap, entry: KBox<port::Entry>, writer: &mut port::Writer) {
    let linked = map.link(entry, writer);

    #[cfg(misuse)]
    drop(entry);
    #[cfg(not(misuse))]
    drop(linked.map_err(|(_, entry)| entry));
}
