//! Bundles as they are: a `.tar.gz`, walked within bounds.

use std::io::Read;

use super::{Unpack, VerifyError, Visit};
use crate::archive::untar::{self, Limits, UntarError};

/// Takes a `.tar.gz` apart with [`untar::walk`].
pub struct TarGz;

impl Unpack for TarGz {
    fn entries(&self, archive: &mut dyn Read, visit: Visit<'_>) -> Result<(), VerifyError> {
        untar::walk(archive, Limits::default(), |member| {
            visit(member.path, member.size, member.reader)
        })
    }
}

impl From<UntarError> for VerifyError {
    fn from(error: UntarError) -> Self {
        match error {
            // `VerifyError::after` turns this into "truncated" or "damaged", with the place.
            UntarError::Read { after, source } => Self::Read {
                name: after,
                source,
            },
            other => Self::Damaged {
                after: "its last good file".to_owned(),
                reason: other.to_string(),
            },
        }
    }
}
