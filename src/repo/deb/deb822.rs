//! Stanzas of `Field: value` lines (deb822(5)), read without copying.
//!
//! An archive's index is fifty million bytes of them, most of which nobody
//! asks for: lines are found by a vectorised search and left unread.

use memchr::{memchr_iter, memmem};

/// One paragraph of a deb822 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stanza<'a>(&'a str);

/// The stanzas of `text`, in order; empty paragraphs are skipped.
pub fn stanzas(text: &str) -> impl Iterator<Item = Stanza<'_>> {
    paragraphs(text)
        .map(|part| part.trim_matches('\n'))
        .filter(|part| !part.is_empty())
        .map(Stanza)
}

fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    let mut ends = memmem::find_iter(text.as_bytes(), b"\n\n");
    let mut from = Some(0);
    std::iter::from_fn(move || {
        let start = from?;
        let end = ends.next();
        from = end.map(|end| end + 2);
        Some(&text[start..end.unwrap_or(text.len())])
    })
}

impl<'a> Stanza<'a> {
    /// The paragraph as it was written, without the newline at its end.
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// Its fields with their values in order, folded lines kept as they are; comments are skipped.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.untrimmed().map(|(name, value)| (name, value.trim()))
    }

    /// The same with the blanks around the values, for whoever needs few of them.
    pub fn untrimmed(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let text = self.0;
        let mut newlines = memchr_iter(b'\n', text.as_bytes());
        let mut from = Some(0);
        std::iter::from_fn(move || {
            loop {
                let start = from?;
                let mut ends = newlines.by_ref().map(|newline| newline + 1);
                let end = ends.find(|next| !is_folded(&text.as_bytes()[*next..]));
                from = end.filter(|end| *end < text.len());
                if let Some(field) = split_field(&text[start..end.unwrap_or(text.len())]) {
                    return Some(field);
                }
            }
        })
    }

    /// The value of a field; names compare without regard to case.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        let mut fields = self.untrimmed();
        let (_, value) = fields.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(value.trim())
    }

    /// The words of a field, none where it is absent.
    pub fn words(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.field(name).unwrap_or_default().split_whitespace()
    }
}

fn split_field(field: &str) -> Option<(&str, &str)> {
    if field.starts_with('#') {
        return None;
    }
    // Names are short: a loop is over before a search has begun.
    let colon = field.bytes().position(|byte| byte == b':')?;
    Some((&field[..colon], &field[colon + 1..]))
}

// A field goes on in lines that begin with a blank; after it a comment may stand alone.
fn is_folded(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The fields as a plain reading of the lines finds them.
    fn read_line_by_line(stanza: &str) -> Vec<(String, String)> {
        let mut fields: Vec<String> = Vec::new();
        for line in stanza.split('\n') {
            match fields.last_mut() {
                Some(field) if line.starts_with([' ', '\t']) => *field += &format!("\n{line}"),
                _ => fields.push(line.to_owned()),
            }
        }
        let fields = fields.iter().filter(|field| !field.starts_with('#'));
        let parts = fields.filter_map(|field| field.split_once(':'));
        parts
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }

    proptest! {
        #[test]
        fn fields_are_found_as_lines_alone_tell_them(text in "([aAb]{1,2}:?|[:#\n \t]|é){0,24}") {
            for stanza in stanzas(&text) {
                let expected = read_line_by_line(stanza.as_str());
                let found: Vec<_> = stanza
                    .fields()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect();
                prop_assert_eq!(&found, &expected);
                for name in ["a", "ab", "b"] {
                    let mut named = expected.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
                    prop_assert_eq!(stanza.field(name), named.next().map(|(_, value)| value.as_str()));
                }
            }
        }
    }

    #[test]
    fn reads_folded_fields_comments_and_several_stanzas() {
        let text = "\nPackage: a\nDepends: b,\n c (>= 1)\n# no\nVersion: 1\n\n\n\npackage: z\nSHA256:\n 1 2 x\n 3 4 y\n";
        let all: Vec<_> = stanzas(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].field("Depends"), Some("b,\n c (>= 1)"));
        assert_eq!(all[0].field("version"), Some("1"));
        assert_eq!(all[0].fields().count(), 3);
        assert_eq!(all[1].field("Package"), Some("z"));
        assert_eq!(all[1].field("SHA256"), Some("1 2 x\n 3 4 y"));
        assert_eq!(all[1].field("Depends"), None);
    }
}
