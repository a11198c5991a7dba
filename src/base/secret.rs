//! Text that must not be shown by accident.

/// A password or a private key. It has neither `Debug` nor `Display`, and is
/// serialised only where a wire format names it field by field.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text in; from here on it leaves through [`Secret::expose`] alone.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that has to write it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
