// SPDX-License-Identifier: GPL-2.0

//! CHANGE: `lru()` in Rust.

/// Counts the bits that are set.
pub(crate) fn lru(value: u32) -> u32 {
    value.count_ones()
}
