//! Entries of `provides`, `requires`, `conflicts` and `obsoletes`: a name and
//! a range of versions, and when two of them overlap (rpm's dependencies
//! manual, "Versioning"; rpmds).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use super::evr::Evr;

/// How a range lies to its version, rpm's sense flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

/// One entry: a name, and the versions of it that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name of a package, of something that packages provide, or of a
    /// file; or a whole rich dependency, in brackets.
    pub name: Cow<'a, str>,
    /// The range; none stands for every version.
    pub range: Option<(Sense, Evr<'a>)>,
}

impl Sense {
    /// Reads the attribute `flags` of an entry in rpm-md.
    pub fn of_flags(flags: &str) -> Option<Self> {
        Some(match flags {
            "LT" => Self::Less,
            "LE" => Self::LessOrEqual,
            "EQ" => Self::Equal,
            "GE" => Self::GreaterOrEqual,
            "GT" => Self::Greater,
            _ => return None,
        })
    }

    /// Reads the sign that people write.
    pub fn of_sign(sign: &str) -> Option<Self> {
        Some(match sign {
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            "=" | "==" => Self::Equal,
            ">=" => Self::GreaterOrEqual,
            ">" => Self::Greater,
            _ => return None,
        })
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        }
    }

    fn has(self, order: Ordering) -> bool {
        match order {
            Ordering::Less => matches!(self, Self::Less | Self::LessOrEqual),
            Ordering::Equal => !matches!(self, Self::Less | Self::Greater),
            Ordering::Greater => matches!(self, Self::Greater | Self::GreaterOrEqual),
        }
    }
}

impl Entry<'_> {
    /// Whether the range of `wanted` overlaps what `self` provides under that
    /// name, which is not compared. Unlike Debian's, an entry without a
    /// version overlaps every range.
    pub fn overlaps(&self, wanted: &Entry<'_>) -> bool {
        match (self.range, wanted.range) {
            (Some(own), Some(wanted)) => ranges_overlap(own, wanted),
            _ => true,
        }
    }

    /// Whether a package of this very version lies within the range.
    pub fn admits(&self, evr: Evr<'_>) -> bool {
        self.range
            .is_none_or(|wanted| ranges_overlap((Sense::Equal, evr), wanted))
    }
}

// A release that one side leaves out is any release: then the side that leaves
// it out has to admit equality, and the other need not.
fn ranges_overlap((one, one_evr): (Sense, Evr<'_>), (other, other_evr): (Sense, Evr<'_>)) -> bool {
    let equal = Ordering::Equal;
    match one_evr.compare_loosely(&other_evr) {
        Ordering::Equal => match (one_evr.release, other_evr.release) {
            (Some(_), None) if other.has(equal) => true,
            (None, Some(_)) if one.has(equal) => true,
            _ => [Ordering::Less, equal, Ordering::Greater]
                .into_iter()
                .any(|order| one.has(order) && other.has(order)),
        },
        // The first lies lower: it has to reach up, or the second down.
        Ordering::Less => one.has(Ordering::Greater) || other.has(Ordering::Less),
        Ordering::Greater => one.has(Ordering::Less) || other.has(Ordering::Greater),
    }
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match self.range {
            Some((sense, evr)) => write!(f, " {} {evr}", sense.sign()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry<'_> {
        let mut words = text.split(' ');
        let name = Cow::Borrowed(words.next().unwrap());
        let range = words.next().map(|sign| {
            let evr = Evr::parse(words.next().unwrap()).unwrap();
            (Sense::of_sign(sign).unwrap(), evr)
        });
        Entry { name, range }
    }

    #[test]
    fn ranges_overlap_as_rpms_do() {
        for (one, other, overlap) in [
            ("a", "a >= 2", true),
            ("a = 1-1", "a = 1", true),
            ("a = 1-5", "a > 1", false),
            ("a = 1-5", "a >= 1", true),
            ("a = 1-5", "a < 1", false),
            ("a = 1", "a > 1-5", true),
            ("a = 1", "a >= 1-5", true),
            ("a = 1-5", "a <= 1-4", false),
            ("a = 1:1-1", "a >= 2", true),
            ("a = 1:1-1", "a = 1", false),
            ("a >= 1", "a >= 9", true),
            ("a < 2", "a > 1", true),
            ("a < 1", "a > 1", false),
            ("a <= 1", "a >= 1", true),
        ] {
            assert_eq!(
                entry(one).overlaps(&entry(other)),
                overlap,
                "{one}, {other}"
            );
            assert_eq!(
                entry(other).overlaps(&entry(one)),
                overlap,
                "{other}, {one}"
            );
        }
        assert!(entry("a < 2").admits(Evr::parse("1-1").unwrap()));
    }
}
