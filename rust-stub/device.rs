// SPDX-License-Identifier: GPL-2.0

//! device in Rust: the state machine behind a misc character device, and the device.
//!
//! C header: [`kmod/contract/device.h`](../kmod/contract/device.h)

use super::{
    bindings,
    kparity,
    Interface, //
};
use core::ptr;
use kernel::{
    c_str,
    fs::{
        file::flags::O_NONBLOCK,
        File,
        Kiocb, //
    },
    ioctl::{
        _IO,
        _IOR,
        _IOW, //
    },
    iov::IovIterDest,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    new_mutex,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        poll::{
            PollCondVarBox,
            PollTable, //
        },
        Mutex,
        MutexGuard, //
    },
    transmute::{
        AsBytes,
        FromBytes, //
    },
    types::ForeignOwnable,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
    InPlaceModule, //
};

/// The Rust side of the contract.
pub(crate) type Object = Unit;

encodes!(
    numbers,
    checked,
    "made from the types by kernel::ioctl, compared with their frozen values at compile time"
);
const MAGIC: u32 = bindings::DEVICE_IOC_MAGIC;
const CONFIGURE: u32 = _IOW::<bindings::device_config>(MAGIC, 1);
const START: u32 = _IO(MAGIC, 2);
const STOP: u32 = _IO(MAGIC, 3);
const RESET: u32 = _IO(MAGIC, 4);
const FEED: u32 = _IOW::<bindings::device_sample>(MAGIC, 5);
const STATUS: u32 = _IOR::<bindings::device_status>(MAGIC, 6);

// User space was built with these.
const _: () = assert!(CONFIGURE == 0x4010_c701);
const _: () = assert!(START == 0xc702);
const _: () = assert!(STOP == 0xc703);
const _: () = assert!(RESET == 0xc704);
const _: () = assert!(FEED == 0x4010_c705);
const _: () = assert!(STATUS == 0x8010_c706);
const _: () = assert!(core::mem::offset_of!(bindings::device_config, bias) == 8);
const _: () = assert!(core::mem::offset_of!(bindings::device_sample, reserved) == 8);

encodes!(
    state_known,
    type,
    "the state is an enum whose variants carry what only that state has"
);
/// State of a unit. A configuration exists in the states that have one.
#[derive(Clone, Copy)]
pub(crate) enum State {
    /// Nothing is configured.
    Idle,
    /// Configured; takes no samples.
    Ready(Config),
    /// Takes samples.
    Running(Config),
}

/// A configuration that has been checked.
#[derive(Clone, Copy)]
pub(crate) struct Config {
    capacity: u32,
    bias: u64,
}

encodes!(
    start_ready,
    checked,
    "start matches Ready, which carries the configuration; the rest is Err(EBUSY)"
);
encodes!(
    stop_running,
    checked,
    "stop matches Running; the rest is Err(EBUSY)"
);
encodes!(
    busy_unchanged,
    checked,
    "a state is written after the match that allows it"
);
impl State {
    #[inline]
    fn start(&mut self) -> Result {
        let State::Ready(config) = *self else {
            return Err(EBUSY);
        };

        *self = State::Running(config);
        Ok(())
    }

    #[inline]
    fn stop(&mut self) -> Result {
        let State::Running(config) = *self else {
            return Err(EBUSY);
        };

        *self = State::Ready(config);
        Ok(())
    }

    #[inline]
    fn not_running(&self) -> Result {
        match self {
            State::Running(_) => Err(EBUSY),
            _ => Ok(()),
        }
    }
}

/// The samples that wait: a ring over the first `capacity` elements.
pub(crate) struct Queue {
    samples: KVec<u64>,
    capacity: u32,
    head: u32,
    queued: u32,
}

encodes!(
    within_capacity,
    checked,
    "queued is compared with capacity before a sample is stored"
);
encodes!(
    feed_queues,
    checked,
    "push stores behind the last sample or returns Err(ENOSPC)"
);
encodes!(
    read_oldest,
    checked,
    "pop copies the sample at head and moves head on, behind &mut self"
);
impl Queue {
    #[inline]
    fn clear(&mut self, capacity: u32) {
        self.capacity = capacity;
        self.head = 0;
        self.queued = 0;
    }

    #[inline]
    fn push(&mut self, value: u64) -> Result {
        if self.queued >= self.capacity {
            return Err(ENOSPC);
        }
        let mut tail = self.head.wrapping_add(self.queued);

        if tail >= self.capacity {
            tail = tail.wrapping_sub(self.capacity);
        }
        *self.samples.get_mut(tail as usize).ok_or(ENOSPC)? = value;
        self.queued = self.queued.wrapping_add(1);
        Ok(())
    }

    #[inline]
    fn front(&self) -> Option<u64> {
        if self.queued == 0 {
            return None;
        }
        self.samples.get(self.head as usize).copied()
    }

    #[inline]
    fn pop(&mut self) -> Option<u64> {
        let value = self.front()?;

        self.head = self.head.wrapping_add(1);
        if self.head >= self.capacity {
            self.head = 0;
        }
        self.queued = self.queued.wrapping_sub(1);
        Some(value)
    }
}

/// The Rust implementation.
#[pin_data]
pub(crate) struct Unit {
    limit: u32,
    misordered: Atomic<i32>,
    #[pin]
    state: Mutex<State>,
    #[pin]
    queue: Mutex<Queue>,
    readable: PollCondVarBox,
}

encodes!(
    guard_thread,
    type,
    "a guard is not Send: the thread that has one is the thread that took the lock"
);
encodes!(
    lock_order,
    type,
    "the inner lock is taken with the outer one's guard in hand, which cannot go before the inner's"
);
impl Unit {
    /// Takes the outer lock.
    #[inline]
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Takes the inner lock inside the outer one.
    ///
    /// The guard that is shown could be another unit's, which types do not tell apart.
    #[inline]
    pub(crate) fn queue<'a>(&'a self, held: &'a MutexGuard<'_, State>) -> MutexGuard<'a, Queue> {
        if kernel::warn_on!(!ptr::eq(held.lock_ref(), &self.state)) {
            self.misordered.fetch_add(1, Relaxed);
        }
        self.queue.lock()
    }

    #[inline]
    fn reset(&self) -> Result {
        let mut state = self.state();

        state.not_running()?;
        self.queue(&state).clear(0);
        *state = State::Idle;
        Ok(())
    }
}

encodes!(
    reserved_first,
    checked,
    "reserved fields are looked at before the lock is taken"
);
encodes!(
    configure_range,
    checked,
    "the capacity is looked at before the lock is taken"
);
encodes!(
    configure_ready,
    checked,
    "state and queue change while the outer guard lives"
);
encodes!(
    reset_idle,
    checked,
    "the queue is cleared and the state is Idle, which carries no configuration"
);
encodes!(
    unknown_enotty,
    checked,
    "the last arm of the match is Err(ENOTTY)"
);
encodes!(
    read_empty,
    type,
    "read gives Result<u64>: without a sample there is no output to write"
);
encodes!(poll_exact, checked, "poll compares queued");
encodes!(
    in_order,
    type,
    "the samples are reached through the guard of their lock alone"
);
encodes!(
    blocks,
    type,
    "to sleep takes the guard of the outer lock, which is released meanwhile"
);
encodes!(
    interruptible,
    checked,
    "wait_interruptible() must be used, and the queue is looked at before it counts"
);
impl Interface for Unit {
    fn create(limit: u32) -> Result<impl PinInit<Self>> {
        if limit == 0 || limit > bindings::DEVICE_LIMIT_MAX {
            return Err(EINVAL);
        }
        let samples = KVec::from_elem(0, limit as usize, GFP_KERNEL)?;
        let readable = PollCondVarBox::new(c_str!("device"), static_lock_class!())?;

        Ok(pin_init!(Self {
            limit,
            misordered: Atomic::new(0),
            state <- new_mutex!(State::Idle, "device_state"),
            queue <- new_mutex!(
                Queue { samples, capacity: 0, head: 0, queued: 0 },
                "device_queue"
            ),
            readable,
        }))
    }

    #[inline]
    fn configure(&self, config: &bindings::device_config) -> Result {
        let bindings::device_config {
            capacity,
            reserved,
            bias,
        } = *config;

        if reserved != 0 || capacity == 0 || capacity > self.limit {
            return Err(EINVAL);
        }
        let mut state = self.state();

        state.not_running()?;
        self.queue(&state).clear(capacity);
        *state = State::Ready(Config { capacity, bias });
        Ok(())
    }

    #[inline]
    fn command(&self, cmd: u32) -> Result {
        match cmd {
            START => self.state().start(),
            STOP => self.state().stop(),
            RESET => self.reset(),
            _ => Err(ENOTTY),
        }
    }

    #[inline(always)]
    fn feed(&self, sample: &bindings::device_sample) -> Result {
        if sample.reserved != [0; 2] {
            return Err(EINVAL);
        }
        let state = self.state();
        let State::Running(config) = *state else {
            return Err(EBUSY);
        };

        self.queue(&state)
            .push(sample.value.wrapping_add(config.bias))?;
        drop(state);
        self.readable.notify_one();
        Ok(())
    }

    #[inline(always)]
    fn read(&self, nonblock: bool) -> Result<u64> {
        let mut state = self.state();
        let mut signal = false;

        loop {
            let popped = self.queue(&state).pop();

            match popped {
                Some(value) => return Ok(value),
                None if nonblock => return Err(EAGAIN),
                None if signal => return Err(ERESTARTSYS),
                // A signal may have come with the wake-up for a sample: look again.
                None => signal = self.readable.wait_interruptible(&mut state),
            }
        }
    }

    #[inline]
    fn poll(&self) -> bool {
        self.queue.lock().queued != 0
    }

    unsafe fn view(&self) -> bindings::device_view {
        self.snapshot()
    }
}

impl Unit {
    /// The state at one moment: both locks are taken for it.
    fn snapshot(&self) -> bindings::device_view {
        let state = self.state();
        let queue = self.queue(&state);
        let (number, config) = match *state {
            State::Idle => (bindings::DEVICE_IDLE, None),
            State::Ready(config) => (bindings::DEVICE_READY, Some(config)),
            State::Running(config) => (bindings::DEVICE_RUNNING, Some(config)),
        };

        bindings::device_view {
            state: number,
            limit: self.limit,
            capacity: config.map_or(0, |c| c.capacity),
            queued: queue.queued,
            front: queue.front().unwrap_or(0),
            bias: config.map_or(0, |c| c.bias),
            misordered: self.misordered.load(Relaxed) as u32,
            misowned: 0,
        }
    }
}

// The node: system calls, each turned into an operation on the file's unit.

// SAFETY: Integers, without padding.
unsafe impl AsBytes for bindings::device_status {}

const NODE: MiscDeviceOptions = MiscDeviceOptions {
    name: c_str!("kparity-device-rust"),
};

/// The node, which exists while the module is loaded.
#[pin_data]
pub(crate) struct Module {
    #[pin]
    node: MiscDeviceRegistration<Unit>,
}

impl InPlaceModule for Module {
    fn init(_: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            node <- MiscDeviceRegistration::register(NODE),
        })
    }
}

encodes!(
    node_ioctl,
    checked,
    "the match on the number comes before the argument is read"
);
encodes!(
    node_read,
    checked,
    "read_iter and poll call the unit's operations"
);
encodes!(
    module_pinned,
    checked,
    "MiscDevice requires an owner, which is this module"
);
#[vtable]
impl MiscDevice for Unit {
    type Ptr = Pin<KBox<Self>>;
    type OwnerModule = Module;

    fn open(file: &File, misc: &MiscDeviceRegistration<Self>) -> Result<Pin<KBox<Self>>> {
        let unit = KBox::pin_init(Self::create(bindings::DEVICE_NODE_LIMIT)?, GFP_KERNEL)?;
        let (file, misc) = (file.as_ptr(), misc.as_raw());

        // SAFETY: Both are valid. A file with the operations that were registered is one of the
        // node that is being opened, so no one else has it. Like replace_fops() this gives it
        // others; they have the same owner, which it has pinned [module_pinned].
        unsafe {
            if (*file).f_op == (*misc).fops {
                (*file).f_op = FILE_OPERATIONS;
            }
        }
        Ok(unit)
    }

    fn ioctl(unit: Pin<&Self>, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        let user = UserPtr::from_addr(arg);

        match cmd {
            CONFIGURE => unit.configure(&read_user(user)?)?,
            FEED => unit.feed(&read_user(user)?)?,
            STATUS => {
                let view = unit.snapshot();
                let status = bindings::device_status {
                    state: view.state,
                    capacity: view.capacity,
                    queued: view.queued,
                    reserved: 0,
                };

                UserSlice::new(user, size_of_val(&status))
                    .writer()
                    .write(&status)?;
            }
            _ => unit.command(cmd)?,
        }
        Ok(0)
    }

    fn read_iter(kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterDest<'_>) -> Result<usize> {
        if iov.len() < size_of::<u64>() {
            return Err(EINVAL);
        }
        // SAFETY: The file of a request outlives it, and its position is not touched.
        let file = unsafe { File::from_raw_file((*kiocb.as_raw()).ki_filp) };
        let value = kiocb.file().read(file.flags() & O_NONBLOCK != 0)?;

        if iov.copy_to_iter(&value.to_ne_bytes()) != size_of::<u64>() {
            return Err(EFAULT);
        }
        Ok(size_of::<u64>())
    }
}

/// Copies an ioctl's argument from user space.
fn read_user<T: FromBytes>(user: UserPtr) -> Result<T> {
    UserSlice::new(user, size_of::<T>()).reader().read()
}

/// `poll` of the node, an operation that `MiscDevice` does not have.
///
/// # Safety
///
/// `file` must be an open file of the node, and `table` null or a poll table, for the call.
unsafe extern "C" fn poll_file(
    file: *mut kernel::bindings::file,
    table: *mut kernel::bindings::poll_table,
) -> kernel::bindings::__poll_t {
    // SAFETY: By the safety requirements of this function; `MiscDevice` has put a `Ptr` there.
    let unit = unsafe { Pin::<KBox<Unit>>::borrow((*file).private_data) };
    // SAFETY: By the safety requirements of this function.
    let (file, table) = unsafe { (File::from_raw_file(file), PollTable::from_raw(table)) };

    table.register_wait(file, &unit.readable);
    if unit.poll() {
        kernel::bindings::POLLIN | kernel::bindings::POLLRDNORM
    } else {
        0
    }
}

/// The file operations of `MiscDevice`, and `poll`.
const FILE_OPERATIONS: &kernel::bindings::file_operations = &kernel::bindings::file_operations {
    poll: Some(poll_file),
    // SAFETY: `into_raw` points to a constant.
    ..unsafe { *NODE.into_raw::<Unit>().fops }
};

encodes!(
    layout,
    checked,
    "sizes and offsets are compared with those of C"
);
