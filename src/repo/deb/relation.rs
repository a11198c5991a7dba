//! Relations between packages (Debian policy, section 7): `a (>= 1) | b:any, c`.

use super::version::{DebVersion, NotADebVersion};

/// How a relation bounds the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and the obsolete `<`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`, and the obsolete `>`
    LaterOrEqual,
    /// `>>`
    Later,
}

/// One alternative: a package's name with what is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The package's name, real or virtual.
    pub name: &'a str,
    /// What follows the name after a colon (`any`, `native`, an architecture).
    pub qualifier: Option<&'a str>,
    /// The bound on its version.
    pub bound: Option<(Operator, DebVersion<'a>)>,
}

/// The text is not a list of relations.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotARelation {
    /// Grammar.
    #[error("`{0}` is not a relation such as `name (>= 1.0)`")]
    Grammar(String),
    /// The bound's version.
    #[error("the relation `{relation}` has a version that is none: {source}")]
    Version {
        /// The relation.
        relation: String,
        /// What is wrong with it.
        source: NotADebVersion,
    },
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<<" => Self::Earlier,
            "<=" | "<" => Self::EarlierOrEqual,
            "=" => Self::Equal,
            ">=" | ">" => Self::LaterOrEqual,
            ">>" => Self::Later,
            _ => return None,
        })
    }

    /// Whether `found` lies on the wanted side of `bound`.
    pub fn holds(self, found: DebVersion<'_>, bound: DebVersion<'_>) -> bool {
        let order = found.cmp(&bound);
        match self {
            Self::Earlier => order.is_lt(),
            Self::EarlierOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::LaterOrEqual => order.is_ge(),
            Self::Later => order.is_gt(),
        }
    }
}

impl Relation<'_> {
    /// Whether a real package of this version satisfies the bound.
    pub fn admits(&self, version: DebVersion<'_>) -> bool {
        self.bound
            .is_none_or(|(operator, bound)| operator.holds(version, bound))
    }

    /// Whether a `Provides` does; one without a version never satisfies a bound.
    pub fn admits_provided(&self, version: Option<DebVersion<'_>>) -> bool {
        match (self.bound, version) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((operator, bound)), Some(version)) => operator.holds(version, bound),
        }
    }
}

/// A group of alternatives with the text it was written as.
pub type Group<'a> = (&'a str, Vec<Relation<'a>>);

/// Reads a field of relations: groups between commas, alternatives between bars.
///
/// Alternatives restricted to other architectures (`[i386]`) are left out, and
/// with them a group that has no other.
pub fn parse<'a>(field: &'a str, architecture: &str) -> Result<Vec<Group<'a>>, NotARelation> {
    let mut groups = Vec::new();
    for text in field.split(',').map(str::trim).filter(|t| !t.is_empty()) {
        let mut alternatives = Vec::new();
        for alternative in text.split('|').map(str::trim) {
            alternatives.extend(parse_one(alternative, architecture)?);
        }
        if !alternatives.is_empty() {
            groups.push((text, alternatives));
        }
    }
    Ok(groups)
}

/// The relations of such a field one by one, whatever joins them.
pub fn each<'a>(
    field: &'a str,
    architecture: &str,
) -> impl Iterator<Item = Result<Relation<'a>, NotARelation>> {
    let groups = field.split(',').map(str::trim).filter(|t| !t.is_empty());
    let all = groups.flat_map(|text| text.split('|').map(str::trim));
    all.filter_map(move |one| parse_one(one, architecture).transpose())
}

fn parse_one<'a>(text: &'a str, architecture: &str) -> Result<Option<Relation<'a>>, NotARelation> {
    let refuse = || NotARelation::Grammar(text.to_owned());
    let ends = |byte| b" \t\n([<".contains(&byte);
    let end = text.bytes().position(ends).unwrap_or(text.len());
    let (head, rest) = text.split_at(end);
    let (name, qualifier) = match head.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (head, None),
    };
    if !is_name(name) || qualifier.is_some_and(|q| !is_name(q)) {
        return Err(refuse());
    }
    let (bound, rest) = parse_bound(rest.trim_start(), text)?;
    let applies = parse_restriction(rest.trim_start(), architecture).ok_or_else(refuse)?;
    Ok(applies.then_some(Relation {
        name,
        qualifier,
        bound,
    }))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

type Bound<'a> = Option<(Operator, DebVersion<'a>)>;

fn parse_bound<'a>(rest: &'a str, whole: &str) -> Result<(Bound<'a>, &'a str), NotARelation> {
    let Some(inner) = rest.strip_prefix('(') else {
        return Ok((None, rest));
    };
    let refuse = || NotARelation::Grammar(whole.to_owned());
    let (inner, rest) = inner.split_once(')').ok_or_else(refuse)?;
    let inner = inner.trim();
    let sign = inner.find(|c| !"<>=".contains(c)).ok_or_else(refuse)?;
    let operator = Operator::parse(&inner[..sign]).ok_or_else(refuse)?;
    let version =
        DebVersion::parse(inner[sign..].trim()).map_err(|source| NotARelation::Version {
            relation: whole.to_owned(),
            source,
        })?;
    Ok((Some((operator, version)), rest))
}

// `[amd64 i386]`, `[!hurd-any]`; build profiles (`<!nocheck>`) say nothing about binary packages.
fn parse_restriction(rest: &str, architecture: &str) -> Option<bool> {
    if rest.is_empty() || rest.starts_with('<') {
        return Some(true);
    }
    let (inner, _) = rest.strip_prefix('[')?.split_once(']')?;
    let matches = |name: &str| name == architecture || name == "any" || name == "linux-any";
    let mut words = inner.split_whitespace().peekable();
    if words.peek()?.starts_with('!') {
        Some(!words.any(|word| matches(word.trim_start_matches('!'))))
    } else {
        Some(words.any(matches))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(field: &str) -> Vec<Vec<&str>> {
        let groups = parse(field, "amd64").unwrap();
        groups
            .into_iter()
            .map(|(_, all)| all.iter().map(|r| r.name).collect())
            .collect()
    }

    #[test]
    fn reads_groups_alternatives_bounds_and_qualifiers() {
        let groups = parse(
            "libc6 (>= 2.36),\n a:any | b(<<1:2~)  | c ( = 3 ), d",
            "amd64",
        )
        .unwrap();
        assert_eq!(groups.len(), 3);
        assert_eq!(groups[0].1[0].bound.unwrap().0, Operator::LaterOrEqual);
        assert_eq!(groups[1].1[0].qualifier, Some("any"));
        assert_eq!(groups[1].1[1].bound.unwrap().1.as_str(), "1:2~");
        assert_eq!(groups[1].1[2].bound.unwrap().0, Operator::Equal);
        assert_eq!(groups[2].0, "d");
    }

    #[test]
    fn one_by_one_they_are_the_same() {
        let field = "a (= 1), b [i386] | c:any,\n, d | e [amd64]";
        let groups = parse(field, "amd64").unwrap();
        let grouped: Vec<_> = groups.into_iter().flat_map(|(_, all)| all).collect();
        let alone: Result<Vec<_>, _> = each(field, "amd64").collect();
        assert_eq!((alone.unwrap(), grouped.len()), (grouped, 4));
        assert!(each("a, b (1)", "amd64").any(|one| one.is_err()));
    }

    #[test]
    fn leaves_out_what_is_for_other_architectures() {
        assert_eq!(
            names(
                "a [i386], b [amd64 arm64] | c [!amd64], d [!i386] <!nocheck>, e (>= 1) [linux-any]"
            ),
            [vec!["b"], vec!["d"], vec!["e"]]
        );
    }

    #[test]
    fn refuses_what_is_no_relation() {
        for bad in [
            "a (1.0)", "a (>= )", "a (>= 1", "a b", "a | ", "a (~ 1)", "a [amd64", "?", "a:",
        ] {
            assert!(parse(bad, "amd64").is_err(), "{bad}");
        }
    }

    #[test]
    fn never_satisfies_a_bound_by_an_unversioned_provides() {
        let groups = parse("a (>= 1), a", "amd64").unwrap();
        let (bound, free) = (groups[0].1[0], groups[1].1[0]);
        assert!(!bound.admits_provided(None) && free.admits_provided(None));
        assert!(bound.admits_provided(DebVersion::parse("2").ok()));
        assert!(!bound.admits_provided(DebVersion::parse("0.9").ok()));
    }
}
