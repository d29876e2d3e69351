//! Faults as text for a terminal, each with the line that it is in.
//!
//! Invariants:
//! - a line that is shown has at most [`limits::COLUMNS`] columns, however long it is in the file;
//! - only the lines that are shown are looked at.

use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use super::diagnostic::Diagnostic;
use super::limits;
use super::text::{Span, Text};
use super::words::cut;

/// How many lines a place may have that is shown as a whole; of a longer one, the first line is.
const MOST_LINES: usize = 12;
/// How many other places of a fault are shown.
const MOST_RELATED: usize = 4;
/// How many lines may lie between two places that are shown in one piece.
const APART: usize = 200;
/// How many columns of a long line are shown before the place, and at least behind its start.
const BEFORE: usize = 40;

/// Stands on both sides of a piece's number, until file, line and column take their place. The renderer of a cut line does
/// not know these.
const MARK: char = '\u{e000}';

/// A fault in words, with its place, in colour or not.
pub(super) fn fault(fault: &Diagnostic, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.term_width(limits::COLUMNS);
    let mut marks = Vec::new();
    let mut group = Group::with_title(Level::ERROR.primary_title(&fault.message));
    if let Some(span) = &fault.span {
        let mut places = vec![Mark::new(span, &fault.label, true)];
        let related = fault.related.iter().take(MOST_RELATED);
        places.extend(related.map(|(span, label)| Mark::new(span, label, false)));
        for (number, piece) in pieces(places).into_iter().enumerate() {
            let mark = format!("{MARK}{number}{MARK}");
            let (snippet, place) = piece.snippet(mark.clone());
            group = group.element(snippet);
            marks.push((mark, place));
        }
    }
    if !fault.hint.is_empty() {
        group = group.element(Level::HELP.message(&fault.hint));
    }
    let mut text = renderer.render(&[group]);
    for (mark, place) in marks {
        if let Some(start) = text.find(&mark) {
            let behind = start + mark.len();
            let end =
                text[behind..].find(|c: char| c != ':' && !c.is_ascii_digit()).map_or(text.len(), |at| behind + at);
            text.replace_range(start..end, &place);
        }
    }
    // The renderer shows the control characters of ASCII as symbols, and leaves those behind it.
    text.replace(|c: char| ('\u{80}'..='\u{9f}').contains(&c), "\u{fffd}")
}

/// A place of a fault.
struct Mark<'a> {
    span: &'a Span,
    text: &'a Arc<Text>,
    range: Range<usize>,
    /// Its first line and its last one.
    lines: (usize, usize),
    label: &'a str,
    primary: bool,
}

impl<'a> Mark<'a> {
    fn new(span: &'a Span, label: &'a str, primary: bool) -> Self {
        let text = &span.text;
        let first = text.line(span.start);
        let last = text.line(span.end.saturating_sub(1).max(span.start));
        let mut place = Mark { span, text, range: span.start..span.end, lines: (first, last), label, primary };
        if last - first >= MOST_LINES || (first..=last).any(|line| is_long(text, line)) {
            place.lines.1 = first;
            place.range.end = span.end.min(text.line_range(first).1).max(span.start);
        }
        place
    }

    /// Whether its line is too long to be shown whole.
    fn is_cut(&self) -> bool {
        self.lines.0 == self.lines.1 && is_long(self.text, self.lines.0)
    }

    fn annotation(&self, range: Range<usize>) -> Annotation<'a> {
        let kind = if self.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        kind.span(range).label((!self.label.is_empty()).then_some(self.label))
    }
}

/// What is shown in one piece: places on lines that lie close together, or one place on a long line.
struct Piece<'a> {
    places: Vec<Mark<'a>>,
}

/// The pieces of a fault, that of its own place first.
fn pieces(places: Vec<Mark<'_>>) -> Vec<Piece<'_>> {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    for place in places {
        let fits = |piece: &&mut Piece<'_>| {
            let other = &piece.places[0];
            let (first, last) = (other.lines.0.min(place.lines.0), other.lines.0.max(place.lines.0));
            let close = || last - first <= APART && !(first..=last).any(|line| is_long(place.text, line));
            Arc::ptr_eq(other.text, place.text) && close()
        };
        // A place in another text stands alone.
        match pieces.first_mut().filter(fits) {
            Some(piece) => piece.places.push(place),
            None => pieces.push(Piece { places: vec![place] }),
        }
    }
    pieces
}

impl<'a> Piece<'a> {
    /// The lines with the places marked, in a file called `name`, and the first place in words: file, line and column.
    fn snippet(&self, name: String) -> (Snippet<'a, Annotation<'a>>, String) {
        let place = &self.places[0];
        let (line, column) = place.span.position();
        let words = format!("{}:{line}:{column}", printable(&place.text.name));
        if place.is_cut() {
            let (shown, range) = around(place);
            let snippet = Snippet::source(shown).path(name).line_start(line).annotation(place.annotation(range));
            return (snippet, words);
        }
        let first = self.places.iter().map(|place| place.lines.0).min().unwrap_or(1);
        let last = self.places.iter().map(|place| place.lines.1).max().unwrap_or(1);
        // At the end of a text an empty line has nothing to show; the one before has.
        let empty = first > 1 && place.text.line_range(first).0 == place.text.content.len();
        let first = if empty { first - 1 } else { first };
        let (start, end) = (place.text.line_range(first).0, place.text.line_range(last).1);
        let end = if end + 1 == place.text.content.len() { end + 1 } else { end };
        let shown = place.text.content[start..end].to_owned();
        let mut snippet = Snippet::source(shown).path(name).line_start(first);
        for place in &self.places {
            let range = place.range.start - start..place.range.end.min(end).max(place.range.start) - start;
            snippet = snippet.annotation(place.annotation(range));
        }
        (snippet, words)
    }
}

/// What a text is called, on one line of a terminal.
fn printable(name: &str) -> String {
    cut(name, limits::COLUMNS).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The columns that a character takes, at most.
fn width(c: char) -> usize {
    match c {
        '\t' => 4,
        '\0'..'\u{300}' => 1,
        _ => 2,
    }
}

fn is_long(text: &Text, line: usize) -> bool {
    let (start, end) = text.line_range(line);
    end - start > limits::COLUMNS / 4
        && (end - start > 4 * limits::COLUMNS
            || text.content[start..end].chars().map(width).sum::<usize>() > limits::COLUMNS)
}

/// A long line as far as it is shown, with `…` for what is left out, and where the place is in it.
fn around(place: &Mark<'_>) -> (String, Range<usize>) {
    let (start, end) = place.text.line_range(place.lines.0);
    let content = &place.text.content;
    let (before, behind) = (&content[start..place.range.start], &content[place.range.start..end]);
    let taken = |columns: usize| {
        let mut left = columns;
        move |c: char| {
            left = left.saturating_sub(width(c));
            left > 0
        }
    };
    let mut keep = taken(BEFORE);
    let from = before.char_indices().rev().take_while(|(_, c)| keep(*c)).last().map_or(before.len(), |(at, _)| at);
    let mut keep = taken(limits::COLUMNS - BEFORE - 20);
    let to = behind.char_indices().find(|(_, c)| !keep(*c)).map_or(behind.len(), |(at, _)| at);
    let mut shown = if from > 0 { "…".to_owned() } else { String::new() };
    shown += &before[from..];
    let at = shown.len();
    shown += &behind[..to];
    let marked = at..at + (place.range.end - place.range.start).min(to);
    if to < behind.len() {
        shown.push('…');
    }
    (shown, marked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::faults::Diagnostics;

    fn span(content: &str, start: usize, end: usize) -> Span {
        Span { text: Arc::new(Text::new("x.ron", content, "")), start, end }
    }

    #[test]
    fn the_line_is_shown_with_its_place_and_what_to_do() {
        let at = span("(\n    lr: -1,\n)", 10, 12);
        let fault =
            Diagnostic::new(&at, "Out of range.").label("here").hint("Write 1.").related(&span("y", 0, 1), "there");
        insta::assert_snapshot!(Diagnostics::one(fault), @r"
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
        assert!(Diagnostics::one(Diagnostic::new(&at, "Red.")).render(true).contains("\u{1b}["));
    }
}
