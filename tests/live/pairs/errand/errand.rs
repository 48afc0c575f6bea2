// SPDX-License-Identifier: GPL-2.0

//! errand in Rust.

use super::{
    bindings,
    glue::Task,
    kparity,
    Interface, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};

/// The Rust side of the contract.
pub(crate) type Object = Errand;

#[pin_data]
pub(crate) struct Errand {
    times: u32,
    #[pin]
    left: SpinLock<u32>,
    task: KBox<dyn Task>,
}

encodes!(counted, checked, "what is left is taken under the lock");
encodes!(
    released_once,
    type,
    "the task is dropped with its owner, which is create until there is an object"
);
impl Interface for Errand {
    fn create(times: u32, task: impl Task) -> Result<impl PinInit<Self>> {
        if times == 0 || times > bindings::ERRAND_TIMES {
            return Err(EINVAL);
        }
        let task: KBox<dyn Task> = KBox::new(task, GFP_KERNEL)?;

        Ok(pin_init!(Self {
            left <- new_spinlock!(times, "errand"),
            times,
            task,
        }))
    }

    fn go(&self) -> bool {
        let mut left = self.left.lock();

        if *left == 0 {
            return false;
        }
        *left -= 1;
        drop(left);
        self.task.run();
        true
    }

    fn left(&self) -> u32 {
        *self.left.lock()
    }

    unsafe fn view(&self) -> bindings::errand_view {
        let left = *self.left.lock();

        bindings::errand_view {
            left,
            done: self.times - left,
        }
    }
}
