// SPDX-License-Identifier: GPL-2.0
//! invariant: from_any_task
//! error: E0597
//!
//! A task cannot borrow from the stack of whoever arms it: it may run after that has returned.

use super::{
    glue::Task,
    port::Object,
    Interface, //
};
use kernel::prelude::*;

struct Borrows<'a>(&'a u32);

impl Task for Borrows<'static> {
    fn run(&self) {
        let _ = *self.0;
    }
}

fn arm_and_return() -> Result {
    #[cfg(misuse)]
    let value = u32::try_from(1_u64)?;
    #[cfg(not(misuse))]
    static VALUE: u32 = 1;

    #[cfg(misuse)]
    let task = Borrows(&value);
    #[cfg(not(misuse))]
    let task = Borrows(&VALUE);

    let handle = Object::create(task)?;

    handle.arm(0, 1000)?;
    handle.detach();
    Ok(())
}
