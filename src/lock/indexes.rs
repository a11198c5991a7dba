//! Reads the signed indexes of all sources of a profile: the edge of locking.

use std::path::PathBuf;
use std::thread;

use crate::base::{Architecture, Epoch};
use crate::profile::Profile;
use crate::repo::Transport;
use crate::repo::deb::index::{IndexError, VerifiedIndex};
use crate::repo::keyring::{FOLDERS, Keyring};
use crate::repo::mirror::{Mirrors, SourceError};

/// Reads every source of `profile` from the first mirror that serves it
/// rightly, all at the same time.
///
/// Certificates are looked for in `keys` first, then where distributions keep
/// theirs. `at` is the moment at which keys and `Valid-Until` are judged: the
/// caller's one look at the clock, or the lock's date when it is made again.
/// `passed_over` is told of each mirror that does not serve, and why.
pub fn read(
    profile: &Profile,
    architecture: &Architecture,
    mirrors: &Mirrors,
    keys: Option<PathBuf>,
    transport: &dyn Transport,
    at: Epoch,
    passed_over: &dyn Fn(&str, &IndexError),
) -> Result<Vec<VerifiedIndex>, SourceError> {
    let keyring = keyring(profile, keys);
    let read = |source| mirrors.read(source, transport, &keyring, architecture, at);
    let sources: Vec<_> = thread::scope(|scope| {
        let sources = profile.sources.iter();
        let reading: Vec<_> = sources
            .map(|source| scope.spawn(move || read(source)))
            .collect();
        let read = reading.into_iter();
        read.map(|one| one.join().expect("reading a source does not panic"))
            .collect()
    });
    let mut indexes = Vec::new();
    for source in sources {
        let source = source?;
        for (mirror, why) in &source.passed_over {
            passed_over(mirror, why);
        }
        indexes.extend(source.indexes);
    }
    Ok(indexes)
}

/// The certificates that the sources of `profile` pin: in `keys` first, then
/// where distributions keep theirs.
pub fn keyring(profile: &Profile, keys: Option<PathBuf>) -> Keyring {
    let folders: Vec<_> = keys.into_iter().chain(FOLDERS.map(PathBuf::from)).collect();
    let pinned = profile.sources.iter().flat_map(|s| s.keys.clone());
    Keyring::find(&folders, &pinned.collect::<Vec<_>>())
}
