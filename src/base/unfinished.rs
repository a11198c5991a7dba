//! What lies under temporary names at this moment, so that a program that is
//! told to end can take it away.
//!
//! Dropping a temporary file or folder removes it, but a signal drops nothing.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

static LYING: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// How often a folder is removed again into which somebody is still writing.
const ROUNDS: u32 = 200;

/// A temporary name that is known here for as long as this lives.
#[derive(Debug)]
pub struct Unfinished(PathBuf);

impl Unfinished {
    /// Makes something under a temporary name; there is no instant at which it
    /// lies there and is not known.
    pub fn begin<T: AsRef<Path>>(make: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Self)> {
        let mut lying = lying();
        let made = make()?;
        lying.insert(made.as_ref().to_owned());
        let known = Self(made.as_ref().to_owned());
        Ok((made, known))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        lying().remove(&self.0);
    }
}

/// Removes everything that lies there. From then on nothing is begun: whoever
/// tries waits for the end of the program.
pub fn remove_all() {
    let lying = lying();
    lying.iter().for_each(|path| remove(path));
    std::mem::forget(lying);
}

/// Other threads may be writing into a folder until it is gone.
fn remove(path: &Path) {
    for _ in 0..ROUNDS {
        let Ok(found) = path.symlink_metadata() else {
            return;
        };
        let removed = match found.is_dir() {
            true => std::fs::remove_dir_all(path),
            false => std::fs::remove_file(path),
        };
        if removed.is_err() {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn lying() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // The set is whole whatever panicked beside it.
    LYING.lock().unwrap_or_else(PoisonError::into_inner)
}
