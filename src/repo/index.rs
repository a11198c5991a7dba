//! One suite of a source, read from a mirror: signature, then whose it is,
//! then digests, and only then the packages.

use sequoia_openpgp::Cert;

use super::openpgp::{self, SignatureError};
use super::release::{Release, ReleaseError};
use super::transport::{Transport, TransportError};
use super::unpack::Compression;
use crate::base::{Architecture, Epoch, Sha256};
use crate::profile::Source;

/// A suite whose bytes are upstream's.
#[derive(Clone, Debug)]
pub struct VerifiedIndex {
    /// The source's id in the profile.
    pub source: String,
    /// The suite's `Date`.
    pub date: Epoch,
    /// Full fingerprint of the primary key whose signature was accepted.
    pub key: String,
    /// `InRelease` first, then the package indexes, as the mirror gave them.
    pub evidence: Vec<Evidence>,
    /// The package indexes, unpacked.
    pub packages: Vec<String>,
}

/// A file of a mirror, kept as proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Path below the source's root.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A suite on this mirror cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file cannot be had.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The signature is not accepted.
    #[error("{path}: {source}")]
    Signature {
        /// The file.
        path: String,
        /// Why.
        source: SignatureError,
    },
    /// It is another archive's, or too old.
    #[error("{path}: {source}")]
    Release {
        /// The file.
        path: String,
        /// Why.
        source: ReleaseError,
    },
    /// The signed index does not list the packages.
    #[error("{suite}: its InRelease lists no digest for `{path}`")]
    Unlisted {
        /// The suite.
        suite: String,
        /// The file.
        path: String,
    },
    /// The file's bytes are not upstream's.
    #[error(
        "{path}: the file has {found}, its signed index says {wanted}; the mirror is damaged, or being updated"
    )]
    Altered {
        /// The file.
        path: String,
        /// Size and digest of what came.
        found: String,
        /// Size and digest of what should have.
        wanted: String,
    },
    /// It cannot be decompressed.
    #[error("{path}: {source}")]
    Packed {
        /// The file.
        path: String,
        /// What happened.
        source: std::io::Error,
    },
    /// It is not text.
    #[error("{path}: the index is not UTF-8")]
    NotText {
        /// The file.
        path: String,
    },
}

/// No suite's InRelease comes near this; Debian's has 150 kB.
const INRELEASE_LIMIT: u64 = 16 << 20;

/// What all suites of a source are read with.
#[derive(Clone, Copy)]
pub struct Reading<'r> {
    /// Where files come from.
    pub transport: &'r dyn Transport,
    /// The mirror's address.
    pub mirror: &'r str,
    /// The source's pinned certificates.
    pub certs: &'r [Cert],
    /// When keys and `Valid-Until` are judged.
    pub at: Epoch,
    /// The architecture.
    pub architecture: &'r Architecture,
}

impl Reading<'_> {
    /// Reads all suites of a source.
    pub fn source(&self, source: &Source) -> Result<Vec<VerifiedIndex>, IndexError> {
        let suites = source.suites.iter().zip(&source.codenames);
        let indexes = suites.map(|(suite, codename)| self.suite(source, suite, codename));
        indexes.collect()
    }

    fn suite(
        &self,
        source: &Source,
        suite: &str,
        codename: &str,
    ) -> Result<VerifiedIndex, IndexError> {
        let path = format!("dists/{suite}/InRelease");
        let bytes = self.get(&path, INRELEASE_LIMIT)?;
        let signed = openpgp::verify(&bytes, self.certs, self.at).map_err(|source| {
            IndexError::Signature {
                path: path.clone(),
                source,
            }
        })?;
        let release = Release::read(&signed.text, &source.origin, codename)
            .and_then(|release| release.check_valid(self.at).map(|()| release))
            .map_err(|source| IndexError::Release {
                path: path.clone(),
                source,
            })?;
        let mut index = VerifiedIndex {
            source: source.id.clone(),
            date: release.date,
            key: signed.key,
            evidence: vec![Evidence { path, bytes }],
            packages: Vec::new(),
        };
        for component in &source.components {
            self.component(suite, component, &release, &mut index)?;
        }
        Ok(index)
    }

    fn component(
        &self,
        suite: &str,
        component: &str,
        release: &Release,
        index: &mut VerifiedIndex,
    ) -> Result<(), IndexError> {
        let all = release.separate_all.then_some("all");
        for architecture in [Some(self.architecture.as_str()), all]
            .into_iter()
            .flatten()
        {
            let listed = format!("{component}/binary-{architecture}/Packages");
            let (evidence, text) = self.packages(suite, &listed, release)?;
            index.evidence.push(evidence);
            index.packages.push(text);
        }
        Ok(())
    }

    // A mirror may lack a form that the signed index lists, so each is tried in turn.
    fn packages(
        &self,
        suite: &str,
        listed: &str,
        release: &Release,
    ) -> Result<(Evidence, String), IndexError> {
        let unlisted = || IndexError::Unlisted {
            suite: suite.to_owned(),
            path: listed.to_owned(),
        };
        let plain = *release.files.get(listed).ok_or_else(unlisted)?;
        let mut last = None;
        for compression in Compression::ALL {
            let name = format!("{listed}{}", compression.suffix());
            let Some(wanted) = release.files.get(&name).copied() else {
                continue;
            };
            match self.listed(suite, &name, wanted, release.by_hash) {
                Ok(bytes) => return unpack(suite, &name, compression, bytes, plain),
                Err(error @ IndexError::Transport(TransportError::Missing { .. })) => {
                    last = Some(error)
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(unlisted))
    }

    // By its digest the file is found even while the mirror takes in a newer one.
    fn listed(
        &self,
        suite: &str,
        name: &str,
        wanted: (u64, Sha256),
        by_hash: bool,
    ) -> Result<Vec<u8>, IndexError> {
        let path = format!("dists/{suite}/{name}");
        if by_hash {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let hashed = format!("dists/{suite}/{folder}/by-hash/SHA256/{}", wanted.1);
            match self.get(&hashed, wanted.0) {
                Err(IndexError::Transport(TransportError::Missing { .. })) => {}
                other => return other.and_then(|bytes| matching(&hashed, bytes, wanted)),
            }
        }
        matching(&path, self.get(&path, wanted.0)?, wanted)
    }

    fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, IndexError> {
        let url = format!("{}/{path}", self.mirror);
        Ok(self.transport.get(&url, limit)?)
    }
}

fn matching(path: &str, bytes: Vec<u8>, wanted: (u64, Sha256)) -> Result<Vec<u8>, IndexError> {
    let found = (bytes.len() as u64, Sha256::of(&bytes));
    if found == wanted {
        return Ok(bytes);
    }
    let words = |(size, digest): (u64, Sha256)| format!("{size} bytes and sha256 {digest}");
    Err(IndexError::Altered {
        path: path.to_owned(),
        found: words(found),
        wanted: words(wanted),
    })
}

fn unpack(
    suite: &str,
    name: &str,
    compression: Compression,
    bytes: Vec<u8>,
    plain: (u64, Sha256),
) -> Result<(Evidence, String), IndexError> {
    let path = format!("dists/{suite}/{name}");
    let content = compression
        .unpack(&bytes, plain.0)
        .map_err(|source| IndexError::Packed {
            path: path.clone(),
            source,
        })?;
    let content = matching(&path, content, plain)?;
    let text =
        String::from_utf8(content).map_err(|_| IndexError::NotText { path: path.clone() })?;
    Ok((Evidence { path, bytes }, text))
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
