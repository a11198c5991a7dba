//! A header: the table of tagged values that an rpm package begins with,
//! twice (rpm's documentation, "RPM V4 package format").
//!
//! ```text
//! 8e ad e8 01  0 0 0 0   how many entries   bytes of values
//! entries: tag, type, offset, count (four numbers of 32 bits each)
//! values
//! ```
//!
//! Read by hand: the crate `rpm` holds a package with its payload in memory
//! and, by an optional dependency that is not even taken, keeps the whole
//! program at an older OpenPGP implementation.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;

/// What a header begins with; the last byte is its version.
const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];

/// Magic, number of entries, bytes of values.
const INTRODUCTION: usize = 16;
const ENTRY: usize = 16;

/// As many entries as rpm reads.
const ENTRIES: u32 = 0xffff;

/// A value's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(pub u32);

/// A header whose every entry lies within its values.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    bytes: Vec<u8>,
    entries: BTreeMap<Tag, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    count: u32,
    /// Where the values are in the header's bytes.
    place: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Numbers of so many bytes, in network order.
    Number(usize),
    Text,
    Binary,
    /// Several texts; a translated one counts as such.
    Texts,
}

/// What stands where a header should is none.
#[derive(Debug, thiserror::Error)]
pub enum NotAHeader {
    /// It cannot be read, or ends too soon.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// Another beginning.
    #[error("it does not begin as one of version 1 does")]
    Magic,
    /// More than is expected of any package.
    #[error(
        "it announces {entries} entries and {bytes} bytes of values, which is more than one may have"
    )]
    TooLarge {
        /// Entries.
        entries: u32,
        /// Bytes.
        bytes: u32,
    },
    /// An entry that makes no sense.
    #[error("its entry of tag {} is {what}", tag.0)]
    Entry {
        /// The tag.
        tag: Tag,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Header {
    /// Reads a header and nothing behind it; one with more than `limit` bytes
    /// of values is refused before they are read.
    pub fn read(reader: &mut impl Read, limit: u32) -> Result<Self, NotAHeader> {
        let mut bytes = vec![0; INTRODUCTION];
        reader.read_exact(&mut bytes)?;
        if bytes[..8] != MAGIC {
            return Err(NotAHeader::Magic);
        }
        let (entries, values) = (number(&bytes[8..12]), number(&bytes[12..16]));
        if entries > ENTRIES || values > limit {
            return Err(NotAHeader::TooLarge {
                entries,
                bytes: values,
            });
        }
        let rest = u64::from(entries) * ENTRY as u64 + u64::from(values);
        // What is announced and does not come takes no memory.
        if reader.take(rest).read_to_end(&mut bytes)? as u64 != rest {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let table = INTRODUCTION..INTRODUCTION + entries as usize * ENTRY;
        let entries = read_entries(&bytes, table)?;
        Ok(Self { bytes, entries })
    }

    /// All of it, as it was read: what a signature of it covers.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it has a value of that name.
    pub fn has(&self, tag: Tag) -> bool {
        self.entries.contains_key(&tag)
    }

    /// A text; none where there is none, or none in UTF-8.
    pub fn text(&self, tag: Tag) -> Option<&str> {
        let text = match self.entries.get(&tag)?.kind {
            Kind::Text | Kind::Texts => self.texts(tag).next()?,
            Kind::Number(_) | Kind::Binary => return None,
        };
        std::str::from_utf8(text).ok()
    }

    /// The texts of a list, without their ends.
    pub fn texts(&self, tag: Tag) -> impl Iterator<Item = &[u8]> {
        let entry = self.entries.get(&tag);
        let listed = entry.filter(|entry| matches!(entry.kind, Kind::Text | Kind::Texts));
        let place = listed.map_or(0..0, |entry| entry.place.clone());
        let count = listed.map_or(0, |entry| entry.count as usize);
        let texts = self.bytes[place].split(|byte| *byte == 0);
        texts.take(count)
    }

    /// The numbers of a list.
    pub fn numbers(&self, tag: Tag) -> impl Iterator<Item = u64> {
        let width = |entry: &Entry| match entry.kind {
            Kind::Number(width) => Some((entry.place.clone(), width)),
            _ => None,
        };
        let (place, width) = self.entries.get(&tag).and_then(width).unwrap_or((0..0, 1));
        let numbers = self.bytes[place].chunks_exact(width);
        numbers.map(|bytes| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        })
    }

    /// Bytes that are no text.
    pub fn binary(&self, tag: Tag) -> Option<&[u8]> {
        let entry = self.entries.get(&tag)?;
        let is_binary = entry.kind == Kind::Binary;
        is_binary.then(|| &self.bytes[entry.place.clone()])
    }
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (bytes, entries) = (self.bytes.len(), self.entries.len());
        write!(f, "Header({entries} entries in {bytes} bytes)")
    }
}

// As in rpm, values lie in the order of their entries and do not overlap, so
// that each is looked at once.
fn read_entries(bytes: &[u8], table: Range<usize>) -> Result<BTreeMap<Tag, Entry>, NotAHeader> {
    let values = table.end;
    let mut entries = BTreeMap::new();
    let mut free = values;
    for (position, entry) in bytes[table].chunks_exact(ENTRY).enumerate() {
        let tag = Tag(number(&entry[..4]));
        let refuse = |what| NotAHeader::Entry { tag, what };
        let kind = kind(number(&entry[4..8])).ok_or_else(|| refuse("of no known type"))?;
        let (offset, count) = (number(&entry[8..12]), number(&entry[12..16]));
        let start = values.saturating_add(offset as usize);
        let length = start
            .checked_sub(values)
            .and_then(|_| bytes.get(start..))
            .and_then(|rest| length(rest, kind, count))
            .ok_or_else(|| refuse("longer than the values are"))?;
        let place = start..start + length;
        // The first entry may say what of the header is one region; its value is the last.
        let is_region = position == 0 && REGIONS.contains(&tag);
        if !is_region {
            if start < free {
                return Err(refuse("within another"));
            }
            free = place.end;
        }
        let known = entries.insert(tag, Entry { kind, count, place });
        if known.is_some() {
            return Err(refuse("there twice"));
        }
    }
    Ok(entries)
}

/// `HEADERSIGNATURES` and `HEADERIMMUTABLE`.
const REGIONS: [Tag; 2] = [Tag(62), Tag(63)];

fn kind(number: u32) -> Option<Kind> {
    Some(match number {
        1 | 2 => Kind::Number(1),
        3 => Kind::Number(2),
        4 => Kind::Number(4),
        5 => Kind::Number(8),
        6 => Kind::Text,
        7 => Kind::Binary,
        8 | 9 => Kind::Texts,
        _ => return None,
    })
}

/// How many of `rest`'s bytes a value takes; none where that is more than there are.
fn length(rest: &[u8], kind: Kind, count: u32) -> Option<usize> {
    let count = usize::try_from(count).ok().filter(|count| *count > 0)?;
    let length = match kind {
        Kind::Number(width) => count.checked_mul(width)?,
        Kind::Binary => count,
        Kind::Text if count > 1 => return None,
        Kind::Text | Kind::Texts => memchr::memchr_iter(0, rest).nth(count - 1)? + 1,
    };
    (length <= rest.len()).then_some(length)
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}
