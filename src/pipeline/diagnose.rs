//! Faults of a pipeline: where, what, and what to do, rendered with the line at fault.
//!
//! Invariants:
//! - a span lies within its text and on the boundaries of characters;
//! - lines and columns count from 1, columns in characters.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A text that was read: a file, or an argument of the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    /// What it is called in messages: the path as the user would write it, or the argument.
    pub name: String,
    /// The text.
    pub content: String,
    /// The absolute folder that relative paths in the text start from.
    pub folder: PathBuf,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text.
    pub text: Arc<Text>,
    /// The first byte.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

impl Span {
    /// The line and the column of the start.
    pub fn position(&self) -> (usize, usize) {
        let before = &self.text.content[..self.start];
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line..].chars().count() + 1)
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the user would write it, or the argument; empty where the fault has no place.
    pub file: String,
    /// The line, from 1; 0 where the fault has no place.
    pub line: usize,
    /// The column in characters, from 1; 0 where the fault has no place.
    pub column: usize,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What stands at the place, in a few words; may be empty.
    pub label: String,
    /// What to do; may be empty.
    pub hint: String,
    /// The place.
    pub span: Option<Span>,
    /// Other places that belong to the fault, each with a few words.
    pub related: Vec<(Span, String)>,
}

/// The result of what stops at its first fault.
pub(super) type Fallible<T> = Result<T, Box<Diagnostic>>;

impl Diagnostic {
    /// A fault at `span`.
    pub fn new(span: &Span, message: impl Into<String>) -> Self {
        let (line, column) = span.position();
        let file = span.text.name.clone();
        Diagnostic { file, line, column, span: Some(span.clone()), ..Diagnostic::unplaced(message) }
    }

    /// A fault without a place in a text.
    pub fn unplaced(message: impl Into<String>) -> Self {
        Diagnostic {
            file: String::new(),
            line: 0,
            column: 0,
            message: message.into(),
            label: String::new(),
            hint: String::new(),
            span: None,
            related: Vec::new(),
        }
    }

    /// Says what stands at the place.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Shows another place.
    pub fn related(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.related.push((span.clone(), label.into()));
        self
    }

    /// The fault as what stops its finder.
    pub(super) fn stop<T>(self) -> Fallible<T> {
        Err(Box::new(self))
    }

    fn render(&self, renderer: &Renderer) -> String {
        let mut group = Group::with_title(Level::ERROR.primary_title(&self.message));
        if let Some(span) = &self.span {
            let mut here = snippet(&span.text).annotation(
                AnnotationKind::Primary
                    .span(span.start..span.end)
                    .label((!self.label.is_empty()).then_some(self.label.as_str())),
            );
            let (near, far): (Vec<_>, Vec<_>) =
                self.related.iter().partition(|(other, _)| Arc::ptr_eq(&other.text, &span.text));
            for (other, label) in near {
                here = here.annotation(AnnotationKind::Context.span(other.start..other.end).label(label));
            }
            group = group.element(here);
            for (other, label) in far {
                let note = AnnotationKind::Context.span(other.start..other.end).label(label);
                group = group.element(snippet(&other.text).annotation(note));
            }
        }
        if !self.hint.is_empty() {
            group = group.element(Level::HELP.message(&self.hint));
        }
        renderer.render(&[group])
    }
}

fn snippet<T: Clone>(text: &Text) -> Snippet<'_, T> {
    Snippet::source(text.content.as_str()).path(text.name.as_str())
}

/// All faults of a pipeline, sorted by place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Sorts the faults by place and keeps one of each.
    pub fn new(mut faults: Vec<Diagnostic>) -> Self {
        let key = |d: &Diagnostic| (d.file.clone(), d.line, d.column, d.message.clone());
        faults.sort_by_key(key);
        faults.dedup_by_key(|d| key(d));
        Diagnostics(faults)
    }

    /// Nothing where there is no fault.
    pub fn check(faults: Vec<Diagnostic>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Diagnostics::new(faults)) }
    }

    /// Every fault with its line, as text for a terminal, in colour or not.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let faults: Vec<String> = self.0.iter().map(|fault| fault.render(&renderer)).collect();
        faults.join("\n\n")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// `, did you mean x?` where one of `candidates` resembles `word`, else a full stop.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let distance = |candidate: &str| match candidate.eq_ignore_ascii_case(word) {
        true => 0,
        false => strsim::damerau_levenshtein(word, candidate),
    };
    let nearest = candidates.into_iter().map(|candidate| (distance(candidate), candidate)).min();
    match nearest {
        Some((distance, candidate)) if distance <= candidate.chars().count().div_ceil(3) => {
            format!(", did you mean `{candidate}`?")
        }
        _ => ".".to_owned(),
    }
}

/// The names in a row, each in backquotes: "`a`, `b`".
pub fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(content: &str, start: usize, end: usize) -> Span {
        let text = Text { name: "x.ron".to_owned(), content: content.to_owned(), folder: PathBuf::new() };
        Span { text: Arc::new(text), start, end }
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(span("ä\nöü: 1", 8, 9).position(), (2, 4));
        assert_eq!(span("", 0, 0).position(), (1, 1));
    }

    #[test]
    fn faults_are_sorted_and_said_once() {
        let fault = |at| Diagnostic::new(&span("a b", at, at + 1), "Wrong.");
        let all = Diagnostics::new(vec![fault(2), fault(0), fault(2)]);
        assert_eq!(all.0.iter().map(|d| d.column).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn a_suggestion_must_be_near() {
        assert_eq!(suggestion("momentun", ["lr", "momentum"]), ", did you mean `momentum`?");
        assert_eq!(suggestion("sgd", ["Sgd"]), ", did you mean `Sgd`?");
        assert_eq!(suggestion("banana", ["lr", "momentum"]), ".");
    }

    #[test]
    fn the_line_is_shown_with_its_place_and_what_to_do() {
        let at = span("(\n    lr: -1,\n)", 10, 12);
        let fault =
            Diagnostic::new(&at, "Out of range.").label("here").hint("Write 1.").related(&span("y", 0, 1), "there");
        insta::assert_snapshot!(Diagnostics(vec![fault]), @r"
        error: Out of range.
         --> x.ron:2:9
          |
        2 |     lr: -1,
          |         ^^ here
          |
         ::: x.ron:1:1
          |
        1 | y
          | - there
          |
          = help: Write 1.
        ");
        assert!(Diagnostics(vec![Diagnostic::new(&at, "Red.")]).render(true).contains("\u{1b}["));
    }
}
