//! A table of what one version of a program knows, one word or phrase a line.

use std::collections::BTreeSet;

use crate::support::read_source;

pub struct Table(BTreeSet<String>);

impl Table {
    pub fn read(project: &str, version: &str) -> Self {
        let text = read_source(&format!("tests/dialects/tables/{project}-{version}.txt"));
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.map(str::to_owned).collect())
    }

    pub fn knows(&self, phrase: &str) -> bool {
        self.0.contains(phrase)
    }

    /// Whether anything that begins so is known.
    pub fn knows_any(&self, beginning: &str) -> bool {
        let mut from = self.0.range(beginning.to_owned()..);
        from.next().is_some_and(|next| next.starts_with(beginning))
    }
}
