// SPDX-License-Identifier: GPL-2.0
//! invariant: queue_holds
//! error: E0382
//!
//! Who has detached an object cannot cancel it: the queue may have released it.

#[path = "../../../rust-stub/deferred.rs"]
mod deferred;

use deferred::{
    Handle,
    Task, //
};

fn detach<T: Task, D: Handle<T>>(handle: D) {
    #[cfg(not(misuse))]
    handle.cancel();
    handle.detach();
    #[cfg(misuse)]
    handle.cancel();
}
