// SPDX-License-Identifier: GPL-2.0
//! invariant: set_unmapped
//! error: E0614
//!
//! A user address cannot be dereferenced, not even in unsafe code.

use super::glue::UserMemory;

use kernel::uaccess::UserPtr;

fn misuse(ptr: UserPtr) -> UserMemory {
    #[cfg(misuse)]
    // SAFETY: None; this must not compile.
    let _ = unsafe { *ptr };

    UserMemory::new(ptr, 4)
}
