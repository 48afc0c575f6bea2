// SPDX-License-Identifier: GPL-2.0

//! registry in Rust: counted objects that are found by name.
//!
//! C header: [`kmod/contract/registry.h`](../kmod/contract/registry.h)
//!
//! [`ARef`] is a reference in the safe API, over either implementation: cloning it takes a further
//! one, dropping it puts. There is no other way to put, so none is put twice or used afterwards.

#[allow(dead_code)] // What one pair has no use for, another one does.
#[macro_use]
#[path = "kparity.rs"]
mod kparity;

contract!("registry");

use core::{
    mem::{
        take,
        ManuallyDrop, //
    },
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    new_spinlock,
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
        Arc,
        Refcount,
        SpinLock, //
    },
    types::Opaque, //
};
use kparity::{
    borrow,
    filled,
    to_c,
    Args,
    Call,
    Interface,
    OneThread,
    Outcome,
    Subject, //
};

/// The safe API over either implementation.
pub(crate) trait Registry: Sized {
    /// What is registered.
    type Object: Named;

    /// Makes a registry for `limit` objects; `EINVAL` for more than it can be made for, or none.
    fn new(limit: u32) -> Result<Self>;
    /// Makes an object and registers it; `EEXIST` or `ENOSPC`.
    fn add(&self, name: u32, value: u64) -> Result;
    /// Looks an object up; `ENOENT` when the name is not registered.
    fn get(&self, name: u32) -> Result<ARef<Self::Object>>;
    /// Unregisters an object; `ENOENT` when the name is not registered.
    fn remove(&self, name: u32) -> Result;
    /// The state, for comparison.
    fn state(&self) -> bindings::registry_state;
}

/// An object of a registry.
pub(crate) trait Named: AlwaysRefCounted {
    /// What it was added with.
    fn value(&self) -> u64;
    /// The state, for comparison.
    fn info(&self) -> bindings::registry_info;
}

/// Registries that are not released.
static COUNT: Atomic<i32> = Atomic::new(0);

/// What a registry and its objects share.
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
    objects: SpinLock<KVec<ARef<Object>>>,
}

#[pinned_drop]
impl PinnedDrop for Shared {
    fn drop(self: Pin<&mut Self>) {
        COUNT.add(-1, Relaxed);
    }
}

/// An object of the Rust implementation.
///
/// All but the count is constant. Made by [`Object::new`] alone, hence always counted.
pub(crate) struct Object {
    refs: Refcount,
    name: u32,
    serial: u32,
    value: u64,
    shared: Arc<Shared>,
}

impl Object {
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
    "an ARef is one reference: made by get and clone alone, and Object has no other constructor"
);
encodes!(
    released_once,
    type,
    "an ARef puts when it is dropped, and what is dropped cannot be used or dropped again"
);
// SAFETY: `dec_ref` frees the object when the count gets to 0 and not before; every object is made
// by `Object::new`, in a box that it leaks [released_once].
unsafe impl AlwaysRefCounted for Object {
    #[inline]
    fn inc_ref(&self) {
        self.refs.inc();
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller owns a reference, so the object is there.
        if unsafe { obj.as_ref() }.refs.dec_and_test() {
            // SAFETY: That was the last reference, and `Object::new` leaked the box.
            drop(unsafe { KBox::from_raw(obj.as_ptr()) });
        }
    }
}

encodes!(
    release_unlocked,
    checked,
    "what may be the last reference leaves the guard's scope before it is dropped; drop looks"
);
impl Drop for Object {
    #[inline]
    fn drop(&mut self) {
        // The lock is not needed here. Whether it is ours to take is.
        if self.shared.objects.try_lock().is_none() {
            self.shared.blocked.add(1, Relaxed);
        }
        self.shared.live.add(-1, Relaxed);
    }
}

encodes!(
    value_pure,
    type,
    "an ARef gives &Object, and value is not mutable behind it"
);
impl Named for Object {
    #[inline]
    fn value(&self) -> u64 {
        self.value
    }

    fn info(&self) -> bindings::registry_info {
        let objects = self.shared.objects.lock();

        bindings::registry_info {
            serial: self.serial,
            name: self.name,
            refs: self.refs.as_atomic().load(Relaxed) as u32,
            listed: objects.iter().any(|o| o.serial == self.serial).into(),
        }
    }
}

/// Where the object with a name is.
#[inline]
fn position(objects: &[ARef<Object>], name: u32) -> Option<usize> {
    objects.iter().position(|object| object.name == name)
}

/// The Rust implementation. Its owner's drop removes every name; held objects keep `Shared`.
pub(crate) struct RustRegistry(Arc<Shared>);

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
encodes!(never_sleeps, checked, "a spinlock and GFP_ATOMIC after new");
impl Registry for RustRegistry {
    type Object = Object;

    fn new(limit: u32) -> Result<Self> {
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
                objects <- new_spinlock!(objects, "registry"),
            }),
            GFP_KERNEL,
        )?;

        COUNT.add(1, Relaxed);
        Ok(Self(shared))
    }

    #[inline]
    fn add(&self, name: u32, value: u64) -> Result {
        let object = Object::new(&self.0, name, value)?;
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
    fn get(&self, name: u32) -> Result<ARef<Object>> {
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

    fn state(&self) -> bindings::registry_state {
        let objects = self.0.objects.lock();
        let names = objects.iter().filter_map(|o| 1u32.checked_shl(o.name));

        bindings::registry_state {
            limit: self.0.limit,
            registered: objects.len() as u32,
            names: names.fold(0, |all, name| all | name),
            made: self.0.made.load(Relaxed) as u32,
            live: self.0.live.load(Relaxed) as u32,
            blocked: self.0.blocked.load(Relaxed) as u32,
        }
    }
}

encodes!(
    nothing_left,
    checked,
    "drop takes the vector out of its lock, so that no object holds itself through Shared"
);
impl Drop for RustRegistry {
    fn drop(&mut self) {
        let objects = take(&mut *self.0.objects.lock());

        // Only now, without the lock.
        drop(objects);
    }
}

/// The C implementation, owned.
///
/// # Invariants
///
/// The pointer is a registry made by `registry_c.create()` and not yet destroyed.
pub(crate) struct CRegistry(*mut bindings::registry);

// SAFETY: The contract lets any thread use and destroy a registry.
unsafe impl Send for CRegistry {}
// SAFETY: The contract orders concurrent operations by a lock of its own.
unsafe impl Sync for CRegistry {}

/// An object of the C implementation. It is C's count that an [`ARef`] of this owns a part of.
///
/// # Invariants
///
/// A reference to this is to an object of `registry_c` that someone holds.
#[repr(transparent)]
pub(crate) struct CObject(Opaque<bindings::registry_object>);

// SAFETY: The contract lets any thread put a reference, and so release the object.
unsafe impl Send for CObject {}
// SAFETY: What the contract lets a holder do with an object may be done by several at a time.
unsafe impl Sync for CObject {}

/// Calls an operation of the C implementation's table.
macro_rules! registry_c {
    ($op:ident($($arg:expr),*)) => {
        // SAFETY: The table is constant and all its operations are set. By the type invariants of
        // `CRegistry` and `CObject` the registry and the object are valid.
        unsafe { (bindings::registry_c.$op.unwrap_unchecked())($($arg),*) }
    };
}

encodes!(
    shared_count,
    checked,
    "inc_ref and dec_ref of a C object are C's own ref and put"
);
encodes!(
    ref_shares,
    type,
    "clone needs a reference that is held, and a borrowed one ends with it"
);
encodes!(
    put_gives_up,
    type,
    "to put is to drop the ARef, which takes it by value"
);
// SAFETY: C keeps an object until the last reference is put [released_once]; all its objects are
// counted.
unsafe impl AlwaysRefCounted for CObject {
    #[inline]
    fn inc_ref(&self) {
        registry_c!(ref_(self.0.get()));
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        registry_c!(put(obj.as_ptr().cast()));
    }
}

impl Named for CObject {
    #[inline]
    fn value(&self) -> u64 {
        registry_c!(value(self.0.get()))
    }

    fn info(&self) -> bindings::registry_info {
        filled(|info| registry_c!(info(self.0.get(), info)))
    }
}

impl Registry for CRegistry {
    type Object = CObject;

    fn new(limit: u32) -> Result<Self> {
        // INVARIANT: Checked for an error, so it is a registry, and this is its owner.
        from_err_ptr(registry_c!(create(limit))).map(Self)
    }

    #[inline]
    fn add(&self, name: u32, value: u64) -> Result {
        to_result(registry_c!(add(self.0, name, value)))
    }

    #[inline]
    fn get(&self, name: u32) -> Result<ARef<CObject>> {
        let object = from_err_ptr(registry_c!(get(self.0, name)))?;

        // SAFETY: No error, so it is an object, with a reference for this caller [get_takes].
        Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(object.cast())) })
    }

    #[inline]
    fn remove(&self, name: u32) -> Result {
        to_result(registry_c!(remove(self.0, name)))
    }

    fn state(&self) -> bindings::registry_state {
        filled(|state| registry_c!(state(self.0, state)))
    }
}

impl Drop for CRegistry {
    fn drop(&mut self) {
        registry_c!(destroy(self.0));
    }
}

// C callers of the Rust implementation: thin entries that convert and call.

/// Borrows the Rust registry behind a C handle, which is the pointer that the registry's `Arc` is.
///
/// # Safety
///
/// `reg` must come from [`create`] and must not be destroyed while the result is in use.
#[inline]
unsafe fn borrow_registry(reg: *mut bindings::registry) -> ManuallyDrop<RustRegistry> {
    // SAFETY: By the safety requirements of this function the handle is an `Arc`'s pointer; its
    // reference is not dropped here.
    let shared = unsafe { Arc::from_raw(reg.cast_const().cast()) };

    ManuallyDrop::new(RustRegistry(shared))
}

/// C owns one reference, and one more each time that [`ref_`] takes one.
impl kparity::Foreign for bindings::registry_object {
    type Owned = ARef<Object>;
}

/// Makes a Rust registry for C.
///
/// # Safety
///
/// None: any limit is looked at.
unsafe extern "C" fn create(limit: u32) -> *mut bindings::registry {
    match RustRegistry::new(limit) {
        Ok(registry) => lent(&ManuallyDrop::new(registry)),
        Err(e) => e.to_ptr(),
    }
}

/// Releases a Rust registry for C.
///
/// # Safety
///
/// `reg` must come from [`create`], and no one may use it any more.
unsafe extern "C" fn destroy(reg: *mut bindings::registry) {
    // SAFETY: By the safety requirements of this function the registry is valid and given back
    // once.
    drop(ManuallyDrop::into_inner(unsafe { borrow_registry(reg) }));
}

/// Registers for C.
///
/// # Safety
///
/// `reg` must come from [`create`] and not have been destroyed.
unsafe extern "C" fn add(reg: *mut bindings::registry, name: u32, value: u64) -> c_int {
    // SAFETY: By the safety requirements of this function the registry is valid during the call.
    to_c(unsafe { borrow_registry(reg) }.add(name, value))
}

/// Looks up for C, which then owns the reference.
///
/// # Safety
///
/// As for [`add`].
unsafe extern "C" fn get(
    reg: *mut bindings::registry,
    name: u32,
) -> *mut bindings::registry_object {
    // SAFETY: By the safety requirements of this function the registry is valid during the call.
    kparity::into_foreign(unsafe { borrow_registry(reg) }.get(name))
}

/// Takes a further reference for C.
///
/// # Safety
///
/// The caller must hold a reference to `obj` that came from [`get`] or this.
unsafe extern "C" fn ref_(obj: *mut bindings::registry_object) {
    // SAFETY: By the safety requirements of this function the object is held during the call.
    unsafe { borrow(obj) }.inc_ref();
}

/// Unregisters for C.
///
/// # Safety
///
/// As for [`add`].
unsafe extern "C" fn remove(reg: *mut bindings::registry, name: u32) -> c_int {
    // SAFETY: By the safety requirements of this function the registry is valid during the call.
    to_c(unsafe { borrow_registry(reg) }.remove(name))
}

/// Reads for C.
///
/// # Safety
///
/// As for [`ref_`].
unsafe extern "C" fn value(obj: *mut bindings::registry_object) -> u64 {
    // SAFETY: By the safety requirements of this function the object is held during the call.
    unsafe { borrow(obj) }.value()
}

/// Describes a registry for C.
///
/// # Safety
///
/// As for [`add`]; `state` must be valid for writing as well.
unsafe extern "C" fn state(reg: *mut bindings::registry, state: *mut bindings::registry_state) {
    // SAFETY: By the safety requirements of this function the registry is valid during the call,
    // and `state` may be written.
    unsafe { state.write(borrow_registry(reg).state()) };
}

/// Describes an object for C.
///
/// # Safety
///
/// As for [`ref_`]; `info` must be valid for writing as well.
unsafe extern "C" fn info(obj: *mut bindings::registry_object, info: *mut bindings::registry_info) {
    // SAFETY: By the safety requirements of this function the object is held during the call, and
    // `info` may be written.
    unsafe { info.write(borrow(obj).info()) };
}

/// Counts registries for C.
///
/// # Safety
///
/// None.
unsafe extern "C" fn left() -> u32 {
    COUNT.load(Relaxed) as u32
}

/// The Rust implementation's table; declared in the contract.
#[no_mangle]
pub static registry_rust: bindings::registry_ops = bindings::registry_ops {
    create: Some(create),
    destroy: Some(destroy),
    add: Some(add),
    get: Some(get),
    ref_: Some(ref_),
    put: Some(kparity::release),
    remove: Some(remove),
    value: Some(value),
    state: Some(state),
    info: Some(info),
    left: Some(left),
};
declared!(registry_rust: bindings::registry_ops);

// Rust callers of either implementation, for the engine.

/// What the table of operations calls.
trait Api {
    fn add(&self, name: u32, value: u64) -> Result;
    fn get(&self, slot: u64, name: u32) -> Result;
    fn share(&self, slot: u64, to: u64) -> Result;
    fn put(&self, slot: u64) -> Result;
    fn remove(&self, name: u32) -> Result;
    fn value(&self, slot: u64, res: &mut Outcome);
    fn view(&self) -> bindings::registry_view;
}

/// What a program's slot holds.
type Slot<R> = OneThread<Option<ARef<<R as Registry>::Object>>>;

/// A registry, and the references that programs name by slot.
///
/// References outlive the registry here: fields are dropped in the order of this declaration.
struct Caller<R: Registry> {
    registry: R,
    slots: [Slot<R>; bindings::REGISTRY_SLOTS as usize],
}

encodes!(
    empty_slot,
    type,
    "a slot is an Option<ARef>: there is nothing to call where it is None"
);
impl<R: Registry> Caller<R> {
    #[inline]
    fn slot(&self, slot: u64) -> Result<&Slot<R>> {
        self.slots.get(slot as usize).ok_or(EBADF)
    }

    /// Uses what a slot holds.
    #[inline]
    fn with_held<T>(&self, slot: u64, f: impl FnOnce(&ARef<R::Object>) -> T) -> Result<T> {
        self.slot(slot)?
            .with(|held| held.as_ref().map(f))
            .ok_or(EBADF)
    }
}

impl<R: Registry> Api for Caller<R> {
    fn add(&self, name: u32, value: u64) -> Result {
        self.registry.add(name, value)
    }

    fn get(&self, slot: u64, name: u32) -> Result {
        let slot = self.slot(slot)?;
        let object = self.registry.get(name)?;

        slot.with(|held| *held = Some(object));
        Ok(())
    }

    fn share(&self, slot: u64, to: u64) -> Result {
        let to = self.slot(to)?;
        let object = self.with_held(slot, ARef::clone)?;

        to.with(|held| *held = Some(object));
        Ok(())
    }

    fn put(&self, slot: u64) -> Result {
        let object = self.slot(slot)?.with(Option::take).ok_or(EBADF)?;

        drop(object);
        Ok(())
    }

    fn remove(&self, name: u32) -> Result {
        self.registry.remove(name)
    }

    fn value(&self, slot: u64, res: &mut Outcome) {
        let result = self.with_held(slot, |object| res.out = object.value());

        res.set(result);
    }

    fn view(&self) -> bindings::registry_view {
        bindings::registry_view {
            state: self.registry.state(),
            slot: self.slots.each_ref().map(|slot| {
                slot.with(|held| held.as_ref().map(|object| object.info()))
                    .unwrap_or_default()
            }),
        }
    }
}

impl Interface for dyn Api {
    type View = bindings::registry_view;

    const CALLS: &'static [Call<Self>] = &[
        |_, _, res| res.set(Ok(())),
        |caller, arg, res| res.set(caller.add(arg[0] as u32, arg[1])),
        |caller, arg, res| res.set(caller.get(arg[0], arg[1] as u32)),
        |caller, arg, res| res.set(caller.share(arg[0], arg[1])),
        |caller, arg, res| res.set(caller.put(arg[0])),
        |caller, arg, res| res.set(caller.remove(arg[0] as u32)),
        |caller, arg, res| caller.value(arg[0], res),
    ];

    fn view(&self) -> Self::View {
        Api::view(self)
    }
}

impl<R: Registry + 'static> Subject for Caller<R> {
    type Api = dyn Api;

    fn create(param: &Args) -> Result<Self> {
        Ok(Self {
            registry: R::new(param[0] as u32)?,
            slots: core::array::from_fn(|_| {
                // SAFETY: The engine has at most one thread use a slot at a time.
                unsafe { OneThread::new(None) }
            }),
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
const LAYOUT: [bindings::kp_field; 15] = layout!(
    registry_state {
        limit,
        registered,
        names,
        made,
        live,
        blocked
    }
    registry_info {
        serial,
        name,
        refs,
        listed
    }
    registry_view {
        state,
        slot
    }
);

driver!(registry_rust_over_c, Caller<CRegistry>, LAYOUT);
driver!(registry_rust_over_rust, Caller<RustRegistry>, LAYOUT);

// One registry in both languages, for the suite.

/// The C handle of a Rust registry.
fn lent(registry: &RustRegistry) -> *mut bindings::registry {
    Arc::as_ptr(&registry.0).cast_mut().cast()
}

/// Lends the C registry behind a Rust caller to C; declared in the contract.
///
/// # Safety
///
/// `obj` must come from `registry_rust_over_c.create()` and not have been destroyed.
#[no_mangle]
pub unsafe extern "C" fn registry_lend_c(obj: *mut c_void) -> *mut bindings::registry {
    // SAFETY: By the safety requirements of this function.
    unsafe { &*obj.cast::<Caller<CRegistry>>() }.registry.0
}

/// Lends the Rust registry behind a Rust caller to C; declared in the contract.
///
/// # Safety
///
/// `obj` must come from `registry_rust_over_rust.create()` and not have been destroyed.
#[no_mangle]
pub unsafe extern "C" fn registry_lend_rust(obj: *mut c_void) -> *mut bindings::registry {
    // SAFETY: By the safety requirements of this function.
    lent(&unsafe { &*obj.cast::<Caller<RustRegistry>>() }.registry)
}
const _: [unsafe extern "C" fn(*mut c_void) -> *mut bindings::registry; 4] = [
    registry_lend_c,
    bindings::registry_lend_c,
    registry_lend_rust,
    bindings::registry_lend_rust,
];
