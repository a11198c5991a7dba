//! Writes a tree as a `.tar.gz` whose bytes depend on the tree alone.
//!
//! GNU headers (tar(5)), owner root, one time for all, members sorted but for
//! those that the caller wants first. What is compressed already is stored
//! and not deflated again. Memory stays small: blobs are copied in pieces of
//! 64 KiB, and proven again on the way.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::behind;
use super::gzip::MixedGzip;
use crate::base::{BundlePath, Epoch, Sha256};
use crate::store::StoreError;
use crate::store::blob::CopyError;
use crate::tree::{Content, Entry, Tree};

/// Suffixes of files that deflate makes no smaller.
const COMPRESSED: [&str; 9] = [
    ".bz2", ".deb", ".gz", ".rpm", ".tgz", ".whl", ".xz", ".zip", ".zst",
];

/// The longest name that a header itself holds; longer ones go before it.
const NAME: usize = 100;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The digest of the archive.
    pub sha256: Sha256,
    /// Its bytes.
    pub size: u64,
}

/// The archive cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// A member that was to come first is not in the tree.
    #[error("`{0}` should come first in the archive and is not in the tree")]
    NoSuchMember(BundlePath),
    /// The content of a member cannot be had.
    #[error("`{path}` cannot be put into the archive: {source}")]
    Content {
        /// The member.
        path: BundlePath,
        /// Why not.
        source: StoreError,
    },
    /// The archive's own file cannot be written.
    #[error("the archive cannot be written: {0}")]
    Out(io::Error),
}

/// Writes `tree` to `out`: the members of `first` in that order, then the others, sorted.
pub fn write(
    out: impl Write + Send,
    tree: &Tree,
    first: &[BundlePath],
    date: Epoch,
) -> Result<Written, TarError> {
    let members = ordered(tree, first)?;
    let (made, written) = behind::digested(out, |ahead| {
        let mut gzip = MixedGzip::new(ahead).map_err(TarError::Out)?;
        for (path, entry) in &members {
            append(&mut gzip, path, entry, date)?;
        }
        // Two blocks of zeros end an archive.
        gzip.deflate(&[0; 1024]).map_err(TarError::Out)?;
        gzip.finish().map(drop).map_err(TarError::Out)
    });
    // Where the writing failed, the making knows only that nobody takes more.
    let (sha256, size) = written.map_err(TarError::Out)?;
    made.map(|()| Written { sha256, size })
}

fn ordered<'a>(
    tree: &'a Tree,
    first: &'a [BundlePath],
) -> Result<Vec<(&'a BundlePath, &'a Entry)>, TarError> {
    let mut members = Vec::with_capacity(tree.len());
    for path in first {
        let entry = tree
            .get(path)
            .ok_or_else(|| TarError::NoSuchMember(path.clone()))?;
        members.push((path, entry));
    }
    let taken: BTreeSet<_> = first.iter().collect();
    members.extend(tree.iter().filter(|(path, _)| !taken.contains(path)));
    Ok(members)
}

fn append<W: Write>(
    gzip: &mut MixedGzip<W>,
    path: &BundlePath,
    entry: &Entry,
    date: Epoch,
) -> Result<(), TarError> {
    let size = entry.content.size();
    let header = headers(path.as_str(), size, entry.mode.bits(), date);
    gzip.deflate(&header).map_err(TarError::Out)?;
    let stored = COMPRESSED
        .iter()
        .any(|suffix| path.as_str().ends_with(suffix));
    let mut member = Member { gzip, stored };
    let missing = |source| TarError::Content {
        path: path.clone(),
        source,
    };
    match &entry.content {
        Content::Bytes(bytes) => member.write_all(bytes).map_err(TarError::Out)?,
        Content::Blob(blob) => blob.copy_to(&mut member).map_err(|error| match error {
            CopyError::Out(source) => TarError::Out(source),
            CopyError::Blob(source) => missing(source),
        })?,
        Content::Named { sha256, .. } => return Err(missing(StoreError::Missing(*sha256))),
    }
    gzip.deflate(padding(size)).map_err(TarError::Out)
}

/// The content of one member on its way into the archive.
struct Member<'a, W> {
    gzip: &'a mut MixedGzip<W>,
    stored: bool,
}

impl<W: Write> Write for Member<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stored {
            true => self.gzip.store(bytes)?,
            false => self.gzip.deflate(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn padding(size: u64) -> &'static [u8] {
    &[0; 512][..(size.next_multiple_of(512) - size) as usize]
}

/// The header of a file, after that of its name where it is long.
fn headers(path: &str, size: u64, mode: u32, date: Epoch) -> Vec<u8> {
    let mut bytes = Vec::new();
    if path.len() > NAME {
        // GNU: a member of type `L` holds the name, with a zero at its end.
        let length = path.len() as u64 + 1;
        let kind = tar::EntryType::GNULongName;
        bytes.extend(header("././@LongLink", kind, length, 0o644, 0));
        bytes.extend(path.as_bytes());
        bytes.push(0);
        bytes.extend(padding(length));
    }
    let date = date.seconds().unsigned_abs();
    bytes.extend(header(path, tar::EntryType::Regular, size, mode, date));
    bytes
}

fn header(path: &str, kind: tar::EntryType, size: u64, mode: u32, date: u64) -> [u8; 512] {
    let mut header = tar::Header::new_gnu();
    let name = &path.as_bytes()[..path.len().min(NAME)];
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    for set in [tar::Header::set_username, tar::Header::set_groupname] {
        set(&mut header, "root").expect("a GNU header has room for the name");
    }
    header.set_mtime(date);
    header.set_size(size);
    header.set_cksum();
    *header.as_bytes()
}
