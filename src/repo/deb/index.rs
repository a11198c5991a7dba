//! One suite of a source, read from a mirror: signature, then whose it is,
//! then digests, and only then the packages.
//!
//! InRelease always comes from the mirror. What it names by digest is taken
//! from where earlier readings left it, decompressed if that is there too.

use std::thread;

use super::release::Release;
use crate::base::digest::Digested;
use crate::base::{Epoch, Sha256};
use crate::profile::AptArchive;
use crate::repo::index::{Evidence, Form, IndexError, Proof, Reading, matching};
use crate::repo::openpgp;
use crate::repo::transport::TransportError;
use crate::repo::unpack::Compression;

/// A suite whose bytes are upstream's.
#[derive(Clone, Debug)]
pub struct VerifiedIndex {
    /// The source's id in the profile.
    pub source: String,
    /// The suite's `Date`.
    pub date: Epoch,
    /// Full fingerprint of the primary key whose signature was accepted.
    pub key: String,
    /// `InRelease` first, then the package indexes, as the mirror gave them.
    pub evidence: Vec<Evidence>,
    /// The package indexes, unpacked, each under the digest that `InRelease` gives it.
    pub packages: Vec<Digested<String>>,
}

impl VerifiedIndex {
    /// Why it is believed.
    pub fn proof(&self) -> Proof<'_> {
        Proof {
            source: &self.source,
            date: self.date,
            key: Some(&self.key),
            evidence: &self.evidence,
        }
    }
}

/// No suite's InRelease comes near this; Debian's has 150 kB.
const INRELEASE_LIMIT: u64 = 16 << 20;

impl Reading<'_> {
    /// Reads all suites of the source of that id, at the same time: while one
    /// waits for the mirror or the disk, another's signature is checked.
    pub fn apt(&self, id: &str, archive: &AptArchive) -> Result<Vec<VerifiedIndex>, IndexError> {
        let suites = archive.suites.iter().zip(&archive.codenames);
        thread::scope(|scope| {
            let reading: Vec<_> = suites
                .map(|(suite, codename)| scope.spawn(|| self.suite(id, archive, suite, codename)))
                .collect();
            let indexes = reading.into_iter();
            indexes
                .map(|one| one.join().expect("reading a suite does not panic"))
                .collect()
        })
    }

    fn suite(
        &self,
        id: &str,
        archive: &AptArchive,
        suite: &str,
        codename: &str,
    ) -> Result<VerifiedIndex, IndexError> {
        let path = format!("dists/{suite}/InRelease");
        let bytes = self.get(&path, INRELEASE_LIMIT)?;
        let signed = openpgp::verify(&bytes, self.certs, self.at).map_err(|source| {
            IndexError::Signature {
                path: path.clone(),
                source,
            }
        })?;
        let release = Release::read(&signed.text, &archive.origin, codename)
            .and_then(|release| release.check_valid(self.at).map(|()| release))
            .map_err(|source| IndexError::Release {
                path: path.clone(),
                source,
            })?;
        let mut index = VerifiedIndex {
            source: id.to_owned(),
            date: release.date,
            key: signed.key,
            evidence: vec![Evidence::new(path, Digested::of(bytes))],
            packages: Vec::new(),
        };
        for component in &archive.components {
            self.component(suite, component, &release, &mut index)?;
        }
        Ok(index)
    }

    fn component(
        &self,
        suite: &str,
        component: &str,
        release: &Release,
        index: &mut VerifiedIndex,
    ) -> Result<(), IndexError> {
        let all = release.separate_all.then_some("all");
        for architecture in [Some(self.architecture.as_str()), all]
            .into_iter()
            .flatten()
        {
            let listed = format!("{component}/binary-{architecture}/Packages");
            let (evidence, text) = self.packages(suite, &listed, release)?;
            index.evidence.push(evidence);
            index.packages.push(text);
        }
        Ok(())
    }

    fn packages(
        &self,
        suite: &str,
        listed: &str,
        release: &Release,
    ) -> Result<(Evidence, Digested<String>), IndexError> {
        let plain = *release
            .files
            .get(listed)
            .ok_or_else(|| unlisted(suite, listed))?;
        let forms: Vec<_> = Compression::OF_APT
            .into_iter()
            .filter_map(|compression| {
                let name = format!("{listed}{}", compression.suffix());
                let wanted = *release.files.get(&name)?;
                Some(Form {
                    path: format!("dists/{suite}/{name}"),
                    compression,
                    wanted,
                })
            })
            .collect();
        match self.kept(&forms, plain)? {
            Some(kept) => Ok(kept),
            None => self.fetched(&forms, plain, release.by_hash, || unlisted(suite, listed)),
        }
    }

    // A mirror may lack a form that the signed index lists, so each is tried in turn.
    fn fetched(
        &self,
        forms: &[Form],
        plain: (u64, Sha256),
        by_hash: bool,
        unlisted: impl FnOnce() -> IndexError,
    ) -> Result<(Evidence, Digested<String>), IndexError> {
        let mut last = None;
        for form in forms {
            match self.listed(form, by_hash) {
                Ok(packed) => return form.unpack(packed, plain),
                Err(error @ IndexError::Transport(TransportError::Missing { .. })) => {
                    last = Some(error)
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(unlisted))
    }

    // By its digest the file is found even while the mirror takes in a newer one.
    fn listed(&self, form: &Form, by_hash: bool) -> Result<Digested<Vec<u8>>, IndexError> {
        let Form { path, wanted, .. } = form;
        if by_hash {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let hashed = format!("{folder}/by-hash/SHA256/{}", wanted.1);
            match self.get(&hashed, wanted.0) {
                Err(IndexError::Transport(TransportError::Missing { .. })) => {}
                other => {
                    return other.and_then(|bytes| matching(&hashed, Digested::of(bytes), *wanted));
                }
            }
        }
        matching(path, Digested::of(self.get(path, wanted.0)?), *wanted)
    }
}

fn unlisted(suite: &str, path: &str) -> IndexError {
    IndexError::Unlisted {
        suite: suite.to_owned(),
        path: path.to_owned(),
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
