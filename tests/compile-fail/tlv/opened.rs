// SPDX-License-Identifier: GPL-2.0
//! invariant: read_once
//! error: E0423
//!
//! The address of user memory is for callers of C alone: a port cannot make the key to it.

use super::{
    c::Key,
    glue::UserMemory, //
};

fn misuse(from: UserMemory, key: Key) -> (kernel::uaccess::UserPtr, usize) {
    #[cfg(misuse)]
    let key = {
        let _ = key;
        Key(())
    };

    from.into_parts(key)
}
