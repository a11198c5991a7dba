//! Seed images: ISO 9660 with Joliet and Rock Ridge, labelled `cidata` as
//! cloud-init's NoCloud source looks for it.
//!
//! Level 3, so that bundles beyond 4 GiB fit on the same image. Dates come
//! from the caller, owners are root, modes are given: a seed's secrets are
//! not for everyone once it is mounted, nor in the file itself (0600).

use std::fs::File;
use std::path::{Path, PathBuf};

use hadris_fs::{DateTime, Node, Permissions, SetAttr, Tree, host};
use hadris_io::StdIo;
use hadris_iso::{IsoId, IsoLevel, IsoOptions, Preserve};
use hadris_storage::BlockSize;
use hadris_storage::sync::StreamDevice;

use crate::base::atomic::{AtomicError, AtomicFile};
use crate::base::{BundlePath, Epoch};

/// The label by which cloud-init finds a seed; older ones know no other case.
pub const LABEL: &str = "cidata";

/// What the image is written in pieces of.
const BLOCK: BlockSize = BlockSize::new(512).expect("a power of two");

/// A file of the image.
#[derive(Clone, Debug)]
pub struct IsoFile {
    /// Where it is.
    pub path: BundlePath,
    /// What it holds.
    pub content: Content,
    /// Its permission bits, for those who read Rock Ridge.
    pub mode: u32,
}

/// Where a file's bytes are.
#[derive(Clone)]
pub enum Content {
    /// Here.
    Bytes(Vec<u8>),
    /// In a file, which is read while the image is written.
    File(PathBuf),
}

impl std::fmt::Debug for Content {
    /// Seeds hold secrets: bytes are counted and not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

/// The image cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum IsoError {
    /// A file cannot be put into it.
    #[error("`{path}` cannot be put into the image: {reason}")]
    File {
        /// The file.
        path: BundlePath,
        /// Why not.
        reason: String,
    },
    /// The image as a whole cannot be made.
    #[error("the image {} cannot be written: {reason}", out.display())]
    Image {
        /// The image.
        out: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The image's file cannot be put in its place.
    #[error(transparent)]
    Out(#[from] AtomicError),
}

/// Writes an image that holds `files` to `out`, with mode 0600. Whoever
/// flushes the folder that `out` is in makes it durable.
pub fn write(out: &Path, label: &str, files: &[IsoFile], date: Epoch) -> Result<(), IsoError> {
    let file = AtomicFile::create(out, 0o600)?;
    fill(file.file(), out, label, files, date)?;
    Ok(file.place()?)
}

/// Writes an image into an empty file, which is not flushed to the disk;
/// `out` is what errors call it.
pub fn fill(
    file: &File,
    out: &Path,
    label: &str,
    files: &[IsoFile],
    date: Epoch,
) -> Result<(), IsoError> {
    let refuse = |reason: String| IsoError::Image {
        out: out.to_owned(),
        reason,
    };
    let tree = tree_of(files)?;
    // A device over the file itself would wait for the disk at the end.
    let device = file
        .try_clone()
        .and_then(|file| StreamDevice::new_growable(StdIo::new(file), BLOCK))
        .map_err(|error| refuse(error.to_string()))?;
    let report = hadris_iso::sync::write(device, &tree, &options(label, date))
        .map_err(|error| refuse(error.to_string()))?;
    // A warning is something of the tree that the image does not hold.
    if let Some(warning) = report.warnings().first() {
        return Err(refuse(warning.to_string()));
    }
    Ok(())
}

fn options(label: &str, date: Epoch) -> IsoOptions {
    let date = DateTime::from_unix_seconds(date.seconds())
        .expect("an epoch lies between the years 1970 and 9999");
    IsoOptions::default()
        .with_id(IsoId::Volume, label)
        .with_id(IsoId::Application, "PGBUNDLE")
        .with_level(IsoLevel::L3)
        .with_joliet()
        .with_rock_ridge()
        .with_preserve(Preserve::PERMISSIONS)
        .with_time(date)
}

fn tree_of(files: &[IsoFile]) -> Result<Tree, IsoError> {
    let mut tree = Tree::new();
    for file in files {
        let refuse = |reason: String| IsoError::File {
            path: file.path.clone(),
            reason,
        };
        let content = match &file.content {
            Content::Bytes(bytes) => hadris_fs::Content::bytes(bytes.clone()),
            Content::File(path) => host::file(path).map_err(|error| refuse(error.to_string()))?,
        };
        let attributes = SetAttr::new().with_permissions(Permissions::new(file.mode));
        tree.insert(
            file.path.as_str(),
            Node::file(content).with_attrs(attributes),
        )
        .map_err(|error| refuse(error.to_string()))?;
    }
    Ok(tree)
}
