// SPDX-License-Identifier: GPL-2.0

//! lru in Rust: a cache of bounded size, which memory reclaim may shrink.
//!
//! C header: [`kmod/contract/lru.h`](../kmod/contract/lru.h)
//!
//! An entry has one pair of links, and one [`ListArc`], which its list owns: to be on the other
//! list it has to leave that one. A [`Cursor`] takes it off without unsafe code.

use super::{
    bindings,
    kparity,
    Interface, //
};
use kernel::{
    list::{
        impl_list_arc_safe,
        impl_list_item,
        Cursor,
        List,
        ListArc,
        ListLinks, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_spinlock_irq,
        ArcBorrow,
        SpinLockIrq, //
    }, //
};

/// The Rust side of the contract.
pub(crate) type Object = Cache;

/// An entry.
#[pin_data]
pub(crate) struct Entry {
    key: u32,
    value: u64,
    /// Changed under the lock, which orders it. Who holds a `ListArc` has no `&mut` of the entry.
    pins: Atomic<u32>,
    #[pin]
    links: ListLinks,
}

impl_list_arc_safe! {
    impl ListArcSafe<0> for Entry { untracked; }
}
impl_list_item! {
    impl ListItem<0> for Entry { using ListLinks { self.links }; }
}

/// What the lock protects.
struct Lists {
    /// Entries that may be evicted, the oldest first.
    unpinned: List<Entry>,
    /// Those that may not.
    pinned: List<Entry>,
    nr_unpinned: u32,
    nr_pinned: u32,
}

/// Goes to the entry with a key, which is the cursor's next one then.
#[inline]
fn seek(list: &mut List<Entry>, key: u32) -> Option<Cursor<'_, Entry>> {
    let mut cursor = list.cursor_front();

    while cursor.peek_next()?.key != key {
        cursor.move_next();
    }
    Some(cursor)
}

/// The entry with a key, which stays on its list.
#[inline]
fn find(list: &List<Entry>, key: u32) -> Option<ArcBorrow<'_, Entry>> {
    list.iter().find(|entry| entry.key == key)
}

encodes!(one_list, type, "each entry has one ListArc, which moves");
encodes!(shrink_oldest, checked, "evict takes from the front");
encodes!(pin_keeps, checked, "evict does not know the other list");
impl Lists {
    /// Takes the oldest entry off its list.
    #[inline]
    fn evict(&mut self) -> Option<ListArc<Entry>> {
        let oldest = self.unpinned.pop_front()?;

        self.nr_unpinned -= 1;
        Some(oldest)
    }

    /// Whether there is an entry with a key.
    #[inline]
    fn has(&self, key: u32) -> bool {
        find(&self.unpinned, key).is_some() || find(&self.pinned, key).is_some()
    }

    /// Lists an entry as the youngest of those that are not pinned.
    #[inline]
    fn push(&mut self, entry: ListArc<Entry>) {
        self.unpinned.push_back(entry);
        self.nr_unpinned += 1;
    }
}

/// The Rust implementation.
#[pin_data]
pub(crate) struct Cache {
    capacity: u32,
    #[pin]
    lists: SpinLockIrq<Lists>,
}

encodes!(within_capacity, checked, "a full cache evicts first");
encodes!(add_youngest, checked, "push is at the back");
encodes!(add_exists, checked, "add looks for the key first");
encodes!(add_pinned, checked, "evict's None is ENOSPC");
encodes!(get_youngest, checked, "get pushes what it took");
encodes!(unpin_youngest, checked, "unpin pushes at no pins");
encodes!(absent, checked, "both lists are searched");
encodes!(unchanged, checked, "errors come before any change");
encodes!(never_sleeps, checked, "a spinlock and GFP_ATOMIC");
impl Interface for Cache {
    fn create(capacity: u32) -> Result<impl PinInit<Self>> {
        if capacity == 0 || capacity > bindings::LRU_MAX {
            return Err(EINVAL);
        }
        Ok(pin_init!(Self {
            capacity,
            lists <- new_spinlock_irq!(
                Lists {
                    unpinned: List::new(),
                    pinned: List::new(),
                    nr_unpinned: 0,
                    nr_pinned: 0,
                },
                "lru"
            ),
        }))
    }

    #[inline(always)]
    fn add(&self, key: u32, value: u64) -> Result {
        let entry = ListArc::pin_init(
            try_pin_init!(Entry {
                key,
                value,
                pins: Atomic::new(0),
                links <- ListLinks::new(),
            }),
            GFP_ATOMIC,
        )?;
        // Declared before the guard, and so freed behind it.
        let _evicted;
        let mut lists = self.lists.lock();

        if lists.has(key) {
            return Err(EEXIST);
        }
        if lists.nr_unpinned + lists.nr_pinned == self.capacity {
            _evicted = lists.evict().ok_or(ENOSPC)?;
        }
        lists.push(entry);
        Ok(())
    }

    #[inline]
    fn get(&self, key: u32) -> Result<u64> {
        let lists = &mut *self.lists.lock();

        if let Some(entry) = seek(&mut lists.unpinned, key).and_then(|mut at| at.remove_next()) {
            let value = entry.value;

            lists.unpinned.push_back(entry);
            return Ok(value);
        }
        Ok(find(&lists.pinned, key).ok_or(ENOENT)?.value)
    }

    #[inline(always)]
    fn pin(&self, key: u32) -> Result {
        let lists = &mut *self.lists.lock();

        if let Some(entry) = seek(&mut lists.unpinned, key).and_then(|mut at| at.remove_next()) {
            entry.pins.store(1, Relaxed);
            lists.pinned.push_back(entry);
            lists.nr_unpinned -= 1;
            lists.nr_pinned += 1;
            return Ok(());
        }
        let entry = find(&lists.pinned, key).ok_or(ENOENT)?;
        let pins = entry.pins.load(Relaxed);

        if pins == bindings::LRU_PINS_MAX {
            return Err(EBUSY);
        }
        entry.pins.store(pins + 1, Relaxed);
        Ok(())
    }

    #[inline(always)]
    fn unpin(&self, key: u32) -> Result {
        let lists = &mut *self.lists.lock();

        if find(&lists.unpinned, key).is_some() {
            return Err(EINVAL);
        }
        let mut at = seek(&mut lists.pinned, key).ok_or(ENOENT)?;
        let entry = at.peek_next().ok_or(ENOENT)?;
        let pins = entry.pins.load(Relaxed) - 1;

        entry.pins.store(pins, Relaxed);
        if pins == 0 {
            let entry = entry.remove();

            lists.nr_pinned -= 1;
            lists.push(entry);
        }
        Ok(())
    }

    #[inline(always)]
    fn shrink(&self, nr: u32) -> u32 {
        // Before the guard, as in add.
        let mut evicted = List::new();
        let mut lists = self.lists.lock();
        let mut count = 0;

        while count < nr {
            let Some(entry) = lists.evict() else { break };

            evicted.push_back(entry);
            count += 1;
        }
        count
    }

    #[inline]
    fn count(&self) -> u32 {
        self.lists.lock().nr_unpinned
    }

    unsafe fn view(&self) -> bindings::lru_view {
        let lists = self.lists.lock();
        let mut view = bindings::lru_view {
            capacity: self.capacity,
            unpinned: lists.nr_unpinned,
            pinned: lists.nr_pinned,
            order: [bindings::LRU_KEYS; bindings::LRU_MAX as usize],
            ..Default::default()
        };

        for (place, entry) in view.order.iter_mut().zip(lists.unpinned.iter()) {
            *place = entry.key;
            view.sum = view.sum.wrapping_add(entry.value);
        }
        for entry in lists.pinned.iter() {
            view.pins[entry.key as usize] = entry.pins.load(Relaxed);
            view.sum = view.sum.wrapping_add(entry.value);
        }
        view
    }
}

encodes!(reclaim, checked, "a shrinker calls the entries");
encodes!(layout, checked, "sizes and offsets are those of C");
