//! Processor architectures, by the name the profile gives them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An architecture as the profile's package family writes it (`amd64`, `x86_64`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Architecture(String);

/// The text cannot name an architecture.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the name of an architecture (letters, digits, `_`)")]
pub struct NotAnArchitecture(String);

impl Architecture {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Architecture {
    type Err = NotAnArchitecture;

    fn from_str(text: &str) -> Result<Self, NotAnArchitecture> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if !text.is_empty() && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnArchitecture(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Architecture {
    type Error = NotAnArchitecture;

    fn try_from(text: String) -> Result<Self, NotAnArchitecture> {
        text.parse()
    }
}

impl From<Architecture> for String {
    fn from(architecture: Architecture) -> String {
        architecture.0
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
