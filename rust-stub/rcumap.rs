// SPDX-License-Identifier: GPL-2.0

//! rcumap in Rust: a hash table that readers walk under RCU, without a lock.
//!
//! C header: [`kmod/contract/rcumap.h`](../kmod/contract/rcumap.h)
//!
//! The kernel crate has RCU's read section, an [`rcu::Guard`], and atomic pointers, but nothing
//! that ties the two. Here [`RcuMap::find`] lends an entry for as long as both map and guard are
//! borrowed, and what writers take out is [`Removed`], which is freed after a grace period alone.
//! For that the crate has nothing: what `kfree_rcu()` stands for is called in C.

use super::{
    bindings,
    kparity,
    Interface, //
};
use core::ptr::{
    null_mut,
    NonNull, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed,
            Release, //
        },
        new_spinlock,
        rcu,
        SpinLock, //
    },
    types::Opaque, //
};

/// The Rust side of the contract.
pub(crate) type Object = RcuMap;

/// Leads to an entry, or is null at the end of a bucket.
///
/// What a map's links lead to is a box that the map owns; what they led to before is an entry
/// that is freed by RCU.
type Link = Atomic<*mut Entry>;

/// An entry. Where it leads is written by whoever has the [`Writer`]; all else is constant.
pub(crate) struct Entry {
    next: Link,
    /// RCU's, once the entry is taken out.
    rcu: Opaque<kernel::bindings::kvfree_rcu_head>,
    key: u32,
    value: u64,
}

impl Entry {
    #[inline]
    pub(crate) fn new(key: u32, value: u64) -> Result<KBox<Self>> {
        let entry = Self {
            next: Atomic::new(null_mut()),
            rcu: Opaque::uninit(),
            key,
            value,
        };

        Ok(KBox::new(entry, GFP_KERNEL)?)
    }

    #[inline]
    pub(crate) fn value(&self) -> u64 {
        self.value
    }
}

/// An entry that no link of the map leads to any more. Dropping it has RCU free it.
///
/// # Invariants
///
/// The entry came from a box, readers that have begun before may use it, and it is in no other
/// `Removed`.
pub(crate) struct Removed(NonNull<Entry>);

impl Drop for Removed {
    #[inline]
    fn drop(&mut self) {
        const { assert!(!core::mem::needs_drop::<Entry>()) };
        let entry = self.0.as_ptr();

        // SAFETY: By the type invariant the entry is there, in memory of a box, which is that of
        // kmalloc(), and this is the one time that it is handed to RCU: `rcu` is RCU's from now on.
        unsafe {
            let head = Opaque::cast_into(&raw const (*entry).rcu);

            kernel::bindings::kvfree_call_rcu(head, entry.cast());
        }
    }
}

/// The right to write. There is one of a map, in its lock.
pub(crate) struct Writer(());

/// The Rust implementation.
#[pin_data(PinnedDrop)]
pub(crate) struct RcuMap {
    limit: u32,
    /// Number of entries.
    count: Atomic<u32>,
    /// The first entry of each.
    bucket: [Link; bindings::RCUMAP_BUCKETS as usize],
    #[pin]
    writer: SpinLock<Writer>,
}

encodes!(linked_once, type, "link takes the one Writer");
encodes!(within_limit, checked, "link compares count and limit");
encodes!(insert_adds, type, "the new box moves into the map");
encodes!(insert_exists, checked, "link looks the key up first");
encodes!(insert_full, checked, "the one Writer counts");
encodes!(replace_keeps, checked, "swap stores to one link");
encodes!(remove_takes, type, "who unlinks gets a Removed, once");
encodes!(failed_nothing, type, "who links may get the box back");
encodes!(grace, type, "a Guard lends; only RCU frees a Removed");
encodes!(never_absent, checked, "what is unlinked leads on");
impl RcuMap {
    #[inline]
    fn first(&self, key: u32) -> &Link {
        &self.bucket[(key % bindings::RCUMAP_BUCKETS) as usize]
    }

    /// Walks a bucket: the link to the entry with a key and that entry, or the last link.
    ///
    /// # Safety
    ///
    /// For `'a` the caller is in a read section of RCU, or has the map's [`Writer`], or nobody
    /// else uses the map.
    #[inline]
    unsafe fn search<'a>(&'a self, key: u32) -> (&'a Link, Option<&'a Entry>) {
        let mut link = self.first(key);

        loop {
            // ORDERING: Pairs with the release in `link` and `swap`. What is read of the entry
            // depends on its address, as with `rcu_dereference()`.
            // SAFETY: It is null or leads to an entry, which by the safety requirements is not
            // freed within `'a`: until it is unlinked it is the map's, then there are readers
            // that RCU waits for. It was filled before it was linked.
            let entry = unsafe { link.load(Relaxed).as_ref() };

            match entry {
                Some(entry) if entry.key != key => link = &entry.next,
                found => return (link, found),
            }
        }
    }

    /// Lends the entry with a key, for no longer than the read section.
    #[inline]
    pub(crate) fn find<'a>(&'a self, key: u32, _: &'a rcu::Guard) -> Option<&'a Entry> {
        // SAFETY: The guard, which is borrowed for `'a`, is a read section.
        unsafe { self.search(key) }.1
    }

    /// The same, for who writes.
    #[inline]
    fn place<'a>(&'a self, key: u32, _: &'a Writer) -> (&'a Link, Option<&'a Entry>) {
        // SAFETY: This borrows the writer for `'a`.
        unsafe { self.search(key) }
    }

    /// Links a new entry, or gives it back.
    #[inline]
    pub(crate) fn link(
        &self,
        entry: KBox<Entry>,
        writer: &mut Writer,
    ) -> Result<(), (Error, KBox<Entry>)> {
        let count = self.count.load(Relaxed);
        let first = self.first(entry.key);

        if self.place(entry.key, writer).1.is_some() {
            return Err((EEXIST, entry));
        }
        if count == self.limit {
            return Err((ENOSPC, entry));
        }
        entry.next.store(first.load(Relaxed), Relaxed);
        // ORDERING: Pairs with the load in `search`: who sees the entry sees it filled.
        first.store(KBox::into_raw(entry), Release);
        self.count.store(count + 1, Relaxed);
        Ok(())
    }

    /// Links a new entry in place of that with its key; without one it is given back.
    #[inline]
    fn swap(&self, entry: KBox<Entry>, writer: &mut Writer) -> Result<Removed, KBox<Entry>> {
        let (link, Some(old)) = self.place(entry.key, writer) else {
            return Err(entry);
        };

        entry.next.store(old.next.load(Relaxed), Relaxed);
        // ORDERING: As in `link`.
        link.store(KBox::into_raw(entry), Release);
        // INVARIANT: It came from a box, by `link` or here, and was linked until now.
        Ok(Removed(old.into()))
    }

    /// Unlinks the entry with a key.
    #[inline]
    pub(crate) fn unlink(&self, key: u32, writer: &mut Writer) -> Option<Removed> {
        let (link, Some(old)) = self.place(key, writer) else {
            return None;
        };

        // Readers have seen what is next: there is nothing to publish.
        link.store(old.next.load(Relaxed), Relaxed);
        self.count.store(self.count.load(Relaxed) - 1, Relaxed);
        // INVARIANT: As in `swap`.
        Some(Removed(old.into()))
    }
}

encodes!(absent, checked, "search ends with the bucket");
encodes!(read_pure, checked, "find lends what is constant");
encodes!(reads_never_sleep, checked, "find waits for nothing");
impl Interface for RcuMap {
    fn create(limit: u32) -> Result<impl PinInit<Self>> {
        if limit == 0 || limit > bindings::RCUMAP_MAX {
            return Err(EINVAL);
        }
        Ok(pin_init!(Self {
            limit,
            count: Atomic::new(0),
            bucket: [const { Atomic::new(null_mut()) }; bindings::RCUMAP_BUCKETS as usize],
            writer <- new_spinlock!(Writer(()), "rcumap"),
        }))
    }

    #[inline(always)]
    fn insert(&self, key: u32, value: u64) -> Result {
        let entry = Entry::new(key, value)?;
        let linked = self.link(entry, &mut self.writer.lock());

        // Without the lock: that has gone at the end of the statement.
        linked.map_err(|(error, _entry)| error)
    }

    #[inline(always)]
    fn replace(&self, key: u32, value: u64) -> Result {
        let entry = Entry::new(key, value)?;
        let swapped = self.swap(entry, &mut self.writer.lock());

        swapped.map(drop).map_err(|_entry| ENOENT)
    }

    #[inline]
    fn lookup(&self, key: u32) -> Result<u64> {
        let guard = rcu::read_lock();

        self.find(key, &guard).map(Entry::value).ok_or(ENOENT)
    }

    #[inline(always)]
    fn remove(&self, key: u32) -> Result {
        let removed = self.unlink(key, &mut self.writer.lock());

        removed.map(drop).ok_or(ENOENT)
    }

    #[inline]
    fn count(&self) -> u32 {
        self.count.load(Relaxed)
    }

    unsafe fn view(&self) -> bindings::rcumap_view {
        let writer = self.writer.lock();
        let mut view = bindings::rcumap_view {
            limit: self.limit,
            count: self.count.load(Relaxed),
            ..Default::default()
        };

        for mut link in &self.bucket {
            // SAFETY: The lock is held: what a link leads to is the map's.
            while let Some(entry) = unsafe { link.load(Relaxed).as_ref() } {
                let (first, _) = self.place(entry.key, &writer);
                let factor = 2 * u64::from(entry.key) + 1;
                let digest = factor.wrapping_mul(entry.value.wrapping_add(1));

                view.linked += 1;
                view.strays += u32::from(!core::ptr::eq(first, link));
                view.keys |= 1u64.checked_shl(entry.key).unwrap_or(0);
                view.digest = view.digest.wrapping_add(digest);
                link = &entry.next;
            }
        }
        view
    }
}

encodes!(layout, checked, "compared with that of C");
#[pinned_drop]
impl PinnedDrop for RcuMap {
    fn drop(self: Pin<&mut Self>) {
        for first in &self.bucket {
            let mut next = first.load(Relaxed);

            while let Some(entry) = NonNull::new(next) {
                // SAFETY: Nobody else uses the map: what its links lead to is in a box of its
                // own, which no one has but this.
                let entry = unsafe { KBox::from_raw(entry.as_ptr()) };

                next = entry.next.load(Relaxed);
            }
        }
    }
}
