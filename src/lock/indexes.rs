//! Reads the signed indexes of all sources of a profile: the edge of locking.

use std::path::PathBuf;

use crate::base::{Architecture, Epoch};
use crate::bundle::manifest::Family;
use crate::profile::{Profile, Repository};
use crate::repo::Transport;
use crate::repo::index::{IndexError, Indexes};
use crate::repo::keyring::{FOLDERS, Keyring};
use crate::repo::mirror::{Mirrors, ReadBy, SourceError};

/// Reads every source of `profile` from the first mirror that serves it rightly.
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
) -> Result<Indexes, SourceError> {
    let by = ReadBy {
        transport,
        keyring: &keyring(profile, keys),
        architecture,
        at,
        passed_over,
    };
    let mut indexes = match profile.family {
        Family::Deb => Indexes::Apt(Vec::new()),
        Family::Rpm => Indexes::RpmMd(Vec::new()),
    };
    for source in &profile.sources {
        let id = &source.id;
        match (&source.kind, &mut indexes) {
            (Repository::Apt(archive), Indexes::Apt(suites)) => {
                suites.extend(mirrors.read(source, &by, |reading| reading.apt(id, archive))?);
            }
            (Repository::RpmMd(repository), Indexes::RpmMd(all)) => {
                all.push(mirrors.read(source, &by, |reading| reading.rpm_md(id, repository))?);
            }
            _ => {
                let source_id = id.clone();
                return Err(SourceError::OtherFamily { source_id });
            }
        }
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
