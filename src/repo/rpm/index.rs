//! An rpm-md repository, read from a mirror: signature where upstream makes
//! one, then digests, and only then the packages.
//!
//! Where upstream signs packages alone, what is read here is not believed yet:
//! it says which packages there are to choose from. A row of a lock is written
//! only after the package itself was fetched and its own signature, over
//! header and payload, was checked ([`crate::lock::packages`]). What remains
//! open to a mirror is to serve an older state, or a part of one.

use std::collections::HashMap;

use super::repomd::{Data, Kind, Repomd};
use crate::base::digest::Digested;
use crate::base::{Epoch, Sha256};
use crate::profile::{Metadata, RpmRepository};
use crate::repo::index::{Evidence, Form, IndexError, Proof, Reading, matching};
use crate::repo::openpgp::{Lifetime, Trust, verify_detached};
use crate::repo::unpack::Compression;

/// Where a repository's index begins.
pub const REPOMD: &str = "repodata/repomd.xml";

/// Its detached signature, where upstream makes one.
pub const SIGNATURE: &str = "repodata/repomd.xml.asc";

/// Repositories with a hundred parts have a tenth of it.
const REPOMD_LIMIT: u64 = 4 << 20;
const SIGNATURE_LIMIT: u64 = 1 << 16;

/// What an index may take, packed or not: ten times those of EL. Nobody signs
/// the sizes in an index that is not signed.
const INDEX_LIMIT: u64 = 2 << 30;

/// A repository whose bytes are those that its `repomd.xml` names.
#[derive(Clone, Debug)]
pub struct VerifiedIndex {
    /// The source's id in the profile.
    pub source: String,
    /// When this state of the repository was made.
    pub date: Epoch,
    /// Full fingerprint of the primary key that signed `repomd.xml`; none
    /// where upstream signs packages alone.
    pub key: Option<String>,
    /// `repomd.xml` first, then its signature, then what it names, as the mirror gave them.
    pub evidence: Vec<Evidence>,
    /// `primary.xml`.
    pub primary: Digested<String>,
    /// `modules.yaml`, where the repository has modules.
    pub modules: Option<Digested<String>>,
    /// Files that were looked up in `filelists.xml`, each with the digests of
    /// the packages that own it: none, where nobody does.
    pub file_owners: HashMap<String, Vec<Sha256>>,
}

impl VerifiedIndex {
    /// Why it is believed.
    pub fn proof(&self) -> Proof<'_> {
        Proof {
            source: &self.source,
            date: self.date,
            key: self.key.as_deref(),
            evidence: &self.evidence,
        }
    }

    /// All that was unpacked.
    pub fn texts(&self) -> impl Iterator<Item = &Digested<String>> {
        std::iter::once(&self.primary).chain(&self.modules)
    }
}

impl Reading<'_> {
    /// Reads the repository of the source of that id.
    pub fn rpm_md(
        &self,
        id: &str,
        repository: &RpmRepository,
    ) -> Result<VerifiedIndex, IndexError> {
        let bytes = self.get(REPOMD, REPOMD_LIMIT)?;
        let mut evidence = Vec::new();
        let key = match repository.metadata {
            Metadata::Unsigned => None,
            Metadata::Signed => {
                let signature = self.get(SIGNATURE, SIGNATURE_LIMIT)?;
                let key = self.signer(&bytes, &signature, repository)?;
                let signature = Digested::of(signature);
                evidence.push(Evidence::new(SIGNATURE.to_owned(), signature));
                Some(key)
            }
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| IndexError::NotText {
            path: REPOMD.to_owned(),
        })?;
        let parts = Repomd::read(text)?;
        let date = parts.date().ok_or_else(|| IndexError::Undated {
            path: REPOMD.to_owned(),
        })?;
        let first = Evidence::new(REPOMD.to_owned(), Digested::of(bytes));
        evidence.insert(0, first);
        let read = |kind| parts.of(kind).map(|data| self.part(data)).transpose();
        let (primary, modules) = (read(Kind::Primary)?, read(Kind::Modules)?);
        let (proof, primary) = primary.ok_or_else(|| IndexError::Unlisted {
            suite: id.to_owned(),
            path: Kind::Primary.as_str().to_owned(),
        })?;
        evidence.push(proof);
        let modules = modules.map(|(proof, modules)| {
            evidence.push(proof);
            modules
        });
        Ok(VerifiedIndex {
            source: id.to_owned(),
            date,
            key,
            evidence,
            primary,
            modules,
            file_owners: HashMap::new(),
        })
    }

    fn signer(
        &self,
        repomd: &[u8],
        signature: &[u8],
        repository: &RpmRepository,
    ) -> Result<String, IndexError> {
        let trust = Trust {
            certs: self.certs,
            legacy: &repository.legacy_keys,
        };
        verify_detached(repomd, signature, trust, self.at, Lifetime::StillAlive).map_err(|source| {
            IndexError::Signature {
                path: REPOMD.to_owned(),
                source,
            }
        })
    }

    fn part(&self, data: &Data) -> Result<(Evidence, Digested<String>), IndexError> {
        let path = data.path.as_str();
        let largest = data.size.max(data.open_size);
        if largest > INDEX_LIMIT {
            return Err(IndexError::TooLarge {
                path: path.to_owned(),
                size: largest,
            });
        }
        let form = Form {
            path: path.to_owned(),
            compression: Compression::of(path),
            wanted: (data.size, data.sha256),
        };
        let plain = (data.open_size, data.open_sha256);
        match self.kept(std::slice::from_ref(&form), plain)? {
            Some(kept) => Ok(kept),
            None => {
                let packed = Digested::of(self.get(path, data.size)?);
                form.unpack(matching(path, packed, form.wanted)?, plain)
            }
        }
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
