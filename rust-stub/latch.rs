// SPDX-License-Identifier: GPL-2.0

//! latch in Rust: a count of samples and their sum, which a hard interrupt may read.
//!
//! C header: [`kmod/contract/latch.h`](../kmod/contract/latch.h)
//!
//! The kernel crate has no `seqcount_latch_t`, so the sequence is an atomic here. What C's copies
//! hold is plain memory, which only the barriers of `linux/seqlock.h` make right to read while it
//! is written. In Rust that would be a data race, and so each word is an atomic as well. Acquire
//! and release at these words take the place of the barriers; on x86 both cost nothing.

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
        new_spinlock,
        SpinLock, //
    }, //
};

/// The Rust side of the contract.
pub(crate) type Object = RustLatch;

/// What readers get.
struct Totals {
    /// Samples added.
    count: Atomic<u64>,
    /// Their sum.
    sum: Atomic<u64>,
}

impl Totals {
    fn new(count: u64) -> Self {
        Self {
            count: Atomic::new(count),
            sum: Atomic::new(0),
        }
    }

    /// Stores what readers get when they are sent here next; for the one writer.
    #[inline]
    fn set(&self, count: u64, sum: u64) {
        // ORDERING: Both pair with the acquire of the same word in `read`: a reader that sees
        // one of these sees the sequence that sent readers away before, and reads again.
        self.count.store(count, Release);
        self.sum.store(sum, Release);
    }
}

/// The right to write. There is one of a counter, in its lock.
pub(crate) struct Writer(());

/// The Rust implementation.
#[pin_data]
pub(crate) struct RustLatch {
    /// Its lowest bit is the copy that readers take.
    seq: Atomic<u32>,
    /// What readers get, twice.
    copies: [Totals; 2],
    #[pin]
    writer: SpinLock<Writer>,
}

encodes!(
    add_counts,
    type,
    "publish takes the Writer, which is reached through the guard of its lock alone"
);
encodes!(
    monotonic,
    checked,
    "readers are sent to a copy when it has been changed"
);
encodes!(
    no_torn,
    type,
    "the copies are private, and read gives both words or none"
);
impl RustLatch {
    /// Makes a counter, as `latch_create()` in C does, that `count` samples of 0 are in.
    fn new(count: u32) -> impl PinInit<Self> {
        pin_init!(Self {
            // Even: each sample takes it on by two.
            seq: Atomic::new(count.wrapping_mul(2)),
            copies: [Totals::new(count.into()), Totals::new(count.into())],
            writer <- new_spinlock!(Writer(()), "latch"),
        })
    }

    /// Changes one copy behind the other, each while readers take the other one.
    #[inline]
    pub(crate) fn publish(&self, _: &mut Writer, value: u32) {
        // The lock orders what writers have stored, the same in both copies.
        let [even, odd] = &self.copies;
        let seq = self.seq.load(Relaxed);
        let count = even.count.load(Relaxed).wrapping_add(1);
        let sum = even.sum.load(Relaxed).wrapping_add(value.into());

        // ORDERING: Both pair with the acquire of the sequence in `read`: the copy that readers
        // are sent to was changed before, `odd` by the writer before.
        self.seq.store(seq.wrapping_add(1), Release);
        even.set(count, sum);
        self.seq.store(seq.wrapping_add(2), Release);
        odd.set(count, sum);
    }
}

encodes!(read_pure, checked, "read stores nothing");
encodes!(
    never_sleeps,
    checked,
    "add takes a spinlock, read atomics alone"
);
impl Interface for RustLatch {
    /// For tests alone, whose counters have sequences that are about to wrap.
    #[cfg(CONFIG_KUNIT)]
    fn create(at: u32) -> Result<impl PinInit<Self>> {
        Ok(Self::new(at))
    }

    #[inline]
    fn add(&self, value: u32) {
        self.publish(&mut self.writer.lock(), value);
    }

    #[inline]
    fn read(&self) -> (u64, u64) {
        loop {
            // ORDERING: Pairs with the release in `publish`. C's load is relaxed here: it relies
            // on the address that depends on it. But with two copies alone a compiler may make a
            // branch of that, and a branch orders no loads.
            let seq = self.seq.load(Acquire);
            let [even, odd] = &self.copies;
            let copy = if seq & 1 == 0 { even } else { odd };
            // ORDERING: Both pair with the release of the same word in `Totals::set`, and keep
            // the second look at the sequence behind them, as C's smp_rmb() does.
            let totals = (copy.count.load(Acquire), copy.sum.load(Acquire));

            if self.seq.load(Relaxed) == seq {
                return totals;
            }
        }
    }

    unsafe fn view(&self) -> bindings::latch_view {
        let (count, sum) = self.read();

        bindings::latch_view { count, sum }
    }
}

encodes!(
    layout,
    checked,
    "sizes and offsets are compared with those of C"
);
