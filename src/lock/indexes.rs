//! Reads the signed indexes of all sources of a profile: the edge of locking.

use std::path::PathBuf;
use std::thread;

use crate::base::{Architecture, Epoch};
use crate::bundle::manifest::Family;
use crate::profile::{Profile, Repository, Source};
use crate::repo::Transport;
use crate::repo::index::{IndexError, Indexes};
use crate::repo::keyring::{FOLDERS, Keyring};
use crate::repo::mirror::{Mirrors, ReadBy, ReadSource, SourceError};

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
) -> Result<Indexes, SourceError> {
    let by = ReadBy {
        transport,
        keyring: &keyring(profile, keys),
        architecture,
        at,
    };
    let apt = |source: &Source| match &source.kind {
        Repository::Apt(archive) => {
            mirrors.read(source, &by, |reading| reading.apt(&source.id, archive))
        }
        Repository::RpmMd(_) => Err(other_family(source)),
    };
    let rpm_md = |source: &Source| match &source.kind {
        Repository::RpmMd(repository) => mirrors.read(source, &by, |reading| {
            reading.rpm_md(&source.id, repository)
        }),
        Repository::Apt(_) => Err(other_family(source)),
    };
    let sources = &profile.sources;
    Ok(match profile.family {
        Family::Deb => Indexes::Apt(
            each(sources, apt, passed_over)?
                .into_iter()
                .flatten()
                .collect(),
        ),
        Family::Rpm => Indexes::RpmMd(each(sources, rpm_md, passed_over)?),
    })
}

fn other_family(source: &Source) -> SourceError {
    let source_id = source.id.clone();
    SourceError::OtherFamily { source_id }
}

fn each<I: Send>(
    sources: &[Source],
    read: impl Fn(&Source) -> Result<ReadSource<I>, SourceError> + Sync,
    passed_over: &dyn Fn(&str, &IndexError),
) -> Result<Vec<I>, SourceError> {
    let read: Vec<_> = thread::scope(|scope| {
        let reading: Vec<_> = sources
            .iter()
            .map(|source| scope.spawn(|| read(source)))
            .collect();
        let read = reading.into_iter();
        read.map(|one| one.join().expect("reading a source does not panic"))
            .collect()
    });
    let mut indexes = Vec::new();
    for source in read {
        let source = source?;
        for (mirror, why) in &source.passed_over {
            passed_over(mirror, why);
        }
        indexes.push(source.index);
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
