// SPDX-License-Identifier: GPL-2.0

//! What the Rust side of every pair shares: the driver that carries out a program.
//!
//! C headers: [`kmod/contract/kparity.h`](../kmod/contract/kparity.h)
//!
//! A pair describes how to call its safe API with an [`Interface`], and how to make an object of
//! either implementation with a [`Subject`]; `driver!` turns that into the table that the engine
//! calls. The driver here is the twin of `kp_c_run()` in `kmod/engine/trace.c`: one opaque call an
//! operation, measured in the same way.
//!
//! In the other direction, C owns an object of the Rust implementation through a [`Foreign`] type.

use super::bindings;
use core::{
    cell::UnsafeCell,
    hint::black_box,
    slice, //
};
use kernel::{
    error::to_result,
    prelude::*,
    types::ForeignOwnable, //
};

/// Arguments of an operation, or of an object's creation.
pub(crate) type Args = [u64; bindings::KP_NR_ARGS as usize];

/// What one operation gave: its return value and its output, if it wrote one.
///
/// The same type as C's, so that recording a result costs both languages the same.
pub(crate) type Outcome = bindings::kp_result;

/// One row of a pair's table of operations: calls the pair's safe API.
pub(crate) type Call<A> = fn(&A, &Args, &mut Outcome);

impl Outcome {
    /// Records success or the errno.
    #[inline]
    pub(crate) fn set(&mut self, result: Result) {
        self.ret = match result {
            Ok(()) => 0,
            Err(e) => i64::from(e.to_errno()),
        };
    }

    /// Records a value as the output, or the errno that C has for there being none.
    #[inline]
    pub(crate) fn set_out(&mut self, value: Option<u64>, none: Error) {
        match value {
            Some(value) => {
                self.out = value;
                self.ret = 0;
            }
            None => self.ret = i64::from(none.to_errno()),
        }
    }

    /// Records a value as the return value, or the errno.
    #[inline]
    pub(crate) fn set_ret(&mut self, result: Result<u32>) {
        self.ret = match result {
            Ok(value) => i64::from(value),
            Err(e) => i64::from(e.to_errno()),
        };
    }
}

/// 0 or a negative errno, as C returns them.
#[inline]
pub(crate) fn to_c(result: Result) -> c_int {
    result.map_or_else(Error::to_errno, |()| 0)
}

/// A value or a negative errno, as C returns them. The value must fit a positive `int`.
#[inline]
pub(crate) fn value_to_c(result: Result<u32>) -> c_int {
    result.map_or_else(Error::to_errno, |value| value as c_int)
}

/// What a C function gave that returns a value or a negative errno.
#[inline]
pub(crate) fn value_from_c(ret: c_int) -> Result<u32> {
    to_result(ret)?;
    Ok(ret as u32)
}

/// What a C function writes where it is pointed to.
#[inline]
pub(crate) fn filled<T: Default>(fill: impl FnOnce(&mut T)) -> T {
    let mut value = T::default();

    fill(&mut value);
    value
}

/// An opaque type of the contract, a pointer to which is how C owns an object of Rust's.
pub(crate) trait Foreign: Sized {
    /// What such a pointer owns.
    type Owned: ForeignOwnable + 'static;
}

/// Makes C the owner of an object, or gives the errno as C does: as an `ERR_PTR()`.
#[inline]
pub(crate) fn into_foreign<F: Foreign>(made: Result<F::Owned>) -> *mut F {
    match made {
        Ok(owned) => owned.into_foreign().cast(),
        Err(e) => e.to_ptr(),
    }
}

/// Borrows an object that C owns.
///
/// # Safety
///
/// `foreign` must come from [`into_foreign`], and C must own the object for as long as `'a` lasts.
#[inline]
pub(crate) unsafe fn borrow<'a, F: Foreign>(
    foreign: *mut F,
) -> <F::Owned as ForeignOwnable>::Borrowed<'a> {
    // SAFETY: By the safety requirements of this function.
    unsafe { F::Owned::borrow(foreign.cast()) }
}

/// Takes an object back that C owned.
///
/// # Safety
///
/// `foreign` must come from [`into_foreign`], and C must still own the object; afterwards it does
/// not.
#[inline]
pub(crate) unsafe fn from_foreign<F: Foreign>(foreign: *mut F) -> F::Owned {
    // SAFETY: By the safety requirements of this function.
    unsafe { F::Owned::from_foreign(foreign.cast()) }
}

/// Releases an object that C owned, for C.
///
/// # Safety
///
/// As for [`from_foreign`].
pub(crate) unsafe extern "C" fn release<F: Foreign>(foreign: *mut F) {
    // SAFETY: By the safety requirements of this function.
    drop(unsafe { from_foreign(foreign) });
}

/// A pair's safe API as programs use it: a trait object, which the compiler cannot see through, as
/// C's operations go through a table of function pointers.
pub(crate) trait Interface: 'static {
    /// The pair's view, in the contract's layout.
    type View;

    /// The operations, in the order of the contract's enum.
    const CALLS: &'static [Call<Self>];

    /// The object's state.
    fn view(&self) -> Self::View;
}

/// An object of a pair as a Rust caller holds it, over one of the implementations.
pub(crate) trait Subject: Sized {
    /// The pair's interface.
    type Api: Interface + ?Sized;

    /// Makes an object from a program's parameters.
    fn create(param: &Args) -> Result<Self>;

    /// The object's interface.
    fn api(&self) -> &Self::Api;
}

/// Something that the engine's rules keep to one thread at a time.
///
/// A pair whose operations are split between threads (a producer and a consumer, say) keeps each
/// half in one of these, so that a shared object can hand out the mutable half.
pub(crate) struct OneThread<T>(UnsafeCell<T>);

// SAFETY: `new` has been promised that no two threads use the value at the same time.
unsafe impl<T: Send> Sync for OneThread<T> {}

impl<T> OneThread<T> {
    /// Wraps a value.
    ///
    /// # Safety
    ///
    /// No two threads may be inside [`OneThread::with`] of the same value at the same time.
    pub(crate) unsafe fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Uses the value.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: By the promise given to `new` no other thread is in here; and this thread is
        // not either, as `f` cannot reach `self` through its argument.
        f(unsafe { &mut *self.0.get() })
    }
}

/// Carries out a program and reports every result.
fn run<S: Subject>(subject: &S, prog: &bindings::kp_program, trace: *mut bindings::kp_trace) {
    // The compiler must not learn which implementation this is: see `Interface`.
    let api = black_box(subject.api());

    // SAFETY: The engine's program has `nr_steps` elements at `step`, unchanged while it runs.
    let steps = unsafe { slice::from_raw_parts(prog.step, prog.nr_steps as usize) };

    if prog.observe {
        let view = api.view();

        // SAFETY: `trace` is the engine's, and takes a view of this pair's size.
        unsafe { bindings::kp_trace_begin(trace, (&raw const view).cast()) };
    }
    for (i, step) in (0u32..).zip(steps) {
        let mut res = Outcome {
            ret: 0,
            out: bindings::KP_POISON,
        };
        let Some(call) = S::Api::CALLS.get(step.op as usize) else {
            return;
        };

        // SAFETY: No preconditions.
        let start = unsafe { bindings::kp_clock() };
        call(api, &step.arg, &mut res);
        // SAFETY: No preconditions.
        let cost = unsafe { bindings::kp_clock() }.wrapping_sub(start);

        let view = prog.observe.then(|| api.view());
        let view = view
            .as_ref()
            .map_or(core::ptr::null(), |v| (&raw const *v).cast());
        // SAFETY: `trace` is the engine's, `i` counts up from 0, and `view` is null or a view of
        // this pair.
        unsafe { bindings::kp_trace_step(trace, i, &res, cost, view) };
    }
}

/// `create` of a [`bindings::kp_driver`].
///
/// # Safety
///
/// `param` must point to `KP_NR_ARGS` values.
pub(crate) unsafe extern "C" fn create<S: Subject>(param: *const u64) -> *mut c_void {
    // SAFETY: By the safety requirements of this function.
    let param = unsafe { &*param.cast::<Args>() };

    match S::create(param).and_then(|s| Ok(KBox::new(s, GFP_KERNEL)?)) {
        Ok(subject) => KBox::into_raw(subject).cast(),
        Err(e) => e.to_ptr(),
    }
}

/// `run` of a [`bindings::kp_driver`].
///
/// # Safety
///
/// `obj` must come from [`create`] of the same subject and not have been destroyed; `prog` must be
/// a valid program and `trace` the engine's trace for it.
pub(crate) unsafe extern "C" fn run_raw<S: Subject>(
    obj: *mut c_void,
    prog: *const bindings::kp_program,
    trace: *mut bindings::kp_trace,
) {
    // SAFETY: By the safety requirements of this function.
    run(unsafe { &*obj.cast::<S>() }, unsafe { &*prog }, trace);
}

/// `destroy` of a [`bindings::kp_driver`].
///
/// # Safety
///
/// `obj` must come from [`create`] of the same subject; it is gone afterwards.
pub(crate) unsafe extern "C" fn destroy<S: Subject>(obj: *mut c_void) {
    // SAFETY: `create` made it with `KBox::into_raw`, and by the safety requirements of this
    // function it is given back once.
    drop(unsafe { KBox::from_raw(obj.cast::<S>()) });
}

/// The engine's form of a layout.
pub(crate) const fn layout_of(fields: &'static [bindings::kp_field]) -> bindings::kp_layout {
    bindings::kp_layout {
        nr: fields.len() as u32,
        field: fields.as_ptr(),
    }
}

// SAFETY: The pointers in a driver are to functions and to constants.
unsafe impl Sync for bindings::kp_driver {}

/// The bytes of a text, as an array.
pub(crate) const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let mut array = [0; N];
    let mut i = 0;

    while i < N {
        array[i] = text.as_bytes()[i];
        i += 1;
    }
    array
}

/// Takes in a pair's contract, as bindgen translated it, as the module `bindings`.
macro_rules! contract {
    ($pair:literal) => {
        /// The contract, translated by bindgen.
        #[allow(dead_code, missing_docs, non_camel_case_types, non_upper_case_globals)]
        #[allow(clippy::all, clippy::undocumented_unsafe_blocks, unreachable_pub)]
        mod bindings {
            use kernel::ffi;
            include!(concat!(
                env!("KPARITY_BINDINGS"),
                "/",
                $pair,
                "_bindings.rs"
            ));
        }
    };
}

/// Defines what a crate with `module!` has: the prefix of `pr_info!` and its like, and `THIS_MODULE`.
#[allow(unused_macros)] // Roots that are generated use it.
macro_rules! module_names {
    ($pair:literal) => {
        /// Comes before each line that the pair prints.
        #[allow(dead_code)]
        const __LOG_PREFIX: &[u8] = concat!("kparity_", $pair, "\0").as_bytes();

        /// The pair's module.
        #[allow(dead_code)]
        static THIS_MODULE: ::kernel::ThisModule = {
            #[allow(improper_ctypes)] // Opaque to this side, and never read by it.
            extern "C" {
                static __this_module: ::kernel::types::Opaque<::kernel::bindings::module>;
            }

            // SAFETY: modpost makes `__this_module`, which is there while the module is.
            unsafe { ::kernel::ThisModule::from_ptr(__this_module.get()) }
        };
    };
}

/// Ties the type of what a port keeps while its module is loaded to that module, as `module!`
/// does.
#[allow(unused_macros)] // Roots that are generated use it.
macro_rules! module_type {
    ($pair:literal, $type:ty) => {
        impl ::kernel::ModuleMetadata for $type {
            const NAME: &'static ::kernel::str::CStr = ::kernel::c_str!(concat!("kparity_", $pair));
            const THIS_MODULE: ::kernel::ThisModule = {
                #[allow(improper_ctypes)] // Opaque to this side, and never read by it.
                extern "C" {
                    static __this_module: ::kernel::types::Opaque<::kernel::bindings::module>;
                }

                // SAFETY: modpost makes `__this_module`, which is there while the module is.
                unsafe { ::kernel::ThisModule::from_ptr(__this_module.get()) }
            };
        }
    };
}

/// Checks at compile time that the contract declares a static with this very type.
macro_rules! declared {
    ($name:ident: $type:ty) => {
        const _: fn() -> *const $type = || &raw const bindings::$name;
    };
}

/// Defines the engine's table for Rust callers over one implementation.
///
/// The static must be declared in the pair's contract; its type is checked against that here.
macro_rules! driver {
    ($name:ident, $subject:ty, $layout:expr) => {
        /// Rust callers over one implementation; declared in the contract.
        #[no_mangle]
        pub static $name: bindings::kp_driver = bindings::kp_driver {
            create: Some(kparity::create::<$subject>),
            run: Some(kparity::run_raw::<$subject>),
            destroy: Some(kparity::destroy::<$subject>),
            layout: kparity::layout_of(&$layout),
            view: None,
            call: ::core::ptr::null(),
            show: None,
            put: None,
        };
        declared!($name: bindings::kp_driver);
    };
}

/// The size of each type and the offset of each member, in the order of the contract.
macro_rules! layout {
    ($($type:ident { $($member:ident),* $(,)? })*) => {
        [$(
            bindings::kp_field {
                name: concat!("struct ", stringify!($type), "\0").as_ptr(),
                at: ::core::mem::size_of::<bindings::$type>() as u32,
            },
            $(bindings::kp_field {
                name: concat!("struct ", stringify!($type), ".", stringify!($member), "\0").as_ptr(),
                at: ::core::mem::offset_of!(bindings::$type, $member) as u32,
            },)*
        )*]
    };
}

/// Says which invariant of the contract the next item encodes, and how.
///
/// `how` is `type` (misuse does not compile; a test in `tests/compile-fail` proves it), `checked`
/// (an error is returned, or it is asserted) or `unsafe` (a `# Safety` precondition). The record
/// goes where the contract's own records are, for `make contract` to read.
macro_rules! encodes {
    ($id:ident, $how:ident, $text:literal) => {
        const _: () = {
            const TEXT: &str = concat!(
                "rust=",
                stringify!($id),
                "\x1f",
                stringify!($how),
                "\x1f",
                $text,
                "\x1f",
                file!(),
                ":",
                line!(),
                "\0"
            );
            #[used]
            #[link_section = ".kparity"]
            static RECORD: [u8; TEXT.len()] = kparity::bytes(TEXT);
        };
    };
}
