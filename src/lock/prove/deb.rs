//! Proves rows of an apt archive: signature, then whose it is, then the digest
//! of each list of packages, then each row.

use std::io::{BufRead, BufReader, Read};

use super::{ProveError, Proving, unlisted, unreadable};
use crate::lock::pin::deb::row;
use crate::lock::{LockedIndex, LockedPackage};
use crate::profile::{AptArchive, Source};
use crate::repo::deb::package::PackageSet;
use crate::repo::deb::release::Release;
use crate::repo::openpgp;
use crate::repo::unpack::Compression;

impl Proving<'_> {
    pub(super) fn suite(
        &mut self,
        source: &Source,
        archive: &AptArchive,
        suite: &str,
        codename: &str,
    ) -> Result<(), ProveError> {
        let folder = format!("dists/{suite}/");
        let path = format!("{folder}InRelease");
        let lock = self.lock;
        let rows = lock.indexes.iter().filter(|row| row.source == source.id);
        let (mut signed, lists): (Vec<_>, Vec<_>) = rows
            .filter(|row| row.path.starts_with(&folder))
            .partition(|row| row.path == path);
        let signed = signed.pop().ok_or_else(|| ProveError::NoIndex {
            source_id: source.id.clone(),
            path: path.clone(),
        })?;
        self.strange.retain(|row| *row != signed);
        let text = self.signed_text(source, signed)?;
        let release = Release::read(&text, &archive.origin, codename)
            .map_err(|source| ProveError::Release { path, source })?;
        self.newest = self.newest.max(Some(release.date));
        for list in lists {
            self.strange.retain(|row| *row != list);
            let name = &list.path[folder.len()..];
            let kind = Compression::of(name);
            let plain = release.files.get(name.trim_end_matches(kind.suffix()));
            match (release.files.get(name), plain) {
                (Some(listed), Some((size, _))) if *listed == (list.size, list.sha256) => {
                    self.list(list, kind, *size)?;
                }
                _ => return Err(unlisted(list)),
            }
        }
        Ok(())
    }

    fn signed_text(&mut self, source: &Source, row: &LockedIndex) -> Result<String, ProveError> {
        let path = || row.path.clone();
        let bytes = self.whole(row)?;
        let refused = |source| ProveError::Signature {
            path: path(),
            source,
        };
        match self.evidence.keyring.pinned(&source.keys) {
            Ok(certs) => {
                let signed = openpgp::verify(&bytes, &certs, self.lock.date).map_err(refused)?;
                match row.key.as_ref() == Some(&signed.key) {
                    true => Ok(signed.text),
                    false => Err(ProveError::Key {
                        path: path(),
                        found: signed.key,
                    }),
                }
            }
            Err(_) => {
                self.unchecked.push(format!("{} of {}", path(), source.id));
                openpgp::unproved_text(&bytes).map_err(refused)
            }
        }
    }

    /// Strikes out the rows that a list has, of which `size` bytes are read and no more.
    fn list(&mut self, row: &LockedIndex, kind: Compression, size: u64) -> Result<(), ProveError> {
        let file = (self.evidence.open)(row).map_err(unreadable(row))?;
        let plain = kind.reader(file).map_err(unreadable(row))?;
        let mut lines = BufReader::with_capacity(1 << 16, plain.take(size));
        let mut stanza = Vec::new();
        loop {
            let begun = stanza.len();
            let count = lines
                .read_until(b'\n', &mut stanza)
                .map_err(unreadable(row))?;
            if count == 0 || stanza[begun..] == *b"\n" {
                self.stanza(&stanza, &row.source);
                stanza.clear();
            }
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn stanza(&mut self, bytes: &[u8], source: &str) {
        if let Some(name) = name_of(bytes) {
            self.strike(name, |row| says(bytes, source, row));
        }
    }
}

fn name_of(stanza: &[u8]) -> Option<&str> {
    let mut lines = stanza.split(|byte| *byte == b'\n');
    let name = lines.find_map(|line| line.strip_prefix(b"Package:"))?;
    std::str::from_utf8(name).ok().map(str::trim)
}

/// Whether this stanza of `source` makes exactly that row.
fn says(stanza: &[u8], source: &str, row: &LockedPackage) -> bool {
    let text = [std::str::from_utf8(stanza).unwrap_or_default()];
    let Ok(set) = PackageSet::read(&text, &row.architecture) else {
        return false;
    };
    let roles = row.roles.iter().copied().collect();
    let made = set
        .all()
        .first()
        .map(|package| row::package(package, source, &roles));
    made.is_some_and(|made| made.is_ok_and(|made| made == *row))
}
