//! What a folder holds, to the last byte and mode.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::base::Sha256;

/// Folders with their modes, files with their modes and sizes, by path below
/// the folder, whose own path is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub folders: BTreeMap<String, u32>,
    pub files: BTreeMap<String, (u32, u64)>,
}

/// The digests of files, by path.
pub(super) type Digests = BTreeMap<String, Sha256>;

impl Listing {
    /// Lists a folder; one that holds anything but files and folders is an error.
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        listing.add(root, String::new(), &root.symlink_metadata()?)?;
        Ok(listing)
    }

    fn add(&mut self, path: &Path, below: String, found: &Metadata) -> io::Result<()> {
        let mode = found.permissions().mode() & 0o7777;
        if found.is_file() {
            self.files.insert(below, (mode, found.len()));
            return Ok(());
        }
        if !found.is_dir() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().display().to_string();
            let below = match below.as_str() {
                "" => name,
                folder => format!("{folder}/{name}"),
            };
            self.add(&entry.path(), below, &entry.metadata()?)?;
        }
        self.folders.insert(below, mode);
        Ok(())
    }

    /// Takes the digests of all files below `root`, several at a time, the
    /// largest first. Once `given_up` is set, no more is read.
    pub(super) fn digests(&self, root: &Path, given_up: &AtomicBool) -> io::Result<Digests> {
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by_key(|(_, (_, size))| std::cmp::Reverse(*size));
        let next = AtomicUsize::new(0);
        let digests = Mutex::new(Digests::new());
        let digest = || {
            while let Some((path, _)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let inner = File::open(root.join(path))?;
                let (sha256, _) = Sha256::of_reader(Until { inner, given_up })?;
                let mut digests = digests.lock().unwrap_or_else(PoisonError::into_inner);
                digests.insert((*path).clone(), sha256);
            }
            io::Result::Ok(())
        };
        let processors = thread::available_parallelism().map_or(1, |count| count.get());
        thread::scope(|scope| {
            let digesting: Vec<_> = (0..processors.min(files.len()))
                .map(|_| scope.spawn(digest))
                .collect();
            let mut ended = digesting.into_iter();
            ended.try_for_each(|one| one.join().expect("digesting does not panic"))
        })?;
        Ok(digests.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A reader that fails as soon as nobody wants what it reads.
struct Until<'a, R> {
    inner: R,
    given_up: &'a AtomicBool,
}

impl<R: Read> Read for Until<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.given_up.load(Ordering::Relaxed) {
            true => Err(io::Error::other("given up")),
            false => self.inner.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_digested_until_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/file"), "content").unwrap();
        let listing = Listing::of(folder.path()).unwrap();
        assert!(listing.folders.keys().eq(["", "below"]));
        assert!(listing.files.keys().eq(["below/file"]));
        let digests = |given_up| listing.digests(folder.path(), &AtomicBool::new(given_up));
        let expected = [("below/file".to_owned(), Sha256::of(b"content"))];
        assert_eq!(digests(false).unwrap(), expected.into());
        assert!(digests(true).is_err());
    }
}
