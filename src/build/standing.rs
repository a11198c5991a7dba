//! What a folder holds, to the last byte and mode.
//!
//! Digesting a release takes longer than all else that tells whether it is
//! still the right one, so it is begun before anything else is known.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::base::Sha256;

/// What stands at a build's target, while its files are being digested. Who
/// drops it wants to know no more, and no more is read.
pub struct Standing {
    target: PathBuf,
    listing: Arc<Listing>,
    given_up: Arc<AtomicBool>,
    digesting: Option<JoinHandle<io::Result<Digests>>>,
}

impl Standing {
    /// Lists the target and begins to digest what is there; none where there
    /// is nothing, or something that no build makes.
    pub fn begin(target: &Path) -> Option<Self> {
        let listing = Arc::new(Listing::of(target).ok()?);
        let given_up = Arc::new(AtomicBool::new(false));
        let digesting = thread::spawn({
            let (target, listing) = (target.to_owned(), Arc::clone(&listing));
            let given_up = Arc::clone(&given_up);
            move || listing.digests(&target, &given_up)
        });
        Some(Self {
            target: target.to_owned(),
            listing,
            given_up,
            digesting: Some(digesting),
        })
    }

    /// The target.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Whether it holds just this. Digests are waited for only where all else is the same.
    pub(super) fn is(mut self, listing: &Listing, expected: &Digests) -> bool {
        if *self.listing != *listing {
            return false;
        }
        let digesting = self.digesting.take().expect("it is taken once");
        let digests = digesting.join().expect("digesting does not panic");
        digests.is_ok_and(|digests| digests == *expected)
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

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
        let expected = [("below/file".to_owned(), Sha256::of(b"content"))].into();
        assert_eq!(digests(false).unwrap(), expected);
        assert!(digests(true).is_err());
        let standing = || Standing::begin(folder.path()).unwrap();
        assert!(standing().is(&listing, &expected));
        assert!(!standing().is(&listing, &Digests::new()));
        assert!(!standing().is(&Listing::default(), &expected));
        assert!(Standing::begin(&folder.path().join("nothing")).is_none());
    }
}
