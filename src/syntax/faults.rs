//! All faults of a text, or of several that belong together.
//!
//! Invariant: however many faults there are, the first [`limits::FAULTS`] are kept, and the places of the others are
//! counted. Memory and messages have a bound.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::limits;
use super::render;
use super::text::Span;

/// How many places of faults that are not kept are counted.
const COUNTED: usize = 100_000;

/// Faults as they are found. The first ones are kept. Of all others, the places are counted.
#[derive(Debug, Default)]
pub(crate) struct Faults {
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

    /// Adds the fault at `span` that `fault` makes. It is not made if it would not be kept.
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

    /// # Errors
    /// There are faults.
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
    pub(crate) fn new(faults: Faults) -> Self {
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
            // There must be room for the sentence at the end.
            if out.len() + separator.len() + text.len() + 200 > limits::MESSAGES {
                return out + &self.remainder(at);
            }
            out += separator;
            out += &text;
        }
        out + &self.remainder(self.faults.len())
    }

    /// The sentence about the faults that are not among the first `shown`.
    fn remainder(&self, shown: usize) -> String {
        let more = self.faults.len() - shown + self.more;
        let at_least = if self.more >= COUNTED { "at least " } else { "" };
        match more {
            0 => String::new(),
            1 => "\n\nThere is a fault in one more place. It is shown once these are corrected.".to_owned(),
            _ => format!(
                "\n\nThere are faults in {at_least}{more} more places. They are shown once these are corrected."
            ),
        }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::text::Text;

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
        assert!(
            rendered.ends_with("\n\nThere are faults in 2980 more places. They are shown once these are corrected.")
        );
    }
}
