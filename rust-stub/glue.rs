// SPDX-License-Identifier: GPL-2.0

//! Conversion of arguments and results between C, the engine and a port, once for each kind.
//!
//! C headers: [`kmod/contract/kparity.h`](../kmod/contract/kparity.h)
//!
//! The root of a generated crate calls these for each parameter that a row of the contract
//! names. Which Rust type an argument becomes follows from the port's own signature.

use super::{
    bindings,
    nothing, //
};
use core::{
    ptr::without_provenance_mut,
    slice, //
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    str::CStr,
    sync::{
        Arc,
        ArcBorrow, //
    },
    types::ForeignOwnable,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
    InPlaceModule, //
};

/// A text as a port takes it.
pub(crate) trait Text<'a> {
    /// Takes in a text of C's.
    ///
    /// # Safety
    ///
    /// `text` must end with a NUL, and be valid and unchanged for as long as `'a` lasts.
    unsafe fn from_c(text: *const c_char) -> Self;

    /// Takes in a text of which the length is known, as a Rust caller knows it.
    ///
    /// # Safety
    ///
    /// The last byte of `text` must be a NUL, and no other one.
    unsafe fn from_bytes(text: &'a [u8]) -> Self;
}

impl<'a> Text<'a> for &'a CStr {
    #[inline]
    unsafe fn from_c(text: *const c_char) -> Self {
        // SAFETY: By the safety requirements of this function.
        unsafe { CStr::from_char_ptr(text) }
    }

    #[inline]
    unsafe fn from_bytes(text: &'a [u8]) -> Self {
        // SAFETY: By the safety requirements of this function.
        unsafe { CStr::from_bytes_with_nul_unchecked(text) }
    }
}

impl<'a> Text<'a> for &'a [u8] {
    #[inline]
    unsafe fn from_c(text: *const c_char) -> Self {
        // SAFETY: By the safety requirements of this function.
        unsafe { CStr::from_char_ptr(text) }.to_bytes()
    }

    #[inline]
    unsafe fn from_bytes(text: &'a [u8]) -> Self {
        text.split_last().map_or(text, |(_, bytes)| bytes)
    }
}

/// Takes in a text of C's, for as long as the first argument lives.
///
/// # Safety
///
/// As for [`Text::from_c`].
#[inline]
pub(crate) unsafe fn text<'a, T: Text<'a>, S>(_: &'a S, text: *const c_char) -> T {
    // SAFETY: By the safety requirements of this function.
    unsafe { T::from_c(text) }
}

/// A text as C takes it.
#[inline]
pub(crate) fn c_text(text: &CStr) -> *const c_char {
    text.as_char_ptr()
}

/// Takes in bytes of C's, for as long as the first argument lives. C may pass a null pointer for
/// none.
///
/// # Safety
///
/// If `size` is not 0, `at` must be valid for `size` bytes that do not change meanwhile.
#[inline]
pub(crate) unsafe fn bytes<S>(_: &S, at: *const u8, size: usize) -> &[u8] {
    if size == 0 {
        return &[];
    }
    // SAFETY: By the safety requirements of this function.
    unsafe { slice::from_raw_parts(at, size) }
}

/// Takes in a structure of C's, for as long as the first argument lives.
///
/// # Safety
///
/// `at` must be valid, and what it points to must not change meanwhile.
#[inline]
pub(crate) unsafe fn structure<S, T>(_: &S, at: *const T) -> &T {
    // SAFETY: By the safety requirements of this function.
    unsafe { &*at }
}

/// Takes in bytes of C's that may be written, for as long as the first argument lives. C may pass
/// a null pointer for none.
///
/// # Safety
///
/// If `size` is not 0, `at` must be valid for `size` initialised bytes that no one else uses
/// meanwhile.
#[inline]
#[allow(clippy::mut_from_ref)] // The bytes are C's, not what the time is measured by.
pub(crate) unsafe fn buffer<S>(_: &S, at: *mut u8, size: usize) -> &mut [u8] {
    if size == 0 {
        return &mut [];
    }
    // SAFETY: By the safety requirements of this function.
    unsafe { slice::from_raw_parts_mut(at, size) }
}

/// User memory that a caller has named, to be read or written once: it cannot be cloned, and every
/// use of it uses it up. Its address may be anything.
pub(crate) struct UserMemory {
    ptr: UserPtr,
    len: usize,
}

impl UserMemory {
    /// The `len` bytes at `ptr`.
    #[inline]
    pub(crate) fn new(ptr: UserPtr, len: usize) -> Self {
        Self { ptr, len }
    }

    /// How many bytes there are said to be.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Makes it the form that the kernel's functions read and write.
    #[inline]
    pub(crate) fn into_slice(self) -> UserSlice {
        UserSlice::new(self.ptr, self.len)
    }

    /// Makes it the form that C takes. Callers of C alone have the key: whoever has the address can
    /// read there as often as it likes.
    #[inline]
    pub(crate) fn into_parts(self, _: super::c::Key) -> (UserPtr, usize) {
        (self.ptr, self.len)
    }
}

/// Takes in user memory.
#[inline]
pub(crate) fn user(at: *mut c_void, size: usize) -> UserMemory {
    UserMemory::new(UserPtr::from_ptr(at), size)
}

/// An integer as it stands in an argument or result of the engine's.
pub(crate) trait Number: Copy {
    /// Takes it from an argument.
    fn of(number: u64) -> Self;
    /// Makes it a result.
    fn into_result(self) -> i64;
}

macro_rules! number {
    ($($type:ty)*, $into:expr) => {
        $(impl Number for $type {
            #[inline]
            fn of(number: u64) -> Self {
                number as Self
            }

            #[inline]
            fn into_result(self) -> i64 {
                $into(self)
            }
        })*
    };
}
number!(u8 u16 u32 i8 i16 i32, i64::from);
number!(u64 usize isize, |value| value as i64);
number!(i64, core::convert::identity);

impl Number for bool {
    #[inline]
    fn of(number: u64) -> Self {
        number != 0
    }

    #[inline]
    fn into_result(self) -> i64 {
        i64::from(self)
    }
}

/// A number as a result.
#[inline]
pub(crate) fn number<T: Number>(value: T) -> i64 {
    value.into_result()
}

/// Result of a C function that gives 0 or a negative errno.
#[inline]
pub(crate) fn succeeded(ret: c_int) -> Result {
    match ret {
        0 => Ok(()),
        _ => Err(errno(ret.into())),
    }
}

/// Result of a C function that gives a value or a negative errno.
#[inline]
pub(crate) fn checked<T: Number>(ret: T) -> Result<T> {
    let value = ret.into_result();

    if value < 0 {
        Err(errno(value))
    } else {
        Ok(ret)
    }
}

/// The same of one that returns an int for a value of the contract's smaller or unsigned type.
#[inline]
pub(crate) fn narrowed<T: Number>(ret: c_int) -> Result<T> {
    if ret < 0 {
        Err(errno(ret.into()))
    } else {
        Ok(T::of(ret as u64))
    }
}

/// A negative errno. What from_err_ptr() does is inlined, where to_result() is a call.
#[inline]
fn errno(value: i64) -> Error {
    match from_err_ptr(without_provenance_mut::<c_void>(value as usize)) {
        Err(e) => e,
        Ok(_) => no_errno(value as c_int),
    }
}

/// The error for what is no errno: the kernel tells of it if it is negative.
#[cold]
#[inline(never)]
fn no_errno(value: c_int) -> Error {
    to_result(value).err().unwrap_or(EINVAL)
}

/// A result as two words, each in a register where it is returned: rustc returns a `Result<u64>`
/// through memory. No word is larger than a register. Where there is an error, nobody looks at the
/// value.
pub(crate) type Words<T> = (Option<Error>, T);

/// The result that two words are.
#[inline]
pub(crate) fn result_of<T>((error, value): Words<T>) -> Result<T> {
    match error {
        None => Ok(value),
        Some(e) => Err(e),
    }
}

/// A handle or an error as two words, as [`Words`]. Where there is a handle, nobody looks at the
/// error.
pub(crate) type HandleWords<H> = (Option<H>, Error);

/// The handle or error that two words are.
#[inline]
pub(crate) fn handle_of<H: Handle>((handle, error): HandleWords<H>) -> Result<H> {
    handle.ok_or(error)
}

/// A place in an argument, as the engine compares it.
#[inline]
pub(crate) fn place(at: Option<usize>) -> i64 {
    at.map_or(-1, |at| at as i64)
}

/// A pointer into an argument as an offset from where that begins; none for a null pointer.
#[inline]
pub(crate) fn offset(at: *const u8, base: *const u8) -> Option<usize> {
    (!at.is_null()).then(|| at.addr().wrapping_sub(base.addr()))
}

/// An offset into an argument as a pointer; null for none.
#[inline]
pub(crate) fn pointer(at: Option<usize>, base: *const u8) -> *mut u8 {
    at.map_or(core::ptr::null_mut(), |at| base.wrapping_add(at).cast_mut())
}

/// Makes C or the engine the owner of an object, or gives the errno as C does: as an `ERR_PTR()`.
#[inline]
pub(crate) fn owned<T: 'static, I: PinInit<T>, F>(made: Result<I>) -> *mut F {
    match made.and_then(|object| KBox::pin_init(object, GFP_KERNEL)) {
        Ok(object) => object.into_foreign().cast(),
        Err(e) => e.to_ptr(),
    }
}

/// Nothing but a type, to be found in debug information.
pub(crate) struct Pointed<T>(u8, core::marker::PhantomData<fn() -> T>);

impl<T> Pointed<T> {
    /// It has a byte, so that it has a place.
    pub(crate) const fn new() -> Self {
        Self(0, core::marker::PhantomData)
    }
}

/// Borrows an object that C or the engine owns.
///
/// # Safety
///
/// `object` must come from [`owned`] of the same type, and its owner must keep it for as long as
/// `'a` lasts.
#[inline]
pub(crate) unsafe fn borrowed<'a, T, F>(object: *mut F) -> &'a T {
    // SAFETY: By the safety requirements of this function.
    unsafe { &*object.cast() }
}

/// Releases an object that C or the engine owned.
///
/// # Safety
///
/// `object` must come from [`owned`] of the same type; it is gone afterwards.
#[inline]
pub(crate) unsafe fn released<T: 'static, F>(object: *mut F) {
    // SAFETY: By the safety requirements of this function.
    drop(unsafe { Pin::<KBox<T>>::from_foreign(object.cast()) });
}

/// Makes the port's state while its module is loaded, or gives the errno as an `ERR_PTR()`.
/// [`unloaded`] drops it.
pub(crate) fn loaded<M: InPlaceModule + 'static>(module: &'static ThisModule) -> *mut c_void {
    match KBox::pin_init(M::init(module), GFP_KERNEL) {
        Ok(kept) => kept.into_foreign(),
        Err(e) => e.to_ptr(),
    }
}

/// Drops the state that the port kept while its module was loaded.
///
/// # Safety
///
/// `kept` must come from [`loaded`] of the same type; it is gone afterwards.
pub(crate) unsafe fn unloaded<M: InPlaceModule + 'static>(kept: *mut c_void) {
    // SAFETY: By the safety requirements of this function.
    drop(unsafe { Pin::<KBox<M>>::from_foreign(kept) });
}

/// A handle that operations of an object hand out, as its holder has it: dropped to give it back.
/// Any thread may use it, and several at once.
pub(crate) trait Handle: ForeignOwnable + Send + Sync + 'static {
    /// Lends the thing that it refers to, for as long as it is held.
    fn lend(&self) -> Lent<'_, Self>;
}

/// The thing that a handle refers to, lent by its holder.
pub(crate) type Lent<'a, H> = <H as ForeignOwnable>::Borrowed<'a>;

#[cfg(not(kparity_no_foreign_aref))]
impl<T> Handle for kernel::sync::aref::ARef<T>
where
    T: kernel::sync::aref::AlwaysRefCounted + Send + Sync + 'static,
{
    fn lend(&self) -> &T {
        self
    }
}

impl<T: Send + Sync + 'static> Handle for KBox<T> {
    fn lend(&self) -> &T {
        self
    }
}

impl<T: Send + Sync + 'static> Handle for Arc<T> {
    fn lend(&self) -> ArcBorrow<'_, T> {
        self.as_arc_borrow()
    }
}

/// Makes C or the engine the holder of a handle.
#[inline]
pub(crate) fn given<H: Handle, F>(handle: H) -> *mut F {
    handle.into_foreign().cast()
}

/// Makes C or the engine the holder of a new handle, or gives the errno as an `ERR_PTR()`.
#[inline]
pub(crate) fn handed<H: Handle, F>(made: Result<H>) -> *mut F {
    match made {
        Ok(handle) => given(handle),
        Err(e) => e.to_ptr(),
    }
}

/// Stores a new handle where `to` points, as the engine wants it.
///
/// # Safety
///
/// `to` must be valid for writing a pointer.
#[inline]
pub(crate) unsafe fn made<H: Handle>(made: Result<H>, to: *mut *mut c_void) -> i64 {
    match made {
        Ok(handle) => {
            // SAFETY: By the safety requirements of this function.
            unsafe { to.write(given(handle)) };
            0
        }
        Err(e) => i64::from(e.to_errno()),
    }
}

/// Borrows the thing behind a handle that C or the engine holds.
///
/// # Safety
///
/// `handle` must be a handle of the same type, and be held for as long as `'a` lasts.
#[inline]
pub(crate) unsafe fn lent<'a, H: Handle, F>(handle: *mut F) -> Lent<'a, H> {
    // SAFETY: By the safety requirements of this function.
    unsafe { H::borrow(handle.cast()) }
}

/// Takes a handle over from who held it.
///
/// # Safety
///
/// `handle` must be a handle of the same type; who held it does not any more.
#[inline]
pub(crate) unsafe fn taken<H: Handle, F>(handle: *mut F) -> H {
    // SAFETY: By the safety requirements of this function.
    unsafe { H::from_foreign(handle.cast()) }
}

/// Takes a new handle over, or the errno of an `ERR_PTR()`.
///
/// # Safety
///
/// As for [`taken`] if `made` is no error.
#[inline]
pub(crate) unsafe fn found<H: Handle, F>(made: *mut F) -> Result<H> {
    let handle = from_err_ptr(made)?;

    // SAFETY: By the safety requirements of this function, as it is no error.
    unsafe { H::try_from_foreign(handle.cast()) }.ok_or(EFAULT)
}

/// Takes an object back that C owned.
///
/// # Safety
///
/// As for [`released`].
#[inline]
pub(crate) unsafe fn reclaimed<T: Unpin + 'static, F>(object: *mut F) -> T {
    // SAFETY: By the safety requirements of this function.
    let object = unsafe { Pin::<KBox<T>>::from_foreign(object.cast()) };

    KBox::into_inner(Pin::into_inner(object))
}

/// A callback and its data, which is dropped when the callback is not called any more.
pub(crate) trait Task: Send + Sync + 'static {
    /// The callback; the contract says where it runs.
    fn run(&self);
}

/// A function that C hands over, or is handed: it is called with the data of its callback.
///
/// # Safety
///
/// It is called with that data alone, and while that lives.
pub(crate) type Run = Option<unsafe extern "C" fn(data: *mut c_void)>;

/// A callback of C's: a function, the one to call at the end, and the data of both.
///
/// # Invariants
///
/// Both may be called with the data, from any task; the second one once, and neither afterwards.
pub(crate) struct Callback {
    run: Run,
    release: Run,
    data: *mut c_void,
}

// SAFETY: By the type invariant.
unsafe impl Send for Callback {}
// SAFETY: By the type invariant.
unsafe impl Sync for Callback {}

impl Callback {
    /// Takes it over.
    ///
    /// # Safety
    ///
    /// `run` and `release` must be safe to call with `data`, from any task and `run` from several
    /// at once, until `release` has been called; that is done once, and by this type.
    pub(crate) unsafe fn new(run: Run, release: Run, data: *mut c_void) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self { run, release, data }
    }
}

impl Task for Callback {
    #[inline]
    fn run(&self) {
        if let Some(run) = self.run {
            // SAFETY: By the type invariant; `release` is called by drop alone.
            unsafe { run(self.data) };
        }
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: By the type invariant; a drop happens once, and nothing runs any more.
            unsafe { release(self.data) };
        }
    }
}

/// A task that C is handed, while it is not known whether C has taken it over.
pub(crate) struct Handed<T: Task>(Arc<T>);

/// A task as C takes it: what to call, what to call at the end, and the data of both. C must call
/// the second one once, and neither afterwards.
pub(crate) fn callback<T: Task>(task: T) -> Result<(Run, Run, *mut c_void, Handed<T>)> {
    /// # Safety
    ///
    /// `data` must be of a task of this type that has not been released.
    unsafe extern "C" fn run<T: Task>(data: *mut c_void) {
        // SAFETY: By the safety requirements of this function.
        unsafe { &*data.cast::<T>() }.run();
    }

    /// # Safety
    ///
    /// As for `run`, which is not called afterwards.
    unsafe extern "C" fn release<T: Task>(data: *mut c_void) {
        // SAFETY: By the safety requirements of this function.
        drop(unsafe { Arc::from_raw(data.cast::<T>()) });
    }

    let task = Arc::new(task, GFP_KERNEL)?;
    let data = Arc::into_raw(task.clone()).cast_mut().cast();
    Ok((Some(run::<T>), Some(release::<T>), data, Handed(task)))
}

impl<T: Task> Handed<T> {
    /// Drops the task if C has failed and not released it. There is no one else then to do so: the
    /// port releases what it is given whether it fails or not.
    ///
    /// # Safety
    ///
    /// The call that was given the task must have failed, so that C has no use for it.
    pub(crate) unsafe fn refused(self) {
        let task = Arc::as_ptr(&self.0);

        if Arc::into_unique_or_drop(self.0).is_none() {
            // SAFETY: The other reference is C's, which has not given it back, and by the safety
            // requirements of this function will not.
            drop(unsafe { Arc::from_raw(task) });
        }
    }
}

/// The arguments of one call, laid out by the engine.
///
/// # Invariants
///
/// The pointer is to the engine's `KP_NR_ARGS` slots, which stay as they are during the call, and
/// a slot's memory is of the size that the contract's row says.
pub(crate) struct Slots(*const bindings::kp_slot);

impl Slots {
    /// Takes them over for one call.
    ///
    /// # Safety
    ///
    /// `slot` must be the engine's slots for the operation, or the object's creation, during its
    /// call.
    #[inline]
    pub(crate) unsafe fn new(slot: *const bindings::kp_slot) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self(slot)
    }

    #[inline]
    fn get(&self, at: usize) -> &bindings::kp_slot {
        assert!(at < bindings::KP_NR_ARGS as usize);
        // SAFETY: By the type invariant, as `at` is one of them.
        unsafe { &*self.0.add(at) }
    }

    /// A number.
    #[inline]
    pub(crate) fn number<T: Number>(&self, at: usize) -> T {
        T::of(self.get(at).n)
    }

    /// A text.
    ///
    /// # Safety
    ///
    /// The slot must be of a text.
    #[inline]
    pub(crate) unsafe fn text<'a, T: Text<'a>>(&'a self, at: usize) -> T {
        let len = self.len(at).wrapping_add(1);

        // SAFETY: By the type invariant there are that many bytes and a NUL, and by the safety
        // requirements of this function they stay.
        unsafe { T::from_bytes(slice::from_raw_parts(self.bytes(at), len)) }
    }

    /// Where bytes are.
    #[inline]
    pub(crate) fn bytes<T>(&self, at: usize) -> *mut T {
        self.get(at).p.cast()
    }

    /// How many bytes there are.
    #[inline]
    pub(crate) fn len(&self, at: usize) -> usize {
        self.get(at).n as usize
    }

    /// User memory.
    #[inline]
    pub(crate) fn user(&self, at: usize) -> UserMemory {
        user(self.bytes(at), self.len(at))
    }

    /// Stores a number where C is to find it.
    ///
    /// # Safety
    ///
    /// The slot must be of a number of type `T`.
    #[inline]
    pub(crate) unsafe fn store<T: Number>(&self, at: usize, value: T) {
        // SAFETY: By the type invariant and the safety requirements of this function.
        unsafe { self.bytes::<T>(at).write(value) };
    }

    /// A number that the operation may change.
    ///
    /// # Safety
    ///
    /// The slot must be of a number of type `T`, and no other reference to it may be in use.
    #[inline]
    #[allow(clippy::mut_from_ref)] // The engine's memory is not this struct's.
    pub(crate) unsafe fn number_at<T: Number>(&self, at: usize) -> &mut T {
        // SAFETY: By the type invariant and the safety requirements of this function.
        unsafe { &mut *self.get(at).p.cast() }
    }
}

/// The no-op of a Rust caller of the port.
///
/// # Safety
///
/// `res` must be valid for writing.
pub(crate) unsafe extern "C" fn nothing_over_rust(
    obj: *mut c_void,
    _: *const bindings::kp_slot,
    res: *mut bindings::kp_result,
) {
    // SAFETY: By the safety requirements of this function; what is called has none.
    unsafe {
        nothing(obj);
        (*res).ret = 0;
    }
}

/// The no-op of a Rust caller of C.
///
/// # Safety
///
/// `res` must be valid for writing.
pub(crate) unsafe extern "C" fn nothing_over_c(
    obj: *mut c_void,
    _: *const bindings::kp_slot,
    res: *mut bindings::kp_result,
) {
    // SAFETY: By the safety requirements of this function; what is called takes any pointer.
    unsafe {
        bindings::kp_nothing(obj);
        (*res).ret = 0;
    }
}
