// SPDX-License-Identifier: GPL-2.0
//! invariant: value_pure
//! error: E0596
//!
//! An object is not mutable behind a reference to it.

use super::{
    port,
    Interface, //
};
use kernel::sync::aref::ARef;

fn misuse(object: &mut ARef<port::Entry>) -> u64 {
    #[cfg(misuse)]
    let object: &mut port::Entry = &mut **object;
    #[cfg(not(misuse))]
    let object: &port::Entry = &**object;

    port::Object::value(object)
}
