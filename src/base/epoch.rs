//! Time as a value. The core never reads a clock: it is handed one of these.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Seconds since 1970-01-01T00:00:00Z, written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Epoch(i64);

/// The text is not a time in RFC 3339.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a time such as 2026-11-21T00:00:00Z (RFC 3339)")]
pub struct NotATime(String);

impl Epoch {
    /// From seconds; refuses what four-digit years cannot hold.
    pub fn from_seconds(seconds: i64) -> Result<Self, NotATime> {
        match OffsetDateTime::from_unix_timestamp(seconds) {
            Ok(moment) if (1970..=9999).contains(&moment.year()) => Ok(Self(seconds)),
            _ => Err(NotATime(seconds.to_string())),
        }
    }

    /// Seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// The same moment `days` later (earlier, where negative).
    pub fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.saturating_mul(86_400)))
    }

    /// The same moment as the `time` crate has it.
    pub fn to_datetime(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.0).expect("checked when the value was made")
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self
            .to_datetime()
            .format(&Rfc3339)
            .map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl FromStr for Epoch {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| NotATime(text.to_owned()))
            .and_then(|moment| Self::from_seconds(moment.unix_timestamp()))
    }
}

impl TryFrom<String> for Epoch {
    type Error = NotATime;

    fn try_from(text: String) -> Result<Self, NotATime> {
        text.parse()
    }
}

impl From<Epoch> for String {
    fn from(epoch: Epoch) -> String {
        epoch.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_reads() {
        let text = "2026-11-21T13:49:33Z";
        let epoch: Epoch = text.parse().unwrap();
        assert_eq!(epoch.to_string(), text);
        assert_eq!(epoch.plus_days(1).to_string(), "2026-11-22T13:49:33Z");
    }
}
