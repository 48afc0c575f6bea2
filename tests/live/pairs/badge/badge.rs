// SPDX-License-Identifier: GPL-2.0

//! badge in Rust.

use super::{
    bindings,
    glue::UserMemory,
    kparity,
    Interface, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    str::CStr,
    sync::SpinLock, //
};

/// The Rust side of the contract.
pub(crate) type Object = Badge;

#[pin_data]
pub(crate) struct Badge {
    name: KVec<u8>,
    table: KVec<u8>,
    data: KVec<u8>,
    flags: u32,
    serial: u32,
    #[pin]
    left: SpinLock<u32>,
}

fn copied(bytes: &[u8]) -> Result<KVec<u8>> {
    let mut copy = KVec::new();

    copy.extend_from_slice(bytes, GFP_KERNEL)?;
    Ok(copy)
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(bytes.len() as u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
    })
}

impl Badge {
    fn from_end(&self, nr: usize) -> i16 {
        let at = self.data.len().checked_sub(nr);

        at.map_or(-1, |at| self.data[at].into())
    }
}

encodes!(used_up, checked, "what is left is taken under the lock");
encodes!(apart, checked, "it owns copies of all of it");
impl Interface for Badge {
    fn create(
        name: &CStr,
        table: &[u8],
        data: UserMemory,
        options: &bindings::badge_options,
        serial: &mut u32,
    ) -> Result<impl PinInit<Self>> {
        let name = name.to_bytes();

        if name.is_empty()
            || !(1..=bindings::BADGE_USES).contains(&options.uses)
            || options.flags & !(bindings::BADGE_LOUD | bindings::BADGE_SHORT) != 0
        {
            return Err(EINVAL);
        }
        if name.len() > bindings::BADGE_NAME as usize {
            return Err(ENAMETOOLONG);
        }
        if data.len() > bindings::BADGE_DATA as usize
            || table.len() > bindings::BADGE_TABLE as usize
        {
            return Err(EMSGSIZE);
        }
        let mut bytes = KVec::from_elem(0, data.len(), GFP_KERNEL)?;

        data.into_slice().reader().read_slice(&mut bytes)?;
        let (name, table) = (copied(name)?, copied(table)?);
        let (uses, flags, given) = (options.uses, options.flags, *serial);

        *serial = given.checked_add(1).ok_or(EOVERFLOW)?;
        Ok(pin_init!(Self {
            name,
            table,
            data: bytes,
            flags,
            serial: given,
            left <- new_spinlock!(uses, "badge"),
        }))
    }

    fn is(&self, name: &CStr) -> bool {
        self.name[..] == *name.to_bytes()
    }

    fn r#use(&self, at: u8) -> Result<u8> {
        let byte = *self.data.get(usize::from(at)).ok_or(ERANGE)?;
        let mut left = self.left.lock();

        *left = left.checked_sub(1).ok_or(ENOSPC)?;
        Ok(byte)
    }

    unsafe fn view(&self) -> bindings::badge_view {
        bindings::badge_view {
            name: sum(&self.name),
            table: sum(&self.table),
            data: sum(&self.data),
            size: self.data.len() as u32,
            left: *self.left.lock(),
            flags: self.flags,
            serial: self.serial,
            tail: [self.from_end(2), self.from_end(1)],
        }
    }
}
