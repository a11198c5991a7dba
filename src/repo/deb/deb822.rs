//! Stanzas of `Field: value` lines (deb822(5)), read without copying.
//!
//! An archive's index is fifty million bytes of them, most of which nobody
//! asks for: lines are found by a vectorised search and left unread.

use memchr::{memchr, memchr_iter, memmem};

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
        let mut rest = self.0;
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                let (field, after) = rest.split_at(field_end(rest));
                rest = after;
                if let Some((name, value)) = split_field(field) {
                    return Some((name, value));
                }
            }
            None
        })
    }

    /// The value of a field; names compare without regard to case.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        let text = self.0;
        let lines = memchr_iter(b'\n', text.as_bytes()).map(|newline| newline + 1);
        let start = std::iter::once(0)
            .chain(lines)
            .find(|line| begins_field(&text.as_bytes()[*line..], name))?;
        let field = &text[start..];
        Some(field[name.len() + 1..field_end(field)].trim())
    }

    /// The words of a field, none where it is absent.
    pub fn words(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.field(name).unwrap_or_default().split_whitespace()
    }
}

// A folded line begins with a blank and a comment with `#`, as no name does.
fn begins_field(line: &[u8], name: &str) -> bool {
    line.get(name.len()) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
}

fn split_field(field: &str) -> Option<(&str, &str)> {
    if field.starts_with('#') {
        return None;
    }
    let colon = memchr(b':', field.as_bytes())?;
    Some((&field[..colon], field[colon + 1..].trim()))
}

// A field ends at the first newline that no blank follows; after it a comment may stand alone.
fn field_end(text: &str) -> usize {
    let mut from = 0;
    while let Some(newline) = memchr(b'\n', &text.as_bytes()[from..]) {
        let next = from + newline + 1;
        if !text[next..].starts_with([' ', '\t']) {
            return next;
        }
        from = next;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_field_is_found_as_if_all_were_read(text in "([aAb]{1,2}:?|[:#\\n \t]|é){0,24}") {
            for stanza in stanzas(&text) {
                for name in ["a", "ab", "b"] {
                    let mut read = stanza.fields();
                    let expected = read.find(|(found, _)| found.eq_ignore_ascii_case(name));
                    prop_assert_eq!(stanza.field(name), expected.map(|(_, value)| value));
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
