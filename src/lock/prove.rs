//! Proves a lock's rows against the signed indexes that it names, as they
//! were kept when it was made: signature, then whose it is, then the digest of
//! each list of packages, then each row.
//!
//! A row of a package that the operator was given is proved by that package.
//!
//! So a row cannot be altered, not even together with its stanza and its file
//! in the store. Lists are read as streams: one has fifty million bytes.

mod deb;
mod given;
mod rpm;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};

use super::given::NotForHosts;
use super::packages::PackageProofError;
use super::{Lock, LockedIndex, LockedPackage};
use crate::base::Epoch;
use crate::profile::{Profile, Repository};
use crate::repo::deb::release::ReleaseError;
use crate::repo::keyring::Keyring;
use crate::repo::openpgp::SignatureError;
use crate::repo::rpm::repomd::RepomdError;

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
    /// What should be a repository's index is none.
    #[error("{path}: {source}")]
    Repomd {
        /// The index.
        path: String,
        /// What is wrong.
        source: RepomdError,
    },
    /// A package is not what its row says.
    #[error("the package `{name}`: {source}")]
    Package {
        /// The package.
        name: String,
        /// What is wrong with it.
        source: PackageProofError,
    },
    /// What should be a package that the operator was given is none for these hosts.
    #[error("the vendor's package `{name}`: {source}")]
    Given {
        /// The package.
        name: String,
        /// What is wrong with it.
        source: NotForHosts,
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
            Self::Row { name } | Self::Package { name, .. } | Self::Given { name, .. } => name,
            Self::Date { says, .. } => says,
            Self::NoIndex { path, .. }
            | Self::Signature { path, .. }
            | Self::Release { path, .. }
            | Self::Repomd { path, .. }
            | Self::Key { path, .. }
            | Self::Unlisted { path, .. }
            | Self::Unreadable { path, .. } => path,
        }
    }
}

/// What a proof is made from.
pub struct Evidence<'a> {
    /// The profile, with the packaging that is in force.
    pub profile: &'a Profile,
    /// The certificates at hand.
    pub keyring: &'a Keyring,
    /// Opens an index that the lock names, whose digest was checked.
    pub open: &'a dyn Fn(&LockedIndex) -> io::Result<Box<dyn Read>>,
    /// Opens a package that the lock names, whose digest was checked.
    pub package: &'a dyn Fn(&LockedPackage) -> io::Result<File>,
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
    for source in &evidence.profile.sources {
        match &source.kind {
            Repository::Apt(archive) => {
                for (suite, codename) in archive.suites.iter().zip(&archive.codenames) {
                    proving.suite(source, archive, suite, codename)?;
                }
            }
            Repository::RpmMd(repository) => proving.repository(source, repository)?,
        }
    }
    proving.given()?;
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

impl Proving<'_> {
    /// An index that is short enough to be read at once.
    fn whole(&self, row: &LockedIndex) -> Result<Vec<u8>, ProveError> {
        let mut bytes = Vec::new();
        (self.evidence.open)(row)
            .and_then(|file| file.take(row.size).read_to_end(&mut bytes))
            .map_err(unreadable(row))?;
        Ok(bytes)
    }

    /// Strikes out the rows of a name that are said to be there.
    fn strike(&mut self, name: &str, says: impl Fn(&LockedPackage) -> bool) {
        if let Some(rows) = self.missing.get_mut(name) {
            rows.retain(|row| !says(row));
            if rows.is_empty() {
                self.missing.remove(name);
            }
        }
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
