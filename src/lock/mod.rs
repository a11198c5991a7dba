//! Pins: exactly which files a cluster's packages are, and why they are trusted.
//!
//! ```text
//! indexes::read ─► Indexes ──────┐
//! Plan, base lists, plain files ─┴─► pin::make ─► Lock ─► packages::check ─► text::write
//!                                   text::read ─► Lock ─► cover ─► LockedPlan ─► prove
//! ```
//!
//! Only [`indexes`] reaches for the world; all else is pure, so the same
//! indexes give the same lock, byte for byte.

pub mod cover;
pub mod given;
pub mod indexes;
pub mod keys;
pub mod packages;
pub mod pin;
pub mod prove;
pub mod request;
pub mod text;

use serde::{Deserialize, Serialize};

use crate::base::{Architecture, Epoch, Role, SchemaVersion, Sha256};
use crate::bundle::manifest::{ByDigest, Family};
use crate::wheel::WheelName;

/// The lock, beside the spec as `<spec>.<profile>-<architecture>.lock` (TOML).
///
/// It names files and digests, never hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Format of this file.
    pub version: SchemaVersion<1>,
    /// The profile it was solved for.
    pub profile: String,
    /// The architecture.
    pub architecture: Architecture,
    /// Date of the newest index: upstream's state that was locked.
    pub date: Epoch,
    /// Digest of what was asked: roots by role, base lists, sources with keys, plain files.
    pub request: Sha256,
    /// What was asked, in sentences of which `request` is the digest; sorted.
    pub asked: Vec<String>,
    /// The signed indexes that were read.
    #[serde(default, rename = "index", skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<LockedIndex>,
    /// Who signs the packages of the rpm family, sorted by fingerprint.
    #[serde(default, rename = "key", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<LockedKey>,
    /// The closure, sorted by family, name and version.
    #[serde(default, rename = "package", skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<LockedPackage>,
    /// Python wheels, sorted by project.
    #[serde(default, rename = "wheel", skip_serializing_if = "Vec::is_empty")]
    pub wheels: Vec<LockedWheel>,
    /// Plain files, sorted by name.
    #[serde(default, rename = "file", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<LockedFile>,
}

/// A signed index file: a blob that travels as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedIndex {
    /// The source's id in the profile.
    pub source: String,
    /// Path below the source's root (`dists/bookworm/InRelease`).
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
    /// Fingerprint of the primary key whose signature was accepted; none for what a signed index lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A certificate that hosts check packages by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedKey {
    /// Fingerprint of its primary key, as the profile pins it.
    pub fingerprint: String,
    /// The certificate in armor.
    pub certificate: String,
}

/// A package of the closure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// Family of its metadata.
    pub family: Family,
    /// Name.
    pub name: String,
    /// Version, as the family writes it.
    pub version: String,
    /// Architecture (`all`, `noarch` too).
    pub architecture: String,
    /// The source's id in the profile.
    pub source: String,
    /// Path below the source's root.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Digest of the package's file, as the signed index gives it.
    pub sha256: Sha256,
    /// Bytes it takes once installed.
    pub installed_size: u64,
    /// Why only `sha256` stands for it: a package that the operator was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_digest: Option<ByDigest>,
    /// Roles whose closure holds it, sorted.
    pub roles: Vec<Role>,
    /// Its entry in the repository's index, as upstream wrote it but for where
    /// its file lies, which is in `packages/pool/`: its stanza of `Packages`
    /// (deb), its element of `primary.xml` (rpm). How a bundle's index is made.
    pub stanza: String,
}

/// A Python wheel, as the profile pins it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedWheel {
    /// Its file's name.
    pub file: WheelName,
    /// Bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
    /// Digest of the source distribution that it is built from, where the index has no wheel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdist: Option<Sha256>,
    /// Roles that carry it.
    pub roles: Vec<Role>,
}

/// A plain file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFile {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Path relative to the spec's folder, or empty where the spec gives an address.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
    /// Roles that carry it.
    pub roles: Vec<Role>,
}

#[cfg(test)]
mod tests;
