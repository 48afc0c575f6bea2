// SPDX-License-Identifier: GPL-2.0

//! slate in Rust.

use super::{
    bindings,
    kparity,
    Interface, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    str::CStr,
    sync::SpinLock, //
};

/// The text on a slate.
struct Text {
    used: usize,
    bytes: [u8; bindings::SLATE_MAX as usize],
}

impl Text {
    fn written(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

#[pin_data]
pub(crate) struct Slate {
    size: usize,
    kind: bindings::slate_kind,
    #[pin]
    text: SpinLock<Text>,
}

/// The Rust side of the contract.
pub(crate) type Object = Slate;

impl Slate {
    /// Writes bytes, or nothing; gives how many there are now.
    fn append(&self, bytes: &[u8]) -> Result<u32> {
        let mut text = self.text.lock();
        let end = text.used + bytes.len();

        if end > self.size {
            return Err(ENOSPC);
        }
        for byte in bytes {
            let at = text.used;

            text.bytes[at] = if self.kind == bindings::SLATE_UPPER {
                Self::slate_upper(*byte)
            } else {
                *byte
            };
            text.used += 1;
        }
        Ok(end as u32)
    }
}

encodes!(bounded, checked, "compared under the lock");
encodes!(write_counts, checked, "used is what it returns");
encodes!(apart, type, "Rust has no variable that two could share");
impl Interface for Slate {
    fn create(size: u32, kind: bindings::slate_kind) -> Result<impl PinInit<Self>> {
        if size == 0
            || size > bindings::SLATE_MAX
            || ![bindings::SLATE_PLAIN, bindings::SLATE_UPPER].contains(&kind)
        {
            return Err(EINVAL);
        }
        let text = Text {
            used: 0,
            bytes: [0; bindings::SLATE_MAX as usize],
        };
        Ok(pin_init!(Self {
            size: size as usize,
            kind,
            text <- new_spinlock!(text, "slate"),
        }))
    }

    fn put(&self, c: u8) -> Result {
        self.append(&[c]).map(|_| ())
    }

    fn write(&self, text: &CStr) -> Result<u32> {
        self.append(text.to_bytes())
    }

    fn read(&self, to: &mut [u8]) -> Result<u32> {
        let mut text = self.text.lock();
        let (used, nr) = (text.used, to.len().min(text.used));

        if used == 0 {
            return Err(ENODATA);
        }
        to[..nr].copy_from_slice(&text.bytes[..nr]);
        text.bytes.copy_within(nr..used, 0);
        text.used -= nr;
        Ok(nr as u32)
    }

    fn find(&self, what: u8) -> Option<(u32, u32)> {
        let text = self.text.lock();
        let mut places = (0..).zip(text.written()).filter(|(_, byte)| **byte == what);
        let (first, _) = places.next()?;

        Some((first, places.last().map_or(first, |(last, _)| last)))
    }

    fn cut(&self, nr: &mut u32) {
        let mut text = self.text.lock();

        *nr = (*nr).min(text.used as u32);
        text.used -= *nr as usize;
    }

    fn slate_upper(c: u8) -> u8 {
        c.to_ascii_uppercase()
    }

    unsafe fn view(&self) -> bindings::slate_view {
        let text = self.text.lock();

        bindings::slate_view {
            size: self.size as u32,
            used: text.used as u32,
            kind: self.kind,
            sum: text.written().iter().fold(0, |sum: u32, byte| {
                sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
            }),
        }
    }
}
