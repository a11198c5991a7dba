//! The sealed thing an operator carries: what it lists, who signed it, and
//! the one check that workstation and node share.
//!
//! A role's bundle is a plain `.tar.gz`:
//!
//! ```text
//! manifest.json                       what follows, by size and digest (always first)
//! manifest.sig                        ECDSA P-256 over manifest.json, DER (always second)
//! packages/Packages                   the repository's index for this role (deb family)
//! packages/repodata/<file>            the same for yum and dnf (rpm family)
//! packages/keys/<file>                who signs the packages, for yum and dnf (rpm family)
//! packages/pool/<file>                the packages themselves
//! packages/by-digest/{repodata,pool}/ a second repository of packages that no key stands for (rpm family)
//! packages/wheels/<file>              Python wheels, where a component runs on them
//! packages/files/<name>               plain files, by their names in the spec
//! cluster/ca.pem                      the set of CAs that nodes trust
//! cluster/nodes/<node>/assignment.json
//! cluster/nodes/<node>/files/<absolute path on the node>
//! ```
//!
//! `packages/` and `cluster/` are the two layers, each with a digest of its
//! own: nothing of any cluster is in the first, so clusters and images share it.

pub mod assignment;
pub mod difference;
pub mod environment;
pub mod manifest;
#[cfg(feature = "workstation")]
pub mod sbom;
#[cfg(feature = "workstation")]
pub mod seal;
pub mod sign;
pub mod start;
pub mod verify;

use crate::base::BundlePath;
use crate::base::path::NotAPath;

/// The repository of the packages that upstream signs, or whose index it does.
pub const REPOSITORY: &str = "packages";
/// The repository of packages that an operator was given, and that nothing but
/// their digest stands for.
pub const BY_DIGEST: &str = "packages/by-digest";
/// The certificates of who signs packages.
pub const KEYS: &str = "packages/keys";

/// Where a plain file of that name lies in a bundle.
pub fn plain_file(name: &str) -> Result<BundlePath, NotAPath> {
    format!("packages/files/{name}").parse()
}

/// Where a Python wheel lies in a bundle.
#[cfg(feature = "workstation")]
pub fn wheel_path(name: &crate::wheel::WheelName) -> Result<BundlePath, NotAPath> {
    format!("{}/{name}", environment::WHEELS).parse()
}
