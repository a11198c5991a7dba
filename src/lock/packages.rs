//! Proves packages by themselves: that a key of their source signed them, header
//! and payload, and that they are what their row in the lock says.
//!
//! Where upstream signs its packages and not its index, that is the whole
//! proof, and it stands before the row: a lock is written only after each such
//! package was fetched and checked. Where the index is signed as well, it tells
//! before a host does that the host would refuse a package.

use std::io::Read;

use super::LockedPackage;
use crate::base::Epoch;
use crate::profile::{Repository, Source};
use crate::repo::keyring::Keyring;
use crate::repo::openpgp::Trust;
use crate::repo::rpm::evr::Evr;
use crate::repo::rpm::file::{NotAPackage, PackageFile};
use crate::repo::rpm::signature::{self, PackageSignatureError};
use crate::repo::rpm::stanza;

/// A package is not what the lock, or an index, says that it is.
#[derive(Debug, thiserror::Error)]
pub enum PackageProofError {
    /// It is no package.
    #[error(transparent)]
    NotAPackage(#[from] NotAPackage),
    /// It is another package.
    #[error("the file is the package {found}")]
    Another {
        /// What the file says that it is.
        found: String,
    },
    /// Its signature is not accepted.
    #[error(transparent)]
    Signature(#[from] PackageSignatureError),
    /// It does not have the files that it was chosen for.
    #[error("it does not bring the file {0}, which its index says it does")]
    File(String),
    /// Its row cannot be compared with it.
    #[error("its entry in the index cannot be read")]
    Entry,
}

/// Who signed a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The full fingerprint of the primary key.
    Key(String),
    /// No certificate of the source is at hand to find out.
    Unchecked,
}

/// Checks the file of a row of `source`; keys are judged at `at`.
pub fn check(
    row: &LockedPackage,
    source: &Source,
    keyring: &Keyring,
    at: Epoch,
    mut file: impl Read + Send + Sync,
) -> Result<Signer, PackageProofError> {
    let package = PackageFile::read(&mut file)?;
    let signer = match keyring.pinned(&source.keys) {
        Err(_) => Signer::Unchecked,
        Ok(certs) => {
            let trust = Trust {
                certs: &certs,
                legacy: legacy(source),
            };
            Signer::Key(signature::verify(&package, file, trust, at)?)
        }
    };
    let found = package.identity()?;
    let epoch = found.epoch.to_string();
    let evr = Evr::new(Some(&epoch), &found.version, Some(&found.release));
    let is_same = found.name == row.name
        && evr.is_ok_and(|evr| evr.to_string() == row.version)
        && found.architecture == row.architecture;
    if !is_same {
        let found = found.to_string();
        return Err(PackageProofError::Another { found });
    }
    let lacks = |listed: &crate::repo::rpm::package::Package<'_>| {
        let files = listed.files.iter().map(|file| &**file);
        package.lacks(files).map(str::to_owned)
    };
    match stanza::read(&row.stanza, lacks) {
        Ok(Some(None)) => Ok(signer),
        Ok(Some(Some(file))) => Err(PackageProofError::File(file)),
        Ok(None) | Err(_) => Err(PackageProofError::Entry),
    }
}

fn legacy(source: &Source) -> &[String] {
    match &source.kind {
        Repository::RpmMd(repository) => &repository.legacy_keys,
        Repository::Apt(_) => &[],
    }
}
