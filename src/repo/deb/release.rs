//! What a signed `InRelease` says about a suite (Debian's RepositoryFormat).

use std::collections::BTreeMap;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::deb822::{Stanza, stanzas};
use crate::base::{Epoch, Sha256};

/// A suite's release, read only after its signature was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// `Date`: when the suite was published.
    pub date: Epoch,
    /// `Valid-Until`, where the suite has one.
    pub valid_until: Option<Epoch>,
    /// `Acquire-By-Hash`.
    pub by_hash: bool,
    /// Whether packages of `all` stand in an index of their own.
    pub separate_all: bool,
    /// The `SHA256` section: path below the suite, size and digest.
    pub files: BTreeMap<String, (u64, Sha256)>,
}

/// The release is not the one that the profile names, or cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReleaseError {
    /// A field is missing.
    #[error("its InRelease has no `{0}`")]
    Missing(&'static str),
    /// Another archive's.
    #[error("its InRelease has {field} `{found}`, the profile wants `{wanted}`")]
    Foreign {
        /// `Origin` or `Codename`.
        field: &'static str,
        /// What it says.
        found: String,
        /// What the profile says.
        wanted: String,
    },
    /// A date is none.
    #[error("its InRelease has a {field} that is no date: `{found}`")]
    Date {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
    },
    /// A line of the digests cannot be read.
    #[error("its InRelease has a line under SHA256 that cannot be read: `{0}`")]
    Digest(String),
    /// The mirror stopped following upstream.
    #[error(
        "its InRelease expired at {until}, judged at {at}: the mirror is stale or someone holds it back"
    )]
    Expired {
        /// `Valid-Until`.
        until: Epoch,
        /// When it was judged.
        at: Epoch,
    },
}

impl Release {
    /// Reads the signed text and checks whose it is.
    pub fn read(text: &str, origin: &str, codename: &str) -> Result<Self, ReleaseError> {
        let stanza = stanzas(text)
            .next()
            .ok_or(ReleaseError::Missing("Origin"))?;
        belongs(&stanza, "Origin", origin)?;
        belongs(&stanza, "Codename", codename)?;
        let lists_all = stanza.words("Architectures").any(|word| word == "all");
        let inline_all = stanza
            .words("No-Support-for-Architecture-all")
            .any(|word| word == "Packages");
        Ok(Self {
            date: date(&stanza, "Date")?.ok_or(ReleaseError::Missing("Date"))?,
            valid_until: date(&stanza, "Valid-Until")?,
            by_hash: stanza.field("Acquire-By-Hash") == Some("yes"),
            separate_all: lists_all && !inline_all,
            files: files(
                stanza
                    .field("SHA256")
                    .ok_or(ReleaseError::Missing("SHA256"))?,
            )?,
        })
    }

    /// Refuses a release whose `Valid-Until` lies before `at`.
    pub fn check_valid(&self, at: Epoch) -> Result<(), ReleaseError> {
        match self.valid_until {
            Some(until) if until < at => Err(ReleaseError::Expired { until, at }),
            _ => Ok(()),
        }
    }
}

fn belongs(stanza: &Stanza<'_>, field: &'static str, wanted: &str) -> Result<(), ReleaseError> {
    match stanza.field(field) {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(ReleaseError::Foreign {
            field,
            found: found.to_owned(),
            wanted: wanted.to_owned(),
        }),
        None => Err(ReleaseError::Missing(field)),
    }
}

// RFC 2822, but for the zone, which archives write as `UTC`.
fn date(stanza: &Stanza<'_>, field: &'static str) -> Result<Option<Epoch>, ReleaseError> {
    let Some(found) = stanza.field(field) else {
        return Ok(None);
    };
    let refuse = || ReleaseError::Date {
        field,
        found: found.to_owned(),
    };
    let text = found.replace("UTC", "+0000");
    let moment = OffsetDateTime::parse(&text, &Rfc2822).map_err(|_| refuse())?;
    Epoch::from_seconds(moment.unix_timestamp())
        .map(Some)
        .map_err(|_| refuse())
}

fn files(section: &str) -> Result<BTreeMap<String, (u64, Sha256)>, ReleaseError> {
    let read = |line: &str| {
        let mut words = line.split_whitespace();
        let digest = words.next()?.parse().ok()?;
        let size = words.next()?.parse().ok()?;
        Some((words.next()?.to_owned(), (size, digest)))
    };
    let lines = section
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    lines
        .map(|line| read(line).ok_or_else(|| ReleaseError::Digest(line.to_owned())))
        .collect()
}
