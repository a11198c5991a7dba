//! Proves rows of an rpm-md repository: signature where upstream makes one,
//! then the digest of each part, then each row, then each package by itself.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use memchr::memmem;

use super::{ProveError, Proving, unlisted, unreadable};
use crate::lock::packages::{self, Signer};
use crate::lock::pin::rpm::row;
use crate::lock::{LockedIndex, LockedPackage};
use crate::profile::{Metadata, RpmRepository, Source};
use crate::repo::openpgp::{Lifetime, Trust, verify_detached};
use crate::repo::rpm::index::{REPOMD, SIGNATURE};
use crate::repo::rpm::repomd::{Kind, Repomd};
use crate::repo::rpm::stanza;
use crate::repo::unpack::Compression;

/// No package's element comes near it.
const ELEMENT_LIMIT: usize = 64 << 20;

impl<'a> Proving<'a> {
    pub(super) fn repository(
        &mut self,
        source: &Source,
        repository: &RpmRepository,
    ) -> Result<(), ProveError> {
        let repomd = self.named(source, REPOMD)?;
        let bytes = self.whole(repomd)?;
        match repository.metadata {
            Metadata::Unsigned => nobody_signed(repomd)?,
            Metadata::Signed => self.signed(source, repository, repomd, &bytes)?,
        }
        let text = String::from_utf8_lossy(&bytes);
        let parts = Repomd::read(&text).map_err(|source| ProveError::Repomd {
            path: REPOMD.to_owned(),
            source,
        })?;
        self.newest = self.newest.max(parts.date());
        let lock = self.lock;
        let is_part = |row: &&LockedIndex| {
            row.source == source.id && ![REPOMD, SIGNATURE].contains(&row.path.as_str())
        };
        for row in lock.indexes.iter().filter(is_part) {
            let listed = (parts.data.iter())
                .find(|data| data.path.as_str() == row.path)
                .filter(|data| (data.size, data.sha256) == (row.size, row.sha256));
            let data = listed.ok_or_else(|| unlisted(row))?;
            self.strange.retain(|other| *other != row);
            if data.kind == Kind::Primary {
                self.primary(row, data.open_size)?;
            }
        }
        self.packages(source)
    }

    fn named(&mut self, source: &Source, path: &str) -> Result<&'a LockedIndex, ProveError> {
        let is_it = |row: &&LockedIndex| row.source == source.id && row.path == path;
        let row = self.lock.indexes.iter().find(is_it);
        let row = row.ok_or_else(|| ProveError::NoIndex {
            source_id: source.id.clone(),
            path: path.to_owned(),
        })?;
        self.strange.retain(|other| *other != row);
        Ok(row)
    }

    fn signed(
        &mut self,
        source: &Source,
        repository: &RpmRepository,
        repomd: &LockedIndex,
        bytes: &[u8],
    ) -> Result<(), ProveError> {
        let signature = self.named(source, SIGNATURE)?;
        let signature = self.whole(signature)?;
        let path = || repomd.path.clone();
        let Ok(certs) = self.evidence.keyring.pinned(&source.keys) else {
            self.unchecked.push(format!("{} of {}", path(), source.id));
            return Ok(());
        };
        let trust = Trust {
            certs: &certs,
            legacy: &repository.legacy_keys,
        };
        let lifetime = Lifetime::StillAlive;
        let found = verify_detached(bytes, &signature, trust, self.lock.date, lifetime);
        let found = found.map_err(|source| ProveError::Signature {
            path: path(),
            source,
        })?;
        match repomd.key.as_ref() == Some(&found) {
            true => Ok(()),
            false => Err(ProveError::Key {
                path: path(),
                found,
            }),
        }
    }

    /// Strikes out the rows that `primary.xml` has, of which `size` bytes are read and no more.
    fn primary(&mut self, row: &LockedIndex, size: u64) -> Result<(), ProveError> {
        let file = (self.evidence.open)(row).map_err(unreadable(row))?;
        let plain = Compression::of(&row.path).reader(file);
        let plain = plain.map_err(unreadable(row))?.take(size);
        let mut text = BufReader::with_capacity(1 << 16, plain);
        let source = row.source.clone();
        let mut element = Vec::new();
        while next_element(&mut text, &mut element).map_err(unreadable(row))? {
            let Ok(element) = std::str::from_utf8(&element) else {
                continue;
            };
            if let Some(name) = name_of(element) {
                self.strike(name, |row| says(element, &source, row));
            }
        }
        Ok(())
    }

    fn packages(&mut self, source: &Source) -> Result<(), ProveError> {
        let lock = self.lock;
        let mut is_unchecked = false;
        for row in lock.packages.iter().filter(|row| row.source == source.id) {
            let refused = |source| ProveError::Package {
                name: row.name.clone(),
                source,
            };
            let file = (self.evidence.package)(row).map_err(|source| ProveError::Unreadable {
                path: row.path.clone(),
                source,
            })?;
            let keyring = self.evidence.keyring;
            let signer = packages::check(row, source, keyring, lock.date, file);
            is_unchecked |= signer.map_err(refused)? == Signer::Unchecked;
        }
        if is_unchecked {
            self.unchecked
                .push(format!("the packages of {}", source.id));
        }
        Ok(())
    }
}

fn nobody_signed(repomd: &LockedIndex) -> Result<(), ProveError> {
    match repomd.key {
        None => Ok(()),
        Some(_) => Err(ProveError::Key {
            path: repomd.path.clone(),
            found: "nobody".to_owned(),
        }),
    }
}

/// Reads on to the end of the next `<package>`, which is then in `element` from
/// its beginning on; false where there is no more.
fn next_element(text: &mut impl BufRead, element: &mut Vec<u8>) -> io::Result<bool> {
    element.clear();
    loop {
        let before = element.len();
        let room = (ELEMENT_LIMIT - before) as u64;
        let count = text.take(room).read_until(b'>', element)?;
        if element.ends_with(b"</package>") {
            let start = memmem::find(element, b"<package ").unwrap_or_default();
            element.drain(..start);
            return Ok(true);
        }
        if count == 0 {
            return match element.len() == ELEMENT_LIMIT {
                true => Err(ErrorKind::InvalidData.into()),
                false => Ok(false),
            };
        }
    }
}

fn name_of(element: &str) -> Option<&str> {
    let (_, rest) = element.split_once("<name>")?;
    rest.split_once("</name>").map(|(name, _)| name.trim())
}

/// Whether this element of `source` makes exactly that row. Files that only
/// the lists of files name are the package's own to prove.
fn says(element: &str, source: &str, row: &LockedPackage) -> bool {
    let files = stanza::read(&row.stanza, |package| {
        let files = package.files.iter().map(|file| file.to_string());
        files.collect::<Vec<_>>()
    });
    let Ok(Some(files)) = files else {
        return false;
    };
    let made = stanza::read(element, |package| {
        let is_listed_apart = |file: &&str| !package.files.iter().any(|own| own == file);
        let files = files.iter().map(String::as_str).filter(is_listed_apart);
        let roles = row.roles.iter().copied().collect();
        row::package(package, &files.collect(), source, &roles)
    });
    matches!(made, Ok(Some(Ok(made))) if made == *row)
}
