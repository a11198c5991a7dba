//! Packages that the operator was given and no repository carries: what they
//! are, whether they are for the hosts at all, and who signed them.
//!
//! Their digest is what a lock names them by. A signature counts where a key of
//! the profile made it; any other, or none, is said and is no obstacle here,
//! and nowhere else.

use std::io::Read;

use super::LockedPackage;
use super::pin::rpm::{row, runs_on};
use crate::base::{Architecture, Epoch};
use crate::bundle::manifest::ByDigest;
use crate::plan::GivenFile;
use crate::profile::{Profile, Repository};
use crate::repo::keyring::Keyring;
use crate::repo::openpgp::Trust;
use crate::repo::rpm::element::{self, Outside};
use crate::repo::rpm::file::{NotAPackage, PackageFile};
use crate::repo::rpm::primary::PrimaryError;
use crate::repo::rpm::signature::{self, PackageSignatureError};
use crate::repo::rpm::stanza;

/// How these packages are named among the sources.
pub const SOURCE: &str = "vendor";

/// A file that the operator was given, read.
#[derive(Clone, Debug)]
pub struct GivenPackage {
    /// The file.
    pub file: GivenFile,
    /// The package's name.
    pub name: String,
    /// What it says of itself.
    pub package: PackageFile,
    /// Its element of primary.
    pub element: String,
    /// Why only its digest stands for it; none where a key of the profile does.
    pub by_digest: Option<ByDigest>,
}

/// What such packages are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Judging<'j> {
    /// The profile, with the packaging that is in force.
    pub profile: &'j Profile,
    /// The hosts' architecture.
    pub architecture: &'j Architecture,
    /// The certificates at hand.
    pub keyring: &'j Keyring,
    /// When keys are judged.
    pub at: Epoch,
}

/// A file is not for these hosts, or not what it claims to be.
#[derive(Debug, thiserror::Error)]
pub enum NotForHosts {
    /// It is no package.
    #[error(transparent)]
    NotAPackage(#[from] NotAPackage),
    /// Its name would mislead.
    #[error("the package in it is {found}")]
    Named {
        /// The package.
        found: String,
    },
    /// It is made for another release of Enterprise Linux.
    #[error("it is made for EL {found}, the hosts run EL {wanted}")]
    OtherRelease {
        /// What it is for.
        found: u32,
        /// What the hosts run.
        wanted: u32,
    },
    /// It is made for another architecture.
    #[error("it is made for {found}, the hosts are {wanted}")]
    Architecture {
        /// What it is for.
        found: String,
        /// What the hosts are.
        wanted: String,
    },
    /// It says that a key of the profile signed it, and that is not so.
    #[error(transparent)]
    Signature(#[from] PackageSignatureError),
}

/// Reads a given file, of which `reader` is at the beginning.
pub fn read(
    file: &GivenFile,
    judging: &Judging<'_>,
    mut reader: impl Read + Send + Sync,
) -> Result<GivenPackage, NotForHosts> {
    let package = PackageFile::read(&mut reader)?;
    let id = package.identity()?;
    let proper = format!(
        "{}-{}-{}.{}",
        id.name, id.version, id.release, id.architecture
    );
    if file.name != format!("{proper}.rpm") {
        return Err(NotForHosts::Named { found: proper });
    }
    let wanted = judging.profile.dist.as_deref().and_then(enterprise_linux);
    if let (Some(found), Some(wanted)) = (enterprise_linux(&id.release), wanted)
        && found != wanted
    {
        return Err(NotForHosts::OtherRelease { found, wanted });
    }
    if !runs_on(judging.architecture.as_str(), &id.architecture) {
        return Err(NotForHosts::Architecture {
            found: id.architecture,
            wanted: judging.architecture.to_string(),
        });
    }
    let by_digest = signer(&package, judging, reader)?;
    let outside = Outside {
        name: &file.name,
        size: file.size,
        sha256: file.sha256,
    };
    let element = element::write(&package, &outside, &judging.profile.not_provided)?;
    Ok(GivenPackage {
        file: file.clone(),
        name: id.name,
        package,
        element,
        by_digest,
    })
}

/// The release of Enterprise Linux that a package's release, a distribution's
/// tag or a file's name speaks of: 7 of `1.el7_9`, 8 of `2PGDG.rhel8`.
pub fn enterprise_linux(text: &str) -> Option<u32> {
    text.match_indices("el").find_map(|(place, _)| {
        let rest = &text[place + 2..];
        let end = rest.find(|c: char| !c.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse().ok()
    })
}

fn signer(
    package: &PackageFile,
    judging: &Judging<'_>,
    payload: impl Read + Send + Sync,
) -> Result<Option<ByDigest>, PackageSignatureError> {
    if !signature::is_signed(package) {
        signature::verify_digests(package, payload)?;
        return Ok(Some(ByDigest::Unsigned));
    }
    let sources = &judging.profile.sources;
    let keys: Vec<_> = sources.iter().flat_map(|s| s.keys.clone()).collect();
    let legacy: Vec<_> = sources
        .iter()
        .filter_map(|source| match &source.kind {
            Repository::RpmMd(repository) => Some(repository.legacy_keys.clone()),
            Repository::Apt(_) => None,
        })
        .flatten()
        .collect();
    let certs = judging.keyring.pinned(&keys).unwrap_or_default();
    let trust = Trust {
        certs: &certs,
        legacy: &legacy,
    };
    if !signature::claims_to_be_of(package, &certs) {
        signature::verify_digests(package, payload)?;
        return Ok(Some(ByDigest::UnknownSigner));
    }
    signature::verify(package, payload, trust, judging.at)?;
    Ok(None)
}

/// How a given file compares with its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It makes exactly this row.
    Same,
    /// It does, but the key that the lock was made with is not at hand.
    Unchecked,
    /// It makes another one.
    Other,
}

/// Whether a given package makes exactly that row of the lock.
pub fn compare(given: &GivenPackage, row: &LockedPackage) -> Result<Comparison, PrimaryError> {
    let files = stanza::read(&row.stanza, |package| {
        let files = package.files.iter().map(|file| file.to_string());
        files.collect::<Vec<_>>()
    })?;
    let files = files.unwrap_or_default();
    let roles = row.roles.iter().copied().collect();
    let made = stanza::read(&given.element, |package| {
        let is_listed_apart = |file: &&str| !package.files.iter().any(|own| own == file);
        let apart = files.iter().map(String::as_str).filter(is_listed_apart);
        row::package(package, &apart.collect(), SOURCE, &roles)
    })?;
    let Some(Ok(mut made)) = made else {
        return Ok(Comparison::Other);
    };
    made.by_digest = row.by_digest;
    let lacks = given.package.lacks(files.iter().map(String::as_str));
    if made != *row || lacks.is_some() {
        return Ok(Comparison::Other);
    }
    Ok(match (row.by_digest, given.by_digest) {
        (said, found) if said == found => Comparison::Same,
        // A key that was not at hand then is now, or the other way round.
        (Some(ByDigest::UnknownSigner), None) => Comparison::Same,
        (None, Some(ByDigest::UnknownSigner)) => Comparison::Unchecked,
        _ => Comparison::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_says_for_which_enterprise_linux_it_is() {
        for (text, release) in [
            ("1.el7", Some(7)),
            ("0.el7_9.2", Some(7)),
            ("1PGDG.rhel8", Some(8)),
            ("vmware-postgres15-15.1-1.el10.x86_64.rpm", Some(10)),
            ("1", None),
            ("elsewhere-1", None),
        ] {
            assert_eq!(enterprise_linux(text), release, "{text}");
        }
    }
}
