// SPDX-License-Identifier: GPL-2.0
//! invariant: destroy_final
//! error: E0505
//!
//! An object is not destroyed while someone else holds it, who could arm it again.

#[path = "../../../rust-stub/deferred.rs"]
mod deferred;

use deferred::{
    Handle,
    Task, //
};
use kernel::prelude::*;

fn destroy<T: Task, D: Handle<T>>(handle: D) -> Result {
    let other = &handle;

    #[cfg(misuse)]
    drop(handle);
    other.arm(0, 0)?;
    #[cfg(not(misuse))]
    drop(handle);
    Ok(())
}
