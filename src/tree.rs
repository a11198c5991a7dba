//! What lies where in an archive, in memory, before a byte of it is written.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{BundlePath, Sha256};
use crate::store::Blob;

/// Files by path, sorted. No path twice, no file where a folder is.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    entries: BTreeMap<BundlePath, Entry>,
    folders: BTreeSet<String>,
}

/// A file of a tree.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it holds.
    pub content: Content,
    /// Who may do what with it.
    pub mode: Mode,
}

/// Where a file's bytes are.
#[derive(Clone, Debug)]
pub enum Content {
    /// Here.
    Bytes(Vec<u8>),
    /// In the store.
    Blob(Blob),
    /// Only known by name: enough to list the file, not to write it.
    Named {
        /// The digest of the bytes.
        sha256: Sha256,
        /// Their number.
        size: u64,
    },
}

/// The two modes that files in an archive have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 0644.
    Plain,
    /// 0755.
    Program,
}

/// The path cannot be added.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TreeError {
    /// Something has the path already.
    #[error("`{0}` is in the tree twice")]
    Twice(BundlePath),
    /// The path goes through a file, or is a folder of other files.
    #[error(
        "`{path}` and `{other}` cannot both be in the tree: one is a file, the other needs a folder of that name"
    )]
    FileAndFolder {
        /// The path that was to be added.
        path: BundlePath,
        /// What stands in its way.
        other: String,
    },
}

impl Mode {
    /// The permission bits.
    pub fn bits(self) -> u32 {
        match self {
            Self::Plain => 0o644,
            Self::Program => 0o755,
        }
    }
}

impl Content {
    /// The number of bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob(blob) => blob.size(),
            Self::Named { size, .. } => *size,
        }
    }

    /// The digest of the bytes.
    pub fn sha256(&self) -> Sha256 {
        match self {
            Self::Bytes(bytes) => Sha256::of(bytes),
            Self::Blob(blob) => blob.sha256(),
            Self::Named { sha256, .. } => *sha256,
        }
    }
}

impl Tree {
    /// A tree without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file whose bytes are at hand, with mode 0644.
    pub fn insert_bytes(
        &mut self,
        path: BundlePath,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<(), TreeError> {
        let content = Content::Bytes(bytes.into());
        let mode = Mode::Plain;
        self.insert(path, Entry { content, mode })
    }

    /// Adds a blob of the store, with mode 0644.
    pub fn insert_blob(&mut self, path: BundlePath, blob: Blob) -> Result<(), TreeError> {
        let content = Content::Blob(blob);
        let mode = Mode::Plain;
        self.insert(path, Entry { content, mode })
    }

    /// Adds a file; refuses a path that is taken.
    pub fn insert(&mut self, path: BundlePath, entry: Entry) -> Result<(), TreeError> {
        self.check(&path)?;
        self.folders
            .extend(ancestors(path.as_str()).map(str::to_owned));
        self.entries.insert(path, entry);
        Ok(())
    }

    fn check(&self, path: &BundlePath) -> Result<(), TreeError> {
        if self.entries.contains_key(path) {
            return Err(TreeError::Twice(path.clone()));
        }
        let blocking = if self.folders.contains(path.as_str()) {
            Some(path.as_str())
        } else {
            ancestors(path.as_str()).find(|folder| self.has_file(folder))
        };
        match blocking {
            None => Ok(()),
            Some(other) => Err(TreeError::FileAndFolder {
                path: path.clone(),
                other: other.to_owned(),
            }),
        }
    }

    fn has_file(&self, path: &str) -> bool {
        path.parse()
            .is_ok_and(|path: BundlePath| self.entries.contains_key(&path))
    }

    /// The file at `path`.
    pub fn get(&self, path: &BundlePath) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// Every file, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&BundlePath, &Entry)> {
        self.entries.iter()
    }

    /// The number of files.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// `a/b/c` → `a`, `a/b`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> BundlePath {
        text.parse().unwrap()
    }

    #[test]
    fn iterates_sorted_and_refuses_what_is_taken() {
        let mut tree = Tree::new();
        for name in ["b", "a/c", "a/b/x"] {
            tree.insert_bytes(path(name), name).unwrap();
        }
        let names: Vec<_> = tree.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["a/b/x", "a/c", "b"]);
        for taken in ["b", "a", "a/b", "b/c", "a/c/d/e"] {
            assert!(tree.insert_bytes(path(taken), "").is_err(), "{taken}");
        }
        assert_eq!(tree.len(), 3);
    }
}
