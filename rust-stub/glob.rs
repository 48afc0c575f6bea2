// SPDX-License-Identifier: GPL-2.0

//! `glob_match()` in Rust: a text against a shell pattern.
//!
//! C source: [`lib/glob.c`](srctree/lib/glob.c)

use kernel::str::CStr;

/// A character class of a pattern.
struct Class {
    /// Whether it has the character that was looked for.
    has: bool,
    /// Where the pattern goes on, behind its closing bracket.
    end: usize,
}

/// Reads the class that begins behind an opening bracket; none if it is not closed.
///
/// The first character of a class may be a closing bracket, and stands for itself there. A class
/// that begins with `!` has the characters that it does not list.
#[inline]
fn class(pattern: &[u8], mut at: usize, wanted: u8) -> Option<Class> {
    let mut from = *pattern.get(at)?;
    let inverted = from == b'!';
    let mut listed = false;

    if inverted {
        at += 1;
        from = *pattern.get(at)?;
    }
    loop {
        let next = *pattern.get(at + 1)?;
        let mut to = from;

        at += 1;
        if next == b'-' {
            let last = *pattern.get(at + 1)?;

            if last != b']' {
                to = last;
                at += 2;
            }
        }
        listed |= (from..=to).contains(&wanted);
        from = *pattern.get(at)?;
        if from == b']' {
            return Some(Class {
                has: listed != inverted,
                end: at + 1,
            });
        }
    }
}

/// Where a pattern goes on if it has a character: its `first` one, `?`, or the class or character
/// that follows at `behind`.
#[inline]
fn step(pattern: &[u8], first: u8, behind: usize, c: u8) -> Option<usize> {
    match first {
        b'?' => Some(behind),
        b'[' => match class(pattern, behind, c) {
            Some(class) => class.has.then_some(class.end),
            None => (c == b'[').then_some(behind), // not closed: like any other character
        },
        b'\\' => (*pattern.get(behind)? == c).then_some(behind + 1),
        d => (d == c).then_some(behind),
    }
}

/// Whether a pattern matches the whole of a text.
///
/// `?` stands for any character, `*` for any number of them, `[...]` for one of a class; `\`
/// takes the meaning from the character behind it.
#[inline(always)]
pub(crate) fn glob_match(pat: &CStr, str: &CStr) -> bool {
    let (pattern, text) = (pat.to_bytes(), str.to_bytes());
    let (mut at, mut taken) = (0, 0);
    // Where to go on if what follows the last `*` does not match: behind the `*`, and at the text
    // that it has not taken yet. As a `*` takes anything, no earlier one needs another try.
    let mut again: Option<(usize, usize)> = None;

    loop {
        let first = pattern.get(at);

        if first == Some(&b'*') {
            at += 1;
            if at == pattern.len() {
                return true;
            }
            again = Some((at, taken));
            continue;
        }
        let Some(&c) = text.get(taken) else {
            // A backslash at the end of a pattern stands for nothing.
            return matches!(pattern.get(at..), Some([] | [b'\\']));
        };
        let behind = taken + 1;

        if let Some(next) = first.and_then(|first| step(pattern, *first, at + 1, c)) {
            (at, taken) = (next, behind);
            continue;
        }
        let Some((behind_star, untaken)) = again else {
            return false;
        };

        (at, taken) = (behind_star, untaken + 1);
        again = Some((at, taken));
    }
}
