//! Proves a lock's rows against the signed indexes that it names, as they
//! were kept when it was made: signature, then whose it is, then the digest of
//! each list of packages, then each row.
//!
//! So a row cannot be altered, not even together with its stanza and its file
//! in the store. Lists are read as streams: one has fifty million bytes.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use super::pin::row;
use super::{Lock, LockedIndex, LockedPackage};
use crate::base::Epoch;
use crate::profile::{AptArchive, Repository, Source};
use crate::repo::deb::package::PackageSet;
use crate::repo::deb::release::{Release, ReleaseError};
use crate::repo::keyring::Keyring;
use crate::repo::openpgp::{self, SignatureError};
use crate::repo::unpack::Compression;

/// A lock says something else than the indexes that it names.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// A suite's signed index is not among those that are named.
    #[error("the lock names no `{path}` of source `{source_id}`")]
    NoIndex {
        /// The source.
        source_id: String,
        /// The index.
        path: String,
    },
    /// The signature is not accepted.
    #[error("{path}: {source}")]
    Signature {
        /// The index.
        path: String,
        /// Why.
        source: SignatureError,
    },
    /// It is another archive's.
    #[error("{path}: {source}")]
    Release {
        /// The index.
        path: String,
        /// Why.
        source: ReleaseError,
    },
    /// A list of packages has another digest than the signed index says.
    #[error("`{path}` is not the list that the signed index of source `{source_id}` names")]
    Unlisted {
        /// The source.
        source_id: String,
        /// The list.
        path: String,
    },
    /// Another key signed it than the lock says.
    #[error("{path} is signed by {found}, not by the key that the lock names")]
    Key {
        /// The index.
        path: String,
        /// Who signed it.
        found: String,
    },
    /// The lock has another date than its newest index.
    #[error("the newest of the signed indexes is of {found}, the lock says {says}")]
    Date {
        /// The date of the newest index.
        found: Epoch,
        /// The lock's.
        says: String,
    },
    /// A row is in no list.
    #[error("the signed indexes have no package `{name}` as the lock has it")]
    Row {
        /// The package.
        name: String,
    },
    /// An index cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The index.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

impl ProveError {
    /// The text of the lock that it is about.
    pub fn subject(&self) -> &str {
        match self {
            Self::Row { name } => name,
            Self::Date { says, .. } => says,
            Self::NoIndex { path, .. }
            | Self::Signature { path, .. }
            | Self::Release { path, .. }
            | Self::Key { path, .. }
            | Self::Unlisted { path, .. }
            | Self::Unreadable { path, .. } => path,
        }
    }
}

/// What a proof is made from.
pub struct Evidence<'a> {
    /// The sources of the profile.
    pub sources: &'a [Source],
    /// The certificates at hand.
    pub keyring: &'a Keyring,
    /// Opens an index that the lock names, whose digest was checked.
    pub open: &'a dyn Fn(&LockedIndex) -> io::Result<Box<dyn Read>>,
}

/// Proves every row. Returned are the signed indexes whose signature could not
/// be checked, because no certificate for them is at hand.
pub fn prove(lock: &Lock, evidence: &Evidence<'_>) -> Result<Vec<String>, ProveError> {
    let mut proving = Proving {
        lock,
        evidence,
        missing: BTreeMap::new(),
        strange: lock.indexes.iter().collect(),
        newest: None,
        unchecked: Vec::new(),
    };
    for row in &lock.packages {
        proving.missing.entry(&row.name).or_default().push(row);
    }
    for source in evidence.sources {
        match &source.kind {
            Repository::Apt(archive) => {
                for (suite, codename) in archive.suites.iter().zip(&archive.codenames) {
                    proving.suite(source, archive, suite, codename)?;
                }
            }
            Repository::RpmMd(_) => {
                return Err(ProveError::NoIndex {
                    source_id: source.id.clone(),
                    path: "repodata/repomd.xml".to_owned(),
                });
            }
        }
    }
    proving.finish()
}

struct Proving<'a> {
    lock: &'a Lock,
    evidence: &'a Evidence<'a>,
    /// Rows that no list had so far, by name.
    missing: BTreeMap<&'a str, Vec<&'a LockedPackage>>,
    /// Indexes that no suite has asked for so far.
    strange: Vec<&'a LockedIndex>,
    newest: Option<Epoch>,
    unchecked: Vec<String>,
}

impl<'a> Proving<'a> {
    fn suite(
        &mut self,
        source: &Source,
        archive: &AptArchive,
        suite: &str,
        codename: &str,
    ) -> Result<(), ProveError> {
        let folder = format!("dists/{suite}/");
        let path = format!("{folder}InRelease");
        let lock = self.lock;
        let rows = lock.indexes.iter().filter(|row| row.source == source.id);
        let (mut signed, lists): (Vec<_>, Vec<_>) = rows
            .filter(|row| row.path.starts_with(&folder))
            .partition(|row| row.path == path);
        let signed = signed.pop().ok_or_else(|| ProveError::NoIndex {
            source_id: source.id.clone(),
            path: path.clone(),
        })?;
        self.strange.retain(|row| *row != signed);
        let text = self.signed_text(source, signed)?;
        let release = Release::read(&text, &archive.origin, codename)
            .map_err(|source| ProveError::Release { path, source })?;
        self.newest = self.newest.max(Some(release.date));
        for list in lists {
            self.strange.retain(|row| *row != list);
            let name = &list.path[folder.len()..];
            let kind = Compression::of(name);
            let plain = release.files.get(name.trim_end_matches(kind.suffix()));
            match (release.files.get(name), plain) {
                (Some(listed), Some((size, _))) if *listed == (list.size, list.sha256) => {
                    self.list(list, kind, *size)?;
                }
                _ => return Err(unlisted(list)),
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<String>, ProveError> {
        if let Some(name) = self.missing.keys().next() {
            return Err(ProveError::Row {
                name: (*name).to_owned(),
            });
        }
        if let Some(row) = self.strange.first() {
            return Err(unlisted(row));
        }
        match self.newest {
            Some(found) if found != self.lock.date => Err(ProveError::Date {
                found,
                says: self.lock.date.to_string(),
            }),
            _ => Ok(self.unchecked),
        }
    }

    fn signed_text(&mut self, source: &Source, row: &LockedIndex) -> Result<String, ProveError> {
        let path = || row.path.clone();
        let mut bytes = Vec::new();
        (self.evidence.open)(row)
            .and_then(|file| file.take(row.size).read_to_end(&mut bytes))
            .map_err(unreadable(row))?;
        let refused = |source| ProveError::Signature {
            path: path(),
            source,
        };
        match self.evidence.keyring.pinned(&source.keys) {
            Ok(certs) => {
                let signed = openpgp::verify(&bytes, &certs, self.lock.date).map_err(refused)?;
                match row.key.as_ref() == Some(&signed.key) {
                    true => Ok(signed.text),
                    false => Err(ProveError::Key {
                        path: path(),
                        found: signed.key,
                    }),
                }
            }
            Err(_) => {
                self.unchecked.push(format!("{} of {}", path(), source.id));
                openpgp::unproved_text(&bytes).map_err(refused)
            }
        }
    }

    /// Strikes out the rows that a list has, of which `size` bytes are read and no more.
    fn list(&mut self, row: &LockedIndex, kind: Compression, size: u64) -> Result<(), ProveError> {
        let file = (self.evidence.open)(row).map_err(unreadable(row))?;
        let mut lines = BufReader::with_capacity(1 << 16, kind.reader(file).take(size));
        let mut stanza = Vec::new();
        loop {
            let begun = stanza.len();
            let count = lines
                .read_until(b'\n', &mut stanza)
                .map_err(unreadable(row))?;
            if count == 0 || stanza[begun..] == *b"\n" {
                self.stanza(&stanza, &row.source);
                stanza.clear();
            }
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn stanza(&mut self, bytes: &[u8], source: &str) {
        let is_wanted = |name: &&str| self.missing.contains_key(name);
        let Some(name) = name_of(bytes).filter(is_wanted) else {
            return;
        };
        let Some(rows) = self.missing.get_mut(name) else {
            return;
        };
        rows.retain(|row| !says(bytes, source, row));
        if rows.is_empty() {
            self.missing.remove(name);
        }
    }
}

fn name_of(stanza: &[u8]) -> Option<&str> {
    let mut lines = stanza.split(|byte| *byte == b'\n');
    let name = lines.find_map(|line| line.strip_prefix(b"Package:"))?;
    std::str::from_utf8(name).ok().map(str::trim)
}

/// Whether this stanza of `source` makes exactly that row.
fn says(stanza: &[u8], source: &str, row: &LockedPackage) -> bool {
    let text = [std::str::from_utf8(stanza).unwrap_or_default()];
    let Ok(set) = PackageSet::read(&text, &row.architecture) else {
        return false;
    };
    let roles = row.roles.iter().copied().collect();
    let made = set
        .all()
        .first()
        .map(|package| row::package(package, source, &roles, row.family));
    made.is_some_and(|made| made.is_ok_and(|made| made == *row))
}

fn unlisted(row: &LockedIndex) -> ProveError {
    ProveError::Unlisted {
        source_id: row.source.clone(),
        path: row.path.clone(),
    }
}

fn unreadable(row: &LockedIndex) -> impl FnOnce(io::Error) -> ProveError + use<> {
    let path = row.path.clone();
    move |source| ProveError::Unreadable { path, source }
}
