//! A package's row in the lock, out of its stanza in the signed index.

use std::collections::BTreeSet;

use crate::base::{Role, Sha256};
use crate::bundle::manifest::Family;
use crate::lock::LockedPackage;
use crate::lock::pin::row::{RowError, file_name};
use crate::repo::deb::package::Package;

/// Writes the row of a package that the index of `source` lists.
pub fn package(
    package: &Package<'_>,
    source: &str,
    roles: &BTreeSet<Role>,
) -> Result<LockedPackage, RowError> {
    let missing = |field| RowError::Field {
        package: package.name.to_owned(),
        source_id: source.to_owned(),
        field,
    };
    let field = |name| package.stanza.field(name).ok_or_else(|| missing(name));
    // What is larger than TOML's integers could be written into a lock and not be read again.
    let number = |name| match field(name)?.parse() {
        Ok(number) if number <= i64::MAX as u64 => Ok(number),
        _ => Err(missing(name)),
    };
    let path = field("Filename")?;
    let is_normal = path.parse::<crate::base::BundlePath>().is_ok();
    if !is_normal {
        return Err(missing("Filename"));
    }
    Ok(LockedPackage {
        family: Family::Deb,
        name: package.name.to_owned(),
        version: package.version.to_string(),
        architecture: package.architecture.to_owned(),
        source: source.to_owned(),
        path: path.to_owned(),
        size: number("Size")?,
        sha256: field("SHA256")?
            .parse::<Sha256>()
            .map_err(|_| missing("SHA256"))?,
        // Kibibytes (Debian policy 5.6.20); small packages may leave it out.
        installed_size: number("Installed-Size")
            .map_or(0, |kib| kib.saturating_mul(1024).min(i64::MAX as u64)),
        by_digest: None,
        roles: roles.iter().copied().collect(),
        stanza: stanza(package.stanza.as_str()),
    })
}

fn stanza(text: &str) -> String {
    let rewrite = |line: &str| match line.strip_prefix("Filename:") {
        Some(path) => format!("Filename: pool/{}\n", file_name(path.trim())),
        None => format!("{line}\n"),
    };
    text.lines().map(rewrite).collect()
}
