//! Why the secrets cannot be used.

use std::path::PathBuf;

use super::authority::IssueError;
use super::folder::FolderError;
use super::random::NoRandom;
use super::x509::NotACertificate;
use crate::base::{ClusterName, Epoch, NodeName};
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
    #[error("`{}` belongs to cluster `{found}`, not to `{wanted}`", path.display())]
    OtherCluster {
        /// The file.
        path: PathBuf,
        /// Its cluster.
        found: ClusterName,
        /// The spec's.
        wanted: ClusterName,
    },
    /// A part is gone that cannot be made again.
    #[error("`{}` is missing although `{}` is there", missing.display(), beside.display())]
    Incomplete {
        /// What is gone.
        missing: PathBuf,
        /// What says that it was there.
        beside: PathBuf,
    },
    /// A node's key is gone, and its certificate is not.
    #[error("`{}` is missing although `{}` is there", key.display(), certificate.display())]
    LostKey {
        /// The key.
        key: PathBuf,
        /// The certificate that was issued for it.
        certificate: PathBuf,
    },
    /// The keys of a node are gone that this cluster was built with.
    #[error("`{}` is missing, and this cluster was built with `{node}` before", folder.display())]
    LostNode {
        /// The node.
        node: NodeName,
        /// Where its keys were.
        folder: PathBuf,
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

impl IdentityError {
    /// What to do, where the message does not say it.
    pub fn advice(&self) -> Option<String> {
        Some(match self {
            Self::OtherCluster { .. } => "name another folder: `--secrets DIR`".to_owned(),
            Self::Incomplete { .. } => {
                "restore it from your copy, or move the whole folder away to begin a new cluster"
                    .to_owned()
            }
            Self::LostKey { certificate, .. } => format!(
                "restore it from your copy, or remove `{}` too if this node is to get another key",
                certificate.display()
            ),
            Self::LostNode { node, folder } => format!(
                "restore it from your copy, or `mkdir -m 0700 {}` if {node} is to get new keys",
                folder.display()
            ),
            Self::NotItsKey { .. } => "restore both from one copy of the folder".to_owned(),
            Self::Expired { path, .. } => format!(
                "if this machine's clock is right, move `{}` aside: the next build makes another for the same key, and every node then needs its new seed",
                path.display()
            ),
            Self::Json { .. } | Self::Key(_) | Self::Certificate(_) => {
                "restore it from your copy of the folder".to_owned()
            }
            Self::Folder(FolderError::Kind { .. }) => {
                "restore it from your copy of the folder".to_owned()
            }
            Self::Folder(FolderError::System { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                "`pgbundle build` makes it; `--secrets DIR` names another".to_owned()
            }
            Self::Folder(_) | Self::Random(_) | Self::Issue(_) => return None,
        })
    }
}
