//! Debian's version numbers and their order (deb-version(7)).
//!
//! `[epoch:]upstream[-revision]`: epochs compare as numbers, the other two
//! parts piece by piece, digits as numbers and `~` before even the end.

use std::cmp::Ordering;
use std::fmt;

/// A version as dpkg reads it, borrowed from the text it was read from.
///
/// Equality follows the order, so `1.0` and `1.0-0` are equal as for dpkg.
#[derive(Clone, Copy, Debug)]
pub struct DebVersion<'a> {
    text: &'a str,
    epoch: u32,
    upstream: &'a str,
    revision: &'a str,
}

/// The text is not a version that dpkg takes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a Debian version ([epoch:]upstream[-revision], see deb-version(7))")]
pub struct NotADebVersion(String);

impl<'a> DebVersion<'a> {
    /// Reads a version; refuses what dpkg refuses.
    pub fn parse(text: &'a str) -> Result<Self, NotADebVersion> {
        Self::split(text).ok_or_else(|| NotADebVersion(text.to_owned()))
    }

    /// The version as it was written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    fn split(text: &'a str) -> Option<Self> {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (parse_epoch(epoch)?, rest),
            None => (0, text),
        };
        let (upstream, revision) = match rest.rsplit_once('-') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (rest, ""),
        };
        let is_version = upstream.starts_with(|c: char| c.is_ascii_digit())
            && upstream.bytes().all(|b| is_common(b) || b":-".contains(&b))
            && revision.bytes().all(is_common);
        is_version.then_some(Self {
            text,
            epoch,
            upstream,
            revision,
        })
    }
}

// dpkg keeps the epoch in an int.
fn parse_epoch(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let epoch = digits.then(|| text.parse::<i32>().ok()).flatten()?;
    u32::try_from(epoch).ok()
}

fn is_common(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".+~".contains(&byte)
}

impl fmt::Display for DebVersion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl Ord for DebVersion<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_part(self.upstream, other.upstream))
            .then_with(|| compare_part(self.revision, other.revision))
    }
}

impl PartialOrd for DebVersion<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for DebVersion<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for DebVersion<'_> {}

// Runs of other characters and runs of digits take turns, as in dpkg's verrevcmp().
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let order = take_text(&mut a, &mut b).then_with(|| take_number(&mut a, &mut b));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn take_text(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    let begins_text = |part: &[u8]| part.first().is_some_and(|byte| !byte.is_ascii_digit());
    while begins_text(a) || begins_text(b) {
        let order = weight(a.first()).cmp(&weight(b.first()));
        if order != Ordering::Equal {
            return order;
        }
        *a = &a[1..];
        *b = &b[1..];
    }
    Ordering::Equal
}

fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

// Numbers may be longer than any integer: without leading zeros the longer one is the larger.
fn take_number(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    let (a, b) = (number(a), number(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn number<'a>(part: &mut &'a [u8]) -> &'a [u8] {
    let end = part.iter().position(|b| !b.is_ascii_digit());
    let (digits, rest) = part.split_at(end.unwrap_or(part.len()));
    *part = rest;
    let zeros = digits.iter().take_while(|b| **b == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
#[path = "version_tests.rs"]
mod tests;
