//! A table of a document, from which keys are taken one by one.

use std::cell::RefCell;
use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{Scalar, Texts, expected};
use super::{Faults, FromValue, Span};

type Key<'t> = std::borrow::Cow<'t, str>;

/// A table that remembers which of its keys were asked for.
pub struct Section<'d, 't> {
    name: String,
    table: &'d DeTable<'t>,
    span: Span,
    faults: &'d Faults,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'d, 't> Section<'d, 't> {
    pub(super) fn new(
        name: String,
        table: &'d DeTable<'t>,
        span: Span,
        faults: &'d Faults,
    ) -> Self {
        Self {
            name,
            table,
            span,
            faults,
            asked: RefCell::default(),
        }
    }

    /// Where the section stands.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The list that faults go to.
    pub fn faults(&self) -> &'d Faults {
        self.faults
    }

    fn entry(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'t>>> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    /// A value that may be left out.
    pub fn optional<T: FromValue>(&self, key: &'static str) -> Option<Spanned<T>> {
        let value = self.entry(key)?;
        self.convert(key, value)
    }

    /// A value that may be left out, without its place.
    pub fn value<T: FromValue>(&self, key: &'static str) -> Option<T> {
        self.optional(key).map(Spanned::into_inner)
    }

    /// A value that must be there.
    pub fn required<T: FromValue>(&self, key: &'static str) -> Option<Spanned<T>> {
        if self.entry(key).is_none() {
            let place = self.described();
            self.faults.add(
                format!("{place} lacks `{key}`"),
                Some(self.span()),
                format!("`{key}` belongs here"),
                None,
            );
        }
        self.optional(key)
    }

    /// A list whose items are converted one by one, so that each fault has its place.
    pub fn list<T: FromValue>(&self, key: &'static str) -> Vec<Spanned<T>> {
        let Some(value) = self.entry(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.complain(key, value, &expected("a list", value.get_ref()));
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| self.convert(key, item))
            .collect()
    }

    /// A table that may be left out.
    pub fn table(&self, key: &'static str) -> Option<Section<'d, 't>> {
        let value = self.entry(key)?;
        self.enter(key, value)
    }

    /// An array of tables (`[[key]]`).
    pub fn tables(&self, key: &'static str) -> Vec<Section<'d, 't>> {
        let Some(value) = self.entry(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.complain(
                key,
                value,
                &format!(
                    "{}; write `[[{key}]]`",
                    expected("a list of tables", value.get_ref())
                ),
            );
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| self.enter(key, item))
            .collect()
    }

    /// All keys of a table of plain values.
    pub fn texts(&self, key: &'static str) -> Texts {
        let Some(section) = self.table(key) else {
            return Texts::new();
        };
        let convert = |(name, value): (&'d Spanned<Key<'t>>, &'d Spanned<DeValue<'t>>)| {
            let text = section.convert::<Scalar>(name.get_ref(), value)?;
            Some((name.get_ref().to_string(), text))
        };
        section.table.iter().filter_map(convert).collect()
    }

    /// Every key of this section as a list of texts.
    pub fn lists(&self) -> Vec<(String, Vec<String>)> {
        let list = |(name, value): (&'d Spanned<Key<'t>>, &'d Spanned<DeValue<'t>>)| {
            let texts = self.convert::<Vec<String>>(name.get_ref(), value)?;
            Some((name.get_ref().to_string(), texts.into_inner()))
        };
        self.table.iter().filter_map(list).collect()
    }

    /// All tables of a table (`[key.NAME]`), by name.
    pub fn children(&self, key: &'static str) -> Vec<(String, Section<'d, 't>)> {
        let Some(section) = self.table(key) else {
            return Vec::new();
        };
        let child = |(name, value): (&'d Spanned<Key<'t>>, &'d Spanned<DeValue<'t>>)| {
            let name = name.get_ref().to_string();
            let inner = section.enter(&name, value)?;
            Some((name, inner))
        };
        section.table.iter().filter_map(child).collect()
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if asked.contains(name) {
                continue;
            }
            let near = nearest(name, &asked);
            let hint = near.map_or_else(
                || format!("the keys here are {}", listed(&asked)),
                |near| format!("did you mean `{near}`?"),
            );
            self.faults.add(
                format!("{} has no key `{name}`", self.described()),
                Some(key.span()),
                "unknown key",
                Some(&hint),
            );
        }
    }

    fn described(&self) -> String {
        if self.name.is_empty() {
            "the document".to_owned()
        } else {
            format!("`{}`", self.name)
        }
    }

    fn convert<T: FromValue>(&self, key: &str, value: &Spanned<DeValue<'t>>) -> Option<Spanned<T>> {
        match T::from_value(value.get_ref()) {
            Ok(converted) => Some(Spanned::new(value.span(), converted)),
            Err(why) => {
                self.complain(key, value, &why);
                None
            }
        }
    }

    fn enter(&self, key: &str, value: &'d Spanned<DeValue<'t>>) -> Option<Section<'d, 't>> {
        let name = if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        };
        match value.get_ref().as_table() {
            Some(table) => Some(Section::new(name, table, value.span(), self.faults)),
            None => {
                self.complain(key, value, &expected("a table", value.get_ref()));
                None
            }
        }
    }

    fn complain(&self, key: &str, value: &Spanned<DeValue<'t>>, why: &str) {
        self.faults
            .add(format!("`{key}`: {why}"), Some(value.span()), "", None);
    }
}

fn listed(keys: &BTreeSet<&'static str>) -> String {
    let quoted: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    quoted.join(", ")
}

/// The known key that is at most two edits away (Levenshtein).
fn nearest(name: &str, known: &BTreeSet<&'static str>) -> Option<&'static str> {
    let scored = known.iter().map(|key| (distance(name, key), *key));
    scored
        .filter(|(edits, _)| *edits <= 2)
        .min()
        .map(|(_, key)| key)
}

fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        assert_eq!(distance("adress", "address"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
