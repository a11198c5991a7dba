//! The certificates that a profile pins, found in folders of this machine.
//!
//! Where a certificate comes from does not matter: only those whose full
//! primary fingerprint is pinned are taken, whatever else lies beside them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::raw::RawCertParser;
use sequoia_openpgp::parse::Parse;

/// Where distributions keep their archives' certificates.
pub const FOLDERS: [&str; 3] = [
    "/usr/share/keyrings",
    "/etc/apt/trusted.gpg.d",
    "/etc/apt/keyrings",
];

/// Pinned certificates that were found.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    certs: Vec<Cert>,
    looked: Vec<PathBuf>,
}

/// None of a source's keys is at hand.
#[derive(Debug, thiserror::Error)]
#[error(
    "no certificate for {} was found in {}",
    .fingerprints.join(" or "), .looked.join(", ")
)]
pub struct NoKey {
    fingerprints: Vec<String>,
    looked: Vec<String>,
}

impl Keyring {
    /// Looks for `fingerprints` in `folders`, in that order, in files named
    /// `*.gpg`, `*.asc` and `*.pgp`. Several copies of a certificate are merged.
    pub fn find(folders: &[PathBuf], fingerprints: &[String]) -> Self {
        let mut keyring = Self {
            certs: Vec::new(),
            looked: folders.to_vec(),
        };
        let mut taken = BTreeSet::new();
        for bytes in folders.iter().flat_map(|folder| keyring_files(folder)) {
            keyring.take(&bytes, fingerprints, &mut taken);
        }
        keyring
    }

    /// The certificates of these fingerprints; at least one must be there.
    pub fn pinned(&self, fingerprints: &[String]) -> Result<Vec<Cert>, NoKey> {
        let is_pinned = |cert: &&Cert| fingerprints.contains(&cert.fingerprint().to_hex());
        let certs: Vec<_> = self.certs.iter().filter(is_pinned).cloned().collect();
        if certs.is_empty() {
            return Err(NoKey {
                fingerprints: fingerprints.to_vec(),
                looked: self
                    .looked
                    .iter()
                    .map(|p| p.display().to_string())
                    .collect(),
            });
        }
        Ok(certs)
    }

    // A file that holds no certificates, or someone else's in a form unknown here, is passed over.
    // Distributions keep the same certificate in several files, and others
    // beside it: it is looked into once, and they are not at all.
    fn take(&mut self, bytes: &[u8], fingerprints: &[String], taken: &mut BTreeSet<Vec<u8>>) {
        let certs = RawCertParser::from_bytes(bytes).into_iter().flatten();
        let pinned = certs
            .flatten()
            .filter(|cert| fingerprints.contains(&cert.fingerprint().to_hex()))
            .filter(|cert| taken.insert(cert.as_bytes().to_vec()));
        for cert in pinned.filter_map(|cert| Cert::try_from(cert).ok()) {
            let same = |known: &&mut Cert| known.fingerprint() == cert.fingerprint();
            match self.certs.iter_mut().find(same) {
                Some(known) => {
                    let merged = known.clone().merge_public(cert);
                    *known = merged.expect("both have the same primary key");
                }
                None => self.certs.push(cert),
            }
        }
    }
}

fn keyring_files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|p| is_keyring(p))
        .collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .collect()
}

fn is_keyring(path: &Path) -> bool {
    path.extension()
        .is_some_and(|suffix| suffix == "gpg" || suffix == "asc" || suffix == "pgp")
}
