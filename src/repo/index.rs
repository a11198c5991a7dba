//! What reading a repository's index has in common, whatever the family: what
//! it is read with, the files that are kept as proof, and why one is refused.

use sequoia_openpgp::Cert;

use super::deb::index::VerifiedIndex as AptIndex;
use super::deb::release::ReleaseError;
use super::openpgp::SignatureError;
use super::rpm::filelists::FilelistsError;
use super::rpm::index::VerifiedIndex as RpmMdIndex;
use super::rpm::repomd::RepomdError;
use super::transport::{Transport, TransportError};
use super::unpack::Compression;
use crate::base::digest::Digested;
use crate::base::{Architecture, Epoch, Sha256};

/// The indexes of all sources of a profile, in the order of the sources.
#[derive(Clone, Debug)]
pub enum Indexes {
    /// Suites of apt archives.
    Apt(Vec<AptIndex>),
    /// rpm-md repositories.
    RpmMd(Vec<RpmMdIndex>),
}

/// Why an index is believed.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'i> {
    /// The source's id in the profile.
    pub source: &'i str,
    /// When upstream published it.
    pub date: Epoch,
    /// Full fingerprint of the primary key whose signature was accepted; none
    /// where upstream signs packages alone.
    pub key: Option<&'i str>,
    /// What is signed first, then what that names.
    pub evidence: &'i [Evidence],
}

impl Indexes {
    /// Why each of them is believed.
    pub fn proofs(&self) -> Vec<Proof<'_>> {
        match self {
            Self::Apt(indexes) => indexes.iter().map(AptIndex::proof).collect(),
            Self::RpmMd(indexes) => indexes.iter().map(RpmMdIndex::proof).collect(),
        }
    }

    /// All that was unpacked.
    pub fn texts(&self) -> Vec<&Digested<String>> {
        match self {
            Self::Apt(indexes) => indexes.iter().flat_map(|index| &index.packages).collect(),
            Self::RpmMd(indexes) => indexes.iter().flat_map(RpmMdIndex::texts).collect(),
        }
    }
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
    pub(super) fn new(path: String, content: Digested<Vec<u8>>) -> Self {
        Self {
            path,
            size: content.size(),
            sha256: content.sha256(),
            content: Some(content),
        }
    }
}

/// A source on this mirror cannot be used.
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
    /// `repomd.xml` cannot be relied on.
    #[error(transparent)]
    Repomd(#[from] RepomdError),
    /// The lists of files cannot be relied on.
    #[error(transparent)]
    Filelists(#[from] FilelistsError),
    /// Nothing says which state of the repository it is.
    #[error("{path} does not say when it was made")]
    Undated {
        /// The file.
        path: String,
    },
    /// No index is that large.
    #[error("{path} is said to have {size} bytes, which is more than an index may have")]
    TooLarge {
        /// The file.
        path: String,
        /// What is said of it.
        size: u64,
    },
    /// The file's bytes are not upstream's.
    #[error(
        "{path}: the file has {found}, its index says {wanted}; the mirror is damaged, or being updated"
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

/// What a source is read with.
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
    pub(super) fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, IndexError> {
        let url = format!("{}/{path}", self.mirror);
        Ok(self.transport.get(&url, limit)?)
    }

    /// One of several forms of a file, of which `plain` is what they hold, as
    /// it was kept; none where no form is.
    ///
    /// The form that was evidence before is evidence again. What a compressed
    /// form was unpacked to is none: no mirror was asked for it.
    pub(super) fn kept(
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
}

/// A form in which an index is listed, compressed or not.
pub(super) struct Form {
    pub path: String,
    pub compression: Compression,
    pub wanted: (u64, Sha256),
}

impl Form {
    pub(super) fn unpack(
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

/// The content where it has the size and digest that are wanted.
pub(super) fn matching(
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

/// The content as text.
pub(super) fn text(path: &str, content: Digested<Vec<u8>>) -> Result<Digested<String>, IndexError> {
    let path = path.to_owned();
    content
        .into_text()
        .map_err(|_| IndexError::NotText { path })
}
