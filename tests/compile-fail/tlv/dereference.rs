// SPDX-License-Identifier: GPL-2.0
//! invariant: set_unmapped
//! error: E0614
//!
//! A user address cannot be dereferenced, not even in unsafe code.

#[path = "../../../rust-stub/tlv.rs"]
mod tlv;

use kernel::uaccess::UserPtr;

fn misuse(ptr: UserPtr) -> tlv::Span {
    #[cfg(misuse)]
    // SAFETY: None; this must not compile.
    let _ = unsafe { *ptr };

    tlv::Span::new(ptr, 4)
}
