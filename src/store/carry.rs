//! Blobs across an air gap: a plain tar with an index.
//!
//! `pgbundle-store.json` comes first and names every blob by digest and size;
//! the blobs follow, sorted, under the names they have in the store. The same
//! blobs make the same bytes. Nothing is taken in that the index does not
//! name or that does not match its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::blob::CopyError;
use super::{Blob, Store, StoreError, failed};
use crate::base::atomic::AtomicFile;
use crate::base::{SchemaVersion, Sha256};

const INDEX: &str = "pgbundle-store.json";
/// An index of a hundred thousand blobs is about 10 MB.
const INDEX_LIMIT: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    format: SchemaVersion<1>,
    blobs: Vec<IndexEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexEntry {
    sha256: Sha256,
    size: u64,
}

/// Writes exactly these blobs to the tar file `out`, proving each on the way.
pub fn export(blobs: &[Blob], out: &Path) -> Result<(), StoreError> {
    let unique: BTreeMap<Sha256, &Blob> = blobs.iter().map(|blob| (blob.sha256(), blob)).collect();
    let mut file = AtomicFile::create(out, 0o644).map_err(|error| not_written(out, error))?;
    write(&unique, &mut io::BufWriter::new(&mut file)).map_err(|error| match error {
        CopyError::Blob(error) => error,
        CopyError::Out(source) => failed("write", out)(source),
    })?;
    file.commit().map_err(|error| not_written(out, error))
}

fn not_written(out: &Path, error: crate::base::atomic::AtomicError) -> StoreError {
    failed("write", out)(error.into())
}

fn write(blobs: &BTreeMap<Sha256, &Blob>, out: &mut impl Write) -> Result<(), CopyError> {
    let index = index_of(blobs).map_err(CopyError::Out)?;
    append(out, INDEX, index.len() as u64, |out| {
        out.write_all(&index).map_err(CopyError::Out)
    })?;
    for (sha256, blob) in blobs {
        append(out, &member(*sha256), blob.size(), |out| blob.copy_to(out))?;
    }
    // Two blocks of zeros end an archive (tar(5)).
    out.write_all(&[0; 1024]).map_err(CopyError::Out)?;
    out.flush().map_err(CopyError::Out)
}

fn index_of(blobs: &BTreeMap<Sha256, &Blob>) -> io::Result<Vec<u8>> {
    let blobs = blobs
        .values()
        .map(|blob| IndexEntry {
            sha256: blob.sha256(),
            size: blob.size(),
        })
        .collect();
    let format = SchemaVersion;
    let mut text = serde_json::to_vec_pretty(&Index { format, blobs })?;
    text.push(b'\n');
    Ok(text)
}

fn append<W: Write>(
    out: &mut W,
    name: &str,
    size: u64,
    content: impl FnOnce(&mut W) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).map_err(CopyError::Out)?;
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    out.write_all(header.as_bytes()).map_err(CopyError::Out)?;
    content(out)?;
    let padding = size.next_multiple_of(512) - size;
    out.write_all(&[0; 512][..padding as usize])
        .map_err(CopyError::Out)
}

fn member(sha256: Sha256) -> String {
    let hex = sha256.to_string();
    format!("sha256/{}/{hex}", &hex[..2])
}

/// What an import brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Blobs that the archive carries.
    pub blobs: usize,
    /// Those that the store did not have.
    pub added: usize,
}

/// Takes in every blob of an exported store.
pub fn import(store: &Store, path: &Path) -> Result<Imported, StoreError> {
    let file = File::open(path).map_err(failed("open", path))?;
    Import {
        store,
        path,
        missing: BTreeMap::new(),
        seen: BTreeSet::new(),
        imported: Imported::default(),
    }
    .run(io::BufReader::new(file))
}

struct Import<'a> {
    store: &'a Store,
    path: &'a Path,
    missing: BTreeMap<String, IndexEntry>,
    seen: BTreeSet<String>,
    imported: Imported,
}

impl Import<'_> {
    fn run(mut self, reader: impl Read) -> Result<Imported, StoreError> {
        let mut archive = tar::Archive::new(reader);
        let entries = archive
            .entries()
            .map_err(|error| self.unreadable(error))?
            .raw(true);
        for entry in entries {
            let entry = entry.map_err(|error| self.unreadable(error))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if self.seen.is_empty() {
                self.read_index(&name, entry)?;
            } else {
                self.read_blob(&name, entry)?;
            }
            self.seen.insert(name);
        }
        self.finish()
    }

    fn read_index(&mut self, name: &str, entry: impl Read) -> Result<(), StoreError> {
        if name != INDEX {
            return Err(self.refuse(format!(
                "begins with `{name}`, not with {INDEX}, and was not made by `pgbundle store export`"
            )));
        }
        let mut text = Vec::new();
        entry
            .take(INDEX_LIMIT)
            .read_to_end(&mut text)
            .map_err(failed("read", self.path))?;
        let index: Index = serde_json::from_slice(&text)
            .map_err(|error| self.refuse(format!("has a {INDEX} that cannot be read: {error}")))?;
        self.imported.blobs = index.blobs.len();
        let named = index
            .blobs
            .into_iter()
            .map(|blob| (member(blob.sha256), blob));
        self.missing = named.collect();
        Ok(())
    }

    fn read_blob(&mut self, name: &str, entry: impl Read) -> Result<(), StoreError> {
        let Some(IndexEntry { sha256, size }) = self.missing.remove(name) else {
            return Err(self.refuse(format!(
                "has `{name}` twice, or has no such name in its index"
            )));
        };
        if !self.store.has(sha256) {
            self.imported.added += 1;
        }
        let shown = format!("{name} in {}", self.path.display());
        self.store.put_expected(&shown, entry, sha256, size)?;
        Ok(())
    }

    fn finish(self) -> Result<Imported, StoreError> {
        if self.seen.is_empty() {
            return Err(self.refuse(format!("is empty: there is no {INDEX}")));
        }
        match self.missing.keys().next() {
            None => Ok(self.imported),
            Some(first) => Err(self.refuse(format!(
                "ends before `{first}` and {} more of its blobs",
                self.missing.len() - 1
            ))),
        }
    }

    // What tar has to say of a header is of the kind `Other`; no fault of the disk is.
    fn unreadable(&self, error: io::Error) -> StoreError {
        match error.kind() {
            io::ErrorKind::Other | io::ErrorKind::UnexpectedEof => {
                self.refuse(format!("is no tar archive, or is cut off ({error})"))
            }
            _ => failed("read", self.path)(error),
        }
    }

    fn refuse(&self, reason: String) -> StoreError {
        let path = PathBuf::from(self.path);
        StoreError::NotAnExport { path, reason }
    }
}
