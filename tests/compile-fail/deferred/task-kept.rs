// SPDX-License-Identifier: GPL-2.0
//! invariant: queue_holds
//! error: E0382
//!
//! Who made a task cannot drop it while it is queued: it has moved into the object.

use super::{
    glue::Task,
    port::Object,
    Interface, //
};
use kernel::prelude::*;

struct Data(KBox<u32>);

impl Task for Data {
    fn run(&self) {
        let _ = *self.0;
    }
}

fn arm_and_drop(task: Data) -> Result {
    let handle = Object::create(task)?;

    handle.arm(0, 1000)?;
    #[cfg(misuse)]
    drop(task);
    #[cfg(not(misuse))]
    drop(handle);
    Ok(())
}
