//! What rows of packages have in common, whatever the family.

use std::collections::BTreeSet;

use crate::lock::LockedPackage;

/// A stanza lacks what a lock needs.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// A field is missing or cannot be read.
    #[error("the entry of {package} in the index of `{source_id}` has no usable `{field}`")]
    Field {
        /// The package.
        package: String,
        /// The source.
        source_id: String,
        /// The field.
        field: &'static str,
    },
    /// Two packages would be one file in the bundle.
    #[error("two packages have a file named `{0}`")]
    SameFile(String),
}

/// Refuses rows whose files would fall together in a bundle's pool.
pub fn distinct(rows: Vec<LockedPackage>) -> Result<Vec<LockedPackage>, RowError> {
    let mut seen = BTreeSet::new();
    match rows
        .iter()
        .map(|row| file_name(&row.path))
        .find(|name| !seen.insert(*name))
    {
        Some(name) => Err(RowError::SameFile(name.to_owned())),
        None => Ok(rows),
    }
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
