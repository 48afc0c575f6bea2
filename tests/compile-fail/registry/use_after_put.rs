// SPDX-License-Identifier: GPL-2.0
//! invariant: put_gives_up
//! error: E0382
//!
//! An object cannot be used through a reference that has been put.

use super::{
    glue::Handle,
    Interface, //
};

fn misuse<I: Interface>(object: I::Handle) -> u64 {
    #[cfg(misuse)]
    drop(object);
    I::value(object.lend())
}
