// SPDX-License-Identifier: GPL-2.0
//! invariant: one_list
//! error: E0382
//!
//! An entry that one list has taken cannot be given to another one.

use super::port;
use kernel::list::{
    List,
    ListArc, //
};

fn misuse(entry: ListArc<port::Entry>, a: &mut List<port::Entry>, b: &mut List<port::Entry>) {
    a.push_back(entry);
    #[cfg(misuse)]
    b.push_back(entry);
    #[cfg(not(misuse))]
    b.push_all_back(a);
}
