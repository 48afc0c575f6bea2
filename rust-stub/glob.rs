// SPDX-License-Identifier: GPL-2.0

//! `glob_match()` in Rust: a text against a shell pattern.
//!
//! C source: [`lib/glob.c`](srctree/lib/glob.c)

use kernel::str::CStr;

/// A character class of a pattern.
struct Class<'a> {
    /// Whether it has the character that was looked for.
    has: bool,
    /// The pattern behind its closing bracket.
    rest: &'a [u8],
}

/// Reads the class behind an opening bracket; none if it is not closed.
///
/// The first character of a class may be a closing bracket, and stands for itself there. A class
/// that begins with `!` has the characters that it does not list.
fn class(pattern: &[u8], wanted: u8) -> Option<Class<'_>> {
    let (inverted, mut rest) = match pattern {
        [b'!', rest @ ..] => (true, rest),
        _ => (false, pattern),
    };
    let mut listed = false;
    let mut first = true;

    loop {
        let (from, behind) = match rest {
            [b']', behind @ ..] if !first => {
                return Some(Class {
                    has: listed != inverted,
                    rest: behind,
                })
            }
            [from, behind @ ..] => (*from, behind),
            [] => return None,
        };
        first = false;
        let to;
        (to, rest) = match behind {
            [b'-', b']', ..] => (from, behind),
            [b'-', to, behind @ ..] => (*to, behind),
            [b'-'] => return None,
            _ => (from, behind),
        };
        listed |= (from..=to).contains(&wanted);
    }
}

/// Whether the first character of a pattern, or its first class, has a character; and the pattern
/// behind it. None for a pattern that is at its end, or at a `*`.
fn step(pattern: &[u8], c: u8) -> Option<(bool, &[u8])> {
    let (&first, rest) = pattern.split_first()?;

    match first {
        b'?' => Some((true, rest)),
        b'[' => Some(match class(rest, c) {
            Some(class) => (class.has, class.rest),
            None => (c == b'[', rest), // not closed: a bracket like any other character
        }),
        b'\\' => rest.split_first().map(|(&d, rest)| (c == d, rest)),
        d => Some((c == d, rest)),
    }
}

/// Whether a pattern matches the whole of a text.
///
/// `?` stands for any character, `*` for any number of them, `[...]` for one of a class; `\`
/// takes the meaning from the character behind it.
pub(crate) fn glob_match(pat: &CStr, str: &CStr) -> bool {
    let (mut pattern, mut text) = (pat.to_bytes(), str.to_bytes());
    // Where to go on if what follows the last `*` does not match: the pattern behind the `*`, and
    // the text that it has not taken yet. As a `*` takes anything, no earlier one needs another try.
    let mut again: Option<(&[u8], &[u8])> = None;

    loop {
        if let [b'*', rest @ ..] = pattern {
            if rest.is_empty() {
                return true;
            }
            pattern = rest;
            again = Some((rest, text));
            continue;
        }
        let Some((&c, rest)) = text.split_first() else {
            // A backslash at the end of a pattern stands for nothing.
            return matches!(pattern, [] | [b'\\']);
        };
        if let Some((true, behind)) = step(pattern, c) {
            (pattern, text) = (behind, rest);
            continue;
        }
        let Some((behind_star, [_, untaken @ ..])) = again else {
            return false;
        };
        (pattern, text) = (behind_star, untaken);
        again = Some((behind_star, untaken));
    }
}
