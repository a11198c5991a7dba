//! Why a bundle or a release is refused, in words that say what to do with it.

use std::io;

use crate::base::Sha256;

/// Why a bundle or a release is refused.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be read.
    #[error("cannot read {name}: {source}")]
    Read {
        /// What was read.
        name: String,
        /// The system's reason.
        source: io::Error,
    },
    /// It ends too early.
    #[error("truncated: the bundle ends within {within}")]
    Truncated {
        /// The last thing that was read.
        within: String,
    },
    /// The archive's form is broken.
    #[error("damaged: the archive cannot be read after {after}: {reason}")]
    Damaged {
        /// The last thing that was read.
        after: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is not the file that was pinned.
    #[error(
        "this is another file than the pinned one: its digest is {found}, pinned is {expected}"
    )]
    NotPinned {
        /// Its digest.
        found: Sha256,
        /// The pinned digest.
        expected: Sha256,
    },
    /// Its first file is something else.
    #[error("no bundle: its first file must be manifest.json, and is {found}")]
    NoManifest {
        /// What it begins with.
        found: String,
    },
    /// There is no signature where it belongs.
    #[error("unsigned: manifest.sig must come second, and {found} does")]
    Unsigned {
        /// What comes second.
        found: String,
    },
    /// Manifest or signature are beyond all measure.
    #[error("{name} has {size} bytes; at most {limit} can be right")]
    TooLarge {
        /// Which of them.
        name: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The signature does not fit.
    #[error(
        "manifest.json is not signed by key {expected}: it was altered, or another key signed it"
    )]
    NotSignedBy {
        /// The expected key's fingerprint.
        expected: Sha256,
    },
    /// The signature is another key's, which lies beside it.
    #[error("signed by another key: {found} instead of {expected}")]
    OtherSigner {
        /// The fingerprint of the key that signed.
        found: Sha256,
        /// The expected key's fingerprint.
        expected: Sha256,
    },
    /// The signed manifest is of a format that this program does not know.
    #[error("{name} cannot be used: {reason}")]
    Manifest {
        /// Which manifest.
        name: String,
        /// The parser's words.
        reason: String,
    },
    /// It is for someone or something else.
    #[error("wrong {what}: this is for {found}, not for {expected}")]
    Wrong {
        /// `cluster`, `role` or `architecture`.
        what: &'static str,
        /// What it is for.
        found: String,
        /// What it should be for.
        expected: String,
    },
    /// It is older than what is in place.
    #[error("older: generation {found} is below {expected}, which is known already")]
    Older {
        /// Its generation.
        found: u64,
        /// The lowest that is taken.
        expected: u64,
    },
    /// A file is not what the manifest says.
    #[error("altered: {path} has digest {found}, the manifest says {expected}")]
    Altered {
        /// Its path.
        path: String,
        /// Its digest.
        found: Sha256,
        /// The manifest's.
        expected: Sha256,
    },
    /// A file has another size.
    #[error("altered: {path} has {found} bytes, the manifest says {expected}")]
    Size {
        /// Its path.
        path: String,
        /// Its size.
        found: u64,
        /// The manifest's.
        expected: u64,
    },
    /// A file is there that the manifest does not list, or is there twice.
    #[error("extra: {path} is not in the manifest, or is there twice")]
    Extra {
        /// Its path.
        path: String,
    },
    /// A file is not there.
    #[error("missing: {path} belongs here and is not there")]
    Missing {
        /// Its path.
        path: String,
    },
    /// The manifest contradicts itself.
    #[error("the manifest contradicts itself: {what}")]
    Contradiction {
        /// In what.
        what: String,
    },
    /// What is right could not be stored.
    #[error("cannot store {path}: {source}")]
    Store {
        /// Its path.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl VerifyError {
    /// Says of a bundle that ended, or cannot be read, where that was.
    pub(super) fn after(self, last: &str) -> Self {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Truncated {
                    within: last.to_owned(),
                }
            }
            Self::Read { source, .. }
                if matches!(
                    source.kind(),
                    io::ErrorKind::InvalidData
                        | io::ErrorKind::InvalidInput
                        // What tar has to say of a header; no fault of the disk is of this kind.
                        | io::ErrorKind::Other
                ) =>
            {
                Self::Damaged {
                    after: last.to_owned(),
                    reason: source.to_string(),
                }
            }
            other => other,
        }
    }
}
