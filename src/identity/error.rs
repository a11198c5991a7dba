//! Why the secrets cannot be used.

use std::path::PathBuf;

use super::authority::IssueError;
use super::folder::FolderError;
use super::random::NoRandom;
use super::x509::NotACertificate;
use crate::base::{ClusterName, Epoch};
use crate::bundle::sign::KeyError;

/// The secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The folder or a file in it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandom),
    /// A key that cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate that cannot be read.
    #[error(transparent)]
    Certificate(#[from] NotACertificate),
    /// A certificate that cannot be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A JSON file that cannot be read.
    #[error("`{}` cannot be read: {reason}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        reason: String,
    },
    /// It belongs to another cluster.
    #[error("`{}` belongs to cluster `{found}`, not to `{wanted}`: name another folder", path.display())]
    OtherCluster {
        /// The file.
        path: PathBuf,
        /// Its cluster.
        found: ClusterName,
        /// The spec's.
        wanted: ClusterName,
    },
    /// A part is gone that cannot be made again.
    #[error(
        "`{}` is missing although `{}` is there: restore it from your copy, \
         or move the whole folder away to begin a new cluster",
        missing.display(), beside.display()
    )]
    Incomplete {
        /// What is gone.
        missing: PathBuf,
        /// What says that it was there.
        beside: PathBuf,
    },
    /// The CA's key and its certificates do not belong together.
    #[error("no certificate in `{}` belongs to the key in `{}`", certificates.display(), key.display())]
    NotItsKey {
        /// The certificates.
        certificates: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The CA has expired.
    #[error("the CA in `{}` expired on {expired}: it cannot issue any more", path.display())]
    Expired {
        /// The certificate.
        path: PathBuf,
        /// When.
        expired: Epoch,
    },
}
