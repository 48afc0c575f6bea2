// SPDX-License-Identifier: GPL-2.0

//! idalloc in Rust: unique ids from 0 up, the lowest free one first.
//!
//! C header: [`kmod/contract/idalloc.h`](../kmod/contract/idalloc.h)

use super::{
    bindings,
    kparity,
    Interface, //
};
use kernel::{
    prelude::*,
    sync::{
        new_spinlock_irq,
        SpinLockIrq, //
    }, //
};

/// The Rust side of the contract.
pub(crate) type Object = RustIds;

/// Which ids are in use.
struct Map {
    /// A bit an id, set while it is in use.
    words: KVec<u64>,
    /// Number of bits set.
    used: u32,
}

encodes!(
    within_limit,
    checked,
    "used is compared with limit before an id is taken"
);
encodes!(
    lowest_first,
    checked,
    "lowest counts the ones below the first zero"
);
encodes!(
    alloc_full,
    checked,
    "alloc returns Err(ENOSPC) before it looks at the map"
);
encodes!(
    alloc_not_full,
    checked,
    "used and words change together, behind &mut self"
);
encodes!(
    free_releases,
    checked,
    "the bit that was found set is cleared"
);
encodes!(
    free_twice,
    checked,
    "free returns Err(ENOENT) for a clear bit"
);
encodes!(
    no_shrink,
    checked,
    "words is resized to twice its length or not at all"
);
impl Map {
    /// The lowest free id; one past the storage when that is full.
    #[inline]
    fn lowest(&self) -> u32 {
        let full = self.words.iter().take_while(|w| **w == u64::MAX).count();
        let in_word = self.words.get(full).map_or(0, |w| w.trailing_ones());

        full as u32 * u64::BITS + in_word
    }

    /// The word of an id and the id's bit in it; `None` beyond the storage.
    #[inline]
    fn word(&mut self, id: u32) -> Option<(&mut u64, u64)> {
        let word = self.words.get_mut((id / u64::BITS) as usize)?;

        Some((word, 1 << (id % u64::BITS)))
    }

    #[inline]
    fn alloc(&mut self, limit: u32) -> Result<u32> {
        if self.used == limit {
            return Err(ENOSPC);
        }
        let mut words = (0..).zip(self.words.iter_mut());
        let id = match words.find(|(_, word)| **word != u64::MAX) {
            Some((index, word)) => {
                let bit = word.trailing_ones();

                *word |= 1 << bit;
                index * u64::BITS + bit
            }
            None => self.grow()?,
        };
        self.used += 1;
        Ok(id)
    }

    /// Doubles the storage, which is full, and takes the first of the new ids.
    #[cold]
    fn grow(&mut self) -> Result<u32> {
        let id = self.room();

        // The lock is held, so the allocation must not sleep.
        self.words.resize(2 * self.words.len(), 0, GFP_ATOMIC)?;
        let (word, bit) = self.word(id).ok_or(EINVAL)?;

        *word |= bit;
        Ok(id)
    }

    #[inline]
    fn free(&mut self, id: u32) -> Result {
        let (word, bit) = self.word(id).ok_or(ENOENT)?;
        let left = *word & !bit;

        if left == *word {
            return Err(ENOENT);
        }
        *word = left;
        self.used -= 1;
        Ok(())
    }

    fn used(&mut self, id: u32) -> bool {
        self.word(id).is_some_and(|(word, bit)| *word & bit != 0)
    }

    /// Number of ids that storage has room for.
    fn room(&self) -> u32 {
        self.words.len() as u32 * u64::BITS
    }
}

/// The Rust implementation.
#[pin_data]
pub(crate) struct RustIds {
    limit: u32,
    #[pin]
    map: SpinLockIrq<Map>,
}

impl RustIds {
    /// Refuses an id that is beyond the limit.
    #[inline]
    fn check(&self, id: u32) -> Result {
        if id < self.limit {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }
}

encodes!(
    unique,
    type,
    "the map is reached through the guard of its lock alone"
);
encodes!(
    never_sleeps,
    checked,
    "a spinlock and GFP_ATOMIC after create"
);
encodes!(
    free_range,
    checked,
    "check returns Err(EINVAL) before the lock is taken"
);
encodes!(
    used_range,
    type,
    "used gives Result<bool>: nothing but 0, 1 or an errno can come out"
);
encodes!(used_pure, checked, "used reads the word");
impl Interface for RustIds {
    fn create(limit: u32) -> Result<impl PinInit<Self>> {
        if limit == 0 || limit > bindings::IDALLOC_MAX {
            return Err(EINVAL);
        }
        let mut words = KVec::new();

        words.push(0, GFP_KERNEL)?;
        Ok(pin_init!(Self {
            limit,
            map <- new_spinlock_irq!(Map { words, used: 0 }, "idalloc"),
        }))
    }

    #[inline(always)]
    fn alloc(&self) -> Result<u32> {
        self.map.lock().alloc(self.limit)
    }

    #[inline(always)]
    fn free(&self, id: u32) -> Result {
        self.check(id)?;
        self.map.lock().free(id)
    }

    #[inline(always)]
    fn used(&self, id: u32) -> Result<bool> {
        self.check(id)?;
        Ok(self.map.lock().used(id))
    }

    unsafe fn view(&self) -> bindings::idalloc_view {
        let map = self.map.lock();

        bindings::idalloc_view {
            limit: self.limit,
            used: map.used,
            lowest: map.lowest().min(self.limit),
            room: map.room(),
        }
    }
}

encodes!(
    layout,
    checked,
    "sizes and offsets are compared with those of C"
);
