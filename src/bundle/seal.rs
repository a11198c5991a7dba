//! Seals what a bundle holds: its manifest, in canonical bytes, and the
//! release's, which lists the bundles.
//!
//! Pure: whoever calls has hashed the files and writes the result.

use std::collections::BTreeSet;

use serde::Serialize;

use super::manifest::{Layer, Manifest, ManifestFile, Release};
use super::sign::SigningKey;
use crate::base::BundlePath;

/// A document with its signature: exactly the bytes that are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The canonical JSON.
    pub document: Vec<u8>,
    /// The signature over it, DER.
    pub signature: Vec<u8>,
}

/// What is to be sealed does not hold together.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Two files with one path.
    #[error("`{0}` is in the bundle twice")]
    Repeated(BundlePath),
}

impl Layer {
    /// Makes a layer of files in any order: sorts them and digests the list.
    pub fn seal(files: impl IntoIterator<Item = ManifestFile>) -> Result<Self, SealError> {
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut seen = BTreeSet::new();
        for file in &files {
            if !seen.insert(&file.path) {
                return Err(SealError::Repeated(file.path.clone()));
            }
        }
        Ok(Self {
            digest: Self::digest_of(&files),
            files,
        })
    }
}

/// Seals a bundle's manifest.
pub fn manifest(manifest: &Manifest, key: &SigningKey) -> Sealed {
    let mut sorted = manifest.clone();
    sorted.package_list.sort();
    seal(&sorted, key)
}

/// Seals the release's manifest, its lists sorted.
pub fn release(release: &Release, key: &SigningKey) -> Sealed {
    let mut sorted = release.clone();
    sorted.bundles.sort_by_key(|bundle| bundle.role);
    sorted.files.sort_by(|a, b| a.path.cmp(&b.path));
    seal(&sorted, key)
}

fn seal(document: &impl Serialize, key: &SigningKey) -> Sealed {
    let document = canonical(document);
    let signature = key.sign(&document);
    Sealed {
        document,
        signature,
    }
}

/// The one form in which a document is written: keys in the order of its
/// struct, two spaces of indent, a newline at the end.
pub fn canonical(document: &impl Serialize) -> Vec<u8> {
    let mut bytes =
        serde_json::to_vec_pretty(document).expect("these structs have text keys and no failure");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Sha256;

    fn file(path: &str, content: &[u8]) -> ManifestFile {
        ManifestFile {
            path: path.parse().unwrap(),
            size: content.len() as u64,
            sha256: Sha256::of(content),
        }
    }

    #[test]
    fn a_layer_does_not_depend_on_the_order_of_its_files() {
        let one = Layer::seal([file("packages/b", b"b"), file("packages/a", b"a")]).unwrap();
        let two = Layer::seal([file("packages/a", b"a"), file("packages/b", b"b")]).unwrap();
        assert_eq!(one, two);
        let lines = format!(
            "{}  packages/a\n{}  packages/b\n",
            Sha256::of(b"a"),
            Sha256::of(b"b")
        );
        assert_eq!(one.digest, Sha256::of(lines.as_bytes()));
    }

    #[test]
    fn a_path_is_there_once() {
        let twice = Layer::seal([file("packages/a", b"a"), file("packages/a", b"b")]);
        assert!(matches!(twice, Err(SealError::Repeated(_))));
    }
}
