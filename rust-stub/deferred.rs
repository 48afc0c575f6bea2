// SPDX-License-Identifier: GPL-2.0

//! deferred in Rust: a callback that runs later, and can be taken back.
//!
//! C header: [`kmod/contract/deferred.h`](../kmod/contract/deferred.h)
//!
//! The object owns a [`Task`] together with its work. Dropping it cancels and waits;
//! [`Interface::detach`] consumes it and leaves an armed task to the queue, which holds an `Arc`.
//! The kernel crate queues delayed work but cannot cancel or flush it: those two are called in C.

use super::{
    bindings,
    callbacks,
    glue::Task,
    kparity,
    Interface, //
};
use kernel::{
    error::to_result,
    impl_has_delayed_work, new_delayed_work, new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    },
    time::{
        msecs_to_jiffies,
        Jiffies, //
    },
    workqueue::{
        DelayedWork,
        HasWork,
        Queue,
        Work,
        WorkItem, //
    },
};

/// The Rust side of the contract.
pub(crate) type Object = Deferred;

/// State that arm and the callback both change.
struct State {
    /// Times the work has been queued.
    arms: u32,
    /// Times the work has been taken back.
    cancelled: u32,
    /// How often the callback will re-arm itself.
    left: u32,
    /// The delay of the last arm.
    delay: Jiffies,
}

/// A task with its work; the queue holds an [`Arc`] of it while armed or running.
#[pin_data]
struct Inner {
    #[pin]
    work: DelayedWork<Self>,
    #[pin]
    state: SpinLock<State>,
    /// Times the task has run; written by the callback alone.
    runs: Atomic<u32>,
    /// Runs in the wrong context; written by the callback alone.
    bad_context: Atomic<u32>,
    task: KBox<dyn Task>,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Inner> for Inner { self.work }
}

/// The queue that `schedule_delayed_work()` uses; the crate's `system()` is its deprecated twin.
#[inline]
fn queue() -> &'static Queue {
    // SAFETY: Set up before any module is loaded, and there to stay.
    unsafe { Queue::from_raw(kernel::bindings::system_percpu_wq) }
}

/// Counts one up, for a counter with one writer.
#[inline]
fn count(counter: &Atomic<u32>) {
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}

impl Inner {
    /// Queues the work, together with an `Arc`; whether it was not queued before.
    #[inline]
    fn enqueue(this: &Arc<Self>, state: &mut State, delay: Jiffies) -> bool {
        let queued = queue().enqueue_delayed(this.clone(), delay).is_ok();

        if queued {
            state.arms = state.arms.wrapping_add(1);
        }
        queued
    }

    /// The work, for what the kernel crate does not offer.
    #[inline]
    fn dwork(&self) -> *mut kernel::bindings::delayed_work {
        let this = core::ptr::from_ref(self).cast_mut();

        // SAFETY: `this` is valid, so is the work in it; and the work of a `DelayedWork` is the
        // field `work` of a `delayed_work`.
        unsafe {
            let work = Work::raw_get(<Self as HasWork<Self>>::raw_get_work(this));
            kernel::container_of!(work, kernel::bindings::delayed_work, work)
        }
    }
}

encodes!(
    in_process,
    checked,
    "a queue of per-CPU workers; run looks where it is"
);
encodes!(
    not_twice,
    checked,
    "run gets the one Arc that the queue holds"
);
encodes!(
    rearm,
    checked,
    "left is counted down under the lock, when the work was queued"
);
encodes!(
    queue_holds,
    type,
    "the queue is given an Arc of its own: detach consumes the object, not that"
);
impl WorkItem for Inner {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        // SAFETY: No preconditions.
        if !unsafe { bindings::deferred_in_worker() } {
            count(&this.bad_context);
        }
        count(&this.runs);
        this.task.run();

        // The lock also waits for the arm that queued this run to be done.
        let mut state = this.state.lock();
        let delay = state.delay;

        if state.left > 0 && Self::enqueue(&this, &mut state, delay) {
            state.left -= 1;
        }
    }
}

encodes!(
    from_any_task,
    type,
    "a Task is Send, Sync and 'static, and moves into the object"
);
/// The Rust implementation: the owner's part.
pub(crate) struct Deferred {
    inner: Arc<Inner>,
    detached: bool,
}

impl Deferred {
    /// Drops the reference of a queue that has given up the work.
    ///
    /// # Safety
    ///
    /// A cancel of the work has just returned true.
    #[inline]
    unsafe fn put(&self) {
        // SAFETY: `enqueue` gave the queue an `Arc`, which it keeps as this very pointer, and the
        // callback, which would have taken it, does not run: [one_end]. By the safety requirements
        // no one else takes it either.
        drop(unsafe { Arc::from_raw(Arc::as_ptr(&self.inner)) });
    }
}

encodes!(
    arm_range,
    checked,
    "arm returns Err(EINVAL) before the lock is taken"
);
encodes!(
    arm_busy,
    checked,
    "left and delay are written after enqueue has taken the work"
);
encodes!(
    arm_idle,
    checked,
    "enqueue_delayed has one error: the work is queued"
);
encodes!(
    arm_never_sleeps,
    checked,
    "a spinlock alone; no allocation after new"
);
encodes!(
    cancel_takes,
    checked,
    "only the cancel that is told true takes the queue's Arc back"
);
encodes!(
    one_end,
    checked,
    "the queue's Arc goes to the callback or to one cancel"
);
encodes!(flush_runs, checked, "flush_delayed_work() waits");
encodes!(flush_idle, checked, "flush_delayed_work() finds no work");
encodes!(not_early, checked, "the timer alone queues the work");
encodes!(asks_pure, checked, "armed and runs read one word");
encodes!(cancel_final, checked, "cancel_delayed_work_sync() waits");
impl Interface for Deferred {
    fn create(task: impl Task) -> Result<Self> {
        let task: KBox<dyn Task> = KBox::new(task, GFP_KERNEL)?;
        let inner = Arc::pin_init(
            pin_init!(Inner {
                work <- new_delayed_work!("deferred"),
                state <- new_spinlock!(
                    State { arms: 0, cancelled: 0, left: 0, delay: 0 },
                    "deferred"
                ),
                runs: Atomic::new(0),
                bad_context: Atomic::new(0),
                task,
            }),
            GFP_KERNEL,
        )?;

        Ok(Self {
            inner,
            detached: false,
        })
    }

    fn detach(mut self) {
        self.detached = true;
    }

    #[inline(always)]
    fn arm(&self, repeats: u32, delay_ms: u32) -> Result {
        if repeats > bindings::DEFERRED_MAX_REPEATS || delay_ms > bindings::DEFERRED_MAX_DELAY {
            return Err(EINVAL);
        }
        let delay = msecs_to_jiffies(delay_ms);
        let mut state = self.inner.state.lock();

        if !Inner::enqueue(&self.inner, &mut state, delay) {
            return Err(EBUSY);
        }
        state.left = repeats;
        state.delay = delay;
        Ok(())
    }

    #[inline(always)]
    fn cancel(&self) -> bool {
        let mut state = self.inner.state.lock();
        // SAFETY: The work is valid and has been initialised.
        let armed = unsafe { kernel::bindings::cancel_delayed_work(self.inner.dwork()) };

        state.cancelled = state.cancelled.wrapping_add(u32::from(armed));
        state.left = 0;
        drop(state);
        if armed {
            // SAFETY: The cancel has returned true.
            unsafe { self.put() };
        }
        armed
    }

    #[inline(always)]
    fn cancel_sync(&self) -> bool {
        // Until this is done the callback cannot re-arm itself.
        // SAFETY: The work is valid and has been initialised; the contract lets this sleep.
        if !unsafe { kernel::bindings::cancel_delayed_work_sync(self.inner.dwork()) } {
            return false;
        }
        {
            let mut state = self.inner.state.lock();

            state.cancelled = state.cancelled.wrapping_add(1);
        }
        // SAFETY: The cancel has returned true.
        unsafe { self.put() };
        true
    }

    #[inline]
    fn flush(&self) {
        // SAFETY: The work is valid and has been initialised; the contract lets this sleep.
        unsafe { kernel::bindings::flush_delayed_work(self.inner.dwork()) };
    }

    #[inline]
    fn armed(&self) -> bool {
        // SAFETY: The work is valid. Others change this word atomically, so it is read as
        // test_bit() in C does: volatile.
        let data = unsafe { (&raw const (*self.inner.dwork()).work.data.counter).read_volatile() };

        data & (1 << kernel::bindings::work_bits_WORK_STRUCT_PENDING_BIT) != 0
    }

    #[inline]
    fn runs(&self) -> u32 {
        self.inner.runs.load(Relaxed)
    }

    unsafe fn view(&self) -> bindings::deferred_view {
        let state = self.inner.state.lock();
        let armed = self.armed();

        bindings::deferred_view {
            armed: armed.into(),
            left: if armed { state.left } else { 0 },
            arms: state.arms,
            runs: self.runs(),
            cancelled: state.cancelled,
            bad_context: self.inner.bad_context.load(Relaxed),
            delay: if armed { state.delay as u64 } else { 0 },
        }
    }
}

encodes!(
    destroy_final,
    type,
    "dropping the object cancels and waits; no one can hold it afterwards"
);
impl Drop for Deferred {
    fn drop(&mut self) {
        if !self.detached {
            self.cancel_sync();
        }
    }
}

/// Makes another object, arms it and detaches it; how often it ran before its release.
pub(super) fn detach_armed<I: Interface>(repeats: u32) -> Result<c_int> {
    let another = I::create(callbacks::task(bindings::DEFERRED_DETACHED.into()));
    let armed = another.and_then(|another| {
        let armed = another.arm(repeats, 0);

        another.detach();
        armed
    });
    // An object that could not be made has released its data, once, as well.
    // SAFETY: No preconditions; this may sleep here.
    let runs = unsafe { bindings::deferred_wait_release(bindings::DEFERRED_DETACHED) };

    to_result(runs)?;
    armed?;
    Ok(runs)
}

encodes!(
    layout,
    checked,
    "sizes and offsets are compared with those of C"
);
