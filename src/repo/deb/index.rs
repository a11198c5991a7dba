//! One suite of a source, read from a mirror: signature, then whose it is,
//! then digests, and only then the packages.
//!
//! InRelease always comes from the mirror. What it names by digest is taken
//! from where earlier readings left it, decompressed if that is there too.

use std::thread;

use sequoia_openpgp::Cert;

use super::release::{Release, ReleaseError};
use crate::base::digest::Digested;
use crate::base::{Architecture, Epoch, Sha256};
use crate::profile::AptArchive;
use crate::repo::openpgp::{self, SignatureError};
use crate::repo::transport::{Transport, TransportError};
use crate::repo::unpack::Compression;

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
    /// The package indexes, unpacked, each under the digest that `InRelease` gives it.
    pub packages: Vec<Digested<String>>,
}

/// A file of a mirror, kept as proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Path below the source's root.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
    /// What it holds; none where it is kept already and was not needed.
    pub content: Option<Digested<Vec<u8>>>,
}

impl Evidence {
    fn new(path: String, content: Digested<Vec<u8>>) -> Self {
        Self {
            path,
            size: content.size(),
            sha256: content.sha256(),
            content: Some(content),
        }
    }
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
    /// Reads all suites of the source of that id, at the same time: while one
    /// waits for the mirror or the disk, another's signature is checked.
    pub fn source(&self, id: &str, archive: &AptArchive) -> Result<Vec<VerifiedIndex>, IndexError> {
        let suites = archive.suites.iter().zip(&archive.codenames);
        thread::scope(|scope| {
            let reading: Vec<_> = suites
                .map(|(suite, codename)| scope.spawn(|| self.suite(id, archive, suite, codename)))
                .collect();
            let indexes = reading.into_iter();
            indexes
                .map(|one| one.join().expect("reading a suite does not panic"))
                .collect()
        })
    }

    fn suite(
        &self,
        id: &str,
        archive: &AptArchive,
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
        let release = Release::read(&signed.text, &archive.origin, codename)
            .and_then(|release| release.check_valid(self.at).map(|()| release))
            .map_err(|source| IndexError::Release {
                path: path.clone(),
                source,
            })?;
        let mut index = VerifiedIndex {
            source: id.to_owned(),
            date: release.date,
            key: signed.key,
            evidence: vec![Evidence::new(path, Digested::of(bytes))],
            packages: Vec::new(),
        };
        for component in &archive.components {
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

    fn packages(
        &self,
        suite: &str,
        listed: &str,
        release: &Release,
    ) -> Result<(Evidence, Digested<String>), IndexError> {
        let plain = *release
            .files
            .get(listed)
            .ok_or_else(|| unlisted(suite, listed))?;
        let forms: Vec<_> = Compression::ALL
            .into_iter()
            .filter_map(|compression| {
                let name = format!("{listed}{}", compression.suffix());
                let wanted = *release.files.get(&name)?;
                Some(Form {
                    path: format!("dists/{suite}/{name}"),
                    compression,
                    wanted,
                })
            })
            .collect();
        match self.kept(&forms, plain)? {
            Some(kept) => Ok(kept),
            None => self.fetched(&forms, plain, release.by_hash, || unlisted(suite, listed)),
        }
    }

    // The form that was evidence before is evidence again. What a compressed
    // form was unpacked to is none: no mirror was asked for it.
    fn kept(
        &self,
        forms: &[Form],
        plain: (u64, Sha256),
    ) -> Result<Option<(Evidence, Digested<String>)>, IndexError> {
        let was_fetched = |form: &Form| form.compression != Compression::None || forms.len() == 1;
        let is_kept = |form: &&Form| was_fetched(form) && self.transport.is_kept(form.wanted.1);
        let Some(form) = forms.iter().find(is_kept) else {
            return Ok(None);
        };
        if let Some(unpacked) = self.transport.kept(plain.1, plain.0) {
            let evidence = Evidence {
                path: form.path.clone(),
                size: form.wanted.0,
                sha256: form.wanted.1,
                content: None,
            };
            let unpacked = matching(&form.path, unpacked, plain)?;
            return Ok(Some((evidence, text(&form.path, unpacked)?)));
        }
        let Some(packed) = self.transport.kept(form.wanted.1, form.wanted.0) else {
            return Ok(None);
        };
        let packed = matching(&form.path, packed, form.wanted)?;
        form.unpack(packed, plain).map(Some)
    }

    // A mirror may lack a form that the signed index lists, so each is tried in turn.
    fn fetched(
        &self,
        forms: &[Form],
        plain: (u64, Sha256),
        by_hash: bool,
        unlisted: impl FnOnce() -> IndexError,
    ) -> Result<(Evidence, Digested<String>), IndexError> {
        let mut last = None;
        for form in forms {
            match self.listed(form, by_hash) {
                Ok(packed) => return form.unpack(packed, plain),
                Err(error @ IndexError::Transport(TransportError::Missing { .. })) => {
                    last = Some(error)
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(unlisted))
    }

    // By its digest the file is found even while the mirror takes in a newer one.
    fn listed(&self, form: &Form, by_hash: bool) -> Result<Digested<Vec<u8>>, IndexError> {
        let Form { path, wanted, .. } = form;
        if by_hash {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let hashed = format!("{folder}/by-hash/SHA256/{}", wanted.1);
            match self.get(&hashed, wanted.0) {
                Err(IndexError::Transport(TransportError::Missing { .. })) => {}
                other => {
                    return other.and_then(|bytes| matching(&hashed, Digested::of(bytes), *wanted));
                }
            }
        }
        matching(path, Digested::of(self.get(path, wanted.0)?), *wanted)
    }

    fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, IndexError> {
        let url = format!("{}/{path}", self.mirror);
        Ok(self.transport.get(&url, limit)?)
    }
}

/// A form of a package index that the signed index lists.
struct Form {
    path: String,
    compression: Compression,
    wanted: (u64, Sha256),
}

impl Form {
    fn unpack(
        &self,
        packed: Digested<Vec<u8>>,
        plain: (u64, Sha256),
    ) -> Result<(Evidence, Digested<String>), IndexError> {
        let path = &self.path;
        let unpacked = self
            .compression
            .unpack(packed.bytes(), plain.0)
            .map_err(|source| IndexError::Packed {
                path: path.clone(),
                source,
            })?;
        let text = text(path, matching(path, unpacked, plain)?)?;
        Ok((Evidence::new(path.clone(), packed), text))
    }
}

fn unlisted(suite: &str, path: &str) -> IndexError {
    IndexError::Unlisted {
        suite: suite.to_owned(),
        path: path.to_owned(),
    }
}

fn matching(
    path: &str,
    content: Digested<Vec<u8>>,
    wanted: (u64, Sha256),
) -> Result<Digested<Vec<u8>>, IndexError> {
    let found = (content.size(), content.sha256());
    if found == wanted {
        return Ok(content);
    }
    let words = |(size, digest): (u64, Sha256)| format!("{size} bytes and sha256 {digest}");
    Err(IndexError::Altered {
        path: path.to_owned(),
        found: words(found),
        wanted: words(wanted),
    })
}

fn text(path: &str, content: Digested<Vec<u8>>) -> Result<Digested<String>, IndexError> {
    let path = path.to_owned();
    content
        .into_text()
        .map_err(|_| IndexError::NotText { path })
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
