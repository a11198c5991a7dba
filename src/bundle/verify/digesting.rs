//! Digests a file on its way to a sink, and tells whose fault a failure was.

use std::io::{self, Read, Write};

use super::VerifyError;
use crate::base::digest::Hashing;
use crate::bundle::manifest::ManifestFile;

/// A reader that digests what passes, remembering a fault of its own.
pub(super) struct Digesting<'a> {
    inner: &'a mut dyn Read,
    state: Hashing<io::Sink>,
    fault: Option<io::Error>,
}

impl<'a> Digesting<'a> {
    pub(super) fn new(inner: &'a mut dyn Read) -> Self {
        Self {
            inner,
            state: Hashing::new(io::sink()),
            fault: None,
        }
    }

    /// Reads what the sink left over, then holds the whole against `listed`.
    pub(super) fn compare(
        mut self,
        listed: &ManifestFile,
        stored: io::Result<()>,
    ) -> Result<(), VerifyError> {
        let path = || listed.path.to_string();
        if let Err(source) = stored.and_then(|()| io::copy(&mut self, &mut io::sink()).map(drop)) {
            return Err(match self.fault {
                Some(source) => VerifyError::Read {
                    name: path(),
                    source,
                },
                None => VerifyError::Store {
                    path: path(),
                    source,
                },
            });
        }
        let (found, size) = self.state.finish();
        if size != listed.size {
            return Err(VerifyError::Truncated { within: path() });
        }
        if found != listed.sha256 {
            return Err(VerifyError::Altered {
                path: path(),
                found,
                expected: listed.sha256,
            });
        }
        Ok(())
    }
}

impl Read for Digesting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                self.state.write_all(&buffer[..count])?;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let copy = io::Error::new(error.kind(), error.to_string());
                self.fault = Some(error);
                Err(copy)
            }
        }
    }
}
