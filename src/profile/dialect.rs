//! The version of a program's configuration language.

use std::fmt;

use crate::document::FromText;

/// Which configuration a component understands: the first numbers of its
/// version (`3.4`, `2.6`, `219`). A later one knows all that an earlier one
/// does, unless the renderer says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dialect(Vec<u32>);

impl Dialect {
    /// Whether it is `version` or later: 1.19 is, where 1.5 is asked for.
    pub fn is_at_least(&self, version: &[u32]) -> bool {
        self.0.as_slice() >= version
    }
}

impl FromText for Dialect {
    fn from_text(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match numbers {
            Ok(numbers) if is_plain => Ok(Self(numbers)),
            _ => Err(format!(
                "`{text}` is not the beginning of a version such as 2.6"
            )),
        }
    }
}

impl fmt::Display for Dialect {
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
    fn numbers_are_compared_as_numbers() {
        let dialect = |text| Dialect::from_text(text).unwrap();
        assert!(dialect("1.19").is_at_least(&[1, 5]));
        assert!(dialect("3.4").is_at_least(&[3, 4]));
        assert!(!dialect("3.3").is_at_least(&[3, 4]));
        assert!(!dialect("219").is_at_least(&[230]));
        assert_eq!(dialect("1.19").to_string(), "1.19");
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
            assert!(Dialect::from_text(text).is_err(), "{text}");
        }
    }
}
