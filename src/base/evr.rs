//! rpm's version numbers and their order (rpm-version(7)).
//!
//! `[epoch:]version[-release]`: epochs compare as numbers, the other two parts
//! piece by piece, letters before digits, `~` before even the end and `^`
//! right behind it. A type of its own, never compared with a Debian version.

use std::cmp::Ordering;
use std::fmt;

/// Epoch, version and release, borrowed from the text they were read from.
///
/// A package has a release; what asks for a package may leave it out, and then
/// means every release. Equality follows the order, so `1.0` and `1.00` are
/// equal as for rpm.
#[derive(Clone, Copy, Debug)]
pub struct Evr<'a> {
    /// The epoch; where none is written it is 0.
    pub epoch: u32,
    /// The version.
    pub version: &'a str,
    /// The release, where there is one.
    pub release: Option<&'a str>,
}

/// The text is not a version that rpm takes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an rpm version ([epoch:]version[-release], see rpm-version(7))")]
pub struct NotAnEvr(String);

impl<'a> Evr<'a> {
    /// Puts together what metadata keep apart; an empty release is none, and no epoch is 0.
    pub fn new(
        epoch: Option<&str>,
        version: &'a str,
        release: Option<&'a str>,
    ) -> Result<Self, NotAnEvr> {
        let release = release.filter(|release| !release.is_empty());
        let parsed = match epoch {
            None | Some("") => Some(0),
            Some(digits) => parse_epoch(digits),
        };
        let is_written_so = is_part(version) && release.is_none_or(is_part);
        match parsed.filter(|_| is_written_so) {
            Some(epoch) => Ok(Self {
                epoch,
                version,
                release,
            }),
            None => Err(NotAnEvr(format!(
                "{}:{version}-{}",
                epoch.unwrap_or_default(),
                release.unwrap_or_default()
            ))),
        }
    }

    /// Reads `[epoch:]version[-release]`.
    pub fn parse(text: &'a str) -> Result<Self, NotAnEvr> {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (Some(epoch), rest),
            None => (None, text),
        };
        let (version, release) = match rest.rsplit_once('-') {
            Some((version, release)) => (version, Some(release)),
            None => (rest, None),
        };
        Self::new(epoch, version, release).map_err(|_| NotAnEvr(text.to_owned()))
    }

    /// The order where a release that one side leaves out matches any.
    pub fn compare_loosely(&self, other: &Self) -> Ordering {
        let order = self.compare_upstream(other);
        order.then_with(|| match (self.release, other.release) {
            (Some(one), Some(other)) => compare_part(one, other),
            _ => Ordering::Equal,
        })
    }

    fn compare_upstream(&self, other: &Self) -> Ordering {
        let epochs = self.epoch.cmp(&other.epoch);
        epochs.then_with(|| compare_part(self.version, other.version))
    }
}

// An rpm keeps its epoch in 32 bits.
fn parse_epoch(digits: &str) -> Option<u32> {
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

// rpm passes over what is neither letter nor digit, so nearly anything will do;
// `&` is refused because a version is borrowed and never unescaped.
fn is_part(part: &str) -> bool {
    !part.is_empty() && !part.contains(['&', '<']) && !part.contains(char::is_control)
}

// The crate compares any part through a version without epoch and release.
fn compare_part(one: &str, other: &str) -> Ordering {
    let part = |text| rpm_version::Evr::new("", text, "");
    part(one).cmp(&part(other))
}

impl fmt::Display for Evr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch != 0 {
            write!(f, "{}:", self.epoch)?;
        }
        f.write_str(self.version)?;
        match self.release {
            Some(release) => write!(f, "-{release}"),
            None => Ok(()),
        }
    }
}

impl Ord for Evr<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.compare_upstream(other);
        order.then_with(|| match (self.release, other.release) {
            (Some(one), Some(other)) => compare_part(one, other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        })
    }
}

impl PartialOrd for Evr<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Evr<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Evr<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn evr(text: &str) -> Evr<'_> {
        Evr::parse(text).unwrap()
    }

    #[test]
    fn orders_as_the_manual_says() {
        let ascending = [
            "1.0~rc1-1",
            "1.0~rc1^git1-1",
            "1.0-1",
            "1.0^git1-1",
            "1.0.a-1",
            "1.0.1-1",
            "1.0.1-1.el7",
            "1.0.1-2",
            "1.0.10-1",
            "1:0.1-1",
        ];
        for pair in ascending.windows(2) {
            assert!(evr(pair[0]) < evr(pair[1]), "{pair:?}");
        }
        assert_eq!(evr("1.0-1"), evr("0:1.00-01"));
        assert_eq!(evr("1.0-1").compare_loosely(&evr("1.0")), Ordering::Equal);
        assert!(evr("1.0-1") > evr("1.0"));
    }

    #[test]
    fn reads_what_is_written_and_writes_what_was_read() {
        let read = evr("2:1.0-rc-3.el7");
        assert_eq!(
            (read.epoch, read.version, read.release),
            (2, "1.0-rc", Some("3.el7"))
        );
        assert_eq!(read.to_string(), "2:1.0-rc-3.el7");
        assert_eq!(evr("0:1").to_string(), "1");
        assert_eq!(evr("4-").release, None);
        for refused in ["", "a:1", "4294967296:1", "-1", "1&amp;", "1\n"] {
            assert!(Evr::parse(refused).is_err(), "{refused}");
        }
    }
}
