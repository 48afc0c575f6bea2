// SPDX-License-Identifier: GPL-2.0

//! User memory, read and filled.

use super::{
    bindings,
    glue::UserMemory, //
};
use kernel::prelude::*;

type Room = [u8; bindings::PARCEL_MAX as usize];

fn read(from: UserMemory, room: &mut Room) -> Result<&[u8]> {
    let bytes = room.get_mut(..from.len()).ok_or(EMSGSIZE)?;

    from.into_slice().reader().read_slice(bytes)?;
    Ok(bytes)
}

pub(crate) fn parcel_sum(data: UserMemory) -> Result<u32> {
    let mut room = [0; bindings::PARCEL_MAX as usize];

    Ok(read(data, &mut room)?.iter().map(|b| u32::from(*b)).sum())
}

pub(crate) fn parcel_fill(buf: UserMemory, byte: u8) -> Result<isize> {
    let size = buf.len().min(32);

    buf.into_slice().writer().write_slice(&[byte; 32][..size])?;
    Ok(size as isize)
}

pub(crate) fn parcel_move(to: UserMemory, from: UserMemory) -> Result<isize> {
    let mut room = [0; bindings::PARCEL_MAX as usize];

    if from.len() > to.len() {
        return Err(EMSGSIZE);
    }
    let bytes = read(from, &mut room)?;

    to.into_slice().writer().write_slice(bytes)?;
    Ok(bytes.len() as isize)
}
