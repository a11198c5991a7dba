//! An rpm-md repository, read from a mirror: signature where upstream makes
//! one, then digests, and only then the packages.
//!
//! Where upstream signs packages alone, what is read here is not believed yet:
//! it says which packages there are to choose from. A row of a lock is written
//! only after the package itself was fetched and its own signature, over
//! header and payload, was checked ([`crate::lock::packages`]). What remains
//! open to a mirror is to serve an older state, or a part of one.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufReader, Read};

use super::filelists;
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
    /// Where `filelists.xml` lies, which is read only for what is looked up.
    pub filelists: Option<Data>,
    /// Files that were looked up in `filelists.xml`, each with the digests of
    /// the packages that own it: none, where nobody does.
    pub file_owners: HashMap<String, Vec<Sha256>>,
}

/// What was looked up in the lists of files.
#[derive(Clone, Debug)]
pub struct FileOwners {
    owners: HashMap<String, Vec<Sha256>>,
    evidence: Option<Evidence>,
}

impl VerifiedIndex {
    /// Takes what was looked up; the lists of files are evidence from then on.
    pub fn learn(&mut self, found: FileOwners) {
        self.file_owners.extend(found.owners);
        let known = |one: &Evidence| self.evidence.iter().any(|known| known.path == one.path);
        let new = found.evidence.filter(|evidence| !known(evidence));
        self.evidence.extend(new);
    }

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
            filelists: parts.of(Kind::Filelists).cloned(),
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

    /// Looks up in the lists of files who owns these. The lists are unpacked
    /// as they are searched: they are the largest part of any repository.
    pub fn look_up(
        &self,
        index: &VerifiedIndex,
        files: &BTreeSet<String>,
    ) -> Result<FileOwners, IndexError> {
        let mut found = FileOwners {
            owners: files.iter().map(|file| (file.clone(), vec![])).collect(),
            evidence: None,
        };
        let Some(data) = &index.filelists else {
            return Ok(found);
        };
        let packed = self.packed(data)?;
        let path = data.path.as_str().to_owned();
        let plain = Compression::of(&path).reader(packed.bytes().as_slice());
        let plain = plain.map_err(|source| {
            let path = path.clone();
            IndexError::Packed { path, source }
        })?;
        let text = BufReader::with_capacity(1 << 16, plain.take(data.open_size));
        let wanted = files.iter().map(String::as_str).collect();
        found.owners.extend(filelists::owners(text, &wanted)?);
        found.evidence = Some(Evidence::new(path, packed));
        Ok(found)
    }

    fn part(&self, data: &Data) -> Result<(Evidence, Digested<String>), IndexError> {
        let form = form(data)?;
        let plain = (data.open_size, data.open_sha256);
        match self.kept(std::slice::from_ref(&form), plain)? {
            Some(kept) => Ok(kept),
            None => form.unpack(self.packed(data)?, plain),
        }
    }

    /// A part as the mirror has it, or as it was kept.
    fn packed(&self, data: &Data) -> Result<Digested<Vec<u8>>, IndexError> {
        let Form { path, wanted, .. } = form(data)?;
        let kept = self.transport.kept(data.sha256, data.size);
        let packed = match kept {
            Some(kept) => kept,
            None => Digested::of(self.get(&path, data.size)?),
        };
        matching(&path, packed, wanted)
    }
}

fn form(data: &Data) -> Result<Form, IndexError> {
    let path = data.path.as_str();
    let largest = data.size.max(data.open_size);
    if largest > INDEX_LIMIT {
        return Err(IndexError::TooLarge {
            path: path.to_owned(),
            size: largest,
        });
    }
    Ok(Form {
        path: path.to_owned(),
        compression: Compression::of(path),
        wanted: (data.size, data.sha256),
    })
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
