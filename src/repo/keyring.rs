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

/// Where distributions keep the certificates of archives, their own and others'.
pub const FOLDERS: [&str; 5] = [
    "/usr/share/keyrings",
    "/etc/apt/trusted.gpg.d",
    "/etc/apt/keyrings",
    "/etc/pki/rpm-gpg",
    "/usr/share/distribution-gpg-keys",
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
    /// Looks for `fingerprints` in `folders`, in that order, and in the folders
    /// within them (distribution-gpg-keys has one for each distribution): in
    /// files named `*.gpg`, `*.asc` and `*.pgp`, and in those that are named as
    /// rpm's keys are (`RPM-GPG-KEY-*`). Several copies of a certificate are merged.
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
    let mut paths: Vec<_> = entries(folder)
        .flat_map(|path| match path.is_dir() {
            true => entries(&path).collect(),
            false => vec![path],
        })
        .filter(|path| is_keyring(path))
        .collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

fn is_keyring(path: &Path) -> bool {
    let suffix = path.extension().unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    suffix == "gpg" || suffix == "asc" || suffix == "pgp" || name.contains("RPM-GPG-KEY")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use sequoia_openpgp::serialize::SerializeInto;

    use super::*;
    use crate::repo::signing;

    #[test]
    fn finds_keys_where_rpms_distributions_keep_them() {
        let key = || signing::key(SystemTime::UNIX_EPOCH, None);
        let (here, within, elsewhere) = (key(), key(), key());
        let root = tempfile::tempdir().unwrap();
        let armored = |cert: &Cert| cert.armored().to_vec().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        write("PGDG-RPM-GPG-KEY-RHEL7", &armored(&here));
        let two = [armored(&elsewhere), armored(&within)].concat();
        write("centos/RPM-GPG-KEY-CentOS-7", &two);
        write("README", &armored(&elsewhere));
        let pinned = [&here, &within].map(|cert| cert.fingerprint().to_hex());
        let keyring = Keyring::find(&[root.path().to_owned()], &pinned);
        assert_eq!(keyring.pinned(&pinned).unwrap().len(), 2);
        let other = [elsewhere.fingerprint().to_hex()];
        let why = Keyring::find(&[root.path().join("centos/deep")], &other);
        let why = why.pinned(&other).unwrap_err().to_string();
        assert!(why.contains("no certificate for"), "{why}");
    }
}
