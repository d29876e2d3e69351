//! One fault of a text: where it is, what is wrong, and what to do.
//!
//! Invariant: whatever stands in the text, message, label and hint have a bound.

use super::limits;
use super::text::Span;
use super::words::shorten;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, as a sentence.
    pub message: String,
    /// What stands at the place, in a few words; may be empty.
    pub label: String,
    /// What to do; may be empty.
    pub hint: String,
    /// The place, if the fault has one in a text.
    pub span: Option<Span>,
    /// Other places that belong to the fault, each with a few words.
    pub related: Vec<(Span, String)>,
}

/// The result of a function that stops at its first fault.
pub(crate) type Fallible<T> = Result<T, Box<Diagnostic>>;

impl Diagnostic {
    /// A fault at `span`.
    pub fn new(span: &Span, message: impl Into<String>) -> Self {
        Diagnostic { span: Some(span.clone()), ..Diagnostic::unplaced(message) }
    }

    /// A fault without a place in a text.
    pub fn unplaced(message: impl Into<String>) -> Self {
        let message = shorten(message.into(), limits::MESSAGE);
        Diagnostic { message, label: String::new(), hint: String::new(), span: None, related: Vec::new() }
    }

    /// Says what stands at the place.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = shorten(label.into(), limits::LABEL);
        self
    }

    /// Says what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = shorten(hint.into(), limits::HINT);
        self
    }

    /// Shows another place.
    pub fn related(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.related.push((span.clone(), shorten(label.into(), limits::LABEL)));
        self
    }

    /// The file as the user would write it, or the argument. Empty if the fault has no place.
    pub fn file(&self) -> &str {
        self.span.as_ref().map_or("", |span| &span.text.name)
    }

    /// The line and the column, or 0 and 0 if the fault has no place.
    pub fn position(&self) -> (usize, usize) {
        self.span.as_ref().map_or((0, 0), Span::position)
    }

    /// The fault as an error.
    pub(crate) fn stop<T>(self) -> Fallible<T> {
        Err(Box::new(self))
    }
}
