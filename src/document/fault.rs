//! What is wrong with a document, where, and what to do about it.

use std::cell::RefCell;
use std::ops::Range;

/// Bytes of the document, from and to.
pub type Span = Range<usize>;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The text it is about; none: the document as a whole.
    pub span: Option<Span>,
    /// A few words below the underlined text; may be empty.
    pub label: String,
    /// What to do.
    pub hint: Option<String>,
}

/// A list of faults that many readers add to.
#[derive(Debug, Default)]
pub struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    /// Adds one.
    pub fn add(
        &self,
        message: impl Into<String>,
        span: Option<Span>,
        label: impl Into<String>,
        hint: Option<&str>,
    ) {
        self.0.borrow_mut().push(Fault {
            message: message.into(),
            span,
            label: label.into(),
            hint: hint.map(str::to_owned),
        });
    }

    /// How many there are so far.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// The value, if nothing was wrong; else all faults in the order of the text.
    pub fn conclude<T>(self, value: Option<T>) -> Result<T, Vec<Fault>> {
        let mut faults = self.0.into_inner();
        match value {
            Some(value) if faults.is_empty() => Ok(value),
            _ => {
                assert!(!faults.is_empty(), "a reader that yields nothing says why");
                faults.sort_by_key(|fault| fault.span.as_ref().map(|span| (span.start, span.end)));
                faults.dedup();
                Err(faults)
            }
        }
    }
}
