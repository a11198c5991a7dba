//! Blobs from memory, into memory, and of a size that only their bytes tell.

use std::fs::File;
use std::io::{self, Read, Write};

use super::{Blob, Difference, Store, StoreError, failed, freeze, make_read_only};
use crate::base::Sha256;
use crate::base::digest::{self, Digested, Hashing};

impl Store {
    /// Reads the blob into memory and digests it on the way.
    pub fn read(&self, sha256: Sha256, size: u64) -> Result<Digested<Vec<u8>>, StoreError> {
        let path = self.path_of(sha256);
        let found = Digested::read(self.existing(sha256)?, size).map_err(failed("read", &path))?;
        if let Some(found) = found.filter(|found| found.sha256() == sha256) {
            return Ok(found);
        }
        self.open(sha256, size)?;
        let wanted = sha256;
        Err(StoreError::Changed { path, wanted })
    }

    /// Keeps bytes whose digest is known; a blob of that name stays as it is, unread.
    pub fn keep(&self, content: &Digested<impl AsRef<[u8]>>) -> Result<(), StoreError> {
        match self.add(content, freeze)? {
            true => self.sync_folder_of(&self.path_of(content.sha256())),
            false => Ok(()),
        }
    }

    /// The same for what can be made again: nobody waits for the disk, and a
    /// power cut may leave a damaged file, which its digest gives away.
    pub fn keep_for_now(&self, content: &Digested<impl AsRef<[u8]>>) -> Result<(), StoreError> {
        self.add(content, make_read_only).map(drop)
    }

    /// Says whether it was not there.
    fn add(
        &self,
        content: &Digested<impl AsRef<[u8]>>,
        settle: fn(&File) -> io::Result<()>,
    ) -> Result<bool, StoreError> {
        let path = self.path_of(content.sha256());
        if path.is_file() {
            return Ok(false);
        }
        let (mut file, _unfinished) = self.temporary(content.sha256())?;
        file.write_all(content.bytes().as_ref())
            .and_then(|()| settle(file.as_file()))
            .map_err(failed("write", file.path()))?;
        file.persist(&path)
            .map_err(|refused| failed("create", &path)(refused.error))?;
        Ok(true)
    }

    /// Keeps what `reader` yields if it has that digest, whatever its size up
    /// to `limit`; none where it is larger.
    pub fn put_digested(
        &self,
        name: &str,
        reader: impl Read,
        sha256: Sha256,
        limit: u64,
    ) -> Result<Option<Blob>, StoreError> {
        let (mut file, _unfinished) = self.temporary(sha256)?;
        let path = file.path().to_owned();
        let mut hashing = Hashing::new(&mut file);
        digest::copy(&mut reader.take(limit.saturating_add(1)), &mut hashing)
            .map_err(failed("fill", &path))?;
        let (found, found_size) = hashing.finish();
        if found_size > limit {
            return Ok(None);
        }
        if found == sha256 {
            return self.settle(file, sha256, found_size).map(Some);
        }
        Err(StoreError::Mismatch {
            name: name.to_owned(),
            difference: Box::new(Difference {
                wanted: sha256,
                wanted_size: found_size,
                found,
                found_size,
            }),
        })
    }

    /// Hashes the blob, whatever its size, and hands it out when it is what its name says.
    pub fn open_digested(&self, sha256: Sha256) -> Result<Blob, StoreError> {
        let file = self.existing(sha256)?;
        let size = file
            .metadata()
            .map_err(failed("inspect", &self.path_of(sha256)))?
            .len();
        self.open(sha256, size)
    }
}
