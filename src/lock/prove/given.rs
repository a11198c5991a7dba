//! Proves rows of packages that the operator was given: by the packages.

use super::{ProveError, Proving};
use crate::lock::given::{self, Comparison, Judging, SOURCE};
use crate::plan::GivenFile;

impl Proving<'_> {
    /// Strikes out the rows that given packages make.
    pub(super) fn given(&mut self) -> Result<(), ProveError> {
        let lock = self.lock;
        let judging = Judging {
            profile: self.evidence.profile,
            architecture: &lock.architecture,
            keyring: self.evidence.keyring,
            at: lock.date,
        };
        for row in lock.packages.iter().filter(|row| row.source == SOURCE) {
            let file = (self.evidence.package)(row).map_err(|source| ProveError::Unreadable {
                path: row.path.clone(),
                source,
            })?;
            let named = GivenFile {
                name: row.path.clone(),
                size: row.size,
                sha256: row.sha256,
            };
            let package =
                given::read(&named, &judging, file).map_err(|source| ProveError::Given {
                    name: row.name.clone(),
                    source,
                })?;
            match given::compare(&package, row) {
                Ok(Comparison::Other) | Err(_) => continue,
                Ok(Comparison::Same) => {}
                Ok(Comparison::Unchecked) => self.unchecked.push(row.path.clone()),
            }
            self.strike(&row.name, |other| other == row);
        }
        Ok(())
    }
}
