//! Reads the signed indexes of all sources of a profile: the edge of locking.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;

use crate::base::{Architecture, Epoch};
use crate::bundle::manifest::Family;
use crate::profile::{Profile, Repository, Source};
use crate::repo::Transport;
use crate::repo::index::{IndexError, Indexes, Reading};
use crate::repo::keyring::{FOLDERS, Keyring};
use crate::repo::mirror::{Mirrors, ReadBy, ReadSource, SourceError};
use crate::repo::rpm::index::VerifiedIndex;

/// What the sources of a profile are read with.
pub struct Upstream<'u> {
    /// The profile.
    pub profile: &'u Profile,
    /// The architecture.
    pub architecture: &'u Architecture,
    /// Which mirrors there are.
    pub mirrors: &'u Mirrors,
    /// Where certificates are looked for before the folders in which
    /// distributions keep theirs.
    pub keys: Option<PathBuf>,
    /// Where files come from.
    pub transport: &'u dyn Transport,
    /// The moment at which keys and `Valid-Until` are judged: the caller's one
    /// look at the clock, or the lock's date when it is made again.
    pub at: Epoch,
    /// Is told of each mirror that does not serve, and why.
    pub passed_over: &'u dyn Fn(&str, &IndexError),
}

impl Upstream<'_> {
    /// Reads every source of the profile from the first mirror that serves it
    /// rightly, all at the same time.
    pub fn read(&self) -> Result<Indexes, SourceError> {
        let keyring = keyring(self.profile, self.keys.clone());
        let (by, mirrors) = (self.read_by(&keyring), self.mirrors);
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
        let sources = &self.profile.sources;
        Ok(match self.profile.family {
            Family::Deb => {
                let suites = each(sources, apt, self.passed_over)?.into_iter();
                Indexes::Apt(suites.flatten().collect())
            }
            Family::Rpm => Indexes::RpmMd(each(sources, rpm_md, self.passed_over)?),
        })
    }

    /// Looks up in the lists of files of every repository who owns these.
    pub fn look_up(
        &self,
        indexes: &mut [VerifiedIndex],
        files: &BTreeSet<String>,
    ) -> Result<(), SourceError> {
        let keyring = keyring(self.profile, self.keys.clone());
        let by = self.read_by(&keyring);
        let look_up = |(index, source): &(&VerifiedIndex, &Source)| {
            let look_up = |reading: &Reading<'_>| reading.look_up(index, files);
            self.mirrors.read(source, &by, look_up)
        };
        let sources = &self.profile.sources;
        let of_source = |index: &&VerifiedIndex| sources.iter().find(|s| s.id == index.source);
        let asked: Vec<_> = indexes
            .iter()
            .filter_map(|index| Some((index, of_source(&index)?)))
            .collect();
        let found = each(&asked, look_up, self.passed_over)?;
        let has_source = |index: &&mut VerifiedIndex| sources.iter().any(|s| s.id == index.source);
        for (index, found) in indexes.iter_mut().filter(has_source).zip(found) {
            index.learn(found);
        }
        Ok(())
    }

    fn read_by<'k>(&'k self, keyring: &'k Keyring) -> ReadBy<'k> {
        ReadBy {
            transport: self.transport,
            keyring,
            architecture: self.architecture,
            at: self.at,
        }
    }
}

fn other_family(source: &Source) -> SourceError {
    let source_id = source.id.clone();
    SourceError::OtherFamily { source_id }
}

/// Does the reading of all at the same time, and tells what was passed over in their order.
fn each<S: Sync, I: Send>(
    sources: &[S],
    read: impl Fn(&S) -> Result<ReadSource<I>, SourceError> + Sync,
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
