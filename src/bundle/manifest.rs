//! The manifests: one inside each bundle, and one for the release as a whole.
//!
//! Both are JSON in one canonical form: keys in the order of these structs,
//! lists sorted, two spaces of indent, a newline at the end. The signature is
//! over exactly those bytes.

use serde::{Deserialize, Serialize};

use crate::base::{
    Architecture, BundlePath, ClusterName, Epoch, NodePath, Numbers, Role, SchemaVersion, Sha256,
};

/// `manifest.json` inside a role's bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format of this file.
    pub format: SchemaVersion<1>,
    /// The cluster's name.
    pub cluster: ClusterName,
    /// The cluster's random identity, made once and kept with its secrets.
    pub cluster_id: String,
    /// The role that the bundle is for.
    pub role: Role,
    /// The profile it was built for.
    pub profile: String,
    /// The architecture it was built for.
    pub architecture: Architecture,
    /// A node takes a later bundle only when this number is higher than its own.
    pub generation: u64,
    /// The lock's date: upstream's state that the packages come from.
    pub date: Epoch,
    /// What the host must be (`/etc/os-release`).
    pub os: OsRelease,
    /// How packages are installed.
    pub family: Family,
    /// Packages and plain files; nothing of any cluster.
    pub packages: Layer,
    /// Rendered configuration and CA certificates; absent files are an error, extra ones too.
    pub cluster_layer: Layer,
    /// The packages by name, for preflight and reports, sorted.
    pub package_list: Vec<PackageEntry>,
}

/// How the host's packages are described and installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// dpkg and apt.
    Deb,
    /// rpm with yum or dnf.
    Rpm,
}

/// What a host's operating system must be (os-release(5)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OsRelease {
    /// `ID`.
    pub id: String,
    /// `VERSION_ID`, or its first numbers: `9` is any of 9.4's kind.
    pub version: String,
    /// The least release within that version, where it matters and os-release
    /// does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<LeastRelease>,
}

/// The least release that a host must be of, and where it says which it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeastRelease {
    /// `7.9`; anything later will do.
    pub at_least: Numbers,
    /// The file on the host (`/etc/centos-release`).
    pub file: NodePath,
}

/// One of the two layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// SHA-256 over its files: for each, in order, `<sha256>  <path>\n`.
    pub digest: Sha256,
    /// Its files, sorted by path.
    pub files: Vec<ManifestFile>,
}

impl Layer {
    /// Digests the list of a layer's files, which is what `sha256sum` prints for them.
    pub fn digest_of(files: &[ManifestFile]) -> Sha256 {
        let lines: String = files
            .iter()
            .map(|file| format!("{}  {}\n", file.sha256, file.path))
            .collect();
        Sha256::of(lines.as_bytes())
    }
}

/// A file of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Where in the bundle.
    pub path: BundlePath,
    /// Bytes.
    pub size: u64,
    /// Digest of its content.
    pub sha256: Sha256,
}

/// A package of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageEntry {
    /// Name.
    pub name: String,
    /// Version as the family writes it.
    pub version: String,
    /// Architecture (`all` and `noarch` too).
    pub architecture: String,
    /// Digest of the package's file.
    pub sha256: Sha256,
    /// Why nothing but that digest, which the operator locked, says that it is
    /// the right file; none where upstream's signature does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_digest: Option<ByDigest>,
}

/// Why a package that the operator was given is taken by its digest alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByDigest {
    /// Nobody signed it.
    Unsigned,
    /// It is signed by a key that the profile does not have.
    UnknownSigner,
}

impl ByDigest {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::UnknownSigner => "unknown-signer",
        }
    }
}

/// `public/manifest.json`: what a build made, for whoever carries or serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Format of this file.
    pub format: SchemaVersion<1>,
    /// The cluster's name.
    pub cluster: ClusterName,
    /// The cluster's identity.
    pub cluster_id: String,
    /// The profile.
    pub profile: String,
    /// The architecture.
    pub architecture: Architecture,
    /// The generation.
    pub generation: u64,
    /// The lock's date.
    pub date: Epoch,
    /// The program that hosts run, at `pgbundle-node`: a declared input.
    pub node_program: ManifestFile,
    /// One entry a role, sorted by role.
    pub bundles: Vec<ReleaseBundle>,
    /// Everything else below `public/` but this file, its signature and the signer's key, sorted.
    pub files: Vec<ManifestFile>,
}

/// A bundle of the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseBundle {
    /// Its role.
    pub role: Role,
    /// The file (`bundles/<role>.tar.gz`), its size and digest.
    pub file: ManifestFile,
    /// Digest of the packages layer.
    pub packages: Sha256,
    /// Digest of the cluster layer.
    pub cluster_layer: Sha256,
}
