//! The one check of a bundle, the same code on workstation and node.
//!
//! Nothing is believed before it is proved, in this order: the whole file's
//! digest where one is pinned; the manifest's signature; only then the
//! manifest is parsed; then every file's size and digest, while it streams to
//! its [`Sink`]; at last that none is missing. What a sink was handed counts
//! for nothing until a [`Verified`] exists.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::manifest::{Layer, Manifest, ManifestFile};
use super::sign::PublicKey;
use crate::base::{Architecture, BundlePath, Role, Sha256};

use digesting::Digesting;
pub use error::VerifyError;
pub use folder::{VerifiedRelease, release};
pub use targz::TarGz;

mod digesting;
mod error;
mod folder;
mod targz;

/// A manifest of several thousand packages has a megabyte; more is no manifest.
const LARGEST_MANIFEST: u64 = 16 << 20;
/// A P-256 signature in DER has at most 72 bytes.
const LARGEST_SIGNATURE: u64 = 128;
const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.sig";

/// Takes a bundle apart: calls `visit` for each regular file in order with
/// its path, its size and its content. It refuses whatever is no regular file.
pub trait Unpack {
    /// Reads `archive` to its end, or to the first refusal of `visit`.
    fn entries(&self, archive: &mut dyn Read, visit: Visit<'_>) -> Result<(), VerifyError>;
}

/// What [`Unpack::entries`] calls for each file.
pub type Visit<'a> = &'a mut dyn FnMut(&BundlePath, u64, &mut dyn Read) -> Result<(), VerifyError>;

/// Takes the files of a bundle as they are checked.
pub trait Sink {
    /// Takes one file. Its content is known to be right only once the whole bundle is.
    fn file(&mut self, path: &BundlePath, size: u64, content: &mut dyn Read) -> io::Result<()>;
}

/// The sink of a mere check: it keeps nothing.
pub struct Discard;

impl Sink for Discard {
    fn file(&mut self, _: &BundlePath, _: u64, content: &mut dyn Read) -> io::Result<()> {
        io::copy(content, &mut io::sink()).map(drop)
    }
}

/// What a bundle must be.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// The key that signed it, in every case.
    pub signer: PublicKey,
    /// The whole file, where it is pinned.
    pub pinned: Option<Sha256>,
    /// The lowest generation that is taken.
    pub generation: Option<u64>,
    /// The cluster it must be for.
    pub cluster_id: Option<String>,
    /// The role it must be for.
    pub role: Option<Role>,
    /// The architecture it must be for.
    pub architecture: Option<Architecture>,
}

impl Expectations {
    /// Expects the signature of `signer` and nothing else.
    pub fn signed_by(signer: PublicKey) -> Self {
        Self {
            signer,
            pinned: None,
            generation: None,
            cluster_id: None,
            role: None,
            architecture: None,
        }
    }

    fn is_fresh(&self, found: u64) -> Result<(), VerifyError> {
        match self.generation {
            Some(expected) if found < expected => Err(VerifyError::Older { found, expected }),
            _ => Ok(()),
        }
    }
}

/// A bundle that was checked to its last byte. Made by [`bundle`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    manifest: Manifest,
}

impl Verified {
    /// The manifest, which its signer signed.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// Checks a bundle against `expected`, and hands its files to `sink`.
pub fn bundle<A: Read + Seek>(
    archive: &mut A,
    unpack: &dyn Unpack,
    expected: &Expectations,
    sink: &mut dyn Sink,
) -> Result<Verified, VerifyError> {
    if let Some(pinned) = expected.pinned {
        check_pin(archive, pinned)?;
    }
    let mut check = Check::Start;
    let mut last = "its beginning".to_owned();
    let walked = unpack.entries(archive, &mut |path, size, content| {
        path.as_str().clone_into(&mut last);
        check.take(path, size, content, expected, sink)
    });
    walked.map_err(|error| error.after(&last))?;
    check.finish()
}

fn check_pin(archive: &mut (impl Read + Seek), expected: Sha256) -> Result<(), VerifyError> {
    let fail = |source| VerifyError::Read {
        name: "the bundle".to_owned(),
        source,
    };
    let (found, _) = Sha256::of_reader(&mut *archive).map_err(fail)?;
    if found != expected {
        return Err(VerifyError::NotPinned { found, expected });
    }
    archive.seek(SeekFrom::Start(0)).map_err(fail)?;
    Ok(())
}

/// How far the check of a bundle has come.
enum Check {
    Start,
    Unsigned(Vec<u8>),
    Files(Box<Listed>),
}

/// A signed manifest and the files of it that have not come yet.
struct Listed {
    verified: Verified,
    missing: BTreeMap<BundlePath, ManifestFile>,
}

impl Check {
    fn take(
        &mut self,
        path: &BundlePath,
        size: u64,
        content: &mut dyn Read,
        expected: &Expectations,
        sink: &mut dyn Sink,
    ) -> Result<(), VerifyError> {
        match self {
            Self::Start => *self = Self::Unsigned(first(path, size, content)?),
            Self::Unsigned(manifest) => {
                let signature = second(path, size, content)?;
                *self = Self::Files(Box::new(Listed::open(manifest, &signature, expected)?));
            }
            Self::Files(listed) => listed.take(path, size, content, sink)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<Verified, VerifyError> {
        let nothing = || "nothing".to_owned();
        match self {
            Self::Start => Err(VerifyError::NoManifest { found: nothing() }),
            Self::Unsigned(_) => Err(VerifyError::Unsigned { found: nothing() }),
            Self::Files(listed) => listed.finish(),
        }
    }
}

fn first(path: &BundlePath, size: u64, content: &mut dyn Read) -> Result<Vec<u8>, VerifyError> {
    if path.as_str() != MANIFEST {
        return Err(VerifyError::NoManifest {
            found: path.to_string(),
        });
    }
    read_small(MANIFEST, size, LARGEST_MANIFEST, content)
}

fn second(path: &BundlePath, size: u64, content: &mut dyn Read) -> Result<Vec<u8>, VerifyError> {
    if path.as_str() != SIGNATURE {
        return Err(VerifyError::Unsigned {
            found: path.to_string(),
        });
    }
    read_small(SIGNATURE, size, LARGEST_SIGNATURE, content)
}

fn read_small(
    name: &str,
    size: u64,
    limit: u64,
    content: &mut dyn Read,
) -> Result<Vec<u8>, VerifyError> {
    if size > limit {
        return Err(VerifyError::TooLarge {
            name: name.to_owned(),
            size,
            limit,
        });
    }
    let mut bytes = Vec::new();
    let read = content.take(limit).read_to_end(&mut bytes);
    read.map_err(|source| VerifyError::Read {
        name: name.to_owned(),
        source,
    })?;
    Ok(bytes)
}

impl Listed {
    /// Checks the signature, then parses what it covers.
    fn open(
        document: &[u8],
        signature: &[u8],
        expected: &Expectations,
    ) -> Result<Self, VerifyError> {
        if !expected.signer.has_signed(document, signature) {
            return Err(VerifyError::NotSignedBy {
                expected: expected.signer.fingerprint(),
            });
        }
        let manifest: Manifest = parse(MANIFEST, document)?;
        is_expected(&manifest, expected)?;
        Ok(Self {
            missing: files_of(&manifest)?,
            verified: Verified { manifest },
        })
    }

    fn take(
        &mut self,
        path: &BundlePath,
        size: u64,
        content: &mut dyn Read,
        sink: &mut dyn Sink,
    ) -> Result<(), VerifyError> {
        let Some(listed) = self.missing.remove(path) else {
            return Err(VerifyError::Extra {
                path: path.to_string(),
            });
        };
        if size != listed.size {
            return Err(VerifyError::Size {
                path: path.to_string(),
                found: size,
                expected: listed.size,
            });
        }
        let mut digesting = Digesting::new(content);
        let stored = sink.file(path, size, &mut digesting);
        digesting.compare(&listed, stored)
    }

    fn finish(mut self) -> Result<Verified, VerifyError> {
        match self.missing.pop_first() {
            Some((path, _)) => Err(VerifyError::Missing {
                path: path.to_string(),
            }),
            None => Ok(self.verified),
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, document: &[u8]) -> Result<T, VerifyError> {
    serde_json::from_slice(document).map_err(|reason| VerifyError::Manifest {
        name: name.to_owned(),
        reason: reason.to_string(),
    })
}

fn is_expected(manifest: &Manifest, expected: &Expectations) -> Result<(), VerifyError> {
    same(
        "cluster",
        &manifest.cluster_id,
        expected.cluster_id.as_ref(),
    )?;
    same("role", &manifest.role, expected.role.as_ref())?;
    same(
        "architecture",
        &manifest.architecture,
        expected.architecture.as_ref(),
    )?;
    expected.is_fresh(manifest.generation)
}

fn same<T: PartialEq + ToString>(
    what: &'static str,
    found: &T,
    expected: Option<&T>,
) -> Result<(), VerifyError> {
    match expected {
        Some(expected) if expected != found => Err(VerifyError::Wrong {
            what,
            found: found.to_string(),
            expected: expected.to_string(),
        }),
        _ => Ok(()),
    }
}

/// Both layers' files by path, once it is sure that the lists are in order.
fn files_of(manifest: &Manifest) -> Result<BTreeMap<BundlePath, ManifestFile>, VerifyError> {
    let mut files = BTreeMap::new();
    for (name, layer) in [
        ("packages", &manifest.packages),
        ("cluster", &manifest.cluster_layer),
    ] {
        check_layer(name, layer)?;
        for file in &layer.files {
            files.insert(file.path.clone(), file.clone());
        }
    }
    Ok(files)
}

fn check_layer(name: &str, layer: &Layer) -> Result<(), VerifyError> {
    let contradiction = |what| Err(VerifyError::Contradiction { what });
    if layer.digest != Layer::digest_of(&layer.files) {
        return contradiction(format!("the digest of layer `{name}`"));
    }
    let prefix = format!("{name}/");
    for file in &layer.files {
        if !file.path.as_str().starts_with(&prefix) {
            return contradiction(format!("`{}` lies outside its layer `{name}`", file.path));
        }
    }
    for pair in layer.files.windows(2) {
        if pair[0].path >= pair[1].path {
            return contradiction(format!("`{}` is out of order", pair[1].path));
        }
    }
    Ok(())
}
