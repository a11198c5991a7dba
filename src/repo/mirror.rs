//! Which mirrors a source may be read from, and reading it from the first that
//! serves it rightly. Any mirror will do: what it serves is checked.

use super::deb::apt_sources::AptSource;
use super::index::{IndexError, Reading};
use super::keyring::{Keyring, NoKey};
use super::transport::Transport;
use crate::base::{Architecture, Epoch};
use crate::profile::Source;
use crate::store::place::without_password;

/// Where to look for mirrors, in this order.
#[derive(Clone, Debug, Default)]
pub struct Mirrors {
    /// Named by the operator: (source id, or none for every source; address).
    pub explicit: Vec<(Option<String>, String)>,
    /// The apt sources of this machine.
    pub machine: Vec<AptSource>,
}

/// What any source is read with, whichever mirror it comes from.
#[derive(Clone, Copy)]
pub struct ReadBy<'r> {
    /// Where files come from.
    pub transport: &'r dyn Transport,
    /// The certificates that are at hand.
    pub keyring: &'r Keyring,
    /// The architecture.
    pub architecture: &'r Architecture,
    /// When keys and validity are judged.
    pub at: Epoch,
}

/// What a source has, read from one mirror.
#[derive(Debug)]
pub struct ReadSource<I> {
    /// What its index says.
    pub index: I,
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
    /// The source is not one for the profile's packages.
    #[error("source `{source_id}` is a repository of another family than the profile's packages")]
    OtherFamily {
        /// The source.
        source_id: String,
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

    /// Reads a source by `read` from the first mirror that serves it rightly.
    pub fn read<I>(
        &self,
        source: &Source,
        by: &ReadBy<'_>,
        read: impl Fn(&Reading<'_>) -> Result<I, IndexError>,
    ) -> Result<ReadSource<I>, SourceError> {
        let source_id = || source.id.clone();
        let certs = by
            .keyring
            .pinned(&source.keys)
            .map_err(|source| SourceError::NoKey {
                source_id: source_id(),
                source,
            })?;
        let mut tried: Vec<(String, IndexError)> = Vec::new();
        for mirror in self.candidates(source) {
            let reading = Reading {
                transport: by.transport,
                mirror: &mirror,
                certs: &certs,
                at: by.at,
                architecture: by.architecture,
            };
            match read(&reading) {
                Ok(index) => {
                    return Ok(ReadSource {
                        index,
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
