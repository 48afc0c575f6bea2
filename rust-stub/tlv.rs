// SPDX-License-Identifier: GPL-2.0

//! tlv in Rust: a table of attributes that user memory sets and gets, as netlink's are.
//!
//! C header: [`kmod/contract/tlv.h`](../kmod/contract/tlv.h)
//!
//! Setting goes through four types, each made from the one before: a [`Span`] of user memory is
//! used up by reading it into a [`Message`], which is used up by parsing it into [`Attrs`], which
//! are used up by committing them. What has not been read cannot be parsed, what has not been
//! parsed to its end cannot be committed, and nothing can be read twice.

#[allow(dead_code)] // What one pair has no use for, another one does.
#[macro_use]
#[path = "kparity.rs"]
mod kparity;

contract!("tlv");

use core::mem::size_of;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    new_mutex,
    prelude::*,
    sync::Mutex,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
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

/// Attributes have the types below this.
const TYPES: usize = bindings::TLV_TYPES as usize;

/// The longest payload a table can be made for.
const PAYLOAD_MAX: usize = bindings::TLV_PAYLOAD_MAX as usize;

/// Bytes of an attribute's header.
const HEADER: usize = size_of::<bindings::tlv_attr>();

// SAFETY: Two integers without a gap between them; any bytes are a value.
unsafe impl FromBytes for bindings::tlv_attr {}
// SAFETY: Two integers without a gap between them; no byte is uninitialized.
unsafe impl AsBytes for bindings::tlv_attr {}

/// The length of an attribute together with its padding.
#[inline]
const fn padded(len: usize) -> usize {
    const MASK: usize = bindings::TLV_ALIGN as usize - 1;

    (len + MASK) & !MASK
}

encodes!(
    read_once,
    type,
    "a Span is not Clone and reading consumes it: the same bytes cannot be read again"
);
encodes!(
    set_unmapped,
    type,
    "a UserPtr cannot be dereferenced: there is no way to the bytes but one that gives EFAULT"
);
encodes!(
    faults_in,
    checked,
    "UserSlice copies with the functions that may sleep"
);
/// A piece of user memory, to be read or written once.
pub(crate) struct Span {
    ptr: UserPtr,
    len: u32,
}

impl Span {
    /// The `len` bytes at `ptr`, which may be anything.
    #[inline]
    pub(crate) fn new(ptr: UserPtr, len: u32) -> Self {
        Self { ptr, len }
    }

    #[inline]
    fn slice(self) -> UserSlice {
        UserSlice::new(self.ptr, self.len as usize)
    }

    /// Writes bytes to the start; `EMSGSIZE` when they are too many.
    #[inline]
    fn write(self, bytes: &[u8]) -> Result {
        if bytes.len() > self.len as usize {
            return Err(EMSGSIZE);
        }
        self.slice().writer().write_slice(bytes)
    }
}

/// Where a message is read to.
pub(crate) type Room = [u8; bindings::TLV_MSG_MAX as usize];

/// Where the last attribute of each type is noted.
pub(crate) type Found<'m> = [Option<&'m [u8]>; TYPES];

/// A message in kernel memory, out of user space's reach; not looked at yet.
pub(crate) struct Message<'m>(&'m [u8]);

encodes!(
    set_big,
    checked,
    "read compares the length with the room before it reads"
);
impl<'m> Message<'m> {
    /// Reads a message; `EMSGSIZE` when it is too long, `EFAULT` when a byte cannot be read.
    #[inline]
    pub(crate) fn read(from: Span, room: &'m mut Room) -> Result<Self> {
        let bytes = room.get_mut(..from.len as usize).ok_or(EMSGSIZE)?;

        from.slice().reader().read_slice(bytes)?;
        Ok(Self(bytes))
    }
}

encodes!(
    all_or_nothing,
    type,
    "commit takes Attrs, which only a message that was parsed to its end gives"
);
encodes!(
    copied,
    type,
    "Attrs borrow the message and cannot outlive it: the table has to copy"
);
/// The attributes of a whole, valid message, to be committed once.
pub(crate) struct Attrs<'f, 'm> {
    table: &'f RustTable,
    found: &'f Found<'m>,
}

encodes!(
    set_valid,
    checked,
    "parse fails at an attribute or not at all"
);
encodes!(
    set_range,
    checked,
    "parse returns Err(ERANGE) for a payload beyond the limit"
);
encodes!(
    set_cut,
    checked,
    "split and get give None beyond the message, which becomes EINVAL"
);
encodes!(
    set_unknown,
    checked,
    "the type indexes found; None becomes EOPNOTSUPP"
);
impl<'f, 'm> Attrs<'f, 'm> {
    /// Parses a message for a table. What is found stays where the caller has room for it.
    #[inline]
    pub(crate) fn parse(
        table: &'f RustTable,
        message: Message<'m>,
        found: &'f mut Found<'m>,
    ) -> Result<Self> {
        let mut rest = message.0;

        while !rest.is_empty() {
            let (header, body) = bindings::tlv_attr::from_bytes_copy_prefix(rest).ok_or(EINVAL)?;
            let len = usize::from(header.len);
            let payload = len.checked_sub(HEADER).and_then(|n| body.get(..n));
            let payload = payload.ok_or(EINVAL)?;
            let last = found.get_mut(usize::from(header.type_));
            let last = last.ok_or(EOPNOTSUPP)?;

            if payload.len() > table.limit {
                return Err(ERANGE);
            }
            *last = Some(payload);
            rest = rest.get(padded(len)..).unwrap_or_default();
        }
        Ok(Self { table, found })
    }

    /// Copies the attributes into the table; gives their number.
    #[inline]
    pub(crate) fn commit(self) -> u32 {
        self.table.slots.lock().set(self.found)
    }
}

encodes!(
    zero_length,
    checked,
    "the length is an Option: none and 0 are different values"
);
/// What a table holds of one type.
#[derive(Clone, Copy)]
struct Slot {
    /// Bytes of `data` in use, if the type is set; what is behind them is old.
    len: Option<u8>,
    data: [u8; PAYLOAD_MAX],
}

impl Slot {
    /// Copies a payload, which the limit keeps within `data`; gives 1 if none was set.
    #[inline]
    fn set(&mut self, payload: &[u8]) -> u32 {
        if let Some(data) = self.data.get_mut(..payload.len()) {
            data.copy_from_slice(payload);
        }
        u32::from(self.len.replace(payload.len() as u8).is_none())
    }

    /// The payload, if the type is set.
    #[inline]
    fn payload(&self) -> Option<&[u8]> {
        self.len.map(|len| &self.data[..usize::from(len)])
    }
}

/// What the lock protects.
struct Slots {
    /// Number of slots that are set.
    count: u32,
    slot: [Slot; TYPES],
}

encodes!(set_adds, checked, "set writes the slots that were found");
encodes!(
    clear_all,
    checked,
    "clear takes every length and the count at once"
);
impl Slots {
    #[inline]
    fn set(&mut self, found: &Found<'_>) -> u32 {
        let mut set = 0;
        let mut added = 0;

        for (slot, payload) in self.slot.iter_mut().zip(found) {
            if let Some(payload) = payload {
                added += slot.set(payload);
                set += 1;
            }
        }
        self.count += added;
        set
    }

    #[inline]
    fn clear(&mut self) -> u32 {
        for slot in &mut self.slot {
            slot.len = None;
        }
        core::mem::take(&mut self.count)
    }
}

/// The Rust implementation.
#[pin_data]
pub(crate) struct RustTable {
    limit: usize,
    #[pin]
    slots: Mutex<Slots>,
}

impl RustTable {
    /// Makes an empty table for payloads of up to `limit` bytes.
    pub(crate) fn new(limit: u32) -> Result<Pin<KBox<Self>>> {
        if limit == 0 || limit > bindings::TLV_PAYLOAD_MAX {
            return Err(EINVAL);
        }
        let empty = Slot {
            len: None,
            data: [0; PAYLOAD_MAX],
        };

        KBox::pin_init(
            pin_init!(Self {
                limit: limit as usize,
                slots <- new_mutex!(Slots { count: 0, slot: [empty; TYPES] }, "tlv"),
            }),
            GFP_KERNEL,
        )
    }
}

/// The safe API over either implementation.
pub(crate) trait Table {
    /// Commits a message; gives the number of types that it set.
    fn set(&self, message: Span) -> Result<u32>;
    /// Writes an attribute; gives the number of bytes.
    fn get(&self, kind: u32, to: Span) -> Result<u32>;
    /// Forgets all attributes; gives their number.
    fn clear(&self) -> u32;
    /// Number of types that are set.
    fn count(&self) -> u32;
    /// The state, for comparison.
    fn view(&self) -> bindings::tlv_view;
}

encodes!(
    limit_kept,
    checked,
    "limit is written by new; parse compares every payload with it"
);
encodes!(
    whole,
    checked,
    "the slots are inside the mutex; commit takes it once"
);
encodes!(
    fault_unlocked,
    checked,
    "set reads before commit locks; get writes after its guard is dropped"
);
encodes!(
    get_result,
    checked,
    "each error is returned before the next is looked for"
);
encodes!(
    no_leak,
    checked,
    "the reply starts as zeros and is written up to its padding"
);
encodes!(reads_pure, checked, "get and count only read the slots");
impl Table for RustTable {
    #[inline]
    fn set(&self, message: Span) -> Result<u32> {
        let mut room: Room = [0; bindings::TLV_MSG_MAX as usize];
        let mut found: Found<'_> = [None; TYPES];
        let message = Message::read(message, &mut room)?;

        Attrs::parse(self, message, &mut found).map(Attrs::commit)
    }

    #[inline]
    fn get(&self, kind: u32, to: Span) -> Result<u32> {
        let mut reply = [0; HEADER + PAYLOAD_MAX];
        let (header, data) = reply.split_at_mut(HEADER);

        if kind >= bindings::TLV_TYPES {
            return Err(EINVAL);
        }
        let slots = self.slots.lock();
        let payload = slots.slot[kind as usize].payload().ok_or(ENOENT)?;
        let len = HEADER + payload.len();

        data[..payload.len()].copy_from_slice(payload);
        drop(slots);
        header.copy_from_slice(
            bindings::tlv_attr {
                len: len as u16,
                type_: kind as u16,
            }
            .as_bytes(),
        );
        to.write(&reply[..padded(len)])?;
        Ok(padded(len) as u32)
    }

    #[inline]
    fn clear(&self) -> u32 {
        self.slots.lock().clear()
    }

    #[inline]
    fn count(&self) -> u32 {
        self.slots.lock().count
    }

    fn view(&self) -> bindings::tlv_view {
        let slots = self.slots.lock();
        let mut view = bindings::tlv_view {
            limit: self.limit as u32,
            count: slots.count as u16,
            present: 0,
            len: [0; TYPES],
            digest: bindings::TLV_DIGEST as u64,
        };

        for (i, slot) in slots.slot.iter().enumerate() {
            let Some(payload) = slot.payload() else {
                continue;
            };

            view.present |= 1 << i;
            view.len[i] = payload.len() as u8;
            for byte in payload {
                view.digest =
                    (view.digest ^ u64::from(*byte)).wrapping_mul(bindings::TLV_DIGEST_PRIME);
            }
        }
        view
    }
}

/// The C implementation, owned.
///
/// # Invariants
///
/// The pointer is a table made by `tlv_c.create()` and not yet destroyed.
struct CTable(*mut bindings::tlv);

// SAFETY: The contract lets any thread use and destroy a table.
unsafe impl Send for CTable {}
// SAFETY: The contract orders concurrent operations by a lock of its own [whole].
unsafe impl Sync for CTable {}

/// Calls an operation of the C implementation's table.
macro_rules! tlv_c {
    ($op:ident($($arg:expr),*)) => {
        // SAFETY: The table is constant and all its operations are set; by the type invariant of
        // `CTable` the object is valid. Addresses of user memory may be anything [set_unmapped].
        unsafe { (bindings::tlv_c.$op.unwrap_unchecked())($($arg),*) }
    };
}

impl CTable {
    fn new(limit: u32) -> Result<Self> {
        // INVARIANT: Checked for an error, so it is a table, and this is its owner.
        from_err_ptr(tlv_c!(create(limit))).map(Self)
    }
}

impl Table for CTable {
    #[inline]
    fn set(&self, message: Span) -> Result<u32> {
        value_from_c(tlv_c!(set(self.0, message.ptr.as_const_ptr(), message.len)))
    }

    #[inline]
    fn get(&self, kind: u32, to: Span) -> Result<u32> {
        value_from_c(tlv_c!(get(self.0, kind, to.ptr.as_mut_ptr(), to.len)))
    }

    #[inline]
    fn clear(&self) -> u32 {
        tlv_c!(clear(self.0))
    }

    #[inline]
    fn count(&self) -> u32 {
        tlv_c!(count(self.0))
    }

    fn view(&self) -> bindings::tlv_view {
        filled(|view| tlv_c!(view(self.0, view)))
    }
}

impl Drop for CTable {
    fn drop(&mut self) {
        tlv_c!(destroy(self.0));
    }
}

// C callers of the Rust implementation: thin entries that convert and call.

impl kparity::Foreign for bindings::tlv {
    type Owned = Pin<KBox<RustTable>>;
}

/// Makes a Rust table for C.
///
/// # Safety
///
/// None: any limit is looked at.
unsafe extern "C" fn create(limit: u32) -> *mut bindings::tlv {
    kparity::into_foreign(RustTable::new(limit))
}

/// Commits a message for C.
///
/// # Safety
///
/// `tlv` must come from [`create`] and not have been destroyed. `msg` may be anything.
unsafe extern "C" fn set(tlv: *mut bindings::tlv, msg: *const c_void, len: u32) -> c_int {
    let message = Span::new(UserPtr::from_ptr(msg.cast_mut()), len);

    // SAFETY: By the safety requirements of this function the table is valid during the call.
    value_to_c(unsafe { borrow(tlv) }.set(message))
}

/// Writes an attribute for C.
///
/// # Safety
///
/// As for [`set`]; `buf` may be anything.
unsafe extern "C" fn get(tlv: *mut bindings::tlv, kind: u32, buf: *mut c_void, room: u32) -> c_int {
    let to = Span::new(UserPtr::from_ptr(buf), room);

    // SAFETY: By the safety requirements of this function the table is valid during the call.
    value_to_c(unsafe { borrow(tlv) }.get(kind, to))
}

/// Forgets all attributes for C.
///
/// # Safety
///
/// As for [`set`].
unsafe extern "C" fn clear(tlv: *mut bindings::tlv) -> u32 {
    // SAFETY: By the safety requirements of this function the table is valid during the call.
    unsafe { borrow(tlv) }.clear()
}

/// Counts for C.
///
/// # Safety
///
/// As for [`set`].
unsafe extern "C" fn count(tlv: *mut bindings::tlv) -> u32 {
    // SAFETY: By the safety requirements of this function the table is valid during the call.
    unsafe { borrow(tlv) }.count()
}

/// Describes the state for C.
///
/// # Safety
///
/// As for [`set`]; `view` must be valid for writing as well.
unsafe extern "C" fn view(tlv: *mut bindings::tlv, view: *mut bindings::tlv_view) {
    // SAFETY: By the safety requirements of this function the table is valid during the call, and
    // `view` may be written.
    unsafe { view.write(borrow(tlv).view()) };
}

/// The Rust implementation's table; declared in the contract.
#[no_mangle]
pub static tlv_rust: bindings::tlv_ops = bindings::tlv_ops {
    create: Some(create),
    destroy: Some(kparity::release),
    set: Some(set),
    get: Some(get),
    clear: Some(clear),
    count: Some(count),
    view: Some(view),
};
declared!(tlv_rust: bindings::tlv_ops);

// Rust callers of either implementation, for the engine.

/// The message of a number.
#[inline]
fn message(number: u64) -> Span {
    let i = number as usize % bindings::TLV_MESSAGES as usize;
    // SAFETY: Written before there was an object, and not while operations run.
    let (addr, len) = unsafe {
        (
            bindings::tlv_messages[i].addr,
            bindings::tlv_messages[i].len,
        )
    };

    Span::new(UserPtr::from_addr(addr as usize), len)
}

/// The buffer of a number.
#[inline]
fn buffer(number: u64) -> Span {
    let i = number as usize % bindings::TLV_BUFFERS as usize;
    // SAFETY: Written before there was an object, and not while operations run.
    let (addr, len) = unsafe { (bindings::tlv_buffers[i].addr, bindings::tlv_buffers[i].len) };

    Span::new(UserPtr::from_addr(addr as usize), len)
}

/// Gives the calling thread its user memory.
fn attach() -> Result {
    // SAFETY: Only test threads of the engine make objects.
    to_result(unsafe { bindings::tlv_user_attach() })
}

impl Interface for dyn Table {
    type View = bindings::tlv_view;

    const CALLS: &'static [Call<Self>] = &[
        |_, _, res| res.set(Ok(())),
        |table, arg, res| res.set_ret(table.set(message(arg[0]))),
        |table, arg, res| res.set_ret(table.get(arg[0] as u32, buffer(arg[1]))),
        |table, _, res| res.set_ret(Ok(table.clear())),
        |table, _, res| res.set_ret(Ok(table.count())),
    ];

    fn view(&self) -> Self::View {
        Table::view(self)
    }
}

impl Subject for CTable {
    type Api = dyn Table;

    fn create(param: &Args) -> Result<Self> {
        attach()?;
        Self::new(param[0] as u32)
    }

    fn api(&self) -> &Self::Api {
        self
    }
}

impl Subject for Pin<KBox<RustTable>> {
    type Api = dyn Table;

    fn create(param: &Args) -> Result<Self> {
        attach()?;
        RustTable::new(param[0] as u32)
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
const LAYOUT: [bindings::kp_field; 15] = layout!(
    tlv_attr { len, type_ }
    tlv_view { limit, count, present, len, digest }
    tlv_span { addr, len, kind, longest, type_ }
);

driver!(tlv_rust_over_c, CTable, LAYOUT);
driver!(tlv_rust_over_rust, Pin<KBox<RustTable>>, LAYOUT);
