// SPDX-License-Identifier: GPL-2.0

//! idalloc in Rust: unique ids from 0 up, the lowest free one first.
//!
//! C header: [`kmod/contract/idalloc.h`](../kmod/contract/idalloc.h)

#[allow(dead_code)] // What one pair has no use for, another one does.
#[macro_use]
#[path = "kparity.rs"]
mod kparity;

contract!("idalloc");

use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};
use kparity::{
    borrow,
    filled,
    value_from_c,
    value_to_c,
    Args,
    Call,
    Interface,
    Subject, //
};

/// The safe API over either implementation.
pub(crate) trait Ids {
    /// Takes the lowest free id; `ENOSPC` when all are in use.
    fn alloc(&self) -> Result<u32>;
    /// Gives an id back; `EINVAL` beyond the limit, `ENOENT` when it is not in use.
    fn free(&self, id: u32) -> Result;
    /// Whether an id is in use; `EINVAL` beyond the limit.
    fn used(&self, id: u32) -> Result<bool>;
    /// The state, for comparison.
    fn view(&self) -> bindings::idalloc_view;
}

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

    fn free(&mut self, id: u32) -> Result {
        let (word, bit) = self.word(id).ok_or(ENOENT)?;

        if *word & bit == 0 {
            return Err(ENOENT);
        }
        *word &= !bit;
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
    map: SpinLock<Map>,
}

impl RustIds {
    pub(crate) fn new(limit: u32) -> Result<Pin<KBox<Self>>> {
        if limit == 0 || limit > bindings::IDALLOC_MAX {
            return Err(EINVAL);
        }
        let mut words = KVec::new();

        words.push(0, GFP_KERNEL)?;
        KBox::pin_init(
            pin_init!(Self {
                limit,
                map <- new_spinlock!(Map { words, used: 0 }, "idalloc"),
            }),
            GFP_KERNEL,
        )
    }

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
encodes!(never_sleeps, checked, "a spinlock and GFP_ATOMIC after new");
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
impl Ids for RustIds {
    #[inline]
    fn alloc(&self) -> Result<u32> {
        self.map.lock().alloc(self.limit)
    }

    #[inline]
    fn free(&self, id: u32) -> Result {
        self.check(id)?;
        self.map.lock().free(id)
    }

    #[inline]
    fn used(&self, id: u32) -> Result<bool> {
        self.check(id)?;
        Ok(self.map.lock().used(id))
    }

    fn view(&self) -> bindings::idalloc_view {
        let map = self.map.lock();

        bindings::idalloc_view {
            limit: self.limit,
            used: map.used,
            lowest: map.lowest().min(self.limit),
            room: map.room(),
        }
    }
}

/// The C implementation, owned.
///
/// # Invariants
///
/// The pointer is an allocator made by `idalloc_c.create()` and not yet destroyed.
pub(crate) struct CIds(*mut bindings::idalloc);

// SAFETY: The contract lets any thread use and destroy an allocator.
unsafe impl Send for CIds {}
// SAFETY: The contract orders concurrent operations by a lock of its own.
unsafe impl Sync for CIds {}

/// Calls an operation of the C implementation's table.
macro_rules! idalloc_c {
    ($op:ident($($arg:expr),*)) => {
        // SAFETY: The table is constant and all its operations are set; by the type invariant of
        // `CIds` the allocator is valid.
        unsafe { (bindings::idalloc_c.$op.unwrap_unchecked())($($arg),*) }
    };
}

impl CIds {
    pub(crate) fn new(limit: u32) -> Result<Self> {
        // INVARIANT: Checked for an error, so it is an allocator, and this is its owner.
        from_err_ptr(idalloc_c!(create(limit))).map(Self)
    }
}

impl Ids for CIds {
    #[inline]
    fn alloc(&self) -> Result<u32> {
        value_from_c(idalloc_c!(alloc(self.0)))
    }

    #[inline]
    fn free(&self, id: u32) -> Result {
        to_result(idalloc_c!(free(self.0, id)))
    }

    #[inline]
    fn used(&self, id: u32) -> Result<bool> {
        Ok(value_from_c(idalloc_c!(used(self.0, id)))? != 0)
    }

    fn view(&self) -> bindings::idalloc_view {
        filled(|view| idalloc_c!(view(self.0, view)))
    }
}

impl Drop for CIds {
    fn drop(&mut self) {
        idalloc_c!(destroy(self.0));
    }
}

// C callers of the Rust implementation: thin entries that convert and call.

impl kparity::Foreign for bindings::idalloc {
    type Owned = Pin<KBox<RustIds>>;
}

/// Makes a Rust allocator for C.
///
/// # Safety
///
/// None: any limit is looked at.
unsafe extern "C" fn create(limit: u32) -> *mut bindings::idalloc {
    kparity::into_foreign(RustIds::new(limit))
}

/// Takes an id for C.
///
/// # Safety
///
/// `ida` must come from [`create`] and not have been destroyed.
unsafe extern "C" fn alloc(ida: *mut bindings::idalloc) -> c_int {
    // SAFETY: By the safety requirements of this function the allocator is valid during the call.
    value_to_c(unsafe { borrow(ida) }.alloc())
}

/// Gives an id back for C.
///
/// # Safety
///
/// As for [`alloc`].
unsafe extern "C" fn free(ida: *mut bindings::idalloc, id: u32) -> c_int {
    // SAFETY: By the safety requirements of this function the allocator is valid during the call.
    value_to_c(unsafe { borrow(ida) }.free(id).map(|()| 0))
}

/// Asks about an id for C.
///
/// # Safety
///
/// As for [`alloc`].
unsafe extern "C" fn used(ida: *mut bindings::idalloc, id: u32) -> c_int {
    // SAFETY: By the safety requirements of this function the allocator is valid during the call.
    value_to_c(unsafe { borrow(ida) }.used(id).map(u32::from))
}

/// Describes the state for C.
///
/// # Safety
///
/// As for [`alloc`]; `view` must be valid for writing as well.
unsafe extern "C" fn view(ida: *mut bindings::idalloc, view: *mut bindings::idalloc_view) {
    // SAFETY: By the safety requirements of this function the allocator is valid during the call,
    // and `view` may be written.
    unsafe { view.write(borrow(ida).view()) };
}

/// The Rust implementation's table; declared in the contract.
#[no_mangle]
pub static idalloc_rust: bindings::idalloc_ops = bindings::idalloc_ops {
    create: Some(create),
    destroy: Some(kparity::release),
    alloc: Some(alloc),
    free: Some(free),
    used: Some(used),
    view: Some(view),
};
declared!(idalloc_rust: bindings::idalloc_ops);

// Rust callers of either implementation, for the engine.

impl Interface for dyn Ids {
    type View = bindings::idalloc_view;

    const CALLS: &'static [Call<Self>] = &[
        |_, _, res| res.set(Ok(())),
        |ids, _, res| res.set_ret(ids.alloc()),
        |ids, arg, res| res.set(ids.free(arg[0] as u32)),
        |ids, arg, res| res.set_ret(ids.used(arg[0] as u32).map(u32::from)),
    ];

    fn view(&self) -> Self::View {
        Ids::view(self)
    }
}

impl Subject for CIds {
    type Api = dyn Ids;

    fn create(param: &Args) -> Result<Self> {
        Self::new(param[0] as u32)
    }

    fn api(&self) -> &Self::Api {
        self
    }
}

impl Subject for Pin<KBox<RustIds>> {
    type Api = dyn Ids;

    fn create(param: &Args) -> Result<Self> {
        RustIds::new(param[0] as u32)
    }

    fn api(&self) -> &Self::Api {
        &**self
    }
}

encodes!(
    layout,
    checked,
    "sizes and offsets are compared with those of C"
);
const LAYOUT: [bindings::kp_field; 5] = layout!(idalloc_view {
    limit,
    used,
    lowest,
    room
});

driver!(idalloc_rust_over_c, CIds, LAYOUT);
driver!(idalloc_rust_over_rust, Pin<KBox<RustIds>>, LAYOUT);
