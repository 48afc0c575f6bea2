// SPDX-License-Identifier: GPL-2.0
//! invariant: destroy_final
//! error: E0382
//!
//! What has been destroyed cannot be armed again.

#[path = "../../../rust-stub/deferred.rs"]
mod deferred;

use deferred::{
    Handle,
    Task, //
};
use kernel::prelude::*;

fn destroy<T: Task, D: Handle<T>>(handle: D) -> Result {
    #[cfg(not(misuse))]
    handle.arm(0, 0)?;
    drop(handle);
    #[cfg(misuse)]
    handle.arm(0, 0)?;
    Ok(())
}
