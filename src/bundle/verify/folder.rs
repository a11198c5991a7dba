//! The check of a whole `public/` folder: its manifest's signature, then every
//! file that the manifest lists, then that nothing else is there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::{
    Expectations, LARGEST_MANIFEST, LARGEST_SIGNATURE, MANIFEST, SIGNATURE, VerifyError, parse,
    read_small, same,
};
use crate::base::{BundlePath, Sha256};
use crate::bundle::manifest::{ManifestFile, Release};
use crate::bundle::sign::PublicKey;

const SIGNER: &str = "signer.pub";
const LARGEST_KEY: u64 = 4096;

/// A release of which every file was checked. Made by [`release`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRelease(Release);

impl VerifiedRelease {
    /// The manifest, which its signer signed.
    pub fn release(&self) -> &Release {
        &self.0
    }
}

/// Checks the release below `folder`. Of `expected`, the signer, the cluster,
/// the architecture and the generation are looked at.
///
/// The bundles' digests are checked here, what is inside them by [`super::bundle`].
pub fn release(folder: &Path, expected: &Expectations) -> Result<VerifiedRelease, VerifyError> {
    let document = small(folder, MANIFEST, LARGEST_MANIFEST)?;
    let signature = small(folder, SIGNATURE, LARGEST_SIGNATURE)?;
    check_signer(folder, &document, &signature, expected)?;
    let release: Release = parse(MANIFEST, &document)?;
    is_expected(&release, expected)?;
    let files = files_of(&release)?;
    for file in files.values() {
        check_file(folder, file)?;
    }
    refuse_others(folder, "", &files)?;
    Ok(VerifiedRelease(release))
}

fn small(folder: &Path, name: &str, limit: u64) -> Result<Vec<u8>, VerifyError> {
    let mut file = open(folder, name)?;
    let size = file.metadata().map_err(|e| unreadable(name, e))?.len();
    read_small(name, size, limit, &mut file)
}

fn open(folder: &Path, name: &str) -> Result<File, VerifyError> {
    File::open(folder.join(name)).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => VerifyError::Missing {
            path: name.to_owned(),
        },
        _ => unreadable(name, source),
    })
}

fn unreadable(name: &str, source: io::Error) -> VerifyError {
    VerifyError::Read {
        name: name.to_owned(),
        source,
    }
}

/// Checks the signature; where it is wrong, the key beside it may say whose it is.
fn check_signer(
    folder: &Path,
    document: &[u8],
    signature: &[u8],
    expected: &Expectations,
) -> Result<(), VerifyError> {
    let pem = small(folder, SIGNER, LARGEST_KEY)?;
    let beside = PublicKey::from_pem(SIGNER, &String::from_utf8_lossy(&pem));
    if let Ok(beside) = &beside
        && *beside != expected.signer
    {
        return Err(VerifyError::OtherSigner {
            found: beside.fingerprint(),
            expected: expected.signer.fingerprint(),
        });
    }
    if !expected.signer.has_signed(document, signature) {
        return Err(VerifyError::NotSignedBy {
            expected: expected.signer.fingerprint(),
        });
    }
    // No digest covers this file: one that only nearly holds the key was altered.
    if pem != expected.signer.to_pem().as_bytes() {
        return Err(VerifyError::Altered {
            path: SIGNER.to_owned(),
            found: Sha256::of(&pem),
            expected: Sha256::of(expected.signer.to_pem().as_bytes()),
        });
    }
    Ok(())
}

fn is_expected(release: &Release, expected: &Expectations) -> Result<(), VerifyError> {
    same("cluster", &release.cluster_id, expected.cluster_id.as_ref())?;
    same(
        "architecture",
        &release.architecture,
        expected.architecture.as_ref(),
    )?;
    expected.is_fresh(release.generation)
}

fn files_of(release: &Release) -> Result<BTreeMap<&BundlePath, &ManifestFile>, VerifyError> {
    let bundles = release.bundles.iter().map(|bundle| &bundle.file);
    let all = bundles.chain(&release.files).chain([&release.node_program]);
    let mut files = BTreeMap::new();
    for file in all {
        if files.insert(&file.path, file).is_some() {
            return Err(VerifyError::Contradiction {
                what: format!("`{}` is listed twice", file.path),
            });
        }
    }
    Ok(files)
}

fn check_file(folder: &Path, listed: &ManifestFile) -> Result<(), VerifyError> {
    let path = listed.path.as_str();
    let digested = Sha256::of_reader(open(folder, path)?);
    let (found, size) = digested.map_err(|e| unreadable(path, e))?;
    if size != listed.size {
        return Err(VerifyError::Size {
            path: path.to_owned(),
            found: size,
            expected: listed.size,
        });
    }
    if found != listed.sha256 {
        return Err(VerifyError::Altered {
            path: path.to_owned(),
            found,
            expected: listed.sha256,
        });
    }
    Ok(())
}

/// Walks what is there, which may only be what was listed. A symbolic link
/// is refused too: it could lead anywhere tomorrow.
fn refuse_others(
    folder: &Path,
    below: &str,
    files: &BTreeMap<&BundlePath, &ManifestFile>,
) -> Result<(), VerifyError> {
    let shown = |e| {
        unreadable(
            if below.is_empty() {
                "the folder"
            } else {
                below
            },
            e,
        )
    };
    for entry in fs::read_dir(folder.join(below)).map_err(shown)? {
        let entry = entry.map_err(shown)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = match below {
            "" => name,
            below => format!("{below}/{name}"),
        };
        let kind = entry.file_type().map_err(|e| unreadable(&path, e))?;
        if kind.is_dir() {
            refuse_others(folder, &path, files)?;
        } else if !kind.is_file() || !is_listed(&path, files) {
            return Err(VerifyError::Extra { path });
        }
    }
    Ok(())
}

fn is_listed(path: &str, files: &BTreeMap<&BundlePath, &ManifestFile>) -> bool {
    let is_own = [MANIFEST, SIGNATURE, SIGNER].contains(&path);
    is_own
        || path
            .parse()
            .is_ok_and(|path: BundlePath| files.contains_key(&path))
}
