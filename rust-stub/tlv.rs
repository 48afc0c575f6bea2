// SPDX-License-Identifier: GPL-2.0

//! tlv in Rust: a table of attributes that user memory sets and gets, as netlink's are.
//!
//! C header: [`kmod/contract/tlv.h`](../kmod/contract/tlv.h)
//!
//! Setting goes through four types, each made from the one before: [`UserMemory`] is used up by
//! reading it into a [`Message`], which is used up by parsing it into [`Attrs`], which are used up by
//! committing them. What has not been read cannot be parsed, what has not been
//! parsed to its end cannot be committed, and nothing can be read twice.

use super::{
    bindings,
    glue::UserMemory,
    kparity,
    Interface, //
};
use core::mem::size_of;
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex,
    transmute::{
        AsBytes,
        FromBytes, //
    }, //
};

/// The Rust side of the contract.
pub(crate) type Object = RustTable;

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
    "UserMemory is not Clone and reading consumes it: the same bytes cannot be read again"
);
encodes!(
    set_unmapped,
    type,
    "UserMemory cannot be dereferenced: there is no way to the bytes but one that gives EFAULT"
);
encodes!(
    faults_in,
    checked,
    "UserSlice copies with the functions that may sleep"
);
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
    pub(crate) fn read(from: UserMemory, room: &'m mut Room) -> Result<Self> {
        let bytes = room.get_mut(..from.len()).ok_or(EMSGSIZE)?;

        from.into_slice().reader().read_slice(bytes)?;
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

        // Attributes of an earlier message are not of this one.
        *found = Found::default();
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
/// The payload that a table holds of one type.
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

/// State that the lock protects.
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

encodes!(
    limit_kept,
    checked,
    "limit is written by create; parse compares every payload with it"
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
impl Interface for RustTable {
    fn create(limit: u32) -> Result<impl PinInit<Self>> {
        if limit == 0 || limit > bindings::TLV_PAYLOAD_MAX {
            return Err(EINVAL);
        }
        let empty = Slot {
            len: None,
            data: [0; PAYLOAD_MAX],
        };

        Ok(pin_init!(Self {
            limit: limit as usize,
            slots <- new_mutex!(Slots { count: 0, slot: [empty; TYPES] }, "tlv"),
        }))
    }

    #[inline(always)]
    fn set(&self, msg: UserMemory) -> Result<c_int> {
        // The room is cleared: ten times what it costs to refuse what does not fit.
        if msg.len() > bindings::TLV_MSG_MAX as usize {
            return Err(EMSGSIZE);
        }
        let mut room: Room = [0; bindings::TLV_MSG_MAX as usize];
        let mut found: Found<'_> = [None; TYPES];
        let message = Message::read(msg, &mut room)?;

        Attrs::parse(self, message, &mut found).map(|attrs| attrs.commit() as c_int)
    }

    #[inline(always)]
    fn get(&self, kind: u32, buf: UserMemory) -> Result<c_int> {
        if kind >= bindings::TLV_TYPES {
            return Err(EINVAL);
        }
        let mut reply = [0; HEADER + PAYLOAD_MAX];
        let (header, data) = reply.split_at_mut(HEADER);
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
        let reply = &reply[..padded(len)];

        if reply.len() > buf.len() {
            return Err(EMSGSIZE);
        }
        buf.into_slice().writer().write_slice(reply)?;
        Ok(reply.len() as c_int)
    }

    #[inline]
    fn clear(&self) -> u32 {
        self.slots.lock().clear()
    }

    #[inline]
    fn count(&self) -> u32 {
        self.slots.lock().count
    }

    unsafe fn view(&self) -> bindings::tlv_view {
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

encodes!(
    layout,
    checked,
    "sizes and offsets are compared with those of C"
);
