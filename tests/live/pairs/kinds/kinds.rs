// SPDX-License-Identifier: GPL-2.0

//! Every kind of parameter and return value.

use super::bindings;
use core::ffi::CStr;
use kernel::prelude::*;

pub(crate) fn kinds_add(a: i32, b: i8) -> i32 {
    a + i32::from(b)
}

pub(crate) fn kinds_mix(a: u64, b: usize, c: bool) -> u64 {
    if c {
        a ^ b as u64
    } else {
        a.wrapping_add(b as u64)
    }
}

pub(crate) fn kinds_parse(text: &CStr, base: u32) -> Result<i32> {
    let mut rest = text.to_bytes();
    if let [head @ .., b'\n'] = rest {
        rest = head;
    }
    let negative = match rest {
        [b'-', tail @ ..] => {
            rest = tail;
            true
        }
        [b'+', tail @ ..] => {
            rest = tail;
            false
        }
        _ => false,
    };
    let base = match (base, rest) {
        (0 | 16, [b'0', b'x', c, ..]) if base == 16 || c.is_ascii_hexdigit() => {
            rest = &rest[2..];
            16
        }
        (16, [b'0', b'x', ..]) => {
            rest = &rest[2..];
            16
        }
        (0, [b'0', ..]) => 8,
        (0, _) => 10,
        _ => base,
    };
    if rest.is_empty() {
        return Err(EINVAL);
    }
    let mut value: u64 = 0;
    let mut over = false;
    for c in rest {
        let digit = match (*c as char).to_digit(16) {
            Some(digit) if digit < base => digit,
            _ => return Err(if over { ERANGE } else { EINVAL }),
        };
        match value
            .checked_mul(base.into())
            .and_then(|v| v.checked_add(digit.into()))
        {
            Some(v) => value = v,
            None => over = true,
        }
    }
    if over {
        return Err(ERANGE);
    }
    let value = if negative {
        -i128::from(value)
    } else {
        i128::from(value)
    };
    i32::try_from(value).map_err(|_| ERANGE)
}

pub(crate) fn kinds_find(data: &[u8], what: u8) -> Option<usize> {
    data.iter().position(|c| *c == what)
}

pub(crate) fn kinds_skip(text: &[u8]) -> Option<usize> {
    text.iter()
        .position(|c| !b" \t\n\r\x0b\x0c\xa0".contains(c))
}

pub(crate) fn kinds_fill(to: &mut [u8], pattern: u16) -> Result<isize> {
    let (to, end) = match to {
        [a, b, c, d, end, ..] => ([a, b, c, d], end),
        _ => return Err(ENOSPC),
    };
    for (i, place) in to.into_iter().enumerate() {
        *place = b"0123456789abcdef"[usize::from(pattern >> (12 - 4 * i)) & 15];
    }
    *end = 0;
    Ok(4)
}

pub(crate) fn kinds_swap(a: &mut u32, b: &mut u32) {
    core::mem::swap(a, b);
}

pub(crate) fn kinds_mode(mode: bindings::kinds_mode, flags: u32) -> Result<i32> {
    if mode != bindings::KINDS_OFF && mode != bindings::KINDS_ON {
        return Err(EINVAL);
    }
    if flags & !(bindings::KINDS_FAST | bindings::KINDS_SAFE) != 0 {
        return Err(EINVAL);
    }
    Ok((mode + flags) as i32)
}

pub(crate) fn kinds_halves(whole: u64) -> (u32, u32) {
    pr_info!("halves of {}\n", whole);
    ((whole >> 32) as u32, whole as u32)
}

pub(crate) fn kinds_sum(seed: u32, p: &[u8]) -> u32 {
    p.iter().fold(seed, |sum, c| {
        sum.wrapping_mul(31).wrapping_add((*c).into())
    })
}

pub(crate) fn kinds_first(data: &[u8], what: u8) -> Option<usize> {
    data.iter().position(|c| *c == what)
}

pub(crate) fn kinds_ret(base: u16) -> Result<i32> {
    if base & 1 != 0 {
        return Err(EINVAL);
    }
    Ok(base.into())
}

pub(crate) fn kinds_trim(at: &mut [u8], given: i64) -> Result<i32> {
    let given = usize::try_from(given).map_err(|_| ERANGE)?;
    *at.get_mut(given).ok_or(ERANGE)? = b'x';
    Ok(given as i32)
}

pub(crate) fn kinds_weigh(point: &bindings::kinds_point, by: u32) -> Result<i32> {
    if point.pad != [0; 3] {
        return Err(EINVAL);
    }
    Ok((point.x as u32 % by).wrapping_mul(point.kind.into()) as u16 as i32)
}
