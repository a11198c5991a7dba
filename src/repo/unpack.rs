//! Opens compressed indexes, never beyond the size that the signed index names.

use std::io::{self, Read};

use super::xz;
use crate::base::digest::{Digested, Hashing, copy};

/// How an index is compressed, by the suffix of its name; the order is the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// xz
    Xz,
    /// gzip
    Gzip,
    /// Not at all.
    None,
}

impl Compression {
    /// Every kind, the smallest file first.
    pub const ALL: [Self; 3] = [Self::Xz, Self::Gzip, Self::None];

    /// The suffix of the file's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Xz => ".xz",
            Self::Gzip => ".gz",
            Self::None => "",
        }
    }

    /// How the file of that name is compressed.
    pub fn of(name: &str) -> Self {
        let kinds = [Self::Xz, Self::Gzip].into_iter();
        let mut fitting = kinds.filter(|kind| name.ends_with(kind.suffix()));
        fitting.next().unwrap_or(Self::None)
    }

    /// What a file holds, as it is read; how much that may be is the caller's to bound.
    pub fn reader<'r>(self, file: impl Read + 'r) -> Box<dyn Read + 'r> {
        match self {
            Self::Xz => Box::new(liblzma::read::XzDecoder::new(file)),
            Self::Gzip => Box::new(flate2::read::GzDecoder::new(file)),
            Self::None => Box::new(file),
        }
    }

    /// What `bytes` hold, of which `size` bytes are expected: one more is read
    /// than that and never a bomb, so the caller sees that the size is wrong.
    pub fn unpack(self, bytes: &[u8], size: u64) -> io::Result<Digested<Vec<u8>>> {
        let in_blocks = (self == Self::Xz).then(|| xz::unpack(bytes, size));
        if let Some(unpacked) = in_blocks.flatten() {
            return Ok(unpacked);
        }
        let limit = size.saturating_add(1);
        let room = usize::try_from(limit).unwrap_or(0).min(1 << 28);
        let mut out = Hashing::new(Vec::with_capacity(room));
        copy(&mut self.reader(bytes).take(limit), &mut out)?;
        Ok(out.into_digested())
    }
}
