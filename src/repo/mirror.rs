//! Which mirrors a source may be read from, and reading it from the first that
//! serves it rightly. Any mirror will do: what it serves is checked.

use super::deb::apt_sources::AptSource;
use super::deb::index::{IndexError, Reading, VerifiedIndex};
use super::keyring::{Keyring, NoKey};
use super::transport::Transport;
use crate::base::{Architecture, Epoch};
use crate::profile::{Repository, Source};
use crate::store::place::without_password;

/// Where to look for mirrors, in this order.
#[derive(Clone, Debug, Default)]
pub struct Mirrors {
    /// Named by the operator: (source id, or none for every source; address).
    pub explicit: Vec<(Option<String>, String)>,
    /// The apt sources of this machine.
    pub machine: Vec<AptSource>,
}

/// What a source has, read from one mirror.
#[derive(Debug)]
pub struct ReadSource {
    /// Its suites.
    pub indexes: Vec<VerifiedIndex>,
    /// The mirrors before that one, and why each was passed over.
    pub passed_over: Vec<(String, IndexError)>,
}

/// A source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No key.
    #[error("source `{source_id}`: {source}")]
    NoKey {
        /// The source.
        source_id: String,
        /// Which key is missing, and where it was looked for.
        source: NoKey,
    },
    /// No mirror.
    #[error("source `{source_id}` cannot be read from any mirror:{}", list(.tried))]
    NoMirror {
        /// The source.
        source_id: String,
        /// Each mirror that was tried, and why it failed.
        tried: Vec<(String, IndexError)>,
    },
}

fn list(tried: &[(String, IndexError)]) -> String {
    if tried.is_empty() {
        return "\n  none is known".to_owned();
    }
    let line = |(mirror, why): &(String, IndexError)| match why {
        // Which names the mirror with the file.
        IndexError::Transport(why) => format!("\n  {why}"),
        why => format!("\n  {mirror}: {why}"),
    };
    tried.iter().map(line).collect()
}

impl Mirrors {
    /// Candidates for a source, each address once: explicit ones, the
    /// machine's own for one of its suites, then the profile's public ones.
    pub fn candidates(&self, source: &Source) -> Vec<String> {
        let is_for = |id: &Option<String>| id.as_ref().is_none_or(|id| *id == source.id);
        let suites = source.apt().map_or(&[][..], |archive| &archive.suites);
        let shares_suite = |apt: &&AptSource| apt.suites.iter().any(|s| suites.contains(s));
        let explicit = self
            .explicit
            .iter()
            .filter(|(id, _)| is_for(id))
            .map(|(_, url)| url);
        let machine = self.machine.iter().filter(shares_suite).map(|apt| &apt.uri);
        let mut candidates: Vec<String> = Vec::new();
        for url in explicit.chain(machine).chain(&source.mirrors) {
            let url = url.trim_end_matches('/').to_owned();
            if !candidates.contains(&url) {
                candidates.push(url);
            }
        }
        candidates
    }

    /// Reads a source from the first mirror whose suites are all in order.
    pub fn read(
        &self,
        source: &Source,
        transport: &dyn Transport,
        keyring: &Keyring,
        architecture: &Architecture,
        at: Epoch,
    ) -> Result<ReadSource, SourceError> {
        let source_id = || source.id.clone();
        let certs = keyring
            .pinned(&source.keys)
            .map_err(|source| SourceError::NoKey {
                source_id: source_id(),
                source,
            })?;
        let mut tried: Vec<(String, IndexError)> = Vec::new();
        for mirror in self.candidates(source) {
            let reading = Reading {
                transport,
                mirror: &mirror,
                certs: &certs,
                at,
                architecture,
            };
            let read = match &source.kind {
                Repository::Apt(archive) => reading.source(&source.id, archive),
                Repository::RpmMd(_) => Err(IndexError::Unlisted {
                    suite: source.id.clone(),
                    path: "repodata/primary.xml".to_owned(),
                }),
            };
            match read {
                Ok(indexes) => {
                    return Ok(ReadSource {
                        indexes,
                        passed_over: tried,
                    });
                }
                Err(error) => tried.push((without_password(&mirror), error)),
            }
        }
        Err(SourceError::NoMirror {
            source_id: source_id(),
            tried,
        })
    }
}
