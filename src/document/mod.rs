//! TOML documents written by people: read to the end, with every fault found.
//!
//! serde stops at the first unknown key; an operator deserves the whole list.
//! A [`Document`] is parsed once with the places of all its values; each part
//! of the program takes its keys out of a [`Section`], and what nobody took is
//! reported as unknown, beside everything that was wrong.

mod fault;
mod section;
pub(crate) mod value;

pub use fault::{Fault, Faults, Span};
pub use section::Section;
pub use value::{FromText, FromValue};

use toml::Spanned;
use toml::de::DeTable;

/// A parsed document.
pub struct Document<'t> {
    root: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Parses `text`; all syntax errors are returned together.
    pub fn parse(text: &'t str) -> Result<Self, Vec<Fault>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { root });
        }
        Err(errors
            .iter()
            .map(|error| syntax_fault(error, text))
            .collect())
    }

    /// The top of the document.
    pub fn root<'d>(&'d self, faults: &'d Faults) -> Section<'d, 't> {
        Section::new(String::new(), self.root.get_ref(), self.root.span(), faults)
    }
}

fn syntax_fault(error: &toml::de::Error, text: &str) -> Fault {
    let span = error.span().map(|span| whole_characters(text, span));
    Fault {
        message: format!(
            "this is not TOML: {}",
            error.message().lines().next().unwrap_or("syntax error")
        ),
        span,
        label: String::new(),
        hint: Some("see https://toml.io for the syntax".to_owned()),
    }
}

/// The span as what can be underlined: an error at the end of a file points
/// behind it, and one at a character of several bytes may point into it.
fn whole_characters(text: &str, span: Span) -> Span {
    let end = span.end.min(text.len());
    let mut start = span.start.min(end.saturating_sub(1));
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let end = (end..text.len()).find(|place| text.is_char_boundary(*place));
    start..end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underlines_whole_characters() {
        for text in ["sources\u{e9}[1]\n", "x = \"\u{e9}", "\u{e9}", ""] {
            for fault in Document::parse(text).err().unwrap_or_default() {
                let span = fault.span.unwrap_or_default();
                assert!(text.get(span.clone()).is_some(), "{span:?} of {text:?}");
            }
        }
    }
}
