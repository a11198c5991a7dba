//! The operator's `secrets/` folder: 0700, its files 0600, nobody else's.
//!
//! A file appears whole or not at all (see `base::atomic`). Whoever makes
//! something holds a lock on the
//! folder, so that two builds at once do not make two cluster identities.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::base::Secret;
use crate::base::atomic::{AtomicError, write_file};

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system refuses.
    #[error("cannot {verb} `{}`: {source}", path.display())]
    System {
        /// What was tried.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "`{}` holds secrets and others may use it (mode {mode:04o}): run `chmod {right:04o} {}`",
        path.display(),
        path.display()
    )]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What its mode should be.
        right: u32,
    },
    /// It is another user's.
    #[error(
        "`{}` holds secrets and belongs to user {owner}, not to you ({user}): \
         run as its owner, or `chown` it if it is yours",
        path.display()
    )]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who runs this program.
        user: u32,
    },
    /// It is a symbolic link, a device, …
    #[error("`{}` must be a plain {wanted}, and is none", path.display())]
    Kind {
        /// Where.
        path: PathBuf,
        /// `file` or `folder`.
        wanted: &'static str,
    },
    /// A file could not be put in its place.
    #[error(transparent)]
    NotWritten(#[from] AtomicError),
}

/// An opened folder.
pub struct Folder {
    path: PathBuf,
}

/// While it lives, no other process makes anything in the folder.
#[must_use]
pub struct Locked {
    _file: File,
}

impl Folder {
    /// Opens the folder, making it where it is not there.
    pub fn open_or_make(path: &Path) -> Result<Self, FolderError> {
        make_private(path)?;
        Self::open(path)
    }

    /// Opens the folder, which must be there.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let metadata = fs::symlink_metadata(path).map_err(failed("look at", path))?;
        check(path, &metadata, metadata.is_dir(), "folder", 0o700)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Waits until no other process makes anything in the folder.
    pub fn lock(&self) -> Result<Locked, FolderError> {
        let file = File::open(&self.path).map_err(failed("open", &self.path))?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(io::Error::from)
            .map_err(failed("lock", &self.path))?;
        Ok(Locked { _file: file })
    }

    /// Where a file of the folder is.
    pub fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The same for a message.
    pub fn shown(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    /// Reads a file; none where it is not there.
    pub fn read(&self, name: &str) -> Result<Option<Secret>, FolderError> {
        let path = self.at(name);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed("look at", &path)(source)),
            Ok(metadata) => check(&path, &metadata, metadata.is_file(), "file", 0o600)?,
        }
        let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
        Ok(Some(Secret::new(text)))
    }

    /// Writes a file whole, for its owner alone.
    pub fn write(&self, name: &str, content: &str) -> Result<(), FolderError> {
        let path = self.at(name);
        let folder = path.parent().expect("a file of the folder has a parent");
        make_private(folder)?;
        Ok(write_file(&path, 0o600, content.as_bytes())?)
    }
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    move |source| FolderError::System {
        verb,
        path: path.to_owned(),
        source,
    }
}

fn make_private(path: &Path) -> Result<(), FolderError> {
    // `secrets/nodes/<node>` needs several; none is ever open to others.
    let made = DirBuilder::new().mode(0o700).recursive(true).create(path);
    made.map_err(failed("make", path))?;
    let metadata = fs::symlink_metadata(path).map_err(failed("look at", path))?;
    check(path, &metadata, metadata.is_dir(), "folder", 0o700)
}

fn check(
    path: &Path,
    metadata: &fs::Metadata,
    is_wanted: bool,
    wanted: &'static str,
    right: u32,
) -> Result<(), FolderError> {
    let path = || path.to_owned();
    let user = rustix::process::geteuid().as_raw();
    let mode = metadata.mode() & 0o7777;
    if !is_wanted {
        return Err(FolderError::Kind {
            path: path(),
            wanted,
        });
    }
    if metadata.uid() != user {
        return Err(FolderError::Foreign {
            path: path(),
            owner: metadata.uid(),
            user,
        });
    }
    if mode & 0o077 != 0 {
        return Err(FolderError::Open {
            path: path(),
            mode,
            right,
        });
    }
    Ok(())
}
