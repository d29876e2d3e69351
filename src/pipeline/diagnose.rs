//! Faults of a pipeline: where, what, and what to do.
//!
//! Invariants:
//! - a span lies within its text and on the boundaries of characters;
//! - lines and columns count from 1, columns in characters;
//! - however many faults there are, the first [`limits::FAULTS`] are kept and the places of others counted: what is
//!   kept, and what is said, has a bound.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::limits;
use super::render;

/// How many places of faults that are not kept are counted.
const COUNTED: usize = 100_000;

/// A text that was read: a file, or an argument of the command line.
#[derive(Debug)]
pub struct Text {
    /// What it is called in messages: the path as the user would write it, or the argument.
    pub name: String,
    /// The text.
    pub content: String,
    /// The absolute folder that relative paths in the text start from.
    pub folder: PathBuf,
    /// Where lines start, found when first needed.
    lines: OnceLock<Vec<usize>>,
}

impl Text {
    /// A text of that name; relative paths in it start from `folder`.
    pub fn new(name: impl Into<String>, content: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Text { name: name.into(), content: content.into(), folder: folder.into(), lines: OnceLock::new() }
    }

    /// The line that byte `at` is in, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.lines().partition_point(|&start| start <= at)
    }

    /// The first byte of a line and the byte behind its last one, the end of the line left out.
    pub(super) fn line_range(&self, line: usize) -> (usize, usize) {
        let start = self.lines().get(line - 1).copied().unwrap_or(self.content.len());
        let end = self.lines().get(line).map_or(self.content.len(), |next| next - 1);
        (start, end)
    }

    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let newlines = self.content.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect()
        })
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.content == other.content && self.folder == other.folder
    }
}

impl Eq for Text {}

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
    /// The line of the start.
    pub fn line(&self) -> usize {
        self.text.line(self.start)
    }

    /// The line and the column of the start.
    pub fn position(&self) -> (usize, usize) {
        let line = self.line();
        let (start, _) = self.text.line_range(line);
        (line, self.text.content[start..self.start].chars().count() + 1)
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, as a sentence.
    pub message: String,
    /// What stands at the place, in a few words; may be empty.
    pub label: String,
    /// What to do; may be empty.
    pub hint: String,
    /// The place; none where the fault has no place in a text.
    pub span: Option<Span>,
    /// Other places that belong to the fault, each with a few words.
    pub related: Vec<(Span, String)>,
}

/// The result of what stops at its first fault.
pub(super) type Fallible<T> = Result<T, Box<Diagnostic>>;

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

    /// The file as the user would write it, or the argument; empty where the fault has no place.
    pub fn file(&self) -> &str {
        self.span.as_ref().map_or("", |span| &span.text.name)
    }

    /// The line and the column; 0 and 0 where the fault has no place.
    pub fn position(&self) -> (usize, usize) {
        self.span.as_ref().map_or((0, 0), Span::position)
    }

    /// The fault as what stops its finder.
    pub(super) fn stop<T>(self) -> Fallible<T> {
        Err(Box::new(self))
    }
}

/// Faults as they are found. The first are kept whole; of the others, their places are counted.
#[derive(Debug, Default)]
pub(super) struct Faults {
    kept: Vec<Diagnostic>,
    /// Places with faults that are not kept: the address of the text and the first byte.
    places: HashSet<(usize, usize)>,
    /// How often a fault was found, the same one again counted too.
    found: usize,
}

impl Faults {
    /// Adds a fault, once.
    pub fn push(&mut self, fault: Diagnostic) {
        self.found += 1;
        if self.kept.len() < limits::FAULTS {
            let same = |kept: &Diagnostic| kept.span == fault.span && kept.message == fault.message;
            if !self.kept.iter().any(same) {
                self.kept.push(fault);
            }
        } else {
            match &fault.span {
                Some(span) => self.count(span),
                None => _ = self.places.insert((0, self.found)),
            }
        }
    }

    /// Adds the fault at `span` that `fault` makes. It is not made where it would not be kept.
    pub fn tell(&mut self, span: &Span, fault: impl FnOnce() -> Diagnostic) {
        match self.kept.len() < limits::FAULTS {
            true => self.push(fault()),
            false => {
                self.found += 1;
                self.count(span);
            }
        }
    }

    fn count(&mut self, span: &Span) {
        let place = |span: &Span| (Arc::as_ptr(&span.text) as usize, span.start);
        let known = |fault: &Diagnostic| fault.span.as_ref().is_some_and(|kept| place(kept) == place(span));
        if self.places.len() < COUNTED && !self.kept.iter().any(known) {
            self.places.insert(place(span));
        }
    }

    /// Adds the faults of another pass.
    pub fn append(&mut self, other: Faults) {
        other.kept.into_iter().for_each(|fault| self.push(fault));
        self.places.extend(other.places);
        self.found += other.found;
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// A number that grows with every fault.
    pub fn found(&self) -> usize {
        self.found
    }

    /// Whether no further fault is kept.
    pub fn is_full(&self) -> bool {
        self.kept.len() >= limits::FAULTS
    }

    /// Those that are kept.
    #[cfg(test)]
    pub fn kept(&self) -> &[Diagnostic] {
        &self.kept
    }

    /// Nothing where there is no fault.
    pub fn check(self) -> Result<(), Diagnostics> {
        if self.is_empty() { Ok(()) } else { Err(Diagnostics::new(self)) }
    }
}

/// The faults of a pipeline, sorted by place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// The first of them.
    pub faults: Vec<Diagnostic>,
    /// How many places have faults that are not among these.
    pub more: usize,
}

impl Diagnostics {
    /// Sorts the faults by place.
    pub(super) fn new(faults: Faults) -> Self {
        let mut kept = faults.kept;
        kept.sort_by_cached_key(|fault| (fault.file().to_owned(), fault.position(), fault.message.clone()));
        Diagnostics { faults: kept, more: faults.places.len() }
    }

    /// One fault.
    pub fn one(fault: Diagnostic) -> Self {
        Diagnostics { faults: vec![fault], more: 0 }
    }

    /// Every fault with its line, as text for a terminal, in colour or not, of at most [`limits::MESSAGES`] bytes.
    pub fn render(&self, color: bool) -> String {
        let mut out = String::new();
        for (at, fault) in self.faults.iter().enumerate() {
            let text = render::fault(fault, color);
            let separator = if at == 0 { "" } else { "\n\n" };
            // What is left must hold the sentence at the end.
            if out.len() + separator.len() + text.len() + 200 > limits::MESSAGES {
                return out + &self.remainder(at);
            }
            out += separator;
            out += &text;
        }
        out + &self.remainder(self.faults.len())
    }

    /// What is said of the faults that are not among the first `shown`.
    fn remainder(&self, shown: usize) -> String {
        let more = self.faults.len() - shown + self.more;
        let at_least = if self.more >= COUNTED { "at least " } else { "" };
        match more {
            0 => String::new(),
            1 => "\n\nOne more place has a fault; it is told when these are mended.".to_owned(),
            _ => format!("\n\n{at_least}{more} more places have faults; they are told when these are mended."),
        }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// `text` of at most `most` characters: the middle of a longer one is left out.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most || text.chars().nth(most).is_none() {
        return Cow::Borrowed(text);
    }
    let tail = most / 3;
    let head = text.char_indices().nth(most - tail - 1).map_or(text.len(), |(at, _)| at);
    let tail = text.char_indices().rev().nth(tail.saturating_sub(1)).map_or(0, |(at, _)| at);
    Cow::Owned(format!("{}…{}", &text[..head], &text[tail..]))
}

fn shorten(text: String, most: usize) -> String {
    match cut(&text, most) {
        Cow::Owned(short) => short,
        Cow::Borrowed(_) => text,
    }
}

/// How much of a word and of a candidate is compared, in characters.
const COMPARED: usize = 100;

/// `, did you mean x?` where one of `candidates` resembles `word`, else a full stop. Of many candidates, the first
/// [`limits::CANDIDATES`] are looked at.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let length = |text: &str| text.chars().take(COMPARED + 1).count();
    let own = length(word);
    let far = |candidate: &str| {
        let other = length(candidate);
        own > COMPARED || other > COMPARED || own.abs_diff(other) > other.div_ceil(3)
    };
    let distance = |candidate: &str| match candidate.eq_ignore_ascii_case(word) {
        true => 0,
        false => strsim::damerau_levenshtein(word, candidate),
    };
    let near = candidates.into_iter().take(limits::CANDIDATES).filter(|candidate| !far(candidate));
    match near.map(|candidate| (distance(candidate), candidate)).min() {
        Some((distance, candidate)) if distance <= candidate.chars().count().div_ceil(3) => {
            format!(", did you mean `{candidate}`?")
        }
        _ => ".".to_owned(),
    }
}

/// The names in a row, each in backquotes: "`a`, `b`"; of many, the first.
pub fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let mut shown: Vec<String> =
        names.by_ref().take(limits::LISTED).map(|name| format!("`{}`", cut(name, limits::LABEL))).collect();
    match names.count() {
        0 => {}
        more => shown.push(format!("and {more} more")),
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(content: &str, start: usize, end: usize) -> Span {
        Span { text: Arc::new(Text::new("x.ron", content, "")), start, end }
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(span("ä\nöü: 1", 8, 9).position(), (2, 4));
        assert_eq!(span("", 0, 0).position(), (1, 1));
    }

    #[test]
    fn faults_are_sorted_and_said_once() {
        let text = Arc::new(Text::new("x.ron", "a b", ""));
        let mut faults = Faults::default();
        for at in [2, 0, 2] {
            faults.push(Diagnostic::new(&Span { text: text.clone(), start: at, end: at + 1 }, "Wrong."));
        }
        let all = Diagnostics::new(faults);
        assert_eq!(all.faults.iter().map(|d| d.position().1).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn of_many_faults_the_first_are_told_and_the_others_counted() {
        let text = Arc::new(Text::new("x.ron", "a ".repeat(3000), ""));
        let mut faults = Faults::default();
        for _ in 0..2 {
            for at in 0..3000 {
                let span = Span { text: text.clone(), start: 2 * at, end: 2 * at + 1 };
                faults.tell(&span, || Diagnostic::new(&span, "Wrong.").hint("h".repeat(10_000)));
            }
        }
        let all = Diagnostics::new(faults);
        assert_eq!((all.faults.len(), all.more), (limits::FAULTS, 3000 - limits::FAULTS));
        let rendered = all.render(true);
        assert!(rendered.len() <= limits::MESSAGES, "{}", rendered.len());
        assert!(rendered.ends_with("\n\n2980 more places have faults; they are told when these are mended."));
    }

    #[test]
    fn a_long_text_loses_its_middle() {
        assert_eq!(cut("äbcdefghij", 10), "äbcdefghij");
        assert_eq!(cut("äbcdefghijk", 6), "äbc…jk");
    }

    #[test]
    fn a_hint_lists_so_many_names() {
        let all: Vec<String> = (0..limits::LISTED + 5).map(|i| i.to_string()).collect();
        let listed = names(all.iter().map(String::as_str));
        assert!(listed.ends_with("`39`, and 5 more"), "{listed}");
    }

    #[test]
    fn a_suggestion_must_be_near() {
        assert_eq!(suggestion("momentun", ["lr", "momentum"]), ", did you mean `momentum`?");
        assert_eq!(suggestion("sgd", ["Sgd"]), ", did you mean `Sgd`?");
        assert_eq!(suggestion("banana", ["lr", "momentum"]), ".");
    }
}
