//! From a locked plan, its blobs and the operator's secrets to `dist/`.
//!
//! [`compose`] makes everything in memory, by reference to blobs; [`write`]
//! puts it on the disk: into a folder beside the target that takes the
//! target's place when it is whole, so that nothing half-written stays.
//! Where [`kept`] finds that the target is what would be written, to the last
//! byte, nothing is.

mod compose;
mod flushing;
mod kept;
mod layers;
mod release;
mod runbook;
mod seeds;
mod standing;
mod write;

use std::path::PathBuf;

pub use compose::{Composed, Inputs, RoleBundle, compose};
pub use kept::kept;
pub use standing::Standing;
pub use write::{Made, MadeFile, write};

use crate::base::{BundlePath, Sha256, path::NotAPath};

/// A build cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A name from the lock or the plan cannot be a path in a bundle.
    #[error("cannot be put into a bundle: {0}")]
    Path(NotAPath),
    /// A blob that the lock names was not handed in.
    #[error("`{path}` ({sha256:?}) was not fetched")]
    NotFetched {
        /// What it was to become.
        path: BundlePath,
        /// Its digest.
        sha256: Sha256,
    },
    /// Two files with one path.
    #[error(transparent)]
    Tree(#[from] crate::tree::TreeError),
    /// The index of the packages cannot be written.
    #[error(transparent)]
    Repodata(#[from] crate::repo::rpm::repodata::RepodataError),
    /// What is to be sealed does not hold together.
    #[error(transparent)]
    Seal(#[from] crate::bundle::seal::SealError),
    /// The plan cannot be rendered.
    #[error(transparent)]
    Render(#[from] crate::render::RenderError),
    /// The secrets cannot be used.
    #[error(transparent)]
    Identity(#[from] crate::identity::IdentityError),
    /// A seed is too large, or cannot be written as YAML.
    #[error(transparent)]
    UserData(#[from] crate::seed::user_data::UserDataError),
    /// A bundle cannot be written.
    #[error(transparent)]
    Tar(#[from] crate::archive::tar::TarError),
    /// A seed's ISO cannot be written.
    #[error(transparent)]
    Iso(#[from] crate::archive::iso::IsoError),
    /// A file or folder cannot be put in its place.
    #[error(transparent)]
    Atomic(#[from] crate::base::atomic::AtomicError),
    /// A blob cannot be put beside the bundles.
    #[error("`{path}` cannot be put into the release: {source}")]
    Stored {
        /// What it was to become.
        path: BundlePath,
        /// Why not.
        source: crate::store::StoreError,
    },
    /// The runbook's template is at fault.
    #[error("the runbook's template: {0}")]
    Runbook(#[from] minijinja::Error),
    /// A file cannot be written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl BuildError {
    /// Whether a blob was not what it should be, or could not be read.
    pub fn is_of_a_blob(&self) -> bool {
        matches!(
            self,
            Self::Tar(crate::archive::tar::TarError::Content { .. }) | Self::Stored { .. }
        )
    }
}
