// SPDX-License-Identifier: GPL-2.0
//! invariant: empty_untouched
//! error: E0308
//!
//! A value cannot be taken from pop without a look at whether there was one.

use super::port as ring;

fn misuse(consumer: &mut ring::Consumer<ring::RustQueue>) -> u64 {
    #[cfg(misuse)]
    let value: u64 = consumer.pop();
    #[cfg(not(misuse))]
    let value: u64 = consumer.pop().unwrap_or(0);

    value
}
