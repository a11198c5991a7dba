//! The edge towards mirrors: bytes for an address, and nothing else.

use std::fs::File;
use std::io::{self, Read};

use crate::base::Sha256;
use crate::base::digest::Digested;
use crate::store::place::without_password;

/// Gets files from mirrors, and those that were got before from where they are kept;
/// several at a time.
pub trait Transport: Sync {
    /// The whole file at `url`, refused where it has more than `limit` bytes.
    fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, TransportError>;

    /// Whether a file of that digest is kept; it is not read.
    fn is_kept(&self, _sha256: Sha256) -> bool {
        false
    }

    /// A kept file, digested again now: none where nothing has that digest and size.
    fn kept(&self, _sha256: Sha256, _size: u64) -> Option<Digested<Vec<u8>>> {
        None
    }
}

/// A file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The mirror answers, but has no such file.
    #[error("{url} is not there")]
    Missing {
        /// Its address, without credentials.
        url: String,
    },
    /// The file is larger than it may be.
    #[error("{url} has more than the {limit} bytes that are expected of it")]
    TooLarge {
        /// Its address, without credentials.
        url: String,
        /// What was allowed.
        limit: u64,
    },
    /// Another scheme.
    #[error("{url} cannot be read: only {schemes} can")]
    Scheme {
        /// The address, without credentials.
        url: String,
        /// What can be read.
        schemes: &'static str,
    },
    /// The mirror cannot be reached, or breaks off.
    #[error("{url} cannot be read: {source}")]
    Broken {
        /// Its address, without credentials.
        url: String,
        /// What happened.
        source: io::Error,
    },
}

/// Mirrors that are folders of this machine (`file:` addresses).
#[derive(Clone, Copy, Debug, Default)]
pub struct Folder;

impl Transport for Folder {
    fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, TransportError> {
        let Some(path) = url.strip_prefix("file:") else {
            return Err(TransportError::Scheme {
                url: without_password(url),
                schemes: "file:",
            });
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => TransportError::Missing {
                    url: url.to_owned(),
                },
                _ => TransportError::Broken {
                    url: url.to_owned(),
                    source,
                },
            })?;
        if bytes.len() as u64 > limit {
            return Err(TransportError::TooLarge {
                url: url.to_owned(),
                limit,
            });
        }
        Ok(bytes)
    }
}
