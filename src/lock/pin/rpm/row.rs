//! A package's row in the lock, out of its element in a repository's primary.

use std::collections::BTreeSet;

use crate::base::Role;
use crate::bundle::manifest::Family;
use crate::lock::LockedPackage;
use crate::lock::pin::row::{RowError, file_name};
use crate::repo::rpm::package::Package;
use crate::repo::rpm::stanza;

/// Writes the row of a package of `source`; `files` are those of its files
/// that something asks for and primary does not name.
pub fn package(
    package: &Package<'_>,
    files: &BTreeSet<&str>,
    source: &str,
    roles: &BTreeSet<Role>,
) -> Result<LockedPackage, RowError> {
    let missing = |field| RowError::Field {
        package: package.to_string(),
        source_id: source.to_owned(),
        field,
    };
    let archive = package
        .archive
        .as_ref()
        .ok_or_else(|| missing("location"))?;
    let path = archive.location.as_str();
    // What is larger than TOML's integers could be written into a lock and not be read again.
    let is_writable = archive.size <= i64::MAX as u64;
    let location = format!("pool/{}", file_name(path));
    Ok(LockedPackage {
        family: Family::Rpm,
        name: package.name.to_owned(),
        version: package.evr.to_string(),
        architecture: package.arch.to_owned(),
        source: source.to_owned(),
        path: path.to_owned(),
        size: is_writable
            .then_some(archive.size)
            .ok_or_else(|| missing("size"))?,
        sha256: archive.sha256,
        installed_size: archive.installed_size.min(i64::MAX as u64),
        by_digest: None,
        roles: roles.iter().copied().collect(),
        stanza: stanza::rewritten(archive.raw, &location, files).map_err(|_| missing("element"))?,
    })
}
