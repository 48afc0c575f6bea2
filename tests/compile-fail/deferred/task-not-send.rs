// SPDX-License-Identifier: GPL-2.0
//! invariant: from_any_task
//! error: E0277
//!
//! A value that belongs to one thread cannot be a task: a worker runs and releases it.

use super::glue;
use core::marker::PhantomData;

struct Local {
    #[cfg(misuse)]
    _one_thread: PhantomData<*mut u32>,
    #[cfg(not(misuse))]
    _one_thread: PhantomData<u32>,
}

impl glue::Task for Local {
    fn run(&self) {}
}
