// SPDX-License-Identifier: GPL-2.0

//! ring in Rust: a bounded queue of u64 between one producer and one consumer.
//!
//! C header: [`kmod/contract/ring.h`](../kmod/contract/ring.h)
//!
//! [`Producer`] and [`Consumer`] are the safe API. They are made together, each exists once, and
//! pushing and popping take `&mut self`: two producers cannot be written down.

use super::{
    bindings,
    kparity,
    Interface, //
};
use kernel::{
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

/// The Rust side of the contract.
pub(crate) type Object = RustQueue;

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

    /// The oldest element, if there is one; for the consumer.
    #[inline]
    fn oldest(&self) -> Option<u64> {
        self.front().map(|(_, slot)| slot.load(Relaxed))
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
    "pop and peek give Result<u64>: without a value there is nothing to write"
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
impl RustQueue {
    /// Makes an empty ring, as `ring_create()` in C does.
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
}

impl Interface for RustQueue {
    /// For tests alone, whose rings have indices that are about to wrap.
    #[cfg(CONFIG_KUNIT)]
    fn create(capacity: u32, at: u32) -> Result<Self> {
        let ring = Self::new(capacity)?;

        // What `new` has made is seen where nothing else is asked for.
        if at != 0 {
            ring.head.store(at, Relaxed);
            ring.tail.store(at, Relaxed);
        }
        Ok(ring)
    }

    #[inline]
    unsafe fn push(&self, value: u64) -> Result {
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
    unsafe fn pop(&self) -> Result<u64> {
        let (head, slot) = self.front().ok_or(ENODATA)?;
        let value = slot.load(Relaxed);

        // ORDERING: Pairs with the acquire in `push`.
        self.head.store(head.wrapping_add(1), Release);
        Ok(value)
    }

    #[inline]
    unsafe fn peek(&self) -> Result<u64> {
        self.oldest().ok_or(ENODATA)
    }

    #[inline]
    unsafe fn len(&self) -> u32 {
        // ORDERING: Head first: the difference then never exceeds the capacity.
        let head = self.head.load(Acquire);

        self.tail.load(Acquire).wrapping_sub(head)
    }

    unsafe fn view(&self) -> bindings::ring_view {
        bindings::ring_view {
            capacity: self.mask + 1,
            pushed: self.tail.load(Relaxed),
            popped: self.head.load(Relaxed),
            reserved: 0,
            front: self.oldest().unwrap_or(0),
        }
    }
}

/// Makes an empty ring of `capacity` elements, a power of two, and hands out its two ends.
pub(crate) fn ring<I: Interface>(capacity: u32, at: u32) -> Result<(Producer<I>, Consumer<I>)> {
    let queue = Arc::pin_init(I::create(capacity, at)?, GFP_KERNEL)?;

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
pub(crate) struct Producer<I: Interface>(Arc<I>);

impl<I: Interface> Producer<I> {
    /// Appends a value; `ENOSPC` when the ring is full.
    #[inline]
    pub(crate) fn push(&mut self, value: u64) -> Result {
        // SAFETY: There is one `Producer` of a ring, and this borrows it mutably [two_ends].
        unsafe { self.0.push(value) }
    }
}

/// The end that pops.
pub(crate) struct Consumer<I: Interface>(Arc<I>);

impl<I: Interface> Consumer<I> {
    /// Takes the oldest value out; `ENODATA` when the ring is empty.
    #[inline]
    pub(crate) fn pop(&mut self) -> Result<u64> {
        // SAFETY: There is one `Consumer` of a ring, and this borrows it mutably [two_ends].
        unsafe { self.0.pop() }
    }

    /// Copies the oldest value; `ENODATA` when the ring is empty.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<u64> {
        // SAFETY: As for `pop`.
        unsafe { self.0.peek() }
    }

    /// Number of values.
    #[inline]
    pub(crate) fn len(&mut self) -> u32 {
        // SAFETY: As for `pop`.
        unsafe { self.0.len() }
    }
}

/// Both ends of one ring.
pub(crate) struct Caller<I: Interface> {
    pub(super) producer: Producer<I>,
    pub(super) consumer: Consumer<I>,
}

impl<I: Interface> Caller<I> {
    /// Makes an empty ring and keeps both of its ends.
    pub(super) fn create(capacity: u32, at: u32) -> Result<Self> {
        let (producer, consumer) = ring(capacity, at)?;

        Ok(Self { producer, consumer })
    }

    /// The state, for comparison.
    ///
    /// # Safety
    ///
    /// No one may use either end meanwhile.
    pub(super) unsafe fn view(&self) -> bindings::ring_view {
        // SAFETY: By the safety requirements of this function.
        unsafe { self.consumer.0.view() }
    }
}

encodes!(
    layout,
    checked,
    "sizes and offsets are compared with those of C"
);
