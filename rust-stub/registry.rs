// SPDX-License-Identifier: GPL-2.0

//! registry in Rust: counted objects that are found by name.
//!
//! C header: [`kmod/contract/registry.h`](../kmod/contract/registry.h)
//!
//! An [`ARef`] is a reference: cloning it takes a further one, dropping it puts. There is no other
//! way to put, so none is put twice or used afterwards.

use super::{
    bindings,
    kparity,
    Interface, //
};
use core::{
    mem::take,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_spinlock_irq,
        Arc,
        Refcount,
        SpinLockIrq, //
    }, //
};

/// The Rust side of the contract.
pub(crate) type Object = Registry;

/// Registries that are not released.
static COUNT: Atomic<i32> = Atomic::new(0);

/// State that a registry and its objects share.
#[pin_data(PinnedDrop)]
struct Shared {
    limit: u32,
    made: Atomic<i32>,
    /// Objects made and not released.
    live: Atomic<i32>,
    /// Releases that found the lock taken.
    blocked: Atomic<i32>,
    /// The registered objects, with room for `limit` of them.
    #[pin]
    objects: SpinLockIrq<KVec<ARef<Entry>>>,
}

#[pinned_drop]
impl PinnedDrop for Shared {
    fn drop(self: Pin<&mut Self>) {
        COUNT.add(-1, Relaxed);
    }
}

/// An object of the Rust implementation.
///
/// All but the count is constant. Made by [`Entry::new`] alone, hence always counted.
pub(crate) struct Entry {
    refs: Refcount,
    name: u32,
    serial: u32,
    value: u64,
    shared: Arc<Shared>,
}

impl Entry {
    /// Makes an object; the caller has the one reference to it.
    #[inline]
    fn new(shared: &Arc<Shared>, name: u32, value: u64) -> Result<ARef<Self>> {
        // Room first: an object that is made and then has none would count as released.
        let room = KBox::<Self>::new_uninit(GFP_ATOMIC)?;
        let object = KBox::write(
            room,
            Self {
                refs: Refcount::new(1),
                name,
                serial: shared.made.fetch_add(1, Relaxed).wrapping_add(1) as u32,
                value,
                shared: shared.clone(),
            },
        );

        shared.live.add(1, Relaxed);
        // SAFETY: The count is 1, and that reference is given to the `ARef` [one_count].
        Ok(unsafe { ARef::from_raw(NonNull::from(KBox::leak(object))) })
    }
}

encodes!(
    one_count,
    type,
    "an ARef is one reference: made by get and clone alone, and Entry has no other constructor"
);
encodes!(
    released_once,
    type,
    "an ARef puts when it is dropped, and what is dropped cannot be used or dropped again"
);
// SAFETY: `dec_ref` frees the object when the count gets to 0 and not before; every object is made
// by `Entry::new`, in a box that it leaks [released_once].
unsafe impl AlwaysRefCounted for Entry {
    #[inline]
    fn inc_ref(&self) {
        self.refs.inc();
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller owns a reference, so the object is there.
        if unsafe { obj.as_ref() }.refs.dec_and_test() {
            // SAFETY: That was the last reference, and `Entry::new` leaked the box.
            release(unsafe { KBox::from_raw(obj.as_ptr()) });
        }
    }
}

/// Drops an object. Most puts are not the last: they need not pay for the room that this takes.
#[inline(never)]
fn release(object: KBox<Entry>) {
    drop(object);
}

encodes!(
    release_unlocked,
    checked,
    "what may be the last reference leaves the guard's scope before it is dropped; drop looks"
);
impl Drop for Entry {
    #[inline]
    fn drop(&mut self) {
        // The lock is not needed here. Whether it is ours to take is.
        if self.shared.objects.try_lock().is_none() {
            self.shared.blocked.add(1, Relaxed);
        }
        self.shared.live.add(-1, Relaxed);
    }
}

/// Where the object with a name is.
#[inline]
fn position(objects: &[ARef<Entry>], name: u32) -> Option<usize> {
    objects.iter().position(|object| object.name == name)
}

/// The Rust implementation. Its owner's drop removes every name; held objects keep `Shared`.
pub(crate) struct Registry(Arc<Shared>);

encodes!(
    within_limit,
    checked,
    "add compares the length with limit, which is constant"
);
encodes!(
    add_registers,
    type,
    "the object's one reference is moved into the vector"
);
encodes!(
    add_exists,
    checked,
    "add looks the name up before it looks at the limit"
);
encodes!(
    add_full,
    checked,
    "the limit is compared with the length of the vector itself"
);
encodes!(
    add_balanced,
    checked,
    "on an error path the new object's ARef is dropped, after the guard, which is declared later"
);
encodes!(
    get_takes,
    checked,
    "the vector's ARef is cloned under the lock, so its count is above 0"
);
encodes!(
    get_absent,
    type,
    "get gives Result<ARef>: without an object there is nothing to put into a slot"
);
encodes!(
    get_removed,
    checked,
    "what remove took out of the vector cannot be found there"
);
encodes!(
    remove_keeps,
    checked,
    "the ARef that was taken out of the vector is dropped, no other"
);
encodes!(remove_absent, checked, "position gives None");
encodes!(
    threads,
    type,
    "the vector is reached through the guard of its lock alone"
);
encodes!(
    never_sleeps,
    checked,
    "a spinlock and GFP_ATOMIC after create"
);
encodes!(
    value_pure,
    type,
    "an ARef gives &Entry, and value is not mutable behind it"
);
encodes!(
    shared_count,
    checked,
    "the pointer that C has is an ARef, which put drops"
);
encodes!(
    ref_shares,
    type,
    "a further reference is made of one that is held, and what is borrowed ends with it"
);
encodes!(
    put_gives_up,
    type,
    "to put is to drop the ARef, which takes it by value"
);
encodes!(
    empty_slot,
    type,
    "where none may be held there is an Option<ARef>: nothing to call where it is None"
);
encodes!(
    layout,
    checked,
    "sizes and offsets are compared with those of C"
);
impl Interface for Registry {
    type Handle = ARef<Entry>;

    fn create(limit: u32) -> Result<Self> {
        if limit == 0 || limit > bindings::REGISTRY_MAX {
            return Err(EINVAL);
        }
        let objects = KVec::with_capacity(limit as usize, GFP_KERNEL)?;

        let shared = Arc::pin_init(
            pin_init!(Shared {
                limit,
                made: Atomic::new(0),
                live: Atomic::new(0),
                blocked: Atomic::new(0),
                objects <- new_spinlock_irq!(objects, "registry"),
            }),
            GFP_KERNEL,
        )?;

        COUNT.add(1, Relaxed);
        Ok(Self(shared))
    }

    #[inline]
    fn add(&self, name: u32, value: u64) -> Result {
        let object = Entry::new(&self.0, name, value)?;
        let mut objects = self.0.objects.lock();

        if position(&objects, name).is_some() {
            return Err(EEXIST);
        }
        if objects.len() == self.0.limit as usize {
            return Err(ENOSPC);
        }
        // There is room for `limit` objects: this does not allocate.
        Ok(objects.push(object, GFP_ATOMIC)?)
    }

    #[inline]
    fn get(&self, name: u32) -> Result<ARef<Entry>> {
        let objects = self.0.objects.lock();
        let object = objects.iter().find(|object| object.name == name);

        object.cloned().ok_or(ENOENT)
    }

    #[inline]
    fn remove(&self, name: u32) -> Result {
        let object = {
            let mut objects = self.0.objects.lock();
            let at = position(&objects, name).ok_or(ENOENT)?;
            let last = objects.len() - 1;

            // Names are not ordered, and one that moves costs less than all behind it.
            objects.swap(at, last);
            objects.pop()
        };

        drop(object);
        Ok(())
    }

    #[inline]
    fn r#ref(obj: &Entry) -> ARef<Entry> {
        obj.into()
    }

    #[inline]
    fn value(obj: &Entry) -> u64 {
        obj.value
    }

    fn registries_left() -> u32 {
        COUNT.load(Relaxed) as u32
    }

    fn info(obj: &Entry) -> bindings::registry_info {
        let objects = obj.shared.objects.lock();

        bindings::registry_info {
            serial: obj.serial,
            name: obj.name,
            refs: obj.refs.as_atomic().load(Relaxed) as u32,
            listed: objects.iter().any(|o| o.serial == obj.serial).into(),
        }
    }

    unsafe fn view(&self) -> bindings::registry_view {
        let objects = self.0.objects.lock();
        let names = objects.iter().filter_map(|o| 1u32.checked_shl(o.name));

        bindings::registry_view {
            limit: self.0.limit,
            registered: objects.len() as u32,
            names: names.fold(0, |all, name| all | name),
            made: self.0.made.load(Relaxed) as u32,
            live: self.0.live.load(Relaxed) as u32,
            blocked: self.0.blocked.load(Relaxed) as u32,
            slot: Default::default(),
        }
    }
}

encodes!(
    nothing_left,
    checked,
    "drop takes the vector out of its lock, so that no object holds itself through Shared"
);
impl Drop for Registry {
    fn drop(&mut self) {
        let objects = take(&mut *self.0.objects.lock());

        // Dropped only now, without the lock.
        drop(objects);
    }
}
