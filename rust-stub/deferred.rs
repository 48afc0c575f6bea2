// SPDX-License-Identifier: GPL-2.0

//! deferred in Rust: a callback that runs later, and can be taken back.
//!
//! C header: [`kmod/contract/deferred.h`](../kmod/contract/deferred.h)
//!
//! A handle owns a [`Task`] together with its work. Dropping the handle cancels and waits;
//! [`Handle::detach`] consumes it and leaves what is armed to the queue, which holds an `Arc`. The
//! kernel crate queues delayed work but cannot cancel or flush it: those two are called in C.

#[allow(dead_code)] // What one pair has no use for, another one does.
#[macro_use]
#[path = "kparity.rs"]
mod kparity;

contract!("deferred");

use core::marker::PhantomData;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    impl_has_delayed_work, new_delayed_work, new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        ArcBorrow,
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
use kparity::{
    borrow,
    filled,
    to_c,
    Args,
    Call,
    Interface,
    Subject, //
};

encodes!(
    from_any_task,
    type,
    "a Task is Send, Sync and 'static, and moves into the handle"
);
/// What runs later. Its data is released when it is dropped.
pub(crate) trait Task: Send + Sync + 'static {
    /// The callback; in process context, may sleep.
    fn run(&self);
}

/// The safe API over either implementation.
pub(crate) trait Delayed {
    /// Arms the task; `EINVAL` for what is too large, `EBUSY` while armed.
    fn arm(&self, repeats: u32, delay_ms: u32) -> Result;
    /// Takes back what is armed; whether it was.
    fn cancel(&self) -> bool;
    /// Takes back what is armed, and waits for a callback that runs.
    fn cancel_sync(&self) -> bool;
    /// Runs what is armed now, and waits for it.
    fn flush(&self);
    /// Whether it is armed.
    fn armed(&self) -> bool;
    /// How often the task has run.
    fn runs(&self) -> u32;
    /// The state, for comparison.
    fn view(&self) -> bindings::deferred_view;
}

/// Owns a task and its work. Dropping it cancels what is armed and waits.
pub(crate) trait Handle<T: Task>: Delayed + Sized {
    /// Makes a handle, not armed.
    fn new(task: T) -> Result<Self>;
    /// Lets go of the task as it is: what is armed still runs.
    fn detach(self);
}

/// What arm and the callback both change.
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
pub(crate) struct Inner<T: Task> {
    #[pin]
    work: DelayedWork<Self>,
    #[pin]
    state: SpinLock<State>,
    /// Times the task has run; written by the callback alone.
    runs: Atomic<u32>,
    /// Runs in the wrong context; written by the callback alone.
    bad_context: Atomic<u32>,
    task: T,
}

impl_has_delayed_work! {
    impl{T: Task} HasDelayedWork<Inner<T>> for Inner<T> { self.work }
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
impl<T: Task> Inner<T> {
    fn new(task: T) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
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
        )
    }

    /// Queues the work, together with an `Arc`; whether it was not queued before.
    #[inline]
    fn enqueue(this: ArcBorrow<'_, Self>, state: &mut State, delay: Jiffies) -> bool {
        let queued = queue().enqueue_delayed(Arc::from(this), delay).is_ok();

        if queued {
            state.arms = state.arms.wrapping_add(1);
        }
        queued
    }

    fn arm(this: ArcBorrow<'_, Self>, repeats: u32, delay_ms: u32) -> Result {
        if repeats > bindings::DEFERRED_MAX_REPEATS || delay_ms > bindings::DEFERRED_MAX_DELAY {
            return Err(EINVAL);
        }
        let delay = msecs_to_jiffies(delay_ms);
        let mut state = this.state.lock();

        if !Self::enqueue(this, &mut state, delay) {
            return Err(EBUSY);
        }
        state.left = repeats;
        state.delay = delay;
        Ok(())
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

    /// Drops the reference of a queue that has given up the work.
    ///
    /// # Safety
    ///
    /// A cancel of the work has just returned true.
    #[inline]
    unsafe fn put(this: ArcBorrow<'_, Self>) {
        // SAFETY: `enqueue` gave the queue an `Arc`, and the callback, which would have taken it,
        // does not run: [one_end]. By the safety requirements no one else takes it either.
        drop(unsafe { Arc::from_raw(core::ptr::from_ref::<Self>(&this)) });
    }

    fn cancel(this: ArcBorrow<'_, Self>) -> bool {
        let mut state = this.state.lock();
        // SAFETY: The work is valid and has been initialised.
        let armed = unsafe { kernel::bindings::cancel_delayed_work(this.dwork()) };

        state.cancelled = state.cancelled.wrapping_add(u32::from(armed));
        state.left = 0;
        drop(state);
        if armed {
            // SAFETY: The cancel has returned true.
            unsafe { Self::put(this) };
        }
        armed
    }

    fn cancel_sync(this: ArcBorrow<'_, Self>) -> bool {
        // Until this is done the callback cannot re-arm itself.
        // SAFETY: The work is valid and has been initialised; the contract lets this sleep.
        if !unsafe { kernel::bindings::cancel_delayed_work_sync(this.dwork()) } {
            return false;
        }
        {
            let mut state = this.state.lock();

            state.cancelled = state.cancelled.wrapping_add(1);
        }
        // SAFETY: The cancel has returned true.
        unsafe { Self::put(this) };
        true
    }

    #[inline]
    fn flush(&self) {
        // SAFETY: The work is valid and has been initialised; the contract lets this sleep.
        unsafe { kernel::bindings::flush_delayed_work(self.dwork()) };
    }

    #[inline]
    fn armed(&self) -> bool {
        // SAFETY: The work is valid. Others change this word atomically, so it is read as
        // test_bit() in C does: volatile.
        let data = unsafe { (&raw const (*self.dwork()).work.data.counter).read_volatile() };

        data & (1 << kernel::bindings::work_bits_WORK_STRUCT_PENDING_BIT) != 0
    }

    #[inline]
    fn runs(&self) -> u32 {
        self.runs.load(Relaxed)
    }

    fn view(&self) -> bindings::deferred_view {
        let state = self.state.lock();
        let armed = self.armed();

        bindings::deferred_view {
            armed: armed.into(),
            left: if armed { state.left } else { 0 },
            arms: state.arms,
            runs: self.runs(),
            cancelled: state.cancelled,
            bad_context: self.bad_context.load(Relaxed),
            delay: if armed { state.delay as u64 } else { 0 },
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
    "enqueue takes an Arc by value: detach consumes the handle, not the queue's reference"
);
impl<T: Task> WorkItem for Inner<T> {
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

        if state.left > 0 && Self::enqueue(this.as_arc_borrow(), &mut state, delay) {
            state.left -= 1;
        }
    }
}

/// The Rust implementation.
pub(crate) struct Deferred<T: Task> {
    inner: Arc<Inner<T>>,
    detached: bool,
}

encodes!(flush_runs, checked, "flush_delayed_work() waits");
encodes!(flush_idle, checked, "flush_delayed_work() finds no work");
encodes!(not_early, checked, "the timer alone queues the work");
encodes!(asks_pure, checked, "armed and runs read one word");
encodes!(cancel_final, checked, "cancel_delayed_work_sync() waits");
impl<T: Task> Delayed for Deferred<T> {
    #[inline]
    fn arm(&self, repeats: u32, delay_ms: u32) -> Result {
        Inner::arm(self.inner.as_arc_borrow(), repeats, delay_ms)
    }

    #[inline]
    fn cancel(&self) -> bool {
        Inner::cancel(self.inner.as_arc_borrow())
    }

    #[inline]
    fn cancel_sync(&self) -> bool {
        Inner::cancel_sync(self.inner.as_arc_borrow())
    }

    #[inline]
    fn flush(&self) {
        self.inner.flush();
    }

    #[inline]
    fn armed(&self) -> bool {
        self.inner.armed()
    }

    #[inline]
    fn runs(&self) -> u32 {
        self.inner.runs()
    }

    fn view(&self) -> bindings::deferred_view {
        self.inner.view()
    }
}

impl<T: Task> Handle<T> for Deferred<T> {
    fn new(task: T) -> Result<Self> {
        Ok(Self {
            inner: Inner::new(task)?,
            detached: false,
        })
    }

    fn detach(mut self) {
        self.detached = true;
    }
}

encodes!(
    destroy_final,
    type,
    "dropping the handle cancels and waits; no one can hold it afterwards"
);
impl<T: Task> Drop for Deferred<T> {
    fn drop(&mut self) {
        if !self.detached {
            self.cancel_sync();
        }
    }
}

/// The C implementation, owned, with a Rust task.
///
/// # Invariants
///
/// The pointer is an object made by `deferred_c.create()` and not given back yet.
pub(crate) struct CDeferred<T: Task> {
    ptr: *mut bindings::deferred,
    detached: bool,
    _task: PhantomData<T>,
}

// SAFETY: The contract lets any thread use and give back an object, and a `Task` is `Send`.
unsafe impl<T: Task> Send for CDeferred<T> {}
// SAFETY: The contract allows concurrent operations, and a `Task` is `Sync`.
unsafe impl<T: Task> Sync for CDeferred<T> {}

/// Calls an operation of the C implementation's table.
macro_rules! deferred_c {
    ($op:ident($($arg:expr),*)) => {
        // SAFETY: The table is constant and all its operations are set; by the type invariant of
        // `CDeferred` the object is valid.
        unsafe { (bindings::deferred_c.$op.unwrap_unchecked())($($arg),*) }
    };
}

/// Runs a task that C holds.
///
/// # Safety
///
/// `data` must come from `KBox::<T>::into_raw` and not have been released: [queue_holds].
unsafe extern "C" fn run_task<T: Task>(data: *mut c_void) {
    // SAFETY: By the safety requirements of this function.
    unsafe { &*data.cast::<T>() }.run();
}

/// Releases a task that C held.
///
/// # Safety
///
/// As for [`run_task`]; called once, when nothing runs any more: [destroy_final].
unsafe extern "C" fn release_task<T: Task>(data: *mut c_void) {
    // SAFETY: By the safety requirements of this function.
    drop(unsafe { KBox::from_raw(data.cast::<T>()) });
}

impl<T: Task> Delayed for CDeferred<T> {
    #[inline]
    fn arm(&self, repeats: u32, delay_ms: u32) -> Result {
        to_result(deferred_c!(arm(self.ptr, repeats, delay_ms)))
    }

    #[inline]
    fn cancel(&self) -> bool {
        deferred_c!(cancel(self.ptr))
    }

    #[inline]
    fn cancel_sync(&self) -> bool {
        deferred_c!(cancel_sync(self.ptr))
    }

    #[inline]
    fn flush(&self) {
        deferred_c!(flush(self.ptr));
    }

    #[inline]
    fn armed(&self) -> bool {
        deferred_c!(armed(self.ptr))
    }

    #[inline]
    fn runs(&self) -> u32 {
        deferred_c!(runs(self.ptr))
    }

    fn view(&self) -> bindings::deferred_view {
        filled(|view| deferred_c!(view(self.ptr, view)))
    }
}

impl<T: Task> Handle<T> for CDeferred<T> {
    fn new(task: T) -> Result<Self> {
        let data = KBox::into_raw(KBox::new(task, GFP_KERNEL)?).cast();

        // INVARIANT: Checked for an error, so it is an object, and this is its owner. On error C
        // has released the task.
        Ok(Self {
            ptr: from_err_ptr(deferred_c!(create(
                Some(run_task::<T>),
                Some(release_task::<T>),
                data
            )))?,
            detached: false,
            _task: PhantomData,
        })
    }

    fn detach(mut self) {
        self.detached = true;
    }
}

impl<T: Task> Drop for CDeferred<T> {
    fn drop(&mut self) {
        if self.detached {
            deferred_c!(detach(self.ptr));
        } else {
            deferred_c!(destroy(self.ptr));
        }
    }
}

// C callers of the Rust implementation: thin entries that convert and call.

/// A task of a C user.
pub(crate) struct ForeignTask {
    run: bindings::deferred_fn,
    release: bindings::deferred_fn,
    data: *mut c_void,
}

// SAFETY: By the contract both functions may be called from any task.
unsafe impl Send for ForeignTask {}
// SAFETY: As above.
unsafe impl Sync for ForeignTask {}

impl Task for ForeignTask {
    #[inline]
    fn run(&self) {
        if let Some(run) = self.run {
            // SAFETY: The user gave the function together with the data, which has not been
            // released.
            unsafe { run(self.data) };
        }
    }
}

impl Drop for ForeignTask {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: The user gave the function together with the data; a drop happens once.
            unsafe { release(self.data) };
        }
    }
}

impl kparity::Foreign for bindings::deferred {
    type Owned = Arc<Inner<ForeignTask>>;
}

/// Makes a Rust object for C.
///
/// # Safety
///
/// `run` and `release` must be safe to call with `data`, from any task, until `release` has been.
unsafe extern "C" fn create(
    run: bindings::deferred_fn,
    release: bindings::deferred_fn,
    data: *mut c_void,
) -> *mut bindings::deferred {
    kparity::into_foreign(Inner::new(ForeignTask { run, release, data }))
}

/// Cancels and gives back a Rust object for C.
///
/// # Safety
///
/// `d` must come from [`create`], and no one may use it any more.
unsafe extern "C" fn destroy(d: *mut bindings::deferred) {
    // SAFETY: By the safety requirements of this function `d` comes from `create` and is given back
    // once.
    let inner = unsafe { kparity::from_foreign(d) };

    // Drop cancels.
    drop(Deferred {
        inner,
        detached: false,
    });
}

/// Arms for C.
///
/// # Safety
///
/// `d` must come from [`create`] and not have been given back.
unsafe extern "C" fn arm(d: *mut bindings::deferred, repeats: u32, delay_ms: u32) -> c_int {
    // SAFETY: By the safety requirements of this function the object is valid during the call.
    to_c(Inner::arm(unsafe { borrow(d) }, repeats, delay_ms))
}

/// Cancels for C.
///
/// # Safety
///
/// As for [`arm`].
unsafe extern "C" fn cancel(d: *mut bindings::deferred) -> bool {
    // SAFETY: By the safety requirements of this function the object is valid during the call.
    Inner::cancel(unsafe { borrow(d) })
}

/// Cancels and waits for C.
///
/// # Safety
///
/// As for [`arm`].
unsafe extern "C" fn cancel_sync(d: *mut bindings::deferred) -> bool {
    // SAFETY: By the safety requirements of this function the object is valid during the call.
    Inner::cancel_sync(unsafe { borrow(d) })
}

/// Flushes for C.
///
/// # Safety
///
/// As for [`arm`].
unsafe extern "C" fn flush(d: *mut bindings::deferred) {
    // SAFETY: By the safety requirements of this function the object is valid during the call.
    unsafe { borrow(d) }.flush();
}

/// Asks for C whether it is armed.
///
/// # Safety
///
/// As for [`arm`].
unsafe extern "C" fn armed(d: *mut bindings::deferred) -> bool {
    // SAFETY: By the safety requirements of this function the object is valid during the call.
    unsafe { borrow(d) }.armed()
}

/// Counts for C.
///
/// # Safety
///
/// As for [`arm`].
unsafe extern "C" fn runs(d: *mut bindings::deferred) -> u32 {
    // SAFETY: By the safety requirements of this function the object is valid during the call.
    unsafe { borrow(d) }.runs()
}

/// Describes the state for C.
///
/// # Safety
///
/// As for [`arm`]; `view` must be valid for writing as well.
unsafe extern "C" fn view(d: *mut bindings::deferred, view: *mut bindings::deferred_view) {
    // SAFETY: By the safety requirements of this function the object is valid during the call, and
    // `view` may be written.
    unsafe { view.write(borrow(d).view()) };
}

/// The Rust implementation's table; declared in the contract.
#[no_mangle]
pub static deferred_rust: bindings::deferred_ops = bindings::deferred_ops {
    create: Some(create),
    destroy: Some(destroy),
    detach: Some(kparity::release),
    arm: Some(arm),
    cancel: Some(cancel),
    cancel_sync: Some(cancel_sync),
    flush: Some(flush),
    armed: Some(armed),
    runs: Some(runs),
    view: Some(view),
};
declared!(deferred_rust: bindings::deferred_ops);

// Rust callers of either implementation, for the engine.

/// A task that tells the suite what it sees.
struct Probe(u32);

impl Task for Probe {
    fn run(&self) {
        // SAFETY: No preconditions; this may sleep here.
        unsafe { bindings::deferred_saw_run(self.0) };
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // SAFETY: No preconditions.
        unsafe { bindings::deferred_saw_release(self.0) };
    }
}

/// What the table of operations calls.
trait Api: Delayed {
    /// Makes another one, arms it and detaches it; how often it ran before its release.
    fn detach_another(&self, repeats: u32) -> Result<u32>;
}

impl<D: Handle<Probe>> Api for D {
    fn detach_another(&self, repeats: u32) -> Result<u32> {
        let another = D::new(Probe(bindings::DEFERRED_DETACHED))?;
        let armed = another.arm(repeats, 0);

        another.detach();
        // SAFETY: No preconditions; this may sleep here.
        let runs = unsafe { bindings::deferred_wait_release(bindings::DEFERRED_DETACHED) };

        armed?;
        to_result(runs)?;
        Ok(runs as u32)
    }
}

impl Interface for dyn Api {
    type View = bindings::deferred_view;

    const CALLS: &'static [Call<Self>] = &[
        |_, _, res| res.set(Ok(())),
        |d, arg, res| res.set(d.arm(arg[0] as u32, arg[1] as u32)),
        |d, _, res| res.set_ret(Ok(d.cancel().into())),
        |d, _, res| res.set_ret(Ok(d.cancel_sync().into())),
        |d, _, res| {
            d.flush();
            res.set(Ok(()));
        },
        |d, _, res| res.set_ret(Ok(d.armed().into())),
        |d, _, res| res.set_ret(Ok(d.runs())),
        |d, arg, res| res.set_ret(d.detach_another(arg[0] as u32)),
    ];

    fn view(&self) -> Self::View {
        Delayed::view(self)
    }
}

/// A handle with a probe, as the engine's object.
struct Object<D: Handle<Probe>>(D);

impl<D: Handle<Probe> + 'static> Subject for Object<D> {
    type Api = dyn Api;

    fn create(param: &Args) -> Result<Self> {
        D::new(Probe(param[0] as u32)).map(Self)
    }

    fn api(&self) -> &Self::Api {
        &self.0
    }
}

encodes!(
    layout,
    checked,
    "sizes and offsets are compared with those of C"
);
const LAYOUT: [bindings::kp_field; 8] = layout!(deferred_view {
    armed,
    left,
    arms,
    runs,
    cancelled,
    bad_context,
    delay
});

driver!(deferred_rust_over_c, Object<CDeferred<Probe>>, LAYOUT);
driver!(deferred_rust_over_rust, Object<Deferred<Probe>>, LAYOUT);
