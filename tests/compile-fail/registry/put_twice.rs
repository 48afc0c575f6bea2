// SPDX-License-Identifier: GPL-2.0
//! invariant: released_once
//! error: E0382
//!
//! A reference cannot be put twice.

use super::{
    glue::Handle,
    Interface, //
};

fn misuse<I: Interface>(object: I::Handle) -> u64 {
    let value = I::value(object.lend());

    drop(object);
    #[cfg(misuse)]
    drop(object);
    value
}
