//! Opens compressed indexes, never beyond the size that the signed index names.

use std::io::{self, Read};
use std::thread;

use liblzma::bufread::XzDecoder;
use liblzma::stream::MtStreamBuilder;

use crate::base::digest::{Digested, Hashing, copy};

/// Blocks that are decompressed at a time, at most.
const THREADS: usize = 2;

/// What may be spent on decompressing blocks at the same time, in bytes;
/// where they take more, one comes after the other.
const MEMORY: u64 = 80 << 20;

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
        let limit = size.saturating_add(1);
        let room = usize::try_from(limit).unwrap_or(0).min(1 << 28);
        let mut out = Hashing::new(Vec::with_capacity(room));
        match self {
            Self::Xz => copy(&mut xz(bytes)?.take(limit), &mut out)?,
            Self::Gzip => copy(
                &mut flate2::bufread::GzDecoder::new(bytes).take(limit),
                &mut out,
            )?,
            Self::None => copy(&mut bytes.take(limit), &mut out)?,
        };
        Ok(out.into_digested())
    }
}

/// Archives write their indexes in several blocks, which can be decompressed
/// at the same time while the digest of those before is taken.
fn xz(bytes: &[u8]) -> io::Result<XzDecoder<&[u8]>> {
    let threads = thread::available_parallelism().map_or(1, |count| count.get().min(THREADS));
    let decoder = MtStreamBuilder::new()
        .threads(threads as u32)
        .memlimit_threading(MEMORY)
        .memlimit_stop(u64::MAX)
        .decoder()?;
    Ok(XzDecoder::new_stream(bytes, decoder))
}
