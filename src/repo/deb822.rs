//! Stanzas of `Field: value` lines (deb822(5)), read without copying.

/// One paragraph of a deb822 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stanza<'a>(&'a str);

/// The stanzas of `text`, in order; empty paragraphs are skipped.
pub fn stanzas(text: &str) -> impl Iterator<Item = Stanza<'_>> {
    text.split("\n\n")
        .map(|part| part.trim_matches('\n'))
        .filter(|part| !part.is_empty())
        .map(Stanza)
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
        self.fields()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
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
    let (name, value) = field.split_once(':')?;
    Some((name, value.trim()))
}

// A field ends at the first newline that no blank follows; after it a comment may stand alone.
fn field_end(text: &str) -> usize {
    let mut from = 0;
    while let Some(newline) = text[from..].find('\n') {
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
    use super::*;

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
