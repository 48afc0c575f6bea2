// SPDX-License-Identifier: GPL-2.0
//! invariant: one_count
//! error: E0133
//!
//! A reference on top of the others is not made by writing it down.

use super::{
    glue::Handle,
    Interface, //
};
use kernel::{
    prelude::*,
    types::ForeignOwnable, //
};

fn misuse<I: Interface>(object: &I::Handle, at: *mut c_void) -> u64 {
    #[cfg(misuse)]
    let more = I::Handle::from_foreign(at);
    #[cfg(not(misuse))]
    let more = I::r#ref(object.lend());

    I::value(more.lend())
}
