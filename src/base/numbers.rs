//! Numbers with dots between them, as releases and versions begin.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `7.9`, `219`, `3.4.23`: compared number by number, never as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Numbers(Vec<u32>);

/// The text is not numbers with dots between them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the beginning of a version such as 2.6")]
pub struct NotNumbers(String);

impl Numbers {
    /// Whether they are `version` or later: 1.19 is, where 1.5 is asked for.
    pub fn is_at_least(&self, version: &[u32]) -> bool {
        self.0.as_slice() >= version
    }

    /// The numbers.
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }
}

impl FromStr for Numbers {
    type Err = NotNumbers;

    fn from_str(text: &str) -> Result<Self, NotNumbers> {
        let numbers: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match numbers {
            Ok(numbers) if is_plain => Ok(Self(numbers)),
            _ => Err(NotNumbers(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Numbers {
    type Error = NotNumbers;

    fn try_from(text: String) -> Result<Self, NotNumbers> {
        text.parse()
    }
}

impl From<Numbers> for String {
    fn from(numbers: Numbers) -> Self {
        numbers.to_string()
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, number) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(formatter, "{dot}{number}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_compared_as_numbers() {
        let numbers = |text: &str| text.parse::<Numbers>().unwrap();
        assert!(numbers("1.19").is_at_least(&[1, 5]));
        assert!(numbers("3.4").is_at_least(&[3, 4]));
        assert!(!numbers("3.3").is_at_least(&[3, 4]));
        assert!(!numbers("219").is_at_least(&[230]));
        assert!(numbers("7.9.2009") > numbers("7.9"));
        assert!(numbers("7.4.1708") < numbers("7.9"));
        assert_eq!(numbers("1.19").to_string(), "1.19");
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            "2.",
            ".6",
            "v2",
            "+2",
            "2.6-1",
            "{major}",
            "99999999999",
        ] {
            assert!(text.parse::<Numbers>().is_err(), "{text}");
        }
    }
}
