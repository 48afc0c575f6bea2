// SPDX-License-Identifier: GPL-2.0
//! invariant: ref_shares
//! error: E0505
//!
//! A borrow from a reference ends before it is put; a clone does not.

use super::{
    glue::Handle,
    Interface, //
};

fn misuse<I: Interface>(object: I::Handle) -> u64 {
    #[cfg(misuse)]
    let other = &object;
    #[cfg(not(misuse))]
    let other = I::r#ref(object.lend());

    drop(object);
    I::value(other.lend())
}
