//! What a package asks for: one entry, or a rich dependency, which joins
//! entries with words (rpm's manual, "Boolean dependencies").

use std::borrow::Cow;
use std::fmt;

use super::entry::{Entry, Sense};
use super::evr::Evr;

/// Brackets within brackets, at most.
const DEEPEST: usize = 16;

/// A requirement, or what a conflict speaks against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement<'a> {
    /// Something of that name and range.
    Entry(Entry<'a>),
    /// All of them: `(a and b)`.
    And(Vec<Requirement<'a>>),
    /// One of them at least: `(a or b)`.
    Or(Vec<Requirement<'a>>),
    /// All of them by one package: `(a with b)`.
    With(Vec<Requirement<'a>>),
    /// The first by a package that is not the second: `(a without b)`.
    Without(Box<[Requirement<'a>; 2]>),
    /// The first, or not the second: `(a if b)`.
    If(Box<[Requirement<'a>; 2]>),
    /// The first with the second, or the third without it: `(a if b else c)`.
    IfElse(Box<[Requirement<'a>; 3]>),
    /// The first, and not the second: `(a unless b)`.
    Unless(Box<[Requirement<'a>; 2]>),
    /// The first without the second, or the third with it: `(a unless b else c)`.
    UnlessElse(Box<[Requirement<'a>; 3]>),
}

/// The text is no requirement.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a dependency such as `name >= 1.0` or `(a or b)`")]
pub struct NotARequirement(String);

impl<'a> Requirement<'a> {
    /// What an entry of rpm-md stands for; none where it asks for a feature of
    /// rpm itself (`rpmlib(…)`), which the host's rpm judges.
    pub fn of_entry(entry: &'a Entry<'a>) -> Result<Option<Self>, NotARequirement> {
        match () {
            () if entry.name.starts_with("rpmlib(") => Ok(None),
            () if entry.name.starts_with('(') => Self::read(&entry.name).map(Some),
            () => Ok(Some(Self::Entry(entry.clone()))),
        }
    }

    /// Reads what people and rpm write.
    pub fn read(text: &'a str) -> Result<Self, NotARequirement> {
        let mut rest = text.trim();
        let read = operand(&mut rest, 0).filter(|_| rest.trim_start().is_empty());
        read.ok_or_else(|| NotARequirement(text.to_owned()))
    }
}

fn operand<'a>(rest: &mut &'a str, depth: usize) -> Option<Requirement<'a>> {
    *rest = rest.trim_start();
    match rest.strip_prefix('(') {
        Some(_) if depth == DEEPEST => None,
        Some(inside) => {
            *rest = inside;
            let joined = joined(rest, depth + 1)?;
            *rest = rest.trim_start().strip_prefix(')')?;
            Some(joined)
        }
        None => entry(rest).map(Requirement::Entry),
    }
}

fn joined<'a>(rest: &mut &'a str, depth: usize) -> Option<Requirement<'a>> {
    let first = operand(rest, depth)?;
    let Some(joint) = joint(rest) else {
        return Some(first);
    };
    let second = operand(rest, depth)?;
    Some(match joint {
        "and" | "or" | "with" => {
            let mut all = vec![first, second];
            while next_is(rest, joint) {
                all.push(operand(rest, depth)?);
            }
            match joint {
                "and" => Requirement::And(all),
                "or" => Requirement::Or(all),
                _ => Requirement::With(all),
            }
        }
        "without" => Requirement::Without(Box::new([first, second])),
        _ => {
            let otherwise = match next_is(rest, "else") {
                true => Some(operand(rest, depth)?),
                false => None,
            };
            match (joint, otherwise) {
                ("if", None) => Requirement::If(Box::new([first, second])),
                ("if", Some(third)) => Requirement::IfElse(Box::new([first, second, third])),
                (_, None) => Requirement::Unless(Box::new([first, second])),
                (_, Some(third)) => Requirement::UnlessElse(Box::new([first, second, third])),
            }
        }
    })
}

fn joint(rest: &mut &str) -> Option<&'static str> {
    let joints = ["and", "or", "without", "with", "if", "unless"];
    joints.into_iter().find(|joint| next_is(rest, joint))
}

fn next_is(rest: &mut &str, word: &str) -> bool {
    let after = rest.trim_start().strip_prefix(word);
    let after = after.filter(|after| after.starts_with([' ', '\t', '(']));
    *rest = after.unwrap_or(rest);
    after.is_some()
}

fn entry<'a>(rest: &mut &'a str) -> Option<Entry<'a>> {
    let name = word(rest).filter(|name| !name.is_empty())?;
    let mut after = *rest;
    let sense = word(&mut after).and_then(Sense::of_sign);
    let range = match sense {
        None => None,
        Some(sense) => {
            let evr = Evr::parse(word(&mut after)?).ok()?;
            *rest = after;
            Some((sense, evr))
        }
    };
    Some(Entry {
        name: Cow::Borrowed(name),
        range,
    })
}

// Up to a blank, or to a bracket that closes one before the word.
fn word<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let text = rest.trim_start();
    let mut open = 0;
    let is_end = |c: char| {
        open += i32::from(c == '(') - i32::from(c == ')');
        c.is_whitespace() || open < 0
    };
    let end = text.find(is_end).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    *rest = after;
    Some(word)
}

impl fmt::Display for Requirement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, all: &[Self], joint: &str| {
            let words: Vec<_> = all.iter().map(Self::to_string).collect();
            write!(f, "({})", words.join(joint))
        };
        match self {
            Self::Entry(entry) => entry.fmt(f),
            Self::And(all) => list(f, all, " and "),
            Self::Or(all) => list(f, all, " or "),
            Self::With(all) => list(f, all, " with "),
            Self::Without(two) => list(f, two.as_slice(), " without "),
            Self::If(two) => list(f, two.as_slice(), " if "),
            Self::Unless(two) => list(f, two.as_slice(), " unless "),
            Self::IfElse(three) => {
                let [a, b, c] = three.as_ref();
                write!(f, "({a} if {b} else {c})")
            }
            Self::UnlessElse(three) => {
                let [a, b, c] = three.as_ref();
                write!(f, "({a} unless {b} else {c})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_rpm_writes_and_writes_it_again() {
        for text in [
            "name",
            "name >= 1:1.0-1.el7",
            "libc.so.6(GLIBC_2.14)(64bit)",
            "/usr/bin/python3",
            "(a or b or c)",
            "(a >= 1 and b(x86-64) < 2)",
            "(a if b)",
            "(a if b else (c with d >= 1 with d < 2))",
            "(a unless b)",
            "(a unless b else c)",
            "((a without b) or (c if (d or e)))",
            "(pkgconfig(x) >= 1 if y)",
        ] {
            assert_eq!(Requirement::read(text).unwrap().to_string(), text);
        }
        assert_eq!(Requirement::read("(a)").unwrap().to_string(), "a");
    }

    #[test]
    fn refuses_what_is_none_and_what_is_too_deep() {
        for text in [
            "",
            "()",
            "(a or)",
            "(a or b",
            "a b",
            "(a or b and c)",
            "(a if b if c)",
            "(a else b)",
            "a >= ",
            "a >=",
            "(a or b) c",
            "(a without b without c)",
        ] {
            assert!(Requirement::read(text).is_err(), "{text}");
        }
        let deep = |levels: usize| format!("{}a{}", "(".repeat(levels), ")".repeat(levels));
        assert!(Requirement::read(&deep(DEEPEST)).is_ok());
        assert!(Requirement::read(&deep(DEEPEST + 1)).is_err());
    }

    #[test]
    fn leaves_to_rpm_what_it_asks_of_itself() {
        let entry = |name: &'static str| Entry {
            name: name.into(),
            range: None,
        };
        let own = entry("rpmlib(PayloadIsXz)");
        assert_eq!(Requirement::of_entry(&own), Ok(None));
        let rich = entry("(a or b)");
        assert!(matches!(
            Requirement::of_entry(&rich),
            Ok(Some(Requirement::Or(_)))
        ));
    }
}
