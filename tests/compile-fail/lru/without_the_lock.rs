// SPDX-License-Identifier: GPL-2.0
//! invariant: one_list
//! error: E0616
//!
//! The lists are not to be had without their lock.

use super::{
    port,
    Interface, //
};

fn misuse(lru: &port::Cache) -> u32 {
    #[cfg(misuse)]
    let count = lru.lists.nr_unpinned;
    #[cfg(not(misuse))]
    let count = lru.count();

    count
}
