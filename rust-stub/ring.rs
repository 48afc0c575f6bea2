// SPDX-License-Identifier: GPL-2.0

//! ring in Rust: a bounded queue of u64 between one producer and one consumer.
//!
//! C header: [`kmod/contract/ring.h`](../kmod/contract/ring.h)
//!
//! [`Producer`] and [`Consumer`] are the safe API. They are made together, each exists once, and
//! pushing and popping take `&mut self`: two producers cannot be written down.

#[allow(dead_code)] // What one pair has no use for, another one does.
#[macro_use]
#[path = "kparity.rs"]
mod kparity;

contract!("ring");

use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    }, //
};
use kparity::{
    borrow,
    filled,
    to_c,
    Args,
    Call,
    Interface,
    OneThread,
    Subject, //
};

/// One implementation of the ring, as its producer and its consumer share it.
///
/// Called by [`Producer`] and [`Consumer`] alone, which keep each operation to one thread.
trait Queue: Sized {
    /// Makes an empty ring.
    fn new(capacity: u32) -> Result<Self>;
    /// Appends a value; for the producer.
    fn push(&self, value: u64) -> Result;
    /// Takes the oldest value out, if there is one; for the consumer.
    fn pop(&self) -> Option<u64>;
    /// Copies the oldest value, if there is one; for the consumer.
    fn peek(&self) -> Option<u64>;
    /// Number of values.
    fn len(&self) -> u32;
    /// The state, for comparison.
    fn view(&self) -> bindings::ring_view;
}

/// The Rust implementation.
///
/// The indices run on and wrap; their difference is the length. A slot is an atomic with relaxed
/// access, which costs what a plain one does and keeps every misuse a wrong value, never a race.
pub(crate) struct RustQueue {
    /// Elements popped; written by the consumer alone.
    head: Atomic<u32>,
    /// Elements pushed; written by the producer alone.
    tail: Atomic<u32>,
    /// The number of slots, a power of two, less one.
    mask: u32,
    /// Element `i` lives in slot `i & mask`.
    slots: KVec<Atomic<u64>>,
}

impl RustQueue {
    /// The slot of an index; there always is one, as the mask is below the number of slots.
    #[inline]
    fn slot(&self, index: u32) -> Option<&Atomic<u64>> {
        self.slots.get((index & self.mask) as usize)
    }

    /// The index and the slot of the oldest element, if there is one; for the consumer.
    #[inline]
    fn front(&self) -> Option<(u32, &Atomic<u64>)> {
        // ORDERING: Pairs with the release in `push`: the slot is filled.
        let tail = self.tail.load(Acquire);
        let head = self.head.load(Relaxed);

        if head == tail {
            return None;
        }
        self.slot(head).map(|slot| (head, slot))
    }
}

encodes!(
    bounded,
    checked,
    "push compares the length with the number of slots before it stores"
);
encodes!(
    capacity_fixed,
    type,
    "slots is not mutable behind a shared reference"
);
encodes!(
    push_appends,
    checked,
    "tail is stored once, when the slot is filled"
);
encodes!(
    push_full,
    checked,
    "push returns Err(ENOSPC) before any store"
);
encodes!(
    push_not_full,
    checked,
    "push has one error path, the full ring"
);
encodes!(
    pop_oldest,
    checked,
    "front reads the slot of head, which pop then passes"
);
encodes!(peek_pure, checked, "peek stores nothing");
encodes!(
    empty_untouched,
    type,
    "pop and peek give Option<u64>: without a value there is nothing to write"
);
encodes!(
    len_counts,
    checked,
    "the wrapping difference of the indices"
);
encodes!(
    never_sleeps,
    checked,
    "atomics alone; no lock, no allocation after new"
);
impl Queue for RustQueue {
    fn new(capacity: u32) -> Result<Self> {
        if !capacity.is_power_of_two() || capacity > bindings::RING_MAX_CAPACITY {
            return Err(EINVAL);
        }
        let mut slots = KVec::with_capacity(capacity as usize, GFP_KERNEL)?;
        for _ in 0..capacity {
            slots.push(Atomic::new(0), GFP_KERNEL)?;
        }
        Ok(Self {
            head: Atomic::new(0),
            tail: Atomic::new(0),
            mask: capacity - 1,
            slots,
        })
    }

    #[inline]
    fn push(&self, value: u64) -> Result {
        // ORDERING: Pairs with the release in `pop`: the slot has been read.
        let head = self.head.load(Acquire);
        let tail = self.tail.load(Relaxed);

        if tail.wrapping_sub(head) > self.mask {
            return Err(ENOSPC);
        }
        self.slot(tail).ok_or(ENOSPC)?.store(value, Relaxed);
        // ORDERING: Pairs with the acquire in `front`: the slot is filled.
        self.tail.store(tail.wrapping_add(1), Release);
        Ok(())
    }

    #[inline]
    fn pop(&self) -> Option<u64> {
        let (head, slot) = self.front()?;
        let value = slot.load(Relaxed);

        // ORDERING: Pairs with the acquire in `push`.
        self.head.store(head.wrapping_add(1), Release);
        Some(value)
    }

    #[inline]
    fn peek(&self) -> Option<u64> {
        self.front().map(|(_, slot)| slot.load(Relaxed))
    }

    #[inline]
    fn len(&self) -> u32 {
        // ORDERING: Head first: the difference then never exceeds the capacity.
        let head = self.head.load(Acquire);

        self.tail.load(Acquire).wrapping_sub(head)
    }

    fn view(&self) -> bindings::ring_view {
        bindings::ring_view {
            capacity: self.mask + 1,
            pushed: self.tail.load(Relaxed),
            popped: self.head.load(Relaxed),
            reserved: 0,
            front: self.peek().unwrap_or(0),
        }
    }
}

/// The C implementation, owned.
///
/// # Invariants
///
/// The pointer is a ring made by `ring_c.create()` and not yet destroyed.
pub(crate) struct CQueue(*mut bindings::ring);

// SAFETY: The contract lets any thread destroy a ring that no one else uses.
unsafe impl Send for CQueue {}
// SAFETY: The contract lets one producer and one consumer use it at the same time, and `Producer`
// and `Consumer` are the only ways to it.
unsafe impl Sync for CQueue {}

/// Calls an operation of the C implementation's table.
macro_rules! ring_c {
    ($op:ident($($arg:expr),*)) => {
        // SAFETY: The table is constant and all its operations are set. By the type invariant of
        // `CQueue` the ring is valid, and by `Queue`'s rules this is its one producer or consumer.
        unsafe { (bindings::ring_c.$op.unwrap_unchecked())($($arg),*) }
    };
}

impl Queue for CQueue {
    fn new(capacity: u32) -> Result<Self> {
        // INVARIANT: Checked for an error, so it is a ring, and this is its owner.
        kernel::error::from_err_ptr(ring_c!(create(capacity))).map(Self)
    }

    #[inline]
    fn push(&self, value: u64) -> Result {
        to_result(ring_c!(push(self.0, value)))
    }

    #[inline]
    fn pop(&self) -> Option<u64> {
        let mut value = 0;

        (ring_c!(pop(self.0, &mut value)) == 0).then_some(value)
    }

    #[inline]
    fn peek(&self) -> Option<u64> {
        let mut value = 0;

        (ring_c!(peek(self.0, &mut value)) == 0).then_some(value)
    }

    #[inline]
    fn len(&self) -> u32 {
        ring_c!(len(self.0))
    }

    fn view(&self) -> bindings::ring_view {
        filled(|view| ring_c!(view(self.0, view)))
    }
}

impl Drop for CQueue {
    fn drop(&mut self) {
        ring_c!(destroy(self.0));
    }
}

/// Makes an empty ring of `capacity` elements, a power of two, and hands out its two ends.
pub(crate) fn ring<Q: Queue>(capacity: u32) -> Result<(Producer<Q>, Consumer<Q>)> {
    let queue = Arc::new(Q::new(capacity)?, GFP_KERNEL)?;

    Ok((Producer(queue.clone()), Consumer(queue)))
}

encodes!(
    two_ends,
    type,
    "ring makes one Producer and one Consumer; neither is Clone, and using one takes &mut self"
);
encodes!(
    spsc,
    type,
    "Producer and Consumer are Send: the two threads own one end each"
);

/// The end that pushes.
pub(crate) struct Producer<Q: Queue>(Arc<Q>);

impl<Q: Queue> Producer<Q> {
    /// Appends a value; `ENOSPC` when the ring is full.
    #[inline]
    pub(crate) fn push(&mut self, value: u64) -> Result {
        self.0.push(value)
    }
}

/// The end that pops.
pub(crate) struct Consumer<Q: Queue>(Arc<Q>);

impl<Q: Queue> Consumer<Q> {
    /// Takes the oldest value out; none when the ring is empty.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<u64> {
        self.0.pop()
    }

    /// Copies the oldest value; none when the ring is empty.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u64> {
        self.0.peek()
    }

    /// Number of values.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.0.len()
    }
}

// C callers of the Rust implementation: thin entries that convert and call.

impl kparity::Foreign for bindings::ring {
    type Owned = KBox<RustQueue>;
}

/// Stores a value for C, or says that there is none and leaves the output alone.
///
/// # Safety
///
/// `out` must be valid for writing.
#[inline]
unsafe fn give(value: Option<u64>, out: *mut u64) -> c_int {
    match value {
        Some(value) => {
            // SAFETY: By the safety requirements of this function.
            unsafe { out.write(value) };
            0
        }
        None => ENODATA.to_errno(),
    }
}

/// Makes a Rust ring for C.
///
/// # Safety
///
/// None: any capacity is looked at.
unsafe extern "C" fn create(capacity: u32) -> *mut bindings::ring {
    kparity::into_foreign(RustQueue::new(capacity).and_then(|q| Ok(KBox::new(q, GFP_KERNEL)?)))
}

/// Appends for C.
///
/// # Safety
///
/// `ring` must come from [`create`] and not have been destroyed.
unsafe extern "C" fn push(ring: *mut bindings::ring, value: u64) -> c_int {
    // SAFETY: By the safety requirements of this function the ring is valid during the call.
    to_c(unsafe { borrow(ring) }.push(value))
}

/// Takes out for C.
///
/// # Safety
///
/// `ring` must come from [`create`] and not have been destroyed; `value` must be valid for writing.
unsafe extern "C" fn pop(ring: *mut bindings::ring, value: *mut u64) -> c_int {
    // SAFETY: By the safety requirements of this function the ring is valid during the call, and
    // `value` may be written.
    unsafe { give(borrow(ring).pop(), value) }
}

/// Copies for C.
///
/// # Safety
///
/// As for [`pop`].
unsafe extern "C" fn peek(ring: *mut bindings::ring, value: *mut u64) -> c_int {
    // SAFETY: By the safety requirements of this function the ring is valid during the call, and
    // `value` may be written.
    unsafe { give(borrow(ring).peek(), value) }
}

/// Counts for C.
///
/// # Safety
///
/// As for [`push`].
unsafe extern "C" fn len(ring: *mut bindings::ring) -> u32 {
    // SAFETY: By the safety requirements of this function the ring is valid during the call.
    unsafe { borrow(ring) }.len()
}

/// Describes the state for C.
///
/// # Safety
///
/// `ring` must come from [`create`] and not have been destroyed; `view` must be valid for writing.
unsafe extern "C" fn view(ring: *mut bindings::ring, view: *mut bindings::ring_view) {
    // SAFETY: By the safety requirements of this function the ring is valid during the call, and
    // `view` may be written.
    unsafe { view.write(borrow(ring).view()) };
}

/// The Rust implementation's table; declared in the contract.
#[no_mangle]
pub static ring_rust: bindings::ring_ops = bindings::ring_ops {
    create: Some(create),
    destroy: Some(kparity::release),
    push: Some(push),
    pop: Some(pop),
    peek: Some(peek),
    len: Some(len),
    view: Some(view),
};
declared!(ring_rust: bindings::ring_ops);

// Rust callers of either implementation, for the engine.

/// What the table of operations calls.
trait Api {
    fn push(&self, value: u64) -> Result;
    fn pop(&self) -> Option<u64>;
    fn peek(&self) -> Option<u64>;
    fn len(&self) -> u32;
    fn view(&self) -> bindings::ring_view;
}

/// Both ends of one ring.
struct Ends<Q: Queue> {
    producer: OneThread<Producer<Q>>,
    consumer: OneThread<Consumer<Q>>,
}

impl<Q: Queue> Api for Ends<Q> {
    fn push(&self, value: u64) -> Result {
        self.producer.with(|p| p.push(value))
    }

    fn pop(&self) -> Option<u64> {
        self.consumer.with(Consumer::pop)
    }

    fn peek(&self) -> Option<u64> {
        self.consumer.with(Consumer::peek)
    }

    fn len(&self) -> u32 {
        self.consumer.with(|c| c.len())
    }

    fn view(&self) -> bindings::ring_view {
        self.consumer.with(|c| c.0.view())
    }
}

impl Interface for dyn Api {
    type View = bindings::ring_view;

    const CALLS: &'static [Call<Self>] = &[
        |_, _, res| res.set(Ok(())),
        |ring, arg, res| res.set(ring.push(arg[0])),
        |ring, _, res| res.set_out(ring.pop(), ENODATA),
        |ring, _, res| res.set_out(ring.peek(), ENODATA),
        |ring, _, res| res.set_ret(Ok(ring.len())),
    ];

    fn view(&self) -> Self::View {
        Api::view(self)
    }
}

impl<Q: Queue + 'static> Subject for Ends<Q> {
    type Api = dyn Api;

    fn create(param: &Args) -> Result<Self> {
        let (producer, consumer) = ring(param[0] as u32)?;

        Ok(Self {
            // SAFETY: The engine runs at most one producer of an object at a time.
            producer: unsafe { OneThread::new(producer) },
            // SAFETY: The engine runs at most one consumer of an object at a time.
            consumer: unsafe { OneThread::new(consumer) },
        })
    }

    fn api(&self) -> &Self::Api {
        self
    }
}

encodes!(
    layout,
    checked,
    "sizes and offsets are compared with those of C"
);
const LAYOUT: [bindings::kp_field; 6] = layout!(ring_view {
    capacity,
    pushed,
    popped,
    reserved,
    front
});

driver!(ring_rust_over_c, Ends<CQueue>, LAYOUT);
driver!(ring_rust_over_rust, Ends<RustQueue>, LAYOUT);
