//! A file of the store. That its bytes match their digest was proven when it was
//! opened, and is again whenever they are copied.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{StoreError, failed};
use crate::base::Sha256;
use crate::base::digest::Hashing;

/// Bytes in the store that match `sha256` and `size`, or that cannot be copied. Only the store makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    path: PathBuf,
    sha256: Sha256,
    size: u64,
}

/// Bytes copied at a time.
const CHUNK: usize = 64 * 1024;

impl Blob {
    pub(super) fn new(path: PathBuf, sha256: Sha256, size: u64) -> Self {
        Self { path, sha256, size }
    }

    /// The file. Where the blob was found and not opened, nobody has proven what is in it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of its bytes.
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// The number of its bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads all of it, for what is small.
    pub fn read(&self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.copy_to(&mut bytes).map_err(CopyError::into_store)?;
        Ok(bytes)
    }

    /// Copies it and proves again, on the way, that it is what it was; never
    /// more than `size` bytes are written.
    pub fn copy_to(&self, out: &mut impl Write) -> Result<(), CopyError> {
        let read = |source| CopyError::Blob(failed("read", &self.path)(source));
        let mut file = File::open(&self.path).map_err(read)?.take(self.size + 1);
        let mut hashing = Hashing::new(io::sink());
        let mut buffer = vec![0; CHUNK];
        let mut left = self.size;
        loop {
            let count = file.read(&mut buffer).map_err(read)?;
            if count == 0 {
                break;
            }
            left = left
                .checked_sub(count as u64)
                .ok_or_else(|| self.changed())?;
            hashing.write_all(&buffer[..count]).map_err(read)?;
            out.write_all(&buffer[..count]).map_err(CopyError::Out)?;
        }
        match hashing.finish() == (self.sha256, self.size) {
            true => Ok(()),
            false => Err(self.changed()),
        }
    }

    fn changed(&self) -> CopyError {
        CopyError::Blob(StoreError::Changed {
            path: self.path.clone(),
            wanted: self.sha256,
        })
    }
}

/// A blob could not be copied: one of the two ends is at fault.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The blob.
    #[error(transparent)]
    Blob(StoreError),
    /// What it was copied to.
    #[error("{0}")]
    Out(io::Error),
}

impl CopyError {
    /// As an error of the store, for copies into memory, which never fail to be written.
    fn into_store(self) -> StoreError {
        match self {
            Self::Blob(error) => error,
            Self::Out(source) => failed("copy", Path::new("memory"))(source),
        }
    }
}
