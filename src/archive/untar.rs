//! Walks a `.tar.gz` that nobody vouches for yet.
//!
//! Plain files and folders only: links, devices, sparse files and extended
//! headers are refused, and so are absolute paths, `..`, a path that comes
//! twice, a file where a folder is, and anything beyond the bounds. The
//! checksum at the end is checked, and nothing may follow it.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use tar::EntryType;

use crate::base::BundlePath;

/// The longest name that is read.
const NAME: u64 = 4096;
/// Zeros that may follow the last member; GNU tar fills up to 10 KiB, and
/// that can be set higher.
const PADDING: u64 = 1 << 20;

/// Bounds on what an archive may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of all files together.
    pub total: u64,
    /// Members.
    pub members: u64,
}

impl Default for Limits {
    /// Far beyond any bundle, and still finite.
    fn default() -> Self {
        Self {
            file: 16 << 30,
            total: 64 << 30,
            members: 100_000,
        }
    }
}

/// A file of the archive.
pub struct Member<'a> {
    /// Where it is.
    pub path: &'a BundlePath,
    /// Its bytes.
    pub size: u64,
    /// Whether its owner may run it.
    pub is_program: bool,
    /// Its content; what is not read is skipped.
    pub reader: &'a mut dyn Read,
}

/// The archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum UntarError {
    /// It cannot be read, is cut off, or its checksum is wrong.
    #[error("the archive cannot be read after `{after}`: {source}")]
    Read {
        /// The last member that was begun.
        after: String,
        /// Why not.
        source: io::Error,
    },
    /// A name is no path within a bundle.
    #[error(
        "the archive has a member `{0}`, which is not a relative path without `.`, `..` and empty parts"
    )]
    Path(String),
    /// A member is neither a file nor a folder.
    #[error("`{path}` in the archive is neither a plain file nor a folder (tar type `{kind}`)")]
    Kind {
        /// Its name.
        path: String,
        /// The letter of its type.
        kind: char,
    },
    /// A path comes twice, or is both a file and a folder.
    #[error("`{0}` is in the archive twice, or as a file and a folder")]
    Twice(BundlePath),
    /// More than was allowed for.
    #[error("the archive goes beyond its bounds at `{path}`: {bound}")]
    Bounds {
        /// Where.
        path: String,
        /// The bound.
        bound: String,
    },
    /// Something follows the end.
    #[error("bytes follow the end of the archive: it was put together from two, or altered")]
    Trailing,
}

/// Walks the archive and shows each file to `visit`; folders are checked and
/// not shown. Nothing is proven until the whole walk has succeeded.
pub fn walk<E: From<UntarError>>(
    reader: impl Read,
    limits: Limits,
    mut visit: impl FnMut(Member<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(reader)));
    let mut checks = Checks::new(limits);
    let entries = archive
        .entries()
        .map_err(|error| checks.unreadable(error))?;
    // Raw: names and extended headers are read here, within bounds.
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(|error| checks.unreadable(error))?;
        if let Some(file) = checks.admit(&mut entry)? {
            visit(Member {
                path: &file.path,
                size: file.size,
                is_program: file.is_program,
                reader: &mut entry,
            })?;
        }
    }
    checks.end(archive.into_inner())?;
    Ok(())
}

struct Checks {
    limits: Limits,
    files: BTreeSet<BundlePath>,
    folders: BTreeSet<BundlePath>,
    members: u64,
    total: u64,
    long_name: Option<Vec<u8>>,
    last: String,
}

struct Admitted {
    path: BundlePath,
    size: u64,
    is_program: bool,
}

impl Checks {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            files: BTreeSet::new(),
            folders: BTreeSet::new(),
            members: 0,
            total: 0,
            long_name: None,
            last: "its beginning".to_owned(),
        }
    }

    /// Checks a member; hands it out when it is a file.
    fn admit<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<Option<Admitted>, UntarError> {
        self.count(entry)?;
        let name = match self.long_name.take() {
            Some(name) => name,
            None => entry.path_bytes().into_owned(),
        };
        let kind = entry.header().entry_type();
        if kind == EntryType::GNULongName {
            self.long_name = Some(self.read_name(entry)?);
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&name).into_owned();
        self.last.clone_from(&text);
        match kind {
            EntryType::Directory => self.admit_folder(&text, entry.size()).map(|()| None),
            EntryType::Regular => self.admit_file(&text, entry).map(Some),
            other => Err(UntarError::Kind {
                path: text,
                kind: char::from(other.as_byte()),
            }),
        }
    }

    fn count<R: Read>(&mut self, entry: &tar::Entry<'_, R>) -> Result<(), UntarError> {
        self.members += 1;
        if self.members > self.limits.members {
            return Err(self.beyond(format!("at most {} members", self.limits.members)));
        }
        if entry.size() > self.limits.file {
            return Err(self.beyond(format!("at most {} bytes a file", self.limits.file)));
        }
        self.total = self.total.saturating_add(entry.size());
        if self.total > self.limits.total {
            return Err(self.beyond(format!("at most {} bytes in all", self.limits.total)));
        }
        Ok(())
    }

    fn beyond(&self, bound: String) -> UntarError {
        let path = self.last.clone();
        UntarError::Bounds { path, bound }
    }

    fn read_name<R: Read>(&self, entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, UntarError> {
        if entry.size() > NAME {
            return Err(self.beyond(format!("names of at most {NAME} bytes")));
        }
        let mut name = Vec::new();
        entry
            .read_to_end(&mut name)
            .map_err(|error| self.unreadable(error))?;
        if name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    fn admit_folder(&mut self, text: &str, size: u64) -> Result<(), UntarError> {
        let refuse = || UntarError::Path(text.to_owned());
        let name = text.strip_suffix('/').unwrap_or(text);
        let path: BundlePath = name.parse().map_err(|_| refuse())?;
        if size > 0 {
            return Err(refuse());
        }
        self.add_folder(path.clone(), &path)?;
        self.add_parents(&path)
    }

    fn admit_file<R: Read>(
        &mut self,
        text: &str,
        entry: &tar::Entry<'_, R>,
    ) -> Result<Admitted, UntarError> {
        let refuse = || UntarError::Path(text.to_owned());
        let path: BundlePath = text.parse().map_err(|_| refuse())?;
        self.add_parents(&path)?;
        if self.folders.contains(&path) || !self.files.insert(path.clone()) {
            return Err(UntarError::Twice(path));
        }
        let mode = entry
            .header()
            .mode()
            .map_err(|error| self.unreadable(error))?;
        Ok(Admitted {
            path,
            size: entry.size(),
            is_program: mode & 0o100 != 0,
        })
    }

    fn add_parents(&mut self, path: &BundlePath) -> Result<(), UntarError> {
        for (at, _) in path.as_str().match_indices('/') {
            let parent = path.as_str()[..at]
                .parse()
                .expect("a beginning of a normal path is normal");
            self.add_folder(parent, path)?;
        }
        Ok(())
    }

    fn add_folder(&mut self, folder: BundlePath, of: &BundlePath) -> Result<(), UntarError> {
        if self.files.contains(&folder) {
            return Err(UntarError::Twice(of.clone()));
        }
        self.folders.insert(folder);
        Ok(())
    }

    /// Reads on to the checksum, which the decoder compares at its end.
    fn end<R: BufRead>(&self, mut decoder: GzDecoder<R>) -> Result<(), UntarError> {
        if self.long_name.is_some() {
            return Err(self.unreadable(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut rest = Vec::new();
        (&mut decoder)
            .take(PADDING + 1)
            .read_to_end(&mut rest)
            .map_err(|error| self.unreadable(error))?;
        let is_padding = rest.len() as u64 <= PADDING && rest.iter().all(|byte| *byte == 0);
        let mut after = decoder.into_inner();
        let left = after.fill_buf().map_err(|error| self.unreadable(error))?;
        match is_padding && left.is_empty() {
            true => Ok(()),
            false => Err(UntarError::Trailing),
        }
    }

    fn unreadable(&self, source: io::Error) -> UntarError {
        let after = self.last.clone();
        UntarError::Read { after, source }
    }
}
