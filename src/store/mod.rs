//! Everything that was ever fetched, by digest: `sha256/<2 hex>/<64 hex>`.
//!
//! A blob enters under a temporary name in its own folder, is flushed, made
//! read-only and renamed, so that two programs can fill one store at once and
//! a power cut leaves no half blob. It is hashed each time it is opened, and
//! again when it is copied: one that was altered never gets into a bundle.
//! Whoever opens it sets it aside and names it, and it is fetched anew.
//!
//! ```text
//! sha256/ab/abcd…   blobs
//! part/abcd….part   downloads under way, each locked by whoever writes it
//! aside/            blobs that no longer matched their name
//! ```
//!
//! `http` holds the workstation's only sockets, `fetch` brings what is
//! missing, `carry` takes blobs across an air gap, `keep` is for what is in
//! memory or of unknown size. Beside what a lock names, the store has the
//! indexes that it was made from as they unpack: the next lock reads those.

pub mod blob;
mod bring;
pub mod carry;
pub mod fetch;
pub mod http;
mod keep;
mod part;
pub mod place;

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::base::Sha256;
use crate::base::atomic::bare;
use crate::base::digest::{self, Hashing};
use crate::base::unfinished::Unfinished;

pub use blob::Blob;

/// A folder of blobs.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// The store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The blob is not there.
    #[error("the store has no blob {0}; fetch it, or import a store that has it")]
    Missing(Sha256),
    /// The file under the blob's name holds something else.
    #[error("{} was altered: it {difference}; it was moved to {}, fetch it again", path.display(), aside.display())]
    Altered {
        /// Where the blob was.
        path: PathBuf,
        /// What it was to be and what it is.
        difference: Box<Difference>,
        /// Where it is now.
        aside: PathBuf,
    },
    /// A blob changed between being opened and being used.
    #[error("{} changed while it was read: it is no longer {wanted}; run the command again", path.display())]
    Changed {
        /// The blob's file.
        path: PathBuf,
        /// The digest it had.
        wanted: Sha256,
    },
    /// What was to be put in is not what it was said to be.
    #[error("{name} {difference}")]
    Mismatch {
        /// What it is called where it came from.
        name: String,
        /// What it was to be and what it is.
        difference: Box<Difference>,
    },
    /// A file of the store cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An exported store is not one.
    #[error("{} {reason}", path.display())]
    NotAnExport {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
}

/// What bytes were to be, and what they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is {found_size} bytes with digest {found}, not {wanted_size} bytes with digest {wanted}")]
pub struct Difference {
    /// The digest they should have.
    pub wanted: Sha256,
    /// The size they should have.
    pub wanted_size: u64,
    /// The digest they have.
    pub found: Sha256,
    /// The size they have.
    pub found_size: u64,
}

pub(crate) fn failed(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Io {
        action,
        path,
        source: bare(source),
    }
}

/// Where the store is when nobody says: `$XDG_CACHE_HOME/pgbundle`, else
/// `~/.cache/pgbundle` (XDG Base Directory Specification: relative values are ignored).
pub fn default_root(xdg_cache_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    xdg_cache_home
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| home.map(|home| PathBuf::from(home).join(".cache")))
        .map(|cache| cache.join("pgbundle"))
}

impl Store {
    /// Opens the store in `root`, and makes it where there is none.
    pub fn at(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        for folder in ["sha256", "part", "aside"].map(|name| root.join(name)) {
            fs::create_dir_all(&folder).map_err(failed("create the folder", &folder))?;
        }
        Ok(Self { root })
    }

    /// The folder it is in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether there is a blob of that name; it is not read.
    pub fn has(&self, sha256: Sha256) -> bool {
        self.path_of(sha256).is_file()
    }

    /// Where the blob is, or would be.
    pub fn path_of(&self, sha256: Sha256) -> PathBuf {
        let hex = sha256.to_string();
        self.root.join("sha256").join(&hex[..2]).join(&hex)
    }

    /// The blob of that name, where there is one of that size. It is not read:
    /// its bytes are proven when they are copied.
    pub fn find(&self, sha256: Sha256, size: u64) -> Option<Blob> {
        let path = self.path_of(sha256);
        let found = fs::metadata(&path).ok()?;
        (found.is_file() && found.len() == size).then(|| Blob::new(path, sha256, size))
    }

    /// Hashes the blob and hands it out when it is what its name says.
    pub fn open(&self, sha256: Sha256, size: u64) -> Result<Blob, StoreError> {
        let path = self.path_of(sha256);
        let file = self.existing(sha256)?;
        let (found, found_size) = Sha256::of_reader(file).map_err(failed("read", &path))?;
        if (found, found_size) == (sha256, size) {
            return Ok(Blob::new(path, sha256, size));
        }
        let difference = Box::new(Difference {
            wanted: sha256,
            wanted_size: size,
            found,
            found_size,
        });
        // The name may be right and the size that was asked for wrong.
        if found == sha256 {
            let name = path.display().to_string();
            return Err(StoreError::Mismatch { name, difference });
        }
        let aside = self.set_aside(&path)?;
        Err(StoreError::Altered {
            path,
            difference,
            aside,
        })
    }

    fn existing(&self, sha256: Sha256) -> Result<File, StoreError> {
        let path = self.path_of(sha256);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing(sha256),
            _ => failed("open", &path)(error),
        })
    }

    fn set_aside(&self, path: &Path) -> Result<PathBuf, StoreError> {
        let name = path.file_name().unwrap_or_default();
        let folder = self.root.join("aside");
        let aside = (0u32..)
            .map(|number| folder.join(format!("{}.{number}", name.display())))
            .find(|candidate| !candidate.exists())
            .expect("four thousand million files do not fit in a folder");
        match fs::rename(path, &aside) {
            // Another program was quicker.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("move aside", path)(error))
            }
            _ => Ok(aside),
        }
    }

    /// Keeps bytes that are in memory.
    pub fn put(&self, bytes: &[u8]) -> Result<Blob, StoreError> {
        let sha256 = Sha256::of(bytes);
        let size = bytes.len() as u64;
        match self.open(sha256, size) {
            Err(StoreError::Missing(_) | StoreError::Altered { .. }) => {}
            settled => return settled,
        }
        let (mut file, _unfinished) = self.temporary(sha256)?;
        file.write_all(bytes)
            .map_err(failed("write", file.path()))?;
        self.settle(file, sha256, size)
    }

    /// Keeps what `reader` yields if it has that digest and size; no more
    /// than one byte beyond `size` is read.
    pub fn put_expected(
        &self,
        name: &str,
        reader: impl Read,
        sha256: Sha256,
        size: u64,
    ) -> Result<Blob, StoreError> {
        match self.open(sha256, size) {
            Err(StoreError::Missing(_) | StoreError::Altered { .. }) => {}
            settled => return settled,
        }
        let (mut file, _unfinished) = self.temporary(sha256)?;
        let path = file.path().to_owned();
        let mut hashing = Hashing::new(&mut file);
        digest::copy(&mut reader.take(size.saturating_add(1)), &mut hashing)
            .map_err(failed("fill", &path))?;
        let (found, found_size) = hashing.finish();
        if (found, found_size) == (sha256, size) {
            return self.settle(file, sha256, size);
        }
        Err(StoreError::Mismatch {
            name: name.to_owned(),
            difference: Box::new(Difference {
                wanted: sha256,
                wanted_size: size,
                found,
                found_size,
            }),
        })
    }

    fn temporary(&self, sha256: Sha256) -> Result<(NamedTempFile, Unfinished), StoreError> {
        let folder = self.folder_of(sha256)?;
        let mut name = tempfile::Builder::new();
        name.prefix(".tmp-");
        Unfinished::begin(|| name.tempfile_in(&folder)).map_err(failed("create a file in", &folder))
    }

    fn folder_of(&self, sha256: Sha256) -> Result<PathBuf, StoreError> {
        let mut folder = self.path_of(sha256);
        folder.pop();
        fs::create_dir_all(&folder).map_err(failed("create the folder", &folder))?;
        Ok(folder)
    }

    fn settle(&self, file: NamedTempFile, sha256: Sha256, size: u64) -> Result<Blob, StoreError> {
        let path = self.path_of(sha256);
        freeze(file.as_file()).map_err(failed("flush", file.path()))?;
        file.persist(&path)
            .map_err(|refused| failed("create", &path)(refused.error))?;
        self.sync_folder_of(&path)?;
        Ok(Blob::new(path, sha256, size))
    }

    fn sync_folder_of(&self, path: &Path) -> Result<(), StoreError> {
        let folder = path.parent().unwrap_or(&self.root);
        File::open(folder)
            .and_then(|handle| handle.sync_all())
            .map_err(failed("flush the folder", folder))
    }
}

/// Nobody writes a blob again: read-only, and on the disk before it has its name.
fn freeze(file: &File) -> io::Result<()> {
    make_read_only(file)?;
    file.sync_all()
}

fn make_read_only(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o444))
}
