// SPDX-License-Identifier: GPL-2.0

//! One object for each key, whoever asks.

use super::{
    bindings,
    kparity,
    Interface, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        ArcBorrow, //
    }, //
};

/// The Rust side of the contract.
pub(crate) type Object = Intern;

/// An object that handles refer to.
pub(crate) struct Interned {
    key: u32,
}

/// The objects, by key.
pub(crate) struct Intern {
    gets: Atomic<i32>,
    one: KVec<Arc<Interned>>,
}

encodes!(get_counts, checked, "the key is an index");
encodes!(larger_moves, checked, "mine is dropped, or returned");
impl Interface for Intern {
    type Handle = Arc<Interned>;

    fn create() -> Result<Self> {
        let mut one = KVec::new();

        for key in 0..bindings::INTERN_KEYS {
            one.push(Arc::new(Interned { key }, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self {
            gets: Atomic::new(0),
            one,
        })
    }

    unsafe fn get(&self, key: u32) -> Result<Arc<Interned>> {
        let found = self.one.get(key as usize).ok_or(EINVAL)?.clone();

        self.gets.add(1, Relaxed);
        Ok(found)
    }

    unsafe fn larger(mine: Arc<Interned>, other: ArcBorrow<'_, Interned>) -> Arc<Interned> {
        if mine.key < other.key {
            other.into()
        } else {
            mine
        }
    }

    fn key(interned: ArcBorrow<'_, Interned>) -> u32 {
        interned.key
    }

    unsafe fn view(&self) -> bindings::intern_view {
        bindings::intern_view {
            gets: self.gets.load(Relaxed) as u32,
            ..Default::default()
        }
    }

    fn show(interned: ArcBorrow<'_, Interned>) -> bindings::interned_view {
        bindings::interned_view {
            key: interned.key,
            reserved: 0,
        }
    }
}
