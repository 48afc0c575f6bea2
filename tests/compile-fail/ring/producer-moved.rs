// SPDX-License-Identifier: GPL-2.0
//! invariant: spsc
//! error: E0382
//!
//! A producer that was given to a thread cannot be used beside it.

use super::port as ring;

fn thread<T: Send + 'static>(end: T) {
    drop(end);
}

fn misuse(mut producer: ring::Producer<ring::RustQueue>) -> kernel::error::Result {
    #[cfg(not(misuse))]
    producer.push(1)?;
    thread(producer);
    #[cfg(misuse)]
    producer.push(1)?;
    Ok(())
}
