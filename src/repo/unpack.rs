//! Opens compressed indexes, never beyond the size that the signed index names.

use std::io::{self, Read};

use super::xz;
use crate::base::digest::{Digested, Hashing, copy};

/// How an index is compressed, by the suffix of its name; the order is the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// xz
    Xz,
    /// Zstandard (RFC 8878)
    Zstd,
    /// bzip2
    Bzip2,
    /// gzip
    Gzip,
    /// Not at all.
    None,
}

impl Compression {
    /// Every kind, the smallest file first.
    pub const ALL: [Self; 5] = [Self::Xz, Self::Zstd, Self::Bzip2, Self::Gzip, Self::None];

    /// What apt's repositories offer side by side; rpm-md has one form of each file.
    pub const OF_APT: [Self; 3] = [Self::Xz, Self::Gzip, Self::None];

    /// The suffix of the file's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
            Self::Bzip2 => ".bz2",
            Self::Gzip => ".gz",
            Self::None => "",
        }
    }

    /// How the file of that name is compressed.
    pub fn of(name: &str) -> Self {
        // Every name ends with the suffix of the last, which has none.
        let mut fitting = Self::ALL
            .into_iter()
            .filter(|kind| name.ends_with(kind.suffix()));
        fitting.next().unwrap_or(Self::None)
    }

    /// What a file holds, as it is read; how much that may be is the caller's to bound.
    pub fn reader<'r>(self, file: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
        Ok(match self {
            Self::Xz => Box::new(liblzma::read::XzDecoder::new(file)),
            Self::Zstd => Box::new(zstd::Decoder::new(file)?),
            Self::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(file)),
            Self::Gzip => Box::new(flate2::read::GzDecoder::new(file)),
            Self::None => Box::new(file),
        })
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
        copy(&mut self.reader(bytes)?.take(limit), &mut out)?;
        Ok(out.into_digested())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(kind: Compression, text: &[u8]) -> Vec<u8> {
        match kind {
            Compression::Xz => {
                let mut out = liblzma::write::XzEncoder::new(Vec::new(), 6);
                out.write_all(text).unwrap();
                out.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(text, 3).unwrap(),
            Compression::Bzip2 => {
                let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
                out.write_all(text).unwrap();
                out.finish().unwrap()
            }
            Compression::Gzip => {
                let mut out =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                out.write_all(text).unwrap();
                out.finish().unwrap()
            }
            Compression::None => text.to_vec(),
        }
    }

    #[test]
    fn opens_every_kind_and_no_more_than_was_expected() {
        let text = b"some text that repeats ".repeat(100_000);
        for kind in Compression::ALL {
            let file = packed(kind, &text);
            assert_eq!(
                Compression::of(&format!("primary.xml{}", kind.suffix())),
                kind
            );
            let whole = kind.unpack(&file, text.len() as u64).unwrap();
            assert_eq!(whole.bytes(), &text, "{kind:?}");
            assert_eq!(kind.unpack(&file, 9).unwrap().size(), 10, "{kind:?}");
            if kind != Compression::None {
                let half = &file[..file.len() / 2];
                assert!(kind.unpack(half, text.len() as u64).is_err(), "{kind:?}");
            }
        }
    }
}
