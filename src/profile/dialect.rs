//! The version of a program's configuration language.

use std::fmt;

use crate::base::Numbers;
use crate::document::FromText;

/// Which configuration a component understands: the first numbers of its
/// version (`3.4`, `2.6`, `219`). A later one knows all that an earlier one
/// does, unless the renderer says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dialect(Numbers);

impl Dialect {
    /// Whether it is `version` or later: 1.19 is, where 1.5 is asked for.
    pub fn is_at_least(&self, version: &[u32]) -> bool {
        self.0.is_at_least(version)
    }
}

impl FromText for Dialect {
    fn from_text(text: &str) -> Result<Self, String> {
        Numbers::from_text(text).map(Self)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
