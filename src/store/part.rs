//! A download under way: a file in the store that one program writes at a
//! time and a later one can go on with.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Blob, Store, StoreError, failed, freeze};
use crate::base::Sha256;

/// The locked `.part` file of one blob.
pub(super) struct Part<'a> {
    store: &'a Store,
    path: PathBuf,
    file: File,
    sha256: Sha256,
    size: u64,
}

impl<'a> Part<'a> {
    /// Opens the blob's part, waiting while another program writes it.
    pub(super) fn open(store: &'a Store, sha256: Sha256, size: u64) -> Result<Self, StoreError> {
        let path = store.root.join("part").join(format!("{sha256}.part"));
        loop {
            let file = File::options()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)
                .map_err(failed("open", &path))?;
            file.lock().map_err(failed("lock", &path))?;
            if is_still_at(&file, &path).map_err(failed("inspect", &path))? {
                return Ok(Self {
                    store,
                    path,
                    file,
                    sha256,
                    size,
                });
            }
        }
    }

    /// The number of bytes that are there, at whose end writing goes on.
    pub(super) fn resume(&mut self) -> Result<u64, StoreError> {
        let present = self
            .file
            .seek(SeekFrom::End(0))
            .map_err(failed("read", &self.path))?;
        if present <= self.size {
            return Ok(present);
        }
        self.restart()?;
        Ok(0)
    }

    /// Forgets what is there.
    pub(super) fn restart(&mut self) -> Result<(), StoreError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .map_err(failed("empty", &self.path))
    }

    /// The open file, to write to.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Makes a blob of it when digest and size match; otherwise it is empty
    /// again and the digest that was found comes back.
    pub(super) fn finish(mut self) -> Result<Result<Blob, (Self, Sha256)>, StoreError> {
        let io = |source| failed("read", &self.path)(source);
        self.file.rewind().map_err(io)?;
        let (found, size) = Sha256::of_reader((&self.file).take(self.size + 1))
            .map_err(failed("read", &self.path))?;
        if (found, size) != (self.sha256, self.size) {
            self.restart()?;
            return Ok(Err((self, found)));
        }
        freeze(&self.file).map_err(failed("flush", &self.path))?;
        self.store.folder_of(self.sha256)?;
        let target = self.store.path_of(self.sha256);
        fs::rename(&self.path, &target).map_err(failed("create", &target))?;
        self.store.sync_folder_of(&target)?;
        Ok(Ok(Blob::new(target, self.sha256, self.size)))
    }
}

/// An empty part helps nobody. It goes while it is still locked: whoever waits
/// for it finds that its name leads elsewhere, and makes a new one.
impl Drop for Part<'_> {
    fn drop(&mut self) {
        let is_empty = self.file.metadata().is_ok_and(|found| found.len() == 0);
        if is_empty && is_still_at(&self.file, &self.path).unwrap_or(false) {
            // What cannot be removed is used by the next download.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Whoever held the lock before may have made a blob of the file, which must
/// not be written again: the name has to lead to what was locked.
fn is_still_at(file: &File, path: &Path) -> io::Result<bool> {
    let locked = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (locked.dev(), locked.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
